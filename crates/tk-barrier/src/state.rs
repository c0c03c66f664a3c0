//! Which round is the current one, and which are used next.
//!
//! # Invariants
//!
//! **Reuse.** A round is used again only if the barrier alone has it. Then no thread
//! sleeps on it, and none has yet to look at its outcome. The round before the current one is kept
//! for that. If the same threads come in every round, all have left a round when the next one is
//! full, so that two rounds serve forever, and the spare one is never used.
//!
//! **No allocator under the lock.** The program's allocator may itself wait at a barrier.
//! So a round that a step needs is made before the state is locked, and one that is not needed any
//! more is dropped after.
//!
//! **No lost party.** In the child of a fork, a round that had begun has parties that are
//! not there. The first step in the child ends that round as reset, and the next begins empty.
//! Otherwise the lost parties would count, and a round of the child would pass with too few.
//! The old round stays allocated: its lost parties have shares in it. If a lost thread had the
//! state locked, the state is made anew, and the round is lost without an outcome.
//!
//! **Broken in the child too.** In the child of a fork, a broken barrier is broken, even if a lost
//! thread had the state locked, so that the state is made anew. So the outcome of the current round
//! lies beside the state, in a byte of its own.

use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
// Not that of `sync`: the lock orders it.
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering::Relaxed;

#[cfg(not(tk_loom))]
use tk_core::__private::fork::{Inherit, Mutex, MutexGuard};
use tk_core::Owner;
#[cfg(tk_loom)]
use tk_park::sync::{Mutex, MutexGuard};

use crate::round::{Outcome, Round};

pub(crate) struct State {
    /// There is none before the first is needed.
    current: Option<Arc<Round>>,
    /// The one before it, to be used again.
    previous: Option<Arc<Round>>,
    /// One for when the parties of the previous round have yet to leave it. There is one whenever a
    /// round begins: to look beforehand whether they have left costs a cache line that they use.
    spare: Option<Arc<Round>>,
    /// How many have arrived in the current round.
    pub(crate) arrived: usize,
    /// The thread that runs the action of the current round.
    pub(crate) acting: Option<Owner>,
}

impl State {
    const NEW: State = State {
        current: None,
        previous: None,
        spare: None,
        arrived: 0,
        acting: None,
    };

    /// The current round, which [`StateLock::lock_with`] has provided.
    pub(crate) fn current(&self) -> &Arc<Round> {
        self.current.as_ref().expect("the lock provides it")
    }

    /// Whether this is the current round. If not, it has an outcome, or is lost in a fork.
    pub(crate) fn is_current(&self, round: &Arc<Round>) -> bool {
        Arc::ptr_eq(self.current(), round)
    }

    /// Takes a new round to where one is needed. Returns it if none is.
    fn provide(&mut self, round: Arc<Round>) -> Option<Arc<Round>> {
        let place = if self.current.is_none() {
            &mut self.current
        } else {
            &mut self.spare
        };
        if place.is_some() {
            return Some(round);
        }
        *place = Some(round);
        None
    }

    /// Makes the next round, which [`StateLock::lock_with`] has provided, the current one. Returns
    /// the one before, and a round to be dropped with the state unlocked.
    fn replace(&mut self) -> (&Round, Option<Arc<Round>>) {
        let mut old = self.previous.take();
        let next = match old.as_mut().and_then(Arc::get_mut) {
            Some(unused) => {
                unused.renew();
                old.take()
            }
            None => self.spare.take(),
        };
        debug_assert!(next.is_some());
        self.arrived = 0;
        self.acting = None;
        let round = mem::replace(&mut self.current, next).expect("the lock provides it");
        (self.previous.insert(round), old)
    }
}

/// The state, while it is locked.
pub(crate) struct Guard<'a> {
    state: MutexGuard<'a, State>,
    /// *Broken in the child too*.
    outcome: &'a AtomicU8,
}

impl Deref for Guard<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

impl DerefMut for Guard<'_> {
    fn deref_mut(&mut self) -> &mut State {
        &mut self.state
    }
}

