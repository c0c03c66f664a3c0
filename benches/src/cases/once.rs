//! Reads of values and calls of steps that are initialized already, as all but the first are.

use std::hint::black_box;

use crossbeam_utils::CachePadded;

use super::uncontended::apart;
use crate::adapter::{once_cell, parking_lot, standard, tk};
use crate::case::{Case, enter};
use crate::floor::Floor;
use crate::kind::{Once, OnceCell};
use crate::measure::{Sample, repeat};
use crate::proof;

/// The cases.
pub fn cases() -> Vec<Case> {
    vec![get(), get_or_init(), call()]
}

/// Returns a cell that is set, on a cache line of its own.
fn full<C: OnceCell>() -> CachePadded<C> {
    let cell = C::new();
    cell.get_or_init(|| 7);
    CachePadded::new(cell)
}

/// Enters all that are cells.
macro_rules! cells {
    ($case:ident, $kind:ident => $measure:expr) => {
        enter!($case, proof::once_cell, $kind => $measure, [
            tk::WrittenOnce,
            standard::WrittenOnce,
            once_cell::WrittenOnce,
        ])
    };
}

fn get() -> Case {
    fn read<C: OnceCell>(cell: &C, operations: u64) -> Sample {
        repeat(operations, || {
            black_box(apart(black_box(cell), C::get));
        })
    }
    let mut case = Case::new("once", "get of a set cell")
        .goal(1.0)
        .floor(Floor::Load);
    cells!(case, C => {
        let cell = full::<C>();
        move |operations| read::<C>(&cell, operations)
    });
    case
}

fn get_or_init() -> Case {
    fn read<C: OnceCell>(cell: &C, operations: u64) -> Sample {
        repeat(operations, || {
            black_box(apart(black_box(cell), |cell| cell.get_or_init(|| 8)));
        })
    }
    let mut case = Case::new("once", "get_or_init of a set cell")
        .goal(1.0)
        .floor(Floor::Load);
    cells!(case, C => {
        let cell = full::<C>();
        move |operations| read::<C>(&cell, operations)
    });
    case
}

fn call() -> Case {
    fn call<O: Once>(once: &O, operations: u64) -> Sample {
        repeat(operations, || {
            apart(black_box(once), |once| once.call(|| unreachable!()))
        })
    }
    let mut case = Case::new("once", "call_once after the first")
        .goal(1.0)
        .floor(Floor::Load);
    enter!(case, proof::once, O => {
        let once = CachePadded::new(<O as Once>::new());
        once.call(|| ());
        move |operations| call::<O>(&once, operations)
    }, [
        tk::Start,
        standard::Start,
        parking_lot::v13::Start,
        parking_lot::v12::Start,
    ]);
    case
}
