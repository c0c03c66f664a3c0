//! A condition whose lock can be taken again by the thread that has it.

use std::cell::{Ref, RefCell, RefMut};
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::Duration;

use tk_lock::{RLock, RLockGuard};
use tk_park::sync::Instant;
use tk_park::{Limit, WaitError};

use crate::RawCondvar;

/// A value that one thread at a time can use, however often it locks it, and that threads can wait for to change.
///
/// A [`Condition`](crate::Condition) for methods that call each other: each takes the lock, whether or not the caller has
/// it. This is what Python's `threading.Condition()` makes, and what every object is in Java.
///
/// As there can be many guards in one thread, a guard lends the value for a moment, as a `RefCell` does. A wait gives up
/// every level of the lock, and has every level again when it returns; so nothing may be lent meanwhile.
///
/// ```
/// use tk_condvar::Monitor;
///
/// struct Account(Monitor<u64>);
///
/// impl Account {
///     fn deposit(&self, amount: u64) {
///         let balance = self.0.lock();
///         *balance.borrow_mut() += amount;
///         balance.notify_all();
///     }
///
///     fn withdraw(&self, amount: u64) {
///         let mut balance = self.0.lock();
///         balance.wait_while(|balance| *balance < amount);
///         *balance.borrow_mut() -= amount;
///     }
///
///     fn exchange(&self, give: u64, take: u64) {
///         let _both = self.0.lock(); // In one step: each of them locks again.
///         self.deposit(give);
///         self.withdraw(take);
///     }
/// }
///
/// let account = Account(Monitor::new(0));
/// std::thread::scope(|s| {
///     s.spawn(|| account.exchange(1, 3)); // Waits within, and gives up both levels.
///     account.deposit(2);
/// });
/// assert_eq!(account.0.into_inner(), 0);
/// ```
#[doc(alias = "threading.Condition")]
#[doc(alias = "reentrant")]
#[derive(Default)]
pub struct Monitor<T: ?Sized> {
    changed: RawCondvar,
    value: RLock<RefCell<T>>,
}

impl<T> Monitor<T> {
    /// A monitor around this value.
    ///
    /// ```
    /// use tk_condvar::Monitor;
    ///
    /// static LEVEL: Monitor<u32> = Monitor::new(0);
    /// assert_eq!(*LEVEL.lock().borrow(), 0);
    /// ```
    pub const fn new(value: T) -> Monitor<T> {
        Monitor {
            changed: RawCondvar::new(),
            value: RLock::new(RefCell::new(value)),
        }
    }

    /// The value.
    ///
    /// ```
    /// assert_eq!(tk_condvar::Monitor::new(7).into_inner(), 7);
    /// ```
    pub fn into_inner(self) -> T {
        self.value.into_inner().into_inner()
    }
}

