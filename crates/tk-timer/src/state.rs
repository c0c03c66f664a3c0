//! The state that a scheduler's lock guards: the pending timers, and the threads that serve them.
//!
//! Each method is one step, with the state locked. None of them calls or drops a function of the
//! user.
//!
//! | timer | `take_due` | `after_call` | `cancel` | `reschedule` | `close` |
//! |---|---|---|---|---|---|
//! | pending | running | | ended, and the caller discards the action | pending, at the new time | ended |
//! | running, repeats | | pending again | runs for the last time | its next call is at the new time | runs for the last time |
//! | running for the last time | | the function is dropped, then ended | no change | no change | no change |
//! | ended | | | no change | no change | no change |
//!
//! # Invariants
//!
//! **Pending.** A timer's progress is pending if and only if its action is in the wheel. Both
//! change in the same step. So a cancellation, a move and a fire happen one after the other, and
//! the later ones see the earlier one.
//!
//! **One owner.** The thread that takes an action out of the wheel owns the function, and calls it
//! or drops it. While a timer runs, other threads only leave a note of what is to happen next
//! (`set_last`, `moved`).
//!
//! **One key.** A timer keeps its key from the start to the end, also while its function runs. The
//! end gives the key back.
//!
//! The invariants of the threads are in `staff.rs`.

use std::mem;
use std::sync::Arc;

use tk_park::sync::lock;

use crate::outcome::{CancelOutcome, RescheduleOutcome};
use crate::progress::Phase;
use crate::slab::Key;
use crate::staff::{Seat, Staff};
use crate::task::{Action, Function, Hold, Returned, Task};
use crate::wheel::{NEVER, Wheel};

pub(crate) struct State {
    pub(crate) wheel: Wheel<Action>,
    pub(crate) staff: Staff,
    /// Set when the service is dropped: no timer fires from then on.
    pub(crate) is_closed: bool,
}

/// A timer that has fired, for the thread that calls its function.
pub(crate) struct Fired {
    pub(crate) task: Arc<Task>,
    /// Present before the call, and after it if the function can be called again.
    pub(crate) function: Option<Box<dyn Function>>,
    pub(crate) hold: Hold,
    /// The result of the call.
    pub(crate) returned: Returned,
    key: Key,
    /// The time at which it was due.
    at: u64,
}

/// The step after a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// The timer is in the wheel again, for this time.
    Requeued(u64),
    /// The function has been called for the last time. The caller drops it, and then calls
    /// [`State::after_call`] again.
    Discard,
    /// The timer has ended.
    Ended,
}

/// The thread that has to be woken because a timer has been queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wake {
    /// None: all threads are awake, or wake up in time.
    Nobody,
    /// The leader, because the timer is the earliest now.
    Leader,
    /// The standby, because the leader calls a function and may be too late.
    Standby,
    /// A thread of the reserve, because there is no leader.
    Reserve,
}

impl Fired {
    /// Calls the function.
    pub(crate) fn call(&mut self) {
        if let Some(function) = self.function.take() {
            (self.function, self.returned) = function.call();
        }
    }

    /// Returns whether the function, which has returned, will certainly not be called again, as far
    /// as that can be known without the lock. A function that can be called again may still be
    /// expired: [`State::is_expired`] decides.
    pub(crate) fn seems_expired(&self) -> bool {
        match &self.task.repeat {
            None => true,
            Some(repeat) => {
                self.returned.ends(repeat.schedule.ends_on_panic()) || self.task.progress.is_last()
            }
        }
    }
}

impl State {
    pub(crate) const fn new() -> State {
        State {
            wheel: Wheel::new(),
            staff: Staff::new(),
            is_closed: false,
        }
    }

    /// Queues a timer. Gives the action back if there is no room for one more.
    #[inline]
    pub(crate) fn add(&mut self, action: Action, deadline: u64) -> Result<(Key, Wake), Action> {
        let key = self.wheel.insert(deadline, action)?;
        self.staff.is_resting = false;
        Ok((key, self.arm(deadline)))
    }

    /// Returns which thread to wake for a timer that is due then. The caller must wake it, because
    /// that thread counts as awake from here on.
    #[inline]
    pub(crate) fn arm(&mut self, deadline: u64) -> Wake {
        let staff = &mut self.staff;
        if staff.must_wake_leader(deadline) {
            Wake::Leader
        } else if staff.must_wake_standby(deadline) {
            Wake::Standby
        } else if staff.seat == Seat::Empty && staff.successors > 0 {
            Wake::Reserve
        } else {
            Wake::Nobody
        }
    }

