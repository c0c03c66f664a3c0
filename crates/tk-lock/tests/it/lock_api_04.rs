//! The locks under the types of `lock_api` 0.4.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::mpsc;
use std::thread::scope;
use std::time::{Duration, Instant};

use lock_api_04::{
    Mutex, MutexGuard, ReentrantMutex, RwLock, RwLockReadGuard, RwLockUpgradableReadGuard,
    RwLockWriteGuard,
};
use static_assertions::{assert_impl_all, assert_not_impl_any};
use tk_lock::{RawLock, RawRwLock, RawSendRwLock, RawThreadId};
use tk_testing::{message, start, start_parked};

assert_not_impl_any!(MutexGuard<'static, RawLock, u32>: Send);
assert_not_impl_any!(RwLockReadGuard<'static, RawRwLock, u32>: Send);
assert_not_impl_any!(RwLockWriteGuard<'static, RawRwLock, u32>: Send);
assert_impl_all!(RwLockReadGuard<'static, RawSendRwLock, u32>: Send);
assert_impl_all!(RwLockWriteGuard<'static, RawSendRwLock, u32>: Send);

const MOMENT: Duration = Duration::from_millis(5);

/// Makes readers of a [`RawRwLock`] visible.
fn read_often<R: lock_api_04::RawRwLock>(lock: &RwLock<R, u32>) {
    for _ in 0..100 {
        drop(lock.read());
    }
}

#[test]
fn a_mutex_is_exclusive_timed_and_fair() {
    let lock = Mutex::<RawLock, _>::new(1);
    let mut guard = lock.lock();
    *guard += 1;
    assert!(lock.is_locked());
    assert!(lock.try_lock().is_none());
    assert!(lock.try_lock_for(MOMENT).is_none());
    assert!(lock.try_lock_until(Instant::now() + MOMENT).is_none());
    scope(|s| {
        let waiting = start_parked(s, "lock", || *lock.lock() += 1);
        MutexGuard::bump(&mut guard); // The other one was first in the queue.
        assert_eq!(*guard, 3);
        waiting.join();
    });
    MutexGuard::unlock_fair(guard);
    assert!(!lock.is_locked());
}

/// Runs `f`, which ends the program, in a process of its own: the test of this name. Returns what
/// that has printed.
fn last_words(test: &str, f: impl FnOnce()) -> String {
    const ENDS: &str = "TK_TEST_ENDS";
    if std::env::var_os(ENDS).is_some() {
        f();
        std::process::exit(0);
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", test])
        .env(ENDS, "1")
        .output()
        .unwrap();
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_relock_ends_the_program_instead_of_a_hang() {
    let text = last_words(
        "lock_api_04::a_relock_ends_the_program_instead_of_a_hang",
        || {
            let lock = Mutex::<RawLock, _>::new(());
            let _guard = lock.lock();
            drop(lock.lock());
        },
    );
    assert!(
        text.contains("this thread holds the lock already"),
        "{text}"
    );
}

#[test]
fn no_two_guards_have_a_mutex_after_a_relock_in_unlocked() {
    let text = last_words(
        "lock_api_04::no_two_guards_have_a_mutex_after_a_relock_in_unlocked",
        || {
            let lock = Mutex::<RawLock, _>::new(0);
            let (mut first, mut second) = (lock.lock(), None);
            let relock = || MutexGuard::unlocked(&mut first, || second = Some(lock.lock()));
            assert!(catch_unwind(AssertUnwindSafe(relock)).is_err());
            // Two `&mut` of one value.
            eprintln!("{:p} {:p}", &mut *first, &mut *second.unwrap());
        },
    );
    assert!(text.contains("may have lost its lock"), "{text}");
}

#[test]
fn no_two_guards_have_an_rwlock_after_a_relock_in_unlocked() {
    let text = last_words(
        "lock_api_04::no_two_guards_have_an_rwlock_after_a_relock_in_unlocked",
        || {
            let lock = RwLock::<RawRwLock, _>::new(0);
            let (mut first, mut second) = (lock.read(), None);
            let relock = || RwLockReadGuard::unlocked(&mut first, || second = Some(lock.write()));
            assert!(catch_unwind(AssertUnwindSafe(relock)).is_err());
            // A `&mut` beside a `&`.
            eprintln!("{:p} {:p}", &*first, &mut *second.unwrap());
        },
    );
    assert!(text.contains("may have lost its lock"), "{text}");
}

#[test]
fn an_upgrade_that_panics_leaves_the_guard_its_lock() {
    for read_before in [0, 100] {
        let lock = RwLock::<RawRwLock, _>::new(0);
        (0..read_before).for_each(|_| drop(lock.read()));
        let others = || scope(|s| start(s, || lock.try_upgradable_read().is_some()).join());
        let read = lock.read();
        let mut guard = lock.upgradable_read();
        let upgrade = || guard.with_upgraded(|_| ());
        let panic = catch_unwind(AssertUnwindSafe(upgrade)).unwrap_err();
        assert!(message(&*panic).contains("this thread reads under the lock"));
        assert!(!others());
        let upgrade = || guard.try_with_upgraded_for(Duration::MAX, |_| ());
        assert!(catch_unwind(AssertUnwindSafe(upgrade)).is_err());
        assert!(!others());
        // The unwinding drops the guard.
        let upgrade = || drop(RwLockUpgradableReadGuard::upgrade(guard));
        assert!(catch_unwind(AssertUnwindSafe(upgrade)).is_err());
        assert!(others());
        drop(read);
        assert!(lock.try_write().is_some());
    }
}

#[test]
fn a_reentrant_mutex_knows_its_thread() {
    let lock = ReentrantMutex::<RawLock, RawThreadId, _>::new(1);
    let _outer = lock.lock();
    let _inner = lock.try_lock().unwrap();
    scope(|s| assert!(start(s, || lock.try_lock().is_none()).join()));
    assert!(lock.is_owned_by_current_thread());
}

/// Every change of state of a readers-writer lock, in the order of a table.
fn goes_through_all_states<R>(lock: RwLock<R, u32>)
where
    R: lock_api_04::RawRwLockUpgradeDowngrade
        + lock_api_04::RawRwLockUpgradeFair
        + lock_api_04::RawRwLockUpgradeTimed<Duration = Duration, Instant = Instant>
        + lock_api_04::RawRwLockRecursiveTimed,
{
    let mut first = lock.read();
    let second = lock.try_read_recursive().unwrap();
    RwLockReadGuard::bump(&mut first);
    assert!(lock.is_locked() && !lock.is_locked_exclusive());
    assert!(lock.try_write().is_none());
    assert!(lock.try_write_for(MOMENT).is_none());
    drop(first);
    assert!(lock.try_write_until(Instant::now() + MOMENT).is_none());
    RwLockReadGuard::unlock_fair(second);

    let mut written = lock.write();
    *written += 1;
    RwLockWriteGuard::bump(&mut written);
    assert!(lock.is_locked_exclusive());
    assert!(lock.try_read().is_none());
    assert!(lock.try_read_for(MOMENT).is_none());
    assert!(lock.try_read_recursive().is_none());
    assert!(lock.try_read_recursive_for(MOMENT).is_none());
    assert!(lock.try_upgradable_read().is_none());
    assert!(lock.try_upgradable_read_for(MOMENT).is_none());
    let read = RwLockWriteGuard::downgrade(written);
    assert_eq!(*read, 1);
    assert!(lock.try_write().is_none());
    drop(read);

    let mut upgradable = lock.upgradable_read();
    RwLockUpgradableReadGuard::bump(&mut upgradable);
    assert!(lock.try_upgradable_read().is_none());
    drop(lock.try_read().unwrap());
    let written = RwLockUpgradableReadGuard::upgrade(upgradable);
    let upgradable = RwLockWriteGuard::downgrade_to_upgradable(written);
    let mut written = RwLockUpgradableReadGuard::try_upgrade_for(upgradable, MOMENT)
        .unwrap_or_else(|_| panic!("nobody reads"));
    *written += 1;
    let upgradable = RwLockWriteGuard::downgrade_to_upgradable(written);
    let read = RwLockUpgradableReadGuard::downgrade(upgradable);
    let upgradable = lock.upgradable_read();
    let upgradable = RwLockUpgradableReadGuard::try_upgrade(upgradable).unwrap_err();
    let upgradable = RwLockUpgradableReadGuard::try_upgrade_for(upgradable, MOMENT).unwrap_err();
    drop(read);
    RwLockUpgradableReadGuard::unlock_fair(upgradable);
    assert!(!lock.is_locked());
    RwLockWriteGuard::unlock_fair(lock.write());
    assert_eq!(*lock.read(), 2);
}

#[test]
fn a_readers_writer_lock_goes_through_all_states() {
    goes_through_all_states(RwLock::<RawRwLock, _>::new(0));
    goes_through_all_states(RwLock::<RawSendRwLock, _>::new(0));
    let visible = RwLock::<RawRwLock, _>::new(0);
    read_often(&visible);
    goes_through_all_states(visible);
}

#[test]
fn a_release_finds_the_read_it_is_for() {
    let lock = RwLock::<RawRwLock, _>::new(0);
    // Counted reads, then visible ones, then of other locks, in one thread.
    let reads: Vec<_> = (0..100).map(|_| lock.read()).collect();
    let others: Vec<_> = (0..10).map(|_| RwLock::<RawRwLock, u32>::new(0)).collect();
    others.iter().for_each(read_often);
    let read_too: Vec<_> = others.iter().map(|other| other.read()).collect();
    let more: Vec<_> = (0..100).map(|_| lock.read()).collect();
    drop(reads);
    assert!(lock.try_write().is_none());
    drop(more);
    assert!(lock.try_write().is_some());
    for (other, read) in others.iter().zip(read_too) {
        assert!(other.try_write().is_none());
        drop(read);
        assert!(other.try_write().is_some());
    }
}

/// Where the system can't be asked, the thread has another slot by then.
#[test]
fn a_last_destructor_ends_a_read_of_the_living_thread() {
    type Lock = RwLock<RawRwLock, u32>;
    struct Late(Cell<Option<RwLockReadGuard<'static, RawRwLock, u32>>>);
    impl Drop for Late {
        fn drop(&mut self) {
            let first = self.0.take().unwrap();
            let lock = RwLockReadGuard::rwlock(&first);
            // This one takes the slot, if it is free.
            scope(|s| {
                let (sender, receiver) = mpsc::channel::<()>();
                let other = start(s, move || {
                    drop(lock.read());
                    receiver.recv().unwrap_err();
                });
                let more = [lock.read(), lock.read()];
                drop(first);
                assert!(lock.try_write().is_none());
                drop((more, sender));
                other.join();
            });
        }
    }
    thread_local!(static LATE: Late = const { Late(Cell::new(None)) });
    for is_visible in [false, true] {
        let lock: &Lock = Box::leak(Box::new(Lock::new(0)));
        if is_visible {
            read_often(lock);
        }
        let thread = std::thread::spawn(|| {
            // Before the thread is registered, so that it is destroyed after it has left.
            LATE.with(|late| late.0.set(None));
            LATE.with(|late| late.0.set(Some(lock.read())));
        });
        thread.join().unwrap();
        assert!(lock.try_write().is_some());
    }
}

#[test]
fn a_reader_reads_again_while_a_writer_waits() {
    for is_visible in [false, true] {
        let lock = RwLock::<RawRwLock, _>::new(0);
        if is_visible {
            read_often(&lock);
        }
        let first = lock.read();
        scope(|s| {
            let writer = start_parked(s, "write lock", || *lock.write() += 1);
            drop(lock.read());
            drop(lock.read_recursive());
            assert!(start(s, || lock.try_read().is_none()).join());
            drop(first);
            writer.join();
        });
        assert_eq!(*lock.read(), 1);
    }
}

#[test]
fn a_recursive_read_passes_a_writer_that_waits_for_another_thread() {
    let lock = RwLock::<RawSendRwLock, _>::new(0);
    let first = lock.read();
    scope(|s| {
        let writer = start_parked(s, "write lock", || *lock.write() += 1);
        let passes = || lock.try_read().is_none() && *lock.read_recursive() == 0;
        assert!(start(s, passes).join());
        drop(first);
        writer.join();
    });
    assert_eq!(*lock.read_recursive(), 1);
}

#[test]
fn a_recursive_read_waits_for_a_writer_that_writes() {
    let lock = RwLock::<RawSendRwLock, _>::new(0);
    let mut written = lock.write();
    scope(|s| {
        let reader = start_parked(s, "read lock", || *lock.read_recursive());
        *written = 7;
        drop(written);
        assert_eq!(reader.join(), 7);
    });
}

/// The functions of timers have an identity of their own for each call.
#[test]
fn a_guard_outlives_the_identities_of_its_thread() {
    use tk_core::__private::run_as;
    use tk_core::Registration;

    let (lock, other) = (
        RwLock::<RawRwLock, _>::new(0),
        RwLock::<RawRwLock, _>::new(0),
    );
    read_often(&lock);
    read_often(&other);
    let guest = || Registration::new("guest", false);
    std::thread::scope(|s| {
        s.spawn(|| {
            let mut guards = Vec::new();
            for _ in 0..10 {
                guards.push(run_as(guest(), || lock.read()));
                run_as(guest(), || drop(other.read()));
                run_as(guest(), || drop(other.read()));
            }
            while let Some(guard) = guards.pop() {
                assert!(lock.try_write().is_none());
                run_as(guest(), || drop(guard));
            }
            assert!(lock.try_write().is_some() && other.try_write().is_some());
        });
    });
}
