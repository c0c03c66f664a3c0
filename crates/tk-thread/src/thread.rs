//! The handle that anybody can have.

use std::error::Error;
use std::fmt;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::time::Duration;

use tk_core::__private::Program;
use tk_core::{BlockedOn, Slot, ThreadId, ThreadRecord};
use tk_park::{Limit, StopToken, WaitError};

use crate::shared::Shared;

/// A thread, whoever started it.
///
/// A clone is another handle on the same thread, and two handles are equal if they are. A handle can be kept after the
/// end of its thread; that costs memory only. `Debug` is Python's `repr`: `<Thread(Thread-1 (worker), started 2)>`.
///
/// ```
/// let me = tk_thread::current();
/// assert!(me.is_alive());
/// assert!(tk_thread::enumerate().contains(&me));
/// ```
#[doc(alias = "threading.Thread")]
#[derive(Clone)]
pub struct Thread {
    record: ThreadRecord,
    shared: Arc<Shared>,
}

impl Thread {
    pub(crate) fn from_parts(record: ThreadRecord, shared: Arc<Shared>) -> Thread {
        Thread { record, shared }
    }

    fn of(record: ThreadRecord) -> Thread {
        let shared = Shared::of(&record);
        Thread { record, shared }
    }

    pub(crate) fn record(&self) -> &ThreadRecord {
        &self.record
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The thread's name.
    ///
    /// ```
    /// let thread = tk_thread::Builder::new().name("miller").spawn(|| ())?;
    /// assert_eq!(thread.name(), "miller");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "getName")]
    pub fn name(&self) -> String {
        self.record.name().to_string()
    }

    /// Renames the thread. Any thread may, at any time.
    ///
    /// The operating system is told too, what it can take of it: see [`tk_core::ThreadRecord::set_name`].
    ///
    /// ```
    /// let me = tk_thread::current();
    /// me.set_name("baker");
    /// assert_eq!(me.name(), "baker");
    /// ```
    #[doc(alias = "setName")]
    pub fn set_name(&self, name: impl Into<String>) {
        self.record.set_name(name.into());
    }

    /// The thread's number, which no other thread ever has.
    ///
    /// ```
    /// assert_ne!(tk_thread::current().id(), tk_thread::spawn(|| ()).id());
    /// ```
    #[doc(alias = "ident")]
    pub fn id(&self) -> ThreadId {
        self.record.id()
    }

    /// The thread's slot: a small number that no other live thread has.
    ///
    /// ```
    /// let me = tk_thread::current();
    /// assert_eq!(tk_thread::thread_at(me.slot()), Some(me));
    /// ```
    pub fn slot(&self) -> Slot {
        self.record.slot()
    }

    /// The thread's number in the operating system; `None` where that is not known (it is on Linux).
    ///
    /// Blocks, for a moment, if the thread has been started but has not begun to run.
    ///
    /// ```
    /// # #[cfg(target_os = "linux")]
    /// assert_ne!(tk_thread::current().native_id(), tk_thread::spawn(|| ()).native_id());
    /// ```
    #[track_caller]
    pub fn native_id(&self) -> Option<u64> {
        self.wait_started();
        self.record.native_id()
    }

    /// Waits until the thread has begun to run, as Python's `start` does. To spawn a thread does not: it would take longer
    /// than all the rest.
    ///
    /// Blocks until then, which is a moment. Does not wait for a thread that never will: its start has failed, or this is the
    /// child of a fork, and the thread is one of the parent's.
    ///
    /// ```
    /// let handle = tk_thread::spawn(|| ());
    /// handle.wait_started();
    /// ```
    #[doc(alias = "threading.Thread.start")]
    #[track_caller]
    pub fn wait_started(&self) {
        let begun = self.wait_started_with(Limit::never());
        debug_assert_eq!(begun, Ok(()));
    }

    /// As [`wait_started`](Thread::wait_started), or until the limit is reached, and says which limit that was.
    ///
    /// ```
    /// use tk_thread::StopSource;
    ///
    /// let source = StopSource::new();
    /// assert_eq!(tk_thread::spawn(|| ()).wait_started_with(&source.token()), Ok(()));
    /// ```
    #[track_caller]
    pub fn wait_started_with<'l>(&self, limit: impl Into<Limit<'l>>) -> Result<(), WaitError> {
        self.shared.wait_started(&self.record, limit.into())
    }

    /// Whether the thread has not come to its end.
    ///
    /// ```
    /// let thread = tk_thread::spawn(|| ());
    /// thread.join().unwrap();
    /// assert!(tk_thread::current().is_alive());
    /// ```
    #[doc(alias = "isAlive")]
    pub fn is_alive(&self) -> bool {
        self.record.is_alive()
    }

