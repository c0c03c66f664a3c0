//! The semaphore without a bound.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tk_park::sync::Instant;
use tk_park::{Limit, WaitError};

use crate::permit::Owner;
use crate::raw::RawSemaphore;
use crate::{AcquireError, OwnedPermit, Permit, ReleaseError};

/// A number of permits that threads take, and give back.
///
/// What a thread did before it gave a permit back is seen by the thread that takes it.
///
/// # Order
///
/// Threads are served in FIFO order, whether they want one permit or many. A thread that does not
/// get its permits at the first try gets in line, and spins or sleeps there. It is in line when its
/// waiting record says so, which is when it has entered the queue: less than a microsecond after
/// the call, or some ten microseconds if the call is the first in this thread that waits for
/// anything, because that sets up the thread's record. No call of any kind that begins after that
/// gets a permit before it: neither an `acquire` nor a `try_acquire`, not even if the permits there
/// are too few for the first in line and enough for the call. A call that begins before that may
/// still get a permit first.
///
/// # Limits
///
/// Every blocking call has four forms: one that waits forever, `_for` a duration, `_until` an
/// instant, and `_with` a [`Limit`], which may be a stop token. A call whose limit is over (zero, a
/// time in the past, a token that has been asked to stop) takes what is there, or fails
/// immediately. A duration that is too long for the clock means forever. A limit is converted
/// before anything else happens.
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
pub struct Semaphore {
    raw: RawSemaphore,
}

#[cfg(not(tk_loom))]
const _: () = assert!(size_of::<Semaphore>() <= 16);

impl Semaphore {
    /// The most permits that a semaphore can have.
    ///
    /// ```
    /// use tk_semaphore::Semaphore;
    ///
    /// assert!(Semaphore::new(Semaphore::MAX_PERMITS).release(1).is_err());
    /// ```
    pub const MAX_PERMITS: usize = RawSemaphore::MAX;

    /// A semaphore with that many permits.
    ///
    /// # Panics
    ///
    /// If they are more than [`MAX_PERMITS`](Semaphore::MAX_PERMITS).
    ///
    /// ```
    /// use tk_semaphore::Semaphore;
    ///
    /// static GATE: Semaphore = Semaphore::new(4);
    /// assert_eq!(GATE.available(), 4);
    /// ```
    pub const fn new(permits: usize) -> Semaphore {
        Semaphore {
            raw: RawSemaphore::new(permits),
        }
    }

    /// How many permits there are at this moment.
    ///
    /// ```
    /// assert_eq!(tk_semaphore::Semaphore::new(2).available(), 2);
    /// ```
    pub fn available(&self) -> usize {
        self.raw.available()
    }

