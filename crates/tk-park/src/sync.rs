//! The one place that names atomics, clocks and the parking lot.
//!
//! Everything in the kit that orders memory takes its parts from here. Under `--cfg tk_loom` they are loom's, with a
//! model of the parking lot and a clock that a model moves by hand. No part of the public interface: it changes
//! without notice.

#[cfg(not(tk_loom))]
mod real {
    pub use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};
    pub use std::sync::{Mutex, MutexGuard};
    pub use std::time::Instant;

    pub(crate) use parking_lot_core as parking;
    pub use tk_core::{current_id, current_owner, current_slot};

    /// The time in microseconds, from some point of the past on.
    pub fn micros() -> u64 {
        use once_cell::sync::OnceCell;

        static START: OnceCell<Instant> = OnceCell::new();
        START.get_or_init(Instant::now).elapsed().as_micros() as u64
    }
}

#[cfg(tk_loom)]
#[path = "sync/model.rs"]
mod model;
#[cfg(tk_loom)]
#[path = "sync/model_parking.rs"]
pub(crate) mod model_parking;

#[cfg(tk_loom)]
pub(crate) use model_parking as parking;

#[cfg(tk_loom)]
pub use model::*;
#[cfg(not(tk_loom))]
pub use real::*;

/// Locks a mutex whose data a panic cannot leave half changed.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
