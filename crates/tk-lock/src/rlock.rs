//! The reentrant lock that guards a value.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
#[cfg(feature = "arc_lock")]
use std::sync::Arc;
use std::time::Duration;

use tk_park::{Limit, WaitError};

use crate::RawRLock;

/// A value that one thread at a time can use, and that this thread can lock again.
///
/// One thread can have several guards, so they give shared access only. To change the value, put a
/// `Cell` or a `RefCell` in it.
///
/// ```
/// use std::cell::Cell;
/// use tk_lock::RLock;
///
/// let lock = RLock::new(Cell::new(1));
/// let outer = lock.lock();
/// let inner = lock.lock();
/// inner.set(2);
/// assert_eq!(outer.get(), 2);
/// ```
#[doc(alias = "threading.RLock")]
#[doc(alias = "recursive_mutex")]
#[doc(alias = "ReentrantMutex")]
#[derive(Default)]
pub struct RLock<T: ?Sized> {
    raw: RawRLock,
    value: T,
}

// SAFETY: the value is reached through a guard, by the one thread that holds the lock; or through
// `&mut`, or by value. So it goes from thread to thread, but no two threads share it.
unsafe impl<T: ?Sized + Send> Sync for RLock<T> {}

impl<T> RLock<T> {
    /// Creates a free lock around this value.
    ///
    /// ```
    /// use std::cell::RefCell;
    /// use tk_lock::RLock;
    ///
    /// static NAMES: RLock<RefCell<Vec<String>>> = RLock::new(RefCell::new(Vec::new()));
    /// assert!(NAMES.lock().borrow().is_empty());
    /// ```
    pub const fn new(value: T) -> RLock<T> {
        RLock {
            raw: RawRLock::new(),
            value,
        }
    }

    /// Returns the value.
    ///
    /// ```
    /// assert_eq!(tk_lock::RLock::new(7).into_inner(), 7);
    /// ```
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl<T: ?Sized> RLock<T> {
    /// Takes the lock, or one more level of it. Blocks while another thread holds it.
    ///
    /// # Panics
    ///
    /// If this thread has `usize::MAX` levels already. This holds for all calls that take a level.
    ///
    /// In the child of a fork, if the lock is held by a thread that exists only in the parent. This
    /// holds for all waits without a limit.
    ///
    /// ```
    /// # use tk_lock::RLock;
    /// assert_eq!(*RLock::new(1).lock(), 1);
    /// ```
    #[inline]
    #[track_caller]
    pub fn lock(&self) -> RLockGuard<'_, T> {
        self.raw.acquire();
        self.guard()
    }

