//! A barrier that is in use takes no memory.
#![cfg(not(tk_loom))]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

use tk_barrier::Barrier;

/// Counts the allocations of each thread by itself: those of the test harness are not in the way.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

fn allocations() -> usize {
    ALLOCATIONS.get()
}

// SAFETY: the system's allocator does the work. The counter needs no memory, and has no destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(allocations() + 1);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_new_barrier_takes_no_memory() {
    let before = allocations();
    let barrier = Barrier::new(3).timeout(Duration::MAX);
    assert_eq!(allocations(), before);
    drop(barrier);
}

#[test]
fn rounds_take_no_memory_after_the_first() {
    const PARTIES: usize = 3;
    const ROUNDS: usize = 1000;
    let barrier = Barrier::new(PARTIES);
    let counted: usize = std::thread::scope(|s| {
        let threads: Vec<_> = (0..PARTIES)
            .map(|_| {
                s.spawn(|| {
                    // A thread's first sleep makes what the thread has for all its sleeps.
                    let alone = Barrier::new(2);
                    assert!(alone.wait_for(Duration::from_millis(1)).is_err());
                    let round = || barrier.wait().unwrap();
                    // Two cycles are made: one by the first arrival, one by the last.
                    round();
                    round();
                    let before = allocations();
                    for _ in 0..ROUNDS {
                        round();
                    }
                    allocations() - before
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    assert_eq!(counted, 0);
}

#[test]
fn a_barrier_that_is_broken_and_reset_again_and_again_takes_no_memory() {
    let barrier = Barrier::new(2);
    let round = || {
        assert!(barrier.wait_for(Duration::ZERO).is_err());
        barrier.reset();
    };
    round();
    round();
    let before = allocations();
    (0..100).for_each(|_| round());
    assert_eq!(allocations(), before);
}
