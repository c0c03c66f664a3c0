//! What is known of a thread.

use std::any::{Any, TypeId};
use std::fmt;
use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::Instant;

use once_cell::race::OnceBox;

use crate::fork::{Inherit, Mutex};
use crate::program::Program;
use crate::{BlockedOn, Owner, Slot, ThreadId, current, fork, gone, name, os, registry};

/// A function kept for later.
pub(crate) type Callback = Box<dyn FnOnce() + Send>;

/// The thread is registered, and has not run yet.
const STARTING: u8 = 0;
/// The thread runs.
const RUNNING: u8 = 1;
/// The thread is gone from the registry; its last destructors may still run.
const FINISHED: u8 = 2;

/// How deep functions that add functions may be nested at a thread's end. Without a bound, one that adds itself again
/// would keep the thread from ending.
const DEPTH: u8 = 16;

/// The shared record of one thread: its numbers, its name, and what it waits for right now.
///
/// A cheap handle: a clone is another handle on the same record. It outlives the thread, and then says so.
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

// What is behind the record's locks is whole also when user code panics: none runs while they are held.
impl UnwindSafe for ThreadRecord {}
impl RefUnwindSafe for ThreadRecord {}

struct Inner {
    id: ThreadId,
    slot: Slot,
    daemon: AtomicBool,
    /// How the thread came to be registered.
    origin: Origin,
    /// In which process the thread is.
    generation: AtomicU32,
    /// Zero while unknown.
    native_id: AtomicU64,
    state: AtomicU8,
    /// When the thread left the registry, if its OS thread was about to end then. That of a thread that has run as another
    /// one goes on.
    left_at: Mutex<Option<Instant>>,
    program: Mutex<Program>,
    /// The name that the thread was registered under. `None` is a name that nobody has asked for yet.
    first_name: Option<Arc<str>>,
    /// What it is called instead, and the lock under which the system is told.
    ///
    /// **Invariant: the system is told the last name.** A thread is renamed here and in the system under this lock, and
    /// only while it runs; it begins and ends under this lock too. So of two renames the later one counts in both places,
    /// and a thread's number in the system is its own while it is used.
    new_name: Mutex<Option<Arc<str>>>,
    waiting: Mutex<Waits>,
    at_exit: Mutex<Callbacks>,
    on_finish: Mutex<Callbacks>,
    attached: OnceBox<Attached>,
}

/// How a thread came to be registered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// By a [`Registration`](crate::Registration), or as the main thread. What ends it is known to run.
    Registered,
    /// The same, for a thread that only serves the kit itself.
    Unlisted,
    /// It asked who it is, and had a name of its own, or none.
    Asked,
    /// It asked who it is, and has the name that the system knew.
    NamedBySystem,
}

/// What a thread waits for.
#[derive(Clone, Copy)]
struct Waits {
    /// At this moment.
    now: Option<BlockedOn>,
    /// Of that, what lasts until a function returns, and is there again when a wait inside that has ended.
    around: Option<BlockedOn>,
}

impl Inherit for Waits {
    fn anew() -> Waits {
        Waits {
            now: None,
            around: None,
        }
    }
}

/// A value that another crate keeps in the record, and the next one. A list that grows at its end, without a lock.
struct Attached {
    of: TypeId,
    value: Arc<dyn Any + Send + Sync>,
    next: OnceBox<Attached>,
}

/// Functions that wait for a thread's end, the latest first.
struct Callbacks {
    latest: Option<Box<Waiter>>,
    /// How deep the function is nested that runs now.
    depth: u8,
    /// They have all run, and there will be no more.
    closed: bool,
}

struct Waiter {
    f: Callback,
    depth: u8,
    next: Option<Box<Waiter>>,
}

impl Callbacks {
    const NONE: Callbacks = Callbacks {
        latest: None,
        depth: 0,
        closed: false,
    };
}

impl Inherit for Callbacks {
    fn anew() -> Callbacks {
        Callbacks::NONE
    }
}

