//! A value that its first use initializes.
//!
//! | state of `cell.once` | `init` | `force` | `get` |
//! |---|---|---|---|
//! | new | the closure | calls the closure | `None` |
//! | running | the runner's | waits | `None` |
//! | poisoned | `None` | panics | `None` |
//! | complete | `None` | the value | the value |
//!
//! # Invariants
//!
//! **Taken by the runner.** Through a shared reference, `init` is used only in a run. By *One
//! runner* (`once/word.rs`), no other thread uses it at that time. The first run takes the closure
//! out, and then completes or poisons. A poisoned `LazyLock` begins no run, so no run finds `init`
//! empty. In the child of a fork, a lost runner has poisoned it.

use std::cell::Cell;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::Duration;

use tk_park::Limit;

use crate::once::Poison;
use crate::{OnceError, OnceLock};

/// A value that is initialized when it is first used.
///
/// While a thread initializes it, other threads that use it block, and their records show that
/// thread. Afterwards a use costs one load. A limit ends the wait for another thread's
/// initialization. It never ends an initialization.
///
/// If the closure panics, the `LazyLock` is poisoned: every use panics from then on, or returns
/// [`OnceError::Poisoned`]. The same holds in the child of a fork if a thread of the parent was
/// running the closure. A closure that uses its own value gets an error that names the line of the
/// outer use: see [`Once`](crate::Once).
///
/// ```
/// use tk_lock::LazyLock;
///
/// static SQUARES: LazyLock<Vec<u32>> = LazyLock::new(|| (0..10).map(|n| n * n).collect());
///
/// assert_eq!(SQUARES[3], 9);
/// ```
#[doc(alias = "Lazy")]
#[doc(alias = "functools.cached_property")]
pub struct LazyLock<T, F = fn() -> T> {
    cell: OnceLock<T>,
    init: Cell<Option<F>>,
}

// SAFETY: a shared `LazyLock` gives out `&T` and moves a `T` as `OnceLock` does. The closure is
// moved to the thread that calls it, for which `F: Send`, and is never shared: *Taken by the
// runner*.
unsafe impl<T: Send + Sync, F: Send> Sync for LazyLock<T, F> {}

// A panic of the closure poisons, so that nobody sees what it left.
impl<T: RefUnwindSafe + UnwindSafe, F: UnwindSafe> RefUnwindSafe for LazyLock<T, F> {}

impl<T, F: FnOnce() -> T> LazyLock<T, F> {
    /// Creates one that this closure initializes.
    ///
    /// ```
    /// let lazy = tk_lock::LazyLock::new(|| 1);
    /// assert_eq!(*lazy, 1);
    /// ```
    pub const fn new(f: F) -> LazyLock<T, F> {
        LazyLock {
            cell: OnceLock::new(),
            init: Cell::new(Some(f)),
        }
    }

    /// Returns the value, which it initializes if that has not been done. Blocks while another
    /// thread does it. Dereferencing does the same.
    ///
    /// # Panics
    ///
    /// If the closure panics, or has panicked before.
    ///
    /// If this thread is running the closure. The message names the line of the outer use.
    ///
    /// ```
    /// # use tk_lock::LazyLock;
    /// let lazy = LazyLock::new(|| 1);
    /// assert_eq!(LazyLock::force(&lazy), &1);
    /// ```
    #[inline]
    #[track_caller]
    pub fn force(this: &LazyLock<T, F>) -> &T {
        if !this.cell.once.is_completed() {
            this.initialize_unlimited();
        }
        // SAFETY: the `Once` is completed.
        unsafe { this.cell.get_unchecked() }
    }

    /// As [`force`](LazyLock::force), but never blocks for another thread.
    ///
    /// # Errors
    ///
    /// [`TimedOut`](OnceError::TimedOut) if another thread is running the closure, and
    /// [`Poisoned`](OnceError::Poisoned) or [`Recursive`](OnceError::Recursive) where `force`
    /// panics.
    ///
    /// ```
    /// # use tk_lock::LazyLock;
    /// let lazy = LazyLock::new(|| 1);
    /// assert_eq!(LazyLock::try_force(&lazy), Ok(&1));
    /// ```
    #[inline]
    #[track_caller]
    pub fn try_force(this: &LazyLock<T, F>) -> Result<&T, OnceError> {
        LazyLock::force_with(this, Duration::ZERO)
    }

    /// As [`force`](LazyLock::force), but blocks for at most `timeout` while another thread runs
    /// the closure, and returns `None` after that.
    ///
    /// # Panics
    ///
    /// As `force`.
    ///
    /// ```
    /// # use tk_lock::LazyLock;
    /// use std::time::Duration;
    ///
    /// let lazy = LazyLock::new(|| 1);
    /// assert_eq!(LazyLock::force_for(&lazy, Duration::from_secs(1)), Some(&1));
    /// ```
    #[inline]
    #[track_caller]
    pub fn force_for(this: &LazyLock<T, F>, timeout: Duration) -> Option<&T> {
        if !this.cell.once.is_completed() {
            let initialized = this.initialize(Limit::after(timeout));
            if !this.cell.once.expect_in_time(initialized) {
                return None;
            }
        }
        // SAFETY: the `Once` is completed.
        Some(unsafe { this.cell.get_unchecked() })
    }

