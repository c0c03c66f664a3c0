//! The values of all threads.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;

use tk_local::{AccessError, Local, SharedLocal, Unset};

use crate::tally::{Counted, Tally};

/// Threads that have set a value and let go of the `Local`, and end when they are told.
struct Parked {
    threads: Vec<(mpsc::Sender<()>, thread::JoinHandle<()>)>,
}

impl Parked {
    fn with<T: Send + 'static>(local: &Arc<Local<T>>, values: Vec<T>) -> Parked {
        let threads = values.into_iter().map(|value| {
            let local = Arc::clone(local);
            let (set, is_set) = mpsc::channel();
            let (end, ends) = mpsc::channel();
            let thread = thread::spawn(move || {
                local.set(value);
                drop(local);
                set.send(()).unwrap();
                let _ = ends.recv();
            });
            is_set.recv().unwrap();
            (end, thread)
        });
        Parked {
            threads: threads.collect(),
        }
    }

    /// Ends the oldest one.
    fn end_one(&mut self) {
        let (end, thread) = self.threads.remove(0);
        drop(end);
        thread.join().unwrap();
    }

    fn end(mut self) {
        while !self.threads.is_empty() {
            self.end_one();
        }
    }
}

/// The `Local` itself, when its threads have let go of it.
fn alone<T>(local: &mut Arc<Local<T>>) -> &mut Local<T> {
    while Arc::get_mut(local).is_none() {
        thread::yield_now();
    }
    Arc::get_mut(local).unwrap()
}

fn tallied(tally: &Tally, n: usize) -> Vec<Counted> {
    (0..n).map(|_| tally.value()).collect()
}

#[test]
fn iter_mut_reaches_the_values_of_all_living_threads() {
    let mut local = Arc::new(Local::new());
    local.set(1);
    let threads = Parked::with(&local, vec![2, 3, 4]);
    let mut seen = Vec::new();
    for mut value in alone(&mut local) {
        seen.push(*value);
        *value *= 10;
    }
    seen.sort();
    assert_eq!(seen, [1, 2, 3, 4]);
    assert_eq!(local.get(), Some(10));
    let mut after: Vec<i32> = alone(&mut local).iter_mut().map(|value| *value).collect();
    after.sort();
    assert_eq!(after, [10, 20, 30, 40]);
    threads.end();
    assert_eq!(alone(&mut local).iter_mut().count(), 1);
}

#[test]
fn many_values_can_be_borrowed_at_a_time() {
    let mut local = Arc::new(Local::new());
    local.set(1);
    let threads = Parked::with(&local, vec![2]);
    assert_eq!(alone(&mut local).iter_mut().size_hint(), (0, Some(2)));
    let mut values: Vec<_> = alone(&mut local).iter_mut().collect();
    assert_eq!(values.len(), 2);
    let (first, second) = values.split_at_mut(1);
    std::mem::swap(&mut *first[0], &mut *second[0]);
    drop(values);
    assert_eq!(local.get(), Some(2));
    threads.end();
}

#[test]
fn a_value_whose_thread_ends_while_it_is_visited_is_dropped_after_the_visit() {
    let tally = Tally::default();
    let mut local = Arc::new(Local::new());
    let mut threads = Parked::with(&local, tallied(&tally, 3));
    let mut visits = alone(&mut local).iter_mut();
    let visit = visits.next();
    assert!(visit.is_some());
    threads.end_one();
    threads.end_one();
    threads.end_one();
    // Two values that were not reached are gone with their threads.
    assert_eq!((tally.dropped(), tally.dropped_by_maker()), (2, 0));
    assert_eq!(visits.count(), 0);
    drop(visit);
    assert_eq!(tally.dropped(), 3);
    assert!(!local.is_set());
    drop(local);
    assert_eq!(tally.dropped(), 3);
}

#[test]
fn a_forgotten_visit_leaves_the_value_borrowed_and_is_forgiven() {
    let tally = Tally::default();
    let mut local = Local::new();
    local.set(tally.value());
    std::mem::forget(local.iter_mut().next());
    assert_eq!(local.try_with_borrow(|_| ()), Err(AccessError::BorrowedMut));
    assert_eq!(local.iter_mut().count(), 0);
    drop(local);
    assert_eq!(tally.dropped(), 1);

    // Also if the thread ends before the `Local`.
    let mut local = Arc::new(Local::new());
    let threads = Parked::with(&local, tallied(&tally, 1));
    alone(&mut local).iter_mut().for_each(std::mem::forget);
    threads.end();
    assert_eq!(tally.dropped(), 1);
    assert_eq!(Arc::into_inner(local).unwrap().into_iter().count(), 1);
    assert_eq!(tally.dropped(), 2);
}

#[test]
fn into_iter_gives_all_values_and_drops_what_is_not_taken() {
    let tally = Tally::default();
    let mut local = Arc::new(Local::new());
    local.set(tally.value());
    let threads = Parked::with(&local, tallied(&tally, 3));
    alone(&mut local);
    let mut values = Arc::into_inner(local).unwrap().into_iter();
    assert_eq!(values.len(), 4);
    let first = values.next();
    threads.end();
    assert_eq!(tally.dropped(), 0);
    drop(values);
    assert_eq!(tally.dropped(), 3);
    drop(first);
    assert_eq!(tally.dropped(), 4);
}

