//! The edge that no panic of the user's code crosses.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// A function of the user has panicked.
#[derive(Debug)]
pub struct Panicked {
    /// Or rather, it has ended its thread.
    pub(crate) is_exit: bool,
}

/// Calls a function of the user. A panic is reported to the excepthook, under the thread's name,
/// and goes no further.
pub(crate) fn guarded<T>(f: impl FnOnce() -> T) -> Result<T, Panicked> {
    #[cfg(not(tk_loom))]
    let result = tk_thread::catch_panic(f);
    #[cfg(tk_loom)]
    let result = catch_unwind(AssertUnwindSafe(f));
    result.map_err(|panicked| {
        #[cfg(not(tk_loom))]
        let is_exit = panicked.is_exit();
        #[cfg(tk_loom)]
        let is_exit = false;
        // What it has panicked with may panic in turn when it is dropped; then it stays.
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(panicked))) {
            std::mem::forget(payload);
        }
        Panicked { is_exit }
    })
}

/// Drops a value of the user, which may panic.
pub(crate) fn drop_quietly<T>(value: T) {
    let _ = guarded(|| drop(value));
}
