use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::{Duration, Instant};

use static_assertions::{assert_impl_all, assert_not_impl_any};
use tk_lock::{RLock, RLockGuard};

use crate::parked::{start, start_parked};

assert_impl_all!(RLock<Cell<u32>>: Send, Sync);
assert_not_impl_any!(RLock<Rc<u32>>: Send, Sync);
// Whoever has no guard cannot release: `test_release_unacquired` and `test_different_thread` of CPython are compile errors.
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
                && lock.try_lock_until(Instant::now()).is_none()
        });
        assert!(failed.join());
    });
    assert!(lock.try_lock_for(Duration::ZERO).is_some());
    drop(guard);
    assert!(!lock.is_locked());
    assert!(lock.try_lock_until(Instant::now()).is_some());
}

#[test]
fn the_record_of_a_waiter_names_the_holder() {
    let lock = RLock::new(());
    let guard = lock.lock();
    std::thread::scope(|s| {
        let waiter = start_parked(s, "lock", || drop(lock.lock()));
        let waiting = waiter.record.waiting().unwrap();
        assert_eq!(waiting.holder(), Some(tk_core::current_slot()));
        // Not the line: lock_api locks from a closure of its own, which does not pass the caller on.
        drop(guard);
        waiter.join();
    });
}

#[test]
fn a_fair_release_hands_it_over() {
    let lock = RLock::new(());
    let guard = lock.lock();
    std::thread::scope(|s| {
        let heir = start_parked(s, "lock", || std::mem::forget(lock.lock()));
        RLockGuard::unlock_fair(guard);
        assert!(lock.try_lock().is_none());
        heir.join();
    });
}

#[test]
fn debug_never_blocks_and_does_not_show_a_value_locked_elsewhere() {
    let lock = RLock::new("secret");
    let _guard = lock.lock();
    let shown = std::thread::scope(|s| start(s, || format!("{lock:?}")).join());
    assert!(
        !shown.contains("secret") && shown.contains("locked"),
        "{shown}"
    );
}
