//! The table of threads.
//!
//! # The life of a slot
//!
//! ```text
//!           claim              begin / enroll            retire              the OS thread is gone
//!   FREE  ---------->  TAKEN  ----------------->  TAKEN  -------->  RETIRED  ---------------------->  FREE
//!           (starting)          (running)                  (finished)
//! ```
//!
//! 1. A slot belongs to one record from `claim` until it is free again. Two threads never have one slot at a time.
//! 2. A thread's record is in `enumerate` while its slot is TAKEN. It leaves when the thread's guard, a thread-local
//!    value, is destroyed.
//! 3. Thread-local values that are older than the guard are destroyed after it, and may use tk: the thread still
//!    has its slot, and its record is found there. So a RETIRED slot is given to nobody until the operating system
//!    says that the thread is gone.
//! 4. Where the operating system cannot be asked, a slot is free as soon as it is retired, and the thread forgets that
//!    it had it. Should it use tk again in a late destructor, it gets another slot that is never given back, and a
//!    record that is not in `enumerate`. That costs some memory, and breaks neither 1 nor 2.
//! 5. A slot that was claimed for a thread that never began is free at once.
//! 6. The child of a fork has a registry of its own: see `fork.rs`.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use once_cell::sync::{Lazy, OnceCell};

use crate::{Owner, Record, Slot, ThreadId, current, fork, name, os};

/// How many retired slots are asked after before a new one is made.
const RETIRED_ASKED: usize = 4;

static REGISTRY: Lazy<Registry> = Lazy::new(Registry::new);

/// How many slots there are, for the child of a fork, which can't ask the table.
static SLOTS: AtomicUsize = AtomicUsize::new(0);

/// That of this process.
pub(crate) fn registry() -> &'static Registry {
    let mut registry = &*REGISTRY;
    for _ in 0..fork::generation() {
        registry = registry
            .child
            .get_or_init(|| Box::new(Registry::after_fork()));
    }
    registry
}

pub(crate) struct Registry {
    table: Mutex<Table>,
    main: Record,
    /// In the child of a fork, its own one; and so on.
    child: OnceCell<Box<Registry>>,
}

struct Table {
    /// By slot, without a gap. An entry whose slot is retired or free keeps its last record.
    records: Vec<Record>,
    /// RETIRED slots, the longest retired first.
    retired: VecDeque<Slot>,
    /// FREE slots.
    free: Vec<Slot>,
    /// How many records are in `enumerate`.
    active: usize,
    main_has_begun: bool,
}

impl Registry {
    /// The main thread is there from the outset, even if it never uses tk.
    fn new() -> Registry {
        let main = Record::new(
            ThreadId::MAIN,
            Slot::from_index(0),
            Arc::from("MainThread"),
            false,
        );
        SLOTS.store(1, Ordering::Relaxed);
        Registry::of(main.clone(), vec![main], false)
    }

    /// The one thread is the main one, whatever it was before. The slots of the others stay theirs.
    fn after_fork() -> Registry {
        let slots = SLOTS.load(Ordering::Relaxed);
        let lost = Record::new(ThreadId::next(), Slot::from_index(0), Arc::from(""), true);
        lost.set_finished();
        let mut records = vec![lost; slots];
        match current::guarded() {
            Some(main) => {
                records[main.slot().index()] = main.clone();
                Registry::of(main, records, true)
            }
            None => {
                let (id, slot) = (ThreadId::next(), Slot::from_index(slots));
                let main = Record::new(id, slot, Arc::from("MainThread"), false);
                records.push(main.clone());
                SLOTS.store(records.len(), Ordering::Relaxed);
                Registry::of(main, records, false)
            }
        }
    }

