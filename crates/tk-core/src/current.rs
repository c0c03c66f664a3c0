//! Which thread is this one?

use std::cell::{Cell, RefCell};
use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;

use crate::program::Program;
use crate::{Owner, Slot, ThreadId, ThreadRecord, os, registry};

thread_local! {
    /// The calling thread's slot, or zero. Without a destructor, so that it can be read until the very end.
    static SLOT: Cell<u32> = const { Cell::new(0) };

    /// The calling thread's id, or zero. Without a destructor. Unlike the slot, it stays until the very end: a lock that is
    /// held in a late destructor knows its owner.
    static ID: Cell<u64> = const { Cell::new(0) };

    /// The same as an [`Owner`], or zero.
    static OWNER: Cell<u32> = const { Cell::new(0) };

    /// Whether the thread is being registered at this moment.
    static REGISTERING: Cell<bool> = const { Cell::new(false) };

    /// Takes the thread out of the registry when it is destroyed.
    static GUARD: Guard = const { Guard(RefCell::new(None)) };
}

struct Guard(RefCell<Option<ThreadRecord>>);

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(record) = self.0.take() {
            finish(&record);
        }
    }
}

/// The end of a thread. From here on its record is found through the registry: the guard is out of reach.
fn finish(record: &ThreadRecord) {
    record.run_at_exit();
    let can_tell_gone = os::can_tell_gone();
    registry::retire(record, can_tell_gone);
    if !can_tell_gone {
        SLOT.set(0);
    }
    record.run_on_finish();
}

/// The calling thread's slot, which it gets now if it has none yet.
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

/// The calling thread as the owner in a lock's word. Registers the thread if it is not registered yet.
///
/// Costs one load of a thread-local and one comparison when the thread is registered. The thread has its number before
/// it is in the registry: a global allocator that takes a lock while the thread registers finds it here.
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

/// Returns the calling thread's owner number, which it gets now if it has none, without registering the thread.
///
/// For a thread that is about to enter a queue: registering takes some ten microseconds, in which others could overtake
/// it. [`ensure_registered`] is to follow.
pub fn reserve_owner() -> Owner {
    set_id();
    current_owner()
}

/// Registers the calling thread unless it is registered, or is being registered.
#[inline]
pub fn ensure_registered() {
    if SLOT.get() == 0 && !REGISTERING.get() {
        register();
    }
}

/// The calling thread's id, which it gets now if it has none yet. It is the same until the thread's very end.
///
/// Costs one load of a thread-local and one comparison when the thread is registered.
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

/// The calling thread's slot and id as numbers, without registering it. The slot is zero if the thread has none.
///
/// Both are loads of thread-locals without a destructor. For crates that keep something per slot, on their fast path.
#[doc(hidden)]
#[inline]
pub fn peek_slot_and_id() -> (u32, u64) {
    (SLOT.get(), ID.get())
}

/// The calling thread's record, which it gets now if it has none yet.
///
/// The main thread is called `MainThread`, a thread that tk did not start has the name that the standard library knows
/// of, or `Dummy-N`. Works in a thread-local destructor too, until the end of the thread.
///
/// ```
/// let record = tk_core::current();
/// assert!(record.is_alive());
/// ```
#[doc(alias = "threading.current_thread")]
pub fn current() -> ThreadRecord {
    loop {
        let slot = current_slot();
        if let Some(record) = guarded().or_else(|| registry::at(slot)) {
            return record;
        }
        // A fork in a late destructor, while another thread had the registry locked: the record is lost. The slot stays with
        // what is kept there, and the thread gets another one.
        SLOT.set(0);
    }
}

/// The calling thread's record, unless it is being registered: then it has an id, and no record yet.
pub(crate) fn current_if_known() -> Option<ThreadRecord> {
    if REGISTERING.get() {
        None
    } else {
        Some(current())
    }
}

/// Calls `f` with the calling thread's record, without a handle on it of its own. `f` must be code of this crate.
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

/// The calling thread's record, as its guard has it.
fn guarded() -> Option<ThreadRecord> {
    let record = GUARD.try_with(|guard| guard.0.borrow().clone());
    record.ok().flatten()
}

/// The one thread that is in the child of a fork.
pub(crate) struct Survivor {
    pub(crate) id: ThreadId,
    /// Its record, if its guard has one.
    pub(crate) record: Option<ThreadRecord>,
    /// Its slot, if it has one.
    pub(crate) slot: Option<Slot>,
}

