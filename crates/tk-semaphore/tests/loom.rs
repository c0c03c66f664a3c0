//! Models of the semaphore.
#![cfg(tk_loom)]

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;
use tk_park::StopSource;
use tk_park::sync::{Instant, Spins, advance};
use tk_semaphore::{Limit, Permit, Semaphore};

use tk_testing::explore;

fn semaphore(permits: usize) -> Arc<Semaphore> {
    let semaphore = Semaphore::new(permits);
    semaphore.loom_register();
    Arc::new(semaphore)
}

fn taker(semaphore: &Arc<Semaphore>) -> thread::JoinHandle<()> {
    let semaphore = semaphore.clone();
    thread::spawn(move || semaphore.acquire().forget())
}

#[test]
fn two_waiters_get_two_permits_from_two_releasers() {
    explore("semaphore: two waiters, two releasers", Some(1), || {
        let semaphore = semaphore(0);
        let takers = [taker(&semaphore), taker(&semaphore)];
        let releaser = thread::spawn({
            let semaphore = semaphore.clone();
            move || semaphore.release(1).unwrap()
        });
        semaphore.release(1).unwrap();
        for taker in takers {
            taker.join().unwrap();
        }
        releaser.join().unwrap();
        assert_eq!(semaphore.available(), 0);
    });
}

#[test]
fn one_permit_is_a_lock() {
    explore("semaphore: mutual exclusion", None, || {
        let semaphore = semaphore(1);
        let value = Arc::new(UnsafeCell::new(0));
        let add = {
            let (semaphore, value) = (semaphore.clone(), value.clone());
            move || {
                let _permit = semaphore.acquire();
                // SAFETY: there is one permit.
                value.with_mut(|value| unsafe { *value += 1 });
            }
        };
        let other = thread::spawn(add.clone());
        add();
        other.join().unwrap();
        assert!(semaphore.try_acquire().is_some());
        // SAFETY: the other thread is done.
        value.with(|value| assert_eq!(unsafe { *value }, 2));
    });
}

#[test]
fn many_permits_carry_what_every_releaser_did() {
    explore("semaphore: publication by two releasers", Some(3), || {
        let semaphore = semaphore(0);
        let values = Arc::new([UnsafeCell::new(0), UnsafeCell::new(0)]);
        let releasers = [0, 1].map(|n| {
            let (semaphore, values) = (semaphore.clone(), values.clone());
            thread::spawn(move || {
                // SAFETY: no thread reads it before the release.
                values[n].with_mut(|value| unsafe { *value = 1 });
                semaphore.release(1).unwrap();
            })
        });
        semaphore
            .acquire_many_with(2, Limit::never())
            .unwrap()
            .forget();
        for value in &*values {
            // SAFETY: both have released.
            value.with(|value| assert_eq!(unsafe { *value }, 1));
        }
        for releaser in releasers {
            releaser.join().unwrap();
        }
    });
}

#[test]
fn a_head_of_the_queue_that_times_out_lets_the_next_go() {
    explore("semaphore: many with a timeout before one", Some(3), || {
        let semaphore = semaphore(1);
        let many = thread::spawn({
            let semaphore = semaphore.clone();
            move || semaphore.acquire_many_with(2, Instant(1)).is_err()
        });
        let one = taker(&semaphore);
        let clock = thread::spawn(|| advance(1));
        one.join().unwrap();
        clock.join().unwrap();
        assert!(many.join().unwrap());
        assert_eq!(semaphore.available(), 0);
    });
}

#[test]
fn a_head_of_the_queue_that_is_stopped_lets_the_next_go() {
    explore("semaphore: many with a stop before one", Some(3), || {
        let (semaphore, source) = (semaphore(1), StopSource::new());
        let many = thread::spawn({
            let (semaphore, token) = (semaphore.clone(), source.token());
            move || semaphore.acquire_many_with(2, &token).is_err()
        });
        let one = taker(&semaphore);
        source.request_stop();
        one.join().unwrap();
        assert!(many.join().unwrap());
        assert_eq!(semaphore.available(), 0);
    });
}

