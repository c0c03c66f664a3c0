//! Rounds for the barrier.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use tk_barrier::{Barrier, BarrierError};
use tk_park::WaitError;

use crate::round::{Limits, Round, Tally};

/// All pass, lap after lap, and each lap gives each index once.
pub fn laps(round: &Round) -> Tally {
    let parties = round.threads;
    let barrier = Barrier::new(parties);
    let sums = [AtomicUsize::new(0), AtomicUsize::new(0)];
    let last_lap = AtomicUsize::new(usize::MAX);
    round.run(
        |worker| {
            let mut lap = 0;
            loop {
                let mut index = 0;
                worker.wait(Limits::None, |limit| {
                    index = barrier.wait_with(limit).expect("nobody breaks it");
                    Ok(())
                });
                sums[lap % 2].fetch_add(index, SeqCst);
                worker.work();
                let second = barrier.wait().expect("nobody breaks it");
                // All have added, and nobody adds to this one before the next passage.
                if second == 0 {
                    let sum = sums[lap % 2].swap(0, SeqCst);
                    assert_eq!(sum, parties * (parties - 1) / 2, "the sum of the indices");
                    if worker.is_expired() {
                        last_lap.store(lap, SeqCst);
                    }
                }
                barrier.wait().expect("nobody breaks it");
                if last_lap.load(SeqCst) == lap {
                    return;
                }
                lap += 1;
            }
        },
        || {},
    )
}

/// Parties give up, abort and reset. A party passes only together with all others of the lap.
pub fn limits(round: &Round) -> Tally {
    let parties = round.threads.min(1 + round.seed as usize % 8);
    let barrier = Barrier::new(parties);
    let passed = AtomicUsize::new(0);
    let tally = round.run(
        |worker| {
            while !worker.is_expired() {
                if worker.random.one_in(64) {
                    barrier.abort();
                }
                let mut broken = None;
                worker.wait(Limits::Any, |limit| match barrier.wait_with(limit) {
                    Ok(index) => {
                        assert!(index < parties);
                        passed.fetch_add(1, SeqCst);
                        Ok(())
                    }
                    Err(error) => {
                        broken = Some(error);
                        match error {
                            BarrierError::TimedOut => Err(WaitError::TimedOut),
                            BarrierError::Stopped => Err(WaitError::Stopped),
                            BarrierError::NotAdmitted(own) => Err(own),
                            _ => Ok(()),
                        }
                    }
                });
                if broken.is_some_and(|error| error.is_broken()) {
                    if worker.random.one_in(16) {
                        barrier.reset();
                    } else {
                        barrier.reset_if_broken();
                    }
                }
            }
        },
        || barrier.abort(),
    );
    assert_eq!(
        passed.into_inner() % parties,
        0,
        "a lap that only some have passed"
    );
    tally
}