/// In the child of a fork: the calling thread, which gets an id now if it has none.
pub(crate) fn survive() -> Survivor {
    // Not `set_id`: by the system's number every thread that has forked is the main one.
    let id = NonZeroU64::new(ID.get()).map_or_else(ThreadId::next, ThreadId::from_number);
    take_id(id);
    let slot = Slot::new(SLOT.get());
    Survivor {
        id,
        // Without a slot there is no record either, and the guard is not to be made here.
        record: slot.and_then(|_| guarded()),
        slot,
    }
}

/// Whether this is the calling thread's record. Does not register the thread.
pub(crate) fn is_current(record: &ThreadRecord) -> bool {
    ID.get() == record.id().get()
}

/// Calls `f` when the calling thread ends, in this thread, while it still has its slot and is in the registry.
///
/// The latest function is called first. A panic in one is reported by the panic hook and goes no further. Of use to
/// whoever keeps something per slot.
///
/// # Errors
///
/// Gives `f` back if the thread has called all its functions: in a thread-local destructor that runs very late.
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

/// **Invariant: numbered, then registered.** The thread has an id and an owner number before anything is allocated for its
/// record. So a global allocator that takes a lock of the kit finds the number, and does not register the thread again.
#[cold]
#[inline(never)]
fn register() -> Slot {
    if REGISTERING.replace(true) {
        registered_twice();
    }
    let _registering = Registering;
    let id = set_id();
    let late = GUARD.try_with(|_| ()).is_err();
    let record = registry::enroll(id, late);
    let slot = record.slot();
    if late {
        // Nobody is left to call what would be added.
        record.run_at_exit();
        record.run_on_finish();
    }
    become_current(record);
    slot
}

struct Registering;

impl Drop for Registering {
    fn drop(&mut self) {
        REGISTERING.set(false);
    }
}

/// The global allocator has asked for what there is not yet: to give it a record takes memory, for which it would ask
/// again. It must not be unwound through, either.
#[cold]
fn registered_twice() -> ! {
    // Without a lock, and without an allocation.
    let _ = std::io::Write::write_all(
        &mut std::io::stderr(),
        b"fatal: the global allocator asked for the record or the slot of a thread that is being registered\n",
    );
    std::process::abort()
}

