//! The state that the handles on a thread share: how far it has come, and waiting for it.
//!
//! ```text
//!   STARTING  ------->  RUNNING  ------->  UNREGISTERED  ---------------------->  JOINED
//!              begins             leaves the              another thread has seen
//!                                 registry                that the OS thread has ended
//! ```
//!
//! | operation | `STARTING` | `RUNNING` | `UNREGISTERED` | `JOINED` |
//! |---|---|---|---|---|
//! | `wait_started` | waits | returns | returns | returns |
//! | `join` without a limit, first | joins the OS thread | joins the OS thread | waits for the tail | returns |
//! | `join`, otherwise | waits | waits | waits for the tail | returns |
//! | the thread leaves the registry | | `UNREGISTERED` | | |
//! | the start fails | `JOINED` | | | |
//!
//! # Invariants
//!
//! **Progress only grows.** Each step unparks all threads that wait for one.
//!
//! **Unregistered by the thread itself.** The thread sets `UNREGISTERED` when it has left the
//! registry. If the kit has started the thread, that happens in the destructor of its oldest
//! thread-local value, so all younger ones have been destroyed. Only the thread's *tail* may still
//! run: destructors that Rust does not know, such as those of a C library's thread-specific data.
//! In a thread that the kit has not started, the tail includes the thread-local values that are
//! older than its first use of the kit.
//!
//! **No tail outlasts a join.** After `UNREGISTERED`, a join asks the system until the thread has
//! exited, or until its limit is reached. Most tails take some ten microseconds: see `tail.rs`.
//!
//! **An ended thread costs memory only.** The thread drops its OS handle when it leaves the
//! registry, so that the system frees the stack as soon as the thread ends. Only a join without a
//! limit that comes first takes the handle. It sleeps once, until the very end, instead of twice.
//! If a watcher looks for deadlocks, such a join sleeps twice too, because it reports its wait.
//!
//! **No user code with the handle locked.** A start that fails drops the thread's closure.
//!
//! Where the system can't say whether a thread has exited, the handle is kept until a join, and the
//! join waits by it. With a limit, the join starts a thread for that. A thread that the kit has not
//! started has no handle, so there its join returns at `UNREGISTERED`.
//!
//! The main thread is `JOINED` when the function given to `main` has returned.

use std::panic::Location;
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;

use tk_core::__private::fork::{Inherit, Kept, Mutex};
use tk_core::__private::{Program, ThreadRecordExt, can_detect_exit};
use tk_core::ThreadRecord;
use tk_park::__private::{Failed, Held, is_watched, park_while_held, report_wait};
use tk_park::sync::{AtomicU32, Ordering::*};
use tk_park::{Limit, StopSource, WaitError, WaitInfo, park_while, unpark_all};

use crate::tail::{OsHandle, wait_until_gone};

const STARTING: u32 = 0;
const RUNNING: u32 = 1;
const UNREGISTERED: u32 = 2;
const JOINED: u32 = 3;

pub(crate) struct ThreadState {
    progress: AtomicU32,
    os_thread: Mutex<OsThread>,
    /// The thread's own stop source, which is made when it is first asked for.
    stop: Mutex<Kept<StopSource>>,
}

/// The OS handle of a thread that the kit has started.
enum OsThread {
    /// There never is one, because the kit has not started the thread or a scope has the handle.
    None,
    /// The start has not returned the handle yet.
    Expected,
    Present(OsHandle<JoinHandle<()>>),
    /// A join has taken the handle, or the thread has dropped it.
    Taken,
}

/// The child of a fork joins no thread of its parent.
impl Inherit for OsThread {
    fn anew() -> OsThread {
        OsThread::Taken
    }
}

impl ThreadState {
    fn new(progress: u32, os_thread: OsThread) -> Arc<ThreadState> {
        Arc::new(ThreadState {
            progress: AtomicU32::new(progress),
            os_thread: Mutex::new(os_thread),
            stop: Mutex::new(Kept::none()),
        })
    }

    /// Makes the state of a thread that is about to be started, before others can find its record.
    /// When the thread has left the registry, it calls `first`, and then it is `UNREGISTERED`.
    pub(crate) fn starting(
        record: &ThreadRecord,
        scoped: bool,
        first: impl FnOnce() + Send + 'static,
    ) -> Arc<ThreadState> {
        let os_thread = if scoped {
            OsThread::None
        } else {
            OsThread::Expected
        };
        let shared = ThreadState::new(STARTING, os_thread);
        let place: Arc<Weak<ThreadState>> = record.attachment(|| Arc::new(Arc::downgrade(&shared)));
        debug_assert!(place.ptr_eq(&Arc::downgrade(&shared)));
        shared.leave_at_the_end_of(record, first);
        shared
    }

