//! The registry: the list of all threads that use tk.
//!
//! # A thread's life in the registry
//!
//! | step | function | the slot | in `enumerate` |
//! |---|---|---|---|
//! | a thread is about to be started | `claim` | taken | yes |
//! | it could not be started | `release` | free | no |
//! | it begins, in a child of the process that claimed it | `adopt` | its own | yes |
//! | a thread that tk did not start uses tk | `register_current` | taken | yes |
//! | the same in a late destructor | `register_current`, late | taken, never freed | no |
//! | it ends | `retire` | retired, or free | no |
//!
//! The states of a slot are described in [`table`].
//!
//! # Invariants
//!
//! **Listed while alive.** A thread's record is in `enumerate` from when it is published until it
//! is retired. The thread's guard, a thread-local value, retires it. A thread that uses tk for the
//! first time in a C destructor, after its thread-local values were destroyed, never has a guard
//! that is destroyed. The first `enumerate` or `active_count` that finds its OS thread gone retires
//! it.
//!
//! **Forgotten where nobody can tell.** Where the system cannot be asked whether a thread is gone,
//! a slot is free as soon as its thread retires, and the thread forgets it. If the thread uses tk
//! again in a late destructor, it gets another slot, which is never freed, and a record that is not
//! in `enumerate`. That costs some memory. The thread's id stays the same.
//!
//! **No user code under the lock.** Nothing is allocated or freed while the table is locked. The
//! program's allocator may use a lock of the kit, whose owner may be waiting for the table. So
//! records are made before the table is locked, and dropped after it is unlocked.
//!
//! **The main thread comes first.** Its record is made before any other slot is taken, and before
//! the table is read, even if the main thread never uses tk. The main thread is the one whose id is
//! `MAIN`.

mod table;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::fork::Mutex;
use crate::record::Origin;
use crate::{Owner, Slot, ThreadId, ThreadRecord, current, exit, os};

use table::Table;
pub use table::slots;

/// The room of the first table.
const FIRST_ROOM: usize = 16;

static TABLE: Mutex<Table> = Mutex::constant(Table::empty_after(0));

/// The id of the main thread. It changes only in the child of a fork, while there is one thread.
static MAIN: AtomicU64 = AtomicU64::new(ThreadId::MAIN.get());

/// Starts the registry of a child of a fork, whose only thread is the calling one.
///
/// The thread's record is given, or at the given slot, or there is none.
pub(crate) fn survive(survivor: current::Survivor) {
    // Relaxed: there is one thread.
    MAIN.store(survivor.id.get(), Ordering::Relaxed);
    let mut table = TABLE.lock();
    let record = survivor.record.or_else(|| {
        survivor
            .slot
            .and_then(|slot| table.record_at(slot).cloned())
    });
    if let Some(record) = &record {
        record.revive();
        // `Inherit` has reset the counts. The other records say that they are lost.
        table.active = 1;
        table.main_has_begun = true;
    }
    table.main = record;
}

pub(crate) fn is_main(id: ThreadId) -> bool {
    MAIN.load(Ordering::Relaxed) == id.get()
}

/// Whether the main thread has this owner number.
pub(crate) fn is_main_owner(owner: Owner) -> bool {
    MAIN.load(Ordering::Relaxed) == u64::from(owner.get())
}

/// The main thread's record. It is made now if there is none.
pub(crate) fn main() -> ThreadRecord {
    loop {
        if let Some(main) = &TABLE.lock().main {
            return main.clone();
        }
        // The lock is not held from here on, because making a record allocates.
        let slot = take_slot();
        let id = ThreadId::from_number(
            MAIN.load(Ordering::Relaxed)
                .try_into()
                .expect("no thread's id is zero"),
        );
        let name = Arc::from("MainThread");
        let record = ThreadRecord::new(id, slot, Some(name), false, Origin::Registered);
        // `STARTING` until the main thread uses it, as it may never do.
        let mut table = TABLE.lock();
        if table.main.is_some() {
            // Another thread was faster. Its record is returned by the next turn.
            table.set_free(slot);
        } else {
            table.main = Some(record.clone());
            let old = table.publish(record);
            drop(table);
            drop(old);
        }
    }
}

