//! The watcher: a thread that sleeps until a wait has lasted for long, and then looks for
//! deadlocks.
//!
//! | cause of a wake-up | action |
//! |---|---|
//! | a report of a wait for something held | looks for deadlocks |
//! | a report of any wait, or the time of the next look | looks whether all threads wait |
//! | a scan that has found something in motion | looks again, a moment later |
//! | the time of a watchdog, or of a dump that was asked for | writes a dump |
//!
//! While no thread waits without a limit for long, it is never woken. `suspicion.rs` has the looks
//! whether all threads wait.
//!
//! # Invariants
//!
//! **The bell is heard.** A report sets a bit of the bell, and unparks the watcher if the bit was
//! not set. The watcher takes all bits before it looks, and looks at the bell once more before it
//! parks. If it did not, this could happen:
//!
//! 1. The watcher waits for something else in the standard library, which parks it for that.
//! 2. A thread sets a bit, and unparks the watcher. That ends no wait but the one of step 1.
//! 3. The watcher parks. The bit is set, so no report unparks it any more.
//!
//! **No wait of the watcher.** The program's code, which is a hook or a logger, may wait for one of
//! the threads that hang, and so may a write to a pipe. So both run in threads of their own (see
//! `call.rs`). The watcher does not wait for them, except before an abort, and then for a second
//! for the report and one for the hooks at most.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::*};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use log::Level;
use tk_core::__private::fork::{Mutex, generation};
use tk_core::__private::{RegistrationExt, call_guarded};
use tk_core::Registration;
use tk_park::__private::{Report, break_wait, watch};

use crate::call::{self, Call, call_in_turn};
use crate::detect::{self, Completeness, Found, Outlook, Reported};
use crate::dump::Describer;
use crate::install::{Hook, Reaction, Settings};
use crate::output::{Destination, write_aside};
use crate::scan::Scan;
use crate::suspicion::Suspicion;
use crate::{Deadlock, watchdog};

/// The name of the thread, and the beginning of those of others that serve this crate.
pub(crate) const NAME: &str = "tk-watch";

const HELD: u32 = 1;
const FREE: u32 = 1 << 1;
/// The settings or the watchdogs have changed.
const CHANGED: u32 = 1 << 2;

static BELL: AtomicU32 = AtomicU32::new(0);

/// The thread of the watcher, and the process that it is in.
static THREAD: Mutex<Option<(u32, Thread)>> = Mutex::constant(None);

/// The least time from the beginning of a scan to that of the next one. If ten times what the scan
/// took is longer, that is the time, so that a program in which many threads wait for long loses at
/// most a tenth of one processor.
const BETWEEN_SCANS: Duration = Duration::from_millis(40);
/// The limit of that time, so that deadlocks are found in time even with so many threads that a
/// scan takes long.
const LONGEST_REST: Duration = Duration::from_millis(400);

/// Called by a thread that waits: allocates nothing.
fn hear(report: Report) {
    ring(match report {
        Report::Held => HELD,
        Report::Free => FREE,
    });
}

fn ring(bit: u32) {
    // Release: pairs with the Acquire in `run`. The bell is heard.
    if BELL.fetch_or(bit, Release) & bit == 0 {
        // A statement of its own, so that the lock is released before `unpark`.
        let thread = THREAD.lock().clone();
        if let Some((process, thread)) = thread
            && process == generation()
        {
            thread.unpark();
        }
    }
}

/// Makes the watcher look at the settings and the watchdogs again.
pub(crate) fn note_change() {
    ring(CHANGED);
}

/// Starts the watcher, unless it runs in this process.
pub(crate) fn start() -> io::Result<()> {
    let here = generation();
    let is_here = |thread: &Option<(u32, Thread)>| {
        thread.as_ref().is_some_and(|(process, _)| *process == here)
    };
    if !is_here(&THREAD.lock()) {
        // The bits of the parent would keep the bell from ringing.
        BELL.store(0, Relaxed);
        let registration = Registration::unlisted(NAME);
        let handle = thread::Builder::new().name(NAME.into()).spawn(move || {
            registration.begin();
            if wait_until_chosen() {
                run();
            }
        })?;
        let mut thread = Some((here, handle.thread().clone()));
        let mut chosen = THREAD.lock();
        if !is_here(&chosen) {
            std::mem::swap(&mut *chosen, &mut thread);
        }
        drop(chosen);
        // This is the parent's thread, if there was one, or the new one, if another was chosen.
        drop(thread);
        handle.thread().unpark();
    }
    watch(hear);
    Ok(())
}

/// Makes the watcher look at all: threads may have waited for long before it was told to.
pub(crate) fn look_again() {
    ring(HELD | FREE);
}

