//! Whether another processor can bring what a thread waits for.
//!
//! Not if the process was started with one processor. The set of the thread that asks says less,
//! because a program may bind each of its threads to a processor of its own. So on Linux the first
//! thread asks before `main`.
//!
//! Asking allocates nothing, because the lock that a thread waits for may be the global
//! allocator's. On Linux, `available_parallelism` reads the quotas of control groups into a buffer:
//! the allocation would wait for the same lock, ask again how many processors there are, and so on
//! until the stack is full. The other systems' `available_parallelism` allocates nothing.

#[cfg(any(target_os = "linux", target_os = "android"))]
mod imp {
    use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

    const UNKNOWN: u8 = 0;
    const ONE: u8 = 1;
    const SEVERAL: u8 = 2;

    static AT_START: AtomicU8 = AtomicU8::new(UNKNOWN);

    /// The processors of the calling thread.
    fn here() -> u8 {
        // It fails where there are more processors than the set has room for.
        let is_one = rustix::thread::sched_getaffinity(None).is_ok_and(|set| set.count() == 1);
        if is_one { ONE } else { SEVERAL }
    }

    /// To be called before `main`. Uses nothing of the standard library that is not there by then.
    #[cfg(all(target_os = "linux", not(miri)))]
    pub(crate) fn note() {
        // Relaxed: no other thread is there.
        AT_START.store(here(), Relaxed);
    }

    pub(crate) fn is_one() -> bool {
        match AT_START.load(Relaxed) {
            UNKNOWN => here() == ONE,
            at_start => at_start == ONE,
        }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod imp {
    pub(crate) fn is_one() -> bool {
        std::thread::available_parallelism().is_ok_and(|n| n.get() == 1)
    }
}

pub(crate) use imp::*;
