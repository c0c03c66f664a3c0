//! A value that is written once.
//!
//! | state of `once` | `get` | `get_or_init`, `set` | `take`, `into_inner`, drop |
//! |---|---|---|---|
//! | new or poisoned: empty | `None` | write the value | `None` |
//! | running | `None` | wait | excluded by the runner's borrow |
//! | complete: full | the value | return it, fail | the value |
//!
//! # Invariants
//!
//! *One runner* and *Complete for good* stand in `once/word.rs`.
//!
//! **Written by the runner.** Through a shared reference, the value is written only in a run that
//! then completes. By *One runner*, no other thread writes at that time. Nothing is read or dropped
//! there: the value was `None`, or in the child of a fork, what a lost runner has left half
//! written.
//!
//! **Read when complete.** Through a shared reference, the value is read only by a thread that has
//! seen the `Once` completed. By *Complete for good*, that thread sees the value, and no thread
//! writes it afterwards.
//!
//! **A runner borrows.** A thread that initializes has a reference. So `&mut` and drop find no
//! half-written value, not even in the child of a fork, where the lost runner's reference is still
//! counted or its scope can't end.

use std::cell::UnsafeCell;
use std::convert::Infallible;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::Duration;

use tk_park::Limit;

use crate::once::Poison;
use crate::{Once, OnceError};

/// A value that is written once, by the first thread that needs it.
///
/// While a thread initializes it, other threads that need it block, and their records show that
/// thread. Afterwards an access costs one load. A limit ends the wait for another thread's
/// initialization. It never ends an initialization.
///
/// An initialization that panics or fails leaves the value unset, and the next call makes another
/// attempt. The same holds in the child of a fork for an initialization that a thread of the parent
/// was running. There is no poisoning. A recursive initialization is an error that names the line
/// of the outer call: see [`Once`].
///
/// ```
/// use tk_lock::OnceLock;
///
/// static CONFIG: OnceLock<String> = OnceLock::new();
///
/// fn config() -> &'static str {
///     CONFIG.get_or_init(|| "read from a file".to_owned())
/// }
///
/// std::thread::scope(|s| {
///     s.spawn(config);
///     s.spawn(config);
/// });
/// assert_eq!(config(), "read from a file");
/// ```
#[doc(alias = "OnceCell")]
pub struct OnceLock<T> {
    pub(crate) once: Once,
    /// The compiler drops it, so that a `OnceLock` of references may be dropped after what they
    /// refer to. An `impl Drop` would forbid that.
    value: UnsafeCell<Option<T>>,
}

// SAFETY: a shared `OnceLock` gives out `&T`, for which `T: Sync`; and a value that one thread has
// written may be taken or dropped by another one, for which `T: Send`. Accesses are ordered by
// *Written by the runner* and *Read when complete*.
unsafe impl<T: Send + Sync> Sync for OnceLock<T> {}

// No panic leaves a value half written: it is written in one move.
impl<T: RefUnwindSafe + UnwindSafe> RefUnwindSafe for OnceLock<T> {}

impl<T> OnceLock<T> {
    /// Creates one without a value.
    ///
    /// ```
    /// static CELL: tk_lock::OnceLock<u32> = tk_lock::OnceLock::new();
    /// assert_eq!(CELL.get(), None);
    /// ```
    pub const fn new() -> OnceLock<T> {
        OnceLock {
            once: Once::new(),
            value: UnsafeCell::new(None),
        }
    }

    /// Returns the value if it is set. Never blocks: this is the `try_` form of
    /// [`wait`](OnceLock::wait).
    ///
    /// ```
    /// # use tk_lock::OnceLock;
    /// assert_eq!(OnceLock::from(1).get(), Some(&1));
    /// ```
    #[inline]
    pub fn get(&self) -> Option<&T> {
        if self.once.is_completed() {
            // SAFETY: the `Once` is completed.
            Some(unsafe { self.get_unchecked() })
        } else {
            None
        }
    }

