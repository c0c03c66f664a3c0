//! The lock around the lists of a node: the kit's own, which the child of a fork can always take.
//! In a model it is loom's.

#[cfg(not(tk_loom))]
mod real {
    use tk_core::__private::fork::Inherit;
    pub(in crate::stop) use tk_core::__private::fork::{Mutex, MutexGuard, generation};

    pub(in crate::stop) fn lock<T: Inherit>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock()
    }
}

#[cfg(tk_loom)]
mod model {
    pub(in crate::stop) use crate::sync::{Mutex, MutexGuard, lock};

    /// Nothing forks in a model.
    pub(in crate::stop) fn generation() -> u32 {
        0
    }
}

#[cfg(tk_loom)]
pub(super) use model::*;
#[cfg(not(tk_loom))]
pub(super) use real::*;
