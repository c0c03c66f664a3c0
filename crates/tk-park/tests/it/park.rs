use std::cell::{Cell, RefCell};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::*};
use std::time::{Duration, Instant};

use static_assertions::assert_impl_all;
use tk_core::Owner;
use tk_park::{
    AdaptiveSpin, FilterOp, Limit, Parked, RequeueOp, SecondQueue, StopSource, UnparkResult,
    WaitError, WaitInfo, Waiter, Word, park, park_while, park_with, requeue, unpark_all,
    unpark_filter, unpark_n, unpark_one,
};
use tk_testing::{is_parked, start, start_parked, until};

assert_impl_all!(WaitInfo: Send, Sync, Copy);
assert_impl_all!(Waiter: Send, Sync);

fn sleep_on(word: &impl Word, limit: Limit<'_>) -> Result<Parked, WaitError> {
    park(word, || true, &WaitInfo::new("test"), limit)
}

fn key(word: &AtomicU32) -> usize {
    &raw const *word as usize
}

/// Wakes the first and moves the others.
fn requeue_all(from: &AtomicU32, to: &AtomicU32) -> UnparkResult {
    // SAFETY: the sleepers of these tests take any token.
    unsafe {
        requeue(
            from,
            key(to),
            |_| Some(RequeueOp::UnparkSomeRequeueRest(1)),
            |_| 1,
        )
    }
    .unwrap()
}

#[test]
fn a_word_that_is_not_as_expected_does_not_park() {
    let word = AtomicU32::new(1);
    let parked = park(
        &word,
        || word.load(Relaxed) == 0,
        &WaitInfo::new("test"),
        Limit::never(),
    );
    assert_eq!(parked, Ok(Parked::Invalid));
}

#[test]
fn the_unparked_thread_gets_the_token() {
    let word = AtomicUsize::new(0);
    std::thread::scope(|s| {
        let sleeper = start_parked(s, "test", || sleep_on(&word, Limit::never()));
        let done = unpark_one(&word, |unparked| {
            assert_eq!(
                (unparked.unparked_threads, unparked.have_more_threads),
                (1, false)
            );
            u16::MAX
        });
        assert_eq!(done.unparked_threads, 1);
        assert_eq!(sleeper.join(), Ok(Parked::Unparked(u16::MAX)));
    });
}

#[test]
fn every_kind_of_word_can_be_parked_on() {
    let (flag, word, wide) = (
        AtomicBool::new(false),
        AtomicU32::new(0),
        AtomicUsize::new(0),
    );
    let limit = Limit::after(Duration::ZERO);
    assert_eq!(sleep_on(&flag, limit), Err(WaitError::TimedOut));
    assert_eq!(sleep_on(&word, limit), Err(WaitError::TimedOut));
    assert_eq!(sleep_on(&wide, limit), Err(WaitError::TimedOut));
    for second in [SecondQueue::of(&word), SecondQueue::of(&wide)] {
        assert_eq!(sleep_on(second, limit), Err(WaitError::TimedOut));
    }
}

#[test]
fn the_two_queues_of_a_word_are_woken_apart() {
    let words = [const { AtomicU32::new(0) }; 2];
    let (word, neighbor) = (&words[0], &words[1]);
    let second = SecondQueue::of(word);
    let source = StopSource::new();
    std::thread::scope(|s| {
        let token = source.token();
        let first = start_parked(s, "test", || sleep_on(word, Limit::never()));
        let other = start_parked(s, "test", || sleep_on(neighbor, Limit::never()));
        let sleeper = start_parked(s, "test", || sleep_on(second, Limit::never()));
        let stopped = start_parked(s, "test", move || sleep_on(second, Limit::from(&token)));
        source.request_stop();
        assert_eq!(stopped.join(), Err(WaitError::Stopped));
        assert_eq!(unpark_all(second, 2), 1);
        assert_eq!(sleeper.join(), Ok(Parked::Unparked(2)));
        assert!(is_parked(&first.record, "test") && is_parked(&other.record, "test"));
        let sleeper = start_parked(s, "test", || sleep_on(second, Limit::never()));
        assert_eq!(unpark_all(word, 1) + unpark_all(neighbor, 1), 2);
        assert!(first.join().is_ok() && other.join().is_ok());
        assert!(is_parked(&sleeper.record, "test"));
        assert_eq!(unpark_all(second, 2), 1);
        assert!(sleeper.join().is_ok());
    });
}

