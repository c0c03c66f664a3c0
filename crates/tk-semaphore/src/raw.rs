//! The counting and the queueing.
//!
//! 1. While the queue holds a thread, `QUEUED` is set: a thread enters the queue in the step that sets it, and it is cleared
//!    in the step that finds the queue empty. Both are taken with the queue locked.
//! 2. While `QUEUED` is set, the permits change only with the queue locked: acquirers line up, and releasers hand out what
//!    there is. So nobody overtakes.
//! 3. Handing out goes by the order of arrival and ends at the first thread that wants more than there is. It follows
//!    each step that could make the first in line content: a release, and the departure of one who gave up.
//! 4. From 3.: whoever lines up although there are permits enough for it stands behind somebody, or behind the departure of
//!    somebody, who has yet to hand out.
//! 5. To hand out once more changes nothing but what 3. still owes. So whoever finds permits enough and `QUEUED` set hands out
//!    first: if the permits are there after that, with `QUEUED` still set, then another is in line before it.

use std::cell::Cell;
use std::ops::ControlFlow;

use tk_park::sync::{AtomicUsize, Ordering::*};
use tk_park::{Choice, Limit, Parked, SpinHistory, Wait, WaitError, Waiter, park, unpark_filter};

use crate::{AcquireError, ReleaseError};

/// Threads stand in line, or stood there and have given up.
const QUEUED: usize = 1;
/// One permit.
const PERMIT: usize = 2;

pub(crate) struct RawSemaphore {
    /// The permits that nobody has, times [`PERMIT`], and [`QUEUED`].
    state: AtomicUsize,
    spins: SpinHistory,
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
            spins: SpinHistory::new(),
        }
    }

    pub(crate) fn available(&self) -> usize {
        // Relaxed: a snapshot.
        permits(self.state.load(Relaxed))
    }

    /// Takes `n` permits if they are there and nobody stands in line; none at all also if somebody does.
    #[inline]
    pub(crate) fn try_acquire(&self, n: usize) -> bool {
        match self.try_take(n) {
            Ok(()) => true,
            Err(state) => permits(state) >= n && self.try_acquire_slow(n),
        }
    }

    /// As `try_acquire`, if `QUEUED` tells the truth. Otherwise the state that was in the way.
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

    /// There are permits enough and `QUEUED` is set: perhaps only because somebody has yet to hand out (see 5. above).
    #[cold]
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
    #[track_caller]
    fn acquire_slow(&self, n: usize, limit: Limit<'_>) -> Result<(), WaitError> {
        if let Err(error) = limit.check() {
            return self.last_try(n, error);
        }
        let came = self
            .spins
            .spin_for_a_wake_up(limit, || match self.try_take(n) {
                Ok(()) => ControlFlow::Break(true),
                // Who stands in line sleeps; it is not worth while to look out for the end of the line.
                Err(state) if is_queued(state) => ControlFlow::Break(false),
                Err(_) => ControlFlow::Continue(()),
            });
        if came {
            return Ok(());
        }
        let wait = Wait::new("semaphore").marked(n);
        loop {
            let error = match park(&self.state, || self.line_up(n), &wait, limit) {
                // The permits are ours: who handed them out has counted them.
                Parked::Unparked(_) => return Ok(()),
                Parked::Invalid | Parked::Requeued => {
                    if self.try_take(n).is_ok() {
                        return Ok(());
                    }
                    continue;
                }
                Parked::TimedOut => WaitError::TimedOut,
                Parked::Stopped => WaitError::Stopped,
            };
            // Those behind may have waited only for this thread to get out of the way.
            self.settle();
            return self.last_try(n, error);
        }
    }

    /// The limit was reached, but a release that came before that counts.
    fn last_try(&self, n: usize, error: WaitError) -> Result<(), WaitError> {
        self.try_acquire(n).then_some(()).ok_or(error)
    }

    /// With the queue locked: whether the calling thread has to line up.
    fn line_up(&self, n: usize) -> bool {
        let mut state = self.state.load(Relaxed);
        loop {
            if is_queued(state) {
                return true;
            }
            if permits(state) >= n {
                return false;
            }
            // Relaxed: the queue's lock orders this before whatever is done to the queue later.
            match self
                .state
                .compare_exchange_weak(state, state | QUEUED, Relaxed, Relaxed)
            {
                Ok(_) => return true,
                Err(changed) => state = changed,
            }
        }
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
        // What is left to hand out, from the first thread in line on. By 1. and 2. the state stands still then.
        let left = Cell::new(None);
        let choose = |waiter: &Waiter| {
            let available = left
                .get()
                .unwrap_or_else(|| sum(self.state.load(Relaxed), n, max));
            let (choice, rest) = match available {
                Ok(available) if available >= waiter.mark() => {
                    (Choice::Unpark, Ok(available - waiter.mark()))
                }
                other => (Choice::End, other),
            };
            left.set(Some(rest));
            choice
        };
        let mut outcome = Ok(());
        unpark_filter(&self.state, choose, |unparked| {
            let queued = if unparked.more { QUEUED } else { 0 };
            outcome = match left.get() {
                // AcqRel: what was released before goes on to those who get it later through `try_acquire`. Those who
                // sleep are synchronised by the queue.
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
    pub(crate) fn touch(&self) {
        self.state.touch();
    }
}

fn sum(state: usize, n: usize, max: usize) -> Result<usize, ReleaseError> {
    match permits(state).checked_add(n) {
        Some(sum) if sum <= max => Ok(sum),
        _ => Err(ReleaseError { n, max }),
    }
}
