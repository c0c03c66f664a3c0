//! [`Local`]: the public methods, which find the calling thread's node and use it.
//!
//! | method | no value | value unused | borrowed | mutably borrowed | in `init` |
//! |---|---|---|---|---|---|
//! | `is_set` | `false` | `true` | `true` | `true` | `false` |
//! | `set`, `replace` | sets it | replaces it | error | error | error |
//! | `take`, `clear` | nothing | takes it | error | error | error |
//! | `get`, `with_borrow` | `init`, or `Unset` | reads it | reads it | error | error |
//! | `with_borrow_mut` | `init`, or `Unset` | changes it | error | error | error |
//!
//! An error is a panic in the methods that have a `try_` counterpart.

use std::any::TypeId;
use std::fmt;
use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind, resume_unwind};
use std::thread;

use tk_core::__private::drop_guarded;

use crate::caller::Caller;
use crate::node::{Owned, Ref};
use crate::table::Table;
use crate::{AccessError, SetError, Unset};

/// One value per thread, per object.
///
/// Each thread that uses the object has its own value in it, or none. No thread ever sees the value
/// of another thread, not even that of a thread that is gone and had the same slot.
///
/// A thread gets a value when it sets one, or on its first read if there is an initializer. The
/// value is dropped when its thread takes or replaces it, when its thread ends, or with the
/// `Local`. See [when a value is dropped](crate#when-a-value-is-dropped) for the details.
///
/// A read costs a few loads and two stores. It takes no lock and never blocks.
///
/// ```
/// use tk_local::Local;
///
/// static COUNT: Local<u32> = Local::with_init(|| 0);
///
/// fn count() -> u32 {
///     COUNT
///         .with_borrow_mut(|n| {
///             *n += 1;
///             *n
///         })
///         .unwrap()
/// }
///
/// count();
/// assert_eq!(count(), 2);
/// std::thread::spawn(|| assert_eq!(count(), 1)).join().unwrap();
/// ```
#[doc(alias = "threading.local")]
#[doc(alias = "ThreadLocal")]
pub struct Local<T, F = fn() -> T> {
    pub(crate) table: Table<T>,
    init: Option<F>,
}

impl<T> Local<T> {
    /// Creates a `Local` without an initializer. No thread has a value in it.
    ///
    /// ```
    /// use tk_local::Local;
    ///
    /// static NAME: Local<String> = Local::new();
    /// assert!(!NAME.is_set());
    /// ```
    pub const fn new() -> Local<T> {
        Local {
            table: Table::new(),
            init: None,
        }
    }
}

impl<T, F> Local<T, F> {
    /// Creates a `Local` with an initializer. A thread that reads without a value calls `init`,
    /// which makes one.
    ///
    /// That is the thread's first read, and the first one after it has taken its value. In a
    /// static, `init` is a function or a closure that captures nothing. Otherwise it may capture
    /// what it needs. All threads call it.
    ///
    /// If `init` panics, the thread still has no value, and its next read calls `init` again. A use
    /// of the same `Local` within `init` panics. In the `try_` methods it returns
    /// [`AccessError::Initializing`].
    ///
    /// If a value reads its own `Local` in its `Drop` at the end of its thread, `init` makes a new
    /// value, for 32 generations. After that, a read panics. In the `try_` methods it returns
    /// [`AccessError::ThreadEnding`].
    ///
    /// ```
    /// use tk_local::Local;
    ///
    /// let path = String::from("/tmp");
    /// let log = Local::with_init(move || vec![format!("log in {path}")]);
    /// assert_eq!(log.with_borrow(|log| log[0].clone()).unwrap(), "log in /tmp");
    /// ```
    pub const fn with_init(init: F) -> Local<T, F> {
        Local {
            table: Table::new(),
            init: Some(init),
        }
    }
}

impl<T, F> Local<T, F> {
    /// The node that the calling thread owns, if it owns one.
    fn owned(&self) -> Option<Owned<'_, T>> {
        self.table.owned(Caller::peek())
    }

    /// For the fast paths. `None` says nothing: a slow path follows.
    #[inline]
    fn owned_at_hand(&self) -> Option<Owned<'_, T>> {
        self.table.owned_at_hand(Caller::peek())
    }

    /// Calls `f` with the value, if there is one and it can be read now.
    pub(crate) fn peek(&self, f: impl FnOnce(&T)) {
        if let Some(Ok(value)) = self.owned().map(Owned::try_borrow) {
            f(value.get());
        }
    }
}

