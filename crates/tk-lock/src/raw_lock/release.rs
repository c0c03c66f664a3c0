//! Releasing the lock: which thread gets it next.
//!
//! | state | `release` | `release_fair`, `bump` |
//! |---|---|---|
//! | free | `NotLocked` | |
//! | held | frees the lock | frees the lock, and yields to a thread that spins |
//! | held, queued | wakes the first thread and frees the lock, or hands it over if that thread starves | hands the lock to the first thread |
//! | free, queued | `NotLocked` | |
//!
//! If the threads of a queued lock have given up, the release frees the lock and clears `PARKED`.
//! The fast path of a guard is a store, if no thread has parked for a while, and else one
//! compare-exchange from held to free: see `mode.rs`. Everything else is cold.
//!
//! # Invariants
//!
//! *A release is to come* (in `acquire.rs`) depends on each release that finds `PARKED` waking a
//! thread or handing it the lock.
//!
//! **One new owner.** A release that hands the lock over unparks the new owner alone, because all
//! threads that it unparks get the same token. Otherwise it unparks the first thread and its
//! companions, if a `notify_all` has moved them here together (*A few at a time*, in
//! `raw_condvar.rs` of tk-condvar). Each of them takes the lock or parks again.
//!
//! **Starvation bound.** A release that finds `PARKED` and a thread in the queue looks at the
//! clock. If the first thread in the queue has been there for [`STARVATION_THRESHOLD`], the release
//! makes it the owner (a handoff), so that no running thread can take the lock first. A thread that
//! was woken and lost the race queues again, at the end, but its time counts from the start of its
//! wait. The time of a thread that a notification has moved here counts from the notification, and
//! anew if that thread was woken and lost the race. A light release that has wiped out `PARKED`
//! wakes the first thread without a look at the clock, once: the mode is ordinary then, and the
//! next release looks.
//!
//! **Handoffs have intervals.** A thread that has waited for less than [`STARVATION_LIMIT`] is
//! handed the lock no sooner than [`HANDOFF_INTERVAL`] after the handoff before. Until then,
//! releases wake the first thread. A fair release does not wait for the interval, but begins one.
//! A thread that a notification has moved here is not held back, because its time would begin anew.
//! The end of the interval is noted in the waiter that is first after the handoff, and each release
//! that takes the first waiter out of the queue passes it on to the next. It is forgotten if there
//! is none, if that thread gives up, or if a light release wakes it. Then there is a handoff more,
//! which harms nobody.
//!
//! A thread that was woken in an interval, and lost the race, is at the end of the queue again. But
//! after the limit, each release brings it closer to the front, and there it is handed the lock. So
//! it waits for one release for each thread before it at most.
//!
//! **Spinning is waiting.** A thread that waits spins for some microseconds before it enters the
//! queue, where a handoff would find it. It sets a flag (see `traffic.rs`). A fair release that
//! finds the queue empty, but the flag set, yields until the spinning thread has taken the lock.
//! Otherwise the thread that releases, which runs and is faster, could take the lock again and
//! again.

use std::cell::Cell;
use std::time::Duration;

use tk_core::Owner;
use tk_park::sync::Instant;
use tk_park::{FilterOp, Poll, Waiter, checked_add_instant, unpark_filter, yield_until};

use super::{RawLock, TOKEN_HANDOFF, TOKEN_NORMAL, Taking};
use crate::NotLocked;
use crate::mode::{self, light_fence};

/// How long running threads may take the lock before the first thread in the queue.
///
/// A handoff costs the time until the new owner runs, during which no thread can use the lock.
/// Without handoffs, a thread that releases the lock and immediately takes it again keeps all
/// others out. A millisecond is some ten times what a wake-up takes.
const STARVATION_THRESHOLD: Duration = Duration::from_millis(1);

/// How long after a handoff the next one is, if the next thread starves too.
///
/// The lock is idle from a handoff until the new owner runs, which takes some ten microseconds. If
/// all handoffs came one after the other, many starving threads would keep each other starving: 64
/// times 16 µs is a millisecond. Sections that take longer than this are handed on one by one.
const HANDOFF_INTERVAL: Duration = Duration::from_micros(50);

/// How long a thread waits until the intervals do not count any more.
const STARVATION_LIMIT: Duration = Duration::from_millis(10);

/// The way in which a release treats the first thread in the queue.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Unlock {
    /// Wakes it, or makes it the owner if it is starving.
    Normal,
    /// Makes it the owner.
    Handoff,
}

impl Unlock {
    fn hands_over_to(self, first: &Waiter, now: Instant) -> bool {
        self == Unlock::Handoff || is_due(first, now)
    }
}

fn is_due(first: &Waiter, now: Instant) -> bool {
    let waited = now.saturating_duration_since(first.queued_since());
    let is_held_back = || {
        let was_moved = first.queued_since() > first.since();
        now < first.not_before() && waited < STARVATION_LIMIT && !was_moved
    };
    waited >= STARVATION_THRESHOLD && !is_held_back()
}

/// What a release does to the threads behind the first one.
struct Behind {
    /// How many of them it unparks as well: those that were moved here together with the first.
    companions: u8,
    first_queued_since: Instant,
    /// For the waiter that is the first one then.
    next_handoff: Instant,
}

