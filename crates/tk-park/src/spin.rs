//! How long it pays to look again before going to sleep.

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
        if self.spent >= budget() {
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

/// The budget in pauses.
#[cfg(not(tk_loom))]
fn budget() -> u32 {
    use once_cell::sync::OnceCell;

    static BUDGET: OnceCell<u32> = OnceCell::new();
    // `get` first: it is one load, and `get_or_init` may have to wait for another thread's measurement.
    match BUDGET.get() {
        Some(budget) => *budget,
        None => *BUDGET.get_or_init(measure),
    }
}

/// A model has no use for looking twice: whatever a spinning thread could see, a parking one sees too.
#[cfg(tk_loom)]
fn budget() -> u32 {
    0
}

/// How many pauses there are in the time that it takes to fall asleep and be woken.
#[cfg(not(tk_loom))]
#[cold]
fn measure() -> u32 {
    use std::hint::{black_box, spin_loop};
    use std::time::{Duration, Instant};

    const SLEEP_AND_WAKE: Duration = Duration::from_micros(4);
    const PAUSES: u32 = 64;

    if std::thread::available_parallelism().is_ok_and(|n| n.get() == 1) {
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
    let cost = run().min(run()).min(run()).max(Duration::from_nanos(1));
    let budget = SLEEP_AND_WAKE.as_nanos() * u128::from(PAUSES) / cost.as_nanos();
    u32::try_from(budget).unwrap_or(u32::MAX / 2)
}
