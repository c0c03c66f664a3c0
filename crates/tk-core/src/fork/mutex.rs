//! A lock around the kit's own state, which the child of a fork can always take.
//!
//! # The word
//!
//! The upper 30 bits are the generation of the process that last changed the word, the lower two are the state:
//!
//! | word | meaning | `lock` |
//! |---|---|---|
//! | 0 | never locked; the value is a constant | takes it |
//! | now, `FREE` | nobody has it | takes it |
//! | now, `LOCKED` | a thread has it | waits |
//! | now, `CONTENDED` | a thread has it, and others may sleep | waits |
//! | earlier, `FREE` | nobody had it at the fork: the value is whole | takes it, then [`Inherit::inherit`] |
//! | earlier, `LOCKED` or `CONTENDED` | a lost thread had it at the fork: the value may be half changed | takes it, then [`Inherit::recover`] |
//!
//! # Invariants
//!
//! **One holder.** The word says `LOCKED` or `CONTENDED` with the present generation exactly while a guard of this process
//! exists. Only a guard's drop takes such a word back to `FREE`.
//!
//! **A guard of an earlier generation is lost.** The thread that forks has no guard, because no code of the user's runs
//! while one exists. So the holder of a word of an earlier generation is a thread of the parent, which will never touch
//! this process's memory. (A signal handler may interrupt a thread with a guard and fork there. Its child must not use the
//! kit, as none of it may be used in a signal handler.)
//!
//! **Whole, mended or forgotten.** A value that a lost thread had locked is never dropped. The first `lock` hands it to its
//! type, which overwrites it, or mends it if it knows how. The drop of the mutex leaves it alone.
//!
//! **No sleeper without `CONTENDED`.** A thread sleeps only while the word is `CONTENDED`, and takes the lock as
//! `CONTENDED` afterwards, because others may sleep too. Whoever changes `CONTENDED` to `FREE` wakes one. Sleepers of an
//! earlier generation are lost, so `recover` and `inherit` need not wake anybody.

use std::fmt;
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ops::{Deref, DerefMut};
use std::panic::{RefUnwindSafe, UnwindSafe};

use super::sys::{
    AtomicU32, Cell, LOOKS, Ordering, generation, generation_so_far, spin, wait, wake_one,
};

const FREE: u32 = 1;
const LOCKED: u32 = 2;
const CONTENDED: u32 = 3;

const STATE: u32 = 0b11;

const fn word(generation: u32, state: u32) -> u32 {
    generation << 2 | state
}

const fn is_of(word: u32, generation: u32) -> bool {
    word >> 2 == generation & (u32::MAX >> 2)
}

const fn is_held(word: u32) -> bool {
    word & STATE >= LOCKED
}

/// What becomes of a value in the child of a fork.
///
/// The functions run with the lock held. They must not allocate, free, lock, wait or panic.
pub trait Inherit: Sized {
    /// Adjusts a value that nobody had locked at the fork to a process of one thread.
    fn inherit(&mut self) {}

    /// Takes the place of a value that a thread which is not in this process had locked.
    fn anew() -> Self;

    /// Mends a value that a thread which is not in this process had locked, and which may be half changed. A type whose
    /// value is of use after each single store can keep it. The others begin anew.
    fn recover(value: &mut MaybeUninit<Self>) {
        value.write(Self::anew());
    }
}

impl<T> Inherit for Option<T> {
    fn anew() -> Option<T> {
        None
    }
}

impl<T> Inherit for Vec<T> {
    fn anew() -> Vec<T> {
        Vec::new()
    }
}

macro_rules! inherit_zero {
    ($($type:ty),+) => {
        $(impl Inherit for $type {
            fn anew() -> $type {
                Default::default()
            }
        })+
    };
}

inherit_zero!((), bool, u8, u16, u32, u64, usize);

/// A lock around the kit's own state, which the child of a fork can always take.
///
/// While it is locked, no code of the user's may run, and nothing may be allocated, freed or waited for.
pub struct Mutex<T> {
    pub(super) word: AtomicU32,
    pub(super) value: Cell<ManuallyDrop<T>>,
}

// SAFETY: the mutex owns its value.
unsafe impl<T: Send> Send for Mutex<T> {}
// SAFETY: it lends the value to one thread at a time ("one holder").
unsafe impl<T: Send> Sync for Mutex<T> {}

// No code that can panic for the user's sake runs while it is locked: no value is left half changed.
impl<T> UnwindSafe for Mutex<T> {}
impl<T> RefUnwindSafe for Mutex<T> {}

impl<T> Mutex<T> {
    /// Around a value that is made now.
    pub fn new(value: T) -> Mutex<T> {
        Mutex {
            word: AtomicU32::new(word(generation(), FREE)),
            value: Cell::new(ManuallyDrop::new(value)),
        }
    }
}

