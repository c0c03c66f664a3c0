//! Models of the barrier.
#![cfg(tk_loom)]

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;
use tk_barrier::{Barrier, BarrierError};
use tk_park::StopSource;
use tk_park::sync::{Instant, advance};

#[path = "../../tk-park/tests/it/model.rs"]
mod model;
use model::explore;

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
            move || barrier.wait_until(Instant(1))
        });
        let clock = thread::spawn(|| advance(1));
        let last = barrier.wait_until(Instant(1));
        clock.join().unwrap();
        check(timed.join().unwrap(), last, BarrierError::TimedOut);
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
        check(stoppable.join().unwrap(), last, BarrierError::Stopped);
        assert_eq!(barrier.is_broken(), last.is_err());
    });
}

#[test]
fn a_timeout_lets_nobody_sleep_for_one_who_does_not_come() {
    explore("barrier: timeout with a party missing", Some(2), || {
        let barrier = Arc::new(Barrier::new(3));
        let patient = party(&barrier);
        let clock = thread::spawn(|| advance(1));
        let timed = barrier.wait_until(Instant(1));
        clock.join().unwrap();
        assert_eq!(timed, Err(BarrierError::TimedOut));
        assert_eq!(patient.join().unwrap(), timed);
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
            move || barrier.wait_until(Instant(1))
        });
        let clock = thread::spawn(|| advance(1));
        assert_eq!(barrier.wait(), Ok(0));
        clock.join().unwrap();
        let early = early.join().unwrap();
        assert!(early == Ok(0) || early == Err(BarrierError::TimedOut));
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
