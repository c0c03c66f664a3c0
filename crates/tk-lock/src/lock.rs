//! The locks that guard a value.

use tk_park::{Limit, WaitError};

use crate::RawLock;

/// A value that one thread at a time can use: a mutex.
///
/// ```
/// use std::time::Duration;
/// use tk_lock::Lock;
///
/// let lock = Lock::new(1);
/// *lock.lock() += 1;
/// assert_eq!(lock.try_lock_for(Duration::from_millis(1)).as_deref(), Some(&2));
/// ```
///
/// A thread that locks a lock which it holds would wait for itself forever. It panics instead:
///
/// ```should_panic
/// # use tk_lock::Lock;
/// let lock = Lock::new(1);
/// let first = lock.lock();
/// let second = lock.lock();
/// ```
///
/// [`LockExt`] adds a wait with a [`Limit`].
#[doc(alias = "Mutex")]
#[doc(alias = "threading.Lock")]
pub type Lock<T> = lock_api::Mutex<RawLock, T>;

/// Gives access to the value of a [`Lock`], and releases the lock when dropped.
///
/// ```
/// use tk_lock::{Lock, LockGuard};
///
/// fn increment(mut guard: LockGuard<'_, u32>) {
///     *guard += 1;
/// }
///
/// let lock = Lock::new(1);
/// increment(lock.lock());
/// assert_eq!(*lock.lock(), 2);
/// ```
pub type LockGuard<'a, T> = lock_api::MutexGuard<'a, RawLock, T>;

/// A [`LockGuard`] for a part of the value.
///
/// ```
/// use tk_lock::{Lock, LockGuard, MappedLockGuard};
///
/// let lock = Lock::new((1, 2));
/// let second: MappedLockGuard<'_, i32> = LockGuard::map(lock.lock(), |pair| &mut pair.1);
/// assert_eq!(*second, 2);
/// ```
pub type MappedLockGuard<'a, T> = lock_api::MappedMutexGuard<'a, RawLock, T>;

/// Adds to a [`Lock`] a wait with a [`Limit`].
///
/// ```
/// use std::time::Duration;
/// use tk_lock::{Lock, LockExt};
///
/// assert!(Lock::new(1).lock_with(Duration::from_millis(1)).is_ok());
/// ```
pub trait LockExt<T: ?Sized> {
    /// Takes the lock. Blocks while it is held, until the limit is reached.
    ///
    /// # Errors
    ///
    /// If the limit is reached first. The error says which limit that was.
    ///
    /// # Panics
    ///
    /// If the wait would never end, because there is no limit ([`Limit::never`], or a time too long
    /// for the clock) and the lock is held by this thread, or by a thread that a fork has left in
    /// the parent. [`lock`](lock_api::Mutex::lock) panics in the same cases.
    ///
    /// ```
    /// use tk_lock::{Lock, LockExt, StopSource, WaitError};
    ///
    /// let (lock, source) = (Lock::new(()), StopSource::new());
    /// let _held = lock.lock();
    /// source.request_stop();
    /// assert_eq!(lock.lock_with(&source.token()).err(), Some(WaitError::Stopped));
    /// ```
    #[track_caller]
    fn lock_with<'l>(&self, limit: impl Into<Limit<'l>>) -> Result<LockGuard<'_, T>, WaitError>;
}

impl<T: ?Sized> LockExt<T> for Lock<T> {
    #[track_caller]
    fn lock_with<'l>(&self, limit: impl Into<Limit<'l>>) -> Result<LockGuard<'_, T>, WaitError> {
        let limit = limit.into();
        if limit.is_unlimited() {
            return Ok(self.lock());
        }
        // SAFETY: taking a lock invalidates no guard.
        unsafe { self.raw() }.acquire_with(limit)?;
        // SAFETY: this thread has just taken the lock, and there is no other guard for that.
        Ok(unsafe { self.make_guard_unchecked(lock_api::GuardNoSend::new()) })
    }
}
