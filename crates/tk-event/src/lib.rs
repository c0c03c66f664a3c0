//! A flag that threads can wait for: Python's `threading.Event`.
//!
//! One thread sets the event when something has happened. Any number of threads wait until then:
//!
//! ```
//! use tk_event::Event;
//!
//! let ready = Event::new();
//! std::thread::scope(|s| {
//!     s.spawn(|| {
//!         ready.wait();
//!         println!("off we go");
//!     });
//!     ready.set();
//! });
//! ```
//!
//! An event stays set until it is cleared. `set` directly followed by `clear` still releases every
//! thread that waits, whether it sleeps or not. In Windows and .NET this is a manual-reset event.
//!
//! Every wait can have a [`Limit`]: a time, stop tokens, or both:
//!
//! ```
//! use std::time::Duration;
//! use tk_event::{Event, StopSource, WaitError};
//!
//! let event = Event::new();
//! assert!(!event.wait_for(Duration::from_millis(1)));
//!
//! let source = StopSource::new();
//! source.request_stop();
//! assert_eq!(event.wait_with(&source.token()), Err(WaitError::Stopped));
//! ```

#![forbid(unsafe_code)]

mod event;

pub use event::Event;

#[doc(no_inline)]
pub use tk_park::{Limit, StopSource, StopToken, WaitError};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
