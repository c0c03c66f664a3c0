//! Errors.

use std::error::Error;
use std::fmt;

use tk_park::WaitError;

/// The error of a call for several permits. The call has changed nothing.
///
/// ```
/// use tk_semaphore::{AcquireError, BoundedSemaphore, Limit};
///
/// let error = BoundedSemaphore::new(2).acquire_many_with(3, Limit::never()).unwrap_err();
/// assert_eq!(error, AcquireError::TooMany { wanted: 3, max: 2 });
/// assert_eq!(error.to_string(), "3 permits wanted of at most 2");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AcquireError {
    /// The time was up.
    TimedOut,
    /// A stop was requested of one of the limit's tokens.
    Stopped,
    /// The semaphore can never have as many permits, so the call did not wait.
    TooMany {
        /// How many permits the call wanted.
        wanted: usize,
        /// How many permits the semaphore can have.
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
                write!(f, "{} wanted of at most {max}", Permits(wanted))
            }
        }
    }
}

impl Error for AcquireError {}

/// The error of a release that would leave more permits than the semaphore can have. The release
/// has changed nothing.
///
/// ```
/// let error = tk_semaphore::BoundedSemaphore::new(1).release(1).unwrap_err();
/// assert_eq!(error.to_string(), "release of 1 permit past the bound of 1");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "ValueError")]
pub struct ReleaseError {
    pub(crate) n: usize,
    pub(crate) max: usize,
}

impl fmt::Display for ReleaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ReleaseError { n, max } = *self;
        write!(f, "release of {} past the bound of {max}", Permits(n))
    }
}

impl Error for ReleaseError {}

/// Displays a number of permits, with the plural where it is due.
struct Permits(usize);

impl fmt::Display for Permits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = if self.0 == 1 { "" } else { "s" };
        write!(f, "{} permit{s}", self.0)
    }
}
