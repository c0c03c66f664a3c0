//! Models of the barrier.
#![cfg(tk_loom)]

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering::*};
use loom::thread;
use tk_barrier::{Barrier, BarrierError};
use tk_park::sync::{Instant, Spins, advance};
use tk_park::{StopSource, WaitError};
use tk_testing::explore;

type Outcome = Result<usize, BarrierError>;

fn party(barrier: &Arc<Barrier>) -> thread::JoinHandle<Outcome> {
    let barrier = barrier.clone();
    thread::spawn(move || barrier.wait())
}

/// Both have passed, or neither.
fn check(one: Outcome, other: Outcome, error: BarrierError) {
    match one {
        Ok(index) => assert_eq!(other, Ok(1 - index)),
        Err(_) => assert_eq!((one, other), (Err(error), Err(error))),
    }
}

/// Both have passed, or this one's limit broke the round.
fn check_limited(limited: Outcome, other: Outcome, own: BarrierError, sort: WaitError) {
    match limited {
        Ok(index) => assert_eq!(other, Ok(1 - index)),
        Err(error) => {
            assert_eq!(error, own);
            assert_eq!(other, Err(BarrierError::Broken(sort)));
        }
    }
}

#[test]
fn each_party_sees_what_the_other_did() {
    explore("barrier: publication", None, || {
        let barrier = Arc::new(Barrier::new(2));
        let values = Arc::new([UnsafeCell::new(0), UnsafeCell::new(0)]);
        let pass = {
            let (barrier, values) = (barrier.clone(), values.clone());
            move |own: usize| {
                // SAFETY: the other reads it after it has passed.
                values[own].with_mut(|value| unsafe { *value = 1 });
                barrier.wait().unwrap();
                // SAFETY: the other has arrived.
                values[1 - own].with(|value| assert_eq!(unsafe { *value }, 1));
            }
        };
        let other = thread::spawn({
            let pass = pass.clone();
            move || pass(0)
        });
        pass(1);
        other.join().unwrap();
    });
}

#[test]
fn a_timeout_against_the_last_arrival() {
    explore("barrier: timeout against the last arrival", Some(3), || {
        let barrier = Arc::new(Barrier::new(2));
        let timed = thread::spawn({
            let barrier = barrier.clone();
            move || barrier.wait_with(Instant(1))
        });
        let clock = thread::spawn(|| advance(1));
        let last = barrier.wait_with(Instant(1));
        clock.join().unwrap();
        let own = BarrierError::TimedOut;
        let timed = timed.join().unwrap();
        // Each has a limit, and one of them breaks it.
        let (one, other) = if timed == Err(own) {
            (timed, last)
        } else {
            (last, timed)
        };
        check_limited(one, other, own, WaitError::TimedOut);
        assert_eq!(barrier.is_broken(), last.is_err());
    });
}

#[test]
fn a_stop_against_the_last_arrival() {
    explore("barrier: stop against the last arrival", Some(3), || {
        let (barrier, source) = (Arc::new(Barrier::new(2)), StopSource::new());
        let token = source.token();
        let stoppable = thread::spawn({
            let barrier = barrier.clone();
            move || barrier.wait_with(&token)
        });
        let stopper = thread::spawn(move || source.request_stop());
        let last = barrier.wait();
        stopper.join().unwrap();
        let stoppable = stoppable.join().unwrap();
        check_limited(stoppable, last, BarrierError::Stopped, WaitError::Stopped);
        assert_eq!(barrier.is_broken(), last.is_err());
    });
}

#[test]
fn a_timeout_lets_nobody_sleep_for_one_who_does_not_come() {
    explore("barrier: timeout with a party missing", Some(2), || {
        let barrier = Arc::new(Barrier::new(3));
        let patient = party(&barrier);
        let clock = thread::spawn(|| advance(1));
        let timed = barrier.wait_with(Instant(1));
        clock.join().unwrap();
        assert_eq!(timed, Err(BarrierError::TimedOut));
        let broken = BarrierError::Broken(WaitError::TimedOut);
        assert_eq!(patient.join().unwrap(), Err(broken));
    });
}

#[test]
fn an_abort_lets_nobody_sleep() {
    explore("barrier: abort against two parties", Some(3), || {
        let barrier = Arc::new(Barrier::new(2));
        let parties = [party(&barrier), party(&barrier)];
        barrier.abort();
        let [one, other] = parties.map(|party| party.join().unwrap());
        check(one, other, BarrierError::Aborted);
        assert!(barrier.is_broken());
    });
}

#[test]
fn parties_that_a_reset_has_sent_away_meet_again() {
    explore("barrier: reset against two parties", Some(3), || {
        let barrier = Arc::new(Barrier::new(2));
        let parties = [(); 2].map(|()| {
            let barrier = barrier.clone();
            thread::spawn(move || {
                loop {
                    match barrier.wait() {
                        Err(BarrierError::Reset) => {}
                        outcome => return outcome,
                    }
                }
            })
        });
        barrier.reset();
        let [one, other] = parties.map(|party| party.join().unwrap());
        assert!(one.is_ok());
        check(one, other, BarrierError::Reset);
    });
}

#[test]
fn who_comes_one_too_many_is_of_the_next_round() {
    explore("barrier: two threads at a barrier for one", None, || {
        let barrier = Arc::new(Barrier::new(1));
        let other = party(&barrier);
        assert_eq!(barrier.wait(), Ok(0));
        assert_eq!(other.join().unwrap(), Ok(0));
    });
}

