//! Threads that borrow.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use tk_event::Event;
use tk_thread::{
    Builder, JoinError, Scope, ScopedJoinHandle, Thread, current, enumerate, scope, stop_token,
};

#[test]
fn what_outlives_the_scope_can_be_borrowed_and_changed() {
    let numbers = [1, 2, 3];
    let (mut sum, mut product) = (0, 0);
    let length = scope(|s| {
        s.spawn(|| sum = numbers.iter().sum());
        s.spawn(|| product = numbers.iter().product());
        s.spawn(|| numbers.len()).join().unwrap()
    });
    assert_eq!((sum, product, length), (6, 6, 3));
}

#[test]
fn a_value_may_borrow_as_well() {
    let text = String::from("hello world");
    let first = scope(|s| s.spawn(|| text.split(' ').next()).join().unwrap());
    assert_eq!(first, Some("hello"));
}

#[test]
fn the_threads_have_names_and_are_listed_until_the_scope_ends() {
    fn worker() {}

    let done = Event::new();
    let threads: [Thread; 2] = scope(|s| {
        let waiter = Builder::new().name("waiter").daemon(false);
        let waiter = waiter.spawn_scoped(s, || done.wait()).unwrap();
        let worker = s.spawn(worker);
        assert_eq!(waiter.name(), "waiter");
        assert!(worker.name().ends_with(" (worker)"));
        assert!(enumerate().contains(&waiter) && !waiter.is_daemon());
        done.set();
        [waiter.thread().clone(), worker.thread().clone()]
    });
    for thread in threads {
        assert!(!thread.is_alive() && !enumerate().contains(&thread));
        assert_eq!(thread.join(), Ok(()));
    }
}

#[test]
fn a_thread_may_start_others_in_its_scope() {
    let count = AtomicU32::new(0);
    fn grow<'scope>(s: Scope<'scope, '_>, count: &'scope AtomicU32, depth: u32) {
        count.fetch_add(1, Relaxed);
        if depth > 0 {
            for _ in 0..2 {
                s.spawn(move || grow(s, count, depth - 1));
            }
        }
    }
    scope(|s| grow(s, &count, 5));
    assert_eq!(count.load(Relaxed), (1 << 6) - 1);
}

#[test]
fn the_scope_ends_after_the_thread_local_values_are_destroyed() {
    static DESTROYED: AtomicU32 = AtomicU32::new(0);
    struct Late(Cell<bool>);
    impl Drop for Late {
        fn drop(&mut self) {
            // Time passes, so that a scope which does not wait for it would be seen to end before.
            std::thread::sleep(Duration::from_millis(5));
            DESTROYED.fetch_add(1, Relaxed);
        }
    }
    thread_local!(static LATE: Late = const { Late(Cell::new(false)) });
    for n in 1..10 {
        scope(|s| {
            s.spawn(|| LATE.with(|late| late.0.set(true)));
        });
        assert_eq!(DESTROYED.load(Relaxed), n);
        let handle_joins_too = scope(|s| {
            let handle = s.spawn(|| LATE.with(|late| late.0.set(true)));
            handle.join().unwrap();
            DESTROYED.fetch_sub(1, Relaxed)
        });
        assert_eq!(handle_joins_too, n + 1);
    }
}

#[test]
fn a_join_in_the_scope_can_have_a_limit() {
    let done = Event::new();
    scope(|s| {
        let handle = s.spawn(|| done.wait());
        let timed_out = handle.join_for(Duration::from_millis(5));
        assert_eq!(timed_out, Err(JoinError::TimedOut));
        done.set();
        assert_eq!(handle.join_for(Duration::MAX), Ok(()));
        assert!(handle.join().unwrap());
    });
}

#[test]
fn a_thread_of_a_scope_can_be_asked_to_stop() {
    scope(|s| {
        let handle = s.spawn(|| tk_thread::sleep_with(&stop_token()));
        assert!(handle.request_stop());
    });
}