    /// Returns the state of any thread, which may not have been started by the kit.
    pub(crate) fn of(record: &ThreadRecord) -> Arc<ThreadState> {
        let place = record.attachment(|| {
            let shared = ThreadState::new(RUNNING, OsThread::None);
            let weak = Arc::downgrade(&shared);
            shared.leave_at_the_end_of(record, || ());
            Arc::new(weak)
        });
        // The thread keeps the state until it has left the registry.
        place
            .upgrade()
            .unwrap_or_else(|| ThreadState::new(UNREGISTERED, OsThread::None))
    }

    /// Makes the thread keep the state until it has left the registry.
    fn leave_at_the_end_of(
        self: &Arc<Self>,
        record: &ThreadRecord,
        first: impl FnOnce() + Send + 'static,
    ) {
        let (kept, leaver) = (Arc::clone(self), record.clone());
        record.on_finish(move || {
            // A join may return at `UNREGISTERED`, and its caller may fork. If the scope still
            // counted the thread then, the child would take it for lost.
            first();
            kept.leave(&leaver);
        });
    }

    fn leave(&self, record: &ThreadRecord) {
        if can_detect_exit() {
            // An ended thread costs memory only.
            drop(self.replace_os_thread(OsThread::Taken));
        }
        // The process ends with its main thread, so it has no tail to wait for.
        self.advance(if record.is_main() {
            JOINED
        } else {
            UNREGISTERED
        });
    }

    fn replace_os_thread(&self, with: OsThread) -> OsThread {
        std::mem::replace(&mut *self.os_thread.lock(), with)
    }

    /// Starts the OS thread with `start`.
    pub(crate) fn start(
        &self,
        start: impl FnOnce() -> std::io::Result<JoinHandle<()>>,
    ) -> std::io::Result<()> {
        match start() {
            Ok(handle) => {
                let handle = OsHandle::new(handle);
                let mut os_thread = self.os_thread.lock();
                let unwanted = match *os_thread {
                    OsThread::Expected => {
                        *os_thread = OsThread::Present(handle);
                        None
                    }
                    // The thread has left the registry already.
                    _ => Some(handle),
                };
                drop(os_thread);
                // Detaches the thread, with nothing locked.
                drop(unwanted);
                if !can_detect_exit() {
                    // A join may wait for the handle.
                    unpark_all(&self.progress, 0);
                }
                Ok(())
            }
            Err(error) => {
                // Another thread may have found it in the registry, and may wait for it.
                self.advance(JOINED);
                Err(error)
            }
        }
    }

    pub(crate) fn stop(&self) -> StopSource {
        if let Some(stop) = self.stop.lock().get() {
            return stop.clone();
        }
        // If another thread is faster, this source is dropped after the lock has been released.
        let made = StopSource::new();
        let mut stop = self.stop.lock();
        stop.get_or_insert_with(|| made.clone()).clone()
    }

    pub(crate) fn set_running(&self) {
        self.advance(RUNNING);
    }

    /// The main thread has run the program's main function.
    pub(crate) fn set_joined(&self) {
        self.advance(JOINED);
    }

    fn advance(&self, to: u32) {
        // Release: pairs with the Acquire in `has_reached`. A thread that has joined this one sees
        // what it did.
        self.progress.fetch_max(to, Release);
        unpark_all(&self.progress, 0);
    }

    /// Waits until the thread has exited, or until it is `UNREGISTERED` if the system can't say
    /// whether it has. The thread must have left the registry already.
    pub(crate) fn wait_exited(&self, record: &ThreadRecord, wait: &WaitInfo) {
        let waited = if can_detect_exit() {
            wait_until_gone(record, &self.progress, wait, Limit::never())
        } else {
            let waits = || !self.has_reached(UNREGISTERED);
            park_while(&self.progress, waits, wait, Limit::never())
        };
        debug_assert!(waited.is_ok(), "there is no limit");
    }

    /// Returns whether the thread has left the registry.
    pub(crate) fn has_left(&self) -> bool {
        self.has_reached(UNREGISTERED)
    }

    /// Returns whether [`wait_exited`](ThreadState::wait_exited) would not wait.
    pub(crate) fn has_exited(&self, record: &ThreadRecord) -> bool {
        self.has_reached(UNREGISTERED) && record.is_gone()
    }

    /// Makes all threads that wait look at their conditions again.
    pub(crate) fn look_again(&self) {
        unpark_all(&self.progress, 0);
    }

    fn has_reached(&self, to: u32) -> bool {
        // Acquire: pairs with the Release in `advance`.
        self.progress.load(Acquire) >= to
    }

    /// Waits until the thread has exited, by a function that joins its OS thread.
    #[track_caller]
    pub(crate) fn join_by(&self, record: &ThreadRecord, join: impl FnOnce()) {
        let wait = WaitInfo::new("join").held_by(Some(record.owner()));
        self.join_visibly(record, &wait, join);
    }

