//! In the destructors of thread-local values.

use std::cell::RefCell;
use std::collections::HashSet;
use std::process::Command;
use std::sync::{Arc, mpsc};
use std::thread;

use tk_local::{Local, Unset};

use crate::tally::{Counted, Tally};

/// Calls a function when it is dropped.
struct OnDrop(Option<Box<dyn FnOnce()>>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        if let Some(f) = self.0.take() {
            f();
        }
    }
}

thread_local! {
    static PROBE: RefCell<Option<OnDrop>> = const { RefCell::new(None) };
}

/// Calls `f` in a destructor of the calling thread, which is registered now.
fn at_destruction(f: impl FnOnce() + 'static) {
    PROBE.with_borrow_mut(|probe| *probe = Some(OnDrop(Some(Box::new(f)))));
}

/// Calls that a destructor may make: with a value that it found, and with new ones.
fn use_it(local: &Local<Counted>, tally: &Tally) {
    let had = local.is_set();
    assert_eq!(local.with_borrow(|_| ()).is_ok(), had);
    assert_eq!(local.take().is_some(), had);
    assert_eq!(local.with_borrow_mut(|_| ()), Err(Unset));
    local.set(tally.value());
    local.set(tally.value());
    assert!(local.with_borrow(|_| ()).is_ok());
    assert!(local.with_borrow(|_| local.try_take().is_err()).unwrap());
    assert!(local.take().is_some());
    local.set(tally.value());
}

#[test]
fn a_destructor_that_runs_before_the_values_are_dropped_finds_them() {
    let (tally, local) = (Tally::default(), Arc::new(Local::new()));
    let (sender, receiver) = mpsc::channel();
    let (in_thread, counter) = (Arc::clone(&local), tally.clone());
    thread::spawn(move || {
        in_thread.set(counter.value());
        at_destruction(move || {
            sender.send(in_thread.is_set()).unwrap();
            use_it(&in_thread, &counter);
        });
    })
    .join()
    .unwrap();
    assert_eq!(receiver.recv(), Ok(true));
    assert_eq!((tally.made(), tally.dropped_by_maker()), (4, 4));
    drop(local);
    assert_eq!(tally.dropped(), 4);
}

#[test]
fn a_destructor_that_runs_after_it_finds_none_and_can_set_one() {
    let (tally, local) = (Tally::default(), Arc::new(Local::new()));
    let (sender, receiver) = mpsc::channel();
    let (in_thread, counter) = (Arc::clone(&local), tally.clone());
    thread::spawn(move || {
        let (late, late_counter) = (Arc::clone(&in_thread), counter.clone());
        at_destruction(move || {
            sender.send(late.is_set()).unwrap();
            use_it(&late, &late_counter);
            use_it(&late, &late_counter);
        });
        in_thread.set(counter.value());
    })
    .join()
    .unwrap();
    assert_eq!(receiver.recv(), Ok(false));
    // The last one stays, and goes with the local.
    assert_eq!((tally.made(), tally.dropped()), (7, 6));
    drop(local);
    assert_eq!(tally.dropped(), 7);
}

#[test]
fn a_destructor_may_be_the_first_to_use_a_local() {
    let (tally, local) = (Tally::default(), Arc::new(Local::new()));
    let (in_thread, counter) = (Arc::clone(&local), tally.clone());
    thread::spawn(move || at_destruction(move || use_it(&in_thread, &counter)))
        .join()
        .unwrap();
    assert_eq!((tally.made(), tally.dropped()), (3, 3));
    drop(local);
}

#[test]
fn a_destructor_may_be_the_last_to_have_the_local() {
    for late in [false, true] {
        let tally = Tally::default();
        let counter = tally.clone();
        thread::spawn(move || {
            let local = Arc::new(Local::new());
            if !late {
                local.set(counter.value());
            }
            let (last, last_counter) = (Arc::clone(&local), counter.clone());
            at_destruction(move || {
                use_it(&last, &last_counter);
                drop(last);
            });
            local.set(counter.value());
        })
        .join()
        .unwrap();
        assert_eq!(tally.made(), if late { 4 } else { 5 });
        assert_eq!(tally.dropped(), tally.made());
    }
}

