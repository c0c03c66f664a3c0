use tk_condvar::Condition;

static READY: Condition<bool> = Condition::new(false);

fn main() {
    std::thread::scope(|s| {
        s.spawn(|| {
            *READY.lock() = true;
            READY.notify_all();
        });
        READY.lock().wait_while(|ready| !*ready);
    });
}
