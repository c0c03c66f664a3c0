//! Why a call of a `Once`, an `OnceLock` or a `LazyLock` gave up.

use std::error::Error;
use std::fmt;
use std::panic::Location;

use tk_park::WaitError;

/// Why a call with a limit, or one that never blocks, ended without an initialization.
///
/// ```
/// use tk_lock::{Once, OnceError};
///
/// let once = Once::new();
/// let line = line!() + 1;
/// once.call_once(|| match once.try_call_once(|| ()) {
///     Err(OnceError::Recursive(location)) => assert_eq!(location.line(), line),
///     other => panic!("{other:?}"),
/// });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnceError {
    /// The time was up, and another thread was still initializing. This is also the error of a
    /// call that never blocks.
    TimedOut,
    /// A stop was requested, and another thread was still initializing.
    Stopped,
    /// An initialization has panicked. In the child of a fork, this includes an initialization
    /// that a thread of the parent was running.
    Poisoned,
    /// The calling thread is running the initialization, and would wait for itself forever. The
    /// initialization was begun by the call at this line.
    Recursive(&'static Location<'static>),
}

impl From<WaitError> for OnceError {
    fn from(error: WaitError) -> OnceError {
        match error {
            WaitError::TimedOut => OnceError::TimedOut,
            WaitError::Stopped => OnceError::Stopped,
        }
    }
}

impl fmt::Display for OnceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OnceError::TimedOut => WaitError::TimedOut.fmt(f),
            OnceError::Stopped => WaitError::Stopped.fmt(f),
            OnceError::Poisoned => f.write_str("the initialization has panicked before"),
            OnceError::Recursive(location) => write!(
                f,
                "this thread is running the initialization already, which was begun at {location}"
            ),
        }
    }
}

impl Error for OnceError {}