    fn join_visibly(&self, record: &ThreadRecord, wait: &WaitInfo, join: impl FnOnce()) {
        let published = wait.publish_join(&self.progress);
        join();
        drop(published);
        report_wait(wait, &self.progress);
        record.note_gone();
        self.advance(JOINED);
    }

    /// Waits until the thread has exited.
    pub(crate) fn join(
        self: &Arc<Self>,
        record: &ThreadRecord,
        limit: Limit<'_>,
        location: &'static Location<'static>,
    ) -> Result<(), WaitError> {
        if record.is_lost() || self.has_reached(JOINED) {
            return Ok(());
        }
        // For the threads of its program, a thread that has called `main` counts as joined when its
        // function has returned.
        let program = Program::current();
        let runs_main = program.main() == Some(record);
        let has_returned = || runs_main && program.main_has_returned();
        let wait = WaitInfo::new("join")
            .held_by(Some(record.owner()))
            .at(location);
        // A thread that sleeps in the system can't report to a watcher that it waits.
        let can_sleep_in_system = !(can_detect_exit() && is_watched());
        if limit.is_unlimited()
            && !runs_main
            && can_sleep_in_system
            && let Some(os_thread) = self.take_os_thread()
        {
            // A panic of the thread is in its packet, not in this result.
            self.join_visibly(record, &wait, || drop(os_thread.join()));
            return Ok(());
        }
        let reached = || self.has_reached(UNREGISTERED) || has_returned();
        let joined = record.owner();
        let held = Held::end_of(&joined).breakable();
        match park_while_held(&self.progress, || !reached(), &wait, limit, held) {
            Ok(()) => {}
            Err(Failed::Limit(error)) => return Err(error),
            Err(Failed::Deadlock(broken)) => broken.panic(),
        }
        if self.has_reached(JOINED) || has_returned() {
            return Ok(());
        }
        if can_detect_exit() {
            wait_until_gone(record, &self.progress, &wait, limit)?;
            self.advance(JOINED);
            return Ok(());
        }
        self.join_by_handle(&wait, limit)
    }

    /// Waits for the tail of a thread where only its handle tells that it has exited.
    #[cold]
    fn join_by_handle(
        self: &Arc<Self>,
        wait: &WaitInfo,
        limit: Limit<'_>,
    ) -> Result<(), WaitError> {
        loop {
            if let Some(os_thread) = self.take_os_thread() {
                if limit.is_unlimited() {
                    self.join_os_thread(os_thread);
                } else {
                    self.join_elsewhere(os_thread);
                }
            }
            let handle_is_free = || {
                matches!(
                    *self.os_thread.lock(),
                    OsThread::Present(_) | OsThread::None
                )
            };
            let waits = || !self.has_reached(JOINED) && !handle_is_free();
            park_while(&self.progress, waits, wait, limit)?;
            if self.has_reached(JOINED) || matches!(*self.os_thread.lock(), OsThread::None) {
                return Ok(());
            }
        }
    }

    /// Joins the OS thread in a thread that is started for that, or here if the system starts none.
    fn join_elsewhere(self: &Arc<Self>, os_thread: JoinHandle<()>) {
        let handle = Arc::new(Mutex::new(Some(os_thread)));
        let (shared, taken) = (Arc::clone(self), Arc::clone(&handle));
        let join = move || {
            let os_thread = taken.lock().take();
            os_thread
                .into_iter()
                .for_each(|it| shared.join_os_thread(it));
        };
        let builder = std::thread::Builder::new().name("tk-join".into());
        if builder.spawn(join).is_err() {
            let os_thread = handle.lock().take();
            os_thread.into_iter().for_each(|it| self.join_os_thread(it));
        }
    }

    fn take_os_thread(&self) -> Option<JoinHandle<()>> {
        let mut os_thread = self.os_thread.lock();
        match std::mem::replace(&mut *os_thread, OsThread::Taken) {
            OsThread::Present(handle) => handle.take(),
            other => {
                *os_thread = other;
                None
            }
        }
    }

    fn join_os_thread(&self, os_thread: JoinHandle<()>) {
        // A panic of the thread is in its packet, not in this result.
        let _ = os_thread.join();
        self.advance(JOINED);
    }

    /// Waits until the thread has begun to run. Does not wait if it never will.
    #[track_caller]
    pub(crate) fn wait_started(
        &self,
        record: &ThreadRecord,
        limit: Limit<'_>,
    ) -> Result<(), WaitError> {
        if record.is_lost() || self.has_reached(RUNNING) {
            return Ok(());
        }
        let wait = WaitInfo::new("start").held_by(Some(record.owner()));
        park_while(&self.progress, || !self.has_reached(RUNNING), &wait, limit)
    }
}
