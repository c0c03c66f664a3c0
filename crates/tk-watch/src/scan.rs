//! A look at the waits of all threads, one after another.

use std::collections::HashMap;

use tk_core::__private::{ThreadRecordExt, slots};
use tk_core::{Owner, Slot, ThreadRecord, thread_at};
use tk_park::__private::{Holders, Look, look_at};

/// All threads of the kit, and what they wait for. There was one look at each, at a time of its
/// own.
pub(crate) struct Scan {
    pub(crate) threads: Vec<Seen>,
    by_owner: HashMap<Owner, usize>,
}

/// A thread in a scan.
pub(crate) struct Seen {
    pub(crate) record: ThreadRecord,
    pub(crate) wait: Option<SeenWait>,
}

/// The wait of a thread, as one look has found it.
#[derive(Clone)]
pub(crate) struct SeenWait {
    pub(crate) look: Look,
    /// The threads that held the thing.
    pub(crate) holders: Vec<Owner>,
    /// Whether holders may be missing for a moment.
    pub(crate) is_changing: bool,
}

impl Seen {
    /// The thread's number in the system. That of the main thread is known also if that has not
    /// used the kit yet.
    pub(crate) fn native_id(&self) -> Option<u64> {
        let is_main = || cfg!(target_os = "linux") && self.record.is_main();
        let main = || is_main().then(|| std::process::id().into());
        self.record.native_id().or_else(main)
    }

    /// Whether the thread serves this crate.
    pub(crate) fn is_of_watcher(&self) -> bool {
        !self.record.is_listed() && self.record.name().starts_with(crate::watcher::NAME)
    }

    /// Whether the thread serves this crate, and calls none of the program's code, which might wake
    /// other threads.
    pub(crate) fn only_watches(&self) -> bool {
        self.is_of_watcher() && *self.record.name() != *crate::call::NAME
    }
}

impl SeenWait {
    /// The holders without which the wait does not end. None if it ends by itself or by others.
    pub(crate) fn certain_holders(&self) -> &[Owner] {
        if self.look.is_unlimited() && self.look.only_holders_can_end_it {
            &self.holders
        } else {
            &[]
        }
    }
}

/// Looks at the wait of this thread.
pub(crate) fn see(record: &ThreadRecord) -> Option<SeenWait> {
    let mut room = 8;
    loop {
        // The look allocates nothing, because the thread may be in the allocator.
        let mut owners = Vec::with_capacity(room);
        let mut holders = Holders::new(&mut owners);
        let look = look_at(record, &mut holders)?;
        let (is_full, is_changing) = (holders.is_full(), holders.is_changing());
        if !is_full {
            return Some(SeenWait {
                look,
                holders: owners,
                is_changing,
            });
        }
        room *= 4;
    }
}

impl Scan {
    /// Looks at all threads that exist, in the order of their ids.
    pub(crate) fn now() -> Scan {
        let slot = |number: usize| Slot::new(u32::try_from(number).ok()?);
        let records = (1..=slots()).filter_map(|number| thread_at(slot(number)?));
        // A thread whose last destructors run is not alive any more, and may wait.
        // An OS thread that is another thread for a while, as in a timer's function, is seen as
        // that one only. If it changes back unseen, it is in no scan, and counts as foreign.
        let existing = records.filter(|record| !record.is_gone() && !record.is_suspended());
        let mut threads: Vec<Seen> = existing
            .map(|record| Seen {
                wait: see(&record),
                record,
            })
            .collect();
        // A thread that used the kit after it had left the registry may have two records. The one
        // with a wait comes first.
        threads.sort_by_key(|seen| (seen.record.id(), seen.wait.is_none()));
        threads.dedup_by_key(|seen| seen.record.id());
        let owners = threads.iter().enumerate();
        let by_owner = owners
            .map(|(at, seen)| (seen.record.owner(), at))
            .filter(|(owner, _)| owner.is_known())
            .collect();
        Scan { threads, by_owner }
    }

    /// The place of this thread in the scan.
    pub(crate) fn position(&self, owner: Owner) -> Option<usize> {
        self.by_owner.get(&owner).copied()
    }

    /// Whether a list of holders was being changed, so that the scan may lack some.
    pub(crate) fn is_changing(&self) -> bool {
        let mut waits = self.threads.iter().filter_map(|seen| seen.wait.as_ref());
        waits.any(|wait| wait.is_changing)
    }
}
