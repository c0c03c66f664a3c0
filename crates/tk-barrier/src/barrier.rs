//! The barrier.
//!
//! Each round of the barrier is an object of its own, a [`Round`], which its parties share. The
//! barrier's state names the current round. It changes only with the state locked:
//!
//! | current round | a party arrives | the last party arrives | a limit is reached | `abort` | `reset` |
//! |---|---|---|---|---|---|
//! | pending, not full | is counted, waits | runs the action, then ends the round as passed and begins the next | breaks the round | breaks it | ends it, begins the next |
//! | pending, full: the action runs | waits for the end of the round, not counted | | a party's: breaks the round | breaks it | ends it, begins the next |
//! | broken | gets the error | | | | begins the next |
//!
//! # Invariants
//!
//! **One outcome.** A round's outcome is set once, and stays. A limit, the end of the
//! action, an abort and a reset compete for it, and the first wins, with the state locked.
//!
//! **Current.** A round without an outcome is the current one: a round ends and the next begins in
//! one step. The exception is a round that a fork has lost with the state: see `state.rs`.
//!
//! **Outside.** A thread that finds the round full is not counted and breaks nothing. It
//! waits for that round's outcome, and then arrives anew, unless its limit was reached meanwhile
//! and it would have to wait again. Otherwise a limit that the action of one round used up would
//! break the next round as it begins.
//!
//! **No user code under the lock.** The action runs with nothing locked, and so does the global
//! allocator.

use std::fmt;
use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use tk_core::Owner;
use tk_park::sync::{AtomicU32, current_owner};
use tk_park::{
    AdaptiveSpin, FilterOp, Limit, WaitError, WaitInfo, Waiter, mark_and_park_while, unpark_filter,
};

use crate::BarrierError;
use crate::round::{Outcome, Round};
use crate::state::{Ended, Guard, Needs, StateLock};

#[cfg(all(test, not(tk_loom)))]
mod tests;

/// A point where a number of threads, the parties, wait for each other, again and again.
///
/// Everything that a party did before it arrived happens before the action, and before the return
/// of every party that passes.
///
/// # Limits
///
/// A round passes when all parties have arrived and the [action](Barrier::action), if there is one,
/// has returned. A party whose limit is reached before that breaks the round, and gets
/// [`BarrierError::TimedOut`] or [`BarrierError::Stopped`]; the others get
/// [`BarrierError::Broken`]. This also holds while the action runs. The waiting parties then return
/// immediately, and the thread that runs the action gets the error when the action has returned.
/// Its own limit counts too, but the thread learns of it only when the action has returned. If the
/// action returns and a limit is reached at the same time, the first of the two decides for all
/// parties.
///
/// Without an action, the last party to arrive does not wait, so it passes whatever its limit. With
/// an action, a limit that had expired when the action began does not count.
///
/// # Forks
///
/// In the child of a fork, a round that had begun in the parent starts over, because its parties
/// do not exist there. A barrier that was broken stays broken. If the action itself forks, its
/// thread gets [`BarrierError::Reset`] in the child, unless the round was broken before.
///
/// ```
/// use tk_barrier::Barrier;
///
/// let barrier = Barrier::new(2);
/// std::thread::scope(|s| {
///     let other = s.spawn(|| barrier.wait().unwrap());
///     let index = barrier.wait().unwrap();
///     assert_eq!(index + other.join().unwrap(), 1); // One is the first, one the second.
/// });
/// ```
#[doc(alias = "threading.Barrier")]
#[doc(alias = "CyclicBarrier")]
#[repr(C)] // So the queue, which waiting records name, has the address of the barrier.
pub struct Barrier {
    /// The queue of all threads that wait. Their tag is the address of the round whose outcome
    /// they wait for. The word's value has no meaning.
    queue: AtomicU32,
    spin: AdaptiveSpin,
    parties: usize,
    timeout: Option<Duration>,
    action: Option<Box<dyn Fn() + Send + Sync>>,
    state: StateLock,
}

// A panic of the action leaves the barrier broken, which every party sees. No other user code runs
// inside.
impl UnwindSafe for Barrier {}
impl RefUnwindSafe for Barrier {}

