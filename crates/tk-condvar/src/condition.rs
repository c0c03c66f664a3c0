//! A value, its lock and its condition in one.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::Duration;

use tk_lock::{Lock, LockExt, LockGuard};
use tk_park::sync::Instant;
use tk_park::{Limit, WaitError};

use crate::Condvar;

/// A value that one thread at a time can use, and that threads can wait for to change.
///
/// Python's `threading.Condition`, with what it guards inside.
///
/// ```
/// use std::collections::VecDeque;
/// use tk_condvar::Condition;
///
/// struct Channel<T>(Condition<VecDeque<T>>);
///
/// impl<T> Channel<T> {
///     fn send(&self, value: T) {
///         self.0.lock().push_back(value);
///         self.0.notify(1);
///     }
///
///     fn receive(&self) -> T {
///         let mut queue = self.0.lock();
///         loop {
///             match queue.pop_front() {
///                 Some(value) => return value,
///                 None => queue.wait(),
///             }
///         }
///     }
/// }
///
/// let channel = Channel(Condition::new(VecDeque::new()));
/// std::thread::scope(|s| {
///     s.spawn(|| channel.send("hello"));
///     assert_eq!(channel.receive(), "hello");
/// });
/// ```
#[doc(alias = "threading.Condition")]
#[doc(alias = "monitor")]
#[derive(Default)]
pub struct Condition<T: ?Sized> {
    changed: Condvar,
    value: Lock<T>,
}

impl<T> Condition<T> {
    /// A condition around this value.
    ///
    /// ```
    /// use tk_condvar::Condition;
    ///
    /// static LEVEL: Condition<u32> = Condition::new(0);
    /// assert_eq!(*LEVEL.lock(), 0);
    /// ```
    pub const fn new(value: T) -> Condition<T> {
        Condition {
            changed: Condvar::new(),
            value: Lock::new(value),
        }
    }

    /// The value.
    ///
    /// ```
    /// assert_eq!(tk_condvar::Condition::new(7).into_inner(), 7);
    /// ```
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Condition<T> {
    /// Locks the value. Blocks while another thread has it locked.
    ///
    /// # Panics
    ///
    /// If this thread has it locked.
    ///
    /// ```
    /// # use tk_condvar::Condition;
    /// let condition = Condition::new(1);
    /// *condition.lock() += 1;
    /// assert_eq!(*condition.lock(), 2);
    /// ```
    #[inline]
    #[track_caller]
    pub fn lock(&self) -> ConditionGuard<'_, T> {
        self.guard(self.value.lock())
    }

