//! The calling thread: its slot, its id, its owner number and its record.
//!
//! # The thread-locals of a thread
//!
//! | moment | `ID`, `OWNER` | `SLOT` | `GUARD` |
//! |---|---|---|---|
//! | before the thread uses tk | 0 | 0 | empty |
//! | `reserve_owner`, or while the thread is being registered | its numbers | 0 | empty |
//! | registered | its numbers | its slot | its record |
//! | the guard is destroyed, the system detects exits | its numbers | its slot | out of reach |
//! | the guard is destroyed, the system does not | its numbers | 0 | out of reach |
//! | suspended by `run_as` | those of the inner thread | the same | the same |
//!
//! Only `GUARD` has a destructor. The others can be read until the thread's last destructor has
//! run.
//!
//! # Invariants
//!
//! **Numbered, then registered.** A thread has its id and its owner number before anything is
//! allocated for its record. Otherwise a global allocator that takes a lock of the kit would ask
//! for the owner number, and register the thread again within its registration.
//!
//! **One id.** A thread's id and owner number never change until its very end, except within
//! `run_as`. So a lock that is held in a late destructor knows its owner. Where the standard
//! library is asked whether a thread is the main one, the main thread has another number during the
//! question, which only the allocator's locks can see.
//!
//! **Counted until registered.** A thread that has a number and no record yet is counted in
//! `UNREGISTERED`, from before it has the number until its record can be found. So if the count is
//! zero, an owner without a record is a thread that has been registered, and is gone.
//!
//! **Found without the guard.** When the guard is out of reach, the thread's record is found
//! through the registry, by the slot.

use std::cell::{Cell, RefCell};
use std::num::{NonZeroU32, NonZeroU64};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::program::Program;
use crate::{Owner, Slot, ThreadId, ThreadRecord, exit, os, registry};

thread_local! {
    /// The calling thread's slot, or zero.
    static SLOT: Cell<u32> = const { Cell::new(0) };

    /// A pointer of another crate, for as long as the thread has this slot and this id. Null before
    /// that, and when one of them changes.
    static ATTACHED: Cell<*const ()> = const { Cell::new(std::ptr::null()) };

    /// The calling thread's id, or zero.
    static ID: Cell<u64> = const { Cell::new(0) };

    /// The id as an [`Owner`], or zero.
    static OWNER: Cell<u32> = const { Cell::new(0) };

    /// Whether the thread is counted in `UNREGISTERED`.
    static IS_COUNTED: Cell<bool> = const { Cell::new(false) };

    /// Whether the thread is being registered at this moment.
    static REGISTERING: Cell<bool> = const { Cell::new(false) };

    /// Retires the thread when it is destroyed.
    static GUARD: Guard = const { Guard(RefCell::new(None)) };
}

/// How many threads have a number and no record yet.
static UNREGISTERED: AtomicUsize = AtomicUsize::new(0);

/// Returns whether a thread has a number and no record yet. That is so for some microseconds when a
/// thread uses tk for the first time. If a thread ends without a record, it is so from then on.
pub fn has_unregistered_threads() -> bool {
    // Acquire: pairs with the Release of a thread whose record can be found now.
    UNREGISTERED.load(Ordering::Acquire) > 0
}

/// Holds the record of a registered thread.
struct Guard(RefCell<Option<ThreadRecord>>);

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(record) = self.0.take() {
            finish(&record);
        }
    }
}

/// Ends a thread: runs its functions, and retires its record.
pub(crate) fn finish(record: &ThreadRecord) {
    // While the thread is in the registry and has its slot.
    record.run_at_exit();
    let can_detect_exit = exit::can_detect_exit();
    registry::retire(record, can_detect_exit);
    if !can_detect_exit {
        // The slot may go to another thread from now on.
        set_slot(0);
    }
    record.run_on_finish();
}

/// Returns the calling thread's slot. Registers the thread if it is not registered.
///
/// Costs one load of a thread-local and one comparison when the thread is registered.
///
/// ```
/// assert_eq!(tk_core::current_slot(), tk_core::current_slot());
/// ```
#[inline]
pub fn current_slot() -> Slot {
    match NonZeroU32::new(SLOT.get()) {
        Some(number) => Slot::from_number(number),
        None => register(),
    }
}

