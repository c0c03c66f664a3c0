//! The barrier.
//!
//! Each round of the barrier is a [`Round`] of its own, which its parties share. The state of the
//! barrier names the current round, and changes with its lock held:
//!
//! | current round | a party arrives | the last party arrives | a limit is reached | `abort` | `reset` |
//! |---|---|---|---|---|---|
//! | pending, not full | is counted, waits | runs the action, then ends the round as passed and begins the next | breaks the round | breaks it | ends it, begins the next |
//! | pending, full: the action runs | waits for the end of the round, not counted | | a party's: breaks the round | breaks it | ends it, begins the next |
//! | broken | gets the error | | | | begins the next |
//!
//! Invariant: *one outcome*. A round's outcome is set once, and stays. A limit, the end of the
//! action, an abort and a reset compete for it, and the first wins, with the state locked.
//!
//! Invariant: *current*. A round without an outcome is the current one: a round is ended before the
//! next begins, in one step.
//!
//! Invariant: *outside*. A thread that finds the round full is not counted and breaks nothing. It
//! waits for that round's outcome, and then arrives anew, unless its limit was reached meanwhile
//! and it would have to wait again. Otherwise a limit that the action of one round used up would
//! break the next round as it begins.
//!
//! Invariant: *nothing of the user's under the lock*. The action runs with nothing locked, and so
//! does the allocator.

use std::fmt;
use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use tk_core::Owner;
use tk_park::sync::{AtomicU32, Instant, current_owner};
use tk_park::{
    AdaptiveSpin, FilterOp, Limit, WaitError, WaitInfo, Waiter, park_while, unpark_filter,
};

use crate::BarrierError;
use crate::round::{Outcome, Round};
use crate::state::{Guard, Needs, State, StateLock};

#[cfg(all(test, not(tk_loom)))]
mod tests;

/// A point where a number of threads wait for each other, again and again.
///
/// What each party did before it arrived is seen by the action, and by all parties that pass.
///
/// # Limits
///
/// A round passes when all parties have arrived and the [action](Barrier::action), if there is one,
/// has returned. A party whose limit is reached before that breaks the round, and gets
/// [`BarrierError::TimedOut`] or [`BarrierError::Stopped`]; the others get
/// [`BarrierError::Broken`]. That is so while the action runs, too: the waiting parties return
/// immediately, and the thread that runs the action gets the error when the action has returned.
/// Its own limit counts in the same way, but it learns only then that it was reached. If the action
/// returns and a limit is reached at the same time, one of them is first, and decides for all
/// parties.
///
/// The last party to arrive passes whatever its limit if there is no action, because it does not
/// wait. If there is one, a limit that was over already when the action began does not count.
///
/// # Forks
///
/// In the child of a fork, a round that had begun in the parent starts over, because its parties
/// are not there. A barrier that was broken stays broken. If the action itself forks, its thread
/// gets [`BarrierError::Reset`] in the child.
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
#[repr(C)] // The waiting records name the queue, which so has the barrier's address.
pub struct Barrier {
    /// The queue of all that wait, marked with the address of the round whose outcome they wait
    /// for. The word has no value.
    queue: AtomicU32,
    spin: AdaptiveSpin,
    parties: usize,
    timeout: Option<Duration>,
    action: Option<Box<dyn Fn() + Send + Sync>>,
    state: StateLock,
}

// A panic of the action leaves the barrier broken, for all to see. Nothing else of the user's runs
// inside.
impl UnwindSafe for Barrier {}
impl RefUnwindSafe for Barrier {}

impl Barrier {
    /// A barrier for that many parties.
    ///
    /// # Panics
    ///
    /// If there are none.
    ///
    /// ```
    /// use tk_barrier::Barrier;
    ///
    /// static ALONE: Barrier = Barrier::new(1);
    /// assert_eq!(ALONE.wait(), Ok(0)); // Nobody to wait for.
    /// ```
    #[cfg(not(tk_loom))]
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

    /// The same, for models: loom's mutex can't be made in a constant.
    #[cfg(tk_loom)]
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

    /// Has the last party to arrive call `action` before any party passes.
    ///
    /// If it panics, the barrier breaks: that party goes on panicking, the others get
    /// [`BarrierError::ActionPanicked`].
    ///
    /// The action runs with nothing locked. It may ask, abort and reset the barrier; after an abort
    /// or a reset the parties leave, and what the action does then is its own affair. A wait at the
    /// barrier by the action's own thread would be one party too many, which waits for the action
    /// to end. So a wait without a limit panics there, and a wait with a limit ends with it.
    ///
    /// An action that never returns keeps the round from passing, but no party from leaving: a
    /// limit, [`abort`](Barrier::abort) and [`reset`](Barrier::reset) send the others away. After a
    /// reset the next round may run the action in another thread while the first still runs.
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

