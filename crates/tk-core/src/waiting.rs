//! What a thread waits for.

use std::fmt;
use std::panic::Location;
use std::time::Instant;

use crate::{Record, Slot, current, thread_at};

/// What a sleeping thread waits for, as it wrote it down before it went to sleep.
///
/// Any thread can read it, through [`Record::waiting`].
///
/// ```
/// use std::panic::Location;
/// use std::time::Instant;
/// use tk_core::{Waiting, current};
///
/// let bell = 0u32;
/// let waiting = Waiting::new("doorbell", &raw const bell as usize, Instant::now(), Location::caller());
/// {
///     let _entered = waiting.enter();
///     assert_eq!(current().waiting().unwrap().kind(), "doorbell");
/// }
/// assert!(current().waiting().is_none());
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    kind: &'static str,
    address: usize,
    since: Instant,
    location: &'static Location<'static>,
    holder: Option<Slot>,
}

impl Waiting {
    /// A wait for the thing of this kind at this address, asked for at this time by this line of the program.
    pub fn new(
        kind: &'static str,
        address: usize,
        since: Instant,
        location: &'static Location<'static>,
    ) -> Waiting {
        Waiting {
            kind,
            address,
            since,
            location,
            holder: None,
        }
    }

    /// The same wait, with the slot of the thread that holds what is waited for.
    #[must_use]
    pub fn held_by(mut self, holder: Option<Slot>) -> Waiting {
        self.holder = holder;
        self
    }

    /// What sort of thing is waited for: `lock`, `event`, `join`, …
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// The address of the thing. Two threads that wait at one address wait for the same thing.
    pub fn address(&self) -> usize {
        self.address
    }

    /// When the wait began.
    pub fn since(&self) -> Instant {
        self.since
    }

    /// The line of the program that asked for the wait.
    pub fn location(&self) -> &'static Location<'static> {
        self.location
    }

    /// The slot of the thread that held the thing when the wait began, where that is known; [`thread_at`] says who that is.
    pub fn holder(&self) -> Option<Slot> {
        self.holder
    }

    /// Writes this down in the calling thread's record until the guard is dropped.
    ///
    /// For those who put threads to sleep; `tk-park` does it for everything that sleeps through it. A thread waits
    /// for one thing at a time: entering again replaces what was there.
    pub fn enter(self) -> WaitingGuard {
        let record = current();
        record.set_waiting(Some(self));
        WaitingGuard(record)
    }
}

/// `lock 0x7f… at src/queue.rs:31:22 held by painter in slot 3`: whoever has the slot now.
impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:#x} at {}", self.kind, self.address, self.location)?;
        match self.holder {
            Some(holder) => match thread_at(holder) {
                Some(thread) => write!(f, " held by {} in slot {holder}", thread.name()),
                None => write!(f, " held by slot {holder}"),
            },
            None => Ok(()),
        }
    }
}

/// Clears the waiting record when dropped; made by [`Waiting::enter`].
#[must_use = "the record is cleared when this is dropped"]
pub struct WaitingGuard(Record);

impl Drop for WaitingGuard {
    fn drop(&mut self) {
        self.0.set_waiting(None);
    }
}

impl fmt::Debug for WaitingGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WaitingGuard")
    }
}