    /// Takes a permit. Blocks until there is one.
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
    pub fn acquire(&self) -> Permit<'_> {
        match self.acquire_with(Limit::never()) {
            Ok(permit) => permit,
            Err(_) => unreachable!("a wait without a limit does not end by one"),
        }
    }

    /// Takes a permit if there is one. Never blocks.
    ///
    /// ```
    /// # use tk_semaphore::Semaphore;
    /// assert!(Semaphore::new(0).try_acquire().is_none());
    /// ```
    #[inline]
    pub fn try_acquire(&self) -> Option<Permit<'_>> {
        self.try_acquire_many(1)
    }

    /// Takes a permit. Blocks until there is one, or for that long: then `None`.
    ///
    /// ```
    /// # use tk_semaphore::Semaphore;
    /// use std::time::Duration;
    ///
    /// assert!(Semaphore::new(0).acquire_for(Duration::from_millis(1)).is_none());
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire_for(&self, timeout: Duration) -> Option<Permit<'_>> {
        self.acquire_with(timeout).ok()
    }

    /// Takes a permit. Blocks until there is one, or until that time: then `None`.
    ///
    /// ```
    /// # use tk_semaphore::Semaphore;
    /// use std::time::Instant;
    ///
    /// assert!(Semaphore::new(1).acquire_until(Instant::now()).is_some());
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire_until(&self, deadline: Instant) -> Option<Permit<'_>> {
        self.acquire_with(deadline).ok()
    }

    /// Takes a permit. Blocks until there is one, or until the limit is reached, and says which
    /// limit that was.
    ///
    /// ```
    /// # use tk_semaphore::Semaphore;
    /// use tk_semaphore::{StopSource, WaitError};
    ///
    /// let source = StopSource::new();
    /// source.request_stop();
    /// let refused = Semaphore::new(0).acquire_with(&source.token()).err();
    /// assert_eq!(refused, Some(WaitError::Stopped));
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire_with<'a>(&self, limit: impl Into<Limit<'a>>) -> Result<Permit<'_>, WaitError> {
        self.raw.acquire(1, limit.into())?;
        Ok(self.permit(1))
    }

    /// Takes `n` permits at once. Blocks until there are so many.
    ///
    /// No call that begins when this one is [in line](Semaphore#order) gets a permit before it. A
    /// call for no permits returns immediately.
    ///
    /// # Errors
    ///
    /// If there can never be so many permits.
    ///
    /// ```
    /// # use tk_semaphore::Semaphore;
    /// let semaphore = Semaphore::new(5);
    /// let permit = semaphore.acquire_many(3).unwrap();
    /// assert_eq!(permit.count(), 3);
    /// assert!(semaphore.acquire_many(usize::MAX).is_err());
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire_many(&self, n: usize) -> Result<Permit<'_>, AcquireError> {
        self.acquire_many_with(n, Limit::never())
    }

    /// Takes `n` permits at once if there are so many. Never blocks.
    ///
    /// ```
    /// # use tk_semaphore::Semaphore;
    /// assert!(Semaphore::new(2).try_acquire_many(3).is_none());
    /// ```
    #[inline]
    pub fn try_acquire_many(&self, n: usize) -> Option<Permit<'_>> {
        self.raw.try_acquire(n).then(|| self.permit(n))
    }

    /// Takes `n` permits at once. Blocks until there are so many, at most for that long.
    ///
    /// # Errors
    ///
    /// If the limit is reached, or if there can never be so many permits.
    ///
    /// ```
    /// # use tk_semaphore::Semaphore;
    /// use std::time::Duration;
    /// use tk_semaphore::AcquireError;
    ///
    /// let semaphore = Semaphore::new(2);
    /// let refused = semaphore.acquire_many_for(3, Duration::from_millis(1));
    /// assert_eq!(refused.unwrap_err(), AcquireError::TimedOut);
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

    /// Takes `n` permits at once. Blocks until there are so many, at most until that time.
    ///
    /// # Errors
    ///
    /// If the limit is reached, or if there can never be so many permits.
    ///
    /// ```
    /// # use tk_semaphore::Semaphore;
    /// use std::time::Instant;
    ///
    /// assert!(Semaphore::new(2).acquire_many_until(2, Instant::now()).is_ok());
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

    /// Takes `n` permits at once. Blocks until there are so many, or until the limit is reached.
    ///
    /// # Errors
    ///
    /// If the limit is reached, or if there can never be so many permits.
    ///
    /// ```
    /// # use tk_semaphore::Semaphore;
    /// use std::time::Duration;
    ///
    /// let semaphore = Semaphore::new(2);
    /// assert!(semaphore.acquire_many_with(2, Duration::ZERO).is_ok());
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire_many_with<'a>(
        &self,
        n: usize,
        limit: impl Into<Limit<'a>>,
    ) -> Result<Permit<'_>, AcquireError> {
        self.raw.acquire_many(n, RawSemaphore::MAX, limit.into())?;
        Ok(self.permit(n))
    }

    /// Takes a permit that keeps the semaphore alive, so that it can be sent anywhere. Blocks until
    /// there is one.
    ///
    /// ```
    /// # use tk_semaphore::Semaphore;
    /// use std::sync::Arc;
    ///
    /// let semaphore = Arc::new(Semaphore::new(1));
    /// let permit = semaphore.acquire_owned();
    /// std::thread::spawn(move || drop(permit)).join().unwrap();
    /// assert_eq!(semaphore.available(), 1);
    /// ```
    #[track_caller]
    pub fn acquire_owned(self: &Arc<Self>) -> OwnedPermit {
        self.own(self.acquire())
    }

    /// As [`try_acquire`](Semaphore::try_acquire), for a permit that keeps the semaphore alive.
    ///
    /// ```
    /// # use tk_semaphore::Semaphore;
    /// use std::sync::Arc;
    ///
    /// let semaphore = Arc::new(Semaphore::new(0));
    /// assert!(semaphore.try_acquire_owned().is_none());
    /// ```
    pub fn try_acquire_owned(self: &Arc<Self>) -> Option<OwnedPermit> {
        Some(self.own(self.try_acquire()?))
    }

    /// As [`acquire_for`](Semaphore::acquire_for), for a permit that keeps the semaphore alive.
    ///
    /// ```
    /// # use tk_semaphore::Semaphore;
    /// use std::sync::Arc;
    /// use std::time::Duration;
    ///
    /// let semaphore = Arc::new(Semaphore::new(1));
    /// assert!(semaphore.acquire_owned_for(Duration::from_secs(1)).is_some());
    /// ```
    #[track_caller]
    pub fn acquire_owned_for(self: &Arc<Self>, timeout: Duration) -> Option<OwnedPermit> {
        Some(self.own(self.acquire_for(timeout)?))
    }

    /// As [`acquire_until`](Semaphore::acquire_until), for a permit that keeps the semaphore alive.
    ///
    /// ```
    /// # use tk_semaphore::Semaphore;
    /// use std::sync::Arc;
    /// use std::time::Instant;
    ///
    /// let semaphore = Arc::new(Semaphore::new(0));
    /// assert!(semaphore.acquire_owned_until(Instant::now()).is_none());
    /// ```
    #[track_caller]
    pub fn acquire_owned_until(self: &Arc<Self>, deadline: Instant) -> Option<OwnedPermit> {
        Some(self.own(self.acquire_until(deadline)?))
    }

    /// As [`acquire_with`](Semaphore::acquire_with), for a permit that keeps the semaphore alive.
    ///
    /// ```
    /// # use tk_semaphore::Semaphore;
    /// use std::sync::Arc;
    /// use std::time::Duration;
    ///
    /// let semaphore = Arc::new(Semaphore::new(0));
    /// assert!(semaphore.acquire_owned_with(Duration::ZERO).is_err());
    /// ```
    #[track_caller]
    pub fn acquire_owned_with<'a>(
        self: &Arc<Self>,
        limit: impl Into<Limit<'a>>,
    ) -> Result<OwnedPermit, WaitError> {
        Ok(self.own(self.acquire_with(limit)?))
    }

    /// As [`acquire_many`](Semaphore::acquire_many), for permits that keep the semaphore alive.
    ///
    /// # Errors
    ///
    /// If there can never be so many permits.
    ///
    /// ```
    /// # use tk_semaphore::Semaphore;
    /// use std::sync::Arc;
    ///
    /// let semaphore = Arc::new(Semaphore::new(3));
    /// let permit = semaphore.acquire_many_owned(2).unwrap();
    /// assert_eq!((permit.count(), semaphore.available()), (2, 1));
    /// ```
    #[track_caller]
    pub fn acquire_many_owned(self: &Arc<Self>, n: usize) -> Result<OwnedPermit, AcquireError> {
        Ok(self.own(self.acquire_many(n)?))
    }

    /// As [`try_acquire_many`](Semaphore::try_acquire_many), for permits that keep the semaphore
    /// alive.
    ///
    /// ```
    /// # use tk_semaphore::Semaphore;
    /// use std::sync::Arc;
    ///
    /// let semaphore = Arc::new(Semaphore::new(3));
    /// assert!(semaphore.try_acquire_many_owned(4).is_none());
    /// ```
    pub fn try_acquire_many_owned(self: &Arc<Self>, n: usize) -> Option<OwnedPermit> {
        Some(self.own(self.try_acquire_many(n)?))
    }

    /// As [`acquire_many_for`](Semaphore::acquire_many_for), for permits that keep the semaphore
    /// alive.
    ///
    /// # Errors
    ///
    /// If the limit is reached, or if there can never be so many permits.
    ///
    /// ```
    /// # use tk_semaphore::Semaphore;
    /// use std::sync::Arc;
    /// use std::time::Duration;
    ///
    /// let semaphore = Arc::new(Semaphore::new(3));
    /// assert!(semaphore.acquire_many_owned_for(4, Duration::ZERO).is_err());
    /// ```
    #[track_caller]
    pub fn acquire_many_owned_for(
        self: &Arc<Self>,
        n: usize,
        timeout: Duration,
    ) -> Result<OwnedPermit, AcquireError> {
        Ok(self.own(self.acquire_many_for(n, timeout)?))
    }

    /// As [`acquire_many_until`](Semaphore::acquire_many_until), for permits that keep the
    /// semaphore alive.
    ///
    /// # Errors
    ///
    /// If the limit is reached, or if there can never be so many permits.
    ///
    /// ```
    /// # use tk_semaphore::Semaphore;
    /// use std::sync::Arc;
    /// use std::time::Instant;
    ///
    /// let semaphore = Arc::new(Semaphore::new(3));
    /// assert!(semaphore.acquire_many_owned_until(3, Instant::now()).is_ok());
    /// ```
    #[track_caller]
    pub fn acquire_many_owned_until(
        self: &Arc<Self>,
        n: usize,
        deadline: Instant,
    ) -> Result<OwnedPermit, AcquireError> {
        Ok(self.own(self.acquire_many_until(n, deadline)?))
    }

    /// As [`acquire_many_with`](Semaphore::acquire_many_with), for permits that keep the semaphore
    /// alive.
    ///
    /// # Errors
    ///
    /// If the limit is reached, or if there can never be so many permits.
    ///
    /// ```
    /// # use tk_semaphore::Semaphore;
    /// use std::sync::Arc;
    /// use tk_semaphore::Limit;
    ///
    /// let semaphore = Arc::new(Semaphore::new(3));
    /// assert!(semaphore.acquire_many_owned_with(2, Limit::never()).is_ok());
    /// ```
    #[track_caller]
    pub fn acquire_many_owned_with<'a>(
        self: &Arc<Self>,
        n: usize,
        limit: impl Into<Limit<'a>>,
    ) -> Result<OwnedPermit, AcquireError> {
        Ok(self.own(self.acquire_many_with(n, limit)?))
    }

    /// Adds `n` permits: those of permits that were forgotten, or new ones. Wakes the threads that
    /// get them. Never blocks.
    ///
    /// # Errors
    ///
    /// If there would be more than [`MAX_PERMITS`](Semaphore::MAX_PERMITS). Then nothing is
    /// changed.
    ///
    /// ```
    /// # use tk_semaphore::Semaphore;
    /// let semaphore = Semaphore::new(0);
    /// semaphore.release(3).unwrap();
    /// assert_eq!(semaphore.available(), 3);
    /// assert!(semaphore.release(Semaphore::MAX_PERMITS).is_err());
    /// ```
    #[inline]
    pub fn release(&self, n: usize) -> Result<(), ReleaseError> {
        self.raw.release(n, RawSemaphore::MAX)
    }

    fn permit(&self, n: usize) -> Permit<'_> {
        Permit::new(&self.raw, n, RawSemaphore::MAX)
    }

    /// The same permits, with the semaphore.
    fn own(self: &Arc<Self>, permit: Permit<'_>) -> OwnedPermit {
        let count = permit.count();
        permit.forget();
        OwnedPermit::new(Owner::Semaphore(Arc::clone(self)), count)
    }

    pub(crate) fn give_back(&self, n: usize) {
        self.raw.give_back(n, RawSemaphore::MAX);
    }

    /// Gives a model's atomics to the thread that makes the object.
    #[cfg(tk_loom)]
    #[doc(hidden)]
    pub fn loom_register(&self) {
        self.raw.loom_register();
    }
}

/// One permit, as in Python.
impl Default for Semaphore {
    fn default() -> Semaphore {
        Semaphore::new(1)
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore")
            .field("available", &self.available())
            .finish()
    }
}
