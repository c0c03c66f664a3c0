//! Others change the value while a thread waits.
use tk_condvar::{Condition, Monitor};

fn main() {
    let condition = Condition::new(vec![1]);
    let mut guard = condition.lock();
    let first = &guard[0];
    guard.wait();
    println!("{first}");

    let monitor = Monitor::new(1);
    let mut guard = monitor.lock();
    let value = guard.borrow();
    guard.wait();
    println!("{value}");
}
