//! One round of a barrier, and its outcome.
//!
//! | outcome | `end` | `renew` |
//! |---|---|---|
//! | [`PENDING`] | sets it, returns `true` | nothing |
//! | any other | returns `false` | makes it `PENDING`; only with the one share in the round |

use std::sync::Arc;

use tk_park::WaitError;
use tk_park::sync::{AtomicU32, Ordering::*};

use crate::BarrierError;

/// A round. Its parties share it, and find the outcome there however late they look.
pub(crate) struct Round {
    /// [`PENDING`], or an [`Outcome`].
    outcome: AtomicU32,
}

const PENDING: u32 = 0;

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
    fn of_code(code: u32) -> Option<Outcome> {
        Some(match code {
            PENDING => return None,
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

    /// Sets the outcome unless the round has one. Returns whether it did. Called with the barrier's
    /// state locked.
    pub(crate) fn end(&self, outcome: Outcome) -> bool {
        // Release: pairs with the Acquire in `outcome`. What the parties did before is passed on by
        // the state's lock.
        self.outcome
            .compare_exchange(PENDING, outcome as u32, Release, Relaxed)
            .is_ok()
    }

    /// Prepares the round to be used again.
    pub(crate) fn renew(&mut self) {
        // Relaxed: a thread that sees this round again has got it with the state locked.
        self.outcome.store(PENDING, Relaxed);
    }
}
