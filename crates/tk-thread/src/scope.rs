//! Threads that may borrow values of the thread that starts them.
//!
//! # Invariants
//!
//! **Functions first.** The standard library's scope is inside of ours, and does not return before
//! the functions of all threads have returned. This is what makes borrowing sound.
//!
//! **Counted until unregistered.** A thread is counted from before its start until it has left the
//! registry. Our scope does not return before the count is zero. Only threads of the scope start
//! others in it, so the count stays at zero. Then the scope waits until each thread is
//! `UNREGISTERED`, and for its tail (see `state.rs`).
//!
//! **No scope ends over a lost thread.** In the child of a fork, a thread of the scope that is in
//! the parent may have been half way through a change to what it borrows, and the standard
//! library's scope would wait for it forever. Neither a return nor a panic can leave the scope,
//! because both end the borrow. So the process prints an error and aborts.
//!
//! A thread is counted for longer than the standard library counts it. So if no counted thread is
//! lost, the standard library does not wait for a lost one.
//!
//! There is one exception. Where the system can't say whether a thread has exited, our handle keeps
//! the OS handle, and the standard library counts a thread until its handle is dropped. In the
//! child of a fork, the handle of a thread of the parent is leaked instead (see `OsHandle`), so the
//! scope could never end. The process is aborted, as for a lost thread.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, Location, RefUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use tk_core::__private::fork::Mutex;
use tk_core::__private::{Program, ThreadRecordExt, can_detect_exit, drop_guarded};
use tk_park::__private::{Held, Holders, Holds, park_while_held};
use tk_park::sync::{AtomicBool, AtomicU32, Ordering::*};
use tk_park::{Limit, WaitInfo, unpark_all};

use crate::builder::started;
use crate::panic_hook::print_at_panic;
use crate::tail::OsHandle;
use crate::{Builder, JoinHandle, Panicked, Thread};

/// The state that the threads of a scope share with the scope.
pub(crate) struct Members {
    /// The number of threads of this process that have not left the registry.
    running: AtomicU32,
    /// A thread has panicked whose value nobody has asked for.
    panicked: AtomicBool,
    /// The process whose threads `running` counts.
    process: Mutex<u32>,
    /// This is the child of a fork, and the count was not zero at the fork, or a handle was leaked.
    has_lost: AtomicBool,
    /// The threads that have been started, except for some that have exited.
    threads: Mutex<Vec<Thread>>,
}

/// A scope waits for all its threads. None of them ends while it waits for something itself.
///
/// For a moment the list lacks threads that run, because they have just been started, or another
/// thread makes the list longer.
impl Holds for Members {
    fn add_holders(&self, holders: &mut Holders<'_>) {
        let threads = self.threads.lock();
        let mut listed = 0;
        for thread in threads.iter().filter(|thread| !thread.state().has_left()) {
            listed += 1;
            holders.add(thread.record().owner());
        }
        // Relaxed: a look, which is repeated.
        if self.running.load(Relaxed) > listed {
            holders.note_change();
        }
    }
}

