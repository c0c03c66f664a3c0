//! The readers-writer lock whose guards go from thread to thread.
//!
//! It is the same lock, without what depends on a guard staying with its thread: reads are counted
//! and leave no note, and the owner has no number of its own ([`Owner::ANONYMOUS`]). So a thread
//! that waits for itself does not find that out, because another thread may have its guard.

use std::fmt;
use std::time::Duration;

use lock_api::GuardSend;
use tk_core::Owner;
use tk_park::sync::Instant;
use tk_park::{Limit, WaitError};

use super::RawRwLock;
use super::traits::unlimited;
use super::word::{Keep, Step};

/// The owner of every lock of this kind.
const ANYONE: Owner = Owner::ANONYMOUS;

/// A readers-writer lock whose guards can be sent to other threads, with the traits of `lock_api`.
///
/// Use it where a type takes a `lock_api` lock as a parameter, and sends guards. Otherwise
/// [`RwLock`](crate::RwLock) is the better choice, because a lock whose guards may be anywhere
/// knows less: a thread that waits for its own guard blocks forever instead of a panic, a recursive
/// read waits for a writer that waits, a dump names no holder, and all readers count in one word.
///
/// ```
/// use tk_lock::RawSendRwLock;
///
/// let lock = lock_api::RwLock::<RawSendRwLock, _>::new(1);
/// std::thread::scope(|s| {
///     let mut guard = lock.write();
///     s.spawn(move || *guard += 1);
/// });
/// assert_eq!(*lock.read(), 2);
/// ```
pub struct RawSendRwLock(RawRwLock);

impl RawSendRwLock {
    /// Creates a free lock.
    ///
    /// ```
    /// static LOCK: tk_lock::RawSendRwLock = tk_lock::RawSendRwLock::new();
    /// assert!(LOCK.try_lock_shared_recursive());
    /// ```
    pub const fn new() -> RawSendRwLock {
        RawSendRwLock(RawRwLock::new())
    }

    /// Reads. Blocks while a writer has the lock. Does not block while another read lasts, even if
    /// a writer waits for that.
    ///
    /// Such reads can keep a writer waiting without end. `unlock_shared` of `lock_api` ends the
    /// read.
    ///
    /// ```
    /// let lock = tk_lock::RawSendRwLock::new();
    /// lock.lock_shared_recursive();
    /// lock.lock_shared_recursive();
    /// ```
    #[track_caller]
    pub fn lock_shared_recursive(&self) {
        unlimited(self.0.read_past_writer(Limit::never()));
    }

    /// Reads, unless a writer has the lock. Never blocks.
    ///
    /// ```
    /// assert!(tk_lock::RawSendRwLock::new().try_lock_shared_recursive());
    /// ```
    pub fn try_lock_shared_recursive(&self) -> bool {
        self.0.try_read_past_writer().is_some()
    }

    /// Reads. Blocks as [`lock_shared_recursive`](RawSendRwLock::lock_shared_recursive) does, until
    /// the limit is reached.
    ///
    /// # Errors
    ///
    /// If the limit is reached first. The error says which limit that was.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let lock = tk_lock::RawSendRwLock::new();
    /// assert!(lock.lock_shared_recursive_with(Duration::ZERO).is_ok());
    /// ```
    #[track_caller]
    pub fn lock_shared_recursive_with<'l>(
        &self,
        limit: impl Into<Limit<'l>>,
    ) -> Result<(), WaitError> {
        self.0.read_past_writer(limit.into())
    }

    /// Gives a model's atomics to the thread that makes the object.
    #[cfg(tk_loom)]
    #[doc(hidden)]
    pub fn loom_register(&self) {
        self.0.loom_register();
    }
}

/// For `lock_api` 0.4, where a guard may exist during each of these.
#[cfg(feature = "lock_api_04")]
impl RawSendRwLock {
    #[inline]
    #[track_caller]
    pub(crate) fn read_beside_guard(&self) {
        unlimited(self.0.read_unnoted(Limit::never()));
    }

    #[inline]
    #[track_caller]
    pub(crate) fn write_beside_guard(&self) {
        unlimited(self.0.write_as(ANYONE, Limit::never(), false));
    }

