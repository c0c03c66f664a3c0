//! A daemon thread that the program does wait for, because it joins it.

use std::error::Error;
use std::time::Duration;

use log::{LevelFilter, debug};
use tk_threading::{Builder, logging, sleep};

fn daemon() {
    debug!("Starting");
    sleep(Duration::from_millis(200));
    debug!("Exiting");
}

fn non_daemon() {
    debug!("Starting");
    debug!("Exiting");
}

/// Starts a daemon and another thread, and waits for both.
pub fn main() -> Result<(), Box<dyn Error>> {
    logging::basic_config()
        .level(LevelFilter::Debug)
        .format("(%(threadName)-10s) %(message)s")
        .init();

    tk_threading::main(|| {
        let d = Builder::new().name("daemon").daemon(true).spawn(daemon)?;
        let t = Builder::new().name("non-daemon").spawn(non_daemon)?;

        // Joining a handle gives what the function returned, or the panic that ended it as an
        // error. In Python neither gets out of the thread.
        d.join()?;
        t.join()?;
        Ok(())
    })
}
