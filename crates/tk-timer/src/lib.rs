//! Functions that are called later, or again and again.
//!
//! A [`Timer`] is what to call and when; [`start`](Timer::start) gives the [`TimerHandle`], which can wait for it, cancel it or
//! move it.
//!
//! A pending timer costs no thread: one thread, which the crate starts, waits for the earliest of all. When it is due, that
//! thread calls the function, under the timer's name, and another takes over the waiting; so a function that takes its time
//! delays no other timer.
//!
//! ```
//! use std::time::Duration;
//! use tk_timer::Timer;
//!
//! let alarm = Timer::new(Duration::from_millis(10), || println!("wake up"))
//!     .name("alarm")
//!     .start();
//! alarm.join().unwrap(); // Waits until it has rung.
//!
//! let never = Timer::new(Duration::from_secs(3600), || unreachable!()).start();
//! assert!(never.cancel().is_cancelled());
//! ```
//!
//! This is the `Timer` of Python's `threading`, without the thread; and it can repeat:
//!
//! ```
//! use std::sync::atomic::{AtomicU32, Ordering};
//! use std::time::Duration;
//! use tk_event::Event;
//! use tk_timer::Timer;
//!
//! static TICKS: AtomicU32 = AtomicU32::new(0);
//! static THREE: Event = Event::new();
//!
//! let clock = Timer::every(Duration::from_millis(1), || {
//!     if TICKS.fetch_add(1, Ordering::Relaxed) == 2 {
//!         THREE.set();
//!     }
//! })
//! .start();
//! THREE.wait();
//! clock.cancel_and_wait();
//! ```
//!
//! # What a timer promises
//!
//! - It fires at its own nanosecond or later, never before, and in the order of the times; equal times in the order in which they
//!   were set. How much later is the system's to say.
//! - A [cancellation](TimerHandle::cancel) or a [move](TimerHandle::reschedule) may come just as the timer fires: it says whether it
//!   came in time. A timer that was cancelled does not fire.
//! - Its function may do anything to timers, its own included. To wait for itself is an error.
//! - A panic in the function is reported to the [excepthook](tk_thread::set_excepthook) of `tk-thread`, under the timer's name, and
//!   goes no further. A timer that repeats goes on, or ends if its [`Schedule`] says so ([`OnPanic`]).
//! - Starting, cancelling and moving take constant time, and wake nobody but for a timer that is now the earliest. A pending timer
//!   takes about 120 bytes, and what its function captures.
//! - A thread that serves timers ends when it has had nothing to do for ten seconds.

#![forbid(unsafe_code)]
#![cfg_attr(
    tk_loom,
    allow(dead_code, reason = "the models are of the queue alone")
)]

mod guarded;
#[cfg(not(tk_loom))]
mod handle;
mod list;
#[cfg(tk_loom)]
#[doc(hidden)]
pub mod model;
mod outcome;
mod progress;
mod queue;
mod schedule;
#[cfg(not(tk_loom))]
mod service;
mod slab;
mod task;
#[cfg(not(tk_loom))]
mod timer;
mod wheel;

#[cfg(not(tk_loom))]
pub use handle::{CancelOnDrop, TimerHandle};
pub use outcome::{CancelOutcome, RescheduleOutcome};
pub use schedule::{MissedTicks, OnPanic, Schedule};
#[cfg(not(tk_loom))]
pub use service::{PendingTimer, TimerService};
#[cfg(not(tk_loom))]
pub use timer::Timer;

#[cfg(not(tk_loom))]
#[doc(no_inline)]
pub use tk_park::{Limit, StopSource, StopToken, WaitError};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
