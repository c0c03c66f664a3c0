//! The algorithm of the lock.
//!
//! # The word
//!
//! | owner | `PARKED` | meaning |
//! |---|---|---|
//! | 0 | no | free; nobody sleeps |
//! | 0 | yes | free; threads sleep, one of which is being woken |
//! | slot | no | held by that slot; nobody sleeps |
//! | slot | yes | held; threads sleep, or are about to, or slept and have given up |
//!
//! 1. A thread goes to sleep only while the lock is held and `PARKED` is set; both are checked with the queue locked.
//! 2. A holder that finds `PARKED` releases with the queue locked, and wakes the first thread in it. `PARKED` stays as
//!    long as others sleep. If nobody sleeps (they gave up), it goes.
//! 3. A woken thread finds the lock free, and tries to take it, or finds that it has been made the owner: that is told by
//!    the token. It is made the owner if it has waited for [`PATIENCE`], so that it can't be overtaken for ever.
//! 4. If the lock was taken before a woken thread came to it, the thread goes back to sleep after setting `PARKED`
//!    again: it is not forgotten.

use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use lock_api::GuardNoSend;
use tk_core::Slot;
use tk_park::sync::{AtomicU32, Instant, Ordering::*, current_slot};
use tk_park::{Choice, Limit, Parked, Spin, Wait, WaitError, Waiter, park, unpark_filter};

/// Threads sleep. The slot of the owner is in the bits above.
const PARKED: u32 = 1;

/// Token: the lock was released; try to take it.
pub const RELEASED: u16 = 0;
/// Token: the lock is yours.
const HANDED: u16 = 1;
/// Token of a condition variable: as `RELEASED`, and others have been moved into the queue of the lock behind you.
pub const FOLLOWED: u16 = 2;

/// A waiter with this mark is here for the lock itself, not moved over from a condition variable.
const FOR_LOCK: usize = 1;

/// How long a thread lets others go first.
const PATIENCE: Duration = Duration::from_millis(1);

/// A lock that guards nothing, and that any thread may release.
///
/// This is Python's `threading.Lock`. It is also what a [`Lock<T>`](crate::Lock) is made of; there it can't be reached, so
/// that nobody releases what a guard holds.
///
/// What a thread did before it released the lock is seen by the thread that acquires it.
///
/// ```
/// use std::time::Duration;
/// use tk_lock::RawLock;
///
/// let lock = RawLock::new();
/// lock.acquire();
/// assert!(lock.locked());
/// assert!(!lock.acquire_for(Duration::from_millis(1))); // Taken: also for the thread that took it.
///
/// std::thread::scope(|s| {
///     s.spawn(|| lock.release().unwrap()); // Any thread may.
/// });
/// assert!(!lock.locked());
/// assert!(lock.release().is_err());
/// ```
#[doc(alias = "threading.Lock")]
#[derive(Default)]
pub struct RawLock {
    word: AtomicU32,
}

#[cfg(not(tk_loom))]
const _: () = assert!(size_of::<RawLock>() <= 8);

/// The word of a lock that is held by that slot.
fn owned_by(slot: Slot) -> u32 {
    slot.get() << 1
}

fn owner(word: u32) -> Option<Slot> {
    Slot::new(word >> 1)
}

fn is_held(word: u32) -> bool {
    word & !PARKED != 0
}

fn is_parked(word: u32) -> bool {
    word & PARKED != 0
}

impl RawLock {
    /// A lock that is free.
    ///
    /// ```
    /// use tk_lock::RawLock;
    ///
    /// static PRINTER: RawLock = RawLock::new();
    /// assert!(PRINTER.try_acquire());
    /// ```
    pub const fn new() -> RawLock {
        RawLock {
            word: AtomicU32::new(0),
        }
    }

    /// Takes the lock. Blocks while it is held, whoever holds it: also if that is the calling thread.
    ///
    /// ```
    /// let lock = tk_lock::RawLock::new();
    /// lock.acquire();
    /// assert!(lock.locked());
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire(&self) {
        let taken = self.acquire_with(Limit::none());
        debug_assert_eq!(taken, Ok(()));
    }