    /// Takes the lock, or one more level of it. Never blocks: returns `None` if another thread
    /// holds the lock.
    ///
    /// ```
    /// # use tk_lock::RLock;
    /// let lock = RLock::new(1);
    /// let (outer, inner) = (lock.try_lock(), lock.try_lock());
    /// assert!(outer.is_some() && inner.is_some());
    /// ```
    #[inline]
    pub fn try_lock(&self) -> Option<RLockGuard<'_, T>> {
        self.raw.try_acquire().then(|| self.guard())
    }

    /// Takes the lock, or one more level of it. Blocks for at most `timeout` while another thread
    /// holds it, and returns `None` after that.
    ///
    /// ```
    /// # use tk_lock::RLock;
    /// use std::time::Duration;
    ///
    /// assert!(RLock::new(1).try_lock_for(Duration::ZERO).is_some());
    /// ```
    #[inline]
    #[track_caller]
    pub fn try_lock_for(&self, timeout: Duration) -> Option<RLockGuard<'_, T>> {
        self.raw.acquire_for(timeout).then(|| self.guard())
    }

    /// Takes the lock, or one more level of it. Blocks while another thread holds it, until the
    /// limit is reached.
    ///
    /// # Errors
    ///
    /// If the limit is reached first. The error says which limit that was.
    ///
    /// ```
    /// # use tk_lock::RLock;
    /// use tk_lock::StopSource;
    ///
    /// let source = StopSource::new();
    /// assert!(RLock::new(1).lock_with(&source.token()).is_ok());
    /// ```
    #[inline]
    #[track_caller]
    pub fn lock_with<'l>(
        &self,
        limit: impl Into<Limit<'l>>,
    ) -> Result<RLockGuard<'_, T>, WaitError> {
        self.raw.acquire_with(limit)?;
        Ok(self.guard())
    }

    /// Returns whether a thread holds the lock at this moment.
    ///
    /// ```
    /// # use tk_lock::RLock;
    /// assert!(!RLock::new(1).is_locked());
    /// ```
    #[doc(alias = "locked")]
    #[inline]
    pub fn is_locked(&self) -> bool {
        self.raw.is_locked()
    }

    /// Returns whether the calling thread holds the lock.
    ///
    /// ```
    /// # use tk_lock::RLock;
    /// assert!(!RLock::new(1).is_owned_by_current_thread());
    /// ```
    #[doc(alias = "_is_owned")]
    #[inline]
    pub fn is_owned_by_current_thread(&self) -> bool {
        self.raw.is_owned_by_current_thread()
    }

    /// Returns how many levels of the lock the calling thread has. Zero if another thread holds it.
    ///
    /// ```
    /// # use tk_lock::RLock;
    /// let lock = RLock::new(1);
    /// let _guards = (lock.lock(), lock.lock());
    /// assert_eq!(lock.recursion_count(), 2);
    /// ```
    pub fn recursion_count(&self) -> usize {
        self.raw.recursion_count()
    }

    /// Returns the value. No lock is needed, because no other thread can have a reference.
    ///
    /// ```
    /// # use tk_lock::RLock;
    /// let mut lock = RLock::new(1);
    /// *lock.get_mut() = 2;
    /// assert_eq!(*lock.lock(), 2);
    /// ```
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.value
    }

    /// As [`try_lock`](RLock::try_lock), with a guard that owns an `Arc` of the lock.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use tk_lock::RLock;
    ///
    /// assert!(Arc::new(RLock::new(1)).try_lock_arc().is_some());
    /// ```
    #[cfg(feature = "arc_lock")]
    pub fn try_lock_arc(self: &Arc<Self>) -> Option<ArcRLockGuard<T>> {
        self.raw.try_acquire().then(|| self.arc_guard())
    }

    /// As [`lock_with`](RLock::lock_with), with a guard that owns an `Arc` of the lock.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::time::Duration;
    /// use tk_lock::RLock;
    ///
    /// let guard = Arc::new(RLock::new(1)).lock_arc_with(Duration::from_secs(1)).unwrap();
    /// assert_eq!(*guard, 1);
    /// ```
    ///
    /// # Errors
    ///
    /// If the limit is reached first. With [`Limit::never`] there is no error.
    #[cfg(feature = "arc_lock")]
    #[track_caller]
    pub fn lock_arc_with<'l>(
        self: &Arc<Self>,
        limit: impl Into<Limit<'l>>,
    ) -> Result<ArcRLockGuard<T>, WaitError> {
        self.raw.acquire_with(limit)?;
        Ok(self.arc_guard())
    }

    /// The guard of a level that has just been taken, with the lock.
    #[cfg(feature = "arc_lock")]
    fn arc_guard(self: &Arc<Self>) -> ArcRLockGuard<T> {
        ArcRLockGuard {
            lock: Arc::clone(self),
            not_send: PhantomData,
        }
    }

    /// The guard of a level that has just been taken.
    #[inline]
    fn guard(&self) -> RLockGuard<'_, T> {
        RLockGuard {
            raw: &self.raw,
            value: &self.value,
            not_send: PhantomData,
        }
    }

    /// Gives a model's atomics to the thread that makes the object.
    #[cfg(tk_loom)]
    #[doc(hidden)]
    pub fn loom_register(&self) {
        self.raw.loom_register();
    }
}

impl<T> From<T> for RLock<T> {
    fn from(value: T) -> RLock<T> {
        RLock::new(value)
    }
}

/// Shows the value, unless another thread holds the lock. Never blocks. The value's `Debug` runs
/// with one level of the lock.
impl<T: fmt::Debug + ?Sized> fmt::Debug for RLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (locked, levels) = (self.is_locked(), self.recursion_count());
        let mut shown = f.debug_struct("RLock");
        match self.try_lock() {
            Some(guard) => shown.field("data", &&*guard),
            None => shown.field("data", &format_args!("<locked>")),
        };
        shown
            .field("locked", &locked)
            .field("recursion_count", &levels)
            .finish()
    }
}

/// Gives access to the value of an [`RLock`], or to a part of it, and gives one level of the lock
/// back when dropped.
///
/// ```
/// use tk_lock::{RLock, RLockGuard};
///
/// let lock = RLock::new(1);
/// let guard: RLockGuard<'_, i32> = lock.lock();
/// assert_eq!(*guard, 1);
/// ```
#[must_use = "the lock is released when the guard is dropped"]
pub struct RLockGuard<'a, T: ?Sized> {
    raw: &'a RawRLock,
    value: &'a T,
    /// The thread that has taken the level must give it back.
    not_send: PhantomData<*const ()>,
}

// SAFETY: to share a guard is to share the value. Nothing can be released through a shared guard.
unsafe impl<T: ?Sized + Sync> Sync for RLockGuard<'_, T> {}

