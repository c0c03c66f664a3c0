//! A value, its lock and its condition variable in one.

use std::fmt;
use std::ops::Deref;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::Duration;

use tk_park::{Limit, WaitError};

use crate::RawCondvar;
use crate::value_lock::{self, ValueLock};

/// A value in a lock, for whose changes threads can wait.
///
/// Use it by the names of its two kinds:
///
/// | name | lock | the guard |
/// |---|---|---|
/// | [`Condition<T>`](crate::Condition) | [`Lock<T>`](tk_lock::Lock) | is a `&mut T` |
/// | [`Monitor<T>`](crate::Monitor) | [`RLock<RefCell<T>>`](tk_lock::RLock): a thread can lock it again | is a `&RefCell<T>` |
///
/// ```
/// use tk_condvar::{Condition, Monitor};
///
/// let (condition, monitor) = (Condition::new(1), Monitor::new(1));
/// *condition.lock() += 1;
/// *monitor.lock().borrow_mut() += 1;
/// assert_eq!(condition.into_inner() + monitor.into_inner(), 4);
/// ```
#[derive(Default)]
pub struct Monitored<L: ?Sized> {
    pub(crate) changed: RawCondvar,
    pub(crate) lock: L,
}

impl<L: ValueLock> Monitored<L> {
    /// Returns the value.
    ///
    /// ```
    /// assert_eq!(tk_condvar::Condition::new(7).into_inner(), 7);
    /// ```
    pub fn into_inner(self) -> L::Value
    where
        L::Value: Sized,
    {
        self.lock.into_inner()
    }
}

impl<L: ValueLock + ?Sized> Monitored<L> {
    /// Locks the value. Blocks while another thread has it locked.
    ///
    /// A `Monitor` that this thread has locked gets one more level. The value is unlocked when all
    /// guards are dropped.
    ///
    /// # Panics
    ///
    /// If this thread has a `Condition` locked already, because it would wait for itself forever.
    /// In the child of a fork, if a thread that exists only in the parent has the value locked.
    ///
    /// ```
    /// # use tk_condvar::Condition;
    /// let condition = Condition::new(1);
    /// *condition.lock() += 1;
    /// assert_eq!(*condition.lock(), 2);
    /// ```
    #[inline]
    #[track_caller]
    pub fn lock(&self) -> MonitoredGuard<'_, L> {
        self.guard(self.lock.lock())
    }

    /// Locks the value if that is possible without blocking, and returns `None` otherwise.
    ///
    /// ```
    /// # use tk_condvar::Condition;
    /// assert!(Condition::new(1).try_lock().is_some());
    /// ```
    #[inline]
    pub fn try_lock(&self) -> Option<MonitoredGuard<'_, L>> {
        Some(self.guard(self.lock.try_lock()?))
    }

    /// Locks the value. Blocks for at most `timeout` while another thread has it locked, and
    /// returns `None` after that.
    ///
    /// ```
    /// # use tk_condvar::Condition;
    /// use std::time::Duration;
    ///
    /// assert!(Condition::new(1).try_lock_for(Duration::ZERO).is_some());
    /// ```
    #[track_caller]
    pub fn try_lock_for(&self, timeout: Duration) -> Option<MonitoredGuard<'_, L>> {
        // The clock is read only if the lock is held.
        if let Some(guard) = self.try_lock() {
            return Some(guard);
        }
        self.lock_with(timeout).ok()
    }

    /// Locks the value. Blocks while another thread has it locked, until the limit is reached.
    ///
    /// # Errors
    ///
    /// If the limit is reached first. The error says which limit that was.
    ///
    /// ```
    /// # use tk_condvar::Condition;
    /// use std::time::Duration;
    ///
    /// assert!(Condition::new(1).lock_with(Duration::ZERO).is_ok());
    /// ```
    #[track_caller]
    pub fn lock_with<'l>(
        &self,
        limit: impl Into<Limit<'l>>,
    ) -> Result<MonitoredGuard<'_, L>, WaitError> {
        Ok(self.guard(self.lock.lock_with(limit.into())?))
    }

    /// Returns the value. No lock is needed, because no other thread can have a reference.
    ///
    /// ```
    /// # use tk_condvar::Condition;
    /// let mut condition = Condition::new(1);
    /// *condition.get_mut() = 2;
    /// assert_eq!(*condition.lock(), 2);
    /// ```
    pub fn get_mut(&mut self) -> &mut L::Value {
        self.lock.get_mut()
    }

    /// Returns whether a thread has the value locked at this moment.
    ///
    /// ```
    /// assert!(!tk_condvar::Condition::new(1).is_locked());
    /// ```
    #[doc(alias = "locked")]
    pub fn is_locked(&self) -> bool {
        self.lock.is_locked()
    }

    /// Wakes the `n` threads that have waited longest, or all if there are fewer. Returns how many.
    ///
    /// Never blocks. The value need not be locked.
    ///
    /// ```
    /// assert_eq!(tk_condvar::Condition::new(()).notify(3), 0);
    /// ```
    #[inline]
    pub fn notify(&self, n: usize) -> usize {
        self.changed.notify(n)
    }

    /// Wakes the thread that has waited longest. Returns whether there was one.
    ///
    /// Never blocks. The value need not be locked.
    ///
    /// ```
    /// assert!(!tk_condvar::Condition::new(()).notify_one());
    /// ```
    #[inline]
    pub fn notify_one(&self) -> bool {
        self.notify(1) == 1
    }

    /// Wakes every thread that waits. Returns how many there were.
    ///
    /// Never blocks. The value need not be locked. The threads go on one after the other, as each
    /// gets the lock.
    ///
    /// ```
    /// assert_eq!(tk_condvar::Condition::new(()).notify_all(), 0);
    /// ```
    #[doc(alias = "notifyAll")]
    #[inline]
    pub fn notify_all(&self) -> usize {
        self.changed.notify_all()
    }

    #[inline]
    fn guard<'a>(&'a self, guard: L::Guard<'a>) -> MonitoredGuard<'a, L> {
        MonitoredGuard {
            changed: &self.changed,
            guard,
        }
    }
}

