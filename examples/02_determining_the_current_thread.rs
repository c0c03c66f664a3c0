//! Threads that say their own names: two that are given one, and one that is not.

use std::io;
use std::time::Duration;

use tk_threading::{Builder, current, sleep};

fn worker() {
    println!("{} Starting", current().name());
    sleep(Duration::from_millis(200));
    println!("{} Exiting", current().name());
}

fn my_service() {
    println!("{} Starting", current().name());
    sleep(Duration::from_millis(300));
    println!("{} Exiting", current().name());
}

/// Starts the three. `main` can return an error like any other: `tk_threading::main` passes on what
/// the closure returns.
pub fn main() -> io::Result<()> {
    tk_threading::main(|| {
        // A `Builder` takes the arguments of the constructor of Python's `Thread`.
        Builder::new().name("worker").spawn(worker)?;
        Builder::new().spawn(worker)?; // Called after its function: `Thread-1 (worker)`.
        Builder::new().name("my_service").spawn(my_service)?;
        Ok(())
    })
}
