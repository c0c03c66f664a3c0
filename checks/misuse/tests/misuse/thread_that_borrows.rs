//! A thread that borrows needs a scope.
fn main() {
    let text = String::from("hello");
    tk_thread::spawn(|| println!("{text}"));
}
