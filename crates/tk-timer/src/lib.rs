//! Functions that are called later, or again and again.
//!
//! A pending timer costs no thread: one thread of the kit waits for the earliest of all. When it is due, that thread calls
//! the function, under the timer's name, and another takes over the waiting; so a function that takes its time delays
//! no other timer.
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

#![forbid(unsafe_code)]

mod service;
#[cfg_attr(not(test), expect(dead_code, reason = "the service comes next"))]
mod slab;
mod timer;
#[cfg_attr(not(test), expect(dead_code, reason = "the service comes next"))]
mod wheel;

pub use timer::{Cancel, Timer, TimerHandle};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
