//! The waits as a watcher sees them, which is a thread that explains why a program hangs; and how
//! it learns of long waits.
//!
//! | step | by | with locked |
//! |---|---|---|
//! | a wait without a limit has lasted for [`PATIENCE`]: calls the watcher's function | the thread that waits | nothing |
//! | a notification has moved such a thread to another queue: calls the function | the thread that notifies | nothing |
//! | [`look_at`] | the watcher | the thread's waits, then the queue |
//! | [`break_wait`] | the watcher | the same |
//!
//! # Invariants
//!
//! **Held while looked at.** A waiter that is in a queue has been called with a reference to what
//! its thread waits for ([`Held`]), and its thread does not leave the call before the waiter is out
//! of the queue. So what is held is there while the queue is locked and the waiter is in it.
//!
//! **A last edge is reported.** A cycle of waits is complete when its last thread begins to wait,
//! or when a notification moves its last thread from a condition variable into the queue of a lock:
//! a thread that takes something runs, and has yet to wait. The thread that waits reports that
//! itself after [`PATIENCE`]. If it has done so before it is moved, the thread that moves it does.
//!
//! **No panic in a panic.** A broken wait ends in a panic. A second one, while the thread unwinds
//! already, or one that leaves the destructor of a thread-local value, aborts the process. So the
//! waits of a thread that is panicking are not breakable, and neither are those of its last
//! destructors, as far as the kit knows that they run. Both are so for as long as the wait lasts.
//!
//! **Without a limit.** All of this holds for waits without a limit. Others end by themselves.

use tk_core::Owner;

/// How long a wait without a limit lasts before the watcher hears of it.
#[cfg(not(tk_loom))]
pub(crate) const PATIENCE: std::time::Duration = std::time::Duration::from_millis(100);

/// Something that threads hold while others wait for it.
pub trait Holds: Sync {
    /// Adds the threads that hold this at this moment, all of which must release it before a thread
    /// that waits for it goes on.
    ///
    /// Called with the queue of a thread that waits for it locked: must not wait, allocate, or
    /// panic.
    fn add_holders(&self, holders: &mut Holders<'_>);
}

/// A thread holds its own end, until it is joined.
impl Holds for Owner {
    fn add_holders(&self, holders: &mut Holders<'_>) {
        holders.add(*self);
    }
}

/// The thing that a wait is for, and the threads that can end it.
#[cfg_attr(tk_loom, allow(dead_code, reason = "models have no watcher"))]
#[derive(Clone, Copy)]
pub struct Held<'a> {
    pub(crate) thing: &'a dyn Holds,
    pub(crate) when_moved: bool,
    pub(crate) only_holders_can_end_it: bool,
    pub(crate) is_breakable: bool,
    pub(crate) ends_with_holders: bool,
}

impl<'a> Held<'a> {
    /// A wait for this thing, which only its holders can end.
    pub fn new(thing: &'a dyn Holds) -> Held<'a> {
        Held {
            thing,
            when_moved: false,
            only_holders_can_end_it: true,
            is_breakable: false,
            ends_with_holders: false,
        }
    }

    /// A wait for the ends of these threads.
    pub fn end_of(threads: &'a dyn Holds) -> Held<'a> {
        Held {
            ends_with_holders: true,
            ..Held::new(threads)
        }
    }

    /// The thread waits for the thing only once it has been moved to another queue.
    #[must_use]
    pub fn when_moved(mut self) -> Held<'a> {
        self.when_moved = true;
        self
    }

    /// Other threads than the holders can end the wait.
    #[must_use]
    pub fn by_anyone(mut self) -> Held<'a> {
        self.only_holders_can_end_it = false;
        self
    }

    /// The caller deals with [`Failed::Deadlock`]. It need not if its thread is panicking.
    #[must_use]
    pub fn breakable(mut self) -> Held<'a> {
        // No panic in a panic.
        self.is_breakable = !std::thread::panicking();
        self
    }
}

/// The holders of a thing. It never allocates: the room is what the vector has.
pub struct Holders<'a> {
    owners: &'a mut Vec<Owner>,
    is_full: bool,
    is_changing: bool,
}

