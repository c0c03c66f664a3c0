use std::cell::Cell;
use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::{Duration, Instant};

use static_assertions::{assert_impl_all, assert_not_impl_any};
use tk_lock::{NotOwned, RLock, RLockGuard, RawRLock};
use tk_park::{Limit, StopSource, WaitError};
use tk_testing::{start, start_parked};

use crate::converting::Converting;

assert_impl_all!(RLock<Cell<u32>>: Send, Sync);
assert_not_impl_any!(RLock<Rc<u32>>: Send, Sync);
assert_impl_all!(RawRLock: Send, Sync, Default, UnwindSafe, RefUnwindSafe);
assert_impl_all!(RLock<u32>: UnwindSafe, RefUnwindSafe);
assert_impl_all!(NotOwned: Send, Sync, std::error::Error);
assert_impl_all!(RLockGuard<'static, u32>: Sync);
assert_not_impl_any!(RLockGuard<'static, Cell<u32>>: Sync);
// A release needs the guard: `test_release_unacquired` and `test_different_thread` of CPython are
// compile errors.
assert_not_impl_any!(RLockGuard<'static, u32>: Send);

#[test]
fn a_thread_takes_it_again_and_frees_it_level_by_level() {
    let lock = RLock::new(());
    let levels: Vec<_> = (0..3).map(|_| lock.lock()).collect();
    for guard in levels {
        assert!(lock.is_locked());
        assert!(lock.is_owned_by_current_thread());
        drop(guard);
    }
    assert!(!lock.is_locked());
    assert!(!lock.is_owned_by_current_thread());
}

#[test]
fn another_thread_gets_it_after_the_last_level_only() {
    let lock = RLock::new(());
    std::thread::scope(|s| {
        let outer = lock.lock();
        let inner = lock.lock();
        assert!(start(s, || lock.try_lock().is_none()).join());
        let waiter = start_parked(s, "lock", || drop(lock.lock()));
        drop(inner);
        assert!(start(s, || lock.try_lock().is_none()).join());
        assert!(!waiter.is_finished());
        drop(outer);
        waiter.join();
    });
}

#[test]
fn only_the_owner_owns_it_at_any_depth() {
    let lock = RLock::new(());
    let owned_elsewhere =
        || std::thread::scope(|s| start(s, || lock.is_owned_by_current_thread()).join());
    assert!(!lock.is_owned_by_current_thread());
    let outer = lock.lock();
    let inner = lock.lock();
    assert!(lock.is_owned_by_current_thread() && !owned_elsewhere());
    drop(inner);
    assert!(lock.is_owned_by_current_thread() && !owned_elsewhere());
    drop(outer);
    assert!(!lock.is_owned_by_current_thread() && !owned_elsewhere());
}

#[test]
fn it_is_locked_for_all_to_see() {
    let lock = RLock::new(());
    let guard = lock.lock();
    std::thread::scope(|s| assert!(start(s, || lock.is_locked()).join()));
    drop(guard);
    std::thread::scope(|s| assert!(!start(s, || lock.is_locked()).join()));
}

#[test]
fn its_guards_release_on_panic() {
    let lock = RLock::new(());
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _outer = lock.lock();
        let _inner = lock.lock();
        panic!("on purpose");
    }));
    assert!(panicked.is_err());
    assert!(!lock.is_locked());
}

#[test]
fn a_timed_lock_fails_after_its_time_and_leaves_it_in_order() {
    let lock = RLock::new(());
    let guard = lock.lock();
    let timeout = Duration::from_millis(10);
    std::thread::scope(|s| {
        let failed = start(s, || {
            let start = Instant::now();
            lock.try_lock_for(timeout).is_none()
                && start.elapsed() >= timeout
                && lock.try_lock_for(Duration::ZERO).is_none()
                && lock.lock_with(Instant::now()).is_err()
        });
        assert!(failed.join());
    });
    assert!(lock.try_lock_for(Duration::ZERO).is_some());
    drop(guard);
    assert!(!lock.is_locked());
    assert!(lock.lock_with(Instant::now()).is_ok());
}

#[test]
fn the_record_of_a_waiter_names_the_holder_and_the_line() {
    let lock = RLock::new(());
    let guard = lock.lock();
    std::thread::scope(|s| {
        let line = line!() + 1;
        let waiter = start_parked(s, "lock", || drop(lock.lock()));
        let waiting = waiter.record.blocked_on().unwrap();
        assert_eq!(waiting.holder(), Some(tk_core::current_owner()));
        assert_eq!(waiting.location().file(), file!());
        assert_eq!(waiting.location().line(), line);
        drop(guard);
        waiter.join();
    });
}

