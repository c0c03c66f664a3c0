//! The counter and its queue.
//!
//! | permits | [`QUEUED`] | `try_acquire` | `acquire` | `release` |
//! |---|---|---|---|---|
//! | enough | clear | takes them | takes them | adds |
//! | too few | clear | fails | sets `QUEUED`, enters the queue | adds |
//! | enough | set | assigns, tries again | the same, then enters the queue | adds, assigns |
//! | too few | set | fails | enters the queue | adds, assigns |
//!
//! `acquire` stands for the whole wait: it tries first, and then spins and sleeps in the queue. If
//! there are no permits at all, it tries for a moment before it enters the queue. To assign permits
//! ([`assign_permits`](RawSemaphore::assign_permits)) is to take them from the counter for threads
//! in the queue, in FIFO order, and to unpark these threads.
//!
//! # Invariants
//!
//! **Queued.** While a thread is in the queue, `QUEUED` is set. A thread enters the queue in the
//! step that sets the bit or finds it set, and the bit is cleared in the step that finds the queue
//! empty. Both steps run with the queue locked. The bit may outlive its threads: it stays set when
//! the last one gives up, and in the child of a fork, where the queue is empty.
//!
//! **No barging.** While a thread is in the queue, the number of permits changes only with the
//! queue locked, by an assignment. No thread overtakes a queued one. Otherwise a thread that wants
//! many permits could starve:
//!
//! 1. Thread A wants two permits, finds one, and enters the queue.
//! 2. Thread B takes that permit.
//! 3. Another permit is released. Thread C takes it before B releases its own.
//! 4. Threads like B and C keep coming, and there are never two permits for A.
//!
//! **Assigned.** The permits that are available are too few for the first thread in the queue. Two
//! steps break this, and each is followed by an assignment: a release, and the departure of a
//! thread that gives up. So if a thread is first in the queue and there are enough permits for it,
//! a thread that gave up has yet to assign what it leaves behind.
//!
//! An assignment that adds no permits is always allowed, because it only does what *assigned* still
//! requires. So a thread that finds enough permits beside `QUEUED` assigns first. If `QUEUED` is
//! still set afterwards, another thread is queued, and comes first.
//!
//! **Soon in the queue.** A thread enters the queue less than a microsecond after its call, if the
//! system does not take the processor from it. Before that it looks twice for permits, because to
//! pass them on through the queue takes several times as long as to find them in the word. If there
//! are some, but too few for it, it enters the queue at once, so that no later call takes them.
//!
//! **Queued before registered.** [`AdaptiveSpin::park`] puts a thread into the queue before tk-park
//! registers it. The first wait of a thread registers it, which takes some ten microseconds. If
//! that came first, calls that begin later could take the permits, or enter the queue before it.

use std::cell::Cell;

use tk_park::__private::spin_briefly;
use tk_park::sync::{AtomicUsize, Ordering::*};
use tk_park::{AdaptiveSpin, FilterOp, Limit, Poll, WaitError, WaitInfo, Waiter, unpark_filter};

/// Threads are in the queue, or were and have given up.
const QUEUED: usize = 1;
/// One permit.
const PERMIT: usize = 2;

pub(crate) struct RawSemaphore {
    /// The available permits, times [`PERMIT`], and [`QUEUED`].
    state: AtomicUsize,
    spin: AdaptiveSpin,
}

#[inline]
fn permits(state: usize) -> usize {
    state / PERMIT
}

#[inline]
fn is_queued(state: usize) -> bool {
    state & QUEUED != 0
}

/// Returns the permits of `state` and `n` more, or `None` if they exceed `max`.
#[inline]
fn checked_total(state: usize, n: usize, max: usize) -> Option<usize> {
    permits(state).checked_add(n).filter(|&total| total <= max)
}

impl RawSemaphore {
    /// The most permits that the counter can hold.
    pub(crate) const MAX: usize = usize::MAX / PERMIT;

    #[track_caller]
    pub(crate) const fn new(permits: usize) -> RawSemaphore {
        assert!(permits <= RawSemaphore::MAX, "too many permits");
        RawSemaphore {
            state: AtomicUsize::new(permits * PERMIT),
            spin: AdaptiveSpin::new(),
        }
    }

