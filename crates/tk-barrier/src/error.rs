//! Why a barrier did not let a thread pass.

use std::error::Error;
use std::fmt;

use tk_park::WaitError;

#[cfg(doc)]
use crate::Barrier;

/// Why a barrier did not let a thread pass.
///
/// `TimedOut` and `Stopped` mean that the limit of this call broke the round. The other parties of
/// the round get [`Broken`](BarrierError::Broken). `NotAdmitted` means that the call arrived in a
/// full round and has changed nothing.
///
/// ```
/// use tk_barrier::BarrierError;
///
/// assert_eq!(BarrierError::Aborted.to_string(), "broken barrier: aborted");
/// ```
///
/// A thread that wants to repair the barrier uses [`Barrier::reset_if_broken`], which leaves a
/// whole barrier alone:
///
/// ```
/// use std::time::Duration;
/// use tk_barrier::{Barrier, BarrierError};
///
/// let barrier = Barrier::new(2);
/// let error = barrier.wait_for(Duration::ZERO).unwrap_err();
/// assert_eq!(error, BarrierError::TimedOut);
/// assert!(error.is_broken() && barrier.reset_if_broken());
/// ```
#[doc(alias = "threading.BrokenBarrierError")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BarrierError {
    /// The time of this call was up before its round had passed. That broke the barrier.
    TimedOut,
    /// A stop was requested of this call before its round had passed. That broke the barrier.
    Stopped,
    /// The limit of another party was reached. The error inside tells a timeout from a stop.
    Broken(WaitError),
    /// A thread called [`Barrier::abort`].
    Aborted,
    /// A thread called [`Barrier::reset`]. The barrier was whole after that.
    Reset,
    /// The action panicked.
    ActionPanicked,
    /// The parties of the round were complete, and the limit of this call was reached before the
    /// next round could take it in. The call did not count as an arrival, and broke nothing.
    NotAdmitted(WaitError),
}

impl BarrierError {
    /// Whether the barrier was broken when the call returned. If it is not, a reset would only send
    /// away the parties of a healthy round.
    ///
    /// ```
    /// use tk_barrier::{BarrierError, WaitError};
    ///
    /// assert!(BarrierError::Broken(WaitError::TimedOut).is_broken());
    /// assert!(!BarrierError::NotAdmitted(WaitError::TimedOut).is_broken());
    /// assert!(!BarrierError::Reset.is_broken());
    /// ```
    pub fn is_broken(&self) -> bool {
        !matches!(self, BarrierError::Reset | BarrierError::NotAdmitted(_))
    }
}

impl fmt::Display for BarrierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BarrierError::TimedOut => "broken barrier: timed out",
            BarrierError::Stopped => "broken barrier: stopped",
            BarrierError::Broken(WaitError::TimedOut) => "broken barrier: a party timed out",
            BarrierError::Broken(WaitError::Stopped) => "broken barrier: a party was stopped",
            BarrierError::Aborted => "broken barrier: aborted",
            BarrierError::Reset => "broken barrier: reset",
            BarrierError::ActionPanicked => "broken barrier: the action panicked",
            BarrierError::NotAdmitted(WaitError::TimedOut) => {
                "not admitted to the barrier: timed out"
            }
            BarrierError::NotAdmitted(WaitError::Stopped) => "not admitted to the barrier: stopped",
        })
    }
}

impl Error for BarrierError {}
