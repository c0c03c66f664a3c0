//! The table of threads.
//!
//! # The life of a slot
//!
//! ```text
//!          take            publish                     retire                 the OS thread is gone
//!   FREE  ------>  TAKEN  --------->  TAKEN, listed  -------->  RETIRED  ---------------------->  FREE
//!          (nobody's yet)          (starting or running)       (finished)
//! ```
//!
//! # Invariants
//!
//! **One slot, one thread.** A slot belongs to one record from `take` until it is free again. Two threads never have one
//! slot at a time.
//!
//! **Listed while alive.** A thread's record is in `enumerate` from `publish` to `retire`. It is retired when the thread's
//! guard, a thread-local value, is destroyed. A thread that first asks who it is in a C destructor, after its thread-local
//! values have been destroyed, never has its guard destroyed: it is retired by the first `enumerate` or `active_count` that
//! finds its OS thread gone.
//!
//! **Retired until gone.** Thread-local values that are older than the guard are destroyed after it, and may use tk: the
//! thread still has its slot, and its record is found there. So a RETIRED slot is given to nobody until the operating
//! system says that the thread is gone. Where the operating system cannot be asked, a slot is free as soon as it is
//! retired, and the thread forgets that it had it. Should it use tk again in a late destructor, it gets another slot, which
//! is never given back, and a record that is not in `enumerate`. That costs some memory. Its id stays what it was.
//!
//! **Nothing under the lock but the table.** No memory is allocated or freed while the table is locked: the program's
//! allocator may have a lock of the kit, whose owner may be waiting for the table. So records are made before, and dropped
//! after; the lists of slots are links in the entries; and a table that is full is replaced by a larger one that was made
//! while it was not locked.
//!
//! **The main thread is there from the outset**, even if it never uses tk: whoever takes a slot or looks at the table has
//! its record made first. It is the thread whose id is `MAIN`.
//!
//! **A child begins with one thread.** In the child of a fork the table keeps its records, which say that they are lost, and
//! its FREE slots. TAKEN and RETIRED ones are of lost threads, and stay theirs. If a lost thread had the table locked, its
//! records are not known any more, and the slots of the child begin after those of its parent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::fork::{Inherit, Mutex};
use crate::record::Origin;
use crate::{Owner, Slot, ThreadId, ThreadRecord, current, os};

/// How many retired slots are asked after before a new one is made.
const RETIRED_ASKED: usize = 4;

/// The room of the first table.
const FEW: usize = 16;

static TABLE: Mutex<Table> = Mutex::constant(Table::empty_after(0));

/// How many slots there are, for a child that doesn't get the table.
static SLOTS: AtomicU32 = AtomicU32::new(0);

/// How many slots there are, taken and free.
pub fn slots() -> usize {
    // Relaxed: an estimate of how many threads there are.
    SLOTS.load(Ordering::Relaxed) as usize
}

/// The id of the main thread. It changes in the child of a fork alone, while there is one thread.
static MAIN: AtomicU64 = AtomicU64::new(ThreadId::MAIN.get());

struct Table {
    /// How many slots come before the first entry.
    before: usize,
    /// By slot, without a gap.
    entries: Vec<Entry>,
    /// RETIRED slots, the longest retired first.
    retired: Queue,
    /// The first of the FREE slots, which is the last that became free.
    free: Option<Slot>,
    /// How many records are in `enumerate`.
    active: usize,
    /// How many of those may be gone without having said so.
    unsure: usize,
    /// The main thread's record, once it has been made.
    main: Option<ThreadRecord>,
    main_has_begun: bool,
}

struct Entry {
    /// Of the thread that has the slot, or had it last.
    record: Option<ThreadRecord>,
    /// The next in the list in which the slot is.
    next: Option<Slot>,
}

