//! Models of the lot itself: these run over the real one.

use crate::{
    Plain, change_against_park, sleep_on, stop_against_unpark, timeout_against_unpark, word,
};
use loom::sync::Arc;
use loom::thread;
use tk_park::sync::{AtomicU32, Instant, Ordering::*, advance, set_threads, use_the_real_lot};
use tk_park::{
    FilterOp, Limit, Parked, RequeueOp, WaitError, WaitInfo, Waiter, park, park_with, requeue,
    unpark_all, unpark_filter, unpark_one,
};
use tk_testing::explore;

fn explore_lot(name: &str, preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    explore(&format!("lot: {name}"), Some(preemptions), move || {
        use_the_real_lot();
        model();
    });
}

fn until_1() -> Limit<'static> {
    Limit::until(Instant(1))
}

fn move_one(from: &AtomicU32, to: &AtomicU32) -> usize {
    let to = &raw const *to as usize;
    // SAFETY: the sleepers of these models take any token.
    let done = unsafe { requeue(from, to, |_| Some(RequeueOp::RequeueOne), |_| 0) };
    done.unwrap().requeued_threads
}

#[test]
fn a_change_of_the_word_is_not_missed_in_the_lot() {
    explore_lot("change and unpark against park", 3, change_against_park);
}

/// The sleeper finds the wake-up before it goes to sleep, so that nothing but the wake-up itself
/// orders the two.
#[test]
fn a_thread_that_is_unparked_sees_what_came_before() {
    explore_lot("publication by the wake-up", 3, || {
        let word = word();
        let value = Plain::new();
        // The table is made here. The thread that makes it publishes what came before.
        unpark_all(&*word, 0);
        let sleeper = thread::spawn({
            let (word, value) = (word.clone(), value.clone());
            move || {
                let look_out = |me: &Waiter| {
                    while !me.is_unparked() {
                        thread::yield_now();
                    }
                };
                let wait = WaitInfo::new("model");
                // SAFETY: it does not park.
                let parked = unsafe { park_with(&*word, || true, look_out, &wait, Limit::never()) };
                assert_eq!(parked, Ok(Parked::Unparked(3)));
                assert_eq!(value.get(), 1);
            }
        });
        value.add();
        while unpark_one(&*word, |_| 3).unparked_threads == 0 {
            thread::yield_now();
        }
        sleeper.join().unwrap();
    });
}

#[test]
fn of_a_timeout_and_an_unpark_exactly_one_wins_in_the_lot() {
    explore_lot("timeout against unpark", 3, timeout_against_unpark);
}

#[test]
fn of_a_stop_and_an_unpark_exactly_one_wins_in_the_lot() {
    explore_lot("stop against unpark", 3, stop_against_unpark);
}

#[test]
fn a_requeue_against_a_timeout() {
    explore_lot("requeue against timeout", 3, || {
        // A bucket for each word.
        set_threads(2);
        let (from, to) = (word(), word());
        let sleeper = thread::spawn({
            let from = from.clone();
            move || sleep_on(&from, until_1())
        });
        let clock = thread::spawn(|| advance(1));
        let moved = move_one(&from, &to);
        let unparked = unpark_one(&*to, |_| 3).unparked_threads;
        clock.join().unwrap();
        let expected = match (moved, unparked) {
            (0, 0) => Err(WaitError::TimedOut),
            (1, 0) => Ok(Parked::Requeued),
            (1, 1) => Ok(Parked::Unparked(3)),
            other => panic!("{other:?}"),
        };
        assert_eq!(sleeper.join().unwrap(), expected);
        assert_eq!(unpark_all(&*from, 0) + unpark_all(&*to, 0), 0);
    });
}

/// A waiter that is moved while its time is over does not take itself for unparked: nobody unparks
/// it, and it has to return.
#[test]
fn a_waiter_that_is_moved_times_out() {
    explore_lot("timeout while it is moved", 3, || {
        set_threads(2);
        let (from, to) = (word(), word());
        let sleeper = thread::spawn({
            let from = from.clone();
            move || sleep_on(&from, until_1())
        });
        let clock = thread::spawn(|| advance(1));
        let expected = match move_one(&from, &to) {
            0 => Err(WaitError::TimedOut),
            _ => Ok(Parked::Requeued),
        };
        clock.join().unwrap();
        let parked = sleeper.join().unwrap();
        assert_eq!(parked, expected);
    });
}

