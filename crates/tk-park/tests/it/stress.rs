use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::*};
use std::time::{Duration, Instant};

use tk_park::{Limit, Parked, RequeueOp, StopSource, WaitInfo, park, requeue, unpark_n};
use tk_testing::{Random, Renewed, start};

const SLEEPERS: u64 = 4;
const TIME: Duration = Duration::from_millis(250);

/// As many threads say that they were unparked as were counted, although limits run out and tokens
/// are stopped meanwhile.
#[test]
fn each_wake_up_is_received_by_one_thread() {
    let words = [AtomicU32::new(0), AtomicU32::new(0)];
    let (sent, received) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let over = AtomicBool::new(false);
    // Replaced by the stopper when it has been used up.
    let source = Renewed::new();
    std::thread::scope(|s| {
        for seed in 0..SLEEPERS {
            let (words, received, over, source) = (&words, &received, &over, &source);
            s.spawn(move || {
                let mut random = Random::new(seed + 1);
                while !over.load(Relaxed) {
                    let token = source.token();
                    let limit = Limit::after(random.moment()).or_stop(&token);
                    let wait = WaitInfo::new("test");
                    let word = &words[random.below(2) as usize];
                    if let Ok(Parked::Unparked(_)) = park(word, || true, &wait, limit) {
                        received.fetch_add(1, Relaxed);
                    }
                }
            });
        }
        let stopper = start(s, || {
            while !over.load(Relaxed) {
                source.request_stop();
            }
        });
        let mut random = Random::new(99);
        let start = Instant::now();
        while start.elapsed() < TIME {
            let done = match random.below(3) {
                0 => {
                    let to = &raw const words[1] as usize;
                    // SAFETY: the sleepers take any token.
                    unsafe {
                        requeue(
                            &words[0],
                            to,
                            |_| Some(RequeueOp::UnparkSomeRequeueRest(1)),
                            |_| 1,
                        )
                    }
                    .unwrap()
                }
                n => unpark_n(&words[n as usize - 1], n as usize, |_| 2),
            };
            sent.fetch_add(done.unparked_threads, Relaxed);
        }
        over.store(true, Relaxed);
        stopper.join();
    });
    assert_eq!(sent.into_inner(), received.into_inner());
}

/// Callbacks race their own removal: each has run or has not when its handle is gone, and does not
/// run later.
#[test]
fn no_callback_runs_after_its_handle_is_gone() {
    let start_time = Instant::now();
    let mut rounds = 0;
    while start_time.elapsed() < TIME {
        rounds += 1;
        let source = StopSource::new();
        let token = source.token();
        let gone = std::sync::Arc::new(AtomicBool::new(false));
        std::thread::scope(|s| {
            s.spawn(|| {
                let callback = token.on_stop({
                    let gone = std::sync::Arc::clone(&gone);
                    move || assert!(!gone.load(Acquire))
                });
                drop(callback);
                gone.store(true, Release);
            });
            source.request_stop();
        });
    }
    assert!(rounds > 0);
}
