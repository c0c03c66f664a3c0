//! Code of the user's that runs inside a wait: the conversion into a limit, and the condition of
//! `wait_while`.

use std::cell::{Cell, RefCell};
use std::mem::forget;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::time::{Duration, Instant};

use tk_condvar::{Condition, Condvar, Monitor, MonitorGuard};
use tk_lock::Lock;
use tk_park::{Limit, WaitError};
use tk_testing::{message, start, start_parked, until};

/// Runs a function when it is converted into a limit.
struct Converting<F>(F);

impl<F: FnOnce() -> Limit<'static>> From<Converting<F>> for Limit<'static> {
    fn from(converting: Converting<F>) -> Limit<'static> {
        (converting.0)()
    }
}

fn soon() -> Limit<'static> {
    Limit::after(Duration::from_millis(1))
}

#[test]
fn a_conversion_may_lock_the_monitor_that_waits() {
    let timeout = Monitor::new(1);
    std::thread::scope(|s| {
        let waiter = start(s, || {
            let mut guard = timeout.lock();
            let configured = || Limit::after(Duration::from_millis(*timeout.lock().borrow()));
            let waited = guard.wait_with(Converting(configured));
            let met = guard.wait_while_with(|_| true, Converting(configured));
            (waited, met, timeout.recursion_count())
        });
        let timed_out = Err(WaitError::TimedOut);
        assert_eq!(waiter.join(), (timed_out, timed_out, 1));
    });
    assert!(!timeout.is_locked());
}

#[test]
fn a_conversion_may_give_up_another_level_of_the_monitor() {
    static MONITOR: Monitor<u32> = Monitor::new(0);
    thread_local! {
        static OTHER: RefCell<Option<MonitorGuard<'static, u32>>> = const { RefCell::new(None) };
    }
    let mut guard = MONITOR.lock();
    OTHER.set(Some(MONITOR.lock()));
    let one_less = || {
        assert_eq!(MONITOR.recursion_count(), 2);
        OTHER.take();
        soon()
    };
    let waited = guard.wait_with(Converting(one_less));
    assert_eq!(waited, Err(WaitError::TimedOut));
    assert_eq!(MONITOR.recursion_count(), 1);
    drop(guard);
    assert!(!MONITOR.is_locked());
    assert!(std::thread::scope(|s| start(s, || MONITOR
        .try_lock()
        .is_some())
    .join()));
}

#[test]
fn a_conversion_that_panics_leaves_the_monitor_as_it_was() {
    let monitor = Monitor::new(0);
    let (_outer, mut guard) = (monitor.lock(), monitor.lock());
    for _ in 0..2 {
        let panics = Converting(|| panic_any("on purpose"));
        let panicked = catch_unwind(AssertUnwindSafe(|| guard.wait_with(panics)));
        assert_eq!(message(&*panicked.unwrap_err()), "on purpose");
        assert_eq!(monitor.recursion_count(), 2);
        assert!(monitor.is_owned_by_current_thread());
    }
    assert!(!guard.wait_for(Duration::from_millis(1)));
    assert_eq!(monitor.recursion_count(), 2);
}

#[test]
fn a_conversion_that_leaves_the_value_lent_makes_the_wait_panic_before_it_begins() {
    let monitor = Monitor::new(0);
    let mut guard = monitor.lock();
    let lends = || {
        forget(monitor.lock().borrow());
        soon()
    };
    let panicked = catch_unwind(AssertUnwindSafe(|| guard.wait_with(Converting(lends))));
    assert!(message(&*panicked.unwrap_err()).contains("borrowed"));
    assert_eq!(monitor.recursion_count(), 1);
    assert!(monitor.is_owned_by_current_thread());
}

#[test]
fn a_conversion_may_wait_and_be_notified() {
    let (monitor, turn) = (Monitor::new(0), Cell::new(0));
    let mut guard = monitor.lock();
    let nested = Converting(|| {
        let mut inner = monitor.lock();
        assert!(!inner.wait_for(Duration::from_millis(1)));
        turn.set(1);
        soon()
    });
    assert_eq!(guard.wait_with(nested), Err(WaitError::TimedOut));
    assert_eq!((turn.get(), monitor.recursion_count()), (1, 1));
}

#[test]
fn a_conversion_that_panics_leaves_a_condition_to_its_guard() {
    let condition = Condition::new(0);
    let panics = || Converting(|| panic_any("on purpose"));
    let mut guard = condition.lock();
    let panicked = catch_unwind(AssertUnwindSafe(|| guard.wait_with(panics())));
    assert!(panicked.is_err() && condition.is_locked());
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        guard.wait_while_with(|_| true, panics())
    }));
    assert!(panicked.is_err() && condition.is_locked());
    assert_eq!(condition.notify_all(), 0);
    drop(guard);
    let panicked = catch_unwind(AssertUnwindSafe(|| condition.lock_with(panics()).is_ok()));
    assert!(panicked.is_err() && !condition.is_locked());
}

#[test]
fn a_conversion_that_locks_the_same_lock_is_told_so() {
    let (lock, condvar) = (Lock::new(0), Condvar::new());
    let mut guard = lock.lock();
    let relocks = Converting(|| {
        drop(lock.lock());
        soon()
    });
    let panicked = catch_unwind(AssertUnwindSafe(|| condvar.wait_with(&mut guard, relocks)));
    assert!(message(&*panicked.unwrap_err()).contains("holds the lock already"));
    assert!(lock.is_locked());
    drop(guard);
    assert!(!lock.is_locked());
}

#[test]
fn a_condition_that_panics_leaves_the_lock_to_its_guard() {
    let (condition, monitor) = (Condition::new(0), Monitor::new(0));
    let mut guard = condition.lock();
    let mut levels = (monitor.lock(), monitor.lock());
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        guard.wait_while(|_| panic_any("on purpose"));
    }));
    assert!(panicked.is_err() && condition.is_locked());
    *guard += 1;
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        levels.1.wait_while(|_| panic_any("on purpose"));
    }));
    assert!(panicked.is_err());
    assert_eq!(monitor.recursion_count(), 2);
    *levels.0.borrow_mut() += 1;
}

#[test]
fn a_condition_that_panics_after_a_notification_leaves_the_lock_to_its_guard() {
    let condition = Condition::new(0);
    std::thread::scope(|s| {
        let waiter = start_parked(s, "condition", || {
            let mut guard = condition.lock();
            let panicked = catch_unwind(AssertUnwindSafe(|| {
                guard.wait_while(|n| *n == 0 || panic_any("on purpose"));
            }));
            assert!(panicked.is_err() && condition.is_locked());
            *guard += 1;
        });
        *condition.lock() = 1;
        assert!(condition.notify_one());
        waiter.join();
    });
    assert_eq!(condition.into_inner(), 2);
}

#[test]
fn a_condition_may_notify_others_and_lock_other_things() {
    let (condition, other) = (Condition::new(0), Condition::new(0));
    let start = Instant::now();
    let mut guard = condition.lock();
    let met = guard
        .wait_while_with(
            |n| {
                *n += 1;
                *other.lock() += *n;
                condition.notify_all() + other.notify_all() == 0 && *n < 2
            },
            Duration::from_millis(1),
        )
        .is_ok();
    assert!(met);
    until("a millisecond has passed", || {
        start.elapsed() >= Duration::from_millis(1)
    });
    assert_eq!((*guard, *other.lock()), (2, 3));
}
