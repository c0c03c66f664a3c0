//! Waits whose start is known: a pulse comes after it, and before whatever the wait does next.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tk_park::sync::AtomicU32;
use tk_park::{AdaptiveSpin, Limit, StopSource, WaitError};

use super::{Event, ONE_SET, PARKED, SET, sets};

/// The count with which a wait begins now.
fn begin(event: &Event) -> u32 {
    assert!(!event.is_set());
    sets(event.state.load(Relaxed))
}

fn pulse(event: &Event) {
    event.set();
    event.clear();
}

/// An event with this many sets behind it.
fn after_sets(n: u32) -> Event {
    Event {
        state: AtomicU32::new(n.wrapping_mul(ONE_SET)),
        spin: AdaptiveSpin::new(),
    }
}

#[test]
fn a_pulse_releases_a_wait_that_has_begun_and_not_slept() {
    let event = Event::new();
    let start = begin(&event);
    pulse(&event);
    assert_eq!(event.wait_slow(start, Limit::never()), Ok(()));
    // Past the spin, in the step into the queue.
    assert!(!event.mark_parked(start));
    assert_eq!(event.state.load(Relaxed) & PARKED, 0);
}

#[test]
fn a_pulse_releases_a_wait_where_another_thread_sleeps() {
    let event = Event::new();
    let start = begin(&event);
    assert!(event.mark_parked(start));
    pulse(&event);
    assert_eq!(event.wait_slow(start, Limit::never()), Ok(()));
    let start = begin(&event);
    assert!(event.mark_parked(start) && event.mark_parked(start));
    event.set();
    assert_eq!(event.state.load(Relaxed) % ONE_SET, SET);
}

#[test]
fn a_pulse_that_came_before_the_limit_counts() {
    let (event, source) = (Event::new(), StopSource::new());
    let token = source.token();
    source.request_stop();
    let start = begin(&event);
    for (limit, error) in [
        (Limit::after(Duration::ZERO), WaitError::TimedOut),
        (Limit::stop(&token), WaitError::Stopped),
    ] {
        assert_eq!(event.wait_slow(begin(&event), limit), Err(error));
    }
    pulse(&event);
    for limit in [Limit::after(Duration::ZERO), Limit::stop(&token)] {
        assert_eq!(event.wait_slow(start, limit), Ok(()));
    }
}

#[test]
fn a_pulse_releases_no_wait_that_begins_later() {
    let event = Event::new();
    pulse(&event);
    let start = begin(&event);
    let limit = Limit::after(Duration::ZERO);
    assert_eq!(event.wait_slow(start, limit), Err(WaitError::TimedOut));
}

#[test]
fn a_set_of_a_set_event_is_not_counted() {
    let event = Event::new();
    event.set();
    let state = event.state.load(Relaxed);
    event.set();
    assert_eq!(event.state.load(Relaxed), state);
}

#[test]
fn the_count_wraps_around_and_leaves_the_flags_alone() {
    let event = after_sets(u32::MAX / ONE_SET);
    let start = begin(&event);
    assert_eq!(start, u32::MAX / ONE_SET);
    pulse(&event);
    assert_eq!(event.state.load(Relaxed), 0);
    assert_eq!(event.wait_slow(start, Limit::never()), Ok(()));
    let event = after_sets(u32::MAX / ONE_SET);
    let start = begin(&event);
    assert!(event.mark_parked(start));
    event.set();
    assert_eq!(event.state.load(Relaxed), SET);
}

#[test]
fn a_set_event_releases_a_wait_even_if_the_count_came_around() {
    let event = Event::new();
    event.set();
    let start = sets(event.state.load(Relaxed));
    assert_eq!(event.wait_slow(start, Limit::never()), Ok(()));
    assert!(!event.mark_parked(start));
}
