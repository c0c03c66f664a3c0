use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use static_assertions::assert_impl_all;
use tk_condvar::{Condvar, CondvarLock as _, RawCondvar};
use tk_lock::{Lock, RawLock};
use tk_park::{FilterOp, Limit, StopSource, WaitError, Waiter, unpark_filter};
use tk_testing::{Running, is_parked, message, start, start_parked, until};

assert_impl_all!(Condvar: std::panic::UnwindSafe, std::panic::RefUnwindSafe);
assert_impl_all!(Condvar: Send, Sync, Default);
assert_impl_all!(RawCondvar: Send, Sync, lock_api::RawCondvar);

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn a_notification_without_waiters_counts_none_and_is_not_kept() {
    static CONDVAR: Condvar = Condvar::new();
    assert_eq!(CONDVAR.notify(3), 0);
    assert!(!CONDVAR.notify_one());
    assert_eq!(CONDVAR.notify_all(), 0);
    let lock = Lock::new(());
    assert!(!CONDVAR.wait_for(&mut lock.lock(), Duration::from_millis(1)));
}

/// Each takes the lock, waits, and adds its number to the list under the lock.
fn waiters<'s>(
    s: &'s std::thread::Scope<'s, '_>,
    condvar: &'s Condvar,
    lock: &'s Lock<Vec<u32>>,
    n: u32,
) -> Vec<Running<'s, ()>> {
    (0..n)
        .map(|number| {
            start_parked(s, "condition", move || {
                let mut list = lock.lock();
                condvar.wait(&mut list);
                list.push(number);
            })
        })
        .collect()
}

#[test]
fn notify_wakes_exactly_n_oldest_first() {
    let (condvar, lock) = (Condvar::new(), Lock::new(Vec::new()));
    for _ in 0..2 {
        lock.lock().clear();
        std::thread::scope(|s| {
            let waiters = waiters(s, &condvar, &lock, 5);
            assert_eq!(condvar.notify(0), 0);
            assert_eq!(condvar.notify(3), 3);
            let mut waiters = waiters.into_iter();
            waiters.by_ref().take(3).for_each(|waiter| waiter.join());
            let mut woken = lock.lock().clone();
            woken.sort_unstable();
            assert_eq!(woken, [0, 1, 2]);
            let rest: Vec<_> = waiters.collect();
            assert!(rest.iter().all(|w| is_parked(&w.record, "condition")));
            assert_eq!(condvar.notify(5), 2);
            rest.into_iter().for_each(|waiter| waiter.join());
            assert_eq!(condvar.notify_all(), 0);
        });
    }
}

#[test]
fn waiters_are_notified_in_the_order_of_arrival() {
    let (condvar, lock) = (Condvar::new(), Lock::new(Vec::new()));
    std::thread::scope(|s| {
        let waiters = waiters(s, &condvar, &lock, 5);
        for n in 1..=5 {
            assert!(condvar.notify_one());
            until("one more is through", || lock.lock().len() == n);
        }
        waiters.into_iter().for_each(|waiter| waiter.join());
    });
    assert_eq!(*lock.lock(), [0, 1, 2, 3, 4]);
}

#[test]
fn notify_all_counts_everyone_and_all_get_through() {
    let (condvar, lock) = (Condvar::new(), Lock::new(Vec::new()));
    for hold_the_lock in [false, true] {
        lock.lock().clear();
        std::thread::scope(|s| {
            let waiters = waiters(s, &condvar, &lock, 5);
            let guard = hold_the_lock.then(|| lock.lock());
            assert_eq!(condvar.notify_all(), 5);
            assert_eq!(condvar.notify_all(), 0);
            drop(guard);
            waiters.into_iter().for_each(|waiter| waiter.join());
        });
        assert_eq!(lock.lock().len(), 5);
        assert!(!lock.is_locked());
    }
}

