//! The mutex.

/// The lock inside a [`Mutex`].
#[cfg(not(feature = "send_guard"))]
pub use tk_lock::RawLock as RawMutex;
/// The lock inside a [`Mutex`].
#[cfg(feature = "send_guard")]
pub use tk_lock::RawSendLock as RawMutex;

/// A value that one thread at a time can use.
///
/// ```
/// use tk_parking_lot::Mutex;
///
/// let lock = Mutex::new(1);
/// *lock.lock() += 1;
/// assert!(lock.try_lock().is_some());
/// assert_eq!(format!("{lock:?}"), "Mutex { data: 2 }");
/// ```
pub type Mutex<T> = lock_api::Mutex<RawMutex, T>;

/// Gives access to the value of a [`Mutex`], and releases it when dropped.
///
/// ```
/// use tk_parking_lot::{Mutex, MutexGuard};
///
/// let lock = Mutex::new(1);
/// let mut guard: MutexGuard<'_, i32> = lock.lock();
/// MutexGuard::bump(&mut guard); // A thread that waits may have it meanwhile.
/// MutexGuard::unlock_fair(guard);
/// ```
pub type MutexGuard<'a, T> = lock_api::MutexGuard<'a, RawMutex, T>;

/// A [`MutexGuard`] for a part of the value.
///
/// ```
/// use tk_parking_lot::{MappedMutexGuard, Mutex, MutexGuard};
///
/// let lock = Mutex::new((1, 2));
/// let second: MappedMutexGuard<'_, i32> = MutexGuard::map(lock.lock(), |pair| &mut pair.1);
/// assert_eq!(*second, 2);
/// ```
pub type MappedMutexGuard<'a, T> = lock_api::MappedMutexGuard<'a, RawMutex, T>;
