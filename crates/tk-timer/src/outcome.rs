//! The results of cancelling and moving a timer.

/// The result of [`TimerHandle::cancel`](crate::TimerHandle::cancel).
///
/// ```
/// use std::time::Duration;
/// use tk_timer::{CancelOutcome, Timer};
///
/// let handle = Timer::new(Duration::from_secs(60), || ()).start();
/// assert_eq!(handle.cancel(), CancelOutcome::Cancelled);
/// assert_eq!(handle.cancel(), CancelOutcome::Finished);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CancelOutcome {
    /// The timer was pending. It will not fire.
    Cancelled,
    /// The function was running. It continues to its end, and is not called again.
    Running,
    /// The timer had fired for the last time, or had been cancelled before, or is
    /// [lost](crate::TimerHandle::is_lost).
    Finished,
}

impl CancelOutcome {
    /// Returns whether this is [`CancelOutcome::Cancelled`].
    ///
    /// ```
    /// use std::time::Duration;
    /// use tk_timer::Timer;
    ///
    /// let handle = Timer::new(Duration::from_secs(60), || ()).start();
    /// assert!(handle.cancel().is_cancelled());
    /// assert!(!handle.cancel().is_cancelled());
    /// ```
    pub fn is_cancelled(self) -> bool {
        self == CancelOutcome::Cancelled
    }
}

/// The result of [`TimerHandle::reschedule`](crate::TimerHandle::reschedule).
///
/// ```
/// use std::time::Duration;
/// use tk_timer::{RescheduleOutcome, Timer};
///
/// let handle = Timer::new(Duration::from_secs(60), || ()).start();
/// assert_eq!(handle.reschedule(Duration::ZERO), RescheduleOutcome::Moved);
/// handle.join().unwrap();
/// assert_eq!(handle.reschedule(Duration::ZERO), RescheduleOutcome::Finished);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RescheduleOutcome {
    /// The timer was pending, or it repeats and was running. It will fire at the new time.
    Moved,
    /// The function was running for the last time. Nothing has changed.
    Running,
    /// The timer had fired for the last time, or had been cancelled, or is
    /// [lost](crate::TimerHandle::is_lost). Nothing has changed.
    Finished,
}

impl RescheduleOutcome {
    /// Returns whether this is [`RescheduleOutcome::Moved`].
    ///
    /// ```
    /// use std::time::Duration;
    /// use tk_timer::Timer;
    ///
    /// let handle = Timer::new(Duration::from_secs(60), || ()).start();
    /// assert!(handle.reschedule(Duration::from_secs(90)).is_moved());
    /// handle.cancel();
    /// assert!(!handle.reschedule(Duration::from_secs(90)).is_moved());
    /// ```
    pub fn is_moved(self) -> bool {
        self == RescheduleOutcome::Moved
    }
}
