//! Permits that give themselves back.

use std::fmt;
use std::sync::Arc;

use crate::raw::RawSemaphore;
use crate::{BoundedSemaphore, Semaphore};

/// Permits of a semaphore, given back when this is dropped.
///
/// If more have been released than acquired meanwhile, there may be no room for all of them: then the semaphore takes as
/// many as it can have.
///
/// ```
/// use tk_semaphore::Semaphore;
///
/// let semaphore = Semaphore::new(3);
/// let permit = semaphore.acquire_many(2).unwrap();
/// assert_eq!((permit.count(), semaphore.available()), (2, 1));
/// drop(permit);
/// assert_eq!(semaphore.available(), 3);
/// ```
#[must_use = "the permit is given back when this is dropped"]
pub struct Permit<'a> {
    raw: &'a RawSemaphore,
    count: usize,
    max: usize,
}

impl<'a> Permit<'a> {
    pub(crate) fn new(raw: &'a RawSemaphore, count: usize, max: usize) -> Permit<'a> {
        Permit { raw, count, max }
    }

    /// How many permits these are.
    ///
    /// ```
    /// assert_eq!(tk_semaphore::Semaphore::new(3).acquire_many(2).unwrap().count(), 2);
    /// ```
    pub fn count(&self) -> usize {
        self.count
    }

    /// Keeps the permits from being given back, now and ever; unless by the semaphore's `release`.
    ///
    /// ```
    /// # use tk_semaphore::Semaphore;
    /// let semaphore = Semaphore::new(1);
    /// semaphore.acquire().forget();
    /// assert_eq!(semaphore.available(), 0);
    /// ```
    pub fn forget(mut self) {
        self.count = 0;
    }
}

impl Drop for Permit<'_> {
    #[inline]
    fn drop(&mut self) {
        self.raw.give_back(self.count, self.max);
    }
}

impl fmt::Debug for Permit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

/// Permits that keep their semaphore alive, of either kind; see [`Semaphore::acquire_owned`].
///
/// They are given back when this is dropped, as a [`Permit`] is.
///
/// ```
/// use std::sync::Arc;
/// use tk_semaphore::{OwnedPermit, Semaphore};
///
/// struct Connection(OwnedPermit);
///
/// let semaphore = Arc::new(Semaphore::new(1));
/// let connection = Connection(semaphore.acquire_owned());
/// assert_eq!((connection.0.count(), semaphore.available()), (1, 0));
/// drop(connection);
/// assert_eq!(semaphore.available(), 1);
/// ```
#[must_use = "the permit is given back when this is dropped"]
pub struct OwnedPermit {
    owner: Owner,
    count: usize,
}

/// Where the permits go back to.
pub(crate) enum Owner {
    Semaphore(Arc<Semaphore>),
    Bounded(Arc<BoundedSemaphore>),
}

impl OwnedPermit {
    pub(crate) fn new(owner: Owner, count: usize) -> OwnedPermit {
        OwnedPermit { owner, count }
    }

    /// How many permits these are.
    ///
    /// ```
    /// let semaphore = std::sync::Arc::new(tk_semaphore::Semaphore::new(1));
    /// assert_eq!(semaphore.acquire_owned().count(), 1);
    /// ```
    pub fn count(&self) -> usize {
        self.count
    }

    /// Keeps the permits from being given back, now and ever; unless by the semaphore's `release`.
    ///
    /// ```
    /// let semaphore = std::sync::Arc::new(tk_semaphore::Semaphore::new(1));
    /// semaphore.acquire_owned().forget();
    /// assert_eq!(semaphore.available(), 0);
    /// ```
    pub fn forget(mut self) {
        self.count = 0;
    }
}

impl Drop for OwnedPermit {
    fn drop(&mut self) {
        match &self.owner {
            Owner::Semaphore(semaphore) => semaphore.give_back(self.count),
            Owner::Bounded(semaphore) => semaphore.give_back(self.count),
        }
    }
}

impl fmt::Debug for OwnedPermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedPermit")
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}
