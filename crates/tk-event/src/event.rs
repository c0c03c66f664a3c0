//! The event: a flag that threads wait for.
//!
//! The word holds two flags, [`SET`] and [`PARKED`], and the count of sets.
//!
//! | flags | `set` | `clear` | `wait` |
//! |---|---|---|---|
//! | none | sets `SET`, counts | nothing | spins, sets `PARKED`, parks |
//! | `SET` | nothing | clears `SET` | returns |
//! | `PARKED` | wakes all, clears `PARKED`, sets `SET`, counts | nothing | spins, parks |
//!
//! # Invariants
//!
//! **Parked bit.** While a thread is in the queue, `PARKED` is set. A thread enters the queue in
//! the step that sees or sets it, and it is cleared in the step that wakes all. Both steps are
//! taken with the queue locked. So a `set` wakes exactly the threads that came before it, and no
//! `clear` that follows holds one of them back.
//!
//! **Counted.** Each change from not set to set adds one to the count. A wait reads the count once,
//! when it begins, and each of its looks compares: while it spins, in the step in which it enters
//! the queue, and when its limit is reached. Without the count, a `set` and a `clear` between two
//! looks would be lost:
//!
//! 1. Thread A looks, and finds the event not set.
//! 2. Thread B sets the event. No thread is in the queue, so B wakes none. B clears the event.
//! 3. A looks again, finds the event not set, and parks, although it waited when B set the event.
//!
//! **One order.** All changes are read-modify-writes, so that the release sequence is not broken: a
//! thread that reads the state at any time after a `set` sees what was done before that `set`. This
//! includes a `set` of an event that is set already. If that were a mere load, a thread that is
//! about to clear the event could miss what was done before it.

use std::fmt;
use std::time::Duration;

use tk_park::sync::{AtomicU32, Ordering::*};
use tk_park::{
    AdaptiveSpin, FilterOp, Limit, WaitError, WaitInfo, mark_and_park_while, unpark_filter,
};

#[cfg(all(test, not(tk_loom)))]
mod tests;

/// The event is set, and no thread is in the queue.
const SET: u32 = 1;
/// The event is not set, and threads are in the queue, or were and have given up. Never set
/// together with [`SET`].
const PARKED: u32 = 2;
/// One set in the count of sets, which takes the rest of the word and wraps around.
const ONE_SET: u32 = 4;

fn is_set(state: u32) -> bool {
    state & SET != 0
}

fn is_parked(state: u32) -> bool {
    state & PARKED != 0
}

fn sets(state: u32) -> u32 {
    state / ONE_SET
}

/// Returns the state after a `set`.
fn set(state: u32) -> u32 {
    if is_set(state) {
        return state;
    }
    (state & !PARKED).wrapping_add(ONE_SET) | SET
}

/// Returns whether the event is set, or was set and cleared again, since a wait began with this
/// count.
///
/// The comparison is wrong if exactly 2^30 sets, or a multiple, lie between two looks of one
/// thread. A set and a clear take about 10 ns. So the thread would have to be preempted for ten
/// seconds of nothing but pulses, and then look at the one count in 2^30. It would miss those
/// pulses, and see the next set.
fn is_released(state: u32, start: u32) -> bool {
    is_set(state) || sets(state) != start
}

/// A flag that threads can wait for.
///
/// `set` releases every thread whose wait has begun, and `set` directly followed by `clear` does
/// the same. A wait begins when the call reads the event's state, which is the first thing it does
/// after it has converted its limit. From then on the next `set` releases it, whether the thread
/// spins, is about to park, or is parked. If the limit of a wait is reached at the same time, a
/// `set` that came before the call returned counts.
///
/// What a thread did before it called [`set`](Event::set) happens before the return of every wait
/// that the call releases, and before whatever another thread does that finds the event set.
///
/// ```
/// use tk_event::Event;
///
/// let ready = Event::new();
/// std::thread::scope(|s| {
///     s.spawn(|| ready.set());
///     assert!(ready.wait());
/// });
/// ```
#[doc(alias = "threading.Event")]
#[doc(alias = "ManualResetEvent")]
#[derive(Default)]
pub struct Event {
    /// The flags [`SET`] and [`PARKED`], and the count of sets.
    state: AtomicU32,
    spin: AdaptiveSpin,
}

#[cfg(not(tk_loom))]
const _: () = assert!(size_of::<Event>() <= 8);

impl Event {
    /// Creates an event that is not set.
    ///
    /// ```
    /// use tk_event::Event;
    ///
    /// static READY: Event = Event::new();
    /// assert!(!READY.is_set());
    /// ```
    pub const fn new() -> Event {
        Event {
            state: AtomicU32::new(0),
            spin: AdaptiveSpin::new(),
        }
    }

    /// Returns whether the event is set. Never blocks.
    ///
    /// ```
    /// # use tk_event::Event;
    /// let event = Event::new();
    /// event.set();
    /// assert!(event.is_set());
    /// ```
    #[doc(alias = "isSet")]
    #[inline]
    pub fn is_set(&self) -> bool {
        // Acquire: pairs with the Release in `set` and `set_slow`.
        is_set(self.state.load(Acquire))
    }