#[test]
fn a_timeout_against_a_release() {
    explore("semaphore: timeout against release", None, || {
        let semaphore = semaphore(0);
        let timed = thread::spawn({
            let semaphore = semaphore.clone();
            move || {
                semaphore
                    .acquire_with(Instant(1))
                    .map(Permit::forget)
                    .is_ok()
            }
        });
        let clock = thread::spawn(|| advance(1));
        semaphore.release(1).unwrap();
        clock.join().unwrap();
        let got = usize::from(timed.join().unwrap());
        assert_eq!(semaphore.available() + got, 1);
        assert_eq!(semaphore.try_acquire().is_some(), got == 0);
    });
}

#[test]
fn a_try_does_not_overtake_a_queued_thread() {
    explore("semaphore: try beside many and a release", Some(2), || {
        let semaphore = semaphore(1);
        let many = thread::spawn({
            let semaphore = semaphore.clone();
            move || {
                semaphore
                    .acquire_many_with(2, Limit::never())
                    .unwrap()
                    .forget()
            }
        });
        let quick = thread::spawn({
            let semaphore = semaphore.clone();
            move || semaphore.try_acquire().map(Permit::forget).is_some()
        });
        semaphore.release(1).unwrap();
        if quick.join().unwrap() {
            semaphore.release(1).unwrap();
        }
        many.join().unwrap();
        assert_eq!(semaphore.available(), 0);
    });
}

#[test]
fn a_release_into_an_abandoned_queue_publishes() {
    explore("semaphore: publication past a timeout", Some(2), || {
        let semaphore = semaphore(0);
        let value = Arc::new(UnsafeCell::new(0));
        let timed = thread::spawn({
            let semaphore = semaphore.clone();
            move || semaphore.acquire_with(Instant(1)).map(Permit::forget)
        });
        let clock = thread::spawn(|| advance(1));
        let quick = thread::spawn({
            let (semaphore, value) = (semaphore.clone(), value.clone());
            move || {
                if semaphore.try_acquire().is_some() {
                    // SAFETY: it was written before the release.
                    value.with(|value| assert_eq!(unsafe { *value }, 1));
                }
            }
        });
        // SAFETY: no thread reads it before the release.
        value.with_mut(|value| unsafe { *value = 1 });
        semaphore.release(1).unwrap();
        for thread in [clock, quick] {
            thread.join().unwrap();
        }
        let _ = timed.join().unwrap();
    });
}

#[test]
fn a_wait_for_many_and_two_for_one_take_turns() {
    explore("semaphore: many beside two of one", Some(2), || {
        let semaphore = semaphore(2);
        let value = Arc::new(UnsafeCell::new(0));
        let read = || {
            let (semaphore, value) = (semaphore.clone(), value.clone());
            thread::spawn(move || {
                let _permit = semaphore.acquire();
                // SAFETY: a writer has all permits.
                value.with(|value| unsafe { *value })
            })
        };
        let readers = [read(), read()];
        {
            let _permit = semaphore.acquire_many_with(2, Limit::never()).unwrap();
            // SAFETY: a reader has a permit.
            value.with_mut(|value| unsafe { *value += 1 });
        }
        for reader in readers {
            assert!(reader.join().unwrap() <= 1);
        }
        assert_eq!(semaphore.available(), 2);
    });
}

#[test]
fn a_try_finds_what_a_departed_thread_has_left() {
    explore("semaphore: try after a stop of the queue", None, || {
        let (semaphore, source) = (semaphore(1), StopSource::new());
        let many = thread::spawn({
            let (semaphore, token) = (semaphore.clone(), source.token());
            move || semaphore.acquire_many_with(2, &token).is_err()
        });
        source.request_stop();
        assert!(semaphore.try_acquire().is_some());
        assert!(many.join().unwrap());
        assert_eq!(semaphore.available(), 1);
    });
}

