//! The record of a thread: its numbers, its name, and what it is blocked on.
//!
//! # States and operations
//!
//! | state | `is_alive` | `set_running`, `begin` | `set_finished` | child of a fork |
//! |---|---|---|---|---|
//! | `STARTING`: registered, does not run yet | yes | → `RUNNING` | → `FINISHED` | lost |
//! | `RUNNING` | yes | – | → `FINISHED` | lost, unless it has forked |
//! | `FINISHED`: left the registry | no | – | `false` | the forker → `RUNNING` |
//!
//! The last destructors of a `FINISHED` thread may still run. A lost thread is one of the parent's:
//! it is not alive, whatever its state. A registration of the parent that begins in the child is
//! not lost any more.
//!
//! # Invariants
//!
//! **The system has the last name.** A thread is renamed in the record and in the system under the
//! lock of `new_name`. It begins and finishes under this lock too, and another thread tells the
//! system only while it runs. So of two renames the later one counts in both places, and the number
//! in the system is the thread's own while it is used.
//!
//! **No user code under a lock.** Names and functions are allocated, called and dropped while no
//! lock of the record is held.

use std::any::Any;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::Instant;

use crate::attachments::Attachments;
use crate::blocked_on::{Blocked, Seat};
use crate::callbacks::{Callback, Callbacks};
use crate::fork::{Inherit, Kept, Mutex};
use crate::guard::call_guarded;
use crate::program::Program;
use crate::{BlockedOn, Owner, Slot, ThreadId, current, exit, fork, name, os, registry};

/// The thread is registered, and does not run yet.
const STARTING: u8 = 0;
/// The thread runs.
const RUNNING: u8 = 1;
/// The thread has left the registry. Its last destructors may still run.
const FINISHED: u8 = 2;

/// The record of one thread: its numbers, its name, and what it is blocked on right now.
///
/// A clone is a cheap handle on the same record. The record outlives the thread.
///
/// ```
/// let record = std::thread::Builder::new()
///     .name("short".into())
///     .spawn(|| tk_core::current())
///     .unwrap()
///     .join()
///     .unwrap();
/// assert_eq!(&*record.name(), "short");
/// assert!(!record.is_alive());
/// ```
#[derive(Clone)]
pub struct ThreadRecord(Arc<Inner>);

// A panic of user code leaves the record whole, because none runs under its locks (*no user code
// under a lock*).
impl UnwindSafe for ThreadRecord {}
impl RefUnwindSafe for ThreadRecord {}

struct Inner {
    id: ThreadId,
    slot: Slot,
    daemon: AtomicBool,
    origin: Origin,
    /// The generation of the process that the thread is in.
    generation: AtomicU32,
    /// The thread's number in the system. Zero while it is unknown.
    native_id: AtomicU64,
    state: AtomicU8,
    /// When the thread left the registry. `None` if its OS thread goes on as another thread.
    left_at: Mutex<Option<Instant>>,
    /// Whether another thread has seen that the OS thread is gone, so that the system need not be
    /// asked.
    seen_gone: AtomicBool,
    /// Whether the function that the thread was started with has ended.
    has_returned: AtomicBool,
    /// Whether the OS thread is another thread of the kit for a while: see `run_as.rs`.
    is_suspended: AtomicBool,
    program: Mutex<Kept<Program>>,
    /// The name that the thread was registered with. `None` until somebody asks for a default name.
    first_name: Option<Arc<str>>,
    /// The name that replaces the first one (*the system has the last name*).
    new_name: Mutex<Kept<Arc<str>>>,
    blocked: Mutex<Blocked>,
    at_exit: Callbacks,
    on_finish: Callbacks,
    attachments: Attachments,
}

/// How a thread came to be registered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// By a [`Registration`](crate::Registration), or as the main thread. Its end is always
    /// noticed.
    Registered,
    /// By a registration, for a thread that serves only the kit.
    Unlisted,
    /// By its first use of tk, with its own name or none.
    FirstUse,
    /// By its first use of tk, with the name that the system has for it.
    NamedBySystem,
}

