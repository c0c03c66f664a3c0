use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::*};
use std::time::{Duration, Instant};

use static_assertions::assert_impl_all;
use tk_lock::{NotLocked, RawLock};
use tk_park::{Limit, StopSource, WaitError};
use tk_testing::{is_parked, start, start_parked, until};

use crate::converting::Converting;

assert_impl_all!(RawLock: Send, Sync, Default);
assert_impl_all!(NotLocked: Send, Sync, std::error::Error);
// Any thread may release it.

const MINUTE: Duration = Duration::from_secs(60);

fn held() -> RawLock {
    let lock = RawLock::new();
    lock.acquire();
    lock
}

#[test]
fn a_lock_is_made_and_dropped() {
    static STATIC: RawLock = RawLock::new();
    assert!(!STATIC.is_locked());
    drop(Box::new(RawLock::default()));
}

#[test]
fn a_lock_can_be_dropped_while_it_is_held() {
    drop(Box::new(held()));
}

#[test]
fn debug_says_whether_it_is_locked() {
    let lock = RawLock::new();
    assert_eq!(format!("{lock:?}"), "RawLock { locked: false }");
    lock.acquire();
    assert_eq!(format!("{lock:?}"), "RawLock { locked: true }");
}

#[test]
fn acquire_and_release_take_turns() {
    let lock = RawLock::new();
    for _ in 0..3 {
        lock.acquire();
        assert!(lock.is_locked());
        assert_eq!(lock.holder(), Some(tk_core::current_owner()));
        assert_eq!(lock.release(), Ok(()));
        assert!(!lock.is_locked());
        assert_eq!(lock.holder(), None);
    }
}

#[test]
fn a_free_lock_is_taken_whatever_the_limit() {
    let source = StopSource::new();
    source.request_stop();
    let token = source.token();
    let lock = RawLock::new();
    let ways: [&dyn Fn() -> bool; 7] = [
        &|| lock.try_acquire(),
        &|| lock.acquire_for(Duration::ZERO),
        &|| lock.acquire_for(Duration::MAX),
        &|| lock.acquire_with(&token).is_ok(),
        &|| lock.acquire_with(Duration::ZERO).is_ok(),
        &|| lock.acquire_with(Instant::now()).is_ok(),
        &|| lock.acquire_with(Limit::never()).is_ok(),
    ];
    for take in ways {
        assert!(take());
        assert!(lock.is_locked());
        lock.release().unwrap();
    }
}

#[test]
fn a_held_lock_is_tried_once_with_a_limit_that_is_over() {
    let source = StopSource::new();
    source.request_stop();
    let token = source.token();
    let lock = held();
    assert!(!lock.try_acquire());
    assert!(!lock.acquire_for(Duration::ZERO));
    assert!(lock.acquire_with(Instant::now()).is_err());
    assert_eq!(lock.acquire_with(Duration::ZERO), Err(WaitError::TimedOut));
    assert_eq!(lock.acquire_with(&token), Err(WaitError::Stopped));
    let both = Limit::after(Duration::ZERO).or_stop(&token);
    assert_eq!(lock.acquire_with(both), Err(WaitError::Stopped));
    assert_eq!(lock.release(), Ok(()));
    assert!(!lock.is_locked());
}

#[test]
fn a_try_fails_in_another_thread_while_the_lock_is_held() {
    let lock = held();
    std::thread::scope(|s| {
        assert!(!start(s, || lock.try_acquire()).join());
        lock.release().unwrap();
        assert!(start(s, || lock.try_acquire()).join());
    });
}

#[test]
fn five_threads_block_and_all_get_through_after_the_release() {
    let lock = held();
    let passed = AtomicUsize::new(0);
    std::thread::scope(|s| {
        let threads: Vec<_> = (0..5)
            .map(|_| {
                start_parked(s, "lock", || {
                    lock.acquire();
                    passed.fetch_add(1, Relaxed);
                    lock.release().unwrap();
                })
            })
            .collect();
        assert_eq!(passed.load(Relaxed), 0);
        lock.release().unwrap();
        threads.into_iter().for_each(|thread| thread.join());
    });
    assert_eq!(passed.into_inner(), 5);
    assert!(!lock.is_locked());
}

