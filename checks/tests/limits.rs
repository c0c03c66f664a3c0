//! The result of every blocking call with a limit that is over, or that never ends: both if the
//! thing that it waits for is there, and if it is not.
//!
//! Of semaphores and barriers, whose calls are many, this is checked in their own crates.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tk_condvar::{Condition, Condvar, Monitor};
use tk_event::Event;
use tk_lock::{Lock, LockExt, LockGuard, NotLocked, RLock, RawLock, RawRLock};
use tk_park::{Limit, Parked, StopSource, WaitError, WaitInfo, park, unpark_all};
use tk_testing::{message, start, start_parked};

/// The limited forms of one call.
struct Call<'a> {
    name: &'static str,
    within: &'a dyn Fn(Duration) -> bool,
    until: &'a dyn Fn(Instant) -> bool,
    with: &'a dyn Fn(Limit<'_>) -> Result<(), WaitError>,
}

impl Call<'_> {
    /// With a limit that is over, a call tries once, whether the thing that it waits for is there
    /// or not.
    fn tries_once(&self, there: bool) {
        let name = self.name;
        let source = StopSource::new();
        source.request_stop();
        let stopped = source.token();
        let result = |error| if there { Ok(()) } else { Err(error) };
        let start = Instant::now();
        assert_eq!((self.within)(Duration::ZERO), there, "{name}");
        assert_eq!((self.until)(start), there, "{name}");
        let zero = (self.with)(Limit::after(Duration::ZERO));
        assert_eq!(zero, result(WaitError::TimedOut), "{name}");
        let past = (self.with)(Limit::until(start));
        assert_eq!(past, result(WaitError::TimedOut), "{name}");
        let stop = (self.with)(Limit::from(&stopped));
        assert_eq!(stop, result(WaitError::Stopped), "{name}");
        let stop = (self.with)(Limit::after(Duration::MAX).or_stop(&stopped));
        assert_eq!(stop, result(WaitError::Stopped), "{name}");
        assert!(start.elapsed() < Duration::from_secs(10), "{name}");
        if there {
            assert!((self.within)(Duration::MAX), "{name}");
            assert_eq!((self.with)(Limit::after(Duration::MAX)), Ok(()), "{name}");
        }
    }
}

#[test]
fn raw_locks() {
    let (lock, rlock) = (RawLock::new(), RawRLock::new());
    let release = |taken: bool| {
        if taken {
            lock.release().unwrap();
        }
        taken
    };
    let calls = [
        Call {
            name: "RawLock",
            within: &|timeout| release(lock.acquire_for(timeout)),
            until: &|deadline| release(lock.acquire_with(deadline).is_ok()),
            with: &|limit| lock.acquire_with(limit).inspect(|()| _ = release(true)),
        },
        Call {
            name: "RawRLock",
            within: &|timeout| rlock.acquire_for(timeout) && rlock.release().is_ok(),
            until: &|deadline| rlock.acquire_with(deadline).is_ok() && rlock.release().is_ok(),
            with: &|limit| {
                rlock
                    .acquire_with(limit)
                    .inspect(|()| rlock.release().unwrap())
            },
        },
    ];
    calls.iter().for_each(|call| call.tries_once(true));
    lock.acquire();
    calls[0].tries_once(false);
    // The owner of a reentrant lock can take it again, whatever the limit is.
    rlock.acquire();
    calls[1].tries_once(true);
    std::thread::scope(|s| {
        let reentrant = s.spawn(|| {
            Call {
                name: "RawRLock, held elsewhere",
                within: &|timeout| rlock.acquire_for(timeout),
                until: &|deadline| rlock.acquire_with(deadline).is_ok(),
                with: &|limit| rlock.acquire_with(limit),
            }
            .tries_once(false);
        });
        reentrant.join().unwrap();
        // A wait for the longest time has no end of its own. It ends with the release.
        let patient = start_parked(s, "lock", || lock.acquire_for(Duration::MAX));
        let reentrant = start_parked(s, "lock", || rlock.acquire_for(Duration::MAX));
        lock.release().unwrap();
        rlock.release().unwrap();
        assert!(patient.join() && reentrant.join());
    });
}

