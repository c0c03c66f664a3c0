//! Asking a thread to stop.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tk_event::Event;
use tk_park::{Limit, WaitError};
use tk_thread::{JoinError, StopOnDrop, current, scope, sleep_with, spawn, stop_token};

#[test]
fn a_stop_wakes_the_waits_that_carry_the_threads_own_token() {
    let event = Arc::new(Event::new());
    let (tell, told) = std::sync::mpsc::channel();
    let handle = spawn({
        let event = Arc::clone(&event);
        move || {
            tell.send(event.wait_with(&stop_token())).unwrap();
            // This wait does not carry the token, so the request does not stop it.
            event.wait() && stop_token().stop_requested()
        }
    });
    assert!(handle.request_stop());
    assert_eq!(told.recv().unwrap(), Err(WaitError::Stopped));
    assert!(!handle.request_stop(), "only the first request is one");
    assert!(handle.stop_token().stop_requested());
    event.set();
    assert!(handle.join().unwrap());
}

#[test]
fn each_thread_has_its_own_token() {
    let (ours, theirs, inner) = spawn(|| {
        let inner = spawn(|| stop_token().stop_requested()).join().unwrap();
        let mine = stop_token();
        current().request_stop();
        let inherited = spawn(|| stop_token().stop_requested()).join().unwrap();
        (mine.stop_requested(), inherited, inner)
    })
    .join()
    .unwrap();
    assert!(ours && !theirs && !inner);
    assert!(!stop_token().stop_requested());
}

#[test]
fn a_thread_that_is_gone_is_not_asked() {
    let handle = spawn(|| ());
    let thread = handle.thread().clone();
    handle.join().unwrap();
    assert!(!thread.request_stop());
}

#[test]
fn a_thread_that_was_started_elsewhere_can_be_asked() {
    let (tell, told) = std::sync::mpsc::channel();
    let foreign = std::thread::spawn(move || {
        tell.send(current()).unwrap();
        sleep_with(&stop_token())
    });
    assert!(told.recv().unwrap().request_stop());
    assert_eq!(foreign.join().unwrap(), WaitError::Stopped);
}

#[test]
fn a_stop_before_the_first_line_is_not_lost() {
    for _ in 0..100 {
        let handle = spawn(|| sleep_with(&stop_token()));
        handle.request_stop();
        assert_eq!(handle.join().unwrap(), WaitError::Stopped);
    }
}

#[test]
fn a_sleep_ends_at_its_time_or_by_a_stop() {
    let start = Instant::now();
    let limit = Duration::from_millis(5);
    let both = |limit: Duration| sleep_with(Limit::after(limit).or_stop(&stop_token()));
    assert_eq!(both(limit), WaitError::TimedOut);
    assert!(start.elapsed() >= limit);
    let handle = spawn(move || both(Duration::MAX));
    handle.request_stop();
    assert_eq!(handle.join().unwrap(), WaitError::Stopped);
}

#[test]
fn a_join_can_carry_the_joiners_token() {
    let event = Arc::new(Event::new());
    let slow = spawn({
        let event = Arc::clone(&event);
        move || event.wait()
    });
    scope(|s| {
        let joiner = s.spawn(|| slow.join_with(&stop_token()));
        joiner.request_stop();
        assert_eq!(joiner.join().unwrap(), Err(JoinError::Stopped));
    });
    event.set();
    assert!(slow.join().unwrap());
}

#[test]
fn a_handle_that_stops_its_thread_waits_for_it() {
    let handle: StopOnDrop<_> = spawn(|| sleep_with(&stop_token())).stop_on_drop();
    let thread = (*handle).clone();
    assert!(thread.is_alive());
    drop(handle);
    assert!(!thread.is_alive());
}

#[test]
fn a_handle_that_stops_its_thread_gives_the_value_too() {
    assert_eq!(spawn(|| 7).stop_on_drop().join().unwrap(), 7);
    let event = Arc::new(Event::new());
    let handle = spawn({
        let event = Arc::clone(&event);
        move || {
            event.wait();
            stop_token().stop_requested()
        }
    });
    let plain = handle.stop_on_drop().into_inner();
    event.set();
    assert!(!plain.join().unwrap(), "nobody has asked it to stop");
}

#[test]
fn a_thread_may_drop_the_handle_that_stops_it() {
    let (give, given) = std::sync::mpsc::channel::<StopOnDrop<bool>>();
    let handle = spawn(move || {
        drop(given.recv().unwrap());
        stop_token().stop_requested()
    });
    let thread = handle.thread().clone();
    give.send(handle.stop_on_drop()).unwrap();
    thread.join().unwrap();
}

#[test]
fn a_panic_of_the_thread_goes_no_further_than_its_report() {
    drop(spawn(|| std::panic::resume_unwind(Box::new("on purpose"))).stop_on_drop());
}

#[test]
fn a_thread_that_waits_in_a_drop_shows_the_line_that_made_the_handle() {
    let done = Arc::new(Event::new());
    let handle = spawn({
        let done = Arc::clone(&done);
        move || done.wait()
    });
    let (handle, line) = (handle.stop_on_drop(), line!());
    let dropper = spawn(move || drop(handle));
    let waiting = loop {
        if let Some(waiting) = dropper.blocked_on() {
            break waiting;
        }
        std::thread::yield_now();
    };
    let location = waiting.location();
    assert_eq!(
        (waiting.kind(), location.file(), location.line()),
        ("join", file!(), line)
    );
    done.set();
    dropper.join().unwrap();
}
