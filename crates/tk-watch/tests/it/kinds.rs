//! Deadlocks of each kind, and waits that look like one.

use std::cell::RefCell;
use std::mem::forget;
use std::sync::{Arc, Barrier, mpsc};
use std::time::Duration;

use tk_condvar::{Condition, Condvar, Monitor};
use tk_event::Event;
use tk_lock::{
    Lock, LockExt, OnceLock, RLock, RawLock, RwLock, RwLockExt, RwLockUpgradableReadGuard,
};
use tk_park::{Limit, StopSource};
use tk_thread::{Builder, JoinHandle, Panicked, Thread};
use tk_timer::{Timer, TimerHandle};
use tk_watch::DeadlockKind;

use crate::reports::{self, waits_for};

fn spawn(name: &str, f: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    Builder::new().name(name).spawn(f).unwrap()
}

/// Checks that one of the threads has panicked with the report, and that the others have gone on.
#[track_caller]
fn one_has_panicked(results: impl IntoIterator<Item = Result<(), Panicked>>) {
    let panics: Vec<_> = results.into_iter().filter_map(Result::err).collect();
    assert_eq!(panics.len(), 1, "{panics:?}");
    assert!(
        format!("{:?}", panics[0]).contains("wait for each other"),
        "{panics:?}"
    );
}

/// Runs two threads that end up in a deadlock, and checks the report. Each function calls its
/// second argument to wait for the other one's call.
#[track_caller]
fn deadlock_of_two<T: Send + Sync + Default + 'static>(
    name: &str,
    first: fn(&T, &dyn Fn()),
    second: fn(&T, &dyn Fn()),
) {
    reports::watch();
    let (things, both) = (Arc::new(T::default()), Arc::new(Barrier::new(2)));
    let start = |which: &str, f: fn(&T, &dyn Fn())| {
        let (things, both) = (Arc::clone(&things), Arc::clone(&both));
        spawn(&format!("{name}-{which}"), move || {
            f(&things, &|| _ = both.wait())
        })
    };
    let threads = [start("a", first), start("b", second)];
    let expected = [format!("{name}-a"), format!("{name}-b")];
    assert_eq!(reports::wait_for(name, 1), [expected.to_vec()]);
    one_has_panicked(threads.map(JoinHandle::join));
}

#[derive(Default)]
struct Two {
    lock: Lock<u32>,
    rwlock: RwLock<u32>,
}

#[test]
fn a_writer_that_waits_for_one_of_several_readers() {
    deadlock_of_two::<Two>(
        "drain",
        |two, both| {
            std::thread::scope(|s| {
                // Another reader, which leaves when the deadlock has been reported.
                let (send, reads) = mpsc::channel();
                s.spawn(move || {
                    let _read = two.rwlock.read();
                    send.send(()).unwrap();
                    reports::wait_for("drain", 1);
                });
                reads.recv().unwrap();
                let _lock = two.lock.lock();
                both();
                drop(two.rwlock.write());
            });
        },
        |two, both| {
            let read = two.rwlock.read();
            both();
            // This thread begins to wait after the writer, so that it is the one that panics.
            tk_testing::until("the writer waits", || {
                let waits = |it: &tk_core::ThreadRecord| tk_testing::is_parked(it, "write lock");
                tk_core::enumerate()
                    .iter()
                    .any(|it| &*it.name() == "drain-a" && waits(it))
            });
            let _lock = two.lock.lock();
            drop(read);
        },
    );
}

#[test]
fn a_writer_and_many_readers_are_one_deadlock_that_one_panic_ends() {
    crowd("crowd-1-", true);
    // The writer's panic frees all readers, even if a reader has begun to wait last. On a busy
    // machine it may take the readers so long to begin that some of them are a deadlock before the
    // others wait.
    let mut rounds = 0..100;
    while !crowd(&format!("crowd-2-{}-", rounds.next().unwrap()), false) {}
}

