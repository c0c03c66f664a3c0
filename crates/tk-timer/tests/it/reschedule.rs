//! Timers that are given another time.

use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use tk_event::Event;
use tk_timer::{CancelOutcome, RescheduleOutcome, Timer, TimerService};

use crate::{LONG, never};

#[test]
fn a_pending_timer_fires_at_its_new_time_be_it_sooner_or_later() {
    let (sender, receiver) = mpsc::channel();
    let send = move || sender.send(Instant::now()).unwrap();
    let handle = Timer::new(LONG, send).start();
    let start = Instant::now();
    let after = Duration::from_millis(5);
    assert_eq!(handle.reschedule(LONG * 2), RescheduleOutcome::Moved);
    assert_eq!(handle.reschedule(after), RescheduleOutcome::Moved);
    assert!(receiver.recv().unwrap() - start >= after);
    handle.join().unwrap();

    let handle = Timer::new(Duration::from_millis(20), never).start();
    if handle.reschedule(LONG).is_moved() {
        assert!(handle.join_for(Duration::from_millis(40)).is_err());
    }
    handle.cancel();
}

#[test]
fn for_ever_and_back() {
    let handle = Timer::new(LONG, || ()).start();
    assert!(handle.reschedule(Duration::MAX).is_moved());
    assert!(handle.join_for(Duration::from_millis(1)).is_err());
    assert!(handle.reschedule_at(Instant::now()).is_moved());
    handle.join().unwrap();
}

#[test]
fn a_timer_that_has_ended_stays_so() {
    let fired = Timer::new(Duration::ZERO, || ()).start();
    fired.join().unwrap();
    let cancelled = Timer::new(LONG, never).start();
    cancelled.cancel();
    // The place of either in the wheel may be that of another by now.
    let other = Timer::new(LONG, never).start();
    for handle in [fired, cancelled] {
        assert_eq!(
            handle.reschedule(Duration::ZERO),
            RescheduleOutcome::Finished
        );
        assert_eq!(
            handle.reschedule_at(Instant::now()),
            RescheduleOutcome::Finished
        );
        assert_eq!(handle.cancel(), CancelOutcome::Finished);
    }
    assert_eq!(other.cancel(), CancelOutcome::Cancelled);
}

#[test]
fn a_function_that_runs_for_the_last_time_is_not_called_again() {
    let (running, go_on) = (Arc::new(Event::new()), Arc::new(Event::new()));
    let f = {
        let (running, go_on) = (running.clone(), go_on.clone());
        move || {
            running.set();
            go_on.wait();
        }
    };
    let once = Timer::new(Duration::ZERO, f.clone()).start();
    running.wait();
    assert_eq!(once.reschedule(Duration::ZERO), RescheduleOutcome::Running);

    running.clear();
    let cancelled = Timer::every(Duration::from_micros(1), f).start();
    running.wait();
    assert_eq!(cancelled.cancel(), CancelOutcome::Running);
    assert_eq!(
        cancelled.reschedule(Duration::ZERO),
        RescheduleOutcome::Running
    );

    go_on.set();
    once.join().unwrap();
    cancelled.join().unwrap();
    assert_eq!(once.reschedule(Duration::ZERO), RescheduleOutcome::Finished);
}

#[test]
fn a_repeating_timer_that_runs_is_called_next_at_the_new_time_and_keeps_its_rate_from_there() {
    let service = TimerService::new();
    let (running, go_on) = (Arc::new(Event::new()), Arc::new(Event::new()));
    let (sender, receiver) = mpsc::channel();
    let handle = Timer::every(LONG, {
        let (running, go_on) = (running.clone(), go_on.clone());
        move || {
            running.set();
            go_on.wait();
            sender.send(()).unwrap();
        }
    })
    .start_on(&service);
    assert!(handle.reschedule(Duration::ZERO).is_moved());
    running.wait();
    assert!(handle.reschedule(Duration::ZERO).is_moved());
    go_on.set();
    for _ in 0..2 {
        receiver.recv().unwrap();
    }
    tk_testing::until("it is pending again", || service.pending().len() == 1);
    let due = service.pending()[0].due().unwrap();
    assert!(due <= Instant::now() + LONG && due + LONG > Instant::now());
    assert_eq!(handle.cancel(), CancelOutcome::Cancelled);
    assert!(receiver.try_recv().is_err());
}
