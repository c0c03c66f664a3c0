//! Locks and conditions in the child of a fork, and waits for a lock that no thread will release.

use std::time::Duration;

use tk_condvar::{Condition, Condvar, Monitor};
use tk_lock::{Limit, Lock, LockExt, RLock, RawLock, StopSource, WaitError};
use tk_park::asymmetric_fence::{heavy, is_available, light};
use tk_testing::fork;
use tk_thread::{Builder, spawn};

use crate::fork::{told, until_waits_for};
use crate::{cases, say};

/// A time that does not come.
const MINUTE: Duration = Duration::from_secs(60);

/// Starts a daemon of this name that does this, and then sleeps until the program ends. Returns
/// when it sleeps.
fn keeper(name: &str, f: impl FnOnce() + Send + 'static) {
    let keeps = move || {
        f();
        Condition::new(()).lock().wait();
    };
    let keeper = Builder::new().name(name).daemon(true).spawn(keeps).unwrap();
    until_waits_for(&keeper, "condition");
}

cases! {
    #[cfg(target_os = "linux")] a_program_that_binds_its_threads_to_processors_spins: || {
        let is_one = std::thread::available_parallelism().unwrap().get() == 1;
        // SAFETY: an empty set is all zeros, and the calls look at what they are given.
        unsafe {
            let mut set: libc::cpu_set_t = std::mem::zeroed();
            libc::CPU_SET(libc::sched_getcpu().try_into().unwrap(), &mut set);
            assert_eq!(libc::sched_setaffinity(0, size_of_val(&set), &set), 0);
        }
        // The first spin of the process, which measures.
        assert_eq!(tk_park::Spin::new().once(), !is_one);
    } => |ended| ended.printed(&[]);

    #[cfg(target_os = "linux")] a_filter_that_comes_late_makes_no_fence_miss_a_thread: || {
        tk_checks::filter::answer(&[libc::SYS_membarrier], libc::EPERM as u16).unwrap();
        assert_eq!(tk_testing::rounds_missed(30, light, heavy), 0);
        assert!(!is_available());
    } => |ended| ended.printed(&[]);

    #[cfg(target_os = "linux")] a_filter_that_pretends_to_make_a_fence_is_not_believed: || {
        tk_checks::filter::answer(&[libc::SYS_membarrier], 0).unwrap();
        assert_eq!(tk_testing::rounds_missed(30, light, heavy), 0);
        assert!(!is_available());
    } => |ended| ended.printed(&[]);

    #[cfg(target_os = "linux")] a_used_lock_wakes_its_sleepers_behind_a_filter_that_comes_late: || {
        static LOCK: Lock<usize> = Lock::new(0);
        (0..1000).for_each(|_| *LOCK.lock() += 1);
        tk_checks::filter::answer(&[libc::SYS_membarrier], libc::EPERM as u16).unwrap();
        for _ in 0..10 {
            let guard = LOCK.lock();
            let sleeper = spawn(|| *LOCK.lock() += 1);
            until_waits_for(&sleeper, "lock");
            drop(guard);
            sleeper.join().unwrap();
        }
        assert_eq!(*LOCK.lock(), 1010);
    } => |ended| ended.printed(&[]);

    a_used_lock_wakes_its_sleepers_in_the_child: || {
        static LOCK: Lock<usize> = Lock::new(0);
        (0..1000).for_each(|_| *LOCK.lock() += 1);
        keeper("sleeper in the parent", || ());
        let was_available = is_available();
        fork(|| {
            assert_eq!(tk_testing::rounds_missed(300, light, heavy), 0);
            // The call is registered in the child, as it was in the parent.
            assert_eq!(is_available(), was_available);
            for _ in 0..10 {
                let guard = LOCK.lock();
                let sleeper = spawn(|| *LOCK.lock() += 1);
                until_waits_for(&sleeper, "lock");
                drop(guard);
                sleeper.join().unwrap();
                (0..1000).for_each(|_| *LOCK.lock() += 1);
            }
            assert_eq!(*LOCK.lock(), 11_010);
        });
    } => |ended| ended.printed(&[]);

    a_lock_that_a_lost_thread_holds_says_so_in_the_child: || {
        static LOCK: Lock<u32> = Lock::new(0);
        static RLOCK: RLock<u32> = RLock::new(0);
        static RAW: RawLock = RawLock::new();
        static CONDITION: Condition<u32> = Condition::new(0);
        static MONITOR: Monitor<u32> = Monitor::new(0);
        keeper("keeper", || {
            std::mem::forget((LOCK.lock(), RLOCK.lock(), CONDITION.lock(), MONITOR.lock()));
            RAW.acquire();
        });
        fork(|| {
            std::panic::set_hook(Box::new(|_| ()));
            let waits: [&dyn Fn(); 8] = [
                &|| drop(LOCK.lock()),
                &|| drop(LOCK.lock_with(Limit::never())),
                &|| drop(LOCK.try_lock_for(Duration::MAX)),
                &|| drop(RLOCK.lock()),
                &|| RAW.acquire(),
                &|| assert!(RAW.acquire_for(Duration::MAX)),
                &|| drop(CONDITION.lock()),
                &|| drop(MONITOR.lock()),
            ];
            for wait in waits {
                let told = told(wait);
                let holder = "held by keeper, a thread that the fork has left behind";
                assert!(told.contains(holder), "{told}");
            }
            // A wait with a limit ends at the limit, and a try does not wait.
            assert!(LOCK.try_lock().is_none() && RLOCK.try_lock().is_none());
            assert!(LOCK.try_lock_for(Duration::from_millis(1)).is_none());
            assert_eq!(MONITOR.lock_with(Duration::ZERO).err(), Some(WaitError::TimedOut));
            let source = StopSource::new();
            source.request_stop();
            assert_eq!(CONDITION.lock_with(&source.token()).err(), Some(WaitError::Stopped));
            // Any thread may release a lock that guards nothing.
            RAW.release().unwrap();
            RAW.acquire();
            say("done");
        });
        assert!(LOCK.try_lock().is_none());
    } => |ended| ended.printed(&["done"]);

    a_lock_that_the_forking_thread_holds_is_its_own_in_the_child: || {
        let (lock, rlock) = (Lock::new(0), RLock::new(0));
        let (mut guard, level) = (lock.lock(), rlock.lock());
        fork(|| {
            std::panic::set_hook(Box::new(|_| ()));
            let told = told(|| drop(lock.lock()));
            assert!(told.contains("this thread holds the lock already"), "{told}");
            assert!(rlock.is_owned_by_current_thread());
            assert_eq!(*rlock.lock(), 0);
            assert_eq!(rlock.recursion_count(), 1);
            *guard += 1;
            drop((guard, level));
            assert_eq!((*lock.lock(), *rlock.lock()), (1, 0));
            say("done");
        });
    } => |ended| ended.printed(&["done"]);

    a_lock_with_a_queue_in_the_parent_works_in_the_child: || {
        static LOCK: Lock<u32> = Lock::new(0);
        let guard = LOCK.lock();
        let waits = || Builder::new().daemon(true).spawn(|| *LOCK.lock() += 1).unwrap();
        let waiters = [waits(), waits()];
        for waiter in &waiters {
            until_waits_for(waiter, "lock");
        }
        fork(|| {
            drop(guard);
            for n in 0..20 {
                let mut guard = LOCK.lock();
                let next = spawn(|| *LOCK.lock() += 1);
                until_waits_for(&next, "lock");
                assert_eq!(*guard, 2 * n);
                *guard += 1;
                drop(guard);
                next.join().unwrap();
            }
            assert_eq!(*LOCK.lock(), 40);
            say("done");
        });
        // Here the guard has been dropped with the closure.
        for waiter in waiters {
            waiter.join().unwrap();
        }
        assert_eq!(*LOCK.lock(), 2);
    } => |ended| ended.printed(&["done"]);

    a_condition_with_waiters_in_the_parent_works_in_the_child: || {
        static CONDVAR: Condvar = Condvar::new();
        // Its waiters' lock is on the stack of a thread that is not in the child.
        let waits = || {
            let lock = Lock::new(());
            CONDVAR.wait(&mut lock.lock());
        };
        let waiter = Builder::new().daemon(true).spawn(waits).unwrap();
        until_waits_for(&waiter, "condition");
        for first in [
            || assert_eq!(CONDVAR.notify_all(), 0),
            || assert!(!CONDVAR.notify_one()),
            || assert!(!CONDVAR.wait_for(&mut Lock::new(()).lock(), Duration::from_millis(1))),
        ] {
            fork(|| {
                first();
                static LOCK: Lock<u32> = Lock::new(0);
                for n in 1..=20 {
                    let waiter = spawn(move || {
                        let mut guard = LOCK.lock();
                        let waited = CONDVAR.wait_while_with(&mut guard, |last| *last < n, MINUTE);
                        assert!(waited.is_ok());
                    });
                    until_waits_for(&waiter, "condition");
                    *LOCK.lock() = n;
                    assert_eq!(CONDVAR.notify_all(), 1);
                    waiter.join().unwrap();
                }
                say("done");
            });
        }
        // In the parent it waits still.
        assert!(CONDVAR.notify_one());
        waiter.join().unwrap();
    } => |ended| ended.printed(&["done"; 3]);
}
