//! The condition variable.

use std::fmt;
use std::time::{Duration, Instant};

use tk_condvar::__private::wait_with_guard;
use tk_condvar::RawCondvar;
use tk_park::Limit;

use crate::MutexGuard;

/// Whether a wait with a time limit ended because the time was up.
///
/// ```
/// use std::time::Instant;
/// use tk_parking_lot_012::{Condvar, Mutex};
///
/// let waited = Condvar::new().wait_until(&mut Mutex::new(()).lock(), Instant::now());
/// assert!(waited.timed_out());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    /// Returns whether the time was up.
    #[inline]
    pub fn timed_out(self) -> bool {
        self.0
    }
}

/// A condition variable for a [`Mutex`](crate::Mutex).
///
/// There are no spurious wake-ups, and the results of `notify_one` and `notify_all` are exact. A
/// wait panics if other threads wait on it with another mutex.
///
/// ```
/// use tk_parking_lot_012::{Condvar, Mutex};
///
/// let (ready, changed) = (Mutex::new(false), Condvar::new());
/// std::thread::scope(|s| {
///     s.spawn(|| {
///         *ready.lock() = true;
///         changed.notify_one();
///     });
///     changed.wait_while(&mut ready.lock(), |ready| !*ready);
/// });
/// ```
#[derive(Default)]
pub struct Condvar {
    raw: RawCondvar,
}

impl Condvar {
    /// Creates a condition variable on which no thread waits.
    #[inline]
    pub const fn new() -> Condvar {
        Condvar {
            raw: RawCondvar::new(),
        }
    }

    /// Notifies the thread that has waited longest. Returns whether there was one.
    #[inline]
    pub fn notify_one(&self) -> bool {
        self.raw.notify(1) == 1
    }

    /// Notifies every thread that waits. Returns how many there were.
    #[inline]
    pub fn notify_all(&self) -> usize {
        self.raw.notify_all()
    }

    /// Releases the mutex, waits for a notification, and takes the mutex again.
    ///
    /// # Panics
    ///
    /// If other threads wait on this condition variable with another mutex. This holds for every
    /// wait.
    #[inline]
    #[track_caller]
    pub fn wait<T: ?Sized>(&self, guard: &mut MutexGuard<'_, T>) {
        self.wait_with(guard, Limit::never());
    }

    /// As [`wait`](Condvar::wait), until the deadline.
    #[inline]
    #[track_caller]
    pub fn wait_until<T: ?Sized>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        deadline: Instant,
    ) -> WaitTimeoutResult {
        self.wait_with(guard, Limit::until(deadline))
    }

    /// As [`wait`](Condvar::wait), for at most `timeout`.
    #[inline]
    #[track_caller]
    pub fn wait_for<T: ?Sized>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        timeout: Duration,
    ) -> WaitTimeoutResult {
        self.wait_with(guard, Limit::after(timeout))
    }

    /// Waits as long as `condition` returns `true`.
    #[inline]
    #[track_caller]
    pub fn wait_while<T: ?Sized, F: FnMut(&mut T) -> bool>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        condition: F,
    ) {
        self.wait_while_with(guard, condition, Limit::never());
    }

    /// As [`wait_while`](Condvar::wait_while), until the deadline. A change of the condition that
    /// came before the deadline counts.
    #[inline]
    #[track_caller]
    pub fn wait_while_until<T: ?Sized, F: FnMut(&mut T) -> bool>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        condition: F,
        deadline: Instant,
    ) -> WaitTimeoutResult {
        self.wait_while_with(guard, condition, Limit::until(deadline))
    }

    /// As [`wait_while`](Condvar::wait_while), for at most `timeout`. A change of the condition
    /// that came before that counts.
    #[inline]
    #[track_caller]
    pub fn wait_while_for<T: ?Sized, F: FnMut(&mut T) -> bool>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        condition: F,
        timeout: Duration,
    ) -> WaitTimeoutResult {
        self.wait_while_with(guard, condition, Limit::after(timeout))
    }

    #[track_caller]
    fn wait_with<T: ?Sized>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        limit: Limit<'_>,
    ) -> WaitTimeoutResult {
        // SAFETY: the wait leaves the mutex held, as the guard has it.
        let lock = unsafe { MutexGuard::mutex(guard).raw() };
        // SAFETY: this thread has the guard, and does not use it until this returns.
        let waited = unsafe { wait_with_guard(&self.raw, lock, limit) };
        WaitTimeoutResult(waited.is_err())
    }

    #[track_caller]
    fn wait_while_with<T: ?Sized>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        mut condition: impl FnMut(&mut T) -> bool,
        limit: Limit<'_>,
    ) -> WaitTimeoutResult {
        let mut waited = WaitTimeoutResult(false);
        while condition(&mut **guard) {
            if waited.timed_out() {
                return waited;
            }
            waited = self.wait_with(guard, limit);
        }
        WaitTimeoutResult(false)
    }
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("Condvar { .. }")
    }
}
