//! Who serves: the leader, the standby, and the reserve.
//!
//! | role | what it does | becomes |
//! |---|---|---|
//! | leader | sleeps until the earliest timer is due, and calls the functions, one after another | busy, if it is overtaken during a call |
//! | standby | watches the leader: if a function takes long and another timer is due, takes the lead | leader |
//! | reserve | sleeps until the place of the standby is free | standby |
//! | busy | was the leader, and its function has yet to return | standby or reserve |
//!
//! Standby and reserve together are the *successors*.
//!
//! - **Invariant: one leader.** The lead changes hands with the list locked. A thread that returns
//!   from a function learns from the number of its call whether it still has the lead.
//! - **Invariant: a successor.** The leader calls a function only while there is a successor. So
//!   whatever the function does, somebody is there to wait for the next timer, and to try again if
//!   the system starts no thread. Without this rule: the system refuses a thread for a moment, the
//!   last free thread calls a function of an hour, and nobody is left to notice that threads can be
//!   had again.
//! - **Invariant: existing threads only.** A thread is counted after the system has started it,
//!   never before. Without this rule: thread A counts the thread that it is about to start, thread
//!   B starts a timer and relies on it, and the start of the thread fails. B's timer never fires.
//! - **Invariant: a standby.** While there is a leader and a successor, there is a standby, or a
//!   successor is awake and about to see whether there is one.
//! - **Invariant: alarms.** `alarm` is the time at which the leader looks by itself, `watch` that
//!   of the standby; zero means that it is awake or does not exist. A thread that makes the time
//!   earlier sets it to zero and notifies the sleeper; so it is notified once.

use crate::wheel::NEVER;

/// So many threads are free while a timer is pending: the leader, the standby, and one in reserve.
/// With the last one, a function that takes long does not use up the successor for those that are
/// short, even if no more thread can be had.
pub(crate) const FREE: u32 = 3;

/// With fewer threads no function could be called: one calls it, the other one is the successor.
pub(crate) const MIN_THREADS: u32 = 2;

/// A function that has taken so long and sleeps is overtaken: nanoseconds.
pub(crate) const SHORT: u64 = 250_000;

/// A function that has taken so long is overtaken in any case: nanoseconds. Until then it may just
/// not have got the processor.
pub(crate) const LONG: u64 = 5_000_000;

/// When the system has refused a thread, it is asked again after this time, then after twice as
/// much, and so on: nanoseconds.
const FIRST_RETRY: u64 = 1_000_000;
const LAST_RETRY: u64 = 250_000_000;

/// How often it is logged that a timer is late for lack of a thread: nanoseconds.
const WARN_EVERY: u64 = 60_000_000_000;

/// The threads of a service.
#[derive(Debug)]
pub struct Staff {
    pub(crate) seat: Seat,
    /// The number of the latest call of a leader.
    pub(crate) call: u64,
    /// Standby and reserve, awake or asleep.
    pub(crate) successors: u32,
    busy: u32,
    pub(crate) has_standby: bool,
    pub(crate) alarm: u64,
    pub(crate) watch: u64,
    /// The last leader has left because it had nothing to do. The others follow, unless a timer is
    /// started.
    pub(crate) is_resting: bool,
    pub(crate) max_threads: u32,
    /// By the clock of the wheel.
    retry_at: u64,
    retry_after: u64,
    warn_at: u64,
    /// [`SHORT`] and [`LONG`], but in models.
    short: u64,
    pub(crate) long: u64,
}

/// The place of the leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seat {
    /// There is no leader.
    Empty,
    /// The leader sleeps, or is about to look for timers that are due.
    Waiting,
    /// The leader calls a function.
    Calling {
        since: u64,
        /// The leader's number in the operating system, if that is known.
        thread: Option<u64>,
    },
}

impl Staff {
    pub(crate) const fn new() -> Staff {
        Staff {
            seat: Seat::Empty,
            call: 0,
            successors: 0,
            busy: 0,
            has_standby: false,
            alarm: 0,
            watch: 0,
            is_resting: false,
            max_threads: u32::MAX,
            retry_at: 0,
            retry_after: FIRST_RETRY,
            warn_at: 0,
            short: SHORT,
            long: LONG,
        }
    }

    /// Has the standby overtake a call that has taken so long.
    #[cfg(tk_loom)]
    pub(crate) fn set_patience(&mut self, nanos: u64) {
        (self.short, self.long) = (nanos, nanos);
    }

    /// How many threads call no function, or would be overtaken if it took long.
    #[inline]
    pub(crate) fn free(&self) -> u32 {
        self.successors + u32::from(self.seat != Seat::Empty)
    }

    pub(crate) fn threads(&self) -> u32 {
        self.free() + self.busy
    }

