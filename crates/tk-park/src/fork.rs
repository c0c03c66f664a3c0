//! Noticing that the process has forked.

/// Has the child of every fork from here on know that it has one thread. Costs one load, but for the first time.
#[doc(hidden)]
#[inline]
pub fn watch_forks() {
    #[cfg(unix)]
    {
        use std::sync::Once;
        static WATCH: Once = Once::new();
        WATCH.call_once(|| {
            // SAFETY: `in_child` may be called in the child of a fork: it does a few atomic operations and a system call, and
            // it does not unwind. A failure (for lack of memory) leaves forks unnoticed, and nothing broken.
            unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
        });
    }
}

#[cfg(unix)]
unsafe extern "C" fn in_child() {
    tk_core::forked();
}
