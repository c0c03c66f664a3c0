use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering::*};
use std::time::{Duration, Instant};

use static_assertions::{assert_impl_all, assert_not_impl_any};
use tk_lock::{Lock, LockExt, LockGuard, MappedLockGuard};
use tk_park::{Limit, StopSource, WaitError};
use tk_testing::{message, start, start_parked, until};

use crate::converting::Converting;

assert_impl_all!(Lock<Cell<u32>>: Send, Sync);
assert_not_impl_any!(Lock<Rc<u32>>: Send, Sync);
assert_impl_all!(LockGuard<'static, u32>: Sync);
assert_not_impl_any!(LockGuard<'static, u32>: Send);
assert_not_impl_any!(MappedLockGuard<'static, u32>: Send);

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn a_lock_guards_its_value() {
    static LOCK: Lock<u32> = Lock::new(1);
    *LOCK.lock() += 1;
    assert_eq!(*LOCK.lock(), 2);
    assert_eq!(Lock::new(3).into_inner(), 3);
    assert_eq!(*Lock::<u32>::default().lock(), 0);
}

#[test]
fn a_try_fails_in_another_thread_while_a_guard_lives() {
    let lock = Lock::new(());
    let guard = lock.try_lock().unwrap();
    std::thread::scope(|s| {
        assert!(start(s, || lock.try_lock().is_none()).join());
        drop(guard);
        assert!(start(s, || lock.try_lock().is_some()).join());
    });
}

#[test]
fn a_guard_releases_on_return_and_on_panic() {
    let lock = Lock::new(1);
    {
        let _guard = lock.lock();
        assert!(lock.is_locked());
    }
    assert!(!lock.is_locked());
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let mut guard = lock.lock();
        *guard = 2;
        panic!("on purpose");
    }));
    assert!(panicked.is_err());
    assert!(!lock.is_locked());
    // No poison: the value is as the panic left it.
    assert_eq!(*lock.lock(), 2);
}

#[test]
fn relocking_panics_and_leaves_the_lock_to_its_guard() {
    let lock = Lock::new(1);
    let guard = lock.lock();
    let payload = catch_unwind(AssertUnwindSafe(|| drop(lock.lock()))).unwrap_err();
    assert!(message(&*payload).contains("holds the lock already"));
    assert!(lock.is_locked());
    drop(guard);
    assert!(!lock.is_locked());
}

#[test]
fn relocking_panics_also_while_others_wait() {
    let lock = Lock::new(());
    let guard = lock.lock();
    std::thread::scope(|s| {
        let waiter = start_parked(s, "lock", || drop(lock.lock()));
        let relocked = catch_unwind(AssertUnwindSafe(|| drop(lock.lock())));
        assert!(relocked.is_err());
        drop(guard);
        waiter.join();
    });
}

#[test]
fn relocking_without_a_limit_that_ends_panics_in_every_form() {
    let lock = Lock::new(());
    let _guard = lock.lock();
    let relocked = catch_unwind(AssertUnwindSafe(|| drop(lock.lock_with(Limit::never()))));
    assert!(relocked.is_err());
    let relocked = catch_unwind(AssertUnwindSafe(|| drop(lock.lock_with(Duration::MAX))));
    assert!(relocked.is_err());
}

#[test]
fn relocking_with_a_limit_reaches_it() {
    let lock = Lock::new(());
    let _guard = lock.lock();
    let timeout = Duration::from_millis(5);
    let start = Instant::now();
    assert!(lock.try_lock().is_none());
    assert!(lock.try_lock_for(timeout).is_none());
    assert!(lock.try_lock_until(Instant::now()).is_none());
    assert_eq!(lock.lock_with(timeout).err(), Some(WaitError::TimedOut));
    assert!(start.elapsed() >= 2 * timeout);
}

#[test]
fn every_form_takes_a_free_lock_whose_limit_is_over() {
    let source = StopSource::new();
    source.request_stop();
    let lock = Lock::new(());
    assert!(lock.try_lock_for(Duration::ZERO).is_some());
    assert!(lock.try_lock_until(Instant::now()).is_some());
    assert!(lock.lock_with(Duration::ZERO).is_ok());
    assert!(lock.lock_with(&source.token()).is_ok());
}

