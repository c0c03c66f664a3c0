//! Locks that know their owner.
//!
//! [`Lock<T>`] guards a value, and [`RLock<T>`] can be locked again by the thread that has it. [`RawLock`] and [`RawRLock`]
//! guard nothing: they are Python's `Lock` and `RLock`. A lock takes 8 bytes beside the value, a reentrant one 24. They are
//! fair to those who wait, and visible: while a thread waits for a lock, its [record](tk_core::Record) says for which one, at
//! which line, and who has it.
//!
//! ```
//! use tk_lock::Lock;
//!
//! static SCORES: Lock<Vec<u32>> = Lock::new(Vec::new());
//!
//! std::thread::scope(|s| {
//!     s.spawn(|| SCORES.lock().push(1));
//!     s.spawn(|| SCORES.lock().push(2));
//! });
//! assert_eq!(SCORES.lock().len(), 2);
//! ```
//!
//! Every lock can be waited for with a limit: a time, a [`StopToken`], or both. For a `Lock` the last two are in [`LockExt`]:
//!
//! ```
//! use std::time::Duration;
//! use tk_lock::{Lock, LockExt, StopSource};
//!
//! let lock = Lock::new(1);
//! assert!(lock.try_lock_for(Duration::from_secs(1)).is_some());
//! assert!(lock.lock_with(&StopSource::new().token()).is_ok());
//! ```
//!
//! The guards of `Lock` are `lock_api`'s, so that mapped guards and the like are there. There is no poison: a guard that is dropped
//! by a panic releases its lock like any other.
//!
//! # Who gets a lock
//!
//! A free lock goes to whoever takes it first; a thread that runs gets it faster than one that must wake up. But a thread
//! that has waited for a millisecond is handed the lock by the next release that wakes somebody, so that nobody starves.
//!
//! # Features
//!
//! None is on by default.
//!
//! - `arc_lock`: guards that own an `Arc` of their lock, and so borrow nothing.
//! - `serde`: a lock serializes as the value inside.

// Shows which items need a feature.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[doc(hidden)]
pub mod __private;
mod anonymous;
mod error;
mod lock;
mod raw_lock;
mod raw_mutex;
mod raw_rlock;
mod rlock;

pub use error::{NotLocked, NotOwned};
pub use lock::{Lock, LockExt, LockGuard, MappedLockGuard};
pub use raw_lock::RawLock;
pub use raw_rlock::RawRLock;
#[cfg(feature = "arc_lock")]
pub use rlock::ArcRLockGuard;
pub use rlock::{RLock, RLockGuard};

#[doc(no_inline)]
pub use tk_park::{Limit, StopSource, StopToken, WaitError};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
