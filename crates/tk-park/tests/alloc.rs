//! Parking takes no memory of the program's allocator, and works in the allocator itself.
#![cfg(not(tk_loom))]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::*};
use std::time::Duration;

use tk_park::{Limit, Parked, WaitError, WaitInfo, park, unpark_all, unpark_one};

/// An allocator with a lock that parks. The lock is held for a moment, so that threads get in each
/// other's way.
struct Locked {
    /// 0: free. 1: held. 2: held, and threads may be parked.
    word: AtomicU32,
    waits: AtomicUsize,
}

impl Locked {
    fn lock(&self) {
        let taken = |from, to| {
            self.word
                .compare_exchange(from, to, Acquire, Relaxed)
                .is_ok()
        };
        if taken(0, 1) {
            return;
        }
        let wait = WaitInfo::new("allocator");
        while self.word.swap(2, Acquire) != 0 {
            let is_contended = || self.word.load(Relaxed) == 2;
            if park(&self.word, is_contended, &wait, Limit::never()) != Ok(Parked::Invalid) {
                self.waits.fetch_add(1, Relaxed);
            }
        }
    }

    fn unlock(&self) {
        if self.word.swap(0, Release) == 2 {
            unpark_one(&self.word, |_| 0);
        }
    }

    fn with<R>(&self, f: impl FnOnce() -> R) -> R {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        self.lock();
        if ALLOCATIONS.get().is_multiple_of(64) {
            std::thread::yield_now();
        }
        let result = f();
        self.unlock();
        result
    }
}

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: the system's allocator does the work.
unsafe impl GlobalAlloc for Locked {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        self.with(|| unsafe { System.alloc(layout) })
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        self.with(|| unsafe { System.dealloc(pointer, layout) })
    }
}

#[global_allocator]
static ALLOCATOR: Locked = Locked {
    word: AtomicU32::new(0),
    waits: AtomicUsize::new(0),
};

/// Threads that allocate, register, start and end at the same time, and wait for each other in the
/// allocator.
#[test]
fn an_allocator_may_park() {
    const THREADS: usize = 8;
    for _ in 0..20 {
        std::thread::scope(|s| {
            for _ in 0..THREADS {
                s.spawn(|| {
                    let mut kept = Vec::new();
                    for n in 0..200_usize {
                        kept.push(vec![0_u8; n]);
                        if n == 100 {
                            tk_core::current();
                        }
                    }
                    kept
                });
            }
        });
    }
}

#[test]
fn neither_a_wait_nor_a_wake_up_takes_memory() {
    const SLEEPERS: usize = 40;
    let word = AtomicU32::new(0);
    let asleep = AtomicUsize::new(0);
    let asleep_now = || {
        asleep.fetch_add(1, Relaxed);
        true
    };
    // The first wait makes the thread's record.
    let wait = WaitInfo::new("test");
    let sleep_on = |word: &AtomicU32, limit| park(word, || true, &wait, limit);
    let timed_out = Err(WaitError::TimedOut);
    assert_eq!(sleep_on(&word, Duration::ZERO.into()), timed_out);
    let total: usize = std::thread::scope(|s| {
        let sleepers: Vec<_> = (0..SLEEPERS)
            .map(|_| {
                s.spawn(|| {
                    let alone = AtomicU32::new(0);
                    assert_eq!(sleep_on(&alone, Duration::ZERO.into()), timed_out);
                    let before = ALLOCATIONS.get();
                    let woken = park(&word, asleep_now, &wait, Limit::never());
                    let late = sleep_on(&alone, Duration::from_micros(1).into());
                    let allocations = ALLOCATIONS.get() - before;
                    assert_eq!((woken, late), (Ok(Parked::Unparked(1)), timed_out));
                    allocations
                })
            })
            .collect();
        while asleep.load(Relaxed) < SLEEPERS {
            std::thread::yield_now();
        }
        let before = ALLOCATIONS.get();
        assert_eq!(unpark_all(&word, 1), SLEEPERS);
        let mine = ALLOCATIONS.get() - before;
        let theirs = sleepers.into_iter().map(|sleeper| sleeper.join().unwrap());
        mine + theirs.sum::<usize>()
    });
    assert_eq!(total, 0);
}
