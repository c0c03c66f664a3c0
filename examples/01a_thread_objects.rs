//! Starts five threads that run the same function.

/// Prints one line.
fn worker() {
    println!("worker");
}

/// In Python a program waits for its threads by itself. In Rust the process ends when `main`
/// returns, whoever still runs: `tk_threading::main` waits for them.
pub fn main() {
    tk_threading::main(|| {
        for _ in 0..5 {
            // Python makes the thread, then starts it. Here it is one step; what it returns is the
            // handle to join.
            tk_threading::spawn(worker);
        }
    });
}