    pub(crate) fn available(&self) -> usize {
        // Relaxed: a snapshot, which may be outdated when the caller looks at it.
        permits(self.state.load(Relaxed))
    }

    /// Takes `n` permits if they are available and no thread is queued. No permits are always
    /// available.
    #[inline]
    pub(crate) fn try_acquire(&self, n: usize) -> bool {
        match self.try_take(n) {
            Ok(()) => true,
            // Enough permits, so `QUEUED` was in the way, which may be set for no thread.
            Err(state) => permits(state) >= n && self.try_acquire_slow(n),
        }
    }

    /// As `try_acquire`, but fails if `QUEUED` is set, with the state that it found.
    #[inline]
    fn try_take(&self, n: usize) -> Result<(), usize> {
        if n == 0 {
            return Ok(());
        }
        let mut state = self.state.load(Relaxed);
        while !is_queued(state) && permits(state) >= n {
            let taken = state - n * PERMIT;
            // Acquire: pairs with the Release in `release` and `assign_permits`.
            match self
                .state
                .compare_exchange_weak(state, taken, Acquire, Relaxed)
            {
                Ok(_) => return Ok(()),
                Err(changed) => state = changed,
            }
        }
        Err(state)
    }

    #[cold]
    #[inline(never)]
    fn try_acquire_slow(&self, n: usize) -> bool {
        self.assign_leftover();
        self.try_take(n).is_ok()
    }

    /// Takes `n` permits, and waits for them within the limit. `max` is the bound.
    ///
    /// # Panics
    ///
    /// If the wait would have no end.
    #[inline]
    #[track_caller]
    pub(crate) fn acquire(&self, n: usize, max: usize, limit: Limit<'_>) -> Result<(), WaitError> {
        if self.try_acquire(n) {
            return Ok(());
        }
        self.acquire_slow(n, max, limit)
    }

    /// The slow path of an `acquire` without a limit, whose fast path has no `Limit` to build.
    #[cold]
    #[inline(never)]
    #[track_caller]
    pub(crate) fn acquire_unlimited(&self, n: usize, max: usize) {
        self.acquire_slow(n, max, Limit::never())
            .expect("a wait without a limit does not reach it");
    }

    #[cold]
    #[inline(never)]
    #[track_caller]
    fn acquire_slow(&self, n: usize, max: usize, limit: Limit<'_>) -> Result<(), WaitError> {
        assert!(
            n <= max || !limit.is_unlimited(),
            "a semaphore with a bound of {max} never has a permit to wait for"
        );
        // The limit is checked before the last try, so that a release which came before the limit
        // was reached counts.
        if let Err(error) = limit.check() {
            return self.last_try(n, error);
        }
        if self.try_acquire_spinning(n) {
            return Ok(());
        }
        let info = WaitInfo::new("semaphore").tag(n);
        match self
            .spin
            .park(&self.state, || self.enqueue(n), &info, limit)
        {
            // The permits are ours: assigned by the thread that unparked this one, or taken in
            // `enqueue`.
            Ok(_) => Ok(()),
            Err(error) => {
                // *Assigned*: there may be enough permits for the threads behind this one.
                self.assign_leftover();
                self.last_try(n, error)
            }
        }
    }

    /// Spins for permits: *soon in the queue*.
    fn try_acquire_spinning(&self, n: usize) -> bool {
        let look = || match self.try_take(n) {
            Ok(()) => Poll::Ready,
            // No permits, and no thread is queued.
            Err(0) => Poll::Again,
            Err(_) => Poll::GiveUp,
        };
        match look() {
            Poll::Again => spin_briefly(look),
            result => result == Poll::Ready,
        }
    }

    fn last_try(&self, n: usize, error: WaitError) -> Result<(), WaitError> {
        self.try_acquire(n).then_some(()).ok_or(error)
    }

