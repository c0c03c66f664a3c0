//! The traits of `lock_api` 0.4, by those of 0.5.
//!
//! The two differ in the state of a guard. In 0.5 a lock gives a token to the guard, and gets it
//! back at the release. In 0.4 there is none, so the lock has to find it:
//!
//! | lock | token |
//! |---|---|
//! | a mutex, and any write or upgradable read | has no state |
//! | a read of [`RawRwLock`] | a read of the calling thread, whichever it finds first: its guards stay with it |
//! | a read of [`RawSendRwLock`] | has no state: all its reads are counted in the lock |
//!
//! # Panics beside a guard
//!
//! In 0.5, a guard is gone, or the program ends, when a step panics that takes its lock away from
//! it. In 0.4 the guard stays. If it did not hold its lock any more, this could happen:
//!
//! 1. A thread calls `MutexGuard::unlocked` with a closure that locks the same mutex, and keeps
//!    that second guard.
//! 2. `unlocked` locks the mutex again. The thread holds it already, so that panics.
//! 3. The caller catches the panic, and has two guards of one mutex, with a `&mut` of each.
//!
//! So these steps don't unwind without the lock ([`NoUnwind`]). `lock` does not know who calls it,
//! so it ends the program in all cases in which the one of 0.5 panics. An upgrade that panics keeps
//! the upgradable lock, because its guard is dropped by the unwinding, or is borrowed.

use std::mem;
use std::num::NonZeroUsize;
use std::time::Duration;

use lock_api::{GuardNoSend, GuardSend};
use tk_park::Limit;
use tk_park::sync::Instant;

use crate::{RawLock, RawRwLock, RawSendLock, RawSendRwLock, RawThreadId};

/// Ends the program if a panic drops it: see *Panics beside a guard*.
struct NoUnwind;

impl Drop for NoUnwind {
    #[cold]
    fn drop(&mut self) {
        // The first panic has been reported. A second one while it unwinds aborts the program.
        panic!("a panic while a guard of lock_api 0.4 may have lost its lock");
    }
}

/// Implements the traits of a mutex, given the marker of both versions.
macro_rules! impl_mutex {
    ($lock:ty, $marker:ident) => {
        // SAFETY: by `lock_api::RawMutex` of the same type.
        unsafe impl lock_api_04::RawMutex for $lock {
            #[allow(
                clippy::declare_interior_mutable_const,
                reason = "as lock_api asks for"
            )]
            const INIT: $lock = <$lock>::new();

            type GuardMarker = lock_api_04::$marker;

            #[inline]
            #[track_caller]
            fn lock(&self) {
                // No closure, which would hide the caller's line.
                let unwinding = NoUnwind;
                self.acquire_beside_guard();
                mem::forget(unwinding);
            }

            #[inline]
            fn try_lock(&self) -> bool {
                lock_api::RawMutex::try_lock(self).is_some()
            }

            #[inline]
            unsafe fn unlock(&self) {
                // SAFETY: by the caller's promise, the lock is held for this call.
                unsafe { lock_api::RawMutex::unlock(self, $marker::new()) }
            }

            #[inline]
            fn is_locked(&self) -> bool {
                lock_api::RawMutex::is_locked(self)
            }
        }

        // SAFETY: as above.
        unsafe impl lock_api_04::RawMutexFair for $lock {
            unsafe fn unlock_fair(&self) {
                // SAFETY: by the caller's promise.
                unsafe { lock_api::RawMutexFair::unlock_fair(self, $marker::new()) }
            }

            #[track_caller]
            unsafe fn bump(&self) {
                // SAFETY: by the caller's promise.
                unsafe { lock_api::RawMutexFair::bump(self, &mut $marker::new()) }
            }
        }

        // SAFETY: as above.
        unsafe impl lock_api_04::RawMutexTimed for $lock {
            type Duration = Duration;
            type Instant = Instant;

            #[track_caller]
            fn try_lock_for(&self, timeout: Duration) -> bool {
                lock_api::RawMutexTimed::try_lock_for(self, timeout).is_some()
            }

            #[track_caller]
            fn try_lock_until(&self, deadline: Instant) -> bool {
                lock_api::RawMutexTimed::try_lock_until(self, deadline).is_some()
            }
        }
    };
}

impl_mutex!(RawLock, GuardNoSend);
impl_mutex!(RawSendLock, GuardSend);

// SAFETY: by `lock_api::GetThreadId` of the same type.
unsafe impl lock_api_04::GetThreadId for RawThreadId {
    const INIT: RawThreadId = RawThreadId;

    #[inline]
    fn nonzero_thread_id(&self) -> NonZeroUsize {
        lock_api::GetThreadId::nonzero_thread_id(self)
    }
}

