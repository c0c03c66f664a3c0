//! A function that runs when the program starts its first thread with the kit.
//!
//! A crate that has to start something of its own without a call from the program asks for it
//! before `main`, where it must not do more.

use std::sync::atomic::{AtomicBool, Ordering::*};

use crate::fork::{Inherit, Mutex};

struct Function(Option<fn()>);

impl Inherit for Function {
    fn anew() -> Function {
        Function(None)
    }
}

static FUNCTION: Mutex<Function> = Mutex::constant(Function(None));
static IS_DUE: AtomicBool = AtomicBool::new(false);

/// Has `f` called once, in the thread that is about to start another one with the kit, or to call
/// the program's main function. Allocates nothing. There is room for one function.
pub fn at_first_thread(f: fn()) {
    FUNCTION.lock().0 = Some(f);
    // Release: pairs with the Acquire below.
    IS_DUE.store(true, Release);
}

/// Calls the function of [`at_first_thread`], if there is one that has not been called.
#[inline]
pub fn note_thread() {
    // Relaxed: the swap acquires.
    if IS_DUE.load(Relaxed) && IS_DUE.swap(false, Acquire) {
        // A statement of its own, so that it is unlocked.
        let function = FUNCTION.lock().0.take();
        if let Some(f) = function {
            f();
        }
    }
}
