//! OS threads that have names, can be listed, and can be waited for with a limit. Part of tk, a threading kit.
//!
//! ```
//! use std::time::Duration;
//! use tk_thread::Builder;
//!
//! let painter = Builder::new().name("painter").spawn(|| 6 * 7)?;
//! assert_eq!(painter.name(), "painter");
//!
//! painter.join_for(Duration::from_secs(10)).expect("it does not take ten seconds");
//! assert!(!painter.is_alive());
//! assert_eq!(painter.join().unwrap(), 42); // The value, whenever it is asked for.
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! This is the `Thread` of Python's `threading`, in Rust's form:
//!
//! - A thread that is given no name is called `Thread-N`, or `Thread-N (worker)` if it runs a function called `worker`.
//! - [`enumerate`] lists every live thread, [`current`] and [`main_thread`] are two of them. Threads that were not started
//!   here are there too, once they have used the kit.
//! - Any number of threads can [join](Thread::join) one, with or without a limit. A join returns when the thread is gone
//!   altogether: its thread-local values are destroyed, and it is in no list any more.
//! - Under [`main`](crate::main()), the program ends when the last thread has ended, daemons excepted: a
//!   [daemon](Builder::daemon) is a thread that is left behind.
//!
//! ```no_run
//! tk_thread::main(|| {
//!     tk_thread::spawn(|| {
//!         tk_thread::sleep(std::time::Duration::from_secs(1));
//!         println!("the program has waited for me");
//!     });
//! });
//! ```
//!
//! - Each thread has a stop token: [`request_stop`](Thread::request_stop) ends the waits that carry it.
//! - A panic that ends a thread goes to the [excepthook](set_excepthook), which by default says `Exception in thread NAME:`.
//!
//! ```
//! use std::time::Duration;
//! use tk_thread::{Limit, sleep_with, spawn, stop_token};
//!
//! let worker = spawn(|| {
//!     let token = stop_token();
//!     while !token.stop_requested() {
//!         // … a piece of work …
//!         sleep_with(Limit::after(Duration::from_secs(1)).or_stop(&token));
//!     }
//! });
//! worker.request_stop(); // Does not take a second.
//! worker.join().unwrap();
//! ```
//!
//! | what a program asks for | here | in Python |
//! |---|---|---|
//! | start a thread | [`spawn`], [`spawn_with`], [`Builder`], [`Run`] | `Thread(...).start()` |
//! | let it borrow | [`scope`](scope()) | |
//! | wait for it | [`JoinHandle::join`], [`Thread::join_for`], … | `join` |
//! | ask it to stop | [`Thread::request_stop`], [`stop_token`], [`JoinHandle::stop_on_drop`] | |
//! | why does it hang | [`dump`] | `faulthandler` |
//! | who is there | [`current`], [`main_thread`], [`enumerate`], [`active_count`] | the same |
//! | wait for all at the end | [`main`](crate::main()), [`Shutdown`], [`at_exit`] | what the interpreter does |
//! | hear of a panic | [`set_excepthook`], [`catch_panic`] | `excepthook` |
//! | do something in every thread | [`on_thread_start`], [`on_thread_exit`] | `settrace`, `setprofile` |
//!
//! # Forks
//!
//! In the child of a `fork` there is one thread, the one that forked. There it is the main one, alone in [`enumerate`], and
//! nothing else holds the program open; all others are stopped and can be joined. Locks that they held stay held, as for any
//! program with threads that forks: a child should do little before it calls `exec`.
//!
//! # How it differs from `std::thread`
//!
//! A thread started by either is seen by both, and `std::thread::park`, `current` and the like work as ever. Joining takes
//! a limit, and can be done from several places. A thread that panics says so in the error of its join, with its
//! name, message and line. Threads can be daemons; and a program that begins with [`main`](crate::main()) waits for those
//! that are not. A [`Scope`] is passed by value: a thread that starts others in it takes it along by `move`.

#![forbid(unsafe_code)]

mod builder;
mod dump;
mod excepthook;
mod exit;
mod handle;
mod hook;
mod panic_hook;
mod program;
mod run;
mod scope;
mod shared;
mod sleep;
mod stop_on_drop;
mod thread;

pub use builder::{Builder, set_stack_size, spawn, spawn_with, stack_size};
pub use dump::{Dump, ThreadDump, dump};
pub use excepthook::{
    ExceptHook, PanicLocation, UncaughtPanic, default_excepthook, set_excepthook, take_excepthook,
};
pub use exit::{Exit, exit, exit_with};
pub use handle::{JoinHandle, Panicked};
pub use hook::{ThreadHook, on_thread_exit, on_thread_start};
pub use panic_hook::catch_panic;
pub use program::{GraceExpired, Shutdown, at_exit, main};
pub use run::Run;
pub use scope::{Scope, ScopedJoinHandle, scope};
pub use sleep::{sleep, sleep_with};
pub use stop_on_drop::StopOnDrop;
pub use thread::{
    JoinError, Thread, active_count, current, enumerate, get_ident, get_native_id, main_thread,
    stop_token, thread_at,
};
#[doc(no_inline)]
pub use tk_core::{BlockedOn, Holder, KeepAlive, ShuttingDown, Slot, ThreadId};
#[doc(no_inline)]
pub use tk_park::{Limit, StopSource, StopToken, WaitError};

/// What the other crates of the kit share with this one. No part of the public interface.
#[doc(hidden)]
pub mod __private {
    use crate::Thread;
    use crate::hook::{Moment, call};

    /// Calls the hooks for the start of a thread.
    pub fn start_hooks(thread: &Thread) {
        call(Moment::Start, thread);
    }

    /// Calls the hooks for the end of a thread.
    pub fn exit_hooks(thread: &Thread) {
        call(Moment::Exit, thread);
    }
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
