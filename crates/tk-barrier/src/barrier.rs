//! The barrier.
//!
//! Each round of the barrier is a [`Cycle`] of its own, which its parties share; what became of it stands there for good.
//! The state of the barrier names the cycle that is being filled, and changes with `state` locked:
//!
//! 1. A thread that arrives is counted in the current cycle. If it is not the last one, it sleeps on that cycle's
//!    outcome.
//! 2. The last one runs the action, with nothing locked. Then it ends the cycle, which lets the others go, and begins a new
//!    one. Who comes meanwhile, one too many, waits for the new cycle; until that takes it in it counts for nothing, and may
//!    go away when its time is over.
//! 3. An outcome is set once. A thread whose time runs out breaks the cycle if it has no outcome yet; otherwise it takes
//!    the outcome that there is: its arrival has counted.
//!    With the state locked, a cycle that is not the current one has its outcome: it is ended in the step that begins the next.
//! 4. A broken barrier has a broken cycle as its current one, until it is reset.
//! 5. A cycle is used again only if nobody but the barrier has it: then nobody sleeps on it, and nobody has yet to look at
//!    its outcome. The cycle before the current one is kept aside for that. If the same threads come in every round, all have
//!    left a round when the next one is full: two cycles do, for ever.

use std::error::Error;
use std::fmt;
use std::mem;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use tk_park::sync::{AtomicU32, Instant, Mutex, MutexGuard, Ordering::*, lock};
use tk_park::{Limit, Parked, SpinHistory, Wait, WaitError, park, unpark_all};

/// A point where a number of threads wait for each other, again and again.
///
/// What each party did before it arrived is seen by the action, and by all parties that pass.
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
pub struct Barrier {
    parties: usize,
    timeout: Option<Duration>,
    action: Option<Box<dyn Fn() + Send + Sync>>,
    spins: SpinHistory,
    state: Mutex<State>,
}

struct State {
    /// The current cycle. There is none before the first is needed.
    cycle: Option<Arc<Cycle>>,
    /// The one before it, to be used again.
    previous: Option<Arc<Cycle>>,
    /// How many have arrived in the current cycle.
    arrived: usize,
}

impl State {
    const NEW: State = State {
        cycle: None,
        previous: None,
        arrived: 0,
    };

    fn cycle(&mut self) -> &Arc<Cycle> {
        self.cycle.get_or_insert_with(Cycle::new)
    }

    fn outcome(&self) -> Option<Result<(), BarrierError>> {
        self.cycle.as_ref()?.outcome()
    }

    /// Begins a new cycle.
    fn begin(&mut self) {
        let mut next = self.previous.take();
        match next.as_mut().and_then(Arc::get_mut) {
            // Relaxed: whoever sees this cycle again has got it with the state locked.
            Some(unused) => unused.outcome.store(PENDING, Relaxed),
            None => next = Some(Cycle::new()),
        }
        self.previous = mem::replace(&mut self.cycle, next);
        self.arrived = 0;
    }
}

/// One round.
struct Cycle {
    /// [`PENDING`], [`PASSED`], or the error with which it broke.
    outcome: AtomicU32,
}

const PENDING: u32 = 0;
const PASSED: u32 = 1;

impl Cycle {
    fn new() -> Arc<Cycle> {
        let cycle = Arc::new(Cycle {
            outcome: AtomicU32::new(PENDING),
        });
        #[cfg(tk_loom)]
        cycle.outcome.touch();
        cycle
    }

    fn outcome(&self) -> Option<Result<(), BarrierError>> {
        // Acquire: pairs with the Release in `end`.
        match self.outcome.load(Acquire) {
            PENDING => None,
            PASSED => Some(Ok(())),
            code => Some(Err(BarrierError::of_code(code))),
        }
    }

    /// Sets the outcome, with the state locked. The first outcome stays. Who sleeps is woken by [`Ended::wake`].
    fn end(&self, outcome: u32) -> Ended<'_> {
        // Release: pairs with the Acquire in `outcome`. What the parties did before is passed on by the state's lock.
        let first = self
            .outcome
            .compare_exchange(PENDING, outcome, Release, Relaxed);
        Ended(first.is_ok().then_some(self))
    }
}

/// A cycle that has just been ended, whose sleepers have yet to be woken. That is done with the state unlocked: they may
/// run at once, and come back to the barrier. The cycle is not used again meanwhile, as whoever ends it has a share in it (5).
#[must_use = "the sleepers are to be woken"]
struct Ended<'a>(Option<&'a Cycle>);

