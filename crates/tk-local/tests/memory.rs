//! Memory grows with the values that are set: not with the number of `Local`s times that of
//! threads, nor with the threads that were.
#![cfg(not(tk_loom))]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Barrier;
use std::sync::atomic::{AtomicIsize, Ordering::Relaxed};
use std::thread;

use tk_local::{Local, SharedLocal};

/// Counts the bytes that are in use.
struct Counting;

static IN_USE: AtomicIsize = AtomicIsize::new(0);

// SAFETY: it is the system's allocator; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        IN_USE.fetch_add(layout.size().cast_signed(), Relaxed);
        // SAFETY: by the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size().cast_signed(), Relaxed);
        // SAFETY: by the caller's promise.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A node, what the thread notes of it, and the pages to it, if no other value is near.
const A_VALUE_ALONE: isize = 48 + 2 * 16 + 2 * 256;
/// A node, what the thread notes of it, and a share in pages.
const A_VALUE_OF_MANY: isize = 48 + 2 * 16 + 64;

/// Runs `work` in that many threads, which all exist until `look` has been called.
fn with_threads(threads: usize, work: impl Fn(usize) + Sync, look: impl FnOnce()) {
    let (start, done, end) = (
        Barrier::new(threads),
        Barrier::new(threads + 1),
        Barrier::new(threads + 1),
    );
    thread::scope(|s| {
        let threads: Vec<_> = (0..threads)
            .map(|number| {
                let (start, done, end, work) = (&start, &done, &end, &work);
                let run = move || {
                    tk_core::current();
                    start.wait();
                    work(number);
                    done.wait();
                    end.wait();
                };
                thread::Builder::new()
                    .stack_size(64 * 1024)
                    .spawn_scoped(s, run)
                    .unwrap()
            })
            .collect();
        done.wait();
        look();
        end.wait();
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

/// Bytes in use while the threads exist, beyond those that it takes to have them.
fn bytes(threads: usize, work: impl Fn(usize) + Sync) -> isize {
    let idle = {
        let mut in_use = 0;
        with_threads(threads, |_| (), || in_use = IN_USE.load(Relaxed));
        in_use
    };
    let mut in_use = 0;
    with_threads(threads, work, || in_use = IN_USE.load(Relaxed));
    in_use - idle
}

/// One test, so that no other one allocates at the same time.
#[test]
fn memory_grows_with_the_values_that_are_set() {
    const LOCALS: usize = 10_000;
    // The memory that threads and their slots leave behind is allocated first.
    with_threads(200, |_| (), || ());

    // Each `Local` has one value, set by any of the threads.
    for threads in [50, 200] {
        let before = IN_USE.load(Relaxed);
        let locals: Vec<Local<u64>> = (0..LOCALS).map(|_| Local::new()).collect();
        let work = |number: usize| {
            for local in locals.iter().skip(number).step_by(threads) {
                local.set(1);
            }
        };
        let used = bytes(threads, work);
        let each = used / LOCALS.cast_signed();
        assert!((48..=A_VALUE_ALONE).contains(&each), "{each} bytes a value");
        drop(locals);
        let left = IN_USE.load(Relaxed) - before;
        assert!(left < used / 20, "{left} bytes left");
    }

    // Each `Local` has a value of each thread.
    const THREADS: usize = 50;
    const FEW: usize = 200;
    let locals: Vec<Local<u64>> = (0..FEW).map(|_| Local::new()).collect();
    let used = bytes(THREADS, |_| locals.iter().for_each(|local| local.set(1)));
    let each = used / (THREADS * FEW).cast_signed();
    assert!(
        (48..=A_VALUE_OF_MANY).contains(&each),
        "{each} bytes a value"
    );
    drop(locals);

    // A thread that outlives many `Local`s keeps nothing of them to speak of.
    let used = bytes(1, |_| {
        for _ in 0..LOCALS {
            Local::new().set(1_u64);
            SharedLocal::new().set(1_u64);
        }
    });
    assert!(used < 100 * A_VALUE_ALONE, "{used} bytes kept");

    // Threads that come and go leave nothing in a `Local` that stays.
    static STAYS: Local<u64> = Local::new();
    static SHOWS: SharedLocal<u64> = SharedLocal::new();
    let come_and_go = || {
        // More than there are slots.
        for _ in 0..1000 {
            thread::spawn(|| {
                STAYS.set(1);
                SHOWS.set(1);
            })
            .join()
            .unwrap();
        }
        IN_USE.load(Relaxed)
    };
    let first = come_and_go();
    let second = come_and_go();
    assert!(second - first < 4096, "{} bytes more", second - first);
}
