//! Models of stop tokens.

use crate::{Plain, sleep_on, word};
use loom::sync::Arc;
use loom::thread;
use tk_park::sync::Ordering::*;
use tk_park::{Limit, Parked, StopSource, WaitError, WaitInfo, park, unpark_all, unpark_one};
use tk_testing::explore;

#[test]
fn a_stop_wakes_all_waits_with_the_token() {
    explore("stop: two waits", Some(3), || {
        let (word, source) = (word(), StopSource::new());
        let sleepers = [(); 2].map(|()| {
            let (word, token) = (word.clone(), source.token());
            thread::spawn(move || sleep_on(&word, Limit::from(&token)))
        });
        source.request_stop();
        for sleeper in sleepers {
            assert_eq!(sleeper.join().unwrap(), Err(WaitError::Stopped));
        }
    });
}

#[test]
fn who_sees_the_request_sees_what_came_before() {
    explore("stop: publication", None, || {
        let source = StopSource::new();
        let value = Plain::new();
        let looker = thread::spawn({
            let (token, value) = (source.token(), value.clone());
            move || {
                if token.stop_requested() {
                    assert_eq!(value.get(), 1);
                }
            }
        });
        value.add();
        source.request_stop();
        looker.join().unwrap();
    });
}

#[test]
fn a_callback_has_ended_or_never_runs_when_its_handle_is_gone() {
    explore("stop: callback against its removal", None, || {
        let source = StopSource::new();
        let value = Plain::new();
        let callback = source.token().on_stop({
            let value = value.clone();
            move || value.add()
        });
        let stopper = thread::spawn(move || assert!(source.request_stop()));
        drop(callback);
        value.add();
        stopper.join().unwrap();
    });
}

#[test]
fn a_registration_is_called_by_the_request_or_at_once() {
    explore("stop: registration against request", None, || {
        let source = StopSource::new();
        let calls = Plain::new();
        let registrar = thread::spawn({
            let (token, calls) = (source.token(), calls.clone());
            move || token.on_stop(move || calls.add())
        });
        source.request_stop();
        let callback = registrar.join().unwrap();
        drop(callback);
        assert_eq!(calls.get(), 1);
    });
}

#[test]
fn a_parents_stop_reaches_a_child_that_is_just_made() {
    explore(
        "stop: child against the stop of its parent",
        Some(3),
        || {
            let (word, parent) = (word(), StopSource::new());
            let sleeper = thread::spawn({
                let (word, token) = (word.clone(), parent.token());
                move || {
                    let child = token.child().token();
                    sleep_on(&word, Limit::from(&child))
                }
            });
            parent.request_stop();
            assert_eq!(sleeper.join().unwrap(), Err(WaitError::Stopped));
        },
    );
}

/// This also holds for a request that is not the first.
#[test]
fn a_request_that_returns_has_stopped_all_descendants() {
    explore("stop: two requests in a chain", None, || {
        let top = StopSource::new();
        let middle = top.token().child();
        // Two levels: the children of a node that is being marked are marked in one step.
        let bottom = middle.token().child().token().child();
        let below = thread::spawn({
            let bottom = bottom.token();
            move || {
                middle.request_stop();
                assert!(bottom.stop_requested());
            }
        });
        top.request_stop();
        assert!(bottom.stop_requested());
        below.join().unwrap();
    });
}

#[test]
fn a_wait_with_the_token_of_a_grandchild_is_woken() {
    explore("stop: wait two levels below", None, || {
        let (word, top) = (word(), StopSource::new());
        let token = top.token().child().token().child().token();
        let sleeper = thread::spawn({
            let word = word.clone();
            move || sleep_on(&word, Limit::from(&token))
        });
        assert!(top.request_stop());
        assert_eq!(sleeper.join().unwrap(), Err(WaitError::Stopped));
    });
}

#[test]
fn a_callback_may_join_a_thread_that_waits_with_a_token_below() {
    explore("stop: callback joins a waiter", None, || {
        let (word, top) = (word(), StopSource::new());
        let worker = std::sync::Arc::new(std::sync::Mutex::new(None));
        let callback = top.token().on_stop({
            let worker = worker.clone();
            move || {
                let worker: thread::JoinHandle<Result<Parked, WaitError>> =
                    worker.lock().unwrap().take().unwrap();
                assert_eq!(worker.join().unwrap(), Err(WaitError::Stopped));
            }
        });
        let token = top.token().child().token();
        *worker.lock().unwrap() = Some(thread::spawn({
            let word = word.clone();
            move || sleep_on(&word, Limit::from(&token))
        }));
        assert!(top.request_stop());
        drop(callback);
    });
}

#[test]
fn a_child_that_goes_against_the_stop_of_its_parent() {
    explore("stop: drop of a child against a request", None, || {
        let parent = StopSource::new();
        let (first, second) = (parent.token().child(), parent.token().child());
        let dropper = thread::spawn(move || drop(first));
        parent.request_stop();
        dropper.join().unwrap();
        assert!(second.stop_requested());
    });
}

#[test]
fn a_grandchild_that_goes_takes_its_ancestors_with_it() {
    explore(
        "stop: drop of the last handle against a request",
        None,
        || {
            let top = StopSource::new();
            let bottom = top.token().child().token().child();
            let dropper = thread::spawn(move || drop(bottom));
            top.request_stop();
            dropper.join().unwrap();
        },
    );
}

