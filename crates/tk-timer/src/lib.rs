//! Timers: functions that are called later, once or repeatedly, without a thread for each.
//!
//! A [`Timer`] says what to call and when. [`start`](Timer::start) starts it and returns a
//! [`TimerHandle`], which waits for the timer, cancels it or moves it.
//!
//! A pending timer needs no thread. A few threads, which the crate starts, serve all timers: one
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
//! This is the `Timer` of Python's `threading`, without the thread, and it can repeat. A function
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
//! - **It fires.** A timer that has been started fires, unless it is cancelled, its service is
//!   dropped, or the program ends first. If there is no thread to call it and the system starts
//!   none, the start is an error.
//! - **Never early.** A timer fires at its own nanosecond or later. How much later depends on the
//!   system.
//! - **In order.** The functions of a service begin in the order of their times, and those of equal
//!   times in FIFO order. Short functions run one after another: the next one begins when the one
//!   before has returned. A function that sleeps is overtaken after 0.25 ms, one that computes
//!   after 5 ms. On systems other than Linux, which do not say whether a thread sleeps, both are
//!   overtaken after 0.25 ms.
//! - **Either cancelled or fired.** [`cancel`](TimerHandle::cancel) and
//!   [`reschedule`](TimerHandle::reschedule) may come just as the timer fires. They return whether
//!   they came in time. A timer that was cancelled does not fire.
//! - **Functions may use timers**, including their own. A function that waits for its own timer
//!   gets an error.
//! - **Panics stay inside.** A panic in the function is reported to the
//!   [excepthook](tk_thread::set_excepthook) of `tk-thread`, under the timer's name, and goes no
//!   further. A timer that repeats goes on, unless its [`Schedule`] sets [`OnPanic::Cancel`].
//!   [`tk_thread::exit`] in the function ends the timer, and is not reported.
//! - **The program waits.** [`tk_thread::main`] returns after the last timer that is not a daemon
//!   has [finished](TimerHandle::is_finished).
//! - **Constant cost.** Starting, cancelling and moving take constant time, and wake a thread only
//!   if the timer is the earliest now. A pending timer takes about 120 bytes, in addition to what
//!   its function captures. The memory is freed when the timers have ended.
//! - **Idle threads end** when the service has had nothing to do for ten seconds.
//!
//! # The thread that a function sees
//!
//! Each call of a function sees a thread of its own, as in Python, where each timer is a thread.
//! The thread has:
//!
//! - the timer's name, and a new id,
//! - the timer's daemon flag, which the threads and timers that the function starts inherit,
//! - the program of the thread that started the timer (see [`tk_thread::main`]),
//! - a new [stop token](tk_thread::stop_token), and no values in any `Local` of `tk-local`.
//!
//! The thread is in [`tk_thread::enumerate`] during the call, and the
//! [hooks](tk_thread::on_thread_start) for the start and the end of threads are called. A
//! [`Thread`](tk_thread::Thread) that the function passes on shows as stopped when the call is
//! over.
//!
//! The OS thread is shared with other functions, one after another. So a few things are shared too:
//!
//! - Values in [`std::thread_local!`] stay when the function returns, and the next function finds
//!   them. They are destroyed when the serving thread ends. Keep what belongs to one call in a
//!   local variable or a `Local`.
//! - The system's attributes of a thread: its number
//!   ([`native_id`](tk_thread::Thread::native_id)), its priority, its signal mask.
//!   [`std::thread::current`] is the serving thread, whose name is `tk-timer`.
//! - On Linux, a serving thread has the smallest timer slack. Threads that a function starts
//!   inherit it.
//!
//! # Forks
//!
//! The child of a fork begins without timers. Those of the parent are [lost](TimerHandle::is_lost):
//! they count as finished, their functions are neither called nor dropped, and they hold nothing
//! open. New timers can be started, on the global service and on others. If a timer's function
//! forks and returns in the child, its thread ends there.
//!
//! # Global allocators
//!
//! A global allocator must not use timers, because a service allocates memory with its lock held.

#![forbid(unsafe_code)]
#![cfg_attr(
    tk_loom,
    allow(dead_code, reason = "the models are of the scheduler alone")
)]

mod catch;
#[cfg(not(tk_loom))]
mod handle;
#[cfg(tk_loom)]
#[doc(hidden)]
pub mod model;
mod outcome;
mod progress;
mod schedule;
mod scheduler;
#[cfg(not(tk_loom))]
mod service;
mod slab;
mod staff;
mod state;
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
