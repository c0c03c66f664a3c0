//! The semaphores' public faces.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tk_park::sync::Instant;
use tk_park::{Limit, WaitError};

use crate::raw::RawSemaphore;
use crate::{OwnedPermit, Permit};

/// A number of permits that threads take, and give back.
///
/// What a thread did before it gave a permit back is seen by the thread that takes it.
///
/// Every blocking call has four forms: one that waits for ever, `_for` a duration, `_until` an instant, and `_with` a
/// [`Limit`], which may be a stop token. Threads are served in the order in which they began to wait. A call with a limit
/// that is over takes what is there, or fails at once.
#[doc(alias = "threading.Semaphore")]
pub struct Semaphore {
    raw: RawSemaphore,
}

#[cfg(not(tk_loom))]
const _: () = assert!(size_of::<Semaphore>() <= 16);

impl Semaphore {
    /// The most permits that a semaphore can have.
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
        self.acquire_many(1)
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

    /// Takes a permit. Blocks until there is one, or until the limit is reached, and says which limit that was.
    ///
    /// ```
    /// # use tk_semaphore::Semaphore;
    /// use tk_park::{StopSource, WaitError};
    ///
    /// let source = StopSource::new();
    /// source.request_stop();
    /// let refused = Semaphore::new(0).acquire_with(&source.token()).err();
    /// assert_eq!(refused, Some(WaitError::Stopped));
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire_with<'a>(&self, limit: impl Into<Limit<'a>>) -> Result<Permit<'_>, WaitError> {
        self.acquire_many_with(1, limit)
    }

    /// Takes `n` permits at once. Blocks until there are so many: for ever, if there never are.
    ///
    /// Nobody who comes later gets a permit before this call has its own.
    ///
    /// ```
    /// # use tk_semaphore::Semaphore;
    /// let semaphore = Semaphore::new(5);
    /// assert_eq!(semaphore.acquire_many(3).count(), 3);
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire_many(&self, n: usize) -> Permit<'_> {
        match self.acquire_many_with(n, Limit::none()) {
            Ok(permit) => permit,
            Err(_) => unreachable!("a wait without a limit does not end by one"),
        }
    }

    /// Takes `n` permits at once if there are so many. Never blocks.
    ///
    /// ```
    /// # use tk_semaphore::Semaphore;
    /// assert!(Semaphore::new(2).try_acquire_many(3).is_none());
    /// ```
    #[inline]
    pub fn try_acquire_many(&self, n: usize) -> Option<Permit<'_>> {
        self.raw
            .try_acquire(n)
            .then(|| Permit::new(&self.raw, n, RawSemaphore::MAX))
    }

    /// Takes `n` permits at once. Blocks until there are so many, or until the limit is reached.
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
    ) -> Result<Permit<'_>, WaitError> {
        self.raw.acquire(n, limit.into())?;
        Ok(Permit::new(&self.raw, n, RawSemaphore::MAX))
    }

    /// Takes a permit that keeps the semaphore alive, so that it can be sent anywhere. Blocks until there is one.
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
        self.acquire().forget();
        OwnedPermit::new(Arc::clone(self), 1)
    }

    /// Takes a permit that keeps the semaphore alive. Blocks until there is one, or until the limit is reached.
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
        self.acquire_with(limit)?.forget();
        Ok(OwnedPermit::new(Arc::clone(self), 1))
    }

    /// Adds `n` permits: those of permits that were forgotten, or new ones. Wakes the threads that get them. Never blocks.
    ///
    /// # Errors
    ///
    /// If there would be more than [`MAX_PERMITS`](Semaphore::MAX_PERMITS). Then nothing is changed.
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
        release(&self.raw, n, RawSemaphore::MAX)
    }

    pub(crate) fn raw(&self) -> &RawSemaphore {
        &self.raw
    }

    /// Gives a model's atomics to the thread that makes the object.
    #[cfg(tk_loom)]
    #[doc(hidden)]
    pub fn touch(&self) {
        self.raw.touch();
    }
}

/// One permit, as in Python.
impl Default for Semaphore {
    fn default() -> Semaphore {
        Semaphore::new(1)
    }
}

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
    ///
    /// ```
    /// let semaphore = tk_semaphore::BoundedSemaphore::new(1);
    /// let permit = semaphore.acquire();
    /// assert_eq!(semaphore.available(), 0);
    /// # drop(permit);
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire(&self) -> Permit<'_> {
        match self.acquire_with(Limit::none()) {
            Ok(permit) => permit,
            Err(_) => unreachable!("a wait without a limit does not end by one"),
        }
    }

    /// As [`Semaphore::try_acquire`].
    ///
    /// ```
    /// assert!(tk_semaphore::BoundedSemaphore::new(0).try_acquire().is_none());
    /// ```
    #[inline]
    pub fn try_acquire(&self) -> Option<Permit<'_>> {
        self.raw
            .try_acquire(1)
            .then(|| Permit::new(&self.raw, 1, self.bound))
    }

    /// As [`Semaphore::acquire_for`].
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// assert!(tk_semaphore::BoundedSemaphore::new(0).acquire_for(Duration::ZERO).is_none());
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire_for(&self, timeout: Duration) -> Option<Permit<'_>> {
        self.acquire_with(timeout).ok()
    }

    /// As [`Semaphore::acquire_until`].
    ///
    /// ```
    /// use std::time::Instant;
    ///
    /// assert!(tk_semaphore::BoundedSemaphore::new(1).acquire_until(Instant::now()).is_some());
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire_until(&self, deadline: Instant) -> Option<Permit<'_>> {
        self.acquire_with(deadline).ok()
    }

    /// As [`Semaphore::acquire_with`].
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// assert!(tk_semaphore::BoundedSemaphore::new(1).acquire_with(Duration::ZERO).is_ok());
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire_with<'a>(&self, limit: impl Into<Limit<'a>>) -> Result<Permit<'_>, WaitError> {
        self.raw.acquire(1, limit.into())?;
        Ok(Permit::new(&self.raw, 1, self.bound))
    }

    /// Gives back `n` permits that were forgotten. Wakes the threads that get them. Never blocks.
    ///
    /// # Errors
    ///
    /// If there would be more than in the beginning. Then nothing is changed.
    #[inline]
    pub fn release(&self, n: usize) -> Result<(), ReleaseError> {
        release(&self.raw, n, self.bound)
    }
}

/// One permit, as in Python.
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
            .field("bound", &self.bound)
            .finish()
    }
}

fn release(raw: &RawSemaphore, n: usize, max: usize) -> Result<(), ReleaseError> {
    raw.release(n, max).map_err(|_| ReleaseError { n, max })
}

/// A release of more permits than there can be. It has changed nothing.
///
/// ```
/// let error = tk_semaphore::BoundedSemaphore::new(1).release(1).unwrap_err();
/// assert_eq!(error.to_string(), "release of 1 permit past the bound of 1");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReleaseError {
    n: usize,
    max: usize,
}

impl fmt::Display for ReleaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = if self.n == 1 { "" } else { "s" };
        write!(
            f,
            "release of {} permit{s} past the bound of {}",
            self.n, self.max
        )
    }
}

impl Error for ReleaseError {}
