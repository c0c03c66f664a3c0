use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::{Duration, Instant};

use static_assertions::{assert_impl_all, assert_not_impl_any};
use tk_condvar::{Monitor, MonitorGuard};
use tk_park::{StopSource, WaitError};
use tk_testing::{is_parked, message, start, start_parked};

assert_impl_all!(Monitor<Cell<u32>>: std::panic::UnwindSafe, std::panic::RefUnwindSafe);
assert_impl_all!(Monitor<Cell<u32>>: Send, Sync, Default);
assert_not_impl_any!(Monitor<Rc<u32>>: Send, Sync);
assert_not_impl_any!(MonitorGuard<'static, u32>: Send, Sync);

#[test]
fn a_wait_gives_up_every_level_and_takes_every_level_back() {
    let monitor = Monitor::new(0);
    std::thread::scope(|s| {
        let waiter = start_parked(s, "condition", || {
            let _outer = (monitor.lock(), monitor.lock());
            let mut inner = monitor.lock();
            inner.wait();
            (monitor.recursion_count(), *inner.borrow())
        });
        let guard = monitor.try_lock().expect("all levels are given up");
        *guard.borrow_mut() = 7;
        assert_eq!((guard.notify(1), monitor.recursion_count()), (1, 1));
        // It has been notified, and has to wait for the lock all the same.
        assert!(!waiter.is_finished());
        drop(guard);
        assert_eq!(waiter.join(), (3, 7));
    });
    assert_eq!(monitor.recursion_count(), 0);
    assert!(start_in_a_thread(|| monitor.try_lock().is_some()));
}

fn start_in_a_thread<T: Send>(f: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|s| start(s, f).join())
}

#[test]
fn a_wait_that_gives_up_takes_every_level_back_too() {
    let (monitor, source) = (Monitor::new(0), StopSource::new());
    source.request_stop();
    let token = source.token();
    let _outer = monitor.lock();
    let mut inner = monitor.lock();
    assert!(!inner.wait_for(Duration::ZERO));
    assert!(!inner.wait_for(Duration::from_millis(1)));
    assert!(inner.wait_with(Instant::now()).is_err());
    assert_eq!(inner.wait_with(&token), Err(WaitError::Stopped));
    let met = inner.wait_while_with(|n| *n == 0, &token);
    assert_eq!(met, Err(WaitError::Stopped));
    assert!(inner.wait_while_with(|n| *n == 0, Instant::now()).is_err());
    assert!(inner.wait_while_with(|n| *n == 1, Duration::ZERO).is_ok());
    assert_eq!(monitor.recursion_count(), 2);
    assert!(start_in_a_thread(|| monitor.try_lock().is_none()));
}

#[test]
fn nobody_waits_while_the_value_is_lent() {
    let monitor = Monitor::new(0);
    let outer = monitor.lock();
    let lent = outer.borrow();
    let waits = || monitor.lock().wait_for(Duration::ZERO);
    let payload = catch_unwind(AssertUnwindSafe(waits)).unwrap_err();
    assert!(message(&*payload).contains("borrowed"));
    drop(lent);
    assert_eq!(monitor.recursion_count(), 1);
    assert!(!monitor.lock().wait_for(Duration::ZERO));
}

#[test]
fn exactly_so_many_as_are_notified_go_on() {
    let monitor = Monitor::new(());
    std::thread::scope(|s| {
        let waiters = [(); 5].map(|()| {
            start_parked(s, "condition", || {
                let _outer = monitor.lock();
                monitor.lock().wait();
            })
        });
        assert!(monitor.notify_one() && monitor.lock().notify_one());
        assert_eq!(monitor.notify(1), 1);
        let (first, last) = waiters.split_at(3);
        tk_testing::until("the first three go on", || {
            first.iter().all(|waiter| waiter.is_finished())
        });
        assert!(
            last.iter()
                .all(|waiter| is_parked(&waiter.record, "condition"))
        );
        assert_eq!(monitor.notify_all(), 2);
        waiters.into_iter().for_each(|waiter| waiter.join());
        assert_eq!(monitor.notify_all(), 0);
        assert!(!monitor.notify_one() && !monitor.lock().notify_one());
    });
}

#[test]
fn the_record_of_a_waiter_names_the_line() {
    let monitor = Monitor::new(());
    std::thread::scope(|s| {
        let line = line!() + 1;
        let waiter = start_parked(s, "condition", || monitor.lock().wait());
        let waiting = waiter.record.blocked_on().unwrap();
        assert_eq!(waiting.location().file(), file!());
        assert_eq!(waiting.location().line(), line);
        monitor.notify_all();
        waiter.join();
    });
}

#[test]
fn it_is_a_lock_with_a_value() {
    let mut monitor = Monitor::from(1);
    *monitor.get_mut() += 1;
    let guard = monitor.lock();
    assert_eq!(format!("{guard:?}"), "RefCell { value: 2 }");
    assert!(format!("{monitor:?}").contains("locked: true, recursion_count: 1"));
    assert!(monitor.is_owned_by_current_thread());
    start_in_a_thread(|| {
        assert!(monitor.is_locked() && !monitor.is_owned_by_current_thread());
        assert!(monitor.try_lock_for(Duration::from_millis(1)).is_none());
        assert!(monitor.lock_with(Instant::now()).is_err());
        let timed_out = monitor.lock_with(Duration::ZERO).err();
        assert_eq!(timed_out, Some(WaitError::TimedOut));
    });
    drop(guard);
    let panics = || {
        let _guard = monitor.lock();
        panic!("on purpose");
    };
    assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
    assert_eq!(monitor.recursion_count(), 0);
    assert!(!monitor.is_locked() && !monitor.is_owned_by_current_thread());
    assert_eq!(monitor.into_inner(), 2);
}

#[test]
fn every_form_succeeds_when_it_can() {
    let monitor = Monitor::new(0);
    let long = Duration::from_secs(600);
    let deadline = Instant::now() + long;
    assert!(monitor.try_lock_for(long).is_some());
    assert!(monitor.lock_with(deadline).is_ok());
    std::thread::scope(|s| {
        let waiters = [
            start_parked(s, "condition", || {
                monitor.lock().wait_while(|n| *n == 0);
                *monitor.lock().borrow() == 1
            }),
            start_parked(s, "condition", || monitor.lock().wait_for(long)),
            start_parked(s, "condition", || {
                monitor.lock().wait_with(deadline).is_ok()
            }),
            start_parked(s, "condition", || {
                monitor.lock().wait_while_with(|n| *n == 0, long).is_ok()
            }),
            start_parked(s, "condition", || {
                monitor
                    .lock()
                    .wait_while_with(|n| *n == 0, deadline)
                    .is_ok()
            }),
        ];
        let guard = monitor.lock();
        *guard.borrow_mut() = 1;
        assert_eq!(guard.notify_all(), 5);
        drop(guard);
        for waiter in waiters {
            assert!(waiter.join());
        }
    });
    let mut guard = monitor.lock();
    assert!(guard.wait_while_with(|n| *n == 1, Duration::ZERO).is_err());
    assert!(guard.wait_while_with(|n| *n == 1, Instant::now()).is_err());
}
