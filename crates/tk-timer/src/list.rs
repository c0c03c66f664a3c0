//! What the lock of a service guards: the timers that are pending, and the threads that serve them.
//!
//! Each method is one step, with the list locked; none calls or drops a function of the user.
//!
//! - **Invariant: pending.** A timer's progress says pending if and only if its action is in the
//!   wheel. Both change in the same step. So of a cancellation, a move and the fire exactly one
//!   comes first, and the others see it.
//! - **Invariant: one owner.** Who takes an action out of the wheel owns the function, to call it
//!   or to drop it. Of a running timer that is the thread that calls it; others leave word what is
//!   to become of it (`set_last`, `moved`).
//! - **Invariant: one key.** A timer keeps its key from the start to the end, also while its
//!   function runs. The end gives it back.
//!
//! The invariants of the threads are in `staff.rs`.

use std::mem;
use std::sync::Arc;

use tk_core::KeepAlive;
use tk_park::sync::lock;

use crate::outcome::{CancelOutcome, RescheduleOutcome};
use crate::progress::State;
use crate::slab::Key;
use crate::staff::{Seat, Staff};
use crate::task::{Action, Function, Returned, Task};
use crate::wheel::{NEVER, Wheel};

pub struct List {
    pub(crate) wheel: Wheel<Action>,
    pub(crate) staff: Staff,
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
    pub(crate) returned: Returned,
    key: Key,
    at: u64,
}

/// What comes after a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The timer is queued again, for this time.
    Again(u64),
    /// The function has been called for the last time, and has to be dropped before the timer ends.
    Discard,
    /// The timer has ended.
    Ended,
}

/// Who is to be told that a timer has been queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tell {
    /// Everybody is awake, or wakes up in time.
    Nobody,
    /// The timer is the earliest now.
    Leader,
    /// The leader calls a function, and may be too late.
    Standby,
    /// There is no leader, but one in reserve.
    Reserve,
}

impl Due {
    /// Calls the function.
    pub(crate) fn call(&mut self) {
        if let Some(function) = self.function.take() {
            (self.function, self.returned) = function.call();
        }
    }
}

impl List {
    pub(crate) const fn new() -> List {
        List {
            wheel: Wheel::new(),
            staff: Staff::new(),
            is_closed: false,
        }
    }

    /// Queues a timer. Gives the action back if there is no room for one more.
    #[inline]
    pub(crate) fn add(&mut self, action: Action, deadline: u64) -> Result<(Key, Tell), Action> {
        let key = self.wheel.insert(deadline, action)?;
        self.staff.is_resting = false;
        Ok((key, self.tell(deadline)))
    }

    /// Who is to be told of a timer that is due then.
    #[inline]
    pub(crate) fn tell(&mut self, deadline: u64) -> Tell {
        let staff = &mut self.staff;
        if staff.calls_leader(deadline) {
            Tell::Leader
        } else if staff.calls_standby(deadline) {
            Tell::Standby
        } else if staff.seat == Seat::Empty && staff.successors > 0 {
            Tell::Reserve
        } else {
            Tell::Nobody
        }
    }

    /// Takes the earliest timer that is due by then off the queue, to be called by this thread.
    pub(crate) fn take_due(&mut self, now: u64) -> Option<Due> {
        let (key, at, action) = self.wheel.take_due(now)?;
        action.task.progress.begin(self);
        Some(Due {
            task: action.task,
            function: Some(action.function),
            token: action.token,
            returned: Returned::Continue,
            key,
            at,
        })
    }

    /// Whether the function of a running timer, which has returned, will not be called again. From
    /// here on it is too late for a move.
    pub(crate) fn is_expired(&mut self, due: &Due) -> bool {
        let Some(repeat) = &due.task.repeat else {
            return true;
        };
        let progress = &due.task.progress;
        let over = match due.returned {
            Returned::Break => true,
            Returned::Panicked => repeat.schedule.ends_on_panic(),
            Returned::Continue => false,
        };
        let over = over || self.is_closed || progress.is_last();
        if over {
            progress.set_last(self);
        }
        over
    }

    /// After the call of a timer's function: queues the timer again, or ends it.
    pub(crate) fn settle(&mut self, due: &mut Due, now: u64) -> Next {
        let is_expired = self.is_expired(due);
        let (Some(repeat), Some(function)) = (&due.task.repeat, due.function.take()) else {
            self.end(due);
            return Next::Ended;
        };
        if is_expired {
            due.function = Some(function);
            return Next::Discard;
        }
        let moved = lock(&repeat.moved).take();
        let next = moved.unwrap_or_else(|| repeat.schedule.next(due.at, now));
        due.task.progress.repeat(self);
        let action = Action {
            task: Arc::clone(&due.task),
            function,
            token: due.token.take(),
        };
        let put_back = self.wheel.put_back(due.key, next, action);
        debug_assert!(put_back.is_ok(), "invariant: one key");
        Next::Again(next)
    }

    /// Ends a timer whose function has been called for the last time, and is gone.
    fn end(&mut self, due: &Due) {
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

    /// Gives a timer another time, if it will be called once more.
    pub(crate) fn reschedule(
        &mut self,
        task: &Task,
        key: Key,
        deadline: u64,
    ) -> (RescheduleOutcome, Tell) {
        match (task.progress.state(), &task.repeat) {
            (State::Pending, _) => {
                self.wheel.reschedule(key, deadline);
                (RescheduleOutcome::Moved, self.tell(deadline))
            }
            (State::Running { last: false }, Some(repeat)) if !self.is_closed => {
                *lock(&repeat.moved) = Some(deadline);
                (RescheduleOutcome::Moved, Tell::Nobody)
            }
            (State::Running { .. }, _) => (RescheduleOutcome::Running, Tell::Nobody),
            (State::Ended, _) => (RescheduleOutcome::Finished, Tell::Nobody),
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

    /// The time of the next timer, as far as is known: nothing is due before. [`NEVER`] if there is
    /// none.
    pub(crate) fn next(&mut self) -> u64 {
        self.wheel.next_deadline().unwrap_or(NEVER)
    }
}