    /// Gives each [`wait`](Barrier::wait) a time, after which the barrier breaks.
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

    /// Waits until all parties have arrived. Returns the number of those who arrived before this
    /// one in the round: from 0 to `parties - 1`, different for each.
    ///
    /// Blocks until then, or until the time is over that was given to
    /// [`timeout`](Barrier::timeout).
    ///
    /// # Errors
    ///
    /// If the barrier is broken or breaks, or is reset. The error says why: the reason is what came
    /// first, also if that came while the action ran, and whatever became of the action then.
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

    /// As [`wait`](Barrier::wait), at most for that long: then the barrier breaks.
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

    /// As [`wait`](Barrier::wait), at most until that time: then the barrier breaks.
    ///
    /// ```
    /// use std::time::Instant;
    ///
    /// assert!(tk_barrier::Barrier::new(2).wait_until(Instant::now()).is_err());
    /// ```
    #[track_caller]
    pub fn wait_until(&self, deadline: Instant) -> Result<usize, BarrierError> {
        self.wait_with(deadline)
    }

    /// As [`wait`](Barrier::wait), until the limit is reached: then the barrier breaks.
    ///
    /// If the parties of the current round are complete, and its action runs, this thread is one
    /// too many: it waits to be taken into the next round. If its limit is reached before that, it
    /// gets [`BarrierError::NotAdmitted`], and breaks nothing. That holds for every form of `wait`
    /// that has a limit.
    ///
    /// The limit is converted before anything else happens.
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
                    // What became of this round concerns its parties.
                    self.sleep(&round, wait, limit)
                        .map_err(BarrierError::NotAdmitted)?;
                }
            }
        };
        let wait = match waited {
            Some(wait) => wait,
            None => WaitInfo::new("barrier"),
        };
        // A party looks at its own round, whose outcome stays. Whatever becomes of the barrier
        // meanwhile, the party misses nothing.
        self.spin.spin_while(|| round.outcome().is_none(), limit);
        let passed = match self.sleep(&round, wait, limit) {
            Ok(outcome) => outcome.for_others(),
            Err(error) => self.give_up(&round, error),
        };
        passed.map(|()| index)
    }

    /// Counts the thread `me` in the current round, if that takes it. `has_waited` says that the
    /// thread found a round full before.
    fn arrive(&self, me: Option<Owner>, has_waited: bool, limit: Limit<'_>) -> Arrival {
        let mut state = self.state.lock_with(Needs::Current);
        let round = state.current();
        if let Some(outcome) = round.outcome() {
            let broken = outcome.for_others();
            return Arrival::Refused(broken.expect_err("a round that has passed is not current"));
        }
        if state.arrived == self.parties {
            let is_own_action = me.is_some_and(Owner::is_known) && state.acting == me;
            return Arrival::Full {
                round,
                is_own_action,
            };
        }
        let is_last = state.arrived + 1 == self.parties;
        if has_waited
            && !is_last
            && let Err(error) = limit.check()
        {
            // *Outside*: it would break the round as it comes.
            return Arrival::Refused(BarrierError::NotAdmitted(error));
        }
        let index = state.arrived;
        state.arrived += 1;
        if is_last {
            state.acting = me;
            return Arrival::Last(round, index);
        }
        Arrival::Counted(round, index)
    }

    /// What the last party does.
    fn finish(
        &self,
        round: &Arc<Round>,
        index: usize,
        limit: Limit<'_>,
    ) -> Result<usize, BarrierError> {
        if let Some(action) = &self.action {
            // A limit that is over already is that of a call that takes what is there: a round that
            // is full.
            let counts = !limit.is_expired();
            if let Err(payload) = catch_unwind(AssertUnwindSafe(action)) {
                let state = self.state.lock_with(Needs::Current);
                let is_first = round.end(Outcome::ActionPanicked);
                self.wake(round, is_first, state);
                resume_unwind(payload);
            }
            if counts && let Err(error) = limit.check() {
                self.give_up(round, error)?;
            }
        }
        let mut state = self.state.lock_with(Needs::CurrentAndNext);
        // If the round has no outcome, it is current.
        let passes = round.end(Outcome::Passed);
        let unused = if passes { state.begin() } else { None };
        self.wake(round, passes, state);
        drop(unused);
        let outcome = round.outcome().expect("it has just been set");
        outcome.for_others().map(|()| index)
    }

    /// The limit of a party is reached: breaks its round, unless that has an outcome already, which
    /// counts then.
    fn give_up(&self, round: &Arc<Round>, error: WaitError) -> Result<(), BarrierError> {
        let (outcome, error) = match error {
            WaitError::TimedOut => (Outcome::TimedOut, BarrierError::TimedOut),
            WaitError::Stopped => (Outcome::Stopped, BarrierError::Stopped),
        };
        let state = self.state.lock_with(Needs::Current);
        let is_first = round.end(outcome);
        self.wake(round, is_first, state);
        if is_first {
            return Err(error);
        }
        let outcome = round.outcome().expect("another came first");
        outcome.for_others()
    }

    /// Wakes the threads that sleep on a round which has just been ended, if this thread ended it.
    /// That is done with the state unlocked: they may run immediately, and come back to the
    /// barrier.
    fn wake(&self, round: &Arc<Round>, is_ended: bool, state: Guard<'_>) {
        drop(state);
        if is_ended {
            let mark = mark(round);
            let choose = |waiter: &Waiter| {
                if waiter.tag() == mark {
                    return FilterOp::Unpark;
                }
                FilterOp::Skip
            };
            unpark_filter(&self.queue, choose, |_| 0);
        }
    }

    /// Sleeps until the round has an outcome. The error is that of the limit.
    fn sleep(
        &self,
        round: &Arc<Round>,
        info: WaitInfo,
        limit: Limit<'_>,
    ) -> Result<Outcome, WaitError> {
        let info = info.tag(mark(round));
        let goes_on = || round.outcome().is_none();
        park_while(&self.queue, goes_on, &info, limit)?;
        Ok(round.outcome().expect("the wait ended with the round"))
    }

    /// Breaks the barrier: threads that wait, and threads that come, get [`BarrierError::Aborted`].
    /// Never blocks.
    ///
    /// ```
    /// use tk_barrier::{Barrier, BarrierError};
    ///
    /// let barrier = Barrier::new(2);
    /// barrier.abort();
    /// assert_eq!(barrier.wait(), Err(BarrierError::Aborted));
    /// ```
    pub fn abort(&self) {
        let state = self.state.lock_with(Needs::Current);
        let round = state.current();
        let is_first = round.end(Outcome::Aborted);
        self.wake(&round, is_first, state);
    }

    /// Starts over: threads that wait get [`BarrierError::Reset`], and a broken barrier is whole
    /// again. Never blocks.
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

    /// Makes a broken barrier whole again, and leaves a whole one as it is. Returns whether it was
    /// broken. Never blocks.
    ///
    /// Of several parties that learn that their round was broken, the first to call this repairs
    /// the barrier. The others do not send away the threads that have arrived since.
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
        self.start_over(State::is_broken)
    }

    fn start_over(&self, wanted: impl FnOnce(&State) -> bool) -> bool {
        let mut state = self.state.lock_with(Needs::CurrentAndNext);
        let is_wanted = wanted(&state);
        if is_wanted {
            let round = state.current();
            let is_first = round.end(Outcome::Reset);
            let unused = state.begin();
            self.wake(&round, is_first, state);
            drop(unused);
        }
        is_wanted
    }

    /// How many threads it takes.
    ///
    /// ```
    /// assert_eq!(tk_barrier::Barrier::new(4).parties(), 4);
    /// ```
    pub fn parties(&self) -> usize {
        self.parties
    }

    /// How many threads have arrived in this round. None in a broken barrier.
    ///
    /// ```
    /// assert_eq!(tk_barrier::Barrier::new(4).n_waiting(), 0);
    /// ```
    pub fn n_waiting(&self) -> usize {
        self.state.lock().n_waiting()
    }

    /// Whether the barrier is broken, and not reset since.
    ///
    /// ```
    /// assert!(!tk_barrier::Barrier::new(4).is_broken());
    /// ```
    #[doc(alias = "broken")]
    pub fn is_broken(&self) -> bool {
        self.state.lock().is_broken()
    }
}

/// What a thread finds when it comes to the barrier.
enum Arrival {
    /// It is a party of this round, with this index, and has to wait.
    Counted(Arc<Round>, usize),
    /// It is the last party of this round.
    Last(Arc<Round>, usize),
    /// The parties of this round are complete, and the action runs: in this very thread or in another.
    Full {
        round: Arc<Round>,
        is_own_action: bool,
    },
    /// It does not count.
    Refused(BarrierError),
}

/// What tells the waiters of a round from those of others. While one of them waits, it has a share
/// in the round, so that no other has this address.
fn mark(round: &Arc<Round>) -> usize {
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