impl<T: ?Sized> Monitor<T> {
    /// Takes the lock, or one more level of it. Blocks while another thread holds it.
    ///
    /// ```
    /// # use tk_condvar::Monitor;
    /// let monitor = Monitor::new(1);
    /// let (outer, inner) = (monitor.lock(), monitor.lock());
    /// *inner.borrow_mut() += 1;
    /// assert_eq!(*outer.borrow(), 2);
    /// ```
    #[track_caller]
    pub fn lock(&self) -> MonitorGuard<'_, T> {
        self.guard(self.value.lock())
    }

    /// Takes the lock, or one more level of it, unless another thread holds it. Never blocks.
    ///
    /// ```
    /// # use tk_condvar::Monitor;
    /// assert!(Monitor::new(1).try_lock().is_some());
    /// ```
    pub fn try_lock(&self) -> Option<MonitorGuard<'_, T>> {
        Some(self.guard(self.value.try_lock()?))
    }

    /// Takes the lock, or one more level of it. Blocks while another thread holds it, at most for that long: then `None`.
    ///
    /// ```
    /// # use tk_condvar::Monitor;
    /// use std::time::Duration;
    ///
    /// assert!(Monitor::new(1).try_lock_for(Duration::ZERO).is_some());
    /// ```
    #[track_caller]
    pub fn try_lock_for(&self, timeout: Duration) -> Option<MonitorGuard<'_, T>> {
        Some(self.guard(self.value.try_lock_for(timeout)?))
    }

    /// Takes the lock, or one more level of it. Blocks while another thread holds it, at most until that time: then `None`.
    ///
    /// ```
    /// # use tk_condvar::Monitor;
    /// use std::time::Instant;
    ///
    /// assert!(Monitor::new(1).try_lock_until(Instant::now()).is_some());
    /// ```
    #[track_caller]
    pub fn try_lock_until(&self, deadline: Instant) -> Option<MonitorGuard<'_, T>> {
        Some(self.guard(self.value.try_lock_until(deadline)?))
    }

    /// Takes the lock, or one more level of it. Blocks while another thread holds it, until the limit is reached, and says
    /// which limit that was.
    ///
    /// ```
    /// # use tk_condvar::Monitor;
    /// use std::time::Duration;
    ///
    /// assert!(Monitor::new(1).lock_with(Duration::ZERO).is_ok());
    /// ```
    #[track_caller]
    pub fn lock_with<'l>(
        &self,
        limit: impl Into<Limit<'l>>,
    ) -> Result<MonitorGuard<'_, T>, WaitError> {
        Ok(self.guard(self.value.lock_with(limit)?))
    }

    /// Whether the lock is held at this moment, by whichever thread.
    ///
    /// ```
    /// assert!(!tk_condvar::Monitor::new(1).is_locked());
    /// ```
    #[doc(alias = "locked")]
    pub fn is_locked(&self) -> bool {
        self.value.is_locked()
    }

    /// Whether the calling thread holds the lock.
    ///
    /// ```
    /// assert!(!tk_condvar::Monitor::new(1).is_owned_by_current_thread());
    /// ```
    #[doc(alias = "_is_owned")]
    pub fn is_owned_by_current_thread(&self) -> bool {
        self.value.is_owned_by_current_thread()
    }

    /// How often the calling thread has taken the lock. Zero if another thread holds it.
    ///
    /// ```
    /// assert_eq!(tk_condvar::Monitor::new(1).recursion_count(), 0);
    /// ```
    pub fn recursion_count(&self) -> usize {
        self.value.recursion_count()
    }

    /// The value, without a lock: nobody else can have it.
    ///
    /// ```
    /// let mut monitor = tk_condvar::Monitor::new(1);
    /// *monitor.get_mut() = 2;
    /// assert_eq!(*monitor.lock().borrow(), 2);
    /// ```
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut().get_mut()
    }

    /// Wakes the `n` threads that have waited longest, or all if there are fewer. Returns how many. Never blocks; the lock
    /// need not be held.
    ///
    /// ```
    /// assert_eq!(tk_condvar::Monitor::new(()).notify(3), 0);
    /// ```
    pub fn notify(&self, n: usize) -> usize {
        self.changed.notify(n)
    }

    /// Wakes the thread that has waited longest. Returns whether there was one. Never blocks; the lock need not be held.
    ///
    /// ```
    /// assert!(!tk_condvar::Monitor::new(()).notify_one());
    /// ```
    pub fn notify_one(&self) -> bool {
        self.notify(1) == 1
    }

    /// Wakes every thread that waits. Returns how many. Never blocks; the lock need not be held.
    ///
    /// ```
    /// assert_eq!(tk_condvar::Monitor::new(()).notify_all(), 0);
    /// ```
    #[doc(alias = "notifyAll")]
    pub fn notify_all(&self) -> usize {
        self.changed.notify_all()
    }

    fn guard<'a>(&'a self, value: RLockGuard<'a, RefCell<T>>) -> MonitorGuard<'a, T> {
        MonitorGuard {
            changed: &self.changed,
            value,
        }
    }

    /// Gives a model's atomics to the thread that makes the object.
    #[cfg(tk_loom)]
    #[doc(hidden)]
    pub fn loom_register(&self) {
        self.changed.loom_register();
        self.value.loom_register();
    }
}