/// The initial capacity of the list of threads.
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

    /// Begins to count anew in the child of a fork.
    ///
    /// The lock makes this one step for threads that do it at the same time. None of them is
    /// counted before it is done.
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

    /// Adds a counted thread to the list. While the list is locked, nothing is allocated or freed,
    /// and no system call is made.
    pub(crate) fn list(&self, thread: Thread) {
        let mut threads = self.threads.lock();
        if threads.len() < threads.capacity() {
            threads.push(thread);
            return;
        }
        let mut full = std::mem::take(&mut *threads);
        drop(threads);
        full.retain(|thread| !thread.state().has_exited(thread.record()));
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
        // Release: pairs with the Acquire in `wait`. The chain of decrements is one release
        // sequence.
        if self.running.fetch_sub(1, Release) == 1 {
            unpark_all(&self.running, 0);
        }
    }

    pub(crate) fn note_panic(&self) {
        // Relaxed: the thread that drops the value leaves later, and `leave` orders both.
        self.panicked.store(true, Relaxed);
    }

    /// Waits until all threads have exited.
    fn wait(&self, location: &'static Location<'static>) {
        self.notice_fork();
        self.check_lost(location);
        // Acquire: pairs with the Release in `leave`.
        let are_running = || self.running.load(Acquire) != 0;
        let wait = WaitInfo::new("scope").at(location);
        let held = Held::end_of(self);
        let ended = park_while_held(&self.running, are_running, &wait, Limit::never(), held);
        debug_assert!(ended.is_ok(), "there is no limit");
        // A thread may have leaked a handle meanwhile.
        self.check_lost(location);
        let threads = std::mem::take(&mut *self.threads.lock());
        for thread in threads {
            let record = thread.record();
            // A lost thread was not counted any more at the fork. It may never be `UNREGISTERED`.
            if !record.is_lost() {
                thread.state().wait_exited(record, &wait);
            }
        }
    }

    /// The child of a fork has leaked a handle, so the standard library's scope would wait forever.
    fn note_leaked_handle(&self) {
        self.has_lost.store(true, Relaxed);
    }

    /// *No scope ends over a lost thread.*
    fn check_lost(&self, location: &'static Location<'static>) {
        // Relaxed: this thread has stored it, or a thread that has left since.
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
            "the scope at {location} can't end in the child of a fork: its threads are in the \
             parent{names}\n"
        ));
        std::process::abort()
    }
}

/// Calls `f` with a scope, in which threads can be started that borrow values which outlive the
/// scope. Returns the value of `f` when all these threads have exited.
///
/// The threads have names and are listed, as all others are. `scope` blocks until the last thread
/// has returned or panicked, its thread-local values are destroyed, and it is not in
/// [`enumerate`](crate::enumerate) any more, even if `f` panics.
///
/// If `f` forks while threads of the scope run, these threads are not in the child. A lost thread
/// may have been half way through a change to what it borrows, so the scope can't end there. When
/// `f` returns or panics in the child, the process prints an error and aborts. The child may end
/// itself or call `exec` before.
///
/// On Linux, threads that have ended before the fork don't matter. Where the system can't say
/// whether a thread has exited (on other systems, or in a sandbox that forbids the question), the
/// child aborts for such a thread too, unless its [`ScopedJoinHandle`] was joined or dropped
/// before.
///
/// # Panics
///
/// With the panic of `f`. Also if a thread has panicked and nobody has joined it for its value.
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
            // A panic in the drop of the value must not meet the one that follows.
            drop_guarded(value);
            panic!("a thread of the scope panicked")
        }
        Ok(value) => value,
    }
}

/// A scope, in which threads are started that borrow: see [`scope()`].
///
/// A copy is the same scope. A thread that starts others in the scope captures a copy by `move`.
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

/// The scope of the standard library, whose lifetime is shorter than `'env`: it must end before
/// `members` does.
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

// As the standard library's scope: a panic in the start of a thread leaves nothing half done.
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

    /// Starts a thread that calls `f`, with a default name. To set a name or a stack size, use
    /// [`Builder::spawn_scoped`].
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

/// The handle on a thread of a [`scope()`], which gets the thread's value.
///
/// It has all methods of [`Thread`].
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

/// The OS handle, where a join needs it. Where the system says whether a thread has exited, no
/// handle is kept: *an ended thread costs memory only* (see `state.rs`).
struct OsThread<'scope> {
    /// Present until it is taken, if it is kept at all.
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
            self.members.note_leaked_handle();
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

    /// Returns a handle that can be cloned, and can outlive the scope.
    ///
    /// ```
    /// let thread = tk_thread::scope(|s| s.spawn(|| ()).thread().clone());
    /// assert!(!thread.is_alive());
    /// ```
    pub fn thread(&self) -> &Thread {
        self.handle.thread()
    }

    /// Waits until the thread has exited, and returns its value, as [`JoinHandle::join`] does.
    ///
    /// # Errors
    ///
    /// If the thread panicked. Then [`scope()`] does not panic.
    ///
    /// # Panics
    ///
    /// If the thread itself calls this.
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
            // A panic of the thread is in its packet, not in this result.
            Some(os_thread) => handle.join_by(|| drop(os_thread.join())),
            None => handle.join(),
        }
    }
}

/// Gives access to the methods of [`Thread`].
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
