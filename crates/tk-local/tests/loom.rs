//! Models of a thread's end, against the drop of the `Local` and all else that may come at that
//! time.
#![cfg(tk_loom)]

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use loom::sync::Arc;
use loom::sync::atomic::AtomicBool;
use loom::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use loom::thread;
use tk_local::Local;
use tk_local::model::{begin_thread, end_thread};
use tk_testing::explore;

/// A value whose end is counted.
struct Counted(Tally);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0[1].fetch_add(1, SeqCst);
    }
}

/// How many values have been made, and how many dropped. loom does not see it: it orders nothing.
#[derive(Clone, Default)]
struct Tally(std::sync::Arc<[AtomicUsize; 2]>);

impl Tally {
    fn value(&self) -> Counted {
        self.0[0].fetch_add(1, SeqCst);
        Counted(self.clone())
    }

    fn made(&self) -> usize {
        self.0[0].load(SeqCst)
    }

    fn dropped(&self) -> usize {
        self.0[1].load(SeqCst)
    }
}

/// A value whose drop sets another one in the same `Local`, `left` times in a row, and then
/// releases the `Local`.
struct Again {
    left: usize,
    local: Option<Arc<Local<Again>>>,
    _counted: Counted,
}

impl Again {
    fn new(left: usize, local: &Arc<Local<Again>>, tally: &Tally) -> Again {
        Again {
            left,
            local: (left > 0).then(|| local.clone()),
            _counted: tally.value(),
        }
    }
}

impl Drop for Again {
    fn drop(&mut self) {
        if let Some(local) = self.local.take() {
            local.set(Again::new(self.left - 1, &local, &self._counted.0));
        }
    }
}

/// A thread of the model that sets a value, lets go of the `Local`, and ends.
fn setter(number: u32, local: &Arc<Local<Counted>>, tally: &Tally) -> thread::JoinHandle<()> {
    let (local, tally) = (local.clone(), tally.clone());
    thread::spawn(move || {
        begin_thread(number, number.into());
        local.set(tally.value());
        drop(local);
        end_thread();
    })
}

#[test]
fn a_thread_that_ends_against_the_drop_of_the_local() {
    explore("local: end against drop", None, || {
        let (tally, local) = (Tally::default(), Arc::new(Local::new()));
        let other = setter(1, &local, &tally);
        drop(local);
        other.join().unwrap();
        assert_eq!(tally.dropped(), 1);
    });
}

#[test]
fn two_threads_that_end_against_the_drop_of_the_local() {
    explore("local: two ends against drop", Some(3), || {
        let (tally, local) = (Tally::default(), Arc::new(Local::new()));
        let others = [1, 2].map(|number| setter(number, &local, &tally));
        drop(local);
        for other in others {
            other.join().unwrap();
        }
        assert_eq!(tally.dropped(), 2);
    });
}

#[test]
fn a_thread_that_forgets_locals_that_are_gone_against_their_drop() {
    explore("local: sweep against drop", None, || {
        let (tally, local) = (Tally::default(), Arc::new(Local::new()));
        let other = thread::spawn({
            let (local, tally) = (local.clone(), tally.clone());
            move || {
                begin_thread(1, 1);
                local.set(tally.value());
                drop(local);
                tk_local::model::sweep();
                end_thread();
            }
        });
        drop(local);
        other.join().unwrap();
        assert_eq!(tally.dropped(), 1);
    });
}

#[test]
fn a_thread_that_ends_while_its_value_is_visited() {
    explore("local: end against iter_mut", None, || {
        let (tally, mut local) = (Tally::default(), Arc::new(Local::new()));
        let other = setter(1, &local, &tally);
        if let Some(local) = Arc::get_mut(&mut local) {
            for value in local.iter_mut() {
                assert_eq!(value.0.dropped(), 0);
            }
        }
        other.join().unwrap();
        // No thread has it any more: it was dropped before the `Local`.
        assert_eq!(tally.dropped(), 1);
        drop(local);
        assert_eq!(tally.dropped(), 1);
    });
}

#[test]
fn a_thread_that_ends_while_the_values_are_taken_out() {
    explore("local: end against into_iter", None, || {
        let (tally, local) = (Tally::default(), Arc::new(Local::new()));
        let other = setter(1, &local, &tally);
        if let Ok(local) = Arc::try_unwrap(local) {
            for value in local {
                assert_eq!(value.0.dropped(), 0);
            }
        }
        other.join().unwrap();
        assert_eq!(tally.dropped(), 1);
    });
}

/// Two things order the next thread in a slot after the one before. That one has left the registry,
/// under its lock, and is gone, as the system says. Its last destructors, which ran in between, are
/// not ordered by the lock.
fn next_thread_after(name: &str, late: fn(&Local<Counted>, &Tally)) {
    explore(name, None, move || {
        let (tally, local) = (Tally::default(), Arc::new(Local::new()));
        let (retired, gone) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicBool::new(false)),
        );
        let first = thread::spawn({
            let (local, tally) = (local.clone(), tally.clone());
            let (retired, gone) = (retired.clone(), gone.clone());
            move || {
                begin_thread(1, 1);
                local.set(tally.value());
                end_thread();
                retired.store(true, Release);
                late(&local, &tally);
                gone.store(true, Relaxed);
            }
        });
        if retired.load(Acquire) && gone.load(Relaxed) {
            begin_thread(1, 2);
            assert!(!local.is_set());
            local.set(tally.value());
            assert_eq!(tally.dropped(), tally.made() - 1);
            end_thread();
            assert_eq!(tally.dropped(), tally.made());
        }
        first.join().unwrap();
        drop(local);
        assert_eq!(tally.dropped(), tally.made());
    });
}

