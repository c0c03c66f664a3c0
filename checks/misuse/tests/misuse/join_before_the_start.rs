//! A thread that has not been started can't be joined (CPython's test_joining_inactive_thread).
use tk_thread::Builder;

fn main() {
    Builder::new().name("idle").join();
}