#[test]
fn notify_all_moves_waiters_behind_those_who_wait_for_the_lock() {
    let (condvar, lock) = (Condvar::new(), Lock::new(Vec::new()));
    std::thread::scope(|s| {
        let waiters = waiters(s, &condvar, &lock, 3);
        let guard = lock.lock();
        let locker = start_parked(s, "lock", || lock.lock().push(9));
        assert_eq!(condvar.notify_all(), 3);
        drop(guard);
        locker.join();
        waiters.into_iter().for_each(|waiter| waiter.join());
        let mut list = lock.lock().clone();
        list.sort_unstable();
        assert_eq!(list, [0, 1, 2, 9]);
    });
}

#[test]
fn a_wait_gives_up_the_lock_and_has_it_again_after() {
    let (condvar, lock) = (Condvar::new(), Lock::new(0));
    std::thread::scope(|s| {
        let waiter = start_parked(s, "condition", || {
            let mut value = lock.lock();
            condvar.wait(&mut value);
            assert!(lock.try_lock().is_none());
            *value
        });
        *lock.lock() = 7;
        condvar.notify(1);
        assert_eq!(waiter.join(), 7);
    });
}

#[test]
fn a_wait_times_out_after_its_time_with_the_lock_held() {
    let (condvar, lock) = (Condvar::new(), Lock::new(()));
    let timeout = Duration::from_millis(20);
    let mut guard = lock.lock();
    let start = Instant::now();
    assert!(!condvar.wait_for(&mut guard, timeout));
    assert!(start.elapsed() >= timeout);
    assert!(lock.is_locked());
    let deadline = Instant::now() + timeout;
    assert!(condvar.wait_with(&mut guard, deadline).is_err());
    assert!(Instant::now() >= deadline);
    assert_eq!(
        condvar.wait_with(&mut guard, timeout),
        Err(WaitError::TimedOut)
    );
    assert!(start.elapsed() < Duration::from_secs(20));
    assert!(lock.is_locked());
}

#[test]
fn five_timed_waits_all_time_out() {
    let (condvar, lock) = (Condvar::new(), Lock::new(()));
    let timeout = Duration::from_millis(30);
    std::thread::scope(|s| {
        let waiters: Vec<_> = (0..5)
            .map(|_| {
                start(s, || {
                    let start = Instant::now();
                    let notified = condvar.wait_for(&mut lock.lock(), timeout);
                    notified || start.elapsed() < timeout
                })
            })
            .collect();
        assert!(waiters.into_iter().all(|waiter| !waiter.join()));
    });
    assert_eq!(condvar.notify_all(), 0);
}

#[test]
fn a_limit_that_is_over_ends_the_wait_with_the_lock_held() {
    let (condvar, lock) = (Condvar::new(), Lock::new(()));
    let source = StopSource::new();
    source.request_stop();
    let token = source.token();
    let mut guard = lock.lock();
    assert!(!condvar.wait_for(&mut guard, Duration::ZERO));
    assert!(condvar.wait_with(&mut guard, Instant::now()).is_err());
    assert_eq!(
        condvar.wait_with(&mut guard, &token),
        Err(WaitError::Stopped)
    );
    let both = Limit::after(Duration::ZERO).or_stop(&token);
    assert_eq!(condvar.wait_with(&mut guard, both), Err(WaitError::Stopped));
    assert!(lock.is_locked());
    drop(guard);
    assert!(lock.try_lock().is_some());
}

#[test]
fn the_longest_time_waits_until_notified() {
    let (condvar, lock) = (Condvar::new(), Lock::new(()));
    std::thread::scope(|s| {
        let waiter = start_parked(s, "condition", || {
            condvar.wait_for(&mut lock.lock(), Duration::MAX)
        });
        drop(lock.lock());
        assert!(condvar.notify_one());
        assert!(waiter.join());
    });
}

