//! The algorithm of the reentrant lock.
//!
//! # States
//!
//! The state is that of the [`RawLock`] inside, and a number of levels.
//!
//! | state | acquire by the owner | acquire by another thread | release by the owner | release by another thread |
//! |---|---|---|---|---|
//! | free | | takes the lock, one level | | `NotOwned` |
//! | held, n levels | n + 1 levels | waits for the lock | n - 1 levels; none: releases the lock | `NotOwned` |
//!
//! # Invariants
//!
//! **Owner.** A thread owns the lock if the word of the lock inside names it. The word names a thread only after that thread
//! has taken the lock, or sleeps in its acquire and has been handed the lock. Numbers are never reused, so a thread that
//! finds its own number has put it there itself. Relaxed loads are enough, because a thread sees its own writes.
//!
//! **Anonymous owner.** Threads without a number of their own ([`Owner::ANONYMOUS`]) are told apart by their whole id: such
//! an owner stores it in `anonymous` after it takes the lock, and clears it before it releases the lock. A thread that finds
//! its own id there is the owner by the same reasoning. There is one load of the id, which cannot be torn: of two loads of
//! half an id each, the first could be of one owner and the second of another.
//!
//! **Levels.** `levels` is read and written by the owner alone, and the lock passes it on from owner to owner.

use std::cell::Cell;
use std::fmt;
use std::panic::RefUnwindSafe;
use std::time::Duration;

use tk_core::Owner;
use tk_park::sync::{Instant, current_owner};
use tk_park::{Limit, WaitError};

use crate::anonymous::AnonymousId;
use crate::{NotOwned, RawLock};

/// A lock that guards nothing, and that the thread that holds it can take again.
///
/// This is Python's `threading.RLock`. It is free again when it has been released as often as it was acquired; only the
/// thread that holds it may release it. To guard a value, take an [`RLock`](crate::RLock), which can't be released by
/// mistake.
///
/// ```
/// use tk_lock::RawRLock;
///
/// let lock = RawRLock::new();
/// lock.acquire();
/// lock.acquire();
/// assert_eq!(lock.recursion_count(), 2);
/// lock.release().unwrap();
/// lock.release().unwrap();
/// assert!(lock.release().is_err());
/// ```
#[doc(alias = "threading.RLock")]
#[doc(alias = "recursive_mutex")]
pub struct RawRLock {
    lock: RawLock,
    levels: Cell<usize>,
    anonymous: AnonymousId,
}

#[cfg(not(tk_loom))]
const _: () = assert!(size_of::<RawRLock>() <= 24);

// SAFETY: of the fields only `levels` cannot be shared, and by Levels it is not.
unsafe impl Sync for RawRLock {}

// Nothing is half changed when a panic leaves a method: a level is taken or given back in one assignment.
impl RefUnwindSafe for RawRLock {}

impl RawRLock {
    /// A lock that is free.
    ///
    /// ```
    /// use tk_lock::RawRLock;
    ///
    /// static ORDERS: RawRLock = RawRLock::new();
    /// assert!(ORDERS.try_acquire());
    /// ```
    pub const fn new() -> RawRLock {
        RawRLock {
            lock: RawLock::new(),
            levels: Cell::new(0),
            anonymous: AnonymousId::new(),
        }
    }

    /// Takes the lock, or one more level of it. Blocks while another thread holds it.
    ///
    /// # Panics
    ///
    /// If this thread has taken more than `usize::MAX` levels; as do all calls that take one.
    ///
    /// ```
    /// let lock = tk_lock::RawRLock::new();
    /// lock.acquire();
    /// assert!(lock.is_owned_by_current_thread());
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire(&self) {
        let taken = self.acquire_as(current_owner(), Limit::never());
        debug_assert_eq!(taken, Ok(()));
    }

    /// Takes the lock, or one more level of it, unless another thread holds it. Never blocks.
    ///
    /// ```
    /// let lock = tk_lock::RawRLock::new();
    /// assert!(lock.try_acquire());
    /// assert!(lock.try_acquire());
    /// ```
    #[inline]
    pub fn try_acquire(&self) -> bool {
        let me = current_owner();
        self.enter_again(me) || (self.lock.try_acquire_as(me) && self.enter(me))
    }

    /// Takes the lock, or one more level of it. Blocks while another thread holds it, at most for that long. Returns whether
    /// it was taken.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// assert!(tk_lock::RawRLock::new().acquire_for(Duration::ZERO));
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire_for(&self, timeout: Duration) -> bool {
        // The clock is read only if another thread holds the lock.
        self.try_acquire() || self.acquire_with(timeout).is_ok()
    }

    /// Takes the lock, or one more level of it. Blocks while another thread holds it, at most until that time. Returns whether
    /// it was taken.
    ///
    /// ```
    /// use std::time::Instant;
    ///
    /// assert!(tk_lock::RawRLock::new().acquire_until(Instant::now()));
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire_until(&self, deadline: Instant) -> bool {
        self.acquire_with(deadline).is_ok()
    }

