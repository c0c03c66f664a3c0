//! A barrier that can time out, be aborted and be reset.
//!
//! A fixed number of threads, the parties, wait for each other: nobody passes before all have
//! arrived. Then it starts over.
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
//! If one party can't come, the barrier breaks, and the others learn why immediately instead of
//! waiting forever. That is so when the limit of one of them is reached
//! ([`timeout`](Barrier::timeout), [`wait_for`](Barrier::wait_for),
//! [`wait_with`](Barrier::wait_with)), also while the [action](Barrier::action) runs, and when a
//! thread gives up ([`abort`](Barrier::abort)). The error says whether the call's own limit broke
//! the round, or another's. This is the `Barrier` of Python's `threading`.

#![forbid(unsafe_code)]

mod barrier;
mod error;
mod round;
mod state;

pub use barrier::Barrier;
pub use error::BarrierError;

#[doc(no_inline)]
pub use tk_park::{Limit, StopSource, StopToken, WaitError};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