#[test]
fn who_comes_one_too_many_may_go_away_and_breaks_nothing() {
    explore("barrier: timeout of one too many", Some(3), || {
        let barrier = Arc::new(Barrier::new(1));
        let early = thread::spawn({
            let barrier = barrier.clone();
            move || barrier.wait_with(Instant(1))
        });
        let clock = thread::spawn(|| advance(1));
        assert_eq!(barrier.wait(), Ok(0));
        clock.join().unwrap();
        let early = early.join().unwrap();
        let not_admitted = Err(BarrierError::NotAdmitted(WaitError::TimedOut));
        assert!(early == Ok(0) || early == not_admitted);
        assert_eq!((barrier.n_waiting(), barrier.is_broken()), (0, false));
        assert_eq!(barrier.wait(), Ok(0));
    });
}

#[test]
fn a_party_that_is_slow_to_leave_keeps_its_round() {
    explore("barrier: a slow party and two rounds", Some(3), || {
        let barrier = Arc::new(Barrier::new(2));
        let slow = party(&barrier);
        barrier.wait().unwrap();
        // It may have yet to look at its outcome when the next round ends.
        let next = party(&barrier);
        barrier.wait().unwrap();
        assert!(slow.join().unwrap().is_ok() && next.join().unwrap().is_ok());
        assert_eq!((barrier.n_waiting(), barrier.is_broken()), (0, false));
    });
}

#[test]
fn a_limit_does_not_wait_for_the_action() {
    explore("barrier: timeout while the action runs", Some(2), || {
        let gone = Arc::new(AtomicUsize::new(0));
        let barrier = Arc::new(Barrier::new(2).action({
            let gone = gone.clone();
            // It ends when the other party has gone, which only the limit makes it do.
            move || {
                while gone.load(Acquire) == 0 {
                    thread::yield_now();
                }
            }
        }));
        let timed = thread::spawn({
            let (barrier, gone) = (barrier.clone(), gone.clone());
            move || {
                let outcome = barrier.wait_with(Instant(1));
                gone.store(1, Release);
                outcome
            }
        });
        let clock = thread::spawn(|| advance(1));
        // The other one is not the last, which would run the action.
        while barrier.n_waiting() == 0 && !barrier.is_broken() {
            thread::yield_now();
        }
        let last = barrier.wait();
        clock.join().unwrap();
        let broken = Err(BarrierError::Broken(WaitError::TimedOut));
        assert_eq!(timed.join().unwrap(), Err(BarrierError::TimedOut));
        assert_eq!(last, broken);
    });
}

#[test]
fn the_end_of_the_action_against_a_limit() {
    explore(
        "barrier: end of the action against a timeout",
        Some(3),
        || {
            let runs = Arc::new(AtomicUsize::new(0));
            let barrier = Arc::new(Barrier::new(2).action({
                let runs = runs.clone();
                move || runs.store(1, Release)
            }));
            let timed = thread::spawn({
                let barrier = barrier.clone();
                move || barrier.wait_with(Instant(1))
            });
            let clock = thread::spawn(|| advance(1));
            let last = barrier.wait();
            clock.join().unwrap();
            let timed = timed.join().unwrap();
            check_limited(timed, last, BarrierError::TimedOut, WaitError::TimedOut);
            assert_eq!(barrier.is_broken(), last.is_err());
            assert!(last.is_err() || runs.load(Acquire) == 1);
        },
    );
}

#[test]
fn the_end_of_the_action_against_a_stop() {
    explore("barrier: end of the action against a stop", Some(3), || {
        let (barrier, source) = (Arc::new(Barrier::new(2).action(|| ())), StopSource::new());
        let token = source.token();
        let other = party(&barrier);
        let stopper = thread::spawn(move || source.request_stop());
        let stoppable = barrier.wait_with(&token);
        stopper.join().unwrap();
        let other = other.join().unwrap();
        check_limited(stoppable, other, BarrierError::Stopped, WaitError::Stopped);
        assert_eq!(barrier.is_broken(), other.is_err());
    });
}

#[test]
fn an_abort_and_a_reset_reach_one_who_spins() {
    explore(
        "barrier: abort and reset against a spinning party",
        Some(3),
        || {
            let (barrier, spins) = (Arc::new(Barrier::new(2)), Spins::watch());
            let spinning = party(&barrier);
            let has_begun = spins.begun() == 1;
            barrier.abort();
            barrier.reset();
            if has_begun {
                // It belongs to the round that was aborted, whatever the barrier does since.
                assert_eq!(spinning.join().unwrap(), Err(BarrierError::Aborted));
                return;
            }
            let last = barrier.wait_with(Instant(0));
            match spinning.join().unwrap() {
                Ok(index) => assert_eq!(last, Ok(1 - index)),
                Err(BarrierError::Aborted) => assert_eq!(last, Err(BarrierError::TimedOut)),
                Err(error) => assert_eq!(error, BarrierError::Broken(WaitError::TimedOut)),
            }
        },
    );
}

#[test]
fn two_who_repair_send_nobody_away() {
    explore("barrier: two repairs and a party", Some(2), || {
        let barrier = Arc::new(Barrier::new(2));
        barrier.abort();
        let repair = |barrier: &Arc<Barrier>| {
            let barrier = barrier.clone();
            thread::spawn(move || {
                let repaired = barrier.reset_if_broken();
                (repaired, barrier.wait())
            })
        };
        let (one, other) = (repair(&barrier), repair(&barrier));
        let (one, other) = (one.join().unwrap(), other.join().unwrap());
        assert!(one.0 != other.0);
        assert_eq!(one.1, other.1.map(|index| 1 - index));
        assert!(one.1.is_ok());
    });
}
