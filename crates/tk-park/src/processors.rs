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

#[cfg(any(target_os = "linux", target_os = "android"))]
mod imp {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    const UNKNOWN: u32 = 0;

    static AT_START: AtomicU32 = AtomicU32::new(UNKNOWN);

    /// The processors of the calling thread.
    fn here() -> u32 {
        // It fails where there are more processors than the set has room for.
        rustix::thread::sched_getaffinity(None).map_or(u32::MAX, |set| set.count())
    }

    /// To be called before `main`. Uses nothing of the standard library that is not there by then.
    #[cfg(all(target_os = "linux", not(miri)))]
    pub(crate) fn note() {
        // Relaxed: no other thread is there.
        AT_START.store(here(), Relaxed);
    }

    pub(crate) fn count() -> u32 {
        match AT_START.load(Relaxed) {
            UNKNOWN => here(),
            at_start => at_start,
        }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod imp {
    pub(crate) fn count() -> u32 {
        let count = std::thread::available_parallelism().map_or(usize::MAX, |n| n.get());
        u32::try_from(count).unwrap_or(u32::MAX)
    }
}

pub(crate) use imp::*;
