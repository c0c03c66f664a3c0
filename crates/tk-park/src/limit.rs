//! When a wait gives up.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::StopToken;
use crate::sync::Instant;

/// The time that lies so much after another, or `None` if the clock does not go that far: for ever.
///
/// The one place in the kit that adds to an `Instant`.
///
/// ```
/// use std::time::{Duration, Instant};
/// use tk_park::later;
///
/// let now = Instant::now();
/// assert!(later(now, Duration::from_secs(1)).unwrap() > now);
/// assert_eq!(later(now, Duration::MAX), None);
/// ```
pub fn later(instant: Instant, by: Duration) -> Option<Instant> {
    instant.checked_add(by)
}

/// The time that lies so much ahead, or `None` if the clock does not go that far: for ever.
///
/// ```
/// use std::time::{Duration, Instant};
///
/// assert!(tk_park::deadline_after(Duration::from_secs(1)).unwrap() > Instant::now());
/// assert_eq!(tk_park::deadline_after(Duration::MAX), None);
/// ```
pub fn deadline_after(duration: Duration) -> Option<Instant> {
    later(Instant::now(), duration)
}

/// What ends a wait that is not granted: a deadline, a stop token, both (whichever comes first), or nothing.
///
/// Made from a `Duration` (counted from the moment of the conversion; one too long for the clock means for ever), an
/// `Option<Duration>` (`None` means for ever), an `Instant`, a `&StopToken`, or with the functions below. Zero, a time in
/// the past and a token that has been asked to stop all mean: try once.
///
/// ```
/// use std::time::Duration;
/// use tk_park::{Limit, StopSource};
///
/// let source = StopSource::new();
/// let token = source.token();
///
/// let for_ever = Limit::none();
/// let a_second = Limit::from(Duration::from_secs(1));
/// let until_stopped = Limit::from(&token);
/// let either = Limit::after(Duration::from_secs(1)).or_stop(&token);
///
/// assert!(!either.is_over());
/// source.request_stop();
/// assert!(either.is_over());
/// # let _ = (for_ever, a_second, until_stopped);
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct Limit<'a> {
    deadline: Option<Instant>,
    stop: Option<&'a StopToken>,
}

impl<'a> Limit<'a> {
    /// No limit: the wait goes on for ever.
    ///
    /// ```
    /// assert!(!tk_park::Limit::none().is_over());
    /// ```
    pub const fn none() -> Limit<'a> {
        Limit {
            deadline: None,
            stop: None,
        }
    }

    /// Gives up when so much time has passed from now.
    ///
    /// ```
    /// assert!(tk_park::Limit::after(std::time::Duration::ZERO).is_over());
    /// ```
    pub fn after(duration: Duration) -> Limit<'a> {
        Limit {
            deadline: deadline_after(duration),
            stop: None,
        }
    }

    /// Gives up at this time.
    ///
    /// ```
    /// assert!(tk_park::Limit::until(std::time::Instant::now()).is_over());
    /// ```
    pub const fn until(deadline: Instant) -> Limit<'a> {
        Limit {
            deadline: Some(deadline),
            stop: None,
        }
    }

    /// When this token is asked to stop.
    ///
    /// ```
    /// use tk_park::{Limit, StopSource};
    ///
    /// let source = StopSource::new();
    /// let token = source.token();
    /// assert!(!Limit::stop(&token).is_over());
    /// source.request_stop();
    /// assert!(Limit::stop(&token).is_over());
    /// ```
    pub const fn stop(token: &'a StopToken) -> Limit<'a> {
        Limit::none().or_stop(token)
    }

    /// The same limit, which also ends when this token is asked to stop. Replaces a token that was there.
    ///
    /// ```
    /// use tk_park::{Limit, StopSource};
    ///
    /// let token = StopSource::new().token();
    /// assert!(Limit::none().or_stop(&token).stop_token().is_some());
    /// ```
    pub const fn or_stop(self, token: &'a StopToken) -> Limit<'a> {
        Limit {
            deadline: self.deadline,
            stop: Some(token),
        }
    }

    /// Whether this is no limit: the wait goes on for ever.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tk_park::Limit;
    ///
    /// assert!(Limit::none().is_none());
    /// assert!(Limit::after(Duration::MAX).is_none()); // Too long for the clock.
    /// ```
    pub const fn is_none(&self) -> bool {
        self.deadline.is_none() && self.stop.is_none()
    }

    /// The time when this limit ends, if it has one.
    ///
    /// ```
    /// assert_eq!(tk_park::Limit::none().deadline(), None);
    /// ```
    pub const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The token that ends this limit, if it has one.
    ///
    /// ```
    /// assert!(tk_park::Limit::none().stop_token().is_none());
    /// ```
    pub const fn stop_token(&self) -> Option<&'a StopToken> {
        self.stop
    }

    /// Whether a wait with this limit would only try once now.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// assert!(!tk_park::Limit::after(Duration::from_secs(60)).is_over());
    /// ```
    pub fn is_over(&self) -> bool {
        self.check().is_err()
    }

    /// Says whether a wait with this limit may go on, or what it fails with now. Looks at the clock only if there is a
    /// deadline.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tk_park::{Limit, WaitError};
    ///
    /// assert_eq!(Limit::none().check(), Ok(()));
    /// assert_eq!(Limit::after(Duration::ZERO).check(), Err(WaitError::TimedOut));
    /// ```
    pub fn check(&self) -> Result<(), WaitError> {
        if self.stop.is_some_and(StopToken::stop_requested) {
            return Err(WaitError::Stopped);
        }
        match self.deadline {
            Some(deadline) if deadline <= Instant::now() => Err(WaitError::TimedOut),
            _ => Ok(()),
        }
    }
}

impl From<Duration> for Limit<'_> {
    fn from(duration: Duration) -> Self {
        Limit::after(duration)
    }
}

/// `None` is no limit, as Python's `timeout=None`.
impl From<Option<Duration>> for Limit<'_> {
    fn from(duration: Option<Duration>) -> Self {
        duration.map_or(Limit::none(), Limit::after)
    }
}

impl From<Instant> for Limit<'_> {
    fn from(deadline: Instant) -> Self {
        Limit::until(deadline)
    }
}

impl<'a> From<&'a StopToken> for Limit<'a> {
    fn from(token: &'a StopToken) -> Self {
        Limit::stop(token)
    }
}

/// Why a wait with a [`Limit`] ended without what it waited for.
///
/// ```
/// assert_eq!(tk_park::WaitError::TimedOut.to_string(), "timed out");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WaitError {
    /// The time was over.
    TimedOut,
    /// The stop token was asked to stop.
    Stopped,
}

impl fmt::Display for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            WaitError::TimedOut => "timed out",
            WaitError::Stopped => "stopped",
        })
    }
}

impl Error for WaitError {}
