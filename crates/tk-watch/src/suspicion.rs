//! The suspicion that the program hangs, because all its threads wait without a limit.
//!
//! | event | the next look |
//! |---|---|
//! | a wait has lasted for long | soon, but at least [`SHORTEST_PAUSE`] after the last one |
//! | a look finds a wait without a limit | after a pause that doubles, up to [`LONGEST_PAUSE`] |
//! | a look finds none | none |
//!
//! # Invariants
//!
//! **Looked at until it ends.** While a thread waits without a limit, the next look is due. A
//! report of a wait is not enough. If looks came only with reports, this hang would be missed:
//!
//! 1. The main thread waits for an event, and reports that. A worker still runs, so the look finds
//!    no hang.
//! 2. The worker panics before it sets the event. No wait begins with that, so no thread reports
//!    anything.
//!
//! **At one moment.** A scan looks at one thread after another, so it may find two threads waiting
//! that wake each other in turn. So there are two scans, and a hang is reported only if both find
//! the same waits. Then all threads waited when the first scan was over. The threads that have
//! never used the kit are listed between the two scans.
//!
//! **Once.** A hang is known by the waits of the threads that the program can see. It is not
//! reported again while these are the same.

use std::sync::Arc;
use std::time::{Duration, Instant};

use log::Level;
use tk_core::__private::ThreadRecordExt;

use crate::detect::{self, Outlook, Reported};
use crate::install::Settings;
use crate::output::write_aside;
use crate::scan::{Scan, Seen, SeenWait};
use crate::snapshot::{ForeignThreads, foreign_threads};
use crate::watcher::{earlier, places};

const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// When to look whether all threads wait, and what has been reported.
pub(crate) struct Suspicion {
    due: Option<Instant>,
    /// No look comes before this.
    earliest: Instant,
    /// The time from the next look to the one after it, if no report comes in between.
    pause: Duration,
    reported: Waits,
}

/// Threads by their ids, and the numbers of their waits.
type Waits = Vec<(u64, u64)>;

impl Suspicion {
    pub(crate) fn new(now: Instant) -> Suspicion {
        Suspicion {
            due: None,
            earliest: now,
            pause: SHORTEST_PAUSE,
            reported: Waits::new(),
        }
    }

    /// When the next look is due.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// A wait has lasted for long, or the settings have changed.
    pub(crate) fn hear(&mut self) {
        self.pause = SHORTEST_PAUSE;
        self.due = earlier(self.due, Some(self.earliest));
    }

    /// Looks whether all threads wait without a limit, if it is time, and reports that once.
    pub(crate) fn look_if_due(&mut self, settings: &Settings, now: Instant) {
        if self.due.is_none_or(|at| at > now) {
            return;
        }
        self.earliest = now + SHORTEST_PAUSE;
        let scan = settings.finds_deadlocks().then(Scan::now);
        self.plan(now, scan.as_ref().is_some_and(may_hang));
        let Some(waits) = scan.and_then(hang) else {
            return;
        };
        if self.is_new(waits) {
            let text = format!(
                "all threads wait without a limit, and no timer is pending: only a signal or \
                 another process can wake them\n{}",
                crate::dump()
            );
            write_aside(places(settings), Level::Warn, Arc::from(text));
        }
    }

    /// Sets the time of the next look: Looked at until it ends.
    fn plan(&mut self, now: Instant, may_hang: bool) {
        self.due = may_hang.then(|| now + self.pause);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }

    /// Notes the hang. Returns whether it has not been reported.
    fn is_new(&mut self, waits: Waits) -> bool {
        let is_new = self.reported != waits;
        self.reported = waits;
        is_new
    }
}

/// Whether a thread waits without a limit, so that it may come to wait forever.
fn may_hang(scan: &Scan) -> bool {
    let waits = |seen: &Seen| seen.wait.as_ref().is_some_and(|it| it.look.is_unlimited());
    // Where the system does not list threads, a look reports nothing.
    cfg!(target_os = "linux")
        && (scan.threads.iter()).any(|seen| seen.record.is_listed() && waits(seen))
}

/// Returns the waits of the threads that the program can see, if no thread can go on, and no
/// deadlock has been found that says why.
fn hang(scan: Scan) -> Option<Waits> {
    let before = waits_of_all(&scan)?;
    let known = scan.threads.iter().filter_map(Seen::native_id);
    match foreign_threads(&known.collect()) {
        ForeignThreads::Known(threads) if threads.is_empty() => {}
        _ => return None,
    }
    // At one moment.
    let scan = Scan::now();
    if waits_of_all(&scan)? != before {
        return None;
    }
    let (deadlocks, _) = detect::deadlocks(&scan, &mut Reported::default(), Outlook::Stuck);
    if !deadlocks.is_empty() {
        return None;
    }
    let listed = scan.threads.iter().filter(|seen| seen.record.is_listed());
    let waits: Waits = listed.filter_map(key).collect();
    (!waits.is_empty()).then_some(waits)
}

fn key(seen: &Seen) -> Option<(u64, u64)> {
    let wait = seen.wait.as_ref()?;
    Some((seen.record.id().get(), wait.look.number))
}

/// Returns the waits of all threads, if none of them ends by itself.
fn waits_of_all(scan: &Scan) -> Option<Waits> {
    let others = (scan.threads.iter()).filter(|seen| seen.wait.is_some() || !seen.only_watches());
    others
        .map(|seen| {
            let lasts = seen.wait.as_ref().is_some_and(|wait| lasts(scan, wait));
            // The service of timers waits without a limit if no timer is pending.
            lasts.then(|| key(seen)).flatten()
        })
        .collect()
}

/// Whether this wait has no limit. A join of a thread that is gone ends in a moment.
fn lasts(scan: &Scan, wait: &SeenWait) -> bool {
    let is_there = |owner| scan.position(owner).is_some();
    let has_ended = wait.look.ends_with_holders
        && !wait.holders.is_empty()
        && !wait.holders.iter().copied().any(is_there);
    wait.look.is_unlimited() && !has_ended
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_come_less_often_and_end_with_the_waits() {
        let start = Instant::now();
        let mut suspicion = Suspicion::new(start);
        assert_eq!(suspicion.due(), None);
        suspicion.hear();
        assert_eq!(suspicion.due(), Some(start));
        let mut now = start;
        for pause in [1, 2, 4, 8, 10, 10] {
            suspicion.plan(now, true);
            assert_eq!(suspicion.due(), Some(now + Duration::from_secs(pause)));
            now += Duration::from_secs(pause);
        }
        suspicion.plan(now, false);
        assert_eq!(suspicion.due(), None);
        suspicion.hear();
        suspicion.plan(now, true);
        assert_eq!(suspicion.due(), Some(now + SHORTEST_PAUSE));
    }

    #[test]
    fn a_hang_is_new_once_and_each_other_hang_too() {
        let mut suspicion = Suspicion::new(Instant::now());
        assert!(suspicion.is_new(vec![(1, 7)]));
        assert!(!suspicion.is_new(vec![(1, 7)]));
        assert!(suspicion.is_new(vec![(1, 8)]));
        assert!(suspicion.is_new(vec![(1, 8), (2, 1)]));
    }
}