impl Ended<'_> {
    fn wake(self, state: MutexGuard<'_, State>) {
        drop(state);
        if let Some(cycle) = self.0 {
            unpark_all(&cycle.outcome, 0);
        }
    }
}

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
            parties,
            timeout: None,
            action: None,
            spins: SpinHistory::new(),
            state: Mutex::new(State::NEW),
        }
    }

    /// The same, for models: loom's mutex can't be made in a constant.
    #[cfg(tk_loom)]
    pub fn new(parties: usize) -> Barrier {
        assert!(parties > 0, "a barrier without parties");
        Barrier {
            parties,
            timeout: None,
            action: None,
            spins: SpinHistory::new(),
            state: Mutex::new(State::NEW),
        }
    }

    /// Has the last party to arrive call `action` before anybody passes.
    ///
    /// If it panics, the barrier breaks: that party goes on panicking, the others get
    /// [`BarrierError::ActionPanicked`]. It may ask, abort and reset the barrier, but not wait at it: that would be one
    /// party too many, which waits for the action to end.
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

    /// Waits until all parties have arrived. Returns the number of those who arrived before this one in the round: from 0 to
    /// `parties - 1`, different for each.
    ///
    /// Blocks until then, or until the time is over that was given to [`timeout`](Barrier::timeout).
    ///
    /// # Errors
    ///
    /// If the barrier is broken or breaks, or is reset: the error says why. All parties of a round get the same: that of what
    /// came first, also if it came while the action ran, and whatever became of the action then.
    ///
    /// # Panics
    ///
    /// If the action panics in this thread.
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
            None => self.wait_with(Limit::none()),
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
    /// If the parties of this round are all there already, and the action runs, this thread is one too many: it waits to
    /// be taken into the next round. If its limit is reached before that, it gets the error, and breaks nothing: it was not
    /// counted. That holds for every form of `wait` that has a limit.
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
        let wait = Wait::new("barrier");
        let (cycle, index) = loop {
            let mut state = lock(&self.state);
            let cycle = Arc::clone(state.cycle());
            if let Some(Err(broken)) = cycle.outcome() {
                return Err(broken);
            }
            if state.arrived < self.parties {
                state.arrived += 1;
                let index = state.arrived - 1;
                if state.arrived == self.parties {
                    drop(state);
                    return self.finish(&cycle, index);
                }
                break (cycle, index);
            }
            // The parties of this cycle are complete, and the last one runs the action. That the next cycle comes does not
            // depend on this thread: no reason to break anything if the time is over before.
            drop(state);
            // What became of this cycle is its parties' business.
            let _ = sleep(&cycle, &wait, limit)?;
        };
        self.spins
            .spin_for_a_wake_up(limit, || match cycle.outcome() {
                Some(_) => ControlFlow::Break(true),
                None => ControlFlow::Continue(()),
            });
        let outcome = sleep(&cycle, &wait, limit).or_else(|error| {
            let state = lock(&self.state);
            // If all have arrived, the time is over too late: the action runs, and decides. If they are those of a later cycle,
            // this one has its outcome, which stays in either case: 3.
            match state.arrived == self.parties {
                true => drop(state),
                false => cycle.end(BarrierError::from(error).code()).wake(state),
            }
            sleep(&cycle, &wait, Limit::none())
        });
        match outcome {
            Ok(outcome) => outcome.map(|()| index),
            Err(_) => unreachable!("a wait without a limit does not end by one"),
        }
    }

    /// What the last party does.
    fn finish(&self, cycle: &Arc<Cycle>, index: usize) -> Result<usize, BarrierError> {
        let acted = match &self.action {
            Some(action) => catch_unwind(AssertUnwindSafe(action)),
            None => Ok(()),
        };
        let mut state = lock(&self.state);
        if let Err(payload) = acted {
            cycle.end(BarrierError::ActionPanicked.code()).wake(state);
            resume_unwind(payload);
        }
        // Somebody may have aborted or reset the barrier while the action ran.
        if let Some(Err(broken)) = cycle.outcome() {
            return Err(broken);
        }
        state.begin();
        cycle.end(PASSED).wake(state);
        Ok(index)
    }

    /// Breaks the barrier: whoever waits, and whoever comes, gets [`BarrierError::Aborted`]. Never blocks.
    ///
    /// ```
    /// use tk_barrier::{Barrier, BarrierError};
    ///
    /// let barrier = Barrier::new(2);
    /// barrier.abort();
    /// assert_eq!(barrier.wait(), Err(BarrierError::Aborted));
    /// ```
    pub fn abort(&self) {
        let mut state = lock(&self.state);
        let cycle = Arc::clone(state.cycle());
        cycle.end(BarrierError::Aborted.code()).wake(state);
    }

    /// Starts over: whoever waits gets [`BarrierError::Reset`], and a broken barrier is whole again. Never blocks.
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
        let mut state = lock(&self.state);
        let cycle = Arc::clone(state.cycle());
        let ended = cycle.end(BarrierError::Reset.code());
        state.begin();
        ended.wake(state);
    }

    /// How many threads it takes.
    ///
    /// ```
    /// assert_eq!(tk_barrier::Barrier::new(4).parties(), 4);
    /// ```
    pub fn parties(&self) -> usize {
        self.parties
    }

    /// How many threads have arrived in this round.
    ///
    /// ```
    /// assert_eq!(tk_barrier::Barrier::new(4).n_waiting(), 0);
    /// ```
    pub fn n_waiting(&self) -> usize {
        let state = lock(&self.state);
        match state.outcome() {
            None => state.arrived,
            Some(_) => 0,
        }
    }

    /// Whether the barrier is broken, and not reset since.
    ///
    /// ```
    /// assert!(!tk_barrier::Barrier::new(4).is_broken());
    /// ```
    #[doc(alias = "broken")]
    pub fn is_broken(&self) -> bool {
        matches!(lock(&self.state).outcome(), Some(Err(_)))
    }
}

