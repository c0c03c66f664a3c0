//! A value that the child of a fork has even if a lost thread had it locked.
//!
//! # Invariants
//!
//! **Whole.** The value at `current` is whole at any moment, because a change happens in the other
//! place, and one store makes that the current one. The old value leaves its place afterwards. The
//! pages of a fork are copied as they are at one moment, so the child sees the stores of a lost
//! thread in the order of its program.

use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicU8, Ordering, compiler_fence};

use super::Inherit;

/// For a [`Mutex`](super::Mutex): an optional value that is replaced and not changed.
pub struct Kept<T> {
    values: [Option<T>; 2],
    current: AtomicU8,
}

impl<T> Kept<T> {
    /// Without a value.
    pub const fn none() -> Kept<T> {
        Kept {
            values: [None, None],
            current: AtomicU8::new(0),
        }
    }

    /// Returns the value.
    pub fn get(&self) -> Option<&T> {
        self.values[self.current()].as_ref()
    }

    /// Replaces the value, and returns the old one.
    pub fn replace(&mut self, value: Option<T>) -> Option<T> {
        let now = self.current();
        // Nothing is dropped: the other place is empty.
        self.values[1 - now] = value;
        // *Whole*. For the compiler: the child sees what its processor did, in that order.
        compiler_fence(Ordering::SeqCst);
        self.current.store(1 - now as u8, Ordering::Relaxed);
        compiler_fence(Ordering::SeqCst);
        self.values[now].take()
    }

    fn current(&self) -> usize {
        // Relaxed: the value is locked.
        self.current.load(Ordering::Relaxed).into()
    }
}

impl<T> Inherit for Kept<T> {
    fn anew() -> Kept<T> {
        Kept::none()
    }

    fn recover(kept: &mut MaybeUninit<Kept<T>>) {
        let kept = kept.as_mut_ptr();
        // SAFETY: the value was made before the lock was, and `current` is one byte. The other
        // place may be half changed, so it is not dropped but overwritten.
        unsafe {
            let now = usize::from((*kept).current.load(Ordering::Relaxed));
            (&raw mut (*kept).values[1 - now]).write(None);
        }
    }
}
