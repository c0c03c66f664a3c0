//! Models of the `Once`.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread::{self, JoinHandle};
use tk_lock::{Once, OnceError, OnceState};
use tk_park::StopSource;
use tk_park::sync::{Instant, advance};
use tk_testing::explore;

/// A `Once`, and a number that its closures alone write to.
struct Guarded {
    once: Once,
    value: UnsafeCell<u32>,
}

impl Guarded {
    fn new() -> Arc<Guarded> {
        let once = Once::new();
        once.loom_register();
        let value = UnsafeCell::new(0);
        Arc::new(Guarded { once, value })
    }

    /// For a closure.
    fn add(&self) {
        // SAFETY: one closure runs at a time, and no thread reads before one has completed, which
        // is what loom checks.
        self.value.with_mut(|value| unsafe { *value += 1 });
    }

    /// For a thread that knows that a closure has completed, after so many.
    fn check(&self, runs: u32) {
        // SAFETY: as above.
        self.value.with(|value| assert_eq!(unsafe { *value }, runs));
    }

    fn call(&self) {
        self.once.call_once(|| self.add());
        self.check(1);
    }

    /// Runs a closure that adds one and does not complete, if none has completed.
    fn poison(&self) {
        self.once.call_and_poison(|_| self.add());
    }
}

fn spawn<T: 'static>(
    guarded: &Arc<Guarded>,
    f: impl FnOnce(&Guarded) -> T + 'static,
) -> JoinHandle<T> {
    let guarded = Arc::clone(guarded);
    thread::spawn(move || f(&guarded))
}

#[test]
fn a_thread_that_finds_it_completed_sees_what_the_closure_did() {
    explore("once: call against is_completed", None, || {
        let guarded = Guarded::new();
        let looker = spawn(&guarded, |guarded| {
            if guarded.once.is_completed() {
                guarded.check(1);
            }
        });
        guarded.call();
        looker.join().unwrap();
    });
}

#[test]
fn of_two_calls_one_runs_and_both_see_it() {
    explore("once: two calls", None, || {
        let guarded = Guarded::new();
        let other = spawn(&guarded, Guarded::call);
        guarded.call();
        other.join().unwrap();
    });
}

#[test]
fn of_three_calls_one_runs_and_all_see_it() {
    explore("once: three calls", Some(3), || {
        let guarded = Guarded::new();
        let others = [(); 2].map(|()| spawn(&guarded, Guarded::call));
        guarded.call();
        for other in others {
            other.join().unwrap();
        }
    });
}

#[test]
fn a_wait_that_begins_before_the_closure_ends_with_it() {
    explore("once: wait against call", None, || {
        let guarded = Guarded::new();
        let waiter = spawn(&guarded, |guarded| {
            guarded.once.wait();
            guarded.check(1);
        });
        guarded.call();
        waiter.join().unwrap();
    });
}

#[test]
fn a_panic_releases_a_wait_and_a_call() {
    explore("once: panic against a wait and a call", Some(2), || {
        let guarded = Guarded::new();
        let waiter = spawn(&guarded, |guarded| guarded.once.wait_with(Instant(1)));
        let caller = spawn(&guarded, |guarded| {
            guarded.once.try_call_once(|| guarded.add())
        });
        guarded.poison();
        // No clock ticks, so the wait ends with the closures.
        let waited = waiter.join().unwrap();
        let called = caller.join().unwrap();
        match guarded.once.state() {
            OnceState::Done => {
                assert_eq!(called, Ok(()));
                // The wait may have seen the panic before, or the completion after it.
                assert!(matches!(waited, Ok(()) | Err(OnceError::Poisoned)));
            }
            OnceState::Poisoned => assert_eq!(waited, Err(OnceError::Poisoned)),
            state => panic!("{state:?}"),
        }
    });
}

#[test]
fn a_forced_call_runs_after_a_panic_and_sees_it() {
    explore("once: panic against a forced call", None, || {
        let guarded = Guarded::new();
        let forced = spawn(&guarded, |guarded| {
            guarded.once.call_once_force(|_| guarded.add());
            guarded.once.is_completed()
        });
        guarded.poison();
        assert!(forced.join().unwrap());
        // The closure that panics did not run if the other one was first.
        // SAFETY: the other thread is gone.
        guarded
            .value
            .with(|value| assert!(matches!(unsafe { *value }, 1 | 2)));
    });
}

#[test]
fn a_forced_call_sees_the_last_of_two_panics() {
    explore("once: two panics against a forced call", Some(3), || {
        let guarded = Guarded::new();
        let others = [(); 2].map(|()| spawn(&guarded, Guarded::poison));
        guarded.once.call_once_force(|_| guarded.add());
        for other in others {
            other.join().unwrap();
        }
    });
}

#[test]
fn a_patient_wait_outlasts_a_panic() {
    explore(
        "once: panic, then a forced call, against a wait",
        Some(3),
        || {
            let guarded = Guarded::new();
            let waiter = spawn(&guarded, |guarded| {
                guarded.once.wait_force();
                guarded.check(2);
            });
            guarded.poison();
            guarded.once.call_once_force(|state| {
                assert!(state.is_poisoned());
                guarded.add();
            });
            waiter.join().unwrap();
        },
    );
}

#[test]
fn a_timeout_against_the_completion() {
    explore("once: timeout against completion", Some(3), || {
        let guarded = Guarded::new();
        let timed = spawn(&guarded, |guarded| {
            if guarded.once.wait_with(Instant(1)).is_ok() {
                guarded.check(1);
            }
        });
        let clock = thread::spawn(|| advance(1));
        guarded.call();
        clock.join().unwrap();
        timed.join().unwrap();
    });
}

#[test]
fn a_timeout_takes_no_wake_up_from_another_waiter() {
    explore("once: timeout beside another waiter", Some(2), || {
        let guarded = Guarded::new();
        let hasty = spawn(&guarded, |guarded| {
            _ = guarded.once.wait_with(Instant(1));
        });
        let patient = spawn(&guarded, |guarded| {
            guarded.once.wait();
            guarded.check(1);
        });
        advance(1);
        guarded.call();
        hasty.join().unwrap();
        patient.join().unwrap();
    });
}

#[test]
fn a_completion_before_a_stop_counts() {
    explore(
        "once: completion, then stop, against a wait",
        Some(3),
        || {
            let (guarded, source) = (Guarded::new(), StopSource::new());
            let token = source.token();
            let waiter = spawn(&guarded, move |guarded| {
                assert_eq!(guarded.once.wait_with(&token), Ok(()));
                guarded.check(1);
            });
            guarded.call();
            source.request_stop();
            waiter.join().unwrap();
        },
    );
}