#[test]
fn a_stop_ends_the_waits_with_its_token_and_no_other() {
    let (condvar, lock) = (Condvar::new(), Lock::new(()));
    let source = StopSource::new();
    let token = source.token();
    std::thread::scope(|s| {
        let stoppable = start_parked(s, "condition", || {
            let mut guard = lock.lock();
            let stopped = condvar.wait_with(&mut guard, &token);
            assert!(lock.is_locked());
            stopped
        });
        let patient = start_parked(s, "condition", || condvar.wait(&mut lock.lock()));
        source.request_stop();
        assert_eq!(stoppable.join(), Err(WaitError::Stopped));
        assert!(is_parked(&patient.record, "condition"));
        // The one that was stopped takes no notification away.
        assert_eq!(condvar.notify(2), 1);
        patient.join();
    });
}

#[test]
fn a_moved_waiter_counts_as_notified_though_it_is_stopped_or_times_out() {
    let (condvar, lock) = (Condvar::new(), Lock::new(()));
    let source = StopSource::new();
    let token = source.token();
    std::thread::scope(|s| {
        let first = start_parked(s, "condition", || condvar.wait(&mut lock.lock()));
        let stopped = start_parked(s, "condition", || {
            condvar.wait_with(&mut lock.lock(), &token)
        });
        let deadline = Instant::now() + Duration::from_millis(200);
        let (condvar, lock) = (&condvar, &lock);
        let timed = start(s, move || {
            condvar.wait_with(&mut lock.lock(), deadline).is_ok()
        });
        until("the timed one waits, or waited", || {
            is_parked(&timed.record, "condition") || timed.is_finished()
        });
        let guard = lock.lock();
        let notified = condvar.notify_all();
        source.request_stop();
        until("the time is over", || Instant::now() > deadline);
        drop(guard);
        first.join();
        assert_eq!(stopped.join(), Ok(()));
        assert_eq!(timed.join(), notified == 3);
    });
}

#[test]
fn a_moved_waiter_is_handed_the_lock_by_the_next_release_after_a_millisecond() {
    let (condvar, lock) = (Condvar::new(), Lock::new(()));
    for notify_all in [false, true] {
        for _ in 0..10 {
            let go_on = AtomicBool::new(false);
            std::thread::scope(|s| {
                let waiter = start_parked(s, "condition", || {
                    let mut guard = lock.lock();
                    condvar.wait(&mut guard);
                    until("the other has looked", || go_on.load(Relaxed));
                });
                let guard = lock.lock();
                if notify_all {
                    assert_eq!(condvar.notify_all(), 1);
                } else {
                    assert!(condvar.notify_one());
                }
                // Not before: any time may pass until the waiter is moved.
                let notified = Instant::now();
                until("two milliseconds have passed", || {
                    notified.elapsed() > Duration::from_millis(2)
                });
                drop(guard);
                // It is the owner, whether or not it runs already: this thread has no chance.
                assert!(lock.try_lock().is_none());
                // SAFETY: looks, and does no more.
                assert_eq!(unsafe { lock.raw() }.holder(), Some(waiter.owner()));
                go_on.store(true, Relaxed);
                waiter.join();
            });
        }
    }
}

/// Waits for the condition, once the lock is free. Keeps the lock then, for others to release.
fn wait_raw(condvar: &RawCondvar, lock: &RawLock) {
    lock.acquire();
    // SAFETY: the lock is held, and guards nothing.
    let waited = unsafe { condvar.wait_with(lock, Limit::never()) };
    assert_eq!(waited, Ok(()));
}

#[test]
fn a_moved_waiter_is_not_held_back_by_a_handoff_before() {
    // Now and then, this thread is held up for longer than the interval.
    for _ in 0..100 {
        let (condvar, lock) = (RawCondvar::new(), RawLock::new());
        std::thread::scope(|s| {
            let moved = start_parked(s, "condition", || wait_raw(&condvar, &lock));
            until("the lock is free", || lock.try_acquire());
            let first = start_parked(s, "lock", || lock.acquire());
            assert_eq!(condvar.notify(1), 1);
            let notified = Instant::now();
            until("two milliseconds have passed", || {
                notified.elapsed() > Duration::from_millis(2)
            });
            for owner in [first.owner(), moved.owner()] {
                lock.release().unwrap();
                assert_eq!(lock.holder(), Some(owner));
            }
            first.join();
            moved.join();
        });
    }
}

