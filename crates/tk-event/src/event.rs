//! The event: a flag that threads wait for.
//!
//! | word | `set` | `clear` | `wait` |
//! |---|---|---|---|
//! | 0: not set, no wait has begun | → `SET` | – | begins an epoch: → `WAITED` |
//! | `SET` | – | → 0 | returns |
//! | `WAITED`, an epoch | → `SET` | – | joins the epoch, spins, sets `PARKED`, parks |
//! | `WAITED`, `PARKED`, an epoch | → `SET`, wakes all | – | joins the epoch, spins, parks |
//!
//! # Invariants
//!
//! **Epoch.** A wait begins when it puts a new epoch into the word, or finds one there and joins
//! it. A `set` ends the epoch, whatever number it has: it takes it out of the word. No epoch ever
//! comes back. So a wait is released exactly when the word does not hold its epoch any more, and
//! each of its looks compares: while it spins, in the step in which it enters the queue, and when
//! its limit is reached. If waits looked for `SET` alone, a `set` and a `clear` between two looks
//! would be lost:
//!
//! 1. Thread A looks, and finds the event not set.
//! 2. Thread B sets the event. No thread is in the queue, so B wakes none. B clears the event.
//! 3. A looks again, finds the event not set, and parks, although it waited when B set the event.
//!
//! If all waits had the same epoch, thread C could begin one between 2 and 3, and A would take it
//! for its own.
//!
//! **Parked bit.** While a thread is in the queue and its epoch is in the word, `PARKED` is set. A
//! thread enters the queue in the step that sees or sets the bit beside its epoch, with the queue
//! locked. The `set` that takes the bit out of the word locks the queue afterwards, and finds the
//! thread. It may also find threads of later epochs, because the event can be cleared and waited
//! for meanwhile. These look at the word, and park again.
//!
//! **One order.** All changes are read-modify-writes, so that the release sequence is not broken: a
//! thread that reads the state at any time after a `set` sees what was done before that `set`. This
//! includes a `set` of an event that is set already. If that were a mere load, a thread that is
//! about to clear the event could miss what was done before it.
//!
//! The numbers of the epochs are a word of their own, which only waits write to. So `set` need not
//! know what it replaces, and is a single exchange, and `clear` is a single instruction too.

use std::fmt;
use std::time::Duration;

use tk_park::sync::{AtomicU32, Ordering::*};
use tk_park::{AdaptiveSpin, Limit, WaitError, WaitInfo, mark_and_park_while, unpark_all};

#[cfg(all(test, not(tk_loom)))]
mod tests;

/// The event is set. Nothing else is in the word.
const SET: u32 = 1;
/// Threads of the epoch in the word are in the queue, or were and have given up.
const PARKED: u32 = 2;
/// A wait has begun since the event was last set. The epoch is in the rest of the word.
const WAITED: u32 = 4;
/// One in the number of an epoch, which takes the rest of the word and wraps around.
const ONE_EPOCH: u32 = 8;

/// Returns the word of the epoch with this number, with no thread parked.
fn epoch(number: u32) -> u32 {
    number.wrapping_mul(ONE_EPOCH) | WAITED
}

/// Returns whether a wait of this epoch goes on.
///
/// The comparison is wrong if exactly 2^29 epochs, or a multiple, begin between two looks of one
/// thread. A wait, a set and a clear take about 20 ns. So the thread would have to be preempted for
/// ten seconds of nothing but those, and then look in the one epoch in 2^29. It would miss those
/// sets, and see the next one.
fn is_blocked(state: u32, epoch: u32) -> bool {
    state & !PARKED == epoch
}

