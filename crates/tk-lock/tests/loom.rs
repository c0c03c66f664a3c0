//! Models of the lock.
#![cfg(tk_loom)]

#[path = "loom/once.rs"]
mod once;
#[path = "loom/rwlock.rs"]
mod rwlock;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering::*, fence};
use loom::thread;
use tk_lock::{Lock, LockGuard, RawLock, RawRLock};
use tk_park::sync::{Instant, advance};
use tk_park::{Limit, StopSource};
use tk_testing::explore;

/// A lock, and a number that only its holder uses.
struct Guarded {
    lock: RawLock,
    value: UnsafeCell<u32>,
}

impl Guarded {
    fn new() -> Arc<Guarded> {
        let lock = RawLock::new();
        lock.loom_register();
        let value = UnsafeCell::new(0);
        Arc::new(Guarded { lock, value })
    }

    /// For the holder of the lock.
    fn add(&self) {
        // SAFETY: the lock is held, which is what loom checks.
        self.value.with_mut(|value| unsafe { *value += 1 });
    }

    fn acquire_and_add(&self) {
        self.lock.acquire();
        self.add();
        self.lock.release().unwrap();
    }

    /// Checks the state that is left when all threads are done.
    fn finish(&self, expected: u32) {
        assert!(self.lock.try_acquire(), "the lock is free");
        // SAFETY: the lock is held.
        self.value
            .with(|value| assert_eq!(unsafe { *value }, expected));
    }
}

fn adder(guarded: &Arc<Guarded>) -> thread::JoinHandle<()> {
    let guarded = guarded.clone();
    thread::spawn(move || guarded.acquire_and_add())
}

#[test]
fn one_thread_at_a_time_and_each_sees_the_last() {
    explore("lock: mutual exclusion, two threads", None, || {
        let guarded = Guarded::new();
        let other = adder(&guarded);
        guarded.acquire_and_add();
        other.join().unwrap();
        guarded.finish(2);
    });
}

#[test]
fn a_try_that_takes_it_sees_the_last() {
    explore("lock: try against release", None, || {
        let guarded = Guarded::new();
        let other = adder(&guarded);
        let got = guarded.lock.try_acquire();
        if got {
            guarded.add();
            guarded.lock.release().unwrap();
        }
        other.join().unwrap();
        guarded.finish(1 + u32::from(got));
    });
}

#[test]
fn a_try_fails_only_while_somebody_has_it() {
    explore("lock: a try against a thread that is woken", None, || {
        let guarded = Guarded::new();
        let came = Arc::new(AtomicU32::new(0));
        guarded.lock.acquire();
        let other = thread::spawn({
            let (guarded, came) = (guarded.clone(), came.clone());
            move || {
                guarded.lock.acquire();
                came.store(1, Relaxed);
                guarded.lock.release().unwrap();
            }
        });
        guarded.lock.release().unwrap();
        if guarded.lock.try_acquire() {
            guarded.lock.release().unwrap();
        } else {
            // The other thread had the lock then. Either it still has it, or this thread sees its
            // release, and with that its store.
            let has_it = guarded.lock.is_locked();
            fence(Acquire);
            assert!(has_it || came.load(Relaxed) == 1);
        }
        other.join().unwrap();
        guarded.finish(0);
    });
}

#[test]
fn three_threads_take_turns() {
    explore("lock: mutual exclusion, three threads", Some(2), || {
        let guarded = Guarded::new();
        let others = [adder(&guarded), adder(&guarded)];
        guarded.acquire_and_add();
        for other in others {
            other.join().unwrap();
        }
        guarded.finish(3);
    });
}

#[test]
fn two_sleepers_are_both_woken() {
    explore("lock: release against two waiters", Some(3), || {
        let guarded = Guarded::new();
        guarded.lock.acquire();
        let others = [adder(&guarded), adder(&guarded)];
        guarded.add();
        guarded.lock.release().unwrap();
        for other in others {
            other.join().unwrap();
        }
        guarded.finish(3);
    });
}