#[test]
fn a_release_wakes_no_thread_that_was_not_notified_together_with_the_first() {
    for _ in 0..50 {
        let (condvar, lock) = (RawCondvar::new(), RawLock::new());
        // SAFETY: the word of this lock is one of these.
        let word = unsafe { &*(&raw const *lock.word()).cast::<AtomicU32>() };
        let queued = std::thread::scope(|s| {
            let moved = start_parked(s, "condition", || wait_raw(&condvar, &lock));
            until("the lock is free", || lock.try_acquire());
            assert_eq!(condvar.notify_all(), 1);
            let other = start_parked(s, "lock", || lock.acquire());
            lock.release().unwrap();
            let mut queued = 0;
            let look = |_: &Waiter| {
                queued += 1;
                FilterOp::Skip
            };
            unpark_filter(word, look, |_| 0);
            until("both have had the lock", || {
                let _ = lock.release();
                moved.is_finished() && other.is_finished()
            });
            queued
        });
        assert_eq!(queued, 1);
    }
}

#[test]
fn two_locks_at_once_panic_and_leave_each_lock_to_its_guard() {
    let condvar = Condvar::new();
    let (lock, other) = (Lock::new(()), Lock::new(()));
    std::thread::scope(|s| {
        let waiter = start_parked(s, "condition", || condvar.wait(&mut lock.lock()));
        let mut guard = other.lock();
        let payload = catch_unwind(AssertUnwindSafe(|| condvar.wait(&mut guard))).unwrap_err();
        assert!(message(&*payload).contains("more than one mutex"));
        assert!(other.is_locked());
        drop(guard);
        assert!(other.try_lock().is_some());
        assert!(condvar.notify_one());
        waiter.join();
    });
}

#[test]
fn two_locks_one_after_the_other_are_fine() {
    let condvar = Condvar::new();
    let (lock, other) = (Lock::new(()), Lock::new(()));
    assert!(!condvar.wait_for(&mut lock.lock(), Duration::from_millis(1)));
    assert!(!condvar.wait_for(&mut other.lock(), Duration::from_millis(1)));
    for lock in [&lock, &other] {
        std::thread::scope(|s| {
            let waiter = start_parked(s, "condition", || condvar.wait(&mut lock.lock()));
            assert_eq!(condvar.notify_all(), 1);
            waiter.join();
        });
    }
}

#[test]
fn wait_while_asks_at_once_and_after_each_notification() {
    let (condvar, lock) = (Condvar::new(), Lock::new(0));
    condvar.wait_while(&mut lock.lock(), |n| *n != 0);
    let asked = Mutex::new(0);
    std::thread::scope(|s| {
        let waiter = start_parked(s, "condition", || {
            let mut value = lock.lock();
            condvar.wait_while(&mut value, |n| {
                *asked.lock().unwrap() += 1;
                *n < 4
            });
            *value
        });
        for n in 1..=4 {
            until("the waiter has asked and waits", || {
                *asked.lock().unwrap() == n && is_parked(&waiter.record, "condition")
            });
            *lock.lock() = n;
            until("it is notified", || condvar.notify(1) == 1);
        }
        assert_eq!(waiter.join(), 4);
        assert_eq!(*asked.lock().unwrap(), 5);
    });
}

#[test]
fn wait_while_has_one_limit_over_all_notifications() {
    let (condvar, lock) = (Condvar::new(), Lock::new(()));
    let timeout = Duration::from_millis(30);
    std::thread::scope(|s| {
        let waiter = start(s, || {
            let start = Instant::now();
            let result = condvar.wait_while_with(&mut lock.lock(), |()| true, timeout);
            (result, start.elapsed())
        });
        until("the waiter has given up", || {
            condvar.notify_all();
            waiter.is_finished()
        });
        let (result, time) = waiter.join();
        assert_eq!(result, Err(WaitError::TimedOut));
        assert!(time >= timeout);
    });
}