impl Drop for Callbacks {
    fn drop(&mut self) {
        // Not by recursion, and with no panic: they are dropped by whoever has the last handle.
        while let Some(mut waiter) = self.latest.take() {
            self.latest = waiter.next.take();
            contain(|| drop(waiter.f));
        }
    }
}

impl ThreadRecord {
    /// A thread that has yet to run. Without a name it gets a default one when somebody asks for its name.
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
            program: Mutex::new(Program::root()),
            first_name: name,
            new_name: Mutex::new(None),
            waiting: Mutex::new(Waits::anew()),
            at_exit: Mutex::new(Callbacks::NONE),
            on_finish: Mutex::new(Callbacks::NONE),
            attached: OnceBox::new(),
        }))
    }

    /// The thread's number, never reused.
    ///
    /// ```
    /// let me = tk_core::current();
    /// let other = std::thread::spawn(tk_core::current).join().unwrap();
    /// assert_ne!(me.id(), other.id());
    /// ```
    pub fn id(&self) -> ThreadId {
        self.0.id
    }

    /// The thread as the owner in a lock's word.
    ///
    /// ```
    /// assert_eq!(tk_core::current().owner(), tk_core::current_owner());
    /// ```
    pub fn owner(&self) -> Owner {
        Owner::of(self.0.id)
    }

    /// The thread's slot. It means nothing once the thread is gone: another one may have it.
    ///
    /// ```
    /// let me = tk_core::current();
    /// assert_eq!(tk_core::thread_at(me.slot()), Some(me));
    /// ```
    pub fn slot(&self) -> Slot {
        self.0.slot
    }

    /// The thread's name.
    ///
    /// ```
    /// let record = tk_core::current();
    /// record.set_name("painter");
    /// assert_eq!(&*record.name(), "painter");
    /// ```
    pub fn name(&self) -> Arc<str> {
        let new_name = self.0.new_name.lock().clone();
        match new_name.or_else(|| self.0.first_name.clone()) {
            Some(name) => name,
            None => self.name_by_default(),
        }
    }

    #[cold]
    fn name_by_default(&self) -> Arc<str> {
        let name: Arc<str> = Arc::from(name::next_dummy_name());
        let mut new_name = self.0.new_name.lock();
        // Another thread may have been quicker. Then this name is dropped, after the lock is given back.
        let kept = new_name.get_or_insert_with(|| Arc::clone(&name));
        Arc::clone(kept)
    }

    /// Calls `f` with the name.
    #[cfg(feature = "logging")]
    pub(crate) fn with_name(&self, f: impl FnOnce(&str)) {
        f(&self.name());
    }

    /// Renames the thread. Any handle may, at any time; any text will do.
    ///
    /// On Linux the operating system is told too: as much as fits into 15 bytes, without cutting a character, and nothing
    /// from a NUL on. Of a thread that has yet to run, it hears when that does. The main thread's name there is the name
    /// of the program in `ps`, so to rename the main thread renames the program.
    ///
    /// ```
    /// let record = tk_core::current();
    /// record.set_name("sweeper");
    /// assert_eq!(&*tk_core::current().name(), "sweeper");
    /// ```
    pub fn set_name(&self, name: impl Into<Arc<str>>) {
        let name = name.into();
        let mut new_name = self.0.new_name.lock();
        let old = new_name.replace(Arc::clone(&name));
        self.tell_name(&name);
        drop(new_name);
        drop(old);
    }

    /// Tells the system the name, which is locked ("the system is told the last name").
    fn tell_name(&self, name: &str) {
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

    /// The thread's number in the operating system, once the thread runs. Kept after its end. Known on Linux only.
    ///
    /// ```
    /// # #[cfg(target_os = "linux")]
    /// assert!(tk_core::current().native_id().is_some());
    /// ```
    pub fn native_id(&self) -> Option<u64> {
        // Relaxed: the number stands for itself.
        match self.0.native_id.load(Ordering::Relaxed) {
            0 => None,
            id => Some(id),
        }
    }

    /// Whether this is the thread that the program began with; in the child of a fork, the one that forked.
    ///
    /// ```
    /// let other = std::thread::spawn(|| tk_core::current().is_main());
    /// assert!(!other.join().unwrap());
    /// assert!(tk_core::main_thread().is_main());
    /// ```
    pub fn is_main(&self) -> bool {
        registry::is_main(self.0.id)
    }

    /// Whether the program may end while this thread runs. True of threads that tk did not start, but for the main one.
    ///
    /// ```
    /// use tk_core::Registration;
    ///
    /// assert!(Registration::new("cleaner", true).record().is_daemon());
    /// assert!(!tk_core::main_thread().is_daemon());
    /// ```
    pub fn is_daemon(&self) -> bool {
        // Relaxed: the flag stands for itself.
        self.0.daemon.load(Ordering::Relaxed) && !self.is_main()
    }

    /// Changes the flag, for the time in which the thread is the main one of a program. Returns what it was.
    #[doc(hidden)]
    pub fn set_daemon(&self, daemon: bool) -> bool {
        self.0.daemon.swap(daemon, Ordering::Relaxed)
    }

    /// The program that the thread belongs to.
    #[doc(hidden)]
    pub fn program(&self) -> Program {
        self.0.program.lock().clone()
    }

    pub(crate) fn set_program(&self, program: Program) -> Program {
        std::mem::replace(&mut *self.0.program.lock(), program)
    }

    /// Whether the thread has been started and has not come to its end.
    ///
    /// It is false from the moment when the thread has left the registry.
    ///
    /// ```
    /// assert!(tk_core::current().is_alive());
    ///
    /// let gone = std::thread::spawn(tk_core::current).join().unwrap();
    /// assert!(!gone.is_alive());
    /// ```
    pub fn is_alive(&self) -> bool {
        // Acquire: pairs with `set_finished`; who sees the end sees what the thread did before.
        self.0.state.load(Ordering::Acquire) != FINISHED && !self.is_lost()
    }

    /// Whether the thread has ended altogether: it is not alive, and the system has no thread of its number any longer.
    /// Between the two, destructors may run that the kit can't see. Where the system can't be asked, they don't count.
    #[doc(hidden)]
    pub fn is_gone(&self) -> bool {
        if self.is_alive() {
            return false;
        }
        let left = *self.0.left_at.lock();
        let (Some(id), Some(left)) = (self.native_id(), left) else {
            return true;
        };
        self.is_lost() || !os::can_tell_gone() || gone::has_ended(id, left)
    }

    /// Whether the thread is not in this process: this is the child of a fork, and the thread was another one than that
    /// which forked.
    #[doc(hidden)]
    pub fn is_lost(&self) -> bool {
        // Relaxed: it changes while there is one thread.
        self.0.generation.load(Ordering::Relaxed) != fork::generation()
    }

    /// In the child of a fork, or in one that begins a thread that was registered in its parent: the thread is here.
    pub(crate) fn survive(&self) {
        self.0
            .generation
            .store(fork::generation(), Ordering::Relaxed);
        self.note_native_id();
    }

    /// In the child of a fork: the thread is the main one, whatever it was.
    pub(crate) fn revive(&self) {
        self.survive();
        self.0.state.store(RUNNING, Ordering::Release);
    }

    /// What the thread waits for at this moment, if it is asleep in one of tk's waits.
    ///
    /// ```
    /// for thread in tk_core::enumerate() {
    ///     if let Some(waiting) = thread.blocked_on() {
    ///         println!("{} waits for {waiting:?} since {:?}", thread.name(), waiting.since().elapsed());
    ///     }
    /// }
    /// # assert!(tk_core::current().blocked_on().is_none());
    /// ```
    pub fn blocked_on(&self) -> Option<BlockedOn> {
        if self.is_lost() {
            return None;
        }
        self.0.waiting.lock().now
    }

    pub(crate) fn begin_waiting(&self, waiting: BlockedOn) {
        self.0.waiting.lock().now = Some(waiting);
    }

    /// What a wait has replaced is there again, if it lasts until a function returns. A guard that was forgotten is not.
    pub(crate) fn end_waiting(&self) {
        let mut waits = self.0.waiting.lock();
        waits.now = waits.around;
    }

    /// Says what the thread waits for until a function returns, and returns what to say then.
    pub(crate) fn wait_around(&self, around: Option<BlockedOn>) -> Option<BlockedOn> {
        let mut waits = self.0.waiting.lock();
        waits.now = around;
        std::mem::replace(&mut waits.around, around)
    }

    /// Calls `f` when the thread is gone from the registry, in that thread; at once, in this one, if it is gone
    /// already. A panic in `f` goes no further.
    #[doc(hidden)]
    pub fn on_finish(&self, f: impl FnOnce() + Send + 'static) {
        // Nobody calls what was to be called at the end of a thread that is in the parent of this process.
        if self.is_lost() {
            contain(f);
        } else if let Err(f) = push(&self.0.on_finish, Box::new(f)) {
            contain(f);
        }
    }

    /// Calls `f` when the thread ends. Gives it back if the thread's functions have all run already.
    pub(crate) fn at_exit(&self, f: Callback) -> Result<(), Callback> {
        push(&self.0.at_exit, f)
    }

    /// What another crate keeps in this record under the type `T`; made by `make` if there is nothing yet.
    ///
    /// Two threads may both call `make`: one value is kept, and the other is dropped.
    #[doc(hidden)]
    pub fn attachment<T: Any + Send + Sync>(&self, make: impl FnOnce() -> Arc<T>) -> Arc<T> {
        let of = TypeId::of::<T>();
        let mut place = &self.0.attached;
        let mut made = None;
        let mut make = Some(make);
        loop {
            while let Some(attached) = place.get() {
                if attached.of == of
                    && let Ok(value) = Arc::clone(&attached.value).downcast()
                {
                    return value;
                }
                place = &attached.next;
            }
            let new: Box<Attached> = made.take().unwrap_or_else(|| {
                let make = make.take().expect("what was made is kept");
                Box::new(Attached {
                    of,
                    value: make(),
                    next: OnceBox::new(),
                })
            });
            // If another thread was quicker, its value is looked at next.
            if let Err(new) = place.set(new) {
                made = Some(new);
            }
        }
    }

    fn note_native_id(&self) {
        if let Some(id) = os::current_native_id() {
            self.0.native_id.store(id, Ordering::Relaxed);
        }
    }

    pub(crate) fn set_running(&self) {
        self.note_native_id();
        // Release: who sees the thread running sees its native id.
        self.0.state.store(RUNNING, Ordering::Release);
    }

    /// The calling thread is this one from here on. The system is told its name.
    pub(crate) fn begin(&self) {
        // The first name is the record's for good; a default one is made without the lock.
        let first = self.name();
        let new_name = self.0.new_name.lock();
        self.set_running();
        let name = new_name.as_deref().unwrap_or(&first);
        os::set_current_name(name::cut(name, os::NAME_LIMIT));
    }

    /// The thread leaves the registry, and its OS thread is about to end.
    pub(crate) fn note_leaving(&self) {
        self.0.left_at.lock().get_or_insert_with(Instant::now);
    }

    /// Says that the thread is at its end, and whether this call was the first to say so.
    pub(crate) fn set_finished(&self) -> bool {
        // What a forgotten guard has left behind ends too.
        *self.0.waiting.lock() = Waits::anew();
        let _told = self.0.new_name.lock();
        // Release: pairs with `is_alive`.
        self.0.state.swap(FINISHED, Ordering::Release) != FINISHED
    }

    /// Whether the thread may be gone without having said so: a thread that first asked who it is after its thread-local
    /// destructors had run.
    pub(crate) fn may_go_unsaid(&self) -> bool {
        matches!(self.0.origin, Origin::Asked | Origin::NamedBySystem)
    }

    /// Whether the thread was named so in the program, and threads that it starts have that name in the system until they
    /// get another.
    pub(crate) fn lends_name(&self, name: &str) -> bool {
        self.0.origin != Origin::NamedBySystem
            && name::cut(&self.name_so_far(), os::NAME_LIMIT) == name
    }

    /// The name, if it has one already.
    fn name_so_far(&self) -> Arc<str> {
        let new_name = self.0.new_name.lock().clone();
        new_name
            .or_else(|| self.0.first_name.clone())
            .unwrap_or_default()
    }

    /// Whether `enumerate` shows the thread while it is alive.
    pub(crate) fn is_listed(&self) -> bool {
        self.0.origin != Origin::Unlisted
    }

    /// Tells the system the name of the calling thread, which was another one meanwhile.
    pub(crate) fn tell_name_again(&self) {
        let name = self.name();
        let new_name = self.0.new_name.lock();
        self.tell_name(new_name.as_deref().unwrap_or(&name));
    }

    /// Runs what [`at_exit`](ThreadRecord::at_exit) has collected so far, the latest first. More may be added after that.
    pub(crate) fn run_at_exit_so_far(&self) {
        while let Some(f) = next(&self.0.at_exit, false) {
            contain(f);
        }
        self.0.at_exit.lock().depth = 0;
    }

    /// Runs what [`at_exit`](ThreadRecord::at_exit) has collected, the latest first, until nothing is left.
    pub(crate) fn run_at_exit(&self) {
        run(&self.0.at_exit);
    }

    /// Runs what [`on_finish`](ThreadRecord::on_finish) has collected.
    pub(crate) fn run_on_finish(&self) {
        run(&self.0.on_finish);
    }
}