/// A writer and eight readers wait for each other. Returns whether all readers waited when the
/// deadlock was found. Then the panic of the writer has ended the waits of all.
fn crowd(round: &str, writer_is_last: bool) -> bool {
    reports::watch();
    let two = Arc::new(Two::default());
    let (readers_read, writer_waits) = (Arc::new(Barrier::new(9)), Arc::new(Event::new()));
    let readers = (0..8).map(|number| {
        let (two, both) = (Arc::clone(&two), Arc::clone(&readers_read));
        let go_on = Arc::clone(&writer_waits);
        spawn(&format!("{round}r{number}"), move || {
            let read = two.rwlock.read();
            both.wait();
            if !writer_is_last {
                go_on.wait();
            }
            drop(two.lock.lock());
            drop(read);
        })
    });
    let readers: Vec<_> = readers.collect();
    let (w_two, w_both) = (Arc::clone(&two), Arc::clone(&readers_read));
    let (all_wait, is_seen) = mpsc::channel::<()>();
    let writer = spawn(&format!("{round}w"), move || {
        let lock = w_two.lock.lock();
        w_both.wait();
        if writer_is_last {
            is_seen.recv().unwrap();
        }
        drop(w_two.rwlock.write());
        drop(lock);
    });
    if writer_is_last {
        tk_testing::until("the readers wait", || {
            readers.iter().all(|reader| waits_for(reader, "lock"))
        });
        all_wait.send(()).unwrap();
    } else {
        tk_testing::until("the writer waits", || waits_for(&writer, "write lock"));
        writer_waits.set();
    }
    let ids: Vec<u64> = readers.iter().map(|reader| reader.id().get()).collect();
    let writer = writer.join();
    let readers: Vec<_> = readers.into_iter().map(|reader| reader.join()).collect();
    reports::wait_for(round, 1);
    let found = reports::of(round);
    let first = &found[0].1;
    let waited = |id: &u64| first.ids().any(|member| member == *id) || first.victims.contains(id);
    let all_waited = ids.iter().all(waited);
    if all_waited {
        assert!(
            writer.is_err() && readers.iter().all(Result::is_ok),
            "{round}"
        );
        assert_eq!(found.len(), 1, "{round}");
    }
    all_waited
}

#[test]
fn a_writer_whose_wait_is_broken_opens_the_door() {
    deadlock_of_two::<Two>(
        "door",
        |two, both| {
            let _lock = two.lock.lock();
            both();
            tk_testing::until("the other waits", || {
                let waits = |it: &tk_core::ThreadRecord| tk_testing::is_parked(it, "lock");
                tk_core::enumerate()
                    .iter()
                    .any(|it| &*it.name() == "door-b" && waits(it))
            });
            *two.rwlock.write() += 1;
        },
        |two, both| {
            let read = two.rwlock.read();
            both();
            let _lock = two.lock.lock();
            drop(read);
            // The writer has begun to wait last, and has panicked.
            *two.rwlock.write() += 1;
            assert_eq!(*two.rwlock.read(), 1);
        },
    );
}

#[test]
fn an_upgrade_that_waits_for_a_reader() {
    deadlock_of_two::<Two>(
        "upgrade",
        |two, both| {
            let read = two.rwlock.upgradable_read();
            let _lock = two.lock.lock();
            both();
            drop(RwLockUpgradableReadGuard::upgrade(read));
        },
        |two, both| {
            let _read = two.rwlock.read();
            both();
            drop(two.lock.lock());
        },
    );
}

#[test]
fn a_reader_behind_a_writer_that_drains() {
    // a reads, and waits for the lock, which c has; b drains, and waits for a; c waits for b.
    reports::watch();
    let two = Arc::new(Two::default());
    let (hold, both) = (Arc::clone(&two), Arc::new(Barrier::new(2)));
    let met = Arc::clone(&both);
    let a = spawn("behind-a", move || {
        let _read = hold.rwlock.read();
        met.wait();
        drop(hold.lock.lock());
    });
    let c_two = Arc::clone(&two);
    let c = spawn("behind-c", move || {
        let _lock = c_two.lock.lock();
        both.wait();
        tk_testing::until("the door is closed", || c_two.rwlock.try_read().is_none());
        drop(c_two.rwlock.read());
    });
    let b_two = Arc::clone(&two);
    let b = spawn("behind-b", move || {
        tk_testing::until("there is a reader", || b_two.rwlock.try_write().is_none());
        drop(b_two.rwlock.write());
    });
    let expected = ["behind-a", "behind-b", "behind-c"].map(String::from);
    assert_eq!(reports::wait_for("behind-", 1), [expected.to_vec()]);
    one_has_panicked([a, b, c].map(JoinHandle::join));
}