    /// Takes the earliest timer out of the wheel if it is due by then. The calling thread is to
    /// call its function.
    pub(crate) fn take_due(&mut self, now: u64) -> Option<Fired> {
        let (key, at, action) = self.wheel.take_due(now)?;
        // Pending: in the same step.
        action.task.progress.begin(self);
        Some(Fired {
            task: action.task,
            function: Some(action.function),
            hold: action.hold,
            returned: Returned::Continue,
            key,
            at,
        })
    }

    /// Returns whether the function of a running timer, which has returned, will not be called
    /// again. If so, it is too late to move the timer from here on.
    pub(crate) fn is_expired(&mut self, fired: &Fired) -> bool {
        let is_expired = fired.seems_expired() || self.is_closed;
        if is_expired && fired.task.repeat.is_some() {
            fired.task.progress.set_last(self);
        }
        is_expired
    }

    /// Queues a timer again whose function has returned, or ends it.
    pub(crate) fn after_call(&mut self, fired: &mut Fired, now: u64) -> Next {
        let is_expired = self.is_expired(fired);
        let (Some(repeat), Some(function)) = (&fired.task.repeat, fired.function.take()) else {
            self.end(fired);
            return Next::Ended;
        };
        if is_expired {
            // The function is the user's, and must not be dropped with the state locked.
            fired.function = Some(function);
            return Next::Discard;
        }
        // A move during the call sets the time of the next one.
        let moved = lock(&repeat.moved).take();
        let next = moved.unwrap_or_else(|| repeat.schedule.next(fired.at, now));
        fired.task.progress.repeat(self);
        let action = Action {
            task: Arc::clone(&fired.task),
            function,
            hold: fired.hold.take(),
        };
        let put_back = self.wheel.put_back(fired.key, next, action);
        debug_assert!(put_back.is_ok(), "invariant: one key");
        Next::Requeued(next)
    }

    /// Ends a timer whose function has been called for the last time, and has been dropped.
    fn end(&mut self, fired: &Fired) {
        let left = self.wheel.remove(fired.key);
        debug_assert!(left.is_none(), "invariant: pending");
        fired.task.progress.end(self);
    }

    /// Ends a pending timer, and returns its action, which the caller is to discard. A timer that
    /// runs does not repeat afterwards.
    #[inline]
    pub(crate) fn cancel(&mut self, task: &Task, key: Key) -> (CancelOutcome, Option<Action>) {
        match task.progress.phase() {
            Phase::Pending => {
                let action = self.wheel.remove(key);
                task.progress.end(self);
                (CancelOutcome::Cancelled, action)
            }
            Phase::Running { .. } => {
                // One owner: the thread that calls the function drops it.
                task.progress.set_last(self);
                (CancelOutcome::Running, None)
            }
            Phase::Ended => (CancelOutcome::Finished, None),
        }
    }

    /// Gives a timer another time, if its function will be called once more.
    pub(crate) fn reschedule(
        &mut self,
        task: &Task,
        key: Key,
        deadline: u64,
    ) -> (RescheduleOutcome, Wake) {
        match (task.progress.phase(), &task.repeat) {
            (Phase::Pending, _) => {
                self.wheel.reschedule(key, deadline);
                (RescheduleOutcome::Moved, self.arm(deadline))
            }
            (Phase::Running { last: false }, Some(repeat)) if !self.is_closed => {
                // `after_call` queues the timer for this time, and wakes a thread if need be.
                *lock(&repeat.moved) = Some(deadline);
                (RescheduleOutcome::Moved, Wake::Nobody)
            }
            (Phase::Running { .. }, _) => (RescheduleOutcome::Running, Wake::Nobody),
            (Phase::Ended, _) => (RescheduleOutcome::Finished, Wake::Nobody),
        }
    }

    /// Ends all pending timers, and lets none repeat. The caller discards the actions.
    pub(crate) fn close(&mut self) -> Vec<Action> {
        self.is_closed = true;
        let actions: Vec<_> = mem::take(&mut self.wheel).into_values().collect();
        for action in &actions {
            action.task.progress.end(self);
        }
        actions
    }

    /// Returns a time before which nothing is due, or [`NEVER`] if nothing is pending.
    pub(crate) fn next(&mut self) -> u64 {
        self.wheel.next_deadline().unwrap_or(NEVER)
    }
}
