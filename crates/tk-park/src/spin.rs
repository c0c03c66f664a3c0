//! How long it pays to spin before going to sleep.
//!
//! | kind of spin | for | bound |
//! |---|---|---|
//! | [`Spin`] | a state that is likely to change soon | the time that it takes to go to sleep |
//! | [`spin_until`] | the same; how often to look depends | the same |
//! | [`spin_briefly`] | what a thread may take before it enters a queue | an eighth of that |
//! | [`AdaptiveSpin::spin_while`] | what a thread brings that may have to be woken first | ten times as long, after a miss |
//! | [`yield_until`] | a thread that needs this processor | the time that it takes to sleep and wake up |

use std::ops::RangeInclusive;

// Not those of `sync`: these are estimates, which order nothing, and no model depends on them.
#[cfg(not(tk_loom))]
use std::sync::atomic::AtomicU32;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::park::park_in_order;
#[cfg(not(tk_loom))]
use crate::processors;
use crate::{Limit, Parked, WaitError, WaitInfo, Waiter, Word};

/// A bounded wait without sleeping, for a state that is likely to change soon.
///
/// It never yields to other threads: [`yield_until`] does that.
///
/// The bound is about the time that it takes to go to sleep and be woken. The cost of one pause on
/// this processor is measured once. On a machine with one processor there is no spinning, because
/// nothing would change meanwhile.
///
/// ```
/// use std::sync::atomic::{AtomicBool, Ordering};
/// use tk_park::Spin;
///
/// fn is_ready_soon(ready: &AtomicBool) -> bool {
///     let mut spin = Spin::new();
///     loop {
///         if ready.load(Ordering::Acquire) {
///             return true;
///         }
///         if !spin.once() {
///             return false; // Time to park.
///         }
///     }
/// }
///
/// assert!(is_ready_soon(&AtomicBool::new(true)));
/// assert!(!is_ready_soon(&AtomicBool::new(false)));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Spin {
    /// How many pauses the last step made. It doubles from step to step, so that the threads that
    /// spin leave the word's cache line alone for longer and longer.
    step: u32,
    spent: u32,
}

/// The first step and the longest, in pauses.
const STEPS: RangeInclusive<u32> = 1..=64;

impl Spin {
    /// Creates a new budget.
    ///
    /// ```
    /// let _spin = tk_park::Spin::new();
    /// ```
    #[inline]
    pub const fn new() -> Spin {
        Spin { step: 0, spent: 0 }
    }

    /// Pauses for a moment. Returns `false` without a pause if the budget is spent.
    ///
    /// ```
    /// let mut spin = tk_park::Spin::new();
    /// while spin.once() {}
    /// assert!(!spin.once());
    /// ```
    pub fn once(&mut self) -> bool {
        self.once_within(budget(), &STEPS)
    }

    fn once_within(&mut self, budget: u32, steps: &RangeInclusive<u32>) -> bool {
        if self.spent >= budget {
            return false;
        }
        self.step = (self.step * 2).clamp(*steps.start(), *steps.end());
        self.spent += self.step;
        for _ in 0..self.step {
            std::hint::spin_loop();
        }
        true
    }
}

/// The result of a look while a thread spins.
///
/// ```
/// use tk_park::{Pace, Poll, spin_until};
///
/// assert!(!spin_until(Pace::Frequent, || Poll::GiveUp));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Poll {
    /// The thread waited for this: the spin ends, and was a success.
    Ready,
    /// Not yet: the spin goes on, within its bound.
    Again,
    /// Not yet, and spinning is of no use now: the spin ends.
    GiveUp,
}

/// How often a thread that spins looks.
///
/// A look takes the cache line of the word from the thread that changes it next. That thread has to
/// fetch the line back, which takes about a tenth of a microsecond.
///
/// ```
/// use tk_park::{Pace, Poll, spin_until};
///
/// let mut looks = [0, 0];
/// assert!(!spin_until(Pace::Frequent, || { looks[0] += 1; Poll::Again }));
/// assert!(!spin_until(Pace::Rare, || { looks[1] += 1; Poll::Again }));
/// assert!(looks[0] >= looks[1]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// At first after a single pause, and at least every sixteenth of a microsecond: for a state
    /// that lasts for longer than a look takes.
    Frequent,
    /// Every microsecond: where a look delays others by more than the state lasts.
    Rare,
}

