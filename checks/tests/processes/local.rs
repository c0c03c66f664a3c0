//! Per-thread values of the main thread, at the end of the program, and in the child of a fork.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread::ThreadId;

use tk_local::{Local, SharedLocal};
#[cfg(unix)]
use tk_testing::fork;

#[cfg(unix)]
use crate::fork::wait_until_begun;
use crate::{cases, say};

/// Prints which thread drops it.
struct Noisy(&'static str, ThreadId);

impl Drop for Noisy {
    fn drop(&mut self) {
        let by = if std::thread::current().id() == self.1 {
            "its thread"
        } else {
            "another thread"
        };
        say(&format!("{} dropped by {by}", self.0));
    }
}

fn noisy(name: &'static str) -> Noisy {
    Noisy(name, std::thread::current().id())
}

static LOCAL: Local<Noisy> = Local::new();
static SHARED: SharedLocal<Noisy> = SharedLocal::new();

/// Sets another one in its own `Local` and looks at all others when it is dropped.
struct Again(usize);

static AGAIN: Local<Again> = Local::new();
static AGAIN_SHARED: SharedLocal<Again> = SharedLocal::new();

impl Drop for Again {
    fn drop(&mut self) {
        say(&format!("{} dropped", self.0));
        if self.0 > 0 {
            AGAIN.set(Again(self.0 - 1));
            // Threads at the end of the program, too.
            let other = std::thread::spawn(|| AGAIN.is_set() || AGAIN_SHARED.is_set());
            assert!(!other.join().unwrap());
        }
    }
}

/// Makes a new one whenever it is dropped.
struct Phoenix;

static PHOENIX: Local<Phoenix> = Local::with_init(|| Phoenix);
static PHOENIXES: AtomicUsize = AtomicUsize::new(0);

impl Drop for Phoenix {
    fn drop(&mut self) {
        if PHOENIXES.fetch_add(1, SeqCst) > 1000 {
            say("no end");
        }
        let _ = PHOENIX.try_with_borrow(|_| ());
    }
}

/// A thread that has a value borrowed when the program ends.
fn borrows_forever() {
    static BORROWED: AtomicBool = AtomicBool::new(false);
    std::thread::spawn(|| {
        AGAIN_SHARED.set(Again(0));
        PHOENIX.with_borrow_mut(|_| {
            BORROWED.store(true, SeqCst);
            loop {
                std::thread::park();
            }
        })
    });
    while !BORROWED.load(SeqCst) {
        std::thread::yield_now();
    }
}

#[cfg(unix)]
static NUMBERS: SharedLocal<usize> = SharedLocal::new();

/// Forks while other threads set values, so that the list may be locked.
#[cfg(unix)]
fn fork_among_setters() {
    let (begun, end) = (AtomicUsize::new(0), AtomicBool::new(false));
    std::thread::scope(|s| {
        for n in 1..3 {
            let (begun, end) = (&begun, &end);
            s.spawn(move || {
                NUMBERS.set(n);
                begun.fetch_add(1, SeqCst);
                while !end.load(SeqCst) {
                    NUMBERS.set(n);
                    drop(NUMBERS.take());
                }
            });
        }
        wait_until_begun(&begun, 2);
        let numbers = || NUMBERS.iter().map(|n| *n).collect::<Vec<usize>>();
        for n in 3..63 {
            match n % 3 {
                0 => NUMBERS.set(n),
                1 => drop(NUMBERS.take()),
                _ => {}
            }
            let mine: Vec<usize> = NUMBERS.get().map(|n| *n).into_iter().collect();
            fork(|| {
                // Another thread may be the first to look.
                if n % 2 == 0 {
                    std::thread::scope(|s| s.spawn(numbers).join().unwrap());
                }
                assert_eq!(numbers(), mine);
                let seen = std::thread::scope(|s| s.spawn(numbers).join().unwrap());
                assert_eq!(seen, mine);
                NUMBERS.set(1);
                assert_eq!(numbers(), [1]);
                drop(NUMBERS.take());
                assert!(numbers().is_empty());
            });
        }
        end.store(true, SeqCst);
    });
}

cases! {
    test_locals_at_exit: || {
        tk_thread::main(|| {
            LOCAL.set(noisy("main's"));
            SHARED.set(noisy("main's shared"));
            let worker = tk_thread::Builder::new().daemon(false).spawn(|| {
                // Waits until the main thread's function has returned.
                tk_thread::main_thread().join().unwrap();
                LOCAL.set(noisy("worker's"));
                assert_eq!(SHARED.iter().count(), 1);
            });
            drop(worker.unwrap());
            say("main is done");
        });
        say("the program ends");
    } => |ended| ended.printed(&[
        "main is done",
        "worker's dropped by its thread",
        "the program ends",
        "main's shared dropped by its thread",
        "main's dropped by its thread",
    ]);

    values_at_exit_may_set_others_and_start_threads: || {
        borrows_forever();
        AGAIN.set(Again(2));
        AGAIN_SHARED.set(Again(3));
        assert_eq!(AGAIN_SHARED.iter().count(), 2);
    } => |ended| ended.printed(&[
        // Each drop sets a value in place of the one that is there.
        "3 dropped",
        "2 dropped",
        "2 dropped",
        "1 dropped",
        "1 dropped",
        "0 dropped",
        "0 dropped",
    ]);

    a_value_that_is_made_again_when_it_is_dropped_does_not_keep_the_program_from_ending: || {
        borrows_forever();
        PHOENIX.with_borrow(|_| ()).unwrap();
    } => |ended| ended.printed(&[]);

    a_program_may_end_in_the_drop_of_a_value: || {
        struct Ends;
        impl Drop for Ends {
            fn drop(&mut self) {
                AGAIN.set(Again(0));
                say("exits");
                std::process::exit(7);
            }
        }
        static ENDS: Local<Ends> = Local::new();
        let thread = std::thread::spawn(|| {
            AGAIN.set(Again(1));
            ENDS.set(Ends);
        });
        let _ = thread.join();
        say("no end");
    } => |ended| {
        assert_eq!(ended.status.code(), Some(7), "{ended:#?}");
        assert_eq!(ended.stdout, "1 dropped\n0 dropped\nexits\n", "{ended:#?}");
    };

    #[cfg(unix)]
    the_child_of_a_fork_sees_its_own_values_only: || {
        fork_among_setters();
        say("done");
    } => |ended| ended.printed(&["done"]);
}
