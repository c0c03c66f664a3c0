//! The lock inside a `Lock` is out of reach, so that nobody releases what a guard holds.
use tk_lock::Lock;

fn main() {
    let lock = Lock::new(1);
    let _guard = lock.lock();
    lock.raw().release();
}
