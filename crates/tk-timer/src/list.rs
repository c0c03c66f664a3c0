//! What the lock of a service guards: the timers that are pending, and who waits for them.
//!
//! Each method is one step, with the list locked; none calls or drops a function of the user.
//!
//! 1. A timer's progress says pending if and only if its action is in the wheel. Whoever changes one changes the other in the same
//!    step. So of a cancellation, a move and the fire exactly one comes first, and the others see it.
//! 2. Whoever takes an action out of the wheel owns the function: to call it, or to drop it. Of a running timer that is the thread
//!    that calls it; others leave word what is to become of it (`set_last`, `moved`).
//! 3. A timer keeps its key from the start to the end, also while its function runs. The end gives it back.
//! 4. `alarm` is the time at which the leader will look by itself; zero if it is about to look anyway, or if there is none. Whoever
//!    queues something earlier tells the leader, and whoever queues something later does not.

use std::mem;
use std::sync::Arc;

use tk_core::KeepAlive;
use tk_park::sync::lock;

use crate::outcome::{CancelOutcome, RescheduleOutcome};
use crate::progress::State;
use crate::slab::Key;
use crate::task::{Action, Function, Task};
use crate::wheel::{NEVER, Wheel};

pub struct List {
    pub(crate) wheel: Wheel<Action>,
    /// By 4.
    pub(crate) alarm: u64,
    /// Some thread waits for the earliest timer, or is about to.
    pub(crate) has_leader: bool,
    /// A thread is on its way to see whether a leader is needed: one that has been notified, or one that is being started.
    pub(crate) is_coming: bool,
    /// Nothing is to fire any more.
    pub(crate) is_closed: bool,
}

/// A timer that has been made running, for the thread that calls its function.
pub struct Due {
    pub(crate) task: Arc<Task>,
    /// There before the call; and after it, if the function can be called again.
    pub(crate) function: Option<Box<dyn Function>>,
    pub(crate) token: Option<KeepAlive>,
    /// What the call came to.
    pub(crate) panicked: bool,
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

impl Due {
    /// Calls the function. Lets go of the program if that was the last time.
    pub(crate) fn call(&mut self) {
        if let Some(function) = self.function.take() {
            let (function, result) = function.call();
            self.function = function;
            self.panicked = result.is_err();
        }
        if self.function.is_none() {
            drop(self.token.take());
        }
    }
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
    #[inline]
    pub(crate) fn add(&mut self, action: Action, deadline: u64) -> (Key, bool) {
        let key = self.wheel.insert(deadline, action);
        (key, self.sets_alarm(deadline))
    }

    /// Whether the leader has to look earlier than it will. It is to be told, once.
    #[inline]
    fn sets_alarm(&mut self, deadline: u64) -> bool {
        let earlier = deadline < self.alarm;
        if earlier {
            self.alarm = 0;
        }
        earlier
    }

    /// Takes the earliest timer that is due by then off the queue, to be called by this thread.
    pub(crate) fn take_due(&mut self, now: u64) -> Option<Due> {
        let (key, at, action) = self.wheel.take_due(now)?;
        action.task.progress.begin(self);
        Some(Due {
            task: action.task,
            function: Some(action.function),
            token: action.token,
            panicked: false,
            key,
            at,
        })
    }

    /// After the call of a timer's function: queues the timer again, or ends it.
    pub(crate) fn settle(&mut self, due: &mut Due, now: u64) -> Next {
        let Due { task, .. } = due;
        let (Some(repeat), Some(function)) = (&task.repeat, due.function.take()) else {
            self.end(due);
            return Next::Ended;
        };
        let moved = lock(&repeat.moved).take();
        let is_last = matches!(task.progress.state(), State::Running { last: true, .. });
        if is_last || self.is_closed || (due.panicked && repeat.schedule.ends_on_panic()) {
            // From here on it is too late for a move.
            task.progress.set_last(self);
            due.function = Some(function);
            return Next::Discard;
        }
        let next = moved.unwrap_or_else(|| repeat.schedule.next(due.at, now));
        task.progress.repeat(self);
        let action = Action {
            task: Arc::clone(task),
            function,
            token: due.token.take(),
        };
        let put_back = self.wheel.put_back(due.key, next, action);
        debug_assert!(put_back.is_ok(), "a running timer has its key");
        Next::Again {
            tell: self.sets_alarm(next),
        }
    }

    /// Ends a timer whose function has been called for the last time.
    pub(crate) fn end(&mut self, due: &Due) {
        let left = self.wheel.remove(due.key);
        debug_assert!(left.is_none(), "the action of a running timer is out");
        due.task.progress.end(self);
    }

    /// Ends a pending timer, whose action the caller is to discard; one that runs is not to repeat.
    #[inline]
    pub(crate) fn cancel(&mut self, task: &Task, key: Key) -> (CancelOutcome, Option<Action>) {
        match task.progress.state() {
            State::Pending => {
                let action = self.wheel.remove(key);
                task.progress.end(self);
                (CancelOutcome::Cancelled, action)
            }
            State::Running { .. } => {
                task.progress.set_last(self);
                (CancelOutcome::Running, None)
            }
            State::Ended => (CancelOutcome::Finished, None),
        }
    }

    /// Gives a timer another time, if it will be called once more. The leader is to be told if the second value says so.
    pub(crate) fn reschedule(
        &mut self,
        task: &Task,
        key: Key,
        deadline: u64,
    ) -> (RescheduleOutcome, bool) {
        match (task.progress.state(), &task.repeat) {
            (State::Pending, _) => {
                self.wheel.reschedule(key, deadline);
                (RescheduleOutcome::Moved, self.sets_alarm(deadline))
            }
            (State::Running { last: false, .. }, Some(repeat)) if !self.is_closed => {
                *lock(&repeat.moved) = Some(deadline);
                (RescheduleOutcome::Moved, false)
            }
            (State::Running { .. }, _) => (RescheduleOutcome::Running, false),
            (State::Ended, _) => (RescheduleOutcome::Finished, false),
        }
    }

    /// Ends all that is pending, and lets nothing repeat. What is returned is to be discarded.
    pub(crate) fn close(&mut self) -> Vec<Action> {
        self.is_closed = true;
        let actions: Vec<_> = mem::take(&mut self.wheel).into_values().collect();
        for action in &actions {
            action.task.progress.end(self);
        }
        actions
    }

    /// The time when the leader has to look, if there is one.
    pub(crate) fn set_alarm(&mut self) -> Option<u64> {
        let next = self.wheel.next_deadline();
        self.alarm = next.unwrap_or(NEVER);
        next
    }
}
