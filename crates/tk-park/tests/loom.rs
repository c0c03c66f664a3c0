//! Models of parking and of stop tokens.
#![cfg(tk_loom)]

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;
use tk_park::sync::{AtomicU32, Instant, Ordering::*, advance};
use tk_park::{Limit, Parked, StopSource, Wait, park, unpark_all, unpark_one};

#[path = "it/model.rs"]
mod model;
use model::explore;

/// A number that threads use without protection, if loom agrees.
struct Plain(UnsafeCell<u32>);

// SAFETY: that each use is safe is what is tested, and loom checks it.
unsafe impl Sync for Plain {}

impl Plain {
    fn new() -> Arc<Plain> {
        Arc::new(Plain(UnsafeCell::new(0)))
    }

    fn add(&self) {
        // SAFETY: as above.
        self.0.with_mut(|value| unsafe { *value += 1 });
    }

    fn get(&self) -> u32 {
        // SAFETY: as above.
        self.0.with(|value| unsafe { *value })
    }
}

fn word() -> Arc<AtomicU32> {
    let word = AtomicU32::new(0);
    word.touch();
    Arc::new(word)
}

fn sleep_on(word: &AtomicU32, limit: Limit<'_>) -> Parked {
    park(word, || true, &Wait::new("model"), limit)
}

#[test]
fn a_change_of_the_word_is_not_missed() {
    explore("park: change and unpark against park", None, || {
        let word = word();
        let value = Plain::new();
        let opener = thread::spawn({
            let (word, value) = (word.clone(), value.clone());
            move || {
                value.add();
                word.store(1, Release);
                unpark_all(&*word, 0);
            }
        });
        while word.load(Acquire) == 0 {
            let closed = || word.load(Relaxed) == 0;
            park(&*word, closed, &Wait::new("model"), Limit::none());
        }
        assert_eq!(value.get(), 1);
        opener.join().unwrap();
    });
}

#[test]
fn of_a_stop_and_an_unpark_exactly_one_wins() {
    explore("park: stop against unpark", None, || {
        let (word, source) = (word(), StopSource::new());
        let sleeper = thread::spawn({
            let (word, token) = (word.clone(), source.token());
            move || sleep_on(&word, Limit::from(&token))
        });
        let stopper = thread::spawn(move || assert!(source.request_stop()));
        let unparked = unpark_one(&*word, |_| 3).count;
        stopper.join().unwrap();
        let expected = match unparked {
            1 => Parked::Unparked(3),
            _ => Parked::Stopped,
        };
        assert_eq!(sleeper.join().unwrap(), expected);
    });
}

#[test]
fn of_a_timeout_and_an_unpark_exactly_one_wins() {
    explore("park: timeout against unpark", None, || {
        let word = word();
        let sleeper = thread::spawn({
            let word = word.clone();
            move || sleep_on(&word, Limit::until(Instant(1)))
        });
        let clock = thread::spawn(|| advance(1));
        let unparked = unpark_one(&*word, |_| 3).count;
        clock.join().unwrap();
        let expected = match unparked {
            1 => Parked::Unparked(3),
            _ => Parked::TimedOut,
        };
        assert_eq!(sleeper.join().unwrap(), expected);
    });
}

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
            assert_eq!(sleeper.join().unwrap(), Parked::Stopped);
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
            assert_eq!(sleeper.join().unwrap(), Parked::Stopped);
        },
    );
}
