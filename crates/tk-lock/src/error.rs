//! The errors of a release.

use std::error::Error;
use std::fmt;

/// The error of a release of a [`RawLock`](crate::RawLock) that is not held.
///
/// ```
/// use tk_lock::{NotLocked, RawLock};
///
/// assert_eq!(RawLock::new().release(), Err(NotLocked));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotLocked;

impl fmt::Display for NotLocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("release of a lock that is not held")
    }
}

impl Error for NotLocked {}

/// The error of a release of a [`RawRLock`](crate::RawRLock) that the calling thread does not hold.
///
/// ```
/// use tk_lock::{NotOwned, RawRLock};
///
/// assert_eq!(RawRLock::new().release(), Err(NotOwned));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotOwned;

impl fmt::Display for NotOwned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("release of a lock that this thread does not hold")
    }
}

impl Error for NotOwned {}