/// Takes a slot, and makes the table larger if it has to.
fn take_slot() -> Slot {
    loop {
        let mut table = TABLE.lock();
        if let Some(slot) = table.take() {
            return slot;
        }
        let room = table.room();
        drop(table);
        // The table is not locked, because the allocator runs. Another thread may be faster, or
        // take the room that this one makes: hence the loop.
        let larger = Vec::with_capacity(FIRST_ROOM.max(2 * room));
        let unused = TABLE.lock().grow(larger);
        // A statement of its own, so that the table is unlocked.
        drop(unused);
    }
}

/// Registers a thread that is about to be started. Calls `prepare` before other threads can find
/// the record.
pub(crate) fn claim(
    name: Arc<str>,
    daemon: bool,
    prepare: impl FnOnce(&ThreadRecord),
) -> ThreadRecord {
    claim_from(name, daemon, Origin::Registered, prepare)
}

/// Does the same as [`claim`], for a daemon that `enumerate` does not show.
pub(crate) fn claim_unlisted(name: Arc<str>) -> ThreadRecord {
    claim_from(name, true, Origin::Unlisted, |_| ())
}

fn claim_from(
    name: Arc<str>,
    daemon: bool,
    origin: Origin,
    prepare: impl FnOnce(&ThreadRecord),
) -> ThreadRecord {
    // *The main thread comes first.*
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
    // This may be the last handle on the record of the slot's former thread.
    drop(old);
}

/// Takes back what [`claim`] has done, for a thread that has no OS thread of its own.
pub(crate) fn release(record: &ThreadRecord) {
    let mut table = TABLE.lock();
    let is_here = !record.is_lost();
    // Under the lock, so that no thread sees the record alive with a slot that is free.
    record.set_finished();
    // The slots of lost threads are not reused.
    if is_here {
        table.active -= usize::from(record.is_listed());
        table.set_free(record.slot());
    }
}

/// Adopts a thread that was claimed in the parent of this process, and begins here.
pub(crate) fn adopt(record: &ThreadRecord) {
    if record.is_lost() {
        let mut table = TABLE.lock();
        // Before it is published, because a lost record would not be alive.
        record.survive();
        let old = table.publish(record.clone());
        drop(table);
        drop(old);
    }
}

/// Registers the calling thread, which has this id and no record. `is_late` says that the thread's
/// guard has been destroyed.
pub(crate) fn register_current(id: ThreadId, is_late: bool) -> ThreadRecord {
    let main = main();
    let (name, origin) = if is_main(id) {
        let mut table = TABLE.lock();
        if !table.main_has_begun {
            // The main thread's first use of tk. Its record has been waiting for it.
            table.main_has_begun = true;
            drop(table);
            main.set_running();
            return main;
        }
        // The main thread has used its record before, and the record has finished.
        (Some(main.name()), Origin::FirstUse)
    } else {
        name_of_current()
    };
    let record = ThreadRecord::new(id, take_slot(), name, true, origin);
    record.set_running();
    if is_late {
        // Nothing retires this record later, so it finishes now, and is not in `enumerate`.
        record.note_leaving();
        record.set_finished();
        let mut table = TABLE.lock();
        let old = table.replace(record.clone());
        drop(table);
        drop(old);
    } else {
        publish(record.clone());
    }
    record
}

/// The name that the calling thread has in the standard library or in the system.
fn name_of_current() -> (Option<Arc<str>>, Origin) {
    let named = os::named_by_std();
    if let Some(name) = named.as_ref().and_then(|thread| thread.name()) {
        return (Some(Arc::from(name)), Origin::FirstUse);
    }
    match os::current_name() {
        Some(name) if !is_lent(&name) => (Some(Arc::from(name)), Origin::NamedBySystem),
        _ => (None, Origin::FirstUse),
    }
}

/// Whether the thread that started the calling one may have lent it this name: in the system, a new
/// thread has the name of the thread that started it until it gets another.
fn is_lent(name: &str) -> bool {
    let table = TABLE.lock();
    let mut alive = table.records().filter(|record| record.is_alive());
    alive.any(|record| record.lends_name(name))
}

