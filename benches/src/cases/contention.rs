//! Threads that want the same lock or semaphore at the same time.
//!
//! Each thread is inside for a fixed time, and then outside for a time that has the same mean and
//! varies between nothing and twice that. The time outside does not depend on the number of
//! threads, so with two threads and more the lock is always wanted, and the throughput is that of
//! the lock itself: at most one operation in the time inside.
//!
//! Each thread does as many operations as it can until all are done. The fairness is how evenly
//! they are spread. The longest wait is measured in a run of its own, because reading the clock
//! costs as much as an uncontended lock.

use std::sync::atomic::{AtomicU64, Ordering::*};
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;

use super::uncontended::semaphores;
use crate::adapter::{over::Over, parking_lot, spin, standard, tk, tokio, usync};
use crate::case::{Case, enter};
use crate::floor::Floor;
use crate::kind::{Mutex, Semaphore};
use crate::measure::{Sample, VariedWork, Work, together};
use crate::proof;
use crate::statistics::jain;

/// How many threads share the lock.
pub const THREADS: [usize; 6] = [2, 4, 8, 16, 32, 64];

/// How long a thread is inside, and on average outside, in nanoseconds.
pub const INSIDE: [u64; 3] = [20, 200, 2000];

/// One cell: the number of threads, and their work.
#[derive(Clone, Copy)]
struct Plan {
    threads: usize,
    inside: Work,
    outside: Work,
}

impl Plan {
    fn new(threads: usize, inside: u64) -> Plan {
        let work = Work::of(inside);
        Plan {
            threads,
            inside: work,
            outside: work,
        }
    }
}

/// The cases.
pub fn cases() -> Vec<Case> {
    let cells = || {
        THREADS
            .iter()
            .flat_map(|threads| INSIDE.map(|inside| (*threads, inside)))
    };
    let locks = cells().map(|(threads, inside)| lock(threads, inside));
    locks
        .chain(cells().map(|(threads, inside)| semaphore(threads, inside)))
        .collect()
}

fn cell(what: &str, threads: usize, inside: u64) -> Case {
    let name = format!("{what}, {threads} threads, {inside} ns");
    // Where threads take turns on the processors, a measurement has to last for several turns.
    let length = if threads > crate::machine::processors() {
        50
    } else {
        5
    };
    Case {
        fair: true,
        ..Case::new("contention", name)
            .goal(1.0)
            .floor(Floor::RoundTrip)
            .threads(threads)
            .length(Duration::from_millis(length))
    }
}

fn lock(threads: usize, inside: u64) -> Case {
    let mut case = cell("lock", threads, inside);
    enter!(case, proof::mutex, M => {
        let plan = Plan::new(threads, inside);
        move |operations| measure(plan, operations, lock_until_done::<M>)
    }, [tk::Lock, standard::Lock, parking_lot::v13::Lock, parking_lot::v12::Lock, usync::Lock]);
    #[cfg(target_os = "linux")]
    enter!(case, proof::mutex, M => {
        let plan = Plan::new(threads, inside);
        move |operations| measure(plan, operations, lock_until_done::<M>)
    }, [crate::adapter::pthread::Lock]);
    // A thread that only spins waits for the rest of the turn of each thread before it, which takes
    // seconds.
    if !case.is_oversubscribed() {
        enter!(case, proof::mutex, M => {
            let plan = Plan::new(threads, inside);
            move |operations| measure(plan, operations, lock_until_done::<M>)
        }, [spin::Lock]);
    }
    case
}

/// The semaphore has half as many permits as there are threads.
fn semaphore(threads: usize, inside: u64) -> Case {
    let mut case = cell("semaphore", threads, inside);
    semaphores!(case, S => {
        let plan = Plan::new(threads, inside);
        move |operations| measure(plan, operations, acquire_until_done::<S>)
    });
    case
}

/// The share of one thread: its operations, its longest wait, and when it saw that all are done.
#[derive(Clone, Copy)]
struct Share {
    done: u64,
    longest: Duration,
    over: Instant,
}

/// Does that many operations, watched or not. Returns the sample, and the share of each thread.
type Run = fn(Plan, u64, bool) -> (Sample, Vec<Share>);

fn measure(plan: Plan, operations: u64, run: Run) -> Sample {
    let (sample, shares) = run(plan, operations, false);
    let (_, watched) = run(plan, operations.div_ceil(4), true);
    let longest = watched.iter().map(|share| share.longest).max();
    Sample {
        fairness: Some(jain(shares.iter().map(|share| share.done))),
        longest: longest.map(|longest| longest.as_nanos() as f64),
        ..sample
    }
}

/// The work of the thread with that number until all is done. `once` does one operation and returns
/// `true`, or finds that all are done. It calls its argument inside, which reads the clock if the
/// run is watched.
fn until_done(
    plan: Plan,
    number: usize,
    watched: bool,
    mut once: impl FnMut(&mut dyn FnMut()) -> bool,
) -> Share {
    let (mut done, mut longest) = (0, Duration::ZERO);
    let mut outside = VariedWork::new(plan.outside, number as u64);
    loop {
        let asked = watched.then(Instant::now);
        let mut inside = || {
            if let Some(asked) = asked {
                longest = longest.max(asked.elapsed());
            }
            plan.inside.perform();
        };
        if !once(&mut inside) {
            return Share {
                done,
                longest,
                over: Instant::now(),
            };
        }
        done += 1;
        outside.perform();
    }
}

fn lock_until_done<M: Mutex>(plan: Plan, operations: u64, watched: bool) -> (Sample, Vec<Share>) {
    let lock = CachePadded::new(<M as Mutex>::new());
    let ran = together(plan.threads, |number| {
        until_done(plan, number, watched, |inside| {
            lock.with(|count| {
                let more = *count < operations;
                if more {
                    *count += 1;
                    inside();
                }
                more
            })
        })
    });
    let shares = ran.results;
    // Otherwise the contender is no mutex.
    assert_eq!(
        shares.iter().map(|share| share.done).sum::<u64>(),
        operations
    );
    let end = shares
        .iter()
        .map(|share| share.over)
        .min()
        .unwrap_or(ran.end);
    (Sample::new(operations, end - ran.begin, ran.usage), shares)
}

fn acquire_until_done<S: Semaphore>(
    plan: Plan,
    operations: u64,
    watched: bool,
) -> (Sample, Vec<Share>) {
    let semaphore = CachePadded::new(S::new(plan.threads / 2));
    // Each thread counts on its own and adds up now and then, so that threads meet at the semaphore
    // only.
    const PORTION: u64 = 8;
    let total = CachePadded::new(AtomicU64::new(0));
    let ran = together(plan.threads, |number| {
        let mut own = 0;
        until_done(plan, number, watched, |inside| {
            semaphore.with(inside);
            own += 1;
            own % PORTION != 0 || total.fetch_add(PORTION, Relaxed) + PORTION < operations
        })
    });
    let shares = ran.results;
    let done = shares.iter().map(|share| share.done).sum::<u64>().max(1);
    (Sample::new(done, ran.end - ran.begin, ran.usage), shares)
}