/// Returns the calling thread's number for the word of a lock. Registers the thread if it is not
/// registered.
///
/// Costs one load of a thread-local and one comparison when the thread is registered. The thread
/// has its number before it is in the registry, so a global allocator that takes a lock while the
/// thread is being registered gets the number too.
///
/// ```
/// use tk_core::current_owner;
///
/// assert_eq!(current_owner(), current_owner());
/// assert_ne!(current_owner(), std::thread::spawn(current_owner).join().unwrap());
/// ```
#[inline]
pub fn current_owner() -> Owner {
    match NonZeroU32::new(OWNER.get()) {
        Some(number) => Owner::from_number(number),
        None => register_owner(),
    }
}

#[cold]
#[inline(never)]
fn register_owner() -> Owner {
    register();
    Owner::from_number(NonZeroU32::new(OWNER.get()).expect("registering sets the owner"))
}

/// Returns the calling thread's owner number, without registering the thread.
///
/// For a thread that is about to enter a queue. Registering takes some ten microseconds, in which
/// another thread could overtake it. Call [`ensure_registered`] afterwards.
pub fn reserve_owner() -> Owner {
    ensure_numbered();
    current_owner()
}

/// Registers the calling thread unless it is registered, or is being registered.
#[inline]
pub fn ensure_registered() {
    if SLOT.get() == 0 && !REGISTERING.get() {
        register();
    }
}

/// Returns the calling thread's id. Registers the thread if it is not registered.
///
/// A thread's id never changes. Costs one load of a thread-local and one comparison when the thread
/// is registered.
///
/// ```
/// assert_eq!(tk_core::current_id(), tk_core::current().id());
/// ```
#[doc(alias = "threading.get_ident")]
#[inline]
pub fn current_id() -> ThreadId {
    match NonZeroU64::new(ID.get()) {
        Some(number) => ThreadId::from_number(number),
        None => register_id(),
    }
}

#[cold]
#[inline(never)]
fn register_id() -> ThreadId {
    register();
    ThreadId::from_number(NonZeroU64::new(ID.get()).expect("registering sets the id"))
}

/// Returns the calling thread's slot and id, without registering the thread. Either is zero if the
/// thread has none.
///
/// For the fast path of crates that keep a value per slot: two loads of thread-locals without a
/// destructor.
#[inline]
pub fn peek_slot_and_id() -> (u32, u64) {
    (SLOT.get(), ID.get())
}

/// Returns the pointer of the last call of [`attach`], or null if the thread's slot or id has
/// changed since, or if there was none.
///
/// For the one crate that keeps more than a value per slot: one load of a thread-local without a
/// destructor.
#[inline]
pub fn attached() -> *const () {
    ATTACHED.get()
}

/// Keeps the pointer for the calling thread, which has a slot, until its slot or id changes.
pub fn attach(pointer: *const ()) {
    ATTACHED.set(pointer);
}

/// Returns the calling thread's record. Registers the thread if it is not registered.
///
/// The main thread is called `MainThread`. A thread that tk did not start has the name that the
/// standard library or the system knows, or else `Dummy-N`. Works in thread-local destructors too,
/// until the end of the thread.
///
/// ```
/// let record = tk_core::current();
/// assert!(record.is_alive());
/// ```
#[doc(alias = "threading.current_thread")]
pub fn current() -> ThreadRecord {
    loop {
        let slot = current_slot();
        if let Some(record) = guard_record().or_else(|| registry::at(slot)) {
            return record;
        }
        // The thread has forked in a late destructor while another thread had the registry locked,
        // so its record is lost. The slot stays with what is kept there, and the thread registers
        // again.
        set_slot(0);
    }
}

/// The calling thread's record. `None` while the thread is being registered.
pub(crate) fn current_unless_registering() -> Option<ThreadRecord> {
    if REGISTERING.get() {
        None
    } else {
        Some(current())
    }
}

