//! OS threads that have names, can be listed, and can be waited for with a limit.
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
//! - Under [`main`](crate::main()), the program ends when the last thread has ended, daemons excepted.
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
//! # How it differs from `std::thread`
//!
//! A thread started by either is seen by both, and `std::thread::park`, `current` and the like work as ever. Joining takes
//! a limit, and can be done from several places. A thread that panics says so in the error of its join, with its
//! name and message. Threads can be daemons; and a program that begins with [`main`](crate::main()) waits for those that
//! are not.

#![forbid(unsafe_code)]

mod builder;
mod excepthook;
mod handle;
mod hook;
mod program;
mod run;
mod scope;
mod shared;
mod sleep;
mod stop_on_drop;
mod thread;

pub use builder::{Builder, set_stack_size, spawn, spawn_with, stack_size};
pub use excepthook::{
    ExceptHook, Exit, PanicLocation, UncaughtPanic, default_excepthook, exit, guarded,
    set_excepthook, take_excepthook,
};
pub use handle::{JoinHandle, Panicked};
pub use hook::{ThreadHook, on_exit, on_start};
pub use program::{Shutdown, at_exit, main};
pub use run::Run;
pub use scope::{Scope, ScopedJoinHandle, scope};
pub use sleep::{sleep, sleep_until, sleep_with};
pub use stop_on_drop::StopOnDrop;
pub use thread::{
    JoinError, Thread, active_count, current, enumerate, get_ident, get_native_id, main_thread,
    stop_token,
};
pub use tk_core::ShutDown;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
