//! All calls that acquire permits, behind one function.

use std::sync::Arc;
use std::time::Duration;

use tk_park::{Limit, WaitError};
use tk_semaphore::{
    AcquireError, Bound, Bounded, BoundedSemaphore, CountingSemaphore, OwnedPermit, Permit,
    Semaphore, Unbounded,
};

/// Permits that were acquired by either kind of call.
#[derive(Debug)]
pub enum Held<'a, B: Bound> {
    Borrowed(Permit<'a, B>),
    Owned(OwnedPermit<B>),
}

impl<B: Bound> Held<'_, B> {
    pub fn count(&self) -> usize {
        match self {
            Held::Borrowed(permit) => permit.count(),
            Held::Owned(permit) => permit.count(),
        }
    }

    pub fn forget(self) {
        match self {
            Held::Borrowed(permit) => permit.forget(),
            Held::Owned(permit) => permit.forget(),
        }
    }
}

impl<'a, B: Bound> From<Permit<'a, B>> for Held<'a, B> {
    fn from(permit: Permit<'a, B>) -> Held<'a, B> {
        Held::Borrowed(permit)
    }
}

impl<B: Bound> From<OwnedPermit<B>> for Held<'_, B> {
    fn from(permit: OwnedPermit<B>) -> Self {
        Held::Owned(permit)
    }
}

/// How a call failed: with `None`, or with an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    None,
    Error(AcquireError),
}

impl From<()> for Refused {
    fn from((): ()) -> Refused {
        Refused::None
    }
}

impl From<WaitError> for Refused {
    fn from(error: WaitError) -> Refused {
        Refused::Error(error.into())
    }
}

impl From<AcquireError> for Refused {
    fn from(error: AcquireError) -> Refused {
        Refused::Error(error)
    }
}

/// The variant of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    One,
    Many(usize),
    OneOwned,
    ManyOwned(usize),
}

impl What {
    pub const fn count(self) -> usize {
        match self {
            What::One | What::OneOwned => 1,
            What::Many(n) | What::ManyOwned(n) => n,
        }
    }

    pub const fn is_many(self) -> bool {
        matches!(self, What::Many(_) | What::ManyOwned(_))
    }
}

/// The form of a call. Variants other than `One` have only `try_` and `_with`, so the other forms
/// stand for `_with` there.
#[derive(Clone, Copy, Debug)]
pub enum How<'l> {
    Forever,
    Try,
    For(Duration),
    With(Limit<'l>),
}

impl How<'_> {
    /// Whether this form of `what` tells only that it failed, and not why.
    pub fn is_optional(self, what: What) -> bool {
        match self {
            How::Try => true,
            How::For(_) => what == What::One,
            How::Forever | How::With(_) => false,
        }
    }
}

#[track_caller]
pub fn take<'a, B: Bound>(
    semaphore: &'a Arc<CountingSemaphore<B>>,
    what: What,
    how: How<'_>,
) -> Result<Held<'a, B>, Refused> {
    let limit = match how {
        How::Forever => Limit::never(),
        How::For(time) => time.into(),
        How::With(limit) => limit,
        How::Try => {
            return Ok(match what {
                What::One => semaphore.try_acquire().ok_or(())?.into(),
                What::Many(n) => semaphore.try_acquire_many(n).ok_or(())?.into(),
                What::OneOwned => semaphore.try_acquire_owned().ok_or(())?.into(),
                What::ManyOwned(n) => semaphore.try_acquire_many_owned(n).ok_or(())?.into(),
            });
        }
    };
    Ok(match (what, how) {
        (What::One, How::Forever) => semaphore.acquire().into(),
        (What::One, How::For(time)) => semaphore.acquire_for(time).ok_or(())?.into(),
        (What::One, _) => semaphore.acquire_with(limit)?.into(),
        (What::Many(n), _) => semaphore.acquire_many_with(n, limit)?.into(),
        (What::OneOwned, _) => semaphore.acquire_owned_with(limit)?.into(),
        (What::ManyOwned(n), _) => semaphore.acquire_many_owned_with(n, limit)?.into(),
    })
}

/// Both semaphores, for tests that create them.
pub trait Create: Bound + Sized {
    fn create(permits: usize) -> Arc<CountingSemaphore<Self>>;

    /// Returns the most permits of a semaphore that was created with this many.
    fn max(permits: usize) -> usize;
}

impl Create for Unbounded {
    fn create(permits: usize) -> Arc<Semaphore> {
        Arc::new(Semaphore::new(permits))
    }

    fn max(_: usize) -> usize {
        Semaphore::MAX_PERMITS
    }
}

impl Create for Bounded {
    fn create(permits: usize) -> Arc<BoundedSemaphore> {
        Arc::new(BoundedSemaphore::new(permits))
    }

    fn max(permits: usize) -> usize {
        permits
    }
}
