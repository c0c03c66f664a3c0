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

/// Something to be timed: its name, and what does it once and says how long that took.
pub type Contender<'a> = (&'a str, Box<dyn FnMut() -> Duration + 'a>);

/// Times contenders against the first of them, on a machine where others work too: each round runs every one once, and the
/// ratio is taken within the round. Prints a line for each: the median time in nanoseconds, the median ratio, and between
/// what the middle eight tenths of the ratios lie.
pub fn compare(case: &str, rounds: usize, mut contenders: Vec<Contender<'_>>) {
    let mut times = vec![Vec::with_capacity(rounds); contenders.len()];
    for round in 0..rounds {
        for step in 0..contenders.len() {
            let turn = (round + step) % contenders.len();
            times[turn].push(contenders[turn].1().as_nanos() as f64);
        }
    }
    for ((name, _), own) in contenders.iter().zip(&times) {
        let ratios = own.iter().zip(&times[0]).map(|(own, first)| own / first);
        let ratios = sorted(ratios);
        let at = |part: usize| ratios[(ratios.len() - 1) * part / 10];
        let median = sorted(own.iter().copied())[own.len() / 2];
        println!(
            "{case:<28} {name:<14} {median:>12.0} ns  {:>6.3}  {:.3} to {:.3}",
            at(5),
            at(1),
            at(9)
        );
    }
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The time that this takes.
pub fn time<R>(f: impl FnOnce() -> R) -> Duration {
    let start = Instant::now();
    std::hint::black_box(f());
    start.elapsed()
}
