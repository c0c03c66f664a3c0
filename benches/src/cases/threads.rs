//! The cost of threads.

use std::hint::black_box;
use std::thread;
use std::time::Instant;

use super::Scale;
use crate::adapter::{crossbeam, parking_lot, spin, standard, tk, usync};
use crate::case::{Case, enter};
use crate::floor::Floor;
use crate::kind::{Mutex, Scope, Spawner};
use crate::measure::{Sample, whole};
use crate::proof;
use crate::usage::Usage;

/// The cases.
pub fn cases(_scale: Scale) -> Vec<Case> {
    vec![first_lock(), spawn_and_join(), scope()]
}

/// A thread's first use of a contender, which may have to take note of the thread: a lock that is
/// free, and that other threads have used. The thread is one of the standard library's. The time
/// includes a look at the clock.
fn first_lock() -> Case {
    fn first<M: Mutex>(operations: u64) -> Sample {
        let lock = M::new();
        lock.with(|count| *count += 1);
        let (before, start) = (Usage::of_process(), Instant::now());
        let timed = || {
            let start = Instant::now();
            black_box(&lock).with(|count| *count += 1);
            start.elapsed().as_nanos() as f64
        };
        let latencies = (0..operations).map(|_| {
            let ended = thread::scope(|scope| scope.spawn(timed).join());
            ended.expect("a workload does not panic")
        });
        let latencies = latencies.collect();
        Sample::of_latencies(
            latencies,
            0.5,
            start.elapsed(),
            Usage::of_process() - before,
        )
    }
    let case = Case::new("threads", "first lock").floor(Floor::Exchange);
    let mut case = case.length(std::time::Duration::from_millis(20));
    enter!(case, proof::mutex, M => first::<M>, [
        tk::Lock,
        standard::Lock,
        parking_lot::v13::Lock,
        parking_lot::v12::Lock,
        usync::Lock,
        spin::Lock,
    ]);
    case
}

fn spawn_and_join() -> Case {
    let case = Case::new("threads", "spawn+join")
        .goal(1.05)
        .floor(Floor::FutexWake);
    let mut case = case.threads(2).length(std::time::Duration::from_millis(5));
    enter!(case, proof::spawner, S => |operations| whole(operations, || {
        for number in 0..operations {
            black_box(S::spawn_and_join(move || black_box(number)));
        }
    }), [tk::Thread, standard::Thread, standard::NamedThread]);
    case
}

fn scope() -> Case {
    const THREADS: usize = 10;
    let name = format!("scope of {THREADS}");
    let case = Case::new("threads", name)
        .floor(Floor::FutexWake)
        .threads(THREADS);
    let mut case = case.length(std::time::Duration::from_millis(5));
    enter!(case, proof::scope, S => |operations| whole(operations, || {
        for number in 0..operations {
            S::scope(THREADS, || {
                black_box(number);
            });
        }
    }), [tk::Thread, standard::Thread, crossbeam::Threads]);
    case
}