#[test]
fn a_release_before_a_stop_counts() {
    explore(
        "semaphore: release, then stop, against a wait",
        None,
        || {
            let (semaphore, source) = (semaphore(0), StopSource::new());
            let token = source.token();
            let releaser = thread::spawn({
                let semaphore = semaphore.clone();
                move || {
                    semaphore.release(1).unwrap();
                    source.request_stop();
                }
            });
            assert_eq!(semaphore.acquire_with(&token).map(Permit::forget), Ok(()));
            releaser.join().unwrap();
            assert_eq!(semaphore.available(), 0);
        },
    );
}

#[test]
fn a_release_of_too_many_against_a_timeout() {
    explore("semaphore: too many against a timeout", None, || {
        let semaphore = semaphore(1);
        let timed = thread::spawn({
            let semaphore = semaphore.clone();
            move || semaphore.acquire_many_with(2, Instant(1)).is_err()
        });
        advance(1);
        assert!(semaphore.release(Semaphore::MAX_PERMITS).is_err());
        assert!(timed.join().unwrap());
        assert_eq!(semaphore.available(), 1);
        semaphore.try_acquire().unwrap().forget();
        semaphore.release(1).unwrap();
        assert_eq!(semaphore.available(), 1);
    });
}

#[test]
fn a_stop_against_a_release() {
    explore("semaphore: stop against release", Some(4), || {
        let (semaphore, source) = (semaphore(0), StopSource::new());
        let token = source.token();
        let stoppable = thread::spawn({
            let semaphore = semaphore.clone();
            move || semaphore.acquire_with(&token).map(Permit::forget).is_ok()
        });
        let stopper = thread::spawn(move || source.request_stop());
        semaphore.release(1).unwrap();
        stopper.join().unwrap();
        let got = usize::from(stoppable.join().unwrap());
        assert_eq!(semaphore.available() + got, 1);
        assert_eq!(semaphore.try_acquire().is_some(), got == 0);
    });
}

#[test]
fn a_try_takes_nothing_from_a_spinning_thread() {
    explore("semaphore: try beside a spinning waiter", None, || {
        let (semaphore, spins) = (semaphore(1), Spins::watch());
        let many = thread::spawn({
            let semaphore = semaphore.clone();
            move || {
                semaphore
                    .acquire_many_with(2, Limit::never())
                    .unwrap()
                    .forget()
            }
        });
        let has_begun = spins.begun() == 1;
        let overtook = semaphore.try_acquire().map(Permit::forget).is_some();
        assert!(!(has_begun && overtook));
        semaphore.release(if overtook { 2 } else { 1 }).unwrap();
        many.join().unwrap();
        assert_eq!(semaphore.available(), 0);
    });
}

#[test]
fn a_wait_that_begins_later_is_served_later() {
    explore("semaphore: two waits in order", Some(3), || {
        let (semaphore, spins) = (semaphore(0), Spins::watch());
        let first_is_served = Arc::new(UnsafeCell::new(false));
        let first = thread::spawn({
            let (semaphore, first_is_served) = (semaphore.clone(), first_is_served.clone());
            move || {
                let _permit = semaphore.acquire();
                // SAFETY: there is one permit.
                first_is_served.with_mut(|served| unsafe { *served = true });
            }
        });
        let second = thread::spawn({
            let semaphore = semaphore.clone();
            move || {
                // A thread spins before it enters the queue, and again there.
                let is_second = spins.begun() == 2;
                let _permit = semaphore.acquire_many_with(1, Limit::never()).unwrap();
                // SAFETY: there is one permit.
                let first_is_served = first_is_served.with(|served| unsafe { *served });
                assert!(first_is_served || !is_second);
            }
        });
        semaphore.release(1).unwrap();
        first.join().unwrap();
        second.join().unwrap();
        assert_eq!(semaphore.available(), 1);
    });
}