#[test]
fn a_requeue_against_an_unpark() {
    explore_lot("requeue against unpark", 3, || {
        set_threads(2);
        let (from, to) = (word(), word());
        let sleeper = thread::spawn({
            let from = from.clone();
            move || sleep_on(&from, until_1())
        });
        let mover = thread::spawn({
            let (from, to) = (from.clone(), to.clone());
            move || move_one(&from, &to)
        });
        let first = unpark_one(&*from, |_| 3).unparked_threads;
        let moved = mover.join().unwrap();
        let second = unpark_one(&*to, |_| 4).unparked_threads;
        advance(1);
        let expected = match (first, moved, second) {
            (1, 0, 0) => Ok(Parked::Unparked(3)),
            (0, 1, 1) => Ok(Parked::Unparked(4)),
            (0, 0, 0) => Err(WaitError::TimedOut),
            other => panic!("{other:?}"),
        };
        assert_eq!(sleeper.join().unwrap(), expected);
    });
}

/// Both lock both buckets.
#[test]
fn two_requeues_in_opposite_directions() {
    explore_lot("requeue against requeue", 3, || {
        set_threads(2);
        let (one, other) = (word(), word());
        let sleeper = thread::spawn({
            let one = one.clone();
            move || sleep_on(&one, until_1())
        });
        let mover = thread::spawn({
            let (one, other) = (one.clone(), other.clone());
            move || move_one(&one, &other)
        });
        move_one(&other, &one);
        mover.join().unwrap();
        let found = unpark_all(&*one, 3) + unpark_all(&*other, 3);
        advance(1);
        let parked = sleeper.join().unwrap();
        assert_eq!(found == 1, parked == Ok(Parked::Unparked(3)));
    });
}

/// Nobody but the opener wakes the sleeper, and no time ends its wait: a sleeper that a growing
/// table has lost sleeps forever.
#[test]
fn a_table_that_grows_loses_no_waiter() {
    explore_lot("growth against park and unpark", 3, || {
        let word = word();
        // The first table is made here, so that it is one of those that meet.
        unpark_all(&*word, 0);
        let sleeper = thread::spawn({
            let word = word.clone();
            move || {
                let closed = || word.load(Relaxed) == 0;
                park(&*word, closed, &WaitInfo::new("model"), Limit::never())
            }
        });
        let grower = thread::spawn(|| {
            set_threads(2);
            // Looks into the table before anything else, and does not sleep.
            let other = AtomicU32::new(0);
            park(&other, || false, &WaitInfo::new("model"), Limit::never()).unwrap();
        });
        word.store(1, Relaxed);
        let unparked = unpark_one(&*word, |_| 3).unparked_threads;
        let expected = match unparked {
            1 => Ok(Parked::Unparked(3)),
            _ => Ok(Parked::Invalid),
        };
        assert_eq!(sleeper.join().unwrap(), expected);
        grower.join().unwrap();
    });
}

/// A waiter that was in the queue before is moved, whichever table has the queue.
#[test]
fn a_requeue_while_the_table_grows() {
    explore_lot("growth against requeue", 2, || {
        let (from, to, asleep) = (word(), word(), word());
        // The first table is made here. Both words have their places in the next one.
        unpark_all(&*from, 0);
        unpark_all(&*to, 0);
        let sleeper = thread::spawn({
            let (from, asleep) = (from.clone(), asleep.clone());
            move || {
                let in_the_queue = |_: &Waiter| asleep.store(1, Release);
                let wait = WaitInfo::new("model");
                // SAFETY: it does not park.
                unsafe { park_with(&*from, || true, in_the_queue, &wait, Limit::never()) }
            }
        });
        let grower = thread::spawn(|| {
            set_threads(2);
            let other = AtomicU32::new(0);
            park(&other, || false, &WaitInfo::new("model"), Limit::never()).unwrap();
        });
        while asleep.load(Acquire) == 0 {
            thread::yield_now();
        }
        assert_eq!(move_one(&from, &to), 1);
        assert_eq!(unpark_one(&*to, |_| 3).unparked_threads, 1);
        assert_eq!(sleeper.join().unwrap(), Ok(Parked::Unparked(3)));
        grower.join().unwrap();
    });
}

