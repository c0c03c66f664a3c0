//! The semaphore.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tk_park::{Limit, WaitError};

use crate::raw::RawSemaphore;
use crate::{AcquireError, Bound, Bounded, OwnedPermit, Permit, ReleaseError, Unbounded};

/// A semaphore to which [`release`](CountingSemaphore::release) can add permits without a bound.
///
/// ```
/// use tk_semaphore::Semaphore;
///
/// let connections = Semaphore::new(2);
/// let (first, second) = (connections.acquire(), connections.acquire());
/// assert!(connections.try_acquire().is_none());
/// drop(first);
/// assert!(connections.try_acquire().is_some());
/// # drop(second);
/// ```
#[doc(alias = "threading.Semaphore")]
pub type Semaphore = CountingSemaphore<Unbounded>;

/// A semaphore that never has more permits than it was created with.
///
/// A [`release`](CountingSemaphore::release) of a permit that was not acquired is an error, which
/// finds mistakes in programs that release by hand.
///
/// ```
/// use tk_semaphore::BoundedSemaphore;
///
/// let pool = BoundedSemaphore::new(2);
/// pool.acquire().forget();
/// assert!(pool.release(2).is_err());
/// assert!(pool.release(1).is_ok());
/// assert_eq!(pool.available(), 2);
/// ```
#[doc(alias = "threading.BoundedSemaphore")]
pub type BoundedSemaphore = CountingSemaphore<Bounded>;

/// A number of permits, which threads acquire and release: a [`Semaphore`] or a
/// [`BoundedSemaphore`].
///
/// To release a permit happens before it is acquired again: the thread that acquires it sees all
/// that the other thread did before it released it.
///
/// # Order
///
/// Permits are assigned in FIFO order, whether threads want one permit or several, so no thread
/// starves. A thread that does not get its permits enters the queue less than a microsecond after
/// the call, unless the system interrupts it, and spins or sleeps there. No call that begins after
/// that gets a permit first. This holds for `try_` calls too, even if the available permits are too
/// few for the first thread in the queue and enough for the call. A thread whose
/// [record](tk_core::ThreadRecord) shows the wait is in the queue.
///
/// A global allocator must not wait for a semaphore, because a thread's first wait allocates memory
/// while the thread is in the queue.
///
/// # Limits
///
/// A [`Limit`] is a duration, a deadline, a stop token, or several of these. It is converted before
/// the call does anything else, and counts only if the call has to wait. So a call whose limit has
/// been reached from the start still succeeds if permits are available, and otherwise fails
/// immediately. A duration that is too long for the clock means no limit. A permit that was
/// released before the limit was reached is not missed.
pub struct CountingSemaphore<B> {
    raw: RawSemaphore,
    bound: B,
}

#[cfg(not(tk_loom))]
const _: () = assert!(size_of::<Semaphore>() <= 16 && size_of::<BoundedSemaphore>() <= 24);

impl Semaphore {
    /// Creates a semaphore with this many permits.
    ///
    /// # Panics
    ///
    /// If `permits` is more than [`MAX_PERMITS`](CountingSemaphore::MAX_PERMITS).
    ///
    /// ```
    /// use tk_semaphore::Semaphore;
    ///
    /// static GATE: Semaphore = Semaphore::new(4);
    /// assert_eq!(GATE.available(), 4);
    /// ```
    #[track_caller]
    pub const fn new(permits: usize) -> Semaphore {
        CountingSemaphore {
            raw: RawSemaphore::new(permits),
            bound: Unbounded(()),
        }
    }
}

