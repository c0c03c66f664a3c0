//! Calling the user's functions: no panic of theirs gets into the service.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// The result of a function of the user that has panicked.
#[derive(Debug)]
pub(crate) struct Panicked {
    /// The function did not panic, but ended by `tk_thread::exit`.
    pub(crate) is_exit: bool,
}

/// Calls a function of the user. A panic is reported to the excepthook, under the name of the
/// calling thread, and goes no further.
pub(crate) fn catch_panic<T>(f: impl FnOnce() -> T) -> Result<T, Panicked> {
    #[cfg(not(tk_loom))]
    let result = tk_thread::catch_panic(f);
    #[cfg(tk_loom)]
    let result = catch_unwind(AssertUnwindSafe(f));
    result.map_err(|panicked| {
        #[cfg(not(tk_loom))]
        let is_exit = panicked.is_exit();
        #[cfg(tk_loom)]
        let is_exit = false;
        // The payload is the user's, and its drop may panic in turn. The payload of that panic is
        // leaked.
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(panicked))) {
            std::mem::forget(payload);
        }
        Panicked { is_exit }
    })
}

/// Drops a value of the user's, which may panic.
pub(crate) fn drop_quietly<T>(value: T) {
    let _ = catch_panic(|| drop(value));
}