impl<T: ?Sized> fmt::Debug for Monitor<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor")
            .field("locked", &self.value.is_locked())
            .field("recursion_count", &self.recursion_count())
            .finish_non_exhaustive()
    }
}

// As std's `Mutex`. There is no poisoning: a panic leaves the value as it is, ends what it has lent, and releases the lock.
impl<T: ?Sized> UnwindSafe for Monitor<T> {}
impl<T: ?Sized> RefUnwindSafe for Monitor<T> {}

impl<T> From<T> for Monitor<T> {
    fn from(value: T) -> Monitor<T> {
        Monitor::new(value)
    }
}

/// One level of the lock of a [`Monitor`]. Lends the value, waits for it to change, and gives the level back when dropped.
///
/// ```
/// # use tk_condvar::Monitor;
/// let monitor = Monitor::new(1);
/// let guard = monitor.lock();
/// *guard.borrow_mut() += 1;
/// guard.notify_all();
/// assert_eq!(*guard.borrow(), 2);
/// ```
#[must_use = "the lock is released when the guard is dropped"]
pub struct MonitorGuard<'a, T: ?Sized> {
    changed: &'a RawCondvar,
    value: RLockGuard<'a, RefCell<T>>,
}

impl<T: ?Sized> MonitorGuard<'_, T> {
    /// The value, to look at.
    ///
    /// # Panics
    ///
    /// If it is lent to be changed.
    ///
    /// ```
    /// assert_eq!(*tk_condvar::Monitor::new(1).lock().borrow(), 1);
    /// ```
    #[track_caller]
    pub fn borrow(&self) -> Ref<'_, T> {
        self.value.borrow()
    }

    /// The value, to change it.
    ///
    /// # Panics
    ///
    /// If it is lent already.
    ///
    /// ```
    /// let monitor = tk_condvar::Monitor::new(1);
    /// *monitor.lock().borrow_mut() = 2;
    /// assert_eq!(monitor.into_inner(), 2);
    /// ```
    #[track_caller]
    pub fn borrow_mut(&self) -> RefMut<'_, T> {
        self.value.borrow_mut()
    }

    /// Gives up every level of the lock and waits for a notification. Has every level again when it returns.
    ///
    /// There are no spurious wake-ups. But another thread may have been there between the notification and the return, so
    /// look at the value again, or use [`wait_while`](MonitorGuard::wait_while).
    ///
    /// # Panics
    ///
    /// If the value is lent, by this guard or by another one of this thread: another thread would get at it. As do all
    /// waits.
    ///
    /// ```
    /// # use tk_condvar::Monitor;
    /// let monitor = Monitor::new(false);
    /// std::thread::scope(|s| {
    ///     let mut guard = monitor.lock();
    ///     s.spawn(|| {
    ///         *monitor.lock().borrow_mut() = true;
    ///         monitor.notify(1);
    ///     });
    ///     while !*guard.borrow() {
    ///         guard.wait();
    ///     }
    /// });
    /// ```
    #[track_caller]
    pub fn wait(&mut self) {
        let notified = self.wait_with(Limit::never());
        debug_assert_eq!(notified, Ok(()));
    }

    /// As [`wait`](MonitorGuard::wait), at most for that long. Returns whether there was a notification.
    ///
    /// ```
    /// # use tk_condvar::Monitor;
    /// use std::time::Duration;
    ///
    /// assert!(!Monitor::new(()).lock().wait_for(Duration::from_millis(1)));
    /// ```
    #[track_caller]
    pub fn wait_for(&mut self, timeout: Duration) -> bool {
        self.wait_with(timeout).is_ok()
    }

    /// As [`wait`](MonitorGuard::wait), at most until that time. Returns whether there was a notification.
    ///
    /// ```
    /// # use tk_condvar::Monitor;
    /// use std::time::Instant;
    ///
    /// assert!(!Monitor::new(()).lock().wait_until(Instant::now()));
    /// ```
    #[track_caller]
    pub fn wait_until(&mut self, deadline: Instant) -> bool {
        self.wait_with(deadline).is_ok()
    }

    /// As [`wait`](MonitorGuard::wait), or until the limit is reached, and says which limit that was.
    ///
    /// ```
    /// # use tk_condvar::Monitor;
    /// use tk_condvar::{StopSource, WaitError};
    ///
    /// let source = StopSource::new();
    /// source.request_stop();
    /// let stopped = Monitor::new(()).lock().wait_with(&source.token());
    /// assert_eq!(stopped, Err(WaitError::Stopped));
    /// ```
    #[track_caller]
    pub fn wait_with<'l>(&mut self, limit: impl Into<Limit<'l>>) -> Result<(), WaitError> {
        // The conversion is the caller's code, and comes first: it may lock this monitor, borrow the value, drop other
        // guards, panic, or end the thread.
        let limit = limit.into();
        if self.value.try_borrow_mut().is_err() {
            lent();
        }
        // From here to the return no code of the caller's runs in this thread.
        // SAFETY: the wait takes back what it releases.
        let lock = unsafe { RLockGuard::raw(&self.value) };
        // SAFETY: this guard is a level of the lock. The value is not lent, so no part of it is in
        // use, and the guards of this thread do not lend it until the wait is over.
        unsafe { self.changed.wait_with(lock, limit) }
    }

    /// Waits while `condition` returns `true`. It is called immediately, and after each notification, with the lock held.
    ///
    /// ```
    /// # use tk_condvar::Monitor;
    /// Monitor::new(0).lock().wait_while(|n| *n != 0);
    /// ```
    #[doc(alias = "threading.Condition.wait_for")]
    #[track_caller]
    pub fn wait_while(&mut self, condition: impl FnMut(&mut T) -> bool) {
        let met = self.wait_while_with(condition, Limit::never());
        debug_assert_eq!(met, Ok(()));
    }

    /// Waits while `condition` returns `true`, for at most `timeout`. Returns `true` if `condition` returned `false`.
    ///
    /// ```
    /// # use tk_condvar::Monitor;
    /// use std::time::Duration;
    ///
    /// assert!(!Monitor::new(0).lock().wait_while_for(|n| *n == 0, Duration::from_millis(1)));
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
    /// # use tk_condvar::Monitor;
    /// use std::time::Instant;
    ///
    /// assert!(Monitor::new(0).lock().wait_while_until(|n| *n != 0, Instant::now()));
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
    /// # use tk_condvar::Monitor;
    /// use std::time::Duration;
    /// use tk_condvar::WaitError;
    ///
    /// let met = Monitor::new(0).lock().wait_while_with(|n| *n == 0, Duration::ZERO);
    /// assert_eq!(met, Err(WaitError::TimedOut));
    /// ```
    #[track_caller]
    pub fn wait_while_with<'l>(
        &mut self,
        mut condition: impl FnMut(&mut T) -> bool,
        limit: impl Into<Limit<'l>>,
    ) -> Result<(), WaitError> {
        let limit = limit.into();
        let mut waited = Ok(());
        while condition(&mut self.borrow_mut()) {
            waited?;
            waited = self.wait_with(limit);
        }
        Ok(())
    }

    /// As [`Monitor::notify`].
    ///
    /// ```
    /// assert_eq!(tk_condvar::Monitor::new(()).lock().notify(1), 0);
    /// ```
    pub fn notify(&self, n: usize) -> usize {
        self.changed.notify(n)
    }

    /// As [`Monitor::notify_one`].
    ///
    /// ```
    /// assert!(!tk_condvar::Monitor::new(()).lock().notify_one());
    /// ```
    pub fn notify_one(&self) -> bool {
        self.notify(1) == 1
    }

    /// As [`Monitor::notify_all`].
    ///
    /// ```
    /// assert_eq!(tk_condvar::Monitor::new(()).lock().notify_all(), 0);
    /// ```
    pub fn notify_all(&self) -> usize {
        self.changed.notify_all()
    }
}

#[cold]
#[track_caller]
fn lent() -> ! {
    panic!("a wait for a value that is still borrowed");
}

impl<T: fmt::Debug + ?Sized> fmt::Debug for MonitorGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MonitorGuard").field(&&*self.value).finish()
    }
}
