//! A futex for models, and a clock that stands still until a model moves it. A model with a thread
//! that calls `advance` tries a timeout at every point.
//!
//! The kernel is one list of sleepers in the order of arrival. To compare the word and to enter the
//! list is one step, as the list is locked meanwhile.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use loom::sync::{Condvar, Mutex, MutexGuard};

use super::Instant;

/// Where a thread sleeps. `woken` is read and written with the kernel locked.
struct Sleeper {
    address: usize,
    deadline: Option<Instant>,
    woken: AtomicBool,
    wake: Condvar,
}

loom::lazy_static! {
    static ref KERNEL: Mutex<Vec<Arc<Sleeper>>> = Mutex::new(Vec::new());
    /// Not in the kernel: a thread that has it locked may ask for the time. Changed with the kernel
    /// locked, so that a sleeper that is told of a change sees it.
    static ref NOW: AtomicU64 = AtomicU64::new(0);
}

fn kernel() -> MutexGuard<'static, Vec<Arc<Sleeper>>> {
    KERNEL.lock().unwrap()
}

pub(crate) fn now() -> u64 {
    NOW.load(Relaxed)
}

/// To be called with the list locked from which sleepers are told.
pub(super) fn set_now(to: u64) {
    NOW.fetch_max(to, Relaxed);
}

/// Moves the clock to that time. Threads that sleep with a deadline look at it again.
pub(super) fn advance(to: u64) {
    let kernel = kernel();
    set_now(to);
    for sleeper in kernel.iter() {
        if sleeper.deadline.is_some() {
            sleeper.wake.notify_one();
        }
    }
}

/// As the real one, but without spurious wake-ups.
pub(crate) fn wait(word: &AtomicU32, expected: u32, deadline: Option<Instant>) -> bool {
    let is_expired = || deadline.is_some_and(|deadline| deadline.0 <= now());
    let mut kernel = kernel();
    if is_expired() {
        return false;
    }
    // Relaxed: a thread that changes the word locks the kernel afterwards, in `wake`.
    if word.load(Relaxed) != expected {
        return true;
    }
    let me = Arc::new(Sleeper {
        address: (&raw const *word).addr(),
        deadline,
        woken: AtomicBool::new(false),
        wake: Condvar::new(),
    });
    kernel.push(Arc::clone(&me));
    loop {
        kernel = me.wake.wait(kernel).unwrap();
        if me.woken.load(Relaxed) {
            return true;
        }
        if is_expired() {
            kernel.retain(|sleeper| !Arc::ptr_eq(sleeper, &me));
            return false;
        }
    }
}

/// As the real one.
pub(crate) fn wake(word: *const AtomicU32) {
    let mut kernel = kernel();
    let found = kernel
        .iter()
        .position(|sleeper| sleeper.address == word.addr());
    if let Some(at) = found {
        let sleeper = kernel.remove(at);
        sleeper.woken.store(true, Relaxed);
        sleeper.wake.notify_one();
    }
}
