//! The calls of timers, and their times.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use tk_event::Event;
use tk_park::{StopSource, WaitError};
use tk_thread::{JoinError, current};
use tk_timer::{CancelOnDrop, CancelOutcome, Timer, TimerHandle, TimerService};

use crate::{LONG, never};

#[test]
fn a_timer_fires_once_and_not_before_its_time() {
    let (sender, receiver) = mpsc::channel();
    let start = Instant::now();
    let after = Duration::from_millis(20);
    let handle = Timer::new(after, move || sender.send(Instant::now()).unwrap()).start();
    let fired = receiver.recv().unwrap();
    assert!(fired - start >= after);
    handle.join().unwrap();
    assert!(handle.is_finished());
    assert!(receiver.recv().is_err(), "it fired again");
}

#[test]
fn zero_is_at_once_and_too_long_is_never() {
    let rung = Arc::new(Event::new());
    let handle = Timer::new(Duration::ZERO, {
        let rung = Arc::clone(&rung);
        move || rung.set()
    })
    .start();
    rung.wait();
    handle.join().unwrap();

    let handle = Timer::new(Duration::MAX, never).start();
    assert_eq!(
        handle.join_for(Duration::from_millis(1)),
        Err(JoinError::TimedOut)
    );
    assert_eq!(handle.cancel(), CancelOutcome::Cancelled);
}

#[test]
fn each_timer_fires_at_its_own_time_whatever_was_started_before() {
    // While one waits for an hour, others come in between, each earlier than the one before.
    let hour = Timer::new(LONG, never).start();
    let start = Instant::now();
    let handles: Vec<_> = [30u64, 20, 10, 0]
        .map(|n| {
            let after = Duration::from_millis(n);
            Timer::new(after, move || assert!(start.elapsed() >= after)).start()
        })
        .into();
    for handle in handles.iter().rev() {
        handle.join().unwrap();
    }
    assert!(hour.cancel().is_cancelled());
}

#[test]
fn the_function_runs_under_the_timers_name_and_by_default_under_the_next() {
    let (sender, receiver) = mpsc::channel();
    let named = |timer: Timer| {
        timer.start().join().unwrap();
        receiver.recv().unwrap()
    };
    let tell = || {
        let sender = sender.clone();
        move || sender.send(current().name()).unwrap()
    };
    assert_eq!(named(Timer::new(Duration::ZERO, tell()).name("t1")), "t1");
    assert!(named(Timer::new(Duration::ZERO, tell())).starts_with("Thread-"));
    assert_eq!(
        named(Timer::new(Duration::ZERO, tell()).name("nul\0 ☃")),
        "nul\0 ☃"
    );
}

#[test]
fn a_cancelled_timer_never_fires_and_drops_its_function_at_once() {
    let owned = Arc::new(());
    let handle = Timer::new(LONG, {
        let owned = Arc::clone(&owned);
        move || drop(owned)
    })
    .start();
    assert_eq!(Arc::strong_count(&owned), 2);
    assert_eq!(handle.cancel(), CancelOutcome::Cancelled);
    assert_eq!(Arc::strong_count(&owned), 1);
    assert_eq!(handle.cancel(), CancelOutcome::Finished);
    assert!(handle.is_finished());
    assert_eq!(handle.join(), Ok(()));
}

#[test]
fn cancelling_after_the_fire_is_too_late() {
    let handle = Timer::new(Duration::ZERO, || ()).start();
    handle.join().unwrap();
    assert_eq!(handle.cancel(), CancelOutcome::Finished);
}

#[test]
fn cancelling_while_the_function_runs_says_so_and_can_wait_for_it() {
    let (running, go_on) = (Arc::new(Event::new()), Arc::new(Event::new()));
    let done = Arc::new(AtomicUsize::new(0));
    let handle = Timer::new(Duration::ZERO, {
        let (running, go_on, done) = (running.clone(), go_on.clone(), done.clone());
        move || {
            running.set();
            go_on.wait();
            done.store(1, Ordering::Relaxed);
        }
    })
    .start();
    running.wait();
    assert_eq!(handle.cancel(), CancelOutcome::Running);
    assert!(!handle.is_finished());
    go_on.set();
    handle.cancel_and_wait();
    assert_eq!(done.load(Ordering::Relaxed), 1);
    assert!(handle.is_finished());
}

