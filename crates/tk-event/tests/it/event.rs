use std::time::{Duration, Instant};

use static_assertions::assert_impl_all;
use tk_event::Event;
use tk_park::{Limit, StopSource, WaitError};
use tk_testing::{is_parked, start, start_parked, until};

assert_impl_all!(Event: Send, Sync, Default);

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn set_and_clear_are_idempotent() {
    static EVENT: Event = Event::new();
    assert!(!EVENT.is_set() && !Event::default().is_set());
    for _ in 0..2 {
        EVENT.set();
        assert!(EVENT.is_set());
    }
    for _ in 0..2 {
        EVENT.clear();
        assert!(!EVENT.is_set());
    }
}

#[test]
fn set_releases_every_waiter_and_the_next_wait_returns_at_once() {
    let event = Event::new();
    for _ in 0..2 {
        std::thread::scope(|s| {
            let waiters: Vec<_> = (0..5)
                .map(|_| start_parked(s, "event", || (event.wait(), event.wait())))
                .collect();
            assert!(waiters.iter().all(|waiter| !waiter.is_finished()));
            event.set();
            for waiter in waiters {
                assert_eq!(waiter.join(), (true, true));
            }
        });
        event.clear();
    }
}

#[test]
fn set_then_clear_releases_every_waiter() {
    let event = Event::new();
    std::thread::scope(|s| {
        let waiters: Vec<_> = (0..5)
            .map(|n| {
                let event = &event;
                start_parked(s, "event", move || match n {
                    0 => event.wait_for(MINUTE),
                    1 => event.wait_with(Limit::never()).is_ok(),
                    _ => event.wait(),
                })
            })
            .collect();
        event.set();
        event.clear();
        assert!(waiters.into_iter().all(|waiter| waiter.join()));
        assert!(!event.is_set());
    });
}

#[test]
fn a_wait_after_a_clear_blocks_again() {
    let event = Event::new();
    event.set();
    event.clear();
    std::thread::scope(|s| {
        let waiter = start_parked(s, "event", || event.wait());
        event.clear();
        assert!(is_parked(&waiter.record, "event"));
        event.set();
        assert!(waiter.join());
    });
}

