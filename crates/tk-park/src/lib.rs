//! Blocking and waking up threads, with deadlines, stop tokens, and a record of what each waits
//! for.
//!
//! This is the layer under every lock, event and semaphore of tk, a threading kit. It is public:
//! with it, a primitive of your own can time out, be stopped, and be seen while it blocks, in a few
//! lines and without `unsafe`.
//!
//! - [`park_while`] blocks the calling thread on an atomic word while a condition holds.
//!   [`unpark_all`], [`unpark_one`], [`unpark_n`] and [`unpark_filter`] wake the threads that are
//!   parked on a word, in FIFO order. [`park`] is the step below, for primitives that hand
//!   something over with the wake-up. A word has a [`SecondQueue`] for threads that wait for
//!   something else in it.
//! - [`Limit`] says when a wait gives up: at a deadline, when a [`StopToken`] is stopped, at the
//!   first of both, or never.
//! - [`WaitInfo`] describes a wait. It stands in the thread's [record](tk_core::ThreadRecord) while
//!   the thread is parked, so that other threads can see what it waits for.
//! - [`AdaptiveSpin`] spins before it parks, as long as that has paid lately.
//! - [`asymmetric_fence`] orders a fast path against a slow one, at the cost of the slow one alone.
//!
//! # A primitive in a dozen lines
//!
//! A door that is opened once:
//!
//! ```
//! use std::sync::atomic::{AtomicBool, Ordering};
//! use std::time::Duration;
//! use tk_park::{Limit, StopSource, WaitError, WaitInfo, park_while, unpark_all};
//!
//! #[derive(Default)]
//! struct Door(AtomicBool);
//!
//! impl Door {
//!     fn open(&self) {
//!         self.0.store(true, Ordering::Release); // Pairs with the Acquire in `pass`.
//!         unpark_all(&self.0, 0);
//!     }
//!
//!     #[track_caller]
//!     fn pass<'a>(&self, limit: impl Into<Limit<'a>>) -> Result<(), WaitError> {
//!         let is_closed = || !self.0.load(Ordering::Acquire);
//!         park_while(&self.0, is_closed, &WaitInfo::new("door"), limit.into())
//!     }
//! }
//!
//! let door = Door::default();
//! assert_eq!(door.pass(Duration::from_millis(1)), Err(WaitError::TimedOut));
//!
//! let source = StopSource::new();
//! std::thread::scope(|s| {
//!     let stopped = s.spawn(|| door.pass(&source.token()));
//!     source.request_stop();
//!     assert_eq!(stopped.join().unwrap(), Err(WaitError::Stopped));
//!
//!     let passed = s.spawn(|| door.pass(Limit::never()));
//!     door.open();
//!     assert_eq!(passed.join().unwrap(), Ok(()));
//! });
//! ```
//!
//! # How blocking calls are named
//!
//! The same rule holds in all crates of the kit. A call `wait` that blocks has these forms:
//!
//! | form | gives up | returns |
//! |---|---|---|
//! | `wait()` | never | the result |
//! | `try_wait()` | immediately, without blocking | the result, or `None` or `false` |
//! | `wait_for(Duration)` | after that time | what Python's call with a timeout returns |
//! | `wait_with(limit)` | when the [`Limit`] is reached: a time, a deadline, stop tokens, or both | a `Result` whose error says which |
//!
//! Variants of a call, such as those for several permits or with an `Arc`, have the forms `try_`
//! and `_with` only. `_until(Instant)` exists only where `lock_api` brings it.
//!
//! # What every wait promises
//!
//! 1. A wake-up is for one thread and is not lost. If it comes just as the time is up or a stop is
//!    requested, one of the two happened first. Either the thread was woken, or it had left the
//!    queue, and the wake-up went to another thread.
//! 2. A wait does not time out before its deadline.
//! 3. A thread whose record says that it waits is in the queue. If you read the record and then
//!    unpark, you unpark that thread.

pub mod asymmetric_fence;
mod fork;
mod limit;
mod lot;
mod observer;
mod park;
#[cfg(not(tk_loom))]
mod processors;
mod queue_word;
mod spin;
mod stop;
#[doc(hidden)]
pub mod sync;
mod unpark;
mod wait_info;
mod watch;
mod word;

pub use fork::watch_forks;
pub use limit::{Limit, MAX_STOPS, WaitError, checked_add_instant, deadline_after};
pub use lot::Waiter;
pub use park::{Parked, mark_and_park_while, park, park_while, park_with};
pub use spin::{AdaptiveSpin, Pace, Poll, Spin, spin_until, yield_until};
pub use stop::{DropGuard, StopCallback, StopSource, StopToken};
pub use unpark::{
    FilterOp, RequeueOp, UnparkResult, requeue, unpark_all, unpark_filter, unpark_n, unpark_one,
};
pub use wait_info::WaitInfo;
pub use word::{SecondQueue, WideWord, Word};

/// The seam between this crate and the others of the kit. No part of the public interface: it
/// changes without notice.
#[doc(hidden)]
pub mod __private {
    #[cfg(not(tk_loom))]
    pub use crate::observer::{Observer, Wait, WaitEnd, report_wait, set_observer};
    pub use crate::park::{
        mark_and_park_while_held, park_held, park_in_word, park_while_held, park_with_held,
    };
    pub use crate::queue_word::{Alone, QueueState, QueueWord};
    pub use crate::spin::{Yielded, spin_briefly, yield_to_others};
    pub use crate::watch::{Broken, Failed, Held, Holders, Holds};
    #[cfg(not(tk_loom))]
    pub use crate::watch::{
        Look, LookLimit, Report, break_wait, is_on as is_watched, look_at, stop_watching, watch,
    };
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
