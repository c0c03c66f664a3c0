//! The kernel's futex, bare: the floor of every contender that sleeps.

use std::sync::atomic::{AtomicU32, Ordering::*};
use std::time::{Duration, Instant};

use rustix::thread::futex::{self, Flags};
use rustix::time::Timespec;

use crate::kind::Signal;
use crate::measure::Sample;
use crate::usage::Usage;

/// A word that is one while a signal is there. A signal does not check whether a thread sleeps: it
/// always calls the kernel.
pub struct Futex(AtomicU32);

super::named!("futex": Futex);

impl Signal for Futex {
    fn new() -> Self {
        Futex(AtomicU32::new(0))
    }

    fn signal(&self) {
        self.0.store(1, Release);
        let _ = futex::wake(&self.0, Flags::PRIVATE, 1);
    }

    fn wait(&self) {
        while self.0.swap(0, Acquire) == 0 {
            // An error says that the word has changed, or that a signal has interrupted the wait.
            // In both cases, the word is looked at again.
            let _ = futex::wait(&self.0, Flags::PRIVATE, 0, None);
        }
    }
}

/// Measures how much later than asked waits of a millisecond return that no thread ends.
pub fn lateness(operations: u64) -> Sample {
    let word = AtomicU32::new(0);
    let length = Duration::from_millis(1);
    let timeout = Timespec {
        tv_sec: 0,
        tv_nsec: length.as_nanos() as i64,
    };
    let (before, start) = (Usage::of_thread(), Instant::now());
    let late = (0..operations)
        .map(|_| {
            let begin = Instant::now();
            let _ = futex::wait(&word, Flags::PRIVATE, 0, Some(&timeout));
            begin.elapsed().saturating_sub(length).as_nanos() as f64
        })
        .collect();
    Sample::of_latencies(late, 0.5, start.elapsed(), Usage::of_thread() - before)
}
