//! What the lock of a service guards: the timers that are pending, and who waits for them.
//!
//! Each method is one step, with the list locked; none calls or drops a function of the user.
//!
//! 1. A timer's progress says pending if and only if its entry is queued in the wheel. Whoever changes one changes the other in the
//!    same step. So of a cancellation, a move and the fire exactly one comes first, and the others see it.
//! 2. An entry keeps its key from the start to the end of its timer, also while the function runs; then it is out of the wheel's
//!    queues. The end takes it off.
//! 3. Whoever makes a timer running, or ends a pending one, owns its function. For a running timer that is the thread that calls
//!    it: others leave word what is to become of it (`set_last`, `moved`).
//! 4. `alarm` is the time at which the leader will look by itself; zero if it is about to look anyway, or if there is none. Whoever
//!    queues something earlier tells the leader, and whoever queues something later does not.

use std::mem;
use std::sync::Arc;

use tk_park::sync::lock;

use crate::guarded::Panicked;
use crate::outcome::{Cancel, Reschedule};
use crate::progress::State;
use crate::slab::Key;
use crate::task::Task;
use crate::wheel::{NEVER, Wheel};

pub struct List {
    pub(crate) wheel: Wheel<Arc<Task>>,
    /// By 4.
    pub(crate) alarm: u64,
    /// Some thread waits for the earliest timer, or is about to.
    pub(crate) has_leader: bool,
    /// A thread is on its way to see whether a leader is needed: one that has been notified, or one that is being started.
    pub(crate) is_coming: bool,
    /// Nothing is to fire any more.
    pub(crate) is_closed: bool,
}

/// A timer that has been made running, by the thread that is to call its function.
pub struct Due {
    pub(crate) task: Arc<Task>,
    key: Key,
    at: u64,
}

/// What comes after a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The timer is queued again; the leader is to be told if it says so.
    Again { tell: bool },
    /// The function has been called for the last time, and has to be dropped before the timer ends.
    Discard,
    /// The timer has ended.
    Ended,
}

impl List {
    pub(crate) const fn new() -> List {
        List {
            wheel: Wheel::new(),
            alarm: 0,
            has_leader: false,
            is_coming: false,
            is_closed: false,
        }
    }

    /// Queues a timer. The leader is to be told if the second value says so.
    pub(crate) fn add(&mut self, task: Arc<Task>, deadline: u64) -> (Key, bool) {
        let key = self.wheel.insert(deadline, task);
        (key, self.sets_alarm(deadline))
    }

    /// Whether the leader has to look earlier than it will. It is to be told, once.
    fn sets_alarm(&mut self, deadline: u64) -> bool {
        let earlier = deadline < self.alarm;
        if earlier {
            self.alarm = 0;
        }
        earlier
    }

    /// Takes the earliest timer that is due by then off the queue, to be called by this thread.
    pub(crate) fn take_due(&mut self, now: u64) -> Option<Due> {
        let (key, at, task) = self.wheel.take_due(now)?;
        task.progress.begin();
        let task = Arc::clone(task);
        Some(Due { task, key, at })
    }

    /// After the call of a timer's function: queues the timer again, or ends it.
    pub(crate) fn settle(&mut self, due: &Due, result: Result<(), Panicked>, now: u64) -> Next {
        let Some(repeat) = &due.task.repeat else {
            self.end(due);
            return Next::Ended;
        };
        let moved = lock(&repeat.moved).take();
        let is_last = matches!(due.task.progress.state(), State::Running { last: true, .. });
        if is_last || self.is_closed || (result.is_err() && repeat.schedule.ends_on_panic()) {
            // From here on it is too late for a move.
            due.task.progress.set_last();
            return Next::Discard;
        }
        let next = moved.unwrap_or_else(|| repeat.schedule.next(due.at, now));
        due.task.progress.repeat();
        self.wheel.reschedule(due.key, next);
        Next::Again {
            tell: self.sets_alarm(next),
        }
    }

    /// Ends a timer whose function has been called for the last time.
    pub(crate) fn end(&mut self, due: &Due) {
        // There is another share of it in `due`. It is not there if the list has been closed.
        drop(self.wheel.remove(due.key));
        due.task.progress.end();
    }

    /// Ends a pending timer, whose function the caller then has to drop; one that runs is not to repeat.
    pub(crate) fn cancel(&mut self, task: &Task, key: Key) -> Cancel {
        match task.progress.state() {
            State::Pending => {
                // There is another share of it with the caller.
                drop(self.wheel.remove(key));
                task.progress.end();
                Cancel::Cancelled
            }
            State::Running { .. } => {
                task.progress.set_last();
                Cancel::Running
            }
            State::Ended => Cancel::Finished,
        }
    }

    /// Gives a timer another time, if it will be called once more. The leader is to be told if the second value says so.
    pub(crate) fn reschedule(
        &mut self,
        task: &Task,
        key: Key,
        deadline: u64,
    ) -> (Reschedule, bool) {
        match (task.progress.state(), &task.repeat) {
            (State::Pending, _) => {
                self.wheel.reschedule(key, deadline);
                (Reschedule::Moved, self.sets_alarm(deadline))
            }
            (State::Running { last: false, .. }, Some(repeat)) if !self.is_closed => {
                *lock(&repeat.moved) = Some(deadline);
                (Reschedule::Moved, false)
            }
            (State::Running { .. }, _) => (Reschedule::Running, false),
            (State::Ended, _) => (Reschedule::Finished, false),
        }
    }

    /// Ends all that is pending, and lets nothing repeat. The functions of what is returned are to be dropped.
    pub(crate) fn close(&mut self) -> Vec<Arc<Task>> {
        self.is_closed = true;
        let wheel = mem::take(&mut self.wheel);
        let tasks: Vec<_> = wheel.iter().map(|(_, task)| Arc::clone(task)).collect();
        for task in &tasks {
            task.progress.end();
        }
        tasks
    }

    /// The time when the leader has to look, if there is one.
    pub(crate) fn set_alarm(&mut self) -> Option<u64> {
        let next = self.wheel.next_deadline();
        self.alarm = next.unwrap_or(NEVER);
        next
    }
}
