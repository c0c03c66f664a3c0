//! A daemon thread, which the program leaves behind when it ends.

use std::io;
use std::time::Duration;

use log::{LevelFilter, debug};
use tk_threading::{Builder, logging, sleep};

fn daemon() {
    debug!("Starting");
    sleep(Duration::from_secs(1));
    debug!("Exiting"); // Not seen: the program is over by then.
}

fn non_daemon() {
    debug!("Starting");
    debug!("Exiting");
}

/// Starts a daemon and another thread, and waits for neither.
pub fn main() -> io::Result<()> {
    logging::basic_config()
        .level(LevelFilter::Debug)
        .format("(%(threadName)-10s) %(message)s")
        .init();

    // `tk_threading::main` knows the difference: it waits for `non-daemon`, and not for `daemon`.
    // Threads of `std::thread` are all left behind.
    tk_threading::main(|| {
        let d = Builder::new().name("daemon").daemon(true).spawn(daemon)?;
        // Python's `start` returns when the thread runs; `spawn` does not wait for that. Otherwise
        // the program might be over before the daemon has said anything.
        d.wait_started();
        Builder::new().name("non-daemon").spawn(non_daemon)?;
        Ok(())
    })
}
