//! Threads whose end takes its time, programs beside and inside of each other, and loggers and
//! hooks that misbehave.

use std::cell::{Cell, RefCell};
#[cfg(target_os = "linux")]
use std::collections::HashSet;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::*};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tk_event::Event;
use tk_thread::{
    Builder, GraceExpired, JoinError, JoinHandle, KeepAlive, Shutdown, Thread, current, spawn,
};

use crate::{can_ask_after_threads, cases, say};

/// The time of a wait that reaches its limit.
const A_MOMENT: Duration = Duration::from_millis(20);

fn wait_for(flag: &AtomicBool) {
    while !flag.load(Acquire) {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Thread-specific data of a C library, whose destructor waits until a test lets it end.
#[cfg(unix)]
mod key {
    use super::*;

    pub static BEGUN: AtomicBool = AtomicBool::new(false);
    pub static MAY_END: AtomicBool = AtomicBool::new(false);
    pub static ENDED: AtomicBool = AtomicBool::new(false);

    unsafe extern "C" fn destroy(_: *mut libc::c_void) {
        BEGUN.store(true, Release);
        wait_for(&MAY_END);
        std::thread::sleep(A_MOMENT);
        ENDED.store(true, Release);
    }

    /// Gives the calling thread such data.
    pub fn set() {
        let mut key = 0;
        // SAFETY: `key` is there to be written, and the value is not looked at by anyone.
        unsafe {
            assert_eq!(libc::pthread_key_create(&mut key, Some(destroy)), 0);
            assert_eq!(libc::pthread_setspecific(key, std::ptr::dangling()), 0);
        }
    }

    pub fn let_it_end() {
        MAY_END.store(true, Release);
    }

    pub fn has_ended() -> bool {
        ENDED.load(Acquire)
    }
}

/// A limit of a join holds while the thread is in its last destructors, and a join without one
/// waits for them.
#[cfg(unix)]
fn joins_of(thread: &Thread) {
    wait_for(&key::BEGUN);
    while thread.is_alive() {
        std::thread::yield_now();
    }
    assert_eq!(thread.join_for(A_MOMENT), Err(JoinError::TimedOut));
    let source = tk_thread::StopSource::new();
    let token = source.token();
    let stopped = std::thread::scope(|s| {
        let joiner = s.spawn(|| (thread.join_with(&token), current().blocked_on().is_none()));
        source.request_stop();
        joiner.join().unwrap()
    });
    assert_eq!(stopped, (Err(JoinError::Stopped), true));
    assert!(!key::has_ended());
    // Others join with no limit, and with one that is long enough.
    let joiners = [None, Some(Duration::from_secs(60))].map(|limit| {
        let thread = thread.clone();
        std::thread::spawn(move || {
            thread.join_with(limit).unwrap();
            assert!(key::has_ended());
        })
    });
    key::let_it_end();
    for joiner in joiners {
        joiner.join().unwrap();
    }
    assert_eq!(thread.join_for(Duration::ZERO), Ok(()));
}

/// Joins threads in all ways, under a filter that answers in the kernel's place.
#[cfg(target_os = "linux")]
fn joins_return() {
    let limit = Duration::from_secs(10);
    assert_eq!(spawn(|| 7).join().unwrap(), 7);
    let handle = spawn(|| 7);
    assert_eq!(handle.join_for(limit), Ok(()));
    assert_eq!(handle.join_for(limit), Ok(()));
    assert_eq!(handle.join().unwrap(), 7);
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || send.send(current()).unwrap());
    assert_eq!(receive.recv().unwrap().join_for(limit), Ok(()));
    tk_thread::scope(|s| assert_eq!(s.spawn(|| 7).join().unwrap(), 7));
    assert_eq!(tk_thread::main(|| spawn(|| 7).join().unwrap()), 7);
    // If the registry believed the filter's answers, it would see no thread end, and give each a
    // new slot.
    let slots = (0..100).map(|_| spawn(tk_core::current_slot).join().unwrap());
    let slots: HashSet<_> = slots.collect();
    assert!(slots.len() < 50, "{}", slots.len());
    say("joined");
}

/// A logger that panics, or does something else that is hostile, whenever the beginning or the end
/// of a thread is logged.
struct Hostile(fn(&str));

impl log::Log for Hostile {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        (self.0)(&record.args().to_string());
    }

    fn flush(&self) {}
}

