//! The names of parking_lot 0.12 over the locks of tk, a threading kit.
//!
//! A program that uses parking_lot switches by one line of its `Cargo.toml`:
//!
//! ```toml
//! [dependencies]
//! parking_lot = { package = "tk-parking-lot-012", version = "0.1" }
//! ```
//!
//! Its code stays as it is:
//!
//! ```
//! # use tk_parking_lot_012 as parking_lot;
//! use parking_lot::{Condvar, Mutex, RwLock, const_rwlock};
//!
//! static NAMES: RwLock<Vec<String>> = const_rwlock(Vec::new());
//!
//! let (ready, changed) = (Mutex::new(false), Condvar::new());
//! std::thread::scope(|s| {
//!     s.spawn(|| {
//!         NAMES.write().push("tk".to_owned());
//!         *ready.lock() = true;
//!         changed.notify_one();
//!     });
//!     changed.wait_while(&mut ready.lock(), |ready| !*ready);
//! });
//! assert_eq!(NAMES.read().len(), 1);
//! ```
//!
//! The guards are those of `lock_api` 0.4, as parking_lot 0.12's are. For parking_lot 0.13, whose
//! guards are those of 0.5, the crate `tk-parking-lot` does the same. A program can use both.
//!
//! # What the program gains
//!
//! - While a thread waits, `tk_thread::dump()` shows the line that waits, and which thread holds
//!   the lock.
//! - Readers of an [`RwLock`] that is read often don't slow each other down.
//! - No thread starves: once the first thread in the queue has waited for a millisecond, a release
//!   hands the lock to it, but not sooner than 50 µs after the handoff before. After 10 ms, the
//!   next release does that.
//! - A thread that locks its own [`Mutex`] again, or wants to write under its own read, ends the
//!   program with a message, where parking_lot's blocks forever. It can't panic, because a guard of
//!   `lock_api` 0.4 may take that lock (`MutexGuard::unlocked`), and would live on without it. An
//!   upgrade under an own read panics, and so does a [`Once`] that calls itself.
//!
//! # What differs
//!
//! | | parking_lot | here |
//! |---|---|---|
//! | bytes of a [`Mutex`], [`RwLock`], [`Condvar`], [`Once`] beside the value | 1, 8, 8, 1 | 8, 16, 16, 16 |
//! | a recursive `read` while a writer waits | blocks forever | is granted, up to 4,095 levels; one more ends the program with a message |
//! | `read_recursive` while a writer waits for *another* thread's read | is granted | waits for the writer, unless the feature `send_guard` is on |
//! | `wait_while_until`, `wait_while_for` when the time is up | end | look at the condition once more, as in 0.13 |
//! | a read guard is released by another thread, by unsafe code | works | needs the feature `send_guard` |
//! | the next owner of a [`Mutex`] frees it before the call that unlocks it has returned, by unsafe code | works | is undefined behavior: that call looks at the lock once more |
//! | the feature `deadlock_detection`, the module `deadlock` | yes | no; the kit's own tools show what each thread waits for |
//! | the feature `owning_ref` | yes | no: that crate is known to be unsound |
//! | a crate deeper in the program that uses parking_lot | | stays with it: see the [README] |
//!
//! [README]: https://docs.rs/crate/tk-parking-lot-012
//!
//! # Features
//!
//! None is on by default.
//!
//! - `arc_lock`: guards that own an `Arc` of their lock.
//! - `serde`: a lock serializes as the value inside.
//! - `send_guard`: guards can be sent to other threads. A lock then can't know which thread has its
//!   guard, so a thread that waits for itself blocks forever, and readers share a count.
//! - `hardware-lock-elision`, `nightly`: accepted, and of no effect.

// Shows which items need a feature.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod condvar;
mod fair_mutex;
mod mutex;
mod remutex;
mod rwlock;

pub use ::lock_api_04 as lock_api;

pub use condvar::{Condvar, WaitTimeoutResult};
pub use fair_mutex::{
    FairMutex, FairMutexGuard, MappedFairMutexGuard, RawFairMutex, const_fair_mutex,
};
#[cfg(feature = "arc_lock")]
#[doc(no_inline)]
pub use lock_api::{
    ArcMutexGuard, ArcReentrantMutexGuard, ArcRwLockReadGuard, ArcRwLockUpgradableReadGuard,
    ArcRwLockWriteGuard,
};
pub use mutex::{MappedMutexGuard, Mutex, MutexGuard, RawMutex, const_mutex};
pub use remutex::{
    MappedReentrantMutexGuard, ReentrantMutex, ReentrantMutexGuard, const_reentrant_mutex,
};
pub use rwlock::{
    MappedRwLockReadGuard, MappedRwLockWriteGuard, RawRwLock, RwLock, RwLockReadGuard,
    RwLockUpgradableReadGuard, RwLockWriteGuard, const_rwlock,
};
#[doc(inline)]
pub use tk_lock::{Once, OnceState, RawThreadId};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
