//! Models of the lock that the child of a fork can always take: the very text of
//! `src/fork/mutex.rs`, with loom's parts.
#![cfg(tk_loom)]
#![allow(dead_code, reason = "the lock is here for its models alone")]

#[path = "../src/fork/mutex.rs"]
mod mutex;

/// The parts that the lock is made of.
mod sys {
    use std::cell::Cell as StdCell;

    pub use loom::sync::atomic::{AtomicU32, Ordering};

    pub const LOOKS: u32 = 1;

    pub struct Cell<T>(loom::cell::UnsafeCell<T>);

    impl<T> Cell<T> {
        pub fn new(value: T) -> Cell<T> {
            Cell(loom::cell::UnsafeCell::new(value))
        }

        /// loom complains if another thread may be at the value.
        pub fn get(&self) -> *mut T {
            self.0.with_mut(|value| value)
        }
    }

    thread_local! {
        /// A model's process. It changes while the model has one thread.
        ///
        /// All threads of a model are one thread to the standard library, and another one than
        /// those of the models that the harness explores at the same time.
        static GENERATION: StdCell<u32> = const { StdCell::new(1) };
    }

    pub fn generation() -> u32 {
        GENERATION.get()
    }

    pub fn generation_so_far() -> u32 {
        generation()
    }

    /// The calling thread is the only one of the model's, and goes on as the child of a fork.
    pub fn fork() {
        GENERATION.set(GENERATION.get() + 1);
    }

    pub fn spin() {
        loom::thread::yield_now();
    }

    /// Sleepers, as a futex has them: the word is compared and the thread is in the queue in one
    /// step.
    pub struct Queue {
        pub sleepers: loom::sync::Mutex<Vec<loom::thread::Thread>>,
    }

    loom::lazy_static! {
        pub static ref QUEUE: Queue = Queue { sleepers: loom::sync::Mutex::new(Vec::new()) };
    }

    pub fn wait(word: &AtomicU32, value: u32) {
        let mut sleepers = QUEUE.sleepers.lock().unwrap();
        if word.load(Ordering::Relaxed) == value {
            sleepers.push(loom::thread::current());
            drop(sleepers);
            loom::thread::park();
        }
    }

    pub fn wake_one(_: &AtomicU32) {
        let sleeper = QUEUE.sleepers.lock().unwrap().pop();
        if let Some(thread) = sleeper {
            thread.unpark();
        }
    }
}

use loom::sync::Arc;
use loom::thread;
use tk_testing::explore;

use mutex::{Inherit, Mutex};

/// A number, and how often the hooks were called.
#[derive(Debug, Default, PartialEq)]
struct Counted {
    number: u32,
    inherited: u32,
    anew: bool,
}

impl Inherit for Counted {
    fn inherit(&mut self) {
        self.inherited += 1;
    }

    fn anew() -> Counted {
        Counted {
            anew: true,
            ..Counted::default()
        }
    }
}

fn counted() -> Arc<Mutex<Counted>> {
    Arc::new(Mutex::new(Counted::default()))
}

#[test]
fn one_thread_at_a_time_has_it_and_sees_the_last() {
    explore(
        "one_thread_at_a_time_has_it_and_sees_the_last",
        Some(2),
        || {
            let mutex = counted();
            let threads: Vec<_> = (0..2)
                .map(|_| {
                    let mutex = Arc::clone(&mutex);
                    thread::spawn(move || mutex.lock().number += 1)
                })
                .collect();
            mutex.lock().number += 1;
            for thread in threads {
                thread.join().unwrap();
            }
            assert_eq!(mutex.lock().number, 3);
        },
    );
}

#[test]
fn a_try_has_it_alone_too() {
    explore("a_try_has_it_alone_too", None, || {
        let mutex = counted();
        let other = Arc::clone(&mutex);
        let thread = thread::spawn(move || {
            let tried = other.try_lock().map(|mut counted| counted.number += 1);
            u32::from(tried.is_some())
        });
        mutex.lock().number += 1;
        let tried = thread.join().unwrap();
        assert_eq!(mutex.lock().number, 1 + tried);
    });
}

#[test]
fn of_a_childs_threads_the_first_one_adjusts_a_whole_value() {
    explore(
        "of_a_childs_threads_the_first_one_adjusts_a_whole_value",
        Some(3),
        || {
            let mutex = counted();
            mutex.lock().number = 7;
            sys::fork();
            in_the_child(&mutex, 7, 1, false);
        },
    );
}

#[test]
fn of_a_childs_threads_the_first_one_replaces_a_value_that_was_held() {
    explore(
        "of_a_childs_threads_the_first_one_replaces_a_value_that_was_held",
        Some(3),
        || {
            let mutex = counted();
            // The guard of a thread that is not in the child: it is there, and does nothing more.
            std::mem::forget(mutex.lock());
            sys::fork();
            in_the_child(&mutex, 0, 0, true);
            // And once more.
            std::mem::forget(mutex.lock());
            sys::fork();
            assert_eq!(*mutex.lock(), Counted::anew());
        },
    );
}

/// Two threads of the child lock.
fn in_the_child(mutex: &Arc<Mutex<Counted>>, number: u32, inherited: u32, anew: bool) {
    let other = Arc::clone(mutex);
    let thread = thread::spawn(move || other.lock().number += 1);
    mutex.lock().number += 1;
    thread.join().unwrap();
    let expected = Counted {
        number: number + 2,
        inherited,
        anew,
    };
    assert_eq!(*mutex.lock(), expected);
}
