use std::panic::resume_unwind;
use std::sync::mpsc;
use std::thread::{Scope, ScopedJoinHandle};

use tk_core::{Owner, ThreadRecord};

use crate::{until, until_parked};

/// A thread that has begun to run.
pub struct Running<'scope, T> {
    /// The thread's record.
    pub record: ThreadRecord,
    handle: ScopedJoinHandle<'scope, T>,
}

/// Starts a thread. Returns when the thread has a record.
pub fn start<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    f: impl FnOnce() -> T + Send + 'scope,
) -> Running<'scope, T> {
    let (sender, receiver) = mpsc::channel();
    let handle = scope.spawn(move || {
        sender.send(tk_core::current()).unwrap();
        f()
    });
    let record = receiver.recv().unwrap();
    Running { record, handle }
}

/// Starts a thread that is to wait for a thing of this kind. Returns when it is in the queue.
#[track_caller]
pub fn start_parked<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    kind: &str,
    f: impl FnOnce() -> T + Send + 'scope,
) -> Running<'scope, T> {
    let running = start(scope, f);
    running.until_parked(kind);
    running
}

impl<T> Running<'_, T> {
    /// Waits until the thread is blocked on a thing of this kind.
    #[track_caller]
    pub fn until_parked(&self, kind: &str) {
        until_parked(&self.record, kind);
    }

    /// The number by which locks know the thread.
    pub fn owner(&self) -> Owner {
        self.record.owner()
    }

    /// Whether the thread has ended.
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }

    /// Waits for the thread's end and returns its result. A panic of the thread continues here.
    #[track_caller]
    pub fn join(self) -> T {
        match self.outcome() {
            Ok(value) => value,
            Err(payload) => resume_unwind(payload),
        }
    }

    /// Waits for the thread's end and returns its result or its panic.
    #[track_caller]
    pub fn outcome(self) -> std::thread::Result<T> {
        until(&format!("{:?} ends", self.record), || self.is_finished());
        self.handle.join()
    }
}