/// Whether the calling thread is the watcher of this process. Another thread may have started one
/// at the same time.
fn wait_until_chosen() -> bool {
    loop {
        let chosen = THREAD.lock().clone();
        if let Some((process, chosen)) = chosen
            && process == generation()
        {
            return chosen.id() == thread::current().id();
        }
        thread::park();
    }
}

pub(crate) fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    one.into_iter().chain(other).min()
}

fn run() {
    let mut reported = Reported::default();
    let mut due_scan = None;
    let mut next_scan = Instant::now();
    let mut suspicion = Suspicion::new(next_scan);
    loop {
        // Acquire: pairs with the Release in `ring`.
        let bell = BELL.swap(0, Acquire);
        if bell & HELD != 0 {
            due_scan = earlier(due_scan, Some(next_scan));
        }
        if bell != 0 {
            suspicion.hear();
        }
        let now = Instant::now();
        let settings = Settings::current();
        if due_scan.is_some_and(|at| at <= now) {
            due_scan = None;
            if settings.finds_deadlocks() {
                let scan = Scan::now();
                let outlook = match settings.reaction() {
                    Reaction::Panic => Outlook::Broken,
                    Reaction::Report | Reaction::Abort => Outlook::Stuck,
                };
                let (found, completeness) = detect::deadlocks(&scan, &mut reported, outlook);
                next_scan = now + (now.elapsed() * 10).clamp(BETWEEN_SCANS, LONGEST_REST);
                for found in found {
                    react(&settings, &scan, &found);
                }
                if completeness == Completeness::Repeat {
                    due_scan = Some(next_scan);
                }
            }
        }
        suspicion.look_if_due(&settings, now);
        let other = earlier(settings.dump_if_due(now), watchdog::bark(&settings, now));
        let next = earlier(earlier(due_scan, suspicion.due()), other);
        // The bell is heard. Relaxed: the swap acquires.
        if BELL.load(Relaxed) != 0 {
            continue;
        }
        match next {
            None => thread::park(),
            Some(next) => thread::park_timeout(next.saturating_duration_since(Instant::now())),
        }
    }
}

fn react(settings: &Settings, scan: &Scan, found: &Found) {
    let deadlock = Describer::new(scan).deadlock(found);
    let mut text = format!("deadlock: {deadlock}");
    if settings.reaction() == Reaction::Panic && !break_last(scan, found, &text) {
        text.push_str("\nno thread of the deadlock is in a call that can panic");
    }
    let report = write_aside(places(settings), Level::Error, Arc::from(text));
    let deadlock = Arc::new(deadlock);
    let calls: Vec<Call> = settings
        .hooks()
        .iter()
        .filter_map(|hook| call_hook(hook, &deadlock, report.clone()))
        .collect();
    if settings.reaction() == Reaction::Abort {
        if let Some(report) = report {
            report.wait_until(Instant::now() + call::PATIENCE);
        }
        let end = Instant::now() + call::PATIENCE;
        calls.iter().for_each(|call| call.wait_until(end));
        std::process::abort();
    }
}

/// Calls a hook when the report has been written, or does not get anywhere.
fn call_hook(hook: &Arc<Hook>, deadlock: &Arc<Deadlock>, report: Option<Call>) -> Option<Call> {
    let (called, deadlock) = (Arc::clone(hook), Arc::clone(deadlock));
    let call = call_in_turn(Arc::clone(&hook.line), move || {
        if let Some(report) = report {
            report.wait_until(Instant::now() + call::PATIENCE);
        }
        call_guarded(|| (called.f)(&deadlock));
        // The program's code too, if it is the last of its kind.
        call_guarded(|| drop(called));
    });
    if let Err(refused) = &call {
        let text = format!("tk-watch: no call of a hook for a deadlock: {refused}");
        write_aside(vec![Destination::Stderr], Level::Error, Arc::from(text));
    }
    call.ok()
}

/// Returns the destinations of reports: the logger, if there is one, and the standard error if
/// there is none, or if the process is about to abort, which the logger may not survive.
pub(crate) fn places(settings: &Settings) -> Vec<Destination> {
    let mut places = settings.report_destinations();
    let is_silent = log::max_level() == log::LevelFilter::Off;
    if !is_silent {
        places.push(Destination::Log);
    }
    if (is_silent || settings.reaction() == Reaction::Abort)
        && !places.iter().any(Destination::is_stderr)
    {
        places.push(Destination::Stderr);
    }
    places
}

/// Ends the wait of the deadlock's key, or else the last one that a panic can end.
fn break_last(scan: &Scan, found: &Found, text: &str) -> bool {
    let mut links = detect::breakable(&found.members);
    // Stable: behind the key, the order stays.
    links.sort_by_key(|link| Some(link.position) != found.key);
    links.iter().any(|link| {
        let record = &scan.threads[link.position].record;
        break_wait(record, link.wait.look.number, Arc::from(text))
    })
}
