//! The threads that the child of a fork has, and its handles of those that it has not.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tk_core::__private::Program;
use tk_core::__private::fork::{Kept, Mutex};
use tk_core::KeepAlive;
use tk_event::Event;
use tk_testing::{OnDrop, fork, message, until};
use tk_thread::{
    Builder, JoinHandle, Thread, active_count, current, enumerate, get_native_id, main_thread,
    spawn,
};

use crate::{cases, say, until_waits};

/// How many seconds a child may take before a signal ends it. The parent may take longer
/// ([`crate::PATIENCE`]).
const PATIENCE: u32 = 50;

/// Makes a signal end this process, which is a child, if it hangs.
pub fn set_alarm() {
    // SAFETY: it is always possible to set an alarm.
    unsafe { libc::alarm(PATIENCE) };
}

/// Forks. The child calls `child`, and a signal ends it if it hangs.
pub fn child_of_fork(child: impl FnOnce()) {
    fork(|| {
        set_alarm();
        child();
    });
}

/// Starts a daemon. Returns when it waits.
pub fn waiter<T: Send + 'static>(wait: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    let thread = Builder::new().daemon(true).spawn(wait).unwrap();
    until_waits(&thread);
    thread
}

/// Returns when the thread is in a wait for a thing of this kind.
pub fn until_waits_for(thread: &Thread, kind: &str) {
    until("the thread waits for it", || {
        thread
            .blocked_on()
            .is_some_and(|blocked| blocked.kind() == kind)
    });
}

/// Returns the message of the panic of this function.
pub fn told<R>(f: impl FnOnce() -> R) -> String {
    let payload = catch_unwind(AssertUnwindSafe(f)).err();
    message(&*payload.expect("this panics")).to_owned()
}

/// Waits until so many threads have counted themselves.
///
/// For a child that starts threads: the standard library has a lock of its own for a moment when a
/// thread starts, and again when it ends. If a thread has it at the fork, no thread can be started
/// in the child.
pub fn wait_until_begun(begun: &AtomicUsize, threads: usize) {
    while begun.load(Relaxed) < threads {
        std::thread::yield_now();
    }
}

/// Checks what holds in every child: it has one thread, which is the main one, and nothing holds
/// the program open.
fn alone() {
    assert_eq!(active_count(), 1);
    assert_eq!(enumerate(), [current()]);
    assert_eq!(main_thread(), current());
    assert!(current().is_main() && current().is_alive() && !current().is_daemon());
    assert_eq!(KeepAlive::count(), 0);
    if cfg!(target_os = "linux") {
        let id = u64::from(std::process::id());
        assert_eq!(current().native_id(), Some(id));
    }
    assert_eq!(get_native_id(), current().native_id());
}

/// Checks that the child is a program like any other.
fn lives_on() {
    let name = Builder::new()
        .name("new")
        .spawn(|| current().name())
        .unwrap();
    assert_eq!(name.join().unwrap(), "new");
    let value = tk_thread::main(|| {
        let thread = Builder::new().daemon(false).spawn(|| 7).unwrap();
        assert!(!thread.is_main());
        thread
    });
    assert_eq!(value.join().unwrap(), 7);
    assert_eq!((active_count(), KeepAlive::count()), (1, 0));
}

