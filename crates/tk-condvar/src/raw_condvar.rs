//! The algorithm of the condition variable.
//!
//! 1. A thread enters the queue while it holds the lock, and releases the lock when it is in the queue and its record says
//!    so. Whoever takes the lock after that finds it there.
//! 2. While the queue holds a thread, `lock` is the address of the lock of all threads in it: it is set in the step in which
//!    the first one enters, and cleared by whoever finds the queue empty, both with the queue locked.
//! 3. A thread that gives up leaves the queue before it clears `lock`, and has not returned by then. So who finds an address
//!    there, with the queue locked, may look at the lock: a wait still borrows it.
//! 4. To notify all is to move all into the queue of the lock, where each is woken by a release, in their order. Only if no
//!    release is to come, because the lock is free, the first is woken to take it. That nobody is moved behind the last
//!    release is the lock's business: it is told, with both queues locked, to look into its queue.
//! 5. To notify one does the same with one, and to notify some wakes them: there is no way to move just so many in one step.
//! 6. A thread that has been moved has been notified. If its time runs out there, the wait was a success all the same.

use std::fmt;
use std::ops::ControlFlow;
use std::time::Duration;

use lock_api::GuardNoSend;
use tk_lock::RawLock;
use tk_park::sync::{AtomicUsize, Instant, Ordering::*};
use tk_park::{
    Choice, Limit, Parked, Requeue, SpinHistory, Unparked, Wait, WaitError, Waiter, deadline_after,
    park_then, requeue, unpark_filter, unpark_n,
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
    spins: SpinHistory,
}

#[cfg(not(tk_loom))]
const _: () = assert!(size_of::<RawCondvar>() <= 16);

impl RawCondvar {
    pub(crate) const fn new() -> RawCondvar {
        RawCondvar {
            lock: AtomicUsize::new(0),
            spins: SpinHistory::new(),
        }
    }

    /// Gives up the lock, waits for a notification or for the limit, and takes the lock again.
    ///
    /// # Panics
    ///
    /// If threads wait with another lock. This thread holds its own lock then.
    ///
    /// # Safety
    ///
    /// The calling thread holds the lock, and uses nothing that it guards until this returns.
    #[track_caller]
    pub(crate) unsafe fn wait(&self, lock: &RawLock, limit: Limit<'_>) -> Result<(), WaitError> {
        let wait = Wait::new("condition");
        let mut released = false;
        let parked = loop {
            let enter = || match self.lock.load(Relaxed) {
                0 => {
                    self.lock.store(lock.address(), Relaxed);
                    true
                }
                other => other == lock.address(),
            };
            let give_up = |waiter: &Waiter| {
                released = lock.release().is_ok();
                debug_assert!(released);
                self.spins.spin_for_a_wake_up(limit, || {
                    // Whoever is unparked without a filter, when nobody else waits, finds the queue empty and the lock free.
                    let alone = || self.lock.load(Relaxed) == 0 && !lock.is_locked();
                    match waiter.is_unparked() || alone() {
                        true => ControlFlow::Break(true),
                        false => ControlFlow::Continue(()),
                    }
                });
            };
            // SAFETY: to release a lock may unpark, but does not park.
            match unsafe { park_then(&self.lock, enter, give_up, &wait, limit) } {
                // Another lock's threads are in the queue, or have given up and are about to clear the key.
                Parked::Invalid if self.clear_key() => {}
                Parked::Invalid => two_locks(),
                parked => break parked,
            }
        };
        if !released {
            // The stop came before the thread was in the queue.
            return Err(WaitError::Stopped);
        }
        let (token, result) = match parked {
            Parked::Unparked(token) => (token, Ok(())),
            Parked::Requeued => (RawLock::TRY, Ok(())),
            Parked::TimedOut => (RawLock::TRY, Err(WaitError::TimedOut)),
            Parked::Stopped | Parked::Invalid => (RawLock::TRY, Err(WaitError::Stopped)),
        };
        if result.is_err() {
            self.clear_key();
        }
        // SAFETY: the token is what ended the wait. Without one, there is nothing special to be done.
        unsafe { lock.reacquire(token) };
        result
    }

    /// Clears the key if nobody is in the queue. Says whether that was so.
    fn clear_key(&self) -> bool {
        let result = unpark_filter(
            &self.lock,
            |_| Choice::End,
            |unparked| self.clear_key_unless(unparked.more),
        );
        !result.more
    }

    /// With the queue locked. The token that it returns is the usual one.
    fn clear_key_unless(&self, more: bool) -> u16 {
        if !more {
            self.lock.store(0, Relaxed);
        }
        RawLock::TRY
    }

    /// Notifies the `n` threads that have waited longest, or all if there are fewer. Returns how many.
    #[inline]
    pub(crate) fn notify(&self, n: usize) -> usize {
        // Relaxed: a thread that is to be notified has entered the queue before in an order that is made by the lock, or by
        // whatever else tells the caller that it waits.
        match (self.lock.load(Relaxed), n) {
            (0, _) => 0,
            (_, 1) => self.notify_by_move(Requeue::MoveOne, Requeue::UnparkOne),
            _ => self.notify_some(n),
        }
    }

    /// Notifies every thread that waits. Returns how many there were.
    #[inline]
    pub(crate) fn notify_everyone(&self) -> usize {
        // Relaxed: as in `notify`.
        match self.lock.load(Relaxed) {
            0 => 0,
            _ => self.notify_by_move(Requeue::MoveAll, Requeue::UnparkOneMoveRest),
        }
    }

    #[cold]
    fn notify_some(&self, n: usize) -> usize {
        let clear = |unparked: Unparked| self.clear_key_unless(unparked.more);
        unpark_n(&self.lock, n, clear).count
    }

    #[cold]
    fn notify_by_move(&self, if_locked: Requeue, if_free: Requeue) -> usize {
        loop {
            let address = self.lock.load(Relaxed);
            if address == 0 {
                return 0;
            }
            let decide = || {
                if self.lock.load(Relaxed) != address {
                    return None;
                }
                // SAFETY: by 3., as the queue is locked.
                match unsafe { RawLock::at_address(address) }.await_release() {
                    true => Some(if_locked),
                    false => Some(if_free),
                }
            };
            let clear = |unparked: Unparked| {
                if unparked.count > 0 && unparked.requeued > 0 {
                    // SAFETY: those who have been moved borrow the lock until it lets them go.
                    unsafe { RawLock::at_address(address) }.mark_parked();
                }
                self.clear_key_unless(unparked.more)
            };
            // SAFETY: those in the queue of this lock know its tokens, by `reacquire`. It is the address of a lock, which
            // is the key of its queue.
            if let Some(unparked) = unsafe { requeue(&self.lock, address, decide, clear) } {
                return unparked.count + unparked.requeued;
            }
        }
    }

    #[cfg(tk_loom)]
    pub(crate) fn touch(&self) {
        self.lock.touch();
    }

    #[cfg(tk_loom)]
    pub(crate) fn knows_a_lock(&self) -> bool {
        self.lock.load(Relaxed) != 0
    }
}

#[cold]
#[track_caller]
fn two_locks() -> ! {
    panic!("threads wait on this condition with another lock");
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
        let notified = unsafe { self.wait(lock, Limit::none()) };
        debug_assert_eq!(notified, Ok(()));
    }

    fn notify_one(&self) -> bool {
        self.notify(1) == 1
    }

    fn notify_all(&self) -> usize {
        self.notify_everyone()
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
        f.write_str("RawCondvar")
    }
}
