//! The semaphore with a bound.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tk_park::sync::Instant;
use tk_park::{Limit, WaitError};

#[cfg(doc)]
use crate::Semaphore;
use crate::permit::Owner;
use crate::raw::RawSemaphore;
use crate::{AcquireError, OwnedPermit, Permit, ReleaseError};

/// A semaphore that never has more permits than it began with.
///
/// Its permits are taken and given back like those of a [`Semaphore`]; a
/// [`release`](BoundedSemaphore::release) that is one too many is an error.
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
pub struct BoundedSemaphore {
    raw: RawSemaphore,
    bound: usize,
}

impl BoundedSemaphore {
    /// The highest bound that there can be: that of a [`Semaphore`].
    ///
    /// ```
    /// use tk_semaphore::{BoundedSemaphore, Semaphore};
    ///
    /// assert_eq!(BoundedSemaphore::MAX_PERMITS, Semaphore::MAX_PERMITS);
    /// ```
    pub const MAX_PERMITS: usize = RawSemaphore::MAX;

    /// A semaphore with that many permits, and never more.
    ///
    /// A bound of zero is allowed. No call ever gets a permit of such a semaphore.
    ///
    /// # Panics
    ///
    /// If they are more than [`MAX_PERMITS`](BoundedSemaphore::MAX_PERMITS).
    ///
    /// ```
    /// assert_eq!(tk_semaphore::BoundedSemaphore::new(3).bound(), 3);
    /// ```
    pub const fn new(permits: usize) -> BoundedSemaphore {
        BoundedSemaphore {
            raw: RawSemaphore::new(permits),
            bound: permits,
        }
    }

    /// How many permits there were in the beginning.
    ///
    /// ```
    /// assert_eq!(tk_semaphore::BoundedSemaphore::new(3).bound(), 3);
    /// ```
    pub fn bound(&self) -> usize {
        self.bound
    }

    /// How many permits there are at this moment.
    ///
    /// ```
    /// assert_eq!(tk_semaphore::BoundedSemaphore::new(3).available(), 3);
    /// ```
    pub fn available(&self) -> usize {
        self.raw.available()
    }

