//! A value, its lock and its condition variable in one.

use std::fmt;
use std::ops::DerefMut;

use tk_lock::Lock;

use crate::{Monitored, MonitoredGuard, RawCondvar};

/// A value that one thread at a time can use, and for whose changes threads can wait.
///
/// This is Python's `threading.Condition(Lock())`, with the value that it guards inside.
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
pub type Condition<T> = Monitored<Lock<T>>;

/// Gives access to the value of a [`Condition`], waits for it to change, and unlocks it when
/// dropped.
///
/// ```
/// use tk_condvar::{Condition, ConditionGuard};
///
/// fn increment(mut guard: ConditionGuard<'_, u32>) {
///     *guard += 1;
///     guard.notify_all();
/// }
///
/// let condition = Condition::new(1);
/// increment(condition.lock());
/// assert_eq!(*condition.lock(), 2);
/// ```
pub type ConditionGuard<'a, T> = MonitoredGuard<'a, Lock<T>>;

impl<T> Condition<T> {
    /// Creates a condition with this value, which is not locked.
    ///
    /// ```
    /// use tk_condvar::Condition;
    ///
    /// static LEVEL: Condition<u32> = Condition::new(0);
    /// assert_eq!(*LEVEL.lock(), 0);
    /// ```
    pub const fn new(value: T) -> Condition<T> {
        Monitored {
            changed: RawCondvar::new(),
            lock: Lock::new(value),
        }
    }
}

impl<T: ?Sized> fmt::Debug for Condition<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condition")
            .field("locked", &self.is_locked())
            .finish_non_exhaustive()
    }
}

impl<T> From<T> for Condition<T> {
    fn from(value: T) -> Condition<T> {
        Condition::new(value)
    }
}

impl<T: ?Sized> DerefMut for ConditionGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}
