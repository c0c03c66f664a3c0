//! The standard library.

use std::sync::{Condvar, Mutex as StdMutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use crate::kind::{self, Barrier, Monitor, Mutex, Notify, Reentrant, Scope, Side, Spawner, Stock};

/// Its mutex, with its condition variable beside it.
pub struct Lock {
    mutex: StdMutex<u64>,
    condition: Condvar,
}

/// Its mutex, with a condition variable for each side of a buffer.
pub struct Buffer {
    stock: StdMutex<Stock>,
    conditions: [Condvar; 2],
}

/// Its readers-writer lock.
pub struct RwLock(std::sync::RwLock<[u64; 4]>);

/// Its step that runs once.
pub struct Start(std::sync::Once);

/// Its cell for threads.
pub struct WrittenOnce(std::sync::OnceLock<u64>);

/// Its lock of the standard error stream, which is the only reentrant one that it shows.
pub struct Stderr;

/// Its barrier.
pub struct Meeting(std::sync::Barrier);

/// Its threads, without names.
pub struct Thread;

/// Its threads, with names.
pub struct NamedThread;

super::named!("std": Lock, Buffer, RwLock, Start, WrittenOnce, Stderr, Meeting, Thread);
super::named!("std, named": NamedThread);

impl Lock {
    #[inline]
    fn lock(&self) -> MutexGuard<'_, u64> {
        self.mutex.lock().expect("a workload does not panic")
    }
}

impl Mutex for Lock {
    fn new() -> Self {
        Lock {
            mutex: StdMutex::new(0),
            condition: Condvar::new(),
        }
    }

    #[inline]
    fn with<R>(&self, f: impl FnOnce(&mut u64) -> R) -> R {
        f(&mut self.lock())
    }
}

impl Monitor for Lock {
    fn wait_until<R>(
        &self,
        mut ready: impl FnMut(&mut u64) -> bool,
        f: impl FnOnce(&mut u64) -> R,
    ) -> R {
        let mut guard = self.lock();
        while !ready(&mut guard) {
            guard = self
                .condition
                .wait(guard)
                .expect("a workload does not panic");
        }
        f(&mut guard)
    }

    fn wait_for(&self, timeout: Duration, mut ready: impl FnMut(&mut u64) -> bool) -> bool {
        let deadline = Instant::now() + timeout;
        let mut guard = self.lock();
        loop {
            if ready(&mut guard) {
                return true;
            }
            let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                return false;
            };
            let waited = self.condition.wait_timeout(guard, left);
            guard = waited.expect("a workload does not panic").0;
        }
    }

    fn notify_one(&self) {
        self.condition.notify_one();
    }

    fn notify_all(&self) {
        self.condition.notify_all();
    }
}

impl kind::Buffer for Buffer {
    fn new(left: u64) -> Self {
        let stock = Stock {
            left,
            ..Stock::default()
        };
        Buffer {
            stock: StdMutex::new(stock),
            conditions: Default::default(),
        }
    }

    #[inline]
    fn wait_until<R>(
        &self,
        side: Side,
        mut ready: impl FnMut(&mut Stock) -> bool,
        f: impl FnOnce(&mut Stock) -> R,
    ) -> R {
        let mut stock = self.stock.lock().expect("a workload does not panic");
        while !ready(&mut stock) {
            let condition = &self.conditions[side as usize];
            stock = condition.wait(stock).expect("a workload does not panic");
        }
        f(&mut stock)
    }

    #[inline]
    fn notify(&self, side: Side, how: Notify) {
        let condition = &self.conditions[side as usize];
        match how {
            Notify::One => condition.notify_one(),
            Notify::All => condition.notify_all(),
        }
    }
}

impl kind::Once for Start {
    fn new() -> Self {
        Start(std::sync::Once::new())
    }

    #[inline]
    fn call(&self, f: impl FnOnce()) {
        self.0.call_once(f);
    }
}

impl kind::OnceCell for WrittenOnce {
    fn new() -> Self {
        WrittenOnce(std::sync::OnceLock::new())
    }

    #[inline]
    fn get(&self) -> Option<u64> {
        self.0.get().copied()
    }

    #[inline]
    fn get_or_init(&self, f: impl FnOnce() -> u64) -> u64 {
        *self.0.get_or_init(f)
    }
}

impl kind::ReadWrite for RwLock {
    fn new() -> Self {
        RwLock(std::sync::RwLock::new([0; 4]))
    }

    #[inline]
    fn read<R>(&self, f: impl FnOnce(&[u64; 4]) -> R) -> R {
        f(&self.0.read().expect("a workload does not panic"))
    }

    #[inline]
    fn write<R>(&self, f: impl FnOnce(&mut [u64; 4]) -> R) -> R {
        f(&mut self.0.write().expect("a workload does not panic"))
    }
}

impl Reentrant for Stderr {
    fn new() -> Self {
        Stderr
    }

    #[inline]
    fn with<R>(&self, f: impl FnOnce() -> R) -> R {
        let _guard = std::io::stderr().lock();
        f()
    }
}

impl Barrier for Meeting {
    fn new(parties: usize) -> Self {
        Meeting(std::sync::Barrier::new(parties))
    }

    fn wait(&self) {
        self.0.wait();
    }
}

impl Spawner for Thread {
    fn spawn_and_join(f: impl FnOnce() -> u64 + Send + 'static) -> u64 {
        thread::spawn(f).join().expect("a workload does not panic")
    }
}

impl Spawner for NamedThread {
    fn spawn_and_join(f: impl FnOnce() -> u64 + Send + 'static) -> u64 {
        let thread = thread::Builder::new().name("worker".to_owned()).spawn(f);
        thread
            .expect("there is room for one")
            .join()
            .expect("a workload does not panic")
    }
}

impl Scope for Thread {
    fn scope(threads: usize, f: impl Fn() + Sync) {
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(&f);
            }
        });
    }
}
