//! What CPython's `test_threading_local.py` asserts.

use std::sync::{Arc, Barrier, mpsc};
use std::thread;

use tk_local::{Local, Unset};

use crate::tally::{Counted, Tally};

/// `test_local_refs`.
#[test]
fn values_of_dead_threads_are_freed() {
    for n in [20, 50, 100] {
        let local = Arc::new(Local::new());
        let tally = Tally::default();
        for _ in 0..n {
            let (local, tally) = (Arc::clone(&local), tally.clone());
            thread::spawn(move || local.set(tally.value()))
                .join()
                .unwrap();
        }
        assert_eq!(tally.made(), n);
        assert_eq!(tally.dropped(), n);
        assert_eq!(tally.dropped_by_maker(), n);
    }
}

/// `test_local_refs` again, with threads that live at the same time.
#[test]
fn values_of_threads_that_die_together_are_freed() {
    for n in [20, 50, 100] {
        let local = Local::new();
        let tally = Tally::default();
        let all_set = Barrier::new(n);
        let threads: Vec<_> = thread::scope(|s| {
            let spawn = |_| {
                s.spawn(|| {
                    local.set(tally.value());
                    all_set.wait();
                })
            };
            let threads: Vec<_> = (0..n).map(spawn).collect();
            threads.into_iter().map(|t| t.join()).collect()
        });
        assert!(threads.iter().all(Result::is_ok));
        assert_eq!(tally.dropped(), n);
        assert_eq!(tally.dropped_by_maker(), n);
    }
}

/// `test_derived`. Where Python's initialisers sleep, these wait for each other: all ten run at once.
#[test]
fn slow_initialisers_do_not_mix_up_their_values() {
    const THREADS: usize = 10;
    let barrier = Arc::new(Barrier::new(THREADS));
    let in_init = Arc::clone(&barrier);
    let local = Local::with_init(move || {
        in_init.wait();
        String::new()
    });
    thread::scope(|s| {
        for i in 0..THREADS {
            let (local, barrier) = (&local, &barrier);
            s.spawn(move || {
                local
                    .with_borrow_mut(|x| x.push_str(&i.to_string()))
                    .unwrap();
                barrier.wait();
                assert_eq!(local.get(), Some(i.to_string()));
            });
        }
    });
}

/// `test_derived_cycle_dealloc`.
#[test]
fn a_local_at_a_recycled_address_starts_empty() {
    let mut local = Local::new();
    for i in 0..100 {
        assert_eq!(local.get(), None);
        local.set(i);
        // At the same address.
        local = Local::new();
    }
}

/// `test_threading_local`.
#[test]
fn another_thread_sees_nothing() {
    let local = Local::new();
    local.set("mine");
    thread::scope(|s| {
        s.spawn(|| {
            assert!(!local.is_set());
            assert_eq!(local.with_borrow(|_| ()), Err(Unset));
            local.set("yours");
            assert_eq!(local.get(), Some("yours"));
        });
    });
    assert_eq!(local.get(), Some("mine"));
}

/// `test_threading_local_subclass`: each thread runs the initialiser with the same arguments.
#[test]
fn each_thread_starts_with_the_same() {
    let start = vec![1, 2];
    let local = Local::with_init(move || start.clone());
    local.with_borrow_mut(|list| list.push(3)).unwrap();
    thread::scope(|s| {
        s.spawn(|| assert_eq!(local.get(), Some(vec![1, 2])));
    });
    assert_eq!(local.get(), Some(vec![1, 2, 3]));
}

/// `test_threading_local_clear_race`.
#[test]
fn a_foreign_thread_that_ends_races_locals_that_come_and_go() {
    let tally = Tally::default();
    let (sender, receiver) = mpsc::sync_channel::<Arc<Local<Counted>>>(0);
    let counter = tally.clone();
    let foreign = thread::spawn(move || {
        for local in receiver {
            // Ends while the others drop the local; this thread may be the last to have it.
            let counter = counter.clone();
            thread::spawn(move || local.set(counter.value()))
                .join()
                .unwrap();
        }
    });
    for _ in 0..1000 {
        let local = Arc::new(Local::new());
        local.set(tally.value());
        sender.send(Arc::clone(&local)).unwrap();
        assert!(local.is_set());
    }
    drop(sender);
    foreign.join().unwrap();
    assert_eq!((tally.made(), tally.dropped()), (2000, 2000));
}
