//! What a guard gives access to is not for later.
use tk_lock::Lock;

fn main() {
    let lock = Lock::new(vec![1]);
    let mut guard = lock.lock();
    let first = &mut guard[0];
    drop(guard);
    *first = 2;
}
