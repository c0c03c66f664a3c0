//! Starts five threads that run the same function, each with an argument of its own.

/// Says which one it is.
fn worker(num: u32) {
    println!("Worker: {num}");
}

/// As in 01a, and each thread gets a number.
pub fn main() {
    tk_threading::main(|| {
        for i in 0..5 {
            // `spawn(move || worker(i))` works too. But a closure has no name, so the thread's name
            // would be `Thread-1`. Here it is `Thread-1 (worker)`. Several arguments are passed as
            // a tuple.
            tk_threading::spawn_with(worker, i);
        }
    });
}
