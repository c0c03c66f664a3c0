//! The mutex whose every release is fair.

use std::time::{Duration, Instant};

use crate::RawMutex;

/// The lock inside a [`FairMutex`].
#[derive(Debug, Default)]
pub struct RawFairMutex(RawMutex);

/// A [`Mutex`](crate::Mutex) whose every release hands it to the first thread in the queue.
///
/// ```
/// use tk_parking_lot::FairMutex;
///
/// let lock = FairMutex::new(1);
/// *lock.lock() += 1;
/// assert_eq!(*lock.lock(), 2);
/// ```
pub type FairMutex<T> = lock_api::Mutex<RawFairMutex, T>;

/// Gives access to the value of a [`FairMutex`], and releases it when dropped.
///
/// ```
/// use tk_parking_lot::{FairMutex, FairMutexGuard};
///
/// let lock = FairMutex::new(1);
/// let guard: FairMutexGuard<'_, i32> = lock.lock();
/// assert_eq!(*guard, 1);
/// ```
pub type FairMutexGuard<'a, T> = lock_api::MutexGuard<'a, RawFairMutex, T>;

/// A [`FairMutexGuard`] for a part of the value.
///
/// ```
/// use tk_parking_lot::{FairMutex, FairMutexGuard, MappedFairMutexGuard};
///
/// let lock = FairMutex::new((1, 2));
/// let second: MappedFairMutexGuard<'_, i32> =
///     FairMutexGuard::map(lock.lock(), |pair| &mut pair.1);
/// assert_eq!(*second, 2);
/// ```
pub type MappedFairMutexGuard<'a, T> = lock_api::MappedMutexGuard<'a, RawFairMutex, T>;

/// The state of a guard of the mutex inside.
type Guard = <RawMutex as lock_api::RawMutex>::Guard;

// SAFETY: as for the mutex inside. A fair release is a release.
unsafe impl lock_api::RawMutex for RawFairMutex {
    #[allow(
        clippy::declare_interior_mutable_const,
        reason = "as lock_api asks for"
    )]
    const INIT: RawFairMutex = RawFairMutex(RawMutex::new());

    type Guard = Guard;

    #[inline]
    #[track_caller]
    fn lock(&self) -> Guard {
        lock_api::RawMutex::lock(&self.0)
    }

    #[inline]
    fn try_lock(&self) -> Option<Guard> {
        lock_api::RawMutex::try_lock(&self.0)
    }

    #[inline]
    unsafe fn unlock(&self, guard: Guard) {
        // SAFETY: by the caller's promise.
        unsafe { lock_api::RawMutexFair::unlock_fair(&self.0, guard) }
    }

    #[inline]
    fn is_locked(&self) -> bool {
        lock_api::RawMutex::is_locked(&self.0)
    }
}

// SAFETY: as above.
unsafe impl lock_api::RawMutexFair for RawFairMutex {
    unsafe fn unlock_fair(&self, guard: Guard) {
        // SAFETY: by the caller's promise.
        unsafe { lock_api::RawMutexFair::unlock_fair(&self.0, guard) }
    }

    #[track_caller]
    unsafe fn bump(&self, guard: &mut Guard) {
        // SAFETY: by the caller's promise.
        unsafe { lock_api::RawMutexFair::bump(&self.0, guard) }
    }
}

// SAFETY: as above.
unsafe impl lock_api::RawMutexTimed for RawFairMutex {
    type Duration = Duration;
    type Instant = Instant;

    #[track_caller]
    fn try_lock_for(&self, timeout: Duration) -> Option<Guard> {
        lock_api::RawMutexTimed::try_lock_for(&self.0, timeout)
    }

    #[track_caller]
    fn try_lock_until(&self, deadline: Instant) -> Option<Guard> {
        lock_api::RawMutexTimed::try_lock_until(&self.0, deadline)
    }
}
