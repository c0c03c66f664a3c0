//! Services, and their threads.

use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use crate::{LONG, never};
use tk_event::Event;
use tk_testing::until;
use tk_timer::{CancelOutcome, RescheduleOutcome, Timer, TimerService};

/// The number in the system of a thread that serves; zero where that is not known.
fn thread_of(service: &TimerService) -> u64 {
    let (sender, receiver) = mpsc::channel();
    let tell = move || sender.send(tk_core::current().native_id()).unwrap();
    let handle = Timer::new(Duration::ZERO, tell).start_on(service);
    handle.join().unwrap();
    receiver.recv().unwrap().unwrap_or(0)
}

/// Whether the process has a thread of this number, as far as is known.
fn is_there(thread: u64) -> bool {
    thread != 0 && std::fs::exists(format!("/proc/self/task/{thread}")).unwrap()
}

#[test]
fn the_end_of_a_service_cancels_what_is_pending_and_ends_its_threads() {
    let service = TimerService::new();
    let thread = thread_of(&service);
    let owned = Arc::new(());
    let handle = Timer::new(LONG, {
        let owned = Arc::clone(&owned);
        move || drop(owned)
    })
    .start_on(&service);
    let joiner = tk_thread::spawn({
        let handle = handle.clone();
        move || handle.join()
    });
    until("it waits", || joiner.blocked_on().is_some());
    drop(service);
    assert_eq!(Arc::strong_count(&owned), 1);
    assert!(handle.is_finished());
    assert_eq!(handle.cancel(), CancelOutcome::Finished);
    assert_eq!(
        handle.reschedule(Duration::ZERO),
        RescheduleOutcome::Finished
    );
    joiner.join().unwrap().unwrap();
    until("the thread has ended", || !is_there(thread));
}

#[test]
fn the_end_of_a_service_lets_no_running_timer_repeat() {
    let (running, go_on) = (Arc::new(Event::new()), Arc::new(Event::new()));
    let service = TimerService::new();
    let handle = Timer::every(Duration::from_micros(1), {
        let (running, go_on) = (running.clone(), go_on.clone());
        move || {
            running.set();
            go_on.wait();
        }
    })
    .start_on(&service);
    running.wait();
    drop(service); // Does not wait for it.
    assert!(!handle.is_finished());
    assert_eq!(
        handle.reschedule(Duration::ZERO),
        RescheduleOutcome::Running
    );
    go_on.set();
    handle.join().unwrap();
}

#[test]
fn services_are_apart() {
    let (one, other) = (TimerService::new(), TimerService::new());
    if cfg!(target_os = "linux") {
        assert_ne!(thread_of(&one), thread_of(&other));
    }
    let handle = Timer::new(LONG, never).start_on(&one);
    drop(other);
    assert_eq!(one.pending().len(), 1);
    assert!(handle.cancel().is_cancelled());
}

#[test]
fn what_is_pending_is_listed_in_order() {
    let service = TimerService::new();
    let start = Instant::now();
    Timer::new(Duration::MAX, never)
        .name("never")
        .start_on(&service);
    Timer::every(LONG * 2, never)
        .name("later")
        .start_on(&service);
    Timer::new(LONG, never).name("first").start_on(&service);
    Timer::new(LONG, never).start_on(&service);
    let cancelled = Timer::new(LONG, never).start_on(&service);
    cancelled.cancel();
    let (running, go_on) = (Arc::new(Event::new()), Arc::new(Event::new()));
    let runs = Timer::new(Duration::ZERO, {
        let (running, go_on) = (running.clone(), go_on.clone());
        move || {
            running.set();
            go_on.wait();
        }
    })
    .start_on(&service);
    running.wait();

    let pending = service.pending();
    go_on.set();
    let names: Vec<_> = pending.iter().map(|timer| timer.name()).collect();
    assert_eq!((names[0], names[2], names[3]), ("first", "later", "never"));
    assert!(names[1].starts_with("Thread-"));
    assert_eq!(names.len(), 4);
    let periods = pending.iter().map(|timer| timer.period());
    assert_eq!(
        periods.collect::<Vec<_>>(),
        [None, None, Some(LONG * 2), None]
    );
    let dues: Vec<_> = pending.iter().map(|timer| timer.due()).collect();
    assert!(dues[0].unwrap() >= start + LONG && dues[0] <= dues[1]);
    assert!(dues[2].unwrap() >= start + LONG * 2);
    assert_eq!(dues[3], None);
    runs.join().unwrap();
}

#[test]
fn functions_that_block_have_a_thread_each_and_the_timers_go_on() {
    let service = TimerService::new();
    let go_on = Arc::new(Event::new());
    let (sender, receiver) = mpsc::channel();
    let handles: Vec<_> = (0..8)
        .map(|_| {
            let (go_on, sender) = (go_on.clone(), sender.clone());
            let block = move || {
                sender.send(tk_core::current()).unwrap();
                go_on.wait();
            };
            Timer::new(Duration::ZERO, block).start_on(&service)
        })
        .collect();
    let threads: Vec<_> = receiver.iter().take(8).collect();
    for (n, thread) in threads.iter().enumerate() {
        assert!(!threads[..n].contains(thread));
    }
    go_on.set();
    for handle in handles {
        handle.join().unwrap();
    }
    drop(service);
    for thread in threads {
        until("the thread has ended", || !thread.is_alive());
    }
}
