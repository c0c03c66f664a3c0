//! The mutex whose guards go from thread to thread.

use std::fmt;
use std::time::Duration;

use lock_api::{GuardNoSend, GuardSend};
use tk_park::WideWord;
use tk_park::sync::Instant;

use crate::{CondvarLock, RawLock};

/// A lock whose guards can be sent to other threads, with the traits of `lock_api`.
///
/// Use it where a type takes a `lock_api` lock as a parameter, and sends guards. Otherwise
/// [`Lock`](crate::Lock) is the better choice: a thread that locks this lock again while another
/// one has its guard may have to wait for that, so a thread that waits for itself blocks forever
/// and does not panic. A dump names the thread that has taken the lock.
///
/// ```
/// use tk_lock::RawSendLock;
///
/// let lock = lock_api::Mutex::<RawSendLock, _>::new(1);
/// std::thread::scope(|s| {
///     let mut guard = lock.lock();
///     s.spawn(move || *guard += 1);
/// });
/// assert_eq!(*lock.lock(), 2);
/// ```
#[derive(Default)]
pub struct RawSendLock(RawLock);

impl RawSendLock {
    /// Creates a free lock.
    ///
    /// ```
    /// static LOCK: tk_lock::RawSendLock = tk_lock::RawSendLock::new();
    /// ```
    pub const fn new() -> RawSendLock {
        RawSendLock(RawLock::new())
    }

    /// As `lock`. A guard may exist meanwhile.
    #[cfg(feature = "lock_api_04")]
    #[inline]
    #[track_caller]
    pub(crate) fn acquire_beside_guard(&self) {
        // No watcher breaks the wait, because any thread may release the lock.
        self.0.acquire();
    }
}

impl fmt::Debug for RawSendLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawSendLock")
            .field("locked", &self.0.is_locked())
            .finish()
    }
}

// SAFETY: as for `RawLock` (see `raw_mutex.rs`). A release by another thread than the one that the
// word names is as good: by *Seen by one side* (see `mode.rs`), a thread that parks has seen the
// store of whichever thread releases, or that one sees that it parks.
unsafe impl lock_api::RawMutex for RawSendLock {
    #[allow(
        clippy::declare_interior_mutable_const,
        reason = "as lock_api asks for"
    )]
    const INIT: RawSendLock = RawSendLock::new();

    type Guard = GuardSend;

    #[inline]
    #[track_caller]
    fn lock(&self) -> GuardSend {
        self.0.acquire();
        GuardSend::new()
    }

    #[inline]
    fn try_lock(&self) -> Option<GuardSend> {
        self.0.try_acquire().then(GuardSend::new)
    }

    #[inline]
    unsafe fn unlock(&self, _: GuardSend) {
        self.0.release_own();
    }

    #[inline]
    fn is_locked(&self) -> bool {
        self.0.is_locked()
    }
}

// SAFETY: as above. `bump` returns with the lock held, and does not unwind: the lock was held when
// it was called, so no thread that a fork has left behind can hold it later.
unsafe impl lock_api::RawMutexFair for RawSendLock {
    unsafe fn unlock_fair(&self, _: GuardSend) {
        self.0.release_fair();
    }

    #[track_caller]
    unsafe fn bump(&self, _: &mut GuardSend) {
        // SAFETY: by the caller's promise, the lock is held, for this call.
        unsafe { lock_api::RawMutexFair::bump(&self.0, &mut GuardNoSend::new()) }
    }
}

// SAFETY: as above. A timed attempt that fails has taken nothing, and does not fail before its
// time.
unsafe impl lock_api::RawMutexTimed for RawSendLock {
    type Duration = Duration;
    type Instant = Instant;

    #[track_caller]
    fn try_lock_for(&self, timeout: Duration) -> Option<GuardSend> {
        self.0.acquire_for(timeout).then(GuardSend::new)
    }

    #[track_caller]
    fn try_lock_until(&self, deadline: Instant) -> Option<GuardSend> {
        let taken = self.0.acquire_with(deadline);
        taken.ok().map(|()| GuardSend::new())
    }
}

// SAFETY: that of the lock inside, which has the queue.
unsafe impl CondvarLock for RawSendLock {
    fn word(&self) -> &dyn WideWord {
        self.0.word()
    }

    fn mark_parked_if_locked(&self) -> bool {
        self.0.mark_parked_if_locked()
    }

    fn mark_parked(&self) {
        self.0.mark_parked();
    }

    unsafe fn release_save(&self) -> usize {
        // SAFETY: by the caller's promise.
        unsafe { self.0.release_save() }
    }

    #[track_caller]
    unsafe fn acquire_restore(&self, saved: usize, token: u16) {
        // SAFETY: by the caller's promise.
        unsafe { self.0.acquire_restore(saved, token) }
    }
}
