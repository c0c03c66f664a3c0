//! Calls of the program's code out of which no panic gets.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Writes one of the kit's own log lines.
///
/// The logger is the program's code, and may panic: `println!` does, if the reader of the pipe is
/// gone. The panic hook reports that. It does not affect the thread that the line is about.
#[inline]
pub fn log_guarded(log: impl FnOnce()) {
    if log::max_level() != log::LevelFilter::Off {
        call_guarded(log);
    }
}

/// Calls `f`, and catches its panic. The payload is dropped as by [`drop_guarded`].
pub fn call_guarded(f: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
        drop_guarded(payload);
    }
}

/// Drops a value, and catches a panic of that. The payload is leaked, because its drop could panic
/// in turn.
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
