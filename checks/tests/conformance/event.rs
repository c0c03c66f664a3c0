//! `EventTests`.

use std::time::Duration;

use crate::{SHORT, takes_a_short_time};
use tk_event::Event;
use tk_testing::{start, start_parked};

#[test]
fn test_is_set() {
    let event = Event::new();
    assert!(!event.is_set());
    for _ in 0..2 {
        event.set();
        assert!(event.is_set());
    }
    for _ in 0..2 {
        event.clear();
        assert!(!event.is_set());
    }
}

#[test]
fn test_notify() {
    let event = Event::new();
    for _ in 0..2 {
        std::thread::scope(|s| {
            let threads =
                [(); 5].map(|()| start_parked(s, "event", || (event.wait(), event.wait())));
            event.set();
            assert_eq!(threads.map(|thread| thread.join()), [(true, true); 5]);
        });
        event.clear();
    }
}

#[test]
fn test_timeout() {
    let event = Event::new();
    std::thread::scope(|s| {
        let threads = [(); 5].map(|()| {
            start(s, || {
                let at_once = event.wait_for(Duration::ZERO);
                (at_once, takes_a_short_time(|| event.wait_for(SHORT)))
            })
        });
        assert_eq!(threads.map(|thread| thread.join()), [(false, false); 5]);
        event.set();
        let threads = [(); 5].map(|()| {
            start(s, || {
                (event.wait_for(Duration::ZERO), event.wait_for(SHORT))
            })
        });
        assert_eq!(threads.map(|thread| thread.join()), [(true, true); 5]);
    });
}

#[test]
fn test_set_and_clear() {
    let event = Event::new();
    std::thread::scope(|s| {
        let threads =
            [(); 5].map(|()| start_parked(s, "event", || event.wait_for(Duration::from_secs(300))));
        event.set();
        event.clear();
        assert_eq!(threads.map(|thread| thread.join()), [true; 5]);
    });
}

#[test]
fn test_repr() {
    let event = Event::new();
    assert_eq!(format!("{event:?}"), "Event { set: false }");
    event.set();
    assert_eq!(format!("{event:?}"), "Event { set: true }");
}
