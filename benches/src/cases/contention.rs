//! Threads that want the same thing at the same time.
//!
//! Each thread is inside for a time, and outside for as long as all the others together would be inside, so that the lock is
//! about as much in demand with few threads as with many. Each does what it can until all operations are done: how evenly
//! they are spread is the fairness. How long a thread has to wait is measured in a run of its own, for to look at the clock
//! would cost as much as to lock.

use std::sync::atomic::{AtomicU64, Ordering::*};
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;

use super::uncontended::semaphores;
use crate::adapter::{over::Over, parking_lot, spin, standard, tk, tokio, usync};
use crate::case::{Case, enter};
use crate::floor::Floor;
use crate::kind::{Mutex, Semaphore};
use crate::measure::{Sample, Work, together};
use crate::proof;
use crate::statistics::jain;

/// How many threads.
pub const THREADS: [usize; 4] = [2, 4, 16, 64];

/// How long one is inside, in nanoseconds.
pub const INSIDE: [u64; 3] = [20, 200, 2000];

/// One cell: how many threads, and how much they do.
#[derive(Clone, Copy)]
struct Plan {
    threads: usize,
    inside: Work,
    outside: Work,
}

impl Plan {
    fn new(threads: usize, inside: u64) -> Plan {
        let outside = inside * (threads as u64 - 1);
        Plan {
            threads,
            inside: Work::of(inside),
            outside: Work::of(outside),
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
    // Where threads have to take turns on the processors, a measurement has to last for several turns.
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
    // Who only spins waits for the rest of the turn of each thread that is before it: seconds.
    if !case.is_oversubscribed() {
        enter!(case, proof::mutex, M => {
            let plan = Plan::new(threads, inside);
            move |operations| measure(plan, operations, lock_until_done::<M>)
        }, [spin::Lock]);
    }
    case
}

/// Half of the threads have room at once.
fn semaphore(threads: usize, inside: u64) -> Case {
    let mut case = cell("semaphore", threads, inside);
    semaphores!(case, S => {
        let plan = Plan::new(threads, inside);
        move |operations| measure(plan, operations, acquire_until_done::<S>)
    });
    case
}

/// How many operations each thread has done, how long it has waited at most, and when it has seen that all are done.
#[derive(Clone, Copy)]
struct Share {
    done: u64,
    longest: Duration,
    over: Instant,
}

/// A way to do so many operations by many threads: how long that took, the processor time and switches, and the shares.
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

/// What one thread does until all is done. `once` does one operation, or finds that all are done; with it goes a look at the
/// clock, if anybody wants to know how long it waited.
fn until_done(plan: Plan, watched: bool, mut once: impl FnMut(&mut dyn FnMut()) -> bool) -> Share {
    let (mut done, mut longest) = (0, Duration::ZERO);
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
        plan.outside.perform();
    }
}

fn lock_until_done<M: Mutex>(plan: Plan, operations: u64, watched: bool) -> (Sample, Vec<Share>) {
    let lock = CachePadded::new(<M as Mutex>::new());
    let ran = together(plan.threads, |_| {
        until_done(plan, watched, |inside| {
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
    // It would be no mutex otherwise.
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
    // Counted apart and added up now and then, so that the threads meet at the semaphore and nowhere else.
    const PORTION: u64 = 8;
    let total = CachePadded::new(AtomicU64::new(0));
    let ran = together(plan.threads, |_| {
        let mut own = 0;
        until_done(plan, watched, |inside| {
            semaphore.with(inside);
            own += 1;
            own % PORTION != 0 || total.fetch_add(PORTION, Relaxed) + PORTION < operations
        })
    });
    let shares = ran.results;
    let done = shares.iter().map(|share| share.done).sum::<u64>().max(1);
    (Sample::new(done, ran.end - ran.begin, ran.usage), shares)
}
