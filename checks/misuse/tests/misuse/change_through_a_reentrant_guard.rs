//! There can be many guards of an `RLock` in one thread: they share the value.
use tk_lock::RLock;

fn main() {
    let lock = RLock::new(1);
    *lock.lock() += 1;
}
