//! Noticing that the process has forked.

/// From this call on, the child of every fork knows that it has one thread. Costs one load after
/// the first call.
#[doc(hidden)]
#[inline]
pub fn watch_forks() {
    tk_core::__private::fork::generation();
}
