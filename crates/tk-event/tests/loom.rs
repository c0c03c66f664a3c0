//! Models of the event.
#![cfg(tk_loom)]

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering::Relaxed};
use loom::thread;
use tk_event::Event;
use tk_park::StopSource;
use tk_park::sync::{Instant, Spins, advance};
use tk_testing::explore;

fn event() -> Arc<Event> {
    let event = Event::new();
    event.loom_register();
    Arc::new(event)
}

#[test]
fn what_came_before_the_set_is_seen_after_the_wait() {
    explore("event: set against wait", None, || {
        let event = event();
        let value = Arc::new(UnsafeCell::new(0));
        let setter = thread::spawn({
            let (event, value) = (event.clone(), value.clone());
            move || {
                // SAFETY: nobody reads it before the set.
                value.with_mut(|value| unsafe { *value = 7 });
                event.set();
            }
        });
        assert!(event.wait());
        // SAFETY: the event was set.
        value.with(|value| assert_eq!(unsafe { *value }, 7));
        setter.join().unwrap();
    });
}

#[test]
fn who_finds_it_set_sees_what_came_before() {
    explore("event: set against is_set", None, || {
        let event = event();
        let value = Arc::new(UnsafeCell::new(0));
        let looker = thread::spawn({
            let (event, value) = (event.clone(), value.clone());
            move || {
                if event.is_set() {
                    // SAFETY: the event was set.
                    value.with(|value| assert_eq!(unsafe { *value }, 7));
                }
            }
        });
        // SAFETY: nobody reads it before the set.
        value.with_mut(|value| unsafe { *value = 7 });
        event.set();
        looker.join().unwrap();
    });
}

#[test]
fn a_clear_forgets_nobody_who_sleeps() {
    explore(
        "event: set, clear, set against two waiters",
        Some(3),
        || {
            let event = event();
            let waiters = [(); 2].map(|()| {
                let event = event.clone();
                thread::spawn(move || assert!(event.wait()))
            });
            event.set();
            event.clear();
            event.set();
            for waiter in waiters {
                waiter.join().unwrap();
            }
            assert!(event.is_set());
        },
    );
}

#[test]
fn a_clear_alone_forgets_nobody() {
    explore("event: clear against wait and set", None, || {
        let event = event();
        let waiter = thread::spawn({
            let event = event.clone();
            move || assert!(event.wait())
        });
        event.clear();
        event.set();
        waiter.join().unwrap();
    });
}

#[test]
fn a_timeout_takes_no_set_from_another_waiter() {
    explore("event: timeout beside another waiter", Some(2), || {
        let event = event();
        let hasty = thread::spawn({
            let event = event.clone();
            move || event.wait_with(Instant(1)).is_ok()
        });
        let patient = thread::spawn({
            let event = event.clone();
            move || assert!(event.wait())
        });
        let clock = thread::spawn(|| advance(1));
        event.set();
        patient.join().unwrap();
        clock.join().unwrap();
        hasty.join().unwrap();
    });
}

#[test]
fn who_clears_sees_what_was_done_before_each_set() {
    explore("event: two setters against wait and clear", Some(2), || {
        let event = event();
        let done = Arc::new([AtomicU32::new(0), AtomicU32::new(0)]);
        let setters = [0, 1].map(|n| {
            let (event, done) = (event.clone(), done.clone());
            thread::spawn(move || {
                done[n].store(1, Relaxed);
                event.set();
            })
        });
        loop {
            event.wait();
            event.clear();
            if done.iter().all(|done| done.load(Relaxed) == 1) {
                break;
            }
            // The other one has yet to set the event: or it is set again.
        }
        for setter in setters {
            setter.join().unwrap();
        }
    });
}

#[test]
fn a_set_before_a_stop_counts() {
    explore("event: set, then stop, against a wait", None, || {
        let (event, source) = (event(), StopSource::new());
        let token = source.token();
        let setter = thread::spawn({
            let event = event.clone();
            move || {
                event.set();
                source.request_stop();
            }
        });
        assert_eq!(event.wait_with(&token), Ok(()));
        setter.join().unwrap();
    });
}

#[test]
fn a_last_waiter_that_times_out_leaves_the_event_in_order() {
    explore("event: set and clear against a timeout", None, || {
        let event = event();
        let hasty = thread::spawn({
            let event = event.clone();
            move || event.wait_with(Instant(1)).is_ok()
        });
        let clock = thread::spawn(|| advance(1));
        event.set();
        event.clear();
        hasty.join().unwrap();
        clock.join().unwrap();
        // A thread may have slept, but none does any more.
        assert!(!event.is_set());
        assert!(event.wait_with(Instant(1)).is_err());
        event.set();
        assert!(event.wait());
    });
}

