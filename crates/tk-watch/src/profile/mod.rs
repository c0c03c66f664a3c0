//! Where threads wait, for how long, and for whom: a contention profile.
//!
//! A profile is off until [`start`] is called. While it is on, each wait of the kit in which a
//! thread sleeps is counted when it ends: by the source line that requested it, by the object that
//! the thread waited for, and by the thread. [`read`] returns what has been counted so far.
//!
//! ```
//! use tk_lock::Lock;
//!
//! tk_watch::profile::start();
//! let queue = Lock::new(());
//! let guard = queue.lock();
//! std::thread::scope(|s| {
//!     s.spawn(|| drop(queue.lock()));
//!     # while !tk_thread::dump().to_string().contains("lock") { std::thread::yield_now() }
//!     drop(guard);
//! });
//! let profile = tk_watch::profile::read();
//! tk_watch::profile::stop();
//!
//! assert!(profile.lines.iter().any(|line| line.kind == "lock" && line.file == file!()));
//! println!("{profile}");
//! ```
//!
//! # What counts
//!
//! - A wait lasts from the call to its end, so the spin before the sleep is a part of it. A wait
//!   that is over before its thread sleeps is not counted.
//! - Waits that go on are not counted yet. A dump shows them.
//! - The holder is the thread that held the object when the wait began, where the primitive knows.
//! - The median and the 99th percentile are right to six percent, all else is exact.
//! - An object is known by its address. If another object of the same kind comes to lie there, the
//!   two share a row.
//! - In the child of a fork, the profile goes on with what the parent had counted.
//!
//! # Memory and cost
//!
//! The tables have room for [`LINES`], [`OBJECTS`] and [`THREADS`], and take 3 MB from the first
//! start to the end of the program. Waits that find no room are summed up in
//! [`Profile::other_lines`], [`Profile::other_objects`] and [`Profile::other_threads`]. Counting a
//! wait allocates nothing, and never waits for another thread: if two threads count in the same row
//! at the same time, and the first loses its processor meanwhile, the second's wait is counted in
//! [`Profile::missed`] only.

mod histogram;
mod pprof;
mod report;
mod table;
mod tally;

use std::cell::Cell;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use once_cell::race::OnceBox;
use tk_core::__private::peek_slot_and_id;
use tk_core::ThreadRecord;
use tk_park::__private::Wait;

use crate::observer::{self, User};
use table::Table;
use tally::Counted;

pub use report::{Held, Line, Object, Profile, Thread, Waits};

/// How many source lines have rows of their own.
pub const LINES: usize = 512;
/// How many objects have rows of their own.
pub const OBJECTS: usize = 1024;
/// How many threads have rows of their own.
pub const THREADS: usize = 1024;

static IS_ON: AtomicBool = AtomicBool::new(false);
static TABLES: OnceBox<Tables> = OnceBox::new();

struct Tables {
    lines: Table<LineLabel>,
    objects: Table<ObjectLabel>,
    threads: Table<ThreadLabel>,
    /// For [`STARTED`] and [`STOPPED`].
    origin: Instant,
}

/// When the profile was started and stopped, in nanoseconds from the origin. `u64::MAX`: not yet.
static STARTED: AtomicU64 = AtomicU64::new(u64::MAX);
static STOPPED: AtomicU64 = AtomicU64::new(u64::MAX);

#[derive(Clone, Copy)]
struct LineLabel {
    kind: &'static str,
    location: &'static Location<'static>,
}

#[derive(Clone, Copy)]
struct ObjectLabel {
    kind: &'static str,
    address: usize,
    /// Where a thread waited for it last.
    location: &'static Location<'static>,
}

#[derive(Clone)]
struct ThreadLabel {
    id: u64,
    record: Option<ThreadRecord>,
}

thread_local! {
    /// The last wait of this thread that was counted. Without a destructor, so that it is there
    /// until the thread's end, and takes no memory of the allocator.
    static LAST: Cell<Option<LastWait>> = const { Cell::new(None) };
}

