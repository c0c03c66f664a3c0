//! Noticing that the process has forked.

/// Has the child of every fork from here on know that it has one thread. Costs one load, but for the first time.
#[doc(hidden)]
#[inline]
pub fn watch_forks() {
    tk_core::__private::fork::generation();
}