    /// As [`force`](LazyLock::force), but blocks for another thread's run of the closure until the
    /// limit is reached. A run of this call is not limited.
    ///
    /// # Errors
    ///
    /// If the limit is reached first, and [`Poisoned`](OnceError::Poisoned) or
    /// [`Recursive`](OnceError::Recursive) where `force` panics.
    ///
    /// ```
    /// # use tk_lock::LazyLock;
    /// use tk_lock::StopSource;
    ///
    /// let (lazy, source) = (LazyLock::new(|| 1), StopSource::new());
    /// assert_eq!(LazyLock::force_with(&lazy, &source.token()), Ok(&1));
    /// ```
    #[inline]
    #[track_caller]
    pub fn force_with<'a>(
        this: &LazyLock<T, F>,
        limit: impl Into<Limit<'a>>,
    ) -> Result<&T, OnceError> {
        // The conversion is the caller's code, and comes first: it may use the value.
        let limit = limit.into();
        if !this.cell.once.is_completed() {
            this.initialize(limit)?;
        }
        // SAFETY: the `Once` is completed.
        Ok(unsafe { this.cell.get_unchecked() })
    }

    /// Returns the value, which it initializes if that has not been done. No other thread can have
    /// a reference. Mutable dereferencing does the same.
    ///
    /// # Panics
    ///
    /// If the closure panics, or has panicked before.
    ///
    /// ```
    /// # use tk_lock::LazyLock;
    /// let mut lazy = LazyLock::new(|| 1);
    /// *LazyLock::force_mut(&mut lazy) += 1;
    /// assert_eq!(*lazy, 2);
    /// ```
    #[inline]
    #[track_caller]
    pub fn force_mut(this: &mut LazyLock<T, F>) -> &mut T {
        LazyLock::force(this);
        this.cell.get_mut().expect("the value has been initialized")
    }

    /// As `initialize`, without a limit. Apart from the fast path, which has nothing on its stack.
    #[cold]
    #[inline(never)]
    #[track_caller]
    fn initialize_unlimited(&self) {
        let initialized = self.initialize(Limit::never());
        self.cell.once.expect(initialized);
    }

    #[cold]
    #[track_caller]
    fn initialize(&self, limit: Limit<'_>) -> Result<(), OnceError> {
        self.cell.initialize(Poison::Fails, limit, || {
            let f = self.init.take().expect("the first run finds the closure");
            f()
        })
    }
}

impl<T, F> LazyLock<T, F> {
    /// Returns the value if it is initialized. Never blocks, and never calls the closure.
    ///
    /// ```
    /// # use tk_lock::LazyLock;
    /// let lazy = LazyLock::new(|| 1);
    /// assert_eq!(LazyLock::get(&lazy), None);
    /// assert_eq!(*lazy, 1);
    /// assert_eq!(LazyLock::get(&lazy), Some(&1));
    /// ```
    #[inline]
    pub fn get(this: &LazyLock<T, F>) -> Option<&T> {
        this.cell.get()
    }

    /// Returns the value if it is initialized. Never calls the closure.
    ///
    /// ```
    /// # use tk_lock::LazyLock;
    /// let mut lazy = LazyLock::new(|| 1);
    /// assert_eq!(LazyLock::get_mut(&mut lazy), None);
    /// ```
    #[inline]
    pub fn get_mut(this: &mut LazyLock<T, F>) -> Option<&mut T> {
        this.cell.get_mut()
    }
}

impl<T, F: FnOnce() -> T> Deref for LazyLock<T, F> {
    type Target = T;

    #[inline]
    #[track_caller]
    fn deref(&self) -> &T {
        LazyLock::force(self)
    }
}

impl<T, F: FnOnce() -> T> DerefMut for LazyLock<T, F> {
    #[inline]
    #[track_caller]
    fn deref_mut(&mut self) -> &mut T {
        LazyLock::force_mut(self)
    }
}

impl<T: Default> Default for LazyLock<T> {
    fn default() -> LazyLock<T> {
        LazyLock::new(T::default)
    }
}

/// Shows the value if it is initialized. Never blocks, and never calls the closure.
impl<T: fmt::Debug, F> fmt::Debug for LazyLock<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_tuple("LazyLock");
        match self.cell.get() {
            Some(value) => shown.field(value),
            None => shown.field(&format_args!("<uninit>")),
        };
        shown.finish()
    }
}
