//! Rounds for the locks.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tk_lock::{Lock, LockExt, LockGuard, RLock, RLockGuard, RawLock};

use crate::round::{Fairness, Limits, Round, Tally};

/// A number that is right only if one thread at a time adds to it.
#[derive(Default)]
struct Fragile(AtomicU64);

impl Fragile {
    fn add(&self) {
        let value = self.0.load(Relaxed);
        std::hint::black_box(&value);
        self.0.store(value + 1, Relaxed);
    }
}

pub fn raw(round: &Round) -> Tally {
    let (lock, inside, granted) = (RawLock::new(), Fragile::default(), AtomicU64::new(0));
    let tally = round.run(
        |worker| {
            while !worker.is_expired() {
                let got = if worker.random.one_in(8) {
                    lock.try_acquire()
                } else {
                    worker.wait(Limits::Any, |limit| lock.acquire_with(limit))
                };
                if got {
                    inside.add();
                    worker.work();
                    inside.add();
                    granted.fetch_add(2, Relaxed);
                    lock.release().expect("it is held");
                }
            }
        },
        || {},
    );
    assert_eq!(
        inside.0.into_inner(),
        granted.into_inner(),
        "two threads were inside"
    );
    assert!(!lock.is_locked(), "nobody has it");
    tally
}

pub fn guarding(round: &Round) -> Tally {
    let (lock, granted) = (Lock::new(0), AtomicU64::new(0));
    let tally = round.run(
        |worker| {
            while !worker.is_expired() {
                let mut guard = None;
                worker.wait(Limits::Any, |limit| {
                    guard = Some(lock.lock_with(limit)?);
                    Ok(())
                });
                let Some(mut guard) = guard else { continue };
                *guard += 1;
                worker.work();
                granted.fetch_add(1, Relaxed);
                if worker.random.one_in(16) {
                    LockGuard::unlock_fair(guard);
                }
            }
        },
        || {},
    );
    assert_eq!(
        lock.into_inner(),
        granted.into_inner(),
        "two threads were inside"
    );
    tally
}

pub fn reentrant(round: &Round) -> Tally {
    let (lock, granted) = (RLock::new(Cell::new(0)), AtomicU64::new(0));
    let tally = round.run(
        |worker| {
            while !worker.is_expired() {
                let mut guard = None;
                worker.wait(Limits::Any, |limit| {
                    guard = Some(lock.lock_with(limit)?);
                    Ok(())
                });
                let Some(outer) = guard else { continue };
                let inner = lock.lock();
                inner.set(inner.get() + 1);
                worker.work();
                assert_eq!(lock.recursion_count(), 2);
                granted.fetch_add(1, Relaxed);
                drop(outer);
                if worker.random.one_in(16) {
                    RLockGuard::unlock_fair(inner);
                }
            }
        },
        || {},
    );
    assert!(!lock.is_locked(), "nobody has it");
    assert_eq!(
        lock.into_inner().get(),
        granted.into_inner(),
        "two threads were inside"
    );
    tally
}

/// Everybody wants the lock all the time, without a limit.
pub fn waits(round: &Round) -> Tally {
    let (lock, fairness) = (Lock::new(0_u64), Fairness::new(round));
    let tally = round.run(
        |worker| {
            while !worker.is_expired() {
                fairness.measure(worker, |worker| {
                    let mut guard = None;
                    worker.wait(Limits::None, |limit| {
                        guard = Some(lock.lock_with(limit)?);
                        Ok(())
                    });
                    fairness.hold();
                });
            }
        },
        || {},
    );
    fairness.check(tally.longest);
    tally
}
