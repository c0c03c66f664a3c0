//! `TimerTests`, and promises of the documentation of `threading.Timer` that CPython does not test.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use tk_timer::{CancelOutcome, Timer};

use crate::{SHORT, takes_a_short_time};

const LONG: Duration = Duration::from_secs(3600);

/// CPython's test is about default arguments that two timers must not share. A function here has no
/// default arguments: it owns its captures.
#[test]
fn test_init_immutable_default_args() {
    let (sender, receiver) = mpsc::channel();
    for _ in 0..2 {
        let (sender, mut log) = (sender.clone(), Vec::new());
        let append = move || {
            log.push("blah");
            sender.send(log).unwrap();
        };
        Timer::new(Duration::from_millis(10), append).start();
        assert_eq!(receiver.recv().unwrap(), ["blah"]);
    }
}

/// "Create a timer that will run function after interval seconds have passed."
#[test]
fn function_runs_after_the_interval_and_join_waits_for_it() {
    let (sender, receiver) = mpsc::channel();
    takes_a_short_time(|| {
        let timer = Timer::new(SHORT, move || sender.send(()).unwrap()).start();
        timer.join().unwrap();
    });
    assert_eq!(receiver.try_recv(), Ok(()));
}

/// "Stop the timer, and cancel the execution of the timer's action. This will only work if the
/// timer is still in its waiting stage."
#[test]
fn cancel_while_it_waits_ends_it_at_once() {
    let timer = Timer::new(LONG, || unreachable!()).start();
    assert_eq!(timer.cancel(), CancelOutcome::Cancelled);
    timer.join().unwrap();
    assert!(timer.is_finished());
}

#[test]
fn cancel_after_it_has_fired_does_nothing() {
    let timer = Timer::new(Duration::ZERO, || ()).start();
    timer.join().unwrap();
    assert_eq!(timer.cancel(), CancelOutcome::Finished);
}

/// A negative interval, with which a timer fires immediately in CPython, is a time in the past
/// here.
#[test]
fn a_time_in_the_past_fires_at_once() {
    let past = Instant::now()
        .checked_sub(SHORT)
        .expect("the clock has run for a while");
    Timer::at(past, || ()).start().join().unwrap();
}

/// "Timers are started, as with threads, by calling their start() method", and are threads with
/// names.
#[test]
fn the_function_sees_the_timers_name_as_the_threads() {
    let (sender, receiver) = mpsc::channel();
    let tell = move || sender.send(tk_core::current().name()).unwrap();
    Timer::new(Duration::ZERO, tell).name("t1").start();
    assert_eq!(&*receiver.recv().unwrap(), "t1");
}

/// A thread that would wait for itself gets an error.
#[test]
fn join_by_its_own_function_is_an_error() {
    let (sender, receiver) = mpsc::channel();
    let (handles, handle) = mpsc::channel::<tk_timer::TimerHandle>();
    let join = move || sender.send(handle.recv().unwrap().join()).unwrap();
    let timer = Timer::new(Duration::ZERO, join).start();
    handles.send(timer).unwrap();
    let joined = receiver.recv().unwrap();
    assert_eq!(joined, Err(tk_thread::JoinError::CurrentThread));
}