/// Retires a thread that ends. Returns `false` if it has been retired already.
///
/// The thread leaves `enumerate`. Its slot is reused when the thread is gone, or immediately where
/// the system cannot tell (*forgotten where nobody can tell*).
pub(crate) fn retire(record: &ThreadRecord, can_detect_exit: bool) -> bool {
    // Before other threads see that it has finished.
    record.note_leaving();
    let mut table = TABLE.lock();
    if !record.set_finished() {
        // Its guard and `retire_exited` have both found the end.
        return false;
    }
    table.active -= usize::from(record.is_listed());
    table.unsure -= usize::from(record.may_end_unnoticed());
    if can_detect_exit {
        // Not the slot of this thread, which still exists.
        table.reclaim_one();
        table.retire(record.slot());
    } else {
        table.set_free(record.slot());
    }
    true
}

/// Retires the threads whose end has gone unnoticed (*listed while alive*).
fn retire_exited() {
    // The usual case: each thread has a guard, and the system is not asked.
    if TABLE.lock().unsure == 0 {
        return;
    }
    // A copy, because the system is asked and functions are called without the lock.
    for record in listed() {
        if record.may_end_unnoticed()
            && exit::has_exited(record.native_id())
            && retire(&record, true)
        {
            record.run_on_finish();
        }
    }
}

/// Returns the threads that have ended, and of which the system still has a thread.
pub fn ending() -> Vec<ThreadRecord> {
    let mut records = Vec::new();
    loop {
        let table = TABLE.lock();
        let needed = table.retired_count();
        if needed <= records.capacity() {
            records.extend(table.retired().cloned());
            drop(table);
            // Asks the system, without the lock.
            records.retain(|record| !record.is_gone());
            return records;
        }
        drop(table);
        records.reserve(needed);
    }
}

/// The record of the thread that has this slot, or had it last.
pub(crate) fn at(slot: Slot) -> Option<ThreadRecord> {
    TABLE.lock().record_at(slot).cloned()
}

/// The records in `enumerate`, in the order of their slots.
fn listed() -> Vec<ThreadRecord> {
    let mut records = Vec::new();
    loop {
        let table = TABLE.lock();
        if table.active <= records.capacity() {
            let is_listed = |record: &&ThreadRecord| record.is_alive() && record.is_listed();
            records.extend(table.records().filter(is_listed).cloned());
            drop(table);
            return records;
        }
        let needed = table.active;
        drop(table);
        // The table is not locked, because the allocator runs.
        records.reserve(needed);
    }
}

/// Returns all threads that are alive, in the order of their registration.
///
/// These are the main thread, the threads that tk has started, and the threads that have used tk.
/// Threads that tk has started are among them before they run.
///
/// ```
/// let main = &tk_core::enumerate()[0];
/// assert_eq!(&*main.name(), "MainThread");
/// ```
#[doc(alias = "threading.enumerate")]
pub fn enumerate() -> Vec<ThreadRecord> {
    main();
    retire_exited();
    let mut records = listed();
    // By slot so far. Ids are in the order of registration.
    records.sort_by_key(ThreadRecord::id);
    records
}

/// Returns the number of threads that [`enumerate`] would return.
///
/// ```
/// assert!(tk_core::active_count() >= 1);
/// ```
#[doc(alias = "threading.active_count")]
pub fn active_count() -> usize {
    main();
    retire_exited();
    TABLE.lock().active
}

/// Returns the record of the thread that the program started with.
///
/// In the child of a fork, that is the thread that has forked.
///
/// ```
/// assert!(tk_core::main_thread().is_main());
/// ```
#[doc(alias = "threading.main_thread")]
pub fn main_thread() -> ThreadRecord {
    main()
}

/// Returns the record of the thread that has this slot, or had it last.
///
/// ```
/// let me = tk_core::current();
/// assert_eq!(tk_core::thread_at(me.slot()), Some(me));
/// ```
pub fn thread_at(slot: Slot) -> Option<ThreadRecord> {
    main();
    at(slot)
}

/// Returns the record of the thread that has this owner number.
///
/// The record of a thread that has ended is found until another thread gets its slot. Goes through
/// all records: for reports, not for fast paths.
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
    // A thread that has used tk after its guard was destroyed may have two records.
    let all = || table.records().filter(|record| record.owner() == owner);
    let alive = all().find(|record| record.is_alive());
    alive.or_else(|| all().next()).cloned()
}
