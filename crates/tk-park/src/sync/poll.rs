//! Where there is no futex, a thread that finds a bucket locked looks again and again, with growing
//! pauses.
//!
//! Buckets are locked for a few instructions. The pauses are there for a thread that was preempted
//! with one locked: they end in sleeps, so that it gets a processor even if its priority is lower.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// How many pauses yield to other threads, before the next ones sleep.
const YIELDS: u32 = 100;

/// Pauses until the word is something else than `expected`.
pub(crate) fn wait(word: &AtomicU32, expected: u32, deadline: Option<Instant>) -> bool {
    debug_assert!(deadline.is_none());
    // Relaxed: the caller looks at the word again.
    until(|| word.load(Relaxed) != expected);
    true
}

/// Does nothing: no thread sleeps, and all look again by themselves.
pub(crate) fn wake(_: *const AtomicU32) {}

/// Pauses until this is so.
pub(crate) fn until(reached: impl Fn() -> bool) {
    let mut pauses = 0;
    while !reached() {
        if pauses < YIELDS {
            std::thread::yield_now();
        } else {
            let exponent = ((pauses - YIELDS) / 4).min(6);
            std::thread::sleep(Duration::from_micros(16 << exponent));
        }
        pauses += 1;
    }
}