    #[inline]
    #[track_caller]
    pub(crate) fn upgradable_beside_guard(&self) {
        unlimited(self.0.upgradable_as(ANYONE, Limit::never(), false));
    }

    /// If this panics, the upgradable lock is held as before.
    #[track_caller]
    pub(crate) fn upgrade_beside_guard(&self, limit: Limit<'_>) -> Result<(), WaitError> {
        self.0.upgrade_to_write(limit, Keep::Upgradable)
    }
}

impl Default for RawSendRwLock {
    fn default() -> RawSendRwLock {
        RawSendRwLock::new()
    }
}

impl fmt::Debug for RawSendRwLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawSendRwLock")
            .field("locked", &self.0.is_held())
            .finish()
    }
}

// SAFETY: as for `RawRwLock` (see `traits.rs`). No step depends on the thread: a read is in the
// count, which any thread may take it off, and the word does not say which thread has the door.
unsafe impl lock_api::RawRwLock for RawSendRwLock {
    #[allow(
        clippy::declare_interior_mutable_const,
        reason = "as lock_api asks for"
    )]
    const INIT: RawSendRwLock = RawSendRwLock::new();

    type SharedGuard = GuardSend;
    type ExclusiveGuard = GuardSend;

    #[inline]
    #[track_caller]
    fn lock_shared(&self) -> GuardSend {
        unlimited(self.0.read_unnoted(Limit::never()));
        GuardSend::new()
    }

    #[inline]
    fn try_lock_shared(&self) -> Option<GuardSend> {
        self.0.try_read_unnoted().then(GuardSend::new)
    }

    #[inline]
    unsafe fn unlock_shared(&self, _: GuardSend) {
        self.0.end_unnoted_read();
    }

    #[inline]
    #[track_caller]
    fn lock_exclusive(&self) -> GuardSend {
        unlimited(self.0.write_as(ANYONE, Limit::never(), true));
        GuardSend::new()
    }

    #[inline]
    fn try_lock_exclusive(&self) -> Option<GuardSend> {
        self.0.try_write_as(ANYONE).then(GuardSend::new)
    }

    #[inline]
    unsafe fn unlock_exclusive(&self, _: GuardSend) {
        self.0.open(Step::Written, Keep::Nothing);
    }

    fn is_locked(&self) -> bool {
        self.0.is_held()
    }

    fn is_locked_exclusive(&self) -> bool {
        self.0.is_held_for_writing()
    }
}

// SAFETY: as above. `bump` returns with the lock held as before, and does not unwind: there is no
// owner whom a panic could name.
unsafe impl lock_api::RawRwLockFair for RawSendRwLock {
    unsafe fn unlock_shared_fair(&self, _: GuardSend) {
        self.0.end_unnoted_read();
    }

    unsafe fn unlock_exclusive_fair(&self, _: GuardSend) {
        self.0.open_fair(Step::Written);
    }

    #[track_caller]
    unsafe fn bump_shared(&self, _: &mut GuardSend) {
        self.0.bump_unnoted_read();
    }

    #[track_caller]
    unsafe fn bump_exclusive(&self, _: &mut GuardSend) {
        self.0.bump_write_as(ANYONE);
    }
}

// SAFETY: as above. The read is counted in the step that opens the door.
unsafe impl lock_api::RawRwLockDowngrade for RawSendRwLock {
    unsafe fn downgrade(&self, _: GuardSend) -> GuardSend {
        self.0.open(Step::Written, Keep::Read);
        GuardSend::new()
    }
}

// SAFETY: as above. A timed attempt that fails has taken nothing, and does not fail before its
// time.
unsafe impl lock_api::RawRwLockTimed for RawSendRwLock {
    type Duration = Duration;
    type Instant = Instant;

    #[track_caller]
    fn try_lock_shared_for(&self, timeout: Duration) -> Option<GuardSend> {
        let read = self.0.try_read_unnoted() || self.0.read_unnoted(Limit::after(timeout)).is_ok();
        read.then(GuardSend::new)
    }

    #[track_caller]
    fn try_lock_shared_until(&self, deadline: Instant) -> Option<GuardSend> {
        let read = self.0.read_unnoted(Limit::until(deadline));
        read.ok().map(|()| GuardSend::new())
    }

