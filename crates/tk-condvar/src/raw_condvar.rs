//! The algorithm of the condition variable.
//!
//! # States
//!
//! | state | `lock` | wait | notify |
//! |---|---|---|---|
//! | idle | `0` | stores the lock's address, enters the queue | counts none |
//! | waited for | the address of a lock | enters the queue if the lock is the same, panics if not | moves threads into the queue of the lock if that is held; wakes the first, and moves the others, if it is free |
//!
//! # Invariants
//!
//! **Queued before released.** A thread enters the queue while it holds the lock, and releases the lock when it is in the
//! queue and its record says so. So a thread that takes the lock after that, and notifies, finds it there.
//!
//! **One lock.** While the queue holds a thread, `lock` is the address of the lock that all threads in it have released. The
//! first thread stores it on entry, and whoever finds the queue empty clears it, both with the queue locked.
//!
//! **The lock is alive.** A thread that gives up leaves the queue before it clears `lock`, and returns after that. So a
//! notifier that finds an address in `lock`, with the queue locked, may look at that lock: a wait still borrows it. The
//! threads of another process do not count: in the child of a fork, an address from before the fork is taken for `0`.
//!
//! **Moved is notified.** A thread that has been moved into the queue of its lock has been notified. If its time runs out
//! there, or its token is stopped, the wait was a success all the same.
//!
//! **A release is to come** (see `raw_lock.rs`). A notifier moves threads into the queue of the lock only if the lock is
//! held, with `PARKED` set in the same step, or while it wakes the first of them to take the lock. So each moved thread is
//! woken by a release, in its turn, and nobody is moved behind the last release.

use std::fmt;
use std::time::Duration;

use lock_api::GuardNoSend;
use tk_lock::__private::{self as seam, TOKEN_NORMAL};
use tk_lock::RawLock;
use tk_park::sync::{AtomicUsize, Instant, Ordering::*};
use tk_park::{
    AdaptiveSpin, FilterOp, Limit, Parked, RequeueOp, UnparkResult, WaitError, WaitInfo, Waiter,
    deadline_after, park_with, requeue, unpark_filter, unpark_n,
};

/// A condition variable without types: what [`Condvar`](crate::Condvar) and [`Condition`](crate::Condition) are made of.
///
/// Of use by itself only with `lock_api`. There are no spurious wake-ups, and the counts that its methods return are
/// exact.
///
/// ```
/// use tk_condvar::RawCondvar;
///
/// type Condvar = lock_api::Condvar<RawCondvar>;
/// assert!(!Condvar::new().notify_one());
/// ```
#[derive(Default)]
pub struct RawCondvar {
    /// The address of the lock that the threads in the queue gave up, or zero.
    lock: AtomicUsize,
    spin: AdaptiveSpin,
}

#[cfg(not(tk_loom))]
const _: () = assert!(size_of::<RawCondvar>() <= 16);

impl RawCondvar {
    pub(crate) const fn new() -> RawCondvar {
        RawCondvar {
            lock: AtomicUsize::new(0),
            spin: AdaptiveSpin::new(),
        }
    }

    /// Releases the lock, waits for a notification or for the limit, and takes the lock again.
    ///
    /// # Panics
    ///
    /// If threads wait with another lock. Then this thread still holds its own.
    ///
    /// # Safety
    ///
    /// The calling thread holds the lock, and uses nothing that it guards until this returns.
    #[track_caller]
    pub(crate) unsafe fn wait(&self, lock: &RawLock, limit: Limit<'_>) -> Result<(), WaitError> {
        let wait = WaitInfo::new("condition");
        let mut released = false;
        let parked = loop {
            let enter = || self.enter(seam::address(lock));
            let release_and_spin = |waiter: &Waiter| {
                released = true;
                // Queued before released.
                seam::release(lock);
                // In the queue: a notification counts this thread already.
                self.spin.spin_while(|| !waiter.is_unparked(), limit);
            };
            // SAFETY: to release a lock may unpark, but does not park.
            match unsafe { park_with(&self.lock, enter, release_and_spin, &wait, limit) } {
                // The threads of another lock have given up, and are about to clear its address.
                Ok(Parked::Invalid) if self.clear_lock_if_empty() => {}
                Ok(Parked::Invalid) => two_locks(),
                parked => break parked,
            }
        };
        if !released {
            // The stop came before the thread was in the queue.
            return Err(WaitError::Stopped);
        }
        let (token, result) = match parked {
            Ok(Parked::Unparked(token)) => (token, Ok(())),
            // Moved is notified.
            Ok(_) => (TOKEN_NORMAL, Ok(())),
            Err(error) => (TOKEN_NORMAL, Err(error)),
        };
        if result.is_err() {
            // The lock is alive: not after this returns.
            self.clear_lock_if_empty();
        }
        // SAFETY: the token is what ended the wait, or the usual one.
        unsafe { seam::reacquire(lock, token) };
        result
    }

    /// Has the calling thread wait with the lock at this address, unless others wait with another. With the queue locked.
    fn enter(&self, address: usize) -> bool {
        match self.lock.load(Relaxed) {
            0 => {
                self.lock.store(address, Relaxed);
                true
            }
            other => other == address,
        }
    }

