//! How a program ends.

use std::cell::Cell;
use std::process::{ExitCode, exit};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use tk_core::logging::basic_config;
use tk_event::Event;
use tk_lock::RawLock;
use tk_thread::{
    Builder, JoinError, JoinHandle, Shutdown, at_exit, current, main_thread, sleep, spawn,
    stop_token,
};

use crate::{cases, say, until_waits};

/// A time in which a program that does not wait would have ended.
const A_WHILE: Duration = Duration::from_millis(50);

/// Starts a thread that holds the program open, wherever it is started from.
fn holder(f: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    Builder::new().daemon(false).spawn(f).unwrap()
}

fn daemon(f: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    let handle = Builder::new().daemon(true).spawn(f).unwrap();
    handle.wait_started();
    handle
}

/// Starts a daemon, which calls `f` when the program is about to end and starts no more threads.
pub fn left_behind(f: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    daemon(|| {
        main_thread().join().unwrap();
        // The main function has returned, so the program ends in a moment.
        while let Ok(thread) = Builder::new().daemon(true).spawn(|| ()) {
            thread.join().unwrap();
        }
        f();
    })
}

/// Prints a line when it is destroyed, after a while.
struct Slow(Cell<&'static str>);

impl Drop for Slow {
    fn drop(&mut self) {
        std::thread::sleep(A_WHILE);
        say(self.0.get());
    }
}

thread_local! {
    static SLOW: Slow = const { Slow(Cell::new("")) };
}

cases! {
    test_join_nondaemon_on_shutdown: || tk_thread::main(|| {
        holder(|| {
            sleep(A_WHILE);
            say("woke up");
        });
    }) => |ended| ended.printed(&["woke up"]);

    an_exit_in_main_waits_for_the_others_and_is_a_success: || tk_thread::main::<()>(|| {
        struct Said;
        impl Drop for Said {
            fn drop(&mut self) {
                say("dropped");
            }
        }
        let _said = Said;
        at_exit(|| say("hook")).unwrap();
        holder(|| {
            main_thread().join().unwrap();
            say("end of thread");
        });
        tk_thread::exit()
    }) => |ended| ended.printed(&["dropped", "hook", "end of thread"]);

    a_pending_timer_holds_the_program_open: || {
        tk_thread::main(|| {
            let timer = tk_timer::Timer::new(A_WHILE, || say("fired"));
            drop(timer.daemon(false).start());
            let never = tk_timer::Timer::new(Duration::from_secs(3600), || say("never"));
            drop(never.daemon(true).start());
        });
        say("end");
    } => |ended| ended.printed(&["fired", "end"]);

    a_timer_of_a_program_that_has_ended_is_refused: || {
        let left_behind = tk_thread::main(|| left_behind(|| {
            let late = tk_timer::Timer::new(A_WHILE, || say("never")).daemon(false);
            say(&late.try_start().unwrap_err().to_string());
        }));
        left_behind.join().unwrap();
    } => |ended| ended.printed(&["the program is shutting down"]);

    test_1_join_on_shutdown: || tk_thread::main(|| {
        holder(|| {
            main_thread().join().unwrap();
            say("end of thread");
        });
        sleep(A_WHILE);
        say("end of main");
    }) => |ended| ended.printed(&["end of main", "end of thread"]);

    test_thread_from_thread: || tk_thread::main(|| {
        holder(|| {
            main_thread().join().unwrap();
            sleep(A_WHILE);
            say("first");
            holder(|| {
                sleep(A_WHILE);
                say("second");
            });
        });
    }) => |ended| ended.printed(&["first", "second"]);

    test_finalization_shutdown: || tk_thread::main(|| {
        holder(|| SLOW.with(|slow| slow.0.set("destroyed")));
    }) => |ended| ended.printed(&["destroyed"]);

    test_4_daemon_threads: || tk_thread::main(|| {
        for _ in 0..40 {
            daemon(|| loop {
                let text = std::fs::read_to_string("/dev/null").unwrap_or_default();
                std::hint::black_box(format!("{text}{:?}", current()));
            });
        }
    }) => |ended| ended.printed(&[]);

    test_finalize_running_thread: || tk_thread::main::<()>(|| {
        holder(|| sleep(Duration::MAX));
        exit(42);
    }) => |ended| assert_eq!(ended.status.code(), Some(42), "{ended:#?}");

    test_main_thread_during_shutdown: || tk_thread::main(|| {
        at_exit(|| assert!(current() == main_thread() && main_thread().is_alive())).unwrap();
    }) => |ended| ended.printed(&[]);

    test_import_from_another_thread: || {
        let first_use = || say(&spawn(|| current().is_main()).join().unwrap().to_string());
        std::thread::spawn(first_use).join().unwrap();
    } => |ended| ended.printed(&["false"]);

    test_join_daemon_thread_in_finalization: || tk_thread::main(|| {
        let stuck = daemon(|| sleep(Duration::MAX));
        at_exit(move || {
            assert_eq!(stuck.join_for(Duration::from_millis(1)), Err(JoinError::TimedOut));
        }).unwrap();
    }) => |ended| ended.printed(&[]);

    test_join_finished_daemon_thread_in_finalization: || tk_thread::main(|| {
        let done = daemon(|| ());
        done.thread().join().unwrap();
        at_exit(move || done.join().unwrap()).unwrap();
    }) => |ended| ended.printed(&[]);

    test_atexit_output: || tk_thread::main(|| {
        at_exit(|| say("parrot")).unwrap();
    }) => |ended| ended.printed(&["parrot"]);

    test_atexit_called_once: || {
        tk_thread::main(|| at_exit(|| say("once")).unwrap());
        tk_thread::main(|| ());
    } => |ended| ended.printed(&["once"]);

    test_atexit_after_shutdown: || {
        tk_thread::main(|| {
            at_exit(|| say(&at_exit(|| say("never")).unwrap_err().to_string())).unwrap();
        });
        assert!(at_exit(|| ()).is_err());
    } => |ended| ended.printed(&["the program is shutting down"]);

    exit_hooks_run_in_reverse_order_before_the_wait_and_a_panic_stops_none: || {
        tk_thread::set_excepthook(|panic| say(panic.message()));
        tk_thread::main(|| {
            let go_on = std::sync::Arc::new(Event::new());
            holder({
                let go_on = go_on.clone();
                move || {
                    go_on.wait();
                    say("thread");
                }
            });
            at_exit(move || {
                say("first");
                go_on.set();
            }).unwrap();
            at_exit(|| panic!("second")).unwrap();
            at_exit(|| say("third")).unwrap();
            say("main");
        });
    } => |ended| ended.printed(&["main", "third", "second", "first", "thread"]);

    an_exit_hook_may_start_a_thread: || tk_thread::main(|| {
        at_exit(|| drop(holder(|| {
            sleep(A_WHILE);
            say("thread");
        }))).unwrap();
    }) => |ended| ended.printed(&["thread"]);

    test_start_new_thread_at_finalization: || {
        let left_behind = tk_thread::main(|| left_behind(|| {
            for daemon in [false, true] {
                let error = Builder::new().daemon(daemon).spawn(|| say("never")).unwrap_err();
                say(&error.to_string());
                assert!(error.downcast::<tk_thread::ShuttingDown>().is_ok());
            }
        }));
        left_behind.join().unwrap();
        assert_eq!(tk_thread::active_count(), 1);
    } => |ended| ended.printed(&["the program is shutting down"; 2]);

    a_start_that_races_the_end_fails_or_is_waited_for: || {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        static ENDED: AtomicU32 = AtomicU32::new(0);
        for _ in 0..100 {
            let starters = tk_thread::main(|| [(); 2].map(|()| daemon(|| {
                let end = || {
                    ENDED.fetch_add(1, Relaxed);
                };
                // One thread at a time, because the program waits for all of them.
                while let Ok(thread) = Builder::new().daemon(false).spawn(end) {
                    STARTED.fetch_add(1, Relaxed);
                    thread.join().unwrap();
                }
            })));
            // All threads that were started have ended, because the program has waited for them.
            let ended = ENDED.load(Relaxed);
            for starter in starters {
                starter.join().unwrap();
            }
            assert_eq!((ENDED.load(Relaxed), STARTED.load(Relaxed)), (ended, ended));
        }
    } => |ended| ended.printed(&[]);

    an_exit_code_is_carried_out_after_the_wait: || tk_thread::main(|| {
        holder(|| {
            sleep(A_WHILE);
            say("waited");
        });
        ExitCode::from(7)
    }) => |ended| ended.exited(7, "waited\n");

    a_panic_is_carried_out_after_the_wait: || tk_thread::main::<()>(|| {
        at_exit(|| say("hook")).unwrap();
        holder(|| {
            sleep(A_WHILE);
            say("waited");
        });
        panic!("on purpose");
    }) => |ended| {
        ended.exited(101, "hook\nwaited\n");
        assert_eq!(ended.stderr.matches("on purpose").count(), 1, "{ended:#?}");
    };

    a_grace_that_is_over_names_the_stragglers: || {
        basic_config().format("%(levelname)s %(message)s").init();
        let result = Shutdown::new().grace(A_WHILE).run(|| {
            static LOCK: RawLock = RawLock::new();
            LOCK.acquire();
            let holds_open = |name| Builder::new().name(name).daemon(false);
            let waiter = holds_open("waiter").spawn(|| LOCK.acquire()).unwrap();
            let runner = holds_open("runner").spawn(|| loop {
                std::thread::park();
            }).unwrap();
            daemon(|| sleep(Duration::MAX));
            runner.wait_started();
            until_waits(&waiter);
            "value"
        });
        let expired = result.unwrap_err();
        let mut names: Vec<_> = expired.stragglers().iter().map(|thread| thread.name()).collect();
        names.sort_unstable();
        say(&names.join(" "));
        say(expired.into_value());
    } => |ended| {
        assert_eq!(ended.stdout, "runner waiter\nvalue\n", "{ended:#?}");
        ended.complained(&[
            "WARNING the program ends without <Thread(waiter, started ",
            "which waits for lock 0x",
            "end.rs:",
            " held by MainThread (thread 1)\n",
            "WARNING the program ends without <Thread(runner, started ",
            ", which runs\n",
        ]);
        assert_eq!(ended.stderr.lines().count(), 2, "{ended:#?}");
    };

    a_grace_that_is_not_needed_is_not_waited_for: || {
        let grace = |time| Shutdown::new().grace(time);
        grace(Duration::MAX).run(|| drop(holder(|| sleep(A_WHILE)))).unwrap();
        grace(Duration::ZERO).run(|| drop(daemon(|| sleep(Duration::MAX)))).unwrap();
    } => |ended| ended.printed(&[]);

    a_worker_may_end_the_program_while_the_main_thread_waits: || tk_thread::main(|| {
        holder(|| sleep(Duration::MAX));
        holder(|| {
            until_waits(&main_thread());
            exit(3);
        });
    }) => |ended| assert_eq!(ended.status.code(), Some(3), "{ended:#?}");

    an_exit_hook_may_end_the_program: || tk_thread::main(|| {
        at_exit(|| exit(3)).unwrap();
        holder(|| sleep(Duration::MAX));
    }) => |ended| assert_eq!(ended.status.code(), Some(3), "{ended:#?}");

    a_thread_local_destructor_may_end_the_program: || tk_thread::main::<()>(|| {
        struct Ends;
        impl Drop for Ends {
            fn drop(&mut self) {
                exit(3);
            }
        }
        thread_local!(static ENDS: Ends = const { Ends });
        holder(|| ENDS.with(|_| ()));
        sleep(Duration::MAX);
    }) => |ended| assert_eq!(ended.status.code(), Some(3), "{ended:#?}");

    many_threads_may_end_the_program_at_once: || tk_thread::main::<()>(|| {
        for _ in 0..16 {
            holder(|| exit(3));
        }
        exit(3);
    }) => |ended| assert_eq!(ended.status.code(), Some(3), "{ended:#?}");

    test_interrupt_main_subthread: || tk_thread::main(|| {
        daemon(|| assert!(main_thread().request_stop()));
        let stopped = tk_thread::sleep_with(&stop_token());
        say(&stopped.to_string());
    }) => |ended| ended.printed(&["stopped"]);
}
