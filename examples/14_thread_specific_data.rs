//! One object that has another value in each thread.

use std::hash::{BuildHasher, RandomState};

use log::{LevelFilter, debug};
use tk_threading::{Local, logging};

/// Python's `local()` takes any attributes; here the value has a type. As a `static`, it is there
/// for all threads. It could also be a field of a struct, which is impossible with `thread_local!`.
static LOCAL_DATA: Local<u64> = Local::new();

fn show_value(data: &Local<u64>) {
    match data.get() {
        None => debug!("No value yet"),
        Some(value) => debug!("value={value}"),
    }
}

/// A number from 1 to 100. The standard library has no random numbers, but the keys of its hash
/// maps are random.
fn one_to_hundred() -> u64 {
    RandomState::new().hash_one(()) % 100 + 1
}

fn worker(data: &Local<u64>) {
    show_value(data);
    data.set(one_to_hundred());
    show_value(data);
}

/// Sets the value here, then shows that other threads have none.
pub fn main() {
    logging::basic_config()
        .level(LevelFilter::Debug)
        .format("(%(threadName)-10s) %(message)s")
        .init();

    tk_threading::main(|| {
        show_value(&LOCAL_DATA);
        LOCAL_DATA.set(1000);
        show_value(&LOCAL_DATA);

        for _ in 0..2 {
            tk_threading::spawn_with(worker, &LOCAL_DATA);
        }
    });
}
