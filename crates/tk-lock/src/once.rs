//! An initialization that runs once.
//!
//! | file | holds |
//! |---|---|
//! | `once/word.rs` | the states of the word, and the steps between them |
//! | `once/run.rs` | running the closure, and waiting for another thread that runs it |
//! | `once/error.rs` | why a call gave up |
//! | `once_lock.rs` | a value that is written once |
//! | `lazy_lock.rs` | a value that its first use initializes |

mod error;
mod run;
mod word;

use std::fmt;
use std::panic::Location;
use std::ptr;
// Not that of `tk_park::sync`: it orders nothing, and no model depends on it.
use std::sync::atomic::AtomicPtr;
use std::time::Duration;

use tk_park::Limit;

pub use self::error::OnceError;
pub(crate) use self::run::Poison;
use self::word::{OnceWord, State};

/// An initialization that runs once, however many threads ask for it.
///
/// The first thread that calls [`call_once`](Once::call_once) runs its closure. Threads that call
/// meanwhile block until the closure has returned. Their records show the thread that runs it. A
/// call after that costs one load. All that the closure did happens before the return of every
/// call.
///
/// A limit ends the wait for another thread's closure. It never ends a closure.
///
/// | the closure | a call | a call of a `_force` form |
/// |---|---|---|
/// | has panicked | panics, or returns [`OnceError::Poisoned`] | runs its own closure |
/// | runs in this thread, which calls again | panics, or returns [`OnceError::Recursive`] | the same |
/// | runs in a thread that starts another one and joins it, and that one calls | blocks forever; a dump shows the holder | the same |
/// | in the child of a fork, ran in a thread that exists only in the parent | as after a panic | as after a panic |
///
/// After the program has started 2^30 threads, a recursive call blocks forever.
///
/// A `Once` takes 16 bytes: it remembers the line whose closure is running.
///
/// ```
/// use tk_lock::Once;
///
/// static START: Once = Once::new();
///
/// std::thread::scope(|s| {
///     for _ in 0..3 {
///         s.spawn(|| START.call_once(|| println!("once")));
///     }
/// });
/// assert!(START.is_completed());
/// ```
///
/// A closure that asks for its own initialization would wait for itself forever. It panics instead,
/// with the line of the outer call:
///
/// ```should_panic
/// # use tk_lock::Once;
/// let once = Once::new();
/// once.call_once(|| once.call_once(|| ()));
/// ```
#[doc(alias = "pthread_once")]
#[doc(alias = "call_once")]
#[repr(C)]
pub struct Once {
    /// First, so that the address in the record of a thread that waits is that of the `Once`.
    word: OnceWord,
    /// The line of the call whose closure runs, or null.
    line: AtomicPtr<Location<'static>>,
}

#[cfg(not(tk_loom))]
const _: () = assert!(size_of::<Once>() <= 16);

/// The state of a [`Once`], as [`Once::state`] and [`Once::call_once_force`] tell it.
///
/// ```
/// use tk_lock::{Once, OnceState};
///
/// let once = Once::new();
/// assert_eq!(once.state(), OnceState::New);
/// once.call_once(|| assert_eq!(once.state(), OnceState::InProgress));
/// assert_eq!(once.state(), OnceState::Done);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OnceState {
    /// No closure has been called.
    New,
    /// The last closure has panicked.
    Poisoned,
    /// A closure is running.
    InProgress,
    /// A closure has returned.
    Done,
}

impl OnceState {
    /// Returns whether the last closure has panicked.
    ///
    /// ```
    /// assert!(!tk_lock::OnceState::New.is_poisoned());
    /// ```
    #[inline]
    pub const fn is_poisoned(self) -> bool {
        matches!(self, OnceState::Poisoned)
    }

    /// Returns whether a closure has returned.
    ///
    /// ```
    /// assert!(tk_lock::OnceState::Done.is_completed());
    /// ```
    #[inline]
    pub const fn is_completed(self) -> bool {
        matches!(self, OnceState::Done)
    }

    /// The name that parking_lot gives to [`is_poisoned`](OnceState::is_poisoned).
    ///
    /// ```
    /// assert!(tk_lock::OnceState::Poisoned.poisoned());
    /// ```
    #[inline]
    pub const fn poisoned(self) -> bool {
        self.is_poisoned()
    }

