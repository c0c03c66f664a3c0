//! How a panic that ends a thread is reported.

use std::panic::{catch_unwind, panic_any, resume_unwind};
use std::sync::Arc;

use tk_thread::{
    Builder, Exit, catch_panic, default_excepthook, exit, set_excepthook, spawn, take_excepthook,
};

use crate::{cases, say};

/// Runs a thread of this name to its end, which is a panic or the like.
fn run(name: &str, f: impl FnOnce() + Send + 'static) {
    let handle = Builder::new().name(name).spawn(f).unwrap();
    assert!(handle.join().is_err());
}

/// From here on the standard error is closed.
#[cfg(unix)]
fn close_stderr() {
    // SAFETY: no other file gets the number, because this process opens no file before it ends.
    assert_eq!(unsafe { libc::close(2) }, 0);
}

struct Explosive;

impl Drop for Explosive {
    fn drop(&mut self) {
        panic!("second");
    }
}

/// Its drop panics and catches that, this many times.
struct CatchesInDrop(u32);

impl Drop for CatchesInDrop {
    fn drop(&mut self) {
        for number in 0..self.0 {
            assert!(catch_unwind(|| panic!("inner {number}")).is_err());
        }
    }
}

/// Runs a thread that panics with such a value, and says where `join` says that it panicked.
fn run_catching(times: u32) {
    let line = line!() + 3;
    let handle = spawn(move || {
        let _catches = CatchesInDrop(times);
        panic!("outer");
    });
    let error = handle.join().unwrap_err();
    let found = error.location().map(|location| location.line());
    say(&format!("{} {}", error.message(), found == Some(line)));
}

/// A panic in a destructor of a thread-local that is older than all of the kit's.
fn panic_late() {
    struct Late;
    impl Drop for Late {
        fn drop(&mut self) {
            let error = catch_panic(|| panic!("late")).unwrap_err();
            say(&format!(
                "{} {}",
                error.message(),
                error.location().is_some()
            ));
        }
    }
    thread_local!(static LATE: Late = const { Late });
    let thread = std::thread::spawn(|| {
        LATE.with(|_| ());
        catch_panic(|| ()).unwrap();
        tk_thread::current();
    });
    thread.join().unwrap();
}