impl Barrier {
    /// Creates a barrier for this number of parties.
    ///
    /// # Panics
    ///
    /// If the number is zero.
    ///
    /// ```
    /// use tk_barrier::Barrier;
    ///
    /// static ALONE: Barrier = Barrier::new(1);
    /// assert_eq!(ALONE.wait(), Ok(0)); // No other party to wait for.
    /// ```
    #[cfg(not(tk_loom))]
    #[track_caller]
    pub const fn new(parties: usize) -> Barrier {
        assert!(parties > 0, "a barrier without parties");
        Barrier {
            queue: AtomicU32::new(0),
            spin: AdaptiveSpin::new(),
            parties,
            timeout: None,
            action: None,
            state: StateLock::new(),
        }
    }

    /// The same for models, because loom's mutex can't be created in a constant.
    #[cfg(tk_loom)]
    #[track_caller]
    pub fn new(parties: usize) -> Barrier {
        assert!(parties > 0, "a barrier without parties");
        Barrier {
            queue: AtomicU32::new(0),
            spin: AdaptiveSpin::new(),
            parties,
            timeout: None,
            action: None,
            state: StateLock::new(),
        }
    }

    /// Sets a function that the last party to arrive calls before any party passes.
    ///
    /// If the action panics, the barrier breaks. The panic goes on in the thread that ran the
    /// action, and the other parties get [`BarrierError::ActionPanicked`].
    ///
    /// The action runs with nothing locked, so it may query, abort and reset the barrier. After an
    /// abort or a reset, the other parties leave while the action goes on. If the action waits at
    /// its own barrier, it waits for itself to end. So a wait without a limit panics there, and
    /// a wait with a limit ends when that is reached.
    ///
    /// If the action never returns, the round does not pass, but its parties can leave: by a limit,
    /// by [`abort`](Barrier::abort), or by [`reset`](Barrier::reset). After a reset, the next round
    /// may run the action in another thread while the first call still runs.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU32, Ordering};
    /// use tk_barrier::Barrier;
    ///
    /// static ROUNDS: AtomicU32 = AtomicU32::new(0);
    /// let barrier = Barrier::new(1).action(|| { ROUNDS.fetch_add(1, Ordering::Relaxed); });
    /// barrier.wait().unwrap();
    /// assert_eq!(ROUNDS.load(Ordering::Relaxed), 1);
    /// ```
    #[must_use]
    pub fn action(mut self, action: impl Fn() + Send + Sync + 'static) -> Barrier {
        self.action = Some(Box::new(action));
        self
    }

    /// Sets the time after which a [`wait`](Barrier::wait) breaks the barrier. Other forms of
    /// `wait` ignore it.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tk_barrier::{Barrier, BarrierError};
    ///
    /// let barrier = Barrier::new(2).timeout(Duration::from_millis(1));
    /// assert_eq!(barrier.wait(), Err(BarrierError::TimedOut));
    /// ```
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Barrier {
        self.timeout = Some(timeout);
        self
    }

    /// Blocks until all parties have arrived. Returns how many parties of the round arrived before
    /// this one: a number from 0 to `parties - 1`, different for each.
    ///
    /// Waits no longer than the time that was given to [`timeout`](Barrier::timeout), if any.
    ///
    /// # Errors
    ///
    /// If the barrier is broken, breaks, or is reset. All parties of a round see the same reason:
    /// the first one, even if it occurred while the action was running.
    ///
    /// # Panics
    ///
    /// If the action panics in this thread, or if the action itself waits at its own barrier
    /// without a limit.
    ///
    /// ```
    /// use tk_barrier::Barrier;
    ///
    /// let barrier = Barrier::new(2);
    /// std::thread::scope(|s| {
    ///     s.spawn(|| barrier.wait());
    ///     assert!(barrier.wait().unwrap() < 2);
    /// });
    /// ```
    #[track_caller]
    pub fn wait(&self) -> Result<usize, BarrierError> {
        match self.timeout {
            Some(timeout) => self.wait_with(timeout),
            None => self.wait_with(Limit::never()),
        }
    }

