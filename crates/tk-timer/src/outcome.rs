//! What becomes of a timer that is cancelled or moved.

/// What [`TimerHandle::cancel`](crate::TimerHandle::cancel) has done.
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
    /// The timer was pending. It does not fire any more.
    Cancelled,
    /// The function was running. It runs to its end, and is not called again.
    Running,
    /// The timer had fired for the last time, or had been cancelled before, or is
    /// [lost](crate::TimerHandle::is_lost).
    Finished,
}

impl CancelOutcome {
    /// Whether the timer was kept from firing: [`CancelOutcome::Cancelled`].
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

/// What [`TimerHandle::reschedule`](crate::TimerHandle::reschedule) has done.
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
    /// The timer will fire at the new time: it was pending, or it repeats and was running.
    Moved,
    /// The function was running, for the last time. Nothing is changed.
    Running,
    /// The timer had fired for the last time, or had been cancelled, or is
    /// [lost](crate::TimerHandle::is_lost). Nothing is changed.
    Finished,
}

impl RescheduleOutcome {
    /// Whether the timer will fire at the new time: [`RescheduleOutcome::Moved`].
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
