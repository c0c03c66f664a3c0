//! Callbacks of stop requests, and taking them back.
//!
//! | progress | the function ends | a thread waits for the end |
//! |---|---|---|
//! | [`NOT_ENDED`] | becomes `ENDED` | becomes `AWAITED`, parks |
//! | [`AWAITED`] | becomes `ENDED`, wakes all | parks |
//! | [`ENDED`] | | returns |
//!
//! # Invariants
//!
//! **One taker.** The thread that takes a callback off its node's list has its function: either the
//! request, which calls it, or the owner of the handle, who drops it. Both do so with nothing
//! locked.
//!
//! **Own callback.** A callback that unregisters itself, or drops its own handle, does not wait for
//! its own end. The thread that calls it is noted before the call.

use std::panic::{Location, RefUnwindSafe};
use std::sync::Arc;

#[cfg(tk_loom)]
use loom::cell::Cell;
#[cfg(not(tk_loom))]
use std::cell::Cell;

use tk_core::{Owner, ThreadId};

use super::list::{Element, Hooks};
use super::lock::generation;
use super::node::Node;
use crate::park::mark_and_park_while_held;
use crate::sync::{AtomicU32, Ordering, current_id, current_owner};
use crate::watch::{Failed, Held};
use crate::{Limit, WaitError, WaitInfo, unpark_all};

type Function = Box<dyn FnOnce() + Send>;

pub(super) struct Callback {
    hooks: Hooks<Callback>,
    /// Belongs to the thread that takes the callback off the list.
    function: Cell<Option<Function>>,
    /// The thread that calls the function, or has called it. Used with the node locked.
    runner: Cell<Option<Runner>>,
    progress: AtomicU32,
    /// The line that registered the callback.
    location: &'static Location<'static>,
}

/// The function has not ended, and no thread waits for that.
const NOT_ENDED: u32 = 0;
/// The function has not ended, and a thread is parked until then, or is about to park.
const AWAITED: u32 = 1;
/// The function has ended.
const ENDED: u32 = 2;

// SAFETY: the function is used once, by the thread that takes the callback off the list (One
// taker). The runner is used with the node locked.
unsafe impl Send for Callback {}
// SAFETY: as above.
unsafe impl Sync for Callback {}
// The function is called at most once, whatever panics.
impl RefUnwindSafe for Callback {}

impl Element for Callback {
    fn hooks(&self) -> &Hooks<Callback> {
        &self.hooks
    }
}

impl Callback {
    /// Notes the thread that calls the function. Called with the node locked.
    pub(super) fn set_runner(&self, runner: Runner) {
        self.runner.set(Some(runner));
    }

    /// Takes the function, for the thread that has taken the callback off the list.
    pub(super) fn take_function(&self) -> Option<Function> {
        self.function.take()
    }

    /// Notes that the function has ended, and wakes the threads that wait for that.
    pub(super) fn end(&self) {
        // Release: pairs with the Acquire in `Registration::wait`.
        if self.progress.swap(ENDED, Ordering::Release) == AWAITED {
            unpark_all(&self.progress, 0);
        }
    }
}

/// The thread that calls a callback.
#[derive(Clone, Copy)]
pub(super) struct Runner {
    id: ThreadId,
    owner: Owner,
    /// The process in which the thread runs.
    generation: u32,
}

impl Runner {
    pub(super) fn current() -> Runner {
        Runner {
            id: current_id(),
            owner: current_owner(),
            generation: generation(),
        }
    }
}

/// A callback, and the node where it is registered.
pub(super) struct Registration {
    callback: Arc<Callback>,
    node: Arc<Node>,
}

/// The result of unregistering a callback.
pub(super) enum Unregistered {
    /// The function will never run.
    Never,
    /// The function has been called.
    Called,
}

impl Registration {
    /// Registers a function. Gives it back if the node is stopped.
    pub(super) fn new(
        node: &Arc<Node>,
        function: Function,
        location: &'static Location<'static>,
    ) -> Result<Registration, Function> {
        let callback = Arc::new(Callback {
            hooks: Hooks::new(),
            function: Cell::new(Some(function)),
            runner: Cell::new(None),
            progress: AtomicU32::new(NOT_ENDED),
            location,
        });
        #[cfg(tk_loom)]
        callback.progress.loom_register();
        if node.register(&callback) {
            let node = Arc::clone(node);
            return Ok(Registration { callback, node });
        }
        // It was on no list, so no other thread knows it.
        Err(callback.take_function().expect("no other thread had it"))
    }

    /// Takes the callback off the list, unless the function has been called. Does not wait.
    pub(super) fn unregister(&self) -> Unregistered {
        let mut lists = self.node.lists();
        // SAFETY: the callback is used with this list alone, and with its lock.
        if !unsafe { lists.callbacks.remove(&self.callback) } {
            return Unregistered::Called;
        }
        drop(lists);
        // SAFETY: the list had a share, which is taken over.
        let share = unsafe { Arc::from_raw(Arc::as_ptr(&self.callback)) };
        // Dropped with nothing locked, because the drop is user code.
        drop(share.take_function());
        Unregistered::Never
    }

    /// Blocks until the function, which has been called, has ended. Does not block in the function
    /// itself, nor for a thread that was lost in a fork.
    pub(super) fn wait(&self, limit: Limit<'_>) -> Result<(), WaitError> {
        let callback = &*self.callback;
        // Acquire: pairs with the Release in `Callback::end`.
        let has_ended = || callback.progress.load(Ordering::Acquire) == ENDED;
        if has_ended() {
            return Ok(());
        }
        let lists = self.node.lists();
        let runner = callback.runner.get();
        drop(lists);
        // `None` if the thread was lost between two steps.
        let Some(runner) = runner.filter(|runner| runner.generation == generation()) else {
            return Ok(());
        };
        if runner.id == current_id() {
            return Ok(());
        }
        let info = WaitInfo::new("stop callback")
            .at(callback.location)
            .held_by(Some(runner.owner));
        // Relaxed: the queue orders it. Either this thread is in the queue before the function
        // ends, and `end` finds `AWAITED`, or it sees `ENDED` here and does not park.
        let mark_awaited = || {
            let now = callback.progress.load(Ordering::Relaxed);
            now == AWAITED
                || callback
                    .progress
                    .compare_exchange(NOT_ENDED, AWAITED, Ordering::Relaxed, Ordering::Relaxed)
                    .is_ok()
        };
        // The runner alone ends it.
        let held = Held::new(&runner.owner);
        let waited = mark_and_park_while_held(
            &callback.progress,
            || !has_ended(),
            mark_awaited,
            &info,
            limit,
            held,
        );
        waited.map_err(Failed::into_error)
    }
}
