//! The scheduler as models see it, with threads of the model.

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use loom::sync::Arc;
use loom::thread::JoinHandle;
use tk_core::__private::Program;
use tk_park::Limit;

use crate::scheduler::{Runner, Scheduler};
use crate::slab::Key;
use crate::state::Fired;
use crate::task::{Action, Hold, Task, again, once};
use crate::{CancelOutcome, RescheduleOutcome, Schedule};

/// The deadline that never comes.
pub const NEVER: u64 = crate::wheel::NEVER;

/// A scheduler that threads of the model serve.
pub struct Model {
    scheduler: Scheduler,
    /// The number of threads that the system starts before it refuses one.
    can_start: AtomicUsize,
    started: Mutex<Vec<JoinHandle<()>>>,
}

/// A timer of a model.
#[derive(Clone)]
pub struct Timer {
    task: std::sync::Arc<Task>,
    key: Key,
}

struct Threads(Arc<Model>);

impl Runner for Threads {
    fn start_thread(&self) -> io::Result<()> {
        let model = &self.0;
        // Not a part of the model: the thread that hires has `hiring` locked.
        if model.can_start.load(SeqCst) == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        model.can_start.fetch_sub(1, SeqCst);
        let thread = loom::thread::spawn({
            let model = model.clone();
            move || {
                drop(model.scheduler.hiring.lock());
                model.scheduler.serve(&Threads(model.clone()));
            }
        });
        model.started.lock().unwrap().push(thread);
        Ok(())
    }

    fn warn(&self, _: &io::Error) {}

    fn call(&self, _: &Scheduler, fired: &mut Fired) -> bool {
        fired.call();
        true
    }

    fn discard(&self, fired: &mut Fired) {
        drop(fired.function.take());
    }

    fn thread(&self) -> Option<u64> {
        None
    }

    fn is_asleep(&self, _: Option<u64>) -> bool {
        true
    }
}

impl Model {
    /// Makes a model that no thread serves yet. The system starts `can_start` threads for it.
    pub fn new(can_start: usize) -> Arc<Model> {
        let scheduler = Scheduler::new();
        scheduler.loom_register();
        scheduler.state.lock().staff.set_patience(0);
        Arc::new(Model {
            scheduler,
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
            hold: Hold::Daemon(Program::root()),
        };
        (task, action)
    }

    /// Queues a timer without starting threads.
    pub fn queue(
        &self,
        at: u64,
        schedule: Option<Schedule>,
        f: impl FnMut() + Send + 'static,
    ) -> Timer {
        let (task, action) = Model::action(schedule, f);
        let added = self.scheduler.state.lock().add(action, at);
        let Ok((key, wake)) = added else {
            unreachable!("a model has few timers")
        };
        self.scheduler.wake(wake);
        Timer { task, key }
    }

    /// As `Timer::try_start`. Returns an error if no thread will call the timer.
    pub fn start(
        model: &Arc<Model>,
        at: u64,
        f: impl FnMut() + Send + 'static,
    ) -> io::Result<Timer> {
        let (task, action) = Model::action(None, f);
        let key = model.scheduler.start(action, at, &Threads(model.clone()))?;
        Ok(Timer { task, key })
    }

    /// Counts this many threads as successors. Each of them [serves](Model::serve) later, or never
    /// does anything.
    pub fn hire(&self, threads: usize) {
        for _ in 0..threads {
            let was_short = self.scheduler.state.lock().staff.hired();
            self.scheduler.hired(was_short);
        }
    }

    /// The work of a serving thread.
    pub fn serve(model: &Arc<Model>) {
        model.scheduler.serve(&Threads(model.clone()));
    }

    /// Makes the standby overtake a call that has taken this long, instead of immediately.
    pub fn set_patience(&self, nanos: u64) {
        self.scheduler.state.lock().staff.set_patience(nanos);
    }

    /// Returns whether the system has refused a thread, and will be asked again later.
    pub fn is_refused(&self) -> bool {
        let state = self.scheduler.state.lock();
        state.staff.hire_at().is_some_and(|at| at > 0)
    }

    /// Lets the system start this many more threads.
    pub fn allow(&self, threads: usize) {
        self.can_start.fetch_add(threads, SeqCst);
    }

    /// Returns the number of serving threads that are not busy.
    pub fn free(&self) -> u32 {
        self.scheduler.state.lock().staff.free()
    }

    /// As `TimerHandle::cancel`.
    pub fn cancel(&self, timer: &Timer) -> CancelOutcome {
        let (outcome, action) = self.scheduler.state.lock().cancel(&timer.task, timer.key);
        action.into_iter().for_each(Action::discard);
        outcome
    }

    /// As `TimerHandle::reschedule`.
    pub fn reschedule(&self, timer: &Timer, at: u64) -> RescheduleOutcome {
        let (outcome, wake) = self
            .scheduler
            .state
            .lock()
            .reschedule(&timer.task, timer.key, at);
        self.scheduler.wake(wake);
        outcome
    }

    /// Returns when the timer is due, if it is pending.
    pub fn due(&self, timer: &Timer) -> Option<u64> {
        let state = self.scheduler.state.lock();
        let mut pending = state.wheel.iter();
        pending.find_map(|(due, action)| {
            std::sync::Arc::ptr_eq(&action.task, &timer.task).then_some(due)
        })
    }

    /// As `TimerHandle::join_with`. Returns whether the timer has ended.
    pub fn join(&self, timer: &Timer, limit: Limit<'_>) -> bool {
        timer
            .task
            .progress
            .join(&self.scheduler.state, limit)
            .is_ok()
    }

    /// As the drop of a `TimerService`.
    pub fn close(&self) {
        self.scheduler.close();
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
