//! Locks that know their owner, and values that are initialized once.
//!
//! | type | guards | the thread that holds it |
//! |---|---|---|
//! | [`Lock<T>`] | a value | can't lock it again: that panics |
//! | [`RLock<T>`] | a value | can lock it again |
//! | [`RwLock<T>`] | a value, for many readers or one writer | can read again |
//! | [`RawLock`] | nothing: Python's `Lock` | need not be the one that releases it |
//! | [`RawRLock`] | nothing: Python's `RLock` | can lock it again |
//! | [`RawSendLock`], [`RawSendRwLock`] | nothing: for types of `lock_api` whose guards go from thread to thread | can give it away |
//!
//! | type | holds | is initialized by |
//! |---|---|---|
//! | [`OnceLock<T>`] | a value | the first thread that needs it, by its own closure |
//! | [`LazyLock<T>`] | a value | its first use, by the closure that it was made with |
//! | [`Once`] | nothing | the first thread that calls |
//!
//! A lock takes 8 bytes beside the value, and a reentrant lock 24. While a thread waits for a lock,
//! its [record](tk_core::ThreadRecord) shows which lock that is, which thread holds it, and at
//! which line the wait is.
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
//! Every wait for a lock can have a limit: a time, a [`StopToken`], or both. [`LockExt`] adds that
//! to a `Lock`:
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
//! The guards of `Lock` are those of `lock_api`, with mapped guards and the like. There is no
//! poisoning: a guard that a panic drops releases its lock like any other.
//!
//! [`CondvarLock`] is what a lock of your own implements to be used with tk-condvar.
//!
//! # Fairness
//!
//! A running thread may take a free lock before the threads in the queue (barging), because it is
//! faster than a thread that has to wake up. But the releases that find a queue look at the clock.
//! Once the first thread in the queue has waited for a millisecond, the release hands the lock to
//! it (a handoff), but not sooner than 50 µs after the handoff before. In that interval, releases
//! wake the first thread as usual. Once the thread has waited for 10 ms, or if a condition variable
//! has notified it and moved it into the queue, it is handed the lock without the interval. Its
//! time counts from the notification then. The handoffs of an [`RwLock`] have no interval. A fair
//! release ([`unlock_fair`](RLockGuard::unlock_fair), [`bump`](RLockGuard::bump)) hands the lock
//! over in any case.
//!
//! A thread that waits spins for some microseconds before it enters the queue. A fair release that
//! finds the queue empty, but a thread spinning, yields until that thread has the lock, or until
//! another thread has run, or for 4 µs.
//!
//! # Locks that no thread will release
//!
//! | the lock is held by | a wait without a limit |
//! |---|---|
//! | the thread that waits, and it is a `Lock` or an `RwLock` | panics |
//! | in the child of a fork, a thread that exists only in the parent | panics, and names the thread |
//! | a thread that has ended and leaked its guard | blocks forever; a dump shows the holder |
//!
//! A wait with a limit reaches it in all these cases.
//!
//! # The life of a lock
//!
//! A lock must exist until the call that unlocks it has returned, and not only until another thread
//! can take it. On Linux, where no thread has slept for the lock lately, a guard releases it with a
//! plain store, and then looks at it once more to see whether a thread has begun to sleep. A
//! reference or an `Arc` guarantees that the lock exists. Unsafe code may not free it earlier. For
//! example, if a lock guards the reference count of the object that it is part of, the thread that
//! takes the count to zero must not free the object while another thread still unlocks it. A thread
//! that unlocks needs a reference of its own.
//!
//! # Initializations
//!
//! A limit ends the wait for another thread's initialization, and never the initialization.
//!
//! | the initialization | another call |
//! |---|---|
//! | runs in the calling thread | panics, or returns [`OnceError::Recursive`], which names the line |
//! | has panicked | panics, or returns [`OnceError::Poisoned`]; a `OnceLock` makes another attempt |
//! | in the child of a fork, ran in a thread that exists only in the parent | as if it had panicked |
//! | has called a function that never returns | blocks until its limit; a dump shows the holder |
//!
//! # Allocators
//!
//! A global allocator may use a lock. Neither a lock, nor a wait for it, nor a release allocates
//! memory. A thread that reads under an [`RwLock`] for the first time may ask the system's
//! allocator for some, which is not the global one. If a thread's first lock of all registers the
//! thread, that lock is free while the registration calls the allocator. The exception is a wait on
//! macOS, where the standard library's mutex allocates when a thread sleeps.
//!
//! # Features
//!
//! None is on by default.
//!
//! - `arc_lock`: guards that own an `Arc` of their lock, and so borrow nothing.
//! - `serde`: a lock serializes as the value inside, and a `OnceLock` as an `Option` of it.
//! - `lock_api_04`: the raw locks and [`RawThreadId`] have the traits of `lock_api` 0.4 beside
//!   those of 0.5, for a crate that takes its lock as a parameter and is still on 0.4. Where a wait
//!   without a limit panics in 0.5, it prints the same message in 0.4 and aborts the program,
//!   because a guard of 0.4 may exist meanwhile (`MutexGuard::unlocked`). A [`RawRLock`] has
//!   neither, because these traits are for locks that exclude their owner too. `lock_api` makes its
//!   reentrant mutex of a `RawLock` and a `RawThreadId`.

// Shows which items need a feature.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod anonymous;
mod condvar_lock;
mod error;
mod lazy_lock;
mod lock;
#[cfg(feature = "lock_api_04")]
mod lock_api_04;
mod lost_thread;
mod mode;
mod once;
mod once_lock;
mod raw_lock;
mod raw_mutex;
mod raw_rlock;
mod raw_rwlock;
mod raw_send_lock;
mod rlock;
mod rwlock;
mod thread_id;
mod word;

pub use condvar_lock::CondvarLock;
pub use error::{NotLocked, NotOwned};
pub use lazy_lock::LazyLock;
pub use lock::{Lock, LockExt, LockGuard, MappedLockGuard};
pub use once::{Once, OnceError, OnceState};
pub use once_lock::OnceLock;
pub use raw_lock::RawLock;
pub use raw_rlock::RawRLock;
pub use raw_rwlock::{RawRwLock, RawSendRwLock, ReadToken};
pub use raw_send_lock::RawSendLock;
#[cfg(feature = "arc_lock")]
pub use rlock::ArcRLockGuard;
pub use rlock::{RLock, RLockGuard};
pub use rwlock::{
    MappedRwLockReadGuard, MappedRwLockWriteGuard, RwLock, RwLockExt, RwLockReadGuard,
    RwLockUpgradableReadGuard, RwLockWriteGuard,
};

pub use thread_id::RawThreadId;

#[doc(no_inline)]
pub use tk_park::{Limit, StopSource, StopToken, WaitError};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