    /// Sets the event and releases every thread that waits for it. Never blocks.
    ///
    /// ```
    /// # use tk_event::Event;
    /// let event = Event::new();
    /// event.set();
    /// assert!(event.wait());
    /// ```
    #[inline]
    pub fn set(&self) {
        let mut state = self.state.load(Relaxed);
        while !is_parked(state) {
            // Release: pairs with the Acquire in `is_set`, `clear` and `wait_slow`.
            match self
                .state
                .compare_exchange(state, set(state), Release, Relaxed)
            {
                Ok(_) => return,
                Err(changed) => state = changed,
            }
        }
        self.set_slow();
    }

    #[cold]
    #[inline(never)]
    fn set_slow(&self) {
        let set_all_released = |_| {
            let mut state = self.state.load(Relaxed);
            // Release: as in `set`, for threads that find the event set. Those in the queue are
            // synchronized by its lock.
            while let Err(changed) =
                self.state
                    .compare_exchange(state, set(state), Release, Relaxed)
            {
                state = changed;
            }
            0
        };
        unpark_filter(&self.state, |_| FilterOp::Unpark, set_all_released);
    }

    /// Clears the event, so that threads wait for it again. Never blocks.
    ///
    /// A thread that a `set` has released stays released, even if it has not returned yet.
    ///
    /// ```
    /// # use tk_event::Event;
    /// let event = Event::new();
    /// event.set();
    /// event.clear();
    /// assert!(!event.is_set());
    /// ```
    #[inline]
    pub fn clear(&self) {
        // Relaxed: if the event is not set, there is nothing to do and nothing to see.
        if is_set(self.state.load(Relaxed)) {
            // Acquire: pairs with the Release in `set`. A thread that clears the event and then
            // looks for work sees what was done before the `set` that it has undone. If another
            // thread has cleared the event meanwhile, this changes nothing.
            self.state.fetch_and(!SET, Acquire);
        }
    }

    /// Blocks until the event is set. Always returns `true`, as Python's `wait()` does.
    ///
    /// ```
    /// # use tk_event::Event;
    /// let event = Event::new();
    /// std::thread::scope(|s| {
    ///     s.spawn(|| event.set());
    ///     assert!(event.wait());
    /// });
    /// ```
    #[inline]
    #[track_caller]
    pub fn wait(&self) -> bool {
        self.wait_with(Limit::never()).is_ok()
    }

    /// Blocks until the event is set, or for this time. Returns whether the event has been set
    /// since the call began, as Python's `wait(timeout)` does.
    ///
    /// With a timeout of zero, looks once and does not block.
    ///
    /// ```
    /// # use tk_event::Event;
    /// use std::time::Duration;
    ///
    /// assert!(!Event::new().wait_for(Duration::from_millis(1)));
    /// ```
    #[inline]
    #[track_caller]
    pub fn wait_for(&self, timeout: Duration) -> bool {
        let state = self.state.load(Acquire);
        is_set(state) || self.wait_slow(sets(state), Limit::after(timeout)).is_ok()
    }

    /// Blocks until the event is set or the limit is reached.
    ///
    /// The limit is converted first. The wait begins after that.
    ///
    /// # Errors
    ///
    /// If the limit is reached first. The error says whether the time was up or a stop was
    /// requested.
    ///
    /// ```
    /// # use tk_event::Event;
    /// use std::time::Duration;
    /// use tk_event::{Limit, StopSource, WaitError};
    ///
    /// let (event, source) = (Event::new(), StopSource::new());
    /// let token = source.token();
    /// let limit = Limit::after(Duration::from_millis(1)).or_stop(&token);
    /// assert_eq!(event.wait_with(limit), Err(WaitError::TimedOut));
    /// ```
    #[inline]
    #[track_caller]
    pub fn wait_with<'a>(&self, limit: impl Into<Limit<'a>>) -> Result<(), WaitError> {
        let limit = limit.into();
        // Acquire: pairs with the Release in `set`. Here the wait begins.
        let state = self.state.load(Acquire);
        if is_set(state) {
            return Ok(());
        }
        self.wait_slow(sets(state), limit)
    }

    /// `start` is the count of sets that the wait began with.
    #[cold]
    #[inline(never)]
    #[track_caller]
    fn wait_slow(&self, start: u32, limit: Limit<'_>) -> Result<(), WaitError> {
        // Acquire: pairs with the Release in `set`.
        let is_blocked = || !is_released(self.state.load(Acquire), start);
        if self.spin.spin_while(is_blocked, limit) {
            return Ok(());
        }
        let mark = || self.mark_parked(start);
        mark_and_park_while(
            &self.state,
            is_blocked,
            mark,
            &WaitInfo::new("event"),
            limit,
        )
    }

    /// With the queue locked: sets `PARKED`, unless a `set` has released the wait.
    fn mark_parked(&self, start: u32) -> bool {
        // Acquire, here and on failure: pairs with the Release in `set`, for a wait that is
        // released.
        let mut state = self.state.load(Acquire);
        while !is_released(state, start) {
            if is_parked(state) {
                return true;
            }
            // Relaxed on success: the queue's lock orders it before the `set` that wakes.
            match self
                .state
                .compare_exchange(state, state | PARKED, Relaxed, Acquire)
            {
                Ok(_) => return true,
                Err(changed) => state = changed,
            }
        }
        false
    }

    /// Gives a model's atomics to the thread that makes the object.
    #[cfg(tk_loom)]
    #[doc(hidden)]
    pub fn loom_register(&self) {
        self.state.loom_register();
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("set", &self.is_set())
            .finish()
    }
}