#[test]
fn a_thread_local_may_hold_a_local() {
    thread_local! {
        static HELD: Local<Counted> = const { Local::new() };
    }
    for tk_first in [false, true] {
        let tally = Tally::default();
        let counter = tally.clone();
        thread::spawn(move || {
            if tk_first {
                tk_core::current();
            }
            HELD.with(|local| local.set(counter.value()));
        })
        .join()
        .unwrap();
        assert_eq!(tally.dropped_by_maker(), 1);
    }
}

#[test]
fn a_value_left_by_a_late_destructor_is_not_seen_and_goes_with_the_next_one() {
    let (tally, local) = (Tally::default(), Arc::new(Local::new()));
    let (mut slots, mut reused) = (HashSet::new(), 0);
    // The slots where a value is left.
    let mut left = HashSet::new();
    // Where tk cannot ask whether a thread is gone, such a late destructor may keep the slot for
    // ever.
    while reused < 20 && slots.len() < 1000 {
        let (in_thread, counter) = (Arc::clone(&local), tally.clone());
        let (sender, receiver) = mpsc::channel();
        let (slot, took_over) = thread::spawn(move || {
            let (late, late_counter) = (Arc::clone(&in_thread), counter.clone());
            at_destruction(move || {
                late.set(late_counter.value());
                sender.send(tk_core::current_slot()).unwrap();
            });

            assert!(!in_thread.is_set());
            let dropped = counter.dropped();
            in_thread.set(counter.value());
            let took_over = counter.dropped() - dropped;
            assert!(in_thread.with_borrow(|_| ()).is_ok());
            (tk_core::current_slot(), took_over)
        })
        .join()
        .unwrap();

        assert_eq!(took_over, usize::from(left.remove(&slot)));
        left.insert(receiver.recv().unwrap());
        assert_eq!(tally.made() - tally.dropped(), left.len());
        reused += usize::from(!slots.insert(slot));
    }
    drop(local);
    assert_eq!(tally.made(), tally.dropped());
}

#[test]
fn late_values_race_the_drop_of_the_local() {
    for _ in 0..300 {
        let (tally, local) = (Tally::default(), Arc::new(Local::new()));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let (in_thread, counter) = (Arc::clone(&local), tally.clone());
                thread::spawn(move || {
                    let (late, late_counter) = (Arc::clone(&in_thread), counter.clone());
                    at_destruction(move || late.set(late_counter.value()));
                    in_thread.set(counter.value());
                })
            })
            .collect();
        drop(local);
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!((tally.made(), tally.dropped()), (4, 4));
    }
}

#[test]
fn a_function_at_thread_exit_may_use_a_local() {
    for local_first in [false, true] {
        let (tally, local) = (Tally::default(), Arc::new(Local::new()));
        let (in_thread, counter) = (Arc::clone(&local), tally.clone());
        thread::spawn(move || {
            let (at_exit, exit_counter) = (Arc::clone(&in_thread), counter.clone());
            if local_first {
                in_thread.set(counter.value());
            }
            let set = tk_core::at_thread_exit(Box::new(move || use_it(&at_exit, &exit_counter)));
            assert!(set.is_ok());
            in_thread.set(counter.value());
        })
        .join()
        .unwrap();
        assert_eq!(tally.made(), if local_first { 5 } else { 4 });
        assert_eq!(tally.dropped_by_maker(), tally.made());
    }
}

/// Run by the next test in a process of its own.
#[test]
fn ends_the_process() {
    if std::env::var_os("TK_LOCAL_CHILD").is_none() {
        return;
    }
    static LOCAL: Local<Vec<u32>> = Local::new();
    LOCAL.set(vec![1]);
    let _ = LOCAL.with_borrow_mut(|list| {
        let inner = Local::with_init(|| std::process::exit(list.len() as i32 + 6));
        inner.with_borrow(|never: &u32| *never)
    });
}

/// On some systems that runs the thread-local destructors, in the middle of a borrow.
#[test]
fn a_program_may_end_in_a_borrow_and_in_an_initializer() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "destructors::ends_the_process",
            "--test-threads=1",
        ])
        .env("TK_LOCAL_CHILD", "1")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(7), "{output:?}");
}
