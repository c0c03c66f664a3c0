//! The condition variable for a lock that exists already.

use std::fmt;
use std::time::Duration;

use tk_lock::{Lock, LockGuard};
use tk_park::{Limit, WaitError};

use crate::{RawCondvar, value_lock};

/// A condition variable for a [`Lock`], in the way of the standard library.
///
/// A wait releases the lock, and holds it again when it returns. There are no spurious wake-ups.
/// But another thread may take the lock between the notification and the return, so look at the
/// value again, or use [`wait_while`](Condvar::wait_while). All threads that wait at one time must
/// use the same lock.
///
/// A notification needs no lock. A thread that first changes the value under the lock, and then
/// notifies, misses no thread that waits for that change.
///
/// ```
/// use tk_condvar::Condvar;
/// use tk_lock::Lock;
///
/// static READY: Lock<bool> = Lock::new(false);
/// static CHANGED: Condvar = Condvar::new();
///
/// std::thread::scope(|s| {
///     s.spawn(|| {
///         let mut ready = READY.lock();
///         while !*ready {
///             CHANGED.wait(&mut ready);
///         }
///     });
///     *READY.lock() = true;
///     CHANGED.notify(1);
/// });
/// ```
///
/// Unlike `lock_api`'s, it can notify `n` threads, takes any [`Limit`], and knows at which line of
/// the program a thread waits.
#[doc(alias = "threading.Condition")]
#[derive(Default)]
pub struct Condvar {
    raw: RawCondvar,
}

impl Condvar {
    /// Creates a condition variable on which no thread waits.
    ///
    /// ```
    /// use tk_condvar::Condvar;
    ///
    /// static CHANGED: Condvar = Condvar::new();
    /// assert_eq!(CHANGED.notify_all(), 0);
    /// ```
    pub const fn new() -> Condvar {
        Condvar {
            raw: RawCondvar::new(),
        }
    }

    /// Releases the lock and waits for a notification. Holds the lock again when it returns.
    ///
    /// # Panics
    ///
    /// If other threads wait on this condition variable with another lock. This holds for all
    /// waits.
    ///
    /// ```
    /// # use tk_condvar::Condvar;
    /// use tk_lock::Lock;
    ///
    /// let (lock, changed) = (Lock::new(false), Condvar::new());
    /// std::thread::scope(|s| {
    ///     let mut ready = lock.lock();
    ///     s.spawn(|| {
    ///         *lock.lock() = true;
    ///         changed.notify(1);
    ///     });
    ///     while !*ready {
    ///         changed.wait(&mut ready);
    ///     }
    /// });
    /// ```
    #[track_caller]
    pub fn wait<T: ?Sized>(&self, guard: &mut LockGuard<'_, T>) {
        let notified = self.wait_with(guard, Limit::never());
        debug_assert_eq!(notified, Ok(()));
    }

    /// As [`wait`](Condvar::wait), for at most `timeout`. Returns whether there was a notification.
    ///
    /// ```
    /// # use tk_condvar::Condvar;
    /// use std::time::Duration;
    /// use tk_lock::Lock;
    ///
    /// let lock = Lock::new(());
    /// assert!(!Condvar::new().wait_for(&mut lock.lock(), Duration::from_millis(1)));
    /// ```
    #[track_caller]
    pub fn wait_for<T: ?Sized>(&self, guard: &mut LockGuard<'_, T>, timeout: Duration) -> bool {
        self.wait_with(guard, timeout).is_ok()
    }