/// Sleeps until the cycle has an outcome. The error is that of the limit.
#[track_caller]
fn sleep(
    cycle: &Cycle,
    wait: &Wait,
    limit: Limit<'_>,
) -> Result<Result<(), BarrierError>, WaitError> {
    loop {
        if let Some(outcome) = cycle.outcome() {
            return Ok(outcome);
        }
        let pending = || cycle.outcome.load(Relaxed) == PENDING;
        let error = match park(&cycle.outcome, pending, wait, limit) {
            Parked::TimedOut => WaitError::TimedOut,
            Parked::Stopped => WaitError::Stopped,
            _ => continue,
        };
        return cycle.outcome().ok_or(error);
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("Barrier");
        f.field("parties", &self.parties);
        match self.state.try_lock() {
            Ok(state) => f
                .field("arrived", &state.arrived)
                .field("broken", &matches!(state.outcome(), Some(Err(_))))
                .finish(),
            Err(_) => f.finish_non_exhaustive(),
        }
    }
}

/// Why a barrier did not let a thread pass.
///
/// ```
/// use tk_barrier::BarrierError;
///
/// assert_eq!(BarrierError::Aborted.to_string(), "broken barrier: aborted");
/// ```
#[doc(alias = "threading.BrokenBarrierError")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BarrierError {
    /// The time of one of the parties was over; or that of this thread, before a round could take it in.
    TimedOut,
    /// One of the parties was asked to stop; or this thread, before a round could take it in.
    Stopped,
    /// Somebody called [`Barrier::abort`].
    Aborted,
    /// Somebody called [`Barrier::reset`].
    Reset,
    /// The action panicked.
    ActionPanicked,
}

impl BarrierError {
    /// The outcome of a cycle that breaks with this error.
    fn code(self) -> u32 {
        match self {
            BarrierError::TimedOut => 2,
            BarrierError::Stopped => 3,
            BarrierError::Aborted => 4,
            BarrierError::Reset => 5,
            BarrierError::ActionPanicked => 6,
        }
    }

    fn of_code(code: u32) -> BarrierError {
        match code {
            2 => BarrierError::TimedOut,
            3 => BarrierError::Stopped,
            4 => BarrierError::Aborted,
            5 => BarrierError::Reset,
            _ => BarrierError::ActionPanicked,
        }
    }
}

impl From<WaitError> for BarrierError {
    fn from(error: WaitError) -> BarrierError {
        match error {
            WaitError::TimedOut => BarrierError::TimedOut,
            WaitError::Stopped => BarrierError::Stopped,
        }
    }
}

impl fmt::Display for BarrierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broken barrier: ")?;
        f.write_str(match self {
            BarrierError::TimedOut => "a party timed out",
            BarrierError::Stopped => "a party was stopped",
            BarrierError::Aborted => "aborted",
            BarrierError::Reset => "reset",
            BarrierError::ActionPanicked => "the action panicked",
        })
    }
}

impl Error for BarrierError {}
