//! What a thread waits for.

use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::time::Instant;

use crate::current::current_if_known;
use crate::{Owner, ThreadRecord, thread_by_owner};

/// What a sleeping thread waits for, as it wrote it down before it went to sleep.
///
/// Any thread can read it, through [`ThreadRecord::blocked_on`].
///
/// ```
/// use std::panic::Location;
/// use std::time::Instant;
/// use tk_core::{BlockedOn, current};
///
/// let bell = 0u32;
/// let waiting = BlockedOn::new("doorbell", &raw const bell as usize, Instant::now(), Location::caller());
/// {
///     let _entered = waiting.enter();
///     assert_eq!(current().blocked_on().unwrap().kind(), "doorbell");
/// }
/// assert!(current().blocked_on().is_none());
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BlockedOn {
    kind: &'static str,
    address: usize,
    since: Instant,
    location: &'static Location<'static>,
    holder: Option<Owner>,
}

impl BlockedOn {
    /// A wait for the thing of this kind at this address, asked for at this time by this line of the program.
    ///
    /// ```
    /// use std::panic::Location;
    /// use std::time::Instant;
    /// use tk_core::BlockedOn;
    ///
    /// #[track_caller]
    /// fn waiting_for(bell: &u32) -> BlockedOn {
    ///     BlockedOn::new("doorbell", &raw const *bell as usize, Instant::now(), Location::caller())
    /// }
    ///
    /// println!("{:?}", waiting_for(&0)); // doorbell 0x7f… at src/main.rs:10:18
    /// ```
    pub fn new(
        kind: &'static str,
        address: usize,
        since: Instant,
        location: &'static Location<'static>,
    ) -> BlockedOn {
        BlockedOn {
            kind,
            address,
            since,
            location,
            holder: None,
        }
    }

    /// The same wait, with the thread that holds what is waited for.
    ///
    /// ```
    /// # use std::{panic::Location, time::Instant};
    /// # use tk_core::{BlockedOn, current};
    /// let door = 0u32;
    /// let waiting = BlockedOn::new("door", &raw const door as usize, Instant::now(), Location::caller())
    ///     .held_by(Some(current().owner()));
    /// println!("{waiting:?}"); // door 0x7f… at src/main.rs:2:15 held by MainThread (thread 1)
    /// assert!(format!("{waiting:?}").contains("held by"));
    /// ```
    #[must_use]
    pub fn held_by(mut self, holder: Option<Owner>) -> BlockedOn {
        self.holder = holder;
        self
    }

    /// What sort of thing is waited for: `lock`, `event`, `join`, …
    ///
    /// ```
    /// # use std::{panic::Location, time::Instant};
    /// # use tk_core::BlockedOn;
    /// let bell = 0u32;
    /// let waiting = BlockedOn::new("doorbell", &raw const bell as usize, Instant::now(), Location::caller());
    /// assert_eq!(waiting.kind(), "doorbell");
    /// ```
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// The address of the thing. Two threads that wait at one address wait for the same thing.
    ///
    /// ```
    /// # use std::{panic::Location, time::Instant};
    /// # use tk_core::BlockedOn;
    /// let bell = 0u32;
    /// let waiting = BlockedOn::new("doorbell", &raw const bell as usize, Instant::now(), Location::caller());
    /// assert_eq!(waiting.address(), &raw const bell as usize);
    /// ```
    pub fn address(&self) -> usize {
        self.address
    }

    /// When the wait began.
    ///
    /// ```
    /// # use std::{panic::Location, time::Instant};
    /// # use tk_core::BlockedOn;
    /// let bell = 0u32;
    /// let waiting = BlockedOn::new("doorbell", &raw const bell as usize, Instant::now(), Location::caller());
    /// assert!(waiting.since() <= Instant::now());
    /// println!("waits for {:?} already", waiting.since().elapsed());
    /// ```
    pub fn since(&self) -> Instant {
        self.since
    }

    /// The line of the program that asked for the wait.
    ///
    /// ```
    /// # use std::{panic::Location, time::Instant};
    /// # use tk_core::BlockedOn;
    /// let bell = 0u32;
    /// let waiting = BlockedOn::new("doorbell", &raw const bell as usize, Instant::now(), Location::caller());
    /// assert_eq!(waiting.location().file(), file!());
    /// ```
    pub fn location(&self) -> &'static Location<'static> {
        self.location
    }