#[test]
fn a_stop_ends_a_wait_for_a_lock() {
    let lock = Lock::new(());
    let source = StopSource::new();
    let token = source.token();
    let guard = lock.lock();
    std::thread::scope(|s| {
        let waiter = start_parked(s, "lock", || lock.lock_with(&token).err());
        source.request_stop();
        assert_eq!(waiter.join(), Some(WaitError::Stopped));
    });
    drop(guard);
}

#[test]
fn a_fair_release_hands_the_lock_over_at_once() {
    let lock = Lock::new(());
    let guard = lock.lock();
    std::thread::scope(|s| {
        let new_owner = start_parked(s, "lock", || std::mem::forget(lock.lock()));
        LockGuard::unlock_fair(guard);
        // The new owner has it, whether or not it runs already.
        assert!(lock.try_lock().is_none());
        // SAFETY: looks, and does no more.
        assert_eq!(unsafe { lock.raw() }.holder(), Some(new_owner.owner()));
        new_owner.join();
    });
}

#[test]
fn a_fair_release_gives_way_to_a_thread_that_may_spin() {
    if std::thread::available_parallelism().is_ok_and(|n| n.get() == 1) {
        // Nobody spins.
        return;
    }
    // It yields for 4 µs, or until a yield has run another thread, which takes half of that.
    let moment = Duration::from_micros(2);
    for _ in 0..20 {
        let lock = Lock::new(());
        let guard = lock.lock();
        let source = StopSource::new();
        std::thread::scope(|s| {
            // It has spun when it is parked. A wait with a time might be over before it spins.
            let waiter = start_parked(s, "lock", || lock.lock_with(&source.token()).is_err());
            source.request_stop();
            assert!(waiter.join());
        });
        // The release can't know that the other thread has given up spinning. If it did not yield,
        // it would take less time now and then.
        let start = Instant::now();
        LockGuard::unlock_fair(guard);
        assert!(start.elapsed() >= moment);
        assert!(!lock.is_locked());
    }
}

#[test]
fn a_fair_release_with_nobody_waiting_frees_the_lock() {
    let lock = Lock::new(());
    LockGuard::unlock_fair(lock.lock());
    assert!(!lock.is_locked());
}

#[test]
fn bump_lets_the_waiter_have_a_turn() {
    let lock = Lock::new(0);
    let mut guard = lock.lock();
    std::thread::scope(|s| {
        let waiter = start_parked(s, "lock", || *lock.lock() += 1);
        LockGuard::bump(&mut guard);
        assert_eq!(*guard, 1);
        waiter.join();
    });
}

#[test]
fn a_thread_that_ends_with_a_guard_leaves_the_lock_to_nobody() {
    let lock = Lock::new(());
    std::thread::scope(|s| {
        let gone = start(s, || std::mem::forget(lock.lock()));
        let owner = gone.owner();
        gone.join();
        // Threads that follow each other may get the place of the one before. None of them is taken
        // for the holder.
        for _ in 0..10 {
            let next = start(s, || {
                lock.try_lock().is_none()
                    && lock.try_lock_for(Duration::from_millis(1)).is_none()
                    && lock.lock_with(Duration::ZERO).err() == Some(WaitError::TimedOut)
            });
            assert!(next.join());
        }
        let waiter = start_parked(s, "lock", || drop(lock.lock()));
        assert_eq!(waiter.record.blocked_on().unwrap().holder(), Some(owner));
        // SAFETY: the guard has been forgotten, and this stands for it.
        unsafe { lock.force_unlock(lock_api::GuardNoSend::new()) };
        waiter.join();
    });
    assert!(!lock.is_locked());
}

#[test]
fn a_limit_is_converted_before_the_lock_is_taken() {
    let lock = Lock::new(());
    let locks = || {
        drop(lock.lock());
        Limit::never()
    };
    drop(lock.lock_with(Converting(locks)));
    let panics = Converting(|| panic!("on purpose"));
    let panicked = catch_unwind(AssertUnwindSafe(|| lock.lock_with(panics).is_ok()));
    assert!(panicked.is_err() && !lock.is_locked());
    // The conversion has taken the lock for good: as a relock, that is told.
    let keeps = || {
        std::mem::forget(lock.lock());
        Limit::never()
    };
    let relocked = catch_unwind(AssertUnwindSafe(|| {
        lock.lock_with(Converting(keeps)).is_ok()
    }));
    assert!(message(&*relocked.unwrap_err()).contains("holds the lock already"));
}

