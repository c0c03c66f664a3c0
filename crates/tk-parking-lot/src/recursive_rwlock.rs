//! The readers-writer lock whose readers can read again.

use std::time::{Duration, Instant};

use crate::RawRwLock;

/// The lock inside a [`RecursiveRwLock`].
#[derive(Debug, Default)]
pub struct RawRwLockRecursive(RawRwLock);

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

type SharedGuard = <RawRwLock as lock_api::RawRwLock>::SharedGuard;
type ExclusiveGuard = <RawRwLock as lock_api::RawRwLock>::ExclusiveGuard;
type UpgradableGuard = <RawRwLock as lock_api::RawRwLockUpgrade>::UpgradableGuard;

// SAFETY: as for the lock inside.
unsafe impl lock_api::RawRwLock for RawRwLockRecursive {
    #[allow(
        clippy::declare_interior_mutable_const,
        reason = "as lock_api asks for"
    )]
    const INIT: RawRwLockRecursive = RawRwLockRecursive(RawRwLock::new());

    type SharedGuard = SharedGuard;
    type ExclusiveGuard = ExclusiveGuard;

    #[inline]
    #[track_caller]
    fn lock_shared(&self) -> SharedGuard {
        #[cfg(not(feature = "send_guard"))]
        return lock_api::RawRwLock::lock_shared(&self.0);
        #[cfg(feature = "send_guard")]
        {
            self.0.lock_shared_recursive();
            lock_api::GuardSend::new()
        }
    }

    #[inline]
    fn try_lock_shared(&self) -> Option<SharedGuard> {
        #[cfg(not(feature = "send_guard"))]
        return lock_api::RawRwLock::try_lock_shared(&self.0);
        #[cfg(feature = "send_guard")]
        self.0
            .try_lock_shared_recursive()
            .then(lock_api::GuardSend::new)
    }

    #[inline]
    unsafe fn unlock_shared(&self, guard: SharedGuard) {
        // SAFETY: by the caller's promise, here and below.
        unsafe { lock_api::RawRwLock::unlock_shared(&self.0, guard) }
    }

    #[inline]
    #[track_caller]
    fn lock_exclusive(&self) -> ExclusiveGuard {
        lock_api::RawRwLock::lock_exclusive(&self.0)
    }

    #[inline]
    fn try_lock_exclusive(&self) -> Option<ExclusiveGuard> {
        lock_api::RawRwLock::try_lock_exclusive(&self.0)
    }

    #[inline]
    unsafe fn unlock_exclusive(&self, guard: ExclusiveGuard) {
        // SAFETY: as above.
        unsafe { lock_api::RawRwLock::unlock_exclusive(&self.0, guard) }
    }

    fn is_locked(&self) -> bool {
        lock_api::RawRwLock::is_locked(&self.0)
    }

    fn is_locked_exclusive(&self) -> bool {
        lock_api::RawRwLock::is_locked_exclusive(&self.0)
    }
}

// SAFETY: as above.
unsafe impl lock_api::RawRwLockFair for RawRwLockRecursive {
    unsafe fn unlock_shared_fair(&self, guard: SharedGuard) {
        // SAFETY: as above.
        unsafe { lock_api::RawRwLockFair::unlock_shared_fair(&self.0, guard) }
    }

    unsafe fn unlock_exclusive_fair(&self, guard: ExclusiveGuard) {
        // SAFETY: as above.
        unsafe { lock_api::RawRwLockFair::unlock_exclusive_fair(&self.0, guard) }
    }

    /// Reads again as `lock_shared` does, so that a thread with another read does not block.
    #[cfg(feature = "send_guard")]
    #[track_caller]
    unsafe fn bump_shared(&self, guard: &mut SharedGuard) {
        // SAFETY: as above. There is no other state than the count.
        unsafe { lock_api::RawRwLock::unlock_shared(self, lock_api::GuardSend::new()) };
        *guard = lock_api::RawRwLock::lock_shared(self);
    }

    #[cfg(not(feature = "send_guard"))]
    #[track_caller]
    unsafe fn bump_shared(&self, guard: &mut SharedGuard) {
        // SAFETY: as above.
        unsafe { lock_api::RawRwLockFair::bump_shared(&self.0, guard) }
    }

    #[track_caller]
    unsafe fn bump_exclusive(&self, guard: &mut ExclusiveGuard) {
        // SAFETY: as above.
        unsafe { lock_api::RawRwLockFair::bump_exclusive(&self.0, guard) }
    }
}

// SAFETY: as above.
unsafe impl lock_api::RawRwLockDowngrade for RawRwLockRecursive {
    unsafe fn downgrade(&self, guard: ExclusiveGuard) -> SharedGuard {
        // SAFETY: as above.
        unsafe { lock_api::RawRwLockDowngrade::downgrade(&self.0, guard) }
    }
}

// SAFETY: as above.
unsafe impl lock_api::RawRwLockTimed for RawRwLockRecursive {
    type Duration = Duration;
    type Instant = Instant;

