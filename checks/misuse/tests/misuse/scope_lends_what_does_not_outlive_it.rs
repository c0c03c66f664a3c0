//! What a thread of a scope borrows lives outside of the scope.
fn main() {
    tk_thread::scope(|s| {
        let text = String::from("hello");
        s.spawn(|| println!("{text}"));
    });
}
