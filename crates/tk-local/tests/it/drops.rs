//! Each value is dropped once, by whom it should be, whatever else happens.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex, Weak};
use std::thread;

use tk_local::Local;

use crate::tally::{Counted, Tally};

#[test]
fn the_local_drops_the_values_of_all_living_threads() {
    const THREADS: usize = 8;
    let tally = Tally::default();
    let local = Arc::new(Local::new());
    let (set, gone) = (Barrier::new(THREADS + 1), Barrier::new(THREADS + 1));
    thread::scope(|s| {
        for _ in 0..THREADS {
            let local = Arc::clone(&local);
            s.spawn(|| {
                local.set(tally.value());
                drop(local);
                set.wait();
                gone.wait();
            });
        }
        set.wait();
        assert_eq!(tally.dropped(), 0);
        drop(local);
        assert_eq!(tally.dropped(), THREADS);
        assert_eq!(tally.dropped_by_maker(), 0);
        gone.wait();
    });
    assert_eq!(tally.dropped(), THREADS);
}

#[test]
fn set_clear_and_replace_drop_the_old_value() {
    let tally = Tally::default();
    let local = Local::new();
    local.set(tally.value());
    local.set(tally.value());
    assert_eq!(tally.dropped(), 1);
    let old = local.replace(tally.value());
    assert_eq!(tally.dropped(), 1);
    drop(old);
    local.clear();
    assert_eq!(tally.dropped(), 3);
    drop(local);
    assert_eq!(tally.dropped(), tally.made());
}

#[test]
fn ending_threads_race_the_drop_of_the_local() {
    const THREADS: usize = 3;
    for _ in 0..500 {
        let tally = Tally::default();
        let local = Arc::new(Local::new());
        let other = Local::new();
        let start = Barrier::new(THREADS + 1);
        thread::scope(|s| {
            let threads: Vec<_> = (0..THREADS)
                .map(|_| {
                    let local = Arc::clone(&local);
                    s.spawn(|| {
                        local.set(tally.value());
                        other.set(tally.value());
                        drop(local);
                        start.wait();
                    })
                })
                .collect();
            start.wait();
            drop(local);
            for thread in threads {
                thread.join().unwrap();
            }
        });
        assert_eq!(tally.made(), 2 * THREADS);
        assert_eq!(tally.dropped(), 2 * THREADS);
    }
}

#[test]
fn whichever_thread_has_it_last_may_drop_the_local() {
    const THREADS: usize = 4;
    for _ in 0..200 {
        let tally = Tally::default();
        let local = Arc::new(Local::new());
        let start = Arc::new(Barrier::new(THREADS));
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                let (local, tally, start) = (Arc::clone(&local), tally.clone(), Arc::clone(&start));
                thread::spawn(move || {
                    local.set(tally.value());
                    start.wait();
                })
            })
            .collect();
        drop(local);
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(tally.dropped(), THREADS);
    }
}

/// A value that has the `Local` it is in.
struct Loop {
    _local: Arc<Local<Loop>>,
    _counted: Counted,
}

#[test]
fn a_value_may_be_the_last_to_have_its_local() {
    let tally = Tally::default();
    for _ in 0..100 {
        let tally = tally.clone();
        thread::spawn(move || {
            let local = Arc::new(Local::new());
            local.set(Loop {
                _local: Arc::clone(&local),
                _counted: tally.value(),
            });
        })
        .join()
        .unwrap();
    }
    assert_eq!(tally.dropped(), 100);
}

#[test]
fn a_local_in_a_value_of_a_local_is_fine() {
    let tally = Tally::default();
    let outer = Local::with_init(|| {
        let inner = Local::new();
        inner.set(tally.value());
        inner
    });
    thread::scope(|s| {
        let spawn = |_| s.spawn(|| outer.with_borrow(|inner| assert!(inner.is_set())));
        let threads: Vec<_> = (0..4).map(spawn).collect();
        for thread in threads {
            thread.join().unwrap().unwrap();
        }
    });
    assert!(outer.with_borrow(Local::is_set).unwrap());
    outer.clear();
    assert_eq!((tally.made(), tally.dropped()), (5, 5));
}

/// Calls a function when it is dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

type Boxed = OnDrop<Box<dyn FnMut() + Send>>;

fn on_drop(f: impl FnMut() + Send + 'static) -> Boxed {
    OnDrop(Box::new(f))
}