    fn of(main: Record, records: Vec<Record>, main_has_begun: bool) -> Registry {
        Registry {
            table: Mutex::new(Table {
                records,
                retired: VecDeque::new(),
                free: Vec::new(),
                active: 1,
                main_has_begun,
            }),
            main,
            child: OnceCell::new(),
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn main(&self) -> Record {
        self.main.clone()
    }

    pub(crate) fn is_main(&self, record: &Record) -> bool {
        self.main.is(record)
    }

    /// Tells the operating system the name of a thread that runs.
    pub(crate) fn tell_name(&self, record: &Record, name: &str) {
        if current::is_current(record) {
            return os::set_current_name(name);
        }
        // The table is locked until the system has been told: the thread does not leave meanwhile, and its number is not
        // another's.
        let _table = self.table();
        if let Some(id) = record.native_id()
            && record.is_alive()
        {
            os::set_name(id, name);
        }
    }

    /// A slot and a record for a thread that is about to be started.
    pub(crate) fn claim(
        &self,
        name: Arc<str>,
        daemon: bool,
        prepare: impl FnOnce(&Record),
    ) -> Record {
        let mut table = self.table();
        let record = table.claim(ThreadId::next(), name, daemon);
        prepare(&record);
        table.active += 1;
        record
    }

    /// As [`claim`](Registry::claim), for a thread that is not in `enumerate`.
    pub(crate) fn claim_unlisted(&self, name: Arc<str>) -> Record {
        let mut table = self.table();
        let record = table.claim(ThreadId::next(), name, true);
        record.set_unlisted();
        record
    }

    /// Takes back what [`claim`](Registry::claim) gave, for a thread that never began.
    pub(crate) fn unclaim(&self, record: &Record) {
        record.set_finished();
        let mut table = self.table();
        table.active -= usize::from(record.is_listed());
        table.free.push(record.slot());
    }

    /// A record for the calling thread, which has this id and no record. `late` if its guard is gone already.
    pub(crate) fn enroll(&self, id: ThreadId, late: bool) -> Record {
        if os::current_is_main() {
            let mut table = self.table();
            if !table.main_has_begun {
                table.main_has_begun = true;
                self.main.set_running();
                return self.main();
            }
        }
        let name = match std::thread::current().name() {
            Some(name) => Arc::from(name),
            None => Arc::from(name::next_dummy_name()),
        };
        let mut table = self.table();
        let record = table.claim(id, name, true);
        record.set_running();
        if late {
            record.set_finished();
        } else {
            table.active += 1;
        }
        record
    }

    /// The thread ends: it leaves `enumerate`, and its slot is free as soon as it is safe.
    pub(crate) fn retire(&self, record: &Record) {
        let mut table = self.table();
        record.set_finished();
        table.active -= usize::from(record.is_listed());
        if os::can_tell_gone() {
            table.retired.push_back(record.slot());
        } else {
            table.free.push(record.slot());
        }
    }

    /// The latest record of that slot.
    pub(crate) fn at(&self, slot: Slot) -> Option<Record> {
        self.table().records.get(slot.index()).cloned()
    }

    /// The record of the thread that is, or was, this owner. The latest that is alive comes first: a thread that used the
    /// kit after its guard was gone has two.
    pub(crate) fn by_owner(&self, owner: Owner) -> Option<Record> {
        let table = self.table();
        let all = || table.records.iter().filter(|r| r.owner() == owner);
        let alive = all().find(|r| r.is_alive());
        alive.or_else(|| all().next()).cloned()
    }

    pub(crate) fn enumerate(&self) -> Vec<Record> {
        let table = self.table();
        let mut records = Vec::with_capacity(table.active);
        let listed = |r: &&Record| r.is_alive() && r.is_listed();
        records.extend(table.records.iter().filter(listed).cloned());
        drop(table);
        records.sort_by_key(Record::id);
        records
    }

    pub(crate) fn active_count(&self) -> usize {
        self.table().active
    }
}

impl Table {
    fn claim(&mut self, id: ThreadId, name: Arc<str>, daemon: bool) -> Record {
        let free = self.free.pop().or_else(|| self.reclaim());
        let slot = free.unwrap_or_else(|| Slot::from_index(self.records.len()));
        let record = Record::new(id, slot, name, daemon);
        match self.records.get_mut(slot.index()) {
            Some(entry) => *entry = record.clone(),
            None => {
                self.records.push(record.clone());
                SLOTS.store(self.records.len(), Ordering::Relaxed);
            }
        }
        record
    }

    /// A retired slot whose thread is gone for good. Asks after a few only; who is still there goes to the end.
    fn reclaim(&mut self) -> Option<Slot> {
        for _ in 0..self.retired.len().min(RETIRED_ASKED) {
            let slot = self.retired.pop_front()?;
            if os::is_gone(self.records[slot.index()].native_id()) {
                return Some(slot);
            }
            self.retired.push_back(slot);
        }
        None
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
pub fn enumerate() -> Vec<Record> {
    registry().enumerate()
}

/// How many threads [`enumerate`] would list.
///
/// ```
/// assert!(tk_core::active_count() >= 1);
/// ```
#[doc(alias = "threading.active_count")]
pub fn active_count() -> usize {
    registry().active_count()
}

/// The record of the thread that the program began with.
///
/// ```
/// assert!(tk_core::main_thread().is_main());
/// ```
#[doc(alias = "threading.main_thread")]
pub fn main_thread() -> Record {
    registry().main()
}

/// The record of the thread that has this slot, or had it last.
///
/// ```
/// let me = tk_core::current();
/// assert_eq!(tk_core::thread_at(me.slot()), Some(me));
/// ```
pub fn thread_at(slot: Slot) -> Option<Record> {
    registry().at(slot)
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
pub fn thread_by_owner(owner: Owner) -> Option<Record> {
    if owner.is_known() {
        registry().by_owner(owner)
    } else {
        None
    }
}