#[test]
fn wait_while_succeeds_if_the_condition_is_met_when_the_limit_is_reached() {
    let (condvar, lock) = (Condvar::new(), Lock::new(()));
    let mut asked = 0;
    let met = condvar.wait_while_with(
        &mut lock.lock(),
        |()| {
            asked += 1;
            asked == 1
        },
        Duration::from_millis(1),
    );
    assert_eq!((met, asked), (Ok(()), 2));
}

#[test]
fn the_record_shows_the_line_that_waits_and_is_cleared() {
    let (condvar, lock) = (Condvar::new(), Lock::new(()));
    std::thread::scope(|s| {
        let check = |record: &tk_core::ThreadRecord, line: u32| {
            let waiting = record.blocked_on().unwrap();
            assert_eq!(waiting.kind(), "condition");
            assert_eq!(waiting.address(), &raw const condvar as usize);
            assert_eq!(waiting.location().file(), file!());
            assert_eq!(waiting.location().line(), line);
        };
        let line = line!() + 2;
        let first = start_parked(s, "condition", || {
            condvar.wait(&mut lock.lock());
            assert!(tk_core::current().blocked_on().is_none());
        });
        check(&first.record, line);
        let line = line!() + 2;
        let second = start_parked(s, "condition", || {
            assert!(condvar.wait_for(&mut lock.lock(), MINUTE));
        });
        check(&second.record, line);
        let line = line!() + 3;
        let third = start_parked(s, "condition", || {
            let mut asked = 0..2;
            condvar.wait_while(&mut lock.lock(), |()| asked.next() == Some(0));
        });
        check(&third.record, line);
        assert_eq!(condvar.notify(3), 3);
        [first, second, third].into_iter().for_each(|w| w.join());
    });
}

#[test]
fn it_works_with_lock_apis_own_condvar() {
    let condvar = lock_api::Condvar::<RawCondvar>::new();
    let lock = lock_api::Mutex::<RawLock, _>::new(false);
    std::thread::scope(|s| {
        let waiter = start_parked(s, "condition", || {
            let mut ready = lock.lock();
            while !*ready {
                condvar.wait(&mut ready);
            }
        });
        *lock.lock() = true;
        assert!(condvar.notify_one());
        waiter.join();
        let waiters =
            [(); 2].map(|()| start_parked(s, "condition", || condvar.wait(&mut lock.lock())));
        assert_eq!(condvar.notify_all(), 2);
        for waiter in waiters {
            waiter.join();
        }
    });
    let mut guard = lock.lock();
    let timeout = Duration::from_millis(5);
    let start = Instant::now();
    assert!(condvar.wait_for(&mut guard, timeout).timed_out());
    assert!(start.elapsed() >= timeout);
}

#[test]
fn debug_shows_no_more_than_the_name() {
    assert_eq!(format!("{:?}", Condvar::new()), "Condvar { .. }");
}

#[test]
fn the_timed_forms_of_wait_while_say_whether_the_condition_is_met() {
    let (lock, condvar) = (Lock::new(0), Condvar::new());
    let long = Duration::from_secs(600);
    let deadline = Instant::now() + long;
    std::thread::scope(|s| {
        let waiters = [
            start_parked(s, "condition", || {
                condvar
                    .wait_while_with(&mut lock.lock(), |n| *n == 0, long)
                    .is_ok()
            }),
            start_parked(s, "condition", || {
                condvar
                    .wait_while_with(&mut lock.lock(), |n| *n == 0, deadline)
                    .is_ok()
            }),
        ];
        *lock.lock() = 1;
        assert_eq!(condvar.notify_all(), 2);
        for waiter in waiters {
            assert!(waiter.join());
        }
    });
    let mut guard = lock.lock();
    assert!(
        condvar
            .wait_while_with(&mut guard, |n| *n == 1, Duration::ZERO)
            .is_err()
    );
    assert!(
        condvar
            .wait_while_with(&mut guard, |n| *n == 1, Instant::now())
            .is_err()
    );
}
