//! The program as a whole: it ends when nothing holds it open.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use tk_core::KeepAlive;
use tk_park::sync::AtomicBool;
use tk_park::{Limit, Wait, park, unpark_all};

use crate::main_thread;

/// What the main thread parks on when its own work is done. The word says nothing: the count of tokens does.
static END: AtomicBool = AtomicBool::new(false);

/// Runs the program: calls `f`, then waits until no thread and no timer holds the program open, and returns what `f`
/// returned.
///
/// Every thread that is not a daemon holds the program open until it is gone, also one that is started while the program
/// waits; so does every pending timer of `tk-timer` that is not a daemon. Daemons are left behind: the program ends
/// under them when `fn main` returns.
///
/// Those who have joined the main thread go on when `f` has returned.
///
/// # Panics
///
/// If `f` panics, the program waits all the same, and goes on panicking.
///
/// ```
/// use std::sync::atomic::{AtomicBool, Ordering};
///
/// static DONE: AtomicBool = AtomicBool::new(false);
///
/// fn main() {
///     tk_thread::main(|| {
///         tk_thread::Builder::new()
///             .daemon(false)
///             .spawn(|| DONE.store(true, Ordering::Relaxed))
///             .unwrap();
///     });
///     assert!(DONE.load(Ordering::Relaxed));
/// }
/// ```
#[doc(alias = "threading._shutdown")]
pub fn main<T>(f: impl FnOnce() -> T) -> T {
    // The main thread is registered as such when it first asks who it is.
    tk_core::current();
    let result = catch_unwind(AssertUnwindSafe(f));
    main_thread().shared().set_gone();
    wait_for_the_others();
    result.unwrap_or_else(|payload| resume_unwind(payload))
}

#[track_caller]
fn wait_for_the_others() {
    // The count is looked at after this, and whoever brings it to zero after that calls the function.
    KeepAlive::on_last(|| {
        unpark_all(&END, 0);
    });
    let held = || KeepAlive::count() > 0;
    if held() {
        log::trace!(
            "the program waits for {} threads and timers",
            KeepAlive::count()
        );
        let wait = Wait::new("end of the program");
        while held() {
            park(&END, held, &wait, Limit::none());
        }
    }
}
