//! Schedules: when a timer that repeats is due the next time.
//!
//! | schedule | the next call, after a call that was due at `due` and returned at `now` |
//! |---|---|
//! | fixed rate, `Skip` | the first of `due + n * period` that is after `now` |
//! | fixed rate, `CatchUp` | `due + period`, even if that has passed |
//! | fixed rate, `Delay` | `due + period`, or `now + period` if that has passed |
//! | fixed delay | `now + period` |

use std::time::Duration;

use crate::wheel::NEVER;

/// When and how a timer repeats.
///
/// Where a schedule is asked for, a `Duration` means [`Schedule::every`] with this period.
///
/// ```
/// use std::time::Duration;
/// use tk_timer::{MissedTicks, OnPanic, Schedule, Timer};
///
/// let schedule = Schedule::every(Duration::from_millis(10))
///     .first_after(Duration::ZERO)
///     .missed_ticks(MissedTicks::CatchUp)
///     .on_panic(OnPanic::Cancel);
/// let clock = Timer::every(schedule, || println!("tick")).start();
/// # clock.cancel_and_wait();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub struct Schedule {
    period: Duration,
    first: Duration,
    counts: Counts,
    on_panic: OnPanic,
}

/// The moment that the period is counted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Counts {
    /// The time when the function was due.
    FromDue(MissedTicks),
    /// The return of the function.
    FromReturn,
}

/// The policy for ticks that a timer of fixed rate misses, because its function takes longer than
/// the period or the machine is too busy.
///
/// ```
/// use std::time::Duration;
/// use tk_timer::{MissedTicks, Schedule};
///
/// let every = Schedule::every(Duration::from_secs(1));
/// assert_eq!(every, every.missed_ticks(MissedTicks::Skip)); // The default.
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MissedTicks {
    /// Missed ticks are skipped. The next call is due at the first multiple of the period that is
    /// still ahead.
    #[default]
    Skip,
    /// The function is called for each missed tick, one call after the other. So the number of
    /// calls is right in the long run.
    CatchUp,
    /// Missed ticks are skipped, and the period is counted anew: the next call is due one period
    /// after the return of the late one. So two calls are at least one period apart, counted from
    /// the time when the first one was due.
    Delay,
}

/// The policy for a timer that repeats and whose function panics. The panic is reported in either
/// case.
///
/// ```
/// use std::time::Duration;
/// use tk_timer::{OnPanic, Schedule};
///
/// let every = Schedule::every(Duration::from_secs(1));
/// assert_eq!(every, every.on_panic(OnPanic::GoOn)); // The default.
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnPanic {
    /// The timer goes on as if the function had returned.
    #[default]
    GoOn,
    /// The timer ends.
    Cancel,
}

impl Schedule {
    /// Repeats at a fixed rate: calls are due at whole multiples of the period after the first one.
    ///
    /// While the function runs it is not called again. Ticks that are missed because of that are
    /// skipped, unless [`missed_ticks`](Schedule::missed_ticks) sets another policy.
    ///
    /// # Panics
    ///
    /// If the period is zero.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tk_timer::Schedule;
    ///
    /// let schedule = Schedule::every(Duration::from_secs(1));
    /// assert_eq!(schedule, Duration::from_secs(1).into());
    /// ```
    #[track_caller]
    pub const fn every(period: Duration) -> Schedule {
        Schedule::new(period, Counts::FromDue(MissedTicks::Skip))
    }

    /// Repeats with a fixed delay: a call is due when this much time has passed since the function
    /// returned.
    ///
    /// # Panics
    ///
    /// If the delay is zero.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tk_timer::{Schedule, Timer};
    ///
    /// let pause = Schedule::fixed_delay(Duration::from_millis(1));
    /// let sweeper = Timer::every(pause, || println!("swept")).start();
    /// # sweeper.cancel_and_wait();
    /// ```
    #[track_caller]
    pub const fn fixed_delay(delay: Duration) -> Schedule {
        Schedule::new(delay, Counts::FromReturn)
    }

    #[track_caller]
    const fn new(period: Duration, counts: Counts) -> Schedule {
        assert!(!period.is_zero(), "the period of a timer must not be zero");
        Schedule {
            period,
            first: period,
            counts,
            on_panic: OnPanic::GoOn,
        }
    }

    /// Sets the time from the start to the first call. By default it is the period.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tk_timer::Schedule;
    ///
    /// let immediately = Schedule::every(Duration::from_secs(60)).first_after(Duration::ZERO);
    /// assert_eq!(immediately.period(), Duration::from_secs(60));
    /// ```
    pub const fn first_after(mut self, first: Duration) -> Schedule {
        self.first = first;
        self
    }

