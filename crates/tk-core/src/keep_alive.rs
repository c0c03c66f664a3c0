//! The count of what holds the program open.

use std::sync::atomic::{AtomicUsize, Ordering, fence};

use once_cell::sync::OnceCell;

static COUNT: AtomicUsize = AtomicUsize::new(0);
static ON_LAST: OnceCell<fn()> = OnceCell::new();

/// Holds the program open while it exists.
///
/// Every non-daemon thread of `tk-thread` and every pending non-daemon timer of `tk-timer` has one;
/// `tk_thread::main` returns when there are none left.
///
/// ```
/// use tk_core::KeepAlive;
///
/// let before = KeepAlive::count();
/// let token = KeepAlive::new();
/// assert_eq!(KeepAlive::count(), before + 1);
/// drop(token);
/// assert_eq!(KeepAlive::count(), before);
/// ```
#[derive(Debug)]
#[must_use = "the program is held open only while the token exists"]
pub struct KeepAlive(());

impl KeepAlive {
    /// Takes one more token.
    #[allow(clippy::new_without_default, reason = "making one has an effect")]
    pub fn new() -> KeepAlive {
        // Relaxed: whoever holds a token already keeps the count from zero; nothing is published.
        COUNT.fetch_add(1, Ordering::Relaxed);
        KeepAlive(())
    }

    /// How many tokens there are.
    pub fn count() -> usize {
        // Acquire: pairs with the Release in `drop`, so that who reads zero sees all that the holders did.
        COUNT.load(Ordering::Acquire)
    }

    /// Sets the function that is called, by the thread that drops it, after the last token is gone. It may be called
    /// when a new token exists already: read the count again. Only the first function is kept; says whether it was
    /// this one.
    #[doc(hidden)]
    pub fn on_last(wake: fn()) -> bool {
        let first = ON_LAST.set(wake).is_ok();
        // SeqCst: pairs with the fence in `drop`. Either the one who drops the last token finds the function, or the
        // caller of this, who reads the count next, finds it at zero.
        fence(Ordering::SeqCst);
        first
    }
}

impl Drop for KeepAlive {
    fn drop(&mut self) {
        // Release: pairs with the Acquire in `count`. The chain of decrements is one release sequence.
        if COUNT.fetch_sub(1, Ordering::Release) != 1 {
            return;
        }
        // SeqCst: pairs with the fence in `on_last`.
        fence(Ordering::SeqCst);
        if let Some(wake) = ON_LAST.get() {
            wake();
        }
    }
}
