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
/// Its permits are taken and given back like those of a [`Semaphore`]; a [`release`](BoundedSemaphore::release) that is
/// one too many is an error.
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
    /// A semaphore with that many permits, and never more.
    ///
    /// # Panics
    ///
    /// If they are more than [`Semaphore::MAX_PERMITS`].
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
    #[inline]
    #[track_caller]
    pub fn acquire(&self) -> Permit<'_> {
        match self.acquire_with(Limit::none()) {
            Ok(permit) => permit,
            Err(_) => unreachable!("a wait without a limit does not end by one"),
        }
    }

    /// As [`Semaphore::try_acquire`].
    #[inline]
    pub fn try_acquire(&self) -> Option<Permit<'_>> {
        self.try_acquire_many(1)
    }

    /// As [`Semaphore::acquire_for`].
    #[inline]
    #[track_caller]
    pub fn acquire_for(&self, timeout: Duration) -> Option<Permit<'_>> {
        self.acquire_with(timeout).ok()
    }

    /// As [`Semaphore::acquire_until`].
    #[inline]
    #[track_caller]
    pub fn acquire_until(&self, deadline: Instant) -> Option<Permit<'_>> {
        self.acquire_with(deadline).ok()
    }

    /// As [`Semaphore::acquire_with`].
    #[inline]
    #[track_caller]
    pub fn acquire_with<'a>(&self, limit: impl Into<Limit<'a>>) -> Result<Permit<'_>, WaitError> {
        self.raw.acquire(1, limit.into())?;
        Ok(self.permit(1))
    }

    /// As [`Semaphore::acquire_many`].
    #[inline]
    #[track_caller]
    pub fn acquire_many(&self, n: usize) -> Result<Permit<'_>, AcquireError> {
        self.acquire_many_with(n, Limit::none())
    }

    /// As [`Semaphore::try_acquire_many`].
    #[inline]
    pub fn try_acquire_many(&self, n: usize) -> Option<Permit<'_>> {
        self.raw.try_acquire(n).then(|| self.permit(n))
    }

    /// As [`Semaphore::acquire_many_for`].
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
    #[track_caller]
    pub fn acquire_owned(self: &Arc<Self>) -> OwnedPermit {
        self.own(self.acquire())
    }

    /// As [`Semaphore::try_acquire_owned`].
    pub fn try_acquire_owned(self: &Arc<Self>) -> Option<OwnedPermit> {
        Some(self.own(self.try_acquire()?))
    }

    /// As [`Semaphore::acquire_owned_for`].
    #[track_caller]
    pub fn acquire_owned_for(self: &Arc<Self>, timeout: Duration) -> Option<OwnedPermit> {
        Some(self.own(self.acquire_for(timeout)?))
    }

    /// As [`Semaphore::acquire_owned_until`].
    #[track_caller]
    pub fn acquire_owned_until(self: &Arc<Self>, deadline: Instant) -> Option<OwnedPermit> {
        Some(self.own(self.acquire_until(deadline)?))
    }

    /// As [`Semaphore::acquire_owned_with`].
    #[track_caller]
    pub fn acquire_owned_with<'a>(
        self: &Arc<Self>,
        limit: impl Into<Limit<'a>>,
    ) -> Result<OwnedPermit, WaitError> {
        Ok(self.own(self.acquire_with(limit)?))
    }

    /// As [`Semaphore::acquire_many_owned`].
    #[track_caller]
    pub fn acquire_many_owned(self: &Arc<Self>, n: usize) -> Result<OwnedPermit, AcquireError> {
        Ok(self.own(self.acquire_many(n)?))
    }

    /// As [`Semaphore::try_acquire_many_owned`].
    pub fn try_acquire_many_owned(self: &Arc<Self>, n: usize) -> Option<OwnedPermit> {
        Some(self.own(self.try_acquire_many(n)?))
    }

    /// As [`Semaphore::acquire_many_owned_for`].
    #[track_caller]
    pub fn acquire_many_owned_for(
        self: &Arc<Self>,
        n: usize,
        timeout: Duration,
    ) -> Result<OwnedPermit, AcquireError> {
        Ok(self.own(self.acquire_many_for(n, timeout)?))
    }

    /// As [`Semaphore::acquire_many_owned_until`].
    #[track_caller]
    pub fn acquire_many_owned_until(
        self: &Arc<Self>,
        n: usize,
        deadline: Instant,
    ) -> Result<OwnedPermit, AcquireError> {
        Ok(self.own(self.acquire_many_until(n, deadline)?))
    }

    /// As [`Semaphore::acquire_many_owned_with`].
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
