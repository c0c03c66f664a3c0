//! The timers of a service, and the threads that serve them (leader/followers).
//!
//! ```text
//!   start --> RESERVE --> STANDBY ---1---> LEADER ---2---> BUSY ---+
//!                ^                           |                     |
//!                |                           +---3---> end         |
//!                +-------------------------4-----------------------+
//!
//!   1  overtakes the leader               2  is overtaken during a call
//!   3  has nothing to do for a while      4  its function has returned
//! ```
//!
//! | event | leader | standby | reserve |
//! |---|---|---|---|
//! | a timer is started that is the earliest | wakes up, and sleeps until it is due | | |
//! | a timer is due | calls its function | looks after the leader when the call has taken `SHORT` | |
//! | another timer is due meanwhile | | takes the lead if the call sleeps, or has taken `LONG` | one thread becomes the standby |
//! | a function returns | calls the next one, or sleeps | | the thread joins the successors if it was overtaken |
//! | nothing is pending for `IDLE` | leaves | leaves | leaves |
//!
//! The roles and their invariants are in `staff.rs`. The leader calls the functions itself, one
//! after another. So a fire costs one wake-up, and short functions run in the order of their times.
//! The standby makes sure that a function which takes long delays no other timer.
//!
//! # Invariants
//!
//! **Order.** The functions of a service begin in the order of their times. A function begins when
//! the one before has returned, has taken longer than `SHORT` and sleeps, or has taken longer than
//! `LONG`. Without this rule, this happens:
//!
//! 1. The leader takes timer 1 out of the wheel, and wakes another thread, which takes timer 2.
//! 2. The leader is preempted before it calls the function.
//! 3. The function of timer 2 runs before that of timer 1.
//!
//! **Nothing foreign under the lock.** While the state is locked, no function of the user is called
//! or dropped, no thread is started, and no file is read.
//!
//! **`hiring` before the state.** `hiring` is locked while a thread is started. A thread that has
//! locked the state does not lock `hiring`.

use std::io;
use std::time::Duration;

use tk_condvar::Condvar;
use tk_lock::{Lock, LockGuard};
use tk_park::sync::Instant;
use tk_park::{Limit, checked_add_instant};

use crate::slab::Key;
use crate::staff::Seat;
use crate::state::{Fired, Next, State, Wake};
use crate::task::{Action, Task};
use crate::wheel::NEVER;

/// How long a thread without work stays.
pub(crate) const IDLE: Duration = if cfg!(test) {
    Duration::from_millis(50)
} else {
    Duration::from_secs(10)
};

/// The timers of a service, and its threads.
pub(crate) struct Scheduler {
    pub(crate) state: Lock<State>,
    /// Locked while a thread is started.
    pub(crate) hiring: Lock<()>,
    /// The leader waits here, for the earliest timer or for a successor.
    earliest: Condvar,
    /// The standby waits here.
    watch: Condvar,
    /// The reserve waits here.
    reserve: Condvar,
    /// The time that the wheel counts from.
    epoch: Instant,
}

/// The surroundings of a scheduler. Models have their own.
pub(crate) trait Runner {
    /// Starts a thread that locks `hiring` for a moment and then calls [`Scheduler::serve`].
    fn start_thread(&self) -> io::Result<()>;

    /// Logs that a timer is late because there is no thread to call it.
    fn warn(&self, error: &io::Error);

    /// Calls the function of a timer, and drops it if that was the last call. Returns whether this
    /// is still the scheduler's process: the function may have forked.
    fn call(&self, scheduler: &Scheduler, fired: &mut Fired) -> bool;

    /// Drops the function of a timer.
    fn discard(&self, fired: &mut Fired);

    /// Returns the calling thread's number in the operating system.
    fn thread(&self) -> Option<u64>;

    /// Returns whether the thread of this number sleeps. If that is not known, it counts as asleep.
    fn is_asleep(&self, thread: Option<u64>) -> bool;
}

impl Scheduler {
    pub(crate) fn new() -> Scheduler {
        Scheduler {
            state: Lock::new(State::new()),
            hiring: Lock::new(()),
            earliest: Condvar::new(),
            watch: Condvar::new(),
            reserve: Condvar::new(),
            epoch: Instant::now(),
        }
    }

    /// Returns the time as the wheel counts it, in nanoseconds.
    #[inline]
    pub(crate) fn now(&self) -> u64 {
        self.epoch.elapsed().as_nanos() as u64
    }

