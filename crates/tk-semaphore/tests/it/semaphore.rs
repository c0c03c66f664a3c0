use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::*};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use static_assertions::assert_impl_all;
use tk_park::{Limit, StopSource, WaitError};
use tk_semaphore::{AcquireError, BoundedSemaphore, OwnedPermit, Permit, ReleaseError, Semaphore};
use tk_testing::{Running, is_parked, panic_line, start, start_parked, until};

assert_impl_all!(Semaphore: Send, Sync, Default);
assert_impl_all!(Permit<'static>: Send, Sync);
assert_impl_all!(OwnedPermit: Send, Sync);
assert_impl_all!(ReleaseError: Send, Sync, std::error::Error);
assert_impl_all!(AcquireError: Send, Sync, std::error::Error);

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn too_many_permits_are_refused_at_the_line_of_the_caller() {
    let many = usize::MAX;
    let plain = || _ = Semaphore::new(many);
    let bounded = || _ = BoundedSemaphore::new(many);
    let line = line!();
    assert_eq!(panic_line(plain), Some(line - 2));
    assert_eq!(panic_line(bounded), Some(line - 1));
}

#[test]
fn the_default_is_one_permit() {
    assert_eq!(Semaphore::default().available(), 1);
    static STATIC: Semaphore = Semaphore::new(3);
    assert_eq!(STATIC.available(), 3);
}

#[test]
fn more_permits_than_fit_are_refused() {
    assert_eq!(
        Semaphore::new(Semaphore::MAX_PERMITS).available(),
        Semaphore::MAX_PERMITS
    );
    assert!(catch_unwind(|| Semaphore::new(Semaphore::MAX_PERMITS + 1)).is_err());
}

#[test]
fn permits_are_acquired_and_released() {
    let semaphore = Semaphore::new(2);
    let first = semaphore.acquire();
    let second = semaphore.acquire();
    assert_eq!(semaphore.available(), 0);
    drop(first);
    assert_eq!(semaphore.available(), 1);
    drop(second);
    assert_eq!(semaphore.available(), 2);
}

#[test]
fn a_semaphore_can_be_dropped_while_permits_are_out() {
    let semaphore = Box::new(Semaphore::new(1));
    semaphore.acquire().forget();
    drop(semaphore);
}

/// CPython's `test_acquire_contended` and `test_multirelease`.
#[test]
fn ten_threads_at_seven_permits_go_through_in_exact_numbers() {
    for release_together in [false, true] {
        let semaphore = Semaphore::new(7);
        semaphore.acquire().forget();
        let first_phase = AtomicUsize::new(0);
        std::thread::scope(|s| {
            let threads: Vec<_> = (0..10)
                .map(|_| {
                    start(s, || {
                        semaphore.acquire().forget();
                        first_phase.fetch_add(1, Relaxed);
                        semaphore.acquire().forget();
                    })
                })
                .collect();
            let mut passed = 6;
            until("six permits are taken, and no thread runs", || {
                let idle =
                    |t: &Running<'_, ()>| is_parked(&t.record, "semaphore") || t.is_finished();
                semaphore.available() == 0 && threads.iter().all(idle)
            });
            for step in [7, 6] {
                if release_together {
                    semaphore.release(step).unwrap();
                } else {
                    (0..step).for_each(|_| semaphore.release(1).unwrap());
                }
                passed += step;
                // Of 20 acquisitions, at most 19 have a permit by now.
                assert!(passed < 20);
            }
            until("one is left", || {
                threads.iter().filter(|t| !t.is_finished()).count() == 1
            });
            // The last thread may have its permit, and not have counted it yet.
            until("all are through the first", || {
                first_phase.load(Relaxed) == 10
            });
            assert_eq!(semaphore.available(), 0);
            semaphore.release(1).unwrap();
            threads.into_iter().for_each(|thread| thread.join());
        });
        assert_eq!(semaphore.available(), 0);
    }
}

#[test]
fn tries_succeed_as_long_as_there_are_permits() {
    let semaphore = Semaphore::new(2);
    let try_one = || semaphore.try_acquire().map(Permit::forget).is_some();
    assert_eq!([try_one(), try_one(), try_one()], [true, true, false]);
    semaphore.release(1).unwrap();
    assert_eq!([try_one(), try_one()], [true, false]);
}

#[test]
fn of_ten_contended_tries_at_three_permits_three_succeed() {
    let semaphore = Semaphore::new(4);
    semaphore.acquire().forget();
    let successes: usize = std::thread::scope(|s| {
        let threads: Vec<_> = (0..5)
            .map(|_| {
                start(s, || {
                    let try_one = || semaphore.try_acquire().map(Permit::forget).is_some();
                    usize::from(try_one()) + usize::from(try_one())
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join()).sum()
    });
    assert_eq!(successes, 3);
}

#[test]
fn a_wait_times_out_after_its_time_and_not_before() {
    let semaphore = Semaphore::new(1);
    let timeout = Duration::from_millis(20);
    semaphore.acquire_for(timeout).unwrap().forget();
    let start = Instant::now();
    assert!(semaphore.acquire_for(timeout).is_none());
    assert!(start.elapsed() >= timeout);
    let deadline = Instant::now() + timeout;
    assert!(semaphore.acquire_with(deadline).is_err());
    assert!(Instant::now() >= deadline);
    let start = Instant::now();
    assert_eq!(
        semaphore.acquire_many_with(2, timeout).err(),
        Some(AcquireError::TimedOut)
    );
    assert!(start.elapsed() >= timeout && start.elapsed() < Duration::from_secs(20));
    // The wait leaves nothing behind.
    semaphore.release(1).unwrap();
    assert!(semaphore.try_acquire().is_some());
}

#[test]
fn permits_are_released_on_panic() {
    let semaphore = Semaphore::new(2);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _first = semaphore.acquire();
        let _second = semaphore.acquire();
        panic!("on purpose");
    }));
    assert!(panicked.is_err());
    assert_eq!(semaphore.available(), 2);
}

#[test]
fn a_release_may_exceed_the_initial_value_up_to_the_most() {
    let semaphore = Semaphore::new(1);
    semaphore.release(2).unwrap();
    assert_eq!(semaphore.available(), 3);
    semaphore.release(0).unwrap();
    let error = semaphore.release(Semaphore::MAX_PERMITS).unwrap_err();
    assert!(error.to_string().contains("past the bound"));
    assert!(semaphore.release(usize::MAX).is_err());
    assert_eq!(semaphore.available(), 3);
}

#[test]
fn waiters_get_permits_in_fifo_order() {
    let semaphore = Semaphore::new(0);
    let order = Mutex::new(Vec::new());
    std::thread::scope(|s| {
        let waiters: Vec<_> = (0..5)
            .map(|n| {
                let (semaphore, order) = (&semaphore, &order);
                start_parked(s, "semaphore", move || {
                    semaphore.acquire().forget();
                    order.lock().unwrap().push(n);
                })
            })
            .collect();
        for n in 0..5 {
            semaphore.release(1).unwrap();
            until("the next has its permit", || {
                order.lock().unwrap().len() > n
            });
        }
        waiters.into_iter().for_each(|waiter| waiter.join());
        assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4]);
    });
}