/// Methods that do not call the initializer.
impl<T: 'static, F> Local<T, F> {
    /// Returns whether the calling thread has a value. Does not call the initializer.
    ///
    /// Returns `true` also while the value is borrowed, and `false` while the initializer runs.
    /// Never panics.
    ///
    /// ```
    /// # use tk_local::Local;
    /// let local = Local::new();
    /// local.set(1);
    /// assert!(local.is_set());
    /// std::thread::scope(|s| {
    ///     s.spawn(|| assert!(!local.is_set()));
    /// });
    /// ```
    #[doc(alias = "hasattr")]
    pub fn is_set(&self) -> bool {
        self.owned().is_some_and(|owned| owned.is_set())
    }

    /// Sets the calling thread's value, and drops the old one. Does not call the initializer.
    ///
    /// # Panics
    ///
    /// Panics in a closure that borrows this value, and in its initializer.
    /// [`try_set`](Local::try_set) returns an error instead.
    ///
    /// ```
    /// # use tk_local::Local;
    /// let local = Local::new();
    /// local.set("here");
    /// assert_eq!(local.get(), Some("here"));
    /// ```
    #[doc(alias = "setattr")]
    #[inline]
    #[track_caller]
    pub fn set(&self, value: T) {
        drop(self.replace(value));
    }

    /// Sets the calling thread's value if it is not in use, and drops the old one.
    ///
    /// # Errors
    ///
    /// Returns the new value in the error if the thread is in a closure that borrows the old one,
    /// or in the initializer.
    ///
    /// ```
    /// # use tk_local::Local;
    /// let local = Local::new();
    /// assert!(local.try_set(1).is_ok());
    /// assert!(local.with_borrow(|_| local.try_set(2).is_err()).unwrap());
    /// assert_eq!(local.get(), Some(1));
    /// ```
    pub fn try_set(&self, value: T) -> Result<(), SetError<T>> {
        self.try_replace(value).map(drop)
    }

    /// Sets the calling thread's value and returns the old one. Does not call the initializer.
    ///
    /// # Panics
    ///
    /// Panics in a closure that borrows this value, and in its initializer.
    /// [`try_replace`](Local::try_replace) returns an error instead.
    ///
    /// ```
    /// # use tk_local::Local;
    /// let local = Local::new();
    /// assert_eq!(local.replace(1), None);
    /// assert_eq!(local.replace(2), Some(1));
    /// ```
    #[inline]
    #[track_caller]
    pub fn replace(&self, value: T) -> Option<T> {
        match self.try_replace(value) {
            Ok(old) => old,
            Err(error) => fail("Local", error.reason()),
        }
    }

    /// Sets the calling thread's value if it is not in use, and returns the old one.
    ///
    /// # Errors
    ///
    /// Returns the new value in the error if the thread is in a closure that borrows the old one,
    /// or in the initializer.
    ///
    /// ```
    /// # use tk_local::Local;
    /// let local = Local::new();
    /// local.set(1);
    /// assert_eq!(local.try_replace(2).unwrap(), Some(1));
    /// ```
    #[inline]
    pub fn try_replace(&self, value: T) -> Result<Option<T>, SetError<T>> {
        match self.owned_at_hand() {
            Some(owned) => owned
                .replace(value)
                .map_err(|(value, reason)| SetError::new(value, reason)),
            None => self.try_replace_slow(value),
        }
    }

    #[cold]
    #[inline(never)]
    fn try_replace_slow(&self, value: T) -> Result<Option<T>, SetError<T>> {
        let owned = match self.owned() {
            Some(owned) => owned,
            None => self.table.own(),
        };
        owned
            .replace(value)
            .map_err(|(value, reason)| SetError::new(value, reason))
    }

    /// Takes the calling thread's value, and returns `None` if it has none.
    ///
    /// Does not call the initializer. The thread's next read does.
    ///
    /// # Panics
    ///
    /// Panics in a closure that borrows this value, and in its initializer.
    /// [`try_take`](Local::try_take) returns an error instead.
    ///
    /// ```
    /// # use tk_local::Local;
    /// let local = Local::new();
    /// local.set(1);
    /// assert_eq!(local.take(), Some(1));
    /// assert_eq!(local.take(), None);
    /// ```
    #[track_caller]
    pub fn take(&self) -> Option<T> {
        match self.try_take() {
            Ok(value) => value,
            Err(error) => fail("Local", error),
        }
    }

    /// Takes the calling thread's value if it is not in use, and returns `None` if it has none.
    ///
    /// # Errors
    ///
    /// Returns an error in a closure that borrows the value, and in the initializer. The error is
    /// never [`AccessError::Unset`].
    ///
    /// ```
    /// # use tk_local::{AccessError, Local};
    /// let local = Local::new();
    /// local.set(1);
    /// assert_eq!(local.with_borrow(|_| local.try_take()), Ok(Err(AccessError::Borrowed)));
    /// assert_eq!(local.try_take(), Ok(Some(1)));
    /// assert_eq!(local.try_take(), Ok(None));
    /// ```
    pub fn try_take(&self) -> Result<Option<T>, AccessError> {
        match self.owned().map(Owned::take) {
            Some(Ok(value)) => Ok(Some(value)),
            None | Some(Err(AccessError::Unset)) => Ok(None),
            Some(Err(error)) => Err(error),
        }
    }

    /// Drops the calling thread's value, if it has one. Does not call the initializer.
    ///
    /// # Panics
    ///
    /// Panics in a closure that borrows this value, and in its initializer.
    ///
    /// ```
    /// # use tk_local::Local;
    /// let local = Local::new();
    /// local.set(1);
    /// local.clear();
    /// assert!(!local.is_set());
    /// ```
    #[doc(alias = "unset")]
    #[doc(alias = "delattr")]
    #[track_caller]
    pub fn clear(&self) {
        drop(self.take());
    }

    /// Borrows the value, if it can be read and is where it is found fast. `None` says nothing: a
    /// call of [`try_with_borrow_slow`](Local::try_with_borrow_slow) follows.
    #[inline]
    pub(crate) fn borrow_at_hand(&self) -> Option<Ref<'_, T>> {
        self.owned_at_hand()?.try_borrow().ok()
    }

    /// Calls `f` with the value, which `init` makes if there is none.
    #[cold]
    #[inline(never)]
    pub(crate) fn try_with_borrow_slow<R>(
        &self,
        init: Option<impl FnOnce() -> T>,
        f: impl FnOnce(&T) -> R,
    ) -> Result<R, AccessError> {
        let value = match self.owned().map(Owned::try_borrow) {
            Some(Ok(value)) => value,
            None | Some(Err(AccessError::Unset)) => self.borrow_or_init(init)?,
            Some(Err(error)) => return Err(error),
        };
        Ok(f(value.get()))
    }

    /// A borrow of the value, which `init` makes now.
    fn borrow_or_init(&self, init: Option<impl FnOnce() -> T>) -> Result<Ref<'_, T>, AccessError> {
        let init = init.ok_or(AccessError::Unset)?;
        let owned = self.table.own();
        // Before the initializer, not after: its value would only be leaked (*bounded end* in
        // `caller`).
        if Caller::drops_last_generation() {
            return Err(AccessError::ThreadEnding);
        }
        owned.get_or_init(init)
    }

    /// Returns an error if the thread uses its value or is in its initializer.
    pub(crate) fn check_unused(&self) -> Result<(), AccessError> {
        match self.owned() {
            None => Ok(()),
            Some(owned) => owned.check_unused().map(|_is_set| ()),
        }
    }
}

