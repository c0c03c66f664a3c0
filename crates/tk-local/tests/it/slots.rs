//! Threads come and go, and slots are used again.

use std::collections::HashSet;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;

use tk_core::Slot;
use tk_local::Local;

use crate::tally::Tally;

#[test]
fn a_thread_in_a_reused_slot_never_sees_an_old_value() {
    let tally = Tally::default();
    let local = Local::new();
    let (mut slots, mut reused) = (HashSet::new(), 0);
    while reused < 100 {
        let slot = thread::scope(|s| {
            s.spawn(|| {
                assert!(!local.is_set());
                assert!(local.with_borrow(|_| ()).is_err());
                assert!(local.take().is_none());
                assert!(local.replace(tally.value()).is_none());
                tk_core::current_slot()
            })
            .join()
            .unwrap()
        });
        reused += usize::from(!slots.insert(slot));
        assert_eq!(tally.dropped(), tally.made());
    }
}

#[test]
fn threads_that_come_and_go_at_once_never_see_each_other() {
    static LOCAL: Local<usize> = Local::new();
    static NUMBER: AtomicUsize = AtomicUsize::new(1);
    thread::scope(|s| {
        for _ in 0..4 {
            s.spawn(|| {
                for _ in 0..150 {
                    thread::spawn(|| {
                        let number = NUMBER.fetch_add(1, SeqCst);
                        assert_eq!(LOCAL.replace(number), None);
                        thread::yield_now();
                        assert_eq!(LOCAL.get(), Some(number));
                    })
                    .join()
                    .unwrap();
                }
            });
        }
    });
}

#[test]
fn ten_thousand_locals_in_a_thread() {
    let tally = Tally::default();
    let locals: Vec<_> = (0..10_000).map(|_| Local::new()).collect();
    thread::scope(|s| {
        s.spawn(|| {
            for (i, local) in locals.iter().enumerate() {
                local.set((i, tally.value()));
            }
            for (i, local) in locals.iter().enumerate() {
                assert_eq!(local.with_borrow(|(n, _)| *n), Ok(i));
            }
        })
        .join()
        .unwrap();
    });
    assert_eq!(tally.dropped_by_maker(), 10_000);
    assert!(locals.iter().all(|local| !local.is_set()));
}

#[test]
fn five_hundred_threads_at_once() {
    const THREADS: usize = 500;
    let tally = Tally::default();
    let local = Local::with_init(|| (tk_core::current().id(), tally.value()));
    let all = Barrier::new(THREADS);
    let mine = || local.with_borrow(|(id, _)| *id == tk_core::current().id());
    let run = || {
        assert_eq!(mine(), Ok(true));
        all.wait();
        assert_eq!(mine(), Ok(true));
        tk_core::current_slot()
    };
    let slots: HashSet<Slot> = thread::scope(|s| {
        let small = || thread::Builder::new().stack_size(128 * 1024);
        let spawn = |_| small().spawn_scoped(s, run).unwrap();
        let threads: Vec<_> = (0..THREADS).map(spawn).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert_eq!(slots.len(), THREADS);
    assert_eq!((tally.made(), tally.dropped_by_maker()), (THREADS, THREADS));
}

/// A thread that becomes another one in the middle of a borrow.
#[test]
fn a_value_outlives_its_threads_record_as_long_as_it_is_borrowed() {
    let tally = Tally::default();
    let local = Local::new();
    thread::scope(|s| {
        s.spawn(|| {
            local.set(tally.value());
            local
                .with_borrow_mut(|_| {
                    let earlier = tk_core::current();
                    tk_core::Registration::new("another", false).begin();
                    assert!(!earlier.is_alive());
                    assert_eq!(tally.dropped(), 0);
                    assert!(!local.is_set());
                    local.set(tally.value());
                    assert!(local.is_set());
                })
                .unwrap();
            assert!(local.is_set());
        })
        .join()
        .unwrap();
    });
    // The second was dropped with the thread, the first waits for the next thread there, or for
    // this:
    assert_eq!(tally.dropped(), 1);
    drop(local);
    assert_eq!((tally.made(), tally.dropped()), (2, 2));
}

/// A thread that becomes another one in the middle of an initializer.
#[test]
fn an_initializer_may_make_its_thread_another_one() {
    let tally = Tally::default();
    let local = Local::with_init(|| {
        let value = tally.value();
        if tally.made() == 1 {
            tk_core::current();
            tk_core::Registration::new("another", false).begin();
        }
        value
    });
    thread::scope(|s| {
        s.spawn(|| {
            assert!(local.with_borrow(|_| ()).is_ok());
            assert!(!local.is_set());
            assert!(local.with_borrow_mut(|_| ()).is_ok());
        })
        .join()
        .unwrap();
    });
    drop(local);
    assert_eq!((tally.made(), tally.dropped()), (2, 2));
}