/// Implements the traits of a readers-writer lock, given the marker of both versions, and the token
/// of a read.
macro_rules! impl_rwlock {
    ($lock:ty, $marker:ident, |$this:ident| $token:expr) => {
        // SAFETY: by `lock_api::RawRwLock` of the same type. The caller promises that this thread
        // (or for `RawSendRwLock`, the program) has what it gives back, and that is what a token
        // stands for.
        unsafe impl lock_api_04::RawRwLock for $lock {
            #[allow(
                clippy::declare_interior_mutable_const,
                reason = "as lock_api asks for"
            )]
            const INIT: $lock = <$lock>::new();

            type GuardMarker = lock_api_04::$marker;

            #[inline]
            #[track_caller]
            fn lock_shared(&self) {
                let unwinding = NoUnwind;
                self.read_beside_guard();
                mem::forget(unwinding);
            }

            #[inline]
            fn try_lock_shared(&self) -> bool {
                lock_api::RawRwLock::try_lock_shared(self).is_some()
            }

            #[inline]
            unsafe fn unlock_shared(&self) {
                let $this = self;
                // SAFETY: as above.
                unsafe { lock_api::RawRwLock::unlock_shared(self, $token) }
            }

            #[inline]
            #[track_caller]
            fn lock_exclusive(&self) {
                let unwinding = NoUnwind;
                self.write_beside_guard();
                mem::forget(unwinding);
            }

            #[inline]
            fn try_lock_exclusive(&self) -> bool {
                lock_api::RawRwLock::try_lock_exclusive(self).is_some()
            }

            #[inline]
            unsafe fn unlock_exclusive(&self) {
                // SAFETY: as above.
                unsafe { lock_api::RawRwLock::unlock_exclusive(self, $marker::new()) }
            }

            fn is_locked(&self) -> bool {
                lock_api::RawRwLock::is_locked(self)
            }

            fn is_locked_exclusive(&self) -> bool {
                lock_api::RawRwLock::is_locked_exclusive(self)
            }
        }

        // SAFETY: as above.
        unsafe impl lock_api_04::RawRwLockFair for $lock {
            unsafe fn unlock_shared_fair(&self) {
                let $this = self;
                // SAFETY: as above.
                unsafe { lock_api::RawRwLockFair::unlock_shared_fair(self, $token) }
            }

            unsafe fn unlock_exclusive_fair(&self) {
                // SAFETY: as above.
                unsafe { lock_api::RawRwLockFair::unlock_exclusive_fair(self, $marker::new()) }
            }

            #[track_caller]
            unsafe fn bump_shared(&self) {
                let $this = self;
                // SAFETY: as above.
                unsafe { lock_api::RawRwLockFair::bump_shared(self, &mut $token) }
            }

            #[track_caller]
            unsafe fn bump_exclusive(&self) {
                // SAFETY: as above.
                unsafe { lock_api::RawRwLockFair::bump_exclusive(self, &mut $marker::new()) }
            }
        }

        // SAFETY: as above.
        unsafe impl lock_api_04::RawRwLockDowngrade for $lock {
            unsafe fn downgrade(&self) {
                // SAFETY: as above.
                unsafe { lock_api::RawRwLockDowngrade::downgrade(self, $marker::new()) };
            }
        }

        // SAFETY: as above.
        unsafe impl lock_api_04::RawRwLockTimed for $lock {
            type Duration = Duration;
            type Instant = Instant;

            #[track_caller]
            fn try_lock_shared_for(&self, timeout: Duration) -> bool {
                lock_api::RawRwLockTimed::try_lock_shared_for(self, timeout).is_some()
            }

            #[track_caller]
            fn try_lock_shared_until(&self, deadline: Instant) -> bool {
                lock_api::RawRwLockTimed::try_lock_shared_until(self, deadline).is_some()
            }

            #[track_caller]
            fn try_lock_exclusive_for(&self, timeout: Duration) -> bool {
                lock_api::RawRwLockTimed::try_lock_exclusive_for(self, timeout).is_some()
            }

            #[track_caller]
            fn try_lock_exclusive_until(&self, deadline: Instant) -> bool {
                lock_api::RawRwLockTimed::try_lock_exclusive_until(self, deadline).is_some()
            }
        }

        // SAFETY: as above.
        unsafe impl lock_api_04::RawRwLockUpgrade for $lock {
            #[inline]
            #[track_caller]
            fn lock_upgradable(&self) {
                let unwinding = NoUnwind;
                self.upgradable_beside_guard();
                mem::forget(unwinding);
            }

            #[inline]
            fn try_lock_upgradable(&self) -> bool {
                lock_api::RawRwLockUpgrade::try_lock_upgradable(self).is_some()
            }

            #[inline]
            unsafe fn unlock_upgradable(&self) {
                // SAFETY: as above.
                unsafe { lock_api::RawRwLockUpgrade::unlock_upgradable(self, $marker::new()) }
            }

            #[track_caller]
            unsafe fn upgrade(&self) {
                let upgraded = self.upgrade_beside_guard(Limit::never());
                debug_assert_eq!(upgraded, Ok(()));
            }

            unsafe fn try_upgrade(&self) -> bool {
                // SAFETY: as above.
                unsafe { lock_api::RawRwLockUpgrade::try_upgrade(self, $marker::new()) }.is_ok()
            }
        }

        // SAFETY: as above.
        unsafe impl lock_api_04::RawRwLockUpgradeFair for $lock {
            unsafe fn unlock_upgradable_fair(&self) {
                let token = $marker::new();
                // SAFETY: as above.
                unsafe { lock_api::RawRwLockUpgradeFair::unlock_upgradable_fair(self, token) }
            }

            #[track_caller]
            unsafe fn bump_upgradable(&self) {
                let mut token = $marker::new();
                // SAFETY: as above.
                unsafe { lock_api::RawRwLockUpgradeFair::bump_upgradable(self, &mut token) }
            }
        }

        // SAFETY: as above.
        unsafe impl lock_api_04::RawRwLockUpgradeDowngrade for $lock {
            unsafe fn downgrade_upgradable(&self) {
                let token = $marker::new();
                // SAFETY: as above.
                unsafe { lock_api::RawRwLockUpgradeDowngrade::downgrade_upgradable(self, token) };
            }

            unsafe fn downgrade_to_upgradable(&self) {
                let token = $marker::new();
                // SAFETY: as above.
                unsafe {
                    lock_api::RawRwLockUpgradeDowngrade::downgrade_to_upgradable(self, token)
                };
            }
        }

        // SAFETY: as above.
        unsafe impl lock_api_04::RawRwLockUpgradeTimed for $lock {
            #[track_caller]
            fn try_lock_upgradable_for(&self, timeout: Duration) -> bool {
                lock_api::RawRwLockUpgradeTimed::try_lock_upgradable_for(self, timeout).is_some()
            }

            #[track_caller]
            fn try_lock_upgradable_until(&self, deadline: Instant) -> bool {
                lock_api::RawRwLockUpgradeTimed::try_lock_upgradable_until(self, deadline).is_some()
            }

            #[track_caller]
            unsafe fn try_upgrade_for(&self, timeout: Duration) -> bool {
                self.upgrade_beside_guard(Limit::after(timeout)).is_ok()
            }

            #[track_caller]
            unsafe fn try_upgrade_until(&self, deadline: Instant) -> bool {
                self.upgrade_beside_guard(Limit::until(deadline)).is_ok()
            }
        }
    };
}

