//! Every form of every call that takes permits, of both semaphores, by one name.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tk_park::{Limit, WaitError};
use tk_semaphore::{AcquireError, BoundedSemaphore, OwnedPermit, Permit, ReleaseError, Semaphore};

/// Permits that were taken one way or the other.
#[derive(Debug)]
pub enum Held<'a> {
    Borrowed(Permit<'a>),
    Owned(OwnedPermit),
}

impl Held<'_> {
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

impl<'a> From<Permit<'a>> for Held<'a> {
    fn from(permit: Permit<'a>) -> Held<'a> {
        Held::Borrowed(permit)
    }
}

impl From<OwnedPermit> for Held<'_> {
    fn from(permit: OwnedPermit) -> Self {
        Held::Owned(permit)
    }
}

/// Why there is no permit, as far as the form says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    Without,
    With(AcquireError),
}

impl From<()> for Refused {
    fn from((): ()) -> Refused {
        Refused::Without
    }
}

impl From<WaitError> for Refused {
    fn from(error: WaitError) -> Refused {
        Refused::With(error.into())
    }
}

impl From<AcquireError> for Refused {
    fn from(error: AcquireError) -> Refused {
        Refused::With(error)
    }
}

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

#[derive(Clone, Copy, Debug)]
pub enum How<'l> {
    ForEver,
    Try,
    For(Duration),
    Until(Instant),
    With(Limit<'l>),
}

pub trait Face: Send + Sync + Sized {
    fn make(permits: usize) -> Arc<Self>;
    fn take<'a>(self: &'a Arc<Self>, what: What, how: How<'_>) -> Result<Held<'a>, Refused>;
    fn release(&self, n: usize) -> Result<(), ReleaseError>;
    fn available(&self) -> usize;
    /// The most permits that there can be if there were so many in the beginning.
    fn max(permits: usize) -> usize;
}

macro_rules! face {
    ($type:ident, $max:expr) => {
        impl Face for $type {
            fn make(permits: usize) -> Arc<Self> {
                Arc::new($type::new(permits))
            }

            #[track_caller]
            fn take<'a>(
                self: &'a Arc<Self>,
                what: What,
                how: How<'_>,
            ) -> Result<Held<'a>, Refused> {
                Ok(match (what, how) {
                    (What::One, How::ForEver) => self.acquire().into(),
                    (What::One, How::Try) => self.try_acquire().ok_or(())?.into(),
                    (What::One, How::For(time)) => self.acquire_for(time).ok_or(())?.into(),
                    (What::One, How::Until(time)) => self.acquire_until(time).ok_or(())?.into(),
                    (What::One, How::With(limit)) => self.acquire_with(limit)?.into(),
                    (What::Many(n), How::ForEver) => self.acquire_many(n)?.into(),
                    (What::Many(n), How::Try) => self.try_acquire_many(n).ok_or(())?.into(),
                    (What::Many(n), How::For(time)) => self.acquire_many_for(n, time)?.into(),
                    (What::Many(n), How::Until(time)) => self.acquire_many_until(n, time)?.into(),
                    (What::Many(n), How::With(limit)) => self.acquire_many_with(n, limit)?.into(),
                    (What::OneOwned, How::ForEver) => self.acquire_owned().into(),
                    (What::OneOwned, How::Try) => self.try_acquire_owned().ok_or(())?.into(),
                    (What::OneOwned, How::For(time)) => {
                        self.acquire_owned_for(time).ok_or(())?.into()
                    }
                    (What::OneOwned, How::Until(time)) => {
                        self.acquire_owned_until(time).ok_or(())?.into()
                    }
                    (What::OneOwned, How::With(limit)) => self.acquire_owned_with(limit)?.into(),
                    (What::ManyOwned(n), How::ForEver) => self.acquire_many_owned(n)?.into(),
                    (What::ManyOwned(n), How::Try) => {
                        self.try_acquire_many_owned(n).ok_or(())?.into()
                    }
                    (What::ManyOwned(n), How::For(time)) => {
                        self.acquire_many_owned_for(n, time)?.into()
                    }
                    (What::ManyOwned(n), How::Until(time)) => {
                        self.acquire_many_owned_until(n, time)?.into()
                    }
                    (What::ManyOwned(n), How::With(limit)) => {
                        self.acquire_many_owned_with(n, limit)?.into()
                    }
                })
            }

            fn release(&self, n: usize) -> Result<(), ReleaseError> {
                self.release(n)
            }

            fn available(&self) -> usize {
                self.available()
            }

            fn max(permits: usize) -> usize {
                $max(permits)
            }
        }
    };
}

face!(Semaphore, |_| Semaphore::MAX_PERMITS);
face!(BoundedSemaphore, |permits| permits);
