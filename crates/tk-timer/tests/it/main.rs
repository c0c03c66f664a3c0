//! The integration tests of tk-timer.
#![cfg(not(tk_loom))]

mod hostile;
mod inside;
mod reschedule;
mod schedule;
mod service;
mod thread;
mod timer;

use std::time::Duration;

const LONG: Duration = Duration::from_secs(3600);

fn never() {
    unreachable!("a timer fired that was not to");
}
