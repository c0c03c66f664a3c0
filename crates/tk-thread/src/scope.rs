//! Threads that may borrow what lives outside of them.
//!
//! 1. The standard library's scope, which is inside of ours, does not return before the functions of all threads have. That is
//!    what makes borrowing sound.
//! 2. Ours counts a thread from before its start until it has left the registry, with its thread-local values destroyed;
//!    and does not return before the count is zero. Only threads of the scope start others in it, so that it stays at zero.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, Location, RefUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use tk_core::__private::fork::Mutex;
use tk_core::Record;
use tk_park::sync::{AtomicBool, AtomicU32, Ordering::*};
use tk_park::{Limit, Wait, park, unpark_all};

use crate::builder::started;
use crate::shared::wait_until_gone;
use crate::{Builder, JoinHandle, Panicked, Thread};

/// What the threads of a scope and the scope itself have in common.
pub(crate) struct Members {
    running: AtomicU32,
    /// One has panicked, and nobody has asked for its value.
    panicked: AtomicBool,
    /// Those that have left the registry, and may still run their last destructors. Complete when `running` is zero: before
    /// that, a thread that leaves may have taken them out for a moment.
    ending: Mutex<Option<VecDeque<Record>>>,
}

/// How many threads are asked, when one leaves, whether they are gone.
const ENDING_ASKED: usize = 4;

impl Members {
    pub(crate) fn enter(&self) {
        self.running.fetch_add(1, Relaxed);
    }

    pub(crate) fn leave(&self, record: &Record) {
        if !record.is_gone() {
            self.note_ending(record.clone());
        }
        // Release: pairs with the Acquire in `wait`. The chain of decrements is one release sequence.
        if self.running.fetch_sub(1, Release) == 1 {
            unpark_all(&self.running, 0);
        }
    }

    /// Adds a thread to those that are ending, and drops some that are gone. The list is taken out and put back, so that
    /// nothing is allocated, freed or asked with it locked.
    fn note_ending(&self, record: Record) {
        let mut mine = self.take_ending();
        for _ in 0..ENDING_ASKED {
            match mine.pop_front() {
                Some(record) if !record.is_gone() => mine.push_back(record),
                Some(_) => {}
                None => break,
            }
        }
        mine.push_back(record);
        // If another thread has put its own back meanwhile, the two are put together.
        loop {
            let others = self.ending.lock().replace(mine);
            let Some(others) = others else { return };
            mine = self.take_ending();
            mine.extend(others);
        }
    }

    fn take_ending(&self) -> VecDeque<Record> {
        self.ending.lock().take().unwrap_or_default()
    }

    pub(crate) fn note_panic(&self) {
        // Relaxed: what follows in the thread that drops the value, its leaving, orders it.
        self.panicked.store(true, Relaxed);
    }

    /// Waits until no thread is left, and none is in its last destructors.
    fn wait(&self, location: &'static Location<'static>) {
        let are_running = || self.running.load(Acquire) != 0;
        let wait = Wait::new("scope").asked_for_at(location);
        while are_running() {
            park(&self.running, are_running, &wait, Limit::none());
        }
        for record in self.take_ending() {
            let gone = wait_until_gone(&record, &self.running, &wait, Limit::none());
            debug_assert!(gone.is_ok(), "there is no limit");
        }
    }
}

/// Calls `f` with a scope in which threads can be started that borrow what outlives the scope; and waits until they are gone:
/// they have returned or panicked, their thread-local values are destroyed, and they are in no list any more.
///
/// They have names and are listed as all others are. Blocks until the last one is gone, also if `f` panics.
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
    let members = Arc::new(Members {
        running: AtomicU32::new(0),
        panicked: AtomicBool::new(false),
        ending: Mutex::new(None),
    });
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
        Ok(_) if members.panicked.load(Relaxed) => panic!("a thread of the scope panicked"),
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
    pub(crate) handle: JoinHandle<T>,
    pub(crate) os_thread: std::thread::ScopedJoinHandle<'scope, ()>,
}

impl<T> ScopedJoinHandle<'_, T> {
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
        let ScopedJoinHandle { handle, os_thread } = self;
        handle.join_by(|| {
            // What the thread had to say of a panic it has said elsewhere.
            let _ = os_thread.join();
        })
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
