//! A reference to the value does not outlive the guard that it came from.
use tk_lock::Lock;

fn main() {
    let lock = Lock::new(vec![1]);
    let mut guard = lock.lock();
    let first = &mut guard[0];
    drop(guard);
    *first = 2;
}
