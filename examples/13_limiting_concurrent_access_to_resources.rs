//! A pool that four threads want to be in, and that has room for two.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use log::{LevelFilter, debug};
use tk_threading::{Builder, Lock, Semaphore, current, logging, sleep};

/// The names of the threads in the pool.
#[derive(Default)]
struct ActivePool {
    active: Lock<Vec<String>>,
}

impl ActivePool {
    fn make_active(&self, name: &str) {
        let mut active = self.active.lock();
        active.push(name.to_owned());
        debug!("Running: {active:?}");
    }

    fn make_inactive(&self, name: &str) {
        let mut active = self.active.lock();
        active.retain(|other| other != name);
        debug!("Running: {active:?}");
    }
}

fn worker((s, pool): (Arc<Semaphore>, Arc<ActivePool>)) {
    debug!("Waiting to join the pool");
    // As Python's `with s:`. The permit is given back when it goes out of scope.
    let _permit = s.acquire();
    let name = current().name();
    pool.make_active(&name);
    sleep(Duration::from_millis(100));
    pool.make_inactive(&name);
}

/// Starts the four.
pub fn main() -> io::Result<()> {
    logging::basic_config()
        .level(LevelFilter::Debug)
        .format("%(asctime)s (%(threadName)-2s) %(message)s")
        .init();

    tk_threading::main(|| {
        let pool = Arc::new(ActivePool::default());
        let s = Arc::new(Semaphore::new(2));
        for i in 0..4 {
            Builder::new()
                .name(i.to_string())
                .spawn_with(worker, (Arc::clone(&s), Arc::clone(&pool)))?;
        }
        Ok(())
    })
}
