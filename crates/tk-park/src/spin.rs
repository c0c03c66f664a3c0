//! How long it pays to look again before going to sleep.

use std::ops::ControlFlow;
// Not those of `sync`: this is an estimate, which orders nothing, and no model depends on it.
#[cfg(not(tk_loom))]
use std::sync::atomic::AtomicU32;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::{Limit, Parked, Wait, Waiter, Word, park_then};

/// A bounded wait without sleeping, for a state that is likely to change soon.
///
/// The bound is a time, about what it costs to go to sleep and be woken; what one pause of this processor costs is
/// measured once. On a machine with one processor there is no spinning: nothing would change meanwhile.
///
/// ```
/// use std::sync::atomic::{AtomicBool, Ordering};
/// use tk_park::Spin;
///
/// fn look(ready: &AtomicBool) -> bool {
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
/// assert!(look(&AtomicBool::new(true)));
/// assert!(!look(&AtomicBool::new(false)));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Spin {
    /// How many pauses the next step makes; doubles from step to step, so that the word is not looked at too often.
    step: u32,
    spent: u32,
}

/// The longest step, in pauses.
const LONGEST_STEP: u32 = 64;

impl Spin {
    /// A new budget.
    ///
    /// ```
    /// let _spin = tk_park::Spin::new();
    /// ```
    #[inline]
    pub const fn new() -> Spin {
        Spin { step: 0, spent: 0 }
    }

    /// Pauses a little. Says `false`, at once, when the budget is spent.
    ///
    /// ```
    /// let mut spin = tk_park::Spin::new();
    /// while spin.once() {}
    /// assert!(!spin.once());
    /// ```
    pub fn once(&mut self) -> bool {
        self.once_within(budget())
    }

    fn once_within(&mut self, budget: u32) -> bool {
        if self.spent >= budget {
            return false;
        }
        self.step = (self.step * 2).clamp(1, LONGEST_STEP);
        self.spent += self.step;
        for _ in 0..self.step {
            std::hint::spin_loop();
        }
        true
    }
}

/// Whether it has paid lately to spin for one thing.
///
/// A byte beside the word of a primitive. Where waits are long, spinning is wasted time: after a few spins in a row that saw
/// nothing come, the primitive's waits sleep at once, except for one in 32 that looks whether times have changed.
///
/// ```
/// use std::ops::ControlFlow;
/// use std::sync::atomic::{AtomicBool, Ordering};
/// use tk_park::SpinHistory;
///
/// let (ready, history) = (AtomicBool::new(true), SpinHistory::new());
/// let came = history.spin(|| match ready.load(Ordering::Acquire) {
///     true => ControlFlow::Break(true),
///     false => ControlFlow::Continue(()),
/// });
/// assert!(came);
/// ```
#[derive(Debug, Default)]
pub struct SpinHistory {
    /// The waits since the last spin that was worth it. Only an estimate: threads may overwrite each other's counts.
    misses: AtomicU8,
}

/// So many spins in a row may fail.
const TOLERANCE: u8 = 4;
/// One in so many waits spins all the same,
const PROBE: u8 = 32;
/// and one in so many for as long as it takes to wake somebody.
const LONG_PROBE: u8 = 128;
/// How many times as long it takes until a thread that sleeps is awake.
const WAKE_UP: u32 = 10;

impl SpinHistory {
    /// No spin has failed yet.
    ///
    /// ```
    /// static HISTORY: tk_park::SpinHistory = tk_park::SpinHistory::new();
    /// ```
    pub const fn new() -> SpinHistory {
        SpinHistory {
            misses: AtomicU8::new(0),
        }
    }

    /// Looks again and again, with growing pauses, until `look` breaks with its answer or the budget is spent.
    ///
    /// `Break(true)` means that what was waited for has come, `Break(false)` that there is no sense in spinning for it now.
    /// Returns whether it has come. Where spinning has not paid lately, returns `false` without a look.
    ///
    /// ```
    /// use std::ops::ControlFlow;
    ///
    /// let history = tk_park::SpinHistory::new();
    /// assert!(!history.spin(|| ControlFlow::Continue(()))); // Gives up in a few microseconds.
    /// ```
    pub fn spin(&self, look: impl FnMut() -> ControlFlow<bool>) -> bool {
        self.spin_with(look, 1, Limit::none())
    }

    /// As [`spin`](SpinHistory::spin), for what comes from another thread that may be asleep itself, and has to be woken for it
    /// first.
    ///
    /// That takes longer than to fall asleep. If two threads that wait for each other in turn did no more than `spin`, both
    /// would sleep each time, as the other one is not back in time. So after a failure, and now and then, this looks out for longer, though not
    /// beyond the limit. What comes in that longer time is received, but does not count as spinning that pays.
    ///
    /// ```
    /// use std::ops::ControlFlow;
    /// use tk_park::{Limit, SpinHistory};
    ///
    /// let history = SpinHistory::new();
    /// assert!(history.spin_for_a_wake_up(Limit::none(), || ControlFlow::Break(true)));
    /// ```
    pub fn spin_for_a_wake_up(
        &self,
        limit: Limit<'_>,
        look: impl FnMut() -> ControlFlow<bool>,
    ) -> bool {
        self.spin_with(look, WAKE_UP, limit)
    }