    /// Takes the lock if it is free. Never blocks.
    ///
    /// ```
    /// let lock = tk_lock::RawLock::new();
    /// assert!(lock.try_acquire());
    /// assert!(!lock.try_acquire());
    /// ```
    #[inline]
    pub fn try_acquire(&self) -> bool {
        let me = owned_by(current_slot());
        // Acquire: pairs with the Release of whoever released the lock.
        match self.word.compare_exchange(0, me, Acquire, Relaxed) {
            Ok(_) => true,
            Err(word) if is_held(word) => false,
            Err(word) => self.try_take(word, me).is_ok(),
        }
    }

    /// Takes the lock. Blocks while it is held, at most for that long. Returns whether it was taken.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// assert!(tk_lock::RawLock::new().acquire_for(Duration::ZERO));
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire_for(&self, timeout: Duration) -> bool {
        // First without a look at the clock.
        self.try_acquire() || self.acquire_with(timeout).is_ok()
    }

    /// Takes the lock. Blocks while it is held, at most until that time. Returns whether it was taken.
    ///
    /// ```
    /// use std::time::Instant;
    ///
    /// assert!(tk_lock::RawLock::new().acquire_until(Instant::now()));
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire_until(&self, deadline: Instant) -> bool {
        self.acquire_with(deadline).is_ok()
    }