impl BoundedSemaphore {
    /// Creates a semaphore with this many permits, which are its bound.
    ///
    /// A bound of zero is allowed: no call ever gets a permit.
    ///
    /// # Panics
    ///
    /// If `permits` is more than [`MAX_PERMITS`](CountingSemaphore::MAX_PERMITS).
    ///
    /// ```
    /// use tk_semaphore::BoundedSemaphore;
    ///
    /// static POOL: BoundedSemaphore = BoundedSemaphore::new(3);
    /// assert_eq!(POOL.available(), 3);
    /// ```
    #[track_caller]
    pub const fn new(permits: usize) -> BoundedSemaphore {
        CountingSemaphore {
            raw: RawSemaphore::new(permits),
            bound: Bounded(permits),
        }
    }

    /// Returns how many permits the semaphore was created with.
    ///
    /// ```
    /// assert_eq!(tk_semaphore::BoundedSemaphore::new(3).bound(), 3);
    /// ```
    pub const fn bound(&self) -> usize {
        self.bound.0
    }
}

impl<B: Bound> CountingSemaphore<B> {
    /// The most permits that a semaphore can have, with or without a bound.
    ///
    /// ```
    /// use tk_semaphore::Semaphore;
    ///
    /// assert!(Semaphore::new(Semaphore::MAX_PERMITS).release(1).is_err());
    /// ```
    pub const MAX_PERMITS: usize = RawSemaphore::MAX;

    /// Returns how many permits are available at this moment.
    ///
    /// ```
    /// assert_eq!(tk_semaphore::Semaphore::new(2).available(), 2);
    /// ```
    pub fn available(&self) -> usize {
        self.raw.available()
    }

