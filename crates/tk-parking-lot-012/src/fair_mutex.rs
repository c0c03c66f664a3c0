//! The mutex whose every release is fair.

use std::time::{Duration, Instant};

use crate::RawMutex;

/// The lock inside a [`FairMutex`].
#[derive(Debug, Default)]
pub struct RawFairMutex(RawMutex);

/// A [`Mutex`](crate::Mutex) whose every release hands it to the first thread in the queue.
///
/// ```
/// use tk_parking_lot_012::FairMutex;
///
/// let lock = FairMutex::new(1);
/// *lock.lock() += 1;
/// assert_eq!(*lock.lock(), 2);
/// ```
pub type FairMutex<T> = lock_api_04::Mutex<RawFairMutex, T>;

/// Gives access to the value of a [`FairMutex`], and releases it when dropped.
///
/// ```
/// use tk_parking_lot_012::{FairMutex, FairMutexGuard};
///
/// let lock = FairMutex::new(1);
/// let guard: FairMutexGuard<'_, i32> = lock.lock();
/// assert_eq!(*guard, 1);
/// ```
pub type FairMutexGuard<'a, T> = lock_api_04::MutexGuard<'a, RawFairMutex, T>;

/// A [`FairMutexGuard`] for a part of the value.
///
/// ```
/// use tk_parking_lot_012::{FairMutex, FairMutexGuard, MappedFairMutexGuard};
///
/// let lock = FairMutex::new((1, 2));
/// let second: MappedFairMutexGuard<'_, i32> =
///     FairMutexGuard::map(lock.lock(), |pair| &mut pair.1);
/// assert_eq!(*second, 2);
/// ```
pub type MappedFairMutexGuard<'a, T> = lock_api_04::MappedMutexGuard<'a, RawFairMutex, T>;

/// Creates a fair mutex, in a constant too. `FairMutex::new` does the same.
///
/// ```
/// use tk_parking_lot_012::{FairMutex, const_fair_mutex};
///
/// static VALUE: FairMutex<u32> = const_fair_mutex(1);
/// ```
pub const fn const_fair_mutex<T>(value: T) -> FairMutex<T> {
    FairMutex::new(value)
}

// SAFETY: as for the mutex inside. A fair release is a release.
unsafe impl lock_api_04::RawMutex for RawFairMutex {
    #[allow(
        clippy::declare_interior_mutable_const,
        reason = "as lock_api asks for"
    )]
    const INIT: RawFairMutex = RawFairMutex(RawMutex::new());

    type GuardMarker = <RawMutex as lock_api_04::RawMutex>::GuardMarker;

    #[inline]
    #[track_caller]
    fn lock(&self) {
        lock_api_04::RawMutex::lock(&self.0);
    }

    #[inline]
    fn try_lock(&self) -> bool {
        lock_api_04::RawMutex::try_lock(&self.0)
    }

    #[inline]
    unsafe fn unlock(&self) {
        // SAFETY: by the caller's promise.
        unsafe { lock_api_04::RawMutexFair::unlock_fair(&self.0) }
    }

    #[inline]
    fn is_locked(&self) -> bool {
        lock_api_04::RawMutex::is_locked(&self.0)
    }
}

// SAFETY: as above.
unsafe impl lock_api_04::RawMutexFair for RawFairMutex {
    unsafe fn unlock_fair(&self) {
        // SAFETY: by the caller's promise.
        unsafe { lock_api_04::RawMutexFair::unlock_fair(&self.0) }
    }

    #[track_caller]
    unsafe fn bump(&self) {
        // SAFETY: by the caller's promise.
        unsafe { lock_api_04::RawMutexFair::bump(&self.0) }
    }
}

// SAFETY: as above.
unsafe impl lock_api_04::RawMutexTimed for RawFairMutex {
    type Duration = Duration;
    type Instant = Instant;

    #[track_caller]
    fn try_lock_for(&self, timeout: Duration) -> bool {
        lock_api_04::RawMutexTimed::try_lock_for(&self.0, timeout)
    }

    #[track_caller]
    fn try_lock_until(&self, deadline: Instant) -> bool {
        lock_api_04::RawMutexTimed::try_lock_until(&self.0, deadline)
    }
}