/// The record's numbers and names.
impl ThreadRecord {
    /// A record in the state `STARTING`. Without a name, the thread gets a default one when
    /// somebody asks for its name.
    pub(crate) fn new(
        id: ThreadId,
        slot: Slot,
        name: Option<Arc<str>>,
        daemon: bool,
        origin: Origin,
    ) -> ThreadRecord {
        ThreadRecord(Arc::new(Inner {
            id,
            slot,
            daemon: AtomicBool::new(daemon),
            origin,
            generation: AtomicU32::new(fork::generation()),
            native_id: AtomicU64::new(0),
            state: AtomicU8::new(STARTING),
            left_at: Mutex::new(None),
            seen_gone: AtomicBool::new(false),
            has_returned: AtomicBool::new(false),
            is_suspended: AtomicBool::new(false),
            program: Mutex::new(Kept::none()),
            first_name: name,
            new_name: Mutex::new(Kept::none()),
            blocked: Mutex::new(Blocked::anew()),
            at_exit: Callbacks::new(),
            on_finish: Callbacks::new(),
            attachments: Attachments::new(),
        }))
    }

    /// Returns the thread's id, which is never reused.
    ///
    /// ```
    /// let me = tk_core::current();
    /// let other = std::thread::spawn(tk_core::current).join().unwrap();
    /// assert_ne!(me.id(), other.id());
    /// ```
    pub fn id(&self) -> ThreadId {
        self.0.id
    }

    /// Returns the thread's number for the word of a lock.
    ///
    /// ```
    /// assert_eq!(tk_core::current().owner(), tk_core::current_owner());
    /// ```
    pub fn owner(&self) -> Owner {
        Owner::of(self.0.id)
    }

    /// Returns the thread's slot. After the thread's end, another thread may have the slot.
    ///
    /// ```
    /// let me = tk_core::current();
    /// assert_eq!(tk_core::thread_at(me.slot()), Some(me));
    /// ```
    pub fn slot(&self) -> Slot {
        self.0.slot
    }

    /// Returns the thread's name.
    ///
    /// ```
    /// let record = tk_core::current();
    /// record.set_name("painter");
    /// assert_eq!(&*record.name(), "painter");
    /// ```
    pub fn name(&self) -> Arc<str> {
        self.name_so_far().unwrap_or_else(|| self.default_name())
    }

    /// The name, if the thread has one already.
    fn name_so_far(&self) -> Option<Arc<str>> {
        // A statement of its own, so that the lock is held for the clone only.
        let new_name = self.0.new_name.lock().get().cloned();
        new_name.or_else(|| self.0.first_name.clone())
    }

    /// Gives the thread a default name, unless another thread has named it first.
    #[cold]
    fn default_name(&self) -> Arc<str> {
        // Declared before the guard, so that a name that is not needed is freed after the unlock.
        let name: Arc<str> = Arc::from(name::next_dummy_name());
        let mut new_name = self.0.new_name.lock();
        let kept = new_name.get_or_insert_with(|| Arc::clone(&name));
        Arc::clone(kept)
    }

    /// Calls `f` with the name.
    #[cfg(feature = "logging")]
    pub(crate) fn with_name(&self, f: impl FnOnce(&str)) {
        f(&self.name());
    }

    /// Renames the thread. Any thread may do that at any time, with any text.
    ///
    /// On Linux the name is set in the operating system too. That takes the first 15 bytes, without
    /// cutting a character, and nothing from a NUL on. For a thread that does not run yet, it is
    /// set when the thread starts. The main thread's name in the system is the name of the program
    /// in `ps`, so renaming the main thread renames the program.
    ///
    /// ```
    /// let record = tk_core::current();
    /// record.set_name("sweeper");
    /// assert_eq!(&*tk_core::current().name(), "sweeper");
    /// ```
    pub fn set_name(&self, name: impl Into<Arc<str>>) {
        let name = name.into();
        let mut new_name = self.0.new_name.lock();
        let old = new_name.replace(Some(Arc::clone(&name)));
        self.set_os_name(&name);
        drop(new_name);
        // The old name is freed after the unlock.
        drop(old);
    }

    /// Sets the name in the system. The caller has `new_name` locked (*the system has the last
    /// name*).
    fn set_os_name(&self, name: &str) {
        let name = name::cut(name, os::NAME_LIMIT);
        if current::is_current(self) {
            os::set_current_name(name);
        } else if self.0.state.load(Ordering::Relaxed) == RUNNING
            && !self.is_lost()
            && let Some(id) = self.native_id()
        {
            os::set_name(id, name);
        }
    }

    /// Sets the name in the system again, for the calling thread, which had another identity.
    pub(crate) fn restore_os_name(&self) {
        let name = self.name();
        let new_name = self.0.new_name.lock();
        self.set_os_name(new_name.get().unwrap_or(&name));
    }

