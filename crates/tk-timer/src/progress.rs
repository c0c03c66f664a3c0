//! How far a timer has come, and waiting for its end.
//!
//! 1. Whoever changes the progress has the list locked; but for `JOINED`, which whoever waits for the end adds.
//! 2. `JOINED` stays until the end. So the one who ends the timer, by one swap, either finds it and wakes all who wait, or comes
//!    before it was added, and whoever adds it finds that the timer has ended.

use tk_core::Slot;
use tk_park::sync::{AtomicU32, Ordering::*, current_slot};
use tk_park::{Limit, Parked, Wait, WaitError, park, unpark_all};

/// | value | meaning | changes to |
/// |---|---|---|
/// | 0 | pending: it is on the list | a slot, `ENDED` |
/// | a slot | its function runs in that thread | 0 if it repeats, `LAST` added, `ENDED` |
/// | a slot and `LAST` | the same, and it does not repeat any more | `ENDED` |
/// | `ENDED` | it has fired for the last time, or was cancelled | |
///
/// Each of them with `JOINED`, if somebody waits or has waited for the end; but for the last, where it means nothing.
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

    pub(crate) fn state(&self) -> State {
        // Acquire: pairs with the Release in `end`; who sees the end sees what the function did.
        state(self.0.load(Acquire))
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.state() == State::Ended
    }

    /// From pending: the function runs, in the calling thread.
    pub(crate) fn begin(&self) {
        // Relaxed, as in the next two: by 1., the list's lock orders it.
        self.0.fetch_or(current_slot().get(), Relaxed);
    }

    /// From running: it does not repeat any more.
    pub(crate) fn set_last(&self) {
        self.0.fetch_or(LAST, Relaxed);
    }

    /// From running: it is on the list again.
    pub(crate) fn repeat(&self) {
        self.0.fetch_and(JOINED, Relaxed);
    }

    /// From pending or running: that was it. Wakes all who wait for it.
    pub(crate) fn end(&self) {
        // Release: pairs with the Acquire in `state`.
        if self.0.swap(ENDED, Release) & JOINED != 0 {
            unpark_all(&self.0, 0);
        }
    }

    /// Waits for the end.
    #[track_caller]
    pub(crate) fn join(&self, limit: Limit<'_>) -> Result<(), NotJoined> {
        let wait = Wait::new("timer");
        loop {
            match self.state() {
                State::Ended => return Ok(()),
                State::Running { slot, .. } if slot == current_slot() => {
                    return Err(NotJoined::Own);
                }
                _ => {}
            }
            // Relaxed: by 2., whichever of this and the swap comes later sees the other. What has ended is loaded again, with
            // Acquire.
            if state(self.0.fetch_or(JOINED, Relaxed)) == State::Ended {
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