impl Pace {
    /// Returns the first step and the longest, in pauses. `budget` is that of a sleep and a
    /// wake-up, which stands for four microseconds.
    fn steps(self, budget: u32) -> RangeInclusive<u32> {
        match self {
            Pace::Frequent => 1..=(budget / 64).max(1),
            Pace::Rare => {
                let step = (budget / 4).max(1);
                step..=step
            }
        }
    }
}

/// Calls `poll` with pauses in between, until it returns something else than [`Poll::Again`] or the
/// time that it takes to go to sleep is over. Returns whether `poll` returned [`Poll::Ready`].
///
/// On a machine with one processor, returns `false` without a call.
///
/// ```
/// use tk_park::{Pace, Poll, spin_until};
///
/// assert!(!spin_until(Pace::Frequent, || Poll::Again)); // Gives up after a few microseconds.
/// ```
pub fn spin_until(pace: Pace, poll: impl FnMut() -> Poll) -> bool {
    let budget = budget();
    spin_within(budget, &pace.steps(budget), poll)
}

fn spin_within(bound: u32, steps: &RangeInclusive<u32>, mut poll: impl FnMut() -> Poll) -> bool {
    #[cfg(tk_loom)]
    crate::sync::count_spin();
    let mut spin = Spin::new();
    while spin.once_within(bound, steps) {
        match poll() {
            Poll::Again => {}
            result => return result == Poll::Ready,
        }
    }
    false
}

/// Calls `poll` twice, after a quarter of a microsecond each. Returns whether it returned
/// [`Poll::Ready`]; anything but [`Poll::Again`] ends the spin.
///
/// For a thread that has to be in a queue soon. So if nobody has measured yet how long a pause is,
/// this returns `false` without a call, as on a machine with one processor: the measurement takes
/// longer than the spin.
pub fn spin_briefly(poll: impl FnMut() -> Poll) -> bool {
    let budget = budget_so_far();
    if budget == 0 {
        return false;
    }
    // The budget stands for four microseconds.
    let step = (budget / 16).max(1);
    let looks = if cfg!(tk_loom) { 1 } else { 2 };
    spin_within(looks * step, &(step..=step), poll)
}

/// Spins only as long as that has paid lately. A byte beside the word of a primitive.
///
/// Where waits are long, spinning wastes processor time. A sleep costs several times as much as a
/// spin. So waits go on spinning as long as one spin in five sees what it waits for. Otherwise only
/// one wait in 16 spins, to find out whether times have changed.
///
/// ```
/// use std::sync::atomic::{AtomicBool, Ordering};
/// use tk_park::{AdaptiveSpin, Limit};
///
/// let (ready, spin) = (AtomicBool::new(true), AdaptiveSpin::new());
/// assert!(spin.spin_while(|| !ready.load(Ordering::Acquire), Limit::never()));
/// ```
#[derive(Debug, Default)]
pub struct AdaptiveSpin {
    /// How many spins have missed, less [`CREDIT`] for each one that paid. From [`MAX_MISSES`] on,
    /// it counts the waits. An estimate: threads may overwrite each other's counts.
    misses: AtomicU8,
}

/// After how many misses waits stop spinning.
const MAX_MISSES: u8 = 16;
/// How many misses a spin that pays makes up for.
const CREDIT: u8 = 4;
/// One wait in this many spins although spinning has not paid.
const PROBE_EVERY: u8 = 16;
/// And one in this many spins for the longer time.
const LONG_PROBE_EVERY: u8 = 128;
/// Of the spins before that, one in this many.
const LONG_EVERY: u8 = 4;
/// How many times as long a thread that sleeps takes until it answers.
const PEER_FACTOR: u32 = 10;

impl AdaptiveSpin {
    /// Creates the estimate, with no spin that has missed.
    ///
    /// ```
    /// static SPIN: tk_park::AdaptiveSpin = tk_park::AdaptiveSpin::new();
    /// ```
    pub const fn new() -> AdaptiveSpin {
        AdaptiveSpin {
            misses: AtomicU8::new(0),
        }
    }

