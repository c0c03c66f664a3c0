//! The threads of a service: the leader, the standby, the reserve, and those that are busy.
//!
//! | role | what it does | becomes |
//! |---|---|---|
//! | leader | sleeps until the earliest timer is due, and calls the functions one after another | busy, if it is overtaken during a call |
//! | standby | watches the leader: takes the lead if a function takes long and another timer is due | leader |
//! | reserve | sleeps until there is no standby | standby |
//! | busy | was overtaken as the leader, and its function has not returned | standby or reserve |
//!
//! Standby and reserve together are the *successors*.
//!
//! | operation | `seat` before | `seat` after | `successors` | `busy` |
//! |---|---|---|---|---|
//! | `take_lead` | `Empty` | `Waiting` | -1 | |
//! | `begin_call` | `Waiting` | `Calling` | | |
//! | `end_call`, still the leader | `Calling` | `Waiting` | | |
//! | `overtake` | `Calling` | `Waiting`, by another thread | -1 | +1 |
//! | `end_call`, was overtaken | any | no change | +1 | -1 |
//! | `leave_lead` | `Waiting` | `Empty` | | |
//! | `hired` | any | no change | +1 | |
//!
//! # Invariants
//!
//! **One leader.** The lead changes hands with the state locked. A thread that returns from a
//! function compares the number of its call with the latest one, and so knows whether it still has
//! the lead.
//!
//! **A successor.** The leader calls a function only while there is a successor. So there is always
//! a thread that waits for the next timer, and that tries again if the system refuses a thread.
//! Without this rule, this happens: the system refuses a thread for a moment, the last free thread
//! calls a function that takes an hour, and no thread notices that the system would start threads
//! again.
//!
//! **Existing threads only.** A thread is counted after the system has started it, never before.
//! Without this rule, this happens:
//!
//! 1. Thread A counts the thread that it is about to start.
//! 2. Thread B starts a timer, and relies on that thread.
//! 3. The system refuses the thread. B's timer never fires.
//!
//! **A standby.** While there is a leader and a successor, there is a standby, or a successor is
//! awake and about to check whether there is one.
//!
//! **Alarms.** `leader_alarm` is the time at which the leader wakes up by itself, `standby_alarm`
//! that of the standby. Zero means that the thread is awake or does not exist. A thread that needs
//! the sleeper earlier sets the alarm to zero and notifies it, so it is notified once.

use crate::wheel::NEVER;

/// The number of free threads while a timer is pending: the leader, the standby, and one in
/// reserve.
///
/// With the one in reserve, a function that takes long does not use up the successor that short
/// functions need, even if the system starts no more threads.
pub(crate) const FREE: u32 = 3;

/// The least bound. With fewer threads no function could be called: *a successor*.
pub(crate) const MIN_THREADS: u32 = 2;

/// A function that has taken this long and sleeps is overtaken, in nanoseconds.
pub(crate) const SHORT: u64 = 250_000;

/// A function that has taken this long is overtaken even if it runs, in nanoseconds. Until then it
/// may just not have got the processor.
pub(crate) const LONG: u64 = 5_000_000;

/// After the system has refused a thread, it is asked again after this time, then after twice as
/// much, and so on up to `LAST_RETRY`, in nanoseconds.
const FIRST_RETRY: u64 = 1_000_000;
const LAST_RETRY: u64 = 250_000_000;

/// The least time between two warnings that a timer is late for lack of a thread, in nanoseconds.
const WARN_EVERY: u64 = 60_000_000_000;

/// The threads of a service. All times are those of the wheel.
#[derive(Debug)]
pub(crate) struct Staff {
    pub(crate) seat: Seat,
    /// The number of the latest call of a leader.
    pub(crate) call: u64,
    /// Standby and reserve, awake or asleep.
    pub(crate) successors: u32,
    busy: u32,
    pub(crate) has_standby: bool,
    pub(crate) leader_alarm: u64,
    pub(crate) standby_alarm: u64,
    /// The last leader has left because it had nothing to do. The others follow, unless a timer is
    /// started.
    pub(crate) is_resting: bool,
    pub(crate) max_threads: u32,
    retry_at: u64,
    retry_after: u64,
    warn_at: u64,
    /// [`SHORT`] and [`LONG`], except in models.
    short: u64,
    pub(crate) long: u64,
}