    /// The thread that held the thing when the wait began, where that is known; [`thread_by_owner`] finds its record.
    ///
    /// ```
    /// # use std::{panic::Location, time::Instant};
    /// # use tk_core::{BlockedOn, current, thread_by_owner};
    /// let door = 0u32;
    /// let waiting = BlockedOn::new("door", &raw const door as usize, Instant::now(), Location::caller())
    ///     .held_by(Some(current().owner()));
    /// assert_eq!(waiting.holder().and_then(thread_by_owner), Some(current()));
    /// ```
    pub fn holder(&self) -> Option<Owner> {
        self.holder
    }

    /// Writes this down in the calling thread's record until `f` returns or panics, and returns what `f` does.
    ///
    /// For those who put threads to sleep; `tk-park` does it for everything that sleeps through it. While `f` is in a wait
    /// of the kit, the record shows that one, and then this one again.
    ///
    /// ```
    /// use std::panic::Location;
    /// use std::time::Instant;
    /// use tk_core::{BlockedOn, current};
    ///
    /// let bell = 0u32;
    /// let waiting = BlockedOn::new("doorbell", &raw const bell as usize, Instant::now(), Location::caller());
    /// waiting.during(|| {
    ///     // … sleep …
    ///     assert_eq!(current().blocked_on(), Some(waiting));
    /// });
    /// assert_eq!(current().blocked_on(), None);
    /// ```
    pub fn during<R>(self, f: impl FnOnce() -> R) -> R {
        struct Around {
            record: Option<ThreadRecord>,
            before: Option<BlockedOn>,
        }

        impl Drop for Around {
            fn drop(&mut self) {
                if let Some(record) = &self.record {
                    record.wait_around(self.before);
                }
            }
        }

        let record = current_if_known();
        let before = record.as_ref().and_then(|r| r.wait_around(Some(self)));
        let _around = Around { record, before };
        f()
    }

    /// Writes this down in the calling thread's record until the guard is dropped.
    ///
    /// As [`during`](BlockedOn::during), for what is no function call. A thread waits for one thing at a time: entering again
    /// replaces what was there. A guard that is forgotten leaves this in the record until the thread's next wait or its end.
    ///
    /// ```
    /// use std::panic::Location;
    /// use std::time::Instant;
    /// use tk_core::{BlockedOn, current};
    ///
    /// let bell = 0u32;
    /// let waiting = BlockedOn::new("doorbell", &raw const bell as usize, Instant::now(), Location::caller());
    /// let guard = waiting.enter();
    /// // … sleep …
    /// assert_eq!(current().blocked_on(), Some(waiting));
    /// drop(guard);
    /// assert_eq!(current().blocked_on(), None);
    /// ```
    pub fn enter(self) -> BlockedGuard {
        let record = current_if_known();
        if let Some(record) = &record {
            record.begin_waiting(self);
        }
        BlockedGuard {
            record,
            here: PhantomData,
        }
    }
}

/// `lock 0x7f… at src/queue.rs:31:22 held by painter (thread 7)`.
impl fmt::Debug for BlockedOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:#x} at {}", self.kind, self.address, self.location)?;
        let Some(holder) = self.holder else {
            return Ok(());
        };
        match thread_by_owner(holder) {
            Some(thread) => write!(f, " held by {} (thread {holder})", thread.name()),
            None if holder.is_known() => write!(f, " held by thread {holder}"),
            None => f.write_str(" held by an unknown thread"),
        }
    }
}

/// Clears the waiting record when dropped; made by [`BlockedOn::enter`].
///
/// ```
/// use std::panic::Location;
/// use std::time::Instant;
/// use tk_core::{BlockedOn, BlockedGuard, current};
///
/// fn wait_for(bell: &u32) -> BlockedGuard {
///     BlockedOn::new("doorbell", &raw const *bell as usize, Instant::now(), Location::caller()).enter()
/// }
///
/// let guard = wait_for(&0);
/// assert!(current().blocked_on().is_some());
/// drop(guard);
/// assert!(current().blocked_on().is_none());
/// ```
#[must_use = "the record is cleared when this is dropped"]
pub struct BlockedGuard {
    /// None if the thread is being registered: a lock in the global allocator.
    record: Option<ThreadRecord>,
    /// Not `Send`: another thread's drop would clear what this one waits for by then.
    here: PhantomData<*const ()>,
}

impl Drop for BlockedGuard {
    fn drop(&mut self) {
        if let Some(record) = &self.record {
            record.end_waiting();
        }
    }
}

impl fmt::Debug for BlockedGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BlockedGuard")
    }
}
