//! The wait that a thread is blocked on, as its record shows it.
//!
//! | operation | the wait that is shown, `now` | the wait around it, `around` |
//! |---|---|---|
//! | [`enter`](BlockedOn::enter) | → this one | – |
//! | the guard's drop | → the one around | – |
//! | [`during`](BlockedOn::during) | → this one | → this one |
//! | the return of its function | → the old one around | → the old one |
//! | the end of the thread | → none | → none |
//!
//! A guard's drop shows the wait around it and not the one before it. So a guard that was forgotten
//! is shown only until the thread's next wait has ended.
//!
//! # Invariants
//!
//! **Pinned.** The seat of a wait says how its thread waits, and may be the address of something on
//! the thread's stack. It is shown from after that was made until before it is gone, and both
//! changes are made with the waits locked. So what the seat names is there while another thread has
//! them locked.
//!
//! **Counted.** Each change of the waits counts. So a thread whose count is the same at two moments
//! was in the same wait all the time between.

use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::time::Instant;

use crate::current::current_unless_registering;
use crate::fork::Inherit;
use crate::text::HolderName;
use crate::{Owner, ThreadRecord};

/// The wait that a thread is blocked on. The thread writes it into its record before it goes to
/// sleep.
///
/// Any thread can read it with [`ThreadRecord::blocked_on`].
///
/// ```
/// use std::panic::Location;
/// use std::time::Instant;
/// use tk_core::{BlockedOn, current};
///
/// let bell = 0u32;
/// let address = &raw const bell as usize;
/// let wait = BlockedOn::new("doorbell", address, Instant::now(), Location::caller());
/// {
///     let _entered = wait.enter();
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

/// How a thread waits, for the crates of the kit that look at its wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seat {
    /// In a way that the kit does not know.
    Unknown,
    /// In a queue, with this ticket.
    Queue(usize),
    /// In a join by the system, without a limit, which ends when the holder has ended.
    Join,
}

/// The waits in a thread's record.
#[derive(Clone, Copy)]
pub(crate) struct Blocked {
    /// The wait that is shown.
    now: Option<BlockedOn>,
    /// How the thread is in the wait `now`.
    seat: Seat,
    /// The wait that is shown again when `now` has ended. It lasts until a function returns.
    around: Option<BlockedOn>,
    /// How often this has changed (*counted*).
    changes: u64,
}

impl Inherit for Blocked {
    fn anew() -> Blocked {
        Blocked {
            now: None,
            seat: Seat::Unknown,
            around: None,
            changes: 0,
        }
    }
}

impl Blocked {
    pub(crate) fn now(&self) -> Option<BlockedOn> {
        self.now
    }

    pub(crate) fn seat(&self) -> Seat {
        self.seat
    }

    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    pub(crate) fn begin(&mut self, wait: BlockedOn, seat: Seat) {
        self.show(Some(wait), seat);
    }

    /// Ends a wait, and shows the one around it again, if any.
    pub(crate) fn end(&mut self) {
        // Not the wait that was there before: its guard may have been forgotten.
        self.show(self.around, Seat::Unknown);
    }

    /// Sets the wait that is shown between waits. Returns the old one.
    pub(crate) fn set_around(&mut self, around: Option<BlockedOn>) -> Option<BlockedOn> {
        self.show(around, Seat::Unknown);
        std::mem::replace(&mut self.around, around)
    }

    fn show(&mut self, wait: Option<BlockedOn>, seat: Seat) {
        (self.now, self.seat) = (wait, seat);
        self.changes += 1;
    }
}

impl BlockedOn {
    /// Describes a wait for the thing of this kind at this address, which started at this time on
    /// this line of the program.
    ///
    /// ```
    /// use std::panic::Location;
    /// use std::time::Instant;
    /// use tk_core::BlockedOn;
    ///
    /// #[track_caller]
    /// fn wait_for(bell: &u32) -> BlockedOn {
    ///     let address = &raw const *bell as usize;
    ///     BlockedOn::new("doorbell", address, Instant::now(), Location::caller())
    /// }
    ///
    /// println!("{:?}", wait_for(&0)); // doorbell 0x7f… at src/main.rs:10:18
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

    /// Adds the thread that holds the thing.
    ///
    /// ```
    /// # use std::{panic::Location, time::Instant};
    /// # use tk_core::{BlockedOn, current};
    /// let door = 0u32;
    /// let address = &raw const door as usize;
    /// let wait = BlockedOn::new("door", address, Instant::now(), Location::caller())
    ///     .held_by(Some(current().owner()));
    /// println!("{wait:?}"); // door 0x7f… at src/main.rs:2:15 held by MainThread (thread 1)
    /// assert!(format!("{wait:?}").contains("held by"));
    /// ```
    #[must_use]
    pub fn held_by(mut self, holder: Option<Owner>) -> BlockedOn {
        self.holder = holder;
        self
    }

    /// Returns the kind of thing: `lock`, `event`, `join` or another one.
    ///
    /// ```
    /// # use std::{panic::Location, time::Instant};
    /// # use tk_core::BlockedOn;
    /// let bell = 0u32;
    /// let address = &raw const bell as usize;
    /// let wait = BlockedOn::new("doorbell", address, Instant::now(), Location::caller());
    /// assert_eq!(wait.kind(), "doorbell");
    /// ```
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// Returns the address of the thing. Two threads that wait at one address wait for the same
    /// thing.
    ///
    /// ```
    /// # use std::{panic::Location, time::Instant};
    /// # use tk_core::BlockedOn;
    /// let bell = 0u32;
    /// let address = &raw const bell as usize;
    /// let wait = BlockedOn::new("doorbell", address, Instant::now(), Location::caller());
    /// assert_eq!(wait.address(), address);
    /// ```
    pub fn address(&self) -> usize {
        self.address
    }