    #[track_caller]
    fn try_lock_exclusive_for(&self, timeout: Duration) -> Option<GuardSend> {
        let written = self.0.try_write_as(ANYONE)
            || self.0.write_as(ANYONE, Limit::after(timeout), true).is_ok();
        written.then(GuardSend::new)
    }

    #[track_caller]
    fn try_lock_exclusive_until(&self, deadline: Instant) -> Option<GuardSend> {
        let written = self.0.write_as(ANYONE, Limit::until(deadline), true);
        written.ok().map(|()| GuardSend::new())
    }
}

// SAFETY: as above.
unsafe impl lock_api::RawRwLockUpgrade for RawSendRwLock {
    type UpgradableGuard = GuardSend;

    #[inline]
    #[track_caller]
    fn lock_upgradable(&self) -> GuardSend {
        unlimited(self.0.upgradable_as(ANYONE, Limit::never(), true));
        GuardSend::new()
    }

    #[inline]
    fn try_lock_upgradable(&self) -> Option<GuardSend> {
        self.0.try_upgradable_as(ANYONE).then(GuardSend::new)
    }

    #[inline]
    unsafe fn unlock_upgradable(&self, _: GuardSend) {
        self.0.open(Step::Undrained, Keep::Nothing);
    }

    #[track_caller]
    unsafe fn upgrade(&self, guard: GuardSend) -> GuardSend {
        unlimited(self.0.upgrade_to_write(Limit::never(), Keep::Nothing));
        guard
    }

    unsafe fn try_upgrade(&self, guard: GuardSend) -> Result<GuardSend, GuardSend> {
        if self.0.try_upgrade_to_write() {
            Ok(guard)
        } else {
            Err(guard)
        }
    }
}

// SAFETY: as above.
unsafe impl lock_api::RawRwLockUpgradeFair for RawSendRwLock {
    unsafe fn unlock_upgradable_fair(&self, _: GuardSend) {
        self.0.open_fair(Step::Undrained);
    }

    #[track_caller]
    unsafe fn bump_upgradable(&self, _: &mut GuardSend) {
        self.0.bump_upgradable_read_as(ANYONE);
    }
}

// SAFETY: as above.
unsafe impl lock_api::RawRwLockUpgradeDowngrade for RawSendRwLock {
    unsafe fn downgrade_upgradable(&self, _: GuardSend) -> GuardSend {
        self.0.open(Step::Undrained, Keep::Read);
        GuardSend::new()
    }

    unsafe fn downgrade_to_upgradable(&self, guard: GuardSend) -> GuardSend {
        self.0.open(Step::Written, Keep::Upgradable);
        guard
    }
}

// SAFETY: as above. If the limit is reached, the upgradable lock is held as before.
unsafe impl lock_api::RawRwLockUpgradeTimed for RawSendRwLock {
    #[track_caller]
    fn try_lock_upgradable_for(&self, timeout: Duration) -> Option<GuardSend> {
        let taken = self.0.try_upgradable_as(ANYONE)
            || self
                .0
                .upgradable_as(ANYONE, Limit::after(timeout), true)
                .is_ok();
        taken.then(GuardSend::new)
    }

    #[track_caller]
    fn try_lock_upgradable_until(&self, deadline: Instant) -> Option<GuardSend> {
        let taken = self.0.upgradable_as(ANYONE, Limit::until(deadline), true);
        taken.ok().map(|()| GuardSend::new())
    }

    #[track_caller]
    unsafe fn try_upgrade_for(
        &self,
        guard: GuardSend,
        timeout: Duration,
    ) -> Result<GuardSend, GuardSend> {
        let upgraded = self
            .0
            .upgrade_to_write(Limit::after(timeout), Keep::Nothing);
        match upgraded {
            Ok(()) => Ok(guard),
            Err(_) => Err(guard),
        }
    }

    #[track_caller]
    unsafe fn try_upgrade_until(
        &self,
        guard: GuardSend,
        deadline: Instant,
    ) -> Result<GuardSend, GuardSend> {
        let upgraded = self
            .0
            .upgrade_to_write(Limit::until(deadline), Keep::Nothing);
        match upgraded {
            Ok(()) => Ok(guard),
            Err(_) => Err(guard),
        }
    }
}