impl<'a> Holders<'a> {
    /// Adds holders to this vector, as long as it has room.
    pub fn new(owners: &'a mut Vec<Owner>) -> Holders<'a> {
        Holders {
            owners,
            is_full: false,
            is_changing: false,
        }
    }

    /// Adds a holder.
    pub fn add(&mut self, owner: Owner) {
        if self.owners.contains(&owner) {
        } else if self.owners.len() < self.owners.capacity() {
            self.owners.push(owner);
        } else {
            self.is_full = true;
        }
    }

    /// Says that holders may be missing, because another thread is changing the list of them.
    pub fn note_change(&mut self) {
        self.is_changing = true;
    }

    /// Whether the vector had too little room.
    pub fn is_full(&self) -> bool {
        self.is_full
    }

    /// Whether holders may be missing for a moment.
    pub fn is_changing(&self) -> bool {
        self.is_changing
    }
}

/// Why a wait for a thing that is held ended without it.
#[derive(Debug)]
pub enum Failed {
    /// The limit is reached.
    Limit(crate::WaitError),
    /// The wait would never end, and the watcher has ended it.
    Deadlock(Broken),
}

impl Failed {
    /// The error of a wait that is not [breakable](Held::breakable).
    pub(crate) fn into_error(self) -> crate::WaitError {
        match self {
            Failed::Limit(error) => error,
            Failed::Deadlock(_) => unreachable!("only a breakable wait is broken"),
        }
    }
}

/// The proof that the watcher has broken the wait.
#[derive(Debug)]
pub struct Broken(pub(crate) ());

#[cfg(tk_loom)]
impl Broken {
    /// Models have no watcher.
    pub fn panic(self) -> ! {
        unreachable!("models have no watcher")
    }
}

#[cfg(tk_loom)]
pub(crate) fn is_on() -> bool {
    false
}

#[cfg(not(tk_loom))]
pub use real::*;

#[cfg(not(tk_loom))]
mod real {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
    use std::time::Instant;

    use tk_core::__private::fork::Mutex;
    use tk_core::__private::{Seat, ThreadRecordExt};
    use tk_core::{BlockedOn, ThreadRecord};

    use super::{Broken, Holders};
    use crate::lot::{self, Waiter};
    use crate::unpark::DEADLOCK;

    /// A wait that the watcher hears of.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Report {
        /// A thread waits for something that is held.
        Held,
        /// A thread waits for something that no thread holds, such as an event.
        Free,
    }

    static IS_ON: AtomicBool = AtomicBool::new(false);
    static WATCHER: Mutex<Option<fn(Report)>> = Mutex::constant(None);

    /// From now on, `hear` is called when a wait without a limit has lasted for a tenth of a
    /// second: by the thread that waits, or by one that has moved it to another queue.
    ///
    /// The thread may be in the global allocator. So `hear` must not allocate, nor wait for others,
    /// nor panic.
    pub fn watch(hear: fn(Report)) {
        *WATCHER.lock() = Some(hear);
        IS_ON.store(true, Relaxed);
    }

    /// No more calls of the function begin, except for those that are about to.
    pub fn stop_watching() {
        IS_ON.store(false, Relaxed);
    }

    /// Whether there is a watcher.
    #[inline]
    pub fn is_on() -> bool {
        // Relaxed: a watcher looks at the waits that have begun before.
        IS_ON.load(Relaxed)
    }

    #[cold]
    pub(crate) fn report(report: Report) {
        // A statement of its own: the function is called without the lock.
        let hear = *WATCHER.lock();
        if let Some(hear) = hear {
            hear(report);
        }
    }

    /// A wait as a watcher sees it.
    #[derive(Clone, Copy, Debug)]
    pub struct Look {
        /// As the thread has described it.
        pub wait: BlockedOn,
        /// Of two looks at the same thread with the same number, both saw one wait, which lasted
        /// from the one to the other.
        pub number: u64,
        /// The address for which the thread waits now, and whether it was moved there.
        pub address: usize,
        /// Whether the thread was moved from the address that it has described.
        pub is_moved: bool,
        /// When the wait gives up. The outer `None` stands for a wait of another kind than tk's.
        pub limit: Option<LookLimit>,
        /// Whether the wait is for all the holders, and only they can end it.
        pub only_holders_can_end_it: bool,
        /// Whether [`break_wait`] can end it.
        pub is_breakable: bool,
        /// Whether the wait ends when the holders end.
        pub ends_with_holders: bool,
    }

    /// When a wait gives up.
    #[derive(Clone, Copy, Debug)]
    pub struct LookLimit {
        /// The deadline, if there is one.
        pub deadline: Option<Instant>,
        /// Whether a stop token is given.
        pub has_stop: bool,
    }

