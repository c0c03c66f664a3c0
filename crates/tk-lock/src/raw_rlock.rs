//! The algorithm of the reentrant lock.
//!
//! 1. `owner` is the id of the thread that holds `lock`, or zero. A thread that finds its own id there has written it
//!    itself, and holds the lock; any other value tells it only that it does not. So no order of memory is needed.
//! 2. `levels` is touched by the holder alone.

use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use tk_park::sync::{AtomicU64, Instant, Ordering::Relaxed, current_id};
use tk_park::{Limit, WaitError};

use crate::RawLock;

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
    owner: AtomicU64,
    levels: Cell<usize>,
}

// SAFETY: of the fields only `levels` can't be shared, and by 2. it is not: who touches it holds the lock, which
// passes it on from thread to thread.
unsafe impl Sync for RawRLock {}

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
            owner: AtomicU64::new(0),
            levels: Cell::new(0),
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
        let taken = self.acquire_with(Limit::none());
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
        self.enter_again() || (self.lock.try_acquire() && self.enter())
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
        self.enter_again() || (self.lock.acquire_for(timeout) && self.enter())
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
        if !self.enter_again() {
            self.lock.acquire_with(limit)?;
            self.enter();
        }
        Ok(())
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
        if self.leave()? {
            let released = self.lock.release();
            debug_assert_eq!(released, Ok(()));
        }
        Ok(())
    }

    /// As [`release`](RawRLock::release), and with the last level the lock goes to the thread that has waited longest.
    pub(crate) fn release_fair(&self) -> Result<(), NotOwned> {
        if self.leave()? {
            let released = self.lock.release_fair();
            debug_assert_eq!(released, Ok(()));
        }
        Ok(())
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
        self.owner.load(Relaxed) == current_id().get()
    }

    /// How often the calling thread has taken the lock. Zero if another thread holds it.
    ///
    /// ```
    /// assert_eq!(tk_lock::RawRLock::new().recursion_count(), 0);
    /// ```
    pub fn recursion_count(&self) -> usize {
        match self.is_owned_by_current_thread() {
            true => self.levels.get(),
            false => 0,
        }
    }

    /// One more level, if the calling thread holds the lock.
    #[inline]
    fn enter_again(&self) -> bool {
        let again = self.is_owned_by_current_thread();
        if again {
            let levels = self.levels.get().checked_add(1);
            self.levels.set(levels.expect("too many levels of a lock"));
        }
        again
    }

    /// The first level: the calling thread has just taken the lock. Always `true`.
    #[inline]
    fn enter(&self) -> bool {
        self.resume(1);
        true
    }

    /// One level less. Returns whether it was the last.
    #[inline]
    fn leave(&self) -> Result<bool, NotOwned> {
        if !self.is_owned_by_current_thread() {
            return Err(NotOwned);
        }
        let levels = self.levels.get() - 1;
        self.levels.set(levels);
        if levels == 0 {
            self.owner.store(0, Relaxed);
        }
        Ok(levels == 0)
    }

    #[inline]
    fn resume(&self, levels: usize) {
        self.owner.store(current_id().get(), Relaxed);
        self.levels.set(levels);
    }

    /// Takes all levels off, for a wait on a condition variable. They are put back when the result is dropped.
    ///
    /// # Safety
    ///
    /// The calling thread holds the lock. Whoever has access to what it guards uses it no more until the result is dropped.
    /// The lock inside, which may be given up meanwhile, is held again by then.
    #[doc(hidden)]
    pub unsafe fn suspend(&self) -> Suspended<'_> {
        self.owner.store(0, Relaxed);
        Suspended {
            lock: self,
            levels: self.levels.replace(0),
        }
    }

    /// Gives a model's atomics to the thread that makes the object.
    #[cfg(tk_loom)]
    #[doc(hidden)]
    pub fn touch(&self) {
        self.lock.touch();
        self.owner.touch();
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

/// The levels of a lock that waits for a condition.
#[doc(hidden)]
#[derive(Debug)]
pub struct Suspended<'a> {
    lock: &'a RawRLock,
    levels: usize,
}

impl Suspended<'_> {
    /// The lock inside, which is still held.
    pub fn lock(&self) -> &RawLock {
        &self.lock.lock
    }
}

impl Drop for Suspended<'_> {
    fn drop(&mut self) {
        self.lock.resume(self.levels);
    }
}

/// A release of a [`RawRLock`] that the calling thread does not hold.
///
/// ```
/// use tk_lock::{NotOwned, RawRLock};
///
/// assert_eq!(RawRLock::new().release(), Err(NotOwned));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotOwned;

impl fmt::Display for NotOwned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("release of a lock that this thread does not hold")
    }
}

impl Error for NotOwned {}
