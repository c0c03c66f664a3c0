//! The algorithm of the reentrant lock: Python's `threading.RLock`.
//!
//! The state is that of the [`RawLock`] inside, and how often the owner has taken it again.
//!
//! | state | acquire by the owner | acquire by another thread | release by the owner | release by another thread |
//! |---|---|---|---|---|
//! | free | | takes the lock, one level | | `NotOwned` |
//! | held, n levels | n + 1 levels | waits for the lock | n - 1 levels; none: releases the lock | `NotOwned` |
//!
//! # Invariants
//!
//! **Owner.** A thread owns the lock if the word of the lock inside names it. The word names a
//! thread only after that thread has taken the lock, or while it is parked in its acquire and has
//! been handed the lock. Numbers are never reused, so a thread that finds its own number has put it
//! there itself. Relaxed loads are enough, because a thread sees its own writes.
//!
//! **Anonymous owner.** Threads without a number of their own ([`Owner::ANONYMOUS`]) are told apart
//! by their whole id. Such an owner stores its id in `anonymous` after it takes the lock, and
//! clears it before it releases the lock. A thread that finds its own id there is the owner by the
//! same reasoning. The id is read in one load. If it were two loads of half an id each, the first
//! half could be of one owner and the second of another.
//!
//! **Again.** Only the owner reads and writes `again`, the number of its levels beyond the first.
//! The lock passes the field on from owner to owner, and it is 0 while the lock is free. So a
//! thread that takes the lock once and releases it writes nothing but the word.

use std::cell::Cell;
use std::fmt;
use std::panic::RefUnwindSafe;
use std::time::Duration;

use tk_core::Owner;
use tk_park::sync::current_owner;
use tk_park::{Limit, WaitError};

use crate::anonymous::AnonymousId;
use crate::raw_lock::Taking;
use crate::{NotOwned, RawLock};

/// A lock that guards nothing, and that the thread that holds it can take again.
///
/// This is Python's `threading.RLock`. It is free again when it has been released as often as it
/// was acquired. Only the thread that holds it may release it. To guard a value, use an
/// [`RLock`](crate::RLock), which can't be released by mistake.
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
    again: Cell<usize>,
    anonymous: AnonymousId,
}

#[cfg(not(tk_loom))]
const _: () = assert!(size_of::<RawRLock>() <= 24);

// SAFETY: `again` is the only field that can't be shared, and by *Again* only the owner uses it.
unsafe impl Sync for RawRLock {}

// A panic that leaves a method leaves nothing half changed: a level is taken or given back in one
// assignment.
impl RefUnwindSafe for RawRLock {}

