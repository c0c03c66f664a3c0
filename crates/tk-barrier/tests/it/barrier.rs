use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::*};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use static_assertions::assert_impl_all;
use tk_barrier::{Barrier, BarrierError};
use tk_park::{StopSource, WaitError};
use tk_testing::{Running, message, panic_line, start, start_parked, until};

assert_impl_all!(Barrier: Send, Sync, UnwindSafe, RefUnwindSafe);
assert_impl_all!(BarrierError: Send, Sync, Copy, UnwindSafe, RefUnwindSafe, std::error::Error);

const BROKEN_BY_TIME: BarrierError = BarrierError::Broken(WaitError::TimedOut);
const BROKEN_BY_STOP: BarrierError = BarrierError::Broken(WaitError::Stopped);

const PARTIES: usize = 5;
const MINUTE: Duration = Duration::from_secs(60);

type Outcome = Result<usize, BarrierError>;

#[test]
fn no_parties_are_refused_at_the_line_of_the_caller() {
    assert_eq!(panic_line(|| drop(Barrier::new(0))), Some(line!()));
}

/// Starts that many parties, and returns when all of them wait.
fn parties<'s>(
    s: &'s std::thread::Scope<'s, '_>,
    barrier: &'s Barrier,
    n: usize,
) -> Vec<Running<'s, Outcome>> {
    (0..n)
        .map(|_| start_parked(s, "barrier", || barrier.wait()))
        .collect()
}

fn outcomes(parties: Vec<Running<'_, Outcome>>) -> Vec<Outcome> {
    parties.into_iter().map(Running::join).collect()
}

#[test]
fn a_barrier_needs_parties() {
    let payload = catch_unwind(|| Barrier::new(0)).unwrap_err();
    assert!(message(&*payload).contains("without parties"));
}

