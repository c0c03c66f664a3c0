//! What is known of a thread.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use once_cell::sync::OnceCell;

use crate::registry::registry;
use crate::{Owner, Slot, ThreadId, Waiting, fork, name, os};

/// A function kept for later.
pub(crate) type Callback = Box<dyn FnOnce() + Send>;

/// The thread is registered, and has not run yet.
const STARTING: u8 = 0;
/// The thread runs.
const RUNNING: u8 = 1;
/// The thread is gone from the registry; its last destructors may still run.
const FINISHED: u8 = 2;

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
pub struct Record(Arc<Inner>);

struct Inner {
    id: ThreadId,
    slot: Slot,
    daemon: bool,
    /// In which process the record was made, counted in forks.
    born: u32,
    /// In which process the thread is.
    generation: AtomicU32,
    /// Zero while unknown.
    native_id: AtomicU64,
    state: AtomicU8,
    /// Whether `enumerate` leaves the thread out. Changes before others can find the record.
    unlisted: AtomicBool,
    locked: Locked,
}

/// What is behind locks. In the child of a fork they may be held by threads that are not there: a child has its own.
struct Locked {
    name: RwLock<Arc<str>>,
    waiting: Mutex<Option<Waiting>>,
    at_exit: Mutex<Callbacks>,
    on_finish: Mutex<Callbacks>,
    attachment: OnceCell<Arc<dyn Any + Send + Sync>>,
    child: OnceCell<Box<Locked>>,
}

impl Locked {
    fn new(name: Arc<str>) -> Locked {
        Locked {
            name: RwLock::new(name),
            waiting: Mutex::new(None),
            at_exit: Mutex::new(Callbacks::Open(Vec::new())),
            on_finish: Mutex::new(Callbacks::Open(Vec::new())),
            attachment: OnceCell::new(),
            child: OnceCell::new(),
        }
    }

    /// For the child: with all that can be had without a wait. What can't was in the hands of another thread, for which it
    /// is lost with that.
    fn for_child(&self) -> Locked {
        let name = self
            .name
            .try_read()
            .map_or_else(|_| Arc::from("?"), |name| Arc::clone(&name));
        let take = |callbacks: &Mutex<Callbacks>| {
            let taken = callbacks
                .try_lock()
                .map(|mut callbacks| std::mem::replace(&mut *callbacks, Callbacks::Closed));
            Mutex::new(taken.unwrap_or(Callbacks::Open(Vec::new())))
        };
        Locked {
            at_exit: take(&self.at_exit),
            on_finish: take(&self.on_finish),
            attachment: self
                .attachment
                .get()
                .cloned()
                .map_or_else(OnceCell::new, OnceCell::with_value),
            ..Locked::new(name)
        }
    }
}

/// Functions that wait for a thread's end; `Closed` once they have all run.
enum Callbacks {
    Open(Vec<Callback>),
    Closed,
}

impl Record {
    pub(crate) fn new(id: ThreadId, slot: Slot, name: Arc<str>, daemon: bool) -> Record {
        Record(Arc::new(Inner {
            id,
            slot,
            daemon,
            born: fork::generation(),
            generation: AtomicU32::new(fork::generation()),
            native_id: AtomicU64::new(0),
            state: AtomicU8::new(STARTING),
            unlisted: AtomicBool::new(false),
            locked: Locked::new(name),
        }))
    }

