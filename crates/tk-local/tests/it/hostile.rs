//! User code that does its worst, in each place where there is any: when a value is dropped, made,
//! cloned, shown or looked at. It sets and makes values, panics, drops the `Local`, starts and ends
//! threads.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::*};
use std::sync::{Arc, Barrier, Mutex, MutexGuard, TryLockError, mpsc};
use std::thread;

use tk_core::{Registration, Slot, at_thread_exit, current_slot};
use tk_local::{AccessError, Local, SharedLocal};

use crate::tally::{Counted, Tally};

/// How many generations of values a thread drops when it ends.
const GENERATIONS: usize = 32;

/// A value that calls a function when it is dropped, and is counted.
struct Hostile {
    f: Option<Box<dyn FnOnce() + Send>>,
    _counted: Counted,
}

impl Drop for Hostile {
    fn drop(&mut self) {
        if let Some(f) = self.f.take() {
            f();
        }
    }
}

fn hostile(tally: &Tally, f: impl FnOnce() + Send + 'static) -> Hostile {
    Hostile {
        f: Some(Box::new(f)),
        _counted: tally.value(),
    }
}

/// A value whose drop sets the next one in the same `Local`, `left` times.
fn relay(tally: &Tally, left: usize, local: &'static Local<Hostile>) -> Hostile {
    let counter = tally.clone();
    hostile(tally, move || {
        if left > 0 {
            local.set(relay(&counter, left - 1, local));
        }
    })
}

fn leaked<T>() -> &'static Local<T> {
    Box::leak(Box::new(Local::new()))
}

/// Runs `f` in a thread of its own, and waits for its very end.
fn in_thread<R: Send>(f: impl FnOnce() -> R + Send) -> R {
    thread::scope(|s| s.spawn(f).join().unwrap())
}

/// Calls `f` in one thread after the other until some slot has had `uses` of them. Gives each its
/// turn in its slot.
fn in_reused_slot(uses: usize, f: impl Fn(usize) + Sync) {
    let mut turns: HashMap<Slot, usize> = HashMap::new();
    loop {
        let slot = in_thread(|| {
            let slot = current_slot();
            f(turns.get(&slot).copied().unwrap_or(0));
            slot
        });
        let turn = turns.entry(slot).or_default();
        *turn += 1;
        if *turn == uses {
            return;
        }
    }
}

#[test]
fn a_drop_at_the_end_of_a_thread_may_set_its_own_local() {
    let tally = Tally::default();
    let local = leaked();
    for left in [0, 1, 2, 3, 5, GENERATIONS - 1] {
        for _ in 0..20 {
            in_thread(|| local.set(relay(&tally, left, local)));
            assert_eq!(tally.dropped_by_maker(), tally.made());
        }
    }
}

