//! Initializations that run at a fork, in its child.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tk_event::Event;
use tk_lock::{LazyLock, Once, OnceError, OnceLock, OnceState};
use tk_testing::is_child_of_fork;
use tk_thread::{Builder, JoinHandle, spawn};

use crate::cases;
use crate::fork::{child_of_fork, told, until_waits_for, wait_until_begun};

/// A time that does not come.
const MINUTE: Duration = Duration::from_secs(60);

const MOMENT: Duration = Duration::from_millis(5);

/// Forks. The child reports no panics.
fn quiet_child_of_fork(child: impl FnOnce()) {
    child_of_fork(|| {
        std::panic::set_hook(Box::new(|_| ()));
        child();
    });
}

/// Starts a daemon. Returns when it waits for a thing of this kind.
fn waiter<T: Send + 'static>(kind: &str, f: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    let thread = Builder::new().name("keeper").daemon(true).spawn(f).unwrap();
    until_waits_for(&thread, kind);
    thread
}

const LOST: &str = "the initialization was run by keeper, a thread that the fork has left behind";

cases! {
    a_once_that_a_lost_thread_runs_is_poisoned_in_the_child: || tk_thread::main(|| {
        static ONCE: Once = Once::new();
        static MAY_RETURN: Event = Event::new();
        let runner = waiter("event", || ONCE.call_once(|| _ = MAY_RETURN.wait()));
        // This thread leaves the flag for parked threads in the word, although the child does not
        // have it.
        let lost_waiter = waiter("once", || ONCE.wait());
        quiet_child_of_fork(|| {
            assert_eq!(ONCE.state(), OnceState::Poisoned);
            let waits: [&dyn Fn(); 4] = [
                &|| ONCE.call_once(|| ()),
                &|| assert!(ONCE.call_once_for(MINUTE, || ())),
                &|| ONCE.wait(),
                &|| assert!(ONCE.wait_for(MINUTE)),
            ];
            for wait in waits {
                assert_eq!(told(wait), LOST);
            }
            assert_eq!(ONCE.try_call_once(|| ()), Err(OnceError::Poisoned));
            assert_eq!(ONCE.call_once_with(MINUTE, || ()), Err(OnceError::Poisoned));
            assert_eq!(ONCE.wait_with(MINUTE), Err(OnceError::Poisoned));
            assert_eq!(ONCE.wait_force_with(MOMENT), Err(OnceError::TimedOut));
            let patient = waiter("once", || ONCE.wait_force());
            ONCE.call_once_force(|state| {
                assert!(state.is_poisoned());
                assert_eq!(ONCE.state(), OnceState::InProgress);
            });
            patient.join().unwrap();
            assert!(ONCE.is_completed());
        });
        MAY_RETURN.set();
        runner.join().unwrap();
        lost_waiter.join().unwrap();
        assert!(ONCE.is_completed());
    }) => |ended| ended.printed(&[]);

    a_cell_that_a_lost_thread_initializes_is_unset_in_the_child: || tk_thread::main(|| {
        static CELL: OnceLock<String> = OnceLock::new();
        static OTHER: OnceLock<String> = OnceLock::new();
        static MAY_RETURN: Event = Event::new();
        let initialize = |cell: &'static OnceLock<String>| {
            waiter("event", || {
                cell.get_or_init(|| {
                    MAY_RETURN.wait();
                    "parent".to_owned()
                });
            })
        };
        let runners = [&CELL, &OTHER].map(initialize);
        quiet_child_of_fork(|| {
            assert_eq!(CELL.get(), None);
            assert_eq!(CELL.wait_for(MOMENT), None);
            assert_eq!(CELL.try_get_or_init(|| "child".to_owned()), Ok(&"child".to_owned()));
            let patient = waiter("once", || OTHER.wait().len());
            OTHER.set("child".to_owned()).unwrap();
            assert_eq!(patient.join().unwrap(), 5);
        });
        MAY_RETURN.set();
        for runner in runners {
            runner.join().unwrap();
        }
        assert_eq!((CELL.wait().as_str(), OTHER.wait().as_str()), ("parent", "parent"));
    }) => |ended| ended.printed(&[]);

    a_lazy_value_that_a_lost_thread_initializes_is_poisoned_in_the_child: || tk_thread::main(|| {
        static MAY_RETURN: Event = Event::new();
        static LAZY: LazyLock<u32> = LazyLock::new(|| u32::from(MAY_RETURN.wait()));
        let runner = waiter("event", || *LAZY);
        quiet_child_of_fork(|| {
            assert_eq!(told(|| *LAZY), LOST);
            assert_eq!(LazyLock::force_with(&LAZY, MINUTE), Err(OnceError::Poisoned));
            assert_eq!(LazyLock::get(&LAZY), None);
        });
        MAY_RETURN.set();
        assert_eq!((runner.join().unwrap(), *LAZY), (1, 1));
    }) => |ended| ended.printed(&[]);

    a_closure_that_forks_goes_on_in_both: || tk_thread::main(|| {
        static ONCE: Once = Once::new();
        static CELL: OnceLock<u32> = OnceLock::new();
        let mut in_child = false;
        let forks = || {
            let in_child = is_child_of_fork();
            // The runner is the thread that has forked, so it is not lost.
            assert_eq!(ONCE.state(), OnceState::InProgress);
            assert!(matches!(ONCE.try_call_once(|| ()), Err(OnceError::Recursive(_))));
            spawn(|| assert!(!ONCE.wait_for(MOMENT))).join().unwrap();
            in_child
        };
        ONCE.call_once(|| in_child = *CELL.get_or_init(|| u32::from(forks())) == 1);
        ONCE.wait();
        assert_eq!(CELL.get(), Some(&u32::from(in_child)));
        if in_child {
            // SAFETY: `_exit` ends the process and has no other effect.
            unsafe { libc::_exit(0) };
        }
    }) => |ended| ended.printed(&[]);

    a_fork_at_any_moment_leaves_no_cell_that_hangs: || tk_thread::main(|| {
        static CELLS: [OnceLock<String>; 20_000] = [const { OnceLock::new() }; 20_000];
        static OVER: AtomicBool = AtomicBool::new(false);
        static BEGUN: AtomicUsize = AtomicUsize::new(0);
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        // Long enough that forks come in between.
        let make = |n: usize| move || {
            (0..1000).for_each(|step| _ = std::hint::black_box(step));
            format!("the value of the cell number {n}")
        };
        let threads = [(); 2].map(|()| spawn(move || {
            BEGUN.fetch_add(1, Relaxed);
            while !OVER.load(Relaxed) {
                let n = NEXT.fetch_add(1, Relaxed) % CELLS.len();
                assert_eq!(CELLS[n].get_or_init(make(n)), &make(n)());
            }
        }));
        wait_until_begun(&BEGUN, 2);
        for _ in 0..30 {
            quiet_child_of_fork(|| {
                // Threads of the parent were initializing some of these cells.
                let next = NEXT.load(Relaxed);
                for n in (next.saturating_sub(10)..next + 10).map(|n| n % CELLS.len()) {
                    assert_eq!(CELLS[n].get_or_init(make(n)), &make(n)());
                }
            });
        }
        OVER.store(true, Relaxed);
        for thread in threads {
            thread.join().unwrap();
        }
    }) => |ended| ended.printed(&[]);
}