#[test]
fn the_longest_time_is_forever_in_every_form_so_that_relocking_panics() {
    let lock = Lock::new(());
    let _guard = lock.lock();
    let forms: [&dyn Fn(); 3] = [
        &|| drop(lock.try_lock_for(Duration::MAX)),
        &|| drop(lock.lock_with(Duration::MAX)),
        &|| drop(lock.lock_with(None::<Duration>)),
    ];
    for form in forms {
        let relocked = catch_unwind(AssertUnwindSafe(form));
        assert!(message(&*relocked.unwrap_err()).contains("holds the lock already"));
    }
}

#[test]
fn a_forgotten_guard_leaves_the_lock_held() {
    let lock = Lock::new(());
    std::mem::forget(lock.lock());
    assert!(lock.is_locked());
    assert!(lock.try_lock_for(Duration::from_millis(1)).is_none());
    // SAFETY: this thread has the lock, and the guard is forgotten.
    unsafe { lock.force_unlock(lock_api::GuardNoSend::new()) };
    assert!(lock.try_lock().is_some());
}

#[test]
fn a_guard_can_be_mapped_to_a_part() {
    let lock = Lock::new((1, 2));
    let mut second = LockGuard::map(lock.lock(), |pair| &mut pair.1);
    *second = 3;
    assert!(lock.is_locked());
    drop(second);
    assert_eq!(*lock.lock(), (1, 3));
}

#[test]
fn the_record_shows_the_line_that_locks() {
    let lock = Lock::new(());
    let guard = lock.lock();
    std::thread::scope(|s| {
        let at = |record: &tk_core::ThreadRecord, line| {
            let waiting = record.blocked_on().unwrap();
            assert_eq!(waiting.location().file(), file!());
            assert_eq!(waiting.location().line(), line);
            assert_eq!(waiting.holder(), Some(tk_core::current_owner()));
        };
        let line = line!() + 1;
        let first = start_parked(s, "lock", || drop(lock.lock()));
        at(&first.record, line);
        let line = line!() + 1;
        let second = start_parked(s, "lock", || drop(lock.try_lock_for(MINUTE)));
        at(&second.record, line);
        let line = line!() + 1;
        let third = start_parked(s, "lock", || drop(lock.lock_with(MINUTE)));
        at(&third.record, line);
        drop(guard);
        [first, second, third].into_iter().for_each(|t| t.join());
    });
}

#[test]
fn debug_never_blocks_and_does_not_show_a_locked_value() {
    let lock = Lock::new("secret");
    let guard = lock.lock();
    let shown = format!("{lock:?}");
    assert!(
        !shown.contains("secret") && shown.contains("locked"),
        "{shown}"
    );
    drop(guard);
}

#[test]
fn a_guard_can_live_in_a_thread_local_until_the_thread_ends() {
    static LOCK: Lock<u32> = Lock::new(0);
    thread_local! {
        static KEPT: RefCell<Option<LockGuard<'static, u32>>> = const { RefCell::new(None) };
    }
    // Both orders: the guard is dropped before and after the thread has left the registry.
    for registered_first in [true, false] {
        std::thread::spawn(move || {
            if registered_first {
                tk_core::current();
            }
            KEPT.set(None);
            let mut guard = LOCK.lock();
            *guard += 1;
            KEPT.set(Some(guard));
        })
        .join()
        .unwrap();
        assert!(!LOCK.is_locked());
    }
    assert_eq!(*LOCK.lock(), 2);
}

#[test]
fn a_panicking_thread_lets_the_waiter_in() {
    let lock = Lock::new(());
    let waiting = AtomicUsize::new(0);
    std::thread::scope(|s| {
        let held = start(s, || {
            let _guard = lock.lock();
            waiting.store(1, Release);
            until("somebody waits", || waiting.load(Acquire) == 2);
            panic!("on purpose");
        });
        until("the lock is held", || waiting.load(Acquire) == 1);
        let waiter = start_parked(s, "lock", || drop(lock.lock()));
        waiting.store(2, Release);
        assert!(held.outcome().is_err());
        waiter.join();
    });
}