#[test]
fn unparking_goes_by_age_and_is_exact() {
    let word = AtomicU32::new(0);
    std::thread::scope(|s| {
        let sleepers: Vec<_> = (0..5)
            .map(|_| start_parked(s, "test", || sleep_on(&word, Limit::never())))
            .collect();
        let none = unpark_n(&word, 0, |_| 0);
        assert_eq!((none.unparked_threads, none.have_more_threads), (0, true));
        let three = unpark_n(&word, 3, |_| 3);
        assert_eq!((three.unparked_threads, three.have_more_threads), (3, true));
        let mut sleepers = sleepers.into_iter();
        for sleeper in sleepers.by_ref().take(3) {
            assert_eq!(sleeper.join(), Ok(Parked::Unparked(3)));
        }
        let rest: Vec<_> = sleepers.collect();
        assert!(rest.iter().all(|s| is_parked(&s.record, "test")));
        let last = unpark_n(&word, 3, |_| 4);
        assert_eq!((last.unparked_threads, last.have_more_threads), (2, false));
        for sleeper in rest {
            assert_eq!(sleeper.join(), Ok(Parked::Unparked(4)));
        }
    });
}

#[test]
fn unpark_all_wakes_everyone_on_the_word_and_nobody_else() {
    let (word, other) = (AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|s| {
        let here: Vec<_> = (0..3)
            .map(|_| start_parked(s, "test", || sleep_on(&word, Limit::never())))
            .collect();
        let there = start_parked(s, "test", || sleep_on(&other, Limit::never()));
        assert_eq!(unpark_all(&word, 7), 3);
        assert!(
            here.into_iter()
                .all(|sleeper| sleeper.join() == Ok(Parked::Unparked(7)))
        );
        assert!(is_parked(&there.record, "test"));
        assert_eq!(unpark_all(&other, 8), 1);
        assert_eq!(there.join(), Ok(Parked::Unparked(8)));
    });
}

#[test]
fn a_filter_sees_everyone_by_age_and_chooses() {
    let word = AtomicU32::new(0);
    std::thread::scope(|s| {
        let before = Instant::now();
        let sleepers: Vec<_> = (0..4)
            .map(|mark| {
                let word = &word;
                start_parked(s, "test", move || {
                    park(
                        word,
                        || true,
                        &WaitInfo::new("test").tag(mark),
                        Limit::never(),
                    )
                })
            })
            .collect();
        let mut seen = Vec::new();
        let choose = |waiter: &Waiter| {
            seen.push((waiter.tag(), waiter.owner()));
            assert!(waiter.since() >= before && waiter.since() <= Instant::now());
            match waiter.tag() {
                0 | 2 => FilterOp::Skip,
                1 => FilterOp::Unpark,
                _ => FilterOp::Stop,
            }
        };
        let done = unpark_filter(&word, choose, |_| 5);
        assert_eq!(
            (
                done.unparked_threads,
                done.requeued_threads,
                done.have_more_threads
            ),
            (1, 0, true)
        );
        let expected: Vec<_> = (0..).zip(sleepers.iter().map(|s| s.owner())).collect();
        assert_eq!(seen, expected);

        let mut sleepers = sleepers.into_iter();
        let first = sleepers.next().unwrap();
        assert_eq!(sleepers.next().unwrap().join(), Ok(Parked::Unparked(5)));
        assert_eq!(unpark_all(&word, 6), 3);
        assert_eq!(first.join(), Ok(Parked::Unparked(6)));
        assert!(sleepers.all(|sleeper| sleeper.join() == Ok(Parked::Unparked(6))));
    });
}

#[test]
fn the_callback_is_called_when_nobody_sleeps() {
    let word = AtomicU32::new(0);
    let mut called = 0;
    unpark_one(&word, |unparked| {
        called += 1;
        assert_eq!(unparked, UnparkResult::default());
        0
    });
    assert_eq!(called, 1);
}