#[test]
fn locks_with_a_value() {
    let (lock, rlock, condition, monitor) = (
        Lock::new(1),
        RLock::new(1),
        Condition::new(1),
        Monitor::new(1),
    );
    let there = |there: bool| {
        let calls = [
            Call {
                name: "Lock",
                within: &|timeout| lock.try_lock_for(timeout).is_some(),
                until: &|deadline| lock.try_lock_until(deadline).is_some(),
                with: &|limit| lock.lock_with(limit).map(drop),
            },
            Call {
                name: "RLock",
                within: &|timeout| rlock.try_lock_for(timeout).is_some(),
                until: &|deadline| rlock.lock_with(deadline).is_ok(),
                with: &|limit| rlock.lock_with(limit).map(drop),
            },
            Call {
                name: "Condition::lock",
                within: &|timeout| condition.try_lock_for(timeout).is_some(),
                until: &|deadline| condition.lock_with(deadline).is_ok(),
                with: &|limit| condition.lock_with(limit).map(drop),
            },
            Call {
                name: "Monitor::lock",
                within: &|timeout| monitor.try_lock_for(timeout).is_some(),
                until: &|deadline| monitor.lock_with(deadline).is_ok(),
                with: &|limit| monitor.lock_with(limit).map(drop),
            },
        ];
        calls.iter().for_each(|call| call.tries_once(there));
    };
    there(true);
    let guards = (lock.lock(), rlock.lock(), condition.lock(), monitor.lock());
    std::thread::scope(|s| {
        s.spawn(|| there(false)).join().unwrap();
        let patient = start_parked(s, "lock", || lock.try_lock_for(Duration::MAX).is_some());
        drop(guards);
        assert!(patient.join());
    });
}

#[test]
fn event() {
    let event = Event::new();
    let call = Call {
        name: "Event",
        within: &|timeout| event.wait_for(timeout),
        until: &|deadline| event.wait_with(deadline).is_ok(),
        with: &|limit| event.wait_with(limit),
    };
    call.tries_once(false);
    event.set();
    call.tries_once(true);
    event.clear();
    std::thread::scope(|s| {
        let patient = start_parked(s, "event", || event.wait_for(Duration::MAX));
        event.set();
        assert!(patient.join());
    });
}

#[test]
fn conditions() {
    let (lock, condvar) = (Lock::new(1), Condvar::new());
    let (condition, monitor) = (Condition::new(1), Monitor::new(1));
    // A notification reaches only threads that wait already.
    let waits = [
        Call {
            name: "Condvar::wait",
            within: &|timeout| condvar.wait_for(&mut lock.lock(), timeout),
            until: &|deadline| condvar.wait_with(&mut lock.lock(), deadline).is_ok(),
            with: &|limit| condvar.wait_with(&mut lock.lock(), limit),
        },
        Call {
            name: "Condition::wait",
            within: &|timeout| condition.lock().wait_for(timeout),
            until: &|deadline| condition.lock().wait_with(deadline).is_ok(),
            with: &|limit| condition.lock().wait_with(limit),
        },
        Call {
            name: "Monitor::wait",
            within: &|timeout| monitor.lock().wait_for(timeout),
            until: &|deadline| monitor.lock().wait_with(deadline).is_ok(),
            with: &|limit| monitor.lock().wait_with(limit),
        },
    ];
    waits.iter().for_each(|call| call.tries_once(false));
    // A condition that holds is met, whatever the limit.
    let holds = Cell::new(false);
    let idle = |_: &mut i32| !holds.get();
    let waits = [
        Call {
            name: "Condvar::wait_while",
            within: &|timeout| {
                condvar
                    .wait_while_with(&mut lock.lock(), idle, timeout)
                    .is_ok()
            },
            until: &|deadline| {
                condvar
                    .wait_while_with(&mut lock.lock(), idle, deadline)
                    .is_ok()
            },
            with: &|limit| condvar.wait_while_with(&mut lock.lock(), idle, limit),
        },
        Call {
            name: "Condition::wait_while",
            within: &|timeout| condition.lock().wait_while_with(idle, timeout).is_ok(),
            until: &|deadline| condition.lock().wait_while_with(idle, deadline).is_ok(),
            with: &|limit| condition.lock().wait_while_with(idle, limit),
        },
        Call {
            name: "Monitor::wait_while",
            within: &|timeout| monitor.lock().wait_while_with(idle, timeout).is_ok(),
            until: &|deadline| monitor.lock().wait_while_with(idle, deadline).is_ok(),
            with: &|limit| monitor.lock().wait_while_with(idle, limit),
        },
    ];
    waits.iter().for_each(|call| call.tries_once(false));
    holds.set(true);
    waits.iter().for_each(|call| call.tries_once(true));
    std::thread::scope(|s| {
        let patient = start_parked(s, "condition", || condition.lock().wait_for(Duration::MAX));
        assert_eq!(condition.notify(1), 1);
        assert!(patient.join());
    });
}

