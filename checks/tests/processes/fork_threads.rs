//! Threads that a fork has left behind, and everything that depends on them: scopes, handles, and
//! waits for their start.

use std::sync::Arc;
use std::time::Duration;

use tk_core::__private::can_detect_exit;
use tk_event::Event;
use tk_testing::fork;
use tk_thread::{ScopedJoinHandle, Thread, current, spawn};

use crate::fork::set_alarm;
use crate::{Ended, cases, say, until_waits};

/// Ends the child.
fn end_child(status: i32) -> ! {
    // SAFETY: it is always possible to end.
    unsafe { libc::_exit(status) }
}

/// Forks, and returns in both processes. In the child, an alarm is set.
fn fork_here() -> libc::pid_t {
    // SAFETY: as `fork` in fork.rs. The child does not return from the test.
    let child = unsafe { libc::fork() };
    assert!(child >= 0);
    if child == 0 {
        set_alarm();
    }
    child
}

/// Waits for the child, and returns its status.
fn status_of(child: libc::pid_t) -> libc::c_int {
    let mut status = 0;
    // SAFETY: `status` is there to be written.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    status
}

/// Forks in a scope with a thread that is asleep. The child leaves the scope by `leave`, and must
/// be aborted.
fn forks_in_scope(leave: impl Fn()) {
    let done = Event::new();
    let child = tk_thread::scope(|s| {
        let thread = tk_thread::Builder::new()
            .name("lost")
            .spawn_scoped(s, || done.wait())
            .unwrap();
        until_waits(&thread);
        let child = fork_here();
        if child == 0 {
            leave();
        } else {
            done.set();
        }
        child
    });
    if child == 0 {
        // The scope has ended although its thread is somewhere else.
        end_child(1);
    }
    was_aborted(child);
}

fn was_aborted(child: libc::pid_t) {
    let status = status_of(child);
    assert!(libc::WIFSIGNALED(status), "{status:#x}");
    assert_eq!(libc::WTERMSIG(status), libc::SIGABRT);
}

fn told_of_the_scope(ended: &Ended) {
    let parts = [
        "can't end in the child of a fork",
        "(`lost`)",
        "fork_threads.rs",
    ];
    assert!(ended.status.success(), "{ended:#?}");
    for part in parts {
        assert!(ended.stderr.contains(part), "{part}: {ended:#?}");
    }
}

/// Four threads of the scope that have ended, each with its number as its value.
fn ended<'scope>(s: tk_thread::Scope<'scope, '_>) -> Vec<ScopedJoinHandle<'scope, i32>> {
    let ended: Vec<_> = (0..4).map(|n| s.spawn(move || n)).collect();
    for thread in &ended {
        thread.thread().join().unwrap();
    }
    ended
}

/// Two threads of the scope that start one each, at the same time. The sum of what those return.
fn starts_four<'scope>(s: tk_thread::Scope<'scope, '_>) -> i32 {
    let starters = [1, 2].map(|n| s.spawn(move || s.spawn(move || n).join().unwrap()));
    starters
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .sum()
}

/// Eight threads that are asleep.
fn eight<H>(
    spawn: impl Fn(Arc<Event>) -> H,
    thread: impl Fn(&H) -> &Thread,
    done: &Arc<Event>,
) -> Vec<H> {
    let handles: Vec<_> = (0..8).map(|_| spawn(done.clone())).collect();
    for handle in &handles {
        until_waits(thread(handle));
    }
    handles
}

/// New threads, which have the stacks and so the numbers of the lost ones, can be joined although
/// the lost ones' handles are dropped.
fn drops_handles_of_lost_threads(handles: impl Sized) {
    let (tell, told) = std::sync::mpsc::channel::<()>();
    let told = Arc::new(std::sync::Mutex::new(told));
    let new: Vec<_> = (0..8)
        .map(|_| {
            let told = told.clone();
            std::thread::spawn(move || told.lock().unwrap().recv().is_err())
        })
        .collect();
    drop(handles);
    drop(tell);
    for thread in new {
        assert!(thread.join().unwrap());
    }
}

