//! Functions that are called later, or again and again.
//!
//! A [`Timer`] is what to call and when; [`start`](Timer::start) gives the [`TimerHandle`], which
//! can wait for it, cancel it or move it.
//!
//! A pending timer costs no thread. A few threads, which the crate starts, serve all of them: one
//! waits for the earliest timer and calls the functions. If a function takes long, another thread
//! takes over, so that it delays no other timer.
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
//! This is the `Timer` of Python's `threading`, without the thread; and it can repeat. A function
//! that repeats can end its timer:
//!
//! ```
//! use std::ops::ControlFlow;
//! use std::time::Duration;
//! use tk_timer::Timer;
//!
//! let mut ticks = 0;
//! let clock = Timer::every(Duration::from_millis(1), move || {
//!     ticks += 1;
//!     if ticks == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
//! })
//! .start();
//! clock.join().unwrap();
//! ```
//!
//! # What a timer promises
//!
//! - A timer that has been started fires, unless it is cancelled, or its service or the program
//!   ends before. If there is no thread to call it and none can be had, the start is an error.
//! - It fires at its own nanosecond or later, never before. How much later is the system's to say.
//! - The functions of a service begin in the order of the times; equal times in the order in which
//!   the timers were started. Functions that are short run one after another: the next one begins
//!   when the one before has returned. A function that sleeps is overtaken after a quarter of a
//!   millisecond, one that computes after five milliseconds. (Where the system does not say which
//!   threads sleep, that is everywhere but on Linux, both after a quarter.)
//! - A [cancellation](TimerHandle::cancel) or a [move](TimerHandle::reschedule) may come just as
//!   the timer fires: it says whether it came in time. A timer that was cancelled does not fire.
//! - Its function may do anything to timers, its own included. To wait for itself is an error.
//! - A panic in the function is reported to the [excepthook](tk_thread::set_excepthook) of
//!   `tk-thread`, under the timer's name, and goes no further. A timer that repeats goes on, or
//!   ends if its [`Schedule`] says so ([`OnPanic`]).
//! - [`tk_thread::exit`] in the function ends the timer, and nothing is reported, as it ends a
//!   thread.
//! - [`tk_thread::main`] returns after the last timer that is not a daemon has
//!   [finished](TimerHandle::is_finished).
//! - Starting, cancelling and moving take constant time, and wake no thread but for a timer that is
//!   now the earliest. A pending timer takes about 120 bytes, and what its function captures. The
//!   memory is given back to the allocator when the timers have ended.
//! - The threads of a service end when it has had nothing to do for ten seconds.
//!
//! # The thread that a function sees
//!
//! Each call of a function sees a thread of its own, as in Python, where each timer is a thread:
//! with the timer's name, with a new id, a daemon if the timer is one, with a fresh [stop
//! token](tk_thread::stop_token), with no values in any `Local` of `tk-local`, and in
//! [`tk_thread::enumerate`]. What the function starts inherits the daemon flag. The
//! [hooks](tk_thread::on_thread_start) for the start and the end of threads are called. A
//! [`Thread`](tk_thread::Thread) that is kept says that it has stopped as soon as the call is over.
//!
//! The OS thread is shared with other functions, one after another. So a few things are shared too:
//!
//! - Values in [`std::thread_local!`] stay when the function returns, and the next function finds
//!   them. They are destroyed when the serving thread ends, which nobody waits for. What is to be
//!   the function's own belongs into a local variable or a `Local`.
//! - What the system keeps for each thread: its number
//!   ([`native_id`](tk_thread::Thread::native_id)), its priority, its signal mask.
//!   [`std::thread::current`] is the serving thread, which is called `tk-timer`.
//! - On Linux, a serving thread has the least timer slack. Threads that a function starts inherit
//!   it.
//!
//! # Forks
//!
//! In the child of a fork there are no timers: those of the parent are
//! [lost](TimerHandle::is_lost). They count as finished, their functions are neither called nor
//! dropped, and they hold nothing open. New ones can be started, on the global service and on
//! others. If a timer's function forks and returns in the child, its thread ends.
//!
//! # What must not be done
//!
//! A global allocator must not use timers, because a service allocates while it changes its list.

#![forbid(unsafe_code)]
#![cfg_attr(
    tk_loom,
    allow(dead_code, reason = "the models are of the queue alone")
)]

mod fork;
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
mod staff;
mod task;
mod tick;
#[cfg(not(tk_loom))]
mod timer;
mod wheel;

#[cfg(not(tk_loom))]
pub use handle::{CancelOnDrop, TimerHandle};
pub use outcome::{CancelOutcome, RescheduleOutcome};
pub use schedule::{MissedTicks, OnPanic, Schedule};
#[cfg(not(tk_loom))]
pub use service::{PendingTimer, TimerService};
pub use tick::Tick;
#[cfg(not(tk_loom))]
pub use timer::Timer;

#[cfg(not(tk_loom))]
#[doc(no_inline)]
pub use tk_park::{Limit, StopSource, StopToken, WaitError};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