/// A wait that has been counted, and goes on if its thread parks again.
#[derive(Clone, Copy)]
struct LastWait {
    since: Instant,
    address: usize,
    nanos: u64,
}

impl Tables {
    fn new() -> Tables {
        Tables {
            lines: Table::new(LINES),
            objects: Table::new(OBJECTS),
            threads: Table::new(THREADS),
            origin: Instant::now(),
        }
    }

    fn now(&self) -> u64 {
        nanos_between(self.origin, Instant::now())
    }

    fn clear(&self) {
        self.lines.clear();
        self.objects.clear();
        self.threads.clear();
    }

    /// The time for which the profile has been on since its last start.
    fn elapsed(&self) -> u64 {
        let started = STARTED.load(Relaxed);
        STOPPED
            .load(Relaxed)
            .min(self.now())
            .saturating_sub(started)
    }
}

/// Starts the profile, with nothing counted. Does nothing if it is on.
pub fn start() {
    let tables = TABLES.get_or_init(|| Box::new(Tables::new()));
    if IS_ON.load(Relaxed) {
        return;
    }
    tables.clear();
    STARTED.store(tables.now(), Relaxed);
    STOPPED.store(u64::MAX, Relaxed);
    observer::set(User::Profile, &IS_ON, true);
}

/// Stops the profile. The counts can still be [`read`].
pub fn stop() {
    if observer::set(User::Profile, &IS_ON, false)
        && let Some(tables) = TABLES.get()
    {
        STOPPED.store(tables.now(), Relaxed);
    }
}

/// Returns whether the profile is on.
pub fn is_on() -> bool {
    IS_ON.load(Relaxed)
}

/// Returns what has been counted since the last [`start`].
pub fn read() -> Profile {
    TABLES.get().map_or_else(Profile::default, report::read)
}

/// Counts a wait. Follows the rules of an observer.
pub(crate) fn waited(wait: &Wait, now: Instant) {
    // Relaxed: see `observer::set`. The tables have a synchronization of their own.
    if !IS_ON.load(Relaxed) {
        return;
    }
    let Some(tables) = TABLES.get() else {
        return;
    };
    let nanos = nanos_between(wait.since, now);
    let last = LAST.replace(Some(LastWait {
        since: wait.since,
        address: wait.address,
        nanos,
    }));
    let goes_on = |last: &LastWait| (last.since, last.address) == (wait.since, wait.address);
    let counted = Counted {
        nanos,
        before: last.filter(goes_on).map(|last| last.nanos),
        holder: wait.holder,
        end: wait.end,
    };

    let (slot, id) = peek_slot_and_id();
    // Not zero, and not the main thread's: a thread without an id is being registered.
    let thread = if id == 0 { u64::MAX } else { id };
    let mut is_known = true;
    tables.threads.count(thread, counted, |label| {
        let label = label.get_or_insert(ThreadLabel { id, record: None });
        is_known = label.record.is_some();
    });
    if !is_known && slot != 0 {
        // Registered, so this only counts a reference.
        let record = tk_core::current();
        tables.threads.change_label(thread, |label| {
            if let Some(label) = label {
                label.record.get_or_insert_with(|| record.clone());
            }
        });
    }

    let kind = wait.kind.as_ptr().addr() as u64;
    let location = std::ptr::from_ref(wait.location).addr() as u64;
    // One line can wait for things of several kinds.
    let line = (location.rotate_left(32) ^ kind).max(1);
    tables.lines.count(line, counted, |label| {
        *label = Some(LineLabel {
            kind: wait.kind,
            location: wait.location,
        });
    });
    let object = ((wait.address as u64).rotate_left(32) ^ kind).max(1);
    tables.objects.count(object, counted, |label| {
        *label = Some(ObjectLabel {
            kind: wait.kind,
            address: wait.address,
            location: wait.location,
        });
    });
}

fn nanos_between(from: Instant, to: Instant) -> u64 {
    // Five hundred years are enough.
    u64::try_from(to.saturating_duration_since(from).as_nanos()).unwrap_or(u64::MAX)
}
