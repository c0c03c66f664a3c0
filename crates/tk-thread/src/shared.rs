//! What the handles on a thread share: how far it has come.
//!
//! ```text
//!   STARTING  ------->  RUNNING  ------->  LEFT  ------------------------>  GONE
//!              begins             its guard is     somebody has seen that
//!                                 destroyed        the OS thread has ended
//! ```
//!
//! # Invariants
//!
//! 1. *Progress only grows.* Each step wakes all threads that wait for one.
//! 2. *`LEFT` comes from the thread itself*, when it has left the registry. That happens in the destructor of the oldest of
//!    its thread-local values if the kit has started the thread, so the younger ones are destroyed before. What may be left
//!    are destructors that Rust knows nothing of (those of a C library's thread-specific data), and in a thread that the kit
//!    has not started, the thread-local values that are older than its first use of the kit. This is the thread's *tail*.
//! 3. *No tail outlasts a join.* After `LEFT`, a join asks the system until the thread is gone, or until its limit is
//!    reached. Most tails take some ten microseconds.
//! 4. *An ended thread costs memory only.* The thread gives its OS handle away when it reaches `LEFT`, so that the system
//!    gets the stack back as soon as the thread ends. Only a join without a limit that comes before takes the handle: it
//!    sleeps once, until the very end, instead of twice.
//! 5. *No user code runs with the handle locked.* A start that fails drops the thread's closure.
//!
//! Where the system can't be asked whether a thread is gone, the handle stays until a join, and the join waits by it: with
//! a limit through a thread that is started for that. A thread that the kit has not started has no handle; there, its join
//! returns at `LEFT`.
//!
//! The main thread is `GONE` when the function given to `main` has returned.

use std::panic::Location;
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tk_core::__private::fork::{Inherit, Mutex};
use tk_core::__private::{Program, ThreadRecordExt, can_detect_exit};
use tk_core::ThreadRecord;
use tk_park::sync::{AtomicU32, Ordering::*};
use tk_park::{Limit, StopSource, WaitError, WaitInfo, Word, park, park_while, unpark_all};

const STARTING: u32 = 0;
const RUNNING: u32 = 1;
const LEFT: u32 = 2;
const GONE: u32 = 3;

pub(crate) struct Shared {
    progress: AtomicU32,
    os_thread: Mutex<OsThread>,
    /// The thread's own; made when it is first asked for.
    stop: Mutex<Option<StopSource>>,
}

/// The OS handle of a thread that the kit has started.
enum OsThread {
    /// There never is one: the kit has not started the thread, or a scope has the handle.
    None,
    /// The start has not returned it yet.
    Expected,
    There(OsHandle<JoinHandle<()>>),
    /// A join has it, or the thread has given it away.
    Taken,
}

/// A handle of the standard library. To drop one detaches its thread.
///
/// In the child of a fork, the handle of a lost thread is forgotten: the number in it may be that of a new thread, which would
/// be detached instead.
pub(crate) struct OsHandle<H> {
    /// There until it is taken out.
    handle: Option<H>,
    process: u32,
}

impl<H> OsHandle<H> {
    pub(crate) fn new(handle: H) -> OsHandle<H> {
        OsHandle {
            handle: Some(handle),
            process: Program::process(),
        }
    }

    /// The handle, if its thread is in this process.
    pub(crate) fn take(mut self) -> Option<H> {
        self.take_out()
    }

    fn take_out(&mut self) -> Option<H> {
        let handle = self.handle.take();
        if self.is_of_parent() {
            std::mem::forget(handle);
            return None;
        }
        handle
    }

    /// Whether its thread is in the parent of this process.
    pub(crate) fn is_of_parent(&self) -> bool {
        self.process != Program::process()
    }
}

impl<H> Drop for OsHandle<H> {
    fn drop(&mut self) {
        drop(self.take_out());
    }
}

/// The child of a fork joins no thread of its parent.
impl Inherit for OsThread {
    fn anew() -> OsThread {
        OsThread::Taken
    }
}

impl Shared {
    fn new(progress: u32, os_thread: OsThread) -> Arc<Shared> {
        Arc::new(Shared {
            progress: AtomicU32::new(progress),
            os_thread: Mutex::new(os_thread),
            stop: Mutex::new(None),
        })
    }

