//! [`RawLock`] as the lock inside a `lock_api` mutex.

use std::time::Duration;

use lock_api::GuardNoSend;
use tk_park::Limit;
use tk_park::sync::{Instant, current_owner};

use crate::RawLock;
use crate::raw_lock::Taking;

// SAFETY: by *Mutual exclusion* (see `word.rs`), one thread at a time holds the lock, and sees what
// the owners before it have done. A guard has no state, so if it is leaked, the lock stays held and
// nothing else happens. The lock can be moved only when no reference to it is left, and then no
// thread is parked on it. `lock` panics before it has taken anything, and `unlock` does not panic.
unsafe impl lock_api::RawMutex for RawLock {
    #[allow(
        clippy::declare_interior_mutable_const,
        reason = "as lock_api asks for"
    )]
    const INIT: RawLock = RawLock::new();

    // A release by another thread would be sound, but the owner in the word would not be the thread
    // that has the guard.
    type Guard = GuardNoSend;

    #[inline]
    #[track_caller]
    fn lock(&self) -> GuardNoSend {
        self.acquire_once(current_owner(), Taking::Guarded);
        GuardNoSend::new()
    }

    #[inline]
    fn try_lock(&self) -> Option<GuardNoSend> {
        self.try_acquire().then(GuardNoSend::new)
    }

    #[inline]
    unsafe fn unlock(&self, _: GuardNoSend) {
        self.release_own();
    }

    #[inline]
    fn is_locked(&self) -> bool {
        RawLock::is_locked(self)
    }
}

// SAFETY: as above. A timed attempt that fails has taken nothing, and does not fail before its
// time.
unsafe impl lock_api::RawMutexTimed for RawLock {
    type Duration = Duration;
    type Instant = Instant;

    #[track_caller]
    fn try_lock_for(&self, timeout: Duration) -> Option<GuardNoSend> {
        // The clock is read only if the lock is held.
        if self.try_acquire() {
            return Some(GuardNoSend::new());
        }
        let limit = Limit::after(timeout);
        if limit.is_unlimited() {
            // Too long for the clock, so the wait has no limit, and a relock panics.
            return Some(lock_api::RawMutex::lock(self));
        }
        self.acquire_with(limit).ok().map(|()| GuardNoSend::new())
    }

    #[track_caller]
    fn try_lock_until(&self, deadline: Instant) -> Option<GuardNoSend> {
        let taken = self.acquire_with(deadline);
        taken.ok().map(|()| GuardNoSend::new())
    }
}

// SAFETY: as above. `bump` returns with the lock held by this thread, as before. It does not
// unwind: this thread holds the lock first, so no thread that a fork has left behind can hold it
// later.
unsafe impl lock_api::RawMutexFair for RawLock {
    unsafe fn unlock_fair(&self, _: GuardNoSend) {
        self.release_fair();
    }

    #[track_caller]
    unsafe fn bump(&self, _: &mut GuardNoSend) {
        self.bump_as(current_owner());
    }
}

#[cfg(feature = "lock_api_04")]
impl RawLock {
    /// As `lock`. A guard may exist meanwhile.
    #[inline]
    #[track_caller]
    pub(crate) fn acquire_beside_guard(&self) {
        self.acquire_once(current_owner(), Taking::Again);
    }
}
