//! The lock inside an [`RwLock`](crate::RwLock) and a [`RecursiveRwLock`](crate::RecursiveRwLock).
//!
//! The two are one type with a parameter, as in parking_lot, because code may name the parameter or
//! be generic over it. The lock of the kit has none, so it is wrapped here. It grants recursive
//! reads by itself, except with the feature `send_guard`: then it has other calls for them.

use std::fmt;
use std::time::{Duration, Instant};

#[cfg(not(feature = "send_guard"))]
use tk_lock::RawRwLock as Inner;
#[cfg(feature = "send_guard")]
use tk_lock::RawSendRwLock as Inner;

/// The lock inside an [`RwLock`](crate::RwLock), and, if `RECURSIVE`, inside a
/// [`RecursiveRwLock`](crate::RecursiveRwLock).
///
/// With or without `RECURSIVE`, a thread that reads can read again, also while a writer waits. The
/// parameter makes a difference with the feature `send_guard`: see `RecursiveRwLock`.
///
/// ```
/// use tk_parking_lot::RawRwLock;
/// use tk_parking_lot::lock_api::{self, RawRwLock as _};
///
/// static LOCK: lock_api::RwLock<RawRwLock<true>, i32> =
///     lock_api::RwLock::from_raw(RawRwLock::<true>::INIT, 1);
/// assert_eq!(*LOCK.read() + *LOCK.read(), 2);
/// ```
#[derive(Default)]
pub struct RawRwLock<const RECURSIVE: bool = false>(Inner);

type SharedGuard = <Inner as lock_api::RawRwLock>::SharedGuard;
type ExclusiveGuard = <Inner as lock_api::RawRwLock>::ExclusiveGuard;
type UpgradableGuard = <Inner as lock_api::RawRwLockUpgrade>::UpgradableGuard;

impl<const RECURSIVE: bool> fmt::Debug for RawRwLock<RECURSIVE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

// SAFETY: as for the lock inside.
unsafe impl<const RECURSIVE: bool> lock_api::RawRwLock for RawRwLock<RECURSIVE> {
    #[allow(
        clippy::declare_interior_mutable_const,
        reason = "as lock_api asks for"
    )]
    const INIT: RawRwLock<RECURSIVE> = RawRwLock(Inner::new());

    type SharedGuard = SharedGuard;
    type ExclusiveGuard = ExclusiveGuard;

    #[inline]
    #[track_caller]
    fn lock_shared(&self) -> SharedGuard {
        #[cfg(feature = "send_guard")]
        if RECURSIVE {
            self.0.lock_shared_recursive();
            return lock_api::GuardSend::new();
        }
        lock_api::RawRwLock::lock_shared(&self.0)
    }

    #[inline]
    fn try_lock_shared(&self) -> Option<SharedGuard> {
        #[cfg(feature = "send_guard")]
        if RECURSIVE {
            let read = self.0.try_lock_shared_recursive();
            return read.then(lock_api::GuardSend::new);
        }
        lock_api::RawRwLock::try_lock_shared(&self.0)
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
unsafe impl<const RECURSIVE: bool> lock_api::RawRwLockFair for RawRwLock<RECURSIVE> {
    unsafe fn unlock_shared_fair(&self, guard: SharedGuard) {
        // SAFETY: as above.
        unsafe { lock_api::RawRwLockFair::unlock_shared_fair(&self.0, guard) }
    }

    unsafe fn unlock_exclusive_fair(&self, guard: ExclusiveGuard) {
        // SAFETY: as above.
        unsafe { lock_api::RawRwLockFair::unlock_exclusive_fair(&self.0, guard) }
    }

    #[track_caller]
    unsafe fn bump_shared(&self, guard: &mut SharedGuard) {
        // A thread that has another read must not wait for a writer here.
        #[cfg(feature = "send_guard")]
        if RECURSIVE {
            // SAFETY: as above. There is no other state than the count.
            unsafe { lock_api::RawRwLock::unlock_shared(self, lock_api::GuardSend::new()) };
            *guard = lock_api::RawRwLock::lock_shared(self);
            return;
        }
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
unsafe impl<const RECURSIVE: bool> lock_api::RawRwLockDowngrade for RawRwLock<RECURSIVE> {
    unsafe fn downgrade(&self, guard: ExclusiveGuard) -> SharedGuard {
        // SAFETY: as above.
        unsafe { lock_api::RawRwLockDowngrade::downgrade(&self.0, guard) }
    }
}

// SAFETY: as above.
unsafe impl<const RECURSIVE: bool> lock_api::RawRwLockTimed for RawRwLock<RECURSIVE> {
    type Duration = Duration;
    type Instant = Instant;

    #[track_caller]
    fn try_lock_shared_for(&self, timeout: Duration) -> Option<SharedGuard> {
        #[cfg(feature = "send_guard")]
        if RECURSIVE {
            let read = self.0.lock_shared_recursive_with(timeout);
            return read.ok().map(|()| lock_api::GuardSend::new());
        }
        lock_api::RawRwLockTimed::try_lock_shared_for(&self.0, timeout)
    }

    #[track_caller]
    fn try_lock_shared_until(&self, deadline: Instant) -> Option<SharedGuard> {
        #[cfg(feature = "send_guard")]
        if RECURSIVE {
            let read = self.0.lock_shared_recursive_with(deadline);
            return read.ok().map(|()| lock_api::GuardSend::new());
        }
        lock_api::RawRwLockTimed::try_lock_shared_until(&self.0, deadline)
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
unsafe impl<const RECURSIVE: bool> lock_api::RawRwLockUpgrade for RawRwLock<RECURSIVE> {
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
unsafe impl<const RECURSIVE: bool> lock_api::RawRwLockUpgradeFair for RawRwLock<RECURSIVE> {
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
unsafe impl<const RECURSIVE: bool> lock_api::RawRwLockUpgradeDowngrade for RawRwLock<RECURSIVE> {
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
unsafe impl<const RECURSIVE: bool> lock_api::RawRwLockUpgradeTimed for RawRwLock<RECURSIVE> {
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
