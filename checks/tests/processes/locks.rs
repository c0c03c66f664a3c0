//! What locks and conditions are in the child of a fork, and what a lock does that nobody will release.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use tk_condvar::{Condition, Monitor};
use tk_lock::{Limit, Lock, LockExt, RLock, RawLock, StopSource, WaitError};
use tk_thread::{Builder, Thread};

use crate::fork::fork;
use crate::{cases, say};

/// What a panic says.
fn told<R>(f: impl FnOnce() -> R) -> String {
    let payload = catch_unwind(AssertUnwindSafe(f))
        .err()
        .expect("this panics");
    payload
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| payload.downcast_ref::<&str>().map(ToString::to_string))
        .expect("a panic has a text")
}

/// Starts a daemon of this name that does this, and then sleeps until the program ends. Returns when it sleeps.
fn keeper(name: &str, f: impl FnOnce() + Send + 'static) -> Thread {
    let keeps = move || {
        f();
        Condition::new(()).lock().wait();
    };
    let keeper = Builder::new().name(name).daemon(true).spawn(keeps).unwrap();
    asleep(keeper.thread().clone(), "condition")
}

/// Returns when the thread sleeps in a wait of this kind.
fn asleep(thread: Thread, kind: &str) -> Thread {
    while thread
        .waiting()
        .is_none_or(|waiting| waiting.kind() != kind)
    {
        std::thread::yield_now();
    }
    thread
}

cases! {
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
                &|| drop(LOCK.lock_with(Limit::none())),
                &|| drop(LOCK.try_lock_for(Duration::MAX)),
                &|| drop(RLOCK.lock()),
                &|| RAW.acquire(),
                &|| assert!(RAW.acquire_for(Duration::MAX)),
                &|| drop(CONDITION.lock()),
                &|| drop(MONITOR.lock()),
            ];
            for wait in waits {
                let told = told(wait);
                assert!(told.contains("held by keeper, a thread that the fork has left behind"), "{told}");
            }
            // What has a limit reaches it, and what does not wait does not.
            assert!(LOCK.try_lock().is_none() && RLOCK.try_lock().is_none());
            assert!(LOCK.try_lock_for(Duration::from_millis(1)).is_none());
            assert_eq!(MONITOR.lock_with(Duration::ZERO).err(), Some(WaitError::TimedOut));
            let source = StopSource::new();
            source.request_stop();
            assert_eq!(CONDITION.lock_with(&source.token()).err(), Some(WaitError::Stopped));
            // Whoever knows better may release a lock that guards nothing.
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
}