#[test]
fn a_reader_behind_a_writer_that_will_give_up_is_no_deadlock() {
    reports::watch();
    let (two, source) = (Arc::new(Two::default()), StopSource::new());
    let both = Arc::new(Barrier::new(2));
    let (a_two, met) = (Arc::clone(&two), Arc::clone(&both));
    let a = spawn("give-up-a", move || {
        let _read = a_two.rwlock.read();
        met.wait();
        drop(a_two.lock.lock());
    });
    let c_two = Arc::clone(&two);
    let c = spawn("give-up-c", move || {
        let _lock = c_two.lock.lock();
        both.wait();
        tk_testing::until("the door is closed", || c_two.rwlock.try_read().is_none());
        drop(c_two.rwlock.read());
    });
    let (b_two, token) = (Arc::clone(&two), source.token());
    let b = spawn("give-up-b", move || {
        tk_testing::until("there is a reader", || b_two.rwlock.try_write().is_none());
        assert!(b_two.rwlock.write_with(&token).is_err());
    });
    let waits = |thread: &JoinHandle<()>| thread.blocked_on().is_some();
    tk_testing::until("all wait", || waits(&a) && waits(&b) && waits(&c));
    reports::until_all_are_looked_at();
    source.request_stop();
    [a, b, c].into_iter().for_each(|it| it.join().unwrap());
    assert!(reports::of("give-up-").is_empty());
}

#[test]
fn initializations_that_wait_for_each_other() {
    reports::watch();
    let cells = Arc::new([OnceLock::new(), OnceLock::new()]);
    let both = Arc::new(Barrier::new(2));
    let start = |which: &str, own: usize| {
        let (cells, both) = (Arc::clone(&cells), Arc::clone(&both));
        spawn(&format!("once-{which}"), move || {
            cells[own].get_or_init(|| {
                both.wait();
                cells[1 - own].get_or_init(|| 1) + 1
            });
        })
    };
    let threads = [start("a", 0), start("b", 1)];
    let expected = ["once-a", "once-b"].map(String::from);
    assert_eq!(reports::wait_for("once-", 1), [expected.to_vec()]);
    // The panic of the one has ended the wait of the other.
    let results = threads.map(JoinHandle::join);
    assert!(results.iter().any(Result::is_err));
}

#[derive(Default)]
struct Monitors {
    one: Monitor<u32>,
    other: Monitor<u32>,
}

#[test]
fn monitors() {
    deadlock_of_two::<Monitors>(
        "monitor",
        |two, both| {
            let _one = two.one.lock();
            both();
            drop(two.other.lock());
        },
        |two, both| {
            let _other = two.other.lock();
            both();
            drop(two.one.lock());
        },
    );
}

#[test]
fn reentrant_locks() {
    deadlock_of_two::<[RLock<()>; 2]>(
        "rlock",
        |two, both| {
            let _one = (two[0].lock(), two[0].lock());
            both();
            drop(two[1].lock());
        },
        |two, both| {
            let _other = two[1].lock();
            both();
            drop(two[0].lock_with(Limit::never()));
        },
    );
}

#[test]
fn a_thread_that_takes_its_lock_again_after_a_notification() {
    reports::watch();
    // a waits for the condition with the other lock held: a nested monitor. b, which notifies, has
    // the condition's lock, and wants that other lock.
    let (condition, other) = (Arc::new(Condition::new(0)), Arc::new(Lock::new(())));
    let (a_condition, a_other) = (Arc::clone(&condition), Arc::clone(&other));
    let a = spawn("nested-a", move || {
        let _other = a_other.lock();
        let mut value = a_condition.lock();
        while *value == 0 {
            value.wait();
        }
    });
    tk_testing::until("a waits", || waits_for(&a, "condition"));
    reports::until_all_are_looked_at();
    // By now a has reported its wait, because threads that began to wait later have.
    let b = spawn("nested-b", move || {
        let mut value = condition.lock();
        *value = 1;
        condition.notify_all();
        drop(other.lock());
    });
    let expected = ["nested-a", "nested-b"].map(String::from);
    assert_eq!(reports::wait_for("nested-", 1), [expected.to_vec()]);
    // a must not panic in its wait, though it has begun to wait for the lock last.
    assert!(b.join().is_err());
    a.join().unwrap();
}

