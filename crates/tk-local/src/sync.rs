//! The one place that names atomics, cells and thread-locals.
//!
//! Under `--cfg tk_loom` they are loom's, so that a model can explore the end of a thread against
//! all else. The pages and pointers that lead to a node are std's in either case: each is written
//! once, and no other thread races that write.

#[cfg(not(tk_loom))]
mod real {
    pub(crate) use std::sync::atomic::{AtomicIsize, AtomicU32, AtomicU64, Ordering};
    pub(crate) use std::thread_local;

    pub(crate) use tk_core::at_thread_exit;

    /// The slot and the id of the calling thread; no slot if it is not registered.
    #[inline]
    pub(crate) fn peek() -> (u32, u64) {
        tk_core::peek_slot_and_id()
    }

    /// Gives the calling thread a slot, unless it has one, and returns its id.
    pub(crate) fn register() -> u64 {
        tk_core::current_slot();
        tk_core::current_id().get()
    }

    /// As std's, in the shape of loom's.
    pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(crate) fn new(value: T) -> UnsafeCell<T> {
            UnsafeCell(std::cell::UnsafeCell::new(value))
        }

        /// For a look at the value.
        #[inline]
        pub(crate) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
            f(self.0.get())
        }

        /// For a change of the value.
        #[inline]
        pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            f(self.0.get())
        }
    }
}

#[cfg(tk_loom)]
#[path = "sync/model.rs"]
pub mod model;

#[cfg(tk_loom)]
pub(crate) use model::*;
#[cfg(not(tk_loom))]
pub(crate) use real::*;
