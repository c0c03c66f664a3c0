//! The methods that a condition variable needs from a lock.

use tk_park::__private::Held;
use tk_park::WideWord;
use tk_park::sync::current_owner;

use crate::raw_lock::Taking;
use crate::{RawLock, RawRLock};

/// A lock that a condition variable can release and take again, and into whose queue it can move
/// threads.
///
/// Implement it for a lock of your own to use it with tk-condvar's `RawCondvar`. [`RawLock`] and
/// [`RawRLock`] implement it.
///
/// | method | called by | while |
/// |---|---|---|
/// | [`word`](CondvarLock::word) | a thread that waits | it holds the lock |
/// | [`release_save`](CondvarLock::release_save) | a thread that waits | it holds the lock, and is in the condition variable's queue |
/// | [`acquire_restore`](CondvarLock::acquire_restore) | the same thread | it is in no queue any more |
/// | [`mark_parked_if_locked`](CondvarLock::mark_parked_if_locked), [`mark_parked`](CondvarLock::mark_parked) | a thread that notifies | the condition variable's queue and the lock's are locked |
///
/// A notification that finds the lock held moves the waiting threads from the condition variable's
/// queue into the lock's, where each release wakes one. So there is no thundering herd: a thread is
/// woken when it can have the lock. If the lock is free, the notification wakes the first thread,
/// and moves the others.
///
/// # Safety
///
/// The lock keeps these promises:
///
/// - **Queue.** Threads that wait for the lock are parked on [`word`](CondvarLock::word), and on no
///   other word. It is the same word for as long as a thread waits, and nothing but this lock parks
///   or unparks there.
/// - **Parked bit.** If one of the two `mark_parked` methods has marked the lock, the release that
///   follows unparks one thread from the queue or hands the lock to one. It keeps the mark if more
///   threads are in the queue.
/// - **Any waiter.** The lock unparks every [`Waiter`](tk_park::Waiter) in its queue in its turn,
///   whatever its [tag](tk_park::Waiter::tag).
/// - **No surprises.** No method panics, forks, or runs code of the lock's user. Only
///   `acquire_restore` parks or allocates. The two `mark_parked` methods don't unpark either,
///   because they run with the queue locked.
///
/// ```
/// use std::sync::atomic::{AtomicU32, Ordering::*};
/// use tk_lock::CondvarLock;
/// use tk_park::{Limit, WaitInfo, WideWord, park, unpark_one};
///
/// const LOCKED: u32 = 1;
/// const PARKED: u32 = 2;
///
/// #[derive(Default)]
/// struct SimpleLock(AtomicU32);
///
/// impl SimpleLock {
///     #[track_caller]
///     fn acquire(&self) {
///         let info = WaitInfo::new("simple lock");
///         while self.0.fetch_or(LOCKED, Acquire) & LOCKED != 0 {
///             // Marks the lock and enters the queue in one step, unless the lock is free by now.
///             let _ = park(&self.0, || self.mark_parked_if_locked(), &info, Limit::never());
///         }
///     }
///
///     fn release(&self) {
///         if self.0.fetch_and(!LOCKED, Release) & PARKED != 0 {
///             unpark_one(&self.0, |result| {
///                 if !result.have_more_threads {
///                     self.0.fetch_and(!PARKED, Relaxed);
///                 }
///                 0
///             });
///         }
///     }
/// }
///
/// // SAFETY: threads wait in `acquire` alone, which parks on the one word. `release` unparks the
/// // first waiter if it finds the mark, and clears the mark if there is no other waiter.
/// unsafe impl CondvarLock for SimpleLock {
///     fn word(&self) -> &dyn WideWord {
///         &self.0
///     }
///
///     fn mark_parked_if_locked(&self) -> bool {
///         let mark = |word| (word & LOCKED != 0).then_some(word | PARKED);
///         self.0.fetch_update(Relaxed, Relaxed, mark).is_ok()
///     }
///
///     fn mark_parked(&self) {
///         self.0.fetch_or(PARKED, Relaxed);
///     }
///
///     unsafe fn release_save(&self) -> usize {
///         self.release();
///         0 // There is nothing to restore.
///     }
///
///     #[track_caller]
///     unsafe fn acquire_restore(&self, _: usize, _: u16) {
///         self.acquire(); // This lock has one token: all it says is that the thread may try.
///     }
/// }
///
/// let (lock, count) = (SimpleLock::default(), AtomicU32::new(0));
/// std::thread::scope(|s| {
///     for _ in 0..2 {
///         s.spawn(|| {
///             lock.acquire();
///             count.store(count.load(Relaxed) + 1, Relaxed);
///             lock.release();
///         });
///     }
/// });
/// assert_eq!(count.into_inner(), 2);
/// ```
pub unsafe trait CondvarLock: Sync {
    /// Returns the word on which threads wait for this lock.
    fn word(&self) -> &dyn WideWord;

