//! The promises of the lot beyond its calls: its size, its cost, and the threads that run while a
//! bucket is locked.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::*};
use std::time::{Duration, Instant};

use tk_park::{
    FilterOp, Limit, Parked, RequeueOp, UnparkResult, WaitError, WaitInfo, Waiter, park, park_with,
    requeue, unpark_all, unpark_filter, unpark_n, unpark_one,
};
use tk_testing::{OnDrop, Random, until};

fn sleep_on(word: &AtomicU32, limit: Limit<'_>) -> Result<Parked, WaitError> {
    park(word, || true, &WaitInfo::new("test"), limit)
}

/// A table that grows while threads enter and leave it: each waits where it is found.
#[test]
fn more_threads_than_the_table_was_made_for() {
    const THREADS: usize = 200;
    let words: Vec<_> = (0..THREADS).map(|_| AtomicU32::new(0)).collect();
    let asleep = AtomicUsize::new(0);
    std::thread::scope(|s| {
        let sleepers: Vec<_> = words
            .iter()
            .map(|word| {
                let asleep = &asleep;
                s.spawn(move || {
                    let validate = || {
                        asleep.fetch_add(1, Relaxed);
                        true
                    };
                    park(word, validate, &WaitInfo::new("test"), Limit::never())
                })
            })
            .collect();
        until("all are in the queue", || asleep.load(Relaxed) == THREADS);
        for (n, word) in words.iter().enumerate() {
            let unparked = unpark_filter(word, |_| FilterOp::Unpark, |_| n as u16);
            assert_eq!(
                (unparked.unparked_threads, unparked.have_more_threads),
                (1, false)
            );
        }
        for (n, sleeper) in sleepers.into_iter().enumerate() {
            assert_eq!(sleeper.join().unwrap(), Ok(Parked::Unparked(n as u16)));
        }
    });
}

/// Hundreds of threads in one queue leave it by time, by stop of the queue, and from every place in
/// it.
#[test]
fn a_long_queue_is_left_from_every_place() {
    const THREADS: usize = 200;
    let word = AtomicU32::new(0);
    let (asleep, timed_out) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|s| {
        let sleepers: Vec<_> = (0..THREADS)
            .map(|n| {
                let (word, asleep, timed_out) = (&word, &asleep, &timed_out);
                s.spawn(move || {
                    let validate = || {
                        asleep.fetch_add(1, Relaxed);
                        true
                    };
                    // Every other one leaves by itself.
                    let limit = match n % 2 {
                        0 => Limit::after(Duration::from_micros(n as u64)),
                        _ => Limit::never(),
                    };
                    let parked = park(word, validate, &WaitInfo::new("test").tag(n), limit);
                    if parked == Err(WaitError::TimedOut) {
                        timed_out.fetch_add(1, Relaxed);
                    }
                    parked
                })
            })
            .collect();
        until("all have been in the queue", || {
            asleep.load(Relaxed) == THREADS && timed_out.load(Relaxed) == THREADS / 2
        });
        // From the middle, then from the end and the beginning.
        let some = |from: usize| {
            move |waiter: &Waiter| {
                if waiter.tag() >= from {
                    FilterOp::Unpark
                } else {
                    FilterOp::Skip
                }
            }
        };
        let late = unpark_filter(&word, some(THREADS / 2), |_| 1);
        assert_eq!(
            (late.unparked_threads, late.have_more_threads),
            (THREADS / 4, true)
        );
        let first = unpark_n(&word, 10, |_| 1);
        assert_eq!(
            (first.unparked_threads, first.have_more_threads),
            (10, true)
        );
        assert_eq!(unpark_all(&word, 1), THREADS / 4 - 10);
        let unparked = sleepers
            .into_iter()
            .map(|sleeper| sleeper.join().unwrap())
            .filter(|parked| *parked == Ok(Parked::Unparked(1)))
            .count();
        assert_eq!(unparked, THREADS / 2);
    });
}

/// The wake-up of a queue of hundreds is exact while their times run out and others move them back
/// and forth.
#[test]
fn wake_ups_are_exact_while_waiters_are_moved_and_time_out() {
    const SLEEPERS: u64 = 8;
    const TIME: Duration = Duration::from_millis(300);
    let words = [AtomicU32::new(0), AtomicU32::new(0), AtomicU32::new(0)];
    let (sent, received) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let start = Instant::now();
    std::thread::scope(|s| {
        for seed in 0..SLEEPERS {
            let (words, received) = (&words, &received);
            s.spawn(move || {
                let mut random = Random::new(seed + 7);
                while start.elapsed() < TIME {
                    let word = &words[random.below(3) as usize];
                    let limit = Limit::after(random.moment());
                    if let Ok(Parked::Unparked(_)) = sleep_on(word, limit) {
                        received.fetch_add(1, Relaxed);
                    }
                }
            });
        }
        for seed in 0..2 {
            let (words, sent) = (&words, &sent);
            s.spawn(move || {
                let mut random = Random::new(seed + 77);
                while start.elapsed() < TIME {
                    let (from, to) = (random.below(3) as usize, random.below(3) as usize);
                    let how = [
                        RequeueOp::UnparkOne,
                        RequeueOp::RequeueOne,
                        RequeueOp::UnparkSomeRequeueRest(1),
                        RequeueOp::UnparkSomeRequeueRest(2),
                        RequeueOp::RequeueAll,
                    ][random.below(5) as usize];
                    let to = &raw const words[to] as usize;
                    // SAFETY: the sleepers take any token.
                    let moved = unsafe { requeue(&words[from], to, |_| Some(how), |_| 1) };
                    let unparked = unpark_one(&words[from], |_| 2);
                    sent.fetch_add(
                        moved.unwrap().unparked_threads + unparked.unparked_threads,
                        Relaxed,
                    );
                }
            });
        }
    });
    assert_eq!(sent.into_inner(), received.into_inner());
}