    /// As [`Semaphore::acquire`].
    ///
    /// # Panics
    ///
    /// If the bound is zero: there is never a permit, so the wait would have no end. A wait with a
    /// limit lasts until that is reached.
    ///
    /// ```
    /// # use tk_semaphore::BoundedSemaphore;
    /// let pool = BoundedSemaphore::new(2);
    /// let permit = pool.acquire();
    /// assert_eq!(pool.available(), 1);
    /// # drop(permit);
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire(&self) -> Permit<'_> {
        match self.acquire_with(Limit::never()) {
            Ok(permit) => permit,
            Err(_) => unreachable!("a wait without a limit does not end by one"),
        }
    }

    /// As [`Semaphore::try_acquire`].
    ///
    /// ```
    /// # use tk_semaphore::BoundedSemaphore;
    /// let pool = BoundedSemaphore::new(1);
    /// let permit = pool.try_acquire();
    /// assert!(permit.is_some() && pool.try_acquire().is_none());
    /// ```
    #[inline]
    pub fn try_acquire(&self) -> Option<Permit<'_>> {
        self.try_acquire_many(1)
    }

    /// As [`Semaphore::acquire_for`].
    ///
    /// ```
    /// # use tk_semaphore::BoundedSemaphore;
    /// use std::time::Duration;
    ///
    /// let pool = BoundedSemaphore::new(1);
    /// let permit = pool.acquire();
    /// assert!(pool.acquire_for(Duration::from_millis(1)).is_none());
    /// # drop(permit);
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire_for(&self, timeout: Duration) -> Option<Permit<'_>> {
        self.acquire_with(timeout).ok()
    }

    /// As [`Semaphore::acquire_until`].
    ///
    /// ```
    /// # use tk_semaphore::BoundedSemaphore;
    /// use std::time::Instant;
    ///
    /// assert!(BoundedSemaphore::new(1).acquire_until(Instant::now()).is_some());
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire_until(&self, deadline: Instant) -> Option<Permit<'_>> {
        self.acquire_with(deadline).ok()
    }

    /// As [`Semaphore::acquire_with`].
    ///
    /// # Panics
    ///
    /// If the bound is zero and there is no limit: see [`acquire`](BoundedSemaphore::acquire).
    ///
    /// ```
    /// # use tk_semaphore::BoundedSemaphore;
    /// use tk_semaphore::{StopSource, WaitError};
    ///
    /// let (pool, source) = (BoundedSemaphore::new(1), StopSource::new());
    /// let permit = pool.acquire();
    /// source.request_stop();
    /// assert_eq!(pool.acquire_with(&source.token()).err(), Some(WaitError::Stopped));
    /// # drop(permit);
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire_with<'a>(&self, limit: impl Into<Limit<'a>>) -> Result<Permit<'_>, WaitError> {
        let limit = limit.into();
        if !self.raw.try_acquire(1) {
            self.wait(limit)?;
        }
        Ok(self.permit(1))
    }

    #[cold]
    #[inline(never)]
    #[track_caller]
    fn wait(&self, limit: Limit<'_>) -> Result<(), WaitError> {
        // A bound of zero leaves nothing to wait for: no release can ever bring a permit.
        assert!(
            self.bound > 0 || !limit.is_unlimited(),
            "a wait without a limit for a permit of a semaphore that never has one"
        );
        self.raw.acquire_slow(1, limit)
    }

    /// As [`Semaphore::acquire_many`].
    ///
    /// ```
    /// # use tk_semaphore::BoundedSemaphore;
    /// let pool = BoundedSemaphore::new(2);
    /// assert_eq!(pool.acquire_many(2).unwrap().count(), 2);
    /// assert!(pool.acquire_many(3).is_err()); // There never are so many.
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire_many(&self, n: usize) -> Result<Permit<'_>, AcquireError> {
        self.acquire_many_with(n, Limit::never())
    }

    /// As [`Semaphore::try_acquire_many`].
    ///
    /// ```
    /// # use tk_semaphore::BoundedSemaphore;
    /// assert!(BoundedSemaphore::new(2).try_acquire_many(2).is_some());
    /// ```
    #[inline]
    pub fn try_acquire_many(&self, n: usize) -> Option<Permit<'_>> {
        self.raw.try_acquire(n).then(|| self.permit(n))
    }

    /// As [`Semaphore::acquire_many_for`].
    ///
    /// ```
    /// # use tk_semaphore::BoundedSemaphore;
    /// use std::time::Duration;
    ///
    /// assert!(BoundedSemaphore::new(2).acquire_many_for(2, Duration::ZERO).is_ok());
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire_many_for(
        &self,
        n: usize,
        timeout: Duration,
    ) -> Result<Permit<'_>, AcquireError> {
        self.acquire_many_with(n, timeout)
    }

    /// As [`Semaphore::acquire_many_until`].
    ///
    /// ```
    /// # use tk_semaphore::BoundedSemaphore;
    /// use std::time::Instant;
    ///
    /// assert!(BoundedSemaphore::new(2).acquire_many_until(2, Instant::now()).is_ok());
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire_many_until(
        &self,
        n: usize,
        deadline: Instant,
    ) -> Result<Permit<'_>, AcquireError> {
        self.acquire_many_with(n, deadline)
    }

    /// As [`Semaphore::acquire_many_with`].
    ///
    /// ```
    /// # use tk_semaphore::BoundedSemaphore;
    /// use std::time::Duration;
    ///
    /// assert!(BoundedSemaphore::new(2).acquire_many_with(2, Duration::ZERO).is_ok());
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire_many_with<'a>(
        &self,
        n: usize,
        limit: impl Into<Limit<'a>>,
    ) -> Result<Permit<'_>, AcquireError> {
        self.raw.acquire_many(n, self.bound, limit.into())?;
        Ok(self.permit(n))
    }

    /// As [`Semaphore::acquire_owned`].
    ///
    /// # Panics
    ///
    /// If the bound is zero: see [`acquire`](BoundedSemaphore::acquire).
    ///
    /// ```
    /// # use tk_semaphore::BoundedSemaphore;
    /// use std::sync::Arc;
    ///
    /// let pool = Arc::new(BoundedSemaphore::new(1));
    /// let permit = pool.acquire_owned();
    /// std::thread::spawn(move || drop(permit)).join().unwrap();
    /// assert_eq!(pool.available(), 1);
    /// ```
    #[track_caller]
    pub fn acquire_owned(self: &Arc<Self>) -> OwnedPermit {
        self.own(self.acquire())
    }

    /// As [`Semaphore::try_acquire_owned`].
    ///
    /// ```
    /// # use tk_semaphore::BoundedSemaphore;
    /// use std::sync::Arc;
    ///
    /// let pool = Arc::new(BoundedSemaphore::new(1));
    /// let permit = pool.try_acquire_owned();
    /// assert!(permit.is_some() && pool.try_acquire_owned().is_none());
    /// ```
    pub fn try_acquire_owned(self: &Arc<Self>) -> Option<OwnedPermit> {
        Some(self.own(self.try_acquire()?))
    }

    /// As [`Semaphore::acquire_owned_for`].
    ///
    /// ```
    /// # use tk_semaphore::BoundedSemaphore;
    /// use std::sync::Arc;
    /// use std::time::Duration;
    ///
    /// let pool = Arc::new(BoundedSemaphore::new(1));
    /// assert!(pool.acquire_owned_for(Duration::ZERO).is_some());
    /// ```
    #[track_caller]
    pub fn acquire_owned_for(self: &Arc<Self>, timeout: Duration) -> Option<OwnedPermit> {
        Some(self.own(self.acquire_for(timeout)?))
    }

    /// As [`Semaphore::acquire_owned_until`].
    ///
    /// ```
    /// # use tk_semaphore::BoundedSemaphore;
    /// use std::sync::Arc;
    /// use std::time::Instant;
    ///
    /// let pool = Arc::new(BoundedSemaphore::new(1));
    /// assert!(pool.acquire_owned_until(Instant::now()).is_some());
    /// ```
    #[track_caller]
    pub fn acquire_owned_until(self: &Arc<Self>, deadline: Instant) -> Option<OwnedPermit> {
        Some(self.own(self.acquire_until(deadline)?))
    }

    /// As [`Semaphore::acquire_owned_with`].
    ///
    /// # Panics
    ///
    /// If the bound is zero and there is no limit: see [`acquire`](BoundedSemaphore::acquire).
    ///
    /// ```
    /// # use tk_semaphore::BoundedSemaphore;
    /// use std::sync::Arc;
    /// use std::time::Duration;
    ///
    /// let pool = Arc::new(BoundedSemaphore::new(1));
    /// assert!(pool.acquire_owned_with(Duration::ZERO).is_ok());
    /// ```
    #[track_caller]
    pub fn acquire_owned_with<'a>(
        self: &Arc<Self>,
        limit: impl Into<Limit<'a>>,
    ) -> Result<OwnedPermit, WaitError> {
        Ok(self.own(self.acquire_with(limit)?))
    }

    /// As [`Semaphore::acquire_many_owned`].
    ///
    /// ```
    /// # use tk_semaphore::BoundedSemaphore;
    /// use std::sync::Arc;
    ///
    /// let pool = Arc::new(BoundedSemaphore::new(3));
    /// let permit = pool.acquire_many_owned(2).unwrap();
    /// assert_eq!((permit.count(), pool.available()), (2, 1));
    /// ```
    #[track_caller]
    pub fn acquire_many_owned(self: &Arc<Self>, n: usize) -> Result<OwnedPermit, AcquireError> {
        Ok(self.own(self.acquire_many(n)?))
    }

    /// As [`Semaphore::try_acquire_many_owned`].
    ///
    /// ```
    /// # use tk_semaphore::BoundedSemaphore;
    /// use std::sync::Arc;
    ///
    /// let pool = Arc::new(BoundedSemaphore::new(3));
    /// assert!(pool.try_acquire_many_owned(4).is_none());
    /// ```
    pub fn try_acquire_many_owned(self: &Arc<Self>, n: usize) -> Option<OwnedPermit> {
        Some(self.own(self.try_acquire_many(n)?))
    }

    /// As [`Semaphore::acquire_many_owned_for`].
    ///
    /// ```
    /// # use tk_semaphore::BoundedSemaphore;
    /// use std::sync::Arc;
    /// use std::time::Duration;
    ///
    /// let pool = Arc::new(BoundedSemaphore::new(3));
    /// assert!(pool.acquire_many_owned_for(3, Duration::ZERO).is_ok());
    /// ```
    #[track_caller]
    pub fn acquire_many_owned_for(
        self: &Arc<Self>,
        n: usize,
        timeout: Duration,
    ) -> Result<OwnedPermit, AcquireError> {
        Ok(self.own(self.acquire_many_for(n, timeout)?))
    }

    /// As [`Semaphore::acquire_many_owned_until`].
    ///
    /// ```
    /// # use tk_semaphore::BoundedSemaphore;
    /// use std::sync::Arc;
    /// use std::time::Instant;
    ///
    /// let pool = Arc::new(BoundedSemaphore::new(3));
    /// assert!(pool.acquire_many_owned_until(3, Instant::now()).is_ok());
    /// ```
    #[track_caller]
    pub fn acquire_many_owned_until(
        self: &Arc<Self>,
        n: usize,
        deadline: Instant,
    ) -> Result<OwnedPermit, AcquireError> {
        Ok(self.own(self.acquire_many_until(n, deadline)?))
    }

    /// As [`Semaphore::acquire_many_owned_with`].
    ///
    /// ```
    /// # use tk_semaphore::BoundedSemaphore;
    /// use std::sync::Arc;
    /// use tk_semaphore::Limit;
    ///
    /// let pool = Arc::new(BoundedSemaphore::new(3));
    /// assert!(pool.acquire_many_owned_with(2, Limit::never()).is_ok());
    /// ```
    #[track_caller]
    pub fn acquire_many_owned_with<'a>(
        self: &Arc<Self>,
        n: usize,
        limit: impl Into<Limit<'a>>,
    ) -> Result<OwnedPermit, AcquireError> {
        Ok(self.own(self.acquire_many_with(n, limit)?))
    }

    /// Gives back `n` permits that were forgotten. Wakes the threads that get them. Never blocks.
    ///
    /// # Errors
    ///
    /// If there would be more than in the beginning. Then nothing is changed.
    ///
    /// ```
    /// # use tk_semaphore::BoundedSemaphore;
    /// let pool = BoundedSemaphore::new(1);
    /// assert!(pool.release(1).is_err());
    /// pool.acquire().forget();
    /// assert!(pool.release(1).is_ok());
    /// ```
    #[inline]
    pub fn release(&self, n: usize) -> Result<(), ReleaseError> {
        self.raw.release(n, self.bound)
    }

    fn permit(&self, n: usize) -> Permit<'_> {
        Permit::new(&self.raw, n, self.bound)
    }

    /// The same permits, with the semaphore.
    fn own(self: &Arc<Self>, permit: Permit<'_>) -> OwnedPermit {
        let count = permit.count();
        permit.forget();
        OwnedPermit::new(Owner::Bounded(Arc::clone(self)), count)
    }

    pub(crate) fn give_back(&self, n: usize) {
        self.raw.give_back(n, self.bound);
    }
}

/// One permit, as in Python.
impl Default for BoundedSemaphore {
    fn default() -> BoundedSemaphore {
        BoundedSemaphore::new(1)
    }
}

impl fmt::Debug for BoundedSemaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundedSemaphore")
            .field("available", &self.available())
            .field("bound", &self.bound)
            .finish()
    }
}
