//! The locks that a [`Monitored`](crate::Monitored) is made of, and a wait with their guards.

use std::cell::RefCell;

use tk_lock::{Lock, LockExt, LockGuard, RLock, RLockGuard, RawLock, RawRLock};
use tk_park::{Limit, WaitError};

use self::private::Kind;
use crate::RawCondvar;

/// The locks that a [`Monitored`](crate::Monitored) is made of: [`Lock<T>`] and
/// [`RLock<RefCell<T>>`](RLock).
///
/// No other type implements it.
///
/// ```
/// use tk_condvar::{Monitored, ValueLock};
///
/// /// Works with a `Condition` and with a `Monitor`.
/// fn wake_one<L: ValueLock>(condition: &Monitored<L>) -> bool {
///     condition.notify_one()
/// }
///
/// assert!(!wake_one(&tk_condvar::Condition::new(1)));
/// assert!(!wake_one(&tk_condvar::Monitor::new(1)));
/// ```
pub trait ValueLock: Kind {}

impl<T: ?Sized> ValueLock for Lock<T> {}
impl<T: ?Sized> ValueLock for RLock<RefCell<T>> {}

pub(crate) mod private {
    use std::ops::Deref;

    use tk_lock::CondvarLock;

    use super::*;

    pub trait Kind {
        /// The value inside.
        type Value: ?Sized;
        /// The target of a guard: the value, or the cell that lends it.
        type Access: ?Sized;
        type Guard<'a>: Deref<Target = Self::Access>
        where
            Self: 'a;
        type Raw: CondvarLock;

        #[track_caller]
        fn lock(&self) -> Self::Guard<'_>;
        fn try_lock(&self) -> Option<Self::Guard<'_>>;
        #[track_caller]
        fn lock_with(&self, limit: Limit<'_>) -> Result<Self::Guard<'_>, WaitError>;
        fn is_locked(&self) -> bool;
        fn get_mut(&mut self) -> &mut Self::Value;
        fn into_inner(self) -> Self::Value
        where
            Self: Sized,
            Self::Value: Sized;

        /// Calls `f` with the value. Panics if the value is borrowed.
        #[track_caller]
        fn with_value<R>(guard: &mut Self::Guard<'_>, f: impl FnOnce(&mut Self::Value) -> R) -> R;

        /// Returns the lock of the guard. Panics if the value is borrowed. So no part of it is in
        /// use while the result borrows the guard.
        ///
        /// # Safety
        ///
        /// The lock is released only for a wait that takes it again.
        #[track_caller]
        unsafe fn raw_of_unused<'a>(guard: &'a mut Self::Guard<'_>) -> &'a Self::Raw;
    }

    impl<T: ?Sized> Kind for Lock<T> {
        type Value = T;
        type Access = T;
        type Guard<'a>
            = LockGuard<'a, T>
        where
            T: 'a;
        type Raw = RawLock;

        #[inline]
        #[track_caller]
        fn lock(&self) -> LockGuard<'_, T> {
            self.lock()
        }

        #[inline]
        fn try_lock(&self) -> Option<LockGuard<'_, T>> {
            self.try_lock()
        }

        #[inline]
        #[track_caller]
        fn lock_with(&self, limit: Limit<'_>) -> Result<LockGuard<'_, T>, WaitError> {
            LockExt::lock_with(self, limit)
        }

        #[inline]
        fn is_locked(&self) -> bool {
            self.is_locked()
        }

        fn get_mut(&mut self) -> &mut T {
            self.get_mut()
        }

        fn into_inner(self) -> T
        where
            T: Sized,
        {
            self.into_inner()
        }

        #[track_caller]
        fn with_value<R>(guard: &mut LockGuard<'_, T>, f: impl FnOnce(&mut T) -> R) -> R {
            f(guard)
        }

        #[track_caller]
        unsafe fn raw_of_unused<'a>(guard: &'a mut LockGuard<'_, T>) -> &'a RawLock {
            // SAFETY: by the caller's promise, the guard has the lock whenever it can be used.
            unsafe { LockGuard::mutex(guard).raw() }
        }
    }

    impl<T: ?Sized> Kind for RLock<RefCell<T>> {
        type Value = T;
        type Access = RefCell<T>;
        type Guard<'a>
            = RLockGuard<'a, RefCell<T>>
        where
            T: 'a;
        type Raw = RawRLock;

        #[inline]
        #[track_caller]
        fn lock(&self) -> RLockGuard<'_, RefCell<T>> {
            self.lock()
        }

        #[inline]
        fn try_lock(&self) -> Option<RLockGuard<'_, RefCell<T>>> {
            self.try_lock()
        }

        #[inline]
        #[track_caller]
        fn lock_with(&self, limit: Limit<'_>) -> Result<RLockGuard<'_, RefCell<T>>, WaitError> {
            self.lock_with(limit)
        }

        #[inline]
        fn is_locked(&self) -> bool {
            self.is_locked()
        }

        fn get_mut(&mut self) -> &mut T {
            self.get_mut().get_mut()
        }

        fn into_inner(self) -> T
        where
            T: Sized,
        {
            self.into_inner().into_inner()
        }

        #[track_caller]
        fn with_value<R>(guard: &mut RLockGuard<'_, RefCell<T>>, f: impl FnOnce(&mut T) -> R) -> R {
            f(&mut guard.borrow_mut())
        }

        #[track_caller]
        unsafe fn raw_of_unused<'a>(guard: &'a mut RLockGuard<'_, RefCell<T>>) -> &'a RawRLock {
            // Other guards of this thread may have lent it.
            if guard.try_borrow_mut().is_err() {
                panic_borrowed();
            }
            // SAFETY: as for `Lock`. No code of the user's runs in this thread during a wait, so
            // its other guards do not lend the value until all levels are back.
            unsafe { RLockGuard::raw(guard) }
        }
    }
}

#[cold]
#[track_caller]
fn panic_borrowed() -> ! {
    panic!("a wait for a value that is still borrowed");
}

/// Waits for a notification, with a guard of the lock.
#[track_caller]
pub(crate) fn wait<L: Kind + ?Sized>(
    condvar: &RawCondvar,
    guard: &mut L::Guard<'_>,
    limit: Limit<'_>,
) -> Result<(), WaitError> {
    // SAFETY: the wait takes the lock again before it returns.
    let lock = unsafe { L::raw_of_unused(guard) };
    // SAFETY: the guard holds the lock. No part of the value is in use, as the guard is borrowed
    // until the wait is over.
    unsafe { condvar.wait_as(lock, limit, true) }
}

/// Waits while `condition` returns `true`, with a guard of the lock.
#[track_caller]
pub(crate) fn wait_while<L: Kind + ?Sized>(
    condvar: &RawCondvar,
    guard: &mut L::Guard<'_>,
    mut condition: impl FnMut(&mut L::Value) -> bool,
    limit: Limit<'_>,
) -> Result<(), WaitError> {
    let mut waited = Ok(());
    // A change that came before the limit was reached counts: the condition has the last word.
    while L::with_value(guard, &mut condition) {
        waited?;
        waited = wait::<L>(condvar, guard, limit);
    }
    Ok(())
}