    /// Takes the lock. Blocks while it is held, until the limit is reached, and says which limit that was.
    ///
    /// ```
    /// use tk_park::{StopSource, WaitError};
    ///
    /// let (lock, source) = (tk_lock::RawLock::new(), StopSource::new());
    /// lock.acquire();
    /// source.request_stop();
    /// assert_eq!(lock.acquire_with(&source.token()), Err(WaitError::Stopped));
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire_with<'a>(&self, limit: impl Into<Limit<'a>>) -> Result<(), WaitError> {
        let me = owned_by(current_slot());
        // Acquire: pairs with the Release of whoever released the lock.
        if self.word.compare_exchange(0, me, Acquire, Relaxed).is_ok() {
            return Ok(());
        }
        self.acquire_slow(me, 0, limit.into())
    }

    /// Gives the lock back, and lets the next thread have it. Any thread may do this, whoever took the lock. Never blocks.
    ///
    /// # Errors
    ///
    /// If the lock is not held. Then nothing is changed.
    ///
    /// ```
    /// let lock = tk_lock::RawLock::new();
    /// assert_eq!(lock.release().unwrap_err().to_string(), "release of a lock that is not held");
    /// ```
    #[inline]
    pub fn release(&self) -> Result<(), NotLocked> {
        // Relaxed: whoever has a right to release the lock sees it held.
        let word = self.word.load(Relaxed);
        if !is_held(word) {
            return Err(NotLocked);
        }
        // Release: pairs with the Acquire of whoever takes the lock next.
        let free = !is_parked(word)
            && self
                .word
                .compare_exchange(word, 0, Release, Relaxed)
                .is_ok();
        if free {
            return Ok(());
        }
        self.release_slow(false)
    }

    /// Takes the lock, and releases it when the guard is dropped: what Python's `with` does. Blocks while it is held.
    ///
    /// If somebody else has released the lock by then, the guard releases nothing; unless it has been taken again.
    ///
    /// ```
    /// let lock = tk_lock::RawLock::new();
    /// {
    ///     let _guard = lock.guard();
    ///     assert!(lock.locked());
    /// }
    /// assert!(!lock.locked());
    /// ```
    #[inline]
    #[track_caller]
    pub fn guard(&self) -> RawLockGuard<'_> {
        self.acquire();
        RawLockGuard(self)
    }

    /// Whether the lock is held at this moment.
    ///
    /// ```
    /// assert!(!tk_lock::RawLock::new().locked());
    /// ```
    #[inline]
    pub fn locked(&self) -> bool {
        // Relaxed: a snapshot.
        is_held(self.word.load(Relaxed))
    }

    /// The slot of the thread that holds the lock at this moment.
    ///
    /// ```
    /// let lock = tk_lock::RawLock::new();
    /// assert_eq!(lock.holder(), None);
    /// lock.acquire();
    /// assert_eq!(lock.holder(), Some(tk_core::current_slot()));
    /// ```
    #[inline]
    pub fn holder(&self) -> Option<Slot> {
        owner(self.word.load(Relaxed))
    }

    /// Takes the lock while it is free, and leaves `PARKED` as it is. The error is the word of who holds it.
    fn try_take(&self, mut word: u32, me: u32) -> Result<(), u32> {
        while !is_held(word) {
            // Acquire: pairs with the Release of whoever released the lock.
            match self
                .word
                .compare_exchange_weak(word, word | me, Acquire, Relaxed)
            {
                Ok(_) => return Ok(()),
                Err(changed) => word = changed,
            }
        }
        Err(word)
    }

    /// `parked` is [`PARKED`] if threads are known to sleep that the word may not tell of, and 0 otherwise.
    #[cold]
    #[track_caller]
    fn acquire_slow(&self, me: u32, parked: u32, limit: Limit<'_>) -> Result<(), WaitError> {
        let mut spin = Spin::new();
        let mut wait = None;
        loop {
            let mut word = self.word.load(Relaxed);
            match self.try_take(word, me | parked) {
                Ok(()) => return Ok(()),
                Err(held) => word = held,
            }
            if wait.is_none() {
                limit.check()?;
            }
            // If others sleep already, this one lines up.
            if !is_parked(word) && parked == 0 && spin.once() {
                continue;
            }
            if !is_parked(word)
                && self
                    .word
                    .compare_exchange(word, word | PARKED, Relaxed, Relaxed)
                    .is_err()
            {
                continue;
            }
            // Not made in a closure: there, the caller's line would not be known.
            let begun = match wait {
                Some(begun) => begun,
                None => Wait::new("lock").marked(FOR_LOCK),
            };
            wait = Some(begun);
            let held = begun.held_by(owner(word));
            // Relaxed: by 2., who releases the lock from here on has to lock the queue.
            let validate = || {
                let word = self.word.load(Relaxed);
                is_held(word) && is_parked(word)
            };
            match park(&self.word, validate, &held, limit) {
                // The queue synchronises with whoever handed the lock over.
                Parked::Unparked(HANDED) => return Ok(()),
                Parked::Unparked(_) | Parked::Invalid | Parked::Requeued => {}
                Parked::TimedOut => return self.last_try(me, WaitError::TimedOut),
                Parked::Stopped => return self.last_try(me, WaitError::Stopped),
            }
            spin = Spin::new();
        }
    }

    /// A limit was reached, but the lock may have become free in that moment.
    fn last_try(&self, me: u32, error: WaitError) -> Result<(), WaitError> {
        self.try_take(self.word.load(Relaxed), me)
            .map_err(|_| error)
    }

    /// Releases the lock with the queue locked, and wakes the first thread in it. That one becomes the owner if `fair`, or
    /// if it has been patient.
    #[cold]
    fn release_slow(&self, fair: bool) -> Result<(), NotLocked> {
        let heir = Cell::new(None);
        let mut seen = false;
        let first = |waiter: &Waiter| {
            if std::mem::replace(&mut seen, true) {
                return Choice::End;
            }
            let patient = || waiter.mark() == FOR_LOCK && waiter.since().elapsed() >= PATIENCE;
            if fair || patient() {
                heir.set(Some(waiter.slot()));
            }
            Choice::Unpark
        };
        let mut result = Ok(());
        unpark_filter(&self.word, first, |unparked| {
            let parked = if unparked.more { PARKED } else { 0 };
            let next = heir.get().map_or(0, owned_by) | parked;
            let mut word = self.word.load(Relaxed);
            loop {
                if !is_held(word) {
                    // Two threads release what one has taken. The woken thread finds the lock free, or sleeps again.
                    result = Err(NotLocked);
                    return RELEASED;
                }
                // Release: pairs with the Acquire of whoever takes the lock next, when it is free.
                match self
                    .word
                    .compare_exchange_weak(word, next, Release, Relaxed)
                {
                    Ok(_) => break,
                    Err(changed) => word = changed,
                }
            }
            if heir.get().is_some() {
                HANDED
            } else {
                RELEASED
            }
        });
        result
    }

    /// The key of the queue of this lock, for a condition variable that moves its waiters there.
    #[doc(hidden)]
    pub fn key(&self) -> usize {
        (&raw const self.word) as usize
    }

    /// Takes the lock after a wait on a condition variable, which ended with this token.
    ///
    /// # Safety
    ///
    /// The calling thread is the one that was unparked with the token: in the queue of this lock, or by the condition
    /// variable with [`RELEASED`] or [`FOLLOWED`].
    #[doc(hidden)]
    #[track_caller]
    pub unsafe fn reacquire(&self, token: u16) {
        if token == HANDED {
            return;
        }
        // Those who follow sleep in the queue of this lock, and the word does not say so yet. From now on it does: they
        // are woken by the release of whoever has the lock next, this thread or one that comes before it.
        let parked = if token == FOLLOWED { PARKED } else { 0 };
        let me = owned_by(current_slot());
        let taken = self.acquire_slow(me, parked, Limit::none());
        debug_assert_eq!(taken, Ok(()));
    }

    /// Gives a model's atomics to the thread that makes the object.
    #[cfg(tk_loom)]
    #[doc(hidden)]
    pub fn touch(&self) {
        self.word.touch();
    }
}