    /// Whether threads that this thread starts have this name in the system until they get another.
    ///
    /// That is so if the thread was named in the program.
    pub(crate) fn lends_name(&self, name: &str) -> bool {
        self.0.origin != Origin::NamedBySystem
            && name::cut(&self.name_so_far().unwrap_or_default(), os::NAME_LIMIT) == name
    }

    /// Returns the thread's number in the operating system. `None` until the thread runs, and on
    /// systems other than Linux. The number is kept after the thread's end.
    ///
    /// ```
    /// # #[cfg(target_os = "linux")]
    /// assert!(tk_core::current().native_id().is_some());
    /// ```
    pub fn native_id(&self) -> Option<u64> {
        // Relaxed: nothing else depends on the number.
        match self.0.native_id.load(Ordering::Relaxed) {
            0 => None,
            id => Some(id),
        }
    }

    fn set_native_id(&self) {
        if let Some(id) = os::current_native_id() {
            self.0.native_id.store(id, Ordering::Relaxed);
        }
    }

    /// Returns whether this is the thread that the program started with. In the child of a fork, it
    /// is the thread that has forked.
    ///
    /// ```
    /// let other = std::thread::spawn(|| tk_core::current().is_main());
    /// assert!(!other.join().unwrap());
    /// assert!(tk_core::main_thread().is_main());
    /// ```
    pub fn is_main(&self) -> bool {
        registry::is_main(self.0.id)
    }

    /// Returns whether the program may end while this thread runs.
    ///
    /// Threads that tk did not start are daemons, except for the main thread.
    ///
    /// ```
    /// use tk_core::Registration;
    ///
    /// assert!(Registration::new("cleaner", true).record().is_daemon());
    /// assert!(!tk_core::main_thread().is_daemon());
    /// ```
    #[doc(alias = "daemon")]
    pub fn is_daemon(&self) -> bool {
        // Relaxed: nothing else depends on the flag.
        self.0.daemon.load(Ordering::Relaxed) && !self.is_main()
    }

    /// Changes the daemon flag, for a thread that runs the main function of a program. Returns the
    /// old flag.
    pub(crate) fn set_daemon(&self, daemon: bool) -> bool {
        self.0.daemon.swap(daemon, Ordering::Relaxed)
    }

    /// The program that the thread belongs to.
    pub(crate) fn program(&self) -> Program {
        let program = self.0.program.lock().get().cloned();
        program.unwrap_or_else(Program::root)
    }

    pub(crate) fn set_program(&self, program: Program) -> Program {
        let before = self.0.program.lock().replace(Some(program));
        before.unwrap_or_else(Program::root)
    }

    /// The value of the type `T` that another crate keeps in this record. If there is none, `make`
    /// makes it.
    ///
    /// Two threads may both call `make`. Then one of the values is kept, and the other is dropped.
    pub(crate) fn attachment<T: Any + Send + Sync>(&self, make: impl FnOnce() -> Arc<T>) -> Arc<T> {
        self.0.attachments.get_or_make(make)
    }

    /// Whether `enumerate` shows the thread while it is alive.
    pub(crate) fn is_listed(&self) -> bool {
        self.0.origin != Origin::Unlisted
    }

    /// Whether the thread's end may go unnoticed. That happens to a thread that uses tk for the
    /// first time after its thread-local values have been destroyed.
    pub(crate) fn may_end_unnoticed(&self) -> bool {
        matches!(self.0.origin, Origin::FirstUse | Origin::NamedBySystem)
    }
}

/// The wait that the thread is blocked on.
impl ThreadRecord {
    /// Returns what the thread is blocked on at this moment. `None` unless it sleeps in one of tk's
    /// waits.
    ///
    /// ```
    /// for thread in tk_core::enumerate() {
    ///     if let Some(wait) = thread.blocked_on() {
    ///         println!("{} waits for {wait:?} since {:?}", thread.name(), wait.since().elapsed());
    ///     }
    /// }
    /// # assert!(tk_core::current().blocked_on().is_none());
    /// ```
    pub fn blocked_on(&self) -> Option<BlockedOn> {
        if self.is_lost() {
            return None;
        }
        self.0.blocked.lock().now()
    }

    pub(crate) fn begin_wait(&self, wait: BlockedOn, seat: Seat) {
        self.0.blocked.lock().begin(wait, seat);
    }

