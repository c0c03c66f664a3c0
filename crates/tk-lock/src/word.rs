//! The word of a lock: its states, and the steps from one state to another.
//!
//! The word holds the number of the owner, and one flag.
//!
//! | state | word | `take_unqueued` | `take` | `free` | `free_lightly` | `mark_parked_if_locked` | `replace_owner` |
//! |---|---|---|---|---|---|---|---|
//! | free | `0` | takes | takes | | | `false` | `false` |
//! | held | owner | fails | fails | frees | frees | sets `PARKED` | frees, or hands over |
//! | held, queued | owner, `PARKED` | fails | fails | fails | frees, clears `PARKED` | `true` | frees, or hands over |
//! | free, queued | `PARKED` | fails | takes, keeps `PARKED` | | | `false` | `false` |
//!
//! # Invariants
//!
//! **Mutual exclusion.** The owner's number is written in one of two ways: by that thread itself,
//! in a step from a word without an owner (Acquire); or by the owner before it, in a handoff
//! ([`replace_owner`](LockWord::replace_owner)). It is erased by a release (Release). So each owner
//! sees what the owners before it have done.
//!
//! **Parked bit.** While the queue is not locked and has a thread in it, `PARKED` is set. A thread
//! enters the queue in the step that sees or sets `PARKED` on a held word
//! ([`mark_parked_if_locked`](LockWord::mark_parked_if_locked)), and so do the threads that a
//! condition variable moves here. `PARKED` is cleared only by a release that finds nobody else in
//! the queue. All these steps are taken with the queue locked. The exception is a light release,
//! which clears `PARKED` unseen. It notices, locks the queue, and sets `PARKED` again, or wakes a
//! thread: *Seen by one side*, in `mode.rs`. If a thread set `PARKED` before it locks the queue,
//! this could happen:
//!
//! 1. Thread A holds the lock. B sets `PARKED`.
//! 2. A releases the lock, finds the queue empty, and clears `PARKED`.
//! 3. C takes the lock. B enters the queue, because the lock is held.
//! 4. C finds no flag and wakes nobody. B sleeps forever.

use tk_core::Owner;
use tk_park::sync::{AtomicU32, Ordering::*};

/// Flag: a thread is in the queue, or was in it and has given up. No owner's number has this bit.
/// So the word of a lock without a queue is the number itself.
const PARKED: u32 = 1 << 31;
const _: () = assert!(Owner::MAX & PARKED == 0);

/// A value of the word.
#[derive(Clone, Copy)]
pub(crate) struct State(u32);

impl State {
    const FREE: State = State(0);

    /// The state of a lock that this thread holds while no thread is parked.
    #[inline]
    pub(crate) fn held_by(owner: Owner) -> State {
        State(owner.get())
    }

    #[inline]
    pub(crate) fn owner(self) -> Option<Owner> {
        Owner::new(self.0 & !PARKED)
    }

    #[inline]
    pub(crate) fn is_held(self) -> bool {
        self.0 & !PARKED != 0
    }

    #[inline]
    pub(crate) fn is_held_by(self, owner: Owner) -> bool {
        self.0 & !PARKED == owner.get()
    }

    #[inline]
    pub(crate) fn is_parked(self) -> bool {
        self.0 & PARKED != 0
    }

    #[inline]
    fn with_parked(self) -> State {
        State(self.0 | PARKED)
    }

    /// The same queue, and this owner in place of none.
    #[inline]
    fn with_owner(self, owner: Owner) -> State {
        State(self.0 | State::held_by(owner).0)
    }
}

/// The atomic word. Its address is the key of the lock's queue.
#[derive(Default)]
#[repr(transparent)]
pub(crate) struct LockWord(AtomicU32);

impl LockWord {
    pub(crate) const fn new() -> LockWord {
        LockWord(AtomicU32::new(State::FREE.0))
    }

    /// The word as the key of the queue.
    pub(crate) fn queue(&self) -> &AtomicU32 {
        &self.0
    }

