//! A thread of a scope borrows only values that outlive the scope.
fn main() {
    tk_thread::scope(|s| {
        let text = String::from("hello");
        s.spawn(|| println!("{text}"));
    });
}
