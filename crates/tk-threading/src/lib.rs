//! Python's `threading` for Rust, in one crate.
//!
//! A program starts threads, waits for them, and calls a function later:
//!
#![cfg_attr(feature = "default", doc = "```")]
#![cfg_attr(not(feature = "default"), doc = "```ignore")]
//! use std::time::Duration;
//! use tk_threading::{Event, Timer, scope};
//!
//! let ready = Event::new();
//! scope(|s| {
//!     let worker = s.spawn(|| {
//!         ready.wait();
//!         "done"
//!     });
//!     ready.set();
//!     assert_eq!(worker.join().unwrap(), "done");
//! });
//!
//! let timer = Timer::new(Duration::from_millis(1), || println!("a millisecond later")).start();
//! timer.join().unwrap();
//! ```
//!
//! # From Python
//!
//! | Python's `threading` | here |
//! |---|---|
//! | `Thread` | [`spawn`], [`spawn_with`], [`Builder`], [`Run`]; the thread itself is a [`Thread`] |
//! | `current_thread` | [`current`] |
//! | `main_thread` | [`main_thread`] |
//! | `enumerate` | [`enumerate`] |
//! | `active_count` | [`active_count`] |
//! | `get_ident` | [`get_ident`] |
//! | `get_native_id` | [`get_native_id`] |
//! | `stack_size` | [`stack_size`], [`set_stack_size`] |
//! | `excepthook`, `ExceptHookArgs` | [`set_excepthook`], [`UncaughtPanic`] |
//! | `settrace`, `setprofile` | [`on_thread_start`], [`on_thread_exit`] |
//! | `Timer` | [`Timer`] |
//! | `Event` | [`Event`] |
//! | `Lock` | [`Lock`] |
//! | `RLock` | [`RLock`] |
//! | `Condition` | [`Condition`] |
//! | `Semaphore` | [`Semaphore`] |
//! | `BoundedSemaphore` | [`BoundedSemaphore`] |
//! | `Barrier`, `BrokenBarrierError` | [`Barrier`], [`BarrierError`] |
//! | `local` | [`Local`] |
//! | `ThreadError` | [`NotLocked`], [`NotOwned`] and others: each error has its own type |
//! | `TIMEOUT_MAX` | [`Limit::never`], or `Duration::MAX` |
//! | `gettrace`, `getprofile`, `settrace_all_threads`, `setprofile_all_threads` | none |
//! | the interpreter waits for all threads | [`main`](main()) around the body of `fn main` |
//! | `faulthandler` | [`dump`] |
//!
//! Python has no counterpart to these: [`scope`](scope()) for threads that borrow, [`StopSource`]
//! and [`StopToken`] for waits that another thread ends, [`Limit`] for a wait with a time and stop
//! tokens, [`RwLock`] for many readers, [`OnceLock`] and [`LazyLock`] for values that are
//! initialized once, [`Monitor`] and [`Condvar`] beside [`Condition`], and [`SharedLocal`].
//!
//! # Features
//!
//! Each part is a feature, and all parts are on by default: `thread`, `timer`, `event`, `lock`,
//! `condvar` (which turns on `lock`), `semaphore`, `barrier` and `local`.
//!
//! Five features are off by default because they add dependencies: `logging` (the module
//! `logging`), `watch` (the module `watch`: why a program hangs), `watch_page` (the same, and a
//! page that shows it in a browser), `serde` (locks that serialize as their value) and `arc_lock`
//! (guards that own an `Arc` of their lock).

#![forbid(unsafe_code)]
// Shows which items need a feature.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    not(feature = "default"),
    allow(
        rustdoc::broken_intra_doc_links,
        reason = "the front page links to every part"
    )
)]

#[doc(inline)]
pub use tk_park::{DropGuard, Limit, StopCallback, StopSource, StopToken, WaitError};

