//! The algorithm of the condition variable.
//!
//! 1. A thread enters the queue while it holds the lock, and releases the lock when it is in the queue and its record says
//!    so. Whoever takes the lock after that finds it there.
//! 2. While the queue holds a thread, `lock` is the key of the lock of all threads in it: it is set in the step in which
//!    the first one enters, and cleared by whoever finds the queue empty, both with the queue locked.
//! 3. A thread that gives up leaves the queue before it clears `lock`, and has not returned by then. So a stale key is
//!    that of a lock which is still borrowed by a wait.
//! 4. To notify all is to wake the first, and to move the others into the queue of the lock, where each is woken by a
//!    release. The first is told that others follow: when it takes the lock it says so in the lock's word.
//! 5. A thread that has been moved has been notified. If its time runs out there, the wait was a success all the same.

use std::fmt;
use std::time::Duration;

use lock_api::GuardNoSend;
use tk_lock::{FOLLOWED, RELEASED, RawLock};
use tk_park::sync::{AtomicUsize, Instant, Ordering::*};
use tk_park::{
    Choice, Limit, Parked, Unparked, Wait, WaitError, deadline_after, park_then, requeue,
    unpark_filter, unpark_n,
};

/// A condition variable without types: what [`Condvar`](crate::Condvar) and [`Condition`](crate::Condition) are made of.
///
/// Of use by itself only with `lock_api`. There are no spurious wake-ups, and the counts that its methods return are
/// exact.
#[derive(Default)]
pub struct RawCondvar {
    /// The key of the lock that the threads in the queue gave up, or zero.
    lock: AtomicUsize,
}

#[cfg(not(tk_loom))]
const _: () = assert!(size_of::<RawCondvar>() <= 16);

impl RawCondvar {
    pub(crate) const fn new() -> RawCondvar {
        RawCondvar {
            lock: AtomicUsize::new(0),
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
                    self.lock.store(lock.key(), Relaxed);
                    true
                }
                other => other == lock.key(),
            };
            let give_up = || {
                released = lock.release().is_ok();
                debug_assert!(released);
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
            Parked::Requeued => (RELEASED, Ok(())),
            Parked::TimedOut => (RELEASED, Err(WaitError::TimedOut)),
            Parked::Stopped | Parked::Invalid => (RELEASED, Err(WaitError::Stopped)),
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
        RELEASED
    }

    /// Wakes the `n` threads that have waited longest, or all if there are fewer. Returns how many.
    #[inline]
    pub(crate) fn notify(&self, n: usize) -> usize {
        // Relaxed: a thread that is to be notified has entered the queue before in an order that is made by the lock, or by
        // whatever else tells the caller that it waits.
        if self.lock.load(Relaxed) == 0 {
            return 0;
        }
        self.notify_slow(n)
    }

    #[cold]
    fn notify_slow(&self, n: usize) -> usize {
        unpark_n(&self.lock, n, |unparked| {
            self.clear_key_unless(unparked.more)
        })
        .count
    }

    /// Wakes the thread that has waited longest, and lets the others follow one by one. Returns how many there were.
    #[inline]
    pub(crate) fn notify_everyone(&self) -> usize {
        // Relaxed: as in `notify`.
        match self.lock.load(Relaxed) {
            0 => 0,
            lock => self.notify_everyone_slow(lock),
        }
    }

    #[cold]
    fn notify_everyone_slow(&self, mut lock: usize) -> usize {
        while lock != 0 {
            // With both queues locked. By 2., this is the lock of all who are in the queue.
            let same = || self.lock.load(Relaxed) == lock;
            let clear = |unparked: Unparked| {
                self.lock.store(0, Relaxed);
                match unparked.requeued {
                    0 => RELEASED,
                    _ => FOLLOWED,
                }
            };
            // SAFETY: those in the queue of this lock know its tokens, by `reacquire`. It is the address of a lock that
            // was borrowed when the key was set.
            match unsafe { requeue(&self.lock, lock, same, clear) } {
                Some(unparked) => return unparked.count + unparked.requeued,
                None => lock = self.lock.load(Relaxed),
            }
        }
        0
    }

    #[cfg(tk_loom)]
    pub(crate) fn touch(&self) {
        self.lock.touch();
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