fn set_logger(log: fn(&str)) {
    log::set_boxed_logger(Box::new(Hostile(log))).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
}

/// Starts threads, and a program. They must run and return their values whatever the logger does.
fn live_with_it() {
    assert_eq!(spawn(|| 7).join().unwrap(), 7);
    assert_eq!(spawn(|| 7).join_for(Duration::from_secs(60)), Ok(()));
    let ran = AtomicBool::new(false);
    tk_thread::scope(|s| {
        s.spawn(|| ran.store(true, Release));
    });
    assert!(ran.load(Acquire));
    let value = tk_thread::main(|| {
        spawn(|| std::thread::sleep(A_MOMENT));
        7
    });
    assert_eq!(value, 7);
    let expired = Shutdown::new().grace(Duration::ZERO).run(|| {
        spawn(|| std::thread::sleep(Duration::MAX));
    });
    assert_eq!(expired.unwrap_err().stragglers().len(), 1);
    say("lived");
}

struct Explosive;

impl Drop for Explosive {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

cases! {
    #[cfg(target_os = "linux")] a_join_of_a_thread_in_a_c_destructor_obeys_its_limit: || {
        let handle = spawn(key::set);
        joins_of(handle.thread());
        handle.join().unwrap();
    } => |ended| ended.printed(&[]);

