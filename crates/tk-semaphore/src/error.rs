//! What can go wrong.

use std::error::Error;
use std::fmt;

use tk_park::WaitError;

/// Why a call that wanted a number of permits did not get them. It has changed nothing.
///
/// ```
/// use tk_semaphore::{AcquireError, BoundedSemaphore};
///
/// let error = BoundedSemaphore::new(2).acquire_many(3).unwrap_err();
/// assert_eq!(error, AcquireError::TooMany { wanted: 3, max: 2 });
/// assert_eq!(error.to_string(), "3 permits wanted of at most 2");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AcquireError {
    /// The time was over.
    TimedOut,
    /// The stop token was asked to stop.
    Stopped,
    /// There never are so many permits.
    TooMany {
        /// How many the call wanted.
        wanted: usize,
        /// How many there can be.
        max: usize,
    },
}

impl From<WaitError> for AcquireError {
    fn from(error: WaitError) -> AcquireError {
        match error {
            WaitError::TimedOut => AcquireError::TimedOut,
            WaitError::Stopped => AcquireError::Stopped,
        }
    }
}

impl fmt::Display for AcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            AcquireError::TimedOut => WaitError::TimedOut.fmt(f),
            AcquireError::Stopped => WaitError::Stopped.fmt(f),
            AcquireError::TooMany { wanted, max } => {
                let s = if wanted == 1 { "" } else { "s" };
                write!(f, "{wanted} permit{s} wanted of at most {max}")
            }
        }
    }
}

impl Error for AcquireError {}

/// A release of more permits than there can be. It has changed nothing.
///
/// ```
/// let error = tk_semaphore::BoundedSemaphore::new(1).release(1).unwrap_err();
/// assert_eq!(error.to_string(), "release of 1 permit past the bound of 1");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReleaseError {
    pub(crate) n: usize,
    pub(crate) max: usize,
}

impl fmt::Display for ReleaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = if self.n == 1 { "" } else { "s" };
        write!(
            f,
            "release of {} permit{s} past the bound of {}",
            self.n, self.max
        )
    }
}

impl Error for ReleaseError {}