impl<'a, T: ?Sized> RLockGuard<'a, T> {
    /// Returns a guard for a part of the value.
    ///
    /// ```
    /// use tk_lock::{RLock, RLockGuard};
    ///
    /// let lock = RLock::new((1, 2));
    /// let second = RLockGuard::map(lock.lock(), |pair| &pair.1);
    /// assert_eq!(*second, 2);
    /// ```
    pub fn map<U: ?Sized>(guard: Self, part: impl FnOnce(&T) -> &U) -> RLockGuard<'a, U> {
        let value = part(guard.value);
        RLockGuard {
            raw: std::mem::ManuallyDrop::new(guard).raw,
            value,
            not_send: PhantomData,
        }
    }

    /// Returns a guard for a part of the value if there is such a part, and the guard as it was if
    /// not.
    ///
    /// ```
    /// use tk_lock::{RLock, RLockGuard};
    ///
    /// let lock = RLock::new(vec![1, 2]);
    /// assert!(RLockGuard::try_map(lock.lock(), |numbers| numbers.get(2)).is_err());
    /// ```
    pub fn try_map<U: ?Sized>(
        guard: Self,
        part: impl FnOnce(&T) -> Option<&U>,
    ) -> Result<RLockGuard<'a, U>, Self> {
        match part(guard.value) {
            Some(value) => Ok(RLockGuard {
                raw: std::mem::ManuallyDrop::new(guard).raw,
                value,
                not_send: PhantomData,
            }),
            None => Err(guard),
        }
    }

    /// Gives the level back. If it was the last one, hands the lock to the thread that has waited
    /// longest, if there is one.
    ///
    /// ```
    /// use tk_lock::{RLock, RLockGuard};
    ///
    /// let lock = RLock::new(1);
    /// RLockGuard::unlock_fair(lock.lock());
    /// assert!(!lock.is_locked());
    /// ```
    pub fn unlock_fair(guard: Self) {
        let released = std::mem::ManuallyDrop::new(guard).raw.release_fair();
        debug_assert_eq!(released, Ok(()));
    }

    /// Lets the thread that has waited longest have the lock, if there is one, and takes the lock
    /// again. If no thread waits, this is cheaper than [`unlock_fair`](RLockGuard::unlock_fair) and
    /// [`lock`](RLock::lock).
    ///
    /// Does nothing if this thread has more than one level of the lock, because its other guards
    /// may be in use.
    ///
    /// ```
    /// use tk_lock::{RLock, RLockGuard};
    ///
    /// let lock = RLock::new(1);
    /// let mut guard = lock.lock();
    /// RLockGuard::bump(&mut guard); // No thread waits.
    /// assert_eq!(lock.recursion_count(), 1);
    /// ```
    #[track_caller]
    pub fn bump(guard: &mut Self) {
        guard.raw.bump();
    }

    /// Returns the lock without its value, for a condition variable.
    ///
    /// # Safety
    ///
    /// No level of the lock is released through the reference, unless it was taken through it. A
    /// [`CondvarLock::release_save`](crate::CondvarLock::release_save) is allowed while no part of
    /// the value is in use.
    ///
    /// ```
    /// use tk_lock::{RLock, RLockGuard};
    ///
    /// let lock = RLock::new(1);
    /// let guard = lock.lock();
    /// // SAFETY: nothing is released.
    /// assert_eq!(unsafe { RLockGuard::raw(&guard) }.recursion_count(), 1);
    /// ```
    pub unsafe fn raw(guard: &Self) -> &'a RawRLock {
        guard.raw
    }
}

impl<T: ?Sized> Drop for RLockGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.raw.release_own();
    }
}

impl<T: ?Sized> Deref for RLockGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.value
    }
}

impl<T: fmt::Debug + ?Sized> fmt::Debug for RLockGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T: fmt::Display + ?Sized> fmt::Display for RLockGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

/// An [`RLockGuard`] that keeps its lock alive.
///
/// ```
/// use std::sync::Arc;
/// use tk_lock::{ArcRLockGuard, RLock};
///
/// let guard: ArcRLockGuard<i32> = Arc::new(RLock::new(1)).try_lock_arc().unwrap();
/// assert_eq!(*guard, 1);
/// ```
#[cfg(feature = "arc_lock")]
#[must_use = "the lock is released when the guard is dropped"]
pub struct ArcRLockGuard<T: ?Sized> {
    lock: Arc<RLock<T>>,
    not_send: PhantomData<*const ()>,
}

// SAFETY: as for `RLockGuard`. If the guard drops the last `Arc`, its own thread drops the value.
#[cfg(feature = "arc_lock")]
unsafe impl<T: ?Sized + Sync> Sync for ArcRLockGuard<T> {}

#[cfg(feature = "arc_lock")]
impl<T: ?Sized> Drop for ArcRLockGuard<T> {
    fn drop(&mut self) {
        self.lock.raw.release_own();
    }
}

#[cfg(feature = "arc_lock")]
impl<T: ?Sized> Deref for ArcRLockGuard<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.lock.value
    }
}

#[cfg(feature = "arc_lock")]
impl<T: fmt::Debug + ?Sized> fmt::Debug for ArcRLockGuard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// Serializes as the value inside. Blocks while another thread holds the lock.
#[cfg(feature = "serde")]
impl<T: serde::Serialize + ?Sized> serde::Serialize for RLock<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.lock().serialize(serializer)
    }
}

/// Deserializes as the value inside.
#[cfg(feature = "serde")]
impl<'de, T: serde::Deserialize<'de>> serde::Deserialize<'de> for RLock<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<RLock<T>, D::Error> {
        T::deserialize(deserializer).map(RLock::new)
    }
}
