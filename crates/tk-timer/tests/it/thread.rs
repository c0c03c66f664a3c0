//! The thread that a timer's function sees.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use tk_event::Event;
use tk_testing::until;
use tk_thread::{
    JoinError, Thread, current, enumerate, on_thread_exit, on_thread_start, stop_token,
};
use tk_timer::{CancelOutcome, Schedule, Timer, TimerHandle, TimerService};

use crate::LONG;

/// Runs `f` in a timer's function, and returns what that returns, when the timer has ended.
fn inside<T: Send + 'static>(
    timer: impl FnOnce(Timer) -> Timer,
    f: impl FnOnce() -> T + Send + 'static,
) -> T {
    let (sender, receiver) = mpsc::channel();
    let new = Timer::new(Duration::ZERO, move || sender.send(f()).unwrap());
    timer(new).start().join().unwrap();
    receiver.recv().unwrap()
}

#[test]
fn what_runs_at_its_end_does_not_wait_for_its_own_timer() {
    let (give, take) = mpsc::channel::<TimerHandle>();
    let (tell, told) = mpsc::channel();
    let timer = Timer::new(Duration::ZERO, move || {
        let me = take.recv().unwrap();
        let at_end = move || tell.send((me.join(), me.cancel_and_wait())).unwrap();
        assert!(tk_core::at_thread_exit(Box::new(at_end)).is_ok());
    })
    .start();
    give.send(timer).unwrap();
    let expected = (Err(JoinError::CurrentThread), CancelOutcome::Running);
    assert_eq!(told.recv(), Ok(expected));
}

#[test]
fn it_has_the_timers_name_and_is_a_daemon_if_the_timer_is() {
    for daemon in [true, false] {
        let seen = inside(
            |timer| timer.name("owl").daemon(daemon),
            || {
                let me = current();
                let child = tk_thread::spawn(|| current().is_daemon());
                assert!(enumerate().contains(&me) && !me.is_main() && me.is_alive());
                (me.name(), me.is_daemon(), child.join().unwrap())
            },
        );
        assert_eq!(seen, ("owl".to_owned(), daemon, daemon));
    }
}

#[test]
fn a_timer_that_is_started_inside_inherits_the_daemon_flag() {
    for daemon in [true, false] {
        let inherited = inside(
            |timer| timer.daemon(daemon),
            || {
                let (sender, receiver) = mpsc::channel();
                let tell = move || sender.send(current().is_daemon()).unwrap();
                Timer::new(Duration::ZERO, tell).start();
                receiver.recv().unwrap()
            },
        );
        assert_eq!(inherited, daemon);
    }
}

#[test]
fn a_handle_that_is_kept_says_that_it_has_stopped_when_the_timer_has_ended() {
    let thread: Thread = inside(|timer| timer.name("gone"), current);
    assert!(!thread.is_alive() && !enumerate().contains(&thread));
    assert_eq!(thread.join(), Ok(()));
    assert!(format!("{thread:?}").starts_with("<Thread(gone, stopped"));
    assert!(!thread.request_stop());
}

#[test]
fn a_stop_of_one_call_does_not_reach_the_next() {
    let service = TimerService::new();
    let (sender, receiver) = mpsc::channel();
    let handle = Timer::every(Duration::from_micros(1), move || {
        let was_stopped = stop_token().stop_requested();
        current().request_stop();
        let _ = sender.send((was_stopped, stop_token().stop_requested(), current().id()));
    })
    .start_on(&service);
    let calls: Vec<_> = receiver.iter().take(3).collect();
    handle.cancel_and_wait();
    assert!(calls.iter().all(|(before, after, _)| !before && *after));
    assert!(calls[0].2 != calls[1].2 && calls[1].2 != calls[2].2);
}

#[test]
fn a_thread_can_be_joined_while_the_function_runs() {
    let go_on = Arc::new(Event::new());
    let (sender, receiver) = mpsc::channel();
    Timer::new(Duration::ZERO, {
        let go_on = go_on.clone();
        move || {
            sender.send(current()).unwrap();
            go_on.wait();
        }
    })
    .start();
    let thread = receiver.recv().unwrap();
    until("it waits", || thread.blocked_on().is_some());
    assert!(thread.join_for(Duration::from_millis(1)).is_err());
    go_on.set();
    thread.join().unwrap();
    assert!(!thread.is_alive());
}

#[test]
fn a_lock_that_a_call_has_leaked_is_not_the_next_ones() {
    static LOCK: tk_lock::Lock<()> = tk_lock::Lock::new(());
    let service = TimerService::new();
    let leak = || std::mem::forget(LOCK.lock());
    Timer::new(Duration::ZERO, leak)
        .start_on(&service)
        .join()
        .unwrap();
    let (sender, receiver) = mpsc::channel();
    let lock = move || {
        sender
            .send(LOCK.try_lock_for(Duration::from_millis(1)).is_some())
            .unwrap()
    };
    // It is told that time is over, and not that it holds the lock already.
    Timer::new(Duration::ZERO, lock).start_on(&service);
    assert_eq!(receiver.recv(), Ok(false));
}

