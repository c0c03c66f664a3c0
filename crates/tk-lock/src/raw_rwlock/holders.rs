//! The threads that a thread in one of the queues waits for, for a watcher that looks for
//! deadlocks.
//!
//! | queue | kept by | a thread that waits goes on when |
//! |---|---|---|
//! | of the word | readers, writers, upgradable readers | the one owner has opened the door, or given the upgradable lock back |
//! | of the owner | the writer at the closed door | all readers inside have left |
//!
//! A reader waits only while the door is closed, and never for a writer that waits in the queue
//! itself. So a wait behind a writer that may give up is a wait for that writer, whose own wait has
//! a limit.
//!
//! # Invariants
//!
//! **Right if asleep.** A look may find an owner, or a reader, that has left already, because a
//! step by which it left need not be visible yet. If the watcher has seen before that this thread
//! is in a wait, all that the thread did before the wait is visible, as for a plain lock (see
//! `raw_lock/acquire.rs`). So a thread that is found then has the door, the upgradable lock or a
//! read still, and keeps it while it waits: a guard is not sent to other threads, and only a thread
//! that is in the queue of the word is handed anything.
//!
//! A read without a name (see *Known limits*) is not found. That hides a deadlock, and makes none
//! up.

use tk_park::__private::{Held, Holders, Holds};

use super::{RawRwLock, Wish};

/// The thing that a thread in the queue of the word waits for.
pub(super) struct Door<'a> {
    pub(super) lock: &'a RawRwLock,
    pub(super) wish: Wish,
}

/// The thing that the writer in the queue of the owner waits for.
pub(super) struct ReadersInside<'a>(pub(super) &'a RawRwLock);

impl Holds for Door<'_> {
    fn add_holders(&self, holders: &mut Holders<'_>) {
        let state = self.lock.word.load();
        let is_shut = match self.wish {
            // The upgradable lock keeps no reader out.
            Wish::Read => state.is_closed(),
            Wish::Upgradable | Wish::Write => state.is_owned(),
        };
        let owner = self.lock.owner().filter(|_| is_shut);
        owner.into_iter().for_each(|owner| holders.add(owner));
    }
}

impl Holds for ReadersInside<'_> {
    fn add_holders(&self, holders: &mut Holders<'_>) {
        self.0.each_reader().for_each(|reader| holders.add(reader));
    }
}

impl Door<'_> {
    pub(super) fn held(&self, may_panic: bool) -> Held<'_> {
        breakable(Held::new(self), may_panic)
    }
}

impl ReadersInside<'_> {
    pub(super) fn held(&self, may_panic: bool) -> Held<'_> {
        breakable(Held::new(self), may_panic)
    }
}

fn breakable(held: Held<'_>, may_panic: bool) -> Held<'_> {
    if may_panic { held.breakable() } else { held }
}