    /// As [`wait`](Condvar::wait), until the limit is reached.
    ///
    /// # Errors
    ///
    /// If the limit is reached first. The error says which limit that was.
    ///
    /// ```
    /// # use tk_condvar::Condvar;
    /// use tk_condvar::{StopSource, WaitError};
    /// use tk_lock::Lock;
    ///
    /// let (lock, source) = (Lock::new(()), StopSource::new());
    /// source.request_stop();
    /// let stopped = Condvar::new().wait_with(&mut lock.lock(), &source.token());
    /// assert_eq!(stopped, Err(WaitError::Stopped));
    /// ```
    #[track_caller]
    pub fn wait_with<'l, T: ?Sized>(
        &self,
        guard: &mut LockGuard<'_, T>,
        limit: impl Into<Limit<'l>>,
    ) -> Result<(), WaitError> {
        // The conversion is the caller's code, and comes first.
        let limit = limit.into();
        value_lock::wait::<Lock<T>>(&self.raw, guard, limit)
    }

    /// Waits while `condition` returns `true`.
    ///
    /// `condition` is called immediately, and after each notification, with the lock held.
    ///
    /// ```
    /// # use tk_condvar::Condvar;
    /// use tk_lock::Lock;
    ///
    /// let lock = Lock::new(0);
    /// Condvar::new().wait_while(&mut lock.lock(), |n| *n != 0);
    /// ```
    #[doc(alias = "threading.Condition.wait_for")]
    #[track_caller]
    pub fn wait_while<T: ?Sized>(
        &self,
        guard: &mut LockGuard<'_, T>,
        condition: impl FnMut(&mut T) -> bool,
    ) {
        let met = self.wait_while_with(guard, condition, Limit::never());
        debug_assert_eq!(met, Ok(()));
    }

    /// Waits while `condition` returns `true`, until the limit is reached.
    ///
    /// `condition` is called once more when the limit is reached. If it returns `false` then, the
    /// wait is a success.
    ///
    /// # Errors
    ///
    /// If the limit is reached and `condition` still returns `true`. The error says which limit
    /// that was.
    ///
    /// ```
    /// # use tk_condvar::Condvar;
    /// use std::time::Duration;
    /// use tk_condvar::WaitError;
    /// use tk_lock::Lock;
    ///
    /// let lock = Lock::new(0);
    /// let timeout = Duration::from_millis(1);
    /// let met = Condvar::new().wait_while_with(&mut lock.lock(), |n| *n == 0, timeout);
    /// assert_eq!(met, Err(WaitError::TimedOut));
    /// ```
    #[doc(alias = "threading.Condition.wait_for")]
    #[track_caller]
    pub fn wait_while_with<'l, T: ?Sized>(
        &self,
        guard: &mut LockGuard<'_, T>,
        condition: impl FnMut(&mut T) -> bool,
        limit: impl Into<Limit<'l>>,
    ) -> Result<(), WaitError> {
        let limit = limit.into();
        value_lock::wait_while::<Lock<T>>(&self.raw, guard, condition, limit)
    }

    /// Wakes the `n` threads that have waited longest, or all if there are fewer. Returns how many.
    ///
    /// Never blocks. The lock need not be held.
    ///
    /// ```
    /// assert_eq!(tk_condvar::Condvar::new().notify(2), 0);
    /// ```
    #[inline]
    pub fn notify(&self, n: usize) -> usize {
        self.raw.notify(n)
    }

    /// Wakes the thread that has waited longest. Returns whether there was one.
    ///
    /// Never blocks. The lock need not be held.
    ///
    /// ```
    /// assert!(!tk_condvar::Condvar::new().notify_one());
    /// ```
    #[inline]
    pub fn notify_one(&self) -> bool {
        self.notify(1) == 1
    }

    /// Wakes every thread that waits. Returns how many there were.
    ///
    /// Never blocks. The lock need not be held. The threads go on one after the other, as each gets
    /// the lock.
    ///
    /// ```
    /// assert_eq!(tk_condvar::Condvar::new().notify_all(), 0);
    /// ```
    #[doc(alias = "notifyAll")]
    #[inline]
    pub fn notify_all(&self) -> usize {
        self.raw.notify_all()
    }

    /// Gives a model's atomics to the thread that makes the object.
    #[cfg(tk_loom)]
    #[doc(hidden)]
    pub fn loom_register(&self) {
        self.raw.loom_register();
    }

    /// Whether a notification would look into the queue.
    #[cfg(tk_loom)]
    #[doc(hidden)]
    pub fn knows_a_lock(&self) -> bool {
        self.raw.knows_a_lock()
    }

    /// Whether threads wait in the lot, so that a notification moves them if the lock is held.
    #[cfg(tk_loom)]
    #[doc(hidden)]
    pub fn has_waiters_in_the_lot(&self) -> bool {
        self.raw.has_waiters_in_the_lot()
    }
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condvar").finish_non_exhaustive()
    }
}
