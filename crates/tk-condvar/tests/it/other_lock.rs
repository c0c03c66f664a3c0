//! The raw condition variable with a lock that is not of tk-lock.

use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::*};
use std::time::Duration;

use tk_condvar::{CondvarLock, RawCondvar};
use tk_lock::{RawLock, RawRLock};
use tk_park::{Limit, StopSource, WaitError, WaitInfo, WideWord, park, unpark_one};
use tk_testing::{is_parked, message, start_parked, until};

const LOCKED: u32 = 1;
const PARKED: u32 = 2;
/// Token: the lock is yours.
const HANDOFF: u16 = 7;

/// A lock that each release hands to the first thread in the queue, and that counts its levels.
#[derive(Default)]
struct FifoLock {
    word: AtomicU32,
    /// The state that a wait saves. It belongs to the thread that holds the lock.
    level: AtomicUsize,
    handoffs: AtomicUsize,
}

impl FifoLock {
    fn acquire(&self) {
        let info = WaitInfo::new("fifo");
        while self.word.fetch_or(LOCKED, Acquire) & LOCKED != 0 {
            let parked = park(
                &self.word,
                || self.mark_parked_if_locked(),
                &info,
                Limit::never(),
            );
            if parked == Ok(tk_park::Parked::Unparked(HANDOFF)) {
                return;
            }
        }
    }

    fn release(&self) {
        // Without parked threads, or with the queue locked.
        if self
            .word
            .compare_exchange(LOCKED, 0, Release, Relaxed)
            .is_ok()
        {
            return;
        }
        unpark_one(&self.word, |result| {
            let parked = if result.have_more_threads { PARKED } else { 0 };
            if result.unparked_threads == 0 {
                self.word.store(0, Release);
                return 0;
            }
            self.handoffs.fetch_add(1, Relaxed);
            self.word.store(LOCKED | parked, Release);
            HANDOFF
        });
    }
}

// SAFETY: threads wait in `acquire` alone, which parks on the word. `release` hands the lock to the
// first waiter, and leaves the mark if there are others.
unsafe impl CondvarLock for FifoLock {
    fn word(&self) -> &dyn WideWord {
        &self.word
    }

    fn mark_parked_if_locked(&self) -> bool {
        let mut word = self.word.load(Relaxed);
        while word & LOCKED != 0 {
            let marked = word | PARKED;
            match self
                .word
                .compare_exchange_weak(word, marked, Relaxed, Relaxed)
            {
                Ok(_) => return true,
                Err(changed) => word = changed,
            }
        }
        false
    }

    fn mark_parked(&self) {
        self.word.fetch_or(PARKED, Relaxed);
    }

    unsafe fn release_save(&self) -> usize {
        let level = self.level.swap(0, Relaxed);
        self.release();
        level
    }

    unsafe fn acquire_restore(&self, level: usize, token: u16) {
        if token != HANDOFF {
            self.acquire();
        }
        self.level.store(level, Relaxed);
    }
}

/// Numbers that only the thread that holds the lock touches.
#[derive(Default)]
struct Shared {
    lock: FifoLock,
    changed: RawCondvar,
    list: UnsafeCell<Vec<usize>>,
}

// SAFETY: the list is used with the lock held.
unsafe impl Sync for Shared {}

impl Shared {
    /// Takes the lock at a level of its own, waits once, and adds the level that it finds.
    fn wait_and_add(&self, level: usize) {
        self.lock.acquire();
        self.lock.level.store(level, Relaxed);
        // SAFETY: the lock is held, and the list not in use.
        let waited = unsafe { self.changed.wait_with(&self.lock, Limit::never()) };
        assert_eq!(waited, Ok(()));
        // SAFETY: the lock is held.
        unsafe { &mut *self.list.get() }.push(self.lock.level.load(Relaxed));
        self.lock.release();
    }
}

