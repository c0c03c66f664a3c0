//! How a workload is measured: the [`Sample`], threads that are held until all are ready, and work
//! of a known length.

use std::hint::black_box;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::*};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;

use crate::statistics::{median, quantile};
use crate::usage::Usage;

/// The result of one measurement of one contender. Times are in nanoseconds; lower is better.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// The figure: the time of one operation.
    pub cost: f64,
    /// How long the timed region was.
    pub elapsed: Duration,
    /// Processor time of one operation, over all threads.
    pub processor: f64,
    /// How often a thread went to sleep, per operation.
    pub switches: f64,
    /// Jain's index over the operations of the threads.
    pub fairness: Option<f64>,
    /// The longest that a thread had to wait.
    pub longest: Option<f64>,
    /// The times by kind, where threads read and write.
    pub per_kind: Option<PerKind>,
    /// All latencies, if the case is about their distribution.
    pub latencies: Vec<f64>,
}

/// The time of one operation of each kind, over all threads: one divided by the throughput.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PerKind {
    /// Of a read.
    pub read: f64,
    /// Of a write.
    pub write: f64,
}

impl Sample {
    /// The sample of so many operations that took that long.
    pub fn new(operations: u64, elapsed: Duration, usage: Usage) -> Sample {
        let operations = operations as f64;
        Sample {
            cost: elapsed.as_nanos() as f64 / operations,
            elapsed,
            processor: usage.processor.as_nanos() as f64 / operations,
            switches: usage.switches as f64 / operations,
            ..Sample::default()
        }
    }

    /// A sample whose figure is that quantile of these latencies, in nanoseconds.
    pub fn of_latencies(latencies: Vec<f64>, part: f64, elapsed: Duration, usage: Usage) -> Sample {
        Sample {
            cost: quantile(&latencies, part),
            latencies: latencies.clone(),
            ..Sample::new(latencies.len() as u64, elapsed, usage)
        }
    }
}

/// Into how many slices a measurement of one thread is cut.
const SLICES: u64 = 16;

/// Measures that many calls of `f` in the calling thread. The cost is the median over a few slices,
/// so that an interruption during one of them does not count.
pub fn repeat(operations: u64, mut f: impl FnMut()) -> Sample {
    let slice = operations.div_ceil(SLICES);
    let (mut left, mut costs) = (operations, Vec::with_capacity(SLICES as usize));
    let before = Usage::of_thread();
    let mut elapsed = Duration::ZERO;
    while left > 0 {
        let calls = slice.min(left);
        let start = Instant::now();
        for _ in 0..calls {
            f();
        }
        let time = start.elapsed();
        costs.push(time.as_nanos() as f64 / calls as f64);
        elapsed += time;
        left -= calls;
    }
    Sample {
        cost: median(&costs),
        ..Sample::new(operations, elapsed, Usage::of_thread() - before)
    }
}

/// Measures `f`, and the work of other threads of the program for it.
pub fn whole(operations: u64, f: impl FnOnce()) -> Sample {
    let before = Usage::of_process();
    let start = Instant::now();
    f();
    let elapsed = start.elapsed();
    Sample::new(operations, elapsed, Usage::of_process() - before)
}

/// The result of threads that ran at the same time.
pub struct Together<R> {
    /// When the first of them began.
    pub begin: Instant,
    /// When the last of them ended.
    pub end: Instant,
    /// The processor time and the switches of all of them, from the start line to the end of their
    /// work.
    pub usage: Usage,
    /// The value that each of them returned, in the order of their numbers.
    pub results: Vec<R>,
}

impl<R> Together<R> {
    /// The time from the first beginning to the last end.
    pub fn elapsed(&self) -> Duration {
        self.end - self.begin
    }
}

/// Calls `work` in that many threads at the same time, each with its number. The threads are
/// started before and held at a line until all are there, so that neither the start nor the end of
/// a thread is timed.
pub fn together<R: Send>(threads: usize, work: impl Fn(usize) -> R + Sync) -> Together<R> {
    let line = StartLine::new(threads);
    let (line, work) = (&line, &work);
    let run = move |number| {
        line.wait();
        let before = Usage::of_thread();
        let begin = Instant::now();
        let result = work(number);
        let end = Instant::now();
        (begin, end, Usage::of_thread() - before, result)
    };
    let ran: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|n| scope.spawn(move || run(n))).collect();
        let ran = threads.into_iter().map(|thread| thread.join());
        ran.map(|ran| ran.expect("a workload does not panic"))
            .collect()
    });
    Together {
        begin: ran
            .iter()
            .map(|ran| ran.0)
            .min()
            .expect("a workload has threads"),
        end: ran
            .iter()
            .map(|ran| ran.1)
            .max()
            .expect("a workload has threads"),
        usage: ran.iter().map(|ran| ran.2).sum(),
        results: ran.into_iter().map(|ran| ran.3).collect(),
    }
}

