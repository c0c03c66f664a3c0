//! The condition variable for a lock that is there already.

use std::fmt;
use std::time::Duration;

use tk_lock::{LockGuard, RawLock};
use tk_park::sync::Instant;
use tk_park::{Limit, WaitError};

use crate::RawCondvar;

/// A condition that threads wait for while they give up a [`Lock`](tk_lock::Lock).
///
/// A thread that is notified goes on when it has the lock again. All who wait at one time must use the same lock.
///
/// Notifying needs no lock. A thread that notifies after it has changed, under the lock, what the others wait for, misses
/// none of them.
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
/// It differs from `lock_api`'s in that it can notify `n` threads, takes any [`Limit`], and knows at which line of the
/// program a thread waits.
#[doc(alias = "threading.Condition")]
#[derive(Default)]
pub struct Condvar {
    raw: RawCondvar,
}

/// The lock of a guard.
pub(crate) fn raw_lock<'a, T: ?Sized>(guard: &LockGuard<'a, T>) -> &'a RawLock {
    // SAFETY: a reference to the lock does nothing to it. Those who get it here give the lock up only while they have
    // the guard for themselves, and have it again when they give the guard back.
    unsafe { LockGuard::mutex(guard).raw() }
}

impl Condvar {
    /// A condition that nobody waits for.
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
    /// If other threads wait on this condition with another lock; as do all waits.
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

    /// Releases the lock and waits for a notification, for at most `timeout`. Returns whether there was one.
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

    /// Releases the lock and waits for a notification, until `deadline` at most. Returns whether there was one.
    ///
    /// ```
    /// # use tk_condvar::Condvar;
    /// use std::time::Instant;
    /// use tk_lock::Lock;
    ///
    /// let lock = Lock::new(());
    /// assert!(!Condvar::new().wait_until(&mut lock.lock(), Instant::now()));
    /// ```
    #[track_caller]
    pub fn wait_until<T: ?Sized>(&self, guard: &mut LockGuard<'_, T>, deadline: Instant) -> bool {
        self.wait_with(guard, deadline).is_ok()
    }

    /// Gives up the lock and waits for a notification, or until the limit is reached, and says which limit that was.
    ///
    /// ```
    /// # use tk_condvar::Condvar;
    /// use tk_lock::Lock;
    /// use tk_condvar::{StopSource, WaitError};
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
        // SAFETY: the guard is borrowed for the time of the wait: the value can't be used.
        unsafe { self.raw.wait_with(raw_lock(guard), limit) }
    }

    /// Waits while `condition` returns `true`. It is called immediately, and after each notification, with the lock held.
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

    /// Waits while `condition` returns `true`, for at most `timeout`. Returns `true` if `condition` returned `false`. It is
    /// called once more when the time is over.
    ///
    /// ```
    /// # use tk_condvar::Condvar;
    /// use std::time::Duration;
    /// use tk_lock::Lock;
    ///
    /// let lock = Lock::new(0);
    /// let timeout = Duration::from_millis(1);
    /// assert!(!Condvar::new().wait_while_for(&mut lock.lock(), |n| *n == 0, timeout));
    /// ```
    #[track_caller]
    pub fn wait_while_for<T: ?Sized>(
        &self,
        guard: &mut LockGuard<'_, T>,
        condition: impl FnMut(&mut T) -> bool,
        timeout: Duration,
    ) -> bool {
        self.wait_while_with(guard, condition, timeout).is_ok()
    }

    /// Waits while `condition` returns `true`, until `deadline` at most. Returns `true` if `condition` returned `false`.
    ///
    /// ```
    /// # use tk_condvar::Condvar;
    /// use std::time::Instant;
    /// use tk_lock::Lock;
    ///
    /// let lock = Lock::new(0);
    /// assert!(Condvar::new().wait_while_until(&mut lock.lock(), |n| *n != 0, Instant::now()));
    /// ```
    #[track_caller]
    pub fn wait_while_until<T: ?Sized>(
        &self,
        guard: &mut LockGuard<'_, T>,
        condition: impl FnMut(&mut T) -> bool,
        deadline: Instant,
    ) -> bool {
        self.wait_while_with(guard, condition, deadline).is_ok()
    }

    /// Waits while `condition` returns `true`, or until the limit is reached. The error says which limit that was. `condition`
    /// is called once more when the limit is reached: if it returns `false`, the wait was a success.
    ///
    /// ```
    /// # use tk_condvar::Condvar;
    /// use std::time::Duration;
    /// use tk_lock::Lock;
    /// use tk_condvar::WaitError;
    ///
    /// let lock = Lock::new(0);
    /// let timeout = Duration::from_millis(1);
    /// let met = Condvar::new().wait_while_with(&mut lock.lock(), |n| *n == 0, timeout);
    /// assert_eq!(met, Err(WaitError::TimedOut));
    /// ```
    #[track_caller]
    pub fn wait_while_with<'l, T: ?Sized>(
        &self,
        guard: &mut LockGuard<'_, T>,
        mut condition: impl FnMut(&mut T) -> bool,
        limit: impl Into<Limit<'l>>,
    ) -> Result<(), WaitError> {
        let limit = limit.into();
        let mut waited = Ok(());
        while condition(guard) {
            waited?;
            waited = self.wait_with(guard, limit);
        }
        Ok(())
    }

    /// Wakes the `n` threads that have waited longest, or all if there are fewer. Returns how many. Never blocks.
    ///
    /// ```
    /// assert_eq!(tk_condvar::Condvar::new().notify(2), 0);
    /// ```
    #[inline]
    pub fn notify(&self, n: usize) -> usize {
        self.raw.notify(n)
    }

    /// Wakes the thread that has waited longest. Returns whether there was one. Never blocks.
    ///
    /// ```
    /// assert!(!tk_condvar::Condvar::new().notify_one());
    /// ```
    #[inline]
    pub fn notify_one(&self) -> bool {
        self.notify(1) == 1
    }

    /// Wakes every waiting thread. Returns how many. Never blocks.
    ///
    /// They go on one after the other, as each gets the lock.
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

    /// Whether a notification would look at a lock.
    #[cfg(tk_loom)]
    #[doc(hidden)]
    pub fn knows_a_lock(&self) -> bool {
        self.raw.knows_a_lock()
    }
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condvar").finish_non_exhaustive()
    }
}
