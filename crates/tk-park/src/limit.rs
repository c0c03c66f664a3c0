//! When a wait gives up.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::StopToken;
use crate::sync::Instant;

/// Adds a duration to a time. Returns `None`, which means forever, if the result is beyond the
/// clock.
///
/// This is the only place in the kit that adds to an `Instant`.
///
/// ```
/// use std::time::{Duration, Instant};
/// use tk_park::checked_add_instant;
///
/// let now = Instant::now();
/// assert!(checked_add_instant(now, Duration::from_secs(1)).unwrap() > now);
/// assert_eq!(checked_add_instant(now, Duration::MAX), None);
/// ```
pub fn checked_add_instant(instant: Instant, by: Duration) -> Option<Instant> {
    instant.checked_add(by)
}

/// Returns the time after this duration from now, or `None`, which means forever, if it is beyond
/// the clock.
///
/// ```
/// use std::time::{Duration, Instant};
///
/// assert!(tk_park::deadline_after(Duration::from_secs(1)).unwrap() > Instant::now());
/// assert_eq!(tk_park::deadline_after(Duration::MAX), None);
/// ```
pub fn deadline_after(duration: Duration) -> Option<Instant> {
    checked_add_instant(Instant::now(), duration)
}

/// The largest number of tokens in a [`Limit`].
///
/// ```
/// assert_eq!(tk_park::MAX_STOPS, 4);
/// ```
pub const MAX_STOPS: usize = 4;

/// When a wait gives up: at a deadline, when a stop token is stopped, or at the first of several.
/// Without any of them, the wait goes on forever.
///
/// A limit is converted from a `Duration`, an `Option<Duration>`, an `Instant`, a `&StopToken` or
/// an array of tokens, or built with the functions below:
///
/// - A `Duration` counts from the moment of the conversion. If the deadline is beyond the clock, it
///   means forever.
/// - `None` means forever.
/// - Zero, a time in the past, and a stopped token mean to try once.
///
/// Every blocking call of the kit has a form `_with` that takes a limit. A call checks its limit
/// only when it has to wait. If it can succeed without waiting, it does, even if the time is up or
/// a stop has been requested. So a loop that may never have to wait must check
/// [`StopToken::stop_requested`] itself.
///
/// ```
/// use std::time::Duration;
/// use tk_park::{Limit, StopSource};
///
/// let (program, request) = (StopSource::new(), StopSource::new());
/// let (program_token, request_token) = (program.token(), request.token());
///
/// let forever = Limit::never();
/// let a_second = Limit::from(Duration::from_secs(1));
/// let until_stopped = Limit::from(&request_token);
/// let all = Limit::after(Duration::from_secs(1)).or_stop(&program_token).or_stop(&request_token);
///
/// assert!(!all.is_expired());
/// program.request_stop();
/// assert!(all.is_expired());
/// // The tokens tell which of them ended it.
/// assert!(program_token.stop_requested() && !request_token.stop_requested());
/// # let _ = (forever, a_second, until_stopped);
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct Limit<'a> {
    deadline: Option<Instant>,
    /// Filled from the front.
    stops: [Option<&'a StopToken>; MAX_STOPS],
}