#[test]
fn a_wait_times_out_and_not_early() {
    let word = AtomicU32::new(0);
    let timeout = Duration::from_millis(20);
    let start = Instant::now();
    assert_eq!(sleep_on(&word, timeout.into()), Err(WaitError::TimedOut));
    assert!(start.elapsed() >= timeout);

    let deadline = Instant::now() + timeout;
    assert_eq!(sleep_on(&word, deadline.into()), Err(WaitError::TimedOut));
    assert!(Instant::now() >= deadline);
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_limit_that_is_over_leaves_validate_the_first_word() {
    let word = AtomicU32::new(0);
    let wait = WaitInfo::new("test");
    for limit in [
        Limit::after(Duration::ZERO),
        Limit::until(Instant::now()),
        Limit::until(Instant::now() - Duration::from_millis(1)),
    ] {
        assert_eq!(park(&word, || false, &wait, limit), Ok(Parked::Invalid));
        assert_eq!(park(&word, || true, &wait, limit), Err(WaitError::TimedOut));
    }
}

#[test]
fn a_token_that_is_stopped_already_keeps_the_thread_awake() {
    let word = AtomicU32::new(0);
    let source = StopSource::new();
    source.request_stop();
    let token = source.token();
    assert_eq!(sleep_on(&word, (&token).into()), Err(WaitError::Stopped));
    let both = Limit::after(Duration::ZERO).or_stop(&token);
    assert_eq!(sleep_on(&word, both), Err(WaitError::Stopped));
    assert_eq!(unpark_all(&word, 0), 0);
}

#[test]
fn for_ever_and_the_longest_time_wait_until_unparked() {
    let word = &AtomicU32::new(0);
    std::thread::scope(|s| {
        for limit in [Limit::never(), Limit::after(Duration::MAX)] {
            let sleeper = start_parked(s, "test", move || sleep_on(word, limit));
            assert_eq!(unpark_all(word, 1), 1);
            assert_eq!(sleeper.join(), Ok(Parked::Unparked(1)));
        }
    });
}

#[test]
fn a_stop_wakes_the_waits_with_its_token_and_no_other() {
    let word = AtomicU32::new(0);
    let (source, other) = (StopSource::new(), StopSource::new());
    let (token, other_token) = (source.token(), other.token());
    std::thread::scope(|s| {
        let with = || start_parked(s, "test", || sleep_on(&word, (&token).into()));
        let (first, plain, second) = (
            with(),
            start_parked(s, "test", || sleep_on(&word, Limit::never())),
            with(),
        );
        let elsewhere = start_parked(s, "test", || sleep_on(&word, (&other_token).into()));
        let timed = start_parked(s, "test", || {
            sleep_on(&word, Limit::after(Duration::from_secs(60)).or_stop(&token))
        });
        source.request_stop();
        assert_eq!(first.join(), Err(WaitError::Stopped));
        assert_eq!(second.join(), Err(WaitError::Stopped));
        assert_eq!(timed.join(), Err(WaitError::Stopped));
        assert!(is_parked(&plain.record, "test"));
        assert!(is_parked(&elsewhere.record, "test"));
        other.request_stop();
        assert_eq!(elsewhere.join(), Err(WaitError::Stopped));
        assert_eq!(unpark_all(&word, 9), 1);
        assert_eq!(plain.join(), Ok(Parked::Unparked(9)));
    });
}

#[test]
fn each_token_of_a_limit_wakes_the_wait() {
    let word = AtomicU32::new(0);
    for stopped in 0..2 {
        let sources = [(); 2].map(|()| StopSource::new());
        let [a, b] = sources.each_ref().map(StopSource::token);
        std::thread::scope(|s| {
            let sleeper = start_parked(s, "test", || sleep_on(&word, Limit::stop(&a).or_stop(&b)));
            sources[stopped].request_stop();
            assert_eq!(sleeper.join(), Err(WaitError::Stopped));
        });
    }
}

#[test]
fn the_record_says_what_a_sleeping_thread_waits_for() {
    let word = AtomicU32::new(0);
    let holder = tk_core::current_owner();
    std::thread::scope(|s| {
        let before = Instant::now();
        let line = line!() + 2;
        let sleeper = start_parked(s, "thing", || {
            let wait = WaitInfo::new("thing").held_by(Some(holder));
            let parked = park(&word, || true, &wait, Limit::never());
            (parked, tk_core::current().blocked_on())
        });
        let waiting = sleeper.record.blocked_on().unwrap();
        assert_eq!(waiting.address(), key(&word));
        assert_eq!(waiting.holder(), Some(holder));
        assert_eq!(waiting.location().file(), file!());
        assert_eq!(waiting.location().line(), line);
        assert!(waiting.since() >= before && waiting.since() <= Instant::now());
        unpark_all(&word, 0);
        assert_eq!(sleeper.join(), (Ok(Parked::Unparked(0)), None));
    });
}

#[test]
fn the_record_is_cleared_after_a_timeout_and_after_a_stop() {
    let word = AtomicU32::new(0);
    let parked = sleep_on(&word, Duration::from_millis(1).into());
    assert_eq!(parked, Err(WaitError::TimedOut));
    assert!(tk_core::current().blocked_on().is_none());
    let source = StopSource::new();
    source.request_stop();
    let parked = sleep_on(&word, (&source.token()).into());
    assert_eq!(parked, Err(WaitError::Stopped));
    assert!(tk_core::current().blocked_on().is_none());
}

#[test]
fn before_sleep_runs_in_the_queue_with_the_record_written() {
    let word = AtomicU32::new(0);
    let mut seen = None;
    let before_sleep = |waiter: &Waiter| {
        let waiting = tk_core::current()
            .blocked_on()
            .map(|waiting| waiting.kind());
        assert!(!waiter.is_unparked());
        seen = Some((waiting, unpark_all(&word, 3)));
        assert!(waiter.is_unparked());
    };
    let wait = WaitInfo::new("test");
    // SAFETY: it unparks, and does not park.
    let parked = unsafe { park_with(&word, || true, before_sleep, &wait, Limit::never()) };
    assert_eq!(parked, Ok(Parked::Unparked(3)));
    assert_eq!(seen, Some((Some("test"), 1)));
}

#[test]
fn before_sleep_does_not_run_if_the_thread_does_not_park() {
    let word = AtomicU32::new(0);
    let wait = WaitInfo::new("test");
    let mut ran = false;
    // SAFETY: it does not park.
    let parked = unsafe { park_with(&word, || false, |_| ran = true, &wait, Limit::never()) };
    assert_eq!((parked, ran), (Ok(Parked::Invalid), false));
}

#[test]
fn requeue_wakes_the_first_and_moves_the_others_in_order() {
    let (from, to) = (AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|s| {
        let resident = start_parked(s, "test", || sleep_on(&to, Limit::never()));
        let moving: Vec<_> = (0..3)
            .map(|_| start_parked(s, "test", || sleep_on(&from, Limit::never())))
            .collect();
        let done = requeue_all(&from, &to);
        assert_eq!(
            (
                done.unparked_threads,
                done.requeued_threads,
                done.have_more_threads
            ),
            (1, 2, false)
        );
        let mut moving = moving.into_iter();
        assert_eq!(moving.next().unwrap().join(), Ok(Parked::Unparked(1)));
        assert_eq!(unpark_all(&from, 0), 0);

        let order = Mutex::new(Vec::<Owner>::new());
        let moving: Vec<_> = moving.collect();
        unpark_filter(
            &to,
            |waiter| {
                order.lock().unwrap().push(waiter.owner());
                FilterOp::Unpark
            },
            |_| 2,
        );
        let expected: Vec<_> = [resident.owner()]
            .into_iter()
            .chain(moving.iter().map(|sleeper| sleeper.owner()))
            .collect();
        assert_eq!(*order.lock().unwrap(), expected);
        assert_eq!(resident.join(), Ok(Parked::Unparked(2)));
        assert!(
            moving
                .into_iter()
                .all(|sleeper| sleeper.join() == Ok(Parked::Unparked(2)))
        );
    });
}

#[test]
fn requeue_takes_as_many_as_it_is_told_to() {
    let cases = [
        (RequeueOp::UnparkOne, (1, 0, true)),
        (RequeueOp::RequeueOne, (0, 1, true)),
        (RequeueOp::UnparkSomeRequeueRest(1), (1, 2, false)),
        (RequeueOp::UnparkSomeRequeueRest(2), (2, 1, false)),
        (RequeueOp::UnparkSomeRequeueRest(4), (3, 0, false)),
        (RequeueOp::RequeueAll, (0, 3, false)),
    ];
    for (operation, expected) in cases {
        let (from, to) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|s| {
            let sleepers =
                [(); 3].map(|()| start_parked(s, "test", || sleep_on(&from, Limit::never())));
            let mut told = None;
            let callback = |unparked| {
                told = Some(unparked);
                7
            };
            let mut seen = None;
            let decide = |first: &Waiter| {
                seen = Some(first.owner());
                Some(operation)
            };
            // SAFETY: the sleepers take any token.
            let done = unsafe { requeue(&from, key(&to), decide, callback) }.unwrap();
            assert_eq!(seen, Some(sleepers[0].owner()));
            assert_eq!(
                (
                    done.unparked_threads,
                    done.requeued_threads,
                    done.have_more_threads
                ),
                expected
            );
            assert_eq!(told, Some(done));
            let (unparked, moved) = (done.unparked_threads, done.requeued_threads);
            assert_eq!(unpark_all(&to, 8), moved);
            assert_eq!(unpark_all(&from, 9), 3 - unparked - moved);
            let tokens: Vec<_> = sleepers.into_iter().map(|sleeper| sleeper.join()).collect();
            let expected: Vec<_> = [(7, unparked), (8, moved), (9, 3 - unparked - moved)]
                .into_iter()
                .flat_map(|(token, n)| std::iter::repeat_n(Ok(Parked::Unparked(token)), n))
                .collect();
            assert_eq!(tokens, expected);
        });
    }
}