    /// Marks the lock as one with parked threads, if a thread holds it. Returns whether one does.
    ///
    /// Must be one atomic step. Called with the lock's queue locked, before threads are moved into
    /// the queue. If it is called at any other time, threads may wait forever.
    fn mark_parked_if_locked(&self) -> bool;

    /// Marks the lock as one with parked threads, whether or not a thread holds it.
    ///
    /// Called with the lock's queue locked, after threads have been moved into the queue, and
    /// before another one is woken that takes the lock. So a release is to come. If it is called at
    /// any other time, threads may wait forever.
    fn mark_parked(&self);

    /// Releases the lock completely. Returns what [`acquire_restore`](CondvarLock::acquire_restore)
    /// needs, such as the recursion count of a reentrant lock.
    ///
    /// # Safety
    ///
    /// The calling thread holds the lock, uses nothing that it guards, and calls `acquire_restore`
    /// before it does.
    unsafe fn release_save(&self) -> usize;

    /// Takes the lock again, and restores what [`release_save`](CondvarLock::release_save)
    /// returned. Blocks while another thread holds the lock.
    ///
    /// `token` is the token with which the thread was unparked. A release of this lock gives a
    /// token of its choice to a thread in its queue. The token is zero if the thread comes from the
    /// condition variable instead, because it was notified there or has given up. A lock that gives
    /// other tokens than zero can hand itself over: such a token means that the thread holds it
    /// already.
    ///
    /// # Safety
    ///
    /// The calling thread has called `release_save`, which returned `saved`. After that it was
    /// unparked from the queue of this lock with `token`, or the token is zero.
    #[track_caller]
    unsafe fn acquire_restore(&self, saved: usize, token: u16);

    /// As [`acquire_restore`](CondvarLock::acquire_restore), by a thread that has a guard of the
    /// lock, so that no other thread releases it.
    ///
    /// # Safety
    ///
    /// As for `acquire_restore`.
    #[doc(hidden)]
    #[track_caller]
    unsafe fn acquire_restore_guarded(&self, saved: usize, token: u16) {
        // SAFETY: by the caller's promise.
        unsafe { self.acquire_restore(saved, token) }
    }

    /// Returns the thing that a thread waits for that was moved into the lock's queue, for a
    /// watcher.
    #[doc(hidden)]
    fn held(&self, has_guard: bool) -> Option<Held<'_>> {
        let _ = has_guard;
        None
    }
}

/// The way in which a thread takes a lock again after a wait.
fn again(has_guard: bool) -> Taking {
    if has_guard {
        Taking::Again
    } else {
        Taking::Bare
    }
}

// SAFETY:
// - Queue: `acquire_parking` parks on `word`, and nothing else does. The word is private.
// - Parked bit: see `word.rs` and `raw_lock/release.rs`.
// - Any waiter: a release unparks the first waiter without regard to its tag.
// - No surprises: a limit, whose tokens could run code, is `Limit::never()` here. `acquire_slow`
//   panics if a fork has lost the holder, but `acquire_woken` does not call it: the child of a fork
//   has no thread that waits.
unsafe impl CondvarLock for RawLock {
    fn word(&self) -> &dyn WideWord {
        self.word.queue()
    }

    fn mark_parked_if_locked(&self) -> bool {
        self.mark_parked_if_held()
    }

    fn mark_parked(&self) {
        self.mark_parked_anyway();
    }

    unsafe fn release_save(&self) -> usize {
        // An atomic release is right in either mode, and this thread is about to park anyway.
        self.release_atomically();
        0
    }

    #[track_caller]
    unsafe fn acquire_restore(&self, _: usize, token: u16) {
        self.acquire_woken(current_owner(), token, again(false));
    }

    #[track_caller]
    unsafe fn acquire_restore_guarded(&self, _: usize, token: u16) {
        self.acquire_woken(current_owner(), token, again(true));
    }

    fn held(&self, has_guard: bool) -> Option<Held<'_>> {
        Some(RawLock::held(self, again(has_guard)))
    }
}

// SAFETY: as for the `RawLock` inside, which has the queue. The levels beyond the first are what is
// saved: by the caller's promises, this thread owns the lock when it is read, and again when it is
// written.
unsafe impl CondvarLock for RawRLock {
    fn word(&self) -> &dyn WideWord {
        self.lock().word()
    }

    fn mark_parked_if_locked(&self) -> bool {
        self.lock().mark_parked_if_locked()
    }

    fn mark_parked(&self) {
        self.lock().mark_parked();
    }

    unsafe fn release_save(&self) -> usize {
        let me = current_owner();
        let again = self.suspend(me);
        self.lock().release_atomically();
        again
    }

    #[track_caller]
    unsafe fn acquire_restore(&self, again: usize, token: u16) {
        let me = current_owner();
        self.lock().acquire_woken(me, token, Taking::Again);
        self.resume(me, again);
    }

    fn held(&self, _: bool) -> Option<Held<'_>> {
        // The owner alone releases it.
        Some(self.lock().held(Taking::Again))
    }
}
