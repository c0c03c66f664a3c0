//! [`SharedLocal`]: values that other threads can read.
//!
//! | operation | the thread's own [`Handle`] | the list of values |
//! |---|---|---|
//! | `with`, `get` | read, without a lock | – |
//! | `set`, a `with` that calls `init` | made or replaced | inserts, removes the old one |
//! | `take`, the end of the thread | dropped | removes |
//! | `iter` | – | is cloned under its lock |
//!
//! A handle is the value of a [`Local`], so all that [`node`](crate::node) and
//! [`state`](crate::state) say about the end of a thread holds for it. The invariants of the list
//! are in [`values`](crate::values).

#![forbid(unsafe_code)]

use std::fmt;
use std::iter::FusedIterator;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::vec;

use once_cell::race::OnceBox;

use crate::local::{fail, unset_or_fail};
use crate::values::{Handle, Values};
use crate::{AccessError, Local, SetError, Unset};

/// One value per thread, per object, which all threads can read.
///
/// Each thread has its own value in it or none, as in a [`Local`]. A thread can replace its value,
/// but nobody can change it. In return, [`iter`](SharedLocal::iter) returns the values of all
/// threads, such as counters to add up, or the current job of each worker. Use an atomic or a lock
/// as the value if it has to change.
///
/// A thread reads its value without a lock. It takes the lock of the `SharedLocal` for a moment
/// when it sets its value, and when it ends with one.
///
/// # When a value is dropped
///
/// A value is dropped at the same time and by the same thread as the value of a `Local`. If another
/// thread has the value from `iter` or `get` at that time, the last of these references drops it.
///
/// In the child of a fork, `iter` returns the values of the child's own threads only.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
/// use std::sync::Barrier;
/// use tk_local::SharedLocal;
///
/// static HITS: SharedLocal<AtomicU64> = SharedLocal::with_init(|| AtomicU64::new(0));
///
/// let counted = Barrier::new(4);
/// std::thread::scope(|s| {
///     for _ in 0..3 {
///         s.spawn(|| {
///             HITS.with(|n| n.fetch_add(1, Relaxed)).unwrap();
///             counted.wait(); // All have counted.
///             counted.wait(); // The main thread has added up.
///         });
///     }
///     counted.wait();
///     assert_eq!(HITS.iter().map(|n| n.load(Relaxed)).sum::<u64>(), 3);
///     counted.wait();
/// });
/// ```
#[doc(alias = "ThreadLocal")]
pub struct SharedLocal<T, F = fn() -> T> {
    mine: Local<Handle<T>>,
    values: OnceBox<Arc<Values<T>>>,
    init: Option<F>,
}

impl<T> SharedLocal<T> {
    /// Creates a `SharedLocal` without an initializer. No thread has a value in it.
    ///
    /// ```
    /// use tk_local::SharedLocal;
    ///
    /// static TASK: SharedLocal<String> = SharedLocal::new();
    /// assert!(!TASK.is_set());
    /// ```
    pub const fn new() -> SharedLocal<T> {
        SharedLocal {
            mine: Local::new(),
            values: OnceBox::new(),
            init: None,
        }
    }
}

impl<T, F> SharedLocal<T, F> {
    /// Creates a `SharedLocal` with an initializer. A thread that reads without a value calls
    /// `init`, which makes one.
    ///
    /// The rules are those of [`Local::with_init`].
    ///
    /// ```
    /// use tk_local::SharedLocal;
    ///
    /// let local = SharedLocal::with_init(|| std::thread::current().id());
    /// assert_eq!(local.with(|id| *id), Ok(std::thread::current().id()));
    /// ```
    pub const fn with_init(init: F) -> SharedLocal<T, F> {
        SharedLocal {
            mine: Local::new(),
            values: OnceBox::new(),
            init: Some(init),
        }
    }

    /// Returns an iterator over the values of all threads, in the order in which they were set.
    /// Does not call the initializer.
    ///
    /// The values are a snapshot of one moment within this call. A value that is set later is not
    /// among them. A value that its thread replaces or drops later still is, and lives as long as
    /// the iterator or its caller has it.
    ///
    /// ```
    /// use tk_local::SharedLocal;
    ///
    /// let local = SharedLocal::new();
    /// assert_eq!(local.iter().count(), 0);
    /// local.set("here");
    /// assert_eq!(*local.iter().next().unwrap(), "here");
    /// ```
    pub fn iter(&self) -> SharedIter<T> {
        let Some(values) = self.values.get() else {
            return SharedIter(Vec::new().into_iter());
        };
        if values.take_incomplete() {
            self.mine.peek(Handle::relist);
        }
        let mut values = values.snapshot();
        values.sort_unstable_by_key(|(number, _)| *number);
        SharedIter(values.into_iter())
    }