    /// Ends a wait, and shows the one around it again, if any.
    pub(crate) fn end_wait(&self) {
        self.0.blocked.lock().end();
    }

    /// Sets the wait that is shown between waits, until a function returns. Returns the old one.
    pub(crate) fn set_wait_around(&self, around: Option<BlockedOn>) -> Option<BlockedOn> {
        self.0.blocked.lock().set_around(around)
    }

    /// Calls `f` with the wait that the thread is blocked on, if there is one: the wait, how the
    /// thread waits, and a number that changes with each wait. The waiter that the seat names lives
    /// until `f` returns (*pinned*). `f` runs with the waits locked: it must not wait for the
    /// thread, nor allocate.
    pub(crate) fn look_at_wait<R>(&self, f: impl FnOnce(BlockedOn, Seat, u64) -> R) -> Option<R> {
        if self.is_lost() {
            return None;
        }
        let blocked = self.0.blocked.lock();
        let wait = blocked.now()?;
        Some(f(wait, blocked.seat(), blocked.changes()))
    }
}

/// The life of the thread.
impl ThreadRecord {
    /// Returns whether the thread has been registered and has not ended.
    ///
    /// It has ended when it has left the registry. Thread-local destructors may still run after
    /// that.
    ///
    /// ```
    /// assert!(tk_core::current().is_alive());
    ///
    /// let gone = std::thread::spawn(tk_core::current).join().unwrap();
    /// assert!(!gone.is_alive());
    /// ```
    pub fn is_alive(&self) -> bool {
        // Acquire: pairs with the Release in `set_finished`, so that a thread that sees the end
        // sees what the thread did before.
        self.0.state.load(Ordering::Acquire) != FINISHED && !self.is_lost()
    }

    /// Whether the thread has ended, and the system has no thread of its number any more.
    ///
    /// Between the two, destructors may run that the kit cannot see. Where the system cannot be
    /// asked, they are ignored.
    pub(crate) fn is_gone(&self) -> bool {
        !self.is_alive() && (self.is_lost() || self.was_seen_to_exit().unwrap_or(true))
    }

    /// Whether the OS thread has exited, as far as the system can say: not merely the identity that
    /// this record stands for, and not a thread of another process.
    pub(crate) fn has_exited(&self) -> bool {
        !self.is_alive() && !self.is_lost() && self.was_seen_to_exit().unwrap_or(false)
    }

    /// Whether the OS thread has exited, for a record that has ended. `None` where the system
    /// cannot be asked.
    fn was_seen_to_exit(&self) -> Option<bool> {
        if self.was_seen_gone() {
            return Some(true);
        }
        let left = *self.0.left_at.lock();
        let (id, left) = (self.native_id()?, left?);
        exit::can_detect_exit().then(|| exit::has_exited_since(id, left))
    }

    /// Notes that the OS thread is gone: another thread has joined it.
    pub(crate) fn note_gone(&self) {
        // Release: pairs with the Acquire in `was_seen_gone`. The next thread in the slot comes
        // after all that this one did.
        self.0.seen_gone.store(true, Ordering::Release);
    }

    /// Whether another thread has called `note_gone`.
    pub(crate) fn was_seen_gone(&self) -> bool {
        // Acquire: pairs with the Release in `note_gone`.
        self.0.seen_gone.load(Ordering::Acquire)
    }

    /// Notes that the function which the calling thread was started with has ended.
    pub(crate) fn note_return(&self) {
        // Relaxed: other threads look at it within a wait of this thread, which orders it.
        self.0.has_returned.store(true, Ordering::Relaxed);
    }

    /// Whether the thread is known to run its last destructors. A panic that leaves one of a
    /// thread-local value aborts the process.
    ///
    /// Of a thread that tk did not start, this is known only after it has left the registry.
    pub(crate) fn is_in_last_destructors(&self) -> bool {
        self.0.has_returned.load(Ordering::Relaxed) || !self.is_alive()
    }

    /// Notes whether the OS thread is another thread of the kit for a while.
    pub(crate) fn set_suspended(&self, is_suspended: bool) {
        // Relaxed: nothing else is read by it.
        self.0.is_suspended.store(is_suspended, Ordering::Relaxed);
    }

    /// Whether the OS thread is another thread of the kit for a while, so that this one neither
    /// runs nor waits. The answer may be out of date.
    pub(crate) fn is_suspended(&self) -> bool {
        self.0.is_suspended.load(Ordering::Relaxed)
    }

