//! How a test knows what another thread does, without sleeping in the hope that it does it.
//!
//! Shared by the test binaries of all crates that park.

#![allow(dead_code, reason = "each binary uses a part of it")]

use std::io::Write;
use std::panic::resume_unwind;
use std::sync::mpsc;
use std::thread::{Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

// Not std's: ThreadSanitizer does not see what that hands over.
use tk_core::__private::fork::Mutex;
use tk_core::{Owner, ThreadRecord};
use tk_park::{StopSource, StopToken};

/// How long a test waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for a state. If it does not come, the program ends: threads that hang can't be joined.
#[track_caller]
pub fn until(what: &str, mut reached: impl FnMut() -> bool) {
    let start = Instant::now();
    while !reached() {
        if start.elapsed() > PATIENCE {
            let line = std::panic::Location::caller();
            let test = std::thread::current();
            let test = test.name().unwrap_or("?");
            // Not `eprintln`: what that prints goes down with the test.
            let _ = writeln!(
                std::io::stderr(),
                "{test}: never came true at {line}: {what}"
            );
            std::process::abort();
        }
        std::thread::yield_now();
    }
}

/// Waits until the thread is in a queue, waiting for a thing of this kind.
#[track_caller]
pub fn until_parked(record: &ThreadRecord, kind: &str) {
    until(&format!("{record:?} waits for a {kind}"), || {
        is_parked(record, kind)
    });
}

pub fn is_parked(record: &ThreadRecord, kind: &str) -> bool {
    record
        .blocked_on()
        .is_some_and(|waiting| waiting.kind() == kind)
}

/// A thread that has begun to run.
pub struct Running<'scope, T> {
    pub record: ThreadRecord,
    handle: ScopedJoinHandle<'scope, T>,
}

/// Starts a thread, whose record is known when this returns.
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

/// Starts a thread that is to wait for a thing of this kind, and returns when it is in the queue.
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
    #[track_caller]
    pub fn until_parked(&self, kind: &str) {
        until_parked(&self.record, kind);
    }

    pub fn owner(&self) -> Owner {
        self.record.owner()
    }

    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }

    /// What the thread returns; its panic goes on here.
    #[track_caller]
    pub fn join(self) -> T {
        match self.outcome() {
            Ok(value) => value,
            Err(payload) => resume_unwind(payload),
        }
    }

    #[track_caller]
    pub fn outcome(self) -> std::thread::Result<T> {
        until(&format!("{:?} ends", self.record), || self.is_finished());
        self.handle.join()
    }
}

/// A source of stops that is replaced when it has been used up.
pub struct Renewed(Mutex<Option<StopSource>>);

impl Renewed {
    pub fn new() -> Renewed {
        Renewed(Mutex::new(Some(StopSource::new())))
    }

    pub fn token(&self) -> StopToken {
        self.0.lock().as_ref().unwrap().token()
    }

    pub fn request_stop(&self) {
        let new = StopSource::new();
        let used = self.0.lock().replace(new);
        used.unwrap().request_stop();
    }
}

/// The text of a panic.
pub fn message(payload: &(dyn std::any::Any + Send)) -> &str {
    match payload.downcast_ref::<String>() {
        Some(text) => text,
        None => payload.downcast_ref::<&str>().expect("a panic with a text"),
    }
}

/// A sequence of numbers that a seed determines (xorshift).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % bound
    }

    /// A short time: zero now and then.
    pub fn moment(&mut self) -> Duration {
        Duration::from_micros(self.below(200))
    }
}