#[test]
fn a_thread_that_takes_its_lock_again_after_a_timeout() {
    reports::watch();
    let (condition, other) = (Arc::new(Condition::new(0)), Arc::new(Lock::new(())));
    let (a_condition, a_other) = (Arc::clone(&condition), Arc::clone(&other));
    let a = spawn("timeout-a", move || {
        let _other = a_other.lock();
        let mut value = a_condition.lock();
        while *value == 0 {
            let _ = value.wait_with(Duration::from_millis(150));
        }
    });
    tk_testing::until("a waits", || waits_for(&a, "condition"));
    let b = spawn("timeout-b", move || {
        let mut value = condition.lock();
        *value = 1;
        drop(other.lock());
    });
    let expected = ["timeout-a", "timeout-b"].map(String::from);
    assert_eq!(reports::wait_for("timeout-", 1), [expected.to_vec()]);
    // a has begun to wait for the lock last, and must not panic there: its guard exists.
    assert!(b.join().is_err());
    a.join().unwrap();
}

/// The condition variables that have parking_lot's names.
macro_rules! takes_its_lock_again {
    ($name:ident, $lot:ident, $threads:literal) => {
        #[test]
        fn $name() {
            // With the feature `send_guard`, which another crate of the build may turn on, a mutex
            // does not know its owner.
            if std::any::type_name::<$lot::RawMutex>().contains("Send") {
                return;
            }
            reports::watch();
            let things = Arc::new(($lot::Mutex::new(0), $lot::Condvar::new(), Lock::new(())));
            let a_things = Arc::clone(&things);
            let a = spawn(concat!($threads, "a"), move || {
                let (lock, changed, other) = &*a_things;
                let _other = other.lock();
                changed.wait_while(&mut lock.lock(), |value| *value == 0);
            });
            tk_testing::until("a waits", || waits_for(&a, "condition"));
            let b = spawn(concat!($threads, "b"), move || {
                let (lock, changed, other) = &*things;
                let mut value = lock.lock();
                *value = 1;
                changed.notify_all();
                drop(other.lock());
            });
            let expected = [concat!($threads, "a"), concat!($threads, "b")].map(String::from);
            assert_eq!(reports::wait_for($threads, 1), [expected.to_vec()]);
            assert!(b.join().is_err());
            a.join().unwrap();
        }
    };
}

takes_its_lock_again!(
    a_condition_variable_of_parking_lot_0_13_takes_its_lock_again,
    tk_parking_lot,
    "lot-13-"
);
takes_its_lock_again!(
    a_condition_variable_of_parking_lot_0_12_takes_its_lock_again,
    tk_parking_lot_012,
    "lot-12-"
);

#[test]
fn a_move_to_the_queue_of_a_lock_closes_the_cycle() {
    reports::watch();
    // a has the other lock, and waits for the condition. b has the condition's lock, and waits for
    // the other one for long. Then c, which ends, moves a.
    let things = Arc::new((Lock::new(()), Condvar::new(), Lock::new(())));
    let a_things = Arc::clone(&things);
    let a = spawn("moved-a", move || {
        let (lock, changed, other) = &*a_things;
        let _other = other.lock();
        let mut guard = lock.lock();
        changed.wait(&mut guard);
    });
    tk_testing::until("a waits", || waits_for(&a, "condition"));
    let b_things = Arc::clone(&things);
    let b = spawn("moved-b", move || {
        let (lock, _, other) = &*b_things;
        let _guard = lock.lock();
        drop(other.lock());
    });
    tk_testing::until("b waits", || waits_for(&b, "lock"));
    reports::until_all_are_looked_at();
    // By now both have reported their waits, because threads that began to wait later have. So only
    // the move is left to be reported.
    assert!(reports::of("moved-").is_empty());
    assert!(things.1.notify_one());
    let expected = ["moved-a", "moved-b"].map(String::from);
    assert_eq!(reports::wait_for("moved-", 1), [expected.to_vec()]);
    assert!(b.join().is_err());
    a.join().unwrap();
}

