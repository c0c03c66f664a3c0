//! Many more threads than processors, all of which want one lock: what an operation costs in time, and in processor time, and
//! how long somebody had to wait.
//!
//! Processor time is what each thread has run, as Linux says; elsewhere the column is zero.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

trait Lock: Send + Sync {
    const NAME: &str;
    fn new() -> Self;
    fn with(&self, f: impl FnOnce(&mut u64));
}

impl Lock for tk_lock::Lock<u64> {
    const NAME: &str = "tk";

    fn new() -> Self {
        tk_lock::Lock::new(0)
    }

    fn with(&self, f: impl FnOnce(&mut u64)) {
        f(&mut self.lock());
    }
}

impl Lock for parking_lot::Mutex<u64> {
    const NAME: &str = "parking_lot";

    fn new() -> Self {
        parking_lot::Mutex::new(0)
    }

    fn with(&self, f: impl FnOnce(&mut u64)) {
        f(&mut self.lock());
    }
}

impl Lock for std::sync::Mutex<u64> {
    const NAME: &str = "std";

    fn new() -> Self {
        std::sync::Mutex::new(0)
    }

    fn with(&self, f: impl FnOnce(&mut u64)) {
        f(&mut self.lock().unwrap());
    }
}

/// A plan: how many threads, and how much they do inside the lock and outside.
struct Plan {
    threads: usize,
    inside: u32,
    outside: u32,
}

fn work(n: u32) {
    for i in 0..n {
        black_box(i);
    }
}

/// For how many nanoseconds this thread has run.
fn processor_time() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let time = text.split_ascii_whitespace().next();
    time.and_then(|time| time.parse().ok()).unwrap_or(0)
}

fn measure<L: Lock>(plan: &Plan, length: Duration) {
    let (lock, over) = (L::new(), AtomicBool::new(false));
    let [operations, processor, longest] = [const { AtomicU64::new(0) }; 3];
    let start = Instant::now();
    std::thread::scope(|s| {
        for _ in 0..plan.threads {
            s.spawn(|| {
                let mut done = 0;
                while !over.load(Relaxed) {
                    let start = Instant::now();
                    lock.with(|value| {
                        longest.fetch_max(start.elapsed().as_micros() as u64, Relaxed);
                        *value += 1;
                        work(plan.inside);
                    });
                    work(plan.outside);
                    done += 1;
                }
                operations.fetch_add(done, Relaxed);
                processor.fetch_add(processor_time(), Relaxed);
            });
        }
        std::thread::sleep(length);
        over.store(true, Relaxed);
    });
    let operations = operations.into_inner() as f64;
    println!(
        "{:>7} {:>7} {:>7}  {:<11} {:>10.1} {:>12.1} {:>13.1}",
        plan.threads,
        plan.inside,
        plan.outside,
        L::NAME,
        start.elapsed().as_nanos() as f64 / operations,
        processor.into_inner() as f64 / operations,
        longest.into_inner() as f64 / 1e3,
    );
}

fn main() {
    // As criterion's: to see that it runs.
    let length = match std::env::args().any(|argument| argument == "--test") {
        true => Duration::from_millis(2),
        false => Duration::from_millis(500),
    };
    println!("threads  inside outside  lock        ns per op  processor ns  longest wait ms");
    for (threads, inside, outside) in [
        (2, 200, 400),
        (4, 200, 400),
        (16, 20, 20),
        (16, 200, 400),
        (16, 5_000, 5_000),
        (16, 20_000, 20_000),
        (64, 200, 400),
    ] {
        let plan = Plan {
            threads,
            inside,
            outside,
        };
        measure::<tk_lock::Lock<u64>>(&plan, length);
        measure::<parking_lot::Mutex<u64>>(&plan, length);
        measure::<std::sync::Mutex<u64>>(&plan, length);
    }
}