/// Methods that call the initializer, if there is one and the thread has no value.
impl<T: 'static, F: Fn() -> T> Local<T, F> {
    /// Calls `f` with the calling thread's value, and returns the result of `f`.
    ///
    /// Within `f`, the thread can borrow the value again, but it cannot change it.
    ///
    /// # Errors
    ///
    /// Returns [`Unset`] if the thread has no value and there is no initializer.
    ///
    /// # Panics
    ///
    /// Panics in a closure that borrows this value mutably, in its initializer, and at the end of a
    /// thread if [no more values are made](AccessError::ThreadEnding).
    /// [`try_with_borrow`](Local::try_with_borrow) returns an error instead. A panic of `f` or of
    /// the initializer goes on to the caller.
    ///
    /// ```
    /// # use tk_local::{Local, Unset};
    /// let local = Local::new();
    /// assert_eq!(local.with_borrow(String::len), Err(Unset));
    /// local.set(String::from("four"));
    /// assert_eq!(local.with_borrow(String::len), Ok(4));
    /// ```
    #[inline]
    #[track_caller]
    pub fn with_borrow<R>(&self, f: impl FnOnce(&T) -> R) -> Result<R, Unset> {
        match self.try_with_borrow(f) {
            Ok(result) => Ok(result),
            Err(error) => Err(unset_or_fail("Local", error)),
        }
    }

    /// Calls `f` with the calling thread's value if it can be read now.
    ///
    /// # Errors
    ///
    /// Returns an error if the thread has no value and there is no initializer. Also in a closure
    /// that borrows the value mutably, in its initializer, and at the end of a thread if no more
    /// values are made.
    ///
    /// # Panics
    ///
    /// Panics if `f` or the initializer panics.
    ///
    /// ```
    /// # use tk_local::{AccessError, Local};
    /// let local = Local::with_init(|| 1);
    /// assert_eq!(local.try_with_borrow(|n| *n), Ok(1));
    /// let inner = local.with_borrow_mut(|_| local.try_with_borrow(|n| *n));
    /// assert_eq!(inner, Ok(Err(AccessError::BorrowedMut)));
    /// ```
    #[inline]
    pub fn try_with_borrow<R>(&self, f: impl FnOnce(&T) -> R) -> Result<R, AccessError> {
        match self.borrow_at_hand() {
            Some(value) => Ok(f(value.get())),
            None => self.try_with_borrow_slow(self.init.as_ref(), f),
        }
    }

    /// Calls `f` with a mutable reference to the calling thread's value, and returns the result of
    /// `f`.
    ///
    /// Within `f`, the thread cannot use the value in any other way.
    ///
    /// # Errors
    ///
    /// Returns [`Unset`] if the thread has no value and there is no initializer.
    ///
    /// # Panics
    ///
    /// Panics in a closure that borrows this value, in its initializer, and at the end of a thread
    /// if [no more values are made](AccessError::ThreadEnding).
    /// [`try_with_borrow_mut`](Local::try_with_borrow_mut) returns an error instead. A panic of `f`
    /// or of the initializer goes on to the caller.
    ///
    /// ```
    /// # use tk_local::Local;
    /// let local = Local::with_init(Vec::new);
    /// local.with_borrow_mut(|list| list.push(1)).unwrap();
    /// assert_eq!(local.get(), Some(vec![1]));
    /// ```
    #[inline]
    #[track_caller]
    pub fn with_borrow_mut<R>(&self, f: impl FnOnce(&mut T) -> R) -> Result<R, Unset> {
        match self.try_with_borrow_mut(f) {
            Ok(result) => Ok(result),
            Err(error) => Err(unset_or_fail("Local", error)),
        }
    }

    /// Calls `f` with a mutable reference to the calling thread's value if it can be changed now.
    ///
    /// # Errors
    ///
    /// Returns an error if the thread has no value and there is no initializer. Also in a closure
    /// that borrows the value, in its initializer, and at the end of a thread if no more values are
    /// made.
    ///
    /// # Panics
    ///
    /// Panics if `f` or the initializer panics.
    ///
    /// ```
    /// # use tk_local::{AccessError, Local};
    /// let local = Local::new();
    /// assert_eq!(local.try_with_borrow_mut(|n| *n += 1), Err(AccessError::Unset));
    /// local.set(1);
    /// assert_eq!(local.try_with_borrow_mut(|n| *n += 1), Ok(()));
    /// ```
    #[inline]
    pub fn try_with_borrow_mut<R>(&self, f: impl FnOnce(&mut T) -> R) -> Result<R, AccessError> {
        match self.owned_at_hand().map(Owned::try_borrow_mut) {
            Some(Ok(mut value)) => Ok(f(value.get())),
            _ => self.try_with_borrow_mut_slow(f),
        }
    }

    #[cold]
    #[inline(never)]
    fn try_with_borrow_mut_slow<R>(&self, f: impl FnOnce(&mut T) -> R) -> Result<R, AccessError> {
        let mut value = match self.owned().map(Owned::try_borrow_mut) {
            Some(Ok(value)) => value,
            None | Some(Err(AccessError::Unset)) => {
                self.borrow_or_init(self.init.as_ref())?.into_mut()?
            }
            Some(Err(error)) => return Err(error),
        };
        Ok(f(value.get()))
    }

    /// Returns a clone of the calling thread's value, or `None` if it has no value and there is no
    /// initializer.
    ///
    /// # Panics
    ///
    /// Panics in a closure that borrows this value mutably, in its initializer, and at the end of a
    /// thread if [no more values are made](AccessError::ThreadEnding). A panic of `clone` or of the
    /// initializer goes on to the caller.
    ///
    /// ```
    /// # use tk_local::Local;
    /// let local = Local::new();
    /// assert_eq!(local.get(), None);
    /// local.set(1);
    /// assert_eq!(local.get(), Some(1));
    /// ```
    #[doc(alias = "getattr")]
    #[inline]
    #[track_caller]
    pub fn get(&self) -> Option<T>
    where
        T: Clone,
    {
        if is_plain::<T>() {
            if let Some(Ok(value)) = self.owned_at_hand().map(Owned::copy) {
                return Some(value);
            }
        } else if let Some(value) = self.borrow_at_hand() {
            return Some(value.get().clone());
        }
        self.get_slow()
    }

    #[cold]
    #[inline(never)]
    #[track_caller]
    fn get_slow(&self) -> Option<T>
    where
        T: Clone,
    {
        self.with_borrow(T::clone).ok()
    }
}