cases! {
    test_print_exception: || run("painter", || panic!("out of {}", "paint")) => |ended| {
        ended.complained(&[
            "Exception in thread painter:\n",
            "out of paint",
            "excepthook.rs:",
            "panicked at",
        ]);
    };

    #[cfg(unix)] test_print_exception_stderr_is_none_1: || {
        let go_on = Arc::new(tk_event::Event::new());
        let thread = Builder::new().spawn({
            let go_on = go_on.clone();
            move || {
                go_on.wait();
                panic!("unheard");
            }
        }).unwrap();
        close_stderr();
        go_on.set();
        assert_eq!(thread.join().unwrap_err().message(), "unheard");
        say("lives");
    } => |ended| ended.printed(&["lives"]);

    #[cfg(unix)] test_print_exception_stderr_is_none_2: || {
        close_stderr();
        run("painter", || panic!("unheard"));
        run("painter", || resume_unwind(Box::new("unheard")));
        set_excepthook(|panic| {
            default_excepthook(panic);
            panic!("unheard");
        });
        run("painter", || panic!("unheard"));
        say("lives");
    } => |ended| ended.printed(&["lives"]);

    test_excepthook: || {
        // The default hook prints the same if it is set as a custom one.
        set_excepthook(default_excepthook);
        run("excepthook thread", || panic!("threading_hook failed"));
    } => |ended| {
        let lines: Vec<_> = ended.stderr.lines().collect();
        assert_eq!(lines[0], "Exception in thread excepthook thread:", "{ended:#?}");
        assert!(lines[1].starts_with("panicked at "), "{ended:#?}");
        assert!(lines[1].contains("excepthook.rs:"), "{ended:#?}");
        assert_eq!(&lines[2..], ["threading_hook failed"], "{ended:#?}");
    };

    test_system_exit: || {
        run("quiet", || exit());
        run("quiet", || panic_any(Exit::SUCCESS));
        set_excepthook(|_| say("never"));
        run("quiet", || exit());
        run("quiet", || panic_any(Exit::SUCCESS));
    } => |ended| ended.printed(&[]);

    test_custom_excepthook: || {
        set_excepthook(|panic| {
            let location = panic.location().unwrap();
            assert_eq!(location.file(), file!());
            assert!(location.line() > 1 && location.column() > 1);
            assert_eq!(*panic.thread(), tk_thread::current());
            assert!(panic.thread().is_alive());
            let (name, number) = (panic.thread().name(), panic.payload().downcast_ref::<u8>());
            say(&format!("{name} {} {number:?}", panic.message()));
        });
        run("first", || panic!("with text"));
        run("second", || panic_any(7u8));
    } => |ended| ended.printed(&["first with text None", "second (no message) Some(7)"]);

    test_custom_excepthook_fail: || {
        set_excepthook(|_| panic!("threading_hook failed"));
        run("painter", || panic!("out of paint"));
    } => |ended| {
        ended.complained(&[
            "Exception in the excepthook:\n", "threading_hook failed\n",
            "Exception in thread painter:\n", "out of paint\n",
        ]);
        assert_eq!(ended.stderr.matches("excepthook.rs:").count(), 2, "{ended:#?}");
    };

    test_original_excepthook: || {
        set_excepthook(|_| say("custom"));
        run("first", || panic!("unheard"));
        let hook = take_excepthook().unwrap();
        run("second", || panic!("heard"));
        set_excepthook(move |panic| hook(panic));
        run("third", || panic!("unheard"));
    } => |ended| {
        assert_eq!(ended.stdout, "custom\ncustom\n", "{ended:#?}");
        ended.complained(&["Exception in thread second:\n", "heard\n"]);
        assert!(!ended.stderr.contains("unheard"), "{ended:#?}");
    };

    a_program_with_a_panic_hook_of_its_own_has_it_called_once: || {
        std::panic::set_hook(Box::new(|info| say(info.payload_as_str().unwrap())));
        run("painter", || panic!("out of paint"));
        assert!(std::thread::spawn(|| panic!("not of the kit")).join().is_err());
    } => |ended| {
        assert_eq!(ended.stdout, "out of paint\nnot of the kit\n", "{ended:#?}");
        assert_eq!(ended.stderr, "Exception in thread painter:\n", "{ended:#?}");
    };

    a_panic_hook_that_is_set_later_loses_no_panic: || {
        spawn(|| ()).join().unwrap();
        std::panic::set_hook(Box::new(|_| ()));
        run("painter", || panic!("out of paint"));
    } => |ended| ended.complained(&["Exception in thread painter:\npanicked: out of paint\n"]);

    a_hook_that_is_set_after_the_panic_is_not_called_for_it: || {
        std::panic::set_hook(Box::new(|info| {
            say(info.payload_as_str().unwrap());
            // The default has reported the panic already, although the thread has not ended yet.
            set_excepthook(|panic| say(&format!("hook: {}", panic.message())));
        }));
        run("first", || panic!("one"));
        run("second", || panic!("two"));
    } => |ended| {
        assert_eq!(ended.stdout, "one\nhook: two\n", "{ended:#?}");
        assert_eq!(ended.stderr, "Exception in thread first:\n", "{ended:#?}");
    };

    a_hook_that_is_removed_after_the_panic_leaves_it_to_the_default: || {
        set_excepthook(|_| say("never"));
        run("painter", || {
            struct Removes;
            impl Drop for Removes {
                fn drop(&mut self) {
                    take_excepthook();
                }
            }
            let _removes = Removes;
            panic!("out of paint");
        });
    } => |ended| {
        assert!(ended.stdout.is_empty(), "{ended:#?}");
        ended.complained(&["Exception in thread painter:\n", "out of paint\n"]);
        assert_eq!(ended.stderr.matches("out of paint").count(), 1, "{ended:#?}");
    };

    a_panic_that_is_sent_on_is_reported: || {
        run("painter", || resume_unwind(Box::new("sent on")));
    } => |ended| {
        assert_eq!(ended.stderr, "Exception in thread painter:\npanicked: sent on\n", "{ended:#?}");
    };

    a_panic_that_is_caught_is_printed_by_default_and_not_the_affair_of_a_hook: || {
        let catch = || assert!(catch_unwind(|| panic!("caught")).is_err());
        spawn(catch).join().unwrap();
        set_excepthook(|_| say("never"));
        spawn(catch).join().unwrap();
    } => |ended| {
        assert!(ended.stdout.is_empty(), "{ended:#?}");
        ended.complained(&["Exception in thread Thread-1:\n", "caught\n"]);
    };

    a_panic_after_one_that_was_caught_has_its_own_line: || {
        set_excepthook(|panic| say(&format!("{} {}", panic.message(), panic.location().is_some())));
        run("painter", || {
            assert!(catch_unwind(|| panic!("caught")).is_err());
            resume_unwind(Box::new("sent on"));
        });
        run("painter", || {
            assert!(catch_unwind(|| panic!("caught")).is_err());
            panic!("not caught");
        });
    } => |ended| {
        assert_eq!(ended.stdout, "sent on false\nnot caught true\n", "{ended:#?}");
        assert!(ended.stderr.is_empty(), "{ended:#?}");
    };

    a_panic_during_which_others_are_caught_is_reported_once: || {
        run_catching(1);
    } => |ended| {
        assert_eq!(ended.stdout, "outer true\n", "{ended:#?}");
        ended.complained(&["outer\n", "inner 0\n"]);
    };

    a_hook_gets_the_location_of_a_panic_during_which_others_are_caught: || {
        set_excepthook(|panic| {
            say(&format!("hook: {} {}", panic.message(), panic.location().is_some()));
        });
        run_catching(1);
        run_catching(100);
    } => |ended| {
        let once = "hook: outer true\nouter true\n";
        assert_eq!(ended.stdout, once.repeat(2), "{ended:#?}");
        assert!(ended.stderr.is_empty(), "{ended:#?}");
    };

    a_panic_after_many_that_were_caught_has_its_location: || {
        set_excepthook(|panic| say(&format!("{} {}", panic.message(), panic.location().is_some())));
        run("painter", || {
            drop(CatchesInDrop(100));
            panic!("not caught");
        });
    } => |ended| ended.printed(&["not caught true"]);

    a_panic_in_a_late_destructor_is_reported_once: || {
        panic_late();
        set_excepthook(|panic| {
            say(&format!("hook: {} {}", panic.message(), panic.location().is_some()));
        });
        panic_late();
    } => |ended| {
        assert_eq!(ended.stdout, "late true\nhook: late true\nlate true\n", "{ended:#?}");
        assert_eq!(ended.stderr.matches("late\n").count(), 1, "{ended:#?}");
    };

    a_panic_that_cannot_unwind_is_written_out_with_a_hook: || {
        extern "C" fn cannot_unwind() {
            panic!("first");
        }
        set_excepthook(|_| say("never"));
        let _ = spawn(|| cannot_unwind()).join();
    } => |ended| {
        assert!(!ended.status.success() && ended.stdout.is_empty(), "{ended:#?}");
        let counts = ["first\n", "cannot unwind\n"].map(|line| ended.stderr.matches(line).count());
        assert_eq!(counts, [1, 1], "{ended:#?}");
    };

    a_second_panic_while_the_first_unwinds_loses_neither: || {
        set_excepthook(|_| say("never"));
        let _ = Builder::new().name("painter").spawn(|| {
            let _explosive = Explosive;
            panic!("first");
        }).unwrap().join();
    } => |ended| {
        assert!(!ended.status.success() && ended.stdout.is_empty(), "{ended:#?}");
        let counts = ["first\n", "second\n"].map(|line| ended.stderr.matches(line).count());
        assert_eq!(counts, [1, 1], "{ended:#?}");
    };

    what_a_thread_captured_or_returns_may_panic_when_it_is_dropped: || {
        let captured = Explosive;
        run("painter", move || {
            let _ = &captured;
        });
        let handle_is_gone = Arc::new(tk_event::Event::new());
        let returns = Builder::new().name("glazier").spawn({
            let handle_is_gone = handle_is_gone.clone();
            move || {
                handle_is_gone.wait();
                Explosive
            }
        }).unwrap();
        let thread = returns.thread().clone();
        drop(returns);
        handle_is_gone.set();
        thread.join().unwrap();
        say("joined");
    } => |ended| {
        assert_eq!(ended.stdout, "joined\n", "{ended:#?}");
        ended.complained(&["Exception in thread painter:\n", "Exception in thread glazier:\n"]);
        assert_eq!(ended.stderr.matches("second\n").count(), 2, "{ended:#?}");
    };

    a_timer_that_panics_is_reported_under_its_name: || {
        let panics = || tk_timer::Timer::new(std::time::Duration::ZERO, || panic!("out of paint"));
        panics().name("default").start().join().unwrap();
        set_excepthook(|panic| say(&format!("{} {}", panic.thread().name(), panic.message())));
        panics().name("custom").start().join().unwrap();
    } => |ended| {
        assert_eq!(ended.stdout, "custom out of paint\n", "{ended:#?}");
        ended.complained(&["Exception in thread default:\n", "out of paint\n"]);
    };

    a_hook_may_start_and_join_threads_and_set_hooks: || {
        set_excepthook(|panic| {
            set_excepthook(|panic| say(&format!("inner {}", panic.message())));
            run("inner", || panic!("two"));
            say(&format!("outer {}", panic.message()));
        });
        run("outer", || panic!("one"));
    } => |ended| ended.printed(&["inner two", "outer one"]);

    hooks_of_threads_that_panic_are_reported: || {
        set_excepthook(|panic| say(panic.message()));
        let start = tk_thread::on_thread_start(|_| panic!("at the start"));
        let end = tk_thread::on_thread_exit(|_| panic!("at the end"));
        spawn(|| say("between")).join().unwrap();
        drop((start, end));
        spawn(|| say("alone")).join().unwrap();
    } => |ended| ended.printed(&["at the start", "between", "at the end", "alone"]);

    a_thread_is_started_while_another_value_is_dropped_by_a_panic: || {
        struct Starts;
        impl Drop for Starts {
            fn drop(&mut self) {
                run("painter", || panic!("inside"));
            }
        }
        let caught = catch_unwind(|| {
            let _starts = Starts;
            panic!("outside");
        });
        assert!(caught.is_err());
    } => |ended| ended.complained(&["outside\n", "inside\n"]);
}