#[test]
fn a_stop_takes_no_set_from_another_waiter() {
    explore("event: stop beside another waiter", Some(2), || {
        let (event, source) = (event(), StopSource::new());
        let token = source.token();
        let stoppable = thread::spawn({
            let event = event.clone();
            move || event.wait_with(&token)
        });
        let patient = thread::spawn({
            let event = event.clone();
            move || assert!(event.wait())
        });
        let setter = thread::spawn({
            let event = event.clone();
            move || event.set()
        });
        source.request_stop();
        // With the set or with the stop, both end.
        let _ = stoppable.join().unwrap();
        patient.join().unwrap();
        setter.join().unwrap();
        assert!(event.is_set());
    });
}

#[test]
fn two_setters_release_two_waiters() {
    explore("event: two setters, two waiters", Some(2), || {
        let event = event();
        let waiters = [(); 2].map(|()| {
            let event = event.clone();
            thread::spawn(move || assert!(event.wait()))
        });
        let setter = thread::spawn({
            let event = event.clone();
            move || event.set()
        });
        event.set();
        for waiter in waiters {
            waiter.join().unwrap();
        }
        setter.join().unwrap();
        assert!(event.is_set());
    });
}

#[test]
fn a_pulse_releases_one_who_spins() {
    explore("event: pulse against a spinning waiter", None, || {
        let (event, spins) = (event(), Spins::watch());
        let waiter = thread::spawn({
            let event = event.clone();
            move || assert!(event.wait())
        });
        // Whether the waiter spins or sleeps by now, its wait has begun, and this pulse is the
        // last.
        let has_begun = spins.begun() == 1;
        event.set();
        if has_begun {
            event.clear();
        }
        waiter.join().unwrap();
        assert_ne!(event.is_set(), has_begun);
    });
}

#[test]
fn a_pulse_before_the_limit_releases_one_who_spins() {
    explore(
        "event: pulse against a spinning waiter's stop",
        Some(3),
        || {
            let (event, source, spins) = (event(), StopSource::new(), Spins::watch());
            let token = source.token();
            let waiter = thread::spawn({
                let event = event.clone();
                move || event.wait_with(&token)
            });
            let has_begun = spins.begun() == 1;
            event.set();
            event.clear();
            source.request_stop();
            let outcome = waiter.join().unwrap();
            assert!(outcome == Ok(()) || !has_begun);
        },
    );
}

#[test]
fn a_pulse_releases_one_who_spins_beside_a_sleeper() {
    explore("event: pulse against two waiters", Some(2), || {
        let (event, spins) = (event(), Spins::watch());
        let waiters = [(); 2].map(|()| {
            let event = event.clone();
            thread::spawn(move || assert!(event.wait()))
        });
        let have_begun = spins.begun() == 2;
        event.set();
        if have_begun {
            event.clear();
        }
        for waiter in waiters {
            waiter.join().unwrap();
        }
    });
}

#[test]
fn a_pulse_releases_one_who_spins_though_another_wait_begins() {
    explore(
        "event: pulse and a later wait against a waiter",
        None,
        || {
            let (event, spins) = (event(), Spins::watch());
            let waiter = thread::spawn({
                let event = event.clone();
                move || assert!(event.wait())
            });
            let has_begun = spins.begun() == 1;
            event.set();
            if has_begun {
                event.clear();
                // Begins a wait, and gives it up.
                assert!(event.wait_with(Instant(0)).is_err());
            }
            waiter.join().unwrap();
        },
    );
}

#[test]
fn a_set_that_wakes_late_releases_no_wait_that_began_after_a_clear() {
    explore("event: late set against a later wait", Some(3), || {
        let event = event();
        let waiter = thread::spawn({
            let event = event.clone();
            move || assert!(event.wait())
        });
        let setter = thread::spawn({
            let event = event.clone();
            move || event.set()
        });
        if event.is_set() {
            event.clear();
            let clock = thread::spawn(|| advance(1));
            assert!(event.wait_with(Instant(1)).is_err());
            clock.join().unwrap();
            event.set();
        }
        waiter.join().unwrap();
        setter.join().unwrap();
    });
}