/// The place of the leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seat {
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
            leader_alarm: 0,
            standby_alarm: 0,
            is_resting: false,
            max_threads: u32::MAX,
            retry_at: 0,
            retry_after: FIRST_RETRY,
            warn_at: 0,
            short: SHORT,
            long: LONG,
        }
    }

    /// Makes the standby overtake any call that has taken this long.
    #[cfg(tk_loom)]
    pub(crate) fn set_patience(&mut self, nanos: u64) {
        (self.short, self.long) = (nanos, nanos);
    }

    /// Returns the number of threads that are not busy.
    #[inline]
    pub(crate) fn free(&self) -> u32 {
        self.successors + u32::from(self.seat != Seat::Empty)
    }

    pub(crate) fn threads(&self) -> u32 {
        self.free() + self.busy
    }

    /// Returns whether there are as many threads as there should be.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.free() >= FREE || self.threads() >= self.max_threads
    }

    /// Returns whether a timer that is started now will be called, even if the function that runs
    /// now never returns. At the bound it always returns `true`, because the program has set it.
    pub(crate) fn can_serve(&self) -> bool {
        let idle = self.successors + u32::from(self.seat == Seat::Waiting);
        idle >= MIN_THREADS || self.threads() >= self.max_threads
    }

    /// Returns whether a thread of the reserve may leave, because there are more than needed.
    pub(crate) fn has_surplus(&self) -> bool {
        self.free() > FREE && self.has_standby
    }

    /// Returns whether a successor has to leave, because the bound was lowered.
    pub(crate) fn is_over_the_bound(&self) -> bool {
        self.threads() > self.max_threads && self.has_standby && self.free() > MIN_THREADS
    }

    /// Returns the time from which on the system may be asked for one more thread, or `None` if
    /// there are enough.
    pub(crate) fn hire_at(&self) -> Option<u64> {
        (!self.is_full()).then_some(self.retry_at)
    }

    /// The system has started a thread. Returns whether the leader may be waiting for it.
    pub(crate) fn hired(&mut self) -> bool {
        self.retry_at = 0;
        self.retry_after = FIRST_RETRY;
        self.successors += 1;
        self.successors == 1
    }

    /// The system has refused a thread.
    pub(crate) fn refused(&mut self, now: u64) {
        self.retry_at = now.saturating_add(self.retry_after);
        self.retry_after = (2 * self.retry_after).min(LAST_RETRY);
    }

    /// Returns whether it is time for another warning that a timer is late.
    pub(crate) fn may_warn(&mut self, now: u64) -> bool {
        let may = now >= self.warn_at;
        if may {
            self.warn_at = now.saturating_add(WARN_EVERY);
        }
        may
    }

    /// A successor becomes the leader.
    pub(crate) fn take_lead(&mut self) {
        debug_assert_eq!(self.seat, Seat::Empty);
        self.successors -= 1;
        self.seat = Seat::Waiting;
        self.leader_alarm = 0;
    }

    /// The standby becomes the leader, and the leader becomes busy.
    pub(crate) fn overtake(&mut self) {
        debug_assert!(matches!(self.seat, Seat::Calling { .. }) && self.has_standby);
        self.has_standby = false;
        self.standby_alarm = 0;
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

    /// The function has returned. Returns whether the thread is still the leader. If not, it is a
    /// successor now.
    pub(crate) fn end_call(&mut self, call: u64) -> bool {
        // One leader: a thread that has overtaken this one may have begun a call of its own.
        let leads = self.call == call && matches!(self.seat, Seat::Calling { .. });
        if leads {
            self.seat = Seat::Waiting;
            self.leader_alarm = 0;
        } else {
            self.busy -= 1;
            self.successors += 1;
        }
        leads
    }

    /// The leader leaves.
    pub(crate) fn leave_lead(&mut self) {
        self.seat = Seat::Empty;
        self.leader_alarm = 0;
    }

    /// Returns when the standby has to look after the leader, if `pending` timers are pending and
    /// the earliest is due at `next`. `patient` says that the leader's call was found not to sleep.
    pub(crate) fn look_at(&self, now: u64, next: u64, pending: usize, patient: bool) -> u64 {
        match self.seat {
            Seat::Empty => NEVER,
            // The leader will call the earliest timer, and another one may be due during the call.
            // The leader could wake the standby when it begins the call, but that would cost time
            // in each call. A standby that sleeps until then anyway need not be woken.
            Seat::Waiting => {
                let look = self.leader_alarm.saturating_add(self.short);
                let sleeps = self.leader_alarm != 0 && self.leader_alarm != NEVER;
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

    /// Returns whether the standby has to be woken, because a timer is due at `next` and it would
    /// look too late. If so, it counts as awake.
    #[inline]
    pub(crate) fn must_wake_standby(&mut self, next: u64) -> bool {
        let Seat::Calling { since, .. } = self.seat else {
            return false;
        };
        let earlier = next.max(since.saturating_add(self.short)) < self.standby_alarm;
        if earlier {
            self.standby_alarm = 0;
        }
        earlier
    }

    /// Returns whether the leader has to be woken, because a timer is due at `next` and it would
    /// look too late. If so, it counts as awake.
    #[inline]
    pub(crate) fn must_wake_leader(&mut self, next: u64) -> bool {
        let earlier = self.seat == Seat::Waiting && next < self.leader_alarm;
        if earlier {
            self.leader_alarm = 0;
        }
        earlier
    }
}
