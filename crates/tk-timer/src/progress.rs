//! How far a timer has come, and waiting for its end.
//!
//! | value | meaning | changes to |
//! |---|---|---|
//! | `PENDING` | it is on the list | `RUNNING`, `ENDED` |
//! | `RUNNING` | its function runs | `PENDING` if it repeats, `LAST` added, `ENDED` |
//! | `RUNNING` and `LAST` | the same, and it does not repeat any more | `ENDED` |
//! | `ENDED` | it has fired for the last time, or was cancelled | |
//!
//! Each of them but the last with `JOINED`, if a thread waits or has waited for the end.
//!
//! - **Invariant: the list's lock.** The progress changes with the list locked. Any thread may read
//!   it.
//! - **Invariant: joined.** A thread that is about to wait for the end adds `JOINED` first, unless
//!   the timer has ended. It stays until the end. So the thread that ends the timer finds it, and
//!   wakes all that wait; where none does, no parking lot is asked.

use tk_lock::Lock;
use tk_park::sync::{AtomicU32, Ordering::*};
use tk_park::{Limit, WaitError, WaitInfo, park_while, unpark_all};

use crate::list::List;

#[derive(Debug)]
pub struct Progress(AtomicU32);

const PENDING: u32 = 0;
const RUNNING: u32 = 1;
const ENDED: u32 = 2;
const LAST: u32 = 1 << 2;
const JOINED: u32 = 1 << 3;

/// What a timer's progress says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is on the list.
    Pending,
    /// Its function runs; for the last time?
    Running { last: bool },
    /// It has come to its end.
    Ended,
}

fn state(word: u32) -> State {
    match word & (RUNNING | ENDED) {
        PENDING => State::Pending,
        RUNNING => State::Running {
            last: word & LAST != 0,
        },
        _ => State::Ended,
    }
}

impl Progress {
    /// That of a timer which is on the list, or about to be.
    pub(crate) const fn pending() -> Progress {
        Progress(AtomicU32::new(PENDING))
    }

    #[inline]
    pub(crate) fn state(&self) -> State {
        // Acquire: pairs with the Release in `end`; a thread that sees the end sees what the
        // function did.
        state(self.0.load(Acquire))
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.state() == State::Ended
    }

    pub(crate) fn is_last(&self) -> bool {
        self.state() == State::Running { last: true }
    }

    /// From pending: the function runs.
    pub(crate) fn begin(&self, _: &mut List) {
        self.change(|word| word & JOINED | RUNNING);
    }

    /// From running: it does not repeat any more.
    pub(crate) fn set_last(&self, _: &mut List) {
        self.change(|word| word | LAST);
    }

    /// From running: it is on the list again.
    pub(crate) fn repeat(&self, _: &mut List) {
        self.change(|word| word & JOINED | PENDING);
    }

    /// From pending or running: that was it. Wakes all that wait for it.
    #[inline]
    pub(crate) fn end(&self, _: &mut List) {
        // Relaxed: the list's lock orders the changes.
        let joined = self.0.load(Relaxed) & JOINED != 0;
        // Release: pairs with the Acquire in `state`.
        self.0.store(ENDED, Release);
        if joined {
            unpark_all(&self.0, 0);
        }
    }

    /// A thread is about to wait for the end. `false` if it has come.
    fn expect_end(&self, _: &mut List) -> bool {
        let goes_on = state(self.0.load(Relaxed)) != State::Ended;
        if goes_on {
            self.change(|word| word | JOINED);
        }
        goes_on
    }

    fn change(&self, change: impl FnOnce(u32) -> u32) {
        // Relaxed: the list's lock orders the changes. Others read nothing but the state itself.
        self.0.store(change(self.0.load(Relaxed)), Relaxed);
    }

    /// Waits for the end.
    #[track_caller]
    pub(crate) fn join(&self, list: &Lock<List>, limit: Limit<'_>) -> Result<(), WaitError> {
        if self.has_ended() || !self.expect_end(&mut list.lock()) {
            return Ok(());
        }
        park_while(
            &self.0,
            || !self.has_ended(),
            &WaitInfo::new("timer"),
            limit,
        )
    }

    #[cfg(tk_loom)]
    pub(crate) fn loom_register(&self) {
        self.0.loom_register();
    }
}
