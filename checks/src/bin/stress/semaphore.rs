//! Rounds for the semaphores.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use tk_park::WaitError;
use tk_semaphore::{AcquireError, BoundedSemaphore, Semaphore};

use crate::round::{Fairness, Limits, Round, Tally};

/// The permits that threads have taken: never more than the semaphore has.
struct Inside {
    permits: usize,
    taken: AtomicUsize,
}

impl Inside {
    fn new(permits: usize) -> Inside {
        Inside {
            permits,
            taken: AtomicUsize::new(0),
        }
    }

    fn enter(&self, n: usize) {
        let taken = self.taken.fetch_add(n, SeqCst) + n;
        assert!(
            taken <= self.permits,
            "{taken} of {} permits are taken",
            self.permits
        );
    }

    fn leave(&self, n: usize) {
        self.taken.fetch_sub(n, SeqCst);
    }
}

fn limit_reached(error: AcquireError) -> WaitError {
    match error {
        AcquireError::TimedOut => WaitError::TimedOut,
        AcquireError::Stopped => WaitError::Stopped,
        other => panic!("{other}"),
    }
}

pub fn counting(round: &Round) -> Tally {
    let permits = 1 + round.seed as usize % 8;
    let (semaphore, inside) = (Arc::new(Semaphore::new(permits)), Inside::new(permits));
    let tally = round.run(
        |worker| {
            while !worker.is_expired() {
                let n = 1 + worker.random.below(permits as u64) as usize;
                if worker.random.one_in(4) {
                    let mut owned = None;
                    worker.wait(Limits::Any, |limit| {
                        let permit = semaphore.acquire_many_owned_with(n, limit);
                        owned = Some(permit.map_err(limit_reached)?);
                        Ok(())
                    });
                    let Some(permit) = owned else { continue };
                    inside.enter(permit.count());
                    worker.work();
                    inside.leave(permit.count());
                    continue;
                }
                let mut permit = None;
                if worker.random.one_in(8) {
                    permit = semaphore.try_acquire_many(n);
                } else {
                    worker.wait(Limits::Any, |limit| {
                        let acquired = semaphore.acquire_many_with(n, limit);
                        permit = Some(acquired.map_err(limit_reached)?);
                        Ok(())
                    });
                }
                let Some(permit) = permit else { continue };
                inside.enter(n);
                worker.work();
                inside.leave(n);
                if worker.random.one_in(4) {
                    permit.forget();
                    semaphore.release(n).expect("there is room for them");
                }
            }
        },
        || {},
    );
    assert_eq!(semaphore.available(), permits, "permits at the end");
    tally
}

pub fn bounded(round: &Round) -> Tally {
    let permits = 1 + round.seed as usize % 4;
    let (semaphore, inside) = (BoundedSemaphore::new(permits), Inside::new(permits));
    let tally = round.run(
        |worker| {
            while !worker.is_expired() {
                let mut permit = None;
                worker.wait(Limits::Any, |limit| {
                    permit = Some(semaphore.acquire_with(limit)?);
                    Ok(())
                });
                let Some(permit) = permit else { continue };
                inside.enter(1);
                assert!(semaphore.release(permits + 1).is_err());
                worker.work();
                inside.leave(1);
                drop(permit);
            }
        },
        || {},
    );
    assert_eq!(semaphore.available(), permits, "permits at the end");
    tally
}

/// Everybody wants permits all the time, one thread all of them, without a limit.
pub fn waits(round: &Round) -> Tally {
    let permits = 1 + round.seed as usize % 4;
    let (semaphore, fairness) = (Semaphore::new(permits), Fairness::new(round));
    let tally = round.run(
        |worker| {
            let n = if worker.number == 0 { permits } else { 1 };
            while !worker.is_expired() {
                fairness.measure(worker, |worker| {
                    let mut permit = None;
                    worker.wait(Limits::None, |limit| {
                        let acquired = semaphore.acquire_many_with(n, limit);
                        permit = Some(acquired.map_err(limit_reached)?);
                        Ok(())
                    });
                    fairness.hold();
                });
            }
        },
        || {},
    );
    fairness.check(tally.longest);
    assert_eq!(semaphore.available(), permits, "permits at the end");
    tally
}