// SAFETY: the word has one owner at a time: it is set by a compare-exchange from a word without an owner, or handed over by
// the owner's release. Both synchronise with the release before (Acquire and Release, or the queue's lock). A guard has
// no state, so that forgetting it leaves the lock held, and no more. The lock can be moved when no reference to it is
// left, and then nobody is parked on it. `lock` panics before it has taken anything, `unlock` does not panic.
unsafe impl lock_api::RawMutex for RawLock {
    #[allow(
        clippy::declare_interior_mutable_const,
        reason = "as lock_api asks for"
    )]
    const INIT: RawLock = RawLock::new();

    // A release by another thread would be sound. But then the owner in the word would not be the one that has the guard.
    type Guard = GuardNoSend;

    #[inline]
    #[track_caller]
    fn lock(&self) -> GuardNoSend {
        let me = owned_by(current_slot());
        // Acquire: pairs with the Release of whoever released the lock.
        if let Err(word) = self.word.compare_exchange(0, me, Acquire, Relaxed) {
            if word & !PARKED == me {
                relocked();
            }
            let taken = self.acquire_slow(me, 0, Limit::none());
            debug_assert_eq!(taken, Ok(()));
        }
        GuardNoSend::new()
    }

    #[inline]
    fn try_lock(&self) -> Option<GuardNoSend> {
        self.try_acquire().then(GuardNoSend::new)
    }

    #[inline]
    unsafe fn unlock(&self, _: GuardNoSend) {
        let released = self.release();
        debug_assert_eq!(released, Ok(()));
    }

    fn is_locked(&self) -> bool {
        self.locked()
    }
}

// SAFETY: as above; a timed attempt that fails has taken nothing, and does not fail before its time.
unsafe impl lock_api::RawMutexTimed for RawLock {
    type Duration = Duration;
    type Instant = Instant;

    #[track_caller]
    fn try_lock_for(&self, timeout: Duration) -> Option<GuardNoSend> {
        self.acquire_for(timeout).then(GuardNoSend::new)
    }

    #[track_caller]
    fn try_lock_until(&self, deadline: Instant) -> Option<GuardNoSend> {
        self.acquire_until(deadline).then(GuardNoSend::new)
    }
}

// SAFETY: as above.
unsafe impl lock_api::RawMutexFair for RawLock {
    unsafe fn unlock_fair(&self, _: GuardNoSend) {
        let released = self.release_slow(true);
        debug_assert_eq!(released, Ok(()));
    }
}

#[cold]
#[track_caller]
fn relocked() -> ! {
    panic!("this thread holds the lock already, and would wait for itself for ever");
}

impl fmt::Debug for RawLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawLock")
            .field("locked", &self.locked())
            .finish()
    }
}

/// Releases a [`RawLock`] when dropped; made by [`RawLock::guard`].
#[must_use = "the lock is released when the guard is dropped"]
pub struct RawLockGuard<'a>(&'a RawLock);

impl Drop for RawLockGuard<'_> {
    fn drop(&mut self) {
        // The one error is that somebody else has released the lock, as anybody may.
        let _ = self.0.release();
    }
}

impl fmt::Debug for RawLockGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RawLockGuard").field(self.0).finish()
    }
}

/// A release of a [`RawLock`] that is not held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotLocked;

impl fmt::Display for NotLocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("release of a lock that is not held")
    }
}

impl Error for NotLocked {}
