use std::sync::atomic::{AtomicUsize, Ordering::*};
use std::time::Duration;

use tk_barrier::{Barrier, BarrierError};

use crate::parked::{Random, Running, start};

/// Of one round all parties say the same, whatever times out; after a reset all is well again.
#[test]
fn all_parties_of_a_round_agree() {
    const PARTIES: usize = 3;
    for seed in 0..300 {
        let barrier = Barrier::new(PARTIES);
        let passed: usize = std::thread::scope(|s| {
            let barrier = &barrier;
            let threads: Vec<_> = (0..PARTIES as u64)
                .map(|n| {
                    start(s, move || {
                        let mut random = Random::new(seed * 8 + n);
                        let timeout = random.moment();
                        match barrier.wait_for(timeout) {
                            Ok(_) => 1,
                            Err(BarrierError::TimedOut) => 0,
                            Err(other) => panic!("{other}"),
                        }
                    })
                })
                .collect();
            threads.into_iter().map(Running::join).sum()
        });
        assert!(passed == 0 || passed == PARTIES, "{passed} passed");
        assert_eq!(barrier.is_broken(), passed == 0);
    }
}

/// Rounds go on while others abort and reset.
#[test]
fn parties_come_together_again_after_every_reset() {
    let barrier = Barrier::new(2);
    let passed = AtomicUsize::new(0);
    std::thread::scope(|s| {
        let threads: Vec<_> = (0..2)
            .map(|_| {
                start(s, || {
                    while passed.load(Relaxed) < 400 {
                        match barrier.wait_for(Duration::from_millis(10)) {
                            Ok(_) => {
                                passed.fetch_add(1, Relaxed);
                            }
                            Err(_) => std::thread::yield_now(),
                        }
                    }
                })
            })
            .collect();
        let mut random = Random::new(5);
        while !threads.iter().all(Running::is_finished) {
            if random.below(4) == 0 {
                barrier.abort();
            }
            std::thread::sleep(random.moment());
            barrier.reset();
            std::thread::sleep(random.moment());
        }
        threads.into_iter().for_each(Running::join);
    });
}
