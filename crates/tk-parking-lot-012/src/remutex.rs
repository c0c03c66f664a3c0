//! The mutex that its owner can lock again.

use tk_lock::RawThreadId;

use crate::RawMutex;

/// A value that one thread at a time can use, and that this thread can lock again.
///
/// Its guards give shared access only. The kit's own type is `tk_lock::RLock`, which needs no
/// second word for its owner.
///
/// ```
/// use tk_parking_lot_012::ReentrantMutex;
///
/// let lock = ReentrantMutex::new(1);
/// let (outer, inner) = (lock.lock(), lock.lock());
/// assert_eq!(*outer + *inner, 2);
/// ```
pub type ReentrantMutex<T> = lock_api_04::ReentrantMutex<RawMutex, RawThreadId, T>;

/// Gives access to the value of a [`ReentrantMutex`], and gives one level back when dropped.
///
/// ```
/// use tk_parking_lot_012::{ReentrantMutex, ReentrantMutexGuard};
///
/// let lock = ReentrantMutex::new(1);
/// let guard: ReentrantMutexGuard<'_, i32> = lock.lock();
/// assert_eq!(*guard, 1);
/// ```
pub type ReentrantMutexGuard<'a, T> =
    lock_api_04::ReentrantMutexGuard<'a, RawMutex, RawThreadId, T>;

/// A [`ReentrantMutexGuard`] for a part of the value.
///
/// ```
/// use tk_parking_lot_012::{MappedReentrantMutexGuard, ReentrantMutex, ReentrantMutexGuard};
///
/// let lock = ReentrantMutex::new((1, 2));
/// let second: MappedReentrantMutexGuard<'_, i32> =
///     ReentrantMutexGuard::map(lock.lock(), |pair| &pair.1);
/// assert_eq!(*second, 2);
/// ```
pub type MappedReentrantMutexGuard<'a, T> =
    lock_api_04::MappedReentrantMutexGuard<'a, RawMutex, RawThreadId, T>;

/// Creates a reentrant mutex, in a constant too. `ReentrantMutex::new` does the same.
///
/// ```
/// use tk_parking_lot_012::{ReentrantMutex, const_reentrant_mutex};
///
/// static VALUE: ReentrantMutex<u32> = const_reentrant_mutex(1);
/// ```
pub const fn const_reentrant_mutex<T>(value: T) -> ReentrantMutex<T> {
    ReentrantMutex::new(value)
}
