//! Taking the lock: spinning, then parking.
//!
//! | state | `try_acquire` | `acquire` | `acquire`, by a thread that was woken |
//! |---|---|---|---|
//! | free | takes the lock | takes the lock | takes the lock |
//! | held | fails | busy-waits, yields if the lock is not crowded, parks | busy-waits, yields, parks |
//! | held, queued | fails | the same | the same |
//! | free, queued | takes the lock, keeps `PARKED` | the same | the same |
//!
//! The fast path is one compare-exchange from free to held, and the count of `traffic.rs`. All else
//! is cold.
//!
//! # Invariants
//!
//! *Mutual exclusion* and *Parked bit* stand in `word.rs`.
//!
//! **A release is to come.** While the queue is not locked and has a thread in it, the lock is
//! held, or a thread has been woken to take it and has not tried yet, or a light release has freed
//! it and has not looked into the queue yet (`mode.rs`). A thread parks only if the lock is held. A
//! release that finds `PARKED` wakes one thread, which takes the lock, or finds it held by a faster
//! one. Both see `PARKED` when they release. A woken thread whose limit is reached still tries
//! once, so that no wake-up is lost.

use std::cell::Cell;

use tk_core::__private::fork::is_lost;
use tk_core::Owner;
use tk_park::__private::{Failed, Held, Holders, Holds, Yielded, park_held, yield_to_others};
use tk_park::{Limit, Pace, Parked, Poll, WaitError, WaitInfo, spin_until, yield_until};

use super::{RawLock, TOKEN_HANDOFF};
use crate::lost_thread::LostThread;
use crate::word::State;

/// The way in which a thread takes the lock, for a watcher that looks for deadlocks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taking {
    /// Without a guard: any thread may release it.
    Bare,
    /// With a guard, or as a reentrant lock: the owner alone releases it.
    Guarded,
    /// As `Guarded`, by a thread whose guard exists meanwhile. So the call must not panic.
    Again,
}

/// The owner in the word, for a watcher.
///
/// A value that names an owner may be old: a release, which may be a plain store (see `mode.rs`),
/// need not be visible to this thread yet. It is right if the owner is in a wait that began before
/// this look, and the watcher has seen that before. Then all that the owner wrote to the word
/// before its wait is visible: a look at its wait, with the waits locked, synchronizes with the
/// begin of the wait. So the value is the owner's last one, and not a release. No other thread
/// writes the owner's number, except in a handoff, for which the owner must be in this queue, and
/// is taken out of it. And no other thread releases a lock that is not `Bare`.
impl Holds for RawLock {
    fn add_holders(&self, holders: &mut Holders<'_>) {
        if let Some(owner) = self.holder() {
            holders.add(owner);
        }
    }
}

impl RawLock {
    /// [`acquire_with`](RawLock::acquire_with) for the calling thread, which is `me`.
    #[inline]
    #[track_caller]
    pub(crate) fn acquire_as(
        &self,
        me: Owner,
        limit: Limit<'_>,
        taking: Taking,
    ) -> Result<(), WaitError> {
        if self.word.take_unqueued(me).is_ok() {
            self.traffic.count();
            return Ok(());
        }
        self.acquire_slow(me, limit, taking)
    }

    /// [`acquire`](RawLock::acquire) for the calling thread, which is `me`.
    #[inline]
    #[track_caller]
    pub(crate) fn acquire_unlimited(&self, me: Owner, taking: Taking) {
        if self.word.take_unqueued(me).is_err() {
            self.acquire_unlimited_slow(me, taking);
            return;
        }
        self.traffic.count();
    }

    /// [`try_acquire`](RawLock::try_acquire) for the calling thread, which is `me`.
    #[inline]
    pub(crate) fn try_acquire_as(&self, me: Owner) -> bool {
        let is_taken = match self.word.take_unqueued(me) {
            Ok(()) => true,
            Err(state) => !state.is_held() && self.word.take_from(state, me).is_ok(),
        };
        if is_taken {
            self.traffic.count();
        }
        is_taken
    }

    /// Takes the lock without a limit. Panics if the calling thread, which is `me`, holds it.
    #[inline]
    #[track_caller]
    pub(crate) fn acquire_once(&self, me: Owner, taking: Taking) {
        if self.word.take_unqueued(me).is_err() {
            self.acquire_once_slow(me, taking);
            return;
        }
        self.traffic.count();
    }

    /// Takes the lock for a thread that was unparked with this token.
    ///
    /// The token is that of a release of this lock, or zero.
    #[track_caller]
    pub(crate) fn acquire_woken(&self, me: Owner, token: u16, taking: Taking) {
        if token != TOKEN_HANDOFF && !self.try_acquire_spinning(me, true) {
            let taken = self.acquire_parking(me, Limit::never(), taking);
            debug_assert_eq!(taken, Ok(()));
        }
    }