#[test]
fn threads_that_end_race_the_iterators() {
    for round in 0..200 {
        let tally = Tally::default();
        let mut local = Arc::new(Local::new());
        let threads = Parked::with(&local, tallied(&tally, 3));
        alone(&mut local);
        let ends: Vec<_> = threads
            .threads
            .into_iter()
            .map(|(end, thread)| {
                drop(end);
                thread
            })
            .collect();
        if round % 2 == 0 {
            for value in alone(&mut local).iter_mut() {
                assert!(!value.is_dropped());
            }
            for thread in ends {
                thread.join().unwrap();
            }
            assert_eq!(tally.dropped(), 3);
        } else {
            for value in Arc::into_inner(local).unwrap() {
                assert!(!value.is_dropped());
            }
            for thread in ends {
                thread.join().unwrap();
            }
            assert_eq!(tally.dropped(), 3);
        }
    }
}

#[test]
fn a_shared_local_shows_the_values_of_all_living_threads() {
    let local = SharedLocal::new();
    let (set, seen) = (Barrier::new(4), Barrier::new(4));
    thread::scope(|s| {
        let threads: Vec<_> = (1..4)
            .map(|n| {
                let (local, set, seen) = (&local, &set, &seen);
                s.spawn(move || {
                    local.set(n);
                    set.wait();
                    seen.wait();
                })
            })
            .collect();
        set.wait();
        assert_eq!(local.iter().size_hint(), (3, Some(3)));
        let mut values: Vec<i32> = local.iter().map(|n| *n).collect();
        values.sort();
        assert_eq!(values, [1, 2, 3]);
        let mut sum = 0;
        local.for_each(|n| sum += n);
        assert_eq!(sum, 6);
        assert!(!local.is_set());
        seen.wait();
        for thread in threads {
            thread.join().unwrap();
        }
    });
    assert_eq!(local.iter().count(), 0);
}

#[test]
fn a_shared_value_is_dropped_by_its_thread_or_by_who_has_it_longest() {
    let tally = Tally::default();
    let local = Arc::new(SharedLocal::new());
    for kept in [false, true] {
        let (seen, end) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
        let thread = thread::spawn({
            let (local, tally) = (Arc::clone(&local), tally.clone());
            let (seen, end) = (Arc::clone(&seen), Arc::clone(&end));
            move || {
                local.set(tally.value());
                seen.wait();
                end.wait();
            }
        });
        seen.wait();
        let value = local.iter().next().unwrap();
        let value = kept.then_some(value);
        end.wait();
        thread.join().unwrap();
        assert_eq!(local.iter().count(), 0);
        assert_eq!(tally.made() - tally.dropped(), usize::from(kept));
        assert_eq!(tally.dropped_by_maker(), 1);
        drop(value);
        assert_eq!(tally.dropped(), tally.made());
    }
}

#[test]
fn threads_that_come_and_go_race_those_who_look() {
    let tally = Tally::default();
    let local = SharedLocal::with_init(|| tally.value());
    let left = AtomicUsize::new(3);
    thread::scope(|s| {
        for _ in 0..3 {
            s.spawn(|| {
                for _ in 0..50 {
                    thread::scope(|s| {
                        let user = s.spawn(|| {
                            local.with(|value| assert!(!value.is_dropped())).unwrap();
                            local.set(tally.value());
                            assert!(local.take().is_some());
                            assert!(local.get().is_some());
                        });
                        user.join().unwrap();
                    });
                }
                left.fetch_sub(1, SeqCst);
            });
        }
        while left.load(SeqCst) > 0 {
            for value in &local {
                assert!(!value.is_dropped());
            }
            thread::yield_now();
        }
    });
    assert_eq!((tally.made(), tally.dropped()), (450, 450));
}

#[test]
fn a_shared_local_says_what_cannot_be() {
    static LOCAL: SharedLocal<u32> = SharedLocal::with_init(|| {
        assert_eq!(LOCAL.try_with(|n| *n), Err(AccessError::Initializing));
        assert_eq!(
            LOCAL.try_set(2).unwrap_err().reason(),
            AccessError::Initializing
        );
        assert_eq!(LOCAL.iter().count(), 0);
        1
    });
    assert_eq!(LOCAL.with(|n| *n), Ok(1));
    let inside = LOCAL.with(|_| LOCAL.try_set(2).unwrap_err().reason());
    assert_eq!(inside, Ok(AccessError::Borrowed));
    assert_eq!(LOCAL.with(|n| LOCAL.with(|m| n + m)), Ok(Ok(2)));
    // A value that could not be set is not seen.
    assert_eq!(LOCAL.iter().map(|n| *n).collect::<Vec<_>>(), [1]);

    let unset = SharedLocal::<u32>::new();
    assert_eq!(unset.with(|n| *n), Err(Unset));
    assert!(unset.get().is_none() && unset.take().is_none());
}

#[test]
fn a_panic_in_a_shared_initializer_leaves_nothing_behind() {
    let runs = AtomicUsize::new(0);
    let local = SharedLocal::with_init(|| match runs.fetch_add(1, SeqCst) {
        0 => panic!("not yet"),
        n => n,
    });
    let first = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| local.get()));
    assert!(first.is_err() && !local.is_set());
    assert_eq!(local.iter().count(), 0);
    assert_eq!(local.with(|n| *n), Ok(1));
}

#[test]
fn a_shared_value_that_panics_when_it_is_dropped_is_gone() {
    struct Bad;
    impl Drop for Bad {
        fn drop(&mut self) {
            panic!("a shared value panics when it is dropped");
        }
    }
    let local = Arc::new(SharedLocal::new());
    let in_thread = Arc::clone(&local);
    thread::spawn(move || in_thread.set(Bad)).join().unwrap();
    assert_eq!(local.iter().count(), 0);
    local.set(Bad);
    let taken = local.take().unwrap();
    let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(taken)));
    assert!(dropped.is_err() && !local.is_set());
}
