//! Waits whose start is known: a pulse comes after it, and before whatever the wait does next.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tk_park::sync::AtomicU32;
use tk_park::{Limit, StopSource, WaitError};

use super::{Event, PARKED, SET, epoch};

/// The epoch of a wait that begins now.
fn begin(event: &Event) -> u32 {
    event.begin_wait().expect("the event is not set")
}

fn pulse(event: &Event) {
    event.set();
    event.clear();
}

#[test]
fn a_pulse_releases_a_wait_that_has_begun_and_not_slept() {
    let event = Event::new();
    let epoch = begin(&event);
    pulse(&event);
    assert_eq!(event.wait_in(epoch, Limit::never()), Ok(()));
    // Past the spin, in the step into the queue.
    assert!(!event.mark_parked(epoch));
    assert_eq!(event.state.load(Relaxed), 0);
}

#[test]
fn a_pulse_releases_a_wait_where_another_thread_sleeps() {
    let event = Event::new();
    let epoch = begin(&event);
    assert!(event.mark_parked(epoch));
    pulse(&event);
    assert_eq!(event.wait_in(epoch, Limit::never()), Ok(()));
    let epoch = begin(&event);
    assert!(event.mark_parked(epoch) && event.mark_parked(epoch));
    assert_eq!(event.state.load(Relaxed), epoch | PARKED);
    event.set();
    assert_eq!(event.state.load(Relaxed), SET);
}

#[test]
fn a_pulse_releases_a_wait_even_if_another_begins_after_it() {
    let event = Event::new();
    let before = begin(&event);
    pulse(&event);
    let after = begin(&event);
    assert_ne!(before, after);
    assert!(event.mark_parked(after));
    assert!(!event.mark_parked(before));
    assert_eq!(event.wait_in(before, Limit::never()), Ok(()));
    let limit = Limit::after(Duration::ZERO);
    assert_eq!(event.wait_in(after, limit), Err(WaitError::TimedOut));
}

#[test]
fn a_pulse_that_came_before_the_limit_counts() {
    let (event, source) = (Event::new(), StopSource::new());
    let token = source.token();
    source.request_stop();
    let epoch = begin(&event);
    for (limit, error) in [
        (Limit::after(Duration::ZERO), WaitError::TimedOut),
        (Limit::stop(&token), WaitError::Stopped),
    ] {
        assert_eq!(event.wait_in(epoch, limit), Err(error));
    }
    pulse(&event);
    for limit in [Limit::after(Duration::ZERO), Limit::stop(&token)] {
        assert_eq!(event.wait_in(epoch, limit), Ok(()));
    }
}

#[test]
fn a_pulse_releases_no_wait_that_begins_later() {
    let event = Event::new();
    pulse(&event);
    let limit = Limit::after(Duration::ZERO);
    assert_eq!(event.wait_slow(limit), Err(WaitError::TimedOut));
}

#[test]
fn waits_between_two_sets_share_an_epoch() {
    let event = Event::new();
    let first = begin(&event);
    assert_eq!(begin(&event), first);
    assert!(event.mark_parked(first));
    // Also after a thread of it has parked.
    assert_eq!(begin(&event), first);
    event.clear();
    assert_eq!(begin(&event), first);
}

#[test]
fn a_wait_for_a_set_event_begins_no_epoch() {
    let event = Event::new();
    event.set();
    assert_eq!(event.begin_wait(), None);
    assert_eq!(event.wait_slow(Limit::never()), Ok(()));
    assert_eq!(event.state.load(Relaxed), SET);
}

#[test]
fn the_numbers_of_the_epochs_wrap_around_and_leave_the_flags_alone() {
    let event = Event {
        epochs: AtomicU32::new(u32::MAX),
        ..Event::new()
    };
    for number in [u32::MAX, 0] {
        let begun = begin(&event);
        assert_eq!(begun, epoch(number));
        assert!(!event.is_set());
        assert!(event.mark_parked(begun));
        pulse(&event);
        assert_eq!(event.state.load(Relaxed), 0);
        assert_eq!(event.wait_in(begun, Limit::never()), Ok(()));
    }
}