#[test]
fn threads_that_used_a_lock_leave_nothing_in_the_registry() {
    let lock = RawLock::new();
    let records: Vec<_> = (0..15)
        .map(|_| {
            std::thread::scope(|s| {
                s.spawn(|| {
                    lock.acquire();
                    lock.release().unwrap();
                    tk_core::current()
                })
                .join()
                .unwrap()
            })
        })
        .collect();
    for record in records {
        assert!(!record.is_alive());
        assert!(!tk_core::enumerate().contains(&record));
    }
}

#[test]
fn a_timed_acquire_fails_after_its_time_and_not_before() {
    let lock = held();
    let timeout = Duration::from_millis(20);
    let start = Instant::now();
    assert!(!lock.acquire_for(timeout));
    assert!(start.elapsed() >= timeout);
    let deadline = Instant::now() + timeout;
    assert!(lock.acquire_with(deadline).is_err());
    assert!(Instant::now() >= deadline);
    let start = Instant::now();
    assert_eq!(lock.acquire_with(timeout), Err(WaitError::TimedOut));
    assert!(start.elapsed() >= timeout && start.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_timed_out_acquire_leaves_the_lock_in_order() {
    let lock = held();
    assert!(!lock.acquire_for(Duration::from_millis(1)));
    lock.release().unwrap();
    assert!(!lock.is_locked());
    assert_eq!(lock.release(), Err(NotLocked));
    assert!(lock.try_acquire());
    assert!(!lock.try_acquire());
    lock.release().unwrap();
}

#[test]
fn the_longest_time_waits_until_the_release() {
    let lock = held();
    std::thread::scope(|s| {
        let waiter = start_parked(s, "lock", || lock.acquire_for(Duration::MAX));
        lock.release().unwrap();
        assert!(waiter.join());
    });
}

#[test]
fn its_holder_blocks_too_until_another_thread_releases() {
    let lock = RawLock::new();
    std::thread::scope(|s| {
        let thread = start_parked(s, "lock", || {
            lock.acquire();
            lock.acquire();
            lock.release().unwrap();
        });
        let waiting = thread.record.blocked_on().unwrap();
        assert_eq!(waiting.holder(), Some(thread.owner()));
        lock.release().unwrap();
        thread.join();
    });
    assert!(!lock.is_locked());
}

#[test]
fn a_limit_is_converted_before_the_lock_is_taken() {
    let lock = RawLock::new();
    let uses = || {
        assert!(lock.try_acquire());
        lock.release().unwrap();
        Limit::never()
    };
    assert_eq!(lock.acquire_with(Converting(uses)), Ok(()));
    lock.release().unwrap();
    let panics = Converting(|| panic!("on purpose"));
    let panicked = catch_unwind(AssertUnwindSafe(|| lock.acquire_with(panics)));
    assert!(panicked.is_err() && !lock.is_locked());
}

#[test]
fn any_thread_may_release() {
    let lock = held();
    std::thread::scope(|s| assert_eq!(start(s, || lock.release()).join(), Ok(())));
    assert!(lock.try_acquire());
}

#[test]
fn the_release_of_a_free_lock_is_an_error_and_changes_nothing() {
    let lock = RawLock::new();
    assert_eq!(lock.release(), Err(NotLocked));
    assert!(lock.try_acquire());
    lock.release().unwrap();
    assert_eq!(lock.release(), Err(NotLocked));
    assert_eq!(NotLocked.to_string(), "release of a lock that is not held");
    assert!(!lock.is_locked());
}

#[test]
fn a_stop_ends_the_waits_with_its_token_and_no_other() {
    let lock = held();
    let source = StopSource::new();
    let token = source.token();
    std::thread::scope(|s| {
        let stoppable = start_parked(s, "lock", || lock.acquire_with(&token));
        let patient = start_parked(s, "lock", || lock.acquire());
        let also = start_parked(s, "lock", || {
            lock.acquire_with(Limit::after(MINUTE).or_stop(&token))
        });
        source.request_stop();
        assert_eq!(stoppable.join(), Err(WaitError::Stopped));
        assert_eq!(also.join(), Err(WaitError::Stopped));
        assert!(is_parked(&patient.record, "lock"));
        lock.release().unwrap();
        patient.join();
    });
}

#[test]
fn a_thread_that_gave_up_takes_no_wake_up_from_the_next() {
    let lock = held();
    let source = StopSource::new();
    let token = source.token();
    std::thread::scope(|s| {
        let first = start_parked(s, "lock", || lock.acquire_with(&token));
        let second = start_parked(s, "lock", || lock.acquire());
        source.request_stop();
        assert!(first.join().is_err());
        lock.release().unwrap();
        second.join();
    });
    lock.release().unwrap();
    assert!(lock.try_acquire());
}

#[test]
fn the_record_says_at_which_line_for_which_lock_and_who_holds_it() {
    let lock = held();
    let me = tk_core::current_owner();
    std::thread::scope(|s| {
        let mut line = line!() + 2;
        let forever = start_parked(s, "lock", || {
            lock.acquire();
            tk_core::current().blocked_on()
        });
        let check = |record: &tk_core::ThreadRecord, line| {
            let waiting = record.blocked_on().unwrap();
            assert_eq!(waiting.holder(), Some(me));
            assert_eq!(waiting.address(), &raw const lock as usize);
            let location = waiting.location();
            assert_eq!((location.file(), location.line()), (file!(), line));
        };
        check(&forever.record, line);

        let source = StopSource::new();
        let token = source.token();
        let stop = Limit::from(MINUTE).or_stop(&token);
        std::thread::scope(|s| {
            line = line!() + 1;
            let with = start_parked(s, "lock", || lock.acquire_with(stop).is_err());
            check(&with.record, line);
            source.request_stop();
            assert!(with.join());
        });
        line = line!() + 1;
        let timed = start_parked(s, "lock", || lock.acquire_for(MINUTE));
        check(&timed.record, line);
        line = line!() + 2;
        let until = start_parked(s, "lock", || {
            lock.acquire_with(Instant::now() + MINUTE).is_ok()
        });
        check(&until.record, line);

        lock.release().unwrap();
        assert!(forever.join().is_none());
        lock.release().unwrap();
        assert!(timed.join());
        lock.release().unwrap();
        assert!(until.join());
    });
}

#[test]
fn a_starving_waiter_is_handed_the_lock_by_the_release() {
    let lock = held();
    std::thread::scope(|s| {
        let waiter = start_parked(s, "lock", || {
            lock.acquire();
            lock.release().unwrap();
        });
        let since = waiter.record.blocked_on().unwrap().since();
        until("the waiter is starving", || {
            since.elapsed() > Duration::from_millis(2)
        });
        // The release has made the waiter the holder. It may have released the lock by now, but no
        // other thread can have taken it.
        lock.release().unwrap();
        let holder = lock.holder();
        assert!(holder == Some(waiter.owner()) || holder.is_none());
        waiter.join();
    });
    assert!(!lock.is_locked());
}

#[test]
fn a_lock_that_was_handed_over_is_held_before_the_new_owner_runs() {
    // Without a handoff, the waiter may be as quick as this thread, once or twice.
    for _ in 0..20 {
        let lock = held();
        std::thread::scope(|s| {
            let new_owner = start_parked(s, "lock", || {
                lock.acquire();
                let waiting = tk_core::current().blocked_on();
                // Keeps the lock, for the other to see.
                (lock.holder(), waiting)
            });
            let since = new_owner.record.blocked_on().unwrap().since();
            until("the waiter is starving", || {
                since.elapsed() > Duration::from_millis(2)
            });
            lock.release().unwrap();
            assert_eq!(lock.holder(), Some(new_owner.owner()));
            assert!(!lock.try_acquire());
            let owner = new_owner.owner();
            assert_eq!(new_owner.join(), (Some(owner), None));
            lock.release().unwrap();
        });
    }
}

/// Releases a lock, for which `N` threads have waited for this time, once for each of them, and
/// takes it again in between if it is free. Returns whether each release has handed it over, in
/// which case another thread has it at once, and how long the releases have taken.
fn handoffs_in_a_row<const N: usize>(waited: Duration) -> ([bool; N], Duration) {
    let lock = held();
    std::thread::scope(|s| {
        let waiters: [_; N] = std::array::from_fn(|_| start_parked(s, "lock", || lock.acquire()));
        let since = waiters[N - 1].record.blocked_on().unwrap().since();
        until("all have waited", || since.elapsed() > waited);
        let begun = Instant::now();
        let handoffs = std::array::from_fn(|_| {
            lock.release().unwrap();
            // A thread that is woken takes longer than this one.
            !lock.try_acquire()
        });
        let took = begun.elapsed();
        until("all have had the lock", || {
            let _ = lock.release();
            waiters.iter().all(|waiter| waiter.is_finished())
        });
        (handoffs, took)
    })
}

/// Whether releases for threads that starve do this, if they are all done before the interval
/// between two handoffs is over. Where they never are, as under valgrind, nothing can be told.
fn happens<const N: usize>(expected: [bool; N]) -> bool {
    let mut can_tell = false;
    for _ in 0..1000 {
        let (handoffs, took) = handoffs_in_a_row(Duration::from_millis(2));
        if handoffs == expected {
            return true;
        }
        can_tell |= took < Duration::from_micros(50);
    }
    !can_tell
}

#[test]
fn a_release_right_after_a_handoff_hands_the_lock_to_nobody() {
    assert!(happens([true, false]));
}

#[test]
fn the_interval_counts_for_the_thread_behind_one_that_was_woken_meanwhile() {
    assert!(happens([true, false, false]));
}

#[test]
fn threads_that_have_waited_for_long_are_handed_the_lock_one_after_the_other() {
    for _ in 0..20 {
        assert_eq!(handoffs_in_a_row(Duration::from_millis(12)).0, [true; 3]);
    }
}

#[test]
fn nobody_starves_beside_a_thread_that_takes_the_lock_again_and_again() {
    let lock = held();
    let done = AtomicUsize::new(0);
    std::thread::scope(|s| {
        let waiter = start_parked(s, "lock", || {
            for _ in 0..5 {
                lock.acquire();
                lock.release().unwrap();
            }
            done.store(1, Relaxed);
        });
        until("the waiter got the lock five times", || {
            lock.release().unwrap();
            lock.acquire();
            done.load(Relaxed) == 1
        });
        lock.release().unwrap();
        waiter.join();
    });
}

#[test]
fn a_lock_works_in_thread_local_destructors() {
    static LOCK: RawLock = RawLock::new();
    static TAKEN: AtomicUsize = AtomicUsize::new(0);

    struct Locks;

    impl Drop for Locks {
        fn drop(&mut self) {
            LOCK.acquire();
            TAKEN.fetch_add(1, Relaxed);
            LOCK.release().unwrap();
        }
    }

    thread_local!(static EARLY: RefCell<Option<Locks>> = const { RefCell::new(None) });
    thread_local!(static LATE: RefCell<Option<Locks>> = const { RefCell::new(None) });

    LOCK.acquire();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            std::thread::spawn(|| {
                EARLY.set(Some(Locks));
                tk_core::current();
                LATE.set(Some(Locks));
            })
        })
        .collect();
    LOCK.release().unwrap();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(TAKEN.load(Relaxed), 8);
}