#[test]
fn either_the_timer_fires_or_it_was_cancelled() {
    let fired = Arc::new(AtomicUsize::new(0));
    let mut cancelled = 0;
    const TIMERS: u64 = 2000;
    let handles: Vec<_> = (0..TIMERS)
        .map(|n| {
            let fired = Arc::clone(&fired);
            let count = move || {
                fired.fetch_add(1, Ordering::Relaxed);
            };
            Timer::new(Duration::from_micros(n % 50), count).start()
        })
        .collect();
    for handle in &handles {
        cancelled += usize::from(handle.cancel().is_cancelled());
    }
    for handle in &handles {
        handle.join().unwrap();
    }
    assert_eq!(fired.load(Ordering::Relaxed) + cancelled, TIMERS as usize);
}

#[test]
fn a_function_that_blocks_delays_no_other_timer() {
    let go_on = Arc::new(Event::new());
    let blocked: Vec<_> = (0..5)
        .map(|_| {
            let go_on = Arc::clone(&go_on);
            Timer::new(Duration::ZERO, move || {
                assert!(go_on.wait_for(Duration::from_secs(60)));
            })
            .start()
        })
        .collect();
    // Had it to wait for the others, it would wait for a minute.
    let setter = Arc::clone(&go_on);
    let handle = Timer::new(Duration::from_millis(1), move || setter.set()).start();
    handle.join().unwrap();
    assert!(go_on.is_set());
    for handle in blocked {
        handle.join().unwrap();
    }
}

#[test]
fn a_panic_goes_no_further() {
    let panics = || std::panic::resume_unwind(Box::new("expected"));
    let handle = Timer::new(Duration::ZERO, panics).start();
    handle.join().unwrap();

    let (sender, receiver) = mpsc::channel();
    let repeating = Timer::every(Duration::from_micros(100), move || {
        let _ = sender.send(());
        panics()
    })
    .start();
    for _ in 0..3 {
        receiver.recv().unwrap();
    }
    repeating.cancel_and_wait();
}

#[test]
fn a_repeating_timer_goes_on_until_it_is_cancelled() {
    let (sender, receiver) = mpsc::channel();
    let period = Duration::from_millis(2);
    let start = Instant::now();
    let handle = Timer::every(period, move || {
        let _ = sender.send(Instant::now());
    })
    .start();
    for n in 1..=5 {
        assert!(receiver.recv().unwrap() - start >= period * n);
    }
    assert!(!handle.is_finished());
    handle.cancel_and_wait();
    assert!(handle.is_finished());
    while receiver.recv().is_ok() {} // It ends: the function is dropped.
}

#[test]
#[should_panic(expected = "must not be zero")]
fn a_period_of_zero_is_refused() {
    let _ = Timer::every(Duration::ZERO, || ());
}

/// Hands a timer's handle to its function.
fn with_itself(start: impl FnOnce(mpsc::Receiver<TimerHandle>) -> Timer) -> TimerHandle {
    let (sender, receiver) = mpsc::channel();
    let handle = start(receiver).start();
    sender.send(handle.clone()).unwrap();
    handle
}

#[test]
fn a_timer_cannot_join_itself_but_can_cancel_itself() {
    let (sender, receiver) = mpsc::channel();
    let handle = with_itself(|me| {
        let mut count = 0;
        let mut handle = None;
        Timer::every(Duration::from_micros(100), move || {
            let handle = handle.get_or_insert_with(|| me.recv().unwrap());
            count += 1;
            if count == 3 {
                let _ = sender.send((handle.join(), handle.cancel()));
                handle.cancel_and_wait();
            }
        })
    });
    let seen = receiver.recv().unwrap();
    assert_eq!(
        seen,
        (Err(JoinError::CurrentThread), CancelOutcome::Running)
    );
    handle.join().unwrap();
    assert!(receiver.recv().is_err());
}

#[test]
fn timers_can_start_timers() {
    let (sender, receiver) = mpsc::channel();
    let outer = Timer::new(Duration::ZERO, move || {
        Timer::new(Duration::ZERO, move || sender.send("inner").unwrap()).start();
    });
    outer.start();
    assert_eq!(receiver.recv(), Ok("inner"));
}

