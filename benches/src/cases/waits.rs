//! One writer among threads that read all the time, and one reader among threads that write all the
//! time: how long it waits.
//!
//! Each thread of the crowd is inside for a fixed time, and asks again as soon as it has left. The
//! one thread of the other kind is inside as long, and then outside for a time that has the same
//! mean and varies between nothing and twice that. It alone reads the clock, before it asks and
//! when it is inside.
//!
//! The figure is the wait below which 99.9 % of the waits are. Beside it stand the longest wait and
//! what the threads have got done, because a lock can buy short waits of one kind with the work of
//! the other.
//!
//! A lock may let the crowd starve the one thread. So the crowd leaves after [`LIMIT`], and then
//! the wait ends: if the longest wait is about that long, the lock has not ended it.

use std::sync::atomic::{AtomicBool, Ordering::*};
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;

use crate::adapter::{crossbeam, parking_lot, standard, tk};
use crate::case::{Case, enter};
use crate::floor::Floor;
use crate::kind::ReadWrite;
use crate::measure::{PerKind, Sample, VariedWork, Work, together};
use crate::proof;

/// How many threads are in the crowd.
pub const CROWD: [usize; 2] = [2, 8];

/// How long a thread is inside, in nanoseconds and in words.
pub const INSIDE: [(u64, &str); 2] = [(200, "200 ns"), (20_000, "20 µs")];

/// How long the crowd stays at most.
pub const LIMIT: Duration = Duration::from_millis(500);

/// The part of the waits that is below the figure.
const MOST: f64 = 0.999;

/// The operations of a thread.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Reader,
    Writer,
}

/// One case: the kind of the thread that is alone, the number of the others, and their work.
#[derive(Clone, Copy)]
struct Plan {
    alone: Kind,
    crowd: usize,
    work: Work,
    limit: Duration,
}

/// The cases.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for alone in [Kind::Writer, Kind::Reader] {
        for crowd in CROWD {
            for inside in INSIDE {
                cases.push(wait(alone, crowd, inside));
            }
        }
    }
    cases
}

fn wait(alone: Kind, crowd: usize, (inside, words): (u64, &str)) -> Case {
    let kinds = match alone {
        Kind::Writer => format!("a writer among {crowd} readers"),
        Kind::Reader => format!("a reader among {crowd} writers"),
    };
    let mut case = Case::new("waits", format!("{kinds}, {words}"))
        .floor(Floor::RoundTrip)
        .threads(crowd + 1)
        .least(20)
        .length(Duration::from_millis(100));
    enter!(case, proof::read_write, L => {
        let work = Work::of(inside);
        let plan = Plan { alone, crowd, work, limit: LIMIT };
        move |waits| measure::<L>(plan, waits)
    }, [tk::RwLock, standard::RwLock, parking_lot::v13::RwLock, crossbeam::Sharded]);
    case
}

/// That many waits, or fewer if the limit comes first.
fn measure<L: ReadWrite>(plan: Plan, waits: u64) -> Sample {
    let lock = CachePadded::new(L::new());
    let is_over = CachePadded::new(AtomicBool::new(false));
    let ran = together(plan.crowd + 1, |number| match number {
        0 => {
            let begin = Instant::now();
            let waited = alone(plan, &*lock, waits, &is_over);
            Done::Alone(waited, begin, Instant::now())
        }
        _ => Done::Crowd(crowd(plan, &*lock, &is_over)),
    });
    let (mut latencies, mut begin, mut end, mut by_crowd) = (Vec::new(), ran.begin, ran.end, 0);
    for done in ran.results {
        match done {
            Done::Alone(waited, from, to) => (latencies, begin, end) = (waited, from, to),
            Done::Crowd(operations) => by_crowd += operations,
        }
    }
    // The crowd may begin before it: where threads take turns on the processors, a turn before.
    let of_alone = per(latencies.len() as u64, end - begin);
    let of_crowd = per(by_crowd, end - ran.begin);
    let (read, write) = match plan.alone {
        Kind::Reader => (of_alone, of_crowd),
        Kind::Writer => (of_crowd, of_alone),
    };
    Sample {
        longest: latencies.iter().copied().reduce(f64::max),
        per_kind: Some(PerKind { read, write }),
        ..Sample::of_latencies(latencies, MOST, end - begin, ran.usage)
    }
}

/// The time of one operation. If there was none, it would have taken longer than all of the time.
fn per(operations: u64, elapsed: Duration) -> f64 {
    elapsed.as_nanos() as f64 / operations.max(1) as f64
}

