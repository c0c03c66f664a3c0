use std::sync::atomic::{AtomicU32, Ordering::*};

/// A word with a cache line of its own.
#[derive(Default)]
#[repr(align(128))]
struct Apart(AtomicU32);

/// Two threads each write one word and then read the other's, round after round, with these fences
/// in between. Returns in how many rounds neither has read what the other has written.
pub fn rounds_missed(rounds: u32, often: impl Fn() + Sync, rarely: impl Fn()) -> usize {
    let (a, b, round) = (Apart::default(), Apart::default(), Apart::default());
    let (seen, mut missed) = (Apart::default(), 0);
    std::thread::scope(|s| {
        s.spawn(|| {
            for now in 1..=rounds {
                let mut looks = 0;
                while round.0.load(Relaxed) < now {
                    looks += 1;
                    if looks % 1000 == 0 {
                        std::thread::yield_now();
                    }
                }
                a.0.store(now, Relaxed);
                often();
                let sees = b.0.load(Relaxed) == now;
                // The other thread waits for this. Twice the round, so that it differs each time.
                seen.0.store(2 * now + u32::from(sees), Release);
            }
        });
        for now in 1..=rounds {
            round.0.store(now, Relaxed);
            // Until the other thread has seen it, which takes a different time on each machine.
            for step in 0..now % 512 {
                std::hint::black_box(step);
            }
            b.0.store(now, Relaxed);
            rarely();
            let sees = a.0.load(Relaxed) == now;
            let other = loop {
                match seen.0.load(Acquire) {
                    seen if seen >= 2 * now => break seen == 2 * now + 1,
                    _ => std::thread::yield_now(),
                }
            };
            if !sees && !other {
                missed += 1;
            }
        }
    });
    missed
}
