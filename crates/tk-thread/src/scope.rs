//! Threads that may borrow what lives outside of them.
//!
//! # Invariants
//!
//! 1. *Functions first.* The standard library's scope, which is inside of ours, does not return before the functions of all
//!    threads have. That is what makes borrowing sound.
//! 2. *A thread is counted until it has left the registry*, from before its start. Our scope does not return before the
//!    count is zero. Only threads of the scope start others in it, so that it stays at zero. Then the scope waits until each
//!    thread is `LEFT`, and for its tail (see `shared.rs`).
//! 3. *No scope ends over a lost thread.* In the child of a fork, a thread of the scope that is in the parent may have been
//!    half way through a change to what it borrows, and the standard library's scope would wait for it forever. Neither a
//!    return nor a panic can leave the scope: both end the borrow. So the process is aborted, and says why.
//!
//! A thread is counted for longer than the standard library counts it. So if no counted thread is lost, the standard
//! library waits for none that is.
//!
//! There is one exception. Where the system can't be asked whether a thread is gone, our handle keeps the OS handle, and
//! the standard library counts a thread until its handle is dropped. In the child of a fork the handle of a thread of the
//! parent is forgotten instead (see `OsHandle`), so that the scope could never end. By invariant 3, the process is aborted.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, Location, RefUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use tk_core::__private::fork::Mutex;
use tk_core::__private::{Program, ThreadRecordExt, can_detect_exit, drop_guarded};
use tk_park::sync::{AtomicBool, AtomicU32, Ordering::*};
use tk_park::{Limit, WaitInfo, park_while, unpark_all};

use crate::builder::started;
use crate::panic_hook::print_at_panic;
use crate::shared::OsHandle;
use crate::{Builder, JoinHandle, Panicked, Thread};

/// What the threads of a scope and the scope itself have in common.
pub(crate) struct Members {
    /// How many threads of this process have not left the registry.
    running: AtomicU32,
    /// One has panicked, and nobody has asked for its value.
    panicked: AtomicBool,
    /// Which process `running` counts the threads of.
    process: Mutex<u32>,
    /// This is the child of a fork, and the count was not zero in its parent, or a handle was forgotten.
    has_lost: AtomicBool,
    /// Those that have been started, but for some that are known to be gone.
    threads: Mutex<Vec<Thread>>,
}

/// The room in the list of threads, to begin with.
const FEW: usize = 4;

impl Members {
    fn new() -> Members {
        Members {
            running: AtomicU32::new(0),
            panicked: AtomicBool::new(false),
            process: Mutex::new(Program::process()),
            has_lost: AtomicBool::new(false),
            threads: Mutex::new(Vec::new()),
        }
    }

    /// Counts a thread.
    pub(crate) fn enter(&self) {
        self.notice_fork();
        self.running.fetch_add(1, Relaxed);
    }

    /// In the child of a fork, begins to count anew.
    ///
    /// The lock makes it one step for threads that do this at the same time. None of them is counted before it is done.
    fn notice_fork(&self) {
        let now = Program::process();
        let mut process = self.process.lock();
        if *process != now {
            if self.running.load(Relaxed) != 0 {
                self.has_lost.store(true, Relaxed);
            }
            self.running.store(0, Relaxed);
            *process = now;
        }
    }

    /// Lists a thread that is counted. While the list is locked, nothing is allocated, freed or asked of the system.
    pub(crate) fn list(&self, thread: Thread) {
        let mut threads = self.threads.lock();
        if threads.len() < threads.capacity() {
            threads.push(thread);
            return;
        }
        let mut full = std::mem::take(&mut *threads);
        drop(threads);
        full.retain(|thread| !thread.shared().is_gone(thread.record()));
        full.push(thread);
        full.reserve(FEW.max(full.len()));
        loop {
            let mut threads = self.threads.lock();
            let meanwhile = std::mem::take(&mut *threads);
            if meanwhile.is_empty() {
                *threads = full;
                drop(threads);
                return;
            }
            drop(threads);
            full.extend(meanwhile);
        }
    }

    pub(crate) fn leave(&self) {
        // Release: pairs with the Acquire in `wait`. The chain of decrements is one release sequence.
        if self.running.fetch_sub(1, Release) == 1 {
            unpark_all(&self.running, 0);
        }
    }

    pub(crate) fn note_panic(&self) {
        // Relaxed: what follows in the thread that drops the value, its leaving, orders it.
        self.panicked.store(true, Relaxed);
    }

