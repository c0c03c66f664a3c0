//! The word of a `Once`: its states, and the steps from one state to another.
//!
//! The word holds the number of the thread that runs the initialization, and two flags.
//!
//! | state | word | `begin` | `end` | `mark_parked` |
//! |---|---|---|---|---|
//! | new | `0` | → running | | sets `PARKED` |
//! | poisoned | `POISONED` | → running | | sets `PARKED` |
//! | running | the runner | only if the runner is lost | → complete, → poisoned | sets `PARKED` |
//! | complete | `COMPLETE` | | | |
//!
//! # Invariants
//!
//! **One runner.** The number of a runner is written by that thread itself, in a step from a word
//! without a runner (Acquire), and replaced by that thread alone, when its closure has ended
//! (Release). So no two closures run at the same time, and each sees what those before it have
//! done. The exception is a runner that a fork has left in the parent: it runs nothing here.
//!
//! **Complete for good.** No step through a shared reference leaves the complete state. So a thread
//! that has read `COMPLETE` (Acquire) sees all that the closure has done, and no closure runs
//! afterwards.
//!
//! **Parked bit.** While a thread is in the queue, `PARKED` stands in the word beside the state
//! that the thread waits to see changed. A thread enters the queue in the step that sees or sets
//! `PARKED` beside that state, with the queue locked. Each step to another state takes `PARKED` out
//! of the word, and if it was there, wakes all threads in the queue. If a thread set `PARKED`
//! before it locks the queue, this could happen:
//!
//! 1. Thread A runs the closure. B sets `PARKED`.
//! 2. A completes, and finds the queue empty.
//! 3. B enters the queue, and sleeps forever.
//!
//! With the queue locked, A finds B in the queue, or B finds that the state has changed.

use tk_core::Owner;
use tk_park::sync::{AtomicU32, Ordering::*};
use tk_park::unpark_all;

/// Flag: a thread is in the queue, or was in it and has given up.
const PARKED: u32 = 1;
/// Flag: the last closure has panicked. Never beside a runner.
const POISONED: u32 = 2;
/// The runner's number is in the bits above the flags.
const RUNNER_SHIFT: u32 = 2;
/// No other state has this value: a runner and `POISONED` do not stand together.
const COMPLETE: u32 = u32::MAX;

/// A value of the word.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct State(u32);

impl State {
    pub(super) const NEW: State = State(0);
    pub(super) const POISONED: State = State(POISONED);
    pub(super) const COMPLETE: State = State(COMPLETE);

    fn run_by(runner: Owner) -> State {
        State(runner.get() << RUNNER_SHIFT)
    }

    #[inline]
    pub(super) fn is_complete(self) -> bool {
        self == State::COMPLETE
    }

    pub(super) fn is_poisoned(self) -> bool {
        !self.is_complete() && self.0 & POISONED != 0
    }

    pub(super) fn runner(self) -> Option<Owner> {
        if self.is_complete() {
            return None;
        }
        Owner::new(self.0 >> RUNNER_SHIFT)
    }

    fn is_parked(self) -> bool {
        !self.is_complete() && self.0 & PARKED != 0
    }

    /// The same state, with no thread parked.
    pub(super) fn without_parked(self) -> State {
        if self.is_complete() {
            return self;
        }
        State(self.0 & !PARKED)
    }
}

/// The atomic word. Its address is the key of the queue.
#[repr(transparent)]
pub(super) struct OnceWord(AtomicU32);

impl OnceWord {
    pub(super) const fn new(state: State) -> OnceWord {
        OnceWord(AtomicU32::new(state.0))
    }

    /// The word as the key of the queue.
    pub(super) fn queue(&self) -> &AtomicU32 {
        &self.0
    }

    #[inline]
    pub(super) fn load(&self) -> State {
        // Acquire: pairs with the Release in `end`.
        State(self.0.load(Acquire))
    }

    /// Makes `me`, which is the calling thread, the runner, if the state is still `from`: a state
    /// without a runner, or with one that is lost. Returns whether it was.
    pub(super) fn begin(&self, from: State, me: Owner) -> bool {
        // Acquire: pairs with the Release in `end`. The closure sees what the last one has done,
        // which has panicked.
        let begun = self
            .0
            .compare_exchange(from.0, State::run_by(me).0, Acquire, Relaxed)
            .is_ok();
        if begun && from.is_parked() {
            self.wake_all();
        }
        begun
    }

    /// Ends the run of the calling thread, which is the runner.
    pub(super) fn end(&self, to: State) {
        // Release: pairs with the Acquire in `load` and `begin`.
        if State(self.0.swap(to.0, Release)).is_parked() {
            self.wake_all();
        }
    }

    /// Sets `PARKED` if the state is still `state`, which is not complete and has no `PARKED`.
    /// Returns whether it is. With the queue locked.
    pub(super) fn mark_parked(&self, state: State) -> bool {
        // Relaxed: the queue's lock orders this with the step that finds the flag. A thread that
        // finds another state here reads that again, with Acquire.
        match self
            .0
            .compare_exchange(state.0, state.0 | PARKED, Relaxed, Relaxed)
        {
            Ok(_) => true,
            Err(changed) => State(changed).without_parked() == state,
        }
    }

    #[cold]
    fn wake_all(&self) {
        unpark_all(&self.0, 0);
    }

    /// Gives a model's atomics to the thread that makes the object.
    #[cfg(tk_loom)]
    pub(super) fn loom_register(&self) {
        self.0.loom_register();
    }
}