    /// Locks the value if nobody has it locked. Never blocks.
    ///
    /// ```
    /// # use tk_condvar::Condition;
    /// assert!(Condition::new(1).try_lock().is_some());
    /// ```
    #[inline]
    pub fn try_lock(&self) -> Option<ConditionGuard<'_, T>> {
        self.value.try_lock().map(|guard| self.guard(guard))
    }

    /// Locks the value. Blocks while another thread has it locked, at most for that long: then `None`.
    ///
    /// ```
    /// # use tk_condvar::Condition;
    /// use std::time::Duration;
    ///
    /// assert!(Condition::new(1).try_lock_for(Duration::ZERO).is_some());
    /// ```
    #[track_caller]
    pub fn try_lock_for(&self, timeout: Duration) -> Option<ConditionGuard<'_, T>> {
        Some(self.guard(self.value.try_lock_for(timeout)?))
    }

    /// Locks the value. Blocks while another thread has it locked, at most until that time: then `None`.
    ///
    /// ```
    /// # use tk_condvar::Condition;
    /// use std::time::Instant;
    ///
    /// assert!(Condition::new(1).try_lock_until(Instant::now()).is_some());
    /// ```
    #[track_caller]
    pub fn try_lock_until(&self, deadline: Instant) -> Option<ConditionGuard<'_, T>> {
        Some(self.guard(self.value.try_lock_until(deadline)?))
    }

    /// Locks the value. Blocks while another thread has it locked, until the limit is reached, and says which limit that was.
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
    ) -> Result<ConditionGuard<'_, T>, WaitError> {
        Ok(self.guard(self.value.lock_with(limit)?))
    }

    /// The value, without a lock: nobody else can have it.
    ///
    /// ```
    /// # use tk_condvar::Condition;
    /// let mut condition = Condition::new(1);
    /// *condition.get_mut() = 2;
    /// ```
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    /// Whether the lock is held at this moment, by whichever thread.
    ///
    /// ```
    /// assert!(!tk_condvar::Condition::new(1).is_locked());
    /// ```
    #[doc(alias = "locked")]
    pub fn is_locked(&self) -> bool {
        self.value.is_locked()
    }

    /// Wakes the `n` threads that have waited longest, or all if there are fewer. Returns how many. Never blocks; the
    /// value need not be locked.
    ///
    /// ```
    /// assert_eq!(tk_condvar::Condition::new(()).notify(3), 0);
    /// ```
    #[inline]
    pub fn notify(&self, n: usize) -> usize {
        self.changed.notify(n)
    }

    /// Wakes the thread that has waited longest. Returns whether there was one. Never blocks; the value need not be locked.
    ///
    /// ```
    /// assert!(!tk_condvar::Condition::new(()).notify_one());
    /// ```
    #[inline]
    pub fn notify_one(&self) -> bool {
        self.changed.notify_one()
    }

    /// Wakes every thread that waits. Returns how many. Never blocks; the value need not be locked.
    ///
    /// ```
    /// assert_eq!(tk_condvar::Condition::new(()).notify_all(), 0);
    /// ```
    #[doc(alias = "notifyAll")]
    #[inline]
    pub fn notify_all(&self) -> usize {
        self.changed.notify_all()
    }

    fn guard<'a>(&'a self, value: LockGuard<'a, T>) -> ConditionGuard<'a, T> {
        ConditionGuard {
            changed: &self.changed,
            value,
        }
    }
}

impl<T: ?Sized> fmt::Debug for Condition<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condition")
            .field("locked", &self.value.is_locked())
            .finish_non_exhaustive()
    }
}

// As std's `Mutex`. There is no poisoning: a panic leaves the value as it is, and the lock free.
impl<T: ?Sized> UnwindSafe for Condition<T> {}
impl<T: ?Sized> RefUnwindSafe for Condition<T> {}

impl<T> From<T> for Condition<T> {
    fn from(value: T) -> Condition<T> {
        Condition::new(value)
    }
}

/// Gives access to the value of a [`Condition`], and waits for it to change. Releases the lock when dropped.
///
/// ```
/// # use tk_condvar::Condition;
/// let condition = Condition::new(1);
/// let mut guard = condition.lock();
/// *guard += 1;
/// guard.notify_all();
/// assert_eq!(*guard, 2);
/// ```
#[must_use = "the lock is released when the guard is dropped"]
pub struct ConditionGuard<'a, T: ?Sized> {
    changed: &'a Condvar,
    value: LockGuard<'a, T>,
}

