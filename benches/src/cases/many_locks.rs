//! Ten thousand readers-writer locks, which threads read in turn and never write.
//!
//! Each lock is an object of its own on the heap. A round reads each lock once. The second thread
//! begins in the middle, so that the threads are at different locks. Some cases hold the reads of
//! the first few locks of the round while they read the others.
//!
//! A counted read writes to the lock, so its line comes from the processor that read the lock
//! before. A visible read writes to a cell of its thread, of which a thread has only a few, and one
//! cell serves one lock at a time.

use std::hint::black_box;
use std::time::Duration;

use super::Scale;
use crate::adapter::{crossbeam, parking_lot, standard, tk};
use crate::case::{Case, enter};
use crate::floor::Floor;
use crate::kind::ReadWrite;
use crate::measure::{Sample, together};
use crate::proof;

/// The number of locks, as the names of the cases have it.
pub const LOCKS: usize = 10_000;

/// How many threads read them.
pub const THREADS: [usize; 2] = [1, 2];

/// How many reads a thread holds while it reads the other locks. Eight are more than fit in the
/// cells of one row of tk.
pub const HELD: [usize; 3] = [0, 1, 8];

/// How many rounds come before the first measurement: more reads than make a lock of tk visible.
const ROUNDS_BEFORE: u64 = 80;

/// The cases.
pub fn cases(scale: Scale) -> Vec<Case> {
    let locks = match scale {
        Scale::Full => LOCKS,
        Scale::Trial => 20,
    };
    let plans = THREADS.iter().flat_map(|threads| {
        HELD.map(|held| Plan {
            threads: *threads,
            locks,
            held,
        })
    });
    plans.map(in_turn).collect()
}

/// One case: the numbers of threads, of locks, and of reads that a thread holds.
#[derive(Clone, Copy)]
struct Plan {
    threads: usize,
    locks: usize,
    held: usize,
}

impl Plan {
    fn name(self) -> String {
        let many = if self.threads == 1 { "" } else { "s" };
        let held = match self.held {
            0 => String::new(),
            n => format!(", {n} held"),
        };
        format!("{LOCKS} locks, {} thread{many}{held}", self.threads)
    }
}

fn in_turn(plan: Plan) -> Case {
    let mut case = Case::new("readers", plan.name())
        .goal(1.0)
        .floor(Floor::Exchange)
        .threads(plan.threads)
        .length(Duration::from_millis(10));
    enter!(case, proof::read_write, L => {
        let locks: Vec<_> = (0..plan.locks).map(|_| Box::new(L::new())).collect();
        read_in_turn(plan, &locks, ROUNDS_BEFORE);
        move |operations| {
            let a_round = (plan.threads * plan.locks) as u64;
            read_in_turn(plan, &locks, operations.div_ceil(a_round))
        }
    }, [tk::RwLock, standard::RwLock, parking_lot::v13::RwLock, crossbeam::Sharded]);
    case
}

/// That many rounds of each thread.
fn read_in_turn<L: ReadWrite>(plan: Plan, locks: &[Box<L>], rounds: u64) -> Sample {
    let ran = together(plan.threads, |number| {
        let (behind, ahead) = locks.split_at(number * plan.locks / plan.threads);
        let (held, ahead) = ahead.split_at(plan.held);
        for _ in 0..rounds {
            black_box(holding(held, &|| read_each(ahead) + read_each(behind)));
        }
    });
    let operations = rounds * (plan.threads * plan.locks) as u64;
    Sample::new(operations, ran.elapsed(), ran.usage)
}

/// Calls `f` with a read of each of these locks. Returns the sum of all that was read.
fn holding<L: ReadWrite>(locks: &[Box<L>], f: &dyn Fn() -> u64) -> u64 {
    match locks.split_first() {
        Some((lock, others)) => lock.read(|numbers| numbers[0] + holding(others, f)),
        None => f(),
    }
}

fn read_each<L: ReadWrite>(locks: &[Box<L>]) -> u64 {
    let each = locks.iter();
    each.map(|lock| lock.read(|numbers| numbers[0])).sum()
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::kind::Named;

    thread_local! {
        /// How many reads the thread holds, how many it has done, and the most that it has held.
        static READS: RefCell<[usize; 3]> = const { RefCell::new([0; 3]) };
    }

    struct Watched;

    impl Named for Watched {
        const NAME: &'static str = "watched";
    }

    impl ReadWrite for Watched {
        fn new() -> Self {
            Watched
        }

        fn read<R>(&self, f: impl FnOnce(&[u64; 4]) -> R) -> R {
            READS.with_borrow_mut(|[held, done, most]| {
                (*held, *done) = (*held + 1, *done + 1);
                *most = (*most).max(*held);
            });
            let result = f(&[1; 4]);
            READS.with_borrow_mut(|[held, ..]| *held -= 1);
            result
        }

        fn write<R>(&self, _: impl FnOnce(&mut [u64; 4]) -> R) -> R {
            unreachable!("the cases only read")
        }
    }

    #[test]
    fn a_round_reads_each_lock_once_and_holds_the_first_ones_meanwhile() {
        let locks: Vec<_> = (0..20).map(|_| Box::new(Watched)).collect();
        let (held, others) = locks.split_at(8);
        assert_eq!(holding(held, &|| read_each(others)), 20);
        assert_eq!(READS.take(), [0, 20, 9]);
    }
}
