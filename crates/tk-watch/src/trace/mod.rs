//! A trace for Perfetto: what threads wait for over time, and which thread wakes which.
//!
//! A trace is off until [`start`] is called. While it is on, each thread that waits in the kit or
//! wakes another thread writes that into a ring of its own. [`write_to`] and [`save`] write the
//! rings as a file that [Perfetto](https://ui.perfetto.dev) and `chrome://tracing` open.
//!
//! ```
//! use tk_event::Event;
//!
//! tk_watch::trace::start();
//! let event = Event::new();
//! std::thread::scope(|s| {
//!     s.spawn(|| event.wait());
//!     # while !tk_thread::dump().to_string().contains("event") { std::thread::yield_now() }
//!     event.set();
//! });
//! tk_watch::trace::stop();
//!
//! let mut file = Vec::new();
//! tk_watch::trace::write_to(&mut file)?;
//! assert!(String::from_utf8(file).unwrap().contains("event"));
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # What it shows
//!
//! - A row for each thread, with its name and id. Threads of the same name that followed one
//!   another in the same [slot](tk_core::Slot) share a row, so that the calls of a timer, or a
//!   thousand short-lived workers, do not make a thousand rows.
//! - A slice for each time that a thread slept in a wait: from the call, or from its last sleep in
//!   the same call, until it woke up. It has the kind, the address and the source line of the wait,
//!   the thread that held the object, and how the wait ended.
//! - A slice without a length for each wake-up, in the row of the thread that woke another, and an
//!   arrow from there to the end of the wait. A stop request wakes threads too.
//! - A slice from the start of a thread of the kit to its end, and for each call of a timer's
//!   function.
//! - Waits that go on when the file is written.
//!
//! # Memory and cost
//!
//! The rings are made by [`start`], and nothing is allocated later. A full ring overwrites its
//! oldest events. If there are more threads than rings, threads share rings. The file says how many
//! events were overwritten, and how many were lost because another thread was using the ring at
//! that moment. [`Options`] sets the sizes: by default, 256 rings of 1024 events take 16 MB, of
//! which the system provides the used part. The records of up to 8192 threads and calls that have
//! ended are kept, so that they have names; the file says how many have none. [`clear`] gives all
//! of it back.
//!
//! In the child of a fork, the trace goes on with empty rings.

mod chrome;
mod ring;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use once_cell::race::OnceBox;
use tk_core::__private::fork::Mutex;
use tk_core::Owner;
use tk_core::enumerate;
use tk_park::__private::Wait;
use tk_thread::{ThreadHook, on_thread_exit, on_thread_start};

use crate::observer::{self, User};
use ring::{Waited, What};

static IS_ON: AtomicBool = AtomicBool::new(false);

/// The origin of all times, which never changes once it is set.
static ORIGIN: OnceBox<Instant> = OnceBox::new();
/// When the trace was started and stopped. `u64::MAX`: it has not been stopped.
static STARTED: AtomicU64 = AtomicU64::new(0);
static STOPPED: AtomicU64 = AtomicU64::new(0);

/// The hooks for the start and the end of threads, while the trace is on.
static HOOKS: Mutex<Option<[ThreadHook; 2]>> = Mutex::constant(None);

/// The sizes of a trace.
///
/// ```
/// tk_watch::trace::Options::new().threads(16).events_per_thread(100).start();
/// # tk_watch::trace::stop();
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    threads: usize,
    events: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options::new()
    }
}

impl Options {
    /// The default sizes: 256 threads, 1024 events for each.
    pub fn new() -> Options {
        Options {
            threads: 256,
            events: 1024,
        }
    }

