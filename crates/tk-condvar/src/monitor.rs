//! A condition whose lock can be taken again by the thread that has it.

use std::cell::RefCell;
use std::fmt;

use tk_lock::RLock;

use crate::{Monitored, MonitoredGuard, RawCondvar};

/// A value that one thread at a time can use, however often it locks it, and for whose changes
/// threads can wait.
///
/// This is a [`Condition`](crate::Condition) for methods that call each other: each locks the
/// value, whether or not its caller has done so. Python's `threading.Condition()` is one, and so is
/// every object in Java.
///
/// One thread can have several guards, so a guard gives access to a [`RefCell`]. A wait gives up
/// every level of the lock, and has every level again when it returns. So nothing may be borrowed
/// from the `RefCell` meanwhile: the wait panics.
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
///     s.spawn(|| account.exchange(1, 3)); // Waits inside, and gives up both levels.
///     account.deposit(2);
/// });
/// assert_eq!(account.0.into_inner(), 0);
/// ```
#[doc(alias = "threading.Condition")]
#[doc(alias = "reentrant")]
pub type Monitor<T> = Monitored<RLock<RefCell<T>>>;

/// One level of the lock of a [`Monitor`]. Gives access to the value's `RefCell`, waits for the
/// value to change, and gives the level back when dropped.
///
/// ```
/// use tk_condvar::{Monitor, MonitorGuard};
///
/// fn increment(guard: &MonitorGuard<'_, u32>) {
///     *guard.borrow_mut() += 1;
///     guard.notify_all();
/// }
///
/// let monitor = Monitor::new(1);
/// let (outer, inner) = (monitor.lock(), monitor.lock());
/// increment(&inner);
/// assert_eq!(*outer.borrow(), 2);
/// ```
pub type MonitorGuard<'a, T> = MonitoredGuard<'a, RLock<RefCell<T>>>;

impl<T> Monitor<T> {
    /// Creates a monitor with this value, which is not locked.
    ///
    /// ```
    /// use tk_condvar::Monitor;
    ///
    /// static LEVEL: Monitor<u32> = Monitor::new(0);
    /// assert_eq!(*LEVEL.lock().borrow(), 0);
    /// ```
    pub const fn new(value: T) -> Monitor<T> {
        Monitored {
            changed: RawCondvar::new(),
            lock: RLock::new(RefCell::new(value)),
        }
    }
}

impl<T: ?Sized> Monitor<T> {
    /// Returns whether the calling thread has the value locked.
    ///
    /// ```
    /// assert!(!tk_condvar::Monitor::new(1).is_owned_by_current_thread());
    /// ```
    #[doc(alias = "_is_owned")]
    pub fn is_owned_by_current_thread(&self) -> bool {
        self.lock.is_owned_by_current_thread()
    }

    /// Returns how many levels of the lock the calling thread has. Zero if another thread holds it.
    ///
    /// ```
    /// let monitor = tk_condvar::Monitor::new(1);
    /// let _guards = (monitor.lock(), monitor.lock());
    /// assert_eq!(monitor.recursion_count(), 2);
    /// ```
    pub fn recursion_count(&self) -> usize {
        self.lock.recursion_count()
    }

    /// Gives a model's atomics to the thread that makes the object.
    #[cfg(tk_loom)]
    #[doc(hidden)]
    pub fn loom_register(&self) {
        self.changed.loom_register();
        self.lock.loom_register();
    }
}

impl<T: ?Sized> fmt::Debug for Monitor<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor")
            .field("locked", &self.is_locked())
            .field("recursion_count", &self.recursion_count())
            .finish_non_exhaustive()
    }
}

impl<T> From<T> for Monitor<T> {
    fn from(value: T) -> Monitor<T> {
        Monitor::new(value)
    }
}
