//! Locks that have been used by one thread at a time for a while: their guards release them with a
//! plain store.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tk_lock::{Lock, LockExt, RLock, StopSource};
use tk_testing::start_parked;

/// More than a lock needs before its releases are light.
const USES: usize = 5_000;

/// A lock that has been in use.
fn used() -> Lock<usize> {
    let lock = Lock::new(0);
    for _ in 0..USES {
        *lock.lock() += 1;
    }
    lock
}

#[test]
fn the_release_of_a_used_lock_wakes_a_sleeper() {
    for _ in 0..20 {
        let lock = used();
        std::thread::scope(|s| {
            let guard = lock.lock();
            let sleeper = start_parked(s, "lock", || *lock.lock() += 1);
            drop(guard);
            sleeper.join();
        });
        assert_eq!(lock.into_inner(), USES + 1);
    }
}

#[test]
fn a_lock_that_is_light_again_wakes_a_sleeper() {
    // More than the releases after a sleep that are not light.
    const AGAIN: usize = 1_500_000;
    let lock = used();
    for _ in 0..2 {
        std::thread::scope(|s| {
            let guard = lock.lock();
            let sleeper = start_parked(s, "lock", || *lock.lock() += 1);
            drop(guard);
            sleeper.join();
        });
        for _ in 0..AGAIN {
            *lock.lock() += 1;
        }
    }
    assert_eq!(lock.into_inner(), USES + 2 * (1 + AGAIN));
}

#[test]
fn all_sleepers_of_a_used_lock_get_it() {
    let lock = used();
    std::thread::scope(|s| {
        let guard = lock.lock();
        let sleepers: Vec<_> = (0..20)
            .map(|_| start_parked(s, "lock", || *lock.lock() += 1))
            .collect();
        drop(guard);
        sleepers.into_iter().for_each(|sleeper| sleeper.join());
    });
    assert_eq!(lock.into_inner(), USES + 20);
}

#[test]
fn a_sleeper_of_a_used_lock_that_gives_up_leaves_it_to_the_next() {
    let (lock, stop) = (used(), StopSource::new());
    std::thread::scope(|s| {
        let guard = lock.lock();
        let hasty = start_parked(s, "lock", || lock.lock_with(&stop.token()).is_ok());
        stop.request_stop();
        assert!(!hasty.join());
        let patient = start_parked(s, "lock", || *lock.lock() += 1);
        drop(guard);
        patient.join();
    });
    assert_eq!(lock.into_inner(), USES + 1);
}

#[test]
fn a_used_lock_excludes() {
    const THREADS: usize = 4;
    const ROUNDS: usize = 300;
    let lock = used();
    let inside = AtomicUsize::new(0);
    std::thread::scope(|s| {
        for _ in 0..THREADS {
            s.spawn(|| {
                for round in 0..ROUNDS {
                    let mut guard = lock.lock();
                    assert_eq!(inside.fetch_add(1, Relaxed), 0);
                    *guard += 1;
                    if round % 16 == 0 {
                        // Time passes, so that some of the others stop spinning and fall asleep.
                        // The lock excludes in either case.
                        std::thread::sleep(Duration::from_micros(50));
                    }
                    inside.fetch_sub(1, Relaxed);
                }
            });
        }
    });
    assert_eq!(lock.into_inner(), USES + THREADS * ROUNDS);
}

#[test]
fn a_used_lock_that_is_leaked_stays_held() {
    let lock = used();
    std::mem::forget(lock.lock());
    assert!(lock.is_locked());
    assert!(lock.try_lock().is_none());
    assert_eq!(
        lock.lock_with(Duration::ZERO).err(),
        Some(tk_lock::WaitError::TimedOut)
    );
    // SAFETY: the guard is gone, so nobody uses the value.
    unsafe { lock.force_unlock(lock_api::GuardNoSend::new()) };
    assert!(lock.try_lock().is_some());
}

#[test]
fn the_last_release_of_a_used_reentrant_lock_wakes_a_sleeper() {
    let lock = RLock::new(AtomicUsize::new(0));
    for _ in 0..USES {
        let _outer = lock.lock();
        lock.lock().fetch_add(1, Relaxed);
    }
    std::thread::scope(|s| {
        let guards = (lock.lock(), lock.lock());
        let sleeper = start_parked(s, "lock", || {
            lock.lock().fetch_add(1, Relaxed);
            lock.recursion_count()
        });
        drop(guards);
        assert_eq!(sleeper.join(), 0);
    });
    assert_eq!(lock.lock().load(Relaxed), USES + 1);
    assert!(!lock.is_locked());
}