    /// Waits until no thread is left, and none is in its last destructors.
    fn wait(&self, location: &'static Location<'static>) {
        self.notice_fork();
        self.check_lost(location);
        let are_running = || self.running.load(Acquire) != 0;
        let wait = WaitInfo::new("scope").at(location);
        let ended = park_while(&self.running, are_running, &wait, Limit::never());
        debug_assert!(ended.is_ok(), "there is no limit");
        // A thread may have dropped a handle meanwhile.
        self.check_lost(location);
        let threads = std::mem::take(&mut *self.threads.lock());
        for thread in threads {
            let record = thread.record();
            // One that is lost was not counted any more when the fork came. It may not have come to `LEFT`.
            if !record.is_lost() {
                thread.shared().wait_gone(record, &wait);
            }
        }
    }

    /// In the child of a fork: the standard library's scope waits forever.
    fn note_forgotten_handle(&self) {
        self.has_lost.store(true, Relaxed);
    }

    /// Invariant 3.
    fn check_lost(&self, location: &'static Location<'static>) {
        // Relaxed: this thread has stored it, or one that has left since.
        if self.has_lost.load(Relaxed) {
            self.abort(location);
        }
    }

    #[cold]
    fn abort(&self, location: &'static Location<'static>) -> ! {
        let threads = std::mem::take(&mut *self.threads.lock());
        let lost = threads.iter().filter(|thread| thread.record().is_lost());
        let names: Vec<_> = lost.map(|thread| format!("`{}`", thread.name())).collect();
        let names = if names.is_empty() {
            String::new()
        } else {
            format!(" ({})", names.join(", "))
        };
        print_at_panic(&format!(
            "the scope at {location} can't end in the child of a fork: its threads are in the parent{names}\n"
        ));
        std::process::abort()
    }
}

/// Calls `f` with a scope in which threads can be started that borrow what outlives the scope; and waits until they are gone:
/// they have returned or panicked, their thread-local values are destroyed, and they are in no list any more.
///
/// They have names and are listed as all others are. Blocks until the last one is gone, also if `f` panics.
///
/// If `f` forks while threads of the scope run, they are not in the child. A lost thread may have been half way through a
/// change to what it borrows, so the scope can't end there. When `f` returns or panics in the child, the process says so on
/// the standard error and is aborted. The child may end itself or `exec` before.
///
/// Threads that have ended before the fork don't matter, on Linux. Where the system can't say whether a thread is gone (on
/// other systems, or in a sandbox that forbids the question), the child is aborted for such a thread too, unless its
/// [`ScopedJoinHandle`] was joined or dropped before.
///
/// # Panics
///
/// If `f` does, or if a thread does whose value nobody asks for.
///
/// ```
/// let numbers = [1, 2, 3];
/// let mut sum = 0;
/// tk_thread::scope(|s| {
///     s.spawn(|| sum = numbers.iter().sum());
///     s.spawn(|| println!("{numbers:?}"));
/// });
/// assert_eq!(sum, 6);
/// ```
#[track_caller]
pub fn scope<'env, F, T>(f: F) -> T
where
    F: for<'scope> FnOnce(Scope<'scope, 'env>) -> T,
{
    let members = Arc::new(Members::new());
    let location = Location::caller();
    let result = std::thread::scope(|inner| {
        let scope = Scope {
            inner,
            members: &members,
            env: PhantomData,
        };
        let result = catch_unwind(AssertUnwindSafe(|| f(scope)));
        members.wait(location);
        result
    });
    match result {
        Err(payload) => resume_unwind(payload),
        Ok(value) if members.panicked.load(Relaxed) => {
            // A panic in its drop must not meet the one that follows.
            drop_guarded(value);
            panic!("a thread of the scope panicked")
        }
        Ok(value) => value,
    }
}

/// Where threads are started that borrow: see [`scope`].
///
/// A copy is the same scope. A thread that starts others in it takes it along by `move`.
///
/// ```
/// let name = String::from("outside");
/// let name = &name;
/// tk_thread::scope(|s| {
///     s.spawn(move || s.spawn(move || assert_eq!(name, "outside")));
/// });
/// ```
pub struct Scope<'scope, 'env: 'scope> {
    inner: &'scope (dyn Start<'scope> + Sync + 'scope),
    members: &'scope Arc<Members>,
    env: PhantomData<&'env mut &'env ()>,
}

/// The scope of the standard library, which is a little shorter than `'env`: it has to end before `members` does.
trait Start<'scope> {
    fn start(
        &'scope self,
        builder: std::thread::Builder,
        body: Box<dyn FnOnce() + Send + 'scope>,
    ) -> io::Result<std::thread::ScopedJoinHandle<'scope, ()>>;
}

impl<'scope> Start<'scope> for std::thread::Scope<'scope, '_> {
    fn start(
        &'scope self,
        builder: std::thread::Builder,
        body: Box<dyn FnOnce() + Send + 'scope>,
    ) -> io::Result<std::thread::ScopedJoinHandle<'scope, ()>> {
        builder.spawn_scoped(self, body)
    }
}

