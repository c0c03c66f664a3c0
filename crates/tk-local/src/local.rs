//! [`Local`] itself: the methods, over the table and the nodes.

use std::any::TypeId;
use std::fmt;
use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind, resume_unwind};
use std::thread;

use crate::caller::Caller;
use crate::node::{Owned, Shared, discard};
use crate::table::Table;
use crate::{AccessError, SetError, Unset};

/// One value per thread, per object.
///
/// Each thread that uses the object has a value of its own in it, or none. No thread ever sees the
/// value of another one, not even that of a thread that is gone and had the same slot.
///
/// A value begins when its thread sets it, or, with an initializer, when its thread first reads it.
/// The thread drops it when it takes or replaces the value, or when it ends. If the `Local` is
/// dropped before that, the value goes with it. See the [crate's
/// page](crate#when-a-value-is-dropped) for the details.
///
/// Reading costs a few loads and two stores; it takes no lock and waits for nobody.
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
    /// Without a value in any thread.
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
    /// With an initializer: a function that makes a thread's value when the thread first reads it,
    /// and again after it was taken.
    ///
    /// In a static, this is a function or a closure that captures nothing. Otherwise it may capture
    /// what it needs; it is called by many threads.
    ///
    /// If it panics, the thread still has no value, and the next read calls it again. It must not
    /// use the same `Local`: that panics, or in the `try_` methods is
    /// [`AccessError::Initializing`].
    ///
    /// If a value uses its own `Local` when it is dropped at the end of its thread, the initializer
    /// makes a new one, for 32 generations. Then a read panics, or in the `try_` methods is
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
    #[inline]
    fn owned(&self) -> Option<Owned<'_, T>> {
        self.table.owned(Caller::peek())
    }

    /// Calls `f` with the value, if there is one and it can be read now.
    pub(crate) fn peek(&self, f: impl FnOnce(&T)) {
        if let Some(Ok(shared)) = self.owned().map(Owned::share) {
            f(shared.get());
        }
    }
}

/// Methods that do not call the initializer.
impl<T: 'static, F> Local<T, F> {
    /// Whether the calling thread has a value. Does not call the initializer, and does not panic.
    ///
    /// True also while the value is borrowed, false while the initializer runs.
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

    /// Sets the calling thread's value, and drops the one it had. Does not call the initializer.
    ///
    /// # Panics
    ///
    /// In a closure that borrows this value, and in its initializer. [`try_set`](Local::try_set)
    /// does not.
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

    /// Sets the calling thread's value if it is not in use, and drops the one it had.
    ///
    /// # Errors
    ///
    /// Gives the value back in a closure that borrows the present one, and in the initializer.
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

    /// Sets the calling thread's value and returns the one it had. Does not call the initializer.
    ///
    /// # Panics
    ///
    /// In a closure that borrows this value, and in its initializer.
    /// [`try_replace`](Local::try_replace) does not.
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

    /// Sets the calling thread's value if it is not in use, and returns the one it had.
    ///
    /// # Errors
    ///
    /// Gives the value back in a closure that borrows the present one, and in the initializer.
    ///
    /// ```
    /// # use tk_local::Local;
    /// let local = Local::new();
    /// local.set(1);
    /// assert_eq!(local.try_replace(2).unwrap(), Some(1));
    /// ```
    #[inline]
    pub fn try_replace(&self, value: T) -> Result<Option<T>, SetError<T>> {
        let owned = match self.owned() {
            Some(owned) => owned,
            None => self.table.own(),
        };
        owned
            .replace(value)
            .map_err(|(value, reason)| SetError::new(value, reason))
    }

    /// Takes the calling thread's value, if it has one, and leaves it without. Does not call the
    /// initializer; the next read does.
    ///
    /// # Panics
    ///
    /// In a closure that borrows this value, and in its initializer. [`try_take`](Local::try_take)
    /// does not.
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

    /// Takes the calling thread's value, if it has one and it is not in use.
    ///
    /// # Errors
    ///
    /// In a closure that borrows the value, and in the initializer. Never [`AccessError::Unset`].
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

    /// Drops the calling thread's value, if it has one.
    ///
    /// # Panics
    ///
    /// In a closure that borrows this value, and in its initializer.
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

    /// Calls `f` with the value, which `init` makes if there is none.
    #[inline]
    pub(crate) fn try_with_borrow_or<R>(
        &self,
        init: Option<impl FnOnce() -> T>,
        f: impl FnOnce(&T) -> R,
    ) -> Result<R, AccessError> {
        let shared = match self.owned().map(Owned::share) {
            Some(Ok(shared)) => shared,
            None | Some(Err(AccessError::Unset)) => self.filled(init)?,
            Some(Err(error)) => return Err(error),
        };
        Ok(f(shared.get()))
    }

    /// The value, which `init` makes now.
    #[cold]
    fn filled(&self, init: Option<impl FnOnce() -> T>) -> Result<Shared<'_, T>, AccessError> {
        let init = init.ok_or(AccessError::Unset)?;
        let owned = self.table.own();
        if Caller::drops_last_generation() {
            return Err(AccessError::ThreadEnding);
        }
        owned.get_or_init(init)
    }

    /// Whether the thread uses its value, or the place for it.
    pub(crate) fn check_unused(&self) -> Result<(), AccessError> {
        match self.owned().map(Owned::exclude) {
            None | Some(Ok(_) | Err(AccessError::Unset)) => Ok(()),
            Some(Err(error)) => Err(error),
        }
    }
}

