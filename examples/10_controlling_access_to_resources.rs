//! A counter that two threads increment, one at a time.

use std::error::Error;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use log::{LevelFilter, debug};
use tk_threading::{Builder, Lock, logging, sleep};

/// Python keeps the lock beside the value, and has to remember to take it. Here the value is inside
/// the lock.
#[derive(Default)]
struct Counter {
    value: Lock<u32>,
}

impl Counter {
    fn increment(&self) {
        debug!("Waiting for lock");
        let mut value = self.value.lock();
        debug!("Acquired lock");
        *value += 1;
        // The guard goes out of scope here, and releases the lock. It also does so after a panic.
    }
}

/// A number from 0 up to 1. The standard library has no random numbers, but the keys of its hash
/// maps are random.
fn random() -> f64 {
    RandomState::new().hash_one(()) as f64 / u64::MAX as f64
}

fn worker(c: Arc<Counter>) {
    for _ in 0..2 {
        let pause = random();
        debug!("Sleeping {pause:.2}");
        sleep(Duration::from_secs_f64(pause));
        c.increment();
    }
    debug!("Done");
}

/// Starts two workers, waits for them, and looks at the counter.
pub fn main() -> Result<(), Box<dyn Error>> {
    logging::basic_config()
        .level(LevelFilter::Debug)
        .format("(%(threadName)-10s) %(message)s")
        .init();

    tk_threading::main(|| {
        let counter = Arc::new(Counter::default());
        for _ in 0..2 {
            Builder::new().spawn_with(worker, Arc::clone(&counter))?;
        }

        debug!("Waiting for worker threads");
        for t in tk_threading::enumerate() {
            if !t.is_main() {
                t.join()?;
            }
        }
        debug!("Counter: {}", counter.value.lock());
        Ok(())
    })
}