/// A release against two waiters, the parked ones of which have been so for this time.
fn release_after(name: &str, nanos: u64) {
    explore(name, Some(3), move || {
        let guarded = Guarded::new();
        guarded.lock.acquire();
        let others = [adder(&guarded), adder(&guarded)];
        guarded.add();
        advance(nanos);
        guarded.lock.release().unwrap();
        for other in others {
            other.join().unwrap();
        }
        guarded.finish(3);
    });
}

#[test]
fn a_starving_waiter_is_handed_the_lock() {
    // The clock stands still after that, so the interval goes on.
    release_after("lock: handoff", 2_000_000);
}

#[test]
fn waiters_that_have_starved_for_long_are_handed_the_lock_one_after_the_other() {
    release_after("lock: handoffs in a row", 20_000_000);
}

#[test]
fn a_fair_release_hands_over() {
    explore("lock: fair release", Some(4), || {
        let lock = Lock::new(UnsafeCell::new(0));
        // SAFETY: nothing is released.
        unsafe { lock.raw() }.loom_register();
        let lock = Arc::new(lock);
        let guard = lock.lock();
        let other = thread::spawn({
            let lock = lock.clone();
            // SAFETY: the lock is held.
            move || lock.lock().with_mut(|value| unsafe { *value += 1 })
        });
        // SAFETY: the lock is held.
        guard.with_mut(|value| unsafe { *value += 1 });
        LockGuard::unlock_fair(guard);
        // SAFETY: the lock is held.
        lock.lock().with_mut(|value| unsafe { *value += 1 });
        other.join().unwrap();
        // SAFETY: the lock is held.
        lock.lock().with(|value| assert_eq!(unsafe { *value }, 3));
    });
}

#[test]
fn a_timeout_against_a_release() {
    explore("lock: timeout against release", None, || {
        let guarded = Guarded::new();
        guarded.lock.acquire();
        let timed = thread::spawn({
            let guarded = guarded.clone();
            move || {
                let got = guarded.lock.acquire_with(Instant(1)).is_ok();
                if got {
                    guarded.add();
                    guarded.lock.release().unwrap();
                }
                u32::from(got)
            }
        });
        let clock = thread::spawn(|| advance(1));
        guarded.add();
        guarded.lock.release().unwrap();
        clock.join().unwrap();
        let got = timed.join().unwrap();
        guarded.finish(1 + got);
    });
}

#[test]
fn who_times_out_or_stops_takes_no_wake_up_from_another() {
    explore("lock: giving up beside another waiter", Some(2), || {
        let guarded = Guarded::new();
        let source = StopSource::new();
        guarded.lock.acquire();
        let hasty = thread::spawn({
            let (guarded, token) = (guarded.clone(), source.token());
            move || {
                let limit = Limit::until(Instant(1)).or_stop(&token);
                let got = guarded.lock.acquire_with(limit).is_ok();
                if got {
                    guarded.add();
                    guarded.lock.release().unwrap();
                }
                u32::from(got)
            }
        });
        let patient = adder(&guarded);
        let ender = thread::spawn(move || {
            source.request_stop();
            advance(1);
        });
        guarded.add();
        guarded.lock.release().unwrap();
        ender.join().unwrap();
        patient.join().unwrap();
        let got = hasty.join().unwrap();
        guarded.finish(2 + got);
    });
}

#[test]
fn a_woken_thread_that_comes_too_late_is_woken_again() {
    explore("lock: two releases against a sleeper", Some(4), || {
        let guarded = Guarded::new();
        guarded.lock.acquire();
        let other = adder(&guarded);
        guarded.add();
        guarded.lock.release().unwrap();
        // Takes the lock again before the sleeper comes to it, or not.
        guarded.acquire_and_add();
        other.join().unwrap();
        guarded.finish(3);
    });
}