/// The slower of the two finds a larger table with a waiter in it, which its own must not replace.
#[test]
fn two_threads_that_grow_the_table_at_a_time() {
    explore_lot("growth against growth", 3, || {
        let word = word();
        // The first table is made here.
        unpark_all(&*word, 0);
        set_threads(2);
        let sleeper = thread::spawn({
            let word = word.clone();
            move || {
                let closed = || word.load(Relaxed) == 0;
                park(&*word, closed, &WaitInfo::new("model"), Limit::never())
            }
        });
        let other = AtomicU32::new(0);
        park(&other, || false, &WaitInfo::new("model"), Limit::never()).unwrap();
        word.store(1, Relaxed);
        let expected = match unpark_all(&*word, 3) {
            1 => Ok(Parked::Unparked(3)),
            _ => Ok(Parked::Invalid),
        };
        assert_eq!(sleeper.join().unwrap(), expected);
    });
}

#[test]
fn neighbors_in_a_bucket_do_not_meet() {
    explore_lot("two keys in one bucket", 2, || {
        let words = [word(), word()];
        let sleepers = [0, 1].map(|n: usize| {
            let word = words[n].clone();
            thread::spawn(move || sleep_on(&word, until_1()))
        });
        let unparked = [0, 1].map(|n| unpark_all(&*words[n], n as u16));
        advance(1);
        for (n, sleeper) in sleepers.into_iter().enumerate() {
            let expected = match unparked[n] {
                1 => Ok(Parked::Unparked(n as u16)),
                _ => Err(WaitError::TimedOut),
            };
            assert_eq!(sleeper.join().unwrap(), expected);
        }
    });
}

/// The queue loses its first, its middle or its last waiter by a timeout, while another thread
/// looks at all of them.
#[test]
fn a_timeout_anywhere_in_a_queue() {
    explore_lot("timeout of one of two", 2, || {
        let word = word();
        let timed = thread::spawn({
            let word = word.clone();
            move || sleep_on(&word, until_1())
        });
        let patient = thread::spawn({
            let word = word.clone();
            move || sleep_on(&word, Limit::until(Instant(2)))
        });
        advance(1);
        let mut seen = 0;
        let count = |_: &Waiter| {
            seen += 1;
            FilterOp::Unpark
        };
        let unparked = unpark_filter(&*word, count, |_| 3).unparked_threads;
        assert_eq!(unparked, seen);
        advance(2);
        let woken = [timed, patient]
            .map(|thread| thread.join().unwrap())
            .iter()
            .filter(|parked| **parked == Ok(Parked::Unparked(3)))
            .count();
        assert_eq!(woken, unparked);
    });
}

/// A thread that has locked the bucket sees the changes of those that had it locked before. No
/// thread sleeps forever at its lock.
#[test]
fn a_bucket_is_locked_by_one_thread_at_a_time() {
    explore_lot("lock of a bucket", 3, || {
        let (word, value) = (word(), Plain::new());
        let lock = |word: &Arc<AtomicU32>, value: &Arc<Plain>| {
            let (word, value) = (word.clone(), value.clone());
            thread::spawn(move || {
                let with_bucket_locked = || {
                    value.add();
                    false
                };
                park(
                    &*word,
                    with_bucket_locked,
                    &WaitInfo::new("model"),
                    Limit::never(),
                )
                .unwrap();
            })
        };
        let threads = [lock(&word, &value), lock(&word, &value)];
        unpark_filter(
            &*word,
            |_| FilterOp::Stop,
            |_| {
                value.add();
                0
            },
        );
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(value.get(), 3);
    });
}
