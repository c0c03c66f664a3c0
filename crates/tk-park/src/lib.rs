//! How a thread sleeps and is woken.
//!
//! This is the layer under every lock, event and semaphore of tk, a threading kit (what Python's `threading` gives a program,
//! for Rust), and it is public: with it, a primitive of one's own can time out, be stopped, and be seen while it blocks, in a
//! few lines and without `unsafe`.
//!
//! - [`park`] puts the calling thread to sleep on an atomic word, if the word still says so; [`unpark_one`],
//!   [`unpark_n`], [`unpark_all`] and [`unpark_filter`] wake the threads that sleep there, the longest sleeping first.
//! - [`Limit`] says when a wait gives up: at a deadline, when a [`StopToken`] is asked to stop, either, or never.
//! - [`Wait`] says what is waited for. It stands in the thread's [record](tk_core::Record) while it sleeps, for all to see.
//! - [`Spin`] is how long it pays to look again before going to sleep, [`SpinHistory`] whether it has paid lately.
//!
//! # A primitive in twenty lines
//!
//! A door that is opened once:
//!
//! ```
//! use std::sync::atomic::{AtomicU32, Ordering};
//! use std::time::Duration;
//! use tk_park::{Limit, Parked, StopSource, Wait, WaitError, park, unpark_all};
//!
//! #[derive(Default)]
//! struct Door(AtomicU32); // 0: closed. 1: open.
//!
//! impl Door {
//!     fn open(&self) {
//!         self.0.store(1, Ordering::Release); // Pairs with the Acquire in `pass`.
//!         unpark_all(&self.0, 0);
//!     }
//!
//!     #[track_caller]
//!     fn pass<'a>(&self, limit: impl Into<Limit<'a>>) -> Result<(), WaitError> {
//!         let (wait, limit) = (Wait::new("door"), limit.into());
//!         let mut parked = Ok(());
//!         while self.0.load(Ordering::Acquire) == 0 {
//!             // Not before another look: if the door was opened before the limit was reached, that counts.
//!             parked?;
//!             // The queue is locked while the word is looked at: no opening is missed.
//!             parked = match park(&self.0, || self.0.load(Ordering::Relaxed) == 0, &wait, limit) {
//!                 Parked::TimedOut => Err(WaitError::TimedOut),
//!                 Parked::Stopped => Err(WaitError::Stopped),
//!                 _ => Ok(()),
//!             };
//!         }
//!         Ok(())
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
//!     let patient = s.spawn(|| door.pass(Limit::none()));
//!     door.open();
//!     assert_eq!(patient.join().unwrap(), Ok(()));
//! });
//! ```
//!
//! # What every wait of the kit promises
//!
//! 1. A wake-up is for one thread, and is used. If it comes just as the time runs out, or as a stop is requested, then
//!    one of the two happened first: either the thread was woken, or it was no longer there to be woken and the
//!    wake-up went to another.
//! 2. A wait never says that its time is over before it is.
//! 3. A thread whose record says that it waits is in the queue: whoever reads the record and then unparks, unparks it.

mod fork;
mod limit;
mod lot;
mod park;
mod spin;
mod stop;
#[doc(hidden)]
pub mod sync;

pub use fork::watch_forks;
pub use limit::{Limit, MAX_STOPS, WaitError, deadline_after, later};
pub use lot::Waiter;
pub use park::{
    Choice, Parked, Requeue, Unparked, Wait, Word, park, park_then, requeue, unpark_all,
    unpark_filter, unpark_n, unpark_one,
};
pub use spin::{Spin, SpinHistory, give_way};
pub use stop::{DropGuard, StopCallback, StopSource, StopToken};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
