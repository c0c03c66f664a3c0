//! Atomics, cells and thread-locals: std's, or loom's under `--cfg tk_loom`.
//!
//! With loom's, a model explores the end of a thread against all other operations. The pages of the
//! table and the links of a chain are std's in either case. Each is written once, and the models do
//! not race that write.

#[cfg(not(tk_loom))]
mod real {
    pub(crate) use std::sync::atomic::{AtomicIsize, AtomicU32, AtomicU64, Ordering};
    pub(crate) use std::thread_local;

    pub(crate) use tk_core::at_thread_exit;

    /// The slot and the id of the calling thread. The slot is zero if it is not registered.
    #[inline]
    pub(crate) fn peek() -> (u32, u64) {
        tk_core::__private::peek_slot_and_id()
    }

    /// Registers the calling thread unless it is registered, and returns its id.
    pub(crate) fn register() -> u64 {
        tk_core::current_slot();
        tk_core::current_id().get()
    }

    /// std's cell with the interface of loom's.
    pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(crate) fn new(value: T) -> UnsafeCell<T> {
            UnsafeCell(std::cell::UnsafeCell::new(value))
        }

        /// Calls `f` with a pointer for reading.
        #[inline]
        pub(crate) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
            f(self.0.get())
        }

        /// Calls `f` with a pointer for writing.
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