/// The work that a thread has done.
enum Done {
    /// The waits in nanoseconds, when the first of them began, and when the last was over.
    Alone(Vec<f64>, Instant, Instant),
    /// How many operations.
    Crowd(u64),
}

/// The thread that waits.
fn alone<L: ReadWrite>(plan: Plan, lock: &L, waits: u64, is_over: &AtomicBool) -> Vec<f64> {
    let mut outside = VariedWork::new(plan.work, 1);
    let mut latencies = Vec::new();
    loop {
        let asked = Instant::now();
        let waited = enter_as(plan.alone, lock, || {
            let waited = asked.elapsed();
            plan.work.perform();
            waited
        });
        latencies.push(waited.as_nanos() as f64);
        if latencies.len() as u64 >= waits || is_over.load(Relaxed) {
            is_over.store(true, Relaxed);
            return latencies;
        }
        outside.perform();
    }
}

/// A thread of the crowd. Returns how many operations it has done.
fn crowd<L: ReadWrite>(plan: Plan, lock: &L, is_over: &AtomicBool) -> u64 {
    /// How many operations it does between two looks at the clock.
    const STRIDE: u64 = 64;
    let kind = match plan.alone {
        Kind::Reader => Kind::Writer,
        Kind::Writer => Kind::Reader,
    };
    let (begin, mut done) = (Instant::now(), 0);
    while !is_over.load(Relaxed) {
        enter_as(kind, lock, || plan.work.perform());
        done += 1;
        if done % STRIDE == 0 && begin.elapsed() >= plan.limit {
            is_over.store(true, Relaxed);
        }
    }
    done
}

/// Calls `f` inside.
#[inline]
fn enter_as<L: ReadWrite, R>(kind: Kind, lock: &L, f: impl FnOnce() -> R) -> R {
    match kind {
        Kind::Reader => lock.read(|_| f()),
        Kind::Writer => lock.write(|numbers| {
            numbers[0] += 1;
            f()
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::thread;

    use super::*;
    use crate::kind::Named;

    fn plan(limit: Duration) -> Plan {
        Plan {
            alone: Kind::Writer,
            crowd: 2,
            work: Work::of(100),
            limit,
        }
    }

    /// Lets everybody in.
    struct Open;

    impl Named for Open {
        const NAME: &'static str = "open";
    }

    impl ReadWrite for Open {
        fn new() -> Self {
            Open
        }

        fn read<R>(&self, f: impl FnOnce(&[u64; 4]) -> R) -> R {
            f(&[0; 4])
        }

        fn write<R>(&self, f: impl FnOnce(&mut [u64; 4]) -> R) -> R {
            f(&mut [0; 4])
        }
    }

    #[test]
    fn the_waits_are_as_many_as_asked_for() {
        let sample = measure::<Open>(plan(Duration::MAX), 1000);
        assert_eq!(sample.latencies.len(), 1000);
        let longest = sample.longest.unwrap();
        assert!(sample.latencies.contains(&longest) && sample.cost <= longest);
        let elapsed = sample.elapsed.as_nanos() as f64;
        assert_eq!(sample.per_kind.unwrap().write, elapsed / 1000.0);
    }

    /// Lets a thread write when one of those that have read is gone.
    struct Starving;

    static GONE: AtomicUsize = AtomicUsize::new(0);

    /// Dropped at the end of its thread.
    struct Reader;

    impl Drop for Reader {
        fn drop(&mut self) {
            // Release: pairs with the Acquire of `write`. The crowd has been told before that it is
            // over.
            GONE.fetch_add(1, Release);
        }
    }

    thread_local! {
        static READER: Reader = const { Reader };
    }

    impl Named for Starving {
        const NAME: &'static str = "starving";
    }

    impl ReadWrite for Starving {
        fn new() -> Self {
            Starving
        }

        fn read<R>(&self, f: impl FnOnce(&[u64; 4]) -> R) -> R {
            READER.with(|_| f(&[0; 4]))
        }

        fn write<R>(&self, f: impl FnOnce(&mut [u64; 4]) -> R) -> R {
            while GONE.load(Acquire) == 0 {
                thread::yield_now();
            }
            f(&mut [0; 4])
        }
    }

    #[test]
    fn a_wait_that_the_lock_does_not_end_ends_when_the_crowd_leaves() {
        let sample = measure::<Starving>(plan(Duration::from_millis(5)), 1000);
        assert_eq!(sample.latencies.len(), 1);
    }
}