    /// Clears the address if nobody is in the queue. Returns whether that was so.
    fn clear_lock_if_empty(&self) -> bool {
        let result = unpark_filter(
            &self.lock,
            |_| FilterOp::Stop,
            |unparked| self.clear_lock_unless(unparked.have_more_threads),
        );
        !result.have_more_threads
    }

    /// With the queue locked. The token that it returns is the usual one.
    fn clear_lock_unless(&self, more: bool) -> u16 {
        if !more {
            self.lock.store(0, Relaxed);
        }
        TOKEN_NORMAL
    }

    /// Notifies the `n` threads that have waited longest, or all if there are fewer. Returns how many.
    #[inline]
    pub(crate) fn notify(&self, n: usize) -> usize {
        // Relaxed: the lock, or whatever else tells the caller that a thread waits, orders this after its entry.
        match (self.lock.load(Relaxed), n) {
            (0, _) | (_, 0) => 0,
            (_, 1) => self.notify_requeue(Notify::One),
            _ => self.notify_some(n),
        }
    }

    /// Notifies every thread that waits. Returns how many there were.
    #[inline]
    pub(crate) fn notify_all(&self) -> usize {
        // Relaxed: as in `notify`.
        match self.lock.load(Relaxed) {
            0 => 0,
            _ => self.notify_requeue(Notify::All),
        }
    }

    /// There is no way to move just so many threads in one step, so they are woken.
    #[cold]
    fn notify_some(&self, n: usize) -> usize {
        let clear = |unparked: UnparkResult| self.clear_lock_unless(unparked.have_more_threads);
        unpark_n(&self.lock, n, clear).unparked_threads
    }

    #[cold]
    fn notify_requeue(&self, notify: Notify) -> usize {
        loop {
            let address = self.lock.load(Relaxed);
            if address == 0 {
                return 0;
            }
            let decide = |_: &Waiter| {
                if self.lock.load(Relaxed) != address {
                    return None;
                }
                // SAFETY: The lock is alive, as the queue is locked.
                let lock = unsafe { seam::at_address(address) };
                Some(notify.operation(seam::mark_parked_if_locked(lock)))
            };
            let clear = |unparked: UnparkResult| {
                if unparked.unparked_threads > 0 && unparked.requeued_threads > 0 {
                    // SAFETY: those who have been moved borrow the lock until it lets them go.
                    seam::mark_parked(unsafe { seam::at_address(address) });
                }
                self.clear_lock_unless(unparked.have_more_threads)
            };
            // SAFETY: those in the queue of this lock know its tokens, by `reacquire`. It is the address of a lock, which
            // is the key of its queue.
            if let Some(unparked) = unsafe { requeue(&self.lock, address, decide, clear) } {
                return unparked.unparked_threads + unparked.requeued_threads;
            }
        }
    }

    #[cfg(tk_loom)]
    pub(crate) fn loom_register(&self) {
        self.lock.loom_register();
    }

    #[cfg(tk_loom)]
    pub(crate) fn knows_a_lock(&self) -> bool {
        self.lock.load(Relaxed) != 0
    }
}

/// How many threads a notification is for, if it moves them.
#[derive(Clone, Copy)]
enum Notify {
    One,
    All,
}

impl Notify {
    fn operation(self, lock_is_held: bool) -> RequeueOp {
        match (self, lock_is_held) {
            (Notify::One, true) => RequeueOp::RequeueOne,
            (Notify::One, false) => RequeueOp::UnparkOne,
            (Notify::All, true) => RequeueOp::RequeueAll,
            (Notify::All, false) => RequeueOp::UnparkOneRequeueRest,
        }
    }
}

#[cold]
#[inline(never)]
#[track_caller]
fn two_locks() -> ! {
    panic!(
        "attempted to use a condition variable with more than one mutex: threads wait on it with another lock"
    );
}

// SAFETY: a thread is in the queue before it releases the lock, and takes the lock again before it returns. The one panic
// comes before the lock is released. A guard has no state.
unsafe impl lock_api::RawCondvar for RawCondvar {
    #[allow(
        clippy::declare_interior_mutable_const,
        reason = "as lock_api asks for"
    )]
    const INIT: RawCondvar = RawCondvar::new();

    type RawMutex = RawLock;

    #[track_caller]
    unsafe fn wait(&self, lock: &RawLock, _: &mut GuardNoSend) {
        // SAFETY: by the caller's promise.
        let notified = unsafe { self.wait(lock, Limit::never()) };
        debug_assert_eq!(notified, Ok(()));
    }

    fn notify_one(&self) -> bool {
        self.notify(1) == 1
    }

    fn notify_all(&self) -> usize {
        self.notify_all()
    }
}

// SAFETY: as above.
unsafe impl lock_api::RawCondvarTimed for RawCondvar {
    fn checked_duration_to_instant(timeout: &Duration) -> Option<Instant> {
        deadline_after(*timeout)
    }

    #[track_caller]
    unsafe fn wait_until(&self, lock: &RawLock, _: &mut GuardNoSend, deadline: &Instant) -> bool {
        // SAFETY: by the caller's promise.
        unsafe { self.wait(lock, Limit::until(*deadline)) }.is_err()
    }
}

impl fmt::Debug for RawCondvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawCondvar").finish_non_exhaustive()
    }
}
