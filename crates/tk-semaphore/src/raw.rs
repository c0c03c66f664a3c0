//! The counting and the queueing.
//!
//! A thread that does not get its permits at the first try enters the queue, and spins and sleeps
//! there. The queue is the line: a thread is in line from the step in which it enters, and permits
//! go out in that order (FIFO).
//!
//! | state | `try_acquire`, a fast `acquire` | a wait | `release` |
//! |---|---|---|---|
//! | permits enough, no [`QUEUED`] | takes them | takes them | adds |
//! | too few, no `QUEUED` | fails | sets `QUEUED`, is in line | adds |
//! | `QUEUED` | fails, or hands out first | is in line | adds, and hands out |
//!
//! Invariant: *queued*. While a thread is in line, `QUEUED` is set: a thread gets in line in the
//! step that sees or sets it, and it is cleared in the step that finds the queue empty. Both are
//! taken with the queue locked.
//!
//! Invariant: *no barging*. While `QUEUED` is set, the permits change only with the queue locked: a
//! thread that wants permits gets in line, and a thread that brings permits hands them out. So no
//! thread overtakes one that is in line. Without it:
//!
//! 1. Thread A wants two permits, finds one, and spins.
//! 2. Thread B wants one permit, finds one, and takes it. While threads like B keep coming, A never
//!    finds two.
//!
//! Invariant: *handed out*. Permits are handed out in the order of the line, up to the first thread
//! that wants more than there are. This follows each step that could satisfy the first in line: a
//! release, and the departure of a thread that gave up. So a thread that gets in line although
//! there are permits enough for it stands behind another thread, or behind a departed thread that
//! has yet to hand out.
//!
//! To hand out once more changes nothing but what *handed out* still owes. So a thread that finds
//! permits enough and `QUEUED` set hands out first. If the permits are there after that, and
//! `QUEUED` is still set, another thread is in line.
//!
//! In the child of a fork the queue is empty, and `QUEUED` may be left over from lost threads. Then
//! every step that finds it set looks into the queue, finds nobody, and clears it.

use std::cell::Cell;

use tk_park::sync::{AtomicUsize, Ordering::*};
use tk_park::{AdaptiveSpin, FilterOp, Limit, WaitError, WaitInfo, Waiter, unpark_filter};

use crate::{AcquireError, ReleaseError};

/// Threads are in line, or were and have given up.
const QUEUED: usize = 1;
/// One permit.
const PERMIT: usize = 2;

pub(crate) struct RawSemaphore {
    /// The permits that nobody has, times [`PERMIT`], and [`QUEUED`].
    state: AtomicUsize,
    spin: AdaptiveSpin,
}

fn permits(state: usize) -> usize {
    state / PERMIT
}

fn is_queued(state: usize) -> bool {
    state & QUEUED != 0
}

impl RawSemaphore {
    /// The most permits that there can be.
    pub(crate) const MAX: usize = usize::MAX / PERMIT;

    pub(crate) const fn new(permits: usize) -> RawSemaphore {
        assert!(permits <= RawSemaphore::MAX, "too many permits");
        RawSemaphore {
            state: AtomicUsize::new(permits * PERMIT),
            spin: AdaptiveSpin::new(),
        }
    }

    pub(crate) fn available(&self) -> usize {
        // Relaxed: a snapshot.
        permits(self.state.load(Relaxed))
    }

    /// Takes `n` permits if they are there and nobody is in line. No permits are always there.
    #[inline]
    pub(crate) fn try_acquire(&self, n: usize) -> bool {
        match self.try_take(n) {
            Ok(()) => true,
            Err(state) => permits(state) >= n && self.try_acquire_slow(n),
        }
    }

    /// As `try_acquire`, but takes `QUEUED` at its word. Returns the state that was in the way.
    #[inline]
    fn try_take(&self, n: usize) -> Result<(), usize> {
        if n == 0 {
            return Ok(());
        }
        let mut state = self.state.load(Relaxed);
        while !is_queued(state) && permits(state) >= n {
            let less = state - n * PERMIT;
            // Acquire: pairs with the Release in `release`.
            match self
                .state
                .compare_exchange_weak(state, less, Acquire, Relaxed)
            {
                Ok(_) => return Ok(()),
                Err(changed) => state = changed,
            }
        }
        Err(state)
    }

    /// There are permits enough and `QUEUED` is set, perhaps only because a departed thread has yet
    /// to hand out.
    #[cold]
    #[inline(never)]
    fn try_acquire_slow(&self, n: usize) -> bool {
        self.settle();
        self.try_take(n).is_ok()
    }

    #[inline]
    #[track_caller]
    pub(crate) fn acquire(&self, n: usize, limit: Limit<'_>) -> Result<(), WaitError> {
        if self.try_acquire(n) {
            return Ok(());
        }
        self.acquire_slow(n, limit)
    }

    /// As `acquire`, but does not wait for more permits than there can be.
    #[inline]
    #[track_caller]
    pub(crate) fn acquire_many(
        &self,
        n: usize,
        max: usize,
        limit: Limit<'_>,
    ) -> Result<(), AcquireError> {
        if n > max {
            return Err(AcquireError::TooMany { wanted: n, max });
        }
        Ok(self.acquire(n, limit)?)
    }