    /// Sets the number of threads that have rings of their own, from 1 to 4096. A value outside of
    /// that is taken as the nearest one inside.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Options {
        self.threads = threads.clamp(1, ring::MOST_RINGS);
        self
    }

    /// Sets the number of events that a ring has room for, from 1 to a million. A value outside of
    /// that is taken as the nearest one inside.
    #[must_use]
    pub fn events_per_thread(mut self, events: usize) -> Options {
        self.events = events.clamp(1, 1_000_000);
        self
    }

    /// Starts a trace of these sizes, with empty rings. Does nothing if a trace is on. If there is
    /// too little memory, some rings have no room, and what they should hold counts as lost.
    pub fn start(&self) {
        if IS_ON.load(Relaxed) {
            return;
        }
        let rings = ring::prepare(self.threads, self.events);
        // The threads that are registered already. Later ones are noted when they write their first
        // event.
        for thread in enumerate() {
            rings.remember(thread);
        }
        STARTED.store(nanos(Instant::now()), Relaxed);
        STOPPED.store(u64::MAX, Relaxed);
        let hooks = [
            on_thread_start(|_| note(What::Begins)),
            on_thread_exit(|_| note(What::Ends)),
        ];
        let old = HOOKS.lock().replace(hooks);
        drop(old);
        observer::set(User::Trace, &IS_ON, true);
    }
}

/// Starts a trace with the default [`Options`]. Does nothing if a trace is on.
pub fn start() {
    Options::new().start();
}

/// Stops the trace. It can still be written.
pub fn stop() {
    if observer::set(User::Trace, &IS_ON, false) {
        STOPPED.store(nanos(Instant::now()), Relaxed);
        let hooks = HOOKS.lock().take();
        drop(hooks);
    }
}

/// Stops the trace, and gives its memory back.
pub fn clear() {
    stop();
    if let Some(rings) = ring::rings() {
        rings.free();
    }
}

/// Returns whether a trace is on.
pub fn is_on() -> bool {
    IS_ON.load(Relaxed)
}

/// Writes what the rings have in the trace event format of Chrome, which is JSON. The trace may be
/// on or stopped. If there has been none, the file has no events.
///
/// # Errors
///
/// If `out` can't be written to.
pub fn write_to(out: impl Write) -> io::Result<()> {
    let mut out = BufWriter::new(out);
    chrome::write(&mut out)?;
    out.flush()
}

/// Writes the trace to a file, as [`write_to`] does. Replaces the file if it exists.
///
/// # Errors
///
/// If the file can't be created or written.
///
/// ```
/// let path = std::env::temp_dir().join("tk-watch-example.json");
/// tk_watch::trace::save(&path)?;
/// # std::fs::remove_file(path)?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn save(path: impl AsRef<Path>) -> io::Result<()> {
    write_to(File::create(path)?)
}

/// The time in nanoseconds from the origin. A time before the origin counts as the origin.
fn nanos(at: Instant) -> u64 {
    let origin = ORIGIN.get_or_init(|| Box::new(Instant::now()));
    let since = at.saturating_duration_since(*origin).as_nanos();
    // Five hundred years are enough.
    u64::try_from(since).unwrap_or(u64::MAX)
}

/// Writes the end of a wait. Follows the rules of an observer.
pub(crate) fn waited(wait: &Wait, now: Instant) {
    // Relaxed: see `observer::set`. The rings have a synchronization of their own.
    if IS_ON.load(Relaxed)
        && let Some(rings) = ring::rings()
    {
        let what = What::Waited(Waited {
            kind: wait.kind,
            address: wait.address,
            location: wait.location,
            since: nanos(wait.since),
            holder: wait.holder.map_or(0, Owner::get),
            end: wait.end,
        });
        rings.write(nanos(now), what);
    }
}

/// Writes that the calling thread wakes another. Follows the rules of an observer.
pub(crate) fn unparked(woken: Owner) {
    note(What::Wakes(woken.get()));
}

fn note(what: What) {
    if IS_ON.load(Relaxed)
        && let Some(rings) = ring::rings()
    {
        rings.write(nanos(Instant::now()), what);
    }
}
