//! A barrier that can time out, be aborted and be reset.
//!
//! A fixed number of threads, the parties, wait for each other. No party passes before all have
//! arrived. Then the next round begins.
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
//! If one party can't come, the barrier breaks, and the others return with the reason instead of
//! waiting forever. It breaks when the limit of a party is reached
//! ([`timeout`](Barrier::timeout), [`wait_for`](Barrier::wait_for),
//! [`wait_with`](Barrier::wait_with)), even while the [action](Barrier::action) runs, and when a
//! thread calls [`abort`](Barrier::abort). The error tells the call's own limit from that of
//! another party. This is Python's `threading.Barrier`.

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
