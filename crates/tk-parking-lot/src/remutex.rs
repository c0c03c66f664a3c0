//! The mutex that its owner can lock again.

use tk_lock::RawThreadId;

use crate::RawMutex;

/// A value that one thread at a time can use, and that this thread can lock again.
///
/// Its guards give shared access only. The kit's own type is `tk_lock::RLock`, which needs no
/// second word for its owner.
///
/// ```
/// use tk_parking_lot::ReentrantMutex;
///
/// let lock = ReentrantMutex::new(1);
/// let (outer, inner) = (lock.lock(), lock.lock());
/// assert_eq!(*outer + *inner, 2);
/// ```
pub type ReentrantMutex<T> = lock_api::ReentrantMutex<RawMutex, RawThreadId, T>;

/// Gives access to the value of a [`ReentrantMutex`], and gives one level back when dropped.
///
/// ```
/// use tk_parking_lot::{ReentrantMutex, ReentrantMutexGuard};
///
/// let lock = ReentrantMutex::new(1);
/// let guard: ReentrantMutexGuard<'_, i32> = lock.lock();
/// assert_eq!(*guard, 1);
/// ```
pub type ReentrantMutexGuard<'a, T> = lock_api::ReentrantMutexGuard<'a, RawMutex, RawThreadId, T>;

/// A [`ReentrantMutexGuard`] for a part of the value.
///
/// ```
/// use tk_parking_lot::{MappedReentrantMutexGuard, ReentrantMutex, ReentrantMutexGuard};
///
/// let lock = ReentrantMutex::new((1, 2));
/// let second: MappedReentrantMutexGuard<'_, i32> =
///     ReentrantMutexGuard::map(lock.lock(), |pair| &pair.1);
/// assert_eq!(*second, 2);
/// ```
pub type MappedReentrantMutexGuard<'a, T> =
    lock_api::MappedReentrantMutexGuard<'a, RawMutex, RawThreadId, T>;
