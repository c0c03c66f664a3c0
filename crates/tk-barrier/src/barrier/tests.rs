//! Arrivals step by step.

use std::time::Duration;

use tk_park::{Limit, StopSource, WaitError};

use super::{Arrival, Barrier};
use crate::BarrierError;

/// A thread that the action kept waiting, and whose limit was reached meanwhile.
fn arrive_late(barrier: &Barrier, limit: Limit<'_>) -> Result<usize, BarrierError> {
    match barrier.arrive(None, true, limit) {
        Arrival::Refused(error) => Err(error),
        Arrival::Counted(_, index) | Arrival::Passed(index) => Ok(index),
        Arrival::Last(..) | Arrival::Full { .. } => panic!("there is no action"),
    }
}

#[test]
fn one_too_many_whose_limit_is_reached_is_not_counted_in_the_next_round() {
    let barrier = Barrier::new(2);
    let source = StopSource::new();
    source.request_stop();
    let token = source.token();
    for (limit, error) in [
        (Limit::after(Duration::ZERO), WaitError::TimedOut),
        (Limit::stop(&token), WaitError::Stopped),
    ] {
        let refused = Err(BarrierError::NotAdmitted(error));
        assert_eq!(arrive_late(&barrier, limit), refused);
        assert_eq!((barrier.n_waiting(), barrier.is_broken()), (0, false));
    }
    assert_eq!(arrive_late(&barrier, Limit::never()), Ok(0));
}

#[test]
fn one_too_many_that_completes_the_next_round_passes_whatever_its_limit() {
    let barrier = Barrier::new(2);
    assert_eq!(arrive_late(&barrier, Limit::never()), Ok(0));
    assert_eq!(arrive_late(&barrier, Limit::after(Duration::ZERO)), Ok(1));
}