    /// What is behind locks, in this process.
    fn locked(&self) -> &Locked {
        let mut locked = &self.0.locked;
        for _ in self.0.born..fork::generation() {
            locked = locked.child.get_or_init(|| Box::new(locked.for_child()));
        }
        locked
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
        let name = self
            .locked()
            .name
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&name)
    }

    /// Calls `f` with the name, which can't be changed meanwhile. `f` must be code of this crate.
    #[cfg(feature = "logging")]
    pub(crate) fn with_name(&self, f: impl FnOnce(&str)) {
        let name = &self.locked().name;
        f(&name.read().unwrap_or_else(PoisonError::into_inner));
    }

    /// Renames the thread. Any handle may, at any time; any text will do.
    ///
    /// On Linux the operating system is told too: as much as fits into 15 bytes, without cutting a character, and nothing
    /// from a NUL on. Of a thread that has yet to run, it hears when that does.
    ///
    /// ```
    /// let record = tk_core::current();
    /// record.set_name("sweeper");
    /// assert_eq!(&*tk_core::current().name(), "sweeper");
    /// ```
    pub fn set_name(&self, name: impl Into<Arc<str>>) {
        let name = name.into();
        let mut place = self
            .locked()
            .name
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *place, Arc::clone(&name));
        drop(place);
        drop(old);
        registry().tell_name(self, name::cut(&name, os::NAME_LIMIT));
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
        registry().is_main(self)
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
        self.0.daemon && !self.is_main()
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

    /// Whether the thread is not in this process: this is the child of a fork, and the thread was another one than that
    /// which forked.
    #[doc(hidden)]
    pub fn is_lost(&self) -> bool {
        // Relaxed: it changes while there is one thread.
        self.0.generation.load(Ordering::Relaxed) != fork::generation()
    }

    /// In the child of a fork, for the record of the one thread that is there.
    pub(crate) fn survive(&self) {
        self.0
            .generation
            .store(fork::generation(), Ordering::Relaxed);
        self.note_native_id();
    }

    /// What the thread waits for at this moment, if it is asleep in one of tk's waits.
    ///
    /// ```
    /// for thread in tk_core::enumerate() {
    ///     if let Some(waiting) = thread.waiting() {
    ///         println!("{} waits for {waiting:?} since {:?}", thread.name(), waiting.since().elapsed());
    ///     }
    /// }
    /// # assert!(tk_core::current().waiting().is_none());
    /// ```
    pub fn waiting(&self) -> Option<Waiting> {
        *lock(&self.locked().waiting)
    }

    pub(crate) fn set_waiting(&self, waiting: Option<Waiting>) {
        *lock(&self.locked().waiting) = waiting;
    }

    /// Calls `f` when the thread is gone from the registry, in that thread; at once, in this one, if it is gone
    /// already. A panic in `f` goes no further.
    #[doc(hidden)]
    pub fn on_finish(&self, f: impl FnOnce() + Send + 'static) {
        if let Err(f) = push(&self.locked().on_finish, Box::new(f)) {
            call(f);
        }
    }

    /// Calls `f` when the thread ends. Gives it back if the thread's functions have all run already.
    pub(crate) fn at_exit(&self, f: Callback) -> Result<(), Callback> {
        push(&self.locked().at_exit, f)
    }

    /// What another crate keeps in this record; made by `make` if there is nothing yet.
    ///
    /// There is room for one value, which is tk-thread's.
    ///
    /// # Panics
    ///
    /// If a value of another type is there already.
    #[doc(hidden)]
    pub fn attachment<T: Any + Send + Sync>(&self, make: impl FnOnce() -> Arc<T>) -> Arc<T> {
        let attachment = self.locked().attachment.get_or_init(|| make());
        Arc::clone(attachment)
            .downcast()
            .unwrap_or_else(|_| panic!("two crates attach to a thread's record"))
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

    pub(crate) fn set_finished(&self) {
        // Release: pairs with `is_alive`.
        self.0.state.store(FINISHED, Ordering::Release);
    }

    pub(crate) fn set_unlisted(&self) {
        // Relaxed, as below: the registry's lock orders it.
        self.0.unlisted.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_listed(&self) -> bool {
        !self.0.unlisted.load(Ordering::Relaxed)
    }

    /// Runs what [`at_exit`](Record::at_exit) has collected so far, the latest first. More may be added after that.
    pub(crate) fn run_at_exit_so_far(&self) {
        let next = || match &mut *lock(&self.locked().at_exit) {
            Callbacks::Open(list) => list.pop(),
            Callbacks::Closed => None,
        };
        while let Some(f) = next() {
            call(f);
        }
    }

    /// Runs what [`at_exit`](Record::at_exit) has collected, the latest first, until nothing is left.
    pub(crate) fn run_at_exit(&self) {
        run(&self.locked().at_exit);
    }

    /// Runs what [`on_finish`](Record::on_finish) has collected.
    pub(crate) fn run_on_finish(&self) {
        run(&self.locked().on_finish);
    }

    pub(crate) fn is(&self, other: &Record) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn push(callbacks: &Mutex<Callbacks>, f: Callback) -> Result<(), Callback> {
    match &mut *lock(callbacks) {
        Callbacks::Open(list) => {
            list.push(f);
            Ok(())
        }
        Callbacks::Closed => Err(f),
    }
}

/// The last to be added runs first; whatever the functions add runs too. Then the list is closed, under the same
/// lock that found it empty, so that nothing is added and forgotten.
fn run(callbacks: &Mutex<Callbacks>) {
    loop {
        let next = match &mut *lock(callbacks) {
            Callbacks::Open(list) => list.pop(),
            Callbacks::Closed => return,
        };
        match next {
            Some(f) => call(f),
            None => {
                let mut callbacks = lock(callbacks);
                if matches!(&*callbacks, Callbacks::Open(list) if list.is_empty()) {
                    *callbacks = Callbacks::Closed;
                }
            }
        }
    }
}

/// Runs a callback. It may well be called from a thread-local destructor, out of which a panic would end the program:
/// the panic hook has reported it, and it goes no further. Nor does a panic in the payload's own destructor.
fn call(f: Callback) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(f))
        && let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload)))
    {
        std::mem::forget(second);
    }
}

/// Two handles are equal if they belong to the same thread.
impl PartialEq for Record {
    fn eq(&self, other: &Record) -> bool {
        self.id() == other.id()
    }
}

impl Eq for Record {}

/// As Python's `repr` of a thread: `<Thread(Thread-1 (worker), started daemon 3)>`.
impl fmt::Debug for Record {
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
        match self.locked().name.try_read() {
            Ok(name) => write!(f, "<{kind}({name}, {state}{daemon} {})>", self.id()),
            Err(_) => write!(f, "<{kind}(?, {state}{daemon} {})>", self.id()),
        }
    }
}