#[test]
fn the_next_thread_in_a_slot_drops_what_a_late_destructor_has_left() {
    next_thread_after("local: late value", |local, tally| local.set(tally.value()));
}

#[test]
fn the_next_thread_in_a_slot_comes_after_a_late_borrow() {
    next_thread_after("local: late borrow", |local, tally| {
        local.set(tally.value());
        local.with_borrow(|_| ()).unwrap();
    });
    next_thread_after("local: late mutable borrow", |local, tally| {
        local.set(tally.value());
        local.with_borrow_mut(|_| ()).unwrap();
    });
}

#[test]
fn the_next_thread_in_a_slot_comes_after_a_late_replacement() {
    next_thread_after("local: late replacement", |local, tally| {
        local.set(tally.value());
        local.set(tally.value());
    });
    next_thread_after("local: late take", |local, tally| {
        local.set(tally.value());
        local.clear();
    });
}

#[test]
fn a_late_value_against_the_drop_of_the_local() {
    explore("local: late value against drop", None, || {
        let (tally, local) = (Tally::default(), Arc::new(Local::new()));
        let other = thread::spawn({
            let (local, tally) = (local.clone(), tally.clone());
            move || {
                begin_thread(1, 1);
                local.set(tally.value());
                end_thread();
                local.set(tally.value());
                drop(local);
            }
        });
        drop(local);
        other.join().unwrap();
        assert_eq!(tally.dropped(), 2);
    });
}

/// A thread of the model that sets a value whose drop sets others, lets go of the `Local`, and
/// ends.
fn setter_again(left: usize, local: &Arc<Local<Again>>, tally: &Tally) -> thread::JoinHandle<()> {
    let (local, tally) = (local.clone(), tally.clone());
    thread::spawn(move || {
        begin_thread(1, 1);
        local.set(Again::new(left, &local, &tally));
        drop(local);
        end_thread();
    })
}

#[test]
fn a_drop_that_sets_again_against_the_drop_of_the_local() {
    // In a model, a thread drops two generations. The last value is leaked then, or dropped with
    // the `Local`.
    for left in [1, 2] {
        explore("local: drop that sets against drop", None, move || {
            let (tally, local) = (Tally::default(), Arc::new(Local::new()));
            let other = setter_again(left, &local, &tally);
            drop(local);
            other.join().unwrap();
            assert_eq!(tally.made(), left + 1);
            assert!((2..=left + 1).contains(&tally.dropped()));
        });
    }
}

#[test]
fn a_drop_that_sets_again_against_iter_mut() {
    for left in [1, 2] {
        explore("local: drop that sets against iter_mut", None, move || {
            let (tally, mut local) = (Tally::default(), Arc::new(Local::new()));
            let other = setter_again(left, &local, &tally);
            // From when the thread's last value lets go of it.
            if let Some(local) = Arc::get_mut(&mut local) {
                for value in local.iter_mut() {
                    assert_eq!(value._counted.0.dropped(), left);
                }
            }
            other.join().unwrap();
            // The last one of two is leaked, unless it was visited when its thread ended.
            assert_eq!(tally.made(), left + 1);
            assert!((2..=left + 1).contains(&tally.dropped()));
            drop(local);
        });
    }
}

#[test]
fn a_drop_that_sets_again_against_into_iter() {
    explore("local: drop that sets against into_iter", None, || {
        let (tally, local) = (Tally::default(), Arc::new(Local::new()));
        let other = setter_again(1, &local, &tally);
        if let Ok(local) = Arc::try_unwrap(local) {
            for value in local {
                assert_eq!(value._counted.0.dropped(), 1);
            }
        }
        other.join().unwrap();
        assert_eq!((tally.made(), tally.dropped()), (2, 2));
    });
}

#[test]
fn a_drop_that_sets_again_against_the_next_thread_in_the_slot() {
    for left in [1, 2] {
        let name = "local: drop that sets against next thread";
        explore(name, None, move || {
            let (tally, local) = (Tally::default(), Arc::new(Local::new()));
            let gone = Arc::new(AtomicBool::new(false));
            let first = thread::spawn({
                let (local, tally, gone) = (local.clone(), tally.clone(), gone.clone());
                move || {
                    begin_thread(1, 1);
                    local.set(Again::new(left, &local, &tally));
                    drop(local);
                    end_thread();
                    gone.store(true, Release);
                }
            });
            let mut first = Some(first);
            if !gone.load(Acquire) {
                first.take().unwrap().join().unwrap();
            }
            assert_eq!(tally.dropped(), 2);
            begin_thread(1, 2);
            assert!(!local.is_set());
            local.set(Again::new(1, &local, &tally));
            assert_eq!(tally.dropped(), 2);
            end_thread();
            assert_eq!((tally.made(), tally.dropped()), (left + 3, 4));
            if let Some(first) = first {
                first.join().unwrap();
            }
        });
    }
}

#[test]
fn a_drop_that_sets_again_against_a_sweep() {
    explore("local: drop that sets against sweep", None, || {
        let (tally, local) = (Tally::default(), Arc::new(Local::new()));
        let other = thread::spawn({
            let (local, tally) = (local.clone(), tally.clone());
            move || {
                begin_thread(1, 1);
                local.set(Again::new(1, &local, &tally));
                local.clear();
                drop(local);
                tk_local::model::sweep();
                end_thread();
            }
        });
        drop(local);
        other.join().unwrap();
        assert_eq!((tally.made(), tally.dropped()), (2, 2));
    });
}