    /// Spins while `condition` returns `true`, within the limit, for a change that another thread
    /// brings. Returns whether `condition` returned `false`.
    ///
    /// The other thread may be asleep, and waking up takes longer than going to sleep. If two
    /// threads that wait for each other in turn spun only for the time that a sleep takes, each
    /// would give up before the other one answers, and both would sleep every time. So after a
    /// miss, and now and then, this spins for ten times as long. A change that comes in the longer
    /// time ends the spin, but the spin does not count as one that paid, unless waits had stopped
    /// spinning.
    ///
    /// ```
    /// use tk_park::{AdaptiveSpin, Limit};
    ///
    /// let spin = AdaptiveSpin::new();
    /// assert!(spin.spin_while(|| false, Limit::never()));
    /// ```
    pub fn spin_while(&self, mut condition: impl FnMut() -> bool, limit: Limit<'_>) -> bool {
        let budget = budget();
        if budget == 0 {
            return false;
        }
        #[cfg(tk_loom)]
        crate::sync::count_spin();
        let misses = self.misses.load(Relaxed);
        let bound = bound(misses, budget);
        // The change may come at any time, and each pause that is too long delays the answer to it.
        let steps = Pace::Frequent.steps(budget);
        let mut spin = Spin::new();
        let mut is_over = false;
        while !is_over && spin.once_within(bound, &steps) {
            is_over = !condition();
            // A spin that was cut short says nothing about whether spinning pays.
            if !is_over && limit.is_expired() {
                return false;
            }
        }
        let has_paid = is_over && (spin.spent <= budget || misses >= MAX_MISSES);
        let misses_now = if has_paid {
            misses.min(MAX_MISSES).saturating_sub(CREDIT)
        } else {
            // Not back to zero, where all waits spin.
            misses.checked_add(1).unwrap_or(LONG_PROBE_EVERY)
        };
        // A store that changes nothing would take the cache line from the others.
        if misses_now != misses {
            self.misses.store(misses_now, Relaxed);
        }
        is_over
    }

    /// As [`spin_while`](AdaptiveSpin::spin_while), for a change that comes when so many other
    /// threads have run. If there are more of them than other processors, they need the processor
    /// of the calling thread. Then this returns `false` without a call.
    ///
    /// ```
    /// use tk_park::{AdaptiveSpin, Limit};
    ///
    /// let spin = AdaptiveSpin::new();
    /// assert!(!spin.spin_while_others_run(1_000_000, || false, Limit::never()));
    /// ```
    pub fn spin_while_others_run(
        &self,
        others: usize,
        condition: impl FnMut() -> bool,
        limit: Limit<'_>,
    ) -> bool {
        #[cfg(not(tk_loom))]
        if others >= processors::count() as usize {
            return false;
        }
        let _ = others;
        self.spin_while(condition, limit)
    }

    /// As [`park`](crate::park), and spins in the queue before the thread sleeps: for waits whose
    /// order counts.
    ///
    /// The thread is in the queue while it spins, so it is unparked in FIFO order. Entering the
    /// queue first costs about half a microsecond more than spinning first.
    ///
    /// If this is the thread's first use of the kit, the thread is registered when it is in the
    /// queue, which allocates memory. So a global allocator must not wait this way: the program
    /// aborts with a message if an allocation waits behind the thread that it is for.
    ///
    /// # Errors
    ///
    /// As for [`park`](crate::park).
    ///
    /// ```
    /// use std::sync::atomic::AtomicU32;
    /// use std::time::Duration;
    /// use tk_park::{AdaptiveSpin, WaitError, WaitInfo};
    ///
    /// let (word, spin) = (AtomicU32::new(0), AdaptiveSpin::new());
    /// let limit = Duration::from_millis(1).into();
    /// let parked = spin.park(&word, || true, &WaitInfo::new("turnstile"), limit);
    /// assert_eq!(parked, Err(WaitError::TimedOut));
    /// ```
    pub fn park(
        &self,
        word: &impl Word,
        validate: impl FnMut() -> bool,
        info: &WaitInfo,
        limit: Limit<'_>,
    ) -> Result<Parked, WaitError> {
        let spin = |me: &Waiter| {
            self.spin_while(|| !me.is_unparked(), limit);
        };
        // SAFETY: to spin is not to park, and to check a limit does not park either.
        unsafe { park_in_order(word, validate, spin, info, limit) }
    }
}

/// Returns how many pauses a spin may take after this many misses.
#[cfg(not(tk_loom))]
fn bound(misses: u8, budget: u32) -> u32 {
    let is_long = if misses < MAX_MISSES {
        misses % LONG_EVERY == 1
    } else {
        misses.is_multiple_of(LONG_PROBE_EVERY)
    };
    if is_long {
        budget.saturating_mul(PEER_FACTOR)
    } else if misses < MAX_MISSES || misses.is_multiple_of(PROBE_EVERY) {
        budget
    } else {
        0
    }
}