#[test]
fn a_fair_release_hands_it_over() {
    let lock = RLock::new(());
    let guard = lock.lock();
    std::thread::scope(|s| {
        let new_owner = start_parked(s, "lock", || std::mem::forget(lock.lock()));
        RLockGuard::unlock_fair(guard);
        assert!(lock.try_lock().is_none());
        new_owner.join();
    });
}

#[test]
fn a_thread_that_ends_with_a_level_leaves_it_to_nobody() {
    for _ in 0..10 {
        let lock = RLock::new(());
        std::thread::scope(|s| {
            start(s, || std::mem::forget((lock.lock(), lock.lock()))).join();
            // Thread after thread, each in the place of the one before.
            for _ in 0..5 {
                let next = start(s, || {
                    let refused = lock.try_lock().is_none()
                        && lock.lock_with(Duration::ZERO).err() == Some(WaitError::TimedOut);
                    (
                        refused,
                        lock.is_owned_by_current_thread(),
                        lock.recursion_count(),
                    )
                });
                assert_eq!(next.join(), (true, false, 0));
            }
        });
        assert!(lock.is_locked());
    }
}

#[test]
fn a_limit_is_converted_before_the_lock_is_taken() {
    let lock = RLock::new(());
    let locks = || {
        assert_eq!(lock.recursion_count(), 0);
        drop(lock.lock());
        Limit::never()
    };
    drop(lock.lock_with(Converting(locks)));
    let panics = Converting(|| panic!("on purpose"));
    let panicked = catch_unwind(AssertUnwindSafe(|| lock.lock_with(panics).is_ok()));
    assert!(panicked.is_err() && !lock.is_locked());
    // A level that the conversion leaves behind is one of this thread's.
    let keeps = || {
        std::mem::forget(lock.lock());
        Limit::never()
    };
    let guard = lock.lock_with(Converting(keeps));
    assert_eq!(lock.recursion_count(), 2);
    drop(guard);
    assert_eq!(lock.recursion_count(), 1);
}

#[test]
fn bump_lets_the_waiter_have_a_turn() {
    let lock = RLock::new(Cell::new(0));
    let mut guard = lock.lock();
    RLockGuard::bump(&mut guard);
    std::thread::scope(|s| {
        let waiter = start_parked(s, "lock", || {
            let guard = lock.lock();
            guard.set(guard.get() + 1);
            lock.recursion_count()
        });
        let inner = lock.lock();
        // There is another guard, which may be in use.
        RLockGuard::bump(&mut guard);
        assert_eq!((guard.get(), lock.recursion_count()), (0, 2));
        drop(inner);
        RLockGuard::bump(&mut guard);
        assert_eq!((guard.get(), lock.recursion_count()), (1, 1));
        assert_eq!(waiter.join(), 1);
    });
}

#[test]
fn debug_shows_the_value_where_it_can() {
    let lock = RLock::new([0, 10]);
    let free = "RLock { data: [0, 10], locked: false, recursion_count: 0 }";
    assert_eq!(format!("{lock:?}"), free);
    let guard = lock.lock();
    let held = "RLock { data: [0, 10], locked: true, recursion_count: 1 }";
    assert_eq!(format!("{lock:?}"), held);
    assert_eq!(lock.recursion_count(), 1);
    drop(guard);
    assert!(!lock.is_locked());
}

#[test]
fn debug_of_a_value_that_panics_leaves_the_lock_as_it_was() {
    struct Panics;

    impl std::fmt::Debug for Panics {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("on purpose")
        }
    }

    let lock = RLock::new(Panics);
    assert!(catch_unwind(AssertUnwindSafe(|| format!("{lock:?}"))).is_err());
    assert!(!lock.is_locked());
    let _guard = lock.lock();
    assert!(catch_unwind(AssertUnwindSafe(|| format!("{lock:?}"))).is_err());
    assert_eq!(lock.recursion_count(), 1);
}

#[test]
fn debug_never_blocks_and_does_not_show_a_value_locked_elsewhere() {
    let lock = RLock::new("secret");
    let _guard = lock.lock();
    let shown = std::thread::scope(|s| start(s, || format!("{lock:?}")).join());
    assert!(
        !shown.contains("secret") && shown.contains("<locked>"),
        "{shown}"
    );
}

#[test]
fn levels_are_counted_for_the_owner_alone() {
    let lock = RLock::new(());
    assert_eq!(lock.recursion_count(), 0);
    let outer = lock.lock();
    let inner = (
        lock.try_lock().unwrap(),
        lock.try_lock_for(Duration::ZERO).unwrap(),
    );
    assert_eq!(lock.recursion_count(), 3);
    let seen = std::thread::scope(|s| {
        start(s, || {
            (
                lock.recursion_count(),
                lock.is_owned_by_current_thread(),
                lock.is_locked(),
            )
        })
        .join()
    });
    assert_eq!(seen, (0, false, true));
    drop(inner);
    assert_eq!(lock.recursion_count(), 1);
    drop(outer);
    assert_eq!((lock.recursion_count(), lock.is_locked()), (0, false));
}

