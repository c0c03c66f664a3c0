//! A thread that has another identity for a while.
//!
//! A thread of the kit that calls a user's function lends it its OS thread, but not its identity.
//! While the function runs, the thread has the record of a [`Registration`]: another name, id, slot
//! and daemon flag. Everything that depends on these is the function's own: its stop token, its
//! values in a `Local`, and the locks that it holds.
//!
//! | step | identity | functions for the end of a thread |
//! |---|---|---|
//! | `suspend` | outer → none | those of the outer identity run; it can add others later |
//! | `begin` | none → inner | – |
//! | `resume` | inner → outer | those of the inner identity run, and no more can be added |
//! | `release` of the inner record | outer | – |
//!
//! # Invariants
//!
//! **Nothing stays.** No value of one identity is in thread-local storage while the other is
//! current. Functions that were given to [`at_thread_exit`](crate::at_thread_exit) run before the
//! identity changes, in either direction.
//!
//! **The inner slot is free immediately.** No thread-local destructor runs between the resumption
//! of the outer identity and the release of the inner slot. So nobody uses the inner slot after
//! that.
//!
//! **A fork keeps the inner identity.** In the child of a fork that the function made, the inner
//! record is the main thread's. It stays current.

use crate::current::{Suspended, suspend};
use crate::{Registration, fork, registry};

/// Calls `f` with the identity of `registration`, which ends afterwards.
pub fn run_as<R>(registration: Registration, f: impl FnOnce() -> R) -> R {
    let _inner = Inner {
        outer: Some(suspend()),
        generation: fork::generation(),
    };
    // After `_inner` exists, so that a panic resumes the outer identity.
    registration.begin();
    f()
}

/// Resumes the outer identity when dropped.
struct Inner {
    /// `Some` until the drop.
    outer: Option<Suspended>,
    generation: u32,
}

impl Drop for Inner {
    fn drop(&mut self) {
        let Some(outer) = self.outer.take() else {
            return;
        };
        if self.generation != fork::generation() {
            // *A fork keeps the inner identity*: the outer record is one of the parent's.
            return;
        }
        // The inner identity's functions run in here, while it is still current (*nothing stays*).
        let inner = outer.resume();
        if let Some(record) = inner {
            // *The inner slot is free immediately.*
            registry::release(&record);
            record.run_on_finish();
        }
    }
}
