//! Starting threads, and failing to.

use std::sync::Arc;

use tk_core::KeepAlive;
use tk_event::Event;
use tk_thread::{Builder, Run, Thread, current, enumerate, spawn, spawn_with};

/// More bytes than any address space has in one piece, also one of 32 bits.
const TOO_LARGE: usize = usize::MAX / 4 * 3;

#[test]
fn a_thread_returns_its_value() {
    assert_eq!(spawn(|| 6 * 7).join().unwrap(), 42);
    assert_eq!(
        spawn_with(|(a, b): (u32, u32)| a * b, (6, 7))
            .join()
            .unwrap(),
        42
    );
}

#[test]
fn a_task_returns_its_output() {
    struct Twice(u32);

    impl Run for Twice {
        type Output = u32;

        fn run(self) -> u32 {
            2 * self.0
        }
    }

    assert_eq!(Twice(21).start().join().unwrap(), 42);
}

#[test]
fn a_thread_is_the_same_inside_and_outside() {
    let handle = spawn(current);
    let outside = handle.thread().clone();
    let (id, native_id) = (handle.id(), handle.native_id());
    let inside = handle.join().unwrap();
    assert_eq!(inside, outside);
    assert_eq!((inside.id(), inside.native_id()), (id, native_id));
}

#[test]
#[cfg(target_os = "linux")]
fn native_ids_are_known_when_spawn_returns_and_differ() {
    use std::collections::HashSet;

    let done = Arc::new(Event::new());
    let handles: Vec<_> = (0..10)
        .map(|_| {
            let done = Arc::clone(&done);
            spawn(move || {
                done.wait();
                tk_thread::get_native_id()
            })
        })
        .collect();
    let outside: Vec<_> = handles.iter().map(|handle| handle.native_id()).collect();
    done.set();
    let inside: Vec<_> = handles
        .into_iter()
        .map(|handle| handle.join().unwrap())
        .collect();
    assert_eq!(outside, inside);
    assert_eq!(inside.iter().flatten().collect::<HashSet<_>>().len(), 10);
}

#[test]
fn a_thread_is_listed_from_its_start_to_its_end() {
    let done = Arc::new(Event::new());
    let handle = spawn({
        let done = Arc::clone(&done);
        move || done.wait()
    });
    let thread = handle.thread().clone();
    assert!(thread.is_alive() && enumerate().contains(&thread));
    done.set();
    handle.join().unwrap();
    assert!(!thread.is_alive() && !enumerate().contains(&thread));
}

#[test]
fn daemons_beget_daemons() {
    let daemon = |daemon| {
        let parent = Builder::new().daemon(daemon);
        let child_is_daemon = move || spawn(|| ()).is_daemon();
        parent.spawn(child_is_daemon).unwrap().join().unwrap()
    };
    assert!(daemon(true));
    assert!(!daemon(false));
    // The threads of the test harness were started elsewhere.
    assert!(current().is_daemon() && spawn(|| ()).is_daemon());
}

#[test]
fn stacks_are_as_large_as_asked_for() {
    for size in [256 << 10, 1 << 20] {
        let handle = Builder::new().stack_size(size).spawn(|| 1).unwrap();
        assert_eq!(handle.join().unwrap(), 1);
    }
}

#[test]
fn a_stack_of_no_bytes_is_an_error_that_leaves_nothing() {
    for size in [0, usize::MAX, TOO_LARGE] {
        let name = format!("stack of {size}");
        let builder = Builder::new().name(&*name).stack_size(size);
        let error = builder.clone().spawn(|| ()).unwrap_err();
        let scoped = tk_thread::scope(|s| builder.spawn_scoped(s, || ()).unwrap_err().kind());
        assert_eq!(scoped, error.kind());
        assert!(!enumerate().iter().any(|thread| thread.name() == name));
    }
}

#[test]
fn a_thread_that_starts_others_without_end_can_be_joined() {
    fn beget(depth: u32) {
        if depth > 0 {
            spawn(move || beget(depth - 1));
        }
    }
    let handle = spawn(|| beget(100));
    handle.join().unwrap();
}

#[test]
fn a_panic_is_told_with_its_line() {
    let error = spawn(|| std::panic::resume_unwind(Box::new(1)))
        .join()
        .unwrap_err();
    assert!(error.location().is_none());
    let (error, line) = (spawn(|| panic!("on purpose")).join().unwrap_err(), line!());
    let location = error.location().unwrap();
    assert_eq!((location.file(), location.line()), (file!(), line));
    assert!(
        location
            .to_string()
            .starts_with(&format!("{}:{line}:", file!()))
    );
}