    /// Returns the value if it is set. No other thread can have a reference.
    ///
    /// ```
    /// # use tk_lock::OnceLock;
    /// let mut cell = OnceLock::from(1);
    /// *cell.get_mut().unwrap() += 1;
    /// assert_eq!(cell.get(), Some(&2));
    /// ```
    #[inline]
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.value.get_mut().as_mut()
    }

    /// Sets the value. Blocks while another thread initializes it.
    ///
    /// # Errors
    ///
    /// If a value is set. The error is the value that was given.
    ///
    /// # Panics
    ///
    /// If this thread is initializing the value.
    ///
    /// ```
    /// # use tk_lock::OnceLock;
    /// let cell = OnceLock::new();
    /// assert_eq!(cell.set(1), Ok(()));
    /// assert_eq!(cell.set(2), Err(2));
    /// ```
    #[track_caller]
    pub fn set(&self, value: T) -> Result<(), T> {
        let mut value = Some(value);
        self.get_or_init(|| value.take().expect("a closure is called at most once"));
        value.map_or(Ok(()), Err)
    }

    /// Returns the value. If it is not set, sets it to what the closure returns. Blocks while
    /// another thread initializes it.
    ///
    /// # Panics
    ///
    /// If the closure panics, and the value stays unset then.
    ///
    /// If this thread is initializing the value. The message names the line of the outer call.
    ///
    /// ```
    /// # use tk_lock::OnceLock;
    /// let cell = OnceLock::new();
    /// assert_eq!(cell.get_or_init(|| 1), &1);
    /// assert_eq!(cell.get_or_init(|| unreachable!()), &1);
    /// ```
    #[inline]
    #[track_caller]
    pub fn get_or_init(&self, f: impl FnOnce() -> T) -> &T {
        if !self.once.is_completed() {
            self.initialize_unlimited(f);
        }
        // SAFETY: the `Once` is completed.
        unsafe { self.get_unchecked() }
    }

    /// As [`get_or_init`](OnceLock::get_or_init), but never blocks for another thread.
    ///
    /// # Errors
    ///
    /// [`TimedOut`](OnceError::TimedOut) if another thread is initializing the value, and
    /// [`Recursive`](OnceError::Recursive) if this thread is.
    ///
    /// ```
    /// # use tk_lock::OnceLock;
    /// assert_eq!(OnceLock::new().try_get_or_init(|| 1), Ok(&1));
    /// ```
    #[inline]
    #[track_caller]
    pub fn try_get_or_init(&self, f: impl FnOnce() -> T) -> Result<&T, OnceError> {
        self.get_or_init_with(Duration::ZERO, f)
    }

    /// As [`get_or_init`](OnceLock::get_or_init), but blocks for at most `timeout` while another
    /// thread initializes the value, and returns `None` after that.
    ///
    /// ```
    /// # use tk_lock::OnceLock;
    /// use std::time::Duration;
    ///
    /// assert_eq!(OnceLock::new().get_or_init_for(Duration::from_secs(1), || 1), Some(&1));
    /// ```
    #[inline]
    #[track_caller]
    pub fn get_or_init_for(&self, timeout: Duration, f: impl FnOnce() -> T) -> Option<&T> {
        if !self.once.is_completed() {
            let initialized = self.initialize(Poison::IsIgnored, Limit::after(timeout), f);
            if !self.once.expect_in_time(initialized) {
                return None;
            }
        }
        // SAFETY: the `Once` is completed.
        Some(unsafe { self.get_unchecked() })
    }

    /// As [`get_or_init`](OnceLock::get_or_init), but blocks for another thread's initialization
    /// until the limit is reached. A closure that this call runs is not limited.
    ///
    /// # Errors
    ///
    /// If the limit is reached first, and [`Recursive`](OnceError::Recursive) if this thread is
    /// initializing the value.
    ///
    /// ```
    /// # use tk_lock::OnceLock;
    /// use tk_lock::StopSource;
    ///
    /// let (cell, source) = (OnceLock::new(), StopSource::new());
    /// assert_eq!(cell.get_or_init_with(&source.token(), || 1), Ok(&1));
    /// ```
    #[inline]
    #[track_caller]
    pub fn get_or_init_with<'a>(
        &self,
        limit: impl Into<Limit<'a>>,
        f: impl FnOnce() -> T,
    ) -> Result<&T, OnceError> {
        // The conversion is the caller's code, and comes first: it may set the value.
        let limit = limit.into();
        if !self.once.is_completed() {
            self.initialize(Poison::IsIgnored, limit, f)?;
        }
        // SAFETY: the `Once` is completed.
        Ok(unsafe { self.get_unchecked() })
    }

    /// Returns the value. If it is not set, sets it to what the closure returns if that is `Ok`.
    /// Blocks while another thread initializes the value.
    ///
    /// Not to be confused with [`try_get_or_init`](OnceLock::try_get_or_init), which never blocks.
    ///
    /// # Errors
    ///
    /// The error of the closure. The value stays unset, and another thread that waits calls its own
    /// closure.
    ///
    /// # Panics
    ///
    /// As [`get_or_init`](OnceLock::get_or_init).
    ///
    /// ```
    /// # use tk_lock::OnceLock;
    /// let cell = OnceLock::new();
    /// assert!(cell.get_or_try_init(|| "x".parse::<u32>()).is_err());
    /// assert_eq!(cell.get_or_try_init(|| "1".parse::<u32>()), Ok(&1));
    /// ```
    #[inline]
    #[track_caller]
    pub fn get_or_try_init<E>(&self, f: impl FnOnce() -> Result<T, E>) -> Result<&T, E> {
        if !self.once.is_completed() {
            self.try_initialize_unlimited(f)?;
        }
        // SAFETY: the `Once` is completed, because the closure has not failed.
        Ok(unsafe { self.get_unchecked() })
    }

    /// Blocks until the value is set, and returns it. Also waits for an initialization that has not
    /// begun.
    ///
    /// # Panics
    ///
    /// If this thread is initializing the value.
    ///
    /// ```
    /// # use tk_lock::OnceLock;
    /// let cell = OnceLock::new();
    /// std::thread::scope(|s| {
    ///     s.spawn(|| cell.set(1));
    ///     assert_eq!(cell.wait(), &1);
    /// });
    /// ```
    #[inline]
    #[track_caller]
    pub fn wait(&self) -> &T {
        self.once.wait_force();
        // SAFETY: the `Once` is completed.
        unsafe { self.get_unchecked() }
    }

    /// Blocks until the value is set, and returns it. Returns `None` after this time.
    ///
    /// # Panics
    ///
    /// As [`wait`](OnceLock::wait).
    ///
    /// ```
    /// # use tk_lock::OnceLock;
    /// use std::time::Duration;
    ///
    /// assert_eq!(OnceLock::<u32>::new().wait_for(Duration::from_millis(1)), None);
    /// ```
    #[inline]
    #[track_caller]
    pub fn wait_for(&self, timeout: Duration) -> Option<&T> {
        if !self.once.is_completed() {
            let waited = self.once.wait_force_with(timeout);
            if !self.once.expect_in_time(waited) {
                return None;
            }
        }
        // SAFETY: the `Once` is completed.
        Some(unsafe { self.get_unchecked() })
    }

    /// Blocks until the value is set or the limit is reached.
    ///
    /// # Errors
    ///
    /// If the limit is reached first, and [`Recursive`](OnceError::Recursive) if this thread is
    /// initializing the value.
    ///
    /// ```
    /// # use tk_lock::OnceLock;
    /// use tk_lock::{OnceError, StopSource};
    ///
    /// let (cell, source) = (OnceLock::<u32>::new(), StopSource::new());
    /// source.request_stop();
    /// assert_eq!(cell.wait_with(&source.token()), Err(OnceError::Stopped));
    /// ```
    #[inline]
    #[track_caller]
    pub fn wait_with<'a>(&self, limit: impl Into<Limit<'a>>) -> Result<&T, OnceError> {
        self.once.wait_force_with(limit)?;
        // SAFETY: the `Once` is completed.
        Ok(unsafe { self.get_unchecked() })
    }

    /// Returns the value, if it is set.
    ///
    /// ```
    /// # use tk_lock::OnceLock;
    /// assert_eq!(OnceLock::from(1).into_inner(), Some(1));
    /// ```
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }

    /// Takes the value out, if it is set. It can be set again.
    ///
    /// ```
    /// # use tk_lock::OnceLock;
    /// let mut cell = OnceLock::from(1);
    /// assert_eq!(cell.take(), Some(1));
    /// assert_eq!(cell.get(), None);
    /// ```
    pub fn take(&mut self) -> Option<T> {
        std::mem::take(self).into_inner()
    }

    /// Completes the `Once` with the value of this closure, without a limit. Apart from the fast
    /// path, which has nothing on its stack.
    #[cold]
    #[inline(never)]
    #[track_caller]
    fn initialize_unlimited(&self, f: impl FnOnce() -> T) {
        let initialized = self.initialize(Poison::IsIgnored, Limit::never(), f);
        self.once.expect(initialized);
    }

    /// As `initialize_unlimited`, unless the closure returns an error.
    #[cold]
    #[inline(never)]
    #[track_caller]
    fn try_initialize_unlimited<E>(&self, f: impl FnOnce() -> Result<T, E>) -> Result<(), E> {
        let mut failed = None;
        let initialized = self.try_initialize(Poison::IsIgnored, Limit::never(), f, &mut failed);
        self.once.expect(initialized);
        failed.map_or(Ok(()), Err)
    }

    /// Completes the `Once` with the value of this closure, unless it is completed. Cold.
    #[track_caller]
    pub(crate) fn initialize(
        &self,
        poison: Poison,
        limit: Limit<'_>,
        f: impl FnOnce() -> T,
    ) -> Result<(), OnceError> {
        let f = || Ok::<T, Infallible>(f());
        self.try_initialize(poison, limit, f, &mut None)
    }

    /// As `initialize`. An error of the closure goes to `failed`, and then the `Once` need not be
    /// completed.
    #[track_caller]
    fn try_initialize<E>(
        &self,
        poison: Poison,
        limit: Limit<'_>,
        f: impl FnOnce() -> Result<T, E>,
        failed: &mut Option<E>,
    ) -> Result<(), OnceError> {
        let mut f = Some(f);
        self.once.call(poison, limit, &mut |_| {
            let f = f.take().expect("a closure is called at most once");
            match f() {
                Ok(value) => {
                    // SAFETY: *Written by the runner*: this is the run, and it completes next.
                    unsafe { self.value.get().write(Some(value)) };
                    true
                }
                Err(error) => {
                    *failed = Some(error);
                    false
                }
            }
        })
    }

    /// Returns the value.
    ///
    /// # Safety
    ///
    /// The calling thread has seen the `Once` completed.
    #[inline]
    pub(crate) unsafe fn get_unchecked(&self) -> &T {
        debug_assert!(self.once.is_completed());
        // SAFETY: *Read when complete*, and by *Written by the runner* there is a value.
        unsafe { (*self.value.get()).as_ref().unwrap_unchecked() }
    }
}

