//! What the models see: a queue, whose threads are the model's.

use std::io;
use std::sync::Arc;

use tk_park::Limit;

use crate::list::Due;
use crate::queue::{Queue, Server};
use crate::slab::Key;
use crate::task::{Action, Task, again};
use crate::{CancelOutcome, RescheduleOutcome, Schedule};

/// The time that does not come.
pub use crate::wheel::NEVER;

/// A queue of timers, for as many threads as the model has serve it.
pub struct Model {
    queue: Queue,
}

/// A timer in it.
#[derive(Clone)]
pub struct Timer {
    task: Arc<Task>,
    key: Key,
}

struct Threads;

impl Server for Threads {
    fn start_thread(&self) -> io::Result<()> {
        Err(io::ErrorKind::Other.into())
    }

    fn warn(&self, _: io::Error) {}

    fn call(&self, due: &mut Due) {
        due.call();
    }
}

impl Default for Model {
    fn default() -> Self {
        Model::new()
    }
}

impl Model {
    /// One that nobody serves yet.
    pub fn new() -> Model {
        let queue = Queue::new();
        queue.touch();
        Model { queue }
    }

    /// Queues a timer.
    pub fn start(
        &self,
        at: u64,
        schedule: Option<Schedule>,
        f: impl FnMut() + Send + 'static,
    ) -> Timer {
        let task = Arc::new(Task::new(Some("timer".into()), schedule));
        task.progress.touch();
        let action = Action {
            task: task.clone(),
            function: match schedule {
                Some(_) => again(f),
                None => crate::task::once(f),
            },
            token: None,
        };
        let (key, tell) = self.queue.list.lock().add(action, at);
        self.queue.tell_leader(tell);
        Timer { task, key }
    }

    /// What a thread does that serves.
    pub fn serve(&self) {
        self.queue.serve(&Threads);
    }

    /// Whether somebody waits for timers, or is about to.
    pub fn has_leader(&self) -> bool {
        self.queue.list.lock().has_leader
    }

    /// As that of a handle.
    pub fn cancel(&self, timer: &Timer) -> CancelOutcome {
        let (outcome, action) = self.queue.list.lock().cancel(&timer.task, timer.key);
        action.into_iter().for_each(Action::discard);
        outcome
    }

    /// As that of a handle.
    pub fn reschedule(&self, timer: &Timer, at: u64) -> RescheduleOutcome {
        let (outcome, tell) = self
            .queue
            .list
            .lock()
            .reschedule(&timer.task, timer.key, at);
        self.queue.tell_leader(tell);
        outcome
    }

    /// When the timer is due, if it is pending.
    pub fn due(&self, timer: &Timer) -> Option<u64> {
        let list = self.queue.list.lock();
        let mut pending = list.wheel.iter();
        pending.find_map(|(due, action)| Arc::ptr_eq(&action.task, &timer.task).then_some(due))
    }

    /// As that of a handle; says whether the timer has ended.
    pub fn join(&self, timer: &Timer, limit: Limit<'_>) -> bool {
        timer.task.progress.join(&self.queue.list, limit).is_ok()
    }

    /// As the drop of a service.
    pub fn close(&self) {
        self.queue.close();
    }
}

impl Timer {
    /// As `is_finished`.
    pub fn has_ended(&self) -> bool {
        self.task.progress.has_ended()
    }
}
