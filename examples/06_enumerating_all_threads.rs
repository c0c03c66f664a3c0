//! Waits for all threads without having kept their handles: the registry knows them.

use std::error::Error;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use log::{LevelFilter, debug};
use tk_threading::{Builder, logging, sleep};

/// A number from 1 to 5. The standard library has no random numbers, but the keys of its hash maps
/// are random.
fn one_to_five() -> u64 {
    RandomState::new().hash_one(()) % 5 + 1
}

fn worker() {
    let pause = Duration::from_millis(100 * one_to_five());
    debug!("sleep {:.2}", pause.as_secs_f64());
    sleep(pause);
    debug!("ending");
}

/// Starts three daemons, and joins all threads that are alive.
pub fn main() -> Result<(), Box<dyn Error>> {
    logging::basic_config()
        .level(LevelFilter::Debug)
        .format("(%(threadName)-10s) %(message)s")
        .init();

    tk_threading::main(|| {
        for _ in 0..3 {
            Builder::new().daemon(true).spawn(worker)?;
        }

        for t in tk_threading::enumerate() {
            // A thread that joins itself gets an error, as in Python.
            if t.is_main() {
                continue;
            }
            debug!("joining {}", t.name());
            t.join()?;
        }
        Ok(())
    })
}
