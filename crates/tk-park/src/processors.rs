//! How many processors there are to bring what a thread waits for.
//!
//! They are those that the process was started with. The set of the thread that asks says less,
//! because a program may bind each of its threads to a processor of its own. So on Linux the first
//! thread asks before `main`.
//!
//! Asking allocates nothing, because the lock that a thread waits for may be the global
//! allocator's. On Linux, `available_parallelism` reads the quotas of control groups into a buffer:
//! the allocation would wait for the same lock, ask again how many processors there are, and so on
//! until the stack is full. The other systems' `available_parallelism` allocates nothing.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

const UNKNOWN: u32 = 0;

static COUNT: AtomicU32 = AtomicU32::new(UNKNOWN);

/// Asks, before `main`. Uses nothing of the standard library that is not there by then.
#[cfg(all(target_os = "linux", not(miri)))]
pub(crate) fn note() {
    // Relaxed, here and below: the number is all there is.
    COUNT.store(ask(), Relaxed);
}

/// Returns how many there are.
#[inline]
pub(crate) fn count() -> u32 {
    match COUNT.load(Relaxed) {
        UNKNOWN => {
            let count = ask();
            COUNT.store(count, Relaxed);
            count
        }
        count => count,
    }
}

/// The processors of the calling thread.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn ask() -> u32 {
    // It fails where there are more processors than the set has room for.
    rustix::thread::sched_getaffinity(None).map_or(u32::MAX, |set| set.count())
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn ask() -> u32 {
    let count = std::thread::available_parallelism().map_or(usize::MAX, |n| n.get());
    u32::try_from(count).unwrap_or(u32::MAX)
}
