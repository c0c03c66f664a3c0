//! How long it takes until a thread that waits goes on.
//!
//! `cargo bench -p tk-benches --bench wakeup`

use criterion::{Criterion, criterion_group, criterion_main};
use tk_benches::together;

/// Something that one thread waits for and another one signals; each signal is for one wait.
trait Signal: Sync {
    fn new() -> Self;
    fn signal(&self);
    fn wait(&self);
}

struct TkEvent(tk_event::Event);

impl Signal for TkEvent {
    fn new() -> TkEvent {
        TkEvent(tk_event::Event::new())
    }

    fn signal(&self) {
        self.0.set();
    }

    fn wait(&self) {
        self.0.wait();
        self.0.clear();
    }
}

struct TkCondition(tk_condvar::Condition<bool>);

impl Signal for TkCondition {
    fn new() -> TkCondition {
        TkCondition(tk_condvar::Condition::new(false))
    }

    fn signal(&self) {
        *self.0.lock() = true;
        self.0.notify(1);
    }

    fn wait(&self) {
        let mut signalled = self.0.lock();
        signalled.wait_while(|signalled| !*signalled);
        *signalled = false;
    }
}

struct TkSemaphore(tk_semaphore::Semaphore);

impl Signal for TkSemaphore {
    fn new() -> TkSemaphore {
        TkSemaphore(tk_semaphore::Semaphore::new(0))
    }

    fn signal(&self) {
        self.0.release(1).expect("a benchmark is not that long");
    }

    fn wait(&self) {
        self.0.acquire().forget();
    }
}

struct StdCondvar(std::sync::Mutex<bool>, std::sync::Condvar);

impl Signal for StdCondvar {
    fn new() -> StdCondvar {
        StdCondvar(std::sync::Mutex::new(false), std::sync::Condvar::new())
    }

    fn signal(&self) {
        *self.0.lock().unwrap() = true;
        self.1.notify_one();
    }

    fn wait(&self) {
        let mut signalled = self.0.lock().unwrap();
        while !*signalled {
            signalled = self.1.wait(signalled).unwrap();
        }
        *signalled = false;
    }
}

struct ParkingLotCondvar(parking_lot::Mutex<bool>, parking_lot::Condvar);

impl Signal for ParkingLotCondvar {
    fn new() -> ParkingLotCondvar {
        ParkingLotCondvar(parking_lot::Mutex::new(false), parking_lot::Condvar::new())
    }

    fn signal(&self) {
        *self.0.lock() = true;
        self.1.notify_one();
    }

    fn wait(&self) {
        let mut signalled = self.0.lock();
        while !*signalled {
            self.1.wait(&mut signalled);
        }
        *signalled = false;
    }
}

/// One round is there and back: two wake-ups.
fn ping_pong<S: Signal>(c: &mut Criterion, name: &str) {
    c.benchmark_group("wakeup/ping_pong")
        .bench_function(name, |bencher| {
            bencher.iter_custom(|rounds| {
                let (ping, pong) = (S::new(), S::new());
                together(2, |number| {
                    for _ in 0..rounds {
                        if number == 0 {
                            ping.signal();
                            pong.wait();
                        } else {
                            ping.wait();
                            pong.signal();
                        }
                    }
                })
            });
        });
}

fn ping_pongs(c: &mut Criterion) {
    ping_pong::<TkEvent>(c, "tk event");
    ping_pong::<TkSemaphore>(c, "tk semaphore");
    ping_pong::<TkCondition>(c, "tk condition");
    ping_pong::<ParkingLotCondvar>(c, "parking_lot condvar");
    ping_pong::<StdCondvar>(c, "std condvar");
}

criterion_group!(benches, ping_pongs);
criterion_main!(benches);