    /// As [`park`](crate::park), and spins in the queue before it sleeps: for a wait whose place in the
    /// order counts.
    ///
    /// The thread stands in the queue while it spins, so it is unparked in its turn, and nothing that
    /// an unparking thread does passes it by. To enter the queue first costs about half a microsecond
    /// more than to spin first.
    ///
    /// ```
    /// use std::sync::atomic::AtomicU32;
    /// use std::time::Duration;
    /// use tk_park::{Parked, SpinHistory, Wait};
    ///
    /// let (word, history) = (AtomicU32::new(0), SpinHistory::new());
    /// let limit = Duration::from_millis(1).into();
    /// assert_eq!(history.park(&word, || true, &Wait::new("turnstile"), limit), Parked::TimedOut);
    /// ```
    pub fn park(
        &self,
        word: &impl Word,
        validate: impl FnMut() -> bool,
        wait: &Wait,
        limit: Limit<'_>,
    ) -> Parked {
        let spin = |waiter: &Waiter| {
            self.spin_for_a_wake_up(limit, || {
                if waiter.is_unparked() {
                    return ControlFlow::Break(true);
                }
                ControlFlow::Continue(())
            });
        };
        // SAFETY: to spin is not to park, and a look at a limit does not park either.
        unsafe { park_then(word, validate, spin, wait, limit) }
    }

    fn spin_with(
        &self,
        mut look: impl FnMut() -> ControlFlow<bool>,
        longer: u32,
        limit: Limit<'_>,
    ) -> bool {
        let budget = budget();
        if budget == 0 {
            return false;
        }
        #[cfg(tk_loom)]
        crate::sync::count_spin();
        let misses = self.misses.load(Relaxed);
        let bound = bound(misses, budget, longer);
        let mut spin = Spin::new();
        let mut came = false;
        while spin.once_within(bound) {
            match look() {
                ControlFlow::Continue(()) if limit.is_over() => return false,
                ControlFlow::Continue(()) => {}
                ControlFlow::Break(false) => return false,
                ControlFlow::Break(true) => {
                    came = true;
                    break;
                }
            }
        }
        let misses_now = match came && spin.spent <= budget {
            true => 0,
            false => misses.wrapping_add(1),
        };
        if misses_now != misses {
            self.misses.store(misses_now, Relaxed);
        }
        came
    }
}

/// How many pauses a spin may take after so many misses in a row.
#[cfg(not(tk_loom))]
fn bound(misses: u8, budget: u32, longer: u32) -> u32 {
    match misses {
        0 => budget,
        _ if misses < TOLERANCE || misses.is_multiple_of(LONG_PROBE) => {
            budget.saturating_mul(longer)
        }
        _ if misses.is_multiple_of(PROBE) => budget,
        _ => 0,
    }
}

/// Every spin of a model makes the same few looks, whatever came of the spins before it.
#[cfg(tk_loom)]
fn bound(_: u8, budget: u32, _: u32) -> u32 {
    let _ = (TOLERANCE, PROBE, LONG_PROBE);
    budget
}

/// Lets other threads run, for about as long as it takes to fall asleep and be woken, and looks in between.
///
/// For what comes from another thread that needs a processor for it, such as the release of a lock. `look` is as in
/// [`SpinHistory::spin`], and so is the result. There is no look on a machine with one processor.
///
/// ```
/// use std::ops::ControlFlow;
///
/// assert!(!tk_park::give_way(|| ControlFlow::Break(false)));
/// ```
pub fn give_way(mut look: impl FnMut() -> ControlFlow<bool>) -> bool {
    // A model's threads have made their look in the spin that comes before.
    if cfg!(tk_loom) || budget() == 0 {
        return false;
    }
    let start = Instant::now();
    while start.elapsed() < SLEEP_AND_WAKE {
        std::thread::yield_now();
        if let ControlFlow::Break(came) = look() {
            return came;
        }
    }
    false
}

/// What it takes to fall asleep and be woken.
const SLEEP_AND_WAKE: Duration = Duration::from_micros(4);

/// The budget in pauses.
#[cfg(not(tk_loom))]
#[inline]
fn budget() -> u32 {
    // Relaxed: the number is all there is. Two threads may measure at once, and either result will do.
    // To wait for another thread's measurement would be wrong: in the child of a fork that thread may
    // not be there.
    match BUDGET.load(Relaxed) {
        UNKNOWN => {
            let budget = measure().min(UNKNOWN - 1);
            BUDGET.store(budget, Relaxed);
            budget
        }
        budget => budget,
    }
}

#[cfg(not(tk_loom))]
static BUDGET: AtomicU32 = AtomicU32::new(UNKNOWN);

/// Nobody has measured yet.
#[cfg(not(tk_loom))]
const UNKNOWN: u32 = u32::MAX;

/// One look in each spin of a model. It stands between the start of a wait and the sleep, so that a model finds what changes
/// before the look and what changes after it. A second look would only multiply the executions.
#[cfg(tk_loom)]
fn budget() -> u32 {
    1
}

/// Whether the thread that asks has no other processor to wait for.
///
/// It allocates nothing, because the lock that the thread waits for may be the global allocator's. On Linux,
/// `available_parallelism` reads the quotas of control groups into a buffer: the allocation would wait for the same lock, ask again
/// how many processors there are, and so on until the stack is full.
#[cfg(all(not(tk_loom), any(target_os = "linux", target_os = "android")))]
fn has_one_processor() -> bool {
    // It fails where there are more processors than the set has room for.
    rustix::thread::sched_getaffinity(None).is_ok_and(|set| set.count() == 1)
}

/// As above. The other systems' `available_parallelism` allocates nothing.
#[cfg(not(any(tk_loom, target_os = "linux", target_os = "android")))]
fn has_one_processor() -> bool {
    std::thread::available_parallelism().is_ok_and(|n| n.get() == 1)
}

/// How many pauses there are in the time that it takes to fall asleep and be woken.
#[cfg(not(tk_loom))]
#[cold]
fn measure() -> u32 {
    use std::hint::{black_box, spin_loop};
    const PAUSES: u32 = 64;

    if has_one_processor() {
        return 0;
    }
    // The least of a few measurements: an interruption makes a pause look longer than it is, never shorter.
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
