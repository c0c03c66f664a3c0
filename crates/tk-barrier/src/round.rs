//! One round of a barrier, and its outcome.
//!
//! | word | `end` | `mark_parked` | `renew`, with the one share in the round |
//! |---|---|---|---|
//! | [`PENDING`] | sets the outcome | → `PENDING_PARKED` | – |
//! | [`PENDING_PARKED`] | sets the outcome; its caller wakes | – | → `PENDING` |
//! | an outcome | – | says no | → `PENDING` |
//!
//! # Invariants
//!
//! **Parked mark.** While a thread of a round without an outcome is in the queue, the word is
//! `PENDING_PARKED`. A thread enters the queue in the step that sees or sets this, with the queue
//! locked. So an `end` that finds the mark locks the queue afterwards and finds the thread, and one
//! that finds none has nobody to wake.

use std::sync::Arc;

use tk_park::WaitError;
use tk_park::sync::{AtomicU32, Ordering::*};

use crate::BarrierError;

/// A round. Its parties share it, and find the outcome there however late they look. On a cache
/// line of its own: the parties look at it while others count themselves in and out of the `Arc`.
#[repr(align(64))]
pub(crate) struct Round {
    /// [`PENDING`], [`PENDING_PARKED`], or an [`Outcome`].
    outcome: AtomicU32,
}

/// The round has no outcome, and no thread has parked.
const PENDING: u32 = 0;
/// The round has no outcome. Threads are in the queue, or were and have given up.
const PENDING_PARKED: u32 = u32::MAX;

/// How a round ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed = 1,
    TimedOut,
    Stopped,
    Aborted,
    Reset,
    ActionPanicked,
}

impl Outcome {
    /// The code of no outcome.
    pub(crate) const NONE: u8 = PENDING as u8;

    pub(crate) fn of_code(code: u32) -> Option<Outcome> {
        Some(match code {
            PENDING | PENDING_PARKED => return None,
            1 => Outcome::Passed,
            2 => Outcome::TimedOut,
            3 => Outcome::Stopped,
            4 => Outcome::Aborted,
            5 => Outcome::Reset,
            _ => Outcome::ActionPanicked,
        })
    }

    /// Returns the result of a thread that did not cause this outcome.
    pub(crate) fn for_others(self) -> Result<(), BarrierError> {
        Err(match self {
            Outcome::Passed => return Ok(()),
            Outcome::TimedOut => BarrierError::Broken(WaitError::TimedOut),
            Outcome::Stopped => BarrierError::Broken(WaitError::Stopped),
            Outcome::Aborted => BarrierError::Aborted,
            Outcome::Reset => BarrierError::Reset,
            Outcome::ActionPanicked => BarrierError::ActionPanicked,
        })
    }
}

impl Round {
    pub(crate) fn new() -> Arc<Round> {
        let round = Arc::new(Round {
            outcome: AtomicU32::new(PENDING),
        });
        #[cfg(tk_loom)]
        round.outcome.loom_register();
        round
    }

    pub(crate) fn outcome(&self) -> Option<Outcome> {
        // Acquire: pairs with the Release in `end`.
        Outcome::of_code(self.outcome.load(Acquire))
    }

    /// Sets the outcome of a round that has none. Returns whether threads may be parked. With the
    /// barrier's state locked, so that no other outcome is set meanwhile.
    pub(crate) fn end(&self, outcome: Outcome) -> bool {
        // Release: pairs with the Acquire in `outcome` and `mark_parked`. The state's lock has
        // passed on to this thread everything that the other parties did before.
        let before = self.outcome.swap(outcome as u32, Release);
        debug_assert!(matches!(before, PENDING | PENDING_PARKED));
        before == PENDING_PARKED
    }

    /// With the queue locked: marks that a thread parks, and returns `false` if the round has an
    /// outcome.
    pub(crate) fn mark_parked(&self) -> bool {
        // Relaxed on success: the queue's lock orders it before the search that finds the thread.
        // Acquire on failure: pairs with the Release in `end`.
        match self
            .outcome
            .compare_exchange(PENDING, PENDING_PARKED, Relaxed, Acquire)
        {
            Ok(_) => true,
            Err(word) => word == PENDING_PARKED,
        }
    }

    /// Prepares the round to be used again.
    pub(crate) fn renew(&mut self) {
        // Relaxed: a thread that sees this round again has got it with the state locked.
        self.outcome.store(PENDING, Relaxed);
    }
}