/// A flag that threads can wait for.
///
/// `set` releases every thread whose wait has begun, and `set` directly followed by `clear` does
/// the same. A wait begins when the call finds the event not set, which is the first thing it does
/// after it has converted its limit. From then on the next `set` releases it, whether the thread
/// spins, is about to park, or is parked. If the limit of a wait is reached at the same time, a
/// `set` that came before the call returned counts.
///
/// Everything that a thread did before it called [`set`](Event::set) happens before the return of
/// every wait that the call releases, and before everything that another thread does after it has
/// found the event set.
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
    /// [`SET`], or [`WAITED`] with an epoch and perhaps [`PARKED`], or nothing.
    state: AtomicU32,
    /// How many epochs have begun, or were about to.
    epochs: AtomicU32,
    spin: AdaptiveSpin,
}

#[cfg(not(tk_loom))]
const _: () = assert!(size_of::<Event>() <= 12);

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
            epochs: AtomicU32::new(0),
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
        // Acquire: pairs with the Release in `set`.
        self.state.load(Acquire) == SET
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
        // Release: pairs with the Acquire in `is_set`, `clear`, `begin_wait` and `goes_on`.
        if self.state.swap(SET, Release) & PARKED != 0 {
            self.wake_all();
        }
    }

    #[cold]
    #[inline(never)]
    fn wake_all(&self) {
        unpark_all(&self.state, 0);
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
        // An epoch has no `SET`, and stays as it is.
        //
        // Acquire: pairs with the Release in `set`. A thread that clears the event and then looks
        // for work sees what was done before the `set` that it has undone.
        self.state.fetch_and(!SET, Acquire);
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
        self.is_set() || self.wait_slow(Limit::never()).is_ok()
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
        self.is_set() || self.wait_slow(Limit::after(timeout)).is_ok()
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
        if self.is_set() {
            return Ok(());
        }
        self.wait_slow(limit)
    }

    #[cold]
    #[inline(never)]
    #[track_caller]
    fn wait_slow(&self, limit: Limit<'_>) -> Result<(), WaitError> {
        match self.begin_wait() {
            Some(epoch) => self.wait_in(epoch, limit),
            None => Ok(()),
        }
    }

    /// Begins a wait, and returns its epoch. Returns `None` if the event is set.
    fn begin_wait(&self) -> Option<u32> {
        // Acquire, here and below: pairs with the Release in `set`, if the event is set.
        let mut state = self.state.load(Acquire);
        if state == 0 {
            // Relaxed: the number is all there is. One that is not used is lost.
            let new = epoch(self.epochs.fetch_add(1, Relaxed));
            // Relaxed on success: nothing was done before that others have to see.
            state = match self.state.compare_exchange(0, new, Relaxed, Acquire) {
                Ok(_) => new,
                Err(changed) => changed,
            };
        }
        // A set may have come in between. If the word holds an epoch, the wait joins it.
        (state != SET).then_some(state & !PARKED)
    }

    #[track_caller]
    fn wait_in(&self, epoch: u32, limit: Limit<'_>) -> Result<(), WaitError> {
        // Acquire: pairs with the Release in `set`.
        let goes_on = || is_blocked(self.state.load(Acquire), epoch);
        if self.spin.spin_while(goes_on, limit) {
            return Ok(());
        }
        let mark = || self.mark_parked(epoch);
        mark_and_park_while(&self.state, goes_on, mark, &WaitInfo::new("event"), limit)
    }

    /// With the queue locked: sets `PARKED`, unless a `set` has released the wait.
    fn mark_parked(&self, epoch: u32) -> bool {
        // Relaxed on success: the queue's lock orders it before the search of the `set` that takes
        // the bit. Acquire on failure: pairs with the Release in `set`, for a wait that is
        // released.
        match self
            .state
            .compare_exchange(epoch, epoch | PARKED, Relaxed, Acquire)
        {
            Ok(_) => true,
            Err(state) => is_blocked(state, epoch),
        }
    }

    /// Gives a model's atomics to the thread that makes the object.
    #[cfg(tk_loom)]
    #[doc(hidden)]
    pub fn loom_register(&self) {
        self.state.loom_register();
        self.epochs.loom_register();
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("set", &self.is_set())
            .finish()
    }
}
