//! The algorithm of the condition variable.
//!
//! | state | `queue` | wait | notify |
//! |---|---|---|---|
//! | idle | empty | stands in the word, releases the lock, and spins | counts none |
//! | one waits, and spins | alone | puts it into the lot, and follows | wakes the thread |
//! | in the lot, lock held | the key of the lock's queue | enters the queue if the key is the same, panics if not | moves them into the lock's queue |
//! | in the lot, lock free | the same | the same | wakes the first thread, or a few; moves the others |
//!
//! How a thread stands in the word is described in `queue_word.rs` of tk-park. In what follows,
//! such a thread is in the queue.
//!
//! # Invariants
//!
//! **Queued before released.** A thread enters the queue while it holds the lock. It releases the
//! lock when it is in the queue, and, in the lot, its record is written. So a thread that takes the
//! lock after that, and notifies, finds it there.
//!
//! **One lock.** While a thread is in the queue in the lot, the mark of the queue is the key of the
//! queue of the lock that all threads in the queue have released. The first thread brings it. A
//! thread that finds the queue empty clears it. Both happen with the queue locked. In the child of
//! a fork the queue is empty, so a key from before the fork is cleared by the first wait or
//! notification.
//!
//! **Alone is awake.** A thread that stands in the word spins, so a notification wakes it even if
//! the lock is held, and does not move it: it costs no system call, and the thread waits for the
//! lock as it would in any case, spinning.
//!
//! **The lock is alive.** The tag of a waiter is the address of a reference to its lock, which lies
//! on the stack of the thread that waits, beside the borrow of the lock itself. The thread does not
//! leave [`wait_with`](RawCondvar::wait_with) while its waiter is in a queue, or has been taken out
//! of one and is about to be woken. So a notifier may follow the tag while the queue is locked.
//!
//! **Moved is notified.** A thread that has been moved into the queue of its lock has been
//! notified. If its time runs out there, or its token is stopped, the wait was a success all the
//! same.
//!
//! **A release is to come** (see `raw_lock/acquire.rs` of tk-lock). A notifier moves threads into
//! the queue of the lock only if the lock is held, and marks it in the same step, or if it wakes
//! the first ones, which take the lock. So each moved thread is woken by a release, in its turn,
//! and no thread is moved behind the last release.
//!
//! **A few at a time.** A wake-up takes as long as some ten threads need to pass through a lock. If
//! each of many threads was woken by the release of the one before it, processors would fall idle
//! in between. If all were woken at a time, they would wait for the lock again, and sleep again. So
//! `notify_all` has [`COMPANIONS`] woken together with the first one, or in its place. From then
//! on, each release wakes one more.

use std::cell::Cell;
use std::fmt;
use std::time::Duration;

use lock_api::GuardNoSend;
use tk_lock::{CondvarLock, RawLock};
use tk_park::__private::{Failed, Held, QueueState, QueueWord, park_in_word};
use tk_park::sync::Instant;
use tk_park::{
    FilterOp, Limit, Parked, RequeueOp, UnparkResult, WaitError, WaitInfo, Waiter, WideWord,
    deadline_after, requeue, unpark_filter, unpark_n,
};

/// A condition variable for every lock that implements [`CondvarLock`].
///
/// [`Condvar`](crate::Condvar) and [`Condition`](crate::Condition) are made of it. Use it by itself
/// with a lock of your own, or as the raw part of `lock_api`'s condition variable. There are no
/// spurious wake-ups, and the counts that its methods return are exact.
///
/// ```
/// use std::time::Duration;
/// use tk_condvar::{RawCondvar, WaitError};
/// use tk_lock::RawRLock;
///
/// let (lock, changed) = (RawRLock::new(), RawCondvar::new());
/// lock.acquire();
/// lock.acquire();
/// // SAFETY: this thread holds the lock, which guards nothing.
/// let waited = unsafe { changed.wait_with(&lock, Duration::from_millis(1)) };
/// assert_eq!(waited, Err(WaitError::TimedOut));
/// assert_eq!(lock.recursion_count(), 2);
///
/// assert!(!lock_api::Condvar::<RawCondvar>::new().notify_one()); // LockApiCondvar.
/// ```
#[derive(Default)]
pub struct RawCondvar {
    /// The mark is the key of the queue of the lock that the threads have released.
    queue: QueueWord,
}