    /// Whether the program may end while this thread runs.
    ///
    /// ```
    /// assert!(!tk_thread::main_thread().is_daemon());
    /// ```
    #[doc(alias = "isDaemon")]
    pub fn is_daemon(&self) -> bool {
        self.record.is_daemon()
    }

    /// Whether this is the thread that the program began with.
    ///
    /// ```
    /// assert!(tk_thread::main_thread().is_main());
    /// ```
    pub fn is_main(&self) -> bool {
        self.record.is_main()
    }

    /// Asks the thread to stop: wakes every wait that carries its [stop token](Thread::stop_token). Whether and when it ends is
    /// its own affair. Returns whether this was the first request to a thread that is alive.
    ///
    /// ```
    /// let sleeper = tk_thread::spawn(|| tk_thread::sleep_with(&tk_thread::stop_token()));
    /// assert!(sleeper.request_stop());
    /// assert_eq!(sleeper.join().unwrap(), tk_park::WaitError::Stopped);
    /// ```
    ///
    /// # Panics
    ///
    /// With the panic of a callback that was registered with the token, as
    /// [`StopSource::request_stop`](tk_park::StopSource::request_stop) does.
    #[doc(alias = "interrupt")]
    #[doc(alias = "interrupt_main")]
    pub fn request_stop(&self) -> bool {
        self.is_alive() && self.shared.stop().request_stop()
    }

    /// The thread's own token, which [`request_stop`](Thread::request_stop) stops. The threads that it starts have others.
    ///
    /// ```
    /// let token = tk_thread::main_thread().stop_token();
    /// assert!(!token.stop_requested());
    /// ```
    pub fn stop_token(&self) -> StopToken {
        self.shared.stop().token()
    }

    /// What the thread waits for at this moment, if it is asleep in a wait of the kit.
    ///
    /// ```
    /// assert!(tk_thread::current().blocked_on().is_none());
    /// ```
    pub fn blocked_on(&self) -> Option<BlockedOn> {
        self.record.blocked_on()
    }

    /// Waits until the thread is gone: it has returned or panicked, its thread-local values are destroyed, and it is not
    /// in [`enumerate`] any more. Any number of threads may, any number of times.
    ///
    /// Blocks until then. The [main thread](main_thread) counts as gone when the function given to
    /// [`main`](crate::main()) has returned. In the child of a fork, threads of the parent count as gone.
    ///
    /// # Errors
    ///
    /// If it is the calling thread.
    ///
    /// ```
    /// use tk_thread::JoinError;
    ///
    /// assert_eq!(tk_thread::current().join(), Err(JoinError::CurrentThread));
    /// ```
    #[track_caller]
    pub fn join(&self) -> Result<(), JoinError> {
        self.join_with(Limit::never())
    }

    /// As [`join`](Thread::join), at most for that long.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tk_thread::JoinError;
    ///
    /// let me = tk_thread::current();
    /// let thread = tk_thread::spawn(move || me.join_for(Duration::from_millis(1)));
    /// assert_eq!(thread.join().unwrap(), Err(JoinError::TimedOut));
    /// ```
    #[track_caller]
    pub fn join_for(&self, timeout: Duration) -> Result<(), JoinError> {
        self.join_with(timeout)
    }

    /// As [`join`](Thread::join), until the limit is reached; and says which limit that was.
    ///
    /// ```
    /// use tk_thread::{JoinError, StopSource};
    ///
    /// let (me, source) = (tk_thread::current(), StopSource::new());
    /// source.request_stop();
    /// let thread = tk_thread::spawn(move || me.join_with(&source.token()));
    /// assert_eq!(thread.join().unwrap(), Err(JoinError::Stopped));
    /// ```
    #[track_caller]
    pub fn join_with<'l>(&self, limit: impl Into<Limit<'l>>) -> Result<(), JoinError> {
        self.join_at(limit.into(), Location::caller())
    }

    /// As [`join_with`](Thread::join_with), asked for by this line.
    pub(crate) fn join_at(
        &self,
        limit: Limit<'_>,
        location: &'static Location<'static>,
    ) -> Result<(), JoinError> {
        if self.is_current() {
            return Err(JoinError::CurrentThread);
        }
        Ok(self.shared.join(&self.record, limit, location)?)
    }

    pub(crate) fn is_current(&self) -> bool {
        self.record == tk_core::current()
    }
}

/// A handle changes nothing of the thread's that a panic could leave half changed.
impl UnwindSafe for Thread {}
impl RefUnwindSafe for Thread {}

