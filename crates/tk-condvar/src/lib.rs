//! Condition variables: exact, and first come, first served.
//!
//! [`Condition<T>`] is a value, its lock and its condition in one. It is what most programs want:
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
//! [`Condvar`] is the condition alone, for use with a [`Lock`](tk_lock::Lock) that is there already, in the way of the
//! standard library.
//!
//! [`Monitor<T>`] is a `Condition` that the thread that has it locked can lock again.
//!
//! `wait` and `wait_while` have forms with a limit: `_for` a duration, `_until` an instant, and `_with` a [`Limit`], which can
//! also be a stop token.
//!
//! There are no spurious wake-ups: a wait ends because of a notification, or because its limit is reached, and says
//! which. `notify(n)` wakes the `n` threads that have waited longest, and says how many there were.

mod condition;
mod condvar;
mod monitor;
mod raw_condvar;

pub use condition::{Condition, ConditionGuard};
pub use condvar::Condvar;
pub use monitor::{Monitor, MonitorGuard};
pub use raw_condvar::RawCondvar;

#[doc(no_inline)]
pub use tk_lock::CondvarLock;
#[doc(no_inline)]
pub use tk_park::{Limit, StopSource, StopToken, WaitError};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
