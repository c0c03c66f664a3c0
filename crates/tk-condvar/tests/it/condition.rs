use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::{Duration, Instant};

use static_assertions::{assert_impl_all, assert_not_impl_any};
use tk_condvar::{Condition, ConditionGuard};
use tk_park::{StopSource, WaitError};
use tk_testing::{is_parked, start, start_parked};

assert_impl_all!(Condition<Cell<u32>>: std::panic::UnwindSafe, std::panic::RefUnwindSafe);
assert_impl_all!(Condition<Cell<u32>>: Send, Sync, Default);
assert_not_impl_any!(Condition<Rc<u32>>: Send, Sync);
// A wait needs the guard: `test_unacquired_wait` of CPython is a compile error.
assert_not_impl_any!(ConditionGuard<'static, u32>: Send);

#[test]
fn it_is_a_lock_with_a_value() {
    static STATIC: Condition<u32> = Condition::new(1);
    *STATIC.lock() += 1;
    assert_eq!(*STATIC.lock(), 2);
    let mut condition = Condition::from(3);
    *condition.get_mut() += 1;
    let guard = condition.lock();
    assert!(condition.is_locked());
    std::thread::scope(|s| {
        assert!(start(s, || condition.try_lock().is_none()).join());
        let timed_out = start(s, || condition.lock_with(Duration::from_millis(1)).is_err());
        assert!(timed_out.join());
    });
    drop(guard);
    assert!(!condition.is_locked());
    assert!(condition.lock_with(Duration::ZERO).is_ok());
    assert_eq!(condition.into_inner(), 4);
}

#[test]
fn its_lock_is_freed_on_panic_and_relocking_panics() {
    let condition = Condition::new(());
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _outer = condition.lock();
        let _inner = condition.lock();
    }));
    assert!(panicked.is_err());
    assert!(condition.try_lock().is_some());
}

#[test]
fn notifying_with_and_without_a_guard_is_exact() {
    let condition = Condition::new(0);
    std::thread::scope(|s| {
        let wait = || start_parked(s, "condition", || condition.lock().wait());
        let waiters: Vec<_> = (0..5).map(|_| wait()).collect();
        assert_eq!(condition.lock().notify(1), 1);
        assert!(condition.lock().notify_one());
        assert!(condition.notify_one());
        let mut waiters = waiters.into_iter();
        waiters.by_ref().take(3).for_each(|waiter| waiter.join());
        let rest: Vec<_> = waiters.collect();
        assert!(rest.iter().all(|w| is_parked(&w.record, "condition")));
        assert_eq!(condition.lock().notify_all(), 2);
        rest.into_iter().for_each(|waiter| waiter.join());
        assert_eq!(condition.notify_all(), 0);
        assert!(!condition.notify_one());
    });
}

#[test]
fn wait_while_returns_when_the_value_is_right() {
    let condition = Condition::new(0);
    std::thread::scope(|s| {
        let waiter = start_parked(s, "condition", || {
            let mut value = condition.lock();
            value.wait_while(|n| *n < 3);
            *value
        });
        for n in 1..=3 {
            let mut value = condition.lock();
            *value = n;
            value.notify_all();
        }
        assert_eq!(waiter.join(), 3);
    });
}

#[test]
fn the_timed_and_stoppable_forms_reach_their_limits() {
    let condition = Condition::new(());
    let source = StopSource::new();
    source.request_stop();
    let token = source.token();
    let timeout = Duration::from_millis(5);
    let mut guard = condition.lock();
    let start = Instant::now();
    assert!(!guard.wait_for(timeout));
    assert!(guard.wait_with(start).is_err());
    assert_eq!(guard.wait_with(timeout), Err(WaitError::TimedOut));
    let never = guard.wait_while_with(|()| true, timeout);
    assert_eq!(never, Err(WaitError::TimedOut));
    assert!(start.elapsed() >= 3 * timeout);
    assert_eq!(guard.wait_with(&token), Err(WaitError::Stopped));
    let never = guard.wait_while_with(|()| true, &token);
    assert_eq!(never, Err(WaitError::Stopped));
    assert_eq!(guard.wait_while_with(|()| false, &token), Ok(()));
}

#[test]
fn the_record_shows_the_line_that_waits_and_that_locks() {
    let condition = Condition::new(());
    std::thread::scope(|s| {
        let line = line!() + 1;
        let waiter = start_parked(s, "condition", || condition.lock().wait());
        let location = waiter.record.blocked_on().unwrap().location();
        assert_eq!((location.file(), location.line()), (file!(), line));

        let guard = condition.lock();
        let line = line!() + 1;
        let locker = start_parked(s, "lock", || drop(condition.lock()));
        let waiting = locker.record.blocked_on().unwrap();
        let location = waiting.location();
        assert_eq!((location.file(), location.line()), (file!(), line));
        assert_eq!(waiting.holder(), Some(tk_core::current_owner()));
        guard.notify_all();
        drop(guard);
        waiter.join();
        locker.join();
    });
}

#[test]
fn debug_never_blocks_and_does_not_show_the_value() {
    let condition = Condition::new("secret");
    let shown = format!("{condition:?}");
    assert!(shown.contains("locked: false") && !shown.contains("secret"));
    let _guard = condition.lock();
    let shown = format!("{condition:?}");
    assert!(shown.contains("locked: true") && !shown.contains("secret"));
}

#[test]
fn every_form_succeeds_when_it_can() {
    let condition = Condition::new(0);
    let long = Duration::from_secs(600);
    let deadline = Instant::now() + long;
    assert!(condition.try_lock_for(long).is_some());
    assert!(condition.lock_with(deadline).is_ok());
    std::thread::scope(|s| {
        let waiters = [
            start_parked(s, "condition", || condition.lock().wait_for(long)),
            start_parked(s, "condition", || {
                condition.lock().wait_with(deadline).is_ok()
            }),
            start_parked(s, "condition", || {
                condition.lock().wait_while_with(|n| *n == 0, long).is_ok()
            }),
            start_parked(s, "condition", || {
                condition
                    .lock()
                    .wait_while_with(|n| *n == 0, deadline)
                    .is_ok()
            }),
        ];
        *condition.lock() = 1;
        assert_eq!(condition.notify_all(), 4);
        for waiter in waiters {
            assert!(waiter.join());
        }
    });
    let mut guard = condition.lock();
    assert!(guard.wait_while_with(|n| *n == 1, Duration::ZERO).is_err());
    assert!(guard.wait_while_with(|n| *n == 1, Instant::now()).is_err());
}
