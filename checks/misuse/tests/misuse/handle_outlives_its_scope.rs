//! The handle of a thread of a scope stays in it.
fn main() {
    let _handle = tk_thread::scope(|s| s.spawn(|| ()));
}
