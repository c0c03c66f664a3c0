use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::*};
use std::time::{Duration, Instant};

use tk_condvar::{Condition, Condvar};
use tk_lock::Lock;
use tk_park::Limit;
use tk_testing::{Random, Renewed, start, until};

/// The threads that are counted as notified are those whose waits succeed, whatever times out or is
/// stopped meanwhile.
#[test]
fn each_notification_is_received_by_one_thread() {
    let (condvar, lock) = (Condvar::new(), Lock::new(0usize));
    let sent = AtomicUsize::new(0);
    let over = AtomicBool::new(false);
    let source = Renewed::new();
    std::thread::scope(|s| {
        let waiters: Vec<_> = (0..4)
            .map(|seed| {
                let (condvar, lock, over, source) = (&condvar, &lock, &over, &source);
                start(s, move || {
                    let mut random = Random::new(seed + 1);
                    while !over.load(Relaxed) {
                        let token = source.token();
                        let limit = Limit::after(random.moment()).or_stop(&token);
                        let mut received = lock.lock();
                        if condvar.wait_with(&mut received, limit).is_ok() {
                            *received += 1;
                        }
                    }
                })
            })
            .collect();
        let mut random = Random::new(9);
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(300) {
            let guard = (random.below(2) == 0).then(|| lock.lock());
            let n = match random.below(3) {
                0 => condvar.notify_all(),
                n => condvar.notify(n as usize),
            };
            sent.fetch_add(n, Relaxed);
            drop(guard);
            if random.below(4) == 0 {
                source.request_stop();
            }
        }
        over.store(true, Relaxed);
        waiters.into_iter().for_each(|waiter| waiter.join());
    });
    assert_eq!(sent.into_inner(), lock.into_inner());
}

/// A queue of jobs: each job that is put in comes out once, and no thread waits forever.
#[test]
fn every_job_is_done_once() {
    const JOBS: usize = 3_000;
    let queue = Condition::new((Vec::new(), 0));
    let done = AtomicUsize::new(0);
    std::thread::scope(|s| {
        let workers: Vec<_> = (0..3)
            .map(|_| {
                start(s, || {
                    loop {
                        let mut jobs = queue.lock();
                        jobs.wait_while(|(jobs, left)| jobs.is_empty() && *left < JOBS);
                        let Some(()) = jobs.0.pop() else { return };
                        jobs.1 += 1;
                        if jobs.1 == JOBS {
                            jobs.notify_all();
                        }
                        drop(jobs);
                        done.fetch_add(1, Relaxed);
                    }
                })
            })
            .collect();
        for _ in 0..JOBS {
            queue.lock().0.push(());
            queue.notify(1);
        }
        until("all is done", || done.load(Relaxed) == JOBS);
        workers.into_iter().for_each(|worker| worker.join());
    });
}
