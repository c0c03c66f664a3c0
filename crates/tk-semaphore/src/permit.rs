//! Permits that release themselves.

use std::fmt;
use std::sync::Arc;

use crate::{Bound, CountingSemaphore, Unbounded};

/// One or more permits of a semaphore. Dropping this releases them.
///
/// After a manual [`release`](CountingSemaphore::release) of permits that had not been forgotten, a
/// bounded semaphore may have no room for all of them. Then it takes as many as fit.
///
/// ```
/// use tk_semaphore::Semaphore;
///
/// let semaphore = Semaphore::new(3);
/// let permits = semaphore.try_acquire_many(2).unwrap();
/// assert_eq!(semaphore.available(), 1);
/// drop(permits);
/// assert_eq!(semaphore.available(), 3);
/// ```
#[must_use = "dropping a permit releases it"]
pub struct Permit<'a, B: Bound = Unbounded> {
    semaphore: &'a CountingSemaphore<B>,
    count: usize,
}

impl<'a, B: Bound> Permit<'a, B> {
    #[inline]
    pub(crate) fn new(semaphore: &'a CountingSemaphore<B>, count: usize) -> Permit<'a, B> {
        Permit { semaphore, count }
    }

    /// Returns how many permits these are.
    ///
    /// ```
    /// assert_eq!(tk_semaphore::Semaphore::new(3).try_acquire_many(2).unwrap().count(), 2);
    /// ```
    pub fn count(&self) -> usize {
        self.count
    }

    /// Consumes the permits without releasing them. [`release`](CountingSemaphore::release) can add
    /// them again, in any thread.
    ///
    /// ```
    /// # use tk_semaphore::Semaphore;
    /// let semaphore = Semaphore::new(1);
    /// semaphore.acquire().forget();
    /// assert_eq!(semaphore.available(), 0);
    /// ```
    #[inline]
    pub fn forget(mut self) {
        self.count = 0;
    }
}

impl<B: Bound> Drop for Permit<'_, B> {
    #[inline]
    fn drop(&mut self) {
        self.semaphore.release_up_to_max(self.count);
    }
}

impl<B: Bound> fmt::Debug for Permit<'_, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

/// A [`Permit`] that owns an `Arc` of its semaphore, so that it can outlive the scope and the
/// thread that acquired it.
///
/// ```
/// use std::sync::Arc;
/// use tk_semaphore::{OwnedPermit, Semaphore};
///
/// struct Connection(OwnedPermit);
///
/// let semaphore = Arc::new(Semaphore::new(1));
/// let connection = Connection(semaphore.try_acquire_owned().unwrap());
/// assert_eq!((connection.0.count(), semaphore.available()), (1, 0));
/// std::thread::spawn(move || drop(connection)).join().unwrap();
/// assert_eq!(semaphore.available(), 1);
/// ```
#[must_use = "dropping a permit releases it"]
pub struct OwnedPermit<B: Bound = Unbounded> {
    semaphore: Arc<CountingSemaphore<B>>,
    count: usize,
}

impl<B: Bound> OwnedPermit<B> {
    pub(crate) fn new(semaphore: &Arc<CountingSemaphore<B>>, count: usize) -> OwnedPermit<B> {
        OwnedPermit {
            semaphore: Arc::clone(semaphore),
            count,
        }
    }

    /// As [`Permit::count`].
    ///
    /// ```
    /// let semaphore = std::sync::Arc::new(tk_semaphore::Semaphore::new(1));
    /// assert_eq!(semaphore.try_acquire_owned().unwrap().count(), 1);
    /// ```
    pub fn count(&self) -> usize {
        self.count
    }

    /// As [`Permit::forget`].
    ///
    /// ```
    /// let semaphore = std::sync::Arc::new(tk_semaphore::Semaphore::new(1));
    /// semaphore.try_acquire_owned().unwrap().forget();
    /// assert_eq!(semaphore.available(), 0);
    /// ```
    pub fn forget(mut self) {
        self.count = 0;
    }
}

impl<B: Bound> Drop for OwnedPermit<B> {
    fn drop(&mut self) {
        self.semaphore.release_up_to_max(self.count);
    }
}

impl<B: Bound> fmt::Debug for OwnedPermit<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedPermit")
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}
