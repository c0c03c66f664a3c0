use tk_threading::StopSource;

#[cfg(not(feature = "default"))]
fn main() {
    let source = StopSource::new();
    source.request_stop();
    assert!(source.token().stop_requested());
}

#[cfg(feature = "default")]
fn main() {
    use tk_threading::{Event, Lock, spawn};

    static COUNTER: Lock<u32> = Lock::new(0);
    static READY: Event = Event::new();

    let source = StopSource::new();
    tk_threading::main(|| {
        let worker = spawn(|| {
            READY.wait();
            *COUNTER.lock() += 1;
        });
        READY.set();
        worker.join().unwrap();
    });
    assert!(!source.token().stop_requested());
    assert_eq!(*COUNTER.lock(), 1);
}