    /// Whether there are as many threads as there should be.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.free() >= FREE || self.threads() >= self.max_threads
    }

    /// Whether a timer that is started now will be called, even if the function that runs now, if
    /// one does, never returns. At the bound this does not count: a bound is the program's own.
    pub(crate) fn can_serve(&self) -> bool {
        let idle = self.successors + u32::from(self.seat == Seat::Waiting);
        idle >= MIN_THREADS || self.threads() >= self.max_threads
    }

    /// Whether there are more threads than there should be, so that one of the reserve may leave.
    pub(crate) fn has_surplus(&self) -> bool {
        self.free() > FREE && self.has_standby
    }

    pub(crate) fn is_over_the_bound(&self) -> bool {
        self.threads() > self.max_threads && self.has_standby && self.free() > MIN_THREADS
    }

    /// When it makes sense to ask the system for one more thread; `None` if it does not.
    pub(crate) fn hire_at(&self) -> Option<u64> {
        (!self.is_full()).then_some(self.retry_at)
    }

    /// The system has started a thread. Says whether the leader may be waiting for it.
    pub(crate) fn hired(&mut self) -> bool {
        self.retry_at = 0;
        self.retry_after = FIRST_RETRY;
        self.successors += 1;
        self.successors == 1
    }

    /// The system has not started a thread.
    pub(crate) fn refused(&mut self, now: u64) {
        self.retry_at = now.saturating_add(self.retry_after);
        self.retry_after = (2 * self.retry_after).min(LAST_RETRY);
    }

    /// Whether it is to be logged that a timer is late.
    pub(crate) fn may_warn(&mut self, now: u64) -> bool {
        let may = now >= self.warn_at;
        if may {
            self.warn_at = now.saturating_add(WARN_EVERY);
        }
        may
    }

    /// A successor becomes the leader, in a place that is empty.
    pub(crate) fn take_lead(&mut self) {
        debug_assert_eq!(self.seat, Seat::Empty);
        self.successors -= 1;
        self.seat = Seat::Waiting;
        self.alarm = 0;
    }

    /// The standby becomes the leader. The one that was is busy.
    pub(crate) fn overtake(&mut self) {
        debug_assert!(matches!(self.seat, Seat::Calling { .. }) && self.has_standby);
        self.has_standby = false;
        self.watch = 0;
        self.busy += 1;
        self.seat = Seat::Empty;
        self.take_lead();
    }

    /// The leader calls a function. Returns the number of the call.
    pub(crate) fn begin_call(&mut self, since: u64, thread: Option<u64>) -> u64 {
        debug_assert!(self.successors > 0, "invariant: a successor");
        self.seat = Seat::Calling { since, thread };
        self.call += 1;
        self.call
    }

    /// The function has returned. Says whether the thread is still the leader; if not, it is a
    /// successor.
    pub(crate) fn end_call(&mut self, call: u64) -> bool {
        let leads = self.call == call && matches!(self.seat, Seat::Calling { .. });
        if leads {
            self.seat = Seat::Waiting;
            self.alarm = 0;
        } else {
            self.busy -= 1;
            self.successors += 1;
        }
        leads
    }

    /// The leader leaves.
    pub(crate) fn leave_lead(&mut self) {
        self.seat = Seat::Empty;
        self.alarm = 0;
    }

    /// When the standby has to look after the leader, if the earliest timer is due at `next` and
    /// `pending` timers are. `patient` says that the leader's call is known not to sleep.
    pub(crate) fn look_at(&self, now: u64, next: u64, pending: usize, patient: bool) -> u64 {
        match self.seat {
            Seat::Empty => NEVER,
            // The earliest is the leader's; another one may be due during the call. The leader
            // would tell the standby when it begins the call, but that takes time, and this way it
            // mostly needs not.
            Seat::Waiting => {
                let look = self.alarm.saturating_add(self.short);
                let sleeps = self.alarm != 0 && self.alarm != NEVER;
                if sleeps && pending > 1 && look > now {
                    look
                } else {
                    NEVER
                }
            }
            Seat::Calling { since, .. } => {
                let patience = if patient { self.long } else { self.short };
                next.max(since.saturating_add(patience))
            }
        }
    }

    /// Whether the standby has to look earlier than it will, because a timer is due at `next`. It
    /// is to be told, once.
    #[inline]
    pub(crate) fn calls_standby(&mut self, next: u64) -> bool {
        let Seat::Calling { since, .. } = self.seat else {
            return false;
        };
        let earlier = next.max(since.saturating_add(self.short)) < self.watch;
        if earlier {
            self.watch = 0;
        }
        earlier
    }

    /// Whether the leader has to look earlier than it will. It is to be told, once.
    #[inline]
    pub(crate) fn calls_leader(&mut self, next: u64) -> bool {
        let earlier = self.seat == Seat::Waiting && next < self.alarm;
        if earlier {
            self.alarm = 0;
        }
        earlier
    }
}
