//! A lock gives its value to one thread after the other.
use std::rc::Rc;

use tk_lock::{Lock, RLock};

fn shared<T: Sync>() {}

fn main() {
    shared::<Lock<Rc<u32>>>();
    shared::<RLock<Rc<u32>>>();
}
