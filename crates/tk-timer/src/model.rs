//! What the models see: a queue, whose threads are the model's.

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use loom::sync::Arc;
use loom::thread::JoinHandle;
use tk_park::Limit;

use crate::list::Due;
use crate::queue::{Queue, Server};
use crate::slab::Key;
use crate::task::{Action, Task, again, once};
use crate::{CancelOutcome, RescheduleOutcome, Schedule};

/// The time that does not come.
pub use crate::wheel::NEVER;

/// A queue of timers, for as many threads as the model has serve it.
pub struct Model {
    queue: Queue,
    /// How many threads the system starts before it refuses one.
    can_start: AtomicUsize,
    started: Mutex<Vec<JoinHandle<()>>>,
}

/// A timer in it.
#[derive(Clone)]
pub struct Timer {
    task: std::sync::Arc<Task>,
    key: Key,
}

struct Threads(Arc<Model>);

impl Server for Threads {
    fn start_thread(&self) -> io::Result<()> {
        let model = &self.0;
        // Not a part of the model: it is locked by the thread that hires.
        if model.can_start.load(SeqCst) == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        model.can_start.fetch_sub(1, SeqCst);
        let thread = loom::thread::spawn({
            let model = model.clone();
            move || {
                drop(model.queue.hiring.lock());
                model.queue.serve(&Threads(model.clone()));
            }
        });
        model.started.lock().unwrap().push(thread);
        Ok(())
    }

    fn warn(&self, _: &io::Error) {}

    fn call(&self, _: &Queue, due: &mut Due) -> bool {
        due.call();
        true
    }

    fn discard(&self, due: &mut Due) {
        drop(due.function.take());
    }

    fn thread(&self) -> Option<u64> {
        None
    }

    fn is_asleep(&self, _: Option<u64>) -> bool {
        true
    }
}

impl Model {
    /// One that nobody serves yet. The system starts so many threads for it.
    pub fn new(can_start: usize) -> Arc<Model> {
        let queue = Queue::new();
        queue.loom_register();
        queue.list.lock().staff.set_patience(0);
        Arc::new(Model {
            queue,
            can_start: AtomicUsize::new(can_start),
            started: Mutex::new(Vec::new()),
        })
    }

    fn action(
        schedule: Option<Schedule>,
        f: impl FnMut() + Send + 'static,
    ) -> (std::sync::Arc<Task>, Action) {
        let task = std::sync::Arc::new(Task::new(Some("timer".into()), schedule));
        task.progress.loom_register();
        let action = Action {
            task: task.clone(),
            function: match schedule {
                Some(_) => again(f),
                None => once(f),
            },
            token: None,
        };
        (task, action)
    }

    /// Queues a timer, whoever serves it.
    pub fn queue(
        &self,
        at: u64,
        schedule: Option<Schedule>,
        f: impl FnMut() + Send + 'static,
    ) -> Timer {
        let (task, action) = Model::action(schedule, f);
        let added = self.queue.list.lock().add(action, at);
        let Ok((key, tell)) = added else {
            unreachable!("a model has few timers")
        };
        self.queue.tell(tell);
        Timer { task, key }
    }

    /// As `Timer::try_start`: an error says that nobody will call it.
    pub fn start(
        model: &Arc<Model>,
        at: u64,
        f: impl FnMut() + Send + 'static,
    ) -> io::Result<Timer> {
        let (task, action) = Model::action(None, f);
        let key = model.queue.start(action, at, &Threads(model.clone()))?;
        Ok(Timer { task, key })
    }

    /// Counts so many threads as successors, each of which will [serve](Model::serve), or never
    /// does anything.
    pub fn hire(&self, threads: usize) {
        for _ in 0..threads {
            let was_short = self.queue.list.lock().staff.hired();
            self.queue.hired(was_short);
        }
    }

    /// What a thread does that serves.
    pub fn serve(model: &Arc<Model>) {
        model.queue.serve(&Threads(model.clone()));
    }

    /// Has the standby overtake a call that has taken so long, instead of at once.
    pub fn set_patience(&self, nanos: u64) {
        self.queue.list.lock().staff.set_patience(nanos);
    }

    /// Whether the system has refused a thread, and will be asked again later.
    pub fn is_refused(&self) -> bool {
        let list = self.queue.list.lock();
        list.staff.hire_at().is_some_and(|at| at > 0)
    }

    /// Has the system start so many more threads.
    pub fn allow(&self, threads: usize) {
        self.can_start.fetch_add(threads, SeqCst);
    }

    /// How many threads serve, but for those that are busy.
    pub fn free(&self) -> u32 {
        self.queue.list.lock().staff.free()
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
        self.queue.tell(tell);
        outcome
    }

    /// When the timer is due, if it is pending.
    pub fn due(&self, timer: &Timer) -> Option<u64> {
        let list = self.queue.list.lock();
        let mut pending = list.wheel.iter();
        pending.find_map(|(due, action)| {
            std::sync::Arc::ptr_eq(&action.task, &timer.task).then_some(due)
        })
    }

    /// As that of a handle; says whether the timer has ended.
    pub fn join(&self, timer: &Timer, limit: Limit<'_>) -> bool {
        timer.task.progress.join(&self.queue.list, limit).is_ok()
    }

    /// As the drop of a service.
    pub fn close(&self) {
        self.queue.close();
    }

    /// Waits for the threads that the system has started.
    pub fn join_threads(&self) {
        loop {
            let thread = self.started.lock().unwrap().pop();
            match thread {
                Some(thread) => thread.join().unwrap(),
                None => return,
            }
        }
    }
}

impl Timer {
    /// As `is_finished`.
    pub fn has_ended(&self) -> bool {
        self.task.progress.has_ended()
    }
}
