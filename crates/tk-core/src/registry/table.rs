//! The table of the registry: which slot has which record.
//!
//! # States and operations
//!
//! | slot | `take` | `publish` | `retire` | `set_free` | child of a fork |
//! |---|---|---|---|---|---|
//! | `FREE` | → `TAKEN` | – | – | – | stays |
//! | `TAKEN`, no record or an old one | – | gets its record | – | → `FREE` | stays, never reused |
//! | `TAKEN`, with its record | – | – | → `RETIRED` | → `FREE` | stays, never reused |
//! | `RETIRED` | → `TAKEN` if its thread is gone | – | of another: → `FREE` if its thread is gone | – | stays, never reused |
//!
//! ```text
//!          take            publish                     retire              its thread is gone
//!   FREE  ------>  TAKEN  --------->  TAKEN, listed  -------->  RETIRED  ----------------->  FREE
//!                                  (starting or running)       (finished)
//! ```
//!
//! A slot's state is the list that the slot is in: `FREE` slots are on a stack, `RETIRED` ones in a
//! queue, and `TAKEN` ones in neither. Both lists are linked through the entries.
//!
//! # Invariants
//!
//! **One slot, one thread.** A slot belongs to one record from `take` until it is `FREE` again. Two
//! threads never have the same slot at the same time.
//!
//! **Retired until gone.** A thread-local value that is older than the thread's guard is destroyed
//! after it, and may use tk. The thread still has its slot then, and its record is found there. So
//! nobody gets a `RETIRED` slot until the system says that its thread is gone, or another thread
//! has joined it.
//!
//! **Constant work under the lock.** `take` asks the system about `RECLAIM_SCAN` retired slots at
//! most, the longest retired first, and puts those whose thread still exists at the end. A thread
//! that ends asks about one, so that the next thread mostly finds a free slot and need not ask.
//!
//! **No memory under the lock.** The table never allocates or frees. A vector that is full is
//! replaced by a larger one that was allocated while the table was not locked. Records that are
//! replaced are returned to be dropped later.
//!
//! **A child starts with one thread.** In the child of a fork, the records of the parent's threads
//! stay, and say that they are lost. Their slots stay theirs, because crates that keep a value per
//! slot have not been told that these threads have ended. If a lost thread had the table locked,
//! the table starts empty, with slots after those of the parent.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::fork::Inherit;
use crate::{Slot, ThreadRecord, exit};

/// The number of retired slots that `take` asks the system about before it makes a new slot.
const RECLAIM_SCAN: usize = 4;

/// The number of slots, for a child that does not get the table.
static SLOTS: AtomicU32 = AtomicU32::new(0);

/// Returns the number of slots, of whatever state.
pub fn slots() -> usize {
    // Relaxed: an estimate of the number of threads.
    SLOTS.load(Ordering::Relaxed) as usize
}

pub(super) struct Table {
    /// The number of slots before the first entry.
    before: usize,
    /// By slot, without gaps.
    entries: Vec<Entry>,
    retired: Queue,
    /// The top of the stack of `FREE` slots: the one that was freed last.
    free: Option<Slot>,
    /// The number of records in `enumerate`.
    pub(super) active: usize,
    /// The number of those whose end may go unnoticed.
    pub(super) unsure: usize,
    /// The main thread's record, once it has been made.
    pub(super) main: Option<ThreadRecord>,
    /// Whether the main thread has used its record.
    pub(super) main_has_begun: bool,
}

pub(super) struct Entry {
    /// The record of the thread that has the slot, or had it last.
    record: Option<ThreadRecord>,
    /// The next slot in the list that this one is in.
    next: Option<Slot>,
}

/// Slots in order, linked through their entries.
#[derive(Clone, Copy)]
struct Queue {
    /// The first and the last slot.
    ends: Option<(Slot, Slot)>,
    length: usize,
}

impl Queue {
    const EMPTY: Queue = Queue {
        ends: None,
        length: 0,
    };
}

impl Table {
    /// An empty table, whose first slot comes after this many.
    pub(super) const fn empty_after(slots: usize) -> Table {
        Table {
            before: slots,
            entries: Vec::new(),
            retired: Queue::EMPTY,
            free: None,
            active: 0,
            unsure: 0,
            main: None,
            main_has_begun: false,
        }
    }

    /// The entry of a slot. `None` for a slot that was lost in a fork.
    fn entry(&mut self, slot: Slot) -> Option<&mut Entry> {
        let at = slot.index().checked_sub(self.before)?;
        self.entries.get_mut(at)
    }

    /// The record of the thread that has the slot, or had it last.
    pub(super) fn record_at(&self, slot: Slot) -> Option<&ThreadRecord> {
        match slot.index().checked_sub(self.before) {
            Some(at) => self.entries.get(at)?.record.as_ref(),
            // Of the slots before the table, only the forker's may still have a thread.
            None => self.main_before().filter(|main| main.slot() == slot),
        }
    }

    /// All records.
    pub(super) fn records(&self) -> impl Iterator<Item = &ThreadRecord> {
        let entries = self.entries.iter();
        let records = entries.filter_map(|entry| entry.record.as_ref());
        self.main_before().into_iter().chain(records)
    }

    /// The main thread's record, if a fork has lost the entry of its slot.
    fn main_before(&self) -> Option<&ThreadRecord> {
        let main = self.main.as_ref();
        main.filter(|main| main.slot().index() < self.before)
    }

