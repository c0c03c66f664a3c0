//! crossbeam-utils: a parker for one thread, and scoped threads.

use std::sync::Mutex;

use crossbeam_utils::sync::{Parker, Unparker};
use crossbeam_utils::thread;

use crate::kind::{Scope, Signal};

/// Its parker. It belongs to one thread at a time, so it stands behind a lock that no other thread
/// wants.
pub struct Parked {
    parker: Mutex<Parker>,
    unparker: Unparker,
}

/// Its scoped threads.
pub struct Threads;

super::named!("crossbeam-utils": Parked, Threads);

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