impl_rwlock!(RawRwLock, GuardNoSend, |lock| lock.token_of_mine());
impl_rwlock!(RawSendRwLock, GuardSend, |_lock| GuardSend::new());

// SAFETY: by `lock_api_04::RawRwLock` of the same type. Every read of a thread that reads already
// is granted.
unsafe impl lock_api_04::RawRwLockRecursive for RawRwLock {
    #[track_caller]
    fn lock_shared_recursive(&self) {
        lock_api_04::RawRwLock::lock_shared(self);
    }

    fn try_lock_shared_recursive(&self) -> bool {
        lock_api_04::RawRwLock::try_lock_shared(self)
    }
}

// SAFETY: as above.
unsafe impl lock_api_04::RawRwLockRecursiveTimed for RawRwLock {
    #[track_caller]
    fn try_lock_shared_recursive_for(&self, timeout: Duration) -> bool {
        lock_api_04::RawRwLockTimed::try_lock_shared_for(self, timeout)
    }

    #[track_caller]
    fn try_lock_shared_recursive_until(&self, deadline: Instant) -> bool {
        lock_api_04::RawRwLockTimed::try_lock_shared_until(self, deadline)
    }
}

// SAFETY: by `lock_api_04::RawRwLock` of the same type.
unsafe impl lock_api_04::RawRwLockRecursive for RawSendRwLock {
    #[track_caller]
    fn lock_shared_recursive(&self) {
        RawSendRwLock::lock_shared_recursive(self);
    }

    fn try_lock_shared_recursive(&self) -> bool {
        RawSendRwLock::try_lock_shared_recursive(self)
    }
}

// SAFETY: as above.
unsafe impl lock_api_04::RawRwLockRecursiveTimed for RawSendRwLock {
    #[track_caller]
    fn try_lock_shared_recursive_for(&self, timeout: Duration) -> bool {
        self.lock_shared_recursive_with(timeout).is_ok()
    }

    #[track_caller]
    fn try_lock_shared_recursive_until(&self, deadline: Instant) -> bool {
        self.lock_shared_recursive_with(deadline).is_ok()
    }
}