#[test]
fn a_timeout_against_a_handoff() {
    explore("lock: timeout against handoff", Some(4), || {
        let guarded = Guarded::new();
        guarded.lock.acquire();
        let timed = thread::spawn({
            let guarded = guarded.clone();
            move || {
                let got = guarded.lock.acquire_with(Instant(2_000_000)).is_ok();
                if got {
                    guarded.add();
                    guarded.lock.release().unwrap();
                }
                u32::from(got)
            }
        });
        guarded.add();
        // The waiter is starving, and its time is over.
        advance(2_000_000);
        guarded.lock.release().unwrap();
        let got = timed.join().unwrap();
        guarded.finish(1 + got);
    });
}

#[test]
fn levels_are_for_one_thread_at_a_time() {
    explore("rlock: two threads, two levels", None, || {
        let lock = RawRLock::new();
        lock.loom_register();
        let lock = Arc::new(lock);
        let value = Arc::new(UnsafeCell::new(0));
        let enter_twice = |lock: &RawRLock, value: &UnsafeCell<u32>| {
            lock.acquire();
            lock.acquire();
            // SAFETY: the lock is held, which is what loom checks.
            value.with_mut(|value| unsafe { *value += 1 });
            lock.release().unwrap();
            // SAFETY: the lock is held, which is what loom checks.
            value.with_mut(|value| unsafe { *value += 1 });
            lock.release().unwrap();
            assert!(!lock.is_owned_by_current_thread());
        };
        let other = thread::spawn({
            let (lock, value) = (lock.clone(), value.clone());
            move || enter_twice(&lock, &value)
        });
        enter_twice(&lock, &value);
        other.join().unwrap();
        // SAFETY: the other thread is gone.
        value.with(|value| assert_eq!(unsafe { *value }, 4));
    });
}

#[test]
fn threads_without_a_number_are_told_apart_by_their_id() {
    explore("rlock: two anonymous owners", Some(3), || {
        let lock = RawRLock::new();
        lock.loom_register();
        let lock = Arc::new(lock);
        let value = Arc::new(UnsafeCell::new(0));
        let enter_twice = |lock: &RawRLock, value: &UnsafeCell<u32>| {
            let mut entered = 0;
            for _ in 0..2 {
                if lock.try_acquire_anonymously() {
                    // SAFETY: the lock is held, which is what loom checks.
                    value.with_mut(|value| unsafe { *value += 1 });
                    lock.release_anonymously().unwrap();
                    entered += 1;
                }
            }
            assert!(lock.release_anonymously().is_err());
            entered
        };
        let other = thread::spawn({
            let (lock, value) = (lock.clone(), value.clone());
            move || enter_twice(&lock, &value)
        });
        let entered = enter_twice(&lock, &value) + other.join().unwrap();
        // SAFETY: the other thread is gone.
        value.with(|value| assert_eq!(unsafe { *value }, entered));
    });
}

#[test]
fn a_release_before_a_stop_counts() {
    explore("lock: release, then stop, against a wait", None, || {
        let (guarded, source) = (Guarded::new(), StopSource::new());
        let token = source.token();
        guarded.lock.acquire();
        let waiter = thread::spawn({
            let guarded = guarded.clone();
            move || {
                assert_eq!(guarded.lock.acquire_with(&token), Ok(()));
                guarded.add();
                guarded.lock.release().unwrap();
            }
        });
        guarded.add();
        guarded.lock.release().unwrap();
        source.request_stop();
        waiter.join().unwrap();
        guarded.finish(2);
    });
}

impl Guarded {
    /// A lock whose releases are plain stores.
    fn light() -> Arc<Guarded> {
        let guarded = Guarded::new();
        guarded.lock.loom_lighten();
        guarded
    }

    /// As `acquire_and_add`, with the release of a guard.
    fn lock_and_add(&self) {
        self.lock.acquire();
        self.add();
        self.lock.release_held_by_me();
    }
}

fn locker(guarded: &Arc<Guarded>) -> thread::JoinHandle<()> {
    let guarded = guarded.clone();
    thread::spawn(move || guarded.lock_and_add())
}

#[test]
fn a_light_release_wakes_a_sleeper() {
    explore("lock: light release against a waiter", None, || {
        let guarded = Guarded::light();
        guarded.lock.acquire();
        let other = locker(&guarded);
        guarded.add();
        guarded.lock.release_held_by_me();
        other.join().unwrap();
        guarded.finish(2);
    });
}