    #[cfg(target_os = "linux")] a_join_of_a_foreign_thread_in_a_c_destructor_obeys_its_limit: || {
        let (send, receive) = mpsc::channel();
        let foreign = std::thread::spawn(move || {
            key::set();
            send.send(current()).unwrap();
        });
        let thread = receive.recv().unwrap();
        if can_ask_after_threads() {
            joins_of(&thread);
        } else {
            // The join returns when the thread has left the registry, because nothing tells that it
            // has not ended.
            wait_for(&key::BEGUN);
            assert_eq!(thread.join_for(Duration::from_secs(60)), Ok(()));
            assert!(!key::has_ended());
            key::let_it_end();
        }
        foreign.join().unwrap();
    } => |ended| ended.printed(&[]);

    #[cfg(target_os = "linux")] the_program_waits_for_c_destructors: || {
        tk_thread::main(|| {
            spawn(key::set).wait_started();
            key::let_it_end();
        });
        assert!(key::has_ended() || !can_ask_after_threads());
    } => |ended| ended.printed(&[]);

    #[cfg(target_os = "linux")]
    a_program_whose_grace_is_over_names_a_thread_in_its_last_destructors: || {
        let expired = Shutdown::new().grace(A_MOMENT).run(|| {
            let thread = Builder::new().name("slow").spawn(key::set).unwrap();
            wait_for(&key::BEGUN);
            while thread.is_alive() {
                std::thread::yield_now();
            }
        });
        if !can_ask_after_threads() {
            // To the program, a thread that has left the registry has ended.
            expired.unwrap();
            say("nobody is late");
            return;
        }
        say(&expired.unwrap_err().to_string());
    } => |ended| {
        if !can_ask_after_threads() {
            return ended.printed(&["nobody is late"]);
        }
        let straggler = "<Thread(slow, stopped 2)>, which runs its last destructors\n";
        assert!(ended.stdout.contains(straggler), "{ended:#?}");
        ended.complained(&["the program ends without <Thread(slow, stopped 2)>"]);
    };

    #[cfg(target_os = "linux")] a_scope_waits_for_c_destructors: || {
        tk_thread::scope(|s| {
            s.spawn(key::set);
            let joined = s.spawn(|| ());
            key::let_it_end();
            joined.join().unwrap();
        });
        assert!(key::has_ended() || !can_ask_after_threads());
    } => |ended| ended.printed(&[]);

    a_join_of_a_foreign_thread_waits_for_its_oldest_values: || {
        static DESTROYED: AtomicBool = AtomicBool::new(false);
        struct Slow;
        impl Drop for Slow {
            fn drop(&mut self) {
                std::thread::sleep(A_MOMENT);
                DESTROYED.store(true, Release);
            }
        }
        thread_local!(static OLDER: RefCell<Option<Slow>> = const { RefCell::new(None) });
        let (send, receive) = mpsc::channel();
        let foreign = std::thread::spawn(move || {
            OLDER.set(Some(Slow));
            send.send(current()).unwrap();
        });
        receive.recv().unwrap().join().unwrap();
        assert!(DESTROYED.load(Acquire) || !can_ask_after_threads());
        foreign.join().unwrap();
    } => |ended| ended.printed(&[]);

    #[cfg(target_os = "linux")] handles_of_ended_threads_cost_memory_only: || {
        if !can_ask_after_threads() {
            // A thread's own handle keeps its stack until the join.
            return;
        }
        // Room for a hundred stacks.
        limit_memory(100 * (2 << 20));
        let (limit, rest) = (Duration::from_secs(60), 2000);
        let handles: Vec<_> = (0..rest).map(|n| {
            let handle = spawn(move || n);
            match n % 3 {
                0 => handle.thread().join().unwrap(),
                1 => handle.join_for(limit).unwrap(),
                // Nobody waits for it.
                _ => while handle.is_alive() {
                    std::thread::yield_now();
                },
            }
            handle
        }).collect();
        // Late, and each number may be another thread's by now.
        for (n, handle) in handles.into_iter().enumerate() {
            assert_eq!(handle.thread().join_for(limit), Ok(()));
            assert_eq!(handle.join().unwrap(), n);
        }
    } => |ended| ended.printed(&[]);

    #[cfg(target_os = "linux")] a_filter_that_pretends_to_answer_is_not_believed: || {
        tk_checks::filter::answer(&[libc::SYS_getpriority], 0).unwrap();
        joins_return();
    } => |ended| ended.printed(&["joined"]);

    #[cfg(target_os = "linux")] a_filter_that_comes_late_holds_up_no_join: || {
        let ended = spawn(|| 7);
        while ended.is_alive() {
            std::thread::yield_now();
        }
        tk_checks::filter::answer(&[libc::SYS_getpriority], libc::EPERM as u16).unwrap();
        assert_eq!(ended.join().unwrap(), 7);
        joins_return();
    } => |ended| ended.printed(&["joined"]);

    #[cfg(target_os = "linux")] the_exit_code_of_c_is_kept: || tk_thread::main(|| {
        extern "C" fn slow() {
            std::thread::sleep(Duration::from_millis(100));
        }
        // SAFETY: the function may be called at any time.
        unsafe { libc::atexit(slow) };
        // SAFETY: it is always possible to end the process.
        spawn(|| unsafe { libc::exit(3) });
    }) => |ended| {
        // If the system does not tell that the thread is still there, the main thread may exit
        // before it.
        let codes = if can_ask_after_threads() { [3, 3] } else { [3, 0] };
        assert!(codes.map(Some).contains(&ended.status.code()), "{ended:#?}");
    };

    programs_beside_each_other_refuse_nothing_to_each_other: || {
        let beside: Vec<_> = (0..3).map(|_| std::thread::spawn(|| for n in 0..300 {
            static ENDED: AtomicU32 = AtomicU32::new(0);
            if n % 2 == 0 {
                assert_eq!(spawn(|| 7).join().unwrap(), 7);
                continue;
            }
            let mine = Arc::new(AtomicU32::new(0));
            let value = tk_thread::main(|| {
                for _ in 0..2 {
                    let mine = mine.clone();
                    spawn(move || {
                        // A thread that it starts belongs to the same program.
                        let (own, inherited) = (mine.clone(), mine);
                        spawn(move || inherited.fetch_add(1, Relaxed));
                        own.fetch_add(1, Relaxed);
                    });
                }
                assert!(!current().is_daemon());
                7
            });
            assert_eq!((value, mine.load(Relaxed)), (7, 4));
            assert!(current().is_daemon());
            ENDED.fetch_add(1, Relaxed);
        })).collect();
        for thread in beside {
            thread.join().unwrap();
        }
    } => |ended| ended.printed(&[]);

    a_program_in_another_thread_does_not_wait_for_others: || {
        let never = Arc::new(Event::new());
        let elsewhere = Builder::new().daemon(false).spawn({
            let never = never.clone();
            move || never.wait()
        }).unwrap();
        std::thread::spawn(|| {
            tk_thread::main(|| ());
            // Its hooks are its own, and called.
            tk_thread::main(|| tk_thread::at_exit(|| say("hook")).unwrap());
        }).join().unwrap();
        assert!(elsewhere.is_alive());
        never.set();
        tk_thread::main(|| ());
        assert!(!elsewhere.is_alive());
    } => |ended| ended.printed(&["hook"]);

    the_thread_that_has_called_main_may_start_threads_again: || {
        for _ in 0..2 {
            tk_thread::main(|| drop(spawn(|| ())));
            assert_eq!(spawn(|| 7).join().unwrap(), 7);
            std::thread::spawn(|| {
                tk_thread::main(|| drop(spawn(|| ())));
                assert_eq!(spawn(|| 7).join().unwrap(), 7);
            }).join().unwrap();
        }
    } => |ended| ended.printed(&[]);

    a_main_inside_of_main_is_refused: || {
        tk_thread::set_excepthook(|panic| say(panic.message()));
        let nested = || std::panic::catch_unwind(|| tk_thread::main(|| say("never"))).unwrap_err();
        std::panic::set_hook(Box::new(|_| ()));
        tk_thread::main(move || {
            say(nested().downcast_ref::<&str>().unwrap());
            tk_thread::at_exit(|| tk_thread::main(|| say("never"))).unwrap();
            // In a thread of its own it is another program.
            spawn(|| tk_thread::main(|| say("other"))).join().unwrap();
        });
        say("end");
    } => |ended| {
        let refused = "`tk_thread::main` is called inside of itself, by the same thread";
        ended.printed(&[refused, "other", refused, "end"]);
    };

    an_exit_carries_a_status: || tk_thread::main::<()>(|| {
        tk_thread::at_exit(|| say("hook")).unwrap();
        spawn(|| say("waited"));
        let error = spawn(|| tk_thread::exit_with(7)).join().unwrap_err();
        assert_eq!((error.is_exit(), error.exit_status()), (true, Some(7)));
        assert_eq!(error.to_string(), "thread `Thread-2` ended by exit with 7");
        tk_thread::exit_with(3)
    }) => |ended| {
        assert_eq!(ended.status.code(), Some(3), "{ended:#?}");
        assert_eq!(ended.stdout.matches('\n').count(), 2, "{ended:#?}");
    };

    an_exit_after_the_grace_is_no_success: || {
        let _ = Shutdown::new().grace(Duration::ZERO).run(|| {
            spawn(|| tk_thread::sleep(Duration::MAX));
            tk_thread::exit();
        });
    } => |ended| assert_eq!(ended.status.code(), Some(1), "{ended:#?}");

    an_exit_in_a_program_of_another_thread_ends_the_thread_alone: || {
        let thread = spawn(|| tk_thread::main::<()>(|| tk_thread::exit_with(3)));
        assert_eq!(thread.join().unwrap_err().exit_status(), Some(3));
        say("goes on");
    } => |ended| ended.printed(&["goes on"]);

    the_end_of_the_grace_can_be_the_result_of_fn_main: || {
        fn app() -> Result<(), GraceExpired<()>> {
            let token = std::sync::Mutex::new(None);
            Shutdown::new().grace(Duration::ZERO).run(|| {
                *token.lock().unwrap() = Some(KeepAlive::named("upload").unwrap());
            })
        }
        // The standard library does the same for `fn main`.
        std::process::Termination::report(app())
    } => |ended| {
        assert_eq!(ended.status.code(), Some(1), "{ended:#?}");
        // Without a logger, the warning goes to the standard error.
        let straggler = "the program ends without keep-alive upload, taken at ";
        assert!(ended.stderr.contains(straggler), "{ended:#?}");
        assert!(ended.stderr.contains("thread.rs:"), "{ended:#?}");
        assert!(ended.stderr.contains("Error: GraceExpired"), "{ended:#?}");
    };

    a_logger_that_panics_takes_nothing_from_a_thread: || {
        set_logger(|_| panic!("the logger is broken"));
        std::panic::set_hook(Box::new(|_| ()));
        live_with_it();
    } => |ended| ended.printed(&["lived"]);

    a_logger_that_ends_the_thread_takes_nothing_from_it: || {
        set_logger(|_| tk_thread::exit());
        live_with_it();
    } => |ended| ended.printed(&["lived"]);

    a_logger_that_logs_again_and_uses_threads_takes_nothing_from_it: || {
        set_logger(|line| {
            thread_local!(static INSIDE: Cell<bool> = const { Cell::new(false) });
            if !INSIDE.replace(true) {
                log::warn!("again: {line}");
                tk_thread::enumerate();
                current().set_name("renamed by the logger");
                INSIDE.set(false);
            }
        });
        live_with_it();
    } => |ended| ended.printed(&["lived"]);

    #[cfg(unix)] a_logger_that_prints_to_a_closed_pipe_takes_nothing_from_a_thread: || {
        // SAFETY: no other file gets the number in between, and the reader is closed immediately.
        unsafe {
            let (reader, writer) = std::io::pipe().unwrap();
            drop(reader);
            libc::dup2(std::os::fd::AsRawFd::as_raw_fd(&writer), 1);
        }
        set_logger(|line| println!("{line}"));
        std::panic::set_hook(Box::new(|_| ()));
        assert_eq!(spawn(|| 7).join().unwrap(), 7);
        assert_eq!(tk_thread::main(|| 7), 7);
        ExitCode::from(9)
    } => |ended| assert_eq!(ended.status.code(), Some(9), "{ended:#?}");

    hooks_that_end_the_thread_end_themselves: || {
        let hooks = [
            tk_thread::on_thread_start(|_| tk_thread::exit()),
            tk_thread::on_thread_exit(|_| tk_thread::exit_with(3)),
        ];
        assert_eq!(spawn(|| 7).join().unwrap(), 7);
        drop(hooks);
        tk_thread::set_excepthook(|_| tk_thread::exit());
        assert_eq!(spawn(|| panic!("first")).join().unwrap_err().message(), "first");
        tk_thread::main(|| {
            tk_thread::at_exit(|| tk_thread::exit_with(3)).unwrap();
            tk_thread::at_exit(|| say("hook")).unwrap();
        });
    } => |ended| {
        assert_eq!(ended.stdout, "hook\n", "{ended:#?}");
        // The hook has failed to report it.
        ended.complained(&["Exception in thread Thread-2:\n", "first\n"]);
    };

    a_hook_that_panics_when_it_is_dropped_harms_nobody: || {
        std::panic::set_hook(Box::new(|_| ()));
        let explosive = Explosive;
        let hook = tk_thread::on_thread_start(move |_| {
            let _ = &explosive;
        });
        spawn(|| ()).join().unwrap();
        drop(hook);
        let explosive = Explosive;
        tk_thread::set_excepthook(move |_| {
            let _ = &explosive;
        });
        tk_thread::set_excepthook(|_| ());
        let explosive = Explosive;
        tk_thread::main(|| tk_thread::at_exit(move || {
            let _ = &explosive;
        }).unwrap());
        say("end");
    } => |ended| ended.printed(&["end"]);

    a_value_that_panics_when_it_is_dropped_does_so_in_nobodys_face: || {
        std::panic::set_hook(Box::new(|_| ()));
        let gone = |handle: &Thread| handle.join().unwrap();
        // A value, and a payload, in a handle that is dropped.
        let value: JoinHandle<Explosive> = spawn(|| Explosive);
        gone(&value);
        drop(value);
        let payload = spawn(|| std::panic::panic_any(Explosive));
        gone(&payload);
        drop(payload);
        // In an error.
        drop(spawn(|| std::panic::panic_any(Explosive)).join());
        say("end");
    } => |ended| ended.exited(0, "end\n");

    what_a_failed_start_drops_may_use_the_kit: || {
        struct Looks;
        impl Drop for Looks {
            fn drop(&mut self) {
                let threads = tk_thread::enumerate();
                say(&threads.len().to_string());
                for thread in threads {
                    if thread != current() {
                        thread.join_for(A_MOMENT).unwrap_err();
                    }
                }
                panic!("dropped");
            }
        }
        std::panic::set_hook(Box::new(|_| ()));
        let looks = Looks;
        let started = std::panic::catch_unwind(|| Builder::new().stack_size(1 << 46).spawn(move || {
            let _ = &looks;
        }).is_err());
        say(&started.is_err().to_string());
        say(&tk_thread::active_count().to_string());
    } => |ended| ended.printed(&["1", "true", "1"]);
}

/// Has the system refuse more memory than this.
#[cfg(target_os = "linux")]
fn limit_memory(more: u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:"));
    let size = size
        .and_then(|line| line.trim().strip_suffix(" kB"))
        .unwrap();
    let bytes = size.parse::<u64>().unwrap() * 1024 + more;
    let limit = libc::rlimit {
        rlim_cur: bytes,
        rlim_max: bytes,
    };
    // SAFETY: the limit is there to be read.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) }, 0);
}