#[cfg(not(tk_loom))]
const _: () = assert!(size_of::<RawCondvar>() <= 16);

/// How many threads are woken at a time: *A few at a time*. In models, as few as show whether there
/// are more than one, and whether the others are moved.
const COMPANIONS: u8 = if cfg!(tk_loom) { 1 } else { 7 };

/// Token of a thread that is notified and not moved: it takes the lock like any other thread.
const TOKEN_NOTIFIED: u16 = 0;

impl RawCondvar {
    /// Creates a condition variable on which no thread waits.
    ///
    /// ```
    /// use tk_condvar::RawCondvar;
    ///
    /// static CHANGED: RawCondvar = RawCondvar::new();
    /// assert_eq!(CHANGED.notify_all(), 0);
    /// ```
    pub const fn new() -> RawCondvar {
        RawCondvar {
            queue: QueueWord::new(),
        }
    }

    /// Releases the lock, waits for a notification, and takes the lock again. Gives up waiting when
    /// the limit is reached. The thread holds the lock again in any case.
    ///
    /// # Errors
    ///
    /// If the limit is reached first. The error says which limit that was.
    ///
    /// # Panics
    ///
    /// If other threads wait on this condition variable with another lock. Then the lock has not
    /// been released.
    ///
    /// # Safety
    ///
    /// The calling thread holds the lock, and uses nothing that the lock guards until this returns.
    /// The conversion into a [`Limit`] is no part of that: it runs before all else.
    #[track_caller]
    pub unsafe fn wait_with<'l>(
        &self,
        lock: &impl CondvarLock,
        limit: impl Into<Limit<'l>>,
    ) -> Result<(), WaitError> {
        // The conversion is the caller's code, and comes first.
        let limit = limit.into();
        // SAFETY: by the caller's promise.
        unsafe { self.wait_as(lock, limit, false) }
    }

    /// As [`wait_with`](RawCondvar::wait_with). Says whether the thread has a guard of the lock, so
    /// that no other thread releases it.
    ///
    /// # Safety
    ///
    /// As for `wait_with`.
    #[track_caller]
    pub(crate) unsafe fn wait_as(
        &self,
        lock: &impl CondvarLock,
        limit: Limit<'_>,
        has_guard: bool,
    ) -> Result<(), WaitError> {
        // The lock is alive: the tag is followed only while this call lasts.
        let tagged: &dyn CondvarLock = lock;
        let info = WaitInfo::of_spin("condition").tag((&raw const tagged).expose_provenance());
        let key = key_of(lock.word());
        // Nobody holds a condition variable. A notification may move this thread to the lock's
        // queue.
        let held = lock.held(has_guard).map(Held::when_moved);
        let mut saved = None;
        let parked = loop {
            let release = || {
                // SAFETY: by the caller's promise. `acquire_restore` follows below.
                saved = Some(unsafe { lock.release_save() });
            };
            // Queued before released.
            // SAFETY: by the promises of `CondvarLock`, a release neither parks, panics nor forks.
            let parked = unsafe { park_in_word(&self.queue, key, release, &info, limit, held) };
            match parked {
                // The threads of another lock have given up, and are about to clear its key.
                Ok(Parked::Invalid) if self.leave_lot_if_empty() => {}
                Ok(Parked::Invalid) => panic_two_locks(),
                parked => break parked,
            }
        };
        let Some(saved) = saved else {
            // The stop was requested before the thread was in the queue.
            return Err(WaitError::Stopped);
        };
        let (token, result) = match parked {
            Ok(Parked::Unparked(token)) => (token, Ok(())),
            // Moved is notified.
            Ok(_) => (TOKEN_NOTIFIED, Ok(())),
            Err(Failed::Limit(error)) => (TOKEN_NOTIFIED, Err(error)),
            Err(Failed::Deadlock(_)) => unreachable!("the wait is not breakable"),
        };
        if result.is_err() {
            // So that the next notification is one load, if this was the last thread.
            self.leave_lot_if_empty();
        }
        // SAFETY: `release_save` has returned `saved`. The token is that of a release of the lock,
        // if the thread was moved into its queue, and zero if not.
        unsafe {
            if has_guard {
                lock.acquire_restore_guarded(saved, token);
            } else {
                lock.acquire_restore(saved, token);
            }
        }
        result
    }

    /// Clears the key if no thread is in the lot. Returns whether none is.
    fn leave_lot_if_empty(&self) -> bool {
        let result = unpark_filter(
            self.queue.word(),
            |_| FilterOp::Stop,
            |unparked| self.leave_lot_after(unparked),
        );
        !result.have_more_threads
    }

    /// Clears the key if no thread is left in the lot, and returns the token for those that are
    /// woken. With the queue locked.
    fn leave_lot_after(&self, unparked: UnparkResult) -> u16 {
        if !unparked.have_more_threads {
            self.queue.leave_lot();
        }
        TOKEN_NOTIFIED
    }

    /// Notifies the `n` threads that have waited longest, or all if there are fewer. Returns how
    /// many. Never blocks.
    ///
    /// ```
    /// assert_eq!(tk_condvar::RawCondvar::new().notify(2), 0);
    /// ```
    #[inline]
    pub fn notify(&self, n: usize) -> usize {
        match (self.queue.state(), n) {
            (QueueState::Empty, _) | (_, 0) => 0,
            (_, 1) => self.notify_queue(Notify::One),
            (_, n) => self.notify_queue(Notify::Some(n)),
        }
    }

    /// Notifies every thread that waits. Returns how many there were. Never blocks.
    ///
    /// ```
    /// assert_eq!(tk_condvar::RawCondvar::new().notify_all(), 0);
    /// ```
    #[doc(alias = "notifyAll")]
    #[inline]
    pub fn notify_all(&self) -> usize {
        match self.queue.state() {
            QueueState::Empty => 0,
            _ => self.notify_queue(Notify::All),
        }
    }

    #[cold]
    fn notify_queue(&self, notify: Notify) -> usize {
        loop {
            match self.queue.state() {
                QueueState::Empty => return 0,
                // Alone is awake.
                QueueState::Alone(alone) => {
                    if self.queue.wake(alone, TOKEN_NOTIFIED) {
                        return 1;
                    }
                }
                QueueState::InLot(key) => {
                    if let Some(notified) = self.notify_lot(key, notify) {
                        return notified;
                    }
                }
            }
        }
    }

    /// Notifies threads in the lot, which have released the lock with this key. Returns how many;
    /// or `None` if the state is another one by now.
    fn notify_lot(&self, key: usize, notify: Notify) -> Option<usize> {
        let is_the_same = || self.queue.state() == QueueState::InLot(key);
        let (lock, was_the_same) = (Cell::new(None), Cell::new(false));
        let callback = |unparked: UnparkResult| {
            was_the_same.set(is_the_same());
            if unparked.unparked_threads > 0
                && unparked.requeued_threads > 0
                && let Some(lock) = lock.get()
            {
                // A release is to come, by a thread that is woken now.
                CondvarLock::mark_parked(lock);
            }
            self.leave_lot_after(unparked)
        };
        let unparked = if let Notify::Some(n) = notify {
            // They are not moved, because a requeue moves one thread or all.
            unpark_n(self.queue.word(), n, callback)
        } else {
            let decide = |first: &Waiter| {
                // Otherwise the threads of this key have left, and others with another lock have
                // come.
                is_the_same().then(|| {
                    // SAFETY: the waiter is in the queue of this condition variable, so `wait_with`
                    // has tagged it. The lock is alive: the reference is not used after `callback`,
                    // and until then a waiter that leaves the queue is not woken.
                    let locked = unsafe { lock_of(first) };
                    lock.set(Some(locked));
                    notify.operation(first, locked.mark_parked_if_locked())
                })
            };
            // SAFETY: One lock: the key is that of the queue of the lock which the threads here
            // have released, and they take its tokens, by `acquire_restore`.
            unsafe { requeue(self.queue.word(), key, decide, callback) }?
        };
        let notified = unparked.unparked_threads + unparked.requeued_threads;
        (was_the_same.get() || notified > 0).then_some(notified)
    }

    #[cfg(tk_loom)]
    pub(crate) fn loom_register(&self) {
        self.queue.loom_register();
    }

    #[cfg(tk_loom)]
    pub(crate) fn has_waiters_in_the_lot(&self) -> bool {
        matches!(self.queue.state(), QueueState::InLot(_))
    }

    #[cfg(tk_loom)]
    pub(crate) fn knows_a_lock(&self) -> bool {
        self.queue.state() != QueueState::Empty
    }
}

