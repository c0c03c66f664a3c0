//! Two timers, of which one is cancelled before it fires.

use std::time::Duration;

use log::{LevelFilter, debug};
use tk_threading::{Timer, logging, sleep};

fn delayed() {
    debug!("worker running");
}

/// Starts both, and cancels the second in time.
pub fn main() {
    logging::basic_config()
        .level(LevelFilter::Debug)
        .format("(%(threadName)-10s) %(message)s")
        .init();

    // A pending timer holds the program open as in Python, but is no thread of its own. One thread
    // waits for all of them, and bears the timer's name while it runs its function.
    tk_threading::main(|| {
        let t1 = Timer::new(Duration::from_millis(300), delayed).name("t1");
        let t2 = Timer::new(Duration::from_millis(300), delayed).name("t2");

        debug!("starting timers");
        t1.start();
        let t2 = t2.start(); // Only a timer that has been started can be cancelled.

        debug!("waiting before canceling {}", t2.name());
        sleep(Duration::from_millis(200));
        debug!("canceling {}", t2.name());
        t2.cancel(); // Says whether it was in time, which Python's does not.
        debug!("done");
    });
}
