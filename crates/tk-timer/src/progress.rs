//! How far a timer has come, and waiting for its end.
//!
//! | word | meaning | `begin` | `repeat` | `set_last` | `end` |
//! |---|---|---|---|---|---|
//! | `PENDING` | the timer is in the wheel | `RUNNING` | | | `ENDED` |
//! | `RUNNING` | its function runs | | `PENDING` | `RUNNING` and `LAST` | `ENDED` |
//! | `RUNNING` and `LAST` | its function runs for the last time | | | no change | `ENDED` |
//! | `ENDED` | it has fired for the last time, or was cancelled | | | | |
//!
//! Every word but `ENDED` may have `JOINED` in addition: a thread waits for the end, or has waited.
//! The operations in the table keep it.
//!
//! # Invariants
//!
//! **Changed under the lock.** The word changes only with the scheduler's state locked, so it is
//! read and written in two steps. Any thread may read it.
//!
//! **Joined before parked.** A thread that is about to wait for the end adds `JOINED` first, unless
//! the timer has ended. `JOINED` stays until the end. So the thread that ends the timer finds it
//! and unparks the threads that wait. Timers that nobody joins never touch the parking lot.
//!
//! **The runner is inside.** The thread that calls or drops the function of a running timer notes
//! itself as the runner, and takes the note back before the timer leaves `RUNNING`. So the timer
//! does not end before a runner has gone on, even if the timer repeats. A watcher finds deadlocks
//! by this. A note that it reads too late names a thread that has ended, which is in no deadlock:
//! each call has a thread of its own.

use tk_core::Owner;
use tk_lock::Lock;
use tk_park::__private::{Failed, Held, Holders, Holds, park_while_held};
use tk_park::sync::{AtomicU32, Ordering::*};
use tk_park::{Limit, WaitError, WaitInfo, unpark_all};

use crate::state::State;

#[derive(Debug)]
pub(crate) struct Progress {
    word: AtomicU32,
    /// The owner number of the thread that calls or drops the function, or zero.
    runner: AtomicU32,
}

const PENDING: u32 = 0;
const RUNNING: u32 = 1;
const ENDED: u32 = 2;
const LAST: u32 = 1 << 2;
const JOINED: u32 = 1 << 3;

/// The meaning of a timer's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The timer is in the wheel.
    Pending,
    /// Its function runs, and `last` says whether for the last time.
    Running { last: bool },
    /// It has come to its end.
    Ended,
}

fn phase(word: u32) -> Phase {
    match word & (RUNNING | ENDED) {
        PENDING => Phase::Pending,
        RUNNING => Phase::Running {
            last: word & LAST != 0,
        },
        _ => Phase::Ended,
    }
}

impl Progress {
    /// Returns the progress of a timer that is in the wheel, or about to be.
    pub(crate) const fn pending() -> Progress {
        Progress {
            word: AtomicU32::new(PENDING),
            runner: AtomicU32::new(0),
        }
    }

    #[inline]
    pub(crate) fn phase(&self) -> Phase {
        // Acquire: pairs with the Release in `end`. A thread that sees the end also sees what the
        // function did.
        phase(self.word.load(Acquire))
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.phase() == Phase::Ended
    }

    pub(crate) fn is_last(&self) -> bool {
        self.phase() == Phase::Running { last: true }
    }

    /// The function of a pending timer is about to be called.
    pub(crate) fn begin(&self, _: &mut State) {
        self.change(|word| word & JOINED | RUNNING);
    }

    /// A running timer is not to repeat.
    pub(crate) fn set_last(&self, _: &mut State) {
        self.change(|word| word | LAST);
    }

    /// A running timer is in the wheel again.
    pub(crate) fn repeat(&self, _: &mut State) {
        self.change(|word| word & JOINED | PENDING);
    }

    /// A pending or running timer has ended. Wakes all threads that wait for the end.
    #[inline]
    pub(crate) fn end(&self, _: &mut State) {
        // Relaxed: changed under the lock.
        let joined = self.word.load(Relaxed) & JOINED != 0;
        // Release: pairs with the Acquire in `phase`.
        self.word.store(ENDED, Release);
        if joined {
            unpark_all(&self.word, 0);
        }
    }

    /// Adds `JOINED`, and returns whether the timer has yet to end.
    fn expect_end(&self, _: &mut State) -> bool {
        let goes_on = phase(self.word.load(Relaxed)) != Phase::Ended;
        if goes_on {
            self.change(|word| word | JOINED);
        }
        goes_on
    }

    fn change(&self, change: impl FnOnce(u32) -> u32) {
        // Relaxed: changed under the lock. Threads that read the word without the lock read nothing
        // else that these changes order.
        self.word.store(change(self.word.load(Relaxed)), Relaxed);
    }

    /// Waits for the end.
    #[track_caller]
    pub(crate) fn join(&self, state: &Lock<State>, limit: Limit<'_>) -> Result<(), WaitError> {
        // Joined before parked.
        if self.has_ended() || !self.expect_end(&mut state.lock()) {
            return Ok(());
        }
        let goes_on = || !self.has_ended();
        let info = WaitInfo::new("timer").held_by(self.runner());
        // The end of the runner's thread is soon followed by the end of the wait, or the next call.
        let held = Held::end_of(self).breakable();
        match park_while_held(&self.word, goes_on, &info, limit, held) {
            Ok(()) => Ok(()),
            Err(Failed::Limit(error)) => Err(error),
            Err(Failed::Deadlock(broken)) => broken.panic(),
        }
    }

    /// Notes the thread that calls or drops the function: The runner is inside.
    pub(crate) fn set_runner(&self, runner: Option<Owner>) {
        // Relaxed: a watcher looks at the runner's wait first, with a lock that the runner has held
        // since. A thread that joins shows the number to others, and relies on nothing.
        self.runner.store(runner.map_or(0, Owner::get), Relaxed);
    }

    fn runner(&self) -> Option<Owner> {
        Owner::new(self.runner.load(Relaxed))
    }

    #[cfg(tk_loom)]
    pub(crate) fn loom_register(&self) {
        self.word.loom_register();
        self.runner.loom_register();
    }
}

impl Holds for Progress {
    fn add_holders(&self, holders: &mut Holders<'_>) {
        if let Some(runner) = self.runner() {
            holders.add(runner);
        }
    }
}
