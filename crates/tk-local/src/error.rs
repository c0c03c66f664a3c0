//! The errors of access to a value.

use std::error::Error;
use std::fmt;

/// The calling thread has no value, and the [`Local`](crate::Local) has no initializer.
///
/// ```
/// use tk_local::{Local, Unset};
///
/// let local = Local::<u32>::new();
/// assert_eq!(local.with_borrow(|n| *n), Err(Unset));
/// assert_eq!(Unset.to_string(), "this thread has not set a value");
/// ```
#[doc(alias = "AttributeError")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Unset;

impl fmt::Display for Unset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this thread has not set a value")
    }
}

impl Error for Unset {}

/// The error of the `try_` methods of [`Local`](crate::Local): the calling thread cannot use its
/// value right now.
///
/// Except for `Unset`, the cause is further up on the stack of the same thread. Other threads never
/// cause an error.
///
/// ```
/// use tk_local::{AccessError, Local};
///
/// let local = Local::with_init(|| 1);
/// let inner = local.with_borrow(|_| local.try_with_borrow_mut(|n| *n += 1));
/// assert_eq!(inner, Ok(Err(AccessError::Borrowed)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AccessError {
    /// There is no value, and no initializer.
    Unset,
    /// The thread is in a `with_borrow`, or in the `clone` of a `get`, so it cannot change the
    /// value.
    Borrowed,
    /// The thread is in a `with_borrow_mut`.
    BorrowedMut,
    /// The thread is in the initializer.
    Initializing,
    /// The thread is ending, and drops its 32nd generation of values. Each generation was made
    /// while the one before was dropped. Initializers are not called any more. See [when a value is
    /// dropped](crate#when-a-value-is-dropped).
    ThreadEnding,
}

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AccessError::Unset => fmt::Display::fmt(&Unset, f),
            AccessError::Borrowed => f.write_str("this thread's value is already borrowed"),
            AccessError::BorrowedMut => {
                f.write_str("this thread's value is already mutably borrowed")
            }
            AccessError::Initializing => {
                f.write_str("this thread's value is used by its own initializer")
            }
            AccessError::ThreadEnding => {
                f.write_str("this thread is ending and makes no more values")
            }
        }
    }
}

impl Error for AccessError {}

impl From<Unset> for AccessError {
    fn from(_: Unset) -> AccessError {
        AccessError::Unset
    }
}

/// The error of [`try_set`](crate::Local::try_set) and [`try_replace`](crate::Local::try_replace).
/// Holds the value that could not be set, and the reason.
///
/// ```
/// use tk_local::{AccessError, Local};
///
/// let local = Local::with_init(|| 1);
/// let error = local.with_borrow(|_| local.try_set(2)).unwrap().unwrap_err();
/// assert_eq!(error.reason(), AccessError::Borrowed);
/// assert_eq!(error.to_string(), "this thread's value is already borrowed");
/// assert_eq!(error.into_value(), 2);
/// ```
pub struct SetError<T> {
    value: T,
    reason: AccessError,
}

impl<T> SetError<T> {
    pub(crate) fn new(value: T, reason: AccessError) -> SetError<T> {
        SetError { value, reason }
    }

    /// Returns why the value could not be set. Never [`AccessError::Unset`].
    ///
    /// ```
    /// # use tk_local::{AccessError, Local};
    /// let local = Local::with_init(|| 1);
    /// let error = local.with_borrow_mut(|_| local.try_set(2)).unwrap().unwrap_err();
    /// assert_eq!(error.reason(), AccessError::BorrowedMut);
    /// ```
    pub fn reason(&self) -> AccessError {
        self.reason
    }

    /// Returns the value that could not be set.
    ///
    /// ```
    /// # use tk_local::Local;
    /// let local = Local::with_init(|| 1);
    /// let error = local.with_borrow(|_| local.try_set(2)).unwrap().unwrap_err();
    /// assert_eq!(error.into_value(), 2);
    /// ```
    pub fn into_value(self) -> T {
        self.value
    }
}

/// Shows the reason, but not the value.
impl<T> fmt::Debug for SetError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetError")
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

impl<T> fmt::Display for SetError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.reason, f)
    }
}

impl<T> Error for SetError<T> {}