/// Slots in order, linked through their entries.
#[derive(Clone, Copy)]
struct Queue {
    /// The first and the last.
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
    const fn empty_after(slots: usize) -> Table {
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

    fn entry(&mut self, slot: Slot) -> Option<&mut Entry> {
        let at = slot.index().checked_sub(self.before)?;
        self.entries.get_mut(at)
    }

    fn at(&self, slot: Slot) -> Option<&ThreadRecord> {
        match slot.index().checked_sub(self.before) {
            Some(at) => self.entries.get(at)?.record.as_ref(),
            None => self.main_before().filter(|main| main.slot() == slot),
        }
    }

    fn records(&self) -> impl Iterator<Item = &ThreadRecord> {
        let entries = self.entries.iter();
        let records = entries.filter_map(|entry| entry.record.as_ref());
        self.main_before().into_iter().chain(records)
    }

    /// The main thread's record, if the thread has forked and its slot is one of those that were lost.
    fn main_before(&self) -> Option<&ThreadRecord> {
        let main = self.main.as_ref();
        main.filter(|main| main.slot().index() < self.before)
    }

    /// A slot that is nobody's, if there is one or room for one more.
    fn take(&mut self) -> Option<Slot> {
        if let Some(slot) = self.take_free().or_else(|| self.reclaim()) {
            return Some(slot);
        }
        if self.entries.len() == self.entries.capacity() {
            return None;
        }
        let slot = Slot::from_index(self.before + self.entries.len());
        // Relaxed: for a child of this process, which has one thread. Before the entry: a slot too many does no harm.
        SLOTS.store(slot.get(), Ordering::Relaxed);
        self.entries.push(Entry {
            record: None,
            next: None,
        });
        Some(slot)
    }

    /// A retired slot whose thread is gone for good. Asks after a few only; one that is still there goes to the end.
    fn reclaim(&mut self) -> Option<Slot> {
        for _ in 0..self.retired.length.min(RETIRED_ASKED) {
            let slot = self.take_retired()?;
            if os::is_gone(self.at(slot).and_then(ThreadRecord::native_id)) {
                return Some(slot);
            }
            self.retire(slot);
        }
        None
    }

    fn take_free(&mut self) -> Option<Slot> {
        let slot = self.free?;
        self.free = self.entry(slot).and_then(|entry| entry.next);
        Some(slot)
    }

    /// Makes the slot FREE.
    fn set_free(&mut self, slot: Slot) {
        let next = self.free;
        // Without an entry it is one of those that were lost at a fork.
        if let Some(entry) = self.entry(slot) {
            entry.next = next;
            self.free = Some(slot);
        }
    }

    /// Those that are RETIRED, the longest retired first.
    fn retired(&self) -> impl Iterator<Item = &ThreadRecord> {
        let index = |slot: Slot| slot.index().checked_sub(self.before);
        let entry = move |slot| self.entries.get(index(slot)?);
        let first = self.retired.ends.map(|(first, _)| first);
        let slots = std::iter::successors(first, move |slot| entry(*slot)?.next);
        slots.filter_map(|slot| self.at(slot))
    }

    fn take_retired(&mut self) -> Option<Slot> {
        let Queue { ends, length } = self.retired;
        let (first, last) = ends?;
        let next = self.entry(first).and_then(|entry| entry.next);
        self.retired = Queue {
            ends: next.map(|next| (next, last)),
            length: length - 1,
        };
        Some(first)
    }

    /// Makes the slot RETIRED.
    fn retire(&mut self, slot: Slot) {
        let Some(entry) = self.entry(slot) else {
            // As above.
            return;
        };
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

    /// Puts the record at its slot and into the list of those alive. Returns the one that was there, to be dropped later.
    #[must_use]
    fn publish(&mut self, record: ThreadRecord) -> Option<ThreadRecord> {
        self.active += usize::from(record.is_listed());
        self.unsure += usize::from(record.may_go_unsaid());
        self.entry(record.slot())?.record.replace(record)
    }
}

impl Inherit for Table {
    fn inherit(&mut self) {
        self.retired = Queue::EMPTY;
        self.active = 0;
        self.unsure = 0;
        // Not dropped: this may be the last handle, and nothing may be freed here.
        std::mem::forget(self.main.take());
        self.main_has_begun = false;
    }

    fn anew() -> Table {
        Table::empty_after(SLOTS.load(Ordering::Relaxed) as usize)
    }
}

/// In the child of a fork, before all else: the calling thread is the only one. It is registered as `record`, or its record
/// is at `slot`, or it is not registered.
pub(crate) fn survive(survivor: current::Survivor) {
    // Relaxed: there is one thread.
    MAIN.store(survivor.id.get(), Ordering::Relaxed);
    let mut table = TABLE.lock();
    let record = survivor
        .record
        .or_else(|| survivor.slot.and_then(|slot| table.at(slot).cloned()));
    if let Some(record) = &record {
        record.revive();
        table.active = 1;
        table.main_has_begun = true;
    }
    table.main = record;
}

pub(crate) fn is_main(id: ThreadId) -> bool {
    MAIN.load(Ordering::Relaxed) == id.get()
}

/// Whether the main thread is this owner.
pub(crate) fn is_main_owner(owner: Owner) -> bool {
    MAIN.load(Ordering::Relaxed) == u64::from(owner.get())
}

/// The main thread's record, which is made now if it has not been needed before.
pub(crate) fn main() -> ThreadRecord {
    loop {
        if let Some(main) = &TABLE.lock().main {
            return main.clone();
        }
        let slot = take_slot();
        let id = ThreadId::from_number(
            MAIN.load(Ordering::Relaxed)
                .try_into()
                .expect("no thread's id is zero"),
        );
        let name = Arc::from("MainThread");
        let record = ThreadRecord::new(id, slot, Some(name), false, Origin::Registered);
        let mut table = TABLE.lock();
        if table.main.is_some() {
            // Another thread was quicker.
            table.set_free(slot);
        } else {
            table.main = Some(record.clone());
            let old = table.publish(record);
            drop(table);
            drop(old);
        }
    }
}

/// A slot that is nobody's.
fn take_slot() -> Slot {
    loop {
        let mut table = TABLE.lock();
        if let Some(slot) = table.take() {
            return slot;
        }
        let room = table.entries.capacity();
        drop(table);
        let mut larger = Vec::with_capacity(FEW.max(2 * room));
        let mut table = TABLE.lock();
        if table.entries.capacity() < larger.capacity() {
            larger.append(&mut table.entries);
            std::mem::swap(&mut larger, &mut table.entries);
        }
        drop(table);
        // Here the old room is freed, or the one that is not needed.
    }
}

/// A slot and a record for a thread that is about to be started. `prepare` is called before others can find the record.
pub(crate) fn claim(
    name: Arc<str>,
    daemon: bool,
    prepare: impl FnOnce(&ThreadRecord),
) -> ThreadRecord {
    claim_from(name, daemon, Origin::Registered, prepare)
}

/// As [`claim`], for a thread that `enumerate` does not show.
pub(crate) fn claim_unlisted(name: Arc<str>) -> ThreadRecord {
    claim_from(name, true, Origin::Unlisted, |_| ())
}

fn claim_from(
    name: Arc<str>,
    daemon: bool,
    origin: Origin,
    prepare: impl FnOnce(&ThreadRecord),
) -> ThreadRecord {
    main();
    let id = ThreadId::next();
    let record = ThreadRecord::new(id, take_slot(), Some(name), daemon, origin);
    prepare(&record);
    publish(record.clone());
    record
}

fn publish(record: ThreadRecord) {
    let mut table = TABLE.lock();
    let old = table.publish(record);
    drop(table);
    // The last handle on a thread that ended long ago, perhaps.
    drop(old);
}

/// Takes back what [`claim`] gave, for a thread that never began.
pub(crate) fn unclaim(record: &ThreadRecord) {
    let mut table = TABLE.lock();
    let here = !record.is_lost();
    record.set_finished();
    if here {
        table.active -= usize::from(record.is_listed());
        table.set_free(record.slot());
    }
}

/// A thread that was registered in the parent of this process begins here, after all.
pub(crate) fn adopt(record: &ThreadRecord) {
    if record.is_lost() {
        let mut table = TABLE.lock();
        record.survive();
        let old = table.publish(record.clone());
        drop(table);
        drop(old);
    }
}

/// A record for the calling thread, which has this id and no record. `late` if its guard is gone already.
pub(crate) fn enroll(id: ThreadId, late: bool) -> ThreadRecord {
    let main = main();
    let (name, origin) = if is_main(id) {
        let mut table = TABLE.lock();
        if !table.main_has_begun {
            table.main_has_begun = true;
            drop(table);
            main.set_running();
            return main;
        }
        (Some(main.name()), Origin::Asked)
    } else {
        name_of_current()
    };
    let record = ThreadRecord::new(id, take_slot(), name, true, origin);
    record.set_running();
    if late {
        record.note_leaving();
        record.set_finished();
        let mut table = TABLE.lock();
        let old = table
            .entry(record.slot())
            .and_then(|entry| entry.record.replace(record.clone()));
        drop(table);
        drop(old);
    } else {
        publish(record.clone());
    }
    record
}

/// The name that the calling thread has elsewhere.
fn name_of_current() -> (Option<Arc<str>>, Origin) {
    let named = os::named_by_std();
    if let Some(name) = named.as_ref().and_then(|thread| thread.name()) {
        return (Some(Arc::from(name)), Origin::Asked);
    }
    match os::current_name() {
        Some(name) if !is_lent(&name) => (Some(Arc::from(name)), Origin::NamedBySystem),
        _ => (None, Origin::Asked),
    }
}

/// Whether a thread has this name which the calling one may have been started by: a new thread has its maker's name in the
/// system until it gets another.
fn is_lent(name: &str) -> bool {
    let table = TABLE.lock();
    let mut alive = table.records().filter(|record| record.is_alive());
    alive.any(|record| record.lends_name(name))
}

/// The thread ends: it leaves `enumerate`, and its slot is free as soon as it is safe. That is at once unless the system can
/// say when the thread is gone. Returns false if the thread has left already.
pub(crate) fn retire(record: &ThreadRecord, can_tell_gone: bool) -> bool {
    // Before it is seen to have finished.
    record.note_leaving();
    let mut table = TABLE.lock();
    if !record.set_finished() {
        return false;
    }
    table.active -= usize::from(record.is_listed());
    table.unsure -= usize::from(record.may_go_unsaid());
    if can_tell_gone {
        table.retire(record.slot());
    } else {
        table.set_free(record.slot());
    }
    true
}

/// Retires those that are gone without having said so.
fn retire_gone() {
    if TABLE.lock().unsure == 0 {
        return;
    }
    for record in listed() {
        if record.may_go_unsaid() && os::is_gone(record.native_id()) && retire(&record, true) {
            record.run_on_finish();
        }
    }
}

/// The threads that are not alive any more, and of which the system still has a thread.
pub fn ending() -> Vec<ThreadRecord> {
    let mut records = Vec::new();
    loop {
        let table = TABLE.lock();
        let needed = table.retired.length;
        if needed <= records.capacity() {
            records.extend(table.retired().cloned());
            drop(table);
            records.retain(|record| !record.is_gone());
            return records;
        }
        drop(table);
        records.reserve(needed);
    }
}

/// The latest record of that slot.
pub(crate) fn at(slot: Slot) -> Option<ThreadRecord> {
    TABLE.lock().at(slot).cloned()
}

fn listed() -> Vec<ThreadRecord> {
    let mut records = Vec::new();
    loop {
        let table = TABLE.lock();
        if table.active <= records.capacity() {
            let listed = |record: &&ThreadRecord| record.is_alive() && record.is_listed();
            records.extend(table.records().filter(listed).cloned());
            drop(table);
            return records;
        }
        let needed = table.active;
        drop(table);
        records.reserve(needed);
    }
}

/// Every thread that is alive, in the order in which they were registered: the main thread, those that tk started
/// (also if they have yet to run), and those that used tk.
///
/// ```
/// let main = &tk_core::enumerate()[0];
/// assert_eq!(&*main.name(), "MainThread");
/// ```
#[doc(alias = "threading.enumerate")]
pub fn enumerate() -> Vec<ThreadRecord> {
    main();
    retire_gone();
    let mut records = listed();
    records.sort_by_key(ThreadRecord::id);
    records
}

/// How many threads [`enumerate`] would list.
///
/// ```
/// assert!(tk_core::active_count() >= 1);
/// ```
#[doc(alias = "threading.active_count")]
pub fn active_count() -> usize {
    main();
    retire_gone();
    TABLE.lock().active
}

/// The record of the thread that the program began with.
///
/// ```
/// assert!(tk_core::main_thread().is_main());
/// ```
#[doc(alias = "threading.main_thread")]
pub fn main_thread() -> ThreadRecord {
    main()
}

/// The record of the thread that has this slot, or had it last.
///
/// ```
/// let me = tk_core::current();
/// assert_eq!(tk_core::thread_at(me.slot()), Some(me));
/// ```
pub fn thread_at(slot: Slot) -> Option<ThreadRecord> {
    main();
    at(slot)
}

/// The record of the thread that is this owner, or was, as long as its slot has not been given to another thread.
///
/// Costs a walk over all records: for reports, not for fast paths.
///
/// ```
/// use tk_core::{Owner, current, current_owner, thread_by_owner};
///
/// assert_eq!(thread_by_owner(current_owner()), Some(current()));
/// assert_eq!(thread_by_owner(Owner::ANONYMOUS), None);
/// ```
pub fn thread_by_owner(owner: Owner) -> Option<ThreadRecord> {
    if !owner.is_known() {
        return None;
    }
    main();
    let table = TABLE.lock();
    // A thread that used the kit after its guard was gone may have two.
    let all = || table.records().filter(|record| record.owner() == owner);
    let alive = all().find(|record| record.is_alive());
    alive.or_else(|| all().next()).cloned()
}
