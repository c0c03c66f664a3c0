//! The identity of threads: in the child of a fork that no thread of the kit has prepared for, and
//! in a thread's last destructors.
//!
//! No test starts a thread of the kit before it forks, because the kit must notice forks from its
//! first use on, whatever thread uses it.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, mpsc};

use tk_core::__private::ThreadRecordExt;
use tk_core::__private::fork::{Inherit, Mutex};
use tk_core::{
    Registration, ThreadRecord, active_count, at_thread_exit, current, current_id, current_owner,
    current_slot, enumerate, main_thread, thread_at, thread_by_owner,
};
use tk_testing::fork;

use crate::cases;
use crate::fork::child_of_fork;

/// Checks what holds in every child: it has one thread, which is the main one, and can start
/// others.
fn alone() {
    alone_here();
    let look = || (current(), enumerate().len(), current().is_main());
    let (other, threads, is_main) = std::thread::spawn(look).join().unwrap();
    assert!(!other.is_alive() && threads == 2 && !is_main);
    assert!(other != current() && other.slot() != current_slot());
    alone_here();
}

/// The same, without another thread: if a thread was being started at the fork, the standard
/// library may be unable to start any in the child.
fn alone_here() {
    let me = current();
    assert_eq!((active_count(), enumerate()), (1, vec![me.clone()]));
    assert_eq!(main_thread(), me);
    assert!(me.is_main() && me.is_alive() && !me.is_daemon());
    assert_eq!((current_id(), current_owner()), (me.id(), me.owner()));
    assert_eq!(thread_at(current_slot()), Some(me.clone()));
    assert_eq!(thread_by_owner(current_owner()), Some(me.clone()));
    if cfg!(target_os = "linux") {
        assert_eq!(me.native_id(), Some(u64::from(std::process::id())));
    }
    Registration::new("never begins", false);
    me.set_name("the child's");
    assert_eq!(&*me.name(), "the child's");
    assert_eq!((active_count(), me.blocked_on()), (1, None));
}

/// A standard thread that has used the kit, and is there until the sender is dropped.
fn sleeper(name: &str) -> (ThreadRecord, mpsc::Sender<()>) {
    let (tell, told) = mpsc::channel();
    let (stay, wait) = mpsc::channel::<()>();
    let thread = std::thread::Builder::new().name(name.into());
    let sleep = move || {
        tell.send(current()).unwrap();
        let _ = wait.recv();
    };
    thread.spawn(sleep).unwrap();
    (told.recv().unwrap(), stay)
}

/// Forks `times` times, while other threads do `work` without a pause. Each child ends well, and
/// within a minute.
fn fork_while_others(times: u32, work: fn(u32), child: fn()) {
    let done = Arc::new(AtomicBool::new(false));
    let started = Arc::new(AtomicU32::new(0));
    let work = |_| {
        let (done, started) = (Arc::clone(&done), Arc::clone(&started));
        std::thread::spawn(move || {
            let mut round = 0;
            while !done.load(Ordering::Relaxed) {
                work(round);
                round += 1;
                started.fetch_add(1, Ordering::Relaxed);
            }
        })
    };
    let threads: Vec<_> = (0..2).map(work).collect();
    while started.load(Ordering::Relaxed) < 2 {
        std::thread::yield_now();
    }
    for _ in 0..times {
        child_of_fork(child);
    }
    done.store(true, Ordering::Relaxed);
    for thread in threads {
        thread.join().unwrap();
    }
}

/// A thread that C starts, which calls `f`.
fn in_a_c_thread(f: fn()) {
    extern "C" fn run(f: *mut libc::c_void) -> *mut libc::c_void {
        // SAFETY: it is the address of a function of that type.
        let f = unsafe { std::mem::transmute::<*mut libc::c_void, fn()>(f) };
        f();
        std::ptr::null_mut()
    }
    let mut thread = 0;
    // SAFETY: `run` is given what it expects.
    unsafe {
        let f = f as *mut libc::c_void;
        assert_eq!(
            libc::pthread_create(&mut thread, std::ptr::null(), run, f),
            0
        );
        assert_eq!(libc::pthread_join(thread, std::ptr::null_mut()), 0);
    }
}