#[test]
fn a_refused_requeue_changes_nothing() {
    let (from, to) = (AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|s| {
        let sleeper = start_parked(s, "test", || sleep_on(&from, Limit::never()));
        // SAFETY: nothing is done.
        let refused = unsafe { requeue(&from, key(&to), |_| None, |_| unreachable!()) };
        assert_eq!(refused, None);
        assert_eq!(unpark_all(&from, 1), 1);
        assert_eq!(sleeper.join(), Ok(Parked::Unparked(1)));
    });
}

#[test]
fn a_time_that_runs_out_in_another_queue_says_so() {
    let (from, to) = (AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|s| {
        let first = start_parked(s, "test", || sleep_on(&from, Limit::never()));
        let timed = start(s, || sleep_on(&from, Duration::from_millis(200).into()));
        until("the second sleeps, or has slept", || {
            is_parked(&timed.record, "test") || timed.is_finished()
        });
        let moved = requeue_all(&from, &to).requeued_threads;
        assert_eq!(first.join(), Ok(Parked::Unparked(1)));
        let expected = match moved {
            1 => Ok(Parked::Requeued),
            // The machine was so busy that the time was over before.
            _ => Err(WaitError::TimedOut),
        };
        assert_eq!(timed.join(), expected);
        assert_eq!(unpark_all(&to, 0), 0);
    });
}

