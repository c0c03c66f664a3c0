//! Threads that run a value of your own type, as Python's do with a subclass of `Thread`.

use log::{LevelFilter, debug};
use tk_threading::{Run, logging};

/// A value that a thread runs. It is moved into the thread, so it can be started only once. Python
/// checks that when the program runs.
struct MyThread;

impl Run for MyThread {
    type Output = ();

    fn run(self) {
        debug!("running");
    }
}

/// Starts five of them.
pub fn main() {
    logging::basic_config()
        .level(LevelFilter::Debug)
        .format("(%(threadName)-10s) %(message)s")
        .init();

    tk_threading::main(|| {
        for _ in 0..5 {
            MyThread.start(); // Called `Thread-N`: there is no function to be called after.
        }
    });
}
