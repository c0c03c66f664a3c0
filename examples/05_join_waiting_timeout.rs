//! A join that gives up after a while, and a thread that is alive after it.

use std::error::Error;
use std::time::Duration;

use log::{LevelFilter, debug};
use tk_threading::{Builder, logging, sleep};

fn daemon() {
    debug!("Starting");
    sleep(Duration::from_millis(200));
    debug!("Exiting"); // Not seen: the program is over by then.
}

fn non_daemon() {
    debug!("Starting");
    debug!("Exiting");
}

/// Waits for the daemon for half as long as it takes.
pub fn main() -> Result<(), Box<dyn Error>> {
    logging::basic_config()
        .level(LevelFilter::Debug)
        .format("(%(threadName)-10s) %(message)s")
        .init();

    tk_threading::main(|| {
        let d = Builder::new().name("daemon").daemon(true).spawn(daemon)?;
        let t = Builder::new().name("non-daemon").spawn(non_daemon)?;

        // Python's `join(0.1)` always returns `None`, so you have to ask whether the thread is
        // alive. This one returns `Err(JoinError::TimedOut)`. You can ask as well. The handle is
        // still there, to be joined again.
        d.join_for(Duration::from_millis(100)).ok();
        println!("d.is_alive() {}", d.is_alive());
        t.join()?;
        Ok(())
    })
}
