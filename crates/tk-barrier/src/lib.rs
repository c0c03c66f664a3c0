//! A barrier that can time out, be aborted and be reset.
//!
//! A fixed number of threads, the parties, wait for each other: nobody passes before all have arrived. Then it starts over.
//!
//! ```
//! use tk_barrier::Barrier;
//!
//! let barrier = Barrier::new(3);
//! std::thread::scope(|s| {
//!     for _ in 0..3 {
//!         s.spawn(|| {
//!             // First half of the work; then, when all three are done with it:
//!             let index = barrier.wait().unwrap();
//!             assert!(index < 3); // A different one for each.
//!         });
//!     }
//! });
//! ```
//!
//! If one party can't come, the barrier breaks, and all the others learn why at once instead of waiting for ever. That is so when
//! one of them waits too long ([`timeout`](Barrier::timeout), [`wait_for`](Barrier::wait_for)), is stopped
//! ([`wait_with`](Barrier::wait_with)), or gives up ([`abort`](Barrier::abort)). This is the `Barrier` of Python's `threading`.

#![forbid(unsafe_code)]

mod barrier;

pub use barrier::{Barrier, BarrierError};

#[doc(no_inline)]
pub use tk_park::{Limit, StopSource, StopToken, WaitError};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
