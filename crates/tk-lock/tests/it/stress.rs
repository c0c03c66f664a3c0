use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};
use std::time::{Duration, Instant};

use tk_lock::{
    Lock, LockExt, LockGuard, RawLock, RwLock, RwLockExt, RwLockReadGuard,
    RwLockUpgradableReadGuard, RwLockWriteGuard,
};
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

#[test]
fn readers_and_writers_exclude_each_other_whatever_times_out_or_stops() {
    // Two numbers that are the same unless a thread writes.
    let lock = RwLock::new([0u64; 2]);
    let written = AtomicU64::new(0);
    let over = AtomicBool::new(false);
    let source = Renewed::new();
    let see = |numbers: &[u64; 2]| assert_eq!(numbers[0], numbers[1]);
    let write = |numbers: &mut [u64; 2]| {
        numbers[0] += 1;
        std::hint::black_box(&mut *numbers);
        numbers[1] += 1;
        written.fetch_add(1, Relaxed);
    };
    std::thread::scope(|s| {
        let threads: Vec<_> = (0..THREADS)
            .map(|seed| {
                let (lock, over, source, see, write) = (&lock, &over, &source, &see, &write);
                start(s, move || {
                    let mut random = Random::new(seed + 1);
                    while !over.load(Relaxed) {
                        // Some hundred reads in a row, so that both modes have their turn.
                        for _ in 0..random.below(200) {
                            see(&lock.read());
                        }
                        let token = source.token();
                        let limit = Limit::after(random.moment()).or_stop(&token);
                        match random.below(8) {
                            0 => write(&mut lock.write()),
                            1 => {
                                if let Some(mut guard) = lock.try_write() {
                                    write(&mut guard);
                                }
                            }
                            2 => {
                                if let Ok(mut guard) = lock.write_with(limit) {
                                    write(&mut guard);
                                    let guard = RwLockWriteGuard::downgrade(guard);
                                    see(&guard);
                                }
                            }
                            3 => {
                                if let Ok(outer) = lock.read_with(limit) {
                                    see(&outer);
                                    let inner = lock.read();
                                    drop(outer);
                                    see(&inner);
                                    RwLockReadGuard::unlock_fair(inner);
                                }
                            }
                            4 => {
                                if let Ok(guard) = lock.upgradable_read_with(limit) {
                                    let before = *guard;
                                    let timeout = random.moment();
                                    match RwLockUpgradableReadGuard::try_upgrade_for(guard, timeout)
                                    {
                                        Ok(mut guard) => {
                                            assert_eq!(*guard, before);
                                            write(&mut guard);
                                        }
                                        Err(guard) => see(&guard),
                                    }
                                }
                            }
                            5 => {
                                let guard = lock.upgradable_read();
                                let before = *guard;
                                let mut guard = RwLockUpgradableReadGuard::upgrade(guard);
                                assert_eq!(*guard, before);
                                write(&mut guard);
                                let guard = RwLockWriteGuard::downgrade_to_upgradable(guard);
                                see(&guard);
                                drop(RwLockUpgradableReadGuard::downgrade(guard));
                            }
                            6 => {
                                let mut guard = lock.write();
                                write(&mut guard);
                                RwLockWriteGuard::bump(&mut guard);
                                see(&guard);
                                RwLockWriteGuard::unlock_fair(guard);
                            }
                            _ => {
                                let mut guard = lock.read();
                                RwLockReadGuard::bump(&mut guard);
                                see(&guard);
                                std::thread::yield_now();
                            }
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
    assert_eq!(lock.into_inner(), [written.into_inner(); 2]);
}
