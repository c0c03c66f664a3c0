use tk_parking_lot_012::{Condvar, Mutex};

fn main() {
    let (ready, changed) = (Mutex::new(false), Condvar::new());
    std::thread::scope(|s| {
        s.spawn(|| {
            *ready.lock() = true;
            changed.notify_one();
        });
        changed.wait_while(&mut ready.lock(), |ready| !*ready);
    });
}
