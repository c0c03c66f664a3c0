//! Who a thread is.
//!
//! tk is a threading kit: what Python's `threading` gives a program, for Rust, in crates that each stand alone. This one is
//! under all the others.
//!
//! Every thread that uses tk has a [`ThreadRecord`]: a name, a number that is never reused ([`ThreadId`]), a small one that is
//! ([`Slot`], to find what is kept per thread, or to say who holds a lock), and what it waits for right now ([`BlockedOn`]). A
//! thread gets its record the first time that it asks who it is, whoever started it. From then on it is in the registry, the
//! list of all such threads, until it ends.
//!
//! ```
//! let me = tk_core::current();
//! println!("{} is number {} in slot {}", me.name(), me.id(), me.slot());
//!
//! for thread in tk_core::enumerate() {
//!     match thread.blocked_on() {
//!         Some(waiting) => println!("{} waits for {waiting:?}", thread.name()),
//!         None => println!("{} runs", thread.name()),
//!     }
//! }
//! ```
//!
//! Most programs meet this crate through its module `logging`, which gives the `log` crate a backend with Python's
//! formats and thread names, or through `tk-thread`, which starts threads that have their names from the beginning.
//!
//! # Features
//!
//! - `logging` (on by default): the module `logging`. The other crates of the kit do without it.
//!
//! # Thread-local destructors
//!
//! All of this works in the destructors of thread-local values, in whatever order they run: a thread keeps its record
//! and its slot until its last destructor has run, also when it is no longer in [`enumerate`].
//!
//! Only Linux can say when a thread is gone, unless a sandbox forbids the question. Elsewhere a
//! thread gives its slot back when it leaves [`enumerate`]. A destructor that runs later sees
//! another slot and another record, with the same id.

// But for `fork`, and a question in `os`.
#![deny(unsafe_code)]
// Shows which items need a feature.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod current;
mod fork;
mod gone;
mod guard;
mod id;
mod keep_alive;
#[cfg(feature = "logging")]
pub mod logging;
mod name;
mod os;
mod program;
mod record;
mod registry;
mod run_as;
mod waiting;

pub use current::{
    Registration, at_thread_exit, current, current_id, current_owner, current_slot,
    peek_slot_and_id,
};
pub use id::{Owner, Slot, ThreadId};
pub use keep_alive::{Holder, KeepAlive, ShuttingDown};
pub use name::{function_name, next_name};
pub use record::ThreadRecord;
pub use registry::{active_count, enumerate, main_thread, thread_at, thread_by_owner};
pub use waiting::{BlockedGuard, BlockedOn};

/// What the other crates of the kit share with this one. No part of the public interface: it changes without notice.
#[doc(hidden)]
pub mod __private {
    pub use crate::current::{ensure_registered, reserve_owner};
    pub use crate::guard::{call_guarded, drop_guarded, log_guarded};
    pub use crate::id::skip_ids;
    pub use crate::keep_alive::list_holders;
    pub use crate::os::can_tell_gone;
    pub use crate::program::Program;
    pub use crate::registry::{ending, slots};
    pub use crate::run_as::run_as;

    /// What the child of a fork needs: see `fork/mod.rs`.
    pub mod fork {
        pub use crate::fork::{Inherit, Mutex, MutexGuard, generation, is_lost};
    }
}

#[cfg(all(doctest, feature = "logging"))]
#[doc = include_str!("../README.md")]
struct Readme;
