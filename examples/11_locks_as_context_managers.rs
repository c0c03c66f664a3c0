//! A lock that is released at the end of a scope, and one that is released by hand.

use std::sync::Arc;

use log::{LevelFilter, debug};
use tk_threading::{Lock, logging, spawn_with};

/// As Python's `with lock:`. The guard releases the lock when it goes out of scope, also if there
/// is a panic.
fn worker_with(lock: Arc<Lock<()>>) {
    let _guard = lock.lock();
    debug!("Lock acquired via with");
}

/// As Python's `lock.acquire()` and `lock.release()`: dropping the guard releases the lock. If you
/// forget that, the end of the scope does it. (If one thread acquires and another one releases, use
/// `RawLock`, which has methods of these names.)
fn worker_no_with(lock: Arc<Lock<()>>) {
    let guard = lock.lock();
    debug!("Lock acquired directly");
    drop(guard);
}

/// Starts one of each, with the same lock.
pub fn main() {
    logging::basic_config()
        .level(LevelFilter::Debug)
        .format("(%(threadName)-10s) %(message)s")
        .init();

    tk_threading::main(|| {
        let lock = Arc::new(Lock::new(()));
        spawn_with(worker_with, Arc::clone(&lock));
        spawn_with(worker_no_with, lock);
    });
}