#[test]
fn a_drop_at_the_end_of_a_thread_may_initialize_its_own_local() {
    static LOG: Local<Log> = Local::with_init(Log::default);
    static CLOSED: AtomicUsize = AtomicUsize::new(0);

    #[derive(Default)]
    struct Log(Vec<&'static str>);

    impl Drop for Log {
        fn drop(&mut self) {
            CLOSED.fetch_add(1, SeqCst);
            if self.0.len() > 1 {
                LOG.with_borrow_mut(|log| log.0.push("closed")).unwrap();
            }
        }
    }

    in_reused_slot(20, |_| {
        for line in ["one", "two"] {
            LOG.with_borrow_mut(|log| log.0.push(line)).unwrap();
        }
        assert_eq!(
            LOG.with_borrow(|log| log.0.clone()).unwrap(),
            ["one", "two"]
        );
        CLOSED.store(0, SeqCst);
    });
    assert_eq!(CLOSED.load(SeqCst), 2);
}

#[test]
fn a_drop_that_always_makes_another_value_does_not_keep_its_thread_from_ending() {
    static LOCAL: Local<Phoenix> = Local::with_init(Phoenix::new);
    static LIVING: AtomicUsize = AtomicUsize::new(0);
    static MADE: AtomicUsize = AtomicUsize::new(0);
    static LAST: Mutex<Option<AccessError>> = Mutex::new(None);

    struct Phoenix;

    impl Phoenix {
        fn new() -> Phoenix {
            LIVING.fetch_add(1, SeqCst);
            MADE.fetch_add(1, SeqCst);
            Phoenix
        }
    }

    impl Drop for Phoenix {
        fn drop(&mut self) {
            LIVING.fetch_sub(1, SeqCst);
            let result = LOCAL.try_with_borrow_mut(|_| ());
            *LAST.lock().unwrap() = result.err();
        }
    }

    in_reused_slot(3, |_| {
        assert_eq!(LIVING.load(SeqCst), 0);
        LOCAL.with_borrow_mut(|_| ()).unwrap();
        MADE.store(1, SeqCst);
    });
    assert_eq!(LIVING.load(SeqCst), 0);
    assert_eq!(MADE.load(SeqCst), GENERATIONS);
    assert_eq!(*LAST.lock().unwrap(), Some(AccessError::ThreadEnding));
}

#[test]
fn a_drop_that_panics_because_no_more_values_are_made_ends_its_thread() {
    static LOCAL: Local<Phoenix> = Local::with_init(|| Phoenix);
    static DROPPED: AtomicUsize = AtomicUsize::new(0);

    struct Phoenix;

    impl Drop for Phoenix {
        fn drop(&mut self) {
            DROPPED.fetch_add(1, SeqCst);
            LOCAL.with_borrow(|_| ()).unwrap();
        }
    }

    in_thread(|| LOCAL.with_borrow(|_| ()).unwrap());
    assert_eq!(DROPPED.load(SeqCst), GENERATIONS);
}

#[test]
fn a_drop_that_always_sets_another_value_does_not_keep_its_thread_from_ending() {
    let tally = Tally::default();
    let local = leaked();
    in_reused_slot(5, |_| {
        assert!(!local.is_set());
        let before = (tally.made(), tally.dropped());
        in_thread(|| local.set(relay(&tally, usize::MAX, local)));
        // The last one is leaked.
        let after = (tally.made(), tally.dropped());
        assert_eq!(
            (after.0 - before.0, after.1 - before.1),
            (GENERATIONS + 1, GENERATIONS)
        );
        local.set(relay(&tally, usize::MAX, local));
    });
}

#[test]
fn a_drop_may_use_all_methods_of_all_locals() {
    let tally = Tally::default();
    let locals: [&'static Local<Hostile>; 4] = [leaked(), leaked(), leaked(), leaked()];
    let shared: &'static SharedLocal<Counted> = Box::leak(Box::new(SharedLocal::new()));

    // Says who is at it, so that a value which is dropped by this does not do the same.
    thread_local! {
        static BUSY: Cell<bool> = const { Cell::new(false) };
    }

    fn use_all(
        locals: [&'static Local<Hostile>; 4],
        shared: &'static SharedLocal<Counted>,
        tally: &Tally,
    ) {
        if BUSY.replace(true) {
            return;
        }
        for local in locals {
            let had = local.is_set();
            assert_eq!(local.try_take().unwrap().is_some(), had);
            assert!(local.replace(hostile(tally, || ())).is_none());
            local
                .with_borrow(|_| assert!(local.try_take().is_err()))
                .unwrap();
            local
                .with_borrow_mut(|_| assert!(local.try_set(hostile(tally, || ())).is_err()))
                .unwrap();
            local.set(hostile(tally, || ()));
        }
        shared.set(tally.value());
        shared.for_each(|value| assert!(!value.is_dropped()));
        assert!(shared.take().is_some());
        shared.set(tally.value());
        BUSY.set(false);
    }

    in_reused_slot(10, |_| {
        for _ in 0..2 {
            for local in locals {
                let counter = tally.clone();
                local.set(hostile(&tally, move || use_all(locals, shared, &counter)));
            }
            let counter = tally.clone();
            drop(hostile(&tally, move || use_all(locals, shared, &counter)));
        }
        for local in locals {
            let counter = tally.clone();
            local.set(hostile(&tally, move || use_all(locals, shared, &counter)));
        }
    });
    assert_eq!(tally.dropped_by_maker(), tally.made());
    assert_eq!(shared.iter().count(), 0);
}

#[test]
fn a_drop_may_panic_in_every_generation() {
    fn bad(tally: &Tally, left: usize, local: &'static Local<Hostile>) -> Hostile {
        let counter = tally.clone();
        hostile(tally, move || {
            if left > 0 {
                local.set(bad(&counter, left - 1, local));
            }
            panic_any(hostile(&counter, || panic!("the payload panics too")));
        })
    }

    let tally = Tally::default();
    let (local, after) = (leaked(), leaked());
    in_thread(|| {
        after.set(hostile(&tally, || ()));
        local.set(bad(&tally, 3, local));
    });
    // Four values, their payloads, and the one that was to be dropped last.
    assert_eq!(tally.made(), 9);
    assert_eq!(tally.dropped_by_maker(), 9);
}

#[test]
fn a_drop_may_drop_the_local_and_all_that_is_in_it() {
    for sets in [false, true] {
        let tally = Tally::default();
        let local = Arc::new(Local::new());
        let (set, end) = (Barrier::new(2), Barrier::new(2));
        let is_dropped = Arc::new(AtomicBool::new(false));
        thread::scope(|s| {
            let other = s.spawn({
                let (local, tally, set, end) = (Arc::clone(&local), &tally, &set, &end);
                let is_dropped = Arc::clone(&is_dropped);
                move || {
                    local.set(hostile(tally, || ()));
                    drop(local);
                    is_dropped.store(true, Release);
                    set.wait();
                    end.wait();
                }
            });
            set.wait();
            let thread = s.spawn({
                let (tally, counter) = (&tally, tally.clone());
                move || {
                    let last = Arc::clone(&local);
                    local.set(hostile(tally, move || {
                        if sets {
                            last.set(hostile(&counter, || ()));
                        }
                        // ThreadSanitizer sees that the other thread's drop came before. It sees
                        // neither the barrier nor the fence in `into_inner`.
                        assert!(is_dropped.load(Acquire));
                        let inner = Arc::into_inner(last).expect("the last one");
                        drop(inner);
                        assert_eq!(counter.dropped(), counter.made() - 1);
                    }));
                }
            });
            thread.join().unwrap();
            assert_eq!(tally.dropped(), if sets { 3 } else { 2 });
            end.wait();
            other.join().unwrap();
        });
        assert_eq!(tally.dropped(), tally.made());
    }
}

#[test]
fn a_drop_may_start_threads_and_wait_for_them() {
    let tally = Tally::default();
    let local = leaked();
    let counter = tally.clone();
    in_thread(|| {
        local.set(hostile(&tally, move || {
            local.set(hostile(&counter, || ()));
            thread::scope(|s| {
                let spawn = |_| {
                    s.spawn(|| {
                        assert!(!local.is_set());
                        local.set(relay(&counter, 2, local));
                    })
                };
                let threads: Vec<_> = (0..3).map(spawn).collect();
                threads.into_iter().for_each(|t| t.join().unwrap());
            });
            assert!(local.is_set());
        }));
    });
    assert_eq!((tally.made(), tally.dropped_by_maker()), (11, 11));
}

#[test]
fn a_drop_may_make_its_thread_another_one() {
    let tally = Tally::default();
    let (local, other) = (leaked(), leaked());
    for _ in 0..3 {
        let (counter, again) = (tally.clone(), tally.clone());
        in_thread(|| {
            other.set(hostile(&tally, move || {
                Registration::new("third", false).begin();
                other.set(hostile(&again, || ()));
            }));
            local.set(hostile(&tally, move || {
                Registration::new("second", false).begin();
                local.set(hostile(&counter, || ()));
            }));
        });
    }
    // Values that they have set with another identity may have been set too late to be dropped.
    assert_eq!(tally.made(), 12);
    assert!((6..=12).contains(&tally.dropped()));
}

#[test]
fn a_drop_may_ask_for_more_at_the_end_of_its_thread() {
    let tally = Tally::default();
    let local = leaked();
    let (early, counter) = (tally.clone(), tally.clone());
    in_thread(|| {
        local.set(hostile(&tally, move || {
            let at_exit = at_thread_exit(Box::new(move || {
                assert!(!local.is_set());
                local.set(relay(&counter, 2, local));
            }));
            assert!(at_exit.is_ok());
            local.set(relay(&early, 1, local));
        }));
    });
    assert_eq!((tally.made(), tally.dropped_by_maker()), (6, 6));
}

thread_local! {
    static LATE: Cell<Option<Hostile>> = const { Cell::new(None) };
}

#[test]
fn a_value_that_a_late_destructor_has_left_may_do_all_that_in_the_next_thread() {
    let tally = Tally::default();
    let local: &'static Local<Hostile> = leaked();
    let made: &'static Local<Counted, _> = {
        let counter = tally.clone();
        Box::leak(Box::new(Local::with_init(move || counter.value())))
    };
    let mut slots = HashSet::new();
    let mut threads = 0;
    while threads < slots.len() + 10 && threads < 200 {
        let counter = tally.clone();
        let slot = in_thread(|| {
            // Destroyed after the values have been dropped: it is there before the thread is
            // registered.
            LATE.set(Some(hostile(&tally, move || {
                assert!(!local.is_set());
                let (sets, takes) = (counter.clone(), counter.clone());
                local.set(hostile(&counter, move || {
                    // In the next thread, in its `set` below.
                    assert!(!local.is_set());
                    local.set(relay(&sets, 2, local));
                    made.with_borrow(|_| ()).unwrap();
                    let taken = local.take();
                    local.set(hostile(&takes, || ()));
                    drop(taken);
                    panic!("and panics");
                }));
            })));
            assert!(!local.is_set());
            local.set(hostile(&tally, || ()));
            local.with_borrow(|_| ()).unwrap();
            current_slot()
        });
        slots.insert(slot);
        threads += 1;
    }
    // In each slot, the last late value is left. Where the system can't tell that a thread is gone,
    // late destructors get a slot of their own.
    let left = tally.made() - tally.dropped();
    assert!((slots.len()..=threads).contains(&left), "{left} left");
}

#[test]
fn a_visited_value_may_do_all_that_after_its_thread_has_ended() {
    let tally = Tally::default();
    let other = leaked();
    let mut local = Arc::new(Local::new());
    for forgets in [false, true, true, false] {
        let (end, ended) = mpsc::channel::<()>();
        let (set, is_set) = mpsc::channel();
        let thread = thread::spawn({
            let (local, tally) = (Arc::clone(&local), tally.clone());
            move || {
                let counter = tally.clone();
                local.set(hostile(&tally, move || {
                    // By the visitor, or the next thread in the slot.
                    other.set(relay(&counter, 2, other));
                    drop(other.take());
                    panic!("and panics");
                }));
                drop(local);
                set.send(()).unwrap();
                let _ = ended.recv();
            }
        });
        is_set.recv().unwrap();
        while Arc::get_mut(&mut local).is_none() {
            thread::yield_now();
        }
        let visits: Vec<_> = Arc::get_mut(&mut local).unwrap().iter_mut().collect();
        assert_eq!(visits.len(), 1);
        drop(end);
        thread.join().unwrap();
        if forgets {
            visits.into_iter().for_each(std::mem::forget);
        } else {
            drop(visits);
        }
    }
    let _ = catch_unwind(AssertUnwindSafe(|| drop(local)));
    while other.is_set() {
        other.clear();
    }
    assert_eq!(tally.dropped(), tally.made());
}

/// A guard of each of many threads that have ended.
#[test]
fn forgotten_visits_leave_no_more_than_one_value_a_slot() {
    const THREADS: usize = 200;
    let tally = Tally::default();
    let mut local = Arc::new(Local::new());
    let mut slots = HashSet::new();
    for _ in 0..THREADS {
        let (end, ended) = mpsc::channel::<()>();
        let (set, slot) = mpsc::channel();
        let thread = thread::spawn({
            let (local, tally) = (Arc::clone(&local), tally.clone());
            move || {
                local.set(tally.value());
                drop(local);
                set.send(current_slot()).unwrap();
                let _ = ended.recv();
            }
        });
        slots.insert(slot.recv().unwrap());
        while Arc::get_mut(&mut local).is_none() {
            thread::yield_now();
        }
        Arc::get_mut(&mut local)
            .unwrap()
            .iter_mut()
            .for_each(std::mem::forget);
        drop(end);
        thread.join().unwrap();
        assert_eq!(tally.made() - tally.dropped(), slots.len());
    }
    drop(local);
    assert_eq!(tally.dropped(), THREADS);
}

#[test]
fn values_that_are_dropped_with_their_local_may_use_others_and_drop_them() {
    let tally = Tally::default();
    let (set, end) = (Barrier::new(4), Barrier::new(4));
    let local = Arc::new(Local::new());
    let other = leaked();
    thread::scope(|s| {
        for n in 0..3 {
            let (local, tally, set, end) = (Arc::clone(&local), &tally, &set, &end);
            s.spawn(move || {
                let inner = Local::new();
                inner.set(hostile(tally, || panic!("the inner one")));
                let counter = tally.clone();
                local.set(hostile(tally, move || {
                    other.set(relay(&counter, n, other));
                    drop(inner);
                }));
                drop(local);
                set.wait();
                end.wait();
            });
        }
        set.wait();
        let local = Arc::into_inner(local).expect("the last one");
        let result = catch_unwind(AssertUnwindSafe(|| drop(local)));
        let payload = result.unwrap_err();
        assert_eq!(payload.downcast_ref(), Some(&"the inner one"));
        end.wait();
    });
    while other.is_set() {
        other.clear();
    }
    assert_eq!(tally.dropped(), tally.made());
}

#[test]
fn an_initializer_may_do_what_it_likes_to_other_locals() {
    let tally = Tally::default();
    let other = leaked();
    let counter = tally.clone();
    let runs = AtomicUsize::new(0);
    let local = Local::with_init(move || {
        other.set(relay(&counter, 3, other));
        drop(other.take());
        assert!(other.is_set());
        if runs.fetch_add(1, SeqCst).is_multiple_of(2) {
            panic!("half of the time");
        }
        counter.value()
    });
    for _ in 0..3 {
        in_thread(|| {
            let first = catch_unwind(AssertUnwindSafe(|| local.with_borrow(|_| ())));
            assert!(first.is_err() && !local.is_set());
            assert_eq!(local.with_borrow(|_| ()), Ok(()));
        });
    }
    drop(local);
    assert_eq!(tally.dropped(), tally.made());
}

#[test]
fn a_shared_value_may_do_all_that_when_it_is_dropped() {
    static LOCAL: SharedLocal<Value> = SharedLocal::new();
    static LIVING: AtomicUsize = AtomicUsize::new(0);

    struct Value(usize);

    impl Value {
        fn new(left: usize) -> Value {
            LIVING.fetch_add(1, SeqCst);
            Value(left)
        }
    }

    impl Drop for Value {
        fn drop(&mut self) {
            LIVING.fetch_sub(1, SeqCst);
            // It is not among them any more.
            LOCAL.for_each(|value| assert!(!std::ptr::eq(value, self)));
            if self.0 > 0 {
                LOCAL.set(Value::new(self.0 - 1));
                assert!(LOCAL.is_set());
                assert_eq!(
                    LOCAL.iter().filter(|value| value.0 == self.0 - 1).count(),
                    1
                );
            }
            if self.0 == 2 {
                panic!("one of them panics");
            }
        }
    }

    in_reused_slot(10, |_| {
        assert!(!LOCAL.is_set() && LOCAL.iter().count() == 0);
        LOCAL.set(Value::new(0));
        LOCAL.set(Value::new(1));
        drop(LOCAL.take());
        assert!(LOCAL.is_set());
        drop(LOCAL.take());
        LOCAL.set(Value::new(3));
    });
    assert_eq!((LIVING.load(SeqCst), LOCAL.iter().count()), (0, 0));
}

#[test]
fn a_shared_value_may_be_the_last_to_have_its_local() {
    struct Value {
        local: Option<Arc<SharedLocal<Value>>>,
        tally: Tally,
        _counted: Counted,
    }

    impl Value {
        fn new(local: Option<Arc<SharedLocal<Value>>>, tally: &Tally) -> Value {
            Value {
                local,
                tally: tally.clone(),
                _counted: tally.value(),
            }
        }
    }

    impl Drop for Value {
        fn drop(&mut self) {
            if let Some(local) = self.local.take() {
                assert_eq!(local.iter().count(), 0);
                local.set(Value::new(None, &self.tally));
                assert_eq!(local.iter().count(), 1);
            }
        }
    }

    let tally = Tally::default();
    for _ in 0..20 {
        in_thread(|| {
            let local = Arc::new(SharedLocal::new());
            local.set(Value::new(Some(Arc::clone(&local)), &tally));
        });
    }
    assert_eq!((tally.made(), tally.dropped_by_maker()), (40, 40));
}

/// With a loop of our own, as ThreadSanitizer doesn't see how the standard library waits for a
/// mutex.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    loop {
        match mutex.try_lock() {
            Ok(guard) => return guard,
            Err(TryLockError::Poisoned(error)) => return error.into_inner(),
            Err(TryLockError::WouldBlock) => thread::yield_now(),
        }
    }
}

