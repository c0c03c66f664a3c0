//! The handle on any thread.

use std::error::Error;
use std::fmt;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::time::Duration;

use tk_core::__private::Program;
use tk_core::{BlockedOn, Slot, ThreadId, ThreadRecord};
use tk_park::{Limit, StopToken, WaitError};

use crate::state::ThreadState;

/// A handle on a thread, which the kit need not have started.
///
/// A clone is another handle on the same thread. Two handles are equal if their threads are. A
/// handle can outlive its thread, which costs only memory. `Debug` shows Python's `repr`:
/// `<Thread(Thread-1 (worker), started 2)>`.
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
    state: Arc<ThreadState>,
}

impl Thread {
    pub(crate) fn from_parts(record: ThreadRecord, state: Arc<ThreadState>) -> Thread {
        Thread { record, state }
    }

    fn of(record: ThreadRecord) -> Thread {
        let state = ThreadState::of(&record);
        Thread { record, state }
    }

    pub(crate) fn record(&self) -> &ThreadRecord {
        &self.record
    }

    pub(crate) fn state(&self) -> &Arc<ThreadState> {
        &self.state
    }

    /// Returns the thread's name.
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

    /// Renames the thread. Any thread may do this at any time.
    ///
    /// The operating system gets as much of the name as it takes: see
    /// [`tk_core::ThreadRecord::set_name`].
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

    /// Returns the thread's id, which no other thread of the process ever has.
    ///
    /// ```
    /// assert_ne!(tk_thread::current().id(), tk_thread::spawn(|| ()).id());
    /// ```
    #[doc(alias = "ident")]
    pub fn id(&self) -> ThreadId {
        self.record.id()
    }

    /// Returns the thread's slot: a small number that no other live thread has.
    ///
    /// ```
    /// let me = tk_thread::current();
    /// assert_eq!(tk_thread::thread_at(me.slot()), Some(me));
    /// ```
    pub fn slot(&self) -> Slot {
        self.record.slot()
    }

    /// Returns the thread's number in the operating system, or `None` where that is not known. On
    /// Linux it is known.
    ///
    /// If the thread has been started but has not begun to run, this blocks until it has.
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

    /// Waits until the thread has begun to run, as Python's `start` does. Starting a thread does
    /// not wait, because that would take longer than the rest of the start.
    ///
    /// Does not wait for a thread that will never run, because its start has failed or it is in the
    /// parent of this process.
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

    /// As [`wait_started`](Thread::wait_started), until the limit is reached.
    ///
    /// # Errors
    ///
    /// If the limit is reached first: the error says which limit.
    ///
    /// ```
    /// use tk_thread::StopSource;
    ///
    /// let source = StopSource::new();
    /// assert_eq!(tk_thread::spawn(|| ()).wait_started_with(&source.token()), Ok(()));
    /// ```
    #[track_caller]
    pub fn wait_started_with<'l>(&self, limit: impl Into<Limit<'l>>) -> Result<(), WaitError> {
        self.state.wait_started(&self.record, limit.into())
    }

    /// Returns whether the thread has not ended. A thread that is about to run is alive.
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

    /// Returns whether the thread is a daemon, for which [`main`](crate::main()) does not wait.
    ///
    /// ```
    /// assert!(!tk_thread::main_thread().is_daemon());
    /// ```
    #[doc(alias = "isDaemon")]
    pub fn is_daemon(&self) -> bool {
        self.record.is_daemon()
    }

    /// Returns whether this is the thread that the process began with.
    ///
    /// ```
    /// assert!(tk_thread::main_thread().is_main());
    /// ```
    pub fn is_main(&self) -> bool {
        self.record.is_main()
    }

    /// Requests a stop of the thread: ends every wait whose limit has the thread's [stop
    /// token](Thread::stop_token). The thread decides whether and when it ends.
    ///
    /// Returns `true` if this was the first request and the thread is alive.
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
    /// [`StopSource::request_stop`](tk_park::StopSource::request_stop).
    #[doc(alias = "interrupt")]
    #[doc(alias = "interrupt_main")]
    pub fn request_stop(&self) -> bool {
        self.is_alive() && self.state.stop().request_stop()
    }

    /// Returns the thread's own token, which [`request_stop`](Thread::request_stop) stops. A thread
    /// does not inherit the token of the thread that starts it.
    ///
    /// ```
    /// let token = tk_thread::main_thread().stop_token();
    /// assert!(!token.stop_requested());
    /// ```
    pub fn stop_token(&self) -> StopToken {
        self.state.stop().token()
    }

    /// Returns what the thread waits for, or `None` if it is not blocked in a wait of the kit.
    ///
    /// ```
    /// assert!(tk_thread::current().blocked_on().is_none());
    /// ```
    pub fn blocked_on(&self) -> Option<BlockedOn> {
        self.record.blocked_on()
    }

    /// Waits until the thread has exited: it has returned or panicked, its thread-local values are
    /// destroyed, and it is not in [`enumerate`] any more. Any number of threads may wait, any
    /// number of times.
    ///
    /// The [main thread](main_thread) counts as exited when the function given to
    /// [`main`](crate::main()) has returned. In the child of a fork, threads of the parent count as
    /// exited.
    ///
    /// # Errors
    ///
    /// If the thread itself calls this.
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

    /// As [`join`](Thread::join), for at most that long.
    ///
    /// # Errors
    ///
    /// If the time is up before the thread has exited, or if the thread itself calls this.
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

    /// As [`join`](Thread::join), until the limit is reached.
    ///
    /// # Errors
    ///
    /// If the limit is reached before the thread has exited: the error says which limit. If the
    /// thread itself calls this.
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

    /// As [`join_with`](Thread::join_with), with the line that the thread's record shows.
    pub(crate) fn join_at(
        &self,
        limit: Limit<'_>,
        location: &'static Location<'static>,
    ) -> Result<(), JoinError> {
        if self.is_current() {
            return Err(JoinError::CurrentThread);
        }
        Ok(self.state.join(&self.record, limit, location)?)
    }

    pub(crate) fn is_current(&self) -> bool {
        self.record == tk_core::current()
    }
}