impl Clone for Scope<'_, '_> {
    fn clone(&self) -> Self {
        *self
    }
}

impl Copy for Scope<'_, '_> {}

// As the standard library's scope: starting a thread leaves nothing half done.
impl RefUnwindSafe for Scope<'_, '_> {}

impl<'scope> Scope<'scope, '_> {
    pub(crate) fn members(self) -> &'scope Arc<Members> {
        self.members
    }

    pub(crate) fn start(
        self,
        builder: std::thread::Builder,
        body: impl FnOnce() + Send + 'scope,
    ) -> io::Result<std::thread::ScopedJoinHandle<'scope, ()>> {
        self.inner.start(builder, Box::new(body))
    }

    /// Starts a thread that calls `f`, with a default name. For more, there is [`Builder::spawn_scoped`].
    ///
    /// # Panics
    ///
    /// As [`spawn`](crate::spawn()).
    ///
    /// ```
    /// let text = String::from("hello");
    /// let length = tk_thread::scope(|s| s.spawn(|| text.len()).join().unwrap());
    /// assert_eq!(length, 5);
    /// ```
    #[track_caller]
    pub fn spawn<F, T>(self, f: F) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        started(Builder::new().spawn_scoped(self, f))
    }
}

impl fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("running", &self.members.running.load(Relaxed))
            .finish_non_exhaustive()
    }
}

/// The handle of whoever started a thread in a [`scope`]: all that a [`Thread`] can do, and the thread's value.
///
/// ```
/// use std::time::Duration;
///
/// let text = String::from("hello");
/// tk_thread::scope(|s| {
///     let handle = s.spawn(|| text.len());
///     if handle.join_for(Duration::from_secs(1)).is_ok() {
///         assert_eq!(handle.join().unwrap(), 5);
///     }
/// });
/// ```
pub struct ScopedJoinHandle<'scope, T> {
    handle: JoinHandle<T>,
    os_thread: OsThread<'scope>,
}

/// The OS handle, where a join needs it. Where the system can be asked whether a thread is gone, an ended thread costs memory
/// only (see `shared.rs`), so nobody keeps its handle.
struct OsThread<'scope> {
    handle: Option<OsHandle<std::thread::ScopedJoinHandle<'scope, ()>>>,
    members: &'scope Members,
}

impl Drop for OsThread<'_> {
    fn drop(&mut self) {
        if self
            .handle
            .take_if(|handle| handle.is_of_parent())
            .is_some()
        {
            self.members.note_forgotten_handle();
        }
    }
}

impl<'scope, T> ScopedJoinHandle<'scope, T> {
    pub(crate) fn new(
        handle: JoinHandle<T>,
        os_thread: std::thread::ScopedJoinHandle<'scope, ()>,
        members: &'scope Members,
    ) -> ScopedJoinHandle<'scope, T> {
        let os_thread = OsThread {
            handle: (!can_detect_exit()).then(|| OsHandle::new(os_thread)),
            members,
        };
        ScopedJoinHandle { handle, os_thread }
    }

    /// The thread, as a handle that can be cloned, and kept for longer than the scope.
    ///
    /// ```
    /// let thread = tk_thread::scope(|s| s.spawn(|| ()).thread().clone());
    /// assert!(!thread.is_alive());
    /// ```
    pub fn thread(&self) -> &Thread {
        self.handle.thread()
    }

    /// Waits until the thread is gone, and returns its value: as [`JoinHandle::join`].
    ///
    /// # Errors
    ///
    /// If the thread panicked. Then the scope does not.
    ///
    /// # Panics
    ///
    /// If it is the calling thread, which would wait for itself.
    ///
    /// ```
    /// let words = ["hello", "world"];
    /// let length: usize = tk_thread::scope(|s| {
    ///     let threads = words.map(|word| s.spawn(move || word.len()));
    ///     threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    /// });
    /// assert_eq!(length, 10);
    /// ```
    #[track_caller]
    pub fn join(self) -> Result<T, Panicked> {
        let ScopedJoinHandle {
            handle,
            mut os_thread,
        } = self;
        let here = os_thread.handle.take_if(|handle| !handle.is_of_parent());
        match here.and_then(OsHandle::take) {
            // What the thread had to say of a panic it has said elsewhere.
            Some(os_thread) => handle.join_by(|| drop(os_thread.join())),
            None => handle.join(),
        }
    }
}

/// All that a [`Thread`] can do.
impl<T> Deref for ScopedJoinHandle<'_, T> {
    type Target = Thread;

    fn deref(&self) -> &Thread {
        self.thread()
    }
}

impl<T> fmt::Debug for ScopedJoinHandle<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ScopedJoinHandle")
            .field(self.thread())
            .finish()
    }
}
