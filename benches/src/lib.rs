//! What the benchmarks share: threads that are ready before the clock starts.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;

/// Runs `work` in that many threads at once, each with its number, and returns the time from the moment when all are ready
/// to the moment when all are done.
pub fn together(threads: usize, work: impl Fn(usize) + Sync) -> Duration {
    // Padded: what the threads wait on first is not to share a line with what they work on.
    let start = CachePadded::new(Barrier::new(threads + 1));
    let (start, work) = (&*start, &work);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|number| {
                scope.spawn(move || {
                    start.wait();
                    work(number);
                })
            })
            .collect();
        start.wait();
        let begin = Instant::now();
        for worker in workers {
            worker.join().expect("a benchmark does not panic");
        }
        begin.elapsed()
    })
}

/// Work of about so many nanoseconds that no compiler removes: some arithmetic that depends on itself.
#[inline]
pub fn work(nanoseconds: u64) {
    // One step takes about a nanosecond on a machine of our day. It need not be exact: all contenders do the same.
    let mut x = nanoseconds;
    for _ in 0..nanoseconds {
        x = std::hint::black_box(x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    }
}