// A handle changes nothing of the thread that a panic could leave half changed.
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

/// The error of a join that did not wait until the thread had exited.
///
/// ```
/// use tk_thread::JoinError;
///
/// assert_eq!(JoinError::CurrentThread.to_string(), "a thread cannot join itself");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JoinError {
    /// The time was up. The thread goes on.
    TimedOut,
    /// A stop was requested of one of the limit's tokens. The thread goes on.
    Stopped,
    /// The thread itself called the join.
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

/// Returns the calling thread.
///
/// ```
/// assert_eq!(tk_thread::current().id(), tk_thread::get_ident());
/// ```
#[doc(alias = "threading.current_thread")]
#[doc(alias = "currentThread")]
pub fn current() -> Thread {
    Thread::of(tk_core::current())
}

/// Returns the calling thread's own stop token, which [`Thread::request_stop`] stops.
///
/// Pass it to waits, as a part of their limits. A wait looks at the token only while it blocks, so
/// a thread that works without waiting has to check [`StopToken::stop_requested`].
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

/// Returns the thread that the process began with. Its name is `MainThread`. In the child of a fork
/// it is the thread that forked.
///
/// If the calling thread belongs to a program that another thread runs (see
/// [`main`](crate::main())), this returns the thread that called `main`.
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

/// Returns all threads that are alive: the main thread, then the others in the order of their
/// starts.
///
/// This includes threads that have been started and have yet to run, and daemons. It also includes
/// threads that the kit has not started, once they have used it.
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

/// Returns the live thread that has this slot, if there is one.
///
/// To find the thread that another one waits for, pass [`BlockedOn::holder`] to
/// [`tk_core::thread_by_owner`].
///
/// ```
/// let me = tk_thread::current();
/// assert_eq!(tk_thread::thread_at(me.slot()), Some(me));
/// ```
pub fn thread_at(slot: Slot) -> Option<Thread> {
    tk_core::thread_at(slot).map(Thread::of)
}

/// Returns the number of threads that [`enumerate`] would list.
///
/// ```
/// assert!(tk_thread::active_count() >= 1);
/// ```
#[doc(alias = "threading.active_count")]
#[doc(alias = "activeCount")]
pub fn active_count() -> usize {
    tk_core::active_count()
}

/// Returns the id of the calling thread.
///
/// ```
/// assert_eq!(tk_thread::get_ident(), tk_thread::current().id());
/// ```
#[doc(alias = "threading.get_ident")]
pub fn get_ident() -> ThreadId {
    tk_core::current().id()
}

/// Returns the number of the calling thread in the operating system, or `None` where that is not
/// known. On Linux it is known.
///
/// ```
/// assert_eq!(tk_thread::get_native_id(), tk_thread::current().native_id());
/// ```
#[doc(alias = "threading.get_native_id")]
pub fn get_native_id() -> Option<u64> {
    tk_core::current().native_id()
}