#[test]
fn a_guard_for_a_part_is_a_level_like_any_other() {
    let lock = RLock::new((Cell::new(1), 2));
    let first = RLockGuard::map(lock.lock(), |pair| &pair.0);
    let whole = RLockGuard::try_map(lock.lock(), |_| None::<&u32>).unwrap_err();
    first.set(3);
    assert_eq!((whole.0.get(), lock.recursion_count()), (3, 2));
    drop((first, whole));
    assert!(!lock.is_locked());
    // A panic while the part is being looked for gives the level back too.
    let panics = || {
        drop(RLockGuard::map(lock.lock(), |_| -> &u32 {
            panic!("on purpose")
        }))
    };
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(panics)).is_err());
    assert!(!lock.is_locked());
}

#[test]
fn a_raw_one_is_released_by_its_owner_alone() {
    let lock = RawRLock::new();
    assert_eq!(lock.release(), Err(NotOwned));
    lock.acquire();
    assert!(lock.acquire_with(Instant::now()).is_ok() && lock.acquire_for(Duration::MAX));
    std::thread::scope(|s| {
        let other = start(s, || {
            let refused = lock.release();
            let timed = lock.acquire_with(Duration::from_millis(1));
            (
                refused,
                timed,
                lock.try_acquire(),
                lock.is_owned_by_current_thread(),
                lock.is_locked(),
            )
        });
        let expected = (Err(NotOwned), Err(WaitError::TimedOut), false, false, true);
        assert_eq!(other.join(), expected);
    });
    assert_eq!(lock.recursion_count(), 3);
    for _ in 0..3 {
        assert_eq!(lock.release(), Ok(()));
    }
    assert_eq!(lock.release(), Err(NotOwned));
    assert_eq!(
        format!("{lock:?}"),
        "RawRLock { locked: false, recursion_count: 0 }"
    );
}

#[test]
fn a_thread_that_is_stopped_has_no_level() {
    let (lock, source) = (RLock::new(()), StopSource::new());
    let _guard = lock.lock();
    let token = source.token();
    std::thread::scope(|s| {
        let waiter = start_parked(s, "lock", || {
            (lock.lock_with(&token).err(), lock.recursion_count())
        });
        source.request_stop();
        assert_eq!(waiter.join(), (Some(WaitError::Stopped), 0));
    });
    // The owner needs no limit.
    assert!(lock.lock_with(&token).is_ok());
}

#[cfg(feature = "arc_lock")]
#[test]
fn a_guard_can_own_an_arc_of_its_lock() {
    let lock = std::sync::Arc::new(RLock::new(1));
    let (outer, inner) = (
        lock.try_lock_arc().unwrap(),
        lock.lock_arc_with(Duration::ZERO).unwrap(),
    );
    assert_eq!((*outer + *inner, lock.recursion_count()), (2, 2));
    let more = lock.lock_arc_with(Limit::never()).unwrap();
    assert_eq!(lock.recursion_count(), 3);
    let timeout = Duration::from_millis(1);
    std::thread::scope(|s| {
        start(s, || {
            assert!(lock.try_lock_arc().is_none());
            let timed_out = lock.lock_arc_with(timeout).err();
            assert_eq!(timed_out, Some(WaitError::TimedOut));
        })
        .join();
        let line = line!() + 1;
        let waiter = start_parked(s, "lock", || drop(lock.lock_arc_with(Limit::never())));
        let location = waiter.record.blocked_on().unwrap().location();
        assert_eq!((location.file(), location.line()), (file!(), line));
        drop((outer, inner, more));
        waiter.join();
    });
    assert!(!lock.is_locked());
    assert_not_impl_any!(tk_lock::ArcRLockGuard<u32>: Send);
}

#[cfg(feature = "serde")]
#[test]
fn a_lock_serializes_as_its_value() {
    use serde::de::{Deserialize, IntoDeserializer, value};

    struct Shown<T>(T);

    impl<T: serde::Serialize> std::fmt::Display for Shown<T> {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            self.0.serialize(f)
        }
    }

    let number: value::U32Deserializer<value::Error> = 7u32.into_deserializer();
    let lock = RLock::<u32>::deserialize(number).unwrap();
    assert_eq!(Shown(&lock).to_string(), "7");
    let number: value::U32Deserializer<value::Error> = 8u32.into_deserializer();
    let lock = tk_lock::Lock::<u32>::deserialize(number).unwrap();
    assert_eq!(Shown(&lock).to_string(), "8");
}