#[test]
fn a_release_of_n_wakes_exactly_the_first_n() {
    let semaphore = Semaphore::new(0);
    std::thread::scope(|s| {
        let wait = || start_parked(s, "semaphore", || semaphore.acquire().forget());
        let waiters: Vec<_> = (0..5).map(|_| wait()).collect();
        semaphore.release(3).unwrap();
        let mut waiters = waiters.into_iter();
        waiters.by_ref().take(3).for_each(|waiter| waiter.join());
        let rest: Vec<_> = waiters.collect();
        assert!(rest.iter().all(|w| is_parked(&w.record, "semaphore")));
        semaphore.release(3).unwrap();
        rest.into_iter().for_each(|waiter| waiter.join());
        assert_eq!(semaphore.available(), 1);
    });
}

#[test]
fn a_wait_for_many_is_not_overtaken_by_waits_for_one() {
    let semaphore = Semaphore::new(0);
    std::thread::scope(|s| {
        let many = start_parked(s, "semaphore", || {
            semaphore
                .acquire_many_with(3, Limit::never())
                .unwrap()
                .forget()
        });
        let one = start_parked(s, "semaphore", || semaphore.acquire().forget());
        semaphore.release(2).unwrap();
        assert_eq!(semaphore.available(), 2);
        // Two permits are available. Neither a new call nor the thread behind gets one.
        assert!(semaphore.try_acquire().is_none());
        assert!(semaphore.acquire_for(Duration::from_millis(1)).is_none());
        assert!(is_parked(&many.record, "semaphore"));
        assert!(is_parked(&one.record, "semaphore"));
        semaphore.release(1).unwrap();
        many.join();
        assert!(is_parked(&one.record, "semaphore"));
        semaphore.release(1).unwrap();
        one.join();
        assert_eq!(semaphore.available(), 0);
    });
}