/// Calls its function when it is dropped.
struct AtEnd(fn());

impl Drop for AtEnd {
    fn drop(&mut self) {
        (self.0)();
    }
}

thread_local! {
    static YOUNG: RefCell<Option<AtEnd>> = const { RefCell::new(None) };
    static OLD: RefCell<Option<AtEnd>> = const { RefCell::new(None) };
}

static KEY: AtomicU32 = AtomicU32::new(0);

/// The destructor of C's thread-specific data, which is called in rounds while there is a value.
/// Logs in the last one.
unsafe extern "C" fn log_in_round(rounds: *mut libc::c_void) {
    let rounds = rounds as usize;
    if rounds > 1 {
        let key = KEY.load(Ordering::Relaxed) as libc::pthread_key_t;
        // SAFETY: the key exists.
        unsafe { libc::pthread_setspecific(key, (rounds - 1) as *mut _) };
    } else {
        let me = current();
        log::error!("late");
        assert_eq!((current_id(), current_slot()), (me.id(), me.slot()));
        assert_eq!(thread_at(current_slot()), Some(me));
        std::thread::spawn(current).join().unwrap();
        enumerate();
    }
}

/// Starts a thread that first uses the kit in this round of C's destructors, if `before` does not
/// use it.
fn use_in_round(rounds: usize, name: Option<&str>, before: fn()) {
    let mut thread = std::thread::Builder::new();
    if let Some(name) = name {
        thread = thread.name(name.into());
    }
    let key = KEY.load(Ordering::Relaxed) as libc::pthread_key_t;
    let work = move || {
        before();
        // SAFETY: the key exists.
        let error = unsafe { libc::pthread_setspecific(key, rounds as *mut _) };
        assert_eq!(error, 0);
    };
    thread.spawn(work).unwrap().join().unwrap();
}

/// Two numbers that are always equal, but while they are changed.
struct Pair(u32, u32);

impl Inherit for Pair {
    fn inherit(&mut self) {
        self.0 += 100;
        self.1 += 100;
    }

    fn anew() -> Pair {
        Pair(7, 7)
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        assert_eq!(self.0, self.1, "a half changed value is dropped");
    }
}

fn both(pair: &Mutex<Pair>) -> (u32, u32) {
    let pair = pair.lock();
    (pair.0, pair.1)
}

static PAIR: Mutex<Pair> = Mutex::constant(Pair(0, 0));

