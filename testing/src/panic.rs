use std::any::Any;
use std::cell::Cell;
use std::panic::{UnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

/// The text of a panic.
pub fn message(payload: &(dyn Any + Send)) -> &str {
    match payload.downcast_ref::<String>() {
        Some(text) => text,
        None => payload.downcast_ref::<&str>().expect("a panic with a text"),
    }
}

thread_local!(static LINE: Cell<Option<u32>> = const { Cell::new(None) });

/// Calls `f`, and returns the line at which it panics, if it does.
pub fn panic_line(f: impl FnOnce() + UnwindSafe) -> Option<u32> {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        let previous = take_hook();
        set_hook(Box::new(move |info| {
            LINE.set(info.location().map(|location| location.line()));
            previous(info);
        }));
    });
    LINE.set(None);
    let panicked = catch_unwind(f).is_err();
    LINE.get().filter(|_| panicked)
}
