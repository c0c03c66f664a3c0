//! The readers-writer lock.

use crate::RawRwLock;

/// A value that many threads can read at the same time, or one thread can write.
///
/// A thread that reads can read again, also while a writer waits.
///
/// ```
/// use tk_parking_lot::RwLock;
///
/// let lock = RwLock::new(1);
/// assert_eq!(*lock.read() + *lock.read(), 2);
/// *lock.write() += 1;
/// assert_eq!(format!("{lock:?}"), "RwLock { data: 2 }");
/// ```
pub type RwLock<T> = lock_api::RwLock<RawRwLock, T>;

/// Gives shared access to the value of an [`RwLock`], and ends the read when dropped.
///
/// ```
/// use tk_parking_lot::{RwLock, RwLockReadGuard};
///
/// let lock = RwLock::new(1);
/// let guard: RwLockReadGuard<'_, i32> = lock.read();
/// assert_eq!(*guard, 1);
/// ```
pub type RwLockReadGuard<'a, T> = lock_api::RwLockReadGuard<'a, RawRwLock, T>;

/// Gives exclusive access to the value of an [`RwLock`], and releases the lock when dropped.
///
/// ```
/// use tk_parking_lot::{RwLock, RwLockWriteGuard};
///
/// let lock = RwLock::new(1);
/// let mut guard: RwLockWriteGuard<'_, i32> = lock.write();
/// *guard += 1;
/// assert_eq!(*RwLockWriteGuard::downgrade(guard), 2);
/// ```
pub type RwLockWriteGuard<'a, T> = lock_api::RwLockWriteGuard<'a, RawRwLock, T>;

/// Gives shared access to the value of an [`RwLock`], and can be upgraded.
///
/// ```
/// use tk_parking_lot::{RwLock, RwLockUpgradableReadGuard};
///
/// let lock = RwLock::new(1);
/// let guard: RwLockUpgradableReadGuard<'_, i32> = lock.upgradable_read();
/// *RwLockUpgradableReadGuard::upgrade(guard) += 1;
/// ```
pub type RwLockUpgradableReadGuard<'a, T> = lock_api::RwLockUpgradableReadGuard<'a, RawRwLock, T>;

/// An [`RwLockReadGuard`] for a part of the value.
///
/// ```
/// use tk_parking_lot::{MappedRwLockReadGuard, RwLock, RwLockReadGuard};
///
/// let lock = RwLock::new((1, 2));
/// let second: MappedRwLockReadGuard<'_, i32> =
///     RwLockReadGuard::map(lock.read(), |pair| &pair.1);
/// assert_eq!(*second, 2);
/// ```
pub type MappedRwLockReadGuard<'a, T> = lock_api::MappedRwLockReadGuard<'a, RawRwLock, T>;

/// An [`RwLockWriteGuard`] for a part of the value.
///
/// ```
/// use tk_parking_lot::{MappedRwLockWriteGuard, RwLock, RwLockWriteGuard};
///
/// let lock = RwLock::new((1, 2));
/// let mut second: MappedRwLockWriteGuard<'_, i32> =
///     RwLockWriteGuard::map(lock.write(), |pair| &mut pair.1);
/// *second += 1;
/// ```
pub type MappedRwLockWriteGuard<'a, T> = lock_api::MappedRwLockWriteGuard<'a, RawRwLock, T>;
