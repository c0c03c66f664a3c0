//! Rounds for timers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use tk_lock::Lock;
use tk_thread::JoinError;
use tk_timer::{CancelOutcome, RescheduleOutcome, Schedule, Timer, TimerHandle, TimerService};

use crate::round::{Limits, Round, Tally, Worker};

/// The ends of the timers of a round: each ends once, in one of these ways.
#[derive(Default)]
struct Books {
    fired: AtomicUsize,
    cancelled: AtomicUsize,
}

fn join(worker: &mut Worker<'_>, handle: &TimerHandle) -> bool {
    worker.wait(Limits::Any, |limit| {
        handle.join_with(limit).map_err(|error| match error {
            JoinError::TimedOut => tk_park::WaitError::TimedOut,
            JoinError::Stopped => tk_park::WaitError::Stopped,
            other => panic!("{other}"),
        })
    })
}

/// Timers that are called once, each of them started, and at random moved, cancelled or joined, by
/// one or two threads.
pub fn once(round: &Round) -> Tally {
    let (service, books) = (TimerService::new(), Arc::new(Books::default()));
    let started = AtomicUsize::new(0);
    let last = Lock::new(None::<TimerHandle>);
    let tally = round.run(
        |worker| {
            while !worker.is_expired() {
                let after = Duration::from_micros(worker.random.below(100));
                let (books_of_timer, due) = (books.clone(), Instant::now() + after);
                let moved = worker.random.one_in(4);
                let fire = move || {
                    assert!(moved || Instant::now() >= due, "fired too early");
                    books_of_timer.fired.fetch_add(1, SeqCst);
                };
                let timer = if moved {
                    Timer::new(Duration::MAX, fire)
                } else {
                    Timer::at(due, fire)
                };
                let handle = timer.name("stress").daemon(true).start_on(&service);
                started.fetch_add(1, SeqCst);
                // Another thread's, which may do the same with it at the same time.
                let other = last.lock().replace(handle.clone());
                if moved {
                    let outcome = handle.reschedule(after);
                    assert_ne!(
                        outcome,
                        RescheduleOutcome::Running,
                        "it would never have fired"
                    );
                }
                for handle in [Some(handle), other].into_iter().flatten() {
                    if worker.random.one_in(2) {
                        let outcome = handle.cancel_and_wait();
                        books
                            .cancelled
                            .fetch_add(usize::from(outcome.is_cancelled()), SeqCst);
                        assert!(handle.is_finished());
                        assert_eq!(handle.cancel(), CancelOutcome::Finished);
                        worker.done();
                    } else if join(worker, &handle) {
                        assert!(handle.is_finished());
                        assert_eq!(
                            handle.reschedule(Duration::ZERO),
                            RescheduleOutcome::Finished
                        );
                    }
                }
            }
        },
        || {},
    );
    // Timers that are still pending end with the service. A function that runs ends by itself.
    let pending = service.pending();
    drop(service);
    let ends = || books.fired.load(SeqCst) + books.cancelled.load(SeqCst);
    let start = Instant::now();
    // Some of those that were pending may have fired since.
    while ends() + pending.len() < started.load(SeqCst) {
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "timers are missing"
        );
        std::thread::yield_now();
    }
    assert!(ends() <= started.load(SeqCst), "a timer ended twice");
    tally
}

/// Timers that repeat: no two threads call the same one at the same time, and none is called after
/// its end.
pub fn repeating(round: &Round) -> Tally {
    let service = TimerService::new();
    round.run(
        |worker| {
            while !worker.is_expired() {
                let inside = Arc::new(AtomicUsize::new(0));
                let period = Duration::from_nanos(1 + worker.random.below(20_000));
                let call = {
                    let inside = inside.clone();
                    move || {
                        assert_eq!(inside.fetch_add(1, SeqCst), 0, "two threads call it");
                        inside.fetch_sub(1, SeqCst);
                    }
                };
                let timer = Timer::every(Schedule::every(period), call);
                let handle = timer.name("stress").daemon(true).start_on(&service);
                for _ in 0..worker.random.below(8) {
                    worker.work();
                    let after = Duration::from_micros(worker.random.below(50));
                    assert_eq!(handle.reschedule(after), RescheduleOutcome::Moved);
                }
                assert_ne!(handle.cancel_and_wait(), CancelOutcome::Finished);
                // Nobody calls it any more: it is dropped, or about to be.
                assert_eq!(inside.fetch_add(1, SeqCst), 0, "it runs after its end");
                worker.done();
            }
        },
        || {},
    )
}
