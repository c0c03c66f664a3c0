//! ThreadTests and ThreadingExceptionTests, as far as a test among others can run them. The others
//! are in `tests/processes`.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tk_event::Event;
use tk_semaphore::BoundedSemaphore;
use tk_thread::{
    Builder, JoinError, JoinHandle, Thread, active_count, current, enumerate, get_ident,
    get_native_id, main_thread, spawn,
};

use crate::{SHORT, takes_a_short_time};

/// A thread that ends when the event is set.
fn patient(builder: Builder) -> (JoinHandle<bool>, Arc<Event>) {
    let done = Arc::new(Event::new());
    let handle = builder.spawn({
        let done = Arc::clone(&done);
        move || done.wait()
    });
    (handle.unwrap(), done)
}

#[test]
fn test_name() {
    fn func() {}

    let name = |name: &str| Builder::new().name(name).spawn(func).unwrap().name();
    let numbered = |name: String, suffix: &str| {
        let digits = name.strip_prefix("Thread-").unwrap();
        digits.strip_suffix(suffix).unwrap().parse::<u64>().unwrap();
    };
    assert_eq!(name("myname1"), "myname1");
    assert_eq!(name(&123.to_string()), "123");
    numbered(name(""), " (func)");
    numbered(spawn(func).name(), " (func)");
    numbered(spawn(|| ()).name(), "");
}

#[test]
fn test_various_ops() {
    const TASKS: usize = 10;
    let places = Arc::new(BoundedSemaphore::new(3));
    let running = Arc::new(AtomicU32::new(0));
    let threads: Vec<_> = (0..TASKS)
        .map(|i| {
            let (places, running) = (Arc::clone(&places), Arc::clone(&running));
            let task = move || {
                let _place = places.acquire();
                assert!(running.fetch_add(1, Relaxed) < 3);
                std::thread::yield_now();
                assert!(running.fetch_sub(1, Relaxed) > 0);
                (get_ident(), get_native_id())
            };
            Builder::new()
                .name(format!("<thread {i}>"))
                .spawn(task)
                .unwrap()
        })
        .collect();
    let handles: Vec<Thread> = threads.iter().map(|t| t.thread().clone()).collect();
    for thread in &handles {
        assert!(format!("{thread:?}").starts_with("<Thread(<thread "));
    }
    let mut native_ids = HashSet::new();
    for (thread, handle) in threads.into_iter().zip(handles) {
        let (ident, native_id) = thread.join().unwrap();
        assert!(!handle.is_alive());
        assert_eq!((handle.id(), handle.native_id()), (ident, native_id));
        let shown = format!("{handle:?}");
        assert!(shown.contains(", stopped") && shown.ends_with(&format!(" {ident})>")));
        if let Some(native_id) = native_id {
            native_ids.insert(native_id);
        }
    }
    if cfg!(target_os = "linux") {
        // A number may go to a later thread when its own is gone.
        assert!(!native_ids.is_empty());
    }
}

#[test]
fn test_ident_of_no_threading_threads() {
    let (inside, seen) = std::thread::spawn(|| (get_ident(), current().id()))
        .join()
        .unwrap();
    assert_eq!(inside, seen);
    assert_ne!(inside, get_ident());
}

#[test]
fn test_foreign_thread() {
    let foreign = std::thread::spawn(|| {
        let me = current();
        assert!(me.name().starts_with("Dummy-") && me.is_alive() && me.is_daemon());
        assert!(enumerate().contains(&me));
        let shown = format!("{me:?}");
        assert_eq!(
            shown,
            format!("<Thread({}, started daemon {})>", me.name(), me.id())
        );
        me
    })
    .join()
    .unwrap();
    // In CPython before 3.13, a dummy thread stays forever.
    assert!(!foreign.is_alive() && !enumerate().contains(&foreign));
    assert_eq!(foreign.join(), Ok(()));
}

#[test]
fn test_limbo_cleanup() {
    let too_large = Builder::new().name("ghost").stack_size(1 << 60);
    assert!(too_large.spawn(|| ()).is_err());
    assert!(!enumerate().iter().any(|thread| thread.name() == "ghost"));
}

#[test]
fn test_enumerate_after_join() {
    for _ in 1..100 {
        let handle = spawn(|| ());
        let thread = handle.thread().clone();
        handle.join().unwrap();
        assert!(!enumerate().contains(&thread));
    }
}

#[test]
fn test_no_refcycle_through_target() {
    for raise in [false, true] {
        let captured = Arc::new(());
        let weak: Weak<()> = Arc::downgrade(&captured);
        let handle = spawn(move || {
            let _captured = captured;
            if raise {
                tk_thread::exit();
            }
        });
        handle.thread().join().unwrap();
        assert!(weak.upgrade().is_none());
        assert_eq!(handle.join().is_err(), raise);
    }
}

#[test]
fn test_repr_daemon() {
    let shown = |daemon| {
        let handle = Builder::new().daemon(daemon).spawn(|| ()).unwrap();
        format!("{handle:?}")
    };
    assert!(!shown(false).contains("daemon"));
    assert!(shown(true).contains("daemon"));
}