/// Calls `f` with the calling thread's record, without counting another reference to it. `f` must
/// be code of this crate, because the guard is borrowed.
#[cfg(feature = "logging")]
pub(crate) fn with_current<R>(f: impl FnOnce(&ThreadRecord) -> R) -> R {
    current_slot();
    let mut f = Some(f);
    let mut call = |record: &ThreadRecord| f.take().map(|f| f(record));
    GUARD
        .try_with(|guard| guard.0.borrow().as_ref().and_then(&mut call))
        .ok()
        .flatten()
        .or_else(|| call(&current()))
        .expect("it is called once")
}

/// The record that the guard holds, unless the guard is out of reach.
fn guard_record() -> Option<ThreadRecord> {
    let record = GUARD.try_with(|guard| guard.0.borrow().clone());
    record.ok().flatten()
}

/// Takes the record out of the guard, so that the guard retires nothing.
pub(crate) fn take_guard_record() -> Option<ThreadRecord> {
    GUARD.try_with(|guard| guard.0.take()).ok().flatten()
}

/// Whether the guard can be used. It is destroyed among the thread's thread-local values.
pub(crate) fn has_guard() -> bool {
    GUARD.try_with(|_| ()).is_ok()
}

/// The one thread that the child of a fork has.
pub(crate) struct Survivor {
    pub(crate) id: ThreadId,
    /// Its record, if its guard has one.
    pub(crate) record: Option<ThreadRecord>,
    /// Its slot, if it has one.
    pub(crate) slot: Option<Slot>,
}

/// Describes the calling thread in the child of a fork, and gives it an id if it has none.
pub(crate) fn survive() -> Survivor {
    // Not by `ensure_numbered`: by its number in the system, each thread that has forked is the
    // main one of its process.
    let id = NonZeroU64::new(ID.get()).map_or_else(ThreadId::next, ThreadId::from_number);
    set_id(id);
    let slot = Slot::new(SLOT.get());
    // Counted until registered.
    IS_COUNTED.set(slot.is_none());
    UNREGISTERED.store(slot.is_none().into(), Ordering::Relaxed);
    Survivor {
        id,
        // Without a slot there is no record. Then the guard is left alone, because its first use
        // would register a destructor, which may allocate.
        record: slot.and_then(|_| guard_record()),
        slot,
    }
}

/// Whether this is the calling thread's record. Does not register the thread.
pub(crate) fn is_current(record: &ThreadRecord) -> bool {
    ID.get() == record.id().get()
}

/// Calls `f` in the calling thread when the thread ends, while it still has its slot and is in the
/// registry.
///
/// The function that was added last is called first. The panic hook reports a panic in one of them,
/// and the others run all the same. For crates that keep something per slot.
///
/// # Errors
///
/// Returns `f` if the thread has run all its functions already. That is so in thread-local
/// destructors that run late.
///
/// ```
/// use std::sync::mpsc;
///
/// let (sender, receiver) = mpsc::channel();
/// std::thread::spawn(move || {
///     let _ = tk_core::at_thread_exit(Box::new(move || sender.send("bye").unwrap()));
/// });
/// assert_eq!(receiver.recv(), Ok("bye"));
/// ```
pub fn at_thread_exit(f: Box<dyn FnOnce() + Send>) -> Result<(), Box<dyn FnOnce() + Send>> {
    current().at_exit(f)
}

/// Registers the calling thread, and returns its slot.
#[cold]
#[inline(never)]
fn register() -> Slot {
    if REGISTERING.replace(true) {
        abort_registered_twice();
    }
    let _registering = Registering;
    // Before anything is allocated for the record (*numbered, then registered*).
    let id = ensure_numbered();
    let is_late = !has_guard();
    let record = registry::register_current(id, is_late);
    let slot = record.slot();
    if is_late {
        // Nothing will call functions that are added from now on, so close the lists.
        record.run_at_exit();
        record.run_on_finish();
    }
    become_current(record);
    slot
}

/// Resets `REGISTERING`, also if a registration panics.
struct Registering;

impl Drop for Registering {
    fn drop(&mut self) {
        REGISTERING.set(false);
    }
}

