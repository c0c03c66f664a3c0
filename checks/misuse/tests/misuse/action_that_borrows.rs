//! The action of a barrier is called by whichever thread comes last, as long as the barrier lives.
use tk_barrier::Barrier;

fn main() {
    let name = String::from("first");
    let barrier = Barrier::new(2).action(|| println!("{name}"));
    drop(name);
    let _ = barrier.wait();
}
