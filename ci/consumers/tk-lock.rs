use tk_lock::{Lock, RLock};

static COUNTER: Lock<u32> = Lock::new(0);

fn main() {
    std::thread::scope(|s| {
        for _ in 0..4 {
            s.spawn(|| *COUNTER.lock() += 1);
        }
    });
    assert_eq!(*COUNTER.lock(), 4);
    let reentrant = RLock::new(7);
    let (_first, second) = (reentrant.lock(), reentrant.lock());
    assert_eq!(*second, 7);
}