impl RawLock {
    /// Releases the lock, which the calling thread holds.
    #[inline]
    pub(crate) fn release_own(&self) {
        if self.mode.is_light() {
            self.word.free_lightly();
            // Seen by one side: a thread that parks has seen the store, or the load sees that it
            // parks.
            light_fence();
            if !self.mode.is_light() {
                self.look_for_waiters();
            }
        } else {
            self.release_counted();
        }
    }

    /// As [`release_own`](RawLock::release_own), with an atomic step.
    #[inline]
    pub(crate) fn release_atomically(&self) {
        if !self.word.free(self.word.load()) {
            self.release_held(Unlock::Normal);
        }
    }

    /// As [`release_atomically`](RawLock::release_atomically), and counts the release, if it is one
    /// of those that count. After the last of the count, releases are light.
    #[inline(never)]
    fn release_counted(&self) {
        if mode::is_counted() && self.mode.count() {
            self.lighten();
        }
        self.release_atomically();
    }

    #[cold]
    #[inline(never)]
    fn lighten(&self) {
        unpark_filter(
            self.word.queue(),
            |_| FilterOp::Stop,
            |unparked| {
                self.mode.lighten(!unparked.have_more_threads);
                TOKEN_NORMAL
            },
        );
    }

    /// Does what a light release has left undone, if a thread is in the queue: wakes the first one,
    /// or, if another thread holds the lock by now, has its release do that.
    #[cold]
    #[inline(never)]
    fn look_for_waiters(&self) {
        let mut seen_first = false;
        let filter = |_: &Waiter| {
            if std::mem::replace(&mut seen_first, true) || self.word.mark_parked_if_locked() {
                FilterOp::Stop
            } else {
                FilterOp::Unpark
            }
        };
        unpark_filter(self.word.queue(), filter, |unparked| {
            if unparked.have_more_threads {
                // Parked bit: the store has cleared it.
                self.word.mark_parked();
            }
            TOKEN_NORMAL
        });
    }

    /// Sets `PARKED` if the lock is held. Returns whether it is held. With the queue locked.
    pub(crate) fn mark_parked_if_held(&self) -> bool {
        // The first look saves the fence if the lock is free by now.
        if !self.is_locked() {
            return false;
        }
        self.mode.make_ordinary();
        self.word.mark_parked_if_locked()
    }

    /// Sets `PARKED`. With the queue locked.
    pub(crate) fn mark_parked_anyway(&self) {
        self.mode.make_ordinary();
        self.word.mark_parked();
    }

    /// Releases the lock, which is held, and makes the first thread in the queue its owner. If the
    /// queue is empty but a thread spins for the lock, yields until that has taken it.
    pub(crate) fn release_fair(&self) {
        let spinning = self.traffic.forget_spinning();
        self.release_held(Unlock::Handoff);
        if spinning && !self.is_locked() {
            // Spinning is waiting. The thread may have given up long ago, so this is once, and for
            // a moment.
            yield_until(|| {
                if self.is_locked() {
                    Poll::Ready
                } else {
                    Poll::Again
                }
            });
        }
    }

    /// Lets a waiting thread have the lock, if there is one, and takes the lock again. `me` holds
    /// it.
    #[inline]
    #[track_caller]
    pub(crate) fn bump_as(&self, me: Owner) {
        if self.word.load().is_parked() || self.traffic.is_spinning() {
            self.release_fair();
            self.acquire_unlimited(me, Taking::Again);
        }
    }

    #[cold]
    #[inline(never)]
    fn release_held(&self, unlock: Unlock) {
        let released = self.release_slow(unlock);
        debug_assert_eq!(released, Ok(()));
    }

    /// Releases the lock with the queue locked.
    #[cold]
    #[inline(never)]
    pub(super) fn release_slow(&self, unlock: Unlock) -> Result<(), NotLocked> {
        let new_owner = Cell::new(None);
        let mut behind: Option<Behind> = None;
        let filter = |waiter: &Waiter| match &mut behind {
            None => {
                let now = Instant::now();
                let mut companions = waiter.companions();
                let mut next_handoff = waiter.not_before();
                if unlock.hands_over_to(waiter, now) {
                    new_owner.set(Some(waiter.owner()));
                    // The token says that the lock is theirs, so no other thread may get it.
                    companions = 0;
                    next_handoff = checked_add_instant(now, HANDOFF_INTERVAL).unwrap_or(now);
                }
                behind = Some(Behind {
                    companions,
                    first_queued_since: waiter.queued_since(),
                    next_handoff,
                });
                FilterOp::Unpark
            }
            Some(behind)
                if behind.companions > 0 && waiter.queued_since() == behind.first_queued_since =>
            {
                behind.companions -= 1;
                FilterOp::Unpark
            }
            Some(behind) => {
                // Handoffs have intervals.
                waiter.set_not_before(behind.next_handoff);
                FilterOp::Stop
            }
        };
        let mut result = Ok(());
        unpark_filter(self.word.queue(), filter, |unparked| {
            // Parked bit: it stays if a second thread is in the queue.
            let parked = unparked.have_more_threads;
            if !self.word.replace_owner(new_owner.get(), parked) {
                // Two threads release what one of them has taken. The thread that is woken finds
                // the lock free, or parks again.
                result = Err(NotLocked);
                return TOKEN_NORMAL;
            }
            if new_owner.get().is_some() {
                TOKEN_HANDOFF
            } else {
                TOKEN_NORMAL
            }
        });
        result
    }
}