    /// For a thread that is about to be started, before others can find its record. When it has left the registry,
    /// `first` is called, and then it is `LEFT`.
    pub(crate) fn starting(
        record: &ThreadRecord,
        scoped: bool,
        first: impl FnOnce() + Send + 'static,
    ) -> Arc<Shared> {
        let os_thread = if scoped {
            OsThread::None
        } else {
            OsThread::Expected
        };
        let shared = Shared::new(STARTING, os_thread);
        let place: Arc<Weak<Shared>> = record.attachment(|| Arc::new(Arc::downgrade(&shared)));
        debug_assert!(place.ptr_eq(&Arc::downgrade(&shared)));
        shared.leave_at_the_end_of(record, first);
        shared
    }

    /// That of a thread which may have been started anywhere.
    pub(crate) fn of(record: &ThreadRecord) -> Arc<Shared> {
        let place = record.attachment(|| {
            let shared = Shared::new(RUNNING, OsThread::None);
            let weak = Arc::downgrade(&shared);
            shared.leave_at_the_end_of(record, || ());
            Arc::new(weak)
        });
        // If nobody has it any more, the thread has left.
        place
            .upgrade()
            .unwrap_or_else(|| Shared::new(LEFT, OsThread::None))
    }

    /// The thread keeps its share until it has left.
    fn leave_at_the_end_of(
        self: &Arc<Self>,
        record: &ThreadRecord,
        first: impl FnOnce() + Send + 'static,
    ) {
        let (kept, leaver) = (Arc::clone(self), record.clone());
        record.on_finish(move || {
            // A join may return at `LEFT`, and its caller may fork. If the scope still counted the
            // thread then, the child would take it for lost.
            first();
            kept.leave(&leaver);
        });
    }