    /// Takes a slot. Returns `None` if the table has to [`grow`](Table::grow) first.
    pub(super) fn take(&mut self) -> Option<Slot> {
        // A free slot first: taking it costs no question to the system.
        if let Some(slot) = self.take_free().or_else(|| self.reclaim(RECLAIM_SCAN)) {
            return Some(slot);
        }
        if self.entries.len() == self.entries.capacity() {
            // A push would allocate (*no memory under the lock*).
            return None;
        }
        let slot = Slot::from_index(self.before + self.entries.len());
        // Relaxed: it is for a child of this process, which has one thread. Stored before the entry
        // is pushed, because one slot too many does no harm.
        SLOTS.store(slot.get(), Ordering::Relaxed);
        self.entries.push(Entry {
            record: None,
            next: None,
        });
        Some(slot)
    }

    /// The number of slots that the entries have room for.
    pub(super) fn room(&self) -> usize {
        self.entries.capacity()
    }

    /// Moves the entries to `larger` if that has more room. Returns the vector to be freed later.
    pub(super) fn grow(&mut self, mut larger: Vec<Entry>) -> Vec<Entry> {
        // Another thread may have made room first. `append` moves the entries without allocating.
        if self.entries.capacity() < larger.capacity() {
            larger.append(&mut self.entries);
            std::mem::swap(&mut larger, &mut self.entries);
        }
        larger
    }

    /// Takes a retired slot whose thread is gone (*constant work under the lock*).
    fn reclaim(&mut self, scan: usize) -> Option<Slot> {
        for _ in 0..self.retired.length.min(scan) {
            let slot = self.take_retired()?;
            let record = self.record_at(slot);
            if record.is_some_and(ThreadRecord::was_seen_gone)
                || exit::has_exited(record.and_then(ThreadRecord::native_id))
            {
                return Some(slot);
            }
            // It goes to the end of the queue, so that the next call asks about others.
            self.retire(slot);
        }
        None
    }

    /// Makes a retired slot free whose thread is gone, if the longest retired one is such.
    pub(super) fn reclaim_one(&mut self) {
        if let Some(slot) = self.reclaim(1) {
            self.set_free(slot);
        }
    }

    fn take_free(&mut self) -> Option<Slot> {
        let slot = self.free?;
        // A `FREE` slot always has an entry (`set_free`).
        self.free = self.entry(slot).and_then(|entry| entry.next);
        Some(slot)
    }

    /// Makes the slot `FREE`.
    pub(super) fn set_free(&mut self, slot: Slot) {
        let next = self.free;
        // A slot without an entry was lost in a fork, and stays so.
        if let Some(entry) = self.entry(slot) {
            entry.next = next;
            self.free = Some(slot);
        }
    }

    /// The number of `RETIRED` slots.
    pub(super) fn retired_count(&self) -> usize {
        self.retired.length
    }

    /// The records of the `RETIRED` slots, the longest retired first.
    pub(super) fn retired(&self) -> impl Iterator<Item = &ThreadRecord> {
        let index = |slot: Slot| slot.index().checked_sub(self.before);
        let entry = move |slot| self.entries.get(index(slot)?);
        let first = self.retired.ends.map(|(first, _)| first);
        let slots = std::iter::successors(first, move |slot| entry(*slot)?.next);
        slots.filter_map(|slot| self.record_at(slot))
    }

    fn take_retired(&mut self) -> Option<Slot> {
        let Queue { ends, length } = self.retired;
        let (first, last) = ends?;
        let next = self.entry(first).and_then(|entry| entry.next);
        // Without a next slot, the queue is empty, and `last` was `first`.
        self.retired = Queue {
            ends: next.map(|next| (next, last)),
            length: length - 1,
        };
        Some(first)
    }

    /// Makes the slot `RETIRED`.
    pub(super) fn retire(&mut self, slot: Slot) {
        let Some(entry) = self.entry(slot) else {
            // The slot was lost in a fork, and is not reused.
            return;
        };
        // It is the last one now. `next` may be left from another list.
        entry.next = None;
        let Queue { ends, length } = self.retired;
        if let Some((_, last)) = ends
            && let Some(last) = self.entry(last)
        {
            last.next = Some(slot);
        }
        self.retired = Queue {
            ends: Some((ends.map_or(slot, |(first, _)| first), slot)),
            length: length + 1,
        };
    }

    /// Puts the record at its slot, and counts it. Returns the record that was there, to be dropped
    /// later.
    #[must_use]
    pub(super) fn publish(&mut self, record: ThreadRecord) -> Option<ThreadRecord> {
        // Counted back by `release` and `retire`, by the same questions to the record.
        self.active += usize::from(record.is_listed());
        self.unsure += usize::from(record.may_end_unnoticed());
        self.replace(record)
    }

    /// Puts the record at its slot, without counting it.
    #[must_use]
    pub(super) fn replace(&mut self, record: ThreadRecord) -> Option<ThreadRecord> {
        // The old record stays in the table until its slot has a new thread, so that late
        // destructors and reports find it.
        self.entry(record.slot())?.record.replace(record)
    }
}

impl Inherit for Table {
    fn inherit(&mut self) {
        // The slots of lost threads are in no list from here on (*a child starts with one thread*).
        self.retired = Queue::EMPTY;
        self.active = 0;
        self.unsure = 0;
        // Not dropped: this may be the last handle, and nothing may be freed here.
        std::mem::forget(self.main.take());
        self.main_has_begun = false;
    }

    fn anew() -> Table {
        // The parent's records are lost with its table. Their slots are not reused.
        Table::empty_after(SLOTS.load(Ordering::Relaxed) as usize)
    }
}
