//! A profile and a trace take no memory while they are on, so they can be on in a program whose
//! allocator waits in the kit.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::*};

use tk_park::{Limit, Parked, WaitInfo, park, unpark_all, unpark_one};
use tk_testing::nap;
use tk_watch::{profile, trace};

/// Calls the system's allocator, one thread at a time. The others park.
struct OneByOne {
    /// 0: free. 1: held. 2: held, and threads may be parked.
    word: AtomicU32,
    parked: AtomicUsize,
}

thread_local! {
    /// How often this thread has called the allocator.
    static CALLS: Cell<usize> = const { Cell::new(0) };
}

impl OneByOne {
    fn during<R>(&self, f: impl FnOnce() -> R) -> R {
        CALLS.set(CALLS.get() + 1);
        if self.word.compare_exchange(0, 1, Acquire, Relaxed).is_err() {
            let info = WaitInfo::new("allocator");
            while self.word.swap(2, Acquire) != 0 {
                let is_held = || self.word.load(Relaxed) == 2;
                if park(&self.word, is_held, &info, Limit::never()) != Ok(Parked::Invalid) {
                    self.parked.fetch_add(1, Relaxed);
                }
            }
        }
        if CALLS.get().is_multiple_of(64) {
            // So that others come.
            std::thread::yield_now();
        }
        let result = f();
        if self.word.swap(0, Release) == 2 {
            unpark_one(&self.word, |_| 0);
        }
        result
    }
}

// SAFETY: all calls go to the system's allocator.
unsafe impl GlobalAlloc for OneByOne {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: by the caller's promise.
        self.during(|| unsafe { System.alloc(layout) })
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: by the caller's promise.
        self.during(|| unsafe { System.dealloc(pointer, layout) })
    }
}

#[global_allocator]
static ALLOCATOR: OneByOne = OneByOne {
    word: AtomicU32::new(0),
    parked: AtomicUsize::new(0),
};

/// One test, because the profile and the trace are one for the program.
#[test]
fn a_profile_and_a_trace_allocate_nothing_in_threads_that_wait() {
    profile::start();
    // Smaller than what happens, so that rings are overwritten.
    let small = trace::Options::new().threads(4).events_per_thread(32);
    small.start();
    wait_in_late_destructors();

    // No wait, not even the first of a registered thread, takes memory; nor does a wake-up.
    std::thread::scope(|s| {
        for _ in 0..8 {
            s.spawn(|| {
                tk_core::current();
                let word = AtomicU32::new(0);
                let before = CALLS.get();
                for _ in 0..500 {
                    nap(&word);
                    unpark_all(&word, 0);
                }
                assert_eq!(CALLS.get(), before);
            });
        }
    });
    let (asleep, word) = (AtomicUsize::new(0), AtomicU32::new(0));
    std::thread::scope(|s| {
        for _ in 0..8 {
            s.spawn(|| {
                let falls_asleep = || asleep.fetch_add(1, Relaxed) < usize::MAX;
                let info = WaitInfo::new("gate");
                assert_eq!(
                    park(&word, falls_asleep, &info, Limit::never()),
                    Ok(Parked::Unparked(0))
                );
            });
        }
        tk_testing::until("all sleep", || asleep.load(Relaxed) == 8);
        let before = CALLS.get();
        assert_eq!(unpark_all(&word, 0), 8);
        assert_eq!(CALLS.get(), before);
    });

    // Threads wait in the allocator, also for the thread that reads and clears at the same time.
    let is_over = AtomicBool::new(false);
    std::thread::scope(|s| {
        for _ in 0..3 {
            s.spawn(|| {
                while !is_over.load(Relaxed) {
                    let pieces: Vec<_> = (0..100_usize).map(|n| vec![0_u8; n]).collect();
                    drop(pieces);
                }
            });
        }
        for round in 0..6 {
            let mut file = Vec::new();
            trace::write_to(&mut file).unwrap();
            assert!(!profile::read().to_string().is_empty());
            if round % 2 == 1 {
                trace::clear();
                small.start();
                profile::stop();
                profile::start();
            }
        }
        tk_testing::until("threads have waited in the allocator", || {
            ALLOCATOR.parked.load(Relaxed) > 10
        });
        is_over.store(true, Relaxed);
    });
    trace::clear();
    profile::stop();
}

/// Destructors of thread-local values wait after the thread has left the registry.
fn wait_in_late_destructors() {
    struct NapOnDrop;

    impl Drop for NapOnDrop {
        fn drop(&mut self) {
            nap(&AtomicU32::new(0));
        }
    }

    thread_local! {
        static EARLY: NapOnDrop = const { NapOnDrop };
        static LATE: NapOnDrop = const { NapOnDrop };
    }

    for _ in 0..20 {
        std::thread::spawn(|| {
            EARLY.with(|_| ());
            nap(&AtomicU32::new(0));
            LATE.with(|_| ());
        })
        .join()
        .unwrap();
        // This one's first wait is in its last destructor.
        std::thread::spawn(|| EARLY.with(|_| ())).join().unwrap();
    }
}