#[test]
fn who_waits_for_a_scope_is_seen() {
    let (done, line) = (Event::new(), line!() + 4);
    scope(|outer| {
        // Copied, and so not borrowed from this closure.
        let done = &done;
        let waits = outer.spawn(move || scope(|s| drop(s.spawn(|| done.wait()))));
        let waiting = loop {
            match waits.blocked_on() {
                Some(waiting) => break waiting,
                None => std::thread::yield_now(),
            }
        };
        let location = waiting.location();
        assert_eq!((waiting.kind(), location.line()), ("scope", line));
        assert_eq!(location.file(), file!());
        done.set();
    });
}

#[test]
fn a_panic_that_nobody_asks_for_is_the_scopes() {
    let survivor = Mutex::new(false);
    let result = catch_unwind(AssertUnwindSafe(|| {
        scope(|s| {
            s.spawn(|| resume_unwind(Box::new("on purpose")));
            s.spawn(|| *survivor.lock().unwrap() = true);
        });
    }));
    let message = result.unwrap_err().downcast::<&str>().unwrap();
    assert_eq!(*message, "a thread of the scope panicked");
    assert!(survivor.into_inner().unwrap());
}

#[test]
fn a_panic_that_is_asked_for_is_an_error_and_an_exit_is_none() {
    scope(|s| {
        let handle: ScopedJoinHandle<'_, ()> = s.spawn(|| resume_unwind(Box::new("on purpose")));
        assert_eq!(handle.join().unwrap_err().message(), "on purpose");
        s.spawn(|| tk_thread::exit());
    });
}

#[test]
fn a_panic_of_the_function_waits_for_the_threads() {
    let (done, ended) = (Event::new(), AtomicU32::new(0));
    let result = catch_unwind(AssertUnwindSafe(|| {
        scope(|s| {
            s.spawn(|| {
                done.wait();
                ended.fetch_add(1, Relaxed);
            });
            // After the panic, and before the scope has waited.
            struct Sets<'a>(&'a Event);
            impl Drop for Sets<'_> {
                fn drop(&mut self) {
                    self.0.set();
                }
            }
            let _sets = Sets(&done);
            resume_unwind(Box::new("on purpose"));
        })
    }));
    let _: &dyn std::any::Any = result.as_ref().unwrap_err();
    assert_eq!(ended.load(Relaxed), 1);
}

#[test]
fn joining_oneself_through_a_scope_is_an_error() {
    let joined = scope(|s| {
        let handle = s.spawn(|| current().join());
        handle.join().unwrap()
    });
    assert_eq!(joined, Err(JoinError::CurrentThread));
}

#[test]
fn handles_can_be_shared() {
    static_assertions::assert_impl_all!(Scope<'static, 'static>: Send, Sync, Copy);
    static_assertions::assert_impl_all!(ScopedJoinHandle<'static, u32>: Send, Sync);
}

#[test]
fn a_value_that_panics_when_it_is_dropped_does_not_meet_the_panic_of_the_scope() {
    struct Explosive;

    impl Drop for Explosive {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }

    let payload = catch_unwind(|| {
        scope(|s| {
            s.spawn(|| panic!("out of paint"));
            Explosive
        })
    });
    let payload = payload.map(std::mem::forget).unwrap_err();
    let message = payload.downcast_ref::<&str>().unwrap();
    assert_eq!(*message, "a thread of the scope panicked");
}

#[test]
fn threads_of_a_scope_that_has_ended_are_joined_without_a_wait() {
    for _ in 0..200 {
        let threads = scope(|s| [1, 2, 3].map(|n| s.spawn(move || n).thread().clone()));
        for thread in threads {
            assert_eq!(thread.join_for(Duration::ZERO), Ok(()));
        }
    }
}

#[test]
fn kept_handles_of_ended_threads_give_their_values() {
    let sum: u32 = scope(|s| {
        let handles: Vec<_> = (0..100).map(|n| s.spawn(move || n)).collect();
        for handle in &handles {
            handle.join_for(Duration::from_secs(60)).unwrap();
        }
        handles
            .into_iter()
            .map(|handle| handle.join().unwrap())
            .sum()
    });
    assert_eq!(sum, 4950);
}
