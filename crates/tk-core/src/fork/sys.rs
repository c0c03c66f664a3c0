//! The parts that the lock is made of. Its models replace this module by loom's parts.

pub(super) use std::sync::atomic::{AtomicU32, Ordering};

use std::cell::UnsafeCell;

pub(super) use super::{generation, generation_so_far};

/// How often a thread looks at the word before it sleeps. A holder takes less time than that,
/// unless it was descheduled.
pub(super) const LOOKS: u32 = 64;

pub(super) struct Cell<T>(UnsafeCell<T>);

impl<T> Cell<T> {
    pub(super) const fn new(value: T) -> Cell<T> {
        Cell(UnsafeCell::new(value))
    }

    #[inline]
    pub(super) const fn get(&self) -> *mut T {
        self.0.get()
    }
}

#[inline]
pub(super) fn spin() {
    std::hint::spin_loop();
}

/// Sleeps while the word is `value`, until a thread wakes it. May return spuriously.
#[cfg(target_os = "linux")]
pub(super) fn wait(word: &AtomicU32, value: u32) {
    // An error means that the word has changed or a signal has come. The caller looks again.
    let _ = rustix::thread::futex::wait(word, rustix::thread::futex::Flags::PRIVATE, value, None);
}

#[cfg(target_os = "linux")]
pub(super) fn wake_one(word: &AtomicU32) {
    let _ = rustix::thread::futex::wake(word, rustix::thread::futex::Flags::PRIVATE, 1);
}

/// Sleeps for a moment. It does not yield, because the holder may have a lower priority and would
/// never run.
#[cfg(not(target_os = "linux"))]
pub(super) fn wait(_: &AtomicU32, _: u32) {
    std::thread::sleep(std::time::Duration::from_micros(50));
}

#[cfg(not(target_os = "linux"))]
pub(super) fn wake_one(_: &AtomicU32) {}