    /// As [`wait`](Barrier::wait), but breaks the barrier after this time. Python's
    /// `wait(timeout)`.
    ///
    /// # Errors
    ///
    /// As for [`wait_with`](Barrier::wait_with).
    ///
    /// ```
    /// use std::time::Duration;
    /// use tk_barrier::Barrier;
    ///
    /// let barrier = Barrier::new(2);
    /// assert!(barrier.wait_for(Duration::ZERO).is_err());
    /// assert!(barrier.is_broken());
    /// ```
    #[track_caller]
    pub fn wait_for(&self, timeout: Duration) -> Result<usize, BarrierError> {
        self.wait_with(timeout)
    }

    /// As [`wait`](Barrier::wait), but breaks the barrier when the limit is reached.
    ///
    /// A thread that arrives while the action is running waits for the next round. If its limit is
    /// reached before that, it gets [`BarrierError::NotAdmitted`], and does not break the barrier.
    /// This holds for every form of `wait` that has a limit.
    ///
    /// The limit is converted before anything else happens.
    ///
    /// # Errors
    ///
    /// As for [`wait`](Barrier::wait), and if the limit is reached.
    ///
    /// ```
    /// use tk_barrier::{Barrier, BarrierError, StopSource};
    ///
    /// let source = StopSource::new();
    /// source.request_stop();
    /// let stopped = Barrier::new(2).wait_with(&source.token());
    /// assert_eq!(stopped, Err(BarrierError::Stopped));
    /// ```
    #[track_caller]
    pub fn wait_with<'l>(&self, limit: impl Into<Limit<'l>>) -> Result<usize, BarrierError> {
        let limit = limit.into();
        // Before the state is locked, because it may register the thread.
        let me = self.action.as_ref().map(|_| current_owner());
        let mut waited = None;
        let (round, index) = loop {
            match self.arrive(me, waited.is_some(), limit) {
                Arrival::Refused(error) => return Err(error),
                Arrival::Counted(round, index) => break (round, index),
                Arrival::Passed(index) => return Ok(index),
                Arrival::Last(round, index) => return self.finish(&round, index, limit),
                Arrival::Full { is_own_action, .. } if is_own_action && limit.is_unlimited() => {
                    panic!("the action of a barrier waits at that barrier")
                }
                Arrival::Full { round, .. } => {
                    let wait = match waited {
                        Some(wait) => wait,
                        None => WaitInfo::new("barrier"),
                    };
                    waited = Some(wait);
                    // The outcome of this round concerns only its parties.
                    self.park(&round, wait, limit)
                        .map_err(BarrierError::NotAdmitted)?;
                }
            }
        };
        // A party looks at its own round, whose outcome stays (One outcome). So it misses nothing,
        // whatever happens to the barrier while it spins.
        // If there is not a processor for each party, one that spins may keep others from arriving.
        let others = self.parties - 1;
        self.spin
            .spin_while_others_run(others, || round.outcome().is_none(), limit);
        let passed = match round.outcome() {
            Some(outcome) => outcome.for_others(),
            None => {
                // Not before the spin, because it reads the clock.
                let wait = match waited {
                    Some(wait) => wait,
                    None => WaitInfo::new("barrier"),
                };
                match self.park(&round, wait, limit) {
                    Ok(outcome) => outcome.for_others(),
                    Err(error) => self.give_up(&round, error),
                }
            }
        };
        passed.map(|()| index)
    }

    /// Counts the thread `me` in the current round, unless the round is full or broken.
    /// `has_waited` is true if the thread has found a round full before.
    ///
    /// If the thread is the last and there is no action, also ends the round and wakes the others,
    /// so that the state is locked once.
    fn arrive(&self, me: Option<Owner>, has_waited: bool, limit: Limit<'_>) -> Arrival {
        let ends_round = |is_last| is_last && self.action.is_none();
        let mut state = self.state.lock_with(|state| {
            if ends_round(state.arrived + 1 == self.parties) {
                return Needs::CurrentAndNext;
            }
            Needs::Current
        });
        if let Some(outcome) = state.outcome() {
            let broken = outcome.for_others();
            return Arrival::Refused(broken.expect_err("a round that has passed is not current"));
        }
        if state.arrived == self.parties {
            let is_own_action = me.is_some_and(Owner::is_known) && state.acting == me;
            return Arrival::Full {
                round: Arc::clone(state.current()),
                is_own_action,
            };
        }
        let is_last = state.arrived + 1 == self.parties;
        if has_waited
            && !is_last
            && let Err(error) = limit.check()
        {
            // Outside: the thread would break the round as it arrives.
            return Arrival::Refused(BarrierError::NotAdmitted(error));
        }
        let index = state.arrived;
        if ends_round(is_last) {
            self.begin_next(state, Outcome::Passed);
            return Arrival::Passed(index);
        }
        state.arrived += 1;
        if is_last {
            state.acting = me;
            return Arrival::Last(Arc::clone(state.current()), index);
        }
        Arrival::Counted(Arc::clone(state.current()), index)
    }

    /// Ends the current round, unless it has an outcome, and begins the next one.
    fn begin_next(&self, mut state: Guard<'_>, outcome: Outcome) {
        let tag = tag(state.current());
        let (ended, unused) = state.begin(outcome);
        self.wake(tag, ended, state);
        drop(unused);
    }

    /// Runs the action, ends the round, and wakes the other parties: the last party's part if there
    /// is an action.
    fn finish(
        &self,
        round: &Arc<Round>,
        index: usize,
        limit: Limit<'_>,
    ) -> Result<usize, BarrierError> {
        if let Some(action) = &self.action {
            // An expired limit means to try once, and the round is full: the try succeeded.
            let counts = !limit.is_expired();
            if let Err(payload) = catch_unwind(AssertUnwindSafe(action)) {
                self.end(round, Outcome::ActionPanicked);
                resume_unwind(payload);
            }
            if counts && let Err(error) = limit.check() {
                self.give_up(round, error)?;
            }
        }
        let state = self.state.lock_with(|_| Needs::CurrentAndNext);
        if state.is_current(round) && state.outcome().is_none() {
            self.begin_next(state, Outcome::Passed);
            return Ok(index);
        }
        drop(state);
        outcome_of_another(round).for_others().map(|()| index)
    }

    /// Breaks the round of a party whose limit is reached. If the round has an outcome already,
    /// that counts.
    fn give_up(&self, round: &Arc<Round>, error: WaitError) -> Result<(), BarrierError> {
        let (outcome, error) = match error {
            WaitError::TimedOut => (Outcome::TimedOut, BarrierError::TimedOut),
            WaitError::Stopped => (Outcome::Stopped, BarrierError::Stopped),
        };
        if self.end(round, outcome) {
            return Err(error);
        }
        outcome_of_another(round).for_others()
    }

    /// Ends this round, unless it has an outcome, and wakes its parties. Returns whether this call
    /// has ended it.
    fn end(&self, round: &Arc<Round>, outcome: Outcome) -> bool {
        let mut state = self.state.lock_with(|_| Needs::Current);
        if !state.is_current(round) {
            return false;
        }
        let ended = state.end(outcome);
        self.wake(tag(round), ended, state);
        ended.is_first
    }

    /// Wakes the threads that are parked for the round with this tag, which this thread has just
    /// ended. First unlocks the state, because they may run immediately and come back to the
    /// barrier.
    ///
    /// By then the round may be in use again, and its new parties may be parked. They look at the
    /// outcome and park again.
    fn wake(&self, tag: usize, ended: Ended, state: Guard<'_>) {
        drop(state);
        if ended.has_parked {
            let choose = |waiter: &Waiter| {
                if waiter.tag() == tag {
                    return FilterOp::Unpark;
                }
                FilterOp::Skip
            };
            unpark_filter(&self.queue, choose, |_| 0);
        }
    }

    /// Parks until the round has an outcome. The error is that of the limit.
    fn park(
        &self,
        round: &Arc<Round>,
        info: WaitInfo,
        limit: Limit<'_>,
    ) -> Result<Outcome, WaitError> {
        let info = info.tag(tag(round));
        let goes_on = || round.outcome().is_none();
        mark_and_park_while(&self.queue, goes_on, || round.mark_parked(), &info, limit)?;
        Ok(round.outcome().expect("the wait ended with the round"))
    }

    /// Breaks the barrier: threads that wait, and threads that arrive later, get
    /// [`BarrierError::Aborted`]. Never blocks.
    ///
    /// ```
    /// use tk_barrier::{Barrier, BarrierError};
    ///
    /// let barrier = Barrier::new(2);
    /// barrier.abort();
    /// assert_eq!(barrier.wait(), Err(BarrierError::Aborted));
    /// ```
    pub fn abort(&self) {
        let mut state = self.state.lock_with(|_| Needs::Current);
        let (tag, ended) = (tag(state.current()), state.end(Outcome::Aborted));
        self.wake(tag, ended, state);
    }

    /// Begins a new round: threads that wait get [`BarrierError::Reset`], and a broken barrier is
    /// repaired. Never blocks.
    ///
    /// To repair a broken barrier that another thread may be repairing too, use
    /// [`reset_if_broken`](Barrier::reset_if_broken).
    ///
    /// ```
    /// use tk_barrier::Barrier;
    ///
    /// let barrier = Barrier::new(1);
    /// barrier.abort();
    /// barrier.reset();
    /// assert_eq!(barrier.wait(), Ok(0));
    /// ```
    pub fn reset(&self) {
        self.start_over(|_| true);
    }

    /// Repairs a broken barrier, and leaves a whole one as it is. Returns whether it was broken.
    /// Never blocks.
    ///
    /// If several parties learn that their round was broken, the first one to call this repairs the
    /// barrier. The calls of the others do not disturb threads that have arrived since.
    ///
    /// ```
    /// use tk_barrier::Barrier;
    ///
    /// let barrier = Barrier::new(2);
    /// barrier.abort();
    /// assert!(barrier.reset_if_broken());
    /// assert!(!barrier.reset_if_broken());
    /// ```
    pub fn reset_if_broken(&self) -> bool {
        self.start_over(|state| state.is_broken())
    }

    fn start_over(&self, wanted: impl FnOnce(&Guard<'_>) -> bool) -> bool {
        let state = self.state.lock_with(|_| Needs::CurrentAndNext);
        let is_wanted = wanted(&state);
        if is_wanted {
            self.begin_next(state, Outcome::Reset);
        }
        is_wanted
    }

    /// Returns how many parties a round has.
    ///
    /// ```
    /// assert_eq!(tk_barrier::Barrier::new(4).parties(), 4);
    /// ```
    pub fn parties(&self) -> usize {
        self.parties
    }

    /// Returns how many parties have arrived in the current round, or zero if the barrier is
    /// broken.
    ///
    /// ```
    /// assert_eq!(tk_barrier::Barrier::new(4).n_waiting(), 0);
    /// ```
    pub fn n_waiting(&self) -> usize {
        self.state.lock().n_waiting()
    }

    /// Returns whether the barrier is broken and has not been reset since.
    ///
    /// ```
    /// assert!(!tk_barrier::Barrier::new(4).is_broken());
    /// ```
    #[doc(alias = "broken")]
    pub fn is_broken(&self) -> bool {
        self.state.lock().is_broken()
    }
}

/// The state that a thread finds when it arrives.
enum Arrival {
    /// The thread is a party of this round, with this index, and has to wait.
    Counted(Arc<Round>, usize),
    /// The thread is the last party of this round, and has to run the action.
    Last(Arc<Round>, usize),
    /// The thread was the last party, with this index. The round has passed.
    Passed(usize),
    /// The parties of this round are complete, and the action runs, in this thread or another.
    Full {
        round: Arc<Round>,
        is_own_action: bool,
    },
    /// The thread is not counted.
    Refused(BarrierError),
}

/// Returns the outcome of a round that another call has ended, or a fork has lost.
fn outcome_of_another(round: &Round) -> Outcome {
    round.outcome().unwrap_or(Outcome::Reset)
}

/// The tag of the threads that wait for this round. Each has a share in the round while it waits,
/// so no other round has this address.
fn tag(round: &Arc<Round>) -> usize {
    Arc::as_ptr(round).addr()
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("Barrier");
        f.field("parties", &self.parties);
        match self.state.try_lock() {
            Some(state) => f
                .field("arrived", &state.n_waiting())
                .field("broken", &state.is_broken())
                .finish(),
            None => f.finish_non_exhaustive(),
        }
    }
}
