//! Models of a timer's fire, cancellation and move, and of the leader.
#![cfg(tk_loom)]

use std::sync::atomic::{AtomicUsize, Ordering};

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;
use tk_park::Limit;
use tk_park::sync::{Instant, advance};
use tk_testing::explore;
use tk_timer::model::{Model, NEVER, Timer};
use tk_timer::{CancelOutcome, OnPanic, RescheduleOutcome, Schedule};

/// Counts calls; not a part of the model.
#[derive(Clone, Default)]
struct Calls(std::sync::Arc<AtomicUsize>);

impl Calls {
    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn counter(&self) -> impl FnMut() + Send + 'static {
        let calls = self.clone();
        move || {
            calls.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A number that a function writes, and that a thread reads when it knows that the function has
/// returned.
#[derive(Default)]
struct Note(UnsafeCell<u32>);

// SAFETY: that one thread at a time uses it is what the model checks.
unsafe impl Sync for Note {}

impl Note {
    fn write(&self) {
        // SAFETY: the function runs once, and nobody reads before it has returned.
        self.0.with_mut(|note| unsafe { *note = 1 });
    }

    fn read(&self) -> u32 {
        // SAFETY: the function has returned.
        self.0.with(|note| unsafe { *note })
    }
}

/// A queue with two successors that never do anything: the leader, which is the model's, may call
/// functions.
fn queue() -> Arc<Model> {
    let model = Model::new(0);
    model.hire(2);
    model
}

/// A thread that serves until the model is closed.
fn serve(model: &Arc<Model>) -> thread::JoinHandle<()> {
    model.hire(1);
    let model = model.clone();
    thread::spawn(move || Model::serve(&model))
}

#[test]
fn of_a_cancellation_and_the_fire_exactly_one_wins() {
    explore("timer: cancel against fire", Some(3), || {
        let (model, calls) = (queue(), Calls::default());
        let timer = model.queue(0, None, calls.counter());
        let server = serve(&model);
        let outcome = model.cancel(&timer);
        if outcome == CancelOutcome::Cancelled {
            assert!(timer.has_ended());
        } else {
            model.join(&timer, Limit::never());
        }
        assert_eq!(model.cancel(&timer), CancelOutcome::Finished);
        model.close();
        server.join().unwrap();
        assert_eq!(
            calls.count(),
            usize::from(outcome != CancelOutcome::Cancelled)
        );
    });
}

#[test]
fn a_move_wins_or_the_fire_does() {
    explore("timer: reschedule against fire", Some(3), || {
        let (model, calls) = (queue(), Calls::default());
        let timer = model.queue(0, None, calls.counter());
        let server = serve(&model);
        let outcome = model.reschedule(&timer, NEVER);
        if outcome == RescheduleOutcome::Moved {
            assert_eq!(model.cancel(&timer), CancelOutcome::Cancelled);
        } else {
            model.join(&timer, Limit::never());
        }
        model.close();
        server.join().unwrap();
        assert_eq!(
            calls.count(),
            usize::from(outcome != RescheduleOutcome::Moved)
        );
    });
}

#[test]
fn a_repeating_timer_that_is_moved_while_it_runs_goes_there() {
    explore("timer: reschedule against a repetition", Some(2), || {
        let (model, calls) = (queue(), Calls::default());
        // The clock stands still: after the first call it would be due in ten nanoseconds.
        let timer = model.queue(0, Some(period()), calls.counter());
        let server = serve(&model);
        assert_eq!(model.reschedule(&timer, 7), RescheduleOutcome::Moved);
        // It was pending, or running, or pending again.
        while model.due(&timer).is_none() {
            thread::yield_now();
        }
        assert_eq!(model.due(&timer), Some(7));
        assert_eq!(model.cancel(&timer), CancelOutcome::Cancelled);
        model.close();
        server.join().unwrap();
        assert!(calls.count() <= 1);
    });
}

fn period() -> Schedule {
    Schedule::every(std::time::Duration::from_nanos(10)).on_panic(OnPanic::Cancel)
}

#[test]
fn who_joins_sees_what_the_function_did_and_does_not_sleep_for_ever() {
    explore("timer: join against the end", Some(3), || {
        let model = queue();
        let value = Arc::new(Note::default());
        let timer = model.queue(0, None, {
            let value = value.clone();
            move || value.write()
        });
        let server = serve(&model);
        assert!(model.join(&timer, Limit::never()));
        assert_eq!(value.read(), 1);
        model.close();
        server.join().unwrap();
    });
}

#[test]
fn who_looks_sees_what_the_function_did() {
    explore("timer: look at the end", Some(3), || {
        let model = queue();
        let value = Arc::new(Note::default());
        let timer = model.queue(0, None, {
            let value = value.clone();
            move || value.write()
        });
        let server = serve(&model);
        if timer.has_ended() {
            assert_eq!(value.read(), 1);
        }
        model.join(&timer, Limit::never());
        model.close();
        server.join().unwrap();
    });
}

#[test]
fn a_join_that_times_out_against_a_cancellation() {
    explore("timer: timeout of a join against cancel", Some(3), || {
        let model = queue();
        let timer = model.queue(NEVER, None, || ());
        let joiner = thread::spawn({
            let (model, timer) = (model.clone(), timer.clone());
            move || model.join(&timer, Limit::until(Instant(1)))
        });
        let clock = thread::spawn(|| advance(1));
        assert_eq!(model.cancel(&timer), CancelOutcome::Cancelled);
        clock.join().unwrap();
        joiner.join().unwrap();
        assert!(model.join(&timer, Limit::never()));
    });
}

#[test]
fn the_leader_is_told_of_what_is_earlier() {
    explore("timer: start against the leader's sleep", Some(3), || {
        let (model, calls) = (queue(), Calls::default());
        model.queue(NEVER, None, || ());
        let server = serve(&model);
        let timer: Timer = model.queue(0, None, calls.counter());
        model.join(&timer, Limit::never());
        model.close();
        server.join().unwrap();
        assert_eq!(calls.count(), 1);
    });
}

#[test]
fn the_leader_is_told_of_what_is_moved_ahead() {
    explore(
        "timer: reschedule against the leader's sleep",
        Some(3),
        || {
            let model = queue();
            let timer = model.queue(NEVER, None, || ());
            let server = serve(&model);
            assert_eq!(model.reschedule(&timer, 0), RescheduleOutcome::Moved);
            model.join(&timer, Limit::never());
            model.close();
            server.join().unwrap();
        },
    );
}

#[test]
fn a_function_that_waits_for_another_timer_is_overtaken() {
    explore("timer: leader and standby", Some(1), || {
        let model = Model::new(0);
        model.hire(1);
        let second = Arc::new(std::sync::OnceLock::new());
        // Waits until the second has ended: so another thread has to call that.
        let first = model.queue(0, None, {
            let (model, second) = (model.clone(), second.clone());
            move || assert!(model.join(second.get().unwrap(), Limit::never()))
        });
        assert!(second.set(model.queue(0, None, || ())).is_ok());
        let servers = [serve(&model), serve(&model)];
        model.join(&first, Limit::never());
        model.close();
        for server in servers {
            server.join().unwrap();
        }
    });
}

#[test]
fn a_function_that_starts_a_timer_and_waits_for_it_is_overtaken() {
    explore("timer: a sleeping standby", Some(1), || {
        let model = Model::new(0);
        model.hire(1);
        let first = model.queue(1, None, {
            let model = model.clone();
            move || {
                let second = model.queue(0, None, || ());
                assert!(model.join(&second, Limit::never()));
            }
        });
        let servers = [serve(&model), serve(&model)];
        // Nothing is due before this, so they may both sleep by then; the standby for good, as
        // there is one timer only.
        thread::yield_now();
        advance(1);
        model.join(&first, Limit::never());
        model.close();
        for server in servers {
            server.join().unwrap();
        }
    });
}

#[test]
fn functions_that_are_short_run_in_the_order_of_their_times() {
    explore("timer: order", Some(1), || {
        let model = Model::new(0);
        model.hire(1);
        // The clock stands still: no call takes so long.
        model.set_patience(1);
        let order = Arc::new(std::sync::Mutex::new(Vec::new()));
        let timers = [1, 2].map(|number| {
            let order = order.clone();
            model.queue(0, None, move || {
                // So that the second one would come first if nothing kept it from running.
                if number == 1 {
                    thread::yield_now();
                }
                order.lock().unwrap().push(number);
            })
        });
        let servers = [serve(&model), serve(&model)];
        for timer in &timers {
            model.join(timer, Limit::never());
        }
        assert_eq!(*order.lock().unwrap(), [1, 2]);
        model.close();
        for server in servers {
            server.join().unwrap();
        }
    });
}

/// Two threads start a timer each, and the system starts so many threads.
fn two_starters(name: &'static str, can_start: usize) {
    explore(name, Some(1), move || {
        let model = Model::new(can_start);
        let other = thread::spawn({
            let model = model.clone();
            move || {
                if let Ok(timer) = Model::start(&model, 0, || ()) {
                    assert!(model.join(&timer, Limit::never()));
                }
            }
        });
        if let Ok(timer) = Model::start(&model, 0, || ()) {
            assert!(model.join(&timer, Limit::never()));
        }
        other.join().unwrap();
        model.close();
        model.join_threads();
    });
}

#[test]
fn a_start_without_a_thread_is_an_error_of_each_starter() {
    two_starters("timer: two starters and no thread", 0);
}

#[test]
fn a_start_with_a_thread_too_few_is_an_error_of_each_starter() {
    two_starters("timer: two starters and one thread", 1);
}

#[test]
fn a_timer_that_is_late_for_lack_of_a_thread_is_called_when_there_is_one() {
    explore("timer: a thread is refused for a while", Some(1), || {
        let model = Model::new(0);
        let second = Arc::new(std::sync::OnceLock::new());
        // One thread is in this function, and the other one must not call the second and leave
        // nobody.
        model.queue(0, None, {
            let (model, second) = (model.clone(), second.clone());
            move || {
                let second: &Timer = second.get().unwrap();
                while !model.is_refused() {
                    thread::yield_now();
                }
                assert!(!second.has_ended());
                model.allow(1);
                advance(1_000_000_000);
                assert!(model.join(second, Limit::never()));
                model.close();
            }
        });
        assert!(second.set(model.queue(0, None, || ())).is_ok());
        let server = serve(&model);
        model.hire(1);
        Model::serve(&model);
        server.join().unwrap();
        model.join_threads();
        assert!(second.get().unwrap().has_ended());
    });
}

#[test]
fn a_thread_that_comes_back_is_the_successor_of_a_leader_without_one() {
    explore("timer: a busy thread comes back", Some(1), || {
        let model = Model::new(0);
        let gate = Arc::new(loom::sync::atomic::AtomicBool::new(false));
        model.queue(0, None, {
            let gate = gate.clone();
            move || {
                while !gate.load(Ordering::Relaxed) {
                    thread::yield_now();
                }
            }
        });
        let second = model.queue(0, None, || ());
        let servers = [serve(&model), serve(&model)];
        thread::yield_now();
        gate.store(true, Ordering::Relaxed);
        model.join(&second, Limit::never());
        model.close();
        for server in servers {
            server.join().unwrap();
        }
    });
}

#[test]
fn an_idle_leader_does_not_leave_what_has_come() {
    explore("timer: start against a leader that leaves", Some(1), || {
        let model = Model::new(0);
        // With this one the starter relies on the successor, which leaves too if nothing has come.
        model.hire(1);
        let servers = [serve(&model), serve(&model)];
        // So long does a leader stay that has nothing to wait for; and the others leave with it.
        advance(10_000_000_000);
        if let Ok(timer) = Model::start(&model, 0, || ()) {
            assert!(model.join(&timer, Limit::never()));
        }
        model.close();
        for server in servers {
            server.join().unwrap();
        }
    });
}

#[test]
fn a_cancellation_of_a_running_timer_ends_it() {
    explore("timer: cancel against a repetition", Some(2), || {
        let (model, calls) = (queue(), Calls::default());
        let timer = model.queue(0, Some(period()), calls.counter());
        let server = serve(&model);
        assert_ne!(model.cancel(&timer), CancelOutcome::Finished);
        // The clock stands still: it is not due again.
        assert!(model.join(&timer, Limit::never()));
        model.close();
        server.join().unwrap();
        assert!(calls.count() <= 1);
    });
}

#[test]
fn who_joins_while_the_function_runs_is_woken_by_a_later_end() {
    explore("timer: join against a repetition", Some(1), || {
        let model = queue();
        let timer = model.queue(0, Some(period()), || ());
        let server = serve(&model);
        let joiner = thread::spawn({
            let (model, timer) = (model.clone(), timer.clone());
            move || assert!(model.join(&timer, Limit::never()))
        });
        while model.due(&timer) != Some(10) {
            thread::yield_now();
        }
        assert_eq!(model.cancel(&timer), CancelOutcome::Cancelled);
        joiner.join().unwrap();
        model.close();
        server.join().unwrap();
    });
}

#[test]
fn a_close_against_a_repetition_ends_it() {
    explore("timer: close against a repetition", Some(2), || {
        let (model, calls) = (queue(), Calls::default());
        let timer = model.queue(0, Some(period()), calls.counter());
        let server = serve(&model);
        model.close();
        assert!(model.join(&timer, Limit::never()));
        server.join().unwrap();
        assert!(calls.count() <= 1);
    });
}