#[test]
fn a_stop_does_not_reach_a_thread_that_was_moved() {
    let (from, to) = (AtomicU32::new(0), AtomicU32::new(0));
    let source = StopSource::new();
    let token = source.token();
    std::thread::scope(|s| {
        let first = start_parked(s, "test", || sleep_on(&from, Limit::never()));
        let moved = start_parked(s, "test", || sleep_on(&from, (&token).into()));
        assert_eq!(requeue_all(&from, &to).requeued_threads, 1);
        source.request_stop();
        assert!(is_parked(&moved.record, "test"));
        assert_eq!(unpark_all(&to, 2), 1);
        assert_eq!(moved.join(), Ok(Parked::Unparked(2)));
        assert_eq!(first.join(), Ok(Parked::Unparked(1)));
    });
}

#[test]
fn a_thread_can_park_in_a_thread_local_destructor() {
    struct ParksWhenDropped(&'static AtomicU32);

    impl Drop for ParksWhenDropped {
        fn drop(&mut self) {
            sleep_on(self.0, Limit::never()).unwrap();
        }
    }

    thread_local!(static LATE: RefCell<Option<ParksWhenDropped>> = const { RefCell::new(None) });
    static WORD: AtomicU32 = AtomicU32::new(0);

    // Both orders of destruction: before and after the thread has its record.
    for registered_first in [true, false] {
        let thread = std::thread::spawn(move || {
            if registered_first {
                tk_core::current();
            }
            LATE.with_borrow_mut(|late| *late = Some(ParksWhenDropped(&WORD)));
            tk_core::current();
        });
        until("the destructor sleeps", || unpark_all(&WORD, 0) == 1);
        thread.join().unwrap();
    }
}

#[test]
fn a_panic_of_the_code_around_leaves_the_queue_usable() {
    let word = AtomicU32::new(0);
    std::thread::scope(|s| {
        let panics = start(s, || {
            let parked = sleep_on(&word, Duration::from_millis(1).into());
            panic!("on purpose, after {parked:?}");
        });
        assert!(panics.outcome().is_err());
        let sleeper = start_parked(s, "test", || sleep_on(&word, Limit::never()));
        assert_eq!(unpark_all(&word, 0), 1);
        assert_eq!(sleeper.join(), Ok(Parked::Unparked(0)));
    });
}

#[test]
fn a_change_that_comes_as_the_limit_is_reached_counts() {
    let word = AtomicU32::new(0);
    // The change comes after the thread has given up and before it looks again: the condition is
    // looked at first, then in the queue, then after the limit.
    for changed_at in 0..5 {
        let looks = Cell::new(0);
        let condition = || looks.replace(looks.get() + 1) < changed_at;
        let limit = Limit::after(Duration::from_millis(1));
        let expected = if changed_at < 3 {
            Ok(())
        } else {
            Err(WaitError::TimedOut)
        };
        let result = park_while(&word, condition, &WaitInfo::new("test"), limit);
        assert_eq!(result, expected, "changed before look {changed_at}");
    }
}

#[test]
fn a_limit_that_was_reached_before_the_wait_still_allows_one_look() {
    let (word, info) = (AtomicU32::new(0), WaitInfo::new("test"));
    let source = StopSource::new();
    source.request_stop();
    let token = source.token();
    let limits = [
        (Limit::after(Duration::ZERO), WaitError::TimedOut),
        (Limit::stop(&token), WaitError::Stopped),
    ];
    for (limit, error) in limits {
        assert_eq!(park_while(&word, || false, &info, limit), Ok(()));
        assert_eq!(park_while(&word, || true, &info, limit), Err(error));
    }
}

#[test]
fn a_wait_that_is_unparked_while_its_condition_holds_goes_on() {
    let word = AtomicU32::new(0);
    let is_closed = || word.load(Acquire) == 0;
    std::thread::scope(|s| {
        let waiter = start_parked(s, "test", || {
            park_while(&word, is_closed, &WaitInfo::new("test"), Limit::never())
        });
        for _ in 0..3 {
            until("it is in the queue", || {
                unpark_one(&word, |_| 0).unparked_threads == 1
            });
        }
        word.store(1, Release);
        unpark_all(&word, 0);
        assert_eq!(waiter.join(), Ok(()));
    });
}

#[test]
fn a_wait_whose_order_counts_enters_the_queue_before_its_thread_is_registered() {
    let (word, spin) = (AtomicU32::new(0), AdaptiveSpin::new());
    let slot = || tk_core::__private::peek_slot_and_id().0;
    for enters in [true, false] {
        std::thread::scope(|s| {
            s.spawn(|| {
                let in_queue = Cell::new(None);
                let validate = || {
                    in_queue.set(Some(slot()));
                    enters
                };
                let limit = Duration::from_millis(1).into();
                let parked = spin.park(&word, validate, &WaitInfo::new("test"), limit);
                let expected = if enters {
                    Err(WaitError::TimedOut)
                } else {
                    Ok(Parked::Invalid)
                };
                assert_eq!(parked, expected);
                assert_eq!(in_queue.get(), Some(0));
                assert_ne!(slot(), 0);
            });
        });
    }
}