#[test]
fn an_exit_ends_the_thread_without_a_value() {
    let error = spawn(|| tk_thread::exit()).join().unwrap_err();
    assert!(error.is_exit() && error.to_string().ends_with(" ended by exit"));
    assert!(error.into_payload().is::<tk_thread::Exit>());
    let dropped = Arc::new(Event::new());
    let owned = Dropped(Arc::clone(&dropped));
    spawn(move || {
        let _owned = owned;
        tk_thread::exit()
    })
    .join()
    .unwrap_err();
    assert!(dropped.is_set());
}

#[test]
fn a_caught_panic_comes_back_as_an_error_and_the_thread_goes_on() {
    let (first, second) = spawn(|| {
        let first = tk_thread::catch_panic(|| -> u8 { panic!("on purpose") });
        (first, tk_thread::catch_panic(|| 7))
    })
    .join()
    .unwrap();
    assert_eq!(first.unwrap_err().message(), "on purpose");
    assert_eq!(second.unwrap(), 7);
}

/// Counts the drops of a value that a thread was to own.
struct Dropped(Arc<Event>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.set();
    }
}

#[test]
fn a_thread_that_cannot_be_started_leaves_nothing() {
    let tokens = KeepAlive::count();
    let dropped = Arc::new(Event::new());
    let owned = Dropped(Arc::clone(&dropped));
    let error = Builder::new()
        .name("impossible")
        .daemon(false)
        .stack_size(TOO_LARGE)
        .spawn(move || drop(owned))
        .unwrap_err();
    assert!(!error.to_string().is_empty());
    assert!(dropped.is_set());
    assert!(
        !enumerate()
            .iter()
            .any(|thread| thread.name() == "impossible")
    );
    // Other tests have tokens of their own, for a while. If this test had left one behind, it would
    // stay forever.
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while KeepAlive::count() > tokens {
        assert!(std::time::Instant::now() < until, "a token is left");
        std::thread::yield_now();
    }
}

#[test]
fn what_a_thread_owns_is_dropped_when_it_is_joined() {
    for panic in [false, true] {
        let dropped = Arc::new(Event::new());
        let owned = Dropped(Arc::clone(&dropped));
        let result = spawn(move || {
            let _owned = owned;
            if panic {
                std::panic::resume_unwind(Box::new("expected"));
            }
        })
        .join();
        assert_eq!(result.is_err(), panic);
        assert!(dropped.is_set());
    }
}

#[test]
fn a_value_that_nobody_takes_is_dropped_and_may_panic() {
    struct Explosive(Arc<Event>);

    impl Drop for Explosive {
        fn drop(&mut self) {
            self.0.set();
            std::panic::resume_unwind(Box::new("expected"));
        }
    }

    let (dropped, go_on) = (Arc::new(Event::new()), Arc::new(Event::new()));
    let handle = spawn({
        let (dropped, go_on) = (Arc::clone(&dropped), Arc::clone(&go_on));
        move || {
            go_on.wait();
            Explosive(dropped)
        }
    });
    let thread: Thread = handle.thread().clone();
    drop(handle);
    go_on.set();
    thread.join().unwrap();
    assert!(dropped.is_set());
}

#[test]
fn a_panic_is_told_with_name_message_and_payload() {
    let handle = Builder::new()
        .name("glazier")
        .spawn(|| std::panic::panic_any(format!("{} panes", 3)))
        .unwrap();
    let error = handle.join().unwrap_err();
    assert_eq!(
        (error.thread_name(), error.message()),
        ("glazier", "3 panes")
    );
    assert_eq!(error.to_string(), "thread `glazier` panicked: 3 panes");
    assert_eq!(
        *error.into_payload().downcast::<String>().unwrap(),
        "3 panes"
    );
    let silent = spawn(|| std::panic::resume_unwind(Box::new(7u8)))
        .join()
        .unwrap_err();
    assert_eq!(silent.message(), "(no message)");
}

#[test]
fn a_thousand_threads_at_once() {
    let go_on = Arc::new(Event::new());
    let handles: Vec<_> = (0..1000)
        .map(|n| {
            let go_on = Arc::clone(&go_on);
            Builder::new()
                .stack_size(64 << 10)
                .name(format!("crowd-{n}"))
                .spawn(move || go_on.wait())
                .unwrap()
        })
        .collect();
    let crowd = || {
        enumerate()
            .iter()
            .filter(|t| t.name().starts_with("crowd-"))
            .count()
    };
    assert_eq!(crowd(), 1000);
    go_on.set();
    for handle in handles {
        assert!(handle.join().unwrap());
    }
    assert_eq!(crowd(), 0);
}

#[test]
fn handles_can_be_shared() {
    static_assertions::assert_impl_all!(Thread: Send, Sync, Clone);
    static_assertions::assert_impl_all!(tk_thread::JoinHandle<u32>: Send, Sync);
    static_assertions::assert_impl_all!(tk_thread::Panicked: Send, std::error::Error);
}
