//! The readers-writer lock whose readers can read again.

use crate::RawRwLock;

/// The lock inside a [`RecursiveRwLock`].
pub type RawRwLockRecursive = RawRwLock<true>;

/// The same lock as [`RwLock`](crate::RwLock), as a type of its own.
///
/// A thread that reads can read again, also while a writer waits, as with every readers-writer lock
/// of the kit. With the feature `send_guard` a lock does not know its readers; then a read is
/// granted as long as any thread reads, so writers can starve.
///
/// ```
/// use tk_parking_lot::RecursiveRwLock;
///
/// let lock = RecursiveRwLock::new(5);
/// let (first, second) = (lock.read(), lock.read());
/// assert_eq!(*first, *second);
/// ```
pub type RecursiveRwLock<T> = lock_api::RwLock<RawRwLockRecursive, T>;

/// Gives shared access to the value of a [`RecursiveRwLock`], and ends the read when dropped.
///
/// ```
/// use tk_parking_lot::{RecursiveRwLock, RecursiveRwLockReadGuard};
///
/// let lock = RecursiveRwLock::new(1);
/// let guard: RecursiveRwLockReadGuard<'_, i32> = lock.read();
/// assert_eq!(*guard, 1);
/// ```
pub type RecursiveRwLockReadGuard<'a, T> = lock_api::RwLockReadGuard<'a, RawRwLockRecursive, T>;

/// Gives exclusive access to the value of a [`RecursiveRwLock`], and releases it when dropped.
///
/// ```
/// use tk_parking_lot::{RecursiveRwLock, RecursiveRwLockWriteGuard};
///
/// let lock = RecursiveRwLock::new(1);
/// let mut guard: RecursiveRwLockWriteGuard<'_, i32> = lock.write();
/// *guard += 1;
/// assert_eq!(*RecursiveRwLockWriteGuard::downgrade(guard), 2);
/// ```
pub type RecursiveRwLockWriteGuard<'a, T> = lock_api::RwLockWriteGuard<'a, RawRwLockRecursive, T>;

/// Gives shared access to the value of a [`RecursiveRwLock`], and can be upgraded.
///
/// ```
/// use tk_parking_lot::{RecursiveRwLock, RecursiveRwLockUpgradableReadGuard};
///
/// let lock = RecursiveRwLock::new(1);
/// let guard: RecursiveRwLockUpgradableReadGuard<'_, i32> = lock.upgradable_read();
/// *RecursiveRwLockUpgradableReadGuard::upgrade(guard) += 1;
/// ```
pub type RecursiveRwLockUpgradableReadGuard<'a, T> =
    lock_api::RwLockUpgradableReadGuard<'a, RawRwLockRecursive, T>;

/// A [`RecursiveRwLockReadGuard`] for a part of the value.
///
/// ```
/// use tk_parking_lot::{MappedRecursiveRwLockReadGuard, RecursiveRwLock, RecursiveRwLockReadGuard};
///
/// let lock = RecursiveRwLock::new((1, 2));
/// let second: MappedRecursiveRwLockReadGuard<'_, i32> =
///     RecursiveRwLockReadGuard::map(lock.read(), |pair| &pair.1);
/// assert_eq!(*second, 2);
/// ```
pub type MappedRecursiveRwLockReadGuard<'a, T> =
    lock_api::MappedRwLockReadGuard<'a, RawRwLockRecursive, T>;

/// A [`RecursiveRwLockWriteGuard`] for a part of the value.
///
/// ```
/// use tk_parking_lot::{
///     MappedRecursiveRwLockWriteGuard, RecursiveRwLock, RecursiveRwLockWriteGuard,
/// };
///
/// let lock = RecursiveRwLock::new((1, 2));
/// let mut second: MappedRecursiveRwLockWriteGuard<'_, i32> =
///     RecursiveRwLockWriteGuard::map(lock.write(), |pair| &mut pair.1);
/// *second += 1;
/// ```
pub type MappedRecursiveRwLockWriteGuard<'a, T> =
    lock_api::MappedRwLockWriteGuard<'a, RawRwLockRecursive, T>;