#[test]
fn no_later_call_of_any_form_overtakes() {
    let semaphore = Arc::new(Semaphore::new(2));
    std::thread::scope(|s| {
        let many = start_parked(s, "semaphore", || {
            semaphore
                .acquire_many_with(3, Limit::never())
                .unwrap()
                .forget()
        });
        for n in [1, 2] {
            assert!(semaphore.try_acquire_many(n).is_none());
            assert!(semaphore.try_acquire_many_owned(n).is_none());
            assert!(semaphore.acquire_many_with(n, Duration::ZERO).is_err());
            assert!(
                semaphore
                    .acquire_many_owned_with(n, Duration::ZERO)
                    .is_err()
            );
        }
        let later = [1, 2].map(|n| {
            let semaphore = &semaphore;
            start_parked(s, "semaphore", move || {
                semaphore
                    .acquire_many_with(n, Limit::never())
                    .unwrap()
                    .forget()
            })
        });
        assert_eq!(semaphore.available(), 2);
        semaphore.release(1).unwrap();
        many.join();
        assert!(later.iter().all(|l| is_parked(&l.record, "semaphore")));
        semaphore.release(3).unwrap();
        later.into_iter().for_each(|thread| thread.join());
    });
    assert_eq!(semaphore.available(), 0);
}

#[test]
fn tries_in_a_loop_get_nothing_while_threads_are_queued() {
    let (semaphore, over) = (Semaphore::new(0), AtomicUsize::new(0));
    std::thread::scope(|s| {
        let waiters: Vec<_> = (0..5)
            .map(|_| start_parked(s, "semaphore", || semaphore.acquire().forget()))
            .collect();
        let tries = start(s, || {
            let mut got = 0;
            while over.load(Acquire) == 0 {
                got += usize::from(semaphore.try_acquire().map(Permit::forget).is_some());
            }
            got
        });
        (0..5).for_each(|_| semaphore.release(1).unwrap());
        waiters.into_iter().for_each(|waiter| waiter.join());
        over.store(1, Release);
        assert_eq!(tries.join(), 0);
    });
}

/// A limit whose conversion uses the semaphore.
struct Reenters<'a>(&'a Semaphore);

impl<'a> From<Reenters<'a>> for Limit<'a> {
    fn from(reenters: Reenters<'a>) -> Limit<'a> {
        reenters.0.try_acquire().unwrap().forget();
        reenters.0.release(2).unwrap();
        Limit::after(Duration::ZERO)
    }
}

#[test]
fn a_limit_is_converted_before_anything_is_taken() {
    let semaphore = Arc::new(Semaphore::new(1));
    drop(semaphore.acquire_with(Reenters(&semaphore)).unwrap());
    assert_eq!(semaphore.available(), 2);
    let all = semaphore.acquire_many_with(3, Reenters(&semaphore));
    assert_eq!(all.unwrap().count(), 3);
    let all = semaphore.acquire_many_owned_with(4, Reenters(&semaphore));
    assert_eq!(all.unwrap().count(), 4);
    assert_eq!(semaphore.available(), 4);
}

#[test]
fn a_head_of_the_queue_that_gives_up_lets_the_next_go() {
    let semaphore = Semaphore::new(1);
    let source = StopSource::new();
    let token = source.token();
    std::thread::scope(|s| {
        let many = start_parked(s, "semaphore", || {
            semaphore.acquire_many_with(3, &token).map(Permit::forget)
        });
        let one = start_parked(s, "semaphore", || semaphore.acquire().forget());
        source.request_stop();
        assert_eq!(many.join(), Err(AcquireError::Stopped));
        one.join();
    });
    assert_eq!(semaphore.available(), 0);

    semaphore.release(1).unwrap();
    std::thread::scope(|s| {
        let many = start(s, || {
            let timeout = Duration::from_millis(100);
            semaphore.acquire_many_with(3, timeout).is_err()
        });
        until("the head is queued", || {
            is_parked(&many.record, "semaphore") || many.is_finished()
        });
        let one = start(s, || semaphore.acquire().forget());
        assert!(many.join());
        one.join();
    });
}