    /// With the queue locked: returns `true` if the calling thread enters the queue, and `false` if
    /// it has taken the permits instead.
    fn enqueue(&self, n: usize) -> bool {
        let mut state = self.state.load(Relaxed);
        // With `QUEUED` set the thread queues even if there are enough permits: *no barging*.
        while !is_queued(state) {
            let must_wait = permits(state) < n;
            // *Queued*. To read the permits and to set the bit is one step. If a release came in
            // between, it would find no bit, and the thread would sleep beside its permits.
            let next = if must_wait {
                state | QUEUED
            } else {
                state - n * PERMIT
            };
            // Acquire: pairs with the Release in `release` and `assign_permits`, for permits that
            // are taken here, and for those here that are assigned later to threads in the queue.
            match self
                .state
                .compare_exchange_weak(state, next, Acquire, Relaxed)
            {
                Ok(_) => return must_wait,
                Err(changed) => state = changed,
            }
        }
        true
    }

    /// Adds `n` permits. If that makes more than `max`, changes nothing and returns `false`.
    #[inline]
    pub(crate) fn release(&self, n: usize, max: usize) -> bool {
        let mut state = self.state.load(Relaxed);
        while !is_queued(state) {
            let Some(total) = checked_total(state, n, max) else {
                return false;
            };
            // Release: pairs with the Acquire in `try_take` and `enqueue`.
            match self
                .state
                .compare_exchange_weak(state, total * PERMIT, Release, Relaxed)
            {
                Ok(_) => return true,
                Err(changed) => state = changed,
            }
        }
        self.assign_permits(n, max)
    }

    /// Adds as many of `n` permits as there is room for.
    #[inline]
    pub(crate) fn release_up_to_max(&self, n: usize, max: usize) {
        if n > 0 && !self.release(n, max) {
            self.release_what_fits(n, max);
        }
    }

    #[cold]
    #[inline(never)]
    fn release_what_fits(&self, mut n: usize, max: usize) {
        // Other threads may take the room, or make more, before the next try.
        while !self.release(n, max) {
            n = n.min(max - self.available());
        }
    }

    /// Restores *assigned* after a thread has left the queue.
    fn assign_leftover(&self) {
        let has_room = self.assign_permits(0, RawSemaphore::MAX);
        debug_assert!(has_room, "no permits need no room");
    }

    /// Adds `n` permits, assigns permits to the threads in the queue, and clears `QUEUED` if none
    /// is left there. If `n` permits make more than `max`, adds and assigns none, and returns
    /// `false`.
    #[cold]
    #[inline(never)]
    fn assign_permits(&self, n: usize, max: usize) -> bool {
        let assigned = Cell::new(0);
        let filter = |waiter: &Waiter| {
            // Relaxed: the queue is locked and not empty, so the state does not change (*no
            // barging*).
            match checked_total(self.state.load(Relaxed), n, max) {
                Some(total) if waiter.tag() <= total - assigned.get() => {
                    assigned.set(assigned.get() + waiter.tag());
                    FilterOp::Unpark
                }
                // A later thread that wants fewer permits waits too, or this one could starve.
                _ => FilterOp::Stop,
            }
        };
        let mut has_room = false;
        unpark_filter(&self.state, filter, |result| {
            let queued = if result.have_more_threads { QUEUED } else { 0 };
            let mut state = self.state.load(Relaxed);
            // If the queue was empty, `QUEUED` may be clear, and the state may change.
            loop {
                let total = checked_total(state, n, max);
                has_room = total.is_some();
                let left = total.unwrap_or(permits(state)) - assigned.get();
                let next = (left * PERMIT) | queued;
                // Release: pairs with the Acquire in `try_take` and `enqueue`. The unparked threads
                // see what came before the releases of their permits without an Acquire here: each
                // release ran either here, or before `QUEUED` was set in `enqueue`, and so before
                // this thread locked the queue.
                match self
                    .state
                    .compare_exchange_weak(state, next, Release, Relaxed)
                {
                    Ok(_) => return 0,
                    Err(changed) => state = changed,
                }
            }
        });
        has_room
    }

    /// Registers a model's atomics in the thread that creates the object.
    #[cfg(tk_loom)]
    pub(crate) fn loom_register(&self) {
        self.state.loom_register();
    }
}
