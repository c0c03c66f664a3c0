//! A builder starts one thread, and is used up by that (CPython's test_start_thread_again).
use tk_thread::Builder;

fn main() {
    let builder = Builder::new();
    let _first = builder.spawn(|| ());
    let _second = builder.spawn(|| ());
}