    #[track_caller]
    fn try_lock_shared_for(&self, timeout: Duration) -> Option<SharedGuard> {
        #[cfg(not(feature = "send_guard"))]
        return lock_api::RawRwLockTimed::try_lock_shared_for(&self.0, timeout);
        #[cfg(feature = "send_guard")]
        {
            let read = self.0.lock_shared_recursive_with(timeout);
            read.ok().map(|()| lock_api::GuardSend::new())
        }
    }

    #[track_caller]
    fn try_lock_shared_until(&self, deadline: Instant) -> Option<SharedGuard> {
        #[cfg(not(feature = "send_guard"))]
        return lock_api::RawRwLockTimed::try_lock_shared_until(&self.0, deadline);
        #[cfg(feature = "send_guard")]
        {
            let read = self.0.lock_shared_recursive_with(deadline);
            read.ok().map(|()| lock_api::GuardSend::new())
        }
    }

    #[track_caller]
    fn try_lock_exclusive_for(&self, timeout: Duration) -> Option<ExclusiveGuard> {
        lock_api::RawRwLockTimed::try_lock_exclusive_for(&self.0, timeout)
    }

    #[track_caller]
    fn try_lock_exclusive_until(&self, deadline: Instant) -> Option<ExclusiveGuard> {
        lock_api::RawRwLockTimed::try_lock_exclusive_until(&self.0, deadline)
    }
}

// SAFETY: as above.
unsafe impl lock_api::RawRwLockUpgrade for RawRwLockRecursive {
    type UpgradableGuard = UpgradableGuard;

    #[inline]
    #[track_caller]
    fn lock_upgradable(&self) -> UpgradableGuard {
        lock_api::RawRwLockUpgrade::lock_upgradable(&self.0)
    }

    #[inline]
    fn try_lock_upgradable(&self) -> Option<UpgradableGuard> {
        lock_api::RawRwLockUpgrade::try_lock_upgradable(&self.0)
    }

    #[inline]
    unsafe fn unlock_upgradable(&self, guard: UpgradableGuard) {
        // SAFETY: as above.
        unsafe { lock_api::RawRwLockUpgrade::unlock_upgradable(&self.0, guard) }
    }

    #[track_caller]
    unsafe fn upgrade(&self, guard: UpgradableGuard) -> ExclusiveGuard {
        // SAFETY: as above.
        unsafe { lock_api::RawRwLockUpgrade::upgrade(&self.0, guard) }
    }

    unsafe fn try_upgrade(
        &self,
        guard: UpgradableGuard,
    ) -> Result<ExclusiveGuard, UpgradableGuard> {
        // SAFETY: as above.
        unsafe { lock_api::RawRwLockUpgrade::try_upgrade(&self.0, guard) }
    }
}

// SAFETY: as above.
unsafe impl lock_api::RawRwLockUpgradeFair for RawRwLockRecursive {
    unsafe fn unlock_upgradable_fair(&self, guard: UpgradableGuard) {
        // SAFETY: as above.
        unsafe { lock_api::RawRwLockUpgradeFair::unlock_upgradable_fair(&self.0, guard) }
    }

    #[track_caller]
    unsafe fn bump_upgradable(&self, guard: &mut UpgradableGuard) {
        // SAFETY: as above.
        unsafe { lock_api::RawRwLockUpgradeFair::bump_upgradable(&self.0, guard) }
    }
}

// SAFETY: as above.
unsafe impl lock_api::RawRwLockUpgradeDowngrade for RawRwLockRecursive {
    unsafe fn downgrade_upgradable(&self, guard: UpgradableGuard) -> SharedGuard {
        // SAFETY: as above.
        unsafe { lock_api::RawRwLockUpgradeDowngrade::downgrade_upgradable(&self.0, guard) }
    }

    unsafe fn downgrade_to_upgradable(&self, guard: ExclusiveGuard) -> UpgradableGuard {
        // SAFETY: as above.
        unsafe { lock_api::RawRwLockUpgradeDowngrade::downgrade_to_upgradable(&self.0, guard) }
    }
}

// SAFETY: as above.
unsafe impl lock_api::RawRwLockUpgradeTimed for RawRwLockRecursive {
    #[track_caller]
    fn try_lock_upgradable_for(&self, timeout: Duration) -> Option<UpgradableGuard> {
        lock_api::RawRwLockUpgradeTimed::try_lock_upgradable_for(&self.0, timeout)
    }

    #[track_caller]
    fn try_lock_upgradable_until(&self, deadline: Instant) -> Option<UpgradableGuard> {
        lock_api::RawRwLockUpgradeTimed::try_lock_upgradable_until(&self.0, deadline)
    }

    #[track_caller]
    unsafe fn try_upgrade_for(
        &self,
        guard: UpgradableGuard,
        timeout: Duration,
    ) -> Result<ExclusiveGuard, UpgradableGuard> {
        // SAFETY: as above.
        unsafe { lock_api::RawRwLockUpgradeTimed::try_upgrade_for(&self.0, guard, timeout) }
    }

    #[track_caller]
    unsafe fn try_upgrade_until(
        &self,
        guard: UpgradableGuard,
        deadline: Instant,
    ) -> Result<ExclusiveGuard, UpgradableGuard> {
        // SAFETY: as above.
        unsafe { lock_api::RawRwLockUpgradeTimed::try_upgrade_until(&self.0, guard, deadline) }
    }
}
