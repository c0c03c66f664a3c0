//! The most permits that a semaphore can have.

use std::fmt::Debug;

use crate::raw::RawSemaphore;

/// The bound of a [`CountingSemaphore`](crate::CountingSemaphore): [`Unbounded`] or [`Bounded`].
///
/// This trait is sealed, so no other type implements it.
///
/// ```
/// use tk_semaphore::{Bound, BoundedSemaphore, CountingSemaphore, Semaphore};
///
/// fn is_idle<B: Bound>(semaphore: &CountingSemaphore<B>, permits: usize) -> bool {
///     semaphore.available() == permits
/// }
///
/// assert!(is_idle(&Semaphore::new(2), 2));
/// assert!(is_idle(&BoundedSemaphore::new(2), 2));
/// ```
pub trait Bound: Sealed + Debug + Send + Sync + 'static {}

/// The bound of a [`Semaphore`](crate::Semaphore), which takes no space: the most permits that the
/// counter can hold.
///
/// ```
/// use tk_semaphore::{CountingSemaphore, Semaphore, Unbounded};
///
/// let semaphore: CountingSemaphore<Unbounded> = Semaphore::new(2);
/// assert!(semaphore.release(1).is_ok());
/// ```
#[derive(Debug)]
pub struct Unbounded(pub(crate) ());

/// The bound of a [`BoundedSemaphore`](crate::BoundedSemaphore): the number of permits that it was
/// created with.
///
/// ```
/// use tk_semaphore::{Bounded, BoundedSemaphore, Permit};
///
/// fn place(pool: &BoundedSemaphore) -> Permit<'_, Bounded> {
///     pool.acquire()
/// }
///
/// assert_eq!(place(&BoundedSemaphore::new(1)).count(), 1);
/// ```
#[derive(Debug)]
pub struct Bounded(pub(crate) usize);

impl Bound for Unbounded {}
impl Bound for Bounded {}

/// Seals [`Bound`], because it can't be named outside of this crate.
pub trait Sealed {
    fn max_permits(&self) -> usize;
}

impl Sealed for Unbounded {
    #[inline]
    fn max_permits(&self) -> usize {
        RawSemaphore::MAX
    }
}

impl Sealed for Bounded {
    #[inline]
    fn max_permits(&self) -> usize {
        self.0
    }
}
