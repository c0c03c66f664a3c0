//! Watching a program that has no call of this crate in it, if `TK_WATCH` is set.

use crate::environment::{VARIABLE, complain};

/// Starts the watcher, if the variable is set.
fn start() {
    if std::env::var_os(VARIABLE).is_none() {
        return;
    }
    if let Err(error) = crate::install().without_deadlocks().start() {
        complain(&error.to_string());
    }
}

/// The loader calls what this section names before `main`, or when it loads the library that this
/// crate is part of.
#[cfg(all(target_os = "linux", not(miri)))]
#[used]
#[allow(unsafe_code, reason = "a function that the loader calls")]
// SAFETY: the loader expects pointers to functions of the C ABI here. It passes arguments, which
// the function does not have to take.
#[unsafe(link_section = ".init_array")]
static ASK: extern "C" fn() = ask;

/// Uses nothing of the standard library that is not there before `main`: two atomics, and the
/// handler for forks.
#[cfg_attr(
    not(all(target_os = "linux", not(miri))),
    allow(dead_code, reason = "there the program calls `install`")
)]
extern "C" fn ask() {
    tk_core::__private::at_first_thread(start);
}
