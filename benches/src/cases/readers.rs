//! Threads that read a value, and now and then write it.
//!
//! Each thread is inside for a fixed time, and then outside for a time that has the same mean and
//! varies between nothing and twice that. Which of its operations are writes is drawn by lot, so
//! that threads do not fall into step. Each thread does the same number of operations.

use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;

use crate::adapter::{crossbeam, parking_lot, standard, tk};
use crate::case::{Case, enter};
use crate::floor::Floor;
use crate::kind::ReadWrite;
use crate::measure::{Sample, VariedWork, Work, together};
use crate::proof;

/// How many threads share the lock.
pub const THREADS: [usize; 4] = [1, 2, 8, 64];

/// One operation in so many is a write. Zero: none is.
pub const ONE_WRITE_IN: [u64; 6] = [0, 100_000, 1_000, 100, 10, 2];

/// How long a thread is inside, and on average outside, in nanoseconds.
pub const INSIDE: [u64; 2] = [20, 200];

/// The cases.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for threads in THREADS {
        for one_write_in in ONE_WRITE_IN {
            for inside in INSIDE {
                cases.push(read_and_write(threads, one_write_in, inside));
            }
        }
    }
    cases
}

fn read_and_write(threads: usize, one_write_in: u64, inside: u64) -> Case {
    let writes = match one_write_in {
        0 => "no writes".to_owned(),
        n => format!("a write in {n}"),
    };
    let many = if threads == 1 { "" } else { "s" };
    let name = format!("{threads} thread{many}, {writes}, {inside} ns");
    // Where threads take turns on the processors, a measurement has to last for several turns.
    let length = if threads > crate::machine::processors() {
        50
    } else {
        5
    };
    let floor = if threads == 1 {
        Floor::Exchange
    } else {
        Floor::RoundTrip
    };
    let mut case = Case::new("readers", name)
        .goal(1.0)
        .floor(floor)
        .threads(threads)
        .length(Duration::from_millis(length));
    enter!(case, proof::read_write, L => {
        let work = Work::of(inside);
        move |operations| measure::<L>(threads, one_write_in, work, operations)
    }, [tk::RwLock, standard::RwLock, parking_lot::v13::RwLock, crossbeam::Sharded]);
    case
}

/// How long a lock is read before a measurement, which is shorter than a program's life. A lock may
/// have to find out how it is used.
const WARM_UP: Duration = Duration::from_millis(5);

fn warm_up<L: ReadWrite>(lock: &L) {
    let begin = Instant::now();
    while begin.elapsed() < WARM_UP {
        for _ in 0..1000 {
            std::hint::black_box(lock.read(|numbers| numbers[0]));
        }
    }
}

fn measure<L: ReadWrite>(threads: usize, one_write_in: u64, work: Work, operations: u64) -> Sample {
    let lock = CachePadded::new(L::new());
    warm_up(&*lock);
    let each = operations.div_ceil(threads as u64);
    let ran = together(threads, |number| {
        let mut outside = VariedWork::new(work, number as u64);
        let mut lots = number as u64 + 1;
        let mut seen = 0;
        for _ in 0..each {
            // Xorshift.
            lots ^= lots << 13;
            lots ^= lots >> 7;
            lots ^= lots << 17;
            if one_write_in > 0 && lots.is_multiple_of(one_write_in) {
                lock.write(|numbers| {
                    numbers[0] += 1;
                    work.perform();
                    numbers[3] += 1;
                });
            } else {
                seen += lock.read(|numbers| {
                    work.perform();
                    numbers[0] + numbers[3]
                });
            }
            outside.perform();
        }
        seen
    });
    lock.read(|numbers| assert_eq!(numbers[0], numbers[3]));
    Sample::new(each * threads as u64, ran.end - ran.begin, ran.usage)
}
