//! Finding deadlocks: cycles of waits that are certain, and locks whose holder has exited.
//!
//! # When a cycle is certain
//!
//! A scan looks at all threads, one after another, while they run. It yields candidates. A
//! candidate is a cycle of threads, each of which waits without a limit for the next one. Its
//! threads are looked at twice more, in the order of the cycle: all of them once, then all of them
//! again. It is a deadlock if both looks find each thread in the same wait, in a queue (or in a
//! join by the system), and the next thread among those that hold what it waits for.
//!
//! Let X wait for what Y holds, and let Y be the next thread.
//!
//! 1. *Y waits during the looks.* Both looks at Y saw the same number of its wait. The number
//!    changes with each wait, so Y was in that wait from its first look to its second. A thread
//!    that is out of its queue does not come back in the same wait. So Y was in the queue all that
//!    time, and nothing was handed to it.
//! 2. *Y holds the thing.* One of the two looks at X falls between the two looks at Y: the second
//!    one, or for the last thread of the cycle, whose next is the first, the first one. That look
//!    found Y among the holders, with the queue locked, after a look at Y had synchronized with the
//!    begin of Y's wait. So it saw all that Y had done before, and what it saw is not a holding
//!    that Y had ended (`Holds` in tk-lock has this in detail).
//! 3. *X needs Y.* The wait of X has no limit and no stop token, and only the holders can end it:
//!    all of them must let go.
//!
//! At the moment of the first of the second looks, all this holds of all threads of the cycle. None
//! of them will run again before another one of them has. So none will.
//!
//! What can still move a thread: the watcher itself, which breaks a wait; a debugger; `unsafe` code
//! that releases a lock for another thread.
//!
//! # When a holder is gone
//!
//! A thread waits without a limit for a lock, which only its holder can release, and the system has
//! no thread any more that is the holder's. A look that comes after that found the lock held still.
//! Where the system can't say whether a thread has exited, nothing is certain, and nothing is
//! reported: a destructor may still release the lock.

use std::collections::HashSet;

use tk_core::__private::fork::is_lost;
use tk_core::__private::{ThreadRecordExt, can_detect_exit, has_unregistered_threads};
use tk_core::{Owner, ThreadRecord, thread_by_owner};
use tk_park::asymmetric_fence;

use crate::DeadlockKind;
use crate::graph::{components, leading_to, shortest_cycle};
use crate::scan::{Scan, SeenWait, see};

/// A deadlock, by the places of its threads in the scan.
pub(crate) struct Found {
    pub(crate) kind: DeadlockKind,
    pub(crate) members: Vec<Link>,
    pub(crate) victims: Vec<usize>,
}

/// A thread of a deadlock, its wait, and the thread that it waits for.
pub(crate) struct Link {
    pub(crate) position: usize,
    pub(crate) wait: SeenWait,
    pub(crate) waits_for: Owner,
}

/// The waits that belong to deadlocks which have been reported.
#[derive(Default)]
pub(crate) struct Reported(HashSet<(u64, u64)>);

impl Reported {
    fn key(record: &ThreadRecord, wait: &SeenWait) -> (u64, u64) {
        (record.id().get(), wait.look.number)
    }

    /// Forgets waits that have ended.
    fn retain_waits_of(&mut self, scan: &Scan) {
        if self.0.is_empty() {
            return;
        }
        let waits = scan.threads.iter().filter_map(|seen| {
            let wait = seen.wait.as_ref()?;
            Some(Reported::key(&seen.record, wait))
        });
        let now: HashSet<_> = waits.collect();
        self.0.retain(|key| now.contains(key));
    }
}

/// Whether another scan is due, because a thread may have been missed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Completeness {
    Complete,
    Repeat,
}

