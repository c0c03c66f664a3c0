//! The program of 02 with a log, which puts the thread's name on each line.

use std::io;
use std::time::Duration;

use log::{LevelFilter, debug};
use tk_threading::{Builder, logging, sleep};

fn worker1() {
    debug!("Starting");
    sleep(Duration::from_millis(200));
    debug!("Exiting");
}

fn my_service1() {
    debug!("Starting");
    sleep(Duration::from_millis(300));
    debug!("Exiting");
}

/// Sets up the log, then starts the threads.
pub fn main() -> io::Result<()> {
    // The program logs through the crate `log`. Its lines go to the standard error stream, as in
    // Python. The format is Python's too; `[{levelname}] ({threadName:<10}) {message}` is the same.
    logging::basic_config()
        .level(LevelFilter::Debug)
        .format("[%(levelname)s] (%(threadName)-10s) %(message)s")
        .init();

    tk_threading::main(|| {
        Builder::new().name("worker").spawn(worker1)?;
        Builder::new().spawn(worker1)?; // Uses the default name.
        Builder::new().name("my_service").spawn(my_service1)?;
        Ok(())
    })
}