/// Whether `clone` is known to be a plain copy. It runs no user code then, so the value need not be
/// borrowed. The compiler evaluates this.
#[inline]
fn is_plain<T: 'static>() -> bool {
    macro_rules! is_one_of {
        ($($plain:ty)*) => {
            $(TypeId::of::<T>() == TypeId::of::<$plain>())||*
        };
    }
    is_one_of!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize f32 f64 bool char)
}

/// Returns [`Unset`], and panics with any other error.
#[cold]
#[track_caller]
pub(crate) fn unset_or_fail(of: &str, error: AccessError) -> Unset {
    match error {
        AccessError::Unset => Unset,
        error => fail(of, error),
    }
}

#[cold]
#[track_caller]
pub(crate) fn fail(of: &str, error: AccessError) -> ! {
    panic!("tk_local::{of}: {error}")
}

/// Drops the values of all threads.
///
/// If the `Drop` of one panics, the others are dropped all the same. Then the first panic goes on
/// to the caller.
impl<T, F> Drop for Local<T, F> {
    fn drop(&mut self) {
        let mut first = None;
        self.table.for_each(|node| {
            let Some(value) = node.take_exclusive() else {
                return;
            };
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
                match first {
                    None => first = Some(payload),
                    Some(_) => drop_guarded(payload),
                }
            }
        });
        match first {
            None => {}
            // A panic during a panic would abort the program.
            Some(payload) if thread::panicking() => drop_guarded(payload),
            Some(payload) => resume_unwind(payload),
        }
    }
}

// Like `std::thread::LocalKey`, for any type of value: a panic ends the borrow, and leaves the
// `Local` usable.
impl<T, F: UnwindSafe> UnwindSafe for Local<T, F> {}
impl<T, F: RefUnwindSafe> RefUnwindSafe for Local<T, F> {}

/// The same as [`Local::new`].
impl<T> Default for Local<T> {
    fn default() -> Local<T> {
        Local::new()
    }
}

/// Shows whether the calling thread has a value, but no value. Never blocks.
impl<T: 'static, F> fmt::Debug for Local<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local")
            .field("is_set", &self.is_set())
            .finish_non_exhaustive()
    }
}