cases! {
    test_is_alive_after_fork: || {
        let done = Arc::new(Event::new());
        let started = |daemon| {
            let done = done.clone();
            let thread = Builder::new().daemon(daemon).spawn(move || done.wait()).unwrap();
            // Asleep: a thread that is about to sleep may hold a lock of the parking lot, which the
            // child would miss.
            until_waits(&thread);
            thread
        };
        let threads = [started(false), started(true)];
        fork(|| {
            alone();
            for thread in &threads {
                assert!(!thread.is_alive() && thread.blocked_on().is_none());
                assert!(!thread.request_stop());
                assert_eq!(thread.thread().join(), Ok(()));
            }
            lives_on();
            let [lost, _] = threads;
            say(&lost.join().unwrap_err().to_string());
        });
        // Here all is as before. The closure has taken the array, so the parent no longer has these
        // handles.
        assert_eq!((active_count(), KeepAlive::count()), (3, 1));
        done.set();
        while active_count() > 1 {
            std::thread::yield_now();
        }
    } => |ended| ended.printed(&[
        "thread `Thread-1` is lost: the thread is in the process that this one was forked from",
    ]);

    what_others_look_at_at_the_fork_is_there_in_the_child: || tk_thread::main(|| {
        // Whose lock nobody holds for longer than a look or a change takes.
        static KEPT: Mutex<Kept<Arc<usize>>> = Mutex::constant(Kept::none());

        let main = current();
        main.set_name("renamed");
        main.request_stop();
        tk_thread::at_exit(|| ()).unwrap();
        let program = Program::current();
        drop(KEPT.lock().replace(Some(Arc::new(0))));
        let (begun, over) = (AtomicUsize::new(0), AtomicBool::new(false));
        tk_thread::scope(|s| {
            for n in 0..3 {
                let (main, program, begun, over) = (&main, &program, &begun, &over);
                s.spawn(move || {
                    let mut value = Some(Arc::new(n));
                    begun.fetch_add(1, Relaxed);
                    while !over.load(Relaxed) {
                        for _ in 0..100 {
                            assert!(main.stop_token().stop_requested());
                            assert_eq!(&*main.name(), "renamed");
                            value = KEPT.lock().replace(value);
                            program.open_hooks();
                        }
                    }
                });
            }
            // A failure ends the threads too.
            let _over = OnDrop(|| over.store(true, Relaxed));
            wait_until_begun(&begun, 3);
            for _ in 0..100 {
                fork(|| {
                    assert!(current().stop_token().stop_requested());
                    assert_eq!(&*current().name(), "renamed");
                    assert!(Program::current() == program);
                    assert_eq!(program.close_hooks().count(), 1);
                    let value = KEPT.lock().replace(None);
                    assert!(value.is_some_and(|value| *value < 3));
                });
            }
        });
    }) => |ended| ended.printed(&[]);

    test_main_thread_after_fork: || tk_thread::main(|| {
        spawn(|| ()).join().unwrap();
        fork(|| {
            alone();
            assert_eq!(main_thread().name(), "MainThread");
            assert_eq!(main_thread().id().get(), 1);
            lives_on();
        });
    }) => |ended| ended.printed(&[]);

    test_main_thread_after_fork_from_nonmain_thread: || tk_thread::main(|| {
        let forks = || fork(|| {
            alone();
            assert_eq!(main_thread().name(), "forker");
            lives_on();
            // A thread that the child has started is not taken for one of the parent.
            fork(|| {
                alone();
                lives_on();
            });
        });
        Builder::new().name("forker").spawn(forks).unwrap().join().unwrap();
        assert_eq!((main_thread().name(), current().is_main()), ("MainThread".to_owned(), true));
    }) => |ended| ended.printed(&[]);

    test_main_thread_after_fork_from_foreign_thread: || tk_thread::main(|| {
        spawn(|| ()).join().unwrap();
        std::thread::spawn(|| fork(|| {
            alone();
            assert_eq!(main_thread().name(), "MainThread");
            lives_on();
        })).join().unwrap();
    }) => |ended| ended.printed(&[]);

    test_main_thread_after_fork_from_dummy_thread: || tk_thread::main(|| {
        spawn(|| ()).join().unwrap();
        std::thread::spawn(|| {
            let name = current().name();
            assert!(name.starts_with("Dummy-") && current().is_daemon());
            fork(|| {
                alone();
                assert_eq!(main_thread().name(), name);
                lives_on();
            });
        }).join().unwrap();
    }) => |ended| ended.printed(&[]);

    test_reinit_tls_after_fork: || tk_thread::main(|| {
        let threads: Vec<_> = (0..16).map(|_| spawn(|| fork(alone))).collect();
        for thread in threads {
            thread.join().unwrap();
        }
    }) => |ended| ended.printed(&[]);

    test_fork_at_exit: || tk_thread::main(|| {
        spawn(|| ()).join().unwrap();
        tk_thread::at_exit(|| fork(alone)).unwrap();
    }) => |ended| ended.printed(&[]);

    test_3_join_in_forked_from_thread: || tk_thread::main(|| {
        let main = current();
        let forks = move || fork(|| {
            alone();
            assert!(!main.is_alive() && !main.is_main());
            assert_eq!(main.join_for(Duration::from_secs(60)), Ok(()));
        });
        spawn(forks).join().unwrap();
    }) => |ended| ended.printed(&[]);

    a_fork_while_threads_come_and_go: || tk_thread::main(|| {
        let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let busy: Vec<_> = (0..2).map(|_| {
            let done = done.clone();
            spawn(move || while !done.load(std::sync::atomic::Ordering::Relaxed) {
                spawn(|| ()).join().unwrap();
                enumerate();
            })
        }).collect();
        for _ in 0..50 {
            fork(alone);
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        for thread in busy {
            thread.join().unwrap();
        }
    }) => |ended| ended.printed(&[]);
}
