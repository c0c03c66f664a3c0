use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};
use std::time::{Duration, Instant};

use tk_lock::{Lock, LockExt, LockGuard, RawLock};
use tk_park::Limit;
use tk_testing::{Random, Renewed, start};

const THREADS: u64 = 4;
const TIME: Duration = Duration::from_millis(250);

/// A number without any protection of its own.
struct Plain(UnsafeCell<u64>);

// SAFETY: used only by the holder of the lock beside it, which is what is tested.
unsafe impl Sync for Plain {}

#[test]
fn one_thread_at_a_time_whatever_times_out_or_stops() {
    let lock = RawLock::new();
    let count = Plain(UnsafeCell::new(0));
    let taken = AtomicU64::new(0);
    let over = AtomicBool::new(false);
    let source = Renewed::new();
    std::thread::scope(|s| {
        let threads: Vec<_> = (0..THREADS)
            .map(|seed| {
                let (lock, count, taken, over, source) = (&lock, &count, &taken, &over, &source);
                start(s, move || {
                    let mut random = Random::new(seed + 1);
                    while !over.load(Relaxed) {
                        let token = source.token();
                        let got = match random.below(4) {
                            0 => {
                                lock.acquire();
                                true
                            }
                            1 => lock.acquire_for(random.moment()),
                            2 => lock.try_acquire(),
                            _ => {
                                let limit = Limit::after(random.moment()).or_stop(&token);
                                lock.acquire_with(limit).is_ok()
                            }
                        };
                        if got {
                            // SAFETY: the lock is held.
                            unsafe { *count.0.get() += 1 };
                            taken.fetch_add(1, Relaxed);
                            if random.below(64) == 0 {
                                std::thread::yield_now();
                            }
                            lock.release().unwrap();
                        }
                    }
                })
            })
            .collect();
        let start = Instant::now();
        while start.elapsed() < TIME {
            source.request_stop();
            std::thread::yield_now();
        }
        over.store(true, Relaxed);
        threads.into_iter().for_each(|thread| thread.join());
    });
    assert!(!lock.is_locked());
    assert_eq!(count.0.into_inner(), taken.into_inner());
}

#[test]
fn fair_and_unfair_releases_lose_nobody() {
    let lock = Lock::new(0u64);
    let taken = AtomicU64::new(0);
    std::thread::scope(|s| {
        let threads: Vec<_> = (0..THREADS)
            .map(|seed| {
                let (lock, taken) = (&lock, &taken);
                start(s, move || {
                    let mut random = Random::new(seed + 1);
                    for _ in 0..2_000 {
                        let guard = match random.below(3) {
                            0 => lock.lock_with(random.moment()).ok(),
                            _ => Some(lock.lock()),
                        };
                        let Some(mut guard) = guard else { continue };
                        *guard += 1;
                        taken.fetch_add(1, Relaxed);
                        match random.below(8) {
                            0 => LockGuard::unlock_fair(guard),
                            _ => drop(guard),
                        }
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join());
    });
    assert_eq!(lock.into_inner(), taken.into_inner());
}
