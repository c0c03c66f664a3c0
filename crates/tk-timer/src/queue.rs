//! The timers of a service, and the threads that wait for them.
//!
//! ```text
//!   start --> RESERVE --> STANDBY -- overtakes the leader --> LEADER -- is overtaken during a call --> BUSY --+
//!               ^                                              |                                            |
//!               |                                              +-- nothing to do for a while --> end        |
//!               +---------------------------------- its function has returned ------------------------------+
//! ```
//!
//! The roles and their invariants are in `staff.rs`. The leader calls the functions itself, one
//! after another, so a fire costs one wake-up, and functions that are short run in the order of
//! their times. The standby sees to it that a function that takes long delays nobody else:
//!
//! - **Invariant: order.** The functions of a service begin in the order of their times. Each
//!   begins when the one before has returned, or has taken longer than `SHORT` and sleeps, or has
//!   taken longer than `LONG`.
//!
//! The interleaving that this prevents: the leader takes timer 1 off the queue and wakes another
//! thread, which takes timer 2; the leader loses its processor, and timer 2's function runs before
//! timer 1's.
//!
//! No function of the user is called or dropped, no thread is started, and no file is read while
//! the list is locked. `hiring` is locked while a thread is started; it is never locked by a thread
//! that has locked the list.

use std::io;
use std::time::Duration;

use tk_condvar::Condvar;
use tk_lock::{Lock, LockGuard};
use tk_park::sync::Instant;
use tk_park::{Limit, checked_add_instant};

use crate::list::{Due, List, Next, Tell};
use crate::staff::Seat;
use crate::task::Action;
use crate::wheel::NEVER;

/// How long a thread without work stays.
pub(crate) const IDLE: Duration = match cfg!(test) {
    true => Duration::from_millis(50),
    false => Duration::from_secs(10),
};

/// The timers of a service, and its threads.
pub struct Queue {
    pub(crate) list: Lock<List>,
    /// Held while a thread is started.
    pub(crate) hiring: Lock<()>,
    /// The leader waits here, for the earliest timer, or for a successor.
    earliest: Condvar,
    /// The standby waits here.
    watch: Condvar,
    /// The reserve waits here.
    reserve: Condvar,
    /// What times are counted from.
    epoch: Instant,
}

/// What a queue needs to be served.
pub trait Server {
    /// Starts one more thread, which locks `hiring` for a moment and then calls [`Queue::serve`].
    fn start_thread(&self) -> io::Result<()>;

    /// Says that a timer is late because there is no thread.
    fn warn(&self, error: &io::Error);

    /// Calls the function of a timer, and drops it if it has been called for the last time. Returns
    /// whether this is still the process of the queue.
    fn call(&self, queue: &Queue, due: &mut Due) -> bool;

    /// Drops the function of a timer.
    fn discard(&self, due: &mut Due);

    /// The calling thread's number in the operating system.
    fn thread(&self) -> Option<u64>;

    /// Whether the thread of this number sleeps, as far as can be told.
    fn is_asleep(&self, thread: Option<u64>) -> bool;
}

impl Queue {
    pub(crate) fn new() -> Queue {
        Queue {
            list: Lock::new(List::new()),
            hiring: Lock::new(()),
            earliest: Condvar::new(),
            watch: Condvar::new(),
            reserve: Condvar::new(),
            epoch: Instant::now(),
        }
    }

    /// The time, as the wheel counts it.
    #[inline]
    pub(crate) fn now(&self) -> u64 {
        self.epoch.elapsed().as_nanos() as u64
    }

    /// A time of the wheel, on the clock. `None` if the clock does not go that far.
    pub(crate) fn instant(&self, nanos: u64) -> Option<Instant> {
        if nanos == NEVER {
            return None;
        }
        checked_add_instant(self.epoch, Duration::from_nanos(nanos))
    }

