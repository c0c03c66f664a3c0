//! A program that hangs explains itself.
//!
//! - [`dump`] says of each thread whether it runs or waits, and then for what, since when, at which
//!   line, with which limit, and which thread holds that at this moment.
//! - [`install`] starts a watcher, which reports deadlocks, and writes dumps: at a signal, at a
//!   panic, after a time, or when a [`watchdog`] is not petted.
//! - [`name()`] gives names to locks and other objects.
//! - [`profile`] counts where threads wait, for how long, and for whom.
//! - [`trace`] writes what threads wait for, and which thread wakes which, as a file for Perfetto.
//! - `page`, with the feature of that name, shows all of it in a browser.
//!
//! ```
//! use std::sync::Arc;
//! use tk_lock::Lock;
//!
//! tk_watch::install()
//!     .deadlocks(tk_watch::Reaction::Panic)
//!     .on_deadlock(|deadlock| println!("{deadlock}"))
//!     .start()
//!     .unwrap();
//!
//! // Two threads that take two locks in different orders.
//! let locks = Arc::new([Lock::new(0), Lock::new(0)]);
//! let both = Arc::new(std::sync::Barrier::new(2));
//! let start = |mine: usize| {
//!     let (locks, both) = (Arc::clone(&locks), Arc::clone(&both));
//!     tk_thread::spawn(move || {
//!         let _mine = locks[mine].lock();
//!         both.wait();
//!         *locks[1 - mine].lock() += 1;
//!     })
//! };
//! let results = [start(0), start(1)].map(|thread| thread.join());
//! // One of them has panicked, which has let the other one go on.
//! assert_eq!(results.iter().filter(|result| result.is_err()).count(), 1);
//! ```
//!
//! # What is a deadlock
//!
//! Threads that wait for each other in a circle, each without a limit, for things that only the
//! next thread can give: a [`Lock`](tk_lock::Lock), an [`RLock`](tk_lock::RLock), an
//! [`RwLock`](tk_lock::RwLock), a [`OnceLock`](tk_lock::OnceLock), a `Monitor` or a `Condition` of
//! tk-condvar, a join, a scope, or the end of a function that a stop or a timer calls. Or one
//! thread that waits for a lock whose holder has exited, because it has leaked its guard.
//!
//! A report is never a guess. Each thread of the circle is looked at twice while nothing in the
//! circle moves. These waits are never part of a report, because they may end in another way: waits
//! with a timeout or a stop token; a [`RawLock`](tk_lock::RawLock) and a semaphore, which any
//! thread can release; an event or a notification, which any thread can give; locks that are not
//! tk's. A report relies on two things: no `unsafe` code releases a lock for another thread, and a
//! `RawLock` that is taken through the traits of `lock_api` is released through them.
//!
//! A real one is reported within 0.2 seconds, unless the machine is very busy. These are missed:
//!
//! - A thread that is joined in its last thread-local destructors, after it has left the registry.
//! - A holder without a number of its own, after 2^30 threads.
//! - Reads without a name (see the known limits in the design page).
//!
//! If all threads wait without a limit, and nothing is in sight that could wake them, that is
//! reported once as a suspicion, with `log::warn!`, on Linux. While a thread waits without a limit,
//! the watcher looks again after a second, and then less and less often, down to every ten seconds.
//!
//! # The environment variable
//!
//! `TK_WATCH` is a list of words, separated by commas. These settings are added to those of the
//! program. Any word turns the reports of deadlocks on. A word that is not understood, or can't be
//! done, is reported to the standard error, and skipped; if it names a file, dumps go to the
//! standard error instead.
//!
//! | word | as |
//! |---|---|
//! | `deadlocks`, `deadlocks=panic`, `deadlocks=abort` | [`Install::deadlocks`] |
//! | `deadlocks=off` | the other words alone |
//! | `signal=QUIT`, `signal=3` | [`Install::signal`] |
//! | `panic` | [`Install::at_panic`] |
//! | `after=1.5` | [`Install::after`], in seconds |
//! | `stderr`, `log`, `file=PATH` | [`Install::to_stderr`], [`Install::to_log`], [`Install::to_file`] |
//!
//! It is read by [`Install::start`]. On Linux, it is also read when the program starts its first
//! thread with tk-thread or tk-timer, or enters `tk_thread::main`: so it works in a program that
//! merely contains this crate, by `use tk_watch as _;`.
//!
//! # Forks
//!
//! The child of a fork has no watcher until it calls [`Install::start`]. The parent's settings
//! apply in the child too, except for signals, which have to be named again.

#![deny(unsafe_code)]
// Shows which items need a feature.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod call;
mod deadlock;
mod detect;
mod dump;
mod duration;
mod environment;
mod graph;
mod install;
mod json;
mod name;
mod observer;
mod output;
#[cfg(feature = "page")]
pub mod page;
mod preload;
pub mod profile;
mod scan;
mod signal;
mod snapshot;
mod suspicion;
mod text;
pub mod trace;
mod watchdog;
mod watcher;

pub use deadlock::{Deadlock, DeadlockKind, Member};
pub use dump::dump;
pub use install::{Install, InstallError, Reaction, install};
pub use name::{Named, name, name_at};
#[cfg(feature = "page")]
pub use page::serve;
pub use snapshot::{
    Activity, ForeignThread, ForeignThreads, Holder, Object, Snapshot, SystemCall, SystemState,
    ThreadSnapshot, Wait, WaitLimit,
};
pub use watchdog::{Watchdog, watchdog};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
