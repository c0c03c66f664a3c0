//! Threads that run a value of a type of one's own: what Python does by a subclass of `Thread`.

use log::{LevelFilter, debug};
use tk_threading::{Run, logging};

/// Is no thread, but what a thread runs. So it can be started once, which Python has to check.
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