    /// The time of the wheel at that time of the clock: zero if that is before it began.
    #[cfg(not(tk_loom))]
    pub(crate) fn nanos(&self, instant: Instant) -> u64 {
        crate::schedule::nanos(instant.saturating_duration_since(self.epoch))
    }

    /// A limit for a wait until then.
    fn until(&self, nanos: u64) -> Limit<'static> {
        self.instant(nanos).map_or(Limit::never(), Limit::until)
    }

    #[inline]
    pub(crate) fn tell(&self, tell: Tell) {
        match tell {
            Tell::Nobody => {}
            Tell::Leader => _ = self.earliest.notify(1),
            Tell::Standby => _ = self.watch.notify(1),
            Tell::Reserve => _ = self.reserve.notify(1),
        }
    }

    /// Queues a timer. An error says that there is nobody to wait for it and that no thread could
    /// be started, or that there is no room. Then it has ended.
    #[inline]
    pub(crate) fn start(
        &self,
        action: Action,
        deadline: u64,
        server: &impl Server,
    ) -> io::Result<crate::slab::Key> {
        let mut list = self.list.lock();
        let is_full = list.staff.is_full();
        let task = (!is_full).then(|| action.task.clone());
        let (key, tell) = match list.add(action, deadline) {
            Ok(added) => added,
            Err(action) => {
                drop(list);
                action.discard();
                return Err(io::ErrorKind::OutOfMemory.into());
            }
        };
        drop(list);
        self.tell(tell);
        if let Some(task) = task {
            self.staff_up(&task, key, server)?;
        }
        Ok(key)
    }

    /// Sees to it that the timer, which has been queued, will be called. If that can't be, takes it
    /// back.
    #[cold]
    #[inline(never)]
    fn staff_up(
        &self,
        task: &crate::task::Task,
        key: crate::slab::Key,
        server: &impl Server,
    ) -> io::Result<()> {
        // Those who are there may be enough; then the system is not asked more often than makes
        // sense.
        let list = self.list.lock();
        let retry_at = list.staff.hire_at();
        let wait = list.staff.can_serve() && retry_at.is_none_or(|at| at > self.now());
        drop(list);
        if wait {
            return Ok(());
        }
        let Err(error) = self.hire(server, true) else {
            return Ok(());
        };
        let mut list = self.list.lock();
        if list.staff.can_serve() {
            return Ok(());
        }
        let (_, action) = list.cancel(task, key);
        drop(list);
        // If it is not there, it has been called or cancelled.
        action.map_or(Ok(()), |action| {
            action.discard();
            Err(error)
        })
    }

    /// Starts threads until there are enough. An error is that of the thread that could not be
    /// started. If it is not `urgent`, the system is not asked again too soon after a refusal.
    pub(crate) fn hire(&self, server: &impl Server, urgent: bool) -> io::Result<()> {
        // One at a time: two starters would start twice as many threads as are needed.
        let _hiring = self.hiring.lock();
        loop {
            let list = self.list.lock();
            let is_full = list.is_closed || list.staff.is_full();
            let is_soon = list.staff.hire_at().is_some_and(|at| at > self.now());
            if is_full || is_soon && !urgent {
                return Ok(());
            }
            drop(list);
            let started = server.start_thread();
            let mut list = self.list.lock();
            match started {
                Ok(()) => {
                    // Invariant: existing threads only. The thread waits for `hiring` before it
                    // does anything.
                    let was_short = list.staff.hired();
                    drop(list);
                    self.hired(was_short);
                }
                Err(error) => {
                    list.staff.refused(self.now());
                    return Err(error);
                }
            }
        }
    }

    /// There is one more successor. The leader may have waited for it.
    pub(crate) fn hired(&self, was_short: bool) {
        if was_short {
            self.earliest.notify(1);
        }
    }

    /// What a serving thread does, which is counted as a successor.
    pub(crate) fn serve(&self, server: &impl Server) {
        let me = server.thread();
        let mut list = Some(self.list.lock());
        while let Some(successor) = list {
            list = self.follow(successor, server);
            if let Some(leader) = list {
                list = self.lead(leader, me, server);
            }
        }
    }

    /// A successor waits until it has the lead. `None` when it has left.
    fn follow<'q>(
        &'q self,
        mut list: LockGuard<'q, List>,
        server: &impl Server,
    ) -> Option<LockGuard<'q, List>> {
        loop {
            let rests = list.staff.is_resting && list.wheel.is_empty();
            if list.is_closed || list.staff.is_over_the_bound() {
                list.staff.successors -= 1;
                return None;
            }
            if list.staff.seat == Seat::Empty {
                if rests {
                    list.staff.successors -= 1;
                    return None;
                }
                list.staff.take_lead();
                // Invariant: a standby. If nobody sleeps here, they are on their way.
                self.reserve.notify(1);
                return Some(list);
            }
            if !list.staff.has_standby {
                let leads;
                (list, leads) = self.stand_by(list, server);
                if leads {
                    return Some(list);
                }
                continue;
            }
            let notified = self.reserve.wait_for(&mut list, IDLE);
            if !notified && list.staff.has_surplus() {
                list.staff.successors -= 1;
                return None;
            }
        }
    }

    /// Watches the leader. Returns whether the thread has the lead now; if not, it has given up the
    /// place of the standby.
    fn stand_by<'q>(
        &'q self,
        mut list: LockGuard<'q, List>,
        server: &impl Server,
    ) -> (LockGuard<'q, List>, bool) {
        list.staff.has_standby = true;
        // The number of a call that has been seen not to sleep.
        let mut patient = None;
        loop {
            if list.is_closed || list.staff.seat == Seat::Empty {
                list.staff.has_standby = false;
                return (list, false);
            }
            let (now, hire_at) = (self.now(), list.staff.hire_at());
            if hire_at.is_some_and(|at| at <= now) && !list.wheel.is_empty() {
                drop(list);
                // If it fails, the service still has its successor: this thread. It will try again.
                let _ = self.hire(server, false);
                list = self.list.lock();
                continue;
            }
            let (call, next, pending) = (list.staff.call, list.next(), list.wheel.len());
            let is_patient = patient == Some(call);
            let look = list.staff.look_at(now, next, pending, is_patient);
            if look > now {
                let hire_at = hire_at.filter(|_| pending > 0).unwrap_or(NEVER);
                list.staff.watch = look;
                let _ = self
                    .watch
                    .wait_with(&mut list, self.until(look.min(hire_at)));
                list.staff.watch = 0;
                continue;
            }
            // Turns the wheel, so that the next time is later if nothing is due.
            let is_due = list.wheel.is_due(now);
            let Seat::Calling { since, thread } = list.staff.seat else {
                continue;
            };
            if !is_due {
                continue;
            }
            if now < since.saturating_add(list.staff.long) {
                drop(list);
                let asleep = server.is_asleep(thread);
                list = self.list.lock();
                let is_calling = matches!(list.staff.seat, Seat::Calling { .. });
                if list.staff.call != call || !is_calling || list.is_closed {
                    continue;
                }
                if !asleep {
                    patient = Some(call);
                    continue;
                }
            }
            list.staff.overtake();
            // Invariant: a standby.
            self.reserve.notify(1);
            return (list, true);
        }
    }

    /// The leader calls functions until it is overtaken, and is a successor then. `None` when it
    /// has left.
    fn lead<'q>(
        &'q self,
        mut list: LockGuard<'q, List>,
        me: Option<u64>,
        server: &impl Server,
    ) -> Option<LockGuard<'q, List>> {
        loop {
            if list.is_closed {
                list.staff.leave_lead();
                return None;
            }
            let now = self.now();
            if !list.wheel.is_due(now) {
                if !self.sleep(&mut list) {
                    return None;
                }
                continue;
            }
            if list.staff.successors == 0 {
                list = self.find_successor(list, server);
                continue;
            }
            let Some(mut due) = list.take_due(now) else {
                continue;
            };
            let call = list.staff.begin_call(now, me);
            let next = list.next();
            let tell = list.staff.calls_standby(next);
            drop(list);
            if tell {
                self.watch.notify(1);
            }
            if !server.call(self, &mut due) {
                // This is the child of a fork that the function has made. The queue is one of the
                // parent.
                return None;
            }
            let leads;
            (list, leads) = self.settle(due, call, server);
            if !leads {
                return Some(list);
            }
        }
    }

    /// After a call. Returns whether the thread still leads.
    fn settle(&self, mut due: Due, call: u64, server: &impl Server) -> (LockGuard<'_, List>, bool) {
        let mut list = self.list.lock();
        let next = loop {
            match list.settle(&mut due, self.now()) {
                Next::Again(next) => break Some(next),
                Next::Ended => break None,
                Next::Discard => {
                    drop(list);
                    server.discard(&mut due);
                    list = self.list.lock();
                }
            }
        };
        let leads = list.staff.end_call(call);
        // The leader may wait for a successor, and here is one.
        let was_short = !leads && list.staff.successors == 1;
        let tell = match next {
            // The leader is about to look by itself.
            Some(next) if !leads => list.tell(next),
            _ => Tell::Nobody,
        };
        let ended = next.is_none().then(|| due.token.take()).flatten();
        if tell != Tell::Nobody || was_short || ended.is_some() {
            drop(list);
            self.tell(tell);
            self.hired(was_short);
            // The program may end from here on, and the timer has ended before.
            drop(ended);
            list = self.list.lock();
        }
        (list, leads)
    }

    /// The leader has nothing to call. Returns whether it is still needed.
    fn sleep(&self, list: &mut LockGuard<'_, List>) -> bool {
        let is_idle = list.wheel.is_empty();
        let next = list.next();
        list.staff.alarm = next;
        let limit = match is_idle {
            true => Limit::after(IDLE),
            false => self.until(next),
        };
        let notified = self.earliest.wait_with(list, limit).is_ok();
        list.staff.alarm = 0;
        let leaves = is_idle && !notified && list.wheel.is_empty() && !list.is_closed;
        if leaves {
            list.staff.leave_lead();
            list.staff.is_resting = true;
            self.watch.notify_all();
            self.reserve.notify_all();
        }
        !leaves
    }

    /// A timer is due, and its function must not be called: invariant: a successor.
    #[cold]
    fn find_successor<'q>(
        &'q self,
        mut list: LockGuard<'q, List>,
        server: &impl Server,
    ) -> LockGuard<'q, List> {
        let (now, hire_at) = (self.now(), list.staff.hire_at());
        if hire_at.is_some_and(|at| at <= now) {
            drop(list);
            let hired = self.hire(server, false);
            list = self.list.lock();
            if let Err(error) = hired
                && list.staff.successors == 0
                && list.staff.may_warn(now)
            {
                drop(list);
                server.warn(&error);
                list = self.list.lock();
            }
            return list;
        }
        // A thread that returns from its function ends the wait.
        let limit = self.until(hire_at.unwrap_or(NEVER));
        let _ = self.earliest.wait_with(&mut list, limit);
        list
    }

    /// Ends all timers that are pending and lets nothing repeat. The serving threads end when their
    /// functions have returned.
    pub(crate) fn close(&self) {
        let mut list = self.list.lock();
        let actions = list.close();
        drop(list);
        self.wake_all();
        for action in actions {
            action.discard();
        }
    }

    /// Has every thread look again.
    pub(crate) fn wake_all(&self) {
        self.earliest.notify_all();
        self.watch.notify_all();
        self.reserve.notify_all();
    }

    #[cfg(tk_loom)]
    pub(crate) fn loom_register(&self) {
        drop(self.list.lock());
        drop(self.hiring.lock());
        self.earliest.loom_register();
        self.watch.loom_register();
        self.reserve.loom_register();
    }
}