#[test]
fn a_join_of_a_thread_that_waits_for_the_joiners_lock() {
    reports::watch();
    let lock = Arc::new(Lock::new(()));
    let joiner_lock = Arc::clone(&lock);
    let joiner = spawn("join-a", move || {
        let _guard = joiner_lock.lock();
        let lock = Arc::clone(&joiner_lock);
        let inner = spawn("join-b", move || drop(lock.lock()));
        inner.join().unwrap();
    });
    let expected = ["join-a", "join-b"].map(String::from);
    assert_eq!(reports::wait_for("join-", 1), [expected.to_vec()]);
    // Which one panics is chance; if it is the inner one, the outer one panics with it.
    assert!(joiner.join().is_err());
}

#[test]
fn a_stop_callback_that_waits_for_the_lock_of_a_thread_that_drops_it() {
    reports::watch();
    let (lock, source) = (Arc::new(Lock::new(())), StopSource::new());
    let (a_lock, token) = (Arc::clone(&lock), source.token());
    let (ready, is_ready) = mpsc::channel();
    let (runs, is_run) = mpsc::channel();
    let a = spawn("callback-a", move || {
        let guard = a_lock.lock();
        let callback_lock = Arc::clone(&a_lock);
        let callback = token.on_stop(move || {
            runs.send(()).unwrap();
            drop(callback_lock.lock());
        });
        ready.send(()).unwrap();
        is_run.recv().unwrap();
        // Waits until the function has ended.
        drop(callback);
        drop(guard);
    });
    is_ready.recv().unwrap();
    let b = spawn("callback-b", move || _ = source.request_stop());
    let expected = ["callback-a", "callback-b"].map(String::from);
    assert_eq!(reports::wait_for("callback-", 1), [expected.to_vec()]);
    // The function has panicked, and the drop has returned.
    a.join().unwrap();
    let _ = b.join();
}

/// A thread waits for a timer with a lock that the timer's function waits for.
fn a_timer_and_a_lock(name: &str, wait: fn(&TimerHandle)) {
    reports::watch();
    let (lock, main, timer) = (
        Arc::new(Lock::new(())),
        format!("{name}-a"),
        format!("{name}-b"),
    );
    let (expected, timer_lock) = ([main.clone(), timer.clone()], Arc::clone(&lock));
    let (runs, is_run) = mpsc::channel();
    let waiter = spawn(&main, move || {
        let _guard = lock.lock();
        let function = move || {
            runs.send(()).unwrap();
            drop(timer_lock.lock());
        };
        let timer = Timer::new(Duration::ZERO, function).name(timer);
        let timer = timer.start();
        is_run.recv().unwrap();
        wait(&timer);
    });
    assert_eq!(
        reports::wait_for(&format!("{name}-"), 1),
        [expected.to_vec()]
    );
    // Either the function has panicked, or the wait.
    let _ = waiter.join();
}

#[test]
fn a_timer_whose_function_waits_for_the_lock_of_a_thread_that_joins_it() {
    a_timer_and_a_lock("timer-join", |timer| {
        timer.join().unwrap();
    });
}

#[test]
fn a_timer_whose_function_waits_for_the_lock_of_a_thread_that_cancels_it() {
    a_timer_and_a_lock("timer-cancel", |timer| _ = timer.cancel_and_wait());
}

#[test]
fn timers_whose_functions_wait_for_each_other() {
    reports::watch();
    let (handles, both) = (
        Arc::new(OnceLock::<[TimerHandle; 2]>::new()),
        Arc::new(Barrier::new(2)),
    );
    let timers = ["timers-a", "timers-b"]
        .iter()
        .zip([1, 0])
        .map(|(name, other)| {
            let (handles, both) = (Arc::clone(&handles), Arc::clone(&both));
            let function = move || {
                both.wait();
                handles.wait()[other].join().unwrap();
            };
            Timer::new(Duration::ZERO, function).name(*name).start()
        });
    let timers: Vec<_> = timers.collect();
    handles.set(timers.try_into().unwrap()).unwrap();
    let expected = ["timers-a", "timers-b"].map(String::from);
    assert_eq!(reports::wait_for("timers-", 1), [expected.to_vec()]);
    // One of the functions has panicked, and both timers have ended.
    for timer in handles.wait() {
        timer.join().unwrap();
    }
}