#[test]
fn test_daemon_param() {
    let of = |builder: Builder| builder.spawn(|| ()).unwrap().is_daemon();
    // The flag is inherited from this thread, which the kit has not started.
    assert!(of(Builder::new()));
    assert!(!of(Builder::new().daemon(false)));
    assert!(of(Builder::new().daemon(true)));
}

#[test]
fn test_main_thread() {
    let main = main_thread();
    assert_eq!((main.name(), main.id().get()), ("MainThread".to_owned(), 1));
    assert!(main.is_main() && main.is_alive() && !main.is_daemon());
    assert_eq!(spawn(main_thread).join().unwrap(), main);
    assert_ne!(current(), main);
}

#[test]
fn test_repr_stopped() {
    let (handle, done) = patient(Builder::new());
    assert!(format!("{handle:?}").contains("started"));
    done.set();
    // Without a join.
    tk_testing::until("the thread has stopped", || {
        format!("{handle:?}").contains("stopped")
    });
}

#[test]
fn test_leak_without_join() {
    let captured = Arc::new(());
    let weak = Arc::downgrade(&captured);
    let thread = spawn(move || drop(captured)).thread().clone();
    tk_testing::until("the thread is gone", || !thread.is_alive());
    assert!(weak.upgrade().is_none() && !enumerate().contains(&thread));
}

#[test]
fn test_tstate_lock() {
    // A thread is alive until its thread-local values have been dropped.
    struct Looks(Thread);
    impl Drop for Looks {
        fn drop(&mut self) {
            assert!(self.0.is_alive());
        }
    }
    thread_local!(static LOOKS: std::cell::OnceCell<Looks> = const { std::cell::OnceCell::new() });
    let handle = spawn(|| LOOKS.with(|looks| assert!(looks.set(Looks(current())).is_ok())));
    let thread = handle.thread().clone();
    handle.join().unwrap();
    assert!(!thread.is_alive());
}

#[test]
fn test_joining_current_thread() {
    assert_eq!(current().join(), Err(JoinError::CurrentThread));
    let inside = spawn(|| current().join_for(Duration::MAX)).join().unwrap();
    assert_eq!(inside, Err(JoinError::CurrentThread));
    let scoped = tk_thread::scope(|s| s.spawn(|| current().join()).join().unwrap());
    assert_eq!(scoped, Err(JoinError::CurrentThread));
}

#[test]
fn test_join_with_timeout() {
    let (handle, done) = patient(Builder::new());
    let thread = handle.thread();
    let timed_out = takes_a_short_time(|| thread.join_for(SHORT));
    assert_eq!(timed_out, Err(JoinError::TimedOut));
    assert!(thread.is_alive());
    done.set();
    assert_eq!(thread.join_for(Duration::from_secs(60)), Ok(()));
    assert!(!thread.is_alive());
}

#[test]
fn test_join_from_multiple_threads() {
    for joiners in 2..20 {
        let (handle, done) = patient(Builder::new());
        let thread = handle.thread().clone();
        let threads: Vec<_> = (0..joiners)
            .map(|i| {
                let thread = thread.clone();
                spawn(move || {
                    match i % 3 {
                        0 => thread.join(),
                        1 => thread.join_for(Duration::from_secs(60)),
                        _ => thread.join_with(&tk_thread::stop_token()),
                    }
                    .unwrap();
                    !thread.is_alive() && !enumerate().contains(&thread)
                })
            })
            .collect();
        done.set();
        for thread in threads {
            assert!(thread.join().unwrap());
        }
    }
}

#[test]
fn every_thread_is_listed_once() {
    let (handle, done) = patient(Builder::new());
    let listed = enumerate();
    assert!(listed.contains(handle.thread()) && listed.contains(&current()));
    let distinct: HashSet<_> = listed.iter().map(Thread::id).collect();
    assert_eq!(distinct.len(), listed.len());
    assert!(active_count() >= 3);
    done.set();
    handle.join().unwrap();
}

#[test]
#[cfg(target_os = "linux")]
fn test_set_name() {
    let told = |name: String| {
        let renamed = move || {
            current().set_name(name);
            std::fs::read_to_string("/proc/thread-self/comm").unwrap()
        };
        Builder::new()
            .name("before")
            .spawn(renamed)
            .unwrap()
            .join()
            .unwrap()
    };
    // A name that does not fit is cut between two characters. A NUL ends it.
    assert_eq!(told("x".repeat(15)), format!("{}\n", "x".repeat(15)));
    assert_eq!(told("x".repeat(16)), format!("{}\n", "x".repeat(15)));
    assert_eq!(told("é".repeat(10)), format!("{}\n", "é".repeat(7)));
    assert_eq!(told("€".repeat(10)), format!("{}\n", "€".repeat(5)));
    assert_eq!(told("😀".repeat(5)), format!("{}\n", "😀".repeat(3)));
    assert_eq!(told("a\0b".to_owned()), "a\n");
    assert_eq!(told(String::new()), "\n");
}
