//! How far a timer has come, and waiting for its end.
//!
//! 1. Whoever changes the progress has the list locked. Everybody may read it.
//! 2. Whoever wants to wait for the end adds `JOINED` first, unless the timer has ended. It stays until the end. So the one who
//!    ends the timer finds it, and wakes all who wait; where nobody does, no parking lot is asked.

use tk_core::Slot;
use tk_lock::Lock;
use tk_park::sync::{AtomicU32, Ordering::*, current_slot};
use tk_park::{Limit, Parked, Wait, WaitError, park, unpark_all};

use crate::list::List;

/// | value | meaning | changes to |
/// |---|---|---|
/// | 0 | pending: it is on the list | a slot, `ENDED` |
/// | a slot | its function runs in that thread | 0 if it repeats, `LAST` added, `ENDED` |
/// | a slot and `LAST` | the same, and it does not repeat any more | `ENDED` |
/// | `ENDED` | it has fired for the last time, or was cancelled | |
///
/// Each of them but the last with `JOINED`, if somebody waits or has waited for the end.
#[derive(Debug)]
pub struct Progress(AtomicU32);

const PENDING: u32 = 0;
/// No slot has this bit.
const LAST: u32 = 1 << 30;
const ENDED: u32 = LAST;
const JOINED: u32 = 1 << 31;

/// What a timer's progress says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is on the list.
    Pending,
    /// Its function runs in the thread of this slot.
    Running { slot: Slot, last: bool },
    /// It has come to its end.
    Ended,
}

/// Why a join did not wait for the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotJoined {
    /// The limit was reached.
    Limit(WaitError),
    /// The calling thread runs the timer's function.
    Own,
}

fn state(word: u32) -> State {
    match word & !JOINED {
        PENDING => State::Pending,
        ENDED => State::Ended,
        running => State::Running {
            slot: Slot::new(running & !LAST).expect("a running timer has the slot of its thread"),
            last: running & LAST != 0,
        },
    }
}

impl Progress {
    /// That of a timer which is on the list, or about to be.
    pub(crate) const fn pending() -> Progress {
        Progress(AtomicU32::new(PENDING))
    }

    #[inline]
    pub(crate) fn state(&self) -> State {
        // Acquire: pairs with the Release in `end`; who sees the end sees what the function did.
        state(self.0.load(Acquire))
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.state() == State::Ended
    }

    /// From pending: the function runs, in the calling thread.
    pub(crate) fn begin(&self, _: &mut List) {
        self.change(|word| word & JOINED | current_slot().get());
    }

    /// From running: it does not repeat any more.
    pub(crate) fn set_last(&self, _: &mut List) {
        self.change(|word| word | LAST);
    }

    /// From running: it is on the list again.
    pub(crate) fn repeat(&self, _: &mut List) {
        self.change(|word| word & JOINED);
    }

    /// From pending or running: that was it. Wakes all who wait for it.
    #[inline]
    pub(crate) fn end(&self, _: &mut List) {
        // Relaxed: by 1., nobody else changes it.
        let joined = self.0.load(Relaxed) & JOINED != 0;
        // Release: pairs with the Acquire in `state`.
        self.0.store(ENDED, Release);
        if joined {
            unpark_all(&self.0, 0);
        }
    }

    /// Somebody is about to wait for the end. `false` if it has come.
    fn expect_end(&self, _: &mut List) -> bool {
        let goes_on = state(self.0.load(Relaxed)) != State::Ended;
        if goes_on {
            self.change(|word| word | JOINED);
        }
        goes_on
    }

    fn change(&self, change: impl FnOnce(u32) -> u32) {
        // Relaxed: by 1., the list's lock orders it. Others read nothing but the state itself.
        self.0.store(change(self.0.load(Relaxed)), Relaxed);
    }

    /// Waits for the end.
    #[track_caller]
    pub(crate) fn join(&self, list: &Lock<List>, limit: Limit<'_>) -> Result<(), NotJoined> {
        let wait = Wait::new("timer");
        loop {
            match self.state() {
                State::Ended => return Ok(()),
                State::Running { slot, .. } if slot == current_slot() => {
                    return Err(NotJoined::Own);
                }
                _ => {}
            }
            if !self.expect_end(&mut list.lock()) {
                continue;
            }
            // Relaxed, under the lock of the queue: whoever has ended it and woken all before had that lock too.
            let goes_on = || state(self.0.load(Relaxed)) != State::Ended;
            let error = match park(&self.0, goes_on, &wait, limit) {
                Parked::TimedOut => WaitError::TimedOut,
                Parked::Stopped => WaitError::Stopped,
                _ => continue,
            };
            // One look more: it may have ended in the moment when the limit was reached.
            return match self.has_ended() {
                true => Ok(()),
                false => Err(NotJoined::Limit(error)),
            };
        }
    }

    #[cfg(tk_loom)]
    pub(crate) fn touch(&self) {
        self.0.touch();
    }
}