#[test]
fn each_release_hands_it_to_the_next_of_the_threads_that_were_moved() {
    let shared = Shared::default();
    std::thread::scope(|s| {
        let waiters = [10, 11, 12, 13].map(|level| {
            let shared = &shared;
            start_parked(s, "condition", move || shared.wait_and_add(level))
        });
        shared.lock.acquire();
        assert_eq!(shared.changed.notify(1), 1);
        assert_eq!(shared.changed.notify_all(), 3);
        // They have been moved, and none has been woken.
        for waiter in &waiters {
            assert!(is_parked(&waiter.record, "condition"));
        }
        assert_eq!(shared.lock.handoffs.load(Relaxed), 0);
        shared.lock.release();
        waiters.into_iter().for_each(|waiter| waiter.join());
    });
    assert_eq!(shared.lock.handoffs.load(Relaxed), 4);
    assert_eq!(shared.list.into_inner(), [10, 11, 12, 13]);
}

#[test]
fn all_threads_get_through_a_lock_that_was_free_when_they_were_notified() {
    let shared = Shared::default();
    std::thread::scope(|s| {
        let waiters = [1, 2, 3].map(|level| {
            let shared = &shared;
            start_parked(s, "condition", move || shared.wait_and_add(level))
        });
        assert_eq!(shared.changed.notify_all(), 3);
        waiters.into_iter().for_each(|waiter| waiter.join());
    });
    let mut list = shared.list.into_inner();
    list.sort_unstable();
    assert_eq!(list, [1, 2, 3]);
}

#[test]
fn a_wait_that_gives_up_restores_what_it_has_saved() {
    let (lock, changed, source) = (FifoLock::default(), RawCondvar::new(), StopSource::new());
    lock.acquire();
    lock.level.store(5, Relaxed);
    // SAFETY: the lock is held, and guards nothing that is in use.
    let waited = unsafe { changed.wait_with(&lock, Duration::from_millis(1)) };
    assert_eq!(waited, Err(WaitError::TimedOut));
    assert_eq!(lock.level.load(Relaxed), 5);
    source.request_stop();
    // SAFETY: as above.
    let waited = unsafe { changed.wait_with(&lock, &source.token()) };
    assert_eq!(waited, Err(WaitError::Stopped));
    assert_eq!(lock.level.load(Relaxed), 5);
    assert_eq!(lock.word.load(Relaxed) & LOCKED, LOCKED);
    lock.release();
}

#[test]
fn locks_of_two_types_panic_like_two_locks_of_one() {
    let (changed, fifo, plain) = (RawCondvar::new(), FifoLock::default(), RawLock::new());
    std::thread::scope(|s| {
        let waiter = start_parked(s, "condition", || {
            fifo.acquire();
            // SAFETY: the lock is held, and guards nothing.
            let waited = unsafe { changed.wait_with(&fifo, Limit::never()) };
            fifo.release();
            waited
        });
        plain.acquire();
        let waits = || {
            // SAFETY: as above.
            unsafe { changed.wait_with(&plain, Limit::never()) }
        };
        let payload = catch_unwind(AssertUnwindSafe(waits)).unwrap_err();
        assert!(message(&*payload).contains("more than one mutex"));
        assert!(plain.is_locked());
        assert_eq!(changed.notify(1), 1);
        assert_eq!(waiter.join(), Ok(()));
    });
}

#[test]
fn a_reentrant_lock_is_released_at_all_levels() {
    let (changed, lock) = (RawCondvar::new(), RawRLock::new());
    std::thread::scope(|s| {
        let waiter = start_parked(s, "condition", || {
            lock.acquire();
            lock.acquire();
            // SAFETY: the lock is held, and guards nothing.
            let waited = unsafe { changed.wait_with(&lock, Limit::never()) };
            let levels = lock.recursion_count();
            lock.release().unwrap();
            lock.release().unwrap();
            (waited, levels)
        });
        until("the lock is free", || lock.try_acquire());
        assert_eq!(changed.notify_all(), 1);
        lock.release().unwrap();
        assert_eq!(waiter.join(), (Ok(()), 2));
    });
    assert!(!lock.is_locked());
}