/// Values that use a few `Local`s at random when they are dropped, in threads that come and go,
/// while the `Local`s come and go too.
#[test]
fn hostile_values_in_many_threads_at_once() {
    const THREADS: usize = 4;
    const ROUNDS: usize = 60;

    #[derive(Clone)]
    struct World {
        locals: Arc<[Mutex<Arc<Local<Hostile>>>; 3]>,
        shared: Arc<SharedLocal<Counted>>,
        tally: Tally,
        random: Arc<AtomicUsize>,
    }

    impl World {
        fn random(&self, below: usize) -> usize {
            let count = self.random.fetch_add(1, SeqCst) as u64;
            let mixed = count.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            ((mixed >> 32) % below as u64) as usize
        }

        fn one(&self) -> Arc<Local<Hostile>> {
            let mut place = lock(&self.locals[self.random(self.locals.len())]);
            if self.random(12) == 0 {
                // This one is dropped by the last thread that uses it.
                return std::mem::take(&mut *place);
            }
            Arc::clone(&place)
        }

        fn value(&self, depth: usize) -> Hostile {
            let world = self.clone();
            hostile(&self.tally, move || {
                if depth > 0 {
                    world.act(depth - 1);
                    world.act(depth - 1);
                }
                if world.random(64) == 0 && !thread::panicking() {
                    panic!("a hostile value");
                }
            })
        }

        fn act(&self, depth: usize) {
            let mut local = self.one();
            match self.random(8) {
                0 => drop(local.take()),
                1 => drop(local.with_borrow(|value| assert!(!value._counted.is_dropped()))),
                2 => {
                    let value = self.value(depth);
                    drop(local.with_borrow_mut(|place| std::mem::replace(place, value)));
                }
                3 => {
                    if let Some(local) = Arc::get_mut(&mut local) {
                        local
                            .iter_mut()
                            .for_each(|value| assert!(!value._counted.is_dropped()));
                        drop(std::mem::take(local).into_iter().next());
                    }
                }
                4 => self.shared.set(self.tally.value()),
                5 => self.shared.for_each(|value| assert!(!value.is_dropped())),
                _ => local.set(self.value(depth)),
            }
        }
    }

    let world = World {
        locals: Arc::default(),
        shared: Arc::default(),
        tally: Tally::default(),
        random: Arc::default(),
    };
    let tally = world.tally.clone();
    thread::scope(|s| {
        for _ in 0..THREADS {
            s.spawn(|| {
                for _ in 0..ROUNDS {
                    let world = world.clone();
                    let user = thread::spawn(move || {
                        for _ in 0..6 {
                            let _ = catch_unwind(AssertUnwindSafe(|| world.act(3)));
                        }
                    });
                    user.join().unwrap();
                }
            });
        }
    });
    // Values have the world, which has the `Local`s that have the values. The values that are left
    // are dropped by hand.
    while tally.made() > tally.dropped() {
        for place in world.locals.iter() {
            let local = std::mem::take(&mut *lock(place));
            let _ = catch_unwind(AssertUnwindSafe(|| drop(local)));
        }
        world.shared.take();
    }
    assert_eq!(world.shared.iter().count(), 0);
}