/// The global allocator has asked for a record or a slot within a registration. Making a record
/// takes memory, for which the allocator would ask again. A panic must not unwind through it
/// either.
#[cold]
fn abort_registered_twice() -> ! {
    // Takes no lock, and allocates nothing.
    let _ = std::io::Write::write_all(
        &mut std::io::stderr(),
        b"fatal: the global allocator asked for the record or the slot of a thread \
          that is being registered\n",
    );
    std::process::abort()
}

/// The calling thread's id. The thread gets one if it has none.
fn ensure_numbered() -> ThreadId {
    if let Some(number) = NonZeroU64::new(ID.get()) {
        return ThreadId::from_number(number);
    }
    // Counted until registered. Relaxed: a reader orders it.
    if !IS_COUNTED.replace(true) {
        UNREGISTERED.fetch_add(1, Ordering::Relaxed);
    }
    // Relaxed, here and below: a thread that does not see the flag asks the system.
    let may_be_main =
        registry::is_main(ThreadId::MAIN) && !MAIN_IS_NUMBERED.load(Ordering::Relaxed);
    let id = if os::MAIN_IS_ASKED_OF_STD && may_be_main {
        // The question allocates, so the thread needs a number before it (*numbered, then
        // registered*). If it is the main thread, only locks of the allocator have seen that
        // number. They are free again when the answer is there.
        let id = ThreadId::next();
        set_id(id);
        if os::current_is_main() {
            ThreadId::MAIN
        } else {
            id
        }
    } else if may_be_main && os::current_is_main() {
        ThreadId::MAIN
    } else {
        ThreadId::next()
    };
    if id == ThreadId::MAIN {
        MAIN_IS_NUMBERED.store(true, Ordering::Relaxed);
    }
    set_id(id);
    id
}

/// Whether the main thread has its id, so that no other thread need ask whether it is the main one.
static MAIN_IS_NUMBERED: AtomicBool = AtomicBool::new(false);

/// Sets the slot. The id that goes with it is there already.
fn set_slot(slot: u32) {
    ATTACHED.set(std::ptr::null());
    SLOT.set(slot);
}

fn set_id(id: ThreadId) {
    ID.set(id.get());
    OWNER.set(Owner::of(id).get());
}

/// Makes the calling thread the one of this record.
pub(crate) fn become_current(record: ThreadRecord) {
    set_id(record.id());
    if IS_COUNTED.replace(false) {
        // Release: pairs with the Acquire in `has_unregistered_threads`.
        UNREGISTERED.fetch_sub(1, Ordering::Release);
    }
    record.program().note();
    // Last of the numbers: a thread with a slot counts as registered.
    set_slot(record.slot().get());
    // Without a guard, nothing will retire the record. It is not in `enumerate` then.
    let _ = GUARD.try_with(|guard| guard.0.replace(Some(record)));
}

/// The identity of a thread that has another one for a while: see `run_as.rs`.
pub(crate) struct Suspended {
    record: Option<ThreadRecord>,
    slot: u32,
    id: u64,
    owner: u32,
}

/// Takes its identity from the calling thread. The functions for the thread's end run first, so
/// that nothing of this identity stays in thread-local storage.
pub(crate) fn suspend() -> Suspended {
    if let Some(record) = guard_record() {
        record.run_at_exit_so_far();
        record.set_suspended(true);
    }
    let suspended = Suspended {
        record: take_guard_record(),
        slot: SLOT.get(),
        id: ID.replace(0),
        owner: OWNER.replace(0),
    };
    set_slot(0);
    suspended
}

impl Suspended {
    /// Gives the thread this identity again. Returns the record that it had in between, whose
    /// functions for the thread's end have run.
    pub(crate) fn resume(self) -> Option<ThreadRecord> {
        let inner = guard_record();
        if let Some(record) = &inner {
            // While the inner identity is current.
            record.run_at_exit();
        }
        ID.set(self.id);
        OWNER.set(self.owner);
        set_slot(self.slot);
        if let Some(record) = &self.record {
            record.set_suspended(false);
            record.restore_os_name();
        }
        // `Program::current` of the outer thread again.
        let program = self
            .record
            .as_ref()
            .map_or_else(Program::root, ThreadRecord::program);
        program.note();
        let _ = GUARD.try_with(|guard| guard.0.replace(self.record));
        inner
    }
}
