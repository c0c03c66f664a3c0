//! Operations of one thread, with no other thread that wants the same thing.
//!
//! Each operation is a function of its own that is not inlined into the loop: see `apart`.

use std::hint::black_box;

use crossbeam_utils::CachePadded;

use super::independent::{locks_of, mutexes, pick_and_add};
use crate::adapter::{
    event_listener, over::Over, parking_lot, rsevents, spin, standard, tk, tokio, usync,
};
use crate::case::{Case, enter};
use crate::floor::Floor;
use crate::kind::{Event, Monitor, Mutex, Reentrant, Semaphore};
use crate::measure::{Sample, repeat};
use crate::proof;

/// The cases.
pub fn cases() -> Vec<Case> {
    let mut cases = vec![lock(), lock_of_many()];
    cases.extend((1..=3).map(reentrant));
    cases.push(set_and_clear());
    cases.push(is_set());
    cases.push(wait_on_a_set_event());
    cases.push(notify_one());
    cases.push(notify_all());
    cases.push(semaphore());
    cases
}

/// Calls `f` with the object, in a function that is not inlined: most code of a program that uses
/// such an object is not inlined into a loop over it.
///
/// In a loop, the compiler keeps in registers what a function has to load and to save. Contenders
/// that are not generic are inlined nowhere, so without this the cases would compare how the
/// contenders are inlined.
#[inline(never)]
pub(super) fn apart<T, R>(object: &T, f: impl FnOnce(&T) -> R) -> R {
    f(object)
}

/// Puts the value on a cache line of its own, at a place that the compiler does not know.
fn place<T>(value: T) -> CachePadded<T> {
    CachePadded::new(value)
}

fn lock() -> Case {
    fn pair<M: Mutex>(lock: &M, operations: u64) -> Sample {
        repeat(operations, || {
            apart(black_box(lock), |lock| lock.with(|count| *count += 1))
        })
    }
    let mut case = Case::new("uncontended", "lock")
        .goal(1.0)
        .floor(Floor::Exchange);
    enter!(case, proof::mutex, M => {
        let lock = place(M::new());
        move |operations| pair::<M>(&lock, operations)
    }, [
        tk::Lock,
        standard::Lock,
        parking_lot::v13::Lock,
        parking_lot::v12::Lock,
        usync::Lock,
        spin::Lock,
    ]);
    case
}

/// A lock out of so many that not all are in the nearest cache. Each operation picks one at random.
fn lock_of_many() -> Case {
    const LOCKS: usize = 1000;
    let mut case = Case::new("uncontended", "lock, one of 1000")
        .goal(1.0)
        .floor(Floor::Exchange);
    mutexes!(case, M => {
        let locks = locks_of::<M>(LOCKS);
        // The number of an operation does not count, so a slice of the measurement is one call.
        let mut seed = 1;
        move |operations| {
            let portion = operations.div_ceil(16);
            let sample = repeat(16, || {
                seed += 1;
                pick_and_add(&locks, portion, seed);
            });
            Sample {
                cost: sample.cost / portion as f64,
                processor: sample.processor / portion as f64,
                switches: sample.switches / portion as f64,
                ..sample
            }
        }
    });
    case
}

fn reentrant(depth: usize) -> Case {
    fn levels<R: Reentrant>(lock: &R, depth: usize, operations: u64) -> Sample {
        fn hold<R: Reentrant>(lock: &R, f: impl FnOnce()) {
            apart(black_box(lock), |lock| lock.with(f));
        }
        match depth {
            1 => repeat(operations, || hold(lock, || ())),
            2 => repeat(operations, || hold(lock, || hold(lock, || ()))),
            _ => repeat(operations, || {
                hold(lock, || hold(lock, || hold(lock, || ())))
            }),
        }
    }
    let name = format!("rlock, depth {depth}");
    let mut case = Case::new("uncontended", name)
        .goal(1.0)
        .floor(Floor::Exchange);
    enter!(case, proof::reentrant, R => {
        let lock = place(R::new());
        move |operations| levels::<R>(&lock, depth, operations)
    }, [
        tk::RLock,
        standard::Stderr,
        parking_lot::v13::Reentrant,
        parking_lot::v12::Reentrant,
        usync::Reentrant,
    ]);
    case
}