    /// Calls `f` with each value that [`iter`](SharedLocal::iter) returns.
    ///
    /// ```
    /// use tk_local::SharedLocal;
    ///
    /// let local = SharedLocal::new();
    /// local.set(1);
    /// local.for_each(|n| assert_eq!(*n, 1));
    /// ```
    pub fn for_each(&self, mut f: impl FnMut(&T)) {
        self.iter().for_each(|value| f(&value));
    }

    fn values(&self) -> &Arc<Values<T>> {
        self.values
            .get_or_init(|| Box::new(Arc::new(Values::new())))
    }
}

/// Methods that do not call the initializer.
impl<T: 'static, F> SharedLocal<T, F> {
    /// Returns whether the calling thread has a value, like [`Local::is_set`].
    ///
    /// ```
    /// # use tk_local::SharedLocal;
    /// let local = SharedLocal::new();
    /// local.set(1);
    /// assert!(local.is_set());
    /// ```
    #[doc(alias = "hasattr")]
    pub fn is_set(&self) -> bool {
        self.mine.is_set()
    }

    /// Sets the calling thread's value, and releases the old one.
    ///
    /// # Panics
    ///
    /// Panics in a closure that borrows this value, and in its initializer.
    /// [`try_set`](SharedLocal::try_set) returns an error instead.
    ///
    /// ```
    /// # use tk_local::SharedLocal;
    /// let local = SharedLocal::new();
    /// local.set("idle");
    /// local.set("busy");
    /// assert!(local.iter().map(|task| *task).eq(["busy"]));
    /// ```
    #[doc(alias = "setattr")]
    #[track_caller]
    pub fn set(&self, value: T) {
        if let Err(error) = self.try_set(value) {
            fail("SharedLocal", error.reason());
        }
    }

    /// Sets the calling thread's value if it is not in use, and releases the old one.
    ///
    /// # Errors
    ///
    /// Returns the new value in the error if the thread is in a closure that borrows the old one,
    /// or in the initializer.
    ///
    /// ```
    /// # use tk_local::SharedLocal;
    /// let local = SharedLocal::new();
    /// assert!(local.try_set(1).is_ok());
    /// assert_eq!(local.with(|_| local.try_set(2).unwrap_err().into_value()), Ok(2));
    /// ```
    pub fn try_set(&self, value: T) -> Result<(), SetError<T>> {
        // Checked before the value is listed, so that no thread sees a value that is not set.
        if let Err(reason) = self.mine.check_unused() {
            return Err(SetError::new(value, reason));
        }
        drop(self.mine.replace(Handle::new(self.values(), value)));
        Ok(())
    }

    /// Takes the calling thread's value, and returns `None` if it has none.
    ///
    /// Other threads may have the value too, from [`iter`](SharedLocal::iter) or
    /// [`get`](SharedLocal::get). Does not call the initializer. The thread's next read does.
    ///
    /// # Panics
    ///
    /// Panics in a closure that borrows this value, and in its initializer.
    ///
    /// ```
    /// # use tk_local::SharedLocal;
    /// let local = SharedLocal::new();
    /// local.set(1);
    /// assert_eq!(local.take().map(std::sync::Arc::into_inner), Some(Some(1)));
    /// assert_eq!(local.take(), None);
    /// ```
    #[doc(alias = "delattr")]
    #[track_caller]
    pub fn take(&self) -> Option<Arc<T>> {
        match self.mine.try_take() {
            Ok(handle) => handle.map(|handle| Arc::clone(&handle.value)),
            Err(error) => fail("SharedLocal", error),
        }
    }
}

