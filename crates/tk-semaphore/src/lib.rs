//! Counting semaphores with FIFO order and permits that release themselves.
//!
//! A semaphore has a number of permits. A thread acquires a permit, or waits until one is
//! available, and releases it by dropping it.
//!
//! ```
//! use tk_semaphore::Semaphore;
//!
//! static CONNECTIONS: Semaphore = Semaphore::new(2);
//!
//! std::thread::scope(|s| {
//!     for _ in 0..8 {
//!         s.spawn(|| {
//!             let _permit = CONNECTIONS.acquire();
//!             // At most two threads are here.
//!         });
//!     }
//! });
//! assert_eq!(CONNECTIONS.available(), 2);
//! ```
//!
//! | type | permits |
//! |---|---|
//! | [`Semaphore`] | any number; `release` can add new ones |
//! | [`BoundedSemaphore`] | never more than at its creation; a `release` past that is an error |
//!
//! Both are a [`CountingSemaphore`], whose page has the methods:
//!
//! | | blocks without a limit | never blocks | for a duration | with a [`Limit`] |
//! |---|---|---|---|---|
//! | one permit | `acquire` | `try_acquire` | `acquire_for` | `acquire_with` |
//! | several permits | | `try_acquire_many` | | `acquire_many_with` |
//! | one, with the `Arc` | | `try_acquire_owned` | | `acquire_owned_with` |
//! | several, with the `Arc` | | `try_acquire_many_owned` | | `acquire_many_owned_with` |
//!
//! With [`Limit::never()`](Limit::never), a `_with` call waits without a limit.

#![forbid(unsafe_code)]

mod bound;
mod error;
mod permit;
mod raw;
mod semaphore;

pub use bound::{Bound, Bounded, Unbounded};
pub use error::{AcquireError, ReleaseError};
pub use permit::{OwnedPermit, Permit};
pub use semaphore::{BoundedSemaphore, CountingSemaphore, Semaphore};

#[doc(no_inline)]
pub use tk_park::{Limit, StopSource, StopToken, WaitError};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
