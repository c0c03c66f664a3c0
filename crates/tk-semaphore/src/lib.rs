//! Counting semaphores: first come, first served.
//!
//! A semaphore has a number of permits. A thread takes one, or waits until there is one, and gives it back when it is
//! done: by dropping it.
//!
//! ```
//! use tk_semaphore::Semaphore;
//!
//! static DATABASE: Semaphore = Semaphore::new(2); // Two connections at a time.
//!
//! std::thread::scope(|s| {
//!     for _ in 0..8 {
//!         s.spawn(|| {
//!             let _permit = DATABASE.acquire();
//!             // At most two threads are here.
//!         });
//!     }
//! });
//! assert_eq!(DATABASE.available(), 2);
//! ```
//!
//! | | one | many | one, with its `Arc` | many, with their `Arc` |
//! |---|---|---|---|---|
//! | for ever | `acquire` | `acquire_many` | `acquire_owned` | `acquire_many_owned` |
//! | for a time | `acquire_for` | `acquire_many_for` | `acquire_owned_for` | `acquire_many_owned_for` |
//! | until a time | `acquire_until` | `acquire_many_until` | `acquire_owned_until` | `acquire_many_owned_until` |
//! | any limit | `acquire_with` | `acquire_many_with` | `acquire_owned_with` | `acquire_many_owned_with` |
//! | never blocks | `try_acquire` | `try_acquire_many` | `try_acquire_owned` | `try_acquire_many_owned` |
//!
//! Threads that wait get their permits in FIFO order, whether they want one or many, so that none starves: see
//! [`Semaphore`](Semaphore#order).
//! Where a permit can't be kept until its end, it can be forgotten, and [`release`](Semaphore::release) gives it back by hand.
//! [`BoundedSemaphore`] refuses to hold more permits than it began with, which finds the release that was one too
//! many.

#![forbid(unsafe_code)]

mod bounded;
mod error;
mod permit;
mod raw;
mod semaphore;

pub use bounded::BoundedSemaphore;
pub use error::{AcquireError, ReleaseError};
pub use permit::{OwnedPermit, Permit};
pub use semaphore::Semaphore;

#[doc(no_inline)]
pub use tk_park::{Limit, StopSource, StopToken, WaitError};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
