//! crossbeam-utils: a parker for one thread, a sharded lock, and scoped threads.

use std::sync::Mutex;

use crossbeam_utils::sync::{Parker, ShardedLock, Unparker};
use crossbeam_utils::thread;

use crate::kind::{ReadWrite, Scope, Signal};

/// Its parker. It belongs to one thread at a time, so it stands behind a lock that no other thread
/// wants.
pub struct Parked {
    parker: Mutex<Parker>,
    unparker: Unparker,
}

/// Its readers-writer lock.
pub struct Sharded(ShardedLock<[u64; 4]>);

/// Its scoped threads.
pub struct Threads;

super::named!("crossbeam-utils": Parked, Sharded, Threads);

impl Signal for Parked {
    fn new() -> Self {
        let parker = Parker::new();
        let unparker = parker.unparker().clone();
        Parked {
            parker: Mutex::new(parker),
            unparker,
        }
    }

    fn signal(&self) {
        self.unparker.unpark();
    }

    fn wait(&self) {
        self.parker
            .lock()
            .expect("a workload does not panic")
            .park();
    }
}

impl ReadWrite for Sharded {
    fn new() -> Self {
        Sharded(ShardedLock::new([0; 4]))
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

impl Scope for Threads {
    fn scope(threads: usize, f: impl Fn() + Sync) {
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|_| f());
            }
        })
        .expect("a workload does not panic");
    }
}