/// Finds the deadlocks of which at least one wait has not been reported, and notes them.
pub(crate) fn deadlocks(scan: &Scan, reported: &mut Reported) -> (Vec<Found>, Completeness) {
    reported.retain_waits_of(scan);
    let threads = &scan.threads;
    let certain = |position: usize| {
        let wait = threads[position].wait.as_ref();
        wait.map_or(&[][..], SeenWait::certain_holders)
    };
    let edges: Vec<Vec<usize>> = (0..threads.len())
        .map(|at| {
            certain(at)
                .iter()
                .filter_map(|owner| scan.position(*owner))
                .collect()
        })
        .collect();
    let mut found = Vec::new();
    let mut completeness = if scan.is_changing() {
        Completeness::Repeat
    } else {
        Completeness::Complete
    };
    let is_new = |reported: &Reported, at: usize| {
        let wait = threads[at].wait.as_ref();
        wait.is_some_and(|it| !reported.0.contains(&Reported::key(&threads[at].record, it)))
    };

    for (position, (_, is_cyclic)) in components(&edges).into_iter().enumerate() {
        if !is_cyclic || !is_new(reported, position) {
            continue;
        }
        let cycle = shortest_cycle(&edges, position).unwrap_or_default();
        match verify_cycle(scan, &cycle) {
            Some(members) => note(
                &edges,
                DeadlockKind::Cycle,
                members,
                scan,
                reported,
                &mut found,
            ),
            None => completeness = Completeness::Repeat,
        }
    }
    for (position, seen) in threads.iter().enumerate() {
        if seen
            .wait
            .as_ref()
            .is_none_or(|wait| wait.look.ends_with_holders)
        {
            // The end of the holder ends this wait, in a moment.
            continue;
        }
        for owner in certain(position) {
            if scan.position(*owner).is_some() || !is_new(reported, position) {
                continue;
            }
            match fate_of(*owner) {
                Fate::Exists => {}
                Fate::Unclear => completeness = Completeness::Repeat,
                Fate::Gone => {
                    if let Some(link) = look_again(scan, position, *owner) {
                        let kind = DeadlockKind::HolderGone;
                        note(&edges, kind, vec![link], scan, reported, &mut found);
                    }
                }
            }
        }
    }
    (found, completeness)
}

fn note(
    edges: &[Vec<usize>],
    kind: DeadlockKind,
    members: Vec<Link>,
    scan: &Scan,
    reported: &mut Reported,
    found: &mut Vec<Found>,
) {
    let positions: Vec<_> = members.iter().map(|link| link.position).collect();
    for link in &members {
        let record = &scan.threads[link.position].record;
        reported.0.insert(Reported::key(record, &link.wait));
    }
    found.push(Found {
        kind,
        members,
        victims: leading_to(edges, &positions),
    });
}

/// What is known of a thread that holds something, and is in no scan.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Gone,
    /// It may be about to get its record.
    Unclear,
    Exists,
}

/// Whether this thread has exited for certain. The caller has seen that it holds something.
///
/// Its record may have been replaced since, because another thread has its slot. Then it is gone,
/// because a slot is not given away before. But a thread that has just been numbered holds things
/// before it has a record. Such threads are counted, and the heavy fence makes sure that the count
/// is seen as it was when the thread took the thing, or later.
fn fate_of(owner: Owner) -> Fate {
    if let Some(record) = thread_by_owner(owner) {
        return if record.has_exited() {
            Fate::Gone
        } else {
            Fate::Exists
        };
    }
    if !owner.is_known() || !can_detect_exit() || is_lost(owner) {
        return Fate::Exists;
    }
    asymmetric_fence::heavy();
    if has_unregistered_threads() {
        return Fate::Unclear;
    }
    // Once more, because it may have been registered meanwhile.
    match thread_by_owner(owner) {
        Some(_) => Fate::Unclear,
        None => Fate::Gone,
    }
}

/// Looks at the threads of a cycle twice: see the top of this file.
fn verify_cycle(scan: &Scan, cycle: &[usize]) -> Option<Vec<Link>> {
    let look = || -> Option<Vec<Link>> {
        let next = cycle.iter().cycle().skip(1);
        let pairs = cycle.iter().zip(next);
        pairs
            .map(|(at, next)| look_again(scan, *at, scan.threads[*next].record.owner()))
            .collect()
    };
    look()?;
    look()
}

/// Looks once more whether this thread is in the wait of the scan, and waits for that one.
fn look_again(scan: &Scan, position: usize, waits_for: Owner) -> Option<Link> {
    let seen = &scan.threads[position];
    let before = seen.wait.as_ref()?;
    let wait = see(&seen.record)?;
    let is_same = wait.look.number == before.look.number
        && wait.look.address == before.look.address
        && wait.certain_holders().contains(&waits_for);
    is_same.then_some(Link {
        position,
        wait,
        waits_for,
    })
}