#[test]
fn a_join_has_limits() {
    let handle = Timer::new(LONG, never).start();
    assert_eq!(handle.join_for(Duration::ZERO), Err(JoinError::TimedOut));
    assert_eq!(handle.join_with(Instant::now()), Err(JoinError::TimedOut));
    let source = StopSource::new();
    let token = source.token();
    let joiner = tk_thread::spawn({
        let handle = handle.clone();
        move || handle.join_with(&token)
    });
    source.request_stop();
    assert_eq!(joiner.join().unwrap(), Err(JoinError::Stopped));
    assert!(handle.cancel().is_cancelled());
}

#[test]
fn a_dropped_handle_cancels_nothing() {
    let rung = Arc::new(Event::new());
    let ring = Arc::clone(&rung);
    drop(Timer::new(Duration::from_millis(1), move || ring.set()).start());
    assert!(rung.wait());
}

#[test]
fn a_guard_cancels_when_it_is_dropped_unless_it_is_told_to_keep() {
    let handle = Timer::new(LONG, never).start();
    drop(handle.clone().cancel_on_drop());
    assert!(handle.is_finished());

    let guard = Timer::new(LONG, never).start().cancel_on_drop();
    assert!(!guard.is_finished());
    let handle = guard.keep();
    assert!(handle.cancel().is_cancelled());
}

#[test]
fn a_limited_wait_for_a_cancelled_function_says_that_it_still_runs() {
    let (running, go_on) = (Arc::new(Event::new()), Arc::new(Event::new()));
    let handle = Timer::every(Duration::from_micros(100), {
        let (running, go_on) = (running.clone(), go_on.clone());
        move || {
            running.set();
            go_on.wait();
        }
    })
    .start();
    running.wait();
    let short = Duration::from_millis(1);
    assert_eq!(handle.cancel_and_wait_with(short), Err(WaitError::TimedOut));
    assert_eq!(
        handle.cancel_and_wait_with(Instant::now()),
        Err(WaitError::TimedOut)
    );
    let source = StopSource::new();
    source.request_stop();
    assert_eq!(
        handle.cancel_and_wait_with(&source.token()),
        Err(WaitError::Stopped)
    );
    go_on.set();
    assert_ne!(handle.cancel_and_wait(), CancelOutcome::Cancelled);
    assert!(handle.is_finished());
    assert_eq!(
        handle.cancel_and_wait_with(short),
        Ok(CancelOutcome::Finished)
    );
}

#[test]
fn a_function_whose_drop_panics_harms_nobody() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            std::panic::resume_unwind(Box::new("expected"));
        }
    }
    let bomb = Bomb;
    let handle = Timer::new(LONG, move || drop(bomb)).start();
    assert_eq!(handle.cancel(), CancelOutcome::Cancelled);
    let bomb = Bomb;
    let handle = Timer::new(Duration::ZERO, move || drop(bomb)).start();
    handle.join().unwrap();
    let bomb = Bomb;
    let handle = Timer::every(Duration::from_micros(100), move || _ = &bomb).start();
    handle.cancel_and_wait();
    // The threads are there.
    Timer::new(Duration::ZERO, || ()).start().join().unwrap();
}

#[test]
fn a_time_on_the_clock_is_met_and_one_in_the_past_is_at_once() {
    let (sender, receiver) = mpsc::channel();
    let time = Instant::now() + Duration::from_millis(5);
    let send = move || sender.send(Instant::now()).unwrap();
    Timer::at(time, send).start();
    assert!(receiver.recv().unwrap() >= time);
    let past = Instant::now().checked_sub(Duration::from_secs(1));
    Timer::at(past.unwrap(), || ()).start().join().unwrap();
}

#[test]
fn handles_can_be_shared() {
    static_assertions::assert_impl_all!(TimerHandle: Send, Sync, Clone);
    static_assertions::assert_impl_all!(CancelOnDrop: Send, Sync);
    static_assertions::assert_impl_all!(TimerService: Send, Sync);
    static_assertions::assert_impl_all!(Timer: Send);
}