    /// Takes the lock, or one more level of it. Blocks while another thread holds it, until the limit is reached, and says
    /// which limit that was.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// assert_eq!(tk_lock::RawRLock::new().acquire_with(Duration::ZERO), Ok(()));
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire_with<'a>(&self, limit: impl Into<Limit<'a>>) -> Result<(), WaitError> {
        // The conversion is the caller's code, and comes first: it may use this lock, panic, or end the thread.
        let limit = limit.into();
        self.acquire_as(current_owner(), limit)
    }

    /// Gives one level back. With the last one the lock is free, and the next thread can have it. Never blocks.
    ///
    /// # Errors
    ///
    /// If the calling thread does not hold the lock. Then nothing is changed.
    ///
    /// ```
    /// let error = tk_lock::RawRLock::new().release().unwrap_err();
    /// assert_eq!(error.to_string(), "release of a lock that this thread does not hold");
    /// ```
    #[inline]
    pub fn release(&self) -> Result<(), NotOwned> {
        let me = current_owner();
        if self.leave(me)? {
            self.lock.release_as(me);
        }
        Ok(())
    }

    /// As [`release`](RawRLock::release), and with the last level the lock is handed to the first thread in the queue.
    pub(crate) fn release_fair(&self) -> Result<(), NotOwned> {
        if self.leave(current_owner())? {
            self.lock.release_fair();
        }
        Ok(())
    }

    /// Lets the first thread in the queue have the lock, if there is one, and takes the lock again. The calling thread holds
    /// the lock. Does nothing if that has more than one level, as other guards of this thread may be in use.
    pub(crate) fn bump(&self) {
        if self.levels.get() == 1 {
            let me = current_owner();
            let levels = self.suspend(me);
            self.lock.bump_as(me);
            self.resume(me, levels);
        }
    }

    /// Whether a thread holds the lock at this moment, whichever it is.
    ///
    /// ```
    /// assert!(!tk_lock::RawRLock::new().is_locked());
    /// ```
    #[doc(alias = "locked")]
    #[inline]
    pub fn is_locked(&self) -> bool {
        self.lock.is_locked()
    }

    /// Whether the calling thread holds the lock.
    ///
    /// ```
    /// assert!(!tk_lock::RawRLock::new().is_owned_by_current_thread());
    /// ```
    #[doc(alias = "_is_owned")]
    #[inline]
    pub fn is_owned_by_current_thread(&self) -> bool {
        self.is_owned_by(current_owner())
    }

    /// How often the calling thread has taken the lock. Zero if another thread holds it.
    ///
    /// ```
    /// assert_eq!(tk_lock::RawRLock::new().recursion_count(), 0);
    /// ```
    pub fn recursion_count(&self) -> usize {
        if self.is_owned_by_current_thread() {
            self.levels.get()
        } else {
            0
        }
    }

    /// [`acquire_with`](RawRLock::acquire_with) for the calling thread, which is `me`.
    #[inline]
    #[track_caller]
    fn acquire_as(&self, me: Owner, limit: Limit<'_>) -> Result<(), WaitError> {
        if !self.enter_again(me) {
            self.lock.acquire_as(me, limit)?;
            self.enter(me);
        }
        Ok(())
    }

    /// Whether the calling thread, which is `me`, holds the lock.
    #[inline]
    fn is_owned_by(&self, me: Owner) -> bool {
        self.lock.is_held_by(me) && (me.is_known() || self.anonymous.is_current())
    }

    /// Takes one more level, if the calling thread holds the lock. Returns whether it does.
    #[inline]
    fn enter_again(&self, me: Owner) -> bool {
        let again = self.is_owned_by(me);
        if again {
            let levels = self.levels.get().checked_add(1);
            self.levels.set(levels.expect("too many levels of a lock"));
        }
        again
    }

    /// Takes the first level: the calling thread has just taken the lock. Always `true`.
    #[inline]
    fn enter(&self, me: Owner) -> bool {
        self.resume(me, 1);
        true
    }

    /// Gives one level back. Returns whether it was the last.
    #[inline]
    fn leave(&self, me: Owner) -> Result<bool, NotOwned> {
        if !self.is_owned_by(me) {
            return Err(NotOwned);
        }
        let levels = self.levels.get() - 1;
        self.levels.set(levels);
        if levels == 0 && !me.is_known() {
            self.anonymous.clear();
        }
        Ok(levels == 0)
    }

    /// Takes all levels off, and returns how many there were. The calling thread, which is `me`,
    /// holds the lock, and is about to release it.
    pub(crate) fn suspend(&self, me: Owner) -> usize {
        if !me.is_known() {
            self.anonymous.clear();
        }
        self.levels.replace(0)
    }

    /// Sets the levels. The calling thread, which is `me`, has just taken the lock.
    #[inline]
    pub(crate) fn resume(&self, me: Owner, levels: usize) {
        self.levels.set(levels);
        if !me.is_known() {
            self.anonymous.set();
        }
    }

    /// The lock inside, whose queue is that of this lock.
    pub(crate) fn lock(&self) -> &RawLock {
        &self.lock
    }

    /// Takes a level, for a thread that has no number of its own: a model can't start 2^30 threads.
    #[cfg(tk_loom)]
    #[doc(hidden)]
    pub fn try_acquire_anonymously(&self) -> bool {
        let me = Owner::ANONYMOUS;
        self.enter_again(me) || (self.lock.try_acquire_as(me) && self.enter(me))
    }

    /// Gives a level back, for a thread that has no number of its own.
    #[cfg(tk_loom)]
    #[doc(hidden)]
    pub fn release_anonymously(&self) -> Result<(), NotOwned> {
        let me = Owner::ANONYMOUS;
        if self.leave(me)? {
            self.lock.release_as(me);
        }
        Ok(())
    }

    /// Gives a model's atomics to the thread that makes the object.
    #[cfg(tk_loom)]
    #[doc(hidden)]
    pub fn loom_register(&self) {
        self.lock.loom_register();
        self.anonymous.loom_register();
    }
}

impl Default for RawRLock {
    fn default() -> RawRLock {
        RawRLock::new()
    }
}

impl fmt::Debug for RawRLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawRLock")
            .field("locked", &self.is_locked())
            .field("recursion_count", &self.recursion_count())
            .finish()
    }
}