    #[cold]
    #[inline(never)]
    #[track_caller]
    pub(crate) fn acquire_slow(&self, n: usize, limit: Limit<'_>) -> Result<(), WaitError> {
        if let Err(error) = limit.check() {
            return self.last_try(n, error);
        }
        let wait = WaitInfo::new("semaphore").tag(n);
        let line_up = || self.line_up(n);
        match self.spin.park(&self.state, line_up, &wait, limit) {
            // The permits are ours: they were handed out, or taken instead of a place in line.
            Ok(_) => Ok(()),
            Err(error) => {
                // The threads behind may have waited only for this one to get out of the way:
                // *handed out*.
                self.settle();
                self.last_try(n, error)
            }
        }
    }

    /// The limit was reached, but a release that came before that counts.
    fn last_try(&self, n: usize, error: WaitError) -> Result<(), WaitError> {
        self.try_acquire(n).then_some(()).ok_or(error)
    }

    /// With the queue locked: takes the permits if they are there and nobody is in line. Otherwise
    /// the calling thread is in line, and this returns `true`.
    fn line_up(&self, n: usize) -> bool {
        let mut state = self.state.load(Relaxed);
        while !is_queued(state) {
            let has_to_wait = permits(state) < n;
            let next = if has_to_wait {
                state | QUEUED
            } else {
                state - n * PERMIT
            };
            // Acquire: pairs with the Release in `release`, for the permits that are taken.
            match self
                .state
                .compare_exchange_weak(state, next, Acquire, Relaxed)
            {
                Ok(_) => return has_to_wait,
                Err(changed) => state = changed,
            }
        }
        true
    }

    /// Gives `n` permits back, so that there are no more than `max`.
    #[inline]
    pub(crate) fn release(&self, n: usize, max: usize) -> Result<(), ReleaseError> {
        let mut state = self.state.load(Relaxed);
        while !is_queued(state) {
            let more = sum(state, n, max)? * PERMIT;
            // Release: pairs with the Acquire in `try_acquire`.
            match self
                .state
                .compare_exchange_weak(state, more, Release, Relaxed)
            {
                Ok(_) => return Ok(()),
                Err(changed) => state = changed,
            }
        }
        self.hand_out(n, max)
    }

    /// Gives permits back, as many as there is room for.
    #[inline]
    pub(crate) fn give_back(&self, n: usize, max: usize) {
        if n > 0 && self.release(n, max).is_err() {
            self.give_back_some(n, max);
        }
    }

    /// There was no room for so many.
    #[cold]
    fn give_back_some(&self, mut n: usize, max: usize) {
        while self.release(n, max).is_err() {
            n = n.min(max - self.available());
        }
    }

    /// Hands out what is there.
    fn settle(&self) {
        self.hand_out(0, RawSemaphore::MAX)
            .expect("none is none too many");
    }

    /// Adds `n` permits and gives the first in line what they want, as far as it goes.
    #[cold]
    fn hand_out(&self, n: usize, max: usize) -> Result<(), ReleaseError> {
        // What is left to hand out, from the first thread in line on. The state stands still then:
        // *no barging*.
        let left = Cell::new(None);
        let choose = |waiter: &Waiter| {
            let available = left
                .get()
                .unwrap_or_else(|| sum(self.state.load(Relaxed), n, max));
            let (choice, rest) = match available {
                Ok(available) if available >= waiter.tag() => {
                    (FilterOp::Unpark, Ok(available - waiter.tag()))
                }
                other => (FilterOp::Stop, other),
            };
            left.set(Some(rest));
            choice
        };
        let mut outcome = Ok(());
        unpark_filter(&self.state, choose, |unparked| {
            let queued = if unparked.have_more_threads {
                QUEUED
            } else {
                0
            };
            outcome = match left.get() {
                // AcqRel: what was released before goes on to threads that get it later through
                // `try_acquire`. Threads in line are synchronized by the queue.
                Some(Ok(left)) => {
                    self.state.swap((left * PERMIT) | queued, AcqRel);
                    Ok(())
                }
                Some(Err(error)) => Err(error),
                None => self.end_queue(n, max),
            };
            0
        });
        outcome
    }

    /// With the queue locked and empty: clears `QUEUED`, and adds `n` permits. The state may move.
    fn end_queue(&self, n: usize, max: usize) -> Result<(), ReleaseError> {
        let mut state = self.state.load(Relaxed);
        loop {
            let sum = sum(state, n, max);
            let next = sum.as_ref().map_or(state & !QUEUED, |sum| sum * PERMIT);
            // Release: pairs with the Acquire in `try_acquire`.
            match self
                .state
                .compare_exchange_weak(state, next, Release, Relaxed)
            {
                Ok(_) => return sum.map(drop),
                Err(changed) => state = changed,
            }
        }
    }

    #[cfg(tk_loom)]
    pub(crate) fn loom_register(&self) {
        self.state.loom_register();
    }
}

fn sum(state: usize, n: usize, max: usize) -> Result<usize, ReleaseError> {
    match permits(state).checked_add(n) {
        Some(sum) if sum <= max => Ok(sum),
        _ => Err(ReleaseError { n, max }),
    }
}