    impl Look {
        /// Whether the wait has no limit.
        pub fn is_unlimited(&self) -> bool {
            let is_never = |limit: LookLimit| limit.deadline.is_none() && !limit.has_stop;
            self.limit.is_some_and(is_never)
        }
    }

    /// Looks at the wait of this thread, and adds the threads that hold at this moment what it
    /// waits for. Returns `None` if the thread does not wait, or has been woken.
    pub fn look_at(record: &ThreadRecord, holders: &mut Holders<'_>) -> Option<Look> {
        let look = |wait: BlockedOn, seat, number| {
            let known = Look {
                wait,
                number,
                address: wait.address(),
                is_moved: false,
                limit: None,
                only_holders_can_end_it: false,
                is_breakable: false,
                ends_with_holders: false,
            };
            match seat {
                Seat::Unknown => {
                    wait.holder().into_iter().for_each(|it| holders.add(it));
                    Some(known)
                }
                Seat::Join => {
                    wait.holder().into_iter().for_each(|it| holders.add(it));
                    let limit = LookLimit {
                        deadline: None,
                        has_stop: false,
                    };
                    Some(Look {
                        limit: Some(limit),
                        only_holders_can_end_it: true,
                        ends_with_holders: true,
                        ..known
                    })
                }
                Seat::Queue(ticket) => {
                    // SAFETY: the record's waits are locked, so the seat is pinned: the thread is
                    // inside `park`, where the waiter lies.
                    let waiter = unsafe { Waiter::of_ticket(ticket) };
                    let look = lot::look_at(waiter, |address| {
                        look_in_queue(waiter, address, known, holders)
                    })?;
                    Some(Look {
                        is_breakable: look.is_breakable && !record.is_in_last_destructors(),
                        ..look
                    })
                }
            }
        };
        record.look_at_wait(look).flatten()
    }

    /// With the queue locked.
    fn look_in_queue(
        waiter: &Waiter,
        address: usize,
        known: Look,
        holders: &mut Holders<'_>,
    ) -> Look {
        let (deadline, has_stop) = waiter.limit();
        let is_moved = waiter.is_moved();
        let limit = Some(LookLimit { deadline, has_stop });
        let look = Look {
            address,
            is_moved,
            limit,
            ..known
        };
        match waiter.held() {
            Some(held) => {
                // Held while looked at.
                held.thing.add_holders(holders);
                Look {
                    only_holders_can_end_it: held.only_holders_can_end_it,
                    is_breakable: held.is_breakable,
                    ends_with_holders: held.ends_with_holders,
                    ..look
                }
            }
            None => {
                // A holder that never changes, such as the thread that is joined.
                let constant = known.wait.holder().filter(|_| !is_moved);
                constant.into_iter().for_each(|it| holders.add(it));
                look
            }
        }
    }

    /// The text with which a broken wait panics.
    struct Verdict(Mutex<Option<Arc<str>>>);

    fn verdict(record: &ThreadRecord) -> Arc<Verdict> {
        record.attachment(|| Arc::new(Verdict(Mutex::new(None))))
    }

    /// Ends the wait of this number, which is breakable, with a panic of its thread. Returns
    /// whether it does: the thread may have been woken by others, which excludes this.
    pub fn break_wait(record: &ThreadRecord, number: u64, text: Arc<str>) -> bool {
        let verdict = verdict(record);
        let old = verdict.0.lock().replace(text);
        drop(old);
        let end = |_, seat, now| match seat {
            Seat::Queue(ticket) if now == number => {
                // SAFETY: as in `look_at`.
                let waiter = unsafe { Waiter::of_ticket(ticket) };
                // No panic in a panic.
                let is_breakable = !record.is_in_last_destructors()
                    && waiter.held().is_some_and(|held| held.is_breakable);
                // SAFETY: as above, until the waits are unlocked.
                is_breakable && unsafe { lot::unpark_this(waiter, DEADLOCK) }
            }
            _ => false,
        };
        record.look_at_wait(end).unwrap_or(false)
    }

    impl Broken {
        /// Panics with the report of the deadlock.
        #[cold]
        #[inline(never)]
        #[track_caller]
        pub fn panic(self) -> ! {
            let verdict = verdict(&tk_core::current());
            // A statement of its own, so that it is unlocked.
            let text = verdict.0.lock().take();
            match text {
                Some(text) => panic!("{text}"),
                None => panic!("a wait that would never end: it is part of a deadlock"),
            }
        }
    }
}
