//! Waits with a limit: those that end by it, and those that do not have to wait.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;

use super::uncontended::{events, monitors};
use crate::adapter::{event_listener, over::Over, parking_lot, rsevents, standard, tk, usync};
use crate::case::{Case, enter};
use crate::floor::Floor;
use crate::kind::{Event, Monitor, Mutex, TimedMutex};
use crate::measure::{Sample, repeat};
use crate::proof;
use crate::usage::Usage;

/// The length of a wait for something that does not come.
const LENGTH: Duration = Duration::from_millis(1);

/// The cases.
pub fn cases() -> Vec<Case> {
    vec![free_lock(), held_lock(), event(), condvar()]
}

fn free_lock() -> Case {
    fn attempt<M: TimedMutex>(lock: &M, operations: u64) -> Sample {
        repeat(operations, || {
            black_box(black_box(lock).try_with_for(Duration::from_secs(1), |count| *count += 1));
        })
    }
    let mut case = Case::new("timeouts", "timed lock, free").floor(Floor::Exchange);
    enter!(case, proof::timed_mutex, M => {
        let lock = CachePadded::new(<M as Mutex>::new());
        move |operations| attempt::<M>(&lock, operations)
    }, [tk::Lock, parking_lot::v13::Lock, parking_lot::v12::Lock]);
    case
}

/// An attempt without time to wait, at a lock that another thread holds.
fn held_lock() -> Case {
    fn attempt<M: TimedMutex>(operations: u64) -> Sample {
        let lock = CachePadded::new(<M as Mutex>::new());
        lock.with(|_| {
            std::thread::scope(|scope| {
                let attempts = || {
                    repeat(operations, || {
                        let got = black_box(&*lock).try_with_for(Duration::ZERO, |_| ());
                        assert!(got.is_none());
                    })
                };
                scope
                    .spawn(attempts)
                    .join()
                    .expect("a workload does not panic")
            })
        })
    }
    let mut case = Case::new("timeouts", "timed lock, held, no time").floor(Floor::Load);
    enter!(case, proof::timed_mutex, M => attempt::<M>, [
        tk::Lock,
        parking_lot::v13::Lock,
        parking_lot::v12::Lock,
    ]);
    case
}

/// Measures how much later than asked so many waits return that reach their limit.
fn lateness(operations: u64, wait: impl Fn() -> bool) -> Sample {
    let (before, start) = (Usage::of_thread(), Instant::now());
    let late = (0..operations)
        .map(|_| {
            let begin = Instant::now();
            assert!(!wait());
            begin.elapsed().saturating_sub(LENGTH).as_nanos() as f64
        })
        .collect();
    Sample::of_latencies(late, 0.5, start.elapsed(), Usage::of_thread() - before)
}

fn late(of: &str) -> Case {
    let name = format!("lateness of a wait of 1 ms, {of}");
    Case::new("timeouts", name)
        .floor(Floor::FutexLateness)
        .least(5)
        .length(LENGTH * 8)
}

fn event() -> Case {
    let mut case = late("event");
    events!(case, E => |operations| {
        let event = <E as Event>::new();
        lateness(operations, || event.wait_for(LENGTH))
    });
    case
}

fn condvar() -> Case {
    let mut case = late("condvar");
    monitors!(case, M => |operations| {
        let monitor = <M as Mutex>::new();
        lateness(operations, || monitor.wait_for(LENGTH, |_| false))
    });
    case
}
