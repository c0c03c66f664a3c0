//! When timers that repeat are called.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use tk_timer::{MissedTicks, OnPanic, Schedule, Timer, TimerHandle};

/// The times of the calls, of which the first lasts so long.
struct Calls {
    start: Instant,
    calls: mpsc::Receiver<Instant>,
    handle: TimerHandle,
}

const PERIOD: Duration = Duration::from_millis(50);

impl Calls {
    fn new(schedule: Schedule, first: Duration) -> Calls {
        let (sender, calls) = mpsc::channel();
        let mut first = Some(first);
        let call = move || {
            let _ = sender.send(Instant::now());
            if let Some(first) = first.take() {
                std::thread::sleep(first);
            }
        };
        let start = Instant::now();
        let handle = Timer::every(schedule, call).start();
        Calls {
            start,
            calls,
            handle,
        }
    }

    /// How long after the start the next call began.
    fn next(&self) -> Duration {
        self.calls.recv().expect("it goes on") - self.start
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        self.handle.cancel_and_wait();
    }
}

#[test]
fn ticks_that_are_missed_are_left_out() {
    let calls = Calls::new(Schedule::every(PERIOD), PERIOD * 5 / 2);
    let first = calls.next();
    assert!(first >= PERIOD);
    // It lasts from the first tick to the middle of the third after it, at the earliest.
    assert!(calls.next() >= PERIOD * 4);
    assert!(calls.next() >= PERIOD * 5);
}

#[test]
fn ticks_that_are_missed_are_made_up_for() {
    let schedule = Schedule::every(PERIOD).missed_ticks(MissedTicks::CatchUp);
    let calls = Calls::new(schedule, PERIOD * 20);
    assert!(calls.next() >= PERIOD);
    // After the first call, all missed calls come immediately, until there are as many calls as
    // ticks. If they were not made up for, the calls would stay twenty behind.
    let is_on_time = |n| {
        let at = calls.next();
        assert!(at >= PERIOD * n);
        at < PERIOD * (n + 1)
    };
    assert!((2..500).any(is_on_time));
}

#[test]
fn after_a_tick_that_is_missed_the_period_begins_anew() {
    let schedule = Schedule::every(PERIOD).missed_ticks(MissedTicks::Delay);
    let calls = Calls::new(schedule, PERIOD * 5 / 2);
    let first = calls.next();
    assert!(calls.next() >= first + PERIOD * 7 / 2);
}

#[test]
fn a_fixed_delay_begins_when_the_function_returns() {
    let calls = Calls::new(Schedule::fixed_delay(PERIOD), PERIOD / 2);
    let first = calls.next();
    assert!(first >= PERIOD);
    let second = calls.next();
    assert!(second >= first + PERIOD * 3 / 2);
    assert!(calls.next() >= second + PERIOD);
}

#[test]
fn the_first_call_may_come_at_once_or_late() {
    let at_once = Schedule::every(Duration::from_secs(3600)).first_after(Duration::ZERO);
    Calls::new(at_once, Duration::ZERO).next();
    let late = Schedule::every(Duration::from_millis(1)).first_after(PERIOD);
    assert!(Calls::new(late, Duration::ZERO).next() >= PERIOD);
}

#[test]
fn the_shortest_period_is_a_timer_like_any_other() {
    for missed in [MissedTicks::Skip, MissedTicks::CatchUp, MissedTicks::Delay] {
        let schedule = Schedule::every(Duration::from_nanos(1)).missed_ticks(missed);
        let calls = Calls::new(schedule, Duration::ZERO);
        for _ in 0..3 {
            calls.next();
        }
        // It keeps nobody from being called.
        Timer::new(Duration::ZERO, || ()).start().join().unwrap();
    }
}

#[test]
fn the_longest_period_never_comes_again() {
    let schedule = Schedule::every(Duration::MAX).first_after(Duration::ZERO);
    let calls = Calls::new(schedule, Duration::ZERO);
    calls.next();
    assert!(calls.calls.recv_timeout(Duration::from_millis(1)).is_err());
    assert!(!calls.handle.is_finished());
}

#[test]
#[should_panic(expected = "must not be zero")]
fn a_delay_of_zero_is_refused() {
    let _ = Schedule::fixed_delay(Duration::ZERO);
}

#[test]
fn a_panic_ends_a_timer_that_is_to_end_then() {
    let (sender, receiver) = mpsc::channel();
    let schedule = Schedule::every(Duration::from_micros(1)).on_panic(OnPanic::Cancel);
    let handle = Timer::every(schedule, move || {
        sender.send(()).unwrap();
        std::panic::resume_unwind(Box::new("expected"));
    })
    .start();
    handle.join().unwrap();
    assert_eq!(receiver.iter().count(), 1);
}
