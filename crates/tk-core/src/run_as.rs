//! A thread that is another one for a while.
//!
//! A thread of the kit that calls a user's function lends it its OS thread, not its identity. While the function runs,
//! the calling thread has the record of a [`Registration`]: another name, id, slot and daemon flag. All that hangs on
//! these is the function's own: its stop token, its values in a `Local`, the locks that it holds.
//!
//! 1. Nothing of the outer identity is left in thread-local storage while the inner one is current, and the reverse.
//!    Functions given to [`at_thread_exit`](crate::at_thread_exit) run before the identity changes, in either direction.
//! 2. The inner slot is free as soon as the thread has its outer slot again. No thread-local destructor runs in between,
//!    so that nobody can use the inner slot after that.
//! 3. In the child of a fork that the function made, the inner record is the main thread's. It stays current.

use crate::current::{Suspended, suspend};
use crate::{Registration, fork, registry};

/// Calls `f` while the calling thread is the one of `registration`, which ends after that.
pub fn run_as<R>(registration: Registration, f: impl FnOnce() -> R) -> R {
    let _inner = Inner {
        outer: Some(suspend()),
        generation: fork::generation(),
    };
    registration.begin();
    f()
}

/// The thread is another one while this exists.
struct Inner {
    /// There until the drop.
    outer: Option<Suspended>,
    generation: u32,
}

impl Drop for Inner {
    fn drop(&mut self) {
        let Some(outer) = self.outer.take() else {
            return;
        };
        if self.generation != fork::generation() {
            // Invariant 3. The outer record is one of the parent's.
            return;
        }
        let inner = outer.resume();
        if let Some(record) = inner {
            registry::unclaim(&record);
            record.run_on_finish();
        }
    }
}
