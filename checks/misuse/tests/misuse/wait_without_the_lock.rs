//! CPython's `test_unacquired_wait`: only the guard can wait.
use tk_condvar::{Condition, Condvar};

fn main() {
    Condition::new(1).wait();
    Condvar::new().wait();
}
