//! A global allocator that uses `Local`s each time that memory is allocated or freed, but for what
//! it allocates itself.
#![cfg(not(tk_loom))]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use tk_local::{Local, SharedLocal};

struct Meddling;

static COUNT: Local<usize> = Local::with_init(|| 0);
static NAMES: Local<String> = Local::new();
static SHARED: SharedLocal<AtomicUsize> = SharedLocal::new();
static CALLS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Whether the thread is in the allocator already, or wants to be left alone.
    static BUSY: Cell<bool> = const { Cell::new(true) };
}

/// Uses the `Local`s, in all ways in turn.
fn meddle() {
    if BUSY.replace(true) {
        return;
    }
    let n = CALLS.fetch_add(1, Relaxed);
    let _ = COUNT.try_with_borrow_mut(|count| *count += 1);
    match n % 8 {
        0 => drop(NAMES.try_set(n.to_string())),
        1 => drop(NAMES.try_take()),
        2 => drop(SHARED.try_set(AtomicUsize::new(n))),
        3 => SHARED.for_each(|value| assert!(value.fetch_add(1, Relaxed) < usize::MAX)),
        4 => drop(COUNT.try_take()),
        5 => Local::new().set(n),
        6 if SHARED.try_set(AtomicUsize::new(n)).is_ok() => drop(SHARED.take()),
        _ => drop(NAMES.try_with_borrow(String::len)),
    }
    BUSY.set(false);
}

// SAFETY: it is the system's allocator. The code that runs before it allocates in the same way, and
// does not unwind.
unsafe impl GlobalAlloc for Meddling {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        meddle();
        // SAFETY: by the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        meddle();
        // SAFETY: by the caller's promise.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Meddling = Meddling;

/// Runs `f` with an allocator that meddles. The thread is registered before: while that is under
/// way, it has no slot.
fn meddled_with<R>(f: impl FnOnce() -> R) -> R {
    tk_core::current_slot();
    BUSY.set(false);
    let result = f();
    BUSY.set(true);
    result
}

#[test]
fn an_allocator_may_use_the_locals_whose_memory_it_provides() {
    let user = || {
        meddled_with(|| {
            for n in 0..20 {
                COUNT.set(n);
                let _ = COUNT.try_with_borrow_mut(|count| *count += vec![1, n].len());
                let _ = NAMES.with_borrow(|name| name.clone() + "!");
                NAMES.set(n.to_string());
                let mut few: Vec<Local<String>> = (0..40).map(|_| Local::new()).collect();
                few.iter().for_each(|local| local.set(n.to_string()));
                few.iter_mut().for_each(|local| {
                    local.iter_mut().for_each(|mut name| name.push('?'));
                    drop(std::mem::take(local).into_iter().collect::<Vec<_>>());
                });
                SHARED.set(AtomicUsize::new(n));
                SHARED.for_each(|value| assert!(value.fetch_add(1, Relaxed) < usize::MAX));
                let other = SharedLocal::with_init(|| n.to_string());
                assert_eq!(other.with(String::len), Ok(n.to_string().len()));
                drop(SHARED.take());
            }
        });
        // The end of the thread is for it to meddle with, too.
        BUSY.set(false);
    };
    for _ in 0..10 {
        thread::scope(|s| {
            let threads = [s.spawn(user), s.spawn(user)];
            threads.into_iter().for_each(|t| t.join().unwrap());
        });
    }
    assert!(CALLS.load(Relaxed) > 1000);
    assert!(!COUNT.is_set() && !NAMES.is_set() && !SHARED.is_set());
}