    /// The name that parking_lot gives to [`is_completed`](OnceState::is_completed).
    ///
    /// ```
    /// assert!(tk_lock::OnceState::Done.done());
    /// ```
    #[inline]
    pub const fn done(self) -> bool {
        self.is_completed()
    }
}

impl Once {
    /// Creates one whose closure has not been called.
    ///
    /// ```
    /// static START: tk_lock::Once = tk_lock::Once::new();
    /// assert!(!START.is_completed());
    /// ```
    pub const fn new() -> Once {
        Once::in_state(State::NEW)
    }

    /// Creates one that is completed: no closure will be called.
    ///
    /// ```
    /// let once = tk_lock::Once::new_completed();
    /// once.call_once(|| unreachable!());
    /// ```
    pub const fn new_completed() -> Once {
        Once::in_state(State::COMPLETE)
    }

    const fn in_state(state: State) -> Once {
        Once {
            word: OnceWord::new(state),
            line: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// Returns whether a closure has returned. All that it did happens before this returns `true`.
    ///
    /// Never blocks: this is the `try_` form of [`wait`](Once::wait).
    ///
    /// ```
    /// let once = tk_lock::Once::new();
    /// once.call_once(|| assert!(!once.is_completed()));
    /// assert!(once.is_completed());
    /// ```
    #[inline]
    pub fn is_completed(&self) -> bool {
        // By *Complete for good*, the load in it makes all visible that the closure did.
        self.word.load().is_complete()
    }

    /// Returns the state at this moment. Never blocks.
    ///
    /// ```
    /// use tk_lock::{Once, OnceState};
    ///
    /// assert_eq!(Once::new().state(), OnceState::New);
    /// ```
    pub fn state(&self) -> OnceState {
        OnceState::of(self.word.load())
    }

    /// Calls the closure, unless one has been called. Blocks while another thread runs its closure.
    ///
    /// # Panics
    ///
    /// If the closure panics. The `Once` is poisoned then, which means that this call panics from
    /// now on.
    ///
    /// If this thread is running the closure of an outer call. The message names its line.
    ///
    /// ```
    /// let (once, mut calls) = (tk_lock::Once::new(), 0);
    /// once.call_once(|| calls += 1);
    /// once.call_once(|| calls += 1);
    /// assert_eq!(calls, 1);
    /// ```
    #[inline]
    #[track_caller]
    pub fn call_once(&self, f: impl FnOnce()) {
        if !self.is_completed() {
            self.call_unlimited(Poison::Fails, |_| f());
        }
    }

    /// As [`call_once`](Once::call_once), but never blocks for another thread.
    ///
    /// # Errors
    ///
    /// [`TimedOut`](OnceError::TimedOut) if another thread is running its closure, and
    /// [`Poisoned`](OnceError::Poisoned) or [`Recursive`](OnceError::Recursive) where `call_once`
    /// panics.
    ///
    /// ```
    /// let once = tk_lock::Once::new();
    /// assert_eq!(once.try_call_once(|| ()), Ok(()));
    /// ```
    #[inline]
    #[track_caller]
    pub fn try_call_once(&self, f: impl FnOnce()) -> Result<(), OnceError> {
        self.call_once_with(Duration::ZERO, f)
    }

    /// As [`call_once`](Once::call_once), but blocks for at most `timeout` while another thread
    /// runs its closure. Returns whether the `Once` is completed.
    ///
    /// # Panics
    ///
    /// As `call_once`.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// assert!(tk_lock::Once::new().call_once_for(Duration::from_secs(1), || ()));
    /// ```
    #[inline]
    #[track_caller]
    pub fn call_once_for(&self, timeout: Duration, f: impl FnOnce()) -> bool {
        self.is_completed() || {
            let called = self.call_state(Poison::Fails, Limit::after(timeout), |_| f());
            self.expect_in_time(called)
        }
    }

    /// As [`call_once`](Once::call_once), but blocks for another thread's closure until the limit
    /// is reached. A closure that this call runs is not limited.
    ///
    /// # Errors
    ///
    /// If the limit is reached first, and [`Poisoned`](OnceError::Poisoned) or
    /// [`Recursive`](OnceError::Recursive) where `call_once` panics.
    ///
    /// ```
    /// use tk_lock::{Once, StopSource};
    ///
    /// let source = StopSource::new();
    /// assert!(Once::new().call_once_with(&source.token(), || ()).is_ok());
    /// ```
    #[inline]
    #[track_caller]
    pub fn call_once_with<'a>(
        &self,
        limit: impl Into<Limit<'a>>,
        f: impl FnOnce(),
    ) -> Result<(), OnceError> {
        // The conversion is the caller's code, and comes first: it may use this `Once`.
        let limit = limit.into();
        if self.is_completed() {
            return Ok(());
        }
        self.call_state(Poison::Fails, limit, |_| f())
    }

    /// As [`call_once`](Once::call_once), and also calls the closure if an earlier one has
    /// panicked. The closure gets the state before the call: [`New`](OnceState::New) or
    /// [`Poisoned`](OnceState::Poisoned). If it returns, the `Once` is not poisoned any more.
    ///
    /// # Panics
    ///
    /// If the closure panics, or if this thread is running the closure of an outer call.
    ///
    /// ```
    /// use std::panic::catch_unwind;
    /// use tk_lock::{Once, OnceError};
    ///
    /// let once = Once::new();
    /// assert!(catch_unwind(|| once.call_once(|| panic!())).is_err());
    /// assert_eq!(once.try_call_once(|| ()), Err(OnceError::Poisoned));
    ///
    /// once.call_once_force(|state| assert!(state.is_poisoned()));
    /// assert_eq!(once.try_call_once(|| ()), Ok(()));
    /// ```
    #[inline]
    #[track_caller]
    pub fn call_once_force(&self, f: impl FnOnce(OnceState)) {
        if !self.is_completed() {
            self.call_unlimited(Poison::IsIgnored, f);
        }
    }

    /// As [`call_once_force`](Once::call_once_force), but never blocks for another thread.
    ///
    /// # Errors
    ///
    /// [`TimedOut`](OnceError::TimedOut) if another thread is running its closure, and
    /// [`Recursive`](OnceError::Recursive) if this thread is.
    ///
    /// ```
    /// assert!(tk_lock::Once::new().try_call_once_force(|_| ()).is_ok());
    /// ```
    #[inline]
    #[track_caller]
    pub fn try_call_once_force(&self, f: impl FnOnce(OnceState)) -> Result<(), OnceError> {
        self.call_once_force_with(Duration::ZERO, f)
    }

    /// As [`call_once_force`](Once::call_once_force), but blocks for another thread's closure
    /// until the limit is reached.
    ///
    /// # Errors
    ///
    /// If the limit is reached first, and [`Recursive`](OnceError::Recursive) if this thread is
    /// running the closure of an outer call.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let limit = Duration::from_secs(1);
    /// assert!(tk_lock::Once::new().call_once_force_with(limit, |_| ()).is_ok());
    /// ```
    #[inline]
    #[track_caller]
    pub fn call_once_force_with<'a>(
        &self,
        limit: impl Into<Limit<'a>>,
        f: impl FnOnce(OnceState),
    ) -> Result<(), OnceError> {
        let limit = limit.into();
        if self.is_completed() {
            return Ok(());
        }
        self.call_state(Poison::IsIgnored, limit, f)
    }

