//! What the handles on a thread share: how far it has come.
//!
//! ```text
//!   STARTING  ------->  RUNNING  ------->  LEFT  ----------------->  GONE
//!              begins             its guard is     a joiner has joined
//!                                 destroyed        the OS thread
//! ```
//!
//! 1. The progress only grows. Each step wakes all who wait for one.
//! 2. `LEFT` comes from the thread itself, when it has left the registry. That happens in the destructor of the oldest of
//!    its thread-local values, so the younger ones are destroyed before. The thread itself is about to end.
//! 3. Whoever then wants to be sure that it has ended joins the OS thread. One does it, the others wait for `GONE`.
//!    What is left of the thread takes no time worth limiting. If the one has no limit, there is no need to wait for `LEFT`
//!    before: it sleeps once, not twice.
//! 4. A thread that was not started here, or in a scope, has no OS handle to join: it goes from `RUNNING` to `GONE`. (A
//!    scope has the OS handle itself.)
//!
//! The thread keeps its share until `LEFT`; after that it belongs to the handles alone. When the last of them is dropped, so
//! is the OS handle, and the system forgets the thread. (The registry may keep a record for longer.)

use std::sync::{Arc, Weak};
use std::thread::JoinHandle;

use once_cell::sync::OnceCell;
use tk_core::Record;
use tk_park::sync::{AtomicU32, Mutex, Ordering::*, lock};
use tk_park::{Limit, Parked, StopSource, Wait, WaitError, park, unpark_all};

const STARTING: u32 = 0;
pub(crate) const RUNNING: u32 = 1;
pub(crate) const LEFT: u32 = 2;
pub(crate) const GONE: u32 = 3;

pub(crate) struct Shared {
    progress: AtomicU32,
    /// Locked by the starting thread until the handle is there.
    os_thread: Mutex<Option<JoinHandle<()>>>,
    /// The thread's own; made when it is first asked for.
    stop: OnceCell<StopSource>,
}

impl Shared {
    fn new(progress: u32) -> Arc<Shared> {
        Arc::new(Shared {
            progress: AtomicU32::new(progress),
            os_thread: Mutex::new(None),
            stop: OnceCell::new(),
        })
    }

    /// For a thread that is about to be started, before others can find its record. When it has left the registry it has
    /// come to `end`, which is `LEFT` or `GONE`, and `then` is called.
    pub(crate) fn starting(
        record: &Record,
        end: u32,
        then: impl FnOnce() + Send + 'static,
    ) -> Arc<Shared> {
        let shared = Shared::new(STARTING);
        let place: Arc<Weak<Shared>> = record.attachment(|| Arc::new(Arc::downgrade(&shared)));
        debug_assert!(place.ptr_eq(&Arc::downgrade(&shared)));
        // The thread keeps its share until it has left.
        let kept = Arc::clone(&shared);
        record.on_finish(move || {
            kept.advance(end);
            then();
        });
        shared
    }

    /// That of a thread which may have been started anywhere.
    pub(crate) fn of(record: &Record) -> Arc<Shared> {
        let place = record.attachment(|| {
            let shared = Shared::new(RUNNING);
            let weak = Arc::downgrade(&shared);
            record.on_finish(move || shared.advance(GONE));
            Arc::new(weak)
        });
        // If nobody has it any more, the thread has ended.
        place.upgrade().unwrap_or_else(|| Shared::new(GONE))
    }

    /// Starts the OS thread with `start`. Nobody joins it before its handle is here.
    pub(crate) fn start(
        &self,
        start: impl FnOnce() -> std::io::Result<JoinHandle<()>>,
    ) -> std::io::Result<()> {
        let mut os_thread = lock(&self.os_thread);
        let started = start().map(|handle| *os_thread = Some(handle));
        drop(os_thread);
        if started.is_err() {
            // Somebody may have found it in the registry, and wait for it.
            self.advance(GONE);
        }
        started
    }

    pub(crate) fn stop(&self) -> &StopSource {
        self.stop.get_or_init(StopSource::new)
    }

    pub(crate) fn set_running(&self) {
        self.advance(RUNNING);
    }

    /// For the main thread, when it has run the program's main function.
    pub(crate) fn set_gone(&self) {
        self.advance(GONE);
    }

    fn advance(&self, to: u32) {
        // Release: pairs with the Acquire in `wait_for_progress`; who has joined a thread sees what it did.
        self.progress.store(to, Release);
        unpark_all(&self.progress, 0);
    }

    /// Waits until the thread is gone altogether.
    #[track_caller]
    pub(crate) fn join(&self, record: &Record, limit: Limit<'_>) -> Result<(), WaitError> {
        if record.is_lost() {
            return Ok(());
        }
        if limit.is_none()
            && let Some(os_thread) = self.take_os_thread()
        {
            let wait = Wait::new("join").held_by(Some(record.owner()));
            let shown = wait.show(&self.progress);
            self.join_os_thread(os_thread);
            drop(shown);
            return Ok(());
        }
        self.wait_for_progress(LEFT, "join", record, limit)?;
        match self.take_os_thread() {
            Some(os_thread) => self.join_os_thread(os_thread),
            None => self.wait_for_progress(GONE, "join", record, Limit::none())?,
        }
        Ok(())
    }

    fn take_os_thread(&self) -> Option<JoinHandle<()>> {
        lock(&self.os_thread).take()
    }

    fn join_os_thread(&self, os_thread: JoinHandle<()>) {
        // What the thread had to say of a panic it has said elsewhere.
        let _ = os_thread.join();
        self.advance(GONE);
    }

    #[track_caller]
    pub(crate) fn wait_for_progress(
        &self,
        to: u32,
        kind: &'static str,
        record: &Record,
        limit: Limit<'_>,
    ) -> Result<(), WaitError> {
        // Acquire: pairs with the Release in `advance`.
        let reached = || self.progress.load(Acquire) >= to;
        if reached() {
            return Ok(());
        }
        let wait = Wait::new(kind).held_by(Some(record.owner()));
        loop {
            let parked = park(&self.progress, || !reached(), &wait, limit);
            // Also if the limit was reached: it may have come so far in that moment.
            if reached() {
                return Ok(());
            }
            match parked {
                Parked::TimedOut => return Err(WaitError::TimedOut),
                Parked::Stopped => return Err(WaitError::Stopped),
                _ => {}
            }
        }
    }
}
