//! The description of a wait, for other threads.

use std::panic::Location;

use tk_core::Owner;

#[cfg(not(tk_loom))]
use crate::Word;
#[cfg(not(tk_loom))]
use crate::observer::{Wait, WaitEnd};
use crate::sync::Instant;

/// Describes a wait to others: to threads that read this thread's record, and to threads that
/// unpark it.
///
/// Create it once per wait, when the call is about to block. The wait counts from that moment,
/// however often the thread has to park.
///
/// ```
/// use tk_park::WaitInfo;
///
/// let info = WaitInfo::new("turnstile");
/// assert_eq!(info.kind(), "turnstile");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct WaitInfo {
    kind: &'static str,
    holder: Option<Owner>,
    location: &'static Location<'static>,
    /// When the wait began, if it has begun.
    since: Option<Instant>,
    tag: usize,
}

impl WaitInfo {
    /// Describes a wait that begins now, for a thing of this kind, requested by the caller's line.
    ///
    /// If the methods of a primitive are `#[track_caller]` down to this call, the line is that of
    /// the primitive's user.
    ///
    /// ```
    /// use tk_park::WaitInfo;
    ///
    /// #[track_caller]
    /// fn begin() -> WaitInfo {
    ///     WaitInfo::new("turnstile") // Records the line that calls `begin`.
    /// }
    ///
    /// assert_eq!(begin().kind(), "turnstile");
    /// ```
    #[track_caller]
    pub fn new(kind: &'static str) -> WaitInfo {
        let mut info = WaitInfo::of_spin(kind);
        info.begin();
        info
    }

    /// As [`new`](WaitInfo::new), for a wait that begins when the thread has spun: see
    /// [`park_in_word`](crate::__private::park_in_word). A look at the clock takes as long as a
    /// short spin.
    #[doc(hidden)]
    #[track_caller]
    pub fn of_spin(kind: &'static str) -> WaitInfo {
        WaitInfo {
            kind,
            holder: None,
            location: Location::caller(),
            since: None,
            tag: 0,
        }
    }

    /// Begins the wait, if it has not begun. Returns when it has.
    pub(crate) fn begin(&mut self) -> Instant {
        *self.since.get_or_insert_with(Instant::now)
    }

    /// Adds the thread that holds the thing.
    ///
    /// ```
    /// let info = tk_park::WaitInfo::new("turnstile").held_by(Some(tk_core::current_owner()));
    /// assert_eq!(info.kind(), "turnstile");
    /// ```
    #[must_use]
    pub fn held_by(mut self, holder: Option<Owner>) -> WaitInfo {
        self.holder = holder;
        self
    }

    /// Adds a number that threads which unpark can read, with [`Waiter::tag`](crate::Waiter::tag).
    ///
    /// ```
    /// use std::sync::atomic::AtomicU32;
    /// use tk_park::{FilterOp, Limit, Parked, WaitInfo, park, unpark_filter};
    ///
    /// const READER: usize = 1;
    ///
    /// let (word, info) = (AtomicU32::new(0), WaitInfo::new("readers").tag(READER));
    /// let unpark_readers = || {
    ///     unpark_filter(&word, |waiter| match waiter.tag() {
    ///         READER => FilterOp::Unpark,
    ///         _ => FilterOp::Skip,
    ///     }, |_| 0)
    /// };
    /// std::thread::scope(|s| {
    ///     let reader = s.spawn(|| park(&word, || true, &info, Limit::never()));
    ///     while unpark_readers().unparked_threads == 0 {}
    ///     assert_eq!(reader.join().unwrap(), Ok(Parked::Unparked(0)));
    /// });
    /// ```
    #[must_use]
    pub fn tag(mut self, tag: usize) -> WaitInfo {
        self.tag = tag;
        self
    }

    /// Replaces the line that requested the wait, for code that runs in a closure, where
    /// `#[track_caller]` does not reach.
    ///
    /// ```
    /// use std::panic::Location;
    /// use std::sync::atomic::AtomicU32;
    /// use tk_park::WaitInfo;
    ///
    /// #[track_caller]
    /// fn describe<const N: usize>(kinds: [&'static str; N]) -> [WaitInfo; N] {
    ///     let caller = Location::caller();
    ///     kinds.map(|kind| WaitInfo::new(kind).at(caller)) // `new` alone would record this line.
    /// }
    ///
    /// let here = line!() + 1;
    /// let [_, door] = describe(["turnstile", "door"]);
    /// let _published = door.publish(&AtomicU32::new(0));
    /// assert_eq!(tk_core::current().blocked_on().unwrap().location().line(), here);
    /// ```
    #[must_use]
    pub fn at(mut self, location: &'static Location<'static>) -> WaitInfo {
        self.location = location;
        self
    }

    /// Returns the kind of thing that the thread waits for.
    ///
    /// ```
    /// assert_eq!(tk_park::WaitInfo::new("turnstile").kind(), "turnstile");
    /// ```
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// Publishes this in the thread's record, as a wait for `word`, until the guard is dropped: for
    /// a thread that is about to block in another way than by parking.
    ///
    /// ```
    /// use std::sync::atomic::AtomicU32;
    /// use tk_park::WaitInfo;
    ///
    /// let word = AtomicU32::new(0);
    /// let published = WaitInfo::new("printer").publish(&word);
    /// assert_eq!(tk_core::current().blocked_on().unwrap().kind(), "printer");
    /// drop(published);
    /// assert!(tk_core::current().blocked_on().is_none());
    /// ```
    #[cfg(not(tk_loom))]
    pub fn publish(&self, word: &impl Word) -> tk_core::BlockedGuard {
        self.publish_key(word.key())
    }

    #[cfg(not(tk_loom))]
    fn publish_key(&self, key: usize) -> tk_core::BlockedGuard {
        self.publish_in(key, tk_core::__private::Seat::Unknown)
    }

    /// As [`publish`](WaitInfo::publish), for a join by the system, without a limit. The holder is
    /// the thread that is joined. A watcher hears of it now, because the thread will not wake up to
    /// report it later.
    #[cfg(not(tk_loom))]
    #[doc(hidden)]
    pub fn publish_join(&self, word: &impl Word) -> tk_core::BlockedGuard {
        let published = self.publish_in(word.key(), tk_core::__private::Seat::Join);
        if crate::watch::is_on() {
            crate::watch::report(crate::watch::Report::Held);
        }
        published
    }

    #[cfg(not(tk_loom))]
    pub(crate) fn publish_in(
        &self,
        key: usize,
        seat: tk_core::__private::Seat,
    ) -> tk_core::BlockedGuard {
        use tk_core::__private::BlockedOnExt;

        tk_core::BlockedOn::new(self.kind, key, self.since(), self.location)
            .held_by(self.holder)
            .enter_in(seat)
    }

    #[cfg(not(tk_loom))]
    pub(crate) fn as_wait(&self, key: usize, end: WaitEnd) -> Wait {
        Wait {
            kind: self.kind,
            address: key,
            location: self.location,
            since: self.since(),
            holder: self.holder,
            end,
        }
    }

    /// To tk-core, all threads of a model are one.
    #[cfg(tk_loom)]
    pub(crate) fn publish_in(
        &self,
        _: usize,
        _: tk_core::__private::Seat,
    ) -> Box<dyn std::fmt::Debug> {
        Box::new((self.holder, self.location))
    }

    #[cfg(not(tk_loom))]
    fn since(&self) -> Instant {
        self.since.unwrap_or_else(Instant::now)
    }

    pub(crate) fn tag_and_begin(&self) -> (usize, Option<Instant>) {
        (self.tag, self.since)
    }
}
