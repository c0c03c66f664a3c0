//! The count of what holds the program open.
//!
//! | word | meaning |
//! |---|---|
//! | 0 | nothing holds the program open |
//! | n | n tokens do |
//! | `ENDED` + n | the program has ended, with n tokens left behind; there will be no more |

use std::error::Error;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering, fence};

use once_cell::sync::OnceCell;

use crate::fork;

static COUNT: AtomicUsize = AtomicUsize::new(0);
static ON_LAST: OnceCell<fn()> = OnceCell::new();

const ENDED: usize = 1 << (usize::BITS - 1);

/// Holds the program open while it exists.
///
/// Every non-daemon thread of `tk-thread` and every pending non-daemon timer of `tk-timer` has one;
/// `tk_thread::main` returns when there are none left.
///
/// ```
/// use tk_core::KeepAlive;
///
/// let before = KeepAlive::count();
/// let token = KeepAlive::new()?;
/// assert_eq!(KeepAlive::count(), before + 1);
/// drop(token);
/// assert_eq!(KeepAlive::count(), before);
/// # Ok::<(), tk_core::ShuttingDown>(())
/// ```
#[derive(Debug)]
#[must_use = "the program is held open only while the token exists"]
pub struct KeepAlive {
    /// In the child of a fork, those of the parent count for nothing.
    generation: u32,
}

impl KeepAlive {
    /// Takes one more token.
    ///
    /// # Errors
    ///
    /// If the program has ended: `tk_thread::main` has waited for the last token, or has given up.
    ///
    /// ```
    /// use tk_core::KeepAlive;
    ///
    /// let upload = KeepAlive::new()?; // Until it is dropped, the program does not end.
    /// # drop(upload);
    /// # Ok::<(), tk_core::ShuttingDown>(())
    /// ```
    pub fn new() -> Result<KeepAlive, ShuttingDown> {
        // Relaxed: whoever holds a token already keeps the count from zero; nothing is published.
        COUNT
            .try_update(Ordering::Relaxed, Ordering::Relaxed, |word| {
                (word & ENDED == 0).then_some(word + 1)
            })
            .map(|_| KeepAlive::of_this_process())
            .map_err(|_| ShuttingDown(()))
    }

    fn of_this_process() -> KeepAlive {
        KeepAlive {
            generation: fork::generation(),
        }
    }

    /// Whether a token could be taken now.
    #[doc(hidden)]
    pub fn check() -> Result<(), ShuttingDown> {
        match COUNT.load(Ordering::Relaxed) & ENDED {
            0 => Ok(()),
            _ => Err(ShuttingDown(())),
        }
    }

    /// How many tokens there are.
    ///
    /// ```
    /// use tk_core::KeepAlive;
    ///
    /// let token = KeepAlive::new()?;
    /// assert!(KeepAlive::count() >= 1);
    /// # drop(token);
    /// # Ok::<(), tk_core::ShuttingDown>(())
    /// ```
    pub fn count() -> usize {
        // Acquire: pairs with the Release in `drop`, so that who reads zero sees all that the holders did.
        COUNT.load(Ordering::Acquire) & !ENDED
    }

    /// Takes a token also if the program has ended: it begins anew.
    #[doc(hidden)]
    pub fn begin() -> KeepAlive {
        let _ = COUNT.try_update(Ordering::Relaxed, Ordering::Relaxed, |word| {
            Some((word & !ENDED) + 1)
        });
        KeepAlive::of_this_process()
    }

    /// Ends the program if there is no token, and says whether that is so. From here on none can be taken.
    #[doc(hidden)]
    pub fn end() -> bool {
        // Acquire: as in `count`.
        match COUNT.compare_exchange(0, ENDED, Ordering::Acquire, Ordering::Acquire) {
            Ok(_) => true,
            Err(word) => word == ENDED,
        }
    }

    /// Ends the program, whatever holds it open.
    #[doc(hidden)]
    pub fn end_now() {
        COUNT.fetch_or(ENDED, Ordering::Acquire);
    }

    /// In the child of a fork: nothing holds it open yet.
    pub(crate) fn forked() {
        COUNT.store(0, Ordering::Relaxed);
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
        if self.generation != fork::generation() {
            return;
        }
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

/// The program is ending, or has ended: what was asked for comes too late.
///
/// ```
/// fn too_late(error: tk_core::ShuttingDown) {
///     assert_eq!(error.to_string(), "the program is shutting down");
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShuttingDown(());

impl ShuttingDown {
    #[doc(hidden)]
    #[allow(clippy::new_without_default, reason = "an error is no default")]
    pub const fn new() -> ShuttingDown {
        ShuttingDown(())
    }
}

impl fmt::Display for ShuttingDown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the program is shutting down")
    }
}

impl Error for ShuttingDown {}
