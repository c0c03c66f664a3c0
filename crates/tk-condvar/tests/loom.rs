//! Models of the condition variable.
#![cfg(tk_loom)]

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering::Relaxed};
use loom::thread;
use tk_condvar::{Condvar, Monitor};
use tk_lock::Lock;
use tk_park::sync::{Instant, advance};
use tk_park::{Limit, StopSource};
use tk_testing::explore;

struct Pair {
    condvar: Condvar,
    lock: Lock<u32>,
}

impl Pair {
    fn new() -> Arc<Pair> {
        let (condvar, lock) = (Condvar::new(), Lock::new(0));
        condvar.loom_register();
        // SAFETY: nothing is released.
        unsafe { lock.raw() }.loom_register();
        Arc::new(Pair { condvar, lock })
    }
}

/// Starts a thread that waits until the number is not 0.
fn waiter(pair: &Arc<Pair>) -> thread::JoinHandle<()> {
    let pair = pair.clone();
    thread::spawn(move || {
        let mut ready = pair.lock.lock();
        while *ready == 0 {
            pair.condvar.wait(&mut ready);
        }
    })
}

#[test]
fn a_notification_between_unlock_and_sleep_is_received() {
    explore("condvar: notify against wait", None, || {
        let pair = Pair::new();
        let waiter = waiter(&pair);
        *pair.lock.lock() = 1;
        pair.condvar.notify(1);
        waiter.join().unwrap();
        assert!(!pair.lock.is_locked());
    });
}

#[test]
fn all_who_are_notified_get_through() {
    explore("condvar: notify_all against two waiters", Some(2), || {
        let pair = Pair::new();
        let waiters = [waiter(&pair), waiter(&pair)];
        let mut ready = pair.lock.lock();
        *ready = 1;
        // With the lock held, so that the threads that are moved have to wait for its release.
        pair.condvar.notify_all();
        drop(ready);
        for waiter in waiters {
            waiter.join().unwrap();
        }
        assert!(!pair.lock.is_locked());
        assert_eq!(pair.condvar.notify_all(), 0);
    });
}

#[test]
fn a_moved_waiter_that_starves_is_handed_the_lock() {
    explore("condvar: handoff to a moved waiter", Some(3), || {
        let pair = Pair::new();
        let waiter = thread::spawn({
            let pair = pair.clone();
            move || {
                let mut ready = pair.lock.lock();
                while *ready == 0 {
                    pair.condvar.wait(&mut ready);
                }
                *ready += 1;
            }
        });
        let mut ready = pair.lock.lock();
        *ready = 1;
        // A waiter that spins in the word is not moved.
        let moved = pair.condvar.has_waiters_in_the_lot();
        pair.condvar.notify_one();
        // Two milliseconds after the notification.
        advance(2_000_000);
        drop(ready);
        let ready = pair.lock.lock();
        // Not even a thread that runs gets ahead of a waiter that was moved.
        assert!(!moved || *ready == 2);
        drop(ready);
        waiter.join().unwrap();
        assert!(!pair.lock.is_locked());
    });
}

#[test]
fn of_moved_waiters_one_that_starves_is_handed_the_lock_alone() {
    explore(
        "condvar: handoff to one of two moved waiters",
        Some(2),
        || {
            let pair = Pair::new();
            let is_inside = Arc::new(AtomicBool::new(false));
            let waiters = [(); 2].map(|()| {
                let (pair, is_inside) = (pair.clone(), is_inside.clone());
                thread::spawn(move || {
                    let mut ready = pair.lock.lock();
                    while *ready == 0 {
                        pair.condvar.wait(&mut ready);
                    }
                    assert!(!is_inside.swap(true, Relaxed));
                    is_inside.store(false, Relaxed);
                })
            });
            let mut ready = pair.lock.lock();
            *ready = 1;
            pair.condvar.notify_all();
            // Two milliseconds after the notification.
            advance(2_000_000);
            drop(ready);
            for waiter in waiters {
                waiter.join().unwrap();
            }
            assert!(!pair.lock.is_locked());
        },
    );
}

