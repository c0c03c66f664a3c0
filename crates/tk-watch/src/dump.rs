//! Taking a snapshot.

use std::collections::HashSet;
use std::time::{Instant, SystemTime};

use tk_core::__private::ThreadRecordExt;
use tk_core::{Owner, thread_by_owner};
use tk_park::__private::LookLimit;

use crate::detect::{self, Found, Outlook, Reported};
use crate::name::Names;
use crate::scan::{Scan, Seen, SeenWait};
use crate::snapshot::{foreign_threads, state_of};
use crate::{
    Activity, Deadlock, DeadlockKind, Holder, Member, Object, Snapshot, ThreadSnapshot, Wait,
    WaitLimit,
};

/// Returns what all threads do at this moment: which run, which wait, and then for what, for how
/// long, at which line of the program, and for which thread.
///
/// Call it when the program hangs, and print the result. It waits for no other thread, so it
/// returns however the program hangs. It allocates memory, so don't call it in a signal handler:
/// see [`install`](crate::install()). The threads are looked at one after another, while they run.
/// The deadlocks in it are certain nevertheless: each of their threads has been looked at again.
///
/// On Linux, the result also has the threads that have never used the kit, and says of a thread
/// that is in no wait of the kit whether it sleeps in a system call. The threads of this crate are
/// left out.
///
/// ```
/// println!("{}", tk_watch::dump());
/// ```
#[doc(alias = "jstack")]
#[doc(alias = "findDeadlockedThreads")]
#[doc(alias = "faulthandler")]
pub fn dump() -> Snapshot {
    // A thread that has not used the kit before is registered by this, and listed.
    tk_core::current();
    let scan = Scan::now();
    let (found, _) = detect::deadlocks(&scan, &mut Reported::default(), Outlook::Stuck);
    let describer = Describer::new(&scan);
    let known: HashSet<u64> = scan.threads.iter().filter_map(Seen::native_id).collect();
    let others = scan.threads.iter().filter(|seen| !seen.is_of_watcher());
    let threads = others.map(|seen| describer.thread(seen)).collect();
    Snapshot {
        process: std::process::id(),
        taken: SystemTime::now(),
        foreign: foreign_threads(&known),
        deadlocks: found
            .iter()
            .map(|found| describer.deadlock(found))
            .collect(),
        threads,
    }
}

/// Says what a scan has found, with names.
pub(crate) struct Describer<'a> {
    scan: &'a Scan,
    names: Names,
    now: Instant,
}

impl<'a> Describer<'a> {
    pub(crate) fn new(scan: &'a Scan) -> Describer<'a> {
        Describer {
            scan,
            names: Names::now(),
            now: Instant::now(),
        }
    }

    fn thread(&self, seen: &Seen) -> ThreadSnapshot {
        let record = &seen.record;
        ThreadSnapshot {
            id: record.id().get(),
            slot: record.slot().get(),
            name: record.name().to_string(),
            native_id: seen.native_id(),
            is_main: record.is_main(),
            is_daemon: record.is_daemon(),
            is_service: !record.is_listed(),
            activity: match &seen.wait {
                Some(wait) => Activity::Waits(self.wait(wait)),
                None => Activity::Runs(seen.native_id().and_then(state_of)),
            },
        }
    }

    fn wait(&self, seen: &SeenWait) -> Wait {
        let look = &seen.look;
        Wait {
            object: Object {
                kind: if look.is_moved {
                    "lock"
                } else {
                    look.wait.kind()
                },
                address: look.address,
                name: self.names.of(look.address).map(str::to_owned),
            },
            waited: self.now.saturating_duration_since(look.wait.since()),
            location: look.wait.location(),
            limit: look
                .limit
                .map_or(WaitLimit::Unknown, |limit| self.limit(limit)),
            holders: seen
                .holders
                .iter()
                .map(|owner| self.holder(*owner))
                .collect(),
            only_holders_can_end_it: look.only_holders_can_end_it,
        }
    }

    fn limit(&self, LookLimit { deadline, has_stop }: LookLimit) -> WaitLimit {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(self.now));
        match (left, has_stop) {
            (None, false) => WaitLimit::None,
            (None, true) => WaitLimit::Stop,
            (Some(left), false) => WaitLimit::Deadline(left),
            (Some(left), true) => WaitLimit::DeadlineOrStop(left),
        }
    }

    fn holder(&self, owner: Owner) -> Holder {
        let seen = self.scan.position(owner);
        let record = match seen {
            Some(position) => Some(self.scan.threads[position].record.clone()),
            None => thread_by_owner(owner),
        };
        Holder {
            id: owner.is_known().then(|| owner.get().into()),
            name: record.as_ref().map(|record| record.name().to_string()),
            is_gone: seen.is_none() && record.is_some_and(|record| record.has_exited()),
        }
    }

    pub(crate) fn deadlock(&self, found: &Found) -> Deadlock {
        let members = found.members.iter().map(|link| {
            let record = &self.scan.threads[link.position].record;
            let mut waits_for = self.holder(link.waits_for);
            // Also if its record has been replaced since.
            waits_for.is_gone |= found.kind == DeadlockKind::HolderGone;
            Member {
                id: record.id().get(),
                name: record.name().to_string(),
                wait: self.wait(&link.wait),
                waits_for,
            }
        });
        let id = |position: &usize| self.scan.threads[*position].record.id().get();
        Deadlock {
            kind: found.kind,
            members: members.collect(),
            victims: found.victims.iter().map(id).collect(),
        }
    }
}
