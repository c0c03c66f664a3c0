//! Models of parking and of stop tokens.
#![cfg(tk_loom)]

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;
use tk_park::sync::{AtomicU32, Instant, Ordering::*, advance};
use tk_park::{Limit, Parked, StopSource, WaitError, WaitInfo, park, unpark_all, unpark_one};
use tk_testing::explore;

#[path = "loom/lot.rs"]
mod lot;
#[path = "loom/queue_word.rs"]
mod queue_word;
#[path = "loom/stop.rs"]
mod stop;

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
    word.loom_register();
    Arc::new(word)
}

fn sleep_on(word: &AtomicU32, limit: Limit<'_>) -> Result<Parked, WaitError> {
    park(word, || true, &WaitInfo::new("model"), limit)
}

/// Models a waker, and a thread that parks until the word has changed.
fn change_against_park() {
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
        park(&*word, closed, &WaitInfo::new("model"), Limit::never()).unwrap();
    }
    assert_eq!(value.get(), 1);
    opener.join().unwrap();
}

fn stop_against_unpark() {
    let (word, source) = (word(), StopSource::new());
    let sleeper = thread::spawn({
        let (word, token) = (word.clone(), source.token());
        move || sleep_on(&word, Limit::from(&token))
    });
    let stopper = thread::spawn(move || assert!(source.request_stop()));
    let unparked = unpark_one(&*word, |_| 3).unparked_threads;
    stopper.join().unwrap();
    let expected = match unparked {
        1 => Ok(Parked::Unparked(3)),
        _ => Err(WaitError::Stopped),
    };
    assert_eq!(sleeper.join().unwrap(), expected);
}

fn timeout_against_unpark() {
    let word = word();
    let sleeper = thread::spawn({
        let word = word.clone();
        move || sleep_on(&word, Limit::until(Instant(1)))
    });
    let clock = thread::spawn(|| advance(1));
    let unparked = unpark_one(&*word, |_| 3).unparked_threads;
    clock.join().unwrap();
    let expected = match unparked {
        1 => Ok(Parked::Unparked(3)),
        _ => Err(WaitError::TimedOut),
    };
    assert_eq!(sleeper.join().unwrap(), expected);
}

#[test]
fn a_change_of_the_word_is_not_missed() {
    let name = "park: change and unpark against park";
    explore(name, None, change_against_park);
}

#[test]
fn of_a_stop_and_an_unpark_exactly_one_wins() {
    explore("park: stop against unpark", None, stop_against_unpark);
}

#[test]
fn of_a_timeout_and_an_unpark_exactly_one_wins() {
    let name = "park: timeout against unpark";
    explore(name, None, timeout_against_unpark);
}
