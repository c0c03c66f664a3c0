//! Permits that give themselves back.

use std::fmt;
use std::sync::Arc;

use crate::Semaphore;
use crate::raw::RawSemaphore;

/// Permits of a semaphore, given back when this is dropped.
///
/// ```
/// use tk_semaphore::Semaphore;
///
/// let semaphore = Semaphore::new(3);
/// let permit = semaphore.acquire_many(2);
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
    fn drop(&mut self) {
        give_back(self.raw, self.count, self.max);
    }
}

impl fmt::Debug for Permit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

/// Permits that keep their semaphore alive; see [`Semaphore::acquire_owned`].
#[must_use = "the permit is given back when this is dropped"]
pub struct OwnedPermit {
    semaphore: Arc<Semaphore>,
    count: usize,
}

impl OwnedPermit {
    pub(crate) fn new(semaphore: Arc<Semaphore>, count: usize) -> OwnedPermit {
        OwnedPermit { semaphore, count }
    }

    /// How many permits these are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Keeps the permits from being given back, now and ever; unless by the semaphore's `release`.
    pub fn forget(mut self) {
        self.count = 0;
    }
}

impl Drop for OwnedPermit {
    fn drop(&mut self) {
        give_back(self.semaphore.raw(), self.count, RawSemaphore::MAX);
    }
}

impl fmt::Debug for OwnedPermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedPermit")
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

/// There may be no room for the permits if more have been released than acquired. Then they are none too few, and there
/// is nobody here to tell.
fn give_back(raw: &RawSemaphore, count: usize, max: usize) {
    if count > 0 {
        let _ = raw.release(count, max);
    }
}
