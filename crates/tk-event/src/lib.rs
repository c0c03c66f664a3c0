//! An event that threads can wait for.
//!
//! One thread says that something has happened, any number of others wait until it has:
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
//! thread that was waiting, asleep or not: a wait begins when the call first looks at the event.
//! This is the `Event` of Python's `threading`, the manual-reset event of Windows and .NET.
//!
//! Every wait can have a limit: a time, a [`StopToken`], or both (a [`Limit`]):
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