    #[cold]
    #[inline(never)]
    #[track_caller]
    fn acquire_once_slow(&self, me: Owner, taking: Taking) {
        if me.is_known() && self.holder() == Some(me) {
            relocked();
        }
        self.acquire_unlimited_slow(me, taking);
    }

    // The limit is made here, so that the fast path has nothing on its stack.
    #[cold]
    #[inline(never)]
    #[track_caller]
    fn acquire_unlimited_slow(&self, me: Owner, taking: Taking) {
        let taken = self.acquire_slow(me, Limit::never(), taking);
        debug_assert_eq!(taken, Ok(()));
    }

    #[cold]
    #[inline(never)]
    #[track_caller]
    fn acquire_slow(&self, me: Owner, limit: Limit<'_>, taking: Taking) -> Result<(), WaitError> {
        if self.take(me).is_ok() {
            return Ok(());
        }
        if let Err(error) = limit.check() {
            return self.last_try(me, error);
        }
        if limit.is_unlimited() {
            self.refuse_lost_holder();
        }
        if self.try_acquire_spinning(me, false) {
            return Ok(());
        }
        self.acquire_parking(me, limit, taking)
    }

    /// Spins for the lock: first busy-waiting, then yielding to other threads.
    ///
    /// How often the thread looks depends on how long the lock is held, and whether it yields on
    /// how many threads want to run (see `traffic.rs`). A thread that was woken yields in any case:
    /// it would have to be woken again.
    fn try_acquire_spinning(&self, me: Owner, was_woken: bool) -> bool {
        if self.take(me).is_ok() {
            return true;
        }
        let look = self.traffic.look();
        // The pause before the first look has the length that `learn` asks for.
        let must_learn = Cell::new(look.pace == Pace::Rare);
        let mut poll = || {
            if must_learn.take() {
                self.traffic.learn(look);
            }
            if self.take(me).is_ok() {
                return Poll::Ready;
            }
            // Spinning is waiting.
            self.traffic.note_spinning();
            Poll::Again
        };
        if spin_until(look.pace, &mut poll) {
            return true;
        }
        must_learn.set(false);
        if was_woken {
            return yield_until(poll);
        }
        if self.traffic.is_crowded() {
            return false;
        }
        let yielded = yield_to_others(poll);
        if yielded == Yielded::OthersRan {
            self.traffic.note_crowd();
        }
        yielded == Yielded::Ready
    }

    /// Takes the lock, or parks until it is released and tries again.
    #[track_caller]
    fn acquire_parking(
        &self,
        me: Owner,
        limit: Limit<'_>,
        taking: Taking,
    ) -> Result<(), WaitError> {
        // One description for all rounds, so that the wait counts from its start.
        let info = WaitInfo::new("lock");
        let held = self.held(taking);
        loop {
            let Err(state) = self.take(me) else {
                return Ok(());
            };
            // Parked bit, A release is to come: both hold if the lock is held and marked.
            let mark = || self.mark_parked_if_held();
            let info = info.held_by(state.owner());
            match park_held(self.word.queue(), mark, &info, limit, held) {
                // The queue's lock synchronizes with the last owner.
                Ok(Parked::Unparked(TOKEN_HANDOFF)) => return Ok(()),
                Ok(Parked::Unparked(_)) => {
                    if self.try_acquire_spinning(me, true) {
                        return Ok(());
                    }
                }
                // The lock was free by then.
                Ok(Parked::Invalid | Parked::Requeued) => {}
                Err(Failed::Limit(error)) => return self.last_try(me, error),
                // The thread has left the queue, as one that has given up. It takes nothing.
                Err(Failed::Deadlock(broken)) => broken.panic(),
            }
        }
    }

    /// Returns the thing that a thread in the queue waits for, for a watcher.
    pub(crate) fn held(&self, taking: Taking) -> Held<'_> {
        let held = Held::new(self);
        match taking {
            Taking::Bare => held.by_anyone(),
            Taking::Guarded => held.breakable(),
            Taking::Again => held,
        }
    }

    fn take(&self, me: Owner) -> Result<(), State> {
        self.word.take(me)?;
        self.traffic.count();
        Ok(())
    }

    /// Tries once more after the limit is reached, because a release that came before that counts.
    fn last_try(&self, me: Owner, error: WaitError) -> Result<(), WaitError> {
        self.take(me).map_err(|_| error)
    }

    /// Panics if the lock is held by a thread that exists only in the parent of this process: the
    /// wait would never end.
    ///
    /// Once per wait is enough, because a lost thread takes no lock later.
    #[track_caller]
    fn refuse_lost_holder(&self) {
        if let Some(holder) = self.holder()
            && is_lost(holder)
        {
            LostThread(holder).refuse_wait();
        }
    }
}

#[cold]
#[inline(never)]
#[track_caller]
fn relocked() -> ! {
    panic!("this thread holds the lock already, and would wait for itself forever");
}