    /// Converts a time of the wheel. Returns `None` if the clock does not go that far.
    pub(crate) fn instant(&self, nanos: u64) -> Option<Instant> {
        if nanos == NEVER {
            return None;
        }
        checked_add_instant(self.epoch, Duration::from_nanos(nanos))
    }

    /// Converts a time of the clock to one of the wheel, or to zero if it lies before the epoch.
    #[cfg(not(tk_loom))]
    pub(crate) fn nanos(&self, instant: Instant) -> u64 {
        crate::schedule::nanos(instant.saturating_duration_since(self.epoch))
    }

    /// Returns the limit for a wait until then.
    fn until(&self, nanos: u64) -> Limit<'static> {
        self.instant(nanos).map_or(Limit::never(), Limit::until)
    }

    #[inline]
    pub(crate) fn wake(&self, wake: Wake) {
        match wake {
            Wake::Nobody => {}
            Wake::Leader => _ = self.earliest.notify(1),
            Wake::Standby => _ = self.watch.notify(1),
            Wake::Reserve => _ = self.reserve.notify(1),
        }
    }

    /// Queues a timer.
    ///
    /// Returns an error if no thread waits for it and none could be started, or if there is no
    /// room. Then the timer has ended.
    #[inline]
    pub(crate) fn start(
        &self,
        action: Action,
        deadline: u64,
        runner: &impl Runner,
    ) -> io::Result<Key> {
        let mut state = self.state.lock();
        let is_full = state.staff.is_full();
        // `add` takes the action. With its task, `staff_up` can take the timer back.
        let task = (!is_full).then(|| action.task.clone());
        let (key, wake) = match state.add(action, deadline) {
            Ok(added) => added,
            Err(action) => {
                // Nothing foreign under the lock.
                drop(state);
                action.discard();
                return Err(io::ErrorKind::OutOfMemory.into());
            }
        };
        // First the unlock, so that the thread that is woken finds the state free.
        drop(state);
        self.wake(wake);
        if let Some(task) = task {
            self.staff_up(&task, key, runner)?;
        }
        Ok(key)
    }

    /// Starts threads for a timer that has been queued. Takes the timer back if nobody would call
    /// it.
    #[cold]
    #[inline(never)]
    fn staff_up(&self, task: &Task, key: Key, runner: &impl Runner) -> io::Result<()> {
        let state = self.state.lock();
        let retry_at = state.staff.hire_at();
        // The threads that exist are enough, and the system has just refused one.
        let wait = state.staff.can_serve() && retry_at.is_none_or(|at| at > self.now());
        drop(state);
        if wait {
            return Ok(());
        }
        let Err(error) = self.hire(runner, true) else {
            return Ok(());
        };
        let mut state = self.state.lock();
        // Again, because a function may have returned, or another thread may have hired meanwhile.
        if state.staff.can_serve() {
            return Ok(());
        }
        let (_, action) = state.cancel(task, key);
        drop(state);
        // Without an action, the timer has been called or cancelled meanwhile.
        action.map_or(Ok(()), |action| {
            action.discard();
            Err(error)
        })
    }

    /// Starts threads until there are enough. Returns the error of the first one that could not be
    /// started.
    ///
    /// Unless it is `urgent`, the system is not asked again too soon after it has refused a thread.
    pub(crate) fn hire(&self, runner: &impl Runner, urgent: bool) -> io::Result<()> {
        // Two threads that hire at the same time would start twice as many threads as are needed.
        let _hiring = self.hiring.lock();
        loop {
            let state = self.state.lock();
            let is_full = state.is_closed || state.staff.is_full();
            let is_soon = state.staff.hire_at().is_some_and(|at| at > self.now());
            if is_full || is_soon && !urgent {
                return Ok(());
            }
            drop(state);
            let started = runner.start_thread();
            let mut state = self.state.lock();
            match started {
                Ok(()) => {
                    // Existing threads only. The new thread waits for `hiring` before it does
                    // anything, so it does not act before it is counted.
                    let was_short = state.staff.hired();
                    drop(state);
                    self.hired(was_short);
                }
                Err(error) => {
                    state.staff.refused(self.now());
                    return Err(error);
                }
            }
        }
    }

    /// There is one more successor, and the leader waits for it if `was_short`.
    pub(crate) fn hired(&self, was_short: bool) {
        if was_short {
            self.earliest.notify(1);
        }
    }

    /// The work of a serving thread, which is counted as a successor.
    pub(crate) fn serve(&self, runner: &impl Runner) {
        let me = runner.thread();
        let mut state = Some(self.state.lock());
        while let Some(successor) = state {
            state = self.follow(successor, runner);
            if let Some(leader) = state {
                state = self.lead(leader, me, runner);
            }
        }
    }

    /// A successor waits until it has the lead. Returns `None` when it has left.
    fn follow<'q>(
        &'q self,
        mut state: LockGuard<'q, State>,
        runner: &impl Runner,
    ) -> Option<LockGuard<'q, State>> {
        loop {
            // Both: a busy thread may have put back a timer that repeats, which does not end the
            // rest.
            let rests = state.staff.is_resting && state.wheel.is_empty();
            if state.is_closed || state.staff.is_over_the_bound() {
                state.staff.successors -= 1;
                return None;
            }
            if state.staff.seat == Seat::Empty {
                if rests {
                    state.staff.successors -= 1;
                    return None;
                }
                state.staff.take_lead();
                // A standby. If no thread waits in the reserve, a successor is about to come here.
                self.reserve.notify(1);
                return Some(state);
            }
            if !state.staff.has_standby {
                let leads;
                (state, leads) = self.stand_by(state, runner);
                if leads {
                    return Some(state);
                }
                continue;
            }
            // A thread too many leaves after `IDLE`. `FREE` threads stay.
            let notified = self.reserve.wait_for(&mut state, IDLE);
            if !notified && state.staff.has_surplus() {
                state.staff.successors -= 1;
                return None;
            }
        }
    }

    /// Watches the leader. Returns whether the thread has the lead now. If not, it is no longer the
    /// standby.
    fn stand_by<'q>(
        &'q self,
        mut state: LockGuard<'q, State>,
        runner: &impl Runner,
    ) -> (LockGuard<'q, State>, bool) {
        state.staff.has_standby = true;
        // The number of a call that was found not to sleep.
        let mut patient = None;
        loop {
            if state.is_closed || state.staff.seat == Seat::Empty {
                // The leader has left. `follow` takes the lead, or leaves too.
                state.staff.has_standby = false;
                return (state, false);
            }
            let (now, hire_at) = (self.now(), state.staff.hire_at());
            if hire_at.is_some_and(|at| at <= now) && !state.wheel.is_empty() {
                drop(state);
                // If it fails, the service still has its successor: this thread, which tries again.
                let _ = self.hire(runner, false);
                state = self.state.lock();
                // Everything may have changed.
                continue;
            }
            let (call, next, pending) = (state.staff.call, state.next(), state.wheel.len());
            let is_patient = patient == Some(call);
            let look = state.staff.look_at(now, next, pending, is_patient);
            if look > now {
                let hire_at = hire_at.filter(|_| pending > 0).unwrap_or(NEVER);
                // Alarms: while this is set, a thread that starts an earlier timer notifies.
                state.staff.standby_alarm = look;
                let limit = self.until(look.min(hire_at));
                let _ = self.watch.wait_with(&mut state, limit);
                state.staff.standby_alarm = 0;
                continue;
            }
            // Turns the wheel, so that the next time is later if nothing is due.
            let is_due = state.wheel.is_due(now);
            let Seat::Calling { since, thread } = state.staff.seat else {
                continue;
            };
            if !is_due {
                // The next turn computes a later look.
                continue;
            }
            if now < since.saturating_add(state.staff.long) {
                // Nothing foreign under the lock: this reads a file.
                drop(state);
                let asleep = runner.is_asleep(thread);
                state = self.state.lock();
                // The answer is about a call that may have ended since.
                let is_calling = matches!(state.staff.seat, Seat::Calling { .. });
                if state.staff.call != call || !is_calling || state.is_closed {
                    continue;
                }
                if !asleep {
                    // Order: it may just not have got the processor. Wait for `LONG`.
                    patient = Some(call);
                    continue;
                }
            }
            state.staff.overtake();
            // A standby: there is none now.
            self.reserve.notify(1);
            return (state, true);
        }
    }

    /// The leader calls functions until it is overtaken, and is a successor then. Returns `None`
    /// when it has left.
    fn lead<'q>(
        &'q self,
        mut state: LockGuard<'q, State>,
        me: Option<u64>,
        runner: &impl Runner,
    ) -> Option<LockGuard<'q, State>> {
        loop {
            if state.is_closed {
                state.staff.leave_lead();
                return None;
            }
            let now = self.now();
            if !state.wheel.is_due(now) {
                if !self.sleep(&mut state) {
                    return None;
                }
                continue;
            }
            // A successor: do not call a function without one.
            if state.staff.successors == 0 {
                state = self.find_successor(state, runner);
                continue;
            }
            let Some(mut fired) = state.take_due(now) else {
                continue;
            };
            // One leader: the number tells after the call whether the thread was overtaken.
            let call = state.staff.begin_call(now, me);
            let next = state.next();
            let wake_standby = state.staff.must_wake_standby(next);
            // Nothing foreign under the lock.
            drop(state);
            if wake_standby {
                self.watch.notify(1);
            }
            if !runner.call(self, &mut fired) {
                // The function has forked, and this is the child. The scheduler is the parent's,
                // and its locks may be held by threads that do not exist here.
                return None;
            }
            let leads;
            (state, leads) = self.after_call(fired, call, runner);
            if !leads {
                return Some(state);
            }
        }
    }

    /// Queues the timer again or ends it, after a call. Returns whether the thread still leads.
    fn after_call(
        &self,
        mut fired: Fired,
        call: u64,
        runner: &impl Runner,
    ) -> (LockGuard<'_, State>, bool) {
        let mut state = self.state.lock();
        let next = loop {
            match state.after_call(&mut fired, self.now()) {
                Next::Requeued(next) => break Some(next),
                Next::Ended => break None,
                Next::Discard => {
                    // Nothing foreign under the lock. Until the next turn, the timer is running.
                    drop(state);
                    runner.discard(&mut fired);
                    state = self.state.lock();
                }
            }
        };
        let leads = state.staff.end_call(call);
        // A leader that waits for a successor has one now: this thread.
        let was_short = !leads && state.staff.successors == 1;
        let wake = match next {
            // A thread that still leads looks at the wheel next, so it need not be woken.
            Some(next) if !leads => state.arm(next),
            _ => Wake::Nobody,
        };
        // The timer stops holding the program open after the lock is released, because the end of
        // the program may begin with that.
        let holds_open = !fired.hold.is_daemon();
        let ended = (next.is_none() && holds_open).then(|| fired.hold.take());
        if wake != Wake::Nobody || was_short || ended.is_some() {
            drop(state);
            self.wake(wake);
            self.hired(was_short);
            // Last, after the timer has ended and the others are awake.
            drop(ended);
            state = self.state.lock();
        }
        (state, leads)
    }

    /// The leader sleeps, because nothing is due. Returns whether it is still needed.
    fn sleep(&self, state: &mut LockGuard<'_, State>) -> bool {
        let is_idle = state.wheel.is_empty();
        let next = state.next();
        // Alarms: from here on, a thread that starts an earlier timer notifies.
        state.staff.leader_alarm = next;
        let limit = if is_idle {
            Limit::after(IDLE)
        } else {
            self.until(next)
        };
        let notified = self.earliest.wait_with(state, limit).is_ok();
        state.staff.leader_alarm = 0;
        // The wheel again: a timer may have come after the limit was reached, before the lock.
        let leaves = is_idle && !notified && state.wheel.is_empty() && !state.is_closed;
        if leaves {
            state.staff.leave_lead();
            // The others leave too, unless a timer is started first.
            state.staff.is_resting = true;
            self.watch.notify_all();
            self.reserve.notify_all();
        }
        !leaves
    }

    /// The leader waits until there is a successor, while a timer is due.
    #[cold]
    fn find_successor<'q>(
        &'q self,
        mut state: LockGuard<'q, State>,
        runner: &impl Runner,
    ) -> LockGuard<'q, State> {
        let (now, hire_at) = (self.now(), state.staff.hire_at());
        if hire_at.is_some_and(|at| at <= now) {
            drop(state);
            let hired = self.hire(runner, false);
            state = self.state.lock();
            if let Err(error) = hired
                && state.staff.successors == 0
                && state.staff.may_warn(now)
            {
                drop(state);
                runner.warn(&error);
                state = self.state.lock();
            }
            return state;
        }
        // A thread that returns from its function ends the wait.
        let limit = self.until(hire_at.unwrap_or(NEVER));
        let _ = self.earliest.wait_with(&mut state, limit);
        state
    }

    /// Ends all pending timers and lets none repeat. The serving threads end when their functions
    /// have returned.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        let actions = state.close();
        // Nothing foreign under the lock: the actions hold functions of the user.
        drop(state);
        self.wake_all();
        for action in actions {
            action.discard();
        }
    }

    /// Wakes every serving thread, so that it looks at the state again.
    pub(crate) fn wake_all(&self) {
        self.earliest.notify_all();
        self.watch.notify_all();
        self.reserve.notify_all();
    }

    #[cfg(tk_loom)]
    pub(crate) fn loom_register(&self) {
        drop(self.state.lock());
        drop(self.hiring.lock());
        self.earliest.loom_register();
        self.watch.loom_register();
        self.reserve.loom_register();
    }
}