// As std's `Mutex`. There is no poisoning: a panic leaves the value as it is, and unlocks it.
impl<L: ?Sized> UnwindSafe for Monitored<L> {}
impl<L: ?Sized> RefUnwindSafe for Monitored<L> {}

/// Gives access to a locked value, waits for it to change, and unlocks it when dropped.
///
/// A [`ConditionGuard`](crate::ConditionGuard) dereferences to the value. A
/// [`MonitorGuard`](crate::MonitorGuard) dereferences to the value's `RefCell`, as a thread can
/// have several guards of one `Monitor`.
///
/// A wait unlocks the value, also if this thread has several levels of a `Monitor`. When it
/// returns, this thread has the value locked as before. There are no spurious wake-ups. But another
/// thread may lock the value between the notification and the return, so look at the value again,
/// or use [`wait_while`](MonitoredGuard::wait_while).
///
/// # Panics
///
/// A wait panics if the value of a `Monitor` is borrowed from any guard of this thread, because
/// another thread could change it meanwhile.
///
/// ```
/// # use tk_condvar::Condition;
/// let condition = Condition::new(1);
/// let mut guard = condition.lock();
/// *guard += 1;
/// guard.notify_all();
/// assert_eq!(*guard, 2);
/// ```
#[must_use = "the value is unlocked when the guard is dropped"]
pub struct MonitoredGuard<'a, L: ValueLock + ?Sized + 'a> {
    changed: &'a RawCondvar,
    pub(crate) guard: L::Guard<'a>,
}