#[test]
fn nobody_passes_before_all_have_arrived_in_any_of_ten_rounds() {
    let barrier = Barrier::new(PARTIES);
    let arrived = AtomicUsize::new(0);
    std::thread::scope(|s| {
        let threads: Vec<_> = (0..PARTIES)
            .map(|_| {
                start(s, || {
                    for round in 0..10 {
                        arrived.fetch_add(1, Relaxed);
                        barrier.wait().unwrap();
                        assert_eq!(arrived.load(Relaxed), (round + 1) * PARTIES);
                        barrier.wait().unwrap();
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(Running::join);
    });
    assert_eq!((barrier.n_waiting(), barrier.is_broken()), (0, false));
}

#[test]
fn each_party_gets_the_index_of_its_arrival() {
    let barrier = Barrier::new(PARTIES);
    std::thread::scope(|s| {
        let waiting = parties(s, &barrier, PARTIES - 1);
        assert_eq!(barrier.n_waiting(), PARTIES - 1);
        assert_eq!(barrier.wait(), Ok(PARTIES - 1));
        assert_eq!(outcomes(waiting), [Ok(0), Ok(1), Ok(2), Ok(3)]);
    });
    assert_eq!(barrier.n_waiting(), 0);
}

#[test]
fn the_action_has_run_once_before_anybody_passes() {
    let runs = Arc::new(AtomicUsize::new(0));
    let barrier = Barrier::new(PARTIES).action({
        let runs = Arc::clone(&runs);
        move || {
            runs.fetch_add(1, Relaxed);
        }
    });
    for round in 1..=2 {
        std::thread::scope(|s| {
            let threads: Vec<_> = (0..PARTIES)
                .map(|_| start(s, || barrier.wait().map(|_| runs.load(Relaxed))))
                .collect();
            assert!(threads.into_iter().all(|thread| thread.join() == Ok(round)));
        });
    }
}

#[test]
fn an_action_that_panics_breaks_the_barrier_for_the_others() {
    let barrier = Barrier::new(3).action(|| panic!("no action"));
    std::thread::scope(|s| {
        let waiting = parties(s, &barrier, 2);
        let payload = catch_unwind(AssertUnwindSafe(|| barrier.wait())).unwrap_err();
        assert_eq!(message(&*payload), "no action");
        assert_eq!(outcomes(waiting), [Err(BarrierError::ActionPanicked); 2]);
    });
    assert!(barrier.is_broken());
    assert_eq!(barrier.wait(), Err(BarrierError::ActionPanicked));
    barrier.reset();
    assert!(!barrier.is_broken());
}

#[test]
fn abort_breaks_it_for_those_who_wait_and_those_who_come() {
    let barrier = Barrier::new(PARTIES);
    std::thread::scope(|s| {
        let waiting = parties(s, &barrier, PARTIES - 1);
        barrier.abort();
        assert_eq!(outcomes(waiting), [Err(BarrierError::Aborted); PARTIES - 1]);
    });
    assert!(barrier.is_broken());
    assert_eq!(barrier.n_waiting(), 0);
    assert_eq!(barrier.wait(), Err(BarrierError::Aborted));
    barrier.abort();
    assert_eq!(barrier.wait(), Err(BarrierError::Aborted));
}

#[test]
fn reset_sends_the_waiting_away_and_starts_over() {
    let barrier = Barrier::new(PARTIES);
    std::thread::scope(|s| {
        let waiting = parties(s, &barrier, PARTIES / 2);
        barrier.reset();
        assert_eq!(outcomes(waiting), [Err(BarrierError::Reset); PARTIES / 2]);
        assert!(!barrier.is_broken());
        let waiting = parties(s, &barrier, PARTIES - 1);
        assert_eq!(barrier.wait(), Ok(PARTIES - 1));
        assert!(outcomes(waiting).into_iter().all(|outcome| outcome.is_ok()));
    });
}

#[test]
fn a_reset_with_nobody_there_changes_nothing() {
    let barrier = Barrier::new(1);
    barrier.reset();
    assert_eq!(barrier.wait(), Ok(0));
}

#[test]
fn after_abort_and_reset_it_is_whole() {
    let barrier = Barrier::new(PARTIES);
    std::thread::scope(|s| {
        let waiting = parties(s, &barrier, 2);
        barrier.abort();
        assert!(
            outcomes(waiting)
                .into_iter()
                .all(|outcome| outcome.is_err())
        );
        barrier.reset();
        assert!(!barrier.is_broken());
        let waiting = parties(s, &barrier, PARTIES - 1);
        assert!(barrier.wait().is_ok());
        assert!(outcomes(waiting).into_iter().all(|outcome| outcome.is_ok()));
    });
}

#[test]
fn one_party_that_times_out_breaks_it_for_all() {
    let barrier = Barrier::new(PARTIES);
    let timeout = Duration::from_millis(20);
    std::thread::scope(|s| {
        let waiting = parties(s, &barrier, PARTIES - 2);
        let start = Instant::now();
        assert_eq!(barrier.wait_for(timeout), Err(BarrierError::TimedOut));
        assert!(start.elapsed() >= timeout);
        assert!(start.elapsed() < Duration::from_secs(20));
        assert_eq!(outcomes(waiting), [Err(BROKEN_BY_TIME); PARTIES - 2]);
    });
    assert!(barrier.is_broken());
    assert_eq!(barrier.wait(), Err(BROKEN_BY_TIME));
}

#[test]
fn its_own_time_holds_for_every_wait_without_one() {
    let timeout = Duration::from_millis(20);
    let barrier = Barrier::new(2).timeout(timeout);
    let start = Instant::now();
    assert_eq!(barrier.wait(), Err(BarrierError::TimedOut));
    assert!(start.elapsed() >= timeout);
    barrier.reset();
    std::thread::scope(|s| {
        let patient = start_parked(s, "barrier", || barrier.wait_for(MINUTE));
        let start = Instant::now();
        until("the default has passed", || start.elapsed() > 2 * timeout);
        assert!(!barrier.is_broken());
        assert_eq!(barrier.wait(), Ok(1));
        assert_eq!(patient.join(), Ok(0));
    });
}

#[test]
fn one_party_never_blocks() {
    let barrier = Barrier::new(1);
    for _ in 0..3 {
        assert_eq!(barrier.wait(), Ok(0));
    }
}

#[test]
fn a_stopped_party_breaks_it_for_all_and_an_idle_token_for_none() {
    let barrier = Barrier::new(3);
    let (source, idle) = (StopSource::new(), StopSource::new());
    let (token, idle) = (source.token(), idle.token());
    std::thread::scope(|s| {
        let stopped = start_parked(s, "barrier", || barrier.wait_with(&token));
        let other = start_parked(s, "barrier", || barrier.wait_with(&idle));
        source.request_stop();
        assert_eq!(stopped.join(), Err(BarrierError::Stopped));
        assert_eq!(other.join(), Err(BROKEN_BY_STOP));
    });
}

/// An action that says that it runs, and goes on when it may.
fn slow_barrier(parties: usize) -> (Barrier, Arc<AtomicBool>, Arc<AtomicBool>) {
    let (runs, may_end) = (Arc::default(), Arc::default());
    let barrier = Barrier::new(parties).action({
        let (runs, may_end): (Arc<AtomicBool>, Arc<AtomicBool>) =
            (Arc::clone(&runs), Arc::clone(&may_end));
        move || {
            runs.store(true, Release);
            until("the action may end", || may_end.load(Acquire));
        }
    });
    (barrier, runs, may_end)
}

#[test]
fn a_limit_that_is_reached_while_the_action_runs_breaks_the_round_immediately() {
    assert!(is_left_while_the_action_runs(None));
    // The time doubles until the last party comes before it is up.
    let mut timeout = Duration::from_millis(5);
    while !is_left_while_the_action_runs(Some(timeout)) {
        timeout *= 2;
    }
}

/// Lets one of three parties leave, by a stop if there is no timeout. Returns whether the action
/// ran when it left. If not, its time was up before the last party came.
fn is_left_while_the_action_runs(timeout: Option<Duration>) -> bool {
    let (barrier, runs, may_end) = slow_barrier(3);
    let source = StopSource::new();
    let token = source.token();
    let (own, others) = match timeout {
        None => (BarrierError::Stopped, BROKEN_BY_STOP),
        Some(_) => (BarrierError::TimedOut, BROKEN_BY_TIME),
    };
    std::thread::scope(|s| {
        let patient = start_parked(s, "barrier", || barrier.wait());
        let limited = start(s, || match timeout {
            None => barrier.wait_with(&token),
            Some(timeout) => barrier.wait_for(timeout),
        });
        until("it waits, or its time is up", || {
            barrier.n_waiting() == 2 || limited.is_finished()
        });
        let last = start(s, || barrier.wait());
        until("the action runs", || {
            runs.load(Acquire) || last.is_finished()
        });
        if timeout.is_none() {
            assert_eq!(barrier.n_waiting(), 3);
            source.request_stop();
        }
        // The action still runs.
        assert_eq!(limited.join(), Err(own));
        assert_eq!(patient.join(), Err(others));
        assert!(barrier.is_broken());
        assert_eq!(barrier.n_waiting(), 0);
        may_end.store(true, Release);
        assert_eq!(last.join(), Err(others));
        assert!(barrier.is_broken());
    });
    runs.load(Acquire)
}

#[test]
fn the_limit_of_the_thread_that_runs_the_action_counts_when_the_action_has_ended() {
    let (barrier, runs, may_end) = slow_barrier(2);
    let source = StopSource::new();
    let token = source.token();
    std::thread::scope(|s| {
        let first = start_parked(s, "barrier", || barrier.wait());
        let last = start(s, || barrier.wait_with(&token));
        until("the action runs", || runs.load(Acquire));
        source.request_stop();
        assert!(!barrier.is_broken());
        may_end.store(true, Release);
        assert_eq!(last.join(), Err(BarrierError::Stopped));
        assert_eq!(first.join(), Err(BROKEN_BY_STOP));
    });
    // A limit that is over before the action begins is not reached while it runs.
    assert!(barrier.reset_if_broken());
    std::thread::scope(|s| {
        let first = start_parked(s, "barrier", || barrier.wait());
        assert_eq!(barrier.wait_with(&token), Ok(1));
        assert_eq!(first.join(), Ok(0));
    });
}

#[test]
fn an_action_that_never_ends_keeps_nobody_from_leaving() {
    let (barrier, runs, may_end) = slow_barrier(2);
    std::thread::scope(|s| {
        let first = start_parked(s, "barrier", || barrier.wait());
        let stuck = start(s, || barrier.wait());
        until("the action runs", || runs.load(Acquire));
        barrier.abort();
        assert_eq!(first.join(), Err(BarrierError::Aborted));
        assert!(barrier.reset_if_broken());
        // The barrier is of use, though not for a round that runs the action to its end.
        let first = start_parked(s, "barrier", || barrier.wait());
        assert_eq!(barrier.n_waiting(), 1);
        barrier.reset();
        assert_eq!(first.join(), Err(BarrierError::Reset));
        may_end.store(true, Release);
        assert_eq!(stuck.join(), Err(BarrierError::Aborted));
        assert_eq!((barrier.n_waiting(), barrier.is_broken()), (0, false));
    });
}

#[test]
fn an_action_that_waits_at_its_own_barrier_is_told() {
    static BARRIER: OnceLock<Barrier> = OnceLock::new();
    static SEEN: Mutex<Vec<Outcome>> = Mutex::new(Vec::new());
    let barrier = BARRIER.get_or_init(|| {
        Barrier::new(2).action(|| {
            let barrier = BARRIER.get().unwrap();
            let limited = barrier.wait_for(Duration::from_millis(1));
            SEEN.lock().unwrap().push(limited);
            let _ = barrier.wait();
        })
    });
    std::thread::scope(|s| {
        let first = start_parked(s, "barrier", || barrier.wait());
        let payload = catch_unwind(|| barrier.wait()).unwrap_err();
        assert!(message(&*payload).contains("waits at that barrier"));
        assert_eq!(first.join(), Err(BarrierError::ActionPanicked));
    });
    let not_admitted = BarrierError::NotAdmitted(WaitError::TimedOut);
    assert_eq!(*SEEN.lock().unwrap(), [Err(not_admitted)]);
}

#[test]
fn an_action_may_reset_its_barrier_and_wait_in_the_new_round() {
    static BARRIER: OnceLock<Barrier> = OnceLock::new();
    static DEPTH: AtomicUsize = AtomicUsize::new(0);
    let barrier = BARRIER.get_or_init(|| {
        Barrier::new(1).action(|| {
            if DEPTH.fetch_add(1, Relaxed) == 0 {
                let barrier = BARRIER.get().unwrap();
                barrier.reset();
                assert_eq!(barrier.wait(), Ok(0));
            }
        })
    });
    assert_eq!(barrier.wait(), Err(BarrierError::Reset));
    assert_eq!(DEPTH.load(Relaxed), 2);
    assert_eq!((barrier.n_waiting(), barrier.is_broken()), (0, false));
}

#[test]
fn what_an_action_has_captured_is_dropped_with_the_barrier_or_the_next_action() {
    struct Uses(Arc<Barrier>, Arc<AtomicUsize>);

    impl Drop for Uses {
        fn drop(&mut self) {
            assert_eq!(self.0.wait(), Ok(0));
            self.1.fetch_add(1, Relaxed);
        }
    }

    let dropped = Arc::new(AtomicUsize::new(0));
    let uses = || Uses(Arc::new(Barrier::new(1)), Arc::clone(&dropped));
    let (first, second) = (uses(), uses());
    let barrier = Barrier::new(1).action(move || drop(Arc::clone(&first.0)));
    let barrier = barrier.action(move || drop(Arc::clone(&second.0)));
    assert_eq!(dropped.load(Relaxed), 1);
    assert_eq!(barrier.wait(), Ok(0));
    drop(barrier);
    assert_eq!(dropped.load(Relaxed), 2);
}

#[test]
fn a_repair_sends_no_healthy_round_away() {
    let barrier = Barrier::new(3);
    std::thread::scope(|s| {
        let other = start_parked(s, "barrier", || barrier.wait());
        assert_eq!(
            barrier.wait_for(Duration::ZERO),
            Err(BarrierError::TimedOut)
        );
        assert_eq!(other.join(), Err(BROKEN_BY_TIME));
        // Both parties repair. After the first of them a new round has begun.
        assert!(barrier.reset_if_broken());
        let first = start_parked(s, "barrier", || barrier.wait());
        assert!(!barrier.reset_if_broken());
        assert_eq!(barrier.n_waiting(), 1);
        let second = start_parked(s, "barrier", || barrier.wait());
        assert_eq!(barrier.wait(), Ok(2));
        assert_eq!((first.join(), second.join()), (Ok(0), Ok(1)));
    });
}

#[test]
fn one_too_many_whose_time_the_action_used_up_breaks_nothing() {
    let (barrier, runs, may_end) = slow_barrier(3);
    let source = StopSource::new();
    let token = source.token();
    std::thread::scope(|s| {
        let waiting = parties(s, &barrier, 2);
        let last = start(s, || barrier.wait());
        until("the action runs", || runs.load(Acquire));
        let early = start_parked(s, "barrier", || barrier.wait_with(&token));
        source.request_stop();
        let not_admitted = BarrierError::NotAdmitted(WaitError::Stopped);
        assert_eq!(early.join(), Err(not_admitted));
        may_end.store(true, Release);
        assert_eq!(last.join(), Ok(2));
        assert_eq!(outcomes(waiting), [Ok(0), Ok(1)]);
        assert_eq!((barrier.n_waiting(), barrier.is_broken()), (0, false));
    });
}

#[test]
fn who_comes_while_the_action_runs_is_of_the_next_round() {
    let (barrier, runs, may_end) = slow_barrier(2);
    std::thread::scope(|s| {
        let first = start_parked(s, "barrier", || barrier.wait());
        let last = start(s, || barrier.wait());
        until("the action runs", || runs.load(Acquire));
        let early = start_parked(s, "barrier", || barrier.wait());
        assert!(!early.is_finished());
        may_end.store(true, Release);
        assert_eq!((first.join(), last.join()), (Ok(0), Ok(1)));
        until("the early one is counted", || barrier.n_waiting() == 1);
        assert_eq!(barrier.wait(), Ok(1));
        assert_eq!(early.join(), Ok(0));
    });
}

/// Three come at a barrier for two, while the action runs: two too late, one too early.
#[test]
fn who_is_one_too_many_may_go_away_and_breaks_nothing() {
    let (barrier, runs, may_end) = slow_barrier(2);
    let source = StopSource::new();
    let token = source.token();
    std::thread::scope(|s| {
        let first = start_parked(s, "barrier", || barrier.wait());
        let last = start(s, || barrier.wait());
        until("the action runs", || runs.load(Acquire));

        let stopped = start_parked(s, "barrier", || barrier.wait_with(&token));
        let timed = Duration::from_millis(5);
        let start = Instant::now();
        assert_eq!(
            barrier.wait_for(timed),
            Err(BarrierError::NotAdmitted(WaitError::TimedOut))
        );
        assert!(start.elapsed() >= timed);
        for time in [Instant::now(), start] {
            assert_eq!(
                barrier.wait_with(time),
                Err(BarrierError::NotAdmitted(WaitError::TimedOut))
            );
        }
        assert_eq!(
            barrier.wait_for(Duration::ZERO),
            Err(BarrierError::NotAdmitted(WaitError::TimedOut))
        );
        source.request_stop();
        assert_eq!(
            stopped.join(),
            Err(BarrierError::NotAdmitted(WaitError::Stopped))
        );
        assert_eq!(
            barrier.wait_with(&token),
            Err(BarrierError::NotAdmitted(WaitError::Stopped))
        );

        assert_eq!((barrier.n_waiting(), barrier.is_broken()), (2, false));
        may_end.store(true, Release);
        assert_eq!((first.join(), last.join()), (Ok(0), Ok(1)));
        let first = start_parked(s, "barrier", || barrier.wait());
        assert_eq!(barrier.wait(), Ok(1));
        assert_eq!(first.join(), Ok(0));
    });
}

#[test]
fn the_barriers_own_time_holds_for_one_too_many() {
    let (barrier, runs, may_end) = slow_barrier(2);
    let barrier = barrier.timeout(Duration::from_millis(5));
    std::thread::scope(|s| {
        let first = start_parked(s, "barrier", || barrier.wait_for(MINUTE));
        let last = start(s, || barrier.wait_for(MINUTE));
        until("the action runs", || runs.load(Acquire));
        assert_eq!(
            barrier.wait(),
            Err(BarrierError::NotAdmitted(WaitError::TimedOut))
        );
        may_end.store(true, Release);
        assert_eq!((first.join(), last.join()), (Ok(0), Ok(1)));
        assert!(!barrier.is_broken());
    });
}

#[test]
fn who_is_one_too_many_learns_of_an_abort_and_joins_after_a_reset() {
    for reset in [false, true] {
        let (barrier, runs, may_end) = slow_barrier(2);
        std::thread::scope(|s| {
            let first = start_parked(s, "barrier", || barrier.wait());
            let last = start(s, || barrier.wait());
            until("the action runs", || runs.load(Acquire));
            let early = start_parked(s, "barrier", || barrier.wait());
            // While the action runs: once it has ended, the early one is of the next round at some
            // moment.
            let error = if reset {
                barrier.reset();
                until("it is counted", || barrier.n_waiting() == 1);
                may_end.store(true, Release);
                assert_eq!((barrier.wait(), early.join()), (Ok(1), Ok(0)));
                BarrierError::Reset
            } else {
                barrier.abort();
                assert_eq!(early.join(), Err(BarrierError::Aborted));
                may_end.store(true, Release);
                BarrierError::Aborted
            };
            assert_eq!((first.join(), last.join()), (Err(error), Err(error)));
        });
    }
}

/// The calls during an action, in this order; the result of the waiting parties; and the result of
/// later ones, if there is one.
type Doing = (&'static [fn(&Barrier)], BarrierError, Option<BarrierError>);

#[test]
fn what_comes_first_while_the_action_runs_is_what_becomes_of_the_round() {
    let doings: [Doing; 4] = [
        (
            &[Barrier::abort],
            BarrierError::Aborted,
            Some(BarrierError::Aborted),
        ),
        (&[Barrier::reset], BarrierError::Reset, None),
        (
            &[Barrier::abort, Barrier::reset],
            BarrierError::Aborted,
            None,
        ),
        (
            &[Barrier::reset, Barrier::abort],
            BarrierError::Reset,
            Some(BarrierError::Aborted),
        ),
    ];
    for panics in [false, true] {
        for (doing, expected, after) in doings {
            let (runs, may_end) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
            let barrier = Barrier::new(2).action({
                let (runs, may_end) = (Arc::clone(&runs), Arc::clone(&may_end));
                move || {
                    runs.store(true, Release);
                    until("the action may end", || may_end.load(Acquire));
                    assert!(!panics, "no action");
                }
            });
            std::thread::scope(|s| {
                let first = start_parked(s, "barrier", || barrier.wait());
                let last = start(s, || {
                    catch_unwind(AssertUnwindSafe(|| barrier.wait())).map_err(|_| "panicked")
                });
                until("the action runs", || runs.load(Acquire));
                doing.iter().for_each(|act| act(&barrier));
                assert_eq!(first.join(), Err(expected));
                may_end.store(true, Release);
                if panics {
                    assert_eq!(last.join(), Err("panicked"))
                } else {
                    assert_eq!(last.join(), Ok(Err(expected)))
                }
                assert_eq!(barrier.is_broken(), after.is_some());
                let later = barrier.wait_for(Duration::ZERO);
                assert_eq!(later, Err(after.unwrap_or(BarrierError::TimedOut)));
            });
        }
    }
}

#[test]
fn the_action_can_ask_and_break_its_own_barrier() {
    static BARRIER: OnceLock<Barrier> = OnceLock::new();
    let barrier = BARRIER.get_or_init(|| {
        Barrier::new(1).action(|| {
            let barrier = BARRIER.get().unwrap();
            assert_eq!(barrier.n_waiting(), 1);
            barrier.abort();
        })
    });
    assert_eq!(barrier.wait(), Err(BarrierError::Aborted));
}

#[test]
fn debug_shows_the_arrivals_and_never_blocks() {
    let barrier = Barrier::new(3);
    let shown = format!("{barrier:?}");
    assert_eq!(shown, "Barrier { parties: 3, arrived: 0, broken: false }");
    std::thread::scope(|s| {
        let waiting = parties(s, &barrier, 2);
        let shown = format!("{barrier:?}");
        assert_eq!(shown, "Barrier { parties: 3, arrived: 2, broken: false }");
        barrier.abort();
        let shown = format!("{barrier:?}");
        assert_eq!(shown, "Barrier { parties: 3, arrived: 0, broken: true }");
        outcomes(waiting);
    });
}

#[test]
fn errors_say_why_it_broke() {
    let texts = [
        (BarrierError::TimedOut, "broken barrier: timed out"),
        (BarrierError::Stopped, "broken barrier: stopped"),
        (BROKEN_BY_TIME, "broken barrier: a party timed out"),
        (BROKEN_BY_STOP, "broken barrier: a party was stopped"),
        (
            BarrierError::NotAdmitted(WaitError::TimedOut),
            "not admitted to the barrier: timed out",
        ),
        (
            BarrierError::NotAdmitted(WaitError::Stopped),
            "not admitted to the barrier: stopped",
        ),
        (BarrierError::Aborted, "broken barrier: aborted"),
        (BarrierError::Reset, "broken barrier: reset"),
        (
            BarrierError::ActionPanicked,
            "broken barrier: the action panicked",
        ),
    ];
    for (error, text) in texts {
        assert_eq!(error.to_string(), text);
    }
}
