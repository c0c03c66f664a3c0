//! The workloads of two benchmarks of locks that others have written, with code of our own.
//!
//! - `in/out` is the workload of parking_lot's program `mutex`. Each thread makes some steps with
//!   the lock held, then some without it, again and again. Ten steps are 33 ns. The number of steps
//!   outside is always the same, so threads can fall into step with each other.
//! - `random of n` is the workload of `lock-bench`. Each thread takes a lock that it picks at
//!   random out of n, adds one to the value, and takes the next. It does no work outside of the
//!   locks.
//!
//! In both, the operation is not inlined into the loop that repeats it, as in a program that uses
//! its locks in functions.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;

use super::uncontended::apart;
use crate::adapter::{parking_lot, spin, standard, tk, usync};
use crate::case::{Case, enter};
use crate::floor::Floor;
use crate::kind::Mutex;
use crate::measure::{Sample, Work, together};
use crate::proof;
use crate::statistics::jain;

/// How many threads make steps in and out.
pub const THREADS: [usize; 3] = [2, 4, 16];

/// How many steps they make inside and outside.
pub const STEPS: [(u64, u64); 4] = [(1, 0), (10, 10), (100, 100), (1000, 1000)];

/// How many threads pick out of how many locks.
pub const PICKS: [(usize, usize); 6] = [(2, 1), (4, 1), (16, 1), (4, 4), (16, 4), (2, 1000)];

/// The length of a step in picoseconds.
const STEP: u64 = 3300;

/// The cases.
pub fn cases() -> Vec<Case> {
    let in_out = THREADS
        .iter()
        .flat_map(|threads| STEPS.map(|(inside, outside)| steps(*threads, inside, outside)));
    in_out
        .chain(PICKS.map(|(threads, locks)| random(threads, locks)))
        .collect()
}

fn cell(name: String, threads: usize) -> Case {
    // Where threads take turns on the processors, a measurement has to last for several turns.
    let length = if threads > crate::machine::processors() {
        50
    } else {
        5
    };
    Case::new("independent", name)
        .goal(1.0)
        .floor(Floor::RoundTrip)
        .threads(threads)
        .length(Duration::from_millis(length))
}

/// Enters all that are a mutex.
macro_rules! mutexes {
    ($case:ident, $kind:ident => $measure:expr) => {
        enter!($case, proof::mutex, $kind => $measure, [
            tk::Lock,
            standard::Lock,
            parking_lot::v13::Lock,
            parking_lot::v12::Lock,
            usync::Lock,
        ]);
        #[cfg(target_os = "linux")]
        enter!($case, proof::mutex, $kind => $measure, [crate::adapter::pthread::Lock]);
    };
}
pub(crate) use mutexes;

fn steps(threads: usize, inside: u64, outside: u64) -> Case {
    let mut case = cell(
        format!("in/out {inside}/{outside}, {threads} threads"),
        threads,
    );
    case.fair = true;
    mutexes!(case, M => {
        let work = [inside, outside].map(|steps| Work::of(steps * STEP / 1000));
        move |operations| until_done::<M>(threads, work, operations)
    });
    case
}

fn until_done<M: Mutex>(threads: usize, work: [Work; 2], operations: u64) -> Sample {
    let lock = CachePadded::new(<M as Mutex>::new());
    let ran = together(threads, |_| {
        let mut done = 0;
        while visit(&*lock, work[0], operations) {
            done += 1;
            work[1].perform();
        }
        (done, Instant::now())
    });
    let end = ran.results.iter().map(|(_, over)| *over).min();
    let elapsed = end.unwrap_or(ran.end) - ran.begin;
    Sample {
        fairness: Some(jain(ran.results.iter().map(|(done, _)| *done))),
        ..Sample::new(operations, elapsed, ran.usage)
    }
}

/// One operation, unless all are done.
#[inline(never)]
fn visit<M: Mutex>(lock: &M, work: Work, operations: u64) -> bool {
    lock.with(|count| {
        let more = *count < operations;
        if more {
            *count += 1;
            work.perform();
        }
        more
    })
}

fn random(threads: usize, locks: usize) -> Case {
    let mut case = cell(format!("random of {locks}, {threads} threads"), threads);
    mutexes!(case, M => {
        let locks = locks_of::<M>(locks);
        move |operations| pick(&locks, threads, operations)
    });
    // A thread that only spins waits for the rest of the turn of each thread before it.
    if !case.is_oversubscribed() {
        enter!(case, proof::mutex, M => {
            let locks = locks_of::<M>(locks);
            move |operations| pick(&locks, threads, operations)
        }, [spin::Lock]);
    }
    case
}

/// Makes so many locks, each on a cache line of its own.
pub fn locks_of<M: Mutex>(locks: usize) -> Vec<CachePadded<M>> {
    (0..locks).map(|_| CachePadded::new(M::new())).collect()
}

fn pick<M: Mutex>(locks: &[CachePadded<M>], threads: usize, operations: u64) -> Sample {
    let each = operations.div_ceil(threads as u64);
    let ran = together(threads, |number| {
        pick_and_add(locks, each, number as u64 + 1);
    });
    Sample::new(each * threads as u64, ran.elapsed(), ran.usage)
}

/// Adds one to the values of so many locks, picked at random.
pub fn pick_and_add<M: Mutex>(locks: &[CachePadded<M>], operations: u64, seed: u64) {
    let mut state = seed;
    for _ in 0..operations {
        // Xorshift, which takes less than a nanosecond.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let lock = &*locks[(state % locks.len() as u64) as usize];
        apart(black_box(lock), |lock| lock.with(|count| *count += 1));
    }
}
