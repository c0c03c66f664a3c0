use std::time::Duration;

use tk_timer::Timer;

fn main() {
    let timer = Timer::new(Duration::from_millis(1), || println!("fired")).name("t1").start();
    timer.join().unwrap();
}
