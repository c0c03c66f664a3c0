//! What the lock is made of. A model of it puts its own in this place.

pub(super) use std::sync::atomic::{AtomicU32, Ordering};

use std::cell::UnsafeCell;

pub(super) use super::{generation, generation_so_far};

/// How often a thread looks before it sleeps. What the lock protects takes less time than that, unless the holder has
/// lost its processor.
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

/// Sleeps while the word is `value`, until somebody wakes it. May return for no reason.
#[cfg(target_os = "linux")]
pub(super) fn wait(word: &AtomicU32, value: u32) {
    // An error says that the word has changed, or that a signal came: look again.
    let _ = rustix::thread::futex::wait(word, rustix::thread::futex::Flags::PRIVATE, value, None);
}

#[cfg(target_os = "linux")]
pub(super) fn wake_one(word: &AtomicU32) {
    let _ = rustix::thread::futex::wake(word, rustix::thread::futex::Flags::PRIVATE, 1);
}

/// Gives way for a moment. It sleeps, because a thread that yields may outrank the holder, who would never run.
#[cfg(not(target_os = "linux"))]
pub(super) fn wait(_: &AtomicU32, _: u32) {
    std::thread::sleep(std::time::Duration::from_micros(50));
}

#[cfg(not(target_os = "linux"))]
pub(super) fn wake_one(_: &AtomicU32) {}