#[test]
fn all_who_are_notified_get_through_a_free_lock() {
    explore("condvar: notify_all without the lock", Some(2), || {
        let pair = Pair::new();
        let waiters = [waiter(&pair), waiter(&pair)];
        *pair.lock.lock() = 1;
        // No release is to come, except by the threads that are notified.
        pair.condvar.notify_all();
        for waiter in waiters {
            waiter.join().unwrap();
        }
        assert!(!pair.lock.is_locked());
    });
}

#[test]
fn one_notification_after_the_other_reaches_one_waiter_after_the_other() {
    explore("condvar: two notifications, two waiters", Some(2), || {
        let pair = Pair::new();
        let waiters = [(); 2].map(|()| {
            let pair = pair.clone();
            thread::spawn(move || {
                let mut jobs = pair.lock.lock();
                while *jobs == 0 {
                    pair.condvar.wait(&mut jobs);
                }
                *jobs -= 1;
            })
        });
        *pair.lock.lock() = 2;
        pair.condvar.notify(1);
        pair.condvar.notify(1);
        for waiter in waiters {
            waiter.join().unwrap();
        }
        assert_eq!(*pair.lock.lock(), 0);
    });
}

#[test]
fn so_many_as_are_notified_get_through() {
    explore("condvar: notify(2) against two waiters", Some(2), || {
        let pair = Pair::new();
        let waiters = [waiter(&pair), waiter(&pair)];
        *pair.lock.lock() = 1;
        pair.condvar.notify(2);
        for waiter in waiters {
            waiter.join().unwrap();
        }
        assert!(!pair.lock.is_locked());
    });
}

/// Waits, and counts the notification that it receives. Loom explores more if its first thread
/// writes the word, and another one reads it.
fn receive(pair: &Pair, limit: Limit<'_>) -> usize {
    let mut guard = pair.lock.lock();
    usize::from(pair.condvar.wait_with(&mut guard, limit).is_ok())
}

/// Notifies in a thread, and counts the notifications.
fn send(pair: &Arc<Pair>, send: fn(&Pair) -> usize) -> thread::JoinHandle<usize> {
    let pair = pair.clone();
    thread::spawn(move || send(&pair))
}

#[test]
fn a_timeout_against_a_notification() {
    explore("condvar: timeout against notify", Some(3), || {
        let pair = Pair::new();
        let sender = send(&pair, |pair| pair.condvar.notify(1));
        let clock = thread::spawn(|| advance(1));
        let received = receive(&pair, Limit::until(Instant(1)));
        clock.join().unwrap();
        assert_eq!(received, sender.join().unwrap());
        assert_eq!(pair.condvar.notify_all(), 0);
        assert!(!pair.lock.is_locked());
    });
}

#[test]
fn a_timeout_of_one_who_was_moved_is_a_success() {
    explore("condvar: timeout against notify_all", Some(1), || {
        let pair = Pair::new();
        let sender = send(&pair, |pair| {
            let _guard = pair.lock.lock();
            pair.condvar.notify_all()
        });
        let other = thread::spawn({
            let pair = pair.clone();
            move || receive(&pair, Limit::until(Instant(1)))
        });
        let clock = thread::spawn(|| advance(1));
        let received = receive(&pair, Limit::until(Instant(1))) + other.join().unwrap();
        clock.join().unwrap();
        assert_eq!(received, sender.join().unwrap());
        assert!(!pair.lock.is_locked());
    });
}

#[test]
fn a_stop_against_a_notification() {
    explore("condvar: stop against notify", Some(2), || {
        let (pair, source) = (Pair::new(), StopSource::new());
        let sender = send(&pair, |pair| pair.condvar.notify(1));
        let token = source.token();
        let stopper = thread::spawn(move || source.request_stop());
        let received = receive(&pair, Limit::from(&token));
        stopper.join().unwrap();
        assert_eq!(received, sender.join().unwrap());
        assert!(!pair.lock.is_locked());
    });
}