    /// Blocks until a closure has returned. Calls none itself.
    ///
    /// # Panics
    ///
    /// If a closure has panicked, or if this thread is running it.
    ///
    /// ```
    /// let once = tk_lock::Once::new();
    /// std::thread::scope(|s| {
    ///     s.spawn(|| once.call_once(|| ()));
    ///     once.wait();
    /// });
    /// ```
    #[inline]
    #[track_caller]
    pub fn wait(&self) {
        if !self.is_completed() {
            self.wait_unlimited(Poison::Fails);
        }
    }

    /// Blocks until a closure has returned, or for this time. Returns whether one has.
    ///
    /// # Panics
    ///
    /// As [`wait`](Once::wait).
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// assert!(!tk_lock::Once::new().wait_for(Duration::from_millis(1)));
    /// ```
    #[inline]
    #[track_caller]
    pub fn wait_for(&self, timeout: Duration) -> bool {
        self.is_completed() || {
            let waited = self.wait_slow(Poison::Fails, Limit::after(timeout));
            self.expect_in_time(waited)
        }
    }

    /// Blocks until a closure has returned or the limit is reached.
    ///
    /// # Errors
    ///
    /// If the limit is reached first, and [`Poisoned`](OnceError::Poisoned) or
    /// [`Recursive`](OnceError::Recursive) where [`wait`](Once::wait) panics.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tk_lock::{Once, OnceError};
    ///
    /// let waited = Once::new().wait_with(Duration::from_millis(1));
    /// assert_eq!(waited, Err(OnceError::TimedOut));
    /// ```
    #[inline]
    #[track_caller]
    pub fn wait_with<'a>(&self, limit: impl Into<Limit<'a>>) -> Result<(), OnceError> {
        let limit = limit.into();
        if self.is_completed() {
            return Ok(());
        }
        self.wait_slow(Poison::Fails, limit)
    }

    /// As [`wait`](Once::wait), and goes on waiting after a closure has panicked.
    ///
    /// # Panics
    ///
    /// If this thread is running the closure.
    ///
    /// ```
    /// let once = tk_lock::Once::new();
    /// std::thread::scope(|s| {
    ///     s.spawn(|| once.call_once_force(|_| ()));
    ///     once.wait_force();
    /// });
    /// ```
    #[inline]
    #[track_caller]
    pub fn wait_force(&self) {
        if !self.is_completed() {
            self.wait_unlimited(Poison::IsIgnored);
        }
    }

    /// As [`wait_with`](Once::wait_with), and goes on waiting after a closure has panicked.
    ///
    /// # Errors
    ///
    /// If the limit is reached first, and [`Recursive`](OnceError::Recursive) if this thread is
    /// running the closure.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// assert!(tk_lock::Once::new().wait_force_with(Duration::ZERO).is_err());
    /// ```
    #[inline]
    #[track_caller]
    pub fn wait_force_with<'a>(&self, limit: impl Into<Limit<'a>>) -> Result<(), OnceError> {
        let limit = limit.into();
        if self.is_completed() {
            return Ok(());
        }
        self.wait_slow(Poison::IsIgnored, limit)
    }

    /// The slow path of a call without a limit. A function of its own, so that the fast path has
    /// nothing on its stack.
    #[cold]
    #[inline(never)]
    #[track_caller]
    fn call_unlimited(&self, poison: Poison, f: impl FnOnce(OnceState)) {
        let called = self.call_state(poison, Limit::never(), f);
        self.expect(called);
    }

    /// The same for a call that waits.
    #[cold]
    #[inline(never)]
    #[track_caller]
    fn wait_unlimited(&self, poison: Poison) {
        let waited = self.wait_slow(poison, Limit::never());
        self.expect(waited);
    }

    /// [`call`](Once::call) with a closure that always completes.
    #[inline]
    #[track_caller]
    fn call_state(
        &self,
        poison: Poison,
        limit: Limit<'_>,
        f: impl FnOnce(OnceState),
    ) -> Result<(), OnceError> {
        let mut f = Some(f);
        self.call(poison, limit, &mut |state| {
            let f = f.take().expect("the closure is called at most once");
            f(state);
            true
        })
    }

    /// Panics if the result of a call without a limit is an error.
    #[inline]
    #[track_caller]
    pub(crate) fn expect(&self, result: Result<(), OnceError>) {
        if let Err(error) = result {
            self.refuse(error);
        }
    }

    /// Returns whether a call was in time, and panics if its error is another one.
    #[inline]
    #[track_caller]
    pub(crate) fn expect_in_time(&self, result: Result<(), OnceError>) -> bool {
        match result {
            Ok(()) => true,
            Err(OnceError::TimedOut) => false,
            Err(error) => self.refuse(error),
        }
    }

    /// Calls a closure that ends as if it had panicked, for models.
    #[cfg(tk_loom)]
    #[doc(hidden)]
    pub fn call_and_poison(&self, f: impl Fn(OnceState)) {
        let mut closure = |state| {
            f(state);
            false
        };
        _ = self.call(Poison::IsIgnored, Limit::never(), &mut closure);
    }

    /// Gives a model's atomics to the thread that makes the object.
    #[cfg(tk_loom)]
    #[doc(hidden)]
    pub fn loom_register(&self) {
        self.word.loom_register();
    }
}

impl Default for Once {
    fn default() -> Once {
        Once::new()
    }
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once")
            .field("state", &self.state())
            .finish()
    }
}