#[test]
fn a_value_may_use_its_local_when_it_is_dropped() {
    static LOCAL: Local<Boxed> = Local::new();
    static DROPPED: AtomicUsize = AtomicUsize::new(0);

    fn relay(left: usize) -> Boxed {
        on_drop(move || {
            DROPPED.fetch_add(1, SeqCst);
            if left > 0 {
                assert!(LOCAL.try_set(relay(left - 1)).is_ok());
            }
        })
    }

    // When it is replaced and cleared: each drop finds the place ready.
    LOCAL.set(relay(0));
    LOCAL.set(relay(2));
    LOCAL.clear();
    assert!(LOCAL.is_set());
    drop(LOCAL.take());
    drop(LOCAL.take());
    assert!(!LOCAL.is_set());
    assert_eq!(DROPPED.swap(0, SeqCst), 4);

    // When the thread ends: what is set then is dropped then.
    thread::spawn(|| LOCAL.set(relay(5))).join().unwrap();
    assert_eq!(DROPPED.load(SeqCst), 6);
}

#[test]
fn a_value_dropped_with_its_local_cannot_reach_it() {
    let local = Arc::new(Local::new());
    let weak: Weak<Local<Boxed>> = Arc::downgrade(&local);
    let seen = Arc::new(Mutex::new(None));
    let reports = Arc::clone(&seen);
    local.set(on_drop(move || {
        *reports.lock().unwrap() = Some(weak.upgrade().is_none());
    }));
    drop(local);
    assert_eq!(*seen.lock().unwrap(), Some(true));
}

#[test]
fn a_thread_drops_its_latest_value_first() {
    let order = Arc::new(Mutex::new(Vec::new()));
    let locals: Vec<Local<Boxed>> = (0..5).map(|_| Local::new()).collect();
    thread::scope(|s| {
        s.spawn(|| {
            for (i, local) in locals.iter().enumerate() {
                let order = Arc::clone(&order);
                local.set(on_drop(move || order.lock().unwrap().push(i)));
            }
        })
        .join()
        .unwrap();
    });
    assert_eq!(*order.lock().unwrap(), [4, 3, 2, 1, 0]);
}

#[test]
fn a_value_that_panics_at_the_end_of_its_thread_is_the_only_one_lost() {
    let tally = Tally::default();
    let bad = Local::<Boxed>::new();
    let good = [Local::new(), Local::new()];
    for _ in 0..3 {
        thread::scope(|s| {
            let thread = s.spawn(|| {
                good[0].set(tally.value());
                bad.set(on_drop(|| panic!("a value panics when it is dropped")));
                good[1].set(tally.value());
                tk_core::current()
            });
            let record = thread.join().unwrap();
            assert!(!record.is_alive());
        });
    }
    assert_eq!(tally.dropped(), 6);
    bad.set(on_drop(|| ()));
    assert!(bad.is_set());
}

#[test]
fn a_value_that_panics_when_it_is_replaced_is_replaced() {
    let local = Local::<Boxed>::new();
    local.set(on_drop(|| panic!("replaced")));
    let result = catch_unwind(AssertUnwindSafe(|| {
        local.set(on_drop(|| panic!("cleared")))
    }));
    assert!(result.is_err());
    assert!(local.is_set());
    assert!(catch_unwind(AssertUnwindSafe(|| local.clear())).is_err());
    assert!(!local.is_set());
    local.set(on_drop(|| ()));
}

#[test]
fn a_local_whose_values_panic_drops_them_all_and_panics_once() {
    const THREADS: usize = 4;
    let dropped = Arc::new(AtomicUsize::new(0));
    let local = Arc::new(Local::<Boxed>::new());
    let (set, gone) = (Barrier::new(THREADS + 1), Barrier::new(THREADS + 1));
    thread::scope(|s| {
        for _ in 0..THREADS {
            let local = Arc::clone(&local);
            s.spawn(|| {
                let dropped = Arc::clone(&dropped);
                local.set(on_drop(move || {
                    dropped.fetch_add(1, SeqCst);
                    panic!("one of many");
                }));
                drop(local);
                set.wait();
                gone.wait();
            });
        }
        set.wait();
        let result = catch_unwind(AssertUnwindSafe(|| drop(local)));
        gone.wait();
        let payload = result.unwrap_err();
        assert_eq!(payload.downcast_ref(), Some(&"one of many"));
    });
    assert_eq!(dropped.load(SeqCst), THREADS);
}

#[test]
fn a_local_dropped_by_a_panic_adds_none() {
    let result = catch_unwind(|| {
        let local = Local::<Boxed>::new();
        local.set(on_drop(|| panic!("second")));
        panic!("first");
    });
    assert_eq!(result.unwrap_err().downcast_ref(), Some(&"first"));
}
