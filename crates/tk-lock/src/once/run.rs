//! Running the closure, and waiting for another thread that runs it.
//!
//! | state | a call | a call that ignores poison | a wait | a wait that ignores poison |
//! |---|---|---|---|---|
//! | new | runs its closure | runs its closure | parks | parks |
//! | poisoned | [`OnceError::Poisoned`] | runs its closure | [`OnceError::Poisoned`] | parks |
//! | running, by another thread | spins, parks | spins, parks | spins, parks | spins, parks |
//! | running, by this thread | [`OnceError::Recursive`] | the same | the same | the same |
//! | running, by a lost thread | as poisoned | as poisoned | as poisoned | as poisoned |
//! | complete | returns | returns | returns | returns |
//!
//! *Parks* means: until the state changes, which includes the begin of a run. So the record of a
//! thread that waits always names the runner.
//!
//! # Invariants
//!
//! *One runner*, *Complete for good* and *Parked bit* stand in `word.rs`.
//!
//! **Each run ends.** A run ends when its [`Run`] is dropped: complete if the closure has returned
//! and said so, poisoned if not. So no thread waits for a closure that has panicked.
//!
//! **A lost runner has panicked.** In the child of a fork, a closure of another thread was cut off
//! at an arbitrary instruction, so what it was building is as good as after a panic. One look for
//! this at each state is enough, because a lost thread begins no run later.

use std::panic::Location;
use std::ptr;

use tk_core::__private::fork::is_lost;
use tk_core::Owner;
use tk_park::__private::{Failed, Held, Holders, Holds, mark_and_park_while_held};
use tk_park::sync::current_owner;
use tk_park::{Limit, Pace, Poll, WaitInfo, spin_until};

// Not those of `sync`: see `line`.
use std::sync::atomic::Ordering::Relaxed;

use super::word::State;
use super::{Once, OnceError, OnceState};
use crate::lost_thread::LostThread;

/// The reaction of a call to an initialization that has panicked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Poison {
    /// It fails.
    Fails,
    /// It goes on as if there had been no initialization.
    IsIgnored,
}

/// A run of the calling thread. Its drop ends the run.
struct Run<'a> {
    once: &'a Once,
    end: State,
}

impl<'a> Run<'a> {
    /// For the thread that has just become the runner.
    fn new(once: &'a Once, line: &'static Location<'static>) -> Run<'a> {
        once.line.store(ptr::from_ref(line).cast_mut(), Relaxed);
        Run {
            once,
            end: State::POISONED,
        }
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        self.once.line.store(ptr::null_mut(), Relaxed);
        self.once.word.end(self.end);
    }
}

/// The runner, for a watcher. By *One runner*, no other thread ends the run. A value that is old is
/// no harm, as for a plain lock (see `raw_lock/acquire.rs`).
impl Holds for Once {
    fn add_holders(&self, holders: &mut Holders<'_>) {
        let runner = self.word.load().runner();
        runner.into_iter().for_each(|runner| holders.add(runner));
    }
}

impl Once {
    /// Runs the closure, unless the initialization is complete. Blocks while another thread runs
    /// its own, until the limit is reached.
    ///
    /// The closure returns whether the initialization is complete. If not, the `Once` is poisoned.
    /// It is called at most once.
    #[cold]
    #[inline(never)]
    #[track_caller]
    pub(crate) fn call(
        &self,
        poison: Poison,
        limit: Limit<'_>,
        closure: &mut dyn FnMut(OnceState) -> bool,
    ) -> Result<(), OnceError> {
        let line = Location::caller();
        // First, because it may call the global allocator, which may use this `Once`.
        let me = current_owner();
        // One description for all rounds, so that the wait counts from its start.
        let mut info = None;
        loop {
            let state = self.word.load();
            let before = OnceState::of(state);
            match before {
                OnceState::Done => return Ok(()),
                OnceState::Poisoned if poison == Poison::Fails => return Err(OnceError::Poisoned),
                OnceState::InProgress => {
                    let info = info.get_or_insert_with(|| WaitInfo::new("once").at(line));
                    self.wait_for_change(state, me, info, limit)?;
                }
                OnceState::New | OnceState::Poisoned => {
                    if self.word.begin(state, me) {
                        let mut run = Run::new(self, line);
                        if closure(before) {
                            run.end = State::COMPLETE;
                        }
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Blocks until the initialization is complete or the limit is reached.
    #[cold]
    #[inline(never)]
    #[track_caller]
    pub(crate) fn wait_slow(&self, poison: Poison, limit: Limit<'_>) -> Result<(), OnceError> {
        let me = current_owner();
        // One description for all rounds, so that the wait counts from its start.
        let info = WaitInfo::new("once");
        loop {
            let state = self.word.load();
            match OnceState::of(state) {
                OnceState::Done => return Ok(()),
                OnceState::Poisoned if poison == Poison::Fails => return Err(OnceError::Poisoned),
                OnceState::New | OnceState::Poisoned | OnceState::InProgress => {
                    self.wait_for_change(state, me, &info, limit)?;
                }
            }
        }
    }

    /// Blocks until the state is another one, or the limit is reached.
    fn wait_for_change(
        &self,
        state: State,
        me: Owner,
        info: &WaitInfo,
        limit: Limit<'_>,
    ) -> Result<(), OnceError> {
        let runner = state.runner();
        if me.is_known() && runner == Some(me) {
            let line = self.line().expect("this thread has stored its line");
            return Err(OnceError::Recursive(line));
        }
        let state = state.without_parked();
        let goes_on = || self.word.load().without_parked() == state;
        // If no thread runs a closure, a change is not likely to come soon.
        if runner.is_some() && !limit.is_expired() {
            let look = || if goes_on() { Poll::Again } else { Poll::Ready };
            if spin_until(Pace::Frequent, look) {
                return Ok(());
            }
        }
        let mark = || self.word.mark_parked(state);
        let info = info.held_by(runner);
        let held = Held::new(self).breakable();
        match mark_and_park_while_held(self.word.queue(), goes_on, mark, &info, limit, held) {
            Ok(()) => Ok(()),
            Err(Failed::Limit(error)) => Err(error.into()),
            // The thread has left the queue, as one that has given up.
            Err(Failed::Deadlock(broken)) => broken.panic(),
        }
    }

    /// The line of the call that runs its closure. It is exact for the runner itself. For other
    /// threads it may be missing.
    fn line(&self) -> Option<&'static Location<'static>> {
        // Relaxed: the location is a constant of the program. The runner sees its own write.
        let line = self.line.load(Relaxed);
        // SAFETY: the pointer is null, or was made from a reference to a static.
        unsafe { line.as_ref() }
    }

    /// Panics with this error, for a call that has no other way to report it.
    #[cold]
    #[inline(never)]
    #[track_caller]
    pub(crate) fn refuse(&self, error: OnceError) -> ! {
        let runner = self.word.load().runner();
        match (error, runner.filter(|runner| is_lost(*runner))) {
            (OnceError::Poisoned, Some(lost)) => {
                panic!("the initialization was run by {}", LostThread(lost))
            }
            (error, _) => panic!("{error}"),
        }
    }
}

impl OnceState {
    pub(super) fn of(state: State) -> OnceState {
        match state.runner() {
            _ if state.is_complete() => OnceState::Done,
            // A lost runner has panicked.
            Some(runner) if is_lost(runner) => OnceState::Poisoned,
            Some(_) => OnceState::InProgress,
            None if state.is_poisoned() => OnceState::Poisoned,
            None => OnceState::New,
        }
    }
}