impl PartialEq for Thread {
    fn eq(&self, other: &Thread) -> bool {
        self.record == other.record
    }
}

impl Eq for Thread {}

impl fmt::Debug for Thread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.record, f)
    }
}

/// Why a join did not wait for the end of the thread.
///
/// ```
/// use tk_thread::JoinError;
///
/// assert_eq!(JoinError::CurrentThread.to_string(), "a thread cannot join itself");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JoinError {
    /// The time was over. The thread goes on.
    TimedOut,
    /// The stop token was asked to stop. The thread goes on.
    Stopped,
    /// It is the calling thread, which would wait for itself.
    CurrentThread,
}

impl From<WaitError> for JoinError {
    fn from(error: WaitError) -> JoinError {
        match error {
            WaitError::TimedOut => JoinError::TimedOut,
            WaitError::Stopped => JoinError::Stopped,
        }
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JoinError::TimedOut => fmt::Display::fmt(&WaitError::TimedOut, f),
            JoinError::Stopped => fmt::Display::fmt(&WaitError::Stopped, f),
            JoinError::CurrentThread => f.write_str("a thread cannot join itself"),
        }
    }
}

impl Error for JoinError {}

/// The calling thread.
///
/// ```
/// assert_eq!(tk_thread::current().id(), tk_thread::get_ident());
/// ```
#[doc(alias = "threading.current_thread")]
#[doc(alias = "currentThread")]
pub fn current() -> Thread {
    Thread::of(tk_core::current())
}

/// The calling thread's own stop token, for its waits: [`Thread::request_stop`] stops it.
///
/// ```
/// use std::time::Duration;
/// use tk_thread::Limit;
///
/// let worker = tk_thread::spawn(|| {
///     let token = tk_thread::stop_token();
///     let mut rounds = 0;
///     while !token.stop_requested() {
///         rounds += 1;
///         tk_thread::sleep_with(Limit::after(Duration::from_millis(1)).or_stop(&token));
///     }
///     rounds
/// });
/// worker.request_stop();
/// println!("{} rounds", worker.join().unwrap());
/// ```
pub fn stop_token() -> StopToken {
    current().stop_token()
}

/// The thread that the program began with. Its name is `MainThread`. In the child of a fork it is the one that forked.
///
/// If the calling thread belongs to a program that runs in another thread (see [`main`](crate::main())), it is that
/// thread, the one that called `main`.
///
/// ```
/// assert_eq!(tk_thread::main_thread().name(), "MainThread");
/// ```
#[doc(alias = "threading.main_thread")]
pub fn main_thread() -> Thread {
    let program = Program::current();
    let main = program.main().cloned();
    Thread::of(main.unwrap_or_else(tk_core::main_thread))
}

/// Every thread that is alive: the main thread first, then the others in the order in which they were started.
///
/// Those that have been started and have yet to run are there, also daemons, also threads that were started elsewhere, once
/// they have used the kit. Those that have been joined are not.
///
/// ```
/// for thread in tk_thread::enumerate() {
///     println!("{thread:?}");
/// }
/// ```
#[doc(alias = "threading.enumerate")]
pub fn enumerate() -> Vec<Thread> {
    tk_core::enumerate().into_iter().map(Thread::of).collect()
}

/// The thread that has this slot, if one has it.
///
/// To find the thread that another one waits for, pass [`BlockedOn::holder`] to [`tk_core::thread_by_owner`].
///
/// ```
/// let me = tk_thread::current();
/// assert_eq!(tk_thread::thread_at(me.slot()), Some(me));
/// ```
pub fn thread_at(slot: Slot) -> Option<Thread> {
    tk_core::thread_at(slot).map(Thread::of)
}

/// How many threads [`enumerate`] would list.
///
/// ```
/// assert!(tk_thread::active_count() >= 1);
/// ```
#[doc(alias = "threading.active_count")]
#[doc(alias = "activeCount")]
pub fn active_count() -> usize {
    tk_core::active_count()
}

/// The number of the calling thread.
///
/// ```
/// assert_eq!(tk_thread::get_ident(), tk_thread::current().id());
/// ```
#[doc(alias = "threading.get_ident")]
pub fn get_ident() -> ThreadId {
    tk_core::current().id()
}

/// The number of the calling thread in the operating system, where that is known (it is on Linux).
///
/// ```
/// assert_eq!(tk_thread::get_native_id(), tk_thread::current().native_id());
/// ```
#[doc(alias = "threading.get_native_id")]
pub fn get_native_id() -> Option<u64> {
    tk_core::current().native_id()
}
