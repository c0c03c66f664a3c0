//! The lock of a bucket: four bytes, no allocation, and threads that wait for it sleep.
//!
//! | state | meaning |
//! |---|---|
//! | `FREE` | no thread holds it |
//! | `HELD` | a thread holds it, and no thread sleeps |
//! | `CONTENDED` | a thread holds it, and others sleep, or may sleep |
//!
//! It is held for a few instructions. A thread spins for about that long, and then sleeps, because
//! the holder may have been preempted, and may have a lower priority.
//!
//! **Contended.** A thread that sleeps has set `CONTENDED`, and sleeps only while that stands. A
//! thread that takes the lock after it has slept sets `CONTENDED` in that step, because others may
//! sleep still. So the release that ends `CONTENDED` wakes one of them, whose own release wakes the
//! next one.

use crate::sync::Ordering::{Acquire, Relaxed, Release};
use crate::sync::futex;
use crate::sync::lot::AtomicU32;

const FREE: u32 = 0;
const HELD: u32 = 1;
const CONTENDED: u32 = 2;

/// How many times a thread looks before it sleeps. A model has no use for looking twice.
const LOOKS: u32 = if cfg!(tk_loom) { 0 } else { 100 };

pub(super) struct BucketLock(AtomicU32);

impl BucketLock {
    pub(super) fn new() -> BucketLock {
        BucketLock(AtomicU32::new(FREE))
    }

    #[inline]
    pub(super) fn lock(&self) {
        // Acquire: pairs with the Release in `unlock`.
        if self
            .0
            .compare_exchange(FREE, HELD, Acquire, Relaxed)
            .is_err()
        {
            self.lock_slow();
        }
    }

    #[cold]
    fn lock_slow(&self) {
        for _ in 0..LOOKS {
            let state = self.0.load(Relaxed);
            // Acquire: as above.
            if state == FREE
                && self
                    .0
                    .compare_exchange(FREE, HELD, Acquire, Relaxed)
                    .is_ok()
            {
                return;
            }
            if state == CONTENDED {
                // Others sleep already.
                break;
            }
            std::hint::spin_loop();
        }
        // Acquire: as above.
        while self.0.swap(CONTENDED, Acquire) != FREE {
            futex::wait(&self.0, CONTENDED, None);
        }
    }

    /// To be called by the thread that has the lock.
    #[inline]
    pub(super) fn unlock(&self) {
        // Release: pairs with the Acquire of the next holder.
        if self.0.swap(FREE, Release) == CONTENDED {
            // Tables are never freed, so the word is there even if the next holder is done already.
            futex::wake(&self.0);
        }
    }
}