impl Guard<'_> {
    /// The outcome of the current round. Read here and not in the round, because a look at the
    /// round costs a cache line that its parties use.
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        Outcome::of_code(self.outcome.load(Relaxed).into())
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.outcome().is_some()
    }

    pub(crate) fn n_waiting(&self) -> usize {
        if self.is_broken() { 0 } else { self.arrived }
    }

    /// Ends the current round, unless it has an outcome.
    pub(crate) fn end(&mut self, outcome: Outcome) -> Ended {
        let is_first = !self.is_broken();
        if is_first {
            self.outcome.store(outcome as u8, Relaxed);
        }
        let has_parked = is_first && self.current().end(outcome);
        Ended {
            is_first,
            has_parked,
        }
    }

    /// Ends the current round, unless it has an outcome, and begins the next one, which
    /// [`StateLock::lock_with`] has provided. Also returns a round to be dropped with the state
    /// unlocked.
    ///
    /// To let the parties go comes last, because the first thing that they want is the lock.
    pub(crate) fn begin(&mut self, outcome: Outcome) -> (Ended, Option<Arc<Round>>) {
        let is_first = !self.is_broken();
        if !is_first {
            self.outcome.store(Outcome::NONE, Relaxed);
        }
        let (round, old) = self.state.replace();
        let has_parked = is_first && round.end(outcome);
        let ended = Ended {
            is_first,
            has_parked,
        };
        (ended, old)
    }
}

/// The result of [`Guard::end`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "parked threads have to be woken"]
pub(crate) struct Ended {
    /// Whether this call has ended the round.
    pub(crate) is_first: bool,
    /// Whether this call has ended the round and threads may be parked.
    pub(crate) has_parked: bool,
}

/// Which rounds a step needs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    Current,
    CurrentAndNext,
}

#[cfg(not(tk_loom))]
impl Inherit for State {
    fn inherit(&mut self) {
        if self.arrived > 0 {
            if let Some(round) = self.current.take() {
                if round.outcome().is_none() {
                    // Nobody of this process is parked.
                    let _ = round.end(Outcome::Reset);
                }
                // No lost party. Dropping it could call the allocator.
                mem::forget(round);
            }
            self.arrived = 0;
            self.acting = None;
        }
    }

    fn anew() -> State {
        State::NEW
    }
}

/// The state, and the lock around it. The child of a fork can take it even if a lost thread held
/// it. On a cache line of its own, which each party takes once per round.
#[repr(align(64))]
pub(crate) struct StateLock {
    state: Mutex<State>,
    /// The code of the outcome of the current round. Changed with the state locked.
    outcome: AtomicU8,
}

impl StateLock {
    #[cfg(not(tk_loom))]
    pub(crate) const fn new() -> StateLock {
        StateLock {
            state: Mutex::constant(State::NEW),
            outcome: AtomicU8::new(Outcome::NONE),
        }
    }

    #[cfg(tk_loom)]
    pub(crate) fn new() -> StateLock {
        StateLock {
            state: Mutex::new(State::NEW),
            outcome: AtomicU8::new(Outcome::NONE),
        }
    }

    pub(crate) fn lock(&self) -> Guard<'_> {
        #[cfg(not(tk_loom))]
        let state = self.state.lock();
        #[cfg(tk_loom)]
        let state = tk_park::sync::lock(&self.state);
        self.guard(state)
    }

    pub(crate) fn try_lock(&self) -> Option<Guard<'_>> {
        let state = self.state.try_lock();
        #[cfg(tk_loom)]
        let state = state.ok();
        state.map(|state| self.guard(state))
    }

    fn guard<'a>(&'a self, state: MutexGuard<'a, State>) -> Guard<'a> {
        Guard {
            state,
            outcome: &self.outcome,
        }
    }

    /// Locks the state when it has the rounds that the step needs: No allocator under the lock.
    pub(crate) fn lock_with(&self, needs: impl Fn(&State) -> Needs) -> Guard<'_> {
        loop {
            let state = self.lock();
            let has_next = needs(&state) == Needs::Current || state.spare.is_some();
            if state.current.is_some() && has_next {
                return state;
            }
            drop(state);
            let round = Round::new();
            let unused = self.lock().provide(round);
            drop(unused);
        }
    }
}