impl<L: ValueLock + ?Sized> MonitoredGuard<'_, L> {
    /// Unlocks the value and waits for a notification. The value is locked again on return.
    ///
    /// ```
    /// # use tk_condvar::Condition;
    /// let condition = Condition::new(false);
    /// std::thread::scope(|s| {
    ///     let mut ready = condition.lock();
    ///     s.spawn(|| {
    ///         *condition.lock() = true;
    ///         condition.notify(1);
    ///     });
    ///     while !*ready {
    ///         ready.wait();
    ///     }
    /// });
    /// ```
    #[track_caller]
    pub fn wait(&mut self) {
        let notified = self.wait_with(Limit::never());
        debug_assert_eq!(notified, Ok(()));
    }

    /// As [`wait`](MonitoredGuard::wait), for at most `timeout`. Returns whether there was a
    /// notification.
    ///
    /// ```
    /// # use tk_condvar::Condition;
    /// use std::time::Duration;
    ///
    /// assert!(!Condition::new(()).lock().wait_for(Duration::from_millis(1)));
    /// ```
    #[track_caller]
    pub fn wait_for(&mut self, timeout: Duration) -> bool {
        self.wait_with(timeout).is_ok()
    }

    /// As [`wait`](MonitoredGuard::wait), until the limit is reached.
    ///
    /// # Errors
    ///
    /// If the limit is reached first. The error says which limit that was.
    ///
    /// ```
    /// # use tk_condvar::Condition;
    /// use tk_condvar::{StopSource, WaitError};
    ///
    /// let source = StopSource::new();
    /// source.request_stop();
    /// let stopped = Condition::new(()).lock().wait_with(&source.token());
    /// assert_eq!(stopped, Err(WaitError::Stopped));
    /// ```
    #[track_caller]
    pub fn wait_with<'l>(&mut self, limit: impl Into<Limit<'l>>) -> Result<(), WaitError> {
        // The conversion is the caller's code, and comes first: it may lock a monitor again, borrow
        // its value, drop other guards, panic, or end the thread.
        let limit = limit.into();
        value_lock::wait::<L>(self.changed, &mut self.guard, limit)
    }

    /// Waits while `condition` returns `true`.
    ///
    /// `condition` is called immediately, and after each notification, with the value locked.
    ///
    /// ```
    /// # use tk_condvar::Condition;
    /// Condition::new(0).lock().wait_while(|n| *n != 0);
    /// ```
    #[doc(alias = "threading.Condition.wait_for")]
    #[track_caller]
    pub fn wait_while(&mut self, condition: impl FnMut(&mut L::Value) -> bool) {
        let met = self.wait_while_with(condition, Limit::never());
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
    /// # use tk_condvar::Condition;
    /// use std::time::Duration;
    /// use tk_condvar::WaitError;
    ///
    /// let met = Condition::new(0).lock().wait_while_with(|n| *n == 0, Duration::from_millis(1));
    /// assert_eq!(met, Err(WaitError::TimedOut));
    /// ```
    #[doc(alias = "threading.Condition.wait_for")]
    #[track_caller]
    pub fn wait_while_with<'l>(
        &mut self,
        condition: impl FnMut(&mut L::Value) -> bool,
        limit: impl Into<Limit<'l>>,
    ) -> Result<(), WaitError> {
        let limit = limit.into();
        value_lock::wait_while::<L>(self.changed, &mut self.guard, condition, limit)
    }

    /// As [`Monitored::notify`].
    ///
    /// ```
    /// assert_eq!(tk_condvar::Condition::new(()).lock().notify(1), 0);
    /// ```
    pub fn notify(&self, n: usize) -> usize {
        self.changed.notify(n)
    }

    /// As [`Monitored::notify_one`].
    ///
    /// ```
    /// assert!(!tk_condvar::Condition::new(()).lock().notify_one());
    /// ```
    pub fn notify_one(&self) -> bool {
        self.notify(1) == 1
    }

    /// As [`Monitored::notify_all`].
    ///
    /// ```
    /// assert_eq!(tk_condvar::Condition::new(()).lock().notify_all(), 0);
    /// ```
    #[doc(alias = "notifyAll")]
    pub fn notify_all(&self) -> usize {
        self.changed.notify_all()
    }
}

impl<L: ValueLock + ?Sized> Deref for MonitoredGuard<'_, L> {
    type Target = L::Access;

    #[inline]
    fn deref(&self) -> &L::Access {
        &self.guard
    }
}

impl<L: ValueLock<Access: fmt::Debug> + ?Sized> fmt::Debug for MonitoredGuard<'_, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
