//! [`RawRwLock`] as the lock inside a `lock_api` readers-writer lock.

use std::time::Duration;

use lock_api::GuardNoSend;
use tk_park::sync::{Instant, current_owner};
use tk_park::{Limit, WaitError};

use super::word::{Keep, Step};
use super::{RawRwLock, ReadToken};

/// The result of a wait without a limit.
pub(super) fn unlimited<T>(result: Result<T, WaitError>) -> T {
    result.unwrap_or_else(|_| unreachable!("a wait without a limit does not reach it"))
}

// SAFETY: by *Drained means exclusive* (see `write.rs`), a writer is alone until it opens the door,
// and sees what all before it have done. By *Mode*, *Publish, then look* and *A light reader is
// seen*, a reader is seen by each writer until it leaves. A token that is leaked leaves its read in
// place, under an id that no other lock ever has. The lock can be moved only when no reference to
// it is left, and then no thread is parked on it. A call that panics has taken nothing, or gives it
// back first.
unsafe impl lock_api::RawRwLock for RawRwLock {
    #[allow(
        clippy::declare_interior_mutable_const,
        reason = "as lock_api asks for"
    )]
    const INIT: RawRwLock = RawRwLock::new();

    type SharedGuard = ReadToken;
    // The owner in the word's neighbor is the thread that has the guard.
    type ExclusiveGuard = GuardNoSend;

    #[inline]
    #[track_caller]
    fn lock_shared(&self) -> ReadToken {
        self.read_unlimited()
    }

    #[inline]
    fn try_lock_shared(&self) -> Option<ReadToken> {
        self.try_read()
    }

    #[inline]
    unsafe fn unlock_shared(&self, token: ReadToken) {
        self.end_read(token);
    }

    #[inline]
    #[track_caller]
    fn lock_exclusive(&self) -> GuardNoSend {
        self.write_unlimited();
        GuardNoSend::new()
    }

    #[inline]
    fn try_lock_exclusive(&self) -> Option<GuardNoSend> {
        self.try_write().then(GuardNoSend::new)
    }

    #[inline]
    unsafe fn unlock_exclusive(&self, _: GuardNoSend) {
        self.open(Step::Written, Keep::Nothing);
    }

    fn is_locked(&self) -> bool {
        self.is_held()
    }

    fn is_locked_exclusive(&self) -> bool {
        self.is_held_for_writing()
    }
}

// SAFETY: as above. `bump` returns with the lock held by this thread as before. It does not unwind:
// this thread holds the lock first, so no thread that a fork has left behind can hold it later.
unsafe impl lock_api::RawRwLockFair for RawRwLock {
    /// A writer at the door gets the lock when the last reader leaves, so every release of a read
    /// is fair.
    unsafe fn unlock_shared_fair(&self, token: ReadToken) {
        self.end_read(token);
    }

    unsafe fn unlock_exclusive_fair(&self, _: GuardNoSend) {
        self.open_fair(Step::Written);
    }

    #[track_caller]
    unsafe fn bump_shared(&self, token: &mut ReadToken) {
        self.bump_read(token);
    }

    #[track_caller]
    unsafe fn bump_exclusive(&self, _: &mut GuardNoSend) {
        self.bump_write_as(current_owner());
    }
}

// SAFETY: as above. The thread's read is counted in the step that opens the door.
unsafe impl lock_api::RawRwLockDowngrade for RawRwLock {
    unsafe fn downgrade(&self, _: GuardNoSend) -> ReadToken {
        let token = self.note_mine();
        self.open(Step::Written, Keep::Read);
        token
    }
}

// SAFETY: as above. A timed attempt that fails has taken nothing, and does not fail before its
// time.
unsafe impl lock_api::RawRwLockTimed for RawRwLock {
    type Duration = Duration;
    type Instant = Instant;

    #[track_caller]
    fn try_lock_shared_for(&self, timeout: Duration) -> Option<ReadToken> {
        // The clock is read only if the lock is held.
        match self.try_read() {
            Some(token) => Some(token),
            None => self.read(Limit::after(timeout)).ok(),
        }
    }

    #[track_caller]
    fn try_lock_shared_until(&self, deadline: Instant) -> Option<ReadToken> {
        self.read(Limit::until(deadline)).ok()
    }

    #[track_caller]
    fn try_lock_exclusive_for(&self, timeout: Duration) -> Option<GuardNoSend> {
        let written = self.try_write() || self.write(Limit::after(timeout)).is_ok();
        written.then(GuardNoSend::new)
    }

    #[track_caller]
    fn try_lock_exclusive_until(&self, deadline: Instant) -> Option<GuardNoSend> {
        let written = self.write(Limit::until(deadline));
        written.ok().map(|()| GuardNoSend::new())
    }
}