#[test]
fn the_hooks_for_threads_are_called_for_each_call_under_the_timers_name() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let note = |what: &'static str| {
        let seen = seen.clone();
        move |thread: &Thread| {
            assert_eq!(thread, &current());
            if thread.name() == "hooked" {
                seen.lock().unwrap().push(what);
            }
            assert_ne!(thread.name(), "tk-timer");
        }
    };
    let _hooks = (on_thread_start(note("start")), on_thread_exit(note("exit")));
    let calls = AtomicUsize::new(0);
    let call = {
        let seen = seen.clone();
        move || {
            seen.lock().unwrap().push("call");
            match calls.fetch_add(1, SeqCst) {
                0 => ControlFlow::Continue(()),
                _ => ControlFlow::Break(()),
            }
        }
    };
    Timer::every(Duration::from_micros(1), call)
        .name("hooked")
        .start()
        .join()
        .unwrap();
    assert_eq!(*seen.lock().unwrap(), ["start", "call", "exit"].repeat(2));
}

#[test]
fn a_hook_that_panics_or_blocks_harms_no_other_timer() {
    let go_on = Arc::new(Event::new());
    let _hook = on_thread_start({
        let go_on = go_on.clone();
        move |thread| match &*thread.name() {
            "blocked" => {
                go_on.wait();
            }
            "panics" => std::panic::resume_unwind(Box::new("expected")),
            _ => {}
        }
    });
    let blocked = Timer::new(Duration::ZERO, || ()).name("blocked").start();
    let panics = Timer::new(Duration::ZERO, || ()).name("panics").start();
    panics.join().unwrap();
    Timer::new(Duration::ZERO, || ()).start().join().unwrap();
    assert!(!blocked.is_finished());
    go_on.set();
    blocked.join().unwrap();
}

#[test]
fn a_hook_that_starts_a_timer_and_waits_for_it_is_served() {
    let _hook = on_thread_start(|thread| {
        if thread.name() == "nests" {
            Timer::new(Duration::ZERO, || ()).start().join().unwrap();
        }
    });
    let handle = Timer::new(Duration::ZERO, || ()).name("nests").start();
    handle.join().unwrap();
}

#[test]
fn a_function_ends_its_timer() {
    let service = TimerService::new();
    let mut calls = 0;
    let (sender, receiver) = mpsc::channel();
    let handle = Timer::every(Duration::from_micros(1), move || {
        calls += 1;
        sender.send(calls).unwrap();
        if calls == 3 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })
    .start_on(&service);
    handle.join().unwrap();
    assert_eq!(receiver.iter().collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(service.pending_count(), 0);
}

#[test]
fn an_exit_ends_the_timer_and_is_not_reported() {
    let calls = Arc::new(AtomicUsize::new(0));
    let exits = || {
        let calls = calls.clone();
        move || {
            calls.fetch_add(1, SeqCst);
            tk_thread::exit()
        }
    };
    Timer::every(Duration::from_micros(1), exits())
        .start()
        .join()
        .unwrap();
    let once = Timer::new(Duration::ZERO, exits()).start();
    once.join().unwrap();
    assert_eq!(calls.load(SeqCst), 2);
}

#[test]
fn what_a_function_has_captured_is_dropped_in_its_thread_unless_it_is_cancelled_before() {
    struct Tells(mpsc::Sender<String>);
    impl Drop for Tells {
        fn drop(&mut self) {
            self.0.send(current().name()).unwrap();
        }
    }
    let (sender, receiver) = mpsc::channel();
    let tells = || Tells(sender.clone());

    let value = tells();
    Timer::new(Duration::ZERO, move || drop(value))
        .name("once")
        .start();
    assert_eq!(receiver.recv().unwrap(), "once");

    let value = tells();
    let ends = move || {
        let _ = &value;
        ControlFlow::Break(())
    };
    Timer::every(Duration::from_micros(1), ends)
        .name("ends")
        .start();
    assert_eq!(receiver.recv().unwrap(), "ends");

    let value = tells();
    let handle = Timer::every(Schedule::every(LONG), move || _ = &value)
        .name("far")
        .start();
    handle.cancel();
    assert_eq!(receiver.recv().unwrap(), current().name());
}

#[test]
fn a_daemon_timer_belongs_to_the_program_that_started_it() {
    std::thread::spawn(|| {
        tk_thread::main(|| {
            for daemon in [false, true] {
                let (sender, receiver) = mpsc::channel();
                let send = move || sender.send(tk_thread::main_thread()).unwrap();
                Timer::new(Duration::ZERO, send).daemon(daemon).start();
                assert_eq!(receiver.recv().unwrap(), current(), "daemon: {daemon}");
            }
        });
    })
    .join()
    .unwrap();
}
