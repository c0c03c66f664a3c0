//! OS threads that have names, can be listed, stopped, and joined with a limit. Part of tk, a
//! threading kit.
//!
//! ```
//! use std::time::Duration;
//! use tk_thread::Builder;
//!
//! let painter = Builder::new().name("painter").spawn(|| 6 * 7)?;
//! assert_eq!(painter.name(), "painter");
//!
//! painter.join_for(Duration::from_secs(10)).expect("it takes less than ten seconds");
//! assert!(!painter.is_alive());
//! assert_eq!(painter.join().unwrap(), 42); // The value is kept until it is asked for.
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! This is the `Thread` of Python's `threading`, in Rust's form:
//!
//! - A thread without a name is called `Thread-N`, or `Thread-N (worker)` if it runs a function
//!   whose name is `worker`.
//! - [`enumerate`] lists all live threads, including those that the kit has not started, once they
//!   have used it. [`dump`] says what each of them waits for.
//! - Any number of threads can [join](Thread::join) a thread, with or without a limit. A join
//!   returns when the thread has exited: its thread-local values are destroyed, and it is in no
//!   list.
//! - A panic that ends a thread goes to the [excepthook](set_excepthook), which by default prints
//!   `Exception in thread NAME:`.
//! - Under [`main`](crate::main()), the program ends when the last thread has ended, except for
//!   [daemons](Builder::daemon).
//!
//! ```no_run
//! tk_thread::main(|| {
//!     tk_thread::spawn(|| {
//!         tk_thread::sleep(std::time::Duration::from_secs(1));
//!         println!("the program waits for me");
//!     });
//! });
//! ```
//!
//! | task | here | in Python |
//! |---|---|---|
//! | start a thread | [`spawn`], [`spawn_with`], [`Builder`], [`Run`] | `Thread(...).start()` |
//! | start threads that borrow | [`scope`](scope()) | |
//! | wait for a thread | [`JoinHandle::join`], [`Thread::join_for`], [`Thread::join_with`] | `join` |
//! | stop a thread | [`Thread::request_stop`], [`stop_token`], [`JoinHandle::stop_on_drop`] | |
//! | find out why the program hangs | [`dump`] | `faulthandler` |
//! | list threads | [`current`], [`main_thread`], [`enumerate`], [`active_count`] | the same |
//! | wait for all threads at the end | [`main`](crate::main()), [`Shutdown`], [`at_exit`] | the interpreter does it |
//! | handle panics | [`set_excepthook`], [`catch_panic`] | `excepthook` |
//! | run code in every thread | [`on_thread_start`], [`on_thread_exit`] | `settrace`, `setprofile` |
//!
//! # Stopping a thread
//!
//! A thread is never ended from outside. Each thread has a stop token, and
//! [`request_stop`](Thread::request_stop) ends the waits that have the token in their limit:
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
//! worker.request_stop(); // Ends the sleep.
//! worker.join().unwrap();
//! ```
//!
//! **Only waits that block notice a stop.** A call that need not wait succeeds, even if a stop has
//! been requested: a semaphore with a free permit gives it out. So a thread that always has work to
//! do without waiting has to check [`stop_requested`](StopToken::stop_requested), as the loop above
//! does.
//!
//! # Stopping on Ctrl-C
//!
//! The `ctrlc` crate calls its handler in a thread of its own, not inside of the signal handler. So
//! the handler may call [`StopSource::request_stop`], which takes locks and wakes threads. A real
//! signal handler must not.
//!
//! ```no_run
//! # mod ctrlc {
//! #     pub fn set_handler(f: impl FnMut() + Send + 'static) -> Result<(), std::io::Error> {
//! #         std::thread::spawn(f);
//! #         Ok(())
//! #     }
//! # }
//! use std::time::Duration;
//! use tk_thread::{Limit, StopSource, sleep_with, spawn};
//!
//! fn main() {
//!     tk_thread::main(|| {
//!         let source = StopSource::new();
//!         let token = source.token();
//!         ctrlc::set_handler(move || {
//!             source.request_stop();
//!         })
//!         .expect("the program has no other handler");
//!
//!         spawn(move || {
//!             while !token.stop_requested() {
//!                 // … a piece of work …
//!                 sleep_with(Limit::after(Duration::from_secs(1)).or_stop(&token));
//!             }
//!             println!("saved"); // Clean up here.
//!         });
//!     }); // Waits for the thread, which ends on Ctrl-C.
//! }
//! ```
//!
//! All threads of a program can share one token. A [`Limit`] can also have the token of the program
//! and that of the thread.
//!
//! # Forks
//!
//! In the child of a `fork` there is one thread, the one that forked. There it is the main thread,
//! it is alone in [`enumerate`], and nothing else holds the program open. All other threads count
//! as stopped and can be joined. Locks that they held stay locked, as in any program with threads
//! that forks. So a child should do little before it calls `exec`.
//!
//! # How it differs from `std::thread`
//!
//! - `std::thread::park`, `current` and similar functions work in threads of the kit, and threads
//!   of either kind see each other.
//! - Several threads can join the same one, with limits.
//! - The error of a join has the thread's name, the message and the location of the panic.
//! - Threads can be daemons, and [`main`](crate::main()) waits for those that are not.
//! - A [`Scope`] is passed by value. A thread that starts others in the scope captures a copy by
//!   `move`.

#![forbid(unsafe_code)]

mod builder;
mod dump;
mod excepthook;
mod exit;
mod grace;
mod handle;
mod hook;
mod panic_hook;
mod program;
mod run;
mod scope;
mod sleep;
mod state;
mod stop_on_drop;
mod tail;
mod thread;

pub use builder::{Builder, set_stack_size, spawn, spawn_with, stack_size};
pub use dump::{Dump, ThreadDump, dump};
pub use excepthook::{
    ExceptHook, PanicLocation, UncaughtPanic, default_excepthook, set_excepthook, take_excepthook,
};
pub use exit::{Exit, exit, exit_with};
pub use grace::GraceExpired;
pub use handle::{JoinHandle, Panicked};
pub use hook::{ThreadHook, on_thread_exit, on_thread_start};
pub use panic_hook::catch_panic;
pub use program::{Shutdown, at_exit, main};
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

/// The seam to the other crates of the kit. It is not a part of the public interface.
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
