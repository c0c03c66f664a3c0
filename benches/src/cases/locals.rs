//! A value per thread and object.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;

use super::uncontended::apart;
use crate::adapter::{thread_local, tk};
use crate::case::{Case, enter};
use crate::floor::Floor;
use crate::kind::Local;
use crate::measure::{Sample, repeat};
use crate::proof;
use crate::usage::Usage;

/// The cases.
pub fn cases() -> Vec<Case> {
    vec![get(), get_pair(), set_first()]
}

/// Reads the value, out of line: see [`apart`].
fn read<L: Local>(local: &L, operations: u64) -> Sample {
    local.set_first(7);
    repeat(operations, || {
        let value = apart(black_box(local), |local| local.get().expect("it is set"));
        black_box(value);
    })
}

fn get() -> Case {
    let mut case = Case::new("locals", "get").goal(1.0).floor(Floor::LocalLoad);
    enter!(case, proof::local, L => {
        let local = CachePadded::new(L::new());
        move |operations| read::<L>(&local, operations)
    }, [tk::Number, thread_local::Number]);
    case
}

/// A value of a type that the crate does not know.
fn get_pair() -> Case {
    let name = "get, a struct";
    let mut case = Case::new("locals", name).goal(1.0).floor(Floor::LocalLoad);
    enter!(case, proof::local, L => {
        let local = CachePadded::new(L::new());
        move |operations| read::<L>(&local, operations)
    }, [tk::Pair, thread_local::Pair]);
    case
}

/// Sets a thread's first value in an object that no thread has used yet. Making and dropping the
/// objects is not measured.
fn set_first() -> Case {
    /// The number of objects that exist at the same time.
    const PORTION: u64 = 1000;
    fn first<L: Local>(operations: u64) -> Sample {
        let (mut left, mut elapsed, mut usage) = (operations, Duration::ZERO, Usage::default());
        while left > 0 {
            let portion = left.min(PORTION);
            let locals: Vec<L> = (0..portion).map(|_| L::new()).collect();
            let (before, start) = (Usage::of_thread(), Instant::now());
            for local in &locals {
                black_box(local).set_first(7);
            }
            elapsed += start.elapsed();
            usage = usage + (Usage::of_thread() - before);
            left -= portion;
        }
        Sample::new(operations, elapsed, usage)
    }
    let mut case = Case::new("locals", "first set").floor(Floor::LocalLoad);
    enter!(case, proof::local, L => first::<L>, [tk::Number, thread_local::Number]);
    case
}