    /// Returns the time at which the wait started.
    ///
    /// ```
    /// # use std::{panic::Location, time::Instant};
    /// # use tk_core::BlockedOn;
    /// let bell = 0u32;
    /// let address = &raw const bell as usize;
    /// let wait = BlockedOn::new("doorbell", address, Instant::now(), Location::caller());
    /// assert!(wait.since() <= Instant::now());
    /// println!("has waited for {:?}", wait.since().elapsed());
    /// ```
    pub fn since(&self) -> Instant {
        self.since
    }

    /// Returns the line of the program that called the wait.
    ///
    /// ```
    /// # use std::{panic::Location, time::Instant};
    /// # use tk_core::BlockedOn;
    /// let bell = 0u32;
    /// let address = &raw const bell as usize;
    /// let wait = BlockedOn::new("doorbell", address, Instant::now(), Location::caller());
    /// assert_eq!(wait.location().file(), file!());
    /// ```
    pub fn location(&self) -> &'static Location<'static> {
        self.location
    }

    /// Returns the thread that held the thing when the wait started, if that is known. Pass it to
    /// [`thread_by_owner`](crate::thread_by_owner) for the thread's record.
    ///
    /// ```
    /// # use std::{panic::Location, time::Instant};
    /// # use tk_core::{BlockedOn, current, thread_by_owner};
    /// let door = 0u32;
    /// let address = &raw const door as usize;
    /// let wait = BlockedOn::new("door", address, Instant::now(), Location::caller())
    ///     .held_by(Some(current().owner()));
    /// assert_eq!(wait.holder().and_then(thread_by_owner), Some(current()));
    /// ```
    pub fn holder(&self) -> Option<Owner> {
        self.holder
    }

    /// Shows this wait in the calling thread's record until `f` returns or panics, and returns the
    /// result of `f`.
    ///
    /// For code that puts threads to sleep in its own way; `tk-park` does it for its waits. While
    /// `f` is in a wait of the kit, the record shows that one, and this one again afterwards.
    ///
    /// ```
    /// use std::panic::Location;
    /// use std::time::Instant;
    /// use tk_core::{BlockedOn, current};
    ///
    /// let bell = 0u32;
    /// let address = &raw const bell as usize;
    /// let wait = BlockedOn::new("doorbell", address, Instant::now(), Location::caller());
    /// wait.during(|| {
    ///     // Sleep here.
    ///     assert_eq!(current().blocked_on(), Some(wait));
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
                    record.set_wait_around(self.before);
                }
            }
        }

        let record = current_unless_registering();
        let before = record.as_ref().and_then(|r| r.set_wait_around(Some(self)));
        let _around = Around { record, before };
        f()
    }

    /// Shows this wait in the calling thread's record until the guard is dropped.
    ///
    /// Use it instead of [`during`](BlockedOn::during) for a wait that is not one function call. A
    /// record shows one wait at a time, so another call replaces this one. If the guard is
    /// forgotten, the record shows this wait until the thread's next wait or its end.
    ///
    /// ```
    /// use std::panic::Location;
    /// use std::time::Instant;
    /// use tk_core::{BlockedOn, current};
    ///
    /// let bell = 0u32;
    /// let address = &raw const bell as usize;
    /// let wait = BlockedOn::new("doorbell", address, Instant::now(), Location::caller());
    /// let guard = wait.enter();
    /// // Sleep here.
    /// assert_eq!(current().blocked_on(), Some(wait));
    /// drop(guard);
    /// assert_eq!(current().blocked_on(), None);
    /// ```
    pub fn enter(self) -> BlockedGuard {
        self.enter_in(Seat::Unknown)
    }

    /// As [`enter`](BlockedOn::enter), for a thread that waits in this way.
    pub(crate) fn enter_in(self, seat: Seat) -> BlockedGuard {
        let record = current_unless_registering();
        if let Some(record) = &record {
            record.begin_wait(self, seat);
        }
        BlockedGuard {
            record,
            here: PhantomData,
        }
    }
}

/// Shows the wait: `lock 0x7f… at src/queue.rs:31:22 held by painter (thread 7)`.
impl fmt::Debug for BlockedOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:#x} at {}", self.kind, self.address, self.location)?;
        match self.holder {
            Some(holder) => write!(f, " held by {}", HolderName(holder)),
            None => Ok(()),
        }
    }
}

/// The guard of [`BlockedOn::enter`]. Its drop ends the wait in the thread's record.
///
/// ```
/// use std::panic::Location;
/// use std::time::Instant;
/// use tk_core::{BlockedOn, BlockedGuard, current};
///
/// fn wait_for(bell: &u32) -> BlockedGuard {
///     let address = &raw const *bell as usize;
///     BlockedOn::new("doorbell", address, Instant::now(), Location::caller()).enter()
/// }
///
/// let guard = wait_for(&0);
/// assert!(current().blocked_on().is_some());
/// drop(guard);
/// assert!(current().blocked_on().is_none());
/// ```
#[must_use = "the record is cleared when this is dropped"]
pub struct BlockedGuard {
    /// `None` if the thread is being registered: the wait is for a lock of the global allocator.
    record: Option<ThreadRecord>,
    /// Not `Send`: a drop in another thread would end a later wait of this one.
    here: PhantomData<*const ()>,
}

impl Drop for BlockedGuard {
    fn drop(&mut self) {
        if let Some(record) = &self.record {
            record.end_wait();
        }
    }
}

impl fmt::Debug for BlockedGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BlockedGuard")
    }
}
