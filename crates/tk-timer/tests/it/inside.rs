//! A timer's function that changes timers, its own included.

use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::time::Duration;

use tk_event::Event;
use tk_thread::JoinError;
use tk_timer::{
    CancelOnDrop, CancelOutcome, RescheduleOutcome, Schedule, Timer, TimerHandle, TimerService,
};

use crate::{LONG, never};

/// Runs `f` in a timer's function, and returns what that returns.
fn inside<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    Timer::new(Duration::ZERO, move || sender.send(f()).unwrap()).start();
    receiver.recv().unwrap()
}

#[test]
fn others_can_be_started_moved_cancelled_joined_and_dropped() {
    let far = Timer::new(LONG, never).start();
    let outcomes = inside({
        let far = far.clone();
        move || {
            let moved = far.reschedule(LONG * 2);
            let near = Timer::new(Duration::ZERO, || ()).start();
            let joined = near.join();
            let guard = Timer::new(LONG, never).start().cancel_on_drop();
            drop(guard);
            (moved, joined, far.cancel())
        }
    });
    assert_eq!(
        outcomes,
        (RescheduleOutcome::Moved, Ok(()), CancelOutcome::Cancelled)
    );
}

#[test]
fn a_timer_moves_itself() {
    let me = Arc::new(OnceLock::<TimerHandle>::new());
    let (sender, receiver) = mpsc::channel();
    let started = Arc::new(Event::new());
    let schedule = Schedule::every(LONG).first_after(Duration::ZERO);
    let handle = Timer::every(schedule, {
        let (me, started) = (me.clone(), started.clone());
        let mut calls = 0;
        move || {
            started.wait();
            calls += 1;
            let next = if calls < 5 { Duration::ZERO } else { LONG };
            let outcome = me.get().unwrap().reschedule(next);
            sender.send((calls, outcome)).unwrap();
        }
    })
    .start();
    me.set(handle.clone()).unwrap();
    started.set();
    for n in 1..=5 {
        assert_eq!(receiver.recv(), Ok((n, RescheduleOutcome::Moved)));
    }
    handle.cancel_and_wait();
    assert!(receiver.try_recv().is_err());
}

#[test]
fn a_timer_that_is_called_once_can_do_nothing_more_to_itself() {
    let me = Arc::new(OnceLock::<TimerHandle>::new());
    let (sender, receiver) = mpsc::channel();
    let started = Arc::new(Event::new());
    let handle = Timer::new(Duration::ZERO, {
        let (me, started) = (me.clone(), started.clone());
        move || {
            started.wait();
            let me = me.get().unwrap();
            sender.send(me.reschedule(Duration::ZERO)).unwrap();
            assert_eq!(me.join(), Err(JoinError::CurrentThread));
            assert_eq!(me.join_for(LONG), Err(JoinError::CurrentThread));
            assert_eq!(me.cancel_and_wait(), CancelOutcome::Running);
            assert_eq!(me.cancel_and_wait_with(LONG), Ok(CancelOutcome::Running));
            sender.send(me.reschedule(Duration::ZERO)).unwrap();
        }
    })
    .start();
    me.set(handle.clone()).unwrap();
    started.set();
    handle.join().unwrap();
    assert_eq!(
        receiver.iter().collect::<Vec<_>>(),
        [RescheduleOutcome::Running; 2]
    );
}

#[test]
fn a_timer_drops_the_last_handle_on_itself() {
    let me = Arc::new(Mutex::new(None::<CancelOnDrop>));
    let (sender, receiver) = mpsc::channel();
    let handle = Timer::every(Duration::from_micros(100), {
        let me = me.clone();
        move || {
            let guard = me.lock().unwrap().take();
            let was_there = guard.is_some();
            drop(guard);
            let _ = sender.send(was_there);
        }
    })
    .start();
    *me.lock().unwrap() = Some(handle.cancel_on_drop());
    // However often it has been called before: with that it has cancelled itself.
    let calls: Vec<_> = receiver.iter().collect();
    assert_eq!(calls.iter().filter(|was_there| **was_there).count(), 1);
    assert_eq!(calls.last(), Some(&true));
}

#[test]
fn a_timer_drops_its_service() {
    let service = Arc::new(TimerService::new());
    let far = Timer::new(LONG, never).start_on(&service);
    let again = Arc::new(OnceLock::<TimerHandle>::new());
    let done = Arc::new(Event::new());
    let handle = Timer::new(Duration::ZERO, {
        let (service, done) = (Mutex::new(Some(service.clone())), done.clone());
        move || {
            done.wait();
            drop(service.into_inner());
        }
    })
    .start_on(&service);
    again.set(handle.clone()).unwrap();
    drop(service);
    done.set();
    handle.join().unwrap();
    assert!(far.is_finished());
    assert_eq!(far.reschedule(Duration::ZERO), RescheduleOutcome::Finished);
}

#[test]
fn a_captured_value_whose_drop_waits_for_another_timer_gets_it() {
    struct Waits(TimerHandle);
    impl Drop for Waits {
        fn drop(&mut self) {
            self.0.join().unwrap();
        }
    }
    let service = TimerService::new();
    let (running, go_on) = (Arc::new(Event::new()), Arc::new(Event::new()));
    let other = Timer::new(LONG, || ()).start_on(&service);
    let waits = Waits(other.clone());
    let handle = Timer::every(Duration::from_micros(1), {
        let (running, go_on) = (running.clone(), go_on.clone());
        move || {
            let _ = &waits;
            running.set();
            go_on.wait();
        }
    })
    .start_on(&service);
    running.wait();
    assert_eq!(handle.cancel(), CancelOutcome::Running);
    go_on.set();
    // The function is dropped by the thread that called it, while another one waits for the other
    // timer.
    other.reschedule(Duration::from_millis(1));
    handle.join().unwrap();
    assert!(other.is_finished());
}