impl<T: ?Sized> ConditionGuard<'_, T> {
    /// Releases the lock and waits for a notification. Holds the lock again when it returns.
    ///
    /// There are no spurious wake-ups. But another thread may have been there between the notification and the return, so
    /// look at the value again, or use [`wait_while`](ConditionGuard::wait_while).
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
        self.changed.wait(&mut self.value);
    }

    /// Releases the lock and waits for a notification, for at most `timeout`. Returns whether there was one.
    ///
    /// ```
    /// # use tk_condvar::Condition;
    /// use std::time::Duration;
    ///
    /// assert!(!Condition::new(()).lock().wait_for(Duration::from_millis(1)));
    /// ```
    #[track_caller]
    pub fn wait_for(&mut self, timeout: Duration) -> bool {
        self.changed.wait_for(&mut self.value, timeout)
    }

    /// Releases the lock and waits for a notification, until `deadline` at most. Returns whether there was one.
    ///
    /// ```
    /// # use tk_condvar::Condition;
    /// use std::time::Instant;
    ///
    /// assert!(!Condition::new(()).lock().wait_until(Instant::now()));
    /// ```
    #[track_caller]
    pub fn wait_until(&mut self, deadline: Instant) -> bool {
        self.changed.wait_until(&mut self.value, deadline)
    }

    /// Gives up the lock and waits for a notification, or until the limit is reached, and says which limit that was.
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
        self.changed.wait_with(&mut self.value, limit)
    }

    /// Waits while `condition` returns `true`. It is called immediately, and after each notification, with the lock held.
    ///
    /// ```
    /// # use tk_condvar::Condition;
    /// Condition::new(0).lock().wait_while(|n| *n != 0);
    /// ```
    #[doc(alias = "threading.Condition.wait_for")]
    #[track_caller]
    pub fn wait_while(&mut self, condition: impl FnMut(&mut T) -> bool) {
        self.changed.wait_while(&mut self.value, condition);
    }

    /// Waits while `condition` returns `true`, for at most `timeout`. Returns `true` if `condition` returned `false`. It is
    /// called once more when the time is over.
    ///
    /// ```
    /// # use tk_condvar::Condition;
    /// use std::time::Duration;
    ///
    /// assert!(!Condition::new(0).lock().wait_while_for(|n| *n == 0, Duration::from_millis(1)));
    /// ```
    #[track_caller]
    pub fn wait_while_for(
        &mut self,
        condition: impl FnMut(&mut T) -> bool,
        timeout: Duration,
    ) -> bool {
        self.wait_while_with(condition, timeout).is_ok()
    }

    /// Waits while `condition` returns `true`, until `deadline` at most. Returns `true` if `condition` returned `false`.
    ///
    /// ```
    /// # use tk_condvar::Condition;
    /// use std::time::Instant;
    ///
    /// assert!(Condition::new(0).lock().wait_while_until(|n| *n != 0, Instant::now()));
    /// ```
    #[track_caller]
    pub fn wait_while_until(
        &mut self,
        condition: impl FnMut(&mut T) -> bool,
        deadline: Instant,
    ) -> bool {
        self.wait_while_with(condition, deadline).is_ok()
    }

    /// Waits while `condition` returns `true`, or until the limit is reached. The error says which limit that was. `condition`
    /// is called once more when the limit is reached: if it returns `false`, the wait was a success.
    ///
    /// ```
    /// # use tk_condvar::Condition;
    /// use std::time::Duration;
    /// use tk_condvar::WaitError;
    ///
    /// let met = Condition::new(0).lock().wait_while_with(|n| *n == 0, Duration::ZERO);
    /// assert_eq!(met, Err(WaitError::TimedOut));
    /// ```
    #[track_caller]
    pub fn wait_while_with<'l>(
        &mut self,
        condition: impl FnMut(&mut T) -> bool,
        limit: impl Into<Limit<'l>>,
    ) -> Result<(), WaitError> {
        self.changed
            .wait_while_with(&mut self.value, condition, limit)
    }

    /// As [`Condition::notify`].
    ///
    /// ```
    /// assert_eq!(tk_condvar::Condition::new(()).lock().notify(1), 0);
    /// ```
    pub fn notify(&self, n: usize) -> usize {
        self.changed.notify(n)
    }

    /// As [`Condition::notify_one`].
    ///
    /// ```
    /// assert!(!tk_condvar::Condition::new(()).lock().notify_one());
    /// ```
    pub fn notify_one(&self) -> bool {
        self.changed.notify_one()
    }

    /// As [`Condition::notify_all`].
    ///
    /// ```
    /// assert_eq!(tk_condvar::Condition::new(()).lock().notify_all(), 0);
    /// ```
    pub fn notify_all(&self) -> usize {
        self.changed.notify_all()
    }
}

impl<T: ?Sized> Deref for ConditionGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: ?Sized> DerefMut for ConditionGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T: fmt::Debug + ?Sized> fmt::Debug for ConditionGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
