//! The id of an owner whose [`Owner`](tk_core::Owner) does not tell it from others.

use tk_park::sync::current_id;

#[cfg(any(target_has_atomic = "64", tk_loom))]
use tk_park::sync::{AtomicU64, Ordering::Relaxed};

/// The id of the thread that owns a lock, or zero. One load, and never half of one id and half of another.
pub(crate) struct AnonymousId {
    #[cfg(any(target_has_atomic = "64", tk_loom))]
    id: AtomicU64,
    #[cfg(not(any(target_has_atomic = "64", tk_loom)))]
    id: tk_core::__private::fork::Mutex<u64>,
}

#[cfg(any(target_has_atomic = "64", tk_loom))]
impl AnonymousId {
    pub(crate) const fn new() -> AnonymousId {
        AnonymousId {
            id: AtomicU64::new(0),
        }
    }

    // Relaxed: a thread looks for its own id only, and sees its own writes.
    fn load(&self) -> u64 {
        self.id.load(Relaxed)
    }

    fn store(&self, id: u64) {
        self.id.store(id, Relaxed);
    }
}

/// There is no atomic of 64 bits. Only threads after the first 2^30 come here, so a lock is good enough.
#[cfg(not(any(target_has_atomic = "64", tk_loom)))]
impl AnonymousId {
    pub(crate) const fn new() -> AnonymousId {
        AnonymousId {
            id: tk_core::__private::fork::Mutex::constant(0),
        }
    }

    fn load(&self) -> u64 {
        *self.id.lock()
    }

    fn store(&self, id: u64) {
        *self.id.lock() = id;
    }
}

impl AnonymousId {
    /// Whether this is the calling thread.
    #[cold]
    pub(crate) fn is_current(&self) -> bool {
        self.load() == current_id().get()
    }

    /// The calling thread is the owner now.
    #[cold]
    pub(crate) fn set(&self) {
        self.store(current_id().get());
    }

    /// The calling thread is about to release the lock.
    #[cold]
    pub(crate) fn clear(&self) {
        self.store(0);
    }

    #[cfg(tk_loom)]
    pub(crate) fn loom_register(&self) {
        self.id.loom_register();
    }
}