impl<'a> Limit<'a> {
    /// Creates a limit that is never reached: the wait goes on forever.
    ///
    /// ```
    /// assert!(!tk_park::Limit::never().is_expired());
    /// ```
    pub const fn never() -> Limit<'a> {
        Limit {
            deadline: None,
            stops: [None; MAX_STOPS],
        }
    }

    /// Creates a limit that is reached after this time from now.
    ///
    /// ```
    /// assert!(tk_park::Limit::after(std::time::Duration::ZERO).is_expired());
    /// ```
    pub fn after(duration: Duration) -> Limit<'a> {
        Limit::never().or_after(duration)
    }

    /// Creates a limit that is reached at this time.
    ///
    /// ```
    /// assert!(tk_park::Limit::until(std::time::Instant::now()).is_expired());
    /// ```
    pub const fn until(deadline: Instant) -> Limit<'a> {
        Limit {
            deadline: Some(deadline),
            stops: [None; MAX_STOPS],
        }
    }

    /// Creates a limit that is reached when this token is stopped.
    ///
    /// ```
    /// use tk_park::{Limit, StopSource};
    ///
    /// let source = StopSource::new();
    /// let token = source.token();
    /// assert!(!Limit::stop(&token).is_expired());
    /// source.request_stop();
    /// assert!(Limit::stop(&token).is_expired());
    /// ```
    pub const fn stop(token: &'a StopToken) -> Limit<'a> {
        Limit::never().or_stop(token)
    }

    /// Adds a time from now. The earlier of two times counts.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tk_park::{Limit, StopSource, WaitError};
    ///
    /// /// Waits no longer than a millisecond, whatever the caller says.
    /// fn brief<'a>(limit: impl Into<Limit<'a>>) -> Limit<'a> {
    ///     limit.into().or_after(Duration::from_millis(1))
    /// }
    ///
    /// let token = StopSource::new().token();
    /// assert!(brief(&token).deadline() <= Limit::after(Duration::from_millis(1)).deadline());
    /// ```
    pub fn or_after(self, duration: Duration) -> Limit<'a> {
        match deadline_after(duration) {
            Some(deadline) => self.or_until(deadline),
            None => self,
        }
    }

    /// Adds a deadline. The earlier of two times counts.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// use tk_park::Limit;
    ///
    /// let now = Instant::now();
    /// assert_eq!(Limit::after(Duration::from_secs(1)).or_until(now).deadline(), Some(now));
    /// ```
    pub fn or_until(self, deadline: Instant) -> Limit<'a> {
        Limit {
            deadline: Some(self.deadline.map_or(deadline, |own| own.min(deadline))),
            ..self
        }
    }

    /// Adds a token. The limit keeps the tokens that it has.
    ///
    /// ```
    /// use tk_park::{Limit, StopSource};
    ///
    /// let (program, request) = (StopSource::new(), StopSource::new());
    /// let (program_token, request_token) = (program.token(), request.token());
    /// let either = Limit::stop(&program_token).or_stop(&request_token);
    /// program.request_stop();
    /// assert!(either.is_expired());
    /// ```
    ///
    /// # Panics
    ///
    /// If the limit already has [`MAX_STOPS`] tokens. Link more than that into one with
    /// [`StopSource::child_of`].
    ///
    /// [`StopSource::child_of`]: crate::StopSource::child_of
    #[track_caller]
    pub const fn or_stop(mut self, token: &'a StopToken) -> Limit<'a> {
        let mut at = 0;
        while at < MAX_STOPS {
            if self.stops[at].is_none() {
                self.stops[at] = Some(token);
                return self;
            }
            at += 1;
        }
        panic!("a limit has at most four stop tokens: link more with StopSource::child_of")
    }

    /// Returns whether this limit is never reached: the wait goes on forever.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tk_park::Limit;
    ///
    /// assert!(Limit::never().is_unlimited());
    /// assert!(Limit::after(Duration::MAX).is_unlimited()); // Too long for the clock.
    /// ```
    pub const fn is_unlimited(&self) -> bool {
        self.deadline.is_none() && self.stops[0].is_none()
    }

    /// Returns the deadline, if there is one.
    ///
    /// ```
    /// assert_eq!(tk_park::Limit::never().deadline(), None);
    /// ```
    pub const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Returns the tokens.
    ///
    /// ```
    /// use tk_park::{Limit, StopSource};
    ///
    /// let token = StopSource::new().token();
    /// assert_eq!(Limit::never().stop_tokens().count(), 0);
    /// assert_eq!(Limit::stop(&token).stop_tokens().count(), 1);
    /// ```
    pub fn stop_tokens(&self) -> impl Iterator<Item = &'a StopToken> + use<'a> {
        self.stops.into_iter().flatten()
    }

    /// Returns whether one of the tokens is stopped.
    pub(crate) fn stop_requested(&self) -> bool {
        self.stop_tokens().any(StopToken::stop_requested)
    }

    /// Returns whether the limit has been reached, so that a wait would only try once.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// assert!(!tk_park::Limit::after(Duration::from_secs(60)).is_expired());
    /// ```
    pub fn is_expired(&self) -> bool {
        self.check().is_err()
    }

    /// Returns an error if a stop was requested or the deadline has passed. If both are so, the
    /// error is `Stopped`. Reads the clock only if there is a deadline.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tk_park::{Limit, WaitError};
    ///
    /// assert_eq!(Limit::never().check(), Ok(()));
    /// assert_eq!(Limit::after(Duration::ZERO).check(), Err(WaitError::TimedOut));
    /// ```
    pub fn check(&self) -> Result<(), WaitError> {
        if self.stop_requested() {
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
        duration.map_or(Limit::never(), Limit::after)
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

/// The first token that is stopped ends the wait. More than [`MAX_STOPS`] tokens do not compile.
///
/// ```
/// use tk_park::{Limit, StopSource};
///
/// let (program, request) = (StopSource::new(), StopSource::new());
/// let (program_token, request_token) = (program.token(), request.token());
/// let either = Limit::from([&program_token, &request_token]);
/// request.request_stop();
/// assert!(either.is_expired());
/// ```
impl<'a, const N: usize> From<[&'a StopToken; N]> for Limit<'a> {
    fn from(tokens: [&'a StopToken; N]) -> Self {
        const { assert!(N <= MAX_STOPS, "a limit has at most four stop tokens") };
        tokens.into_iter().fold(Limit::never(), Limit::or_stop)
    }
}

/// Why a wait with a [`Limit`] ended without what it waited for.
///
/// ```
/// assert_eq!(tk_park::WaitError::TimedOut.to_string(), "timed out");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WaitError {
    /// The time was up.
    TimedOut,
    /// A stop was requested of one of the limit's tokens.
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