#[test]
fn a_light_release_wipes_out_no_mark_for_good() {
    explore(
        "lock: light release against a waiter and a third",
        Some(3),
        || {
            let guarded = Guarded::light();
            guarded.lock.acquire();
            let others = [locker(&guarded), locker(&guarded)];
            guarded.add();
            guarded.lock.release_held_by_me();
            for other in others {
                other.join().unwrap();
            }
            guarded.finish(3);
        },
    );
}

#[test]
fn light_releases_in_a_row_wake_a_sleeper() {
    explore("lock: two light releases against a waiter", Some(4), || {
        let guarded = Guarded::light();
        guarded.lock.acquire();
        let other = locker(&guarded);
        guarded.add();
        guarded.lock.release_held_by_me();
        guarded.lock_and_add();
        other.join().unwrap();
        guarded.finish(3);
    });
}

#[test]
fn a_lock_that_becomes_light_loses_no_sleeper() {
    explore(
        "lock: the change to light against a waiter",
        Some(4),
        || {
            let guarded = Guarded::new();
            guarded.lock.loom_almost_lighten();
            guarded.lock.acquire();
            let other = locker(&guarded);
            guarded.add();
            guarded.lock.release_held_by_me();
            guarded.lock_and_add();
            other.join().unwrap();
            guarded.finish(3);
        },
    );
}

#[test]
fn who_gives_up_leaves_a_fence_for_the_next_sleeper() {
    explore(
        "lock: light release, giving up, another waiter",
        Some(2),
        || {
            let guarded = Guarded::light();
            guarded.lock.acquire();
            let hasty = thread::spawn({
                let guarded = guarded.clone();
                move || {
                    let got = guarded.lock.acquire_with(Instant(1)).is_ok();
                    if got {
                        guarded.add();
                        guarded.lock.release_held_by_me();
                    }
                    u32::from(got)
                }
            });
            let patient = locker(&guarded);
            let clock = thread::spawn(|| advance(1));
            guarded.add();
            guarded.lock.release_held_by_me();
            clock.join().unwrap();
            patient.join().unwrap();
            let got = hasty.join().unwrap();
            guarded.finish(2 + got);
        },
    );
}

#[test]
fn a_lock_becomes_light_only_while_nobody_sleeps() {
    explore(
        "lock: the change to light beside two waiters",
        Some(3),
        || {
            let guarded = Guarded::new();
            guarded.lock.acquire();
            let others = [locker(&guarded), locker(&guarded)];
            guarded.lock.loom_almost_lighten();
            guarded.add();
            guarded.lock.release_held_by_me();
            for other in others {
                other.join().unwrap();
            }
            guarded.finish(3);
        },
    );
}

#[test]
fn a_slow_light_release_beside_a_lock_that_becomes_light_again() {
    explore("lock: light, ordinary and light again", Some(2), || {
        let guarded = Guarded::light();
        guarded.lock.acquire();
        // Changes the mode, and gives up.
        let hasty = thread::spawn({
            let guarded = guarded.clone();
            move || guarded.lock.acquire_with(Instant(1)).is_ok()
        });
        let others = [locker(&guarded), locker(&guarded)];
        guarded.add();
        advance(1);
        guarded.lock.release_held_by_me();
        if hasty.join().unwrap() {
            guarded.lock.release_held_by_me();
        }
        for other in others {
            other.join().unwrap();
        }
        guarded.finish(3);
    });
}

#[test]
fn a_handoff_beside_a_slow_light_release() {
    explore("lock: light release against a fair one", Some(3), || {
        let guarded = Guarded::light();
        guarded.lock.acquire();
        let fair = thread::spawn({
            let guarded = guarded.clone();
            move || {
                guarded.lock.acquire();
                guarded.add();
                guarded.lock.release_fairly();
            }
        });
        let other = locker(&guarded);
        guarded.add();
        guarded.lock.release_held_by_me();
        fair.join().unwrap();
        other.join().unwrap();
        guarded.finish(3);
    });
}