// SAFETY: as above. By *One door*, one thread has the upgradable lock. By *An upgrade is one step*,
// nobody writes before it does. An upgrade that panics has used up the guard, and gives the lock
// back.
unsafe impl lock_api::RawRwLockUpgrade for RawRwLock {
    type UpgradableGuard = GuardNoSend;

    #[inline]
    #[track_caller]
    fn lock_upgradable(&self) -> GuardNoSend {
        unlimited(self.upgradable(Limit::never()));
        GuardNoSend::new()
    }

    #[inline]
    fn try_lock_upgradable(&self) -> Option<GuardNoSend> {
        self.try_upgradable().then(GuardNoSend::new)
    }

    #[inline]
    unsafe fn unlock_upgradable(&self, _: GuardNoSend) {
        self.open(Step::Undrained, Keep::Nothing);
    }

    #[track_caller]
    unsafe fn upgrade(&self, _: GuardNoSend) -> GuardNoSend {
        unlimited(self.upgrade_to_write(Limit::never(), Keep::Nothing));
        GuardNoSend::new()
    }

    unsafe fn try_upgrade(&self, guard: GuardNoSend) -> Result<GuardNoSend, GuardNoSend> {
        if self.try_upgrade_to_write() {
            Ok(GuardNoSend::new())
        } else {
            Err(guard)
        }
    }
}

// SAFETY: as above.
unsafe impl lock_api::RawRwLockUpgradeFair for RawRwLock {
    unsafe fn unlock_upgradable_fair(&self, _: GuardNoSend) {
        self.open_fair(Step::Undrained);
    }

    #[track_caller]
    unsafe fn bump_upgradable(&self, _: &mut GuardNoSend) {
        self.bump_upgradable_read_as(current_owner());
    }
}

// SAFETY: as above.
unsafe impl lock_api::RawRwLockUpgradeDowngrade for RawRwLock {
    unsafe fn downgrade_upgradable(&self, _: GuardNoSend) -> ReadToken {
        let token = self.note_mine();
        self.open(Step::Undrained, Keep::Read);
        token
    }

    unsafe fn downgrade_to_upgradable(&self, _: GuardNoSend) -> GuardNoSend {
        self.open(Step::Written, Keep::Upgradable);
        GuardNoSend::new()
    }
}

// SAFETY: as above. If the limit is reached, the thread has the upgradable lock as before.
unsafe impl lock_api::RawRwLockUpgradeTimed for RawRwLock {
    #[track_caller]
    fn try_lock_upgradable_for(&self, timeout: Duration) -> Option<GuardNoSend> {
        let taken = self.try_upgradable() || self.upgradable(Limit::after(timeout)).is_ok();
        taken.then(GuardNoSend::new)
    }

    #[track_caller]
    fn try_lock_upgradable_until(&self, deadline: Instant) -> Option<GuardNoSend> {
        let taken = self.upgradable(Limit::until(deadline));
        taken.ok().map(|()| GuardNoSend::new())
    }

    #[track_caller]
    unsafe fn try_upgrade_for(
        &self,
        guard: GuardNoSend,
        timeout: Duration,
    ) -> Result<GuardNoSend, GuardNoSend> {
        let upgraded = self.upgrade_to_write(Limit::after(timeout), Keep::Nothing);
        match upgraded {
            Ok(()) => Ok(GuardNoSend::new()),
            Err(_) => Err(guard),
        }
    }

    #[track_caller]
    unsafe fn try_upgrade_until(
        &self,
        guard: GuardNoSend,
        deadline: Instant,
    ) -> Result<GuardNoSend, GuardNoSend> {
        let upgraded = self.upgrade_to_write(Limit::until(deadline), Keep::Nothing);
        match upgraded {
            Ok(()) => Ok(GuardNoSend::new()),
            Err(_) => Err(guard),
        }
    }
}

/// For `lock_api` 0.4, where a guard may exist during each of these.
#[cfg(feature = "lock_api_04")]
impl RawRwLock {
    #[inline]
    #[track_caller]
    pub(crate) fn read_beside_guard(&self) {
        unlimited(self.read_as(Limit::never(), false));
    }

    #[inline]
    #[track_caller]
    pub(crate) fn write_beside_guard(&self) {
        unlimited(self.write_as(current_owner(), Limit::never(), false));
    }

    #[inline]
    #[track_caller]
    pub(crate) fn upgradable_beside_guard(&self) {
        unlimited(self.upgradable_as(current_owner(), Limit::never(), false));
    }

    /// If this panics, the thread has the upgradable lock as before.
    #[track_caller]
    pub(crate) fn upgrade_beside_guard(&self, limit: Limit<'_>) -> Result<(), WaitError> {
        self.upgrade_to_write(limit, Keep::Upgradable)
    }
}
