use std::sync::atomic::{AtomicUsize, Ordering::*};
use std::time::Duration;

use tk_barrier::{Barrier, BarrierError, WaitError};
use tk_testing::{Random, Running, start};

/// All parties of a round pass, or exactly one of them says that its time broke the round, and the
/// others that it was another's.
#[test]
fn all_parties_of_a_round_agree() {
    const PARTIES: usize = 3;
    for seed in 0..300 {
        let barrier = Barrier::new(PARTIES);
        let outcomes: Vec<_> = std::thread::scope(|s| {
            let barrier = &barrier;
            let threads: Vec<_> = (0..PARTIES as u64)
                .map(|n| {
                    start(s, move || {
                        let mut random = Random::new(seed * 8 + n);
                        barrier.wait_for(random.moment())
                    })
                })
                .collect();
            threads.into_iter().map(Running::join).collect()
        });
        let count = |wanted: fn(&Result<usize, BarrierError>) -> bool| {
            outcomes.iter().filter(|outcome| wanted(outcome)).count()
        };
        let passed = count(|outcome| outcome.is_ok());
        let broke_it = count(|outcome| *outcome == Err(BarrierError::TimedOut));
        let others = Err(BarrierError::Broken(WaitError::TimedOut));
        let others = outcomes
            .iter()
            .filter(|&&outcome| outcome == others)
            .count();
        let counts = (passed, broke_it, others);
        assert!(
            counts == (PARTIES, 0, 0) || counts == (0, 1, PARTIES - 1),
            "{outcomes:?}"
        );
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
