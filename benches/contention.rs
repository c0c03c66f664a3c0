//! Threads that want the same thing at the same time.
//!
//! `cargo bench -p tk-benches --bench contention`

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use tk_benches::{together, work};

/// Inside the critical section, and outside of it for each other thread, in nanoseconds.
const INSIDE: u64 = 20;

/// A mutex around a counter.
trait Counter: Sync {
    fn new() -> Self;
    fn count(&self);
    fn counted(&self) -> u64;
}

macro_rules! counter {
    ($name:ident, $mutex:ty, $new:expr, $lock:expr) => {
        struct $name($mutex);

        impl Counter for $name {
            fn new() -> $name {
                $name($new)
            }

            fn count(&self) {
                let mut counter = $lock(&self.0);
                work(INSIDE);
                *counter += 1;
            }

            fn counted(&self) -> u64 {
                *$lock(&self.0)
            }
        }
    };
}

counter!(Tk, tk_lock::Lock<u64>, tk_lock::Lock::new(0), |m| {
    tk_lock::Lock::lock(m)
});
counter!(
    ParkingLot,
    parking_lot::Mutex<u64>,
    parking_lot::Mutex::new(0),
    |m| { parking_lot::Mutex::lock(m) }
);
counter!(Std, std::sync::Mutex<u64>, std::sync::Mutex::new(0), |m| {
    std::sync::Mutex::lock(m).unwrap()
});

fn contended<C: Counter>(c: &mut Criterion, name: &str) {
    let mut group = c.benchmark_group("contention/lock");
    for threads in [1usize, 2, 4, 16] {
        group.bench_function(BenchmarkId::new(name, threads), |bencher| {
            bencher.iter_custom(|rounds| {
                let counter = C::new();
                let rounds = rounds.div_ceil(threads as u64);
                let time = together(threads, |_| {
                    for _ in 0..rounds {
                        counter.count();
                        work(INSIDE * (threads as u64 - 1));
                    }
                });
                // It would be no mutex otherwise.
                assert_eq!(counter.counted(), rounds * threads as u64);
                time
            });
        });
    }
    group.finish();
}

fn locks(c: &mut Criterion) {
    contended::<Tk>(c, "tk");
    contended::<ParkingLot>(c, "parking_lot");
    contended::<Std>(c, "std");
}

fn semaphores(c: &mut Criterion) {
    let mut group = c.benchmark_group("contention/semaphore");
    for threads in [1usize, 4] {
        group.bench_function(BenchmarkId::new("tk", threads), |bencher| {
            bencher.iter_custom(|rounds| {
                let semaphore = tk_semaphore::Semaphore::new(2);
                let rounds = rounds.div_ceil(threads as u64);
                together(threads, |_| {
                    for _ in 0..rounds {
                        let permit = semaphore.acquire();
                        work(INSIDE);
                        drop(black_box(permit));
                    }
                })
            });
        });
    }
    group.finish();
}

criterion_group!(benches, locks, semaphores);
criterion_main!(benches);
