use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};
use std::time::{Duration, Instant};

use tk_event::Event;
use tk_park::Limit;
use tk_testing::{Random, Renewed, start, until};

/// A waiter without a limit is released by each set, also when others time out and stop around it.
#[test]
fn no_set_is_missed_whatever_times_out_or_stops() {
    let (event, over) = (Event::new(), AtomicBool::new(false));
    let released = AtomicU64::new(0);
    let source = Renewed::new();
    std::thread::scope(|s| {
        let patient = start(s, || {
            while !over.load(Relaxed) {
                assert!(event.wait());
                released.fetch_add(1, Relaxed);
            }
        });
        let hasty: Vec<_> = (0..3)
            .map(|seed| {
                let (event, over, source) = (&event, &over, &source);
                start(s, move || {
                    let mut random = Random::new(seed + 1);
                    while !over.load(Relaxed) {
                        let token = source.token();
                        let limit = Limit::after(random.moment()).or_stop(&token);
                        let _ = event.wait_with(limit);
                    }
                })
            })
            .collect();
        let mut random = Random::new(7);
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(250) {
            let before = released.load(Relaxed);
            event.set();
            if random.below(2) == 0 {
                source.request_stop();
            }
            until("the patient one is released", || {
                released.load(Relaxed) > before
            });
            event.clear();
        }
        over.store(true, Relaxed);
        event.set();
        patient.join();
        hasty.into_iter().for_each(|waiter| waiter.join());
    });
}

/// Two threads take turns through two events, each cleared right after it is set.
#[test]
fn ping_pong_by_set_and_clear() {
    let (ping, pong) = (Event::new(), Event::new());
    std::thread::scope(|s| {
        let other = start(s, || {
            for _ in 0..2_000 {
                ping.wait();
                ping.clear();
                pong.set();
            }
        });
        for _ in 0..2_000 {
            ping.set();
            assert!(pong.wait());
            pong.clear();
        }
        other.join();
    });
}
