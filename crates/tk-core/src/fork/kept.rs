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

    /// Returns the value. If there is none, sets it first.
    pub fn get_or_insert_with(&mut self, make: impl FnOnce() -> T) -> &T {
        if self.get().is_none() {
            // There is none to drop.
            let _ = self.replace(Some(make()));
        }
        self.get().expect("it is set")
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What the child makes of a value that a lost thread had locked, after so many steps of a
    /// `replace` of 1 by 2.
    fn recovered(steps: u32) -> Option<Box<u32>> {
        let mut kept = MaybeUninit::new(Kept::none());
        // SAFETY: the value is there.
        let _ = unsafe { kept.assume_init_mut() }.replace(Some(Box::new(1)));
        let place = kept.as_mut_ptr();
        // SAFETY: the places are those of the value. It is not used before it is recovered.
        unsafe {
            let now = usize::from((*place).current.load(Ordering::Relaxed));
            let [old, new] = [now, 1 - now].map(|n| &raw mut (*place).values[n]);
            let half = |place: *mut Option<Box<u32>>| place.cast::<u8>().write_bytes(0xAB, 3);
            match steps {
                0 => {}
                1 => half(new),
                2 => new.write(Some(Box::new(2))),
                _ => {
                    new.write(Some(Box::new(2)));
                    (*place).current.store(1 - now as u8, Ordering::Relaxed);
                    drop(old.read());
                    half(old);
                }
            }
        }
        Kept::recover(&mut kept);
        // SAFETY: it has been recovered.
        let mut kept = unsafe { kept.assume_init() };
        let value = kept.replace(Some(Box::new(3)));
        assert_eq!(kept.get_or_insert_with(|| unreachable!()), &Box::new(3));
        value
    }

    #[test]
    fn a_value_is_whole_after_each_step_of_a_change() {
        let values = [0, 1, 2, 3].map(|steps| recovered(steps).map(|value| *value));
        assert_eq!(values, [Some(1), Some(1), Some(1), Some(2)]);
    }
}