/// The calling thread's id, which it gets now if it has none.
fn set_id() -> ThreadId {
    if let Some(number) = NonZeroU64::new(ID.get()) {
        return ThreadId::from_number(number);
    }
    let may_be_main = registry::is_main(ThreadId::MAIN);
    let id = if os::MAIN_IS_ASKED_OF_STD && may_be_main {
        // The question allocates. By *numbered, then registered*, the thread needs a number before.
        // If it is the main thread, only the allocator's locks have seen that number, and they are
        // free again when the answer is there.
        let id = ThreadId::next();
        take_id(id);
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
    take_id(id);
    id
}

fn take_id(id: ThreadId) {
    ID.set(id.get());
    OWNER.set(Owner::of(id).get());
}

fn become_current(record: ThreadRecord) {
    take_id(record.id());
    record.program().note();
    SLOT.set(record.slot().get());
    // A thread whose guard is gone has a record that nobody will take out of the registry, where it does not show.
    let _ = GUARD.try_with(|guard| guard.0.replace(Some(record)));
}

/// Who the calling thread is when it is not another one: see `run_as.rs`.
pub(crate) struct Suspended {
    record: Option<ThreadRecord>,
    slot: u32,
    id: u64,
    owner: u32,
}

/// Leaves the calling thread without an identity. Nothing that hangs on the old one is left in thread-local storage.
pub(crate) fn suspend() -> Suspended {
    if let Some(record) = guarded() {
        record.run_at_exit_so_far();
    }
    Suspended {
        record: GUARD.try_with(|guard| guard.0.take()).ok().flatten(),
        slot: SLOT.replace(0),
        id: ID.replace(0),
        owner: OWNER.replace(0),
    }
}

impl Suspended {
    /// Gives the thread this identity again. Returns the record that it had meanwhile, whose functions for the end have
    /// run.
    pub(crate) fn resume(self) -> Option<ThreadRecord> {
        let inner = guarded();
        if let Some(record) = &inner {
            record.run_at_exit();
        }
        SLOT.set(self.slot);
        ID.set(self.id);
        OWNER.set(self.owner);
        if let Some(record) = &self.record {
            record.tell_name_again();
        }
        let program = self
            .record
            .as_ref()
            .map_or_else(Program::root, ThreadRecord::program);
        program.note();
        let _ = GUARD.try_with(|guard| guard.0.replace(self.record));
        inner
    }
}

/// A thread that is about to be started: registered, with a name, an id and a slot, but not running yet.
///
/// Made by the thread that starts another one, moved into that one, and [begun](Registration::begin) there. If it is
/// dropped instead, because the thread could not be started, nothing of it is left in the registry.
///
/// ```
/// use tk_core::Registration;
///
/// let registration = Registration::new("courier", false);
/// let record = registration.record().clone();
/// assert!(tk_core::enumerate().contains(&record));
///
/// std::thread::spawn(move || {
///     registration.begin();
///     assert_eq!(&*tk_core::current().name(), "courier");
/// })
/// .join()
/// .unwrap();
/// assert!(!tk_core::enumerate().contains(&record));
/// ```
pub struct Registration(Option<ThreadRecord>);

impl Registration {
    /// Registers a thread under this name.
    ///
    /// ```
    /// use tk_core::{Registration, enumerate};
    ///
    /// let registration = Registration::new("courier", false); // Not a daemon.
    /// assert!(enumerate().iter().any(|thread| &*thread.name() == "courier"));
    /// # drop(registration);
    /// ```
    pub fn new(name: impl Into<Arc<str>>, daemon: bool) -> Registration {
        Registration::prepared(name, daemon, |_| ())
    }

    /// As [`new`](Registration::new), for a thread that belongs to this program, and not to that of the calling thread.
    #[doc(hidden)]
    pub fn of_program(name: impl Into<Arc<str>>, daemon: bool, program: &Program) -> Registration {
        let registration = Registration::new(name, daemon);
        registration.record().set_program(program.clone());
        registration
    }

    /// As [`new`](Registration::new), for a thread that only serves the kit itself: a daemon that [`enumerate`] does not
    /// list.
    ///
    /// [`enumerate`]: crate::enumerate
    #[doc(hidden)]
    pub fn unlisted(name: impl Into<Arc<str>>) -> Registration {
        Registration(Some(registry::claim_unlisted(name.into())))
    }

    /// As [`new`](Registration::new), and calls `prepare` before anybody can find the record in the registry.
    #[doc(hidden)]
    pub fn prepared(
        name: impl Into<Arc<str>>,
        daemon: bool,
        prepare: impl FnOnce(&ThreadRecord),
    ) -> Registration {
        let program = Program::current();
        let prepare = |record: &ThreadRecord| {
            record.set_program(program);
            prepare(record);
        };
        Registration(Some(registry::claim(name.into(), daemon, prepare)))
    }

    /// The record of the thread to be.
    ///
    /// ```
    /// use tk_core::Registration;
    ///
    /// let registration = Registration::new("courier", false);
    /// assert_eq!(&*registration.record().name(), "courier");
    /// ```
    pub fn record(&self) -> &ThreadRecord {
        self.0
            .as_ref()
            .expect("a registration has its record until it begins")
    }

    /// Makes the calling thread the registered one.
    ///
    /// To be called first of all in the new thread: what the thread did with tk before this, it did under another
    /// record, which ends here.
    ///
    /// ```
    /// use tk_core::{Registration, current};
    ///
    /// let registration = Registration::new("courier", false);
    /// let thread = std::thread::spawn(|| {
    ///     registration.begin();
    ///     current().name()
    /// });
    /// assert_eq!(&*thread.join().unwrap(), "courier");
    /// ```
    pub fn begin(mut self) {
        let Some(record) = self.0.take() else { return };
        // What runs at its end may register the thread once more.
        while let Ok(Some(earlier)) = GUARD.try_with(|guard| guard.0.take()) {
            finish(&earlier);
        }
        registry::adopt(&record);
        // The thread's number is known before the name is told: who renames it from here on tells the system.
        record.begin();
        become_current(record.clone());
        if GUARD.try_with(|_| ()).is_err() {
            // In a late destructor. Nobody will take it out of the registry later.
            finish(&record);
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if let Some(record) = self.0.take() {
            registry::unclaim(&record);
            record.run_on_finish();
        }
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Registration").field(self.record()).finish()
    }
}