impl<T> Default for OnceLock<T> {
    fn default() -> OnceLock<T> {
        OnceLock::new()
    }
}

impl<T> From<T> for OnceLock<T> {
    fn from(value: T) -> OnceLock<T> {
        OnceLock {
            once: Once::new_completed(),
            value: UnsafeCell::new(Some(value)),
        }
    }
}

impl<T: Clone> Clone for OnceLock<T> {
    fn clone(&self) -> OnceLock<T> {
        self.get()
            .cloned()
            .map_or_else(OnceLock::new, OnceLock::from)
    }
}

impl<T: PartialEq> PartialEq for OnceLock<T> {
    fn eq(&self, other: &OnceLock<T>) -> bool {
        self.get() == other.get()
    }
}

impl<T: Eq> Eq for OnceLock<T> {}

/// Shows the value if it is set. Never blocks.
impl<T: fmt::Debug> fmt::Debug for OnceLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_tuple("OnceLock");
        match self.get() {
            Some(value) => shown.field(value),
            None => shown.field(&format_args!("<uninit>")),
        };
        shown.finish()
    }
}

/// Serializes as an `Option` of the value. Never blocks.
#[cfg(feature = "serde")]
impl<T: serde::Serialize> serde::Serialize for OnceLock<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.get().serialize(serializer)
    }
}

/// Deserializes as an `Option` of the value.
#[cfg(feature = "serde")]
impl<'de, T: serde::Deserialize<'de>> serde::Deserialize<'de> for OnceLock<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<OnceLock<T>, D::Error> {
        let value = Option::<T>::deserialize(deserializer)?;
        Ok(value.map_or_else(OnceLock::new, OnceLock::from))
    }
}