#[test]
fn a_stop_ends_the_waits_with_its_token_and_no_other() {
    let semaphore = Semaphore::new(0);
    let source = StopSource::new();
    let token = source.token();
    std::thread::scope(|s| {
        let stoppable = start_parked(s, "semaphore", || semaphore.acquire_with(&token).err());
        let patient = start_parked(s, "semaphore", || semaphore.acquire().forget());
        let both = start_parked(s, "semaphore", || {
            let limit = Limit::after(MINUTE).or_stop(&token);
            semaphore.acquire_with(limit).err()
        });
        source.request_stop();
        assert_eq!(stoppable.join(), Some(WaitError::Stopped));
        assert_eq!(both.join(), Some(WaitError::Stopped));
        assert!(is_parked(&patient.record, "semaphore"));
        semaphore.release(1).unwrap();
        patient.join();
    });
}

#[test]
fn many_permits_come_and_go_together() {
    let semaphore = Semaphore::new(5);
    let permit = semaphore.acquire_many_with(3, Limit::never()).unwrap();
    assert_eq!((permit.count(), semaphore.available()), (3, 2));
    assert!(semaphore.try_acquire_many(3).is_none());
    assert_eq!(semaphore.available(), 2);
    drop(permit);
    assert_eq!(semaphore.try_acquire_many(5).unwrap().count(), 5);
    assert_eq!(semaphore.available(), 5);
}

#[test]
fn zero_permits_are_available_though_others_wait() {
    let semaphore = Semaphore::new(0);
    std::thread::scope(|s| {
        let first = start_parked(s, "semaphore", || semaphore.acquire().forget());
        assert_eq!(
            semaphore
                .acquire_many_with(0, Limit::never())
                .unwrap()
                .count(),
            0
        );
        assert_eq!(semaphore.try_acquire_many(0).unwrap().count(), 0);
        assert!(is_parked(&first.record, "semaphore"));
        semaphore.release(1).unwrap();
        first.join();
    });
    assert_eq!(
        semaphore
            .acquire_many_with(0, Limit::never())
            .unwrap()
            .count(),
        0
    );
    assert_eq!(semaphore.available(), 0);
}

#[test]
fn a_try_finds_what_a_departed_thread_has_left() {
    let semaphore = Semaphore::new(1);
    for _ in 0..100 {
        let source = StopSource::new();
        let token = source.token();
        std::thread::scope(|s| {
            let many = start_parked(s, "semaphore", || {
                semaphore.acquire_many_with(2, &token).map(Permit::forget)
            });
            assert!(semaphore.try_acquire().is_none());
            source.request_stop();
            // It has left the queue, whatever it has yet to do.
            assert!(semaphore.try_acquire().is_some());
            assert_eq!(many.join(), Err(AcquireError::Stopped));
        });
    }
}

#[test]
fn a_forgotten_permit_is_not_released() {
    let semaphore = Arc::new(Semaphore::new(3));
    semaphore
        .acquire_many_with(2, Limit::never())
        .unwrap()
        .forget();
    assert_eq!(semaphore.available(), 1);
    semaphore.try_acquire_owned().unwrap().forget();
    assert_eq!(semaphore.available(), 0);
    assert_eq!(Arc::strong_count(&semaphore), 1);
}

#[test]
fn an_owned_permit_keeps_its_semaphore_and_can_be_sent() {
    let semaphore = Arc::new(Semaphore::new(1));
    let weak = Arc::downgrade(&semaphore);
    let permit = semaphore.try_acquire_owned().unwrap();
    assert_eq!((permit.count(), semaphore.available()), (1, 0));
    drop(semaphore);
    assert!(weak.upgrade().is_some());
    std::thread::spawn(move || drop(permit)).join().unwrap();
    assert!(weak.upgrade().is_none());
}

#[test]
fn debug_shows_what_is_available() {
    let semaphore = Semaphore::new(2);
    assert_eq!(format!("{semaphore:?}"), "Semaphore { available: 2 }");
    let permit = semaphore.acquire();
    assert_eq!(format!("{semaphore:?}"), "Semaphore { available: 1 }");
    assert!(format!("{permit:?}").contains("count: 1"));
}
