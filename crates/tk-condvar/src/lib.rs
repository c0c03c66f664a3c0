//! Condition variables with exact wake-ups in FIFO order.
//!
//! [`Condition<T>`] is a value, its lock and its condition variable in one. Most programs want this
//! one:
//!
//! ```
//! use tk_condvar::Condition;
//!
//! let queue = Condition::new(Vec::new());
//! std::thread::scope(|s| {
//!     s.spawn(|| {
//!         let mut jobs = queue.lock();
//!         jobs.wait_while(|jobs| jobs.is_empty());
//!         assert_eq!(jobs.pop(), Some("sweep"));
//!     });
//!     queue.lock().push("sweep");
//!     queue.notify(1);
//! });
//! ```
//!
//! | type | what it is | lock |
//! |---|---|---|
//! | [`Condition<T>`] | value, lock and condition variable | [`Lock<T>`](tk_lock::Lock) |
//! | [`Monitor<T>`] | the same, and its owner can lock it again | [`RLock<RefCell<T>>`](tk_lock::RLock) |
//! | [`Condvar`] | the condition variable alone, as std's | a [`Lock<T>`](tk_lock::Lock) of yours |
//! | [`LockApiCondvar`] | `lock_api`'s, which is also parking_lot's | a [`Lock<T>`](tk_lock::Lock) of yours |
//! | [`RawCondvar`] | the same, without types | any [`CondvarLock`] |
//!
//! The waits are:
//!
//! | form | gives up | returns |
//! |---|---|---|
//! | `wait()` | never | |
//! | `wait_for(Duration)` | after that time | whether there was a notification |
//! | `wait_with(limit)` | when the [`Limit`] is reached | `Ok`, or which limit it was |
//! | `wait_while(condition)` | never | |
//! | `wait_while_with(condition, limit)` | when the [`Limit`] is reached | `Ok` if `condition` was false, or which limit it was |
//!
//! There are no spurious wake-ups. A wait ends because of a notification, or because its limit is
//! reached, and it returns which of the two. `notify(n)` wakes the `n` threads that have waited
//! longest, and returns how many there were.
//!
//! There is no thundering herd. Threads that are notified while the lock is held are moved into the
//! lock's queue, where each release wakes one.

mod condition;
mod condvar;
mod lock_api_condvar;
mod monitor;
mod monitored;
mod raw_condvar;
mod value_lock;

pub use condition::{Condition, ConditionGuard};
pub use condvar::Condvar;
pub use lock_api_condvar::{LockApiCondvar, WaitTimeoutResult};
pub use monitor::{Monitor, MonitorGuard};
pub use monitored::{Monitored, MonitoredGuard};
pub use raw_condvar::RawCondvar;

/// The seam between this crate and the others of the kit. No part of the public interface: it
/// changes without notice.
#[doc(hidden)]
pub mod __private {
    pub use crate::raw_condvar::wait_with_guard;
}
pub use value_lock::ValueLock;

#[doc(no_inline)]
pub use tk_lock::CondvarLock;
#[doc(no_inline)]
pub use tk_park::{Limit, StopSource, StopToken, WaitError};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
