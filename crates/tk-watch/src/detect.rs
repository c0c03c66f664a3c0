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
//!    beginning of Y's wait. So it saw all that Y had done before, and it did not see Y as a holder
//!    of something that Y had already released (`Holds` in tk-lock has this in detail).
//! 3. *X needs Y.* The wait of X has no limit and no stop token, and only the holders can end it:
//!    all of them must let go.
//!
//! At the moment of the first of the second looks, all this holds of all threads of the cycle. None
//! of them will run again before another one of them has. So none will.
//!
//! Three things can still move a thread: the watcher itself, when it breaks a wait; a debugger; and
//! `unsafe` code that releases a lock for another thread.
//!
//! # One report for all that wait for each other
//!
//! A writer may wait for many readers, each of which waits for it. Each of these readers is in a
//! cycle of its own with the writer, but there is one deadlock. So one cycle is reported for all
//! threads that reach each other, and the other threads are its victims. A thread that certainly
//! waits for a thread of a deadlock is a victim as well, unless a wait is going to be broken. In
//! that case, another scan follows, and finds the threads that are still stuck.
//!
//! # When a holder is gone
//!
//! A thread waits without a limit for a lock that only its holder can release, and the system no
//! longer has the holder's thread. A later look found the lock still held. Where the system can't
//! say whether a thread has exited, nothing is certain, and nothing is reported: a destructor may
//! still release the lock.

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
    /// The member whose end frees all others, if there is one. If there are several, the last that
    /// began to wait.
    pub(crate) key: Option<usize>,
}

impl Found {
    fn new(
        edges: &[Vec<usize>],
        kind: DeadlockKind,
        members: Vec<Link>,
        key: Option<usize>,
    ) -> Found {
        let positions: Vec<_> = members.iter().map(|link| link.position).collect();
        Found {
            kind,
            victims: leading_to(edges, &positions),
            members,
            key,
        }
    }
}

/// The outlook of a deadlock that has been found.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outlook {
    /// Its threads are stuck forever.
    Stuck,
    /// One of its waits is going to be broken.
    Broken,
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

    /// Notes the wait of the thread at this place of the scan.
    fn note(&mut self, scan: &Scan, position: usize) {
        let seen = &scan.threads[position];
        if let Some(wait) = &seen.wait {
            self.0.insert(Reported::key(&seen.record, wait));
        }
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
pub(crate) fn deadlocks(
    scan: &Scan,
    reported: &mut Reported,
    outlook: Outlook,
) -> (Vec<Found>, Completeness) {
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

    let components = components(&edges);
    let mut has_report = HashSet::new();
    for (position, (component, is_cyclic)) in components.iter().enumerate() {
        if !is_cyclic || has_report.contains(component) || !is_new(reported, position) {
            continue;
        }
        let cycle = shortest_cycle(&edges, position).unwrap_or_default();
        match verify_cycle(scan, &cycle) {
            Some(members) => {
                has_report.insert(component);
                let is_of_it = |at: &usize| components[*at].0 == *component;
                let all: Vec<usize> = (0..threads.len()).filter(is_of_it).collect();
                let key = key_of(&edges, &all, &members);
                let first = breakable(&members).first().map(|link| link.position);
                match (outlook, key, first) {
                    (Outlook::Broken, None, Some(first)) => {
                        // The others may be stuck afterwards, and are new then.
                        completeness = Completeness::Repeat;
                        reported.note(scan, first);
                    }
                    _ => cycle.iter().for_each(|at| reported.note(scan, *at)),
                }
                if outlook == Outlook::Stuck {
                    note_stuck(&edges, &all, &cycle, scan, reported);
                }
                found.push(Found::new(&edges, DeadlockKind::Cycle, members, key));
            }
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
                        reported.note(scan, position);
                        found.push(Found::new(&edges, kind, vec![link], None));
                    }
                }
            }
        }
    }
    (found, completeness)
}

/// Notes the threads of the component that certainly wait for a thread of the cycle, or for another
/// one that does.
fn note_stuck(
    edges: &[Vec<usize>],
    component: &[usize],
    cycle: &[usize],
    scan: &Scan,
    reported: &mut Reported,
) {
    let mut stuck: HashSet<usize> = cycle.iter().copied().collect();
    loop {
        let before = stuck.len();
        for &at in component {
            if stuck.contains(&at) {
                continue;
            }
            let mut nexts = edges[at].iter().filter(|next| stuck.contains(next));
            let link =
                nexts.find_map(|next| look_again(scan, at, scan.threads[*next].record.owner()));
            if let Some(link) = link {
                let record = &scan.threads[at].record;
                reported.0.insert(Reported::key(record, &link.wait));
                stuck.insert(at);
            }
        }
        if stuck.len() == before {
            return;
        }
    }
}

/// The members whose wait a panic can end, in the order in which they are to be tried: the last
/// that began to wait comes first.
pub(crate) fn breakable(members: &[Link]) -> Vec<&Link> {
    let mut links: Vec<_> = members
        .iter()
        .filter(|link| link.wait.look.is_breakable)
        .collect();
    links.sort_by_key(|link| std::cmp::Reverse(link.wait.look.wait.since()));
    links
}

/// The member without which no cycle is left in the component.
fn key_of(edges: &[Vec<usize>], component: &[usize], members: &[Link]) -> Option<usize> {
    let mut is_of_it = vec![false; edges.len()];
    component.iter().for_each(|at| is_of_it[*at] = true);
    let inside = |at: usize| edges[at].iter().filter(|to| is_of_it[**to]);
    let is_ring = component.iter().all(|at| inside(*at).count() == 1);
    let is_key = |link: &&Link| {
        if is_ring {
            return true;
        }
        let rest_of = |at: usize| -> Vec<usize> {
            if !is_of_it[at] || at == link.position {
                return Vec::new();
            }
            let kept = inside(at).filter(|to| **to != link.position);
            kept.copied().collect()
        };
        let rest: Vec<Vec<usize>> = (0..edges.len()).map(rest_of).collect();
        !components(&rest).iter().any(|(_, is_cyclic)| *is_cyclic)
    };
    let key = breakable(members).into_iter().find(is_key);
    key.map(|link| link.position)
}

/// The fate of a thread that holds something, and is in no scan.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Gone,
    /// It may be about to get its record.
    Unclear,
    Exists,
}

/// Returns the fate of this thread. The caller has seen that it holds something.
///
/// Another thread's record may have replaced the thread's record since. Then the thread is gone,
/// because a slot is given away only after its thread has exited. But a thread that has just been
/// numbered holds things before it has a record. Such threads are counted, and the heavy fence
/// makes sure that the count is seen as it was when the thread took the thing, or later.
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
