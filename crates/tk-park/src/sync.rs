//! The one place that names atomics, clocks and how the system puts a thread to sleep.
//!
//! Everything in the kit that orders memory takes its parts from here. Under `--cfg tk_loom` they
//! are loom's, with a model of the futex and a clock that a model moves by hand. No part of the
//! public interface: it changes without notice.

/// Whether the system has futexes that the parking lot uses. Elsewhere a thread sleeps on a
/// condition variable of std. `--cfg tk_no_futex` takes them away, so that the tests can run that
/// way on Linux too.
macro_rules! with_futexes {
    ($($item:item)*) => { $(
        #[cfg(any(tk_loom, all(any(target_os = "linux", target_os = "android"), not(tk_no_futex))))]
        $item
    )* };
}
macro_rules! without_futexes {
    ($($item:item)*) => { $(
        #[cfg(not(any(
            tk_loom,
            all(any(target_os = "linux", target_os = "android"), not(tk_no_futex)),
        )))]
        $item
    )* };
}
pub(crate) use {with_futexes, without_futexes};

#[cfg(not(tk_loom))]
mod real {
    pub use std::sync::atomic::{
        AtomicBool, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };
    pub use std::sync::{Mutex, MutexGuard};
    pub use std::time::Instant;

    pub(crate) use tk_core::__private::{ensure_registered, reserve_owner};
    pub use tk_core::{current_id, current_owner, current_slot};

    /// The atomics of the parking lot. They are created at run time, so in a model they are loom's
    /// own.
    pub(crate) mod lot {
        pub(crate) use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize};

        pub(crate) use tk_core::__private::{fork::generation, slots as threads};

        /// The least number of threads that a table is made for.
        pub(crate) const FEWEST_THREADS: usize = 16;
        /// The number of buckets per thread. Most keys have a bucket to themselves.
        pub(crate) const BUCKETS_PER_THREAD: usize = 2;

        /// A number in which all bits depend on all bits of the key below (Fibonacci hashing), and
        /// the highest depend on most.
        pub(crate) fn hash(key: usize) -> usize {
            const GOLDEN_RATIO: u64 = 0x9E37_79B9_7F4A_7C15;
            key.wrapping_mul((GOLDEN_RATIO >> (64 - usize::BITS)) as usize)
        }

        /// std's, with loom's methods.
        pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

        impl<T> UnsafeCell<T> {
            pub(crate) const fn new(value: T) -> UnsafeCell<T> {
                UnsafeCell(std::cell::UnsafeCell::new(value))
            }

            #[inline]
            pub(crate) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
                f(self.0.get())
            }

            #[inline]
            pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
                f(self.0.get())
            }
        }
    }
}

with_futexes! {
    #[cfg(not(tk_loom))]
    #[path = "sync/futex.rs"]
    pub(crate) mod futex;
}
without_futexes! {
    #[path = "sync/poll.rs"]
    pub(crate) mod futex;
}
#[cfg(tk_loom)]
#[path = "sync/model_futex.rs"]
pub(crate) mod futex;
#[cfg(tk_loom)]
#[path = "sync/model.rs"]
mod model;
#[cfg(tk_loom)]
#[path = "sync/model_parking.rs"]
pub(crate) mod parking;
#[cfg(not(tk_loom))]
pub(crate) use crate::lot as parking;

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
