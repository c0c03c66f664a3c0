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
//! Threads that wait get their permits in the order in which they came, whether they want one or many: nobody starves.
//! [`BoundedSemaphore`] refuses to hold more permits than it began with, which finds the release that was one too
//! many.

#![forbid(unsafe_code)]

mod permit;
mod raw;
mod semaphore;

pub use permit::{OwnedPermit, Permit};
pub use semaphore::{BoundedSemaphore, ReleaseError, Semaphore};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
