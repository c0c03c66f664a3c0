//! Taking a snapshot.

use std::collections::HashSet;
use std::time::{Instant, SystemTime};

use tk_core::__private::{ThreadRecordExt, slots};
use tk_core::{Owner, Slot, ThreadRecord, thread_at, thread_by_owner};

use crate::name::Names;
use crate::snapshot::{foreign_threads, state_of};
use crate::{Activity, Holder, Object, Snapshot, ThreadSnapshot, Wait, WaitLimit};

/// Returns what all threads do at this moment: which run, which wait, and then for what, for how
/// long, at which line of the program, and for which thread.
///
/// Call it when the program hangs, and print the result. It waits for no other thread, so it
/// returns however the program hangs. It allocates memory, so don't call it in a signal handler: see
/// [`install`](crate::install()). The threads are looked at one after another, while they run.
///
/// On Linux, the result also has the threads that have never used the kit, and says of a thread
/// that is in no wait of the kit whether it sleeps in a system call.
///
/// ```
/// println!("{}", tk_watch::dump());
/// ```
#[doc(alias = "jstack")]
#[doc(alias = "faulthandler")]
pub fn dump() -> Snapshot {
    // A thread that has not used the kit before is registered by this, and listed.
    tk_core::current();
    let (now, names) = (Instant::now(), Names::now());
    let mut threads: Vec<ThreadSnapshot> = (1..=slots())
        .filter_map(|number| thread_at(Slot::new(u32::try_from(number).ok()?)?))
        .filter(|record| !record.is_gone())
        .map(|record| look_at(&record, now, &names))
        .collect();
    threads.sort_by_key(|thread| thread.id);
    threads.dedup_by_key(|thread| thread.id);
    let known: HashSet<u64> = threads
        .iter()
        .filter_map(|thread| thread.native_id)
        .collect();
    Snapshot {
        process: std::process::id(),
        taken: SystemTime::now(),
        threads,
        foreign: foreign_threads(&known),
        deadlocks: Vec::new(),
    }
}

fn look_at(record: &ThreadRecord, now: Instant, names: &Names) -> ThreadSnapshot {
    let activity = match record.blocked_on() {
        None => Activity::Runs(record.native_id().and_then(state_of)),
        Some(wait) => Activity::Waits(Wait {
            object: Object {
                kind: wait.kind(),
                address: wait.address(),
                name: names.of(wait.address()).map(str::to_owned),
            },
            waited: now.saturating_duration_since(wait.since()),
            location: wait.location(),
            limit: WaitLimit::Unknown,
            holders: wait.holder().map(holder).into_iter().collect(),
            only_holders_can_end_it: false,
        }),
    };
    ThreadSnapshot {
        id: record.id().get(),
        slot: record.slot().get(),
        name: record.name().to_string(),
        native_id: record.native_id(),
        is_main: record.is_main(),
        is_daemon: record.is_daemon(),
        is_service: !record.is_listed(),
        activity,
    }
}

fn holder(owner: Owner) -> Holder {
    let record = thread_by_owner(owner);
    Holder {
        id: owner.is_known().then(|| owner.get().into()),
        name: record.as_ref().map(|record| record.name().to_string()),
        is_gone: record.is_some_and(|record| record.is_gone()),
    }
}