#[test]
fn nobody_is_asked_about_an_empty_queue() {
    let (from, to) = (AtomicU32::new(0), AtomicU32::new(0));
    let mut told = None;
    let callback = |unparked| {
        told = Some(unparked);
        0
    };
    let to = &raw const to as usize;
    // SAFETY: nobody is parked there.
    let done = unsafe { requeue(&from, to, |_| unreachable!(), callback) };
    assert_eq!(done, Some(UnparkResult::default()));
    assert_eq!(told, Some(UnparkResult::default()));
}

#[test]
fn what_the_closures_have_captured_is_dropped_with_nothing_locked() {
    let word = AtomicU32::new(0);
    let wait = WaitInfo::new("test");
    // The drop would wait forever if the word's bucket were locked.
    let unparks = || OnDrop(|| _ = unpark_all(&word, 0));

    for answer in [false, true] {
        let captured = unparks();
        let validate = move || {
            let _ = &captured;
            answer
        };
        let parked = park(&word, validate, &wait, Duration::ZERO.into());
        let expected = if answer {
            Err(WaitError::TimedOut)
        } else {
            Ok(Parked::Invalid)
        };
        assert_eq!(parked, expected);
    }

    let captured = unparks();
    let before_sleep = move |_: &Waiter| {
        let _ = &captured;
    };
    // SAFETY: it does not park.
    let parked = unsafe { park_with(&word, || true, before_sleep, &wait, Duration::ZERO.into()) };
    assert_eq!(parked, Err(WaitError::TimedOut));

    let (captured, too) = (unparks(), unparks());
    let filter = move |_: &Waiter| {
        let _ = &captured;
        FilterOp::Unpark
    };
    let callback = move |_| {
        let _ = &too;
        0
    };
    assert_eq!(unpark_filter(&word, filter, callback).unparked_threads, 0);

    let (captured, too) = (unparks(), unparks());
    let decide = move |_: &Waiter| {
        let _ = &captured;
        None
    };
    let callback = move |_| {
        let _ = &too;
        0
    };
    let other = AtomicU32::new(0);
    // SAFETY: nobody is parked there.
    let done = unsafe { requeue(&word, &raw const other as usize, decide, callback) };
    assert_eq!(done, Some(UnparkResult::default()));
}

/// A wait inside a wait: each has its own place, and gets its own wake-up.
#[test]
fn a_thread_may_park_before_it_sleeps() {
    let (outer, inner) = (AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|s| {
        let sleeper = s.spawn(|| {
            let mut parked_inside = None;
            let parks = |_: &Waiter| parked_inside = Some(sleep_on(&inner, Limit::never()));
            let wait = WaitInfo::new("test");
            // SAFETY: the lot puts up with it.
            let parked = unsafe { park_with(&outer, || true, parks, &wait, Limit::never()) };
            (parked, parked_inside)
        });
        until("it sleeps inside", || {
            unpark_one(&inner, |_| 1).unparked_threads == 1
        });
        assert_eq!(unpark_one(&outer, |_| 2).unparked_threads, 1);
        let parked = sleeper.join().unwrap();
        assert_eq!(
            parked,
            (Ok(Parked::Unparked(2)), Some(Ok(Parked::Unparked(1))))
        );
    });
}

/// A deadline that the clock of the system cannot tell is no deadline, and one in the past is over.
#[test]
fn deadlines_at_the_ends_of_time() {
    let word = AtomicU32::new(0);
    let (mut latest, mut step) = (Instant::now(), Duration::MAX / 2);
    while !step.is_zero() {
        match latest.checked_add(step) {
            Some(later) => latest = later,
            None => step /= 2,
        }
    }
    std::thread::scope(|s| {
        let sleeper = s.spawn(|| sleep_on(&word, Limit::until(latest)));
        until("it sleeps", || {
            unpark_one(&word, |_| 1).unparked_threads == 1
        });
        assert_eq!(sleeper.join().unwrap(), Ok(Parked::Unparked(1)));
    });
    let past = Instant::now() - Duration::from_nanos(1);
    assert_eq!(
        sleep_on(&word, Limit::until(past)),
        Err(WaitError::TimedOut)
    );
}

/// A wait does not end before its time, by the clock that the caller looks at.
#[test]
fn no_time_is_over_early() {
    let word = AtomicU32::new(0);
    for micros in (0..2000).step_by(37) {
        let deadline = Instant::now() + Duration::from_micros(micros);
        assert_eq!(
            sleep_on(&word, Limit::until(deadline)),
            Err(WaitError::TimedOut)
        );
        assert!(Instant::now() >= deadline);
    }
}