/// Enters all that are events.
macro_rules! events {
    ($case:ident, $kind:ident => $measure:expr) => {
        enter!($case, proof::event, $kind => $measure, [
            tk::Flag,
            rsevents::Manual,
            event_listener::Flag,
            Over<standard::Lock>,
            Over<parking_lot::v13::Lock>,
            Over<parking_lot::v12::Lock>,
            Over<usync::Lock>,
        ])
    };
}
pub(crate) use events;

fn set_and_clear() -> Case {
    fn pair<E: Event>(event: &E, operations: u64) -> Sample {
        repeat(operations, || {
            apart(black_box(event), E::set);
            apart(black_box(event), E::clear);
        })
    }
    let mut case = Case::new("uncontended", "event set+clear")
        .goal(1.0)
        .floor(Floor::Exchange);
    events!(case, E => {
        let event = place(<E as Event>::new());
        move |operations| pair::<E>(&event, operations)
    });
    case
}

fn is_set() -> Case {
    fn look<E: Event>(event: &E, operations: u64) -> Sample {
        repeat(operations, || {
            black_box(apart(black_box(event), E::is_set));
        })
    }
    let mut case = Case::new("uncontended", "event is_set")
        .goal(1.0)
        .floor(Floor::Load);
    events!(case, E => {
        let event = place(<E as Event>::new());
        move |operations| look::<E>(&event, operations)
    });
    case
}

fn wait_on_a_set_event() -> Case {
    fn wait<E: Event>(event: &E, operations: u64) -> Sample {
        repeat(operations, || apart(black_box(event), E::wait))
    }
    let mut case = Case::new("uncontended", "wait on a set event")
        .goal(1.0)
        .floor(Floor::Load);
    events!(case, E => {
        let event = place(<E as Event>::new());
        event.set();
        move |operations| wait::<E>(&event, operations)
    });
    case
}

/// Enters all that are a lock and a condition.
macro_rules! monitors {
    ($case:ident, $kind:ident => $measure:expr) => {
        enter!($case, proof::monitor, $kind => $measure, [
            tk::Conditional,
            standard::Lock,
            parking_lot::v13::Lock,
            parking_lot::v12::Lock,
            usync::Lock,
        ]);
        #[cfg(target_os = "linux")]
        enter!($case, proof::monitor, $kind => $measure, [crate::adapter::pthread::Lock]);
    };
}
pub(crate) use monitors;

fn notify_one() -> Case {
    fn notify<M: Monitor>(monitor: &M, operations: u64) -> Sample {
        repeat(operations, || apart(black_box(monitor), M::notify_one))
    }
    let name = "notify one, no waiter";
    let mut case = Case::new("uncontended", name).goal(1.0).floor(Floor::Load);
    monitors!(case, M => {
        let monitor = place(M::new());
        move |operations| notify::<M>(&monitor, operations)
    });
    case
}

fn notify_all() -> Case {
    fn notify<M: Monitor>(monitor: &M, operations: u64) -> Sample {
        repeat(operations, || apart(black_box(monitor), M::notify_all))
    }
    let name = "notify all, no waiter";
    let mut case = Case::new("uncontended", name).goal(1.0).floor(Floor::Load);
    monitors!(case, M => {
        let monitor = place(M::new());
        move |operations| notify::<M>(&monitor, operations)
    });
    case
}

/// Enters all that are semaphores.
macro_rules! semaphores {
    ($case:ident, $kind:ident => $measure:expr) => {
        enter!($case, proof::semaphore, $kind => $measure, [
            tk::Permits,
            tokio::Permits,
            Over<standard::Lock>,
            Over<parking_lot::v13::Lock>,
            Over<parking_lot::v12::Lock>,
            Over<usync::Lock>,
        ])
    };
}
pub(crate) use semaphores;

fn semaphore() -> Case {
    fn pair<S: Semaphore>(semaphore: &S, operations: u64) -> Sample {
        repeat(operations, || {
            apart(black_box(semaphore), |semaphore| semaphore.with(|| ()))
        })
    }
    let mut case = Case::new("uncontended", "semaphore pair")
        .goal(1.0)
        .floor(Floor::Exchange);
    semaphores!(case, S => {
        let semaphore = place(<S as Semaphore>::new(2));
        move |operations| pair::<S>(&semaphore, operations)
    });
    case
}