    fn leave(&self, record: &ThreadRecord) {
        if can_detect_exit() {
            // Invariant 4.
            drop(self.replace_os_thread(OsThread::Taken));
        }
        // The process ends with its main thread. There is no tail to wait for.
        self.advance(if record.is_main() { GONE } else { LEFT });
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
                        *os_thread = OsThread::There(handle);
                        None
                    }
                    // The thread has left already.
                    _ => Some(handle),
                };
                drop(os_thread);
                drop(unwanted);
                if !can_detect_exit() {
                    // A join may wait for the handle.
                    unpark_all(&self.progress, 0);
                }
                Ok(())
            }
            Err(error) => {
                // Another thread may have found it in the registry, and wait for it.
                self.advance(GONE);
                Err(error)
            }
        }
    }

    pub(crate) fn stop(&self) -> StopSource {
        if let Some(stop) = &*self.stop.lock() {
            return stop.clone();
        }
        // If another thread is faster, this one is dropped after the lock is free again.
        let made = StopSource::new();
        let mut stop = self.stop.lock();
        stop.get_or_insert_with(|| made.clone()).clone()
    }

    pub(crate) fn set_running(&self) {
        self.advance(RUNNING);
    }

    /// For the main thread, when it has run the program's main function.
    pub(crate) fn set_gone(&self) {
        self.advance(GONE);
    }

    fn advance(&self, to: u32) {
        // Release: pairs with the Acquire in `has_come_to`; a thread that has joined this one sees what it did.
        self.progress.fetch_max(to, Release);
        unpark_all(&self.progress, 0);
    }

    /// Waits until the thread is gone, or has left if the system can't be asked. It has left the registry already.
    pub(crate) fn wait_gone(&self, record: &ThreadRecord, wait: &WaitInfo) {
        let waited = if can_detect_exit() {
            wait_until_gone(record, &self.progress, wait, Limit::never())
        } else {
            self.wait_until(|| self.has_come_to(LEFT), wait, Limit::never())
        };
        debug_assert!(waited.is_ok(), "there is no limit");
    }

    /// Whether [`wait_gone`](Shared::wait_gone) would not wait.
    pub(crate) fn is_gone(&self, record: &ThreadRecord) -> bool {
        self.has_come_to(LEFT) && record.is_gone()
    }

    /// Has all who wait look again.
    pub(crate) fn look_again(&self) {
        unpark_all(&self.progress, 0);
    }

    fn has_come_to(&self, to: u32) -> bool {
        // Acquire: pairs with the Release in `advance`.
        self.progress.load(Acquire) >= to
    }

    /// Waits until the thread is gone altogether, by a function that joins its OS thread.
    #[track_caller]
    pub(crate) fn join_by(&self, record: &ThreadRecord, join: impl FnOnce()) {
        let wait = WaitInfo::new("join").held_by(Some(record.owner()));
        self.join_visibly(&wait, join);
    }

    fn join_visibly(&self, wait: &WaitInfo, join: impl FnOnce()) {
        let published = wait.publish(&self.progress);
        join();
        drop(published);
        self.advance(GONE);
    }

    /// Waits until the thread is gone altogether.
    pub(crate) fn join(
        self: &Arc<Self>,
        record: &ThreadRecord,
        limit: Limit<'_>,
        location: &'static Location<'static>,
    ) -> Result<(), WaitError> {
        if record.is_lost() || self.has_come_to(GONE) {
            return Ok(());
        }
        // A thread that has called `main` counts as gone, to the threads of its program, when its function has returned.
        let program = Program::current();
        let runs_main = program.main() == Some(record);
        let has_returned = || runs_main && program.main_has_returned();
        let wait = WaitInfo::new("join")
            .held_by(Some(record.owner()))
            .at(location);
        if limit.is_unlimited()
            && !runs_main
            && let Some(os_thread) = self.take_os_thread()
        {
            // What the thread had to say of a panic it has said elsewhere.
            self.join_visibly(&wait, || drop(os_thread.join()));
            return Ok(());
        }
        let reached = || self.has_come_to(LEFT) || has_returned();
        self.wait_until(reached, &wait, limit)?;
        if self.has_come_to(GONE) || has_returned() {
            return Ok(());
        }
        if can_detect_exit() {
            wait_until_gone(record, &self.progress, &wait, limit)?;
            self.advance(GONE);
            return Ok(());
        }
        self.join_by_handle(&wait, limit)
    }

    /// The tail of a thread where only its handle can tell that it is gone.
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
            let handle_is_free =
                || matches!(*self.os_thread.lock(), OsThread::There(_) | OsThread::None);
            self.wait_until(|| self.has_come_to(GONE) || handle_is_free(), wait, limit)?;
            if self.has_come_to(GONE) || matches!(*self.os_thread.lock(), OsThread::None) {
                return Ok(());
            }
        }
    }

    /// Joins the OS thread in a thread that is started for that, or here if there is none to be had.
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
            OsThread::There(handle) => handle.take(),
            other => {
                *os_thread = other;
                None
            }
        }
    }

    fn join_os_thread(&self, os_thread: JoinHandle<()>) {
        // What the thread had to say of a panic it has said elsewhere.
        let _ = os_thread.join();
        self.advance(GONE);
    }

    /// Waits until the thread has begun to run. Does not wait for one that never will.
    #[track_caller]
    pub(crate) fn wait_started(
        &self,
        record: &ThreadRecord,
        limit: Limit<'_>,
    ) -> Result<(), WaitError> {
        if record.is_lost() || self.has_come_to(RUNNING) {
            return Ok(());
        }
        let wait = WaitInfo::new("start").held_by(Some(record.owner()));
        self.wait_until(|| self.has_come_to(RUNNING), &wait, limit)
    }

    fn wait_until(
        &self,
        reached: impl Fn() -> bool,
        wait: &WaitInfo,
        limit: Limit<'_>,
    ) -> Result<(), WaitError> {
        park_while(&self.progress, || !reached(), wait, limit)
    }
}

/// How long a thread that waits for the end of a tail gives way to it before it sleeps.
const SHORT_TAIL: Duration = Duration::from_micros(30);
const FIRST_PAUSE: Duration = Duration::from_micros(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(10);

/// Waits until a thread that has left the registry is gone altogether: asks the system again and again, less and less
/// often. Nothing announces the end of a thread, which runs none of our code by then. The thread is seen to wait for `word`.
pub(crate) fn wait_until_gone(
    record: &ThreadRecord,
    word: &impl Word,
    wait: &WaitInfo,
    limit: Limit<'_>,
) -> Result<(), WaitError> {
    let begun = Instant::now();
    while !record.is_gone() {
        limit.check()?;
        if begun.elapsed() > SHORT_TAIL {
            return wait_for_long_tail(record, word, wait, limit);
        }
        std::thread::yield_now();
    }
    Ok(())
}

#[cold]
fn wait_for_long_tail(
    record: &ThreadRecord,
    word: &impl Word,
    wait: &WaitInfo,
    limit: Limit<'_>,
) -> Result<(), WaitError> {
    let mut pause = FIRST_PAUSE;
    loop {
        // Whether it is unparked (another thread has seen the end) or the pause is over, it looks again.
        let parked = park(word, || true, wait, limit.or_after(pause));
        if record.is_gone() {
            return Ok(());
        }
        match parked {
            Err(WaitError::Stopped) => return Err(WaitError::Stopped),
            _ => limit.check()?,
        }
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}