/// A line at which threads wait without going to sleep, so that it adds no wake-up and no context
/// switch of its own.
pub struct StartLine {
    missing: CachePadded<AtomicUsize>,
}

impl StartLine {
    /// One for that many threads.
    pub fn new(threads: usize) -> StartLine {
        StartLine {
            missing: CachePadded::new(AtomicUsize::new(threads)),
        }
    }

    /// Waits until all have come.
    pub fn wait(&self) {
        // Pairs with the `Acquire` below: all threads see what each did before it came.
        self.missing.fetch_sub(1, AcqRel);
        while self.missing.load(Acquire) > 0 {
            thread::yield_now();
        }
    }
}

/// Work of about a known length that no compiler removes.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    steps: u64,
}

impl Work {
    /// Work of about so many nanoseconds, on this machine when nothing else runs.
    pub fn of(nanoseconds: u64) -> Work {
        Work {
            steps: (nanoseconds as f64 / nanoseconds_per_step()).round() as u64,
        }
    }

    /// Does the work.
    // Not inlined, so that all contenders run the same copy: copies of this loop differ by as much
    // as 15 percent.
    #[inline(never)]
    pub fn perform(self) {
        let mut x = self.steps;
        for _ in 0..self.steps {
            x = step(black_box(x));
        }
    }
}

/// Work whose length varies evenly between nothing and twice the mean.
///
/// Threads that work for a fixed time between two visits fall into step with each other, and then a
/// case measures how well a contender fits that step.
#[derive(Clone, Copy, Debug)]
pub struct VariedWork {
    mean: Work,
    state: u64,
}

impl VariedWork {
    /// Work with that mean. With another seed, the lengths are others.
    pub fn new(mean: Work, seed: u64) -> VariedWork {
        VariedWork {
            mean,
            state: step(seed),
        }
    }

    /// Does work of the next length.
    #[inline]
    pub fn perform(&mut self) {
        self.next().perform();
    }

    fn next(&mut self) -> Work {
        self.state = step(self.state);
        // The high bits of a linear congruential generator are the good ones.
        let part = self.state >> 32;
        Work {
            steps: (part * (2 * self.mean.steps + 1)) >> 32,
        }
    }
}

/// One step of a linear congruential generator.
#[inline]
fn step(x: u64) -> u64 {
    x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1)
}

/// The time of one step, measured once. The shortest of many tries is the one that was not
/// disturbed.
fn nanoseconds_per_step() -> f64 {
    static STEP: OnceLock<f64> = OnceLock::new();
    *STEP.get_or_init(|| {
        let sample = Work { steps: 10_000 };
        let tries = (0..50).map(|_| repeat(1, || sample.perform()).cost / sample.steps as f64);
        tries.fold(f64::INFINITY, f64::min)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_begin_together_are_timed_from_the_first_to_the_last() {
        let ran = together(4, |number| {
            let length = Duration::from_millis(number as u64);
            thread::sleep(length);
            number
        });
        assert_eq!(ran.results, [0, 1, 2, 3]);
        assert!(ran.elapsed() >= Duration::from_millis(3));
    }

    #[test]
    fn work_takes_at_least_about_as_long_as_asked() {
        let work = Work::of(100_000);
        let shortest = (0..50)
            .map(|_| repeat(1, || work.perform()).cost)
            .fold(f64::INFINITY, f64::min);
        assert!(shortest > 50_000.0, "{shortest} ns");
    }

    #[test]
    fn varied_work_lies_between_nothing_and_twice_its_mean() {
        let mut work = VariedWork::new(Work { steps: 50 }, 7);
        let steps: Vec<_> = (0..10_000).map(|_| work.next().steps).collect();
        assert_eq!(steps.iter().min(), Some(&0));
        assert_eq!(steps.iter().max(), Some(&100));
        let mean = steps.iter().sum::<u64>() / steps.len() as u64;
        assert!((48..=52).contains(&mean), "{mean}");
    }

    #[test]
    fn a_sample_is_per_operation() {
        let usage = Usage {
            processor: Duration::from_micros(20),
            switches: 5,
        };
        let sample = Sample::new(10, Duration::from_micros(10), usage);
        assert_eq!(
            (sample.cost, sample.processor, sample.switches),
            (1000.0, 2000.0, 0.5)
        );
        let sample = Sample::of_latencies(vec![3.0, 1.0, 2.0], 0.5, Duration::from_nanos(6), usage);
        assert_eq!(sample.cost, 2.0);
    }
}