#[test]
fn a_scope_whose_thread_waits_for_the_lock_of_the_scope() {
    reports::watch();
    let (lock, end) = (Arc::new(Lock::new(())), Arc::new(Event::new()));
    let outer_end = Arc::clone(&end);
    let outer = spawn("scope-a", move || {
        let _guard = lock.lock();
        tk_thread::scope(|s| {
            // More threads than the list has room for at first.
            for _ in 0..6 {
                s.spawn(|| outer_end.wait());
            }
            let inner = Builder::new().name("scope-b");
            drop(inner.spawn_scoped(s, || drop(lock.lock())).unwrap());
        });
    });
    let expected = ["scope-a", "scope-b"].map(String::from);
    assert_eq!(reports::wait_for("scope-", 1), [expected.to_vec()]);
    end.set();
    // The thread that waits for the lock has panicked, and so the scope does.
    assert!(outer.join().is_err());
}

#[test]
fn a_lock_whose_holder_has_exited() {
    if !tk_core::__private::can_detect_exit() {
        // Nothing is certain there.
        return;
    }
    reports::watch();
    let (lock, rwlock) = (Arc::new(Lock::new(())), Arc::new(RwLock::new(())));
    let (leaky_lock, leaky_rwlock) = (Arc::clone(&lock), Arc::clone(&rwlock));
    let leaker = spawn("gone-leaker", move || {
        forget(leaky_lock.lock());
        forget(leaky_rwlock.read());
    });
    leaker.join().unwrap();
    let a = spawn("gone-a", move || drop(lock.lock()));
    let b = spawn("gone-b", move || drop(rwlock.write()));
    let mut names = reports::wait_for("gone-", 2);
    names.sort();
    assert_eq!(names, [["gone-a"], ["gone-b"]]);
    for (_, deadlock) in reports::of("gone-") {
        assert_eq!(deadlock.kind, DeadlockKind::HolderGone);
        assert!(deadlock.members[0].waits_for.is_gone);
        assert!(
            deadlock.to_string().contains("which has exited"),
            "{deadlock}"
        );
    }
    for thread in [a, b] {
        assert!(thread.join().is_err());
    }
}

#[test]
fn a_lock_whose_holder_has_exited_long_ago() {
    if !tk_core::__private::can_detect_exit() {
        // Nothing is certain there.
        return;
    }
    reports::watch();
    let lock = Arc::new(Lock::new(()));
    let leaky = Arc::clone(&lock);
    let leaker = spawn("long-gone-leaker", move || forget(leaky.lock()));
    let owner = tk_core::Owner::new(leaker.id().get() as u32).unwrap();
    leaker.join().unwrap();
    // Others get its slot, so that its record is replaced.
    tk_testing::until("the slot is used again", || {
        let threads: Vec<_> = (0..8).map(|_| spawn("heir", || ())).collect();
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        tk_core::thread_by_owner(owner).is_none()
    });
    let thread = spawn("long-gone", move || drop(lock.lock()));
    assert_eq!(reports::wait_for("long-gone", 1), [["long-gone"]]);
    let (_, deadlock) = &reports::of("long-gone")[0];
    assert_eq!(deadlock.kind, DeadlockKind::HolderGone);
    assert!(deadlock.members[0].waits_for.is_gone, "{deadlock}");
    assert!(thread.join().is_err());
}

#[test]
fn a_lock_that_any_thread_may_release_is_no_deadlock() {
    reports::watch();
    let batons = Arc::new([RawLock::new(), RawLock::new()]);
    let wait = |name: &str, own: usize| {
        let batons = Arc::clone(&batons);
        spawn(name, move || {
            batons[own].acquire();
            while !batons[1 - own].is_locked() {
                std::thread::yield_now();
            }
            batons[1 - own].acquire();
        })
    };
    let threads = [wait("baton-a", 0), wait("baton-b", 1)];
    for thread in &threads {
        tk_testing::until("the thread waits", || waits_for(thread, "lock"));
    }
    reports::until_all_are_looked_at();
    assert!(reports::of("baton-").is_empty());
    let found = tk_watch::dump().deadlocks;
    assert!(
        !found
            .iter()
            .any(|it| it.members.iter().any(|it| it.name.starts_with("baton-")))
    );
    batons.iter().for_each(|baton| baton.release().unwrap());
    threads.into_iter().for_each(|it| it.join().unwrap());
}