#[test]
fn a_wait_times_out_after_its_time_and_not_before() {
    let event = Event::new();
    let timeout = Duration::from_millis(20);
    let start = Instant::now();
    assert!(!event.wait_for(timeout));
    assert!(start.elapsed() >= timeout);
    let deadline = Instant::now() + timeout;
    assert!(event.wait_with(deadline).is_err());
    assert!(Instant::now() >= deadline);
    let start = Instant::now();
    assert_eq!(event.wait_with(timeout), Err(WaitError::TimedOut));
    assert!(start.elapsed() >= timeout && start.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_limit_that_is_over_looks_once() {
    let event = Event::new();
    let source = StopSource::new();
    source.request_stop();
    let token = source.token();
    let look = || {
        [
            event.wait_for(Duration::ZERO),
            event.wait_with(Instant::now()).is_ok(),
            event.wait_with(Duration::ZERO).is_ok(),
            event.wait_with(&token).is_ok(),
        ]
    };
    assert_eq!(look(), [false; 4]);
    assert_eq!(event.wait_with(&token), Err(WaitError::Stopped));
    event.set();
    assert_eq!(look(), [true; 4]);
    assert!(event.wait_for(Duration::MAX));
}

#[test]
fn the_longest_time_waits_until_set() {
    let event = Event::new();
    std::thread::scope(|s| {
        let waiter = start_parked(s, "event", || event.wait_for(Duration::MAX));
        event.set();
        assert!(waiter.join());
    });
}

#[test]
fn a_stop_ends_the_waits_with_its_token_and_no_other() {
    let event = Event::new();
    let source = StopSource::new();
    let token = source.token();
    std::thread::scope(|s| {
        let stoppable = start_parked(s, "event", || event.wait_with(&token));
        let both = start_parked(s, "event", || {
            event.wait_with(Limit::after(MINUTE).or_stop(&token))
        });
        let patient = start_parked(s, "event", || event.wait());
        source.request_stop();
        assert_eq!(stoppable.join(), Err(WaitError::Stopped));
        assert_eq!(both.join(), Err(WaitError::Stopped));
        assert!(is_parked(&patient.record, "event"));
        event.set();
        assert!(patient.join());
    });
}

#[test]
fn waiters_that_gave_up_do_not_keep_a_set_from_the_others() {
    let event = Event::new();
    std::thread::scope(|s| {
        let patient = start_parked(s, "event", || event.wait());
        let hasty = start(s, || event.wait_for(Duration::from_millis(1)));
        assert!(!hasty.join());
        event.set();
        assert!(patient.join());
    });
    // No thread sleeps any more, although some did.
    event.clear();
    assert!(!event.wait_for(Duration::from_millis(1)));
    event.set();
    assert!(event.is_set());
    event.clear();
    assert!(!event.is_set());
}

#[test]
fn the_record_shows_the_line_that_waits_and_is_cleared() {
    let event = Event::new();
    std::thread::scope(|s| {
        let check = |record: &tk_core::ThreadRecord, line: u32| {
            let waiting = record.blocked_on().unwrap();
            assert_eq!(waiting.kind(), "event");
            assert_eq!(waiting.address(), &raw const event as usize);
            assert_eq!(waiting.location().file(), file!());
            assert_eq!(waiting.location().line(), line);
            assert_eq!(waiting.holder(), None);
        };
        let line = line!() + 1;
        let first = start_parked(s, "event", || event.wait());
        check(&first.record, line);
        let line = line!() + 1;
        let second = start_parked(s, "event", || event.wait_for(MINUTE));
        check(&second.record, line);
        let line = line!() + 1;
        let third = start_parked(s, "event", || event.wait_with(MINUTE).is_ok());
        check(&third.record, line);
        let line = line!() + 2;
        let fourth = start_parked(s, "event", || {
            event.wait_with(Instant::now() + MINUTE).is_ok()
                && tk_core::current().blocked_on().is_none()
        });
        check(&fourth.record, line);
        event.set();
        assert!([first, second, third, fourth].into_iter().all(|w| w.join()));
    });
}

#[test]
fn what_was_done_before_the_set_is_seen_after_the_wait() {
    let event = Event::new();
    let mut value = 0;
    let place = std::sync::Mutex::new(&mut value);
    std::thread::scope(|s| {
        let waiter = start_parked(s, "event", || {
            event.wait();
            **place.try_lock().unwrap()
        });
        **place.lock().unwrap() = 7;
        event.set();
        assert_eq!(waiter.join(), 7);
    });
}

#[test]
fn an_event_works_in_thread_local_destructors() {
    static EVENT: Event = Event::new();
    static DROPPED: Event = Event::new();

    struct Waits;

    impl Drop for Waits {
        fn drop(&mut self) {
            EVENT.wait();
            DROPPED.set();
        }
    }

    thread_local!(static LATE: Waits = const { Waits });
    let thread = std::thread::spawn(|| LATE.with(|_| ()));
    EVENT.set();
    until("the destructor has run", || DROPPED.is_set());
    thread.join().unwrap();
}

#[test]
fn debug_says_whether_it_is_set() {
    let event = Event::new();
    assert_eq!(format!("{event:?}"), "Event { set: false }");
    std::thread::scope(|s| {
        let waiter = start_parked(s, "event", || event.wait());
        assert_eq!(format!("{event:?}"), "Event { set: false }");
        event.set();
        waiter.join();
    });
    assert_eq!(format!("{event:?}"), "Event { set: true }");
}

/// A limit whose conversion pulses the event that is about to be waited for.
struct Pulses<'a>(&'a Event);

impl<'a> From<Pulses<'a>> for Limit<'a> {
    fn from(pulses: Pulses<'a>) -> Limit<'a> {
        pulses.0.set();
        pulses.0.clear();
        Limit::after(Duration::ZERO)
    }
}

#[test]
fn a_wait_begins_after_its_limit_is_converted() {
    let event = Event::new();
    assert_eq!(event.wait_with(Pulses(&event)), Err(WaitError::TimedOut));
}