fn push(callbacks: &Mutex<Callbacks>, f: Callback) -> Result<(), Callback> {
    // Made before the lock is taken, and freed after it is given back.
    let mut waiter = Box::new(Waiter {
        f,
        depth: 0,
        next: None,
    });
    let mut callbacks = callbacks.lock();
    if callbacks.closed || callbacks.depth == DEPTH {
        drop(callbacks);
        return Err(waiter.f);
    }
    waiter.depth = callbacks.depth + 1;
    waiter.next = callbacks.latest.take();
    callbacks.latest = Some(waiter);
    Ok(())
}

/// The last to be added runs first; whatever the functions add runs too. Then the list is closed, under the same
/// lock that found it empty, so that nothing is added and forgotten.
fn run(callbacks: &Mutex<Callbacks>) {
    while let Some(f) = next(callbacks, true) {
        contain(f);
    }
}

/// Takes the latest off the list. Closes the list if it is empty and `close` says so.
fn next(callbacks: &Mutex<Callbacks>, close: bool) -> Option<Callback> {
    let mut callbacks = callbacks.lock();
    let Some(mut waiter) = callbacks.latest.take() else {
        callbacks.closed |= close;
        return None;
    };
    callbacks.latest = waiter.next.take();
    callbacks.depth = waiter.depth;
    // The box is freed after the lock is given back.
    drop(callbacks);
    Some(waiter.f)
}

/// Runs what is not ours. It may well be called from a thread-local destructor, out of which a panic would end the program:
/// the panic hook has reported it, and it goes no further. Nor does a panic in the payload's own destructor.
fn contain(f: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(f))
        && let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload)))
    {
        std::mem::forget(second);
    }
}

/// Two handles are equal if they belong to the same thread.
impl PartialEq for ThreadRecord {
    fn eq(&self, other: &ThreadRecord) -> bool {
        self.id() == other.id()
    }
}

impl Eq for ThreadRecord {}

/// As Python's `repr` of a thread: `<Thread(Thread-1 (worker), started daemon 3)>`.
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