    /// Acquires a permit. Blocks until one is available.
    ///
    /// # Panics
    ///
    /// If the bound of a [`BoundedSemaphore`] is zero, because the wait would never end.
    ///
    /// ```
    /// # use tk_semaphore::Semaphore;
    /// let semaphore = Semaphore::new(1);
    /// let permit = semaphore.acquire();
    /// assert_eq!(semaphore.available(), 0);
    /// # drop(permit);
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire(&self) -> Permit<'_, B> {
        if !self.raw.try_acquire(1) {
            self.raw.acquire_unlimited(1, self.bound.max_permits());
        }
        Permit::new(self, 1)
    }

    /// Acquires a permit if one is available. Returns `None` otherwise. Never blocks.
    ///
    /// ```
    /// # use tk_semaphore::Semaphore;
    /// assert!(Semaphore::new(1).try_acquire().is_some());
    /// assert!(Semaphore::new(0).try_acquire().is_none());
    /// ```
    #[inline]
    pub fn try_acquire(&self) -> Option<Permit<'_, B>> {
        self.try_acquire_many(1)
    }

    /// Acquires a permit. Blocks until one is available or the timeout expires, and returns `None`
    /// then.
    ///
    /// ```
    /// # use tk_semaphore::Semaphore;
    /// use std::time::Duration;
    ///
    /// assert!(Semaphore::new(0).acquire_for(Duration::from_millis(1)).is_none());
    /// ```
    #[doc(alias = "timeout")]
    #[inline]
    #[track_caller]
    pub fn acquire_for(&self, timeout: Duration) -> Option<Permit<'_, B>> {
        self.acquire_with(timeout).ok()
    }

    /// Acquires a permit. Blocks until one is available or the limit is reached.
    ///
    /// # Errors
    ///
    /// If the limit is reached. The error says whether the time was up or a stop was requested.
    ///
    /// # Panics
    ///
    /// If the bound of a [`BoundedSemaphore`] is zero and there is no limit.
    ///
    /// ```
    /// # use tk_semaphore::Semaphore;
    /// use tk_semaphore::{StopSource, WaitError};
    ///
    /// let (semaphore, source) = (Semaphore::new(0), StopSource::new());
    /// source.request_stop();
    /// assert_eq!(semaphore.acquire_with(&source.token()).err(), Some(WaitError::Stopped));
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire_with<'a>(
        &self,
        limit: impl Into<Limit<'a>>,
    ) -> Result<Permit<'_, B>, WaitError> {
        self.take(1, limit.into())?;
        Ok(Permit::new(self, 1))
    }

    /// Acquires `n` permits in one step if they are available. Returns `None` otherwise. Never
    /// blocks.
    ///
    /// Zero permits are always available.
    ///
    /// ```
    /// # use tk_semaphore::Semaphore;
    /// let semaphore = Semaphore::new(2);
    /// assert_eq!(semaphore.try_acquire_many(2).unwrap().count(), 2);
    /// assert!(semaphore.try_acquire_many(3).is_none());
    /// ```
    #[inline]
    pub fn try_acquire_many(&self, n: usize) -> Option<Permit<'_, B>> {
        self.raw.try_acquire(n).then(|| Permit::new(self, n))
    }

    /// Acquires `n` permits in one step. Blocks until they are available or the limit is reached.
    ///
    /// Zero permits are always available.
    ///
    /// # Errors
    ///
    /// If the limit is reached, or if the semaphore can never have `n` permits. In the second case
    /// the call does not wait.
    ///
    /// ```
    /// # use tk_semaphore::Semaphore;
    /// use std::time::Duration;
    /// use tk_semaphore::{AcquireError, Limit};
    ///
    /// let semaphore = Semaphore::new(5);
    /// let permits = semaphore.acquire_many_with(3, Limit::never()).unwrap();
    /// assert_eq!(permits.count(), 3);
    /// let result = semaphore.acquire_many_with(3, Duration::from_millis(1));
    /// assert_eq!(result.err(), Some(AcquireError::TimedOut));
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire_many_with<'a>(
        &self,
        n: usize,
        limit: impl Into<Limit<'a>>,
    ) -> Result<Permit<'_, B>, AcquireError> {
        self.take_many(n, limit.into())?;
        Ok(Permit::new(self, n))
    }

    /// As [`try_acquire`](CountingSemaphore::try_acquire), for a permit that owns the `Arc`.
    ///
    /// ```
    /// # use tk_semaphore::Semaphore;
    /// use std::sync::Arc;
    ///
    /// let semaphore = Arc::new(Semaphore::new(1));
    /// let permit = semaphore.try_acquire_owned().unwrap();
    /// assert!(semaphore.try_acquire_owned().is_none());
    /// std::thread::spawn(move || drop(permit)).join().unwrap();
    /// assert_eq!(semaphore.available(), 1);
    /// ```
    pub fn try_acquire_owned(self: &Arc<Self>) -> Option<OwnedPermit<B>> {
        self.try_acquire_many_owned(1)
    }

    /// As [`acquire_with`](CountingSemaphore::acquire_with), for a permit that owns the `Arc`.
    ///
    /// # Errors
    ///
    /// If the limit is reached.
    ///
    /// # Panics
    ///
    /// If the bound of a [`BoundedSemaphore`] is zero and there is no limit.
    ///
    /// ```
    /// # use tk_semaphore::Semaphore;
    /// use std::sync::Arc;
    /// use tk_semaphore::Limit;
    ///
    /// let semaphore = Arc::new(Semaphore::new(1));
    /// let permit = semaphore.acquire_owned_with(Limit::never()).unwrap();
    /// std::thread::spawn(move || drop(permit)).join().unwrap();
    /// assert_eq!(semaphore.available(), 1);
    /// ```
    #[track_caller]
    pub fn acquire_owned_with<'a>(
        self: &Arc<Self>,
        limit: impl Into<Limit<'a>>,
    ) -> Result<OwnedPermit<B>, WaitError> {
        self.take(1, limit.into())?;
        Ok(OwnedPermit::new(self, 1))
    }

    /// As [`try_acquire_many`](CountingSemaphore::try_acquire_many), for permits that own the
    /// `Arc`.
    ///
    /// ```
    /// # use tk_semaphore::Semaphore;
    /// use std::sync::Arc;
    ///
    /// let semaphore = Arc::new(Semaphore::new(3));
    /// assert!(semaphore.try_acquire_many_owned(4).is_none());
    /// ```
    pub fn try_acquire_many_owned(self: &Arc<Self>, n: usize) -> Option<OwnedPermit<B>> {
        self.raw.try_acquire(n).then(|| OwnedPermit::new(self, n))
    }

    /// As [`acquire_many_with`](CountingSemaphore::acquire_many_with), for permits that own the
    /// `Arc`.
    ///
    /// # Errors
    ///
    /// If the limit is reached, or if the semaphore can never have `n` permits.
    ///
    /// ```
    /// # use tk_semaphore::Semaphore;
    /// use std::sync::Arc;
    /// use tk_semaphore::Limit;
    ///
    /// let semaphore = Arc::new(Semaphore::new(3));
    /// let permits = semaphore.acquire_many_owned_with(2, Limit::never()).unwrap();
    /// assert_eq!((permits.count(), semaphore.available()), (2, 1));
    /// ```
    #[track_caller]
    pub fn acquire_many_owned_with<'a>(
        self: &Arc<Self>,
        n: usize,
        limit: impl Into<Limit<'a>>,
    ) -> Result<OwnedPermit<B>, AcquireError> {
        self.take_many(n, limit.into())?;
        Ok(OwnedPermit::new(self, n))
    }

    /// Adds `n` permits, and wakes the threads that get them. Never blocks.
    ///
    /// The permits are those of a [`Permit`] that was [forgotten](Permit::forget), or new ones.
    ///
    /// # Errors
    ///
    /// If the semaphore would have more permits than the bound of a [`BoundedSemaphore`], or than
    /// [`MAX_PERMITS`](CountingSemaphore::MAX_PERMITS). Then no permit is added.
    ///
    /// ```
    /// use tk_semaphore::{BoundedSemaphore, Semaphore};
    ///
    /// let semaphore = Semaphore::new(0);
    /// semaphore.release(3).unwrap();
    /// assert_eq!(semaphore.available(), 3);
    ///
    /// let pool = BoundedSemaphore::new(2);
    /// pool.acquire().forget();
    /// assert!(pool.release(2).is_err());
    /// assert_eq!(pool.available(), 1);
    /// ```
    #[inline]
    pub fn release(&self, n: usize) -> Result<(), ReleaseError> {
        let max = self.bound.max_permits();
        if !self.raw.release(n, max) {
            return Err(ReleaseError { n, max });
        }
        Ok(())
    }

    #[inline]
    pub(crate) fn release_up_to_max(&self, n: usize) {
        self.raw.release_up_to_max(n, self.bound.max_permits());
    }

    #[inline]
    #[track_caller]
    fn take(&self, n: usize, limit: Limit<'_>) -> Result<(), WaitError> {
        self.raw.acquire(n, self.bound.max_permits(), limit)
    }

    #[inline]
    #[track_caller]
    fn take_many(&self, n: usize, limit: Limit<'_>) -> Result<(), AcquireError> {
        let max = self.bound.max_permits();
        if n > max {
            return Err(AcquireError::TooMany { wanted: n, max });
        }
        Ok(self.take(n, limit)?)
    }

    /// Registers a model's atomics in the thread that creates the object.
    #[cfg(tk_loom)]
    #[doc(hidden)]
    pub fn loom_register(&self) {
        self.raw.loom_register();
    }
}

/// Creates a semaphore with one permit, as Python does.
impl Default for Semaphore {
    fn default() -> Semaphore {
        Semaphore::new(1)
    }
}

/// Creates a semaphore with one permit, as Python does.
impl Default for BoundedSemaphore {
    fn default() -> BoundedSemaphore {
        BoundedSemaphore::new(1)
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore")
            .field("available", &self.available())
            .finish()
    }
}

impl fmt::Debug for BoundedSemaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundedSemaphore")
            .field("available", &self.available())
            .field("bound", &self.bound())
            .finish()
    }
}