/// Returns the key of the queue in which threads wait for this word: its address.
fn key_of(word: &dyn WideWord) -> usize {
    (&raw const *word).cast::<()>().addr()
}

/// As [`RawCondvar::wait_with`], for a thread that has a guard of the lock. So no other thread
/// releases the lock, and a watcher knows who can end a wait for it.
///
/// # Safety
///
/// As for `wait_with`. The lock is released by the guard, and in no other way.
#[track_caller]
pub unsafe fn wait_with_guard(
    condvar: &RawCondvar,
    lock: &impl CondvarLock,
    limit: Limit<'_>,
) -> Result<(), WaitError> {
    // SAFETY: by the caller's promise.
    unsafe { condvar.wait_as(lock, limit, true) }
}

/// Returns the lock that the thread of this waiter has released.
///
/// # Safety
///
/// `wait_with` has tagged the waiter. The thread does not leave `wait_with` in `'a`.
unsafe fn lock_of<'a>(waiter: &Waiter) -> &'a dyn CondvarLock {
    let tagged = std::ptr::with_exposed_provenance::<&dyn CondvarLock>(waiter.tag());
    // SAFETY: by the caller's promise, the reference lies on the stack of that thread.
    unsafe { *tagged }
}

/// How many threads a notification is for, if it moves them.
#[derive(Clone, Copy)]
enum Notify {
    One,
    Some(usize),
    All,
}

impl Notify {
    /// With the queues locked.
    fn operation(self, first: &Waiter, lock_is_held: bool) -> RequeueOp {
        match (self, lock_is_held) {
            // A few at a time.
            (Notify::All, true) => {
                first.set_companions(COMPANIONS);
                RequeueOp::RequeueAll
            }
            (Notify::All, false) => RequeueOp::UnparkSomeRequeueRest(COMPANIONS.into()),
            (_, true) => RequeueOp::RequeueOne,
            (_, false) => RequeueOp::UnparkOne,
        }
    }
}

#[cold]
#[inline(never)]
#[track_caller]
fn panic_two_locks() -> ! {
    panic!(
        "attempted to use a condition variable with more than one mutex: threads wait on it with \
         another lock"
    );
}

// SAFETY: a thread is in the queue before it releases the lock, and takes the lock again before it
// returns. The one panic comes before the lock is released. A guard has no state.
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
        let notified = unsafe { self.wait_as(lock, Limit::never(), true) };
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
        unsafe { self.wait_as(lock, Limit::until(*deadline), true) }.is_err()
    }
}

impl fmt::Debug for RawCondvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawCondvar").finish_non_exhaustive()
    }
}
