//! The memory that stop tokens allocate, and give back.
#![cfg(not(tk_loom))]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use tk_park::{Limit, StopSource, WaitError, WaitInfo, park};

/// Counts the blocks that each thread has allocated, and how many of them it has not freed.
struct Counting;

thread_local! {
    static ALLOCATED: Cell<usize> = const { Cell::new(0) };
    static LIVE: Cell<isize> = const { Cell::new(0) };
}

// SAFETY: it is the system's allocator, and counts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.set(ALLOCATED.get() + 1);
        LIVE.set(LIVE.get() + 1);
        // SAFETY: by the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        LIVE.set(LIVE.get() - 1);
        // SAFETY: by the caller's promise.
        unsafe { System.dealloc(block, layout) };
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Does it twice, as the first time may allocate for good, and says what the second time has left.
fn left_by(f: impl Fn()) -> isize {
    f();
    let before = LIVE.get();
    f();
    LIVE.get() - before
}

fn chain(depth: usize) -> Vec<StopSource> {
    let mut chain = vec![StopSource::new()];
    for _ in 0..depth {
        chain.push(chain.last().unwrap().token().child());
    }
    chain
}

#[test]
fn a_tree_whose_handles_are_dropped_is_freed() {
    let drop_all = |stop: bool, reverse: bool| {
        let mut sources = chain(5);
        let top = sources[0].token();
        let linked = StopSource::child_of([&sources[2].token(), &sources[4].token(), &top]);
        sources.push(linked.token().child());
        sources.push(linked);
        let mut callbacks = Vec::new();
        for source in &sources {
            let payload = Box::new(1);
            callbacks.push(source.token().on_stop(move || drop(payload)));
        }
        drop(top);
        if stop {
            sources[1].request_stop();
        }
        if reverse {
            sources.reverse();
            callbacks.reverse();
        }
        drop(sources);
        drop(callbacks);
    };
    for stop in [false, true] {
        for reverse in [false, true] {
            assert_eq!(left_by(|| drop_all(stop, reverse)), 0);
        }
    }
}

#[test]
fn the_last_handle_may_be_any() {
    for n in 0..6 {
        assert_eq!(left_by(|| drop(chain(5).remove(n))), 0);
        let callback = || chain(5)[n].token().on_stop(|| ());
        assert_eq!(left_by(|| drop(callback())), 0);
        assert_eq!(left_by(|| _ = callback().unregister()), 0);
    }
}

#[test]
fn a_request_frees_the_functions_and_allocates_nothing() {
    // The parking lot makes its table.
    tk_park::unpark_all(&AtomicU32::new(0), 0);
    let left = left_by(|| {
        let chain = chain(3);
        let callbacks: Vec<_> = chain
            .iter()
            .map(|source| {
                let payload = Box::new(1);
                source.token().on_stop(move || drop(payload))
            })
            .collect();
        tk_core::current(); // A thread that calls callbacks is registered.
        let allocated = ALLOCATED.get();
        chain[0].request_stop();
        assert_eq!(ALLOCATED.get(), allocated);
        drop(callbacks);
    });
    assert_eq!(left, 0);
}

#[test]
fn a_wait_with_tokens_allocates_nothing() {
    let tokens = [(); 4].map(|()| StopSource::new().token());
    let word = AtomicU32::new(0);
    let wait = || {
        let limit = tokens.iter().fold(Limit::never(), Limit::or_stop);
        let limit = limit.or_after(Duration::from_micros(1));
        let parked = park(&word, || true, &WaitInfo::new("test"), limit);
        assert_eq!(parked, Err(WaitError::TimedOut));
    };
    wait(); // It registers the thread.
    let allocated = ALLOCATED.get();
    wait();
    assert_eq!(ALLOCATED.get(), allocated);
}