/// Methods that call the initializer, if there is one and the thread has no value.
impl<T: 'static, F: Fn() -> T> Local<T, F> {
    /// Calls `f` with the calling thread's value, and returns what it returns.
    ///
    /// Meanwhile the thread can borrow the value again, but not change it.
    ///
    /// # Errors
    ///
    /// [`Unset`] if the thread has no value. Never with an initializer.
    ///
    /// # Panics
    ///
    /// In a closure that borrows this value mutably, and in its initializer.
    /// [`try_with_borrow`](Local::try_with_borrow) does not. If `f` or the initializer panics. At
    /// the end of a thread, if [no more values are made](AccessError::ThreadEnding).
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

    /// Calls `f` with the calling thread's value, if it can be read now.
    ///
    /// # Errors
    ///
    /// If the thread has no value, in a closure that borrows it mutably, in its initializer, and at
    /// the end of a thread if no more values are made.
    ///
    /// # Panics
    ///
    /// If `f` or the initializer panics.
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
        self.try_with_borrow_or(self.init.as_ref(), f)
    }

    /// Calls `f` with the calling thread's value, to change it, and returns what it returns.
    ///
    /// Meanwhile the thread can use the value in no other way.
    ///
    /// # Errors
    ///
    /// [`Unset`] if the thread has no value. Never with an initializer.
    ///
    /// # Panics
    ///
    /// In a closure that borrows this value, and in its initializer.
    /// [`try_with_borrow_mut`](Local::try_with_borrow_mut) does not. If `f` or the initializer
    /// panics. At the end of a thread, if [no more values are made](AccessError::ThreadEnding).
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

    /// Calls `f` with the calling thread's value, if it can be changed now.
    ///
    /// # Errors
    ///
    /// If the thread has no value, in a closure that borrows it, in its initializer, and at the end
    /// of a thread if no more values are made.
    ///
    /// # Panics
    ///
    /// If `f` or the initializer panics.
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
        let mut exclusive = match self.owned().map(Owned::exclude) {
            Some(Ok(exclusive)) => exclusive,
            None | Some(Err(AccessError::Unset)) => {
                self.filled(self.init.as_ref())?.into_exclusive()?
            }
            Some(Err(error)) => return Err(error),
        };
        Ok(f(exclusive.get()))
    }

    /// A clone of the calling thread's value. `None` if it has none, which cannot be with an
    /// initializer.
    ///
    /// # Panics
    ///
    /// In a closure that borrows this value mutably, and in its initializer. If the initializer or
    /// `clone` panics. At the end of a thread, if [no more values are
    /// made](AccessError::ThreadEnding).
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
        if is_plain::<T>()
            && let Some(Ok(value)) = self.owned().map(Owned::copy)
        {
            return Some(value);
        }
        self.with_borrow(T::clone).ok()
    }
}

/// Whether `clone` is known to be a copy and to run nobody's code, so that the value need not be
/// borrowed meanwhile. The compiler knows the answer.
#[inline]
fn is_plain<T: 'static>() -> bool {
    macro_rules! is_one_of {
        ($($plain:ty)*) => {
            $(TypeId::of::<T>() == TypeId::of::<$plain>())||*
        };
    }
    is_one_of!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize f32 f64 bool char)
}

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

/// Drops the values of all threads. If one of them panics, the rest is dropped nonetheless, and the
/// first panic goes on.
impl<T, F> Drop for Local<T, F> {
    fn drop(&mut self) {
        let mut first = None;
        self.table.for_each(|node| {
            let Some(value) = node.empty() else { return };
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
                match first {
                    None => first = Some(payload),
                    Some(_) => discard(payload),
                }
            }
        });
        match first {
            None => {}
            Some(payload) if thread::panicking() => discard(payload),
            Some(payload) => resume_unwind(payload),
        }
    }
}

// As `std::thread::LocalKey`, whatever the value: a panic ends the borrow, and the `Local` is whole
// again.
impl<T, F: UnwindSafe> UnwindSafe for Local<T, F> {}
impl<T, F: RefUnwindSafe> RefUnwindSafe for Local<T, F> {}

/// As [`Local::new`].
impl<T> Default for Local<T> {
    fn default() -> Local<T> {
        Local::new()
    }
}

/// Says whether the calling thread has a value. Shows no value, and blocks nobody.
impl<T: 'static, F> fmt::Debug for Local<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local")
            .field("is_set", &self.is_set())
            .finish_non_exhaustive()
    }
}