/// Methods that call the initializer, if there is one and the thread has no value.
impl<T: 'static, F: Fn() -> T> SharedLocal<T, F> {
    /// Calls `f` with the calling thread's value, and returns the result of `f`.
    ///
    /// # Errors
    ///
    /// Returns [`Unset`] if the thread has no value and there is no initializer.
    ///
    /// # Panics
    ///
    /// Panics in the value's initializer, and at the end of a thread if [no more values are
    /// made](AccessError::ThreadEnding). [`try_with`](SharedLocal::try_with) returns an error
    /// instead. A panic of `f` or of the initializer goes on to the caller.
    ///
    /// ```
    /// # use tk_local::{SharedLocal, Unset};
    /// let local = SharedLocal::new();
    /// assert_eq!(local.with(String::len), Err(Unset));
    /// local.set(String::from("four"));
    /// assert_eq!(local.with(String::len), Ok(4));
    /// ```
    #[inline]
    #[track_caller]
    pub fn with<R>(&self, f: impl FnOnce(&T) -> R) -> Result<R, Unset> {
        match self.try_with(f) {
            Ok(result) => Ok(result),
            Err(error) => Err(unset_or_fail("SharedLocal", error)),
        }
    }

    /// Calls `f` with the calling thread's value if it can be read now.
    ///
    /// # Errors
    ///
    /// Returns an error if the thread has no value and there is no initializer. Also in the
    /// initializer, and at the end of a thread if no more values are made.
    ///
    /// # Panics
    ///
    /// Panics if `f` or the initializer panics.
    ///
    /// ```
    /// # use tk_local::{AccessError, SharedLocal};
    /// let local = SharedLocal::<u32>::new();
    /// assert_eq!(local.try_with(|n| *n), Err(AccessError::Unset));
    /// ```
    #[inline]
    pub fn try_with<R>(&self, f: impl FnOnce(&T) -> R) -> Result<R, AccessError> {
        if let Some(handle) = self.mine.borrow_at_hand() {
            return Ok(f(&handle.get().value));
        }
        let init = self.init.as_ref();
        let init = init.map(|init| || Handle::new(self.values(), init()));
        self.mine
            .try_with_borrow_slow(init, |handle| f(&handle.value))
    }

    /// Returns the calling thread's value, or `None` if it has no value and there is no
    /// initializer.
    ///
    /// The value can be kept, and passed to other threads.
    ///
    /// # Panics
    ///
    /// Panics in the value's initializer, and at the end of a thread if [no more values are
    /// made](AccessError::ThreadEnding). A panic of the initializer goes on to the caller.
    ///
    /// ```
    /// # use tk_local::SharedLocal;
    /// let local = SharedLocal::with_init(|| 1);
    /// let value = local.get().unwrap();
    /// local.set(2);
    /// assert_eq!(*value, 1);
    /// ```
    #[doc(alias = "getattr")]
    #[track_caller]
    pub fn get(&self) -> Option<Arc<T>> {
        if let Some(handle) = self.mine.borrow_at_hand() {
            return Some(Arc::clone(&handle.get().value));
        }
        let init = self.init.as_ref();
        let init = init.map(|init| || Handle::new(self.values(), init()));
        let value = self
            .mine
            .try_with_borrow_slow(init, |handle| Arc::clone(&handle.value));
        value
            .map_err(|error| unset_or_fail("SharedLocal", error))
            .ok()
    }
}

// Threads share the values, as through an `Arc`, and a panic leaves the `SharedLocal` usable.
impl<T: RefUnwindSafe, F: UnwindSafe> UnwindSafe for SharedLocal<T, F> {}
impl<T: RefUnwindSafe, F: RefUnwindSafe> RefUnwindSafe for SharedLocal<T, F> {}

/// The same as [`SharedLocal::new`].
impl<T> Default for SharedLocal<T> {
    fn default() -> SharedLocal<T> {
        SharedLocal::new()
    }
}

/// Shows whether the calling thread has a value, but no value. Never blocks.
impl<T: 'static, F> fmt::Debug for SharedLocal<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedLocal")
            .field("is_set", &self.is_set())
            .finish_non_exhaustive()
    }
}

impl<T, F> IntoIterator for &SharedLocal<T, F> {
    type Item = Arc<T>;
    type IntoIter = SharedIter<T>;

    fn into_iter(self) -> SharedIter<T> {
        self.iter()
    }
}

/// The iterator of [`SharedLocal::iter`].
///
/// ```
/// let local = tk_local::SharedLocal::new();
/// local.set(1);
/// assert_eq!(local.iter().len(), 1);
/// ```
pub struct SharedIter<T>(vec::IntoIter<(u64, Arc<T>)>);

impl<T> Iterator for SharedIter<T> {
    type Item = Arc<T>;

    fn next(&mut self) -> Option<Arc<T>> {
        self.0.next().map(|(_, value)| value)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl<T> ExactSizeIterator for SharedIter<T> {}
impl<T> FusedIterator for SharedIter<T> {}

impl<T> fmt::Debug for SharedIter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedIter")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
