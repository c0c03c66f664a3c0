//! A lock for the kit's own state, which the child of a fork can always take.
//!
//! # The word, and operations
//!
//! The upper 30 bits are the generation of the process that last changed the word. The lower two
//! are the state.
//!
//! | generation | state | meaning | `lock` |
//! |---|---|---|---|
//! | 0 | 0 | never locked; the value is a constant | takes it |
//! | this | `FREE` | not locked | takes it |
//! | this | `LOCKED` | locked | waits |
//! | this | `CONTENDED` | locked, and other threads may sleep | waits |
//! | earlier | `FREE` | not locked at the fork | takes it, then [`Inherit::inherit`] |
//! | earlier | other | locked at the fork by a lost thread | takes it, then [`Inherit::recover`] |
//!
//! # Invariants
//!
//! **One holder.** The word is `LOCKED` or `CONTENDED` in the present generation exactly while a
//! guard of this process exists. Only a guard's drop changes such a word to `FREE`.
//!
//! **A holder of an earlier generation is lost.** The thread that forks has no guard, because no
//! user code runs while one exists. So the holder in a word of an earlier generation is a thread of
//! the parent, which never touches the memory of this process. A signal handler could interrupt a
//! thread with a guard and fork there. Its child must not use the kit, like any code in a signal
//! handler.
//!
//! **Whole, recovered or leaked.** A value that a lost thread had locked is never dropped. The
//! first `lock` passes it to its type, which overwrites it, or repairs it if it can. The drop of
//! the mutex leaves it alone.
//!
//! **No sleeper without `CONTENDED`.** A thread sleeps only while the word is `CONTENDED`, and then
//! takes the lock as `CONTENDED`, because other threads may sleep too. A guard that changes
//! `CONTENDED` to `FREE` wakes one. Sleepers of an earlier generation are lost, so `recover` and
//! `inherit` need not wake them.

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

/// The fate of a value in the child of a fork.
///
/// The functions run with the lock held. They must not allocate, free, lock, wait or panic.
pub trait Inherit: Sized {
    /// Adapts a value that was not locked at the fork to a process of one thread.
    fn inherit(&mut self) {}

    /// Makes the value that replaces one that a lost thread had locked.
    fn anew() -> Self;

    /// Repairs a value that a lost thread had locked, and which may be half changed.
    ///
    /// A type whose value is usable after each single store can keep it. The default replaces it.
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

/// A lock for the kit's own state, which the child of a fork can always take.
///
/// While it is locked, no user code may run, and the holder must not allocate, free or wait.
pub struct Mutex<T> {
    pub(super) word: AtomicU32,
    pub(super) value: Cell<ManuallyDrop<T>>,
}

// SAFETY: the mutex owns its value, so sending it sends the value.
unsafe impl<T: Send> Send for Mutex<T> {}
// SAFETY: it lends the value to one thread at a time (*one holder*), as if it sent it there.
unsafe impl<T: Send> Sync for Mutex<T> {}

// No user code that could panic runs while it is locked, so no value is left half changed.
impl<T> UnwindSafe for Mutex<T> {}
impl<T> RefUnwindSafe for Mutex<T> {}

impl<T> Mutex<T> {
    /// Creates a mutex around this value.
    pub fn new(value: T) -> Mutex<T> {
        Mutex {
            word: AtomicU32::new(word(generation(), FREE)),
            value: Cell::new(ManuallyDrop::new(value)),
        }
    }
}

impl<T: Inherit> Mutex<T> {
    /// Locks the mutex. Blocks while another thread of this process has it locked.
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

    /// Locks the mutex if no thread of this process has it locked.
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
            // Relaxed: the exchange in `take` is the one that acquires.
            let now = self.word.load(Ordering::Relaxed);
            if !(is_held(now) && is_of(now, generation)) {
                if self.take(now, taken).is_ok() {
                    return;
                }
                continue;
            }
            // Spins only while nobody sleeps, because a sleeper has waited for longer.
            if looks < LOOKS && now & STATE == LOCKED {
                looks += 1;
                spin();
                continue;
            }
            let contended = word(generation, CONTENDED);
            // Relaxed: it publishes nothing. `wait` does not sleep if the word has changed since.
            let marked = now == contended
                || self
                    .word
                    .compare_exchange(now, contended, Ordering::Relaxed, Ordering::Relaxed)
                    .is_ok();
            if marked {
                wait(&self.word, contended);
                // Others may sleep too (*no sleeper without `CONTENDED`*).
                taken = contended;
            }
        }
    }

    /// Takes the lock if its word is still `now`, which is `FREE` or of an earlier generation.
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

    /// Adapts the value, after the first lock in this process. The word was `before`.
    #[cold]
    #[inline(never)]
    fn inherit(&self, before: u32) {
        let value = self.value.get();
        if is_held(before) {
            // SAFETY: this thread has the lock, so no other thread of this process uses the value
            // (*one holder*), and the thread that did is lost (*a holder of an earlier generation
            // is lost*). The old value is not dropped (*whole, recovered or leaked*). Neither
            // wrapper changes the layout, and `MaybeUninit` allows any contents.
            T::recover(unsafe { &mut *value.cast::<MaybeUninit<T>>() });
        } else {
            // SAFETY: this thread has the lock (*one holder*). No thread had it at the fork, so the
            // value is whole.
            unsafe { (*value).inherit() };
        }
    }
}

impl<T> Drop for Mutex<T> {
    fn drop(&mut self) {
        let now = self.word.load(Ordering::Relaxed);
        // A forgotten guard of this process has left a whole value. A lost thread may have left
        // anything (*whole, recovered or leaked*). Relaxed: the mutex is borrowed mutably.
        if is_held(now) && !is_of(now, generation_so_far()) {
            return;
        }
        // SAFETY: the mutex is borrowed mutably, the value is whole by the check, and it is not
        // used again.
        unsafe { ManuallyDrop::drop(&mut *self.value.get()) };
    }
}

impl<T> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mutex { .. }")
    }
}

/// Unlocks the mutex when dropped.
#[must_use = "the mutex is unlocked when this is dropped"]
pub struct MutexGuard<'a, T> {
    mutex: &'a Mutex<T>,
    generation: u32,
    /// Not `Send`: the thread that locks the mutex unlocks it.
    here: PhantomData<*mut T>,
}

// SAFETY: a shared guard gives only shared references to the value.
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
        // SAFETY: no other thread uses the value while the guard exists (*one holder*).
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
        // Release: pairs with the Acquire in `lock` and `take`.
        let before = self
            .mutex
            .word
            .swap(word(self.generation, FREE), Ordering::Release);
        if before & STATE == CONTENDED {
            wake_one(&self.mutex.word);
        }
    }
}
