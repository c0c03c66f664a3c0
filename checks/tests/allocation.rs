//! No wait allocates after a thread's first of its kind, whether it sleeps or not.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

use tk_condvar::{Condition, Condvar, Monitor};
use tk_event::Event;
use tk_lock::{Lock, LockExt, RLock, RawLock, RawRLock};
use tk_park::{Limit, StopSource};
use tk_semaphore::{BoundedSemaphore, Semaphore};

/// Counts the allocations of each thread.
struct Counting;

thread_local!(static COUNT: Cell<usize> = const { Cell::new(0) });

// SAFETY: it is the system's allocator; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: by the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: by the caller's promise.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Calls `wait` once, and then checks that calling it again allocates nothing.
#[track_caller]
fn first_time_only(what: &str, mut wait: impl FnMut()) {
    wait();
    let before = COUNT.get();
    for _ in 0..10 {
        wait();
    }
    assert_eq!(COUNT.get() - before, 0, "{what}");
}

/// Long enough to sleep, short enough to wait for.
const SHORT: Duration = Duration::from_micros(50);

#[test]
fn a_wait_that_is_granted_at_once() {
    let (raw, lock, raw_rlock, rlock) =
        (RawLock::new(), Lock::new(1), RawRLock::new(), RLock::new(1));
    first_time_only("locks", || {
        raw.acquire();
        raw.release().unwrap();
        drop((lock.lock(), rlock.lock(), rlock.lock()));
        raw_rlock.acquire();
        raw_rlock.release().unwrap();
        drop(lock.lock_with(SHORT));
    });
    let (semaphore, bounded) = (Semaphore::new(3), BoundedSemaphore::new(1));
    first_time_only("semaphores", || {
        drop((
            semaphore.acquire(),
            semaphore.try_acquire_many(2),
            bounded.acquire(),
        ));
    });
    let event = Event::new();
    first_time_only("event", || {
        event.set();
        event.wait();
        event.clear();
    });
    let (condition, condvar, monitor) = (Condition::new(1), Condvar::new(), Monitor::new(1));
    first_time_only("conditions", || {
        condition.lock().wait_while(|n| *n == 0);
        condition.notify_all();
        condvar.notify(3);
        monitor.lock().wait_while(|n| *n == 0);
    });
}

/// Calls every wait of the kit, each for something that does not come, so that it fails.
fn all_sleep(limit: impl Fn() -> Limit<'static> + Sync) {
    let (raw, semaphore, event) = (RawLock::new(), Semaphore::new(0), Event::new());
    raw.acquire();
    first_time_only("RawLock", || assert!(raw.acquire_with(limit()).is_err()));
    first_time_only("Semaphore", || {
        assert!(semaphore.acquire_with(limit()).is_err())
    });
    first_time_only("Event", || assert!(event.wait_with(limit()).is_err()));
    let (condition, condvar, lock, monitor) = (
        Condition::new(1),
        Condvar::new(),
        Lock::new(1),
        Monitor::new(1),
    );
    first_time_only("Condition", || {
        assert!(condition.lock().wait_while_with(|_| true, limit()).is_err());
    });
    first_time_only("Condvar", || {
        assert!(condvar.wait_with(&mut lock.lock(), limit()).is_err());
    });
    first_time_only("Monitor", || {
        let _outer = monitor.lock();
        assert!(monitor.lock().wait_with(limit()).is_err());
    });
    let (held, reentrant) = (Lock::new(1), RLock::new(1));
    std::thread::scope(|s| {
        let _guards = (held.lock(), reentrant.lock());
        s.spawn(|| {
            first_time_only("Lock", || assert!(held.lock_with(limit()).is_err()));
            first_time_only("RLock", || assert!(reentrant.lock_with(limit()).is_err()));
        })
        .join()
        .unwrap();
    });
}

#[test]
fn a_wait_that_sleeps_until_its_time_is_over() {
    all_sleep(|| Limit::after(SHORT));
}

#[test]
fn a_wait_that_sleeps_with_a_token_that_others_have_waited_with() {
    // The first wait with a token may make room in its list.
    let token = Box::leak(Box::new(StopSource::new().token()));
    all_sleep(|| Limit::after(SHORT).or_stop(token));
}

#[test]
fn a_wait_that_is_woken() {
    let (there, back) = (Event::new(), Event::new());
    const ROUNDS: usize = 20;
    std::thread::scope(|s| {
        s.spawn(|| {
            for _ in 0..ROUNDS {
                there.wait();
                there.clear();
                back.set();
            }
        });
        let round = || {
            there.set();
            back.wait();
            back.clear();
        };
        // The thread's first sleep, because the rounds may go by without one.
        assert!(!back.wait_for(SHORT));
        round();
        let before = COUNT.get();
        for _ in 1..ROUNDS {
            round();
        }
        assert_eq!(COUNT.get() - before, 0);
    });
}
