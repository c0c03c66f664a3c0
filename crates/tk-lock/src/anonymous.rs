//! The id of an owner that shares its number with others:
//! [`Owner::ANONYMOUS`](tk_core::Owner::ANONYMOUS).

use tk_park::sync::current_id;

#[cfg(any(target_has_atomic = "64", tk_loom))]
use tk_park::sync::{AtomicU64, Ordering::Relaxed};

/// The id of the thread that owns a lock, or zero. It is read in one load, so it is never half of
/// one id and half of another.
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

    // Relaxed: a thread looks only for its own id, and sees its own writes.
    fn load(&self) -> u64 {
        self.id.load(Relaxed)
    }

    fn store(&self, id: u64) {
        self.id.store(id, Relaxed);
    }
}

/// The processor has no atomic of 64 bits. Only threads after the first 2^30 come here, so a mutex
/// is good enough.
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
    /// Returns whether this is the calling thread's id.
    #[cold]
    pub(crate) fn is_current(&self) -> bool {
        self.load() == current_id().get()
    }

    /// Stores the id of the calling thread, which has just taken the lock.
    #[cold]
    pub(crate) fn set(&self) {
        self.store(current_id().get());
    }

    /// Clears the id of the calling thread, which is about to release the lock.
    #[cold]
    pub(crate) fn clear(&self) {
        self.store(0);
    }

    #[cfg(tk_loom)]
    pub(crate) fn loom_register(&self) {
        self.id.loom_register();
    }
}
