use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::*};
use std::time::{Duration, Instant};

use tk_park::Limit;
use tk_semaphore::Semaphore;
use tk_testing::{Random, Renewed, start};

const PERMITS: usize = 4;

/// No permit is lost or made, although calls want different numbers, time out and are stopped.
#[test]
fn permits_are_conserved() {
    let semaphore = Semaphore::new(PERMITS);
    let out = AtomicUsize::new(0);
    let over = AtomicBool::new(false);
    let source = Renewed::new();
    std::thread::scope(|s| {
        let threads: Vec<_> = (0..5)
            .map(|seed| {
                let (semaphore, out, over, source) = (&semaphore, &out, &over, &source);
                start(s, move || {
                    let mut random = Random::new(seed + 1);
                    while !over.load(Relaxed) {
                        let token = source.token();
                        let n = random.below(PERMITS as u64 + 1) as usize;
                        let permit = match random.below(4) {
                            0 => semaphore.acquire_many_with(n, Limit::never()).ok(),
                            1 => semaphore.try_acquire_many(n),
                            2 => semaphore.acquire_many_with(n, random.moment()).ok(),
                            _ => {
                                let limit = Limit::after(random.moment()).or_stop(&token);
                                semaphore.acquire_many_with(n, limit).ok()
                            }
                        };
                        let Some(permit) = permit else { continue };
                        assert!(out.fetch_add(n, Relaxed) + n <= PERMITS);
                        if random.below(16) == 0 {
                            std::thread::yield_now();
                        }
                        out.fetch_sub(n, Relaxed);
                        if random.below(2) == 0 {
                            permit.forget();
                            semaphore.release(n).unwrap();
                        }
                    }
                })
            })
            .collect();
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(300) {
            source.request_stop();
            std::thread::yield_now();
        }
        over.store(true, Relaxed);
        threads.into_iter().for_each(|thread| thread.join());
    });
    assert_eq!(semaphore.available(), PERMITS);
    assert_eq!(
        semaphore
            .acquire_many_with(PERMITS, Limit::never())
            .unwrap()
            .count(),
        PERMITS
    );
}