/// After a wait that has given up, the next notification is one load.
#[test]
fn a_wait_that_has_returned_leaves_no_address_behind() {
    explore("condvar: the address after a timeout", Some(3), || {
        let pair = Pair::new();
        let sender = send(&pair, |pair| pair.condvar.notify(1));
        let clock = thread::spawn(|| advance(1));
        let received = receive(&pair, Limit::until(Instant(1)));
        assert!(!pair.condvar.knows_a_lock());
        clock.join().unwrap();
        assert_eq!(received, sender.join().unwrap());
        // And with another lock there is room for the next.
        let other = Lock::new(0);
        assert!(
            pair.condvar
                .wait_with(&mut other.lock(), Instant(1))
                .is_err()
        );
        assert!(!pair.condvar.knows_a_lock());
    });
}

#[test]
fn a_wait_at_the_second_level_lets_others_in_and_comes_back() {
    explore(
        "monitor: notify against wait with two levels",
        Some(3),
        || {
            let monitor = Monitor::new(0);
            monitor.loom_register();
            let monitor = Arc::new(monitor);
            let waiter = thread::spawn({
                let monitor = monitor.clone();
                move || {
                    let outer = monitor.lock();
                    let mut inner = monitor.lock();
                    inner.wait_while(|n| *n == 0);
                    // The value is lent to one thread at a time, or this panics.
                    *inner.borrow_mut() += 1;
                    drop(inner);
                    *outer.borrow_mut() += 1;
                    assert_eq!(monitor.recursion_count(), 1);
                }
            });
            {
                let guard = monitor.lock();
                *guard.borrow_mut() += 1;
                guard.notify(1);
            }
            waiter.join().unwrap();
            assert_eq!(*monitor.lock().borrow(), 3);
        },
    );
}

/// A lock whose releases are plain stores.
fn light_pair() -> Arc<Pair> {
    let pair = Pair::new();
    // SAFETY: nothing is released.
    unsafe { pair.lock.raw() }.loom_lighten();
    pair
}

#[test]
fn a_waiter_that_is_moved_is_woken_by_a_light_release() {
    explore("condvar: notify, then a light release", Some(3), || {
        let pair = light_pair();
        let waiter = waiter(&pair);
        let mut ready = pair.lock.lock();
        *ready = 1;
        pair.condvar.notify_all();
        drop(ready);
        waiter.join().unwrap();
        assert!(!pair.lock.is_locked());
    });
}

#[test]
fn a_waiter_that_a_third_thread_moves_is_woken_by_a_light_release() {
    explore("condvar: notify against a light release", Some(3), || {
        let pair = light_pair();
        let waiter = waiter(&pair);
        *pair.lock.lock() = 1;
        let notifier = thread::spawn({
            let pair = pair.clone();
            move || _ = pair.condvar.notify_all()
        });
        // While this thread has the lock, and as it releases it, the waiter is moved.
        drop(pair.lock.lock());
        notifier.join().unwrap();
        waiter.join().unwrap();
        assert!(!pair.lock.is_locked());
    });
}

#[test]
fn waiters_that_a_third_thread_moves_are_woken_by_light_releases() {
    explore(
        "condvar: notify of two against a light release",
        Some(2),
        || {
            let pair = light_pair();
            let waiters = [(); 2].map(|()| {
                let pair = pair.clone();
                thread::spawn(move || {
                    let mut ready = pair.lock.lock();
                    while *ready == 0 {
                        pair.condvar.wait(&mut ready);
                    }
                })
            });
            *pair.lock.lock() = 1;
            pair.condvar.notify_all();
            for waiter in waiters {
                waiter.join().unwrap();
            }
            assert!(!pair.lock.is_locked());
        },
    );
}

#[test]
fn a_mark_for_moved_waiters_against_a_light_release() {
    explore(
        "condvar: notify of two against a third thread",
        Some(2),
        || {
            let pair = light_pair();
            let waiters = [(); 2].map(|()| {
                let pair = pair.clone();
                thread::spawn(move || {
                    let mut ready = pair.lock.lock();
                    while *ready == 0 {
                        pair.condvar.wait(&mut ready);
                    }
                })
            });
            *pair.lock.lock() = 1;
            let notifier = thread::spawn({
                let pair = pair.clone();
                move || _ = pair.condvar.notify_all()
            });
            drop(pair.lock.lock());
            notifier.join().unwrap();
            for waiter in waiters {
                waiter.join().unwrap();
            }
            assert!(!pair.lock.is_locked());
        },
    );
}