    /// Whether a fork has left the thread behind in the parent of this process.
    pub(crate) fn is_lost(&self) -> bool {
        // Relaxed: it changes only while there is one thread.
        self.0.generation.load(Ordering::Relaxed) != fork::generation()
    }

    /// Says that the thread is in this process, the child of a fork. It has forked, or was
    /// registered in the parent and begins here.
    pub(crate) fn survive(&self) {
        self.0
            .generation
            .store(fork::generation(), Ordering::Relaxed);
        self.set_native_id();
    }

    /// Makes the thread that has forked a running one, whatever its state was.
    pub(crate) fn revive(&self) {
        self.survive();
        self.0.state.store(RUNNING, Ordering::Release);
    }

    pub(crate) fn set_running(&self) {
        self.set_native_id();
        // Release: a thread that sees `RUNNING` in `set_os_name` sees the number in the system. The
        // lock of `new_name` orders the two for a thread that begins.
        self.0.state.store(RUNNING, Ordering::Release);
    }

    /// Makes the calling thread the one of this record, and sets its name in the system, unless the
    /// standard library has given it the first name.
    pub(crate) fn begin(&self, is_named: bool) {
        // A default name is made here, before the lock is taken.
        let first = self.name();
        let new_name = self.0.new_name.lock();
        self.set_running();
        // The library cuts a longer name in the middle of a character.
        if is_named && new_name.get().is_none() && first.len() <= os::NAME_LIMIT {
            return;
        }
        let name = new_name.get().unwrap_or(&first);
        os::set_current_name(name::cut(name, os::NAME_LIMIT));
    }

    /// Notes the time at which the thread leaves the registry. Its OS thread is about to end.
    pub(crate) fn note_leaving(&self) {
        self.0.left_at.lock().get_or_insert_with(Instant::now);
    }

    /// Makes the thread `FINISHED`, and returns whether it was not.
    pub(crate) fn set_finished(&self) -> bool {
        // A guard may have been forgotten.
        let mut blocked = self.0.blocked.lock();
        blocked.set_around(None);
        drop(blocked);
        // From the unlock on, no other thread uses the thread's number in the system (*the system
        // has the last name*).
        let _renaming = self.0.new_name.lock();
        // Release: pairs with the Acquire in `is_alive`.
        self.0.state.swap(FINISHED, Ordering::Release) != FINISHED
    }

    /// Adds a function that runs when the thread ends. Returns it if the thread's functions have
    /// all run.
    pub(crate) fn at_exit(&self, f: Callback) -> Result<(), Callback> {
        self.0.at_exit.push(f)
    }

    /// Runs the functions of [`at_exit`](ThreadRecord::at_exit). More may be added afterwards.
    pub(crate) fn run_at_exit_so_far(&self) {
        self.0.at_exit.run_so_far();
    }

    /// Runs the functions of [`at_exit`](ThreadRecord::at_exit) for the last time.
    pub(crate) fn run_at_exit(&self) {
        self.0.at_exit.run();
    }

    /// Calls `f` in this thread when it has left the registry. If it has left already, calls `f`
    /// now, in the calling thread. No panic of `f` gets out.
    pub(crate) fn on_finish(&self, f: impl FnOnce() + Send + 'static) {
        // Nobody runs the functions of a lost thread.
        if self.is_lost() {
            call_guarded(f);
        } else if let Err(f) = self.0.on_finish.push(Box::new(f)) {
            call_guarded(f);
        }
    }

    /// Runs the functions of [`on_finish`](ThreadRecord::on_finish).
    pub(crate) fn run_on_finish(&self) {
        self.0.on_finish.run();
    }
}

/// Compares the threads: two handles on one record are equal.
impl PartialEq for ThreadRecord {
    fn eq(&self, other: &ThreadRecord) -> bool {
        self.id() == other.id()
    }
}

impl Eq for ThreadRecord {}

/// Shows the thread like Python's `repr`: `<Thread(Thread-1 (worker), started daemon 3)>`.
impl fmt::Debug for ThreadRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_main() {
            "MainThread"
        } else {
            "Thread"
        };
        let state = if self.is_alive() {
            "started"
        } else {
            "stopped"
        };
        let daemon = if self.is_daemon() { " daemon" } else { "" };
        write!(
            f,
            "<{kind}({}, {state}{daemon} {})>",
            self.name(),
            self.id()
        )
    }
}