#[test]
fn a_wait_with_a_limit_is_no_deadlock_and_is_one_when_it_has_none() {
    reports::watch();
    let (two, source) = (Arc::new([Lock::new(()), Lock::new(())]), StopSource::new());
    let both = Arc::new(Barrier::new(2));
    let (a_two, met, token) = (Arc::clone(&two), Arc::clone(&both), source.token());
    let a = spawn("limit-a", move || {
        let _guard = a_two[0].lock();
        met.wait();
        assert!(a_two[1].lock_with(&token).is_err());
        drop(a_two[1].lock());
    });
    let b = spawn("limit-b", move || {
        let _guard = two[1].lock();
        both.wait();
        drop(two[0].lock());
    });
    tk_testing::until("both wait", || {
        a.blocked_on().is_some() && b.blocked_on().is_some()
    });
    reports::until_all_are_looked_at();
    assert!(reports::of("limit-").is_empty());
    source.request_stop();
    let expected = ["limit-a", "limit-b"].map(String::from);
    assert_eq!(reports::wait_for("limit-", 1), [expected.to_vec()]);
    one_has_panicked([a, b].map(JoinHandle::join));
}

#[test]
fn a_broken_wait_is_no_handoff() {
    // The lock that the broken wait was for is taken by others as if that wait had given up.
    reports::watch();
    for round in 0..3 {
        let name = format!("handoff{round}-");
        let two = Arc::new([Lock::new(0), Lock::new(0)]);
        let both = Arc::new(Barrier::new(2));
        let start = |which: &str, own: usize| {
            let (two, both) = (Arc::clone(&two), Arc::clone(&both));
            spawn(&format!("{name}{which}"), move || {
                let mut mine = two[own].lock();
                both.wait();
                *two[1 - own].lock() += 1;
                *mine += 1;
            })
        };
        let threads = [start("a", 0), start("b", 1)];
        reports::wait_for(&name, 1);
        one_has_panicked(threads.map(JoinHandle::join));
        // The one that went on has added to both.
        assert_eq!(
            (two[0].try_lock().as_deref(), two[1].try_lock().as_deref()),
            (Some(&1), Some(&1))
        );
    }
}

/// Takes the second lock, and then the first one, when it is dropped, and when that thread waits.
struct LocksBoth(Arc<[Lock<()>; 2]>, Thread);

impl Drop for LocksBoth {
    fn drop(&mut self) {
        let _mine = self.0[1].lock();
        tk_testing::until("the other one waits", || self.1.blocked_on().is_some());
        drop(self.0[0].lock());
    }
}

/// Runs two threads, each of which takes a lock and then the other's. The second one, which begins
/// to wait last, does that in a drop. It must not panic there, so the first one does.
#[track_caller]
fn the_first_is_broken(name: &str, second: impl FnOnce(LocksBoth) + Send + 'static) {
    reports::watch();
    let two: Arc<[Lock<()>; 2]> = Arc::default();
    let (locked, is_locked) = mpsc::channel();
    let first_two = Arc::clone(&two);
    let first = spawn(&format!("{name}-a"), move || {
        let _mine = first_two[0].lock();
        locked.send(()).unwrap();
        tk_testing::until("the other one has its lock", || first_two[1].is_locked());
        drop(first_two[1].lock());
    });
    is_locked.recv().unwrap();
    let locks = LocksBoth(two, first.thread().clone());
    let second = spawn(&format!("{name}-b"), move || second(locks));
    reports::wait_for(&format!("{name}-"), 1);
    let panic = first.join().unwrap_err();
    assert!(format!("{panic:?}").contains("wait for each other"));
    drop(second.join());
}

#[test]
fn a_thread_that_is_panicking_already_is_not_the_one_that_panics() {
    // A second panic would abort the process.
    the_first_is_broken("unwinds", |locks| {
        let _locks = locks;
        panic!("deadlock: none yet, and the panic hook of the tests need not report it");
    });
}

#[test]
fn a_destructor_of_a_thread_local_value_is_not_the_one_that_panics() {
    // Nothing catches a panic there: it would abort the process.
    thread_local! {
        static LOCKS: RefCell<Option<LocksBoth>> = const { RefCell::new(None) };
    }
    the_first_is_broken("destroys", |locks| _ = LOCKS.replace(Some(locks)));
    // A thread that is not the kit's, whose value is destroyed after it has left the registry.
    the_first_is_broken("destroys-late", |locks| {
        let thread = std::thread::spawn(|| {
            LOCKS.replace(Some(locks));
            tk_core::current();
        });
        thread.join().unwrap();
    });
}