cases! {
    a_fork_of_standard_threads_is_noticed: || {
        let main = current();
        let (sleeping, stay) = sleeper("std");
        fork(|| {
            alone();
            assert!(current() == main && !sleeping.is_alive() && sleeping.blocked_on().is_none());
            assert_eq!((&*sleeping.name(), thread_at(sleeping.slot())), ("std", Some(sleeping)));
        });
        let (record, sender) = sleeper("forks");
        let forks = move || {
            let me = current();
            fork(|| {
                alone();
                assert!(current() == me && !main.is_main() && !main.is_alive());
                assert!(!record.is_alive());
            });
            drop(sender);
        };
        std::thread::spawn(forks).join().unwrap();
        drop(stay);
    } => |ended| ended.printed(&[]);

    a_fork_by_a_thread_that_never_used_the_kit: || {
        let (sleeping, stay) = sleeper("std");
        std::thread::spawn(|| fork(|| {
            assert_eq!(&*main_thread().name(), "MainThread");
            alone();
        })).join().unwrap();
        assert!(sleeping.is_alive() && main_thread().id().get() == 1);
        drop(stay);
        // Nor has the main thread.
        fork(alone);
        assert!(current().is_main());
    } => |ended| ended.printed(&[]);

    test_dummy_thread_after_fork: || {
        let (dummy, stay) = sleeper("");
        fork(|| {
            assert_eq!(active_count(), 1);
            alone();
            assert!(!dummy.is_alive());
        });
        drop(stay);
    } => |ended| ended.printed(&[]);

    test_clear_threads_states_after_fork: || {
        let threads: Vec<_> = (0..16).map(|_| sleeper("std")).collect();
        fork(|| {
            alone();
            assert!(threads.iter().all(|(thread, _)| !thread.is_alive()));
        });
    } => |ended| ended.printed(&[]);

    test_native_id_after_fork: || {
        let before = current().native_id();
        fork(move || {
            let other = if cfg!(target_os = "linux") { before } else { Some(0) };
            assert_ne!(current().native_id(), other);
            alone();
        });
        assert_eq!(current().native_id(), before);
    } => |ended| ended.printed(&[]);

    forks_of_forks: || {
        fn next(depth: u32) {
            alone();
            if depth == 0 {
                return;
            }
            // Now the main thread of the child forks, then another of its threads.
            fork(|| next(depth - 1));
            std::thread::spawn(move || {
                let me = current();
                fork(|| {
                    assert_eq!(current(), me);
                    next(depth - 1);
                });
            }).join().unwrap();
            alone();
        }
        current();
        fork(|| next(3));
    } => |ended| ended.printed(&[]);

    a_fork_in_a_thread_of_c: || {
        current();
        in_a_c_thread(|| fork(alone));
        in_a_c_thread(|| {
            current();
            fork(alone);
        });
    } => |ended| ended.printed(&[]);

    a_fork_in_a_thread_local_destructor: || {
        let forks = || fork(|| {
            alone();
            assert!(current().is_main());
        });
        let thread = std::thread::spawn(move || {
            OLD.set(Some(AtEnd(forks)));
            current();
            YOUNG.set(Some(AtEnd(forks)));
            assert!(at_thread_exit(Box::new(forks)).is_ok());
        });
        thread.join().unwrap();
        // The destructor is the thread's first use of the kit.
        std::thread::spawn(move || OLD.set(Some(AtEnd(forks)))).join().unwrap();
    } => |ended| ended.printed(&[]);

    a_fork_while_standard_threads_come_and_go: || fork_while_others(
        200,
        |_| {
            std::thread::spawn(|| (current(), enumerate())).join().unwrap();
        },
        alone_here,
    ) => |ended| ended.printed(&[]);

    a_fork_while_others_use_the_main_threads_record: || {
        current();
        fork_while_others(
            200,
            |round| {
                let main = main_thread();
                main.set_name(if round % 2 == 0 { "even" } else { "odd" });
                let _ = (main.name(), main.blocked_on(), format!("{main:?}"));
                main.on_finish(|| ());
                let _ = main.attachment(|| Arc::new(7u32));
            },
            || {
                let name = current().name();
                assert!(["MainThread", "even", "odd"].contains(&&*name), "{name}");
                assert_eq!(*current().attachment(|| Arc::new(7u32)), 7);
                alone();
            },
        );
    } => |ended| ended.printed(&[]);

    a_value_of_the_kit_is_whole_in_the_child_or_made_anew: || {
        let pair = Arc::new(Mutex::new(Pair(0, 0)));
        {
            let mut held = pair.lock();
            (held.0, held.1) = (1, 1);
        }
        fork(|| {
            // No thread held it at the fork.
            assert_eq!(both(&pair), (101, 101));
            fork(|| assert_eq!(pair.try_lock().unwrap().0, 201));
            // The other one has never been locked.
            assert_eq!(PAIR.lock().0, 0);
        });
        let (tell, told) = mpsc::channel();
        let (stay, wait) = mpsc::channel::<()>();
        let holder = {
            let pair = Arc::clone(&pair);
            std::thread::spawn(move || {
                let (mut held, mut constant) = (pair.lock(), PAIR.lock());
                (held.0, constant.0) = (2, 2);
                tell.send(()).unwrap();
                let _ = wait.recv();
                (held.1, constant.1) = (2, 2);
            })
        };
        told.recv().unwrap();
        assert!(pair.try_lock().is_none());
        fork(|| {
            // The half changed value is not dropped, because its drop would panic.
            assert_eq!(both(&PAIR), (7, 7));
            fork(|| {
                assert_eq!(pair.try_lock().unwrap().1, 7);
                assert_eq!(both(&PAIR), (107, 107));
            });
            // This one is dropped without having been locked here.
            drop(Arc::into_inner(pair));
        });
        drop(stay);
        holder.join().unwrap();
        assert_eq!(both(&PAIR), (2, 2));
    } => |ended| ended.printed(&[]);

    a_lock_of_the_kit_is_free_in_the_child_of_a_fork_in_the_middle: || {
        static SUM: Mutex<Pair> = Mutex::constant(Pair(0, 0));
        fork_while_others(
            100,
            |_| {
                let mut sum = SUM.lock();
                sum.0 += 1;
                std::hint::black_box(&mut *sum);
                sum.1 += 1;
            },
            || {
                let threads: Vec<_> = (0..3)
                    .map(|_| std::thread::spawn(|| {
                        for _ in 0..1000 {
                            let mut sum = SUM.lock();
                            assert_eq!(sum.0, sum.1);
                            sum.0 += 1;
                            sum.1 += 1;
                        }
                    }))
                    .collect();
                for thread in threads {
                    thread.join().unwrap();
                }
            },
        );
    } => |ended| ended.printed(&[]);

    a_destructor_of_c_may_log_and_ask_in_any_round: || {
        tk_core::logging::basic_config().format("%(threadName)s %(message)s").init();
        let mut key = 0;
        // SAFETY: the key is there to be written, and the destructor does not unwind.
        assert_eq!(unsafe { libc::pthread_key_create(&mut key, Some(log_in_round)) }, 0);
        KEY.store(key, Ordering::Relaxed);
        current();
        for rounds in 1..=4 {
            use_in_round(rounds, Some("quiet"), || ());
            use_in_round(rounds, Some("known"), || { current(); });
        }
        use_in_round(3, Some("a name of more than fifteen bytes"), || ());
        // The threads are gone. The registry asks the system for those whose end it was not told
        // of, if the system can be asked.
        if crate::can_ask_after_threads() {
            assert_eq!((active_count(), enumerate()), (1, vec![current()]));
        }
    } => |ended| {
        assert!(ended.status.success(), "{ended:#?}");
        let count = |line| ended.stderr.lines().filter(|l| *l == line).count();
        assert_eq!(count("known late"), 4, "{ended:#?}");
        // In the later rounds, the standard library no longer knows the thread's name. The system
        // does, as much of it as fits.
        assert!(count("quiet late") >= 1, "{ended:#?}");
        assert_eq!(count("a name of more  late"), 1, "{ended:#?}");
    };

    the_main_thread_is_the_main_one_even_if_another_one_asks_first: || {
        let thread = std::thread::Builder::new().name("main".into());
        let look = || (current().is_main(), current().name(), main_thread().name());
        let (is_main, name, main) = thread.spawn(look).unwrap().join().unwrap();
        assert!(!is_main && &*name == "main" && &*main == "MainThread");
        assert!(current().is_main() && current() == main_thread());
        assert_eq!((current().id().get(), &*current().name()), (1, "MainThread"));
    } => |ended| ended.printed(&[]);

    threads_after_the_last_number_work_without_one: || {
        use tk_lock::{Lock, RLock};
        tk_core::__private::skip_ids(1 << 30);
        static LOCK: Lock<u32> = Lock::new(0);
        static RLOCK: RLock<()> = RLock::new(());
        let work = || {
            let me = current();
            assert!(!current_owner().is_known() && me.owner() == current_owner());
            assert!(thread_by_owner(current_owner()).is_none());
            assert!(me.id().get() > 1 << 30 && current_id() == me.id());
            for _ in 0..1000 {
                *LOCK.lock() += 1;
                let outer = RLOCK.lock();
                drop((RLOCK.lock(), outer));
            }
        };
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(work)).collect();
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(*LOCK.lock(), 4000);
        assert!(current_owner().is_known());
    } => |ended| ended.printed(&[]);
}
