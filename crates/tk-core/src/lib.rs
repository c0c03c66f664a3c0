//! The identity of threads: ids, slots, names, and a registry of all threads.
//!
//! tk is a threading kit: what Python's `threading` gives a program, for Rust. This crate is under
//! all others of the kit.
//!
//! Each thread that uses tk has a [`ThreadRecord`]:
//!
//! - a name;
//! - a [`ThreadId`], which is never reused;
//! - a [`Slot`], a small number that is reused when the thread is gone. It is the index into tables
//!   of values per thread;
//! - what the thread is blocked on right now, as a [`BlockedOn`].
//!
//! A thread is registered when it first asks for its record, its id or its slot. It does not matter
//! how the thread was started. It stays in the registry until it ends.
//!
//! ```
//! let me = tk_core::current();
//! println!("{} has id {} and slot {}", me.name(), me.id(), me.slot());
//!
//! for thread in tk_core::enumerate() {
//!     match thread.blocked_on() {
//!         Some(wait) => println!("{} waits for {wait:?}", thread.name()),
//!         None => println!("{} runs", thread.name()),
//!     }
//! }
//! ```
//!
//! Most programs use this crate through its module `logging`, a backend for the `log` crate with
//! Python's formats and thread names, or through `tk-thread`, whose threads have their names from
//! the start.
//!
//! # Features
//!
//! - `logging` (on by default): the module `logging`. The other crates of the kit do not need it.
//!
//! # Thread-local destructors
//!
//! All functions work in the destructors of thread-local values, in any order. A thread keeps its
//! record and its slot until its last destructor has run, even after it has left [`enumerate`].
//!
//! Only Linux can say when a thread is gone, unless a sandbox forbids the question. Elsewhere a
//! thread releases its slot when it leaves [`enumerate`]. A destructor that runs later sees another
//! slot and another record, with the same id.

// Except in `fork`, and for one question in `os`.
#![deny(unsafe_code)]
// Shows which items need a feature.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[doc(hidden)]
pub mod __private;
mod attachments;
mod blocked_on;
mod callbacks;
mod current;
mod exit;
mod first_thread;
mod fork;
mod guard;
mod holder;
mod id;
mod keep_alive;
#[cfg(feature = "logging")]
pub mod logging;
mod name;
mod os;
mod program;
mod record;
mod registration;
mod registry;
mod run_as;
mod text;

pub use blocked_on::{BlockedGuard, BlockedOn};
pub use current::{at_thread_exit, current, current_id, current_owner, current_slot};
pub use holder::Holder;
pub use id::{Owner, Slot, ThreadId};
pub use keep_alive::{KeepAlive, ShuttingDown};
pub use name::{function_name, next_name};
pub use record::ThreadRecord;
pub use registration::Registration;
pub use registry::{active_count, enumerate, main_thread, thread_at, thread_by_owner};

#[cfg(all(doctest, feature = "logging"))]
#[doc = include_str!("../README.md")]
struct Readme;