#[test]
fn parking() {
    let word = AtomicU32::new(0);
    let sleep = |limit: Limit<'_>| match park(&word, || true, &WaitInfo::new("word"), limit) {
        Ok(Parked::Unparked(_)) => Ok(()),
        Err(WaitError::TimedOut) => Err(WaitError::TimedOut),
        Err(WaitError::Stopped) => Err(WaitError::Stopped),
        other => panic!("{other:?}"),
    };
    Call {
        name: "park",
        within: &|timeout| sleep(timeout.into()).is_ok(),
        until: &|deadline| sleep(deadline.into()).is_ok(),
        with: &|limit| sleep(limit),
    }
    .tries_once(false);
    std::thread::scope(|s| {
        let patient = start_parked(s, "word", || sleep(Duration::MAX.into()));
        assert_eq!(unpark_all(&word, 0), 1);
        assert_eq!(patient.join(), Ok(()));
    });
    // If the word is not as expected, that comes first.
    let validate = || word.load(Relaxed) == 1;
    let invalid = park(
        &word,
        validate,
        &WaitInfo::new("word"),
        Duration::ZERO.into(),
    );
    assert_eq!(invalid, Ok(Parked::Invalid));
}

#[test]
fn a_lock_that_the_thread_holds_itself() {
    let lock = Lock::new(1);
    let _guard = lock.lock();
    let hopeless: [&dyn Fn(); 3] = [
        &|| drop(lock.lock()),
        &|| drop(lock.try_lock_for(Duration::MAX)),
        &|| drop(lock.lock_with(Limit::never())),
    ];
    for relock in hopeless {
        let payload = catch_unwind(AssertUnwindSafe(relock)).unwrap_err();
        assert!(message(&*payload).contains("holds the lock already"));
    }
    assert!(lock.try_lock().is_none());
    // The raw one waits: another thread may release it.
    let raw = RawLock::new();
    std::thread::scope(|s| {
        let holder = start_parked(s, "lock", || {
            raw.acquire();
            raw.acquire();
        });
        raw.release().unwrap();
        holder.join();
    });
    assert_eq!(raw.release(), Ok(()));
    assert_eq!(raw.release(), Err(NotLocked));
}

#[test]
fn a_guard_that_is_forgotten_leaves_the_lock_held() {
    let (lock, rlock) = (Lock::new(1), RLock::new(1));
    std::thread::scope(|s| {
        start(s, || std::mem::forget((lock.lock(), rlock.lock()))).join();
        let elsewhere = start(s, || (lock.is_locked(), rlock.is_locked()));
        assert_eq!(elsewhere.join(), (true, true));
    });
}

#[test]
fn a_guard_that_is_dropped_in_a_thread_local_destructor() {
    static LOCK: Lock<u32> = Lock::new(0);
    static RLOCK: RLock<u32> = RLock::new(0);
    type Guards = (LockGuard<'static, u32>, tk_lock::RLockGuard<'static, u32>);
    thread_local!(static GUARDS: RefCell<Option<Guards>> = const { RefCell::new(None) });

    // Both orders of destruction: before and after the thread has its record.
    for registered_first in [true, false] {
        let thread = std::thread::spawn(move || {
            if registered_first {
                tk_core::current();
            }
            GUARDS.with_borrow_mut(|guards| {
                tk_core::current();
                *guards = Some((LOCK.lock(), RLOCK.lock()));
            });
        });
        thread.join().unwrap();
        assert!(LOCK.try_lock().is_some() && RLOCK.try_lock().is_some());
    }
}
