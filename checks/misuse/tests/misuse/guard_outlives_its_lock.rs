//! A guard borrows its lock.
use tk_lock::Lock;

fn main() {
    let guard = {
        let lock = Lock::new(1);
        lock.lock()
    };
    drop(guard);
}