#[cfg(feature = "thread")]
#[doc(inline)]
pub use tk_thread::{
    BlockedOn, Builder, Dump, ExceptHook, Exit, GraceExpired, Holder, JoinError, JoinHandle,
    KeepAlive, PanicLocation, Panicked, Run, Scope, ScopedJoinHandle, Shutdown, ShuttingDown, Slot,
    StopOnDrop, Thread, ThreadDump, ThreadHook, ThreadId, UncaughtPanic, active_count, at_exit,
    catch_panic, current, default_excepthook, dump, enumerate, exit, exit_with, get_ident,
    get_native_id, main, main_thread, on_thread_exit, on_thread_start, scope, set_excepthook,
    set_stack_size, sleep, sleep_with, spawn, spawn_with, stack_size, stop_token, take_excepthook,
    thread_at,
};

#[cfg(feature = "timer")]
#[doc(inline)]
pub use tk_timer::{
    CancelOnDrop, CancelOutcome, MissedTicks, OnPanic, PendingTimer, RescheduleOutcome, Schedule,
    Tick, Timer, TimerHandle, TimerService,
};

#[cfg(feature = "event")]
#[doc(inline)]
pub use tk_event::Event;

#[cfg(feature = "arc_lock")]
#[doc(inline)]
pub use tk_lock::ArcRLockGuard;
#[cfg(feature = "lock")]
#[doc(inline)]
pub use tk_lock::{
    CondvarLock, LazyLock, Lock, LockExt, LockGuard, MappedLockGuard, NotLocked, NotOwned, Once,
    OnceError, OnceLock, OnceState, RLock, RLockGuard, RawLock, RawRLock, RawSendLock, RawThreadId,
    RwLock, RwLockExt, RwLockReadGuard, RwLockUpgradableReadGuard, RwLockWriteGuard,
};

/// The types behind [`RwLock`], and its guards for parts of the value.
#[cfg(feature = "lock")]
pub mod rwlock {
    #[doc(inline)]
    pub use tk_lock::{
        MappedRwLockReadGuard, MappedRwLockWriteGuard, RawRwLock, RawSendRwLock, ReadToken,
    };
}

#[cfg(feature = "condvar")]
#[doc(inline)]
pub use tk_condvar::{
    Condition, ConditionGuard, Condvar, LockApiCondvar, Monitor, MonitorGuard, Monitored,
    MonitoredGuard, RawCondvar, ValueLock, WaitTimeoutResult,
};

#[cfg(feature = "semaphore")]
#[doc(inline)]
pub use tk_semaphore::{
    AcquireError, Bound, Bounded, BoundedSemaphore, CountingSemaphore, OwnedPermit, Permit,
    ReleaseError, Semaphore, Unbounded,
};

/// The type behind [`Semaphore`] and [`BoundedSemaphore`].
#[cfg(feature = "semaphore")]
pub mod semaphore {
    #[doc(inline)]
    pub use tk_semaphore::{Bound, Bounded, CountingSemaphore, Unbounded};
}

#[cfg(feature = "barrier")]
#[doc(inline)]
pub use tk_barrier::{Barrier, BarrierError};

#[cfg(feature = "local")]
#[doc(inline)]
pub use tk_local::{Local, SharedLocal};

/// The errors and iterators of [`Local`] and [`SharedLocal`].
#[cfg(feature = "local")]
pub mod local {
    #[doc(inline)]
    pub use tk_local::{AccessError, IntoIter, IterMut, SetError, SharedIter, Unset, ValueMut};
}

#[cfg(feature = "logging")]
#[doc(inline)]
pub use tk_core::logging;

/// Why a program hangs: dumps of all threads, deadlocks, contention profiles and traces.
#[cfg(feature = "watch")]
pub mod watch {
    #[doc(inline)]
    pub use tk_watch::*;
}

#[cfg(all(doctest, feature = "default"))]
#[doc = include_str!("../README.md")]
struct Readme;