/// Every spin of a model calls `poll` the same few times, whatever came of the spins before it.
#[cfg(tk_loom)]
fn bound(_: u8, budget: u32) -> u32 {
    let _ = (PROBE_EVERY, LONG_EVERY, PEER_FACTOR);
    budget
}

/// Yields to other threads, and calls `poll` after each time. Returns whether that returned
/// [`Poll::Ready`]. Ends when another thread has run, or after about the time that it takes to go
/// to sleep and be woken.
///
/// For what comes from a thread that needs a processor for it, such as the release of a lock. On a
/// machine with one processor, returns `false` without a call.
///
/// ```
/// assert!(!tk_park::yield_until(|| tk_park::Poll::GiveUp));
/// ```
pub fn yield_until(poll: impl FnMut() -> Poll) -> bool {
    yield_to_others(poll) == Yielded::Ready
}

/// How a thread's yields have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Yielded {
    /// `poll` returned [`Poll::Ready`].
    Ready,
    /// The time is over, or `poll` returned [`Poll::GiveUp`]. No other thread wanted the processor.
    Alone,
    /// Another thread has run meanwhile.
    OthersRan,
}

/// As [`yield_until`], and says whether another thread has run.
pub fn yield_to_others(mut poll: impl FnMut() -> Poll) -> Yielded {
    // A model's threads have called `poll` in the spin that comes before.
    if cfg!(tk_loom) || budget() == 0 {
        return Yielded::Alone;
    }
    let start = Instant::now();
    let mut now = start;
    while now - start < SLEEP_AND_WAKE {
        std::thread::yield_now();
        match poll() {
            Poll::Ready => return Yielded::Ready,
            Poll::GiveUp => return Yielded::Alone,
            Poll::Again => {}
        }
        let before = std::mem::replace(&mut now, Instant::now());
        if now - before > LONG_YIELD {
            return Yielded::OthersRan;
        }
    }
    Yielded::Alone
}

/// The time that it takes to go to sleep and be woken.
const SLEEP_AND_WAKE: Duration = Duration::from_micros(4);

/// A yield that takes longer has run another thread. If no other thread wants the processor, it
/// takes a fraction of a microsecond.
const LONG_YIELD: Duration = Duration::from_micros(2);

/// The budget in pauses.
#[cfg(not(tk_loom))]
#[inline]
fn budget() -> u32 {
    // Relaxed: the number is all there is. Two threads may measure at the same time, and either
    // result will do. To wait for another thread's measurement would be wrong: in the child of
    // a fork that thread may not be there.
    match BUDGET.load(Relaxed) {
        UNKNOWN => {
            let budget = measure().min(UNKNOWN - 1);
            BUDGET.store(budget, Relaxed);
            budget
        }
        budget => budget,
    }
}

/// The budget, or zero if nobody has measured yet.
#[cfg(not(tk_loom))]
fn budget_so_far() -> u32 {
    match BUDGET.load(Relaxed) {
        UNKNOWN => 0,
        budget => budget,
    }
}

#[cfg(tk_loom)]
fn budget_so_far() -> u32 {
    budget()
}

#[cfg(not(tk_loom))]
static BUDGET: AtomicU32 = AtomicU32::new(UNKNOWN);

/// No thread has measured yet.
#[cfg(not(tk_loom))]
const UNKNOWN: u32 = u32::MAX;

/// One look in each spin of a model. It stands between the start of a wait and the sleep, so that a
/// model finds what changes before the look and what changes after it. A second look would only
/// multiply the executions.
#[cfg(tk_loom)]
fn budget() -> u32 {
    1
}

/// How many pauses there are in the time that it takes to fall asleep and be woken.
#[cfg(not(tk_loom))]
#[cold]
fn measure() -> u32 {
    use std::hint::{black_box, spin_loop};
    const PAUSES: u32 = 64;

    if processors::count() == 1 {
        return 0;
    }
    // The least of a few measurements: an interruption makes a pause look longer than it is, never
    // shorter.
    let run = || {
        let start = Instant::now();
        for _ in 0..black_box(PAUSES) {
            spin_loop();
        }
        start.elapsed()
    };
    // A nanosecond for each pause at least: a clock that says less is too coarse to tell.
    let cost = run().min(run()).min(run()).as_nanos().max(PAUSES.into());
    (SLEEP_AND_WAKE.as_nanos() * u128::from(PAUSES) / cost) as u32
}