impl RawRLock {
    /// Creates a free lock.
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
            again: Cell::new(0),
            anonymous: AnonymousId::new(),
        }
    }

    /// Takes the lock, or one more level of it. Blocks while another thread holds it.
    ///
    /// # Panics
    ///
    /// If this thread has `usize::MAX` levels already. This holds for all calls that take a level.
    ///
    /// In the child of a fork, if the lock is held by a thread that exists only in the parent. This
    /// holds for all waits without a limit.
    ///
    /// ```
    /// let lock = tk_lock::RawRLock::new();
    /// lock.acquire();
    /// assert!(lock.is_owned_by_current_thread());
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire(&self) {
        let me = current_owner();
        if !self.enter_again(me) {
            self.lock.acquire_unlimited(me, Taking::Guarded);
            self.enter(me);
        }
    }

    /// Takes the lock, or one more level of it, unless another thread holds it. Returns whether it
    /// was taken. Never blocks.
    ///
    /// ```
    /// let lock = tk_lock::RawRLock::new();
    /// assert!(lock.try_acquire());
    /// assert!(lock.try_acquire());
    /// ```
    #[inline]
    pub fn try_acquire(&self) -> bool {
        self.try_acquire_as(current_owner())
    }

    /// Takes the lock, or one more level of it. Blocks for at most `timeout` while another thread
    /// holds it. Returns whether it was taken.
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

    /// Takes the lock, or one more level of it. Blocks while another thread holds it, until the
    /// limit is reached.
    ///
    /// # Errors
    ///
    /// If the limit is reached first. The error says which limit that was.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// assert_eq!(tk_lock::RawRLock::new().acquire_with(Duration::ZERO), Ok(()));
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire_with<'a>(&self, limit: impl Into<Limit<'a>>) -> Result<(), WaitError> {
        // The conversion is the caller's code, and comes first: it may use this lock, panic, or end
        // the thread.
        let limit = limit.into();
        self.acquire_as(current_owner(), limit)
    }

    /// Gives one level back, and releases the lock with the last one. Never blocks.
    ///
    /// # Errors
    ///
    /// If the calling thread does not hold the lock. Nothing changes then.
    ///
    /// ```
    /// let error = tk_lock::RawRLock::new().release().unwrap_err();
    /// assert_eq!(error.to_string(), "release of a lock that this thread does not hold");
    /// ```
    #[inline]
    pub fn release(&self) -> Result<(), NotOwned> {
        self.release_as(current_owner())
    }

    /// Returns whether a thread holds the lock at this moment.
    ///
    /// ```
    /// assert!(!tk_lock::RawRLock::new().is_locked());
    /// ```
    #[doc(alias = "locked")]
    #[inline]
    pub fn is_locked(&self) -> bool {
        self.lock.is_locked()
    }

    /// Returns whether the calling thread holds the lock.
    ///
    /// ```
    /// assert!(!tk_lock::RawRLock::new().is_owned_by_current_thread());
    /// ```
    #[doc(alias = "_is_owned")]
    #[inline]
    pub fn is_owned_by_current_thread(&self) -> bool {
        self.is_owned_by(current_owner())
    }

    /// Returns how many levels of the lock the calling thread has. Zero if another thread holds it.
    ///
    /// ```
    /// assert_eq!(tk_lock::RawRLock::new().recursion_count(), 0);
    /// ```
    #[doc(alias = "_recursion_count")]
    pub fn recursion_count(&self) -> usize {
        if self.is_owned_by_current_thread() {
            self.again.get() + 1
        } else {
            0
        }
    }

    /// [`release`](RawRLock::release), which with the last level hands the lock to the first thread
    /// in the queue.
    pub(crate) fn release_fair(&self) -> Result<(), NotOwned> {
        if self.leave(current_owner())? {
            self.lock.release_fair();
        }
        Ok(())
    }

    /// Lets the first thread in the queue have the lock, if there is one, and takes the lock again.
    /// The calling thread holds the lock. Does nothing if that thread has more than one level,
    /// because its other guards may be in use.
    pub(crate) fn bump(&self) {
        if self.again.get() == 0 {
            let me = current_owner();
            let again = self.suspend(me);
            self.lock.bump_as(me);
            self.resume(me, again);
        }
    }

    /// [`acquire_with`](RawRLock::acquire_with) for the calling thread, which is `me`.
    #[inline]
    #[track_caller]
    fn acquire_as(&self, me: Owner, limit: Limit<'_>) -> Result<(), WaitError> {
        if !self.enter_again(me) {
            self.lock.acquire_as(me, limit, Taking::Guarded)?;
            self.enter(me);
        }
        Ok(())
    }

    /// [`try_acquire`](RawRLock::try_acquire) for the calling thread, which is `me`.
    #[inline]
    fn try_acquire_as(&self, me: Owner) -> bool {
        if self.enter_again(me) {
            return true;
        }
        let taken = self.lock.try_acquire_as(me);
        if taken {
            self.enter(me);
        }
        taken
    }

    /// [`release`](RawRLock::release) for the calling thread, which is `me`.
    #[inline]
    fn release_as(&self, me: Owner) -> Result<(), NotOwned> {
        if self.leave(me)? {
            self.lock.release_own();
        }
        Ok(())
    }

    /// [`release`](RawRLock::release) for a guard: the calling thread holds the lock.
    #[inline]
    pub(crate) fn release_own(&self) {
        debug_assert!(self.is_owned_by_current_thread());
        let Some(again) = self.again.get().checked_sub(1) else {
            // The word has the owner too. But a load from where an atomic step has just written
            // takes as long as half a step.
            if !current_owner().is_known() {
                // Anonymous owner: before the release, because the next owner stores its own id.
                self.anonymous.clear();
            }
            return self.lock.release_own();
        };
        self.again.set(again);
    }

    /// Returns whether the calling thread, which is `me`, holds the lock.
    #[inline]
    fn is_owned_by(&self, me: Owner) -> bool {
        self.lock.is_held_by(me) && (me.is_known() || self.anonymous.is_current())
    }

    /// Takes one more level, if the calling thread holds the lock. Returns whether it does.
    #[inline]
    fn enter_again(&self, me: Owner) -> bool {
        let again = self.is_owned_by(me);
        if again {
            // One more than it counts.
            let most = usize::MAX - 1;
            assert!(self.again.get() < most, "too many levels of a lock");
            self.again.set(self.again.get() + 1);
        }
        again
    }

    /// Begins the first level. The calling thread, which is `me`, has just taken the lock.
    #[inline]
    fn enter(&self, me: Owner) {
        if !me.is_known() {
            self.anonymous.set();
        }
    }

    /// Gives one level back. Returns whether it was the last.
    #[inline]
    fn leave(&self, me: Owner) -> Result<bool, NotOwned> {
        if !self.is_owned_by(me) {
            return Err(NotOwned);
        }
        let Some(again) = self.again.get().checked_sub(1) else {
            if !me.is_known() {
                // Anonymous owner: before the release, because the next owner stores its own id.
                self.anonymous.clear();
            }
            return Ok(true);
        };
        self.again.set(again);
        Ok(false)
    }

    /// Takes all levels off, and returns how many there were beyond the first. The calling thread,
    /// which is `me`, holds the lock, and is about to release it.
    pub(crate) fn suspend(&self, me: Owner) -> usize {
        if !me.is_known() {
            self.anonymous.clear();
        }
        self.again.replace(0)
    }

    /// Restores the levels. The calling thread, which is `me`, has just taken the lock.
    pub(crate) fn resume(&self, me: Owner, again: usize) {
        self.again.set(again);
        self.enter(me);
    }

    /// The lock inside, whose queue is that of this lock.
    pub(crate) fn lock(&self) -> &RawLock {
        &self.lock
    }

    /// Takes a level, for a thread that has no number of its own: a model can't start 2^30 threads.
    #[cfg(tk_loom)]
    #[doc(hidden)]
    pub fn try_acquire_anonymously(&self) -> bool {
        self.try_acquire_as(Owner::ANONYMOUS)
    }

    /// Gives a level back, for a thread that has no number of its own.
    #[cfg(tk_loom)]
    #[doc(hidden)]
    pub fn release_anonymously(&self) -> Result<(), NotOwned> {
        self.release_as(Owner::ANONYMOUS)
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
