//! Starts five threads that run the same function.

/// Prints one line.
fn worker() {
    println!("worker");
}

/// A Python program waits for its threads by itself. A Rust process ends when `main` returns, even
/// if threads still run. `tk_threading::main` waits for them.
pub fn main() {
    tk_threading::main(|| {
        for _ in 0..5 {
            // Python makes the thread, then starts it. Here that is one step, which returns the
            // handle to join.
            tk_threading::spawn(worker);
        }
    });
}