impl<T: Inherit> Mutex<T> {
    /// Waits until nobody else has it. In the child of a fork nobody has what a lost thread had.
    #[inline]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        let generation = generation();
        // Acquire: pairs with the Release in a guard's drop.
        let taken = self.word.compare_exchange(
            word(generation, FREE),
            word(generation, LOCKED),
            Ordering::Acquire,
            Ordering::Relaxed,
        );
        if taken.is_err() {
            self.lock_slow(generation);
        }
        MutexGuard::new(self, generation)
    }

    /// Takes it if nobody has it.
    #[inline]
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        let generation = generation();
        let mut now = self.word.load(Ordering::Relaxed);
        while !(is_held(now) && is_of(now, generation)) {
            match self.take(now, word(generation, LOCKED)) {
                Ok(()) => return Some(MutexGuard::new(self, generation)),
                Err(other) => now = other,
            }
        }
        None
    }

    #[cold]
    #[inline(never)]
    fn lock_slow(&self, generation: u32) {
        let mut taken = word(generation, LOCKED);
        let mut looks = 0;
        loop {
            let now = self.word.load(Ordering::Relaxed);
            if !(is_held(now) && is_of(now, generation)) {
                if self.take(now, taken).is_ok() {
                    return;
                }
                continue;
            }
            if looks < LOOKS && now & STATE == LOCKED {
                looks += 1;
                spin();
                continue;
            }
            let contended = word(generation, CONTENDED);
            // Relaxed: it publishes nothing.
            let marked = now == contended
                || self
                    .word
                    .compare_exchange(now, contended, Ordering::Relaxed, Ordering::Relaxed)
                    .is_ok();
            if marked {
                wait(&self.word, contended);
                taken = contended;
            }
        }
    }

    /// Takes the lock, whose word is `now`: free, or of an earlier generation.
    #[inline]
    fn take(&self, now: u32, taken: u32) -> Result<(), u32> {
        // Acquire: pairs with the Release in a guard's drop.
        self.word
            .compare_exchange(now, taken, Ordering::Acquire, Ordering::Relaxed)?;
        if now != 0 && now >> 2 != taken >> 2 {
            self.inherit(now);
        }
        Ok(())
    }

    /// The first to lock in this process, right after that. The word was `before`.
    #[cold]
    #[inline(never)]
    fn inherit(&self, before: u32) {
        let value = self.value.get();
        if is_held(before) {
            // SAFETY: this thread has the lock, so nobody else of this process touches the value ("one holder"). The thread
            // that did is lost ("a guard of an earlier generation is lost"). Its value is not dropped ("whole, mended or
            // forgotten"). Neither wrapper changes the layout.
            T::recover(unsafe { &mut *value.cast::<MaybeUninit<T>>() });
        } else {
            // SAFETY: this thread has the lock, and nobody had it at the fork, so that the value is whole.
            unsafe { (*value).inherit() };
        }
    }
}

impl<T> Drop for Mutex<T> {
    fn drop(&mut self) {
        let now = self.word.load(Ordering::Relaxed);
        // A guard of this process that was forgotten has left a whole value. One of a lost thread may have left anything.
        if is_held(now) && !is_of(now, generation_so_far()) {
            return;
        }
        // SAFETY: nobody else refers to the mutex, and the value is whole. It is not used again.
        unsafe { ManuallyDrop::drop(&mut *self.value.get()) };
    }
}

impl<T> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mutex { .. }")
    }
}

/// Gives the lock back when it is dropped.
#[must_use = "the lock is given back when this is dropped"]
pub struct MutexGuard<'a, T> {
    mutex: &'a Mutex<T>,
    generation: u32,
    /// Not `Send`: what is locked here is given back here.
    here: PhantomData<*mut T>,
}

// SAFETY: a shared guard lends nothing but shared references to the value.
unsafe impl<T: Sync> Sync for MutexGuard<'_, T> {}

impl<'a, T> MutexGuard<'a, T> {
    #[inline]
    fn new(mutex: &'a Mutex<T>, generation: u32) -> MutexGuard<'a, T> {
        MutexGuard {
            mutex,
            generation,
            here: PhantomData,
        }
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: while the guard exists, nobody else touches the value ("one holder").
        unsafe { &*self.mutex.value.get() }
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`, and the guard is borrowed mutably.
        unsafe { &mut *self.mutex.value.get() }
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // Release: pairs with the Acquire of the next one who takes it.
        let before = self
            .mutex
            .word
            .swap(word(self.generation, FREE), Ordering::Release);
        if before & STATE == CONTENDED {
            wake_one(&self.mutex.word);
        }
    }
}