    /// Sets the policy for missed ticks. Has no effect on a fixed delay.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tk_timer::{MissedTicks, Schedule};
    ///
    /// let schedule = Schedule::every(Duration::from_secs(1)).missed_ticks(MissedTicks::CatchUp);
    /// # let _ = schedule;
    /// ```
    pub const fn missed_ticks(mut self, missed: MissedTicks) -> Schedule {
        if let Counts::FromDue(_) = self.counts {
            self.counts = Counts::FromDue(missed);
        }
        self
    }

    /// Sets the policy for a function that panics.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tk_timer::{OnPanic, Schedule};
    ///
    /// let schedule = Schedule::every(Duration::from_secs(1)).on_panic(OnPanic::Cancel);
    /// # let _ = schedule;
    /// ```
    pub const fn on_panic(mut self, on_panic: OnPanic) -> Schedule {
        self.on_panic = on_panic;
        self
    }

    /// Returns the period or the delay.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tk_timer::Schedule;
    ///
    /// let schedule = Schedule::fixed_delay(Duration::from_secs(1));
    /// assert_eq!(schedule.period(), Duration::from_secs(1));
    /// ```
    pub const fn period(&self) -> Duration {
        self.period
    }

    pub(crate) fn first(&self) -> Duration {
        self.first
    }

    pub(crate) fn ends_on_panic(&self) -> bool {
        self.on_panic == OnPanic::Cancel
    }

    /// Returns the time of the next call, after one that was due at `due` and returned at `now`, in
    /// nanoseconds.
    pub(crate) fn next(&self, due: u64, now: u64) -> u64 {
        let period = nanos(self.period);
        let next = due.saturating_add(period);
        match self.counts {
            Counts::FromReturn => now.saturating_add(period),
            Counts::FromDue(MissedTicks::CatchUp) => next,
            Counts::FromDue(_) if next > now => next,
            Counts::FromDue(MissedTicks::Delay) => now.saturating_add(period),
            Counts::FromDue(MissedTicks::Skip) => {
                // The period is not zero, and `now` is not before `due` here.
                due.saturating_add(((now - due) / period + 1).saturating_mul(period))
            }
        }
    }
}

impl From<Duration> for Schedule {
    /// [`Schedule::every`], which panics if the period is zero.
    #[track_caller]
    fn from(period: Duration) -> Schedule {
        Schedule::every(period)
    }
}

/// Converts to nanoseconds. A duration that does not fit is [`NEVER`].
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(NEVER)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Schedule = Schedule::every(Duration::from_nanos(10));

    #[test]
    fn missed_times_are_left_out_and_the_rate_is_kept() {
        let next = |late: u64| PERIOD.next(1000, 1000 + late) - 1000;
        assert_eq!([0, 9, 10, 35].map(next), [10, 10, 20, 40]);
    }

    #[test]
    fn missed_times_are_made_up_for() {
        let schedule = PERIOD.missed_ticks(MissedTicks::CatchUp);
        let next = |late: u64| schedule.next(1000, 1000 + late) - 1000;
        assert_eq!([0, 9, 10, 35].map(next), [10, 10, 10, 10]);
    }

    #[test]
    fn after_a_missed_time_the_period_is_counted_anew() {
        let schedule = PERIOD.missed_ticks(MissedTicks::Delay);
        let next = |late: u64| schedule.next(1000, 1000 + late) - 1000;
        assert_eq!([0, 9, 10, 35].map(next), [10, 10, 20, 45]);
    }

    #[test]
    fn a_fixed_delay_is_counted_from_the_return_and_misses_nothing() {
        let schedule = Schedule::fixed_delay(Duration::from_nanos(10));
        let next = |late: u64| schedule.next(1000, 1000 + late) - 1000;
        assert_eq!([0, 9, 10, 35].map(next), [10, 19, 20, 45]);
        assert_eq!(schedule, schedule.missed_ticks(MissedTicks::CatchUp));
    }

    #[test]
    fn a_period_beyond_the_clock_never_comes() {
        for schedule in [
            Schedule::every(Duration::MAX),
            Schedule::every(Duration::MAX).missed_ticks(MissedTicks::CatchUp),
            Schedule::every(Duration::MAX).missed_ticks(MissedTicks::Delay),
            Schedule::fixed_delay(Duration::MAX),
            Schedule::every(Duration::from_nanos(NEVER - 1)),
        ] {
            assert_eq!(schedule.next(1000, 2000), NEVER);
        }
        // Late by more than half of all time, with a period of more than half of it.
        let half = Duration::from_nanos(NEVER / 2 + 1);
        assert_eq!(Schedule::every(half).next(0, NEVER - 1), NEVER);
    }
}
