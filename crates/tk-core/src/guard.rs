//! Where the kit calls the program's code in the middle of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Writes one of the kit's own log lines. The logger is the program's code: it may panic (by `println!` to a pipe that
/// nobody reads, say), and that must take nothing from the thread that the line is about. The panic hook has told of the
/// panic; it goes no further.
#[inline]
pub fn log_guarded(log: impl FnOnce()) {
    if log::max_level() != log::LevelFilter::Off {
        call_guarded(log);
    }
}

/// Calls the program's code, out of which no panic comes: not that of the code itself, nor that of the drop of its payload.
pub fn call_guarded(f: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
        drop_guarded(payload);
    }
}

/// Drops a value of the program's. If that panics, what it panics with is forgotten.
pub fn drop_guarded<T>(value: T) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        std::mem::forget(payload);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Explosive;

    impl Drop for Explosive {
        fn drop(&mut self) {
            std::panic::panic_any(Second);
        }
    }

    struct Second;

    impl Drop for Second {
        fn drop(&mut self) {
            panic!("third");
        }
    }

    #[test]
    fn no_panic_comes_out_of_the_programs_code() {
        let mut called = false;
        call_guarded(|| called = true);
        assert!(called);
        call_guarded(|| panic!("first"));
        call_guarded(|| std::panic::panic_any(Explosive));
        drop_guarded(Explosive);
    }
}