    #[inline]
    pub(crate) fn load(&self) -> State {
        // Relaxed: a snapshot. A thread that finds itself as the owner has written that itself, or
        // was handed the lock.
        State(self.0.load(Relaxed))
    }

    /// Takes the lock if it is free and no thread is parked. The error is the state otherwise.
    #[inline]
    pub(crate) fn take_unqueued(&self, me: Owner) -> Result<(), State> {
        // Acquire: pairs with the Release of the last owner.
        let taken = self
            .0
            .compare_exchange(State::FREE.0, State::held_by(me).0, Acquire, Relaxed);
        taken.map(drop).map_err(State)
    }

    /// Takes the lock if it is free, and keeps `PARKED`. The error is the state of a lock that is
    /// held.
    #[inline]
    pub(crate) fn take(&self, me: Owner) -> Result<(), State> {
        self.take_from(self.load(), me)
    }

    /// [`take`](LockWord::take), with a state that has been loaded already.
    pub(crate) fn take_from(&self, mut state: State, me: Owner) -> Result<(), State> {
        while !state.is_held() {
            // Acquire: pairs with the Release of the last owner.
            match self.change(state, state.with_owner(me), Acquire) {
                Ok(()) => return Ok(()),
                Err(changed) => state = changed,
            }
        }
        Err(state)
    }

    /// Releases the lock, which the calling thread holds, and wipes out `PARKED`: a light release
    /// (see `mode.rs`).
    #[inline]
    pub(crate) fn free_lightly(&self) {
        // Release: pairs with the Acquire of the next owner.
        #[cfg(not(tk_loom))]
        self.0.store(State::FREE.0, Release);
        // loom does not know that a store comes after the atomic step that has read what the store
        // overwrites. A swap without Acquire orders nothing else.
        #[cfg(tk_loom)]
        self.0.swap(State::FREE.0, Release);
    }

    /// Releases the lock if it is in this state, which is held, and no thread is parked.
    #[inline]
    pub(crate) fn free(&self, state: State) -> bool {
        // Release: pairs with the Acquire of the next owner.
        !state.is_parked()
            && self
                .0
                .compare_exchange(state.0, State::FREE.0, Release, Relaxed)
                .is_ok()
    }

    /// Sets `PARKED` if the lock is held. Returns whether it is held. With the queue locked.
    pub(crate) fn mark_parked_if_locked(&self) -> bool {
        let mut state = self.load();
        while state.is_held() && !state.is_parked() {
            // Relaxed: the queue's lock orders this with the release that finds the flag.
            match self.change(state, state.with_parked(), Relaxed) {
                Ok(()) => return true,
                Err(changed) => state = changed,
            }
        }
        state.is_held()
    }

    /// Sets `PARKED`. With the queue locked.
    pub(crate) fn mark_parked(&self) {
        // Relaxed: as in `mark_parked_if_locked`.
        self.0.fetch_or(PARKED, Relaxed);
    }

    /// Releases the lock, or hands it to `new_owner`. `PARKED` is set if `parked`, and cleared if
    /// not. Returns `false` if the lock was not held, and changes nothing then. With the queue
    /// locked.
    pub(crate) fn replace_owner(&self, new_owner: Option<Owner>, parked: bool) -> bool {
        let mut next = new_owner.map_or(State::FREE, State::held_by);
        if parked {
            next = next.with_parked();
        }
        let mut state = self.load();
        while state.is_held() {
            // Release: pairs with the Acquire of the next owner, unless that is `new_owner`, which
            // the queue's lock synchronizes with.
            match self.change(state, next, Release) {
                Ok(()) => return true,
                Err(changed) => state = changed,
            }
        }
        false
    }

    fn change(
        &self,
        from: State,
        to: State,
        success: tk_park::sync::Ordering,
    ) -> Result<(), State> {
        let changed = self.0.compare_exchange_weak(from.0, to.0, success, Relaxed);
        changed.map(drop).map_err(State)
    }

    /// Gives a model's atomics to the thread that makes the object.
    #[cfg(tk_loom)]
    pub(crate) fn loom_register(&self) {
        self.0.loom_register();
    }
}