cases! {
    a_scope_whose_threads_are_lost_aborts_the_child: || forks_in_scope(|| ()) => told_of_the_scope;

    a_panic_in_a_scope_whose_threads_are_lost_aborts_the_child: || {
        forks_in_scope(|| panic!("in the child"));
    } => |ended| {
        told_of_the_scope(ended);
        ended.complained(&["in the child\n"]);
    };

    a_child_may_end_or_go_on_inside_of_a_scope: || {
        let done = Event::new();
        tk_thread::scope(|s| {
            let lost = s.spawn(|| done.wait());
            until_waits(&lost);
            let child = fork_here();
            if child == 0 {
                // These operations work without the lost thread.
                assert_eq!(s.spawn(|| 7).join().unwrap(), 7);
                assert_eq!(lost.join_for(Duration::from_secs(60)), Ok(()));
                say(lost.join().unwrap_err().message());
                end_child(0);
            }
            assert_eq!(status_of(child), 0);
            done.set();
        });
    } => |ended| ended.printed(&["the thread is in the process that this one was forked from"]);

    a_scope_whose_threads_have_ended_goes_on_in_the_child: || {
        for _ in 0..20 {
            let mut sum = 0;
            let child = tk_thread::scope(|s| {
                for (n, thread) in ended(s).into_iter().enumerate() {
                    assert_eq!(thread.join().ok(), i32::try_from(n).ok());
                }
                let child = fork_here();
                sum = starts_four(s);
                s.spawn(|| std::thread::sleep(Duration::from_millis(1)));
                child
            });
            assert_eq!(sum, 3);
            if child == 0 {
                end_child(0);
            }
            assert_eq!(status_of(child), 0);
        }
    } => |ended| ended.printed(&[]);

    values_of_threads_that_have_ended_can_be_had_in_the_child: || {
        let mut sum = 0;
        let child = tk_thread::scope(|s| {
            let ended = ended(s);
            let child = fork_here();
            sum = starts_four(s);
            sum += ended.into_iter().map(|thread| thread.join().unwrap()).sum::<i32>();
            if child == 0 && !can_detect_exit() {
                // The scope can't end: see the next test.
                assert_eq!(sum, 9);
                end_child(0);
            }
            child
        });
        assert_eq!(sum, 9);
        if child == 0 {
            end_child(0);
        }
        assert_eq!(status_of(child), 0);
    } => |ended| ended.printed(&[]);

    a_scope_that_the_standard_library_cannot_end_aborts_the_child: || {
        let child = tk_thread::scope(|s| {
            let ended = ended(s);
            let child = fork_here();
            // By a thread for which the scope waits.
            s.spawn(move || drop(ended));
            child
        });
        if child == 0 {
            end_child(0);
        }
        if can_detect_exit() {
            assert_eq!(status_of(child), 0);
        } else {
            was_aborted(child);
            say("aborted");
        }
    } => |ended| {
        assert!(ended.status.success(), "{ended:#?}");
        // A child that hangs is ended by another signal.
        let told = ended.stderr.contains("can't end in the child of a fork");
        assert_eq!(told, ended.stdout == "aborted\n", "{ended:#?}");
    };

    a_thread_that_was_joined_before_the_fork_is_not_lost_to_its_scope: || {
        for _ in 0..100 {
            let child = tk_thread::scope(|s| {
                // No handle is left, which waits for longer than a join by the thread.
                let thread = s.spawn(|| ()).thread().clone();
                thread.join().unwrap();
                fork_here()
            });
            if child == 0 {
                end_child(0);
            }
            assert_eq!(status_of(child), 0);
        }
    } => |ended| ended.printed(&[]);

    a_thread_of_a_scope_may_fork: || {
        tk_thread::scope(|s| {
            s.spawn(move || fork(|| {
                set_alarm();
                assert_eq!(s.spawn(|| 7).join().unwrap(), 7);
                assert_eq!(tk_thread::scope(|s| s.spawn(|| 8).join().unwrap()), 8);
            }));
        });
    } => |ended| ended.printed(&[]);

    handles_of_lost_threads_can_be_dropped: || {
        let done = Arc::new(Event::new());
        let handles = eight(|done| spawn(move || done.wait()), |handle| handle.thread(), &done);
        fork(|| {
            set_alarm();
            drops_handles_of_lost_threads(handles);
        });
        done.set();
    } => |ended| ended.printed(&[]);

    scoped_handles_of_lost_threads_can_be_dropped: || {
        let done = Arc::new(Event::new());
        tk_thread::scope(|s| {
            let spawn = |done: Arc<Event>| s.spawn(move || done.wait());
            let handles = eight(spawn, |handle| handle.thread(), &done);
            fork(|| {
                set_alarm();
                drops_handles_of_lost_threads(handles);
            });
            done.set();
        });
    } => |ended| ended.printed(&[]);

    #[cfg(target_os = "linux")] a_wait_for_the_start_of_a_lost_thread_returns: || {
        // On one processor, a new thread seldom runs before the one that has started it goes on.
        // SAFETY: an empty set is all zeros, and the calls look at what they are given.
        unsafe {
            let mut set: libc::cpu_set_t = std::mem::zeroed();
            libc::CPU_SET(libc::sched_getcpu().try_into().unwrap(), &mut set);
            libc::sched_setaffinity(0, size_of_val(&set), &set);
        }
        current();
        for _ in 0..1000 {
            let lost = spawn(|| ());
            let child = fork_here();
            if child == 0 {
                let limit = Duration::from_secs(40);
                assert_eq!(lost.wait_started_with(limit), Ok(()));
                lost.wait_started();
                assert_eq!(lost.join_for(limit), Ok(()));
                let has_begun = lost.native_id().is_some();
                assert!(lost.join().is_err() || has_begun);
                end_child(if has_begun { 0 } else { 7 });
            }
            match status_of(child) {
                0 => lost.join().unwrap(),
                status => {
                    assert!(libc::WIFEXITED(status), "{status:#x}");
                    assert_eq!(libc::WEXITSTATUS(status), 7);
                    return;
                }
            }
        }
        panic!("each thread had begun before the fork");
    } => |ended| ended.printed(&[]);

    test_2_join_in_forked_process: || {
        spawn(|| ()).join().unwrap();
        fork(|| {
            set_alarm();
            tk_thread::main(|| {
                let main = current();
                spawn(move || {
                    main.join().unwrap();
                    say("end of thread");
                });
                say("end of main");
            });
        });
    } => |ended| ended.printed(&["end of main", "end of thread"]);
}
