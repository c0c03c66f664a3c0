//! The cost of threads.

use std::hint::black_box;

use super::Scale;
use crate::adapter::{crossbeam, standard, tk};
use crate::case::{Case, enter};
use crate::floor::Floor;
use crate::kind::{Scope, Spawner};
use crate::measure::whole;
use crate::proof;

/// The cases.
pub fn cases(_scale: Scale) -> Vec<Case> {
    vec![spawn_and_join(), scope()]
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
