//! The event.

use std::fmt;
use std::ops::ControlFlow;
use std::time::Duration;

use tk_park::sync::{AtomicU32, Instant, Ordering::*};
use tk_park::{Choice, Limit, Parked, SpinHistory, Wait, WaitError, park, unpark_filter};

/// Nothing has happened, and nobody sleeps.
const CLEAR: u32 = 0;
/// It has happened. Nobody sleeps: whoever did was woken in the step that set it.
const SET: u32 = 1;
/// Nothing has happened. Threads sleep, or are about to, or slept and have given up.
const PARKED: u32 = 2;

/// A flag that threads can wait for.
///
/// What a thread did before it called [`set`](Event::set) is seen by every thread whose wait is released by that, and by
/// every thread that finds the event set.
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
    /// | state | `set` | `clear` | a wait |
    /// |---|---|---|---|
    /// | `CLEAR` | makes it `SET` | | makes it `PARKED`, and sleeps |
    /// | `SET` | | makes it `CLEAR` | returns |
    /// | `PARKED` | wakes all and makes it `SET`, in one step | | sleeps |
    ///
    /// That step is taken with the queue locked, and a thread enters the queue only while the state is `PARKED`. So a
    /// `set` wakes just those who came before it, and no `clear` that follows can hold one of them back.
    ///
    /// All changes are read-modify-writes, so that the order of releases is not broken: who finds the event set has
    /// all that was done before any earlier `set`. That includes a `set` of an event which is set. A mere look would
    /// not do there: the thread that is about to clear the event could miss what has been done.
    state: AtomicU32,
    spins: SpinHistory,
}

#[cfg(not(tk_loom))]
const _: () = assert!(size_of::<Event>() <= 8);

impl Event {
    /// An event that is not set.
    ///
    /// ```
    /// use tk_event::Event;
    ///
    /// static READY: Event = Event::new();
    /// assert!(!READY.is_set());
    /// ```
    pub const fn new() -> Event {
        Event {
            state: AtomicU32::new(CLEAR),
            spins: SpinHistory::new(),
        }
    }

    /// Whether the event is set. Never blocks.
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
        let mut state = self.state.load(Relaxed);
        while state != PARKED {
            // Release: pairs with the Acquire in `is_set`, `clear` and `wait_slow`.
            match self.state.compare_exchange(state, SET, Release, Relaxed) {
                Ok(_) => return,
                Err(changed) => state = changed,
            }
        }
        self.set_slow();
    }

    #[cold]
    fn set_slow(&self) {
        unpark_filter(
            &self.state,
            |_| Choice::Unpark,
            |_| {
                // Release: as in `set`, for those who find the event set. Those who sleep are synchronised by the queue.
                self.state.swap(SET, Release);
                0
            },
        );
    }

    /// Clears the event: from now on threads wait for it again. Never blocks.
    ///
    /// Threads that a `set` has released stay released.
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
        // Acquire: pairs with the Release in `set`. A thread that clears the event and then looks at what there is to do
        // sees what was done before the `set` that it has undone. Failure changes nothing and tells nothing.
        let _ = self.state.compare_exchange(SET, CLEAR, Acquire, Relaxed);
    }

    /// Waits until the event is set. Always returns `true`.
    ///
    /// Blocks while the event is not set.
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
        self.wait_with(Limit::none()).is_ok()
    }

    /// Waits until the event is set, or for that long. Returns whether it has been set.
    ///
    /// Zero means to look once. Python's `wait(timeout)`.
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

    /// Waits until the event is set, or until that time. Returns whether it has been set.
    ///
    /// ```
    /// # use tk_event::Event;
    /// use std::time::Instant;
    ///
    /// assert!(!Event::new().wait_until(Instant::now()));
    /// ```
    #[inline]
    #[track_caller]
    pub fn wait_until(&self, deadline: Instant) -> bool {
        self.wait_with(deadline).is_ok()
    }

    /// Waits until the event is set or the limit is reached, and says which limit that was.
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
        if self.is_set() {
            return Ok(());
        }
        self.wait_slow(limit.into())
    }

    #[cold]
    #[track_caller]
    fn wait_slow(&self, limit: Limit<'_>) -> Result<(), WaitError> {
        if let Err(error) = limit.check() {
            return self.last_look(error);
        }
        let look = || match self.is_set() {
            true => ControlFlow::Break(true),
            false => ControlFlow::Continue(()),
        };
        if self.spins.spin_for_a_wake_up(limit, look) {
            return Ok(());
        }
        let wait = Wait::new("event");
        loop {
            // Acquire: pairs with the Release in `set`. Relaxed on success: nothing is read, nothing published.
            let marked = self.state.compare_exchange(CLEAR, PARKED, Relaxed, Acquire);
            if marked == Err(SET) {
                return Ok(());
            }
            // Relaxed: `SET` is looked at again above, and a change from `PARKED` needs the queue.
            let validate = || self.state.load(Relaxed) == PARKED;
            match park(&self.state, validate, &wait, limit) {
                Parked::Unparked(_) => return Ok(()),
                Parked::Invalid | Parked::Requeued => {}
                Parked::TimedOut => return self.last_look(WaitError::TimedOut),
                Parked::Stopped => return self.last_look(WaitError::Stopped),
            }
        }
    }

    /// The limit was reached, but a `set` that came before that counts.
    fn last_look(&self, error: WaitError) -> Result<(), WaitError> {
        self.is_set().then_some(()).ok_or(error)
    }

    /// Gives a model's atomics to the thread that makes the object.
    #[cfg(tk_loom)]
    #[doc(hidden)]
    pub fn touch(&self) {
        self.state.touch();
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("set", &self.is_set())
            .finish()
    }
}