#[test]
fn two_children_that_go_leave_the_list_whole() {
    explore("stop: drops of two children", None, || {
        let parent = StopSource::new();
        let first = parent.token().child();
        let second = parent.token().child();
        let third = parent.token().child();
        let dropper = thread::spawn(move || drop(second));
        drop(first);
        dropper.join().unwrap();
        parent.request_stop();
        assert!(third.stop_requested());
    });
}

#[test]
fn a_callback_below_two_parents_runs_once() {
    explore("stop: requests of two parents", None, || {
        let (left, right) = (StopSource::new(), StopSource::new());
        let child = StopSource::child_of([&left.token(), &right.token()]);
        let calls = Plain::new();
        let callback = child.token().on_stop({
            let calls = calls.clone();
            move || calls.add()
        });
        let other = thread::spawn(move || assert!(right.request_stop()));
        assert!(left.request_stop());
        assert!(child.stop_requested());
        other.join().unwrap();
        drop(callback);
        assert_eq!(calls.get(), 1);
    });
}

#[test]
fn a_child_of_two_parents_that_is_just_made_is_stopped_with_either() {
    explore("stop: child of two against a request", None, || {
        let (left, right) = (StopSource::new(), StopSource::new());
        let maker = thread::spawn({
            let tokens = [left.token(), right.token()];
            move || StopSource::child_of(&tokens)
        });
        right.request_stop();
        let child = maker.join().unwrap();
        assert!(child.stop_requested());
        drop(child);
        left.request_stop();
    });
}

#[test]
fn either_token_of_a_limit_ends_the_wait() {
    explore("stop: two tokens in a limit", Some(3), || {
        let (word, first, second) = (word(), StopSource::new(), StopSource::new());
        let sleeper = thread::spawn({
            let (word, first, second) = (word.clone(), first.token(), second.token());
            move || sleep_on(&word, Limit::stop(&first).or_stop(&second))
        });
        let other = thread::spawn(move || assert!(first.request_stop()));
        assert!(second.request_stop());
        assert_eq!(sleeper.join().unwrap(), Err(WaitError::Stopped));
        other.join().unwrap();
    });
}

/// The ticket of a wait is that of the thread's next one too, as both are made at the same place of
/// its stack.
#[test]
fn a_stop_ends_no_wait_that_comes_after_the_one_with_the_token() {
    explore("stop: the next wait", Some(3), || {
        let (word, source) = (word(), StopSource::new());
        let sleeper = thread::spawn({
            let (word, token) = (word.clone(), source.token());
            move || {
                let mut limit = Limit::from(&token);
                while word.load(Acquire) == 0 {
                    let closed = || word.load(Relaxed) == 0;
                    let parked = park(&*word, closed, &WaitInfo::new("model"), limit);
                    assert!(parked != Err(WaitError::Stopped) || !limit.is_unlimited());
                    limit = Limit::never();
                }
            }
        });
        let stopper = thread::spawn(move || assert!(source.request_stop()));
        unpark_one(&*word, |_| 3);
        word.store(1, Release);
        unpark_all(&*word, 5);
        stopper.join().unwrap();
        sleeper.join().unwrap();
    });
}

#[test]
fn a_function_is_unregistered_or_called() {
    explore("stop: unregistering against a request", None, || {
        let source = StopSource::new();
        let calls = Plain::new();
        let callback = source.token().on_stop({
            let calls = calls.clone();
            move || calls.add()
        });
        let stopper = thread::spawn(move || assert!(source.request_stop()));
        let in_time = callback.unregister();
        if in_time {
            calls.add(); // It never runs.
        }
        stopper.join().unwrap();
        assert_eq!(calls.get(), 1);
    });
}

#[test]
fn two_callbacks_that_go_against_a_request_run_once_or_never() {
    explore("stop: two callbacks against their removal", None, || {
        let source = StopSource::new();
        let values = [Plain::new(), Plain::new()];
        let [first, second] = values.each_ref().map(|value| {
            let value = Arc::clone(value);
            source.token().on_stop(move || value.add())
        });
        let stopper = thread::spawn(move || assert!(source.request_stop()));
        drop(second);
        values[1].add();
        drop(first);
        values[0].add();
        stopper.join().unwrap();
    });
}

#[test]
fn a_callback_on_a_child_that_is_just_registered_hears_of_its_parent() {
    explore("stop: registration below against a request", None, || {
        let parent = StopSource::new();
        let child = parent.token().child().token();
        let calls = Plain::new();
        let registrar = thread::spawn({
            let calls = calls.clone();
            move || child.on_stop(move || calls.add())
        });
        parent.request_stop();
        let callback = registrar.join().unwrap();
        drop(callback);
        assert_eq!(calls.get(), 1);
    });
}

#[test]
fn of_two_requests_one_is_the_first() {
    explore("stop: two requests", None, || {
        let source = StopSource::new();
        let child = source.token().child();
        let calls = Plain::new();
        let callback = child.token().on_stop({
            let calls = calls.clone();
            move || calls.add()
        });
        let other = thread::spawn({
            let source = source.clone();
            move || source.request_stop()
        });
        let first = source.request_stop();
        assert!(first != other.join().unwrap());
        drop(callback);
        assert_eq!(calls.get(), 1);
    });
}
