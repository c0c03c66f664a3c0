//! A parked thread: what others see of it, and its place in a queue.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64};
use std::time::Duration;

use tk_core::Owner;

use super::parker::Parker;
use crate::sync::Instant;
use crate::sync::Ordering::{AcqRel, Relaxed};
use crate::sync::lot::{AtomicUsize, UnsafeCell};
use crate::watch::Held;
use crate::{Limit, WaitInfo, checked_add_instant};

/// A parked thread, as the thread that unparks sees it.
///
/// ```
/// use std::sync::atomic::AtomicU32;
/// use tk_park::{FilterOp, Waiter, unpark_filter};
///
/// let first = |_: &Waiter| FilterOp::Stop;
/// assert_eq!(unpark_filter(&AtomicU32::new(0), first, |_| 0).unparked_threads, 0);
/// ```
pub struct Waiter {
    tag: usize,
    /// See `queue_word.rs`.
    mark: usize,
    owner: Owner,
    /// When the wait began. `None` before that, while the thread stands in a word. Belongs to the
    /// same thread as `links`.
    since: UnsafeCell<Option<Instant>>,
    deadline: Option<Instant>,
    has_stop: bool,
    /// The thing that the thread waits for, for a watcher. It is there while the waiter is in a
    /// queue: *Held while looked at*, in `watch.rs`.
    #[cfg_attr(tk_loom, allow(dead_code, reason = "models have no watcher"))]
    held: Option<Held<'static>>,
    /// Whether the thread will report to the watcher that it waits. Like `moved`, not one of the
    /// atomics of `sync`.
    will_report: AtomicBool,
    /// How long after `since` the waiter was moved to the queue in which it is, in nanoseconds; or
    /// [`NOT_MOVED`]. Not one of the atomics of `sync`: it orders nothing.
    moved: AtomicU64,
    /// Like `moved`, not one of the atomics of `sync`.
    companions: AtomicU8,
    /// How long after `since` is [`not_before`](Waiter::not_before), in nanoseconds. Like `moved`,
    /// not one of the atomics of `sync`.
    held_back: AtomicU64,
    /// The key of the queue in which the waiter is, or [`NO_KEY`]. Written with the bucket of that
    /// key locked, by the Key.
    pub(super) key: AtomicUsize,
    pub(super) parker: Parker,
    /// The place in the queue, which belongs to the bucket of `key`; or in the list of those to be
    /// woken, which belongs to the thread that unparks.
    links: UnsafeCell<Links>,
    #[cfg(tk_loom)]
    unparked_by_twin: std::sync::atomic::AtomicBool,
    #[cfg(tk_loom)]
    sleeper: std::sync::OnceLock<std::sync::Arc<crate::sync::parking::Sleeper>>,
}

/// No word is at this address.
pub(super) const NO_KEY: usize = 0;
const NOT_MOVED: u64 = u64::MAX;

/// A queue is a ring: the first waiter's `previous` is the last one. The first waiters of a
/// bucket's queues are in a list of their own.
#[derive(Clone, Copy)]
pub(super) struct Links {
    pub(super) next: *const Waiter,
    pub(super) previous: *const Waiter,
    pub(super) is_first: bool,
    /// The first waiters of the neighbor queues in the bucket, or null. Of the first one only.
    pub(super) queue_before: *const Waiter,
    pub(super) queue_behind: *const Waiter,
}

// SAFETY: the pointers in `links` are used by the owner of the links alone, by the invariants of
// the lot. All else is `Sync` by itself.
unsafe impl Sync for Waiter {}
// SAFETY: as above; nothing depends on the thread.
unsafe impl Send for Waiter {}
// A panic while a queue is changed ends the program.
impl UnwindSafe for Waiter {}
impl RefUnwindSafe for Waiter {}

impl Waiter {
    pub(crate) fn new(info: &WaitInfo, owner: Owner) -> Waiter {
        let (tag, since) = info.tag_and_begin();
        Waiter {
            tag,
            mark: 0,
            owner,
            since: UnsafeCell::new(since),
            deadline: None,
            has_stop: false,
            held: None,
            will_report: AtomicBool::new(false),
            moved: AtomicU64::new(NOT_MOVED),
            companions: AtomicU8::new(0),
            held_back: AtomicU64::new(0),
            key: AtomicUsize::new(NO_KEY),
            parker: Parker::new(),
            links: UnsafeCell::new(Links {
                next: ptr::null(),
                previous: ptr::null(),
                is_first: false,
                queue_before: ptr::null(),
                queue_behind: ptr::null(),
            }),
            #[cfg(tk_loom)]
            unparked_by_twin: std::sync::atomic::AtomicBool::new(false),
            #[cfg(tk_loom)]
            sleeper: std::sync::OnceLock::new(),
        }
    }

    /// Adds the mark with which the thread enters the queue of a word.
    pub(crate) fn with_mark(self, mark: usize) -> Waiter {
        Waiter { mark, ..self }
    }

    pub(crate) fn mark(&self) -> usize {
        self.mark
    }

    /// Adds what a watcher wants to know.
    ///
    /// # Safety
    ///
    /// The thing that is held lives until the waiter has left its queue for good.
    pub(crate) unsafe fn seen_by_watchers(
        self,
        limit: &Limit<'_>,
        held: Option<Held<'_>>,
    ) -> Waiter {
        Waiter {
            deadline: limit.deadline(),
            has_stop: limit.stop_tokens().next().is_some(),
            // SAFETY: only the lifetime changes. It is used while the waiter is in a queue.
            held: held.map(|held| unsafe { std::mem::transmute::<Held<'_>, Held<'static>>(held) }),
            ..self
        }
    }

    /// Returns the number that the thread gave to [`WaitInfo::tag`](crate::WaitInfo::tag), or zero.
    ///
    /// ```
    /// use tk_park::{FilterOp, Waiter};
    ///
    /// let tagged = |waiter: &Waiter| match waiter.tag() {
    ///     0 => FilterOp::Skip,
    ///     _ => FilterOp::Unpark,
    /// };
    /// # tk_park::unpark_filter(&std::sync::atomic::AtomicU32::new(0), tagged, |_| 0);
    /// ```
    pub fn tag(&self) -> usize {
        self.tag
    }

    /// Returns the thread as an owner, for a lock that is handed over to it.
    ///
    /// ```
    /// use tk_park::{FilterOp, Waiter};
    ///
    /// // Another thread than this one.
    /// let me = tk_core::current_owner();
    /// let other = |waiter: &Waiter| {
    ///     if waiter.owner() == me { FilterOp::Skip } else { FilterOp::Unpark }
    /// };
    /// # tk_park::unpark_filter(&std::sync::atomic::AtomicU32::new(0), other, |_| 0);
    /// ```
    pub fn owner(&self) -> Owner {
        self.owner
    }

    /// Returns the time when the wait began.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tk_park::{FilterOp, Waiter};
    ///
    /// // Threads that have waited for a millisecond.
    /// let starving = |waiter: &Waiter| {
    ///     let starves = waiter.since().elapsed() > Duration::from_millis(1);
    ///     if starves { FilterOp::Unpark } else { FilterOp::Stop }
    /// };
    /// # tk_park::unpark_filter(&std::sync::atomic::AtomicU32::new(0), starving, |_| 0);
    /// ```
    pub fn since(&self) -> Instant {
        // SAFETY: as for `links`. A thread that gets a reference to the waiter of another one has
        // the queue locked.
        let since = self.since.with(|since| unsafe { *since });
        since.unwrap_or_else(Instant::now)
    }

    /// Returns the time since which the thread waits in this queue: [`since`](Waiter::since), or
    /// the time when it was [moved](crate::requeue) here.
    ///
    /// ```
    /// use std::sync::atomic::AtomicU32;
    /// use tk_park::{FilterOp, Limit, RequeueOp, WaitInfo, Waiter, park, requeue, unpark_filter};
    ///
    /// let (from, to) = (AtomicU32::new(0), AtomicU32::new(0));
    /// std::thread::scope(|s| {
    ///     s.spawn(|| park(&from, || true, &WaitInfo::new("example"), Limit::never()));
    ///     let one = |_: &Waiter| Some(RequeueOp::RequeueOne);
    ///     // SAFETY: the thread takes any token.
    ///     let move_one = || unsafe { requeue(&from, &raw const to as usize, one, |_| 0) };
    ///     while move_one().unwrap().requeued_threads == 0 {}
    ///     unpark_filter(&to, |waiter| {
    ///         assert!(waiter.queued_since() > waiter.since());
    ///         FilterOp::Unpark
    ///     }, |_| 0);
    /// });
    /// ```
    pub fn queued_since(&self) -> Instant {
        // Relaxed: the queue is locked.
        match self.moved.load(Relaxed) {
            NOT_MOVED => self.since(),
            nanos => self.after_since(nanos),
        }
    }

    pub(crate) fn note_moved(&self, now: Instant) {
        self.moved.store(self.nanos_since(now), Relaxed);
    }

    fn after_since(&self, nanos: u64) -> Instant {
        let since = self.since();
        checked_add_instant(since, Duration::from_nanos(nanos)).unwrap_or(since)
    }

    fn nanos_since(&self, then: Instant) -> u64 {
        let nanos = then.saturating_duration_since(self.since()).as_nanos();
        // Five hundred years are enough.
        u64::try_from(nanos).unwrap_or(u64::MAX).min(NOT_MOVED - 1)
    }

    /// Returns the time that another thread has noted here with
    /// [`set_not_before`](Waiter::set_not_before), or the begin of the wait.
    ///
    /// ```
    /// use std::sync::atomic::AtomicU32;
    /// use std::time::Instant;
    /// use tk_park::{FilterOp, Waiter, unpark_filter};
    ///
    /// // The first thread, unless it is to wait for longer.
    /// let when_it_is_time = |first: &Waiter| {
    ///     if Instant::now() < first.not_before() { FilterOp::Stop } else { FilterOp::Unpark }
    /// };
    /// # unpark_filter(&AtomicU32::new(0), when_it_is_time, |_| 0);
    /// ```
    pub fn not_before(&self) -> Instant {
        // Relaxed: the queue is locked.
        self.after_since(self.held_back.load(Relaxed))
    }

    /// Notes the time from which on the thread may be preferred to others, for the thread that
    /// unparks it. The lot itself makes no use of it. For a thread that has the queue locked. Of
    /// times before the begin of the wait, the begin of the wait is noted.
    ///
    /// ```
    /// use std::sync::atomic::AtomicU32;
    /// use std::time::{Duration, Instant};
    /// use tk_park::{FilterOp, Waiter, unpark_filter};
    ///
    /// // After the first thread has been unparked, the second one waits for longer.
    /// let mut seen_first = false;
    /// unpark_filter(&AtomicU32::new(0), |waiter| {
    ///     if !std::mem::replace(&mut seen_first, true) {
    ///         return FilterOp::Unpark;
    ///     }
    ///     waiter.set_not_before(Instant::now() + Duration::from_millis(1));
    ///     FilterOp::Stop
    /// }, |_| 0);
    /// ```
    pub fn set_not_before(&self, time: Instant) {
        // Relaxed: the queue is locked.
        self.held_back.store(self.nanos_since(time), Relaxed);
    }

    /// Says how many threads behind this one should be unparked together with it. For a thread that
    /// moves waiters to another queue, with that queue locked.
    ///
    /// Threads that are notified together soon need the lock, one after the other. If each was
    /// woken by the one before it, all would wait for all the wake-ups.
    ///
    /// ```
    /// use std::sync::atomic::AtomicU32;
    /// use tk_park::{Limit, RequeueOp, WaitInfo, park, requeue, unpark_filter, FilterOp};
    ///
    /// let (from, to) = (AtomicU32::new(0), AtomicU32::new(0));
    /// std::thread::scope(|s| {
    ///     s.spawn(|| park(&from, || true, &WaitInfo::new("example"), Limit::never()));
    ///     let decide = |first: &tk_park::Waiter| {
    ///         first.set_companions(7);
    ///         Some(RequeueOp::RequeueAll)
    ///     };
    ///     // SAFETY: the thread takes any token.
    ///     let move_all = || unsafe { requeue(&from, &raw const to as usize, decide, |_| 0) };
    ///     while move_all().unwrap().requeued_threads == 0 {}
    ///     unpark_filter(&to, |first| {
    ///         assert_eq!(first.companions(), 7);
    ///         FilterOp::Unpark
    ///     }, |_| 0);
    /// });
    /// ```
    pub fn set_companions(&self, companions: u8) {
        // Relaxed: the queue is locked.
        self.companions.store(companions, Relaxed);
    }

    /// Returns how many threads behind this one should be unparked together with it. See
    /// [`set_companions`](Waiter::set_companions).
    pub fn companions(&self) -> u8 {
        // Relaxed: the queue is locked.
        self.companions.load(Relaxed)
    }

    /// Returns whether the thread has been unparked, for a thread that spins before it sleeps (see
    /// [`park_with`](crate::park_with)). Orders nothing: the thread goes on to sleep, and that
    /// returns immediately.
    ///
    /// ```
    /// use std::sync::atomic::AtomicU32;
    /// use tk_park::{FilterOp, Limit, Parked, WaitInfo, Waiter, park_with, unpark_filter};
    ///
    /// let word = AtomicU32::new(0);
    /// let spin = |me: &Waiter| {
    ///     # unpark_filter(&word, |_| FilterOp::Unpark, |_| 0);
    ///     // … another thread unparks this one …
    ///     assert!(me.is_unparked());
    /// };
    /// let info = WaitInfo::new("bell");
    /// // SAFETY: `spin` does not park.
    /// let parked = unsafe { park_with(&word, || true, spin, &info, Limit::never()) };
    /// assert_eq!(parked, Ok(Parked::Unparked(0)));
    /// ```
    pub fn is_unparked(&self) -> bool {
        #[cfg(tk_loom)]
        if self.unparked_by_twin.load(Relaxed) {
            return true;
        }
        self.parker.is_woken()
    }

    /// For the twin of the lot: where the thread sleeps.
    #[cfg(tk_loom)]
    pub(crate) fn sleeper(&self) -> std::sync::Arc<crate::sync::parking::Sleeper> {
        let sleeper = self.sleeper.get_or_init(crate::sync::parking::Sleeper::new);
        std::sync::Arc::clone(sleeper)
    }

    /// For the twin of the lot, which does not use the parker.
    #[cfg(tk_loom)]
    pub(crate) fn note_unparked(&self) {
        self.unparked_by_twin.store(true, Relaxed);
    }

    /// Returns whether the thread is in a queue of the lot, for itself.
    pub(crate) fn is_in_lot(&self) -> bool {
        self.key.load(Relaxed) != NO_KEY
    }

    /// Returns a number by which [`Waiter::of_ticket`] finds this waiter.
    pub(crate) fn ticket(&self) -> usize {
        (&raw const *self).expose_provenance()
    }

    /// # Safety
    ///
    /// The ticket is that of a waiter that is there for `'a`.
    pub(crate) unsafe fn of_ticket<'a>(ticket: usize) -> &'a Waiter {
        // SAFETY: by the caller's promise.
        unsafe { &*ptr::with_exposed_provenance(ticket) }
    }

    /// Notes when the wait began.
    ///
    /// # Safety
    ///
    /// As for `links`.
    pub(crate) unsafe fn begin(this: *const Waiter, since: Instant) {
        // SAFETY: by the caller's promise.
        unsafe { (*this).since.with_mut(|place| *place = Some(since)) }
    }

    /// # Safety
    ///
    /// The waiter is there, and its links belong to the calling thread.
    pub(super) unsafe fn links(this: *const Waiter) -> Links {
        // SAFETY: by the caller's promise.
        unsafe { (*this).links.with(|links| *links) }
    }

    /// # Safety
    ///
    /// As for `links`.
    pub(super) unsafe fn change(this: *const Waiter, change: impl FnOnce(&mut Links)) {
        // SAFETY: by the caller's promise.
        unsafe { (*this).links.with_mut(|links| change(&mut *links)) }
    }
}

/// For watchers.
#[cfg_attr(tk_loom, allow(dead_code, reason = "models have no watcher"))]
impl Waiter {
    /// The deadline of the wait, and whether it has a stop token.
    pub(crate) fn limit(&self) -> (Option<Instant>, bool) {
        (self.deadline, self.has_stop)
    }

    pub(crate) fn is_unlimited(&self) -> bool {
        self.deadline.is_none() && !self.has_stop
    }

    /// Returns the thing that the thread waits for in the queue that it is in. With the queue
    /// locked.
    pub(crate) fn held(&self) -> Option<Held<'_>> {
        self.held.filter(|held| !held.when_moved || self.is_moved())
    }

    /// Whether the waiter was moved to another queue.
    pub(crate) fn is_moved(&self) -> bool {
        // Relaxed: the queue is locked, or it is a hint.
        self.moved.load(Relaxed) != NOT_MOVED
    }

    /// Says whether the thread will report to the watcher. By itself.
    pub(crate) fn set_will_report(&self, will_report: bool) {
        // AcqRel, here and below: if `will_report` finds it true, the report comes after that.
        self.will_report.swap(will_report, AcqRel);
    }

    /// Whether the thread will report to the watcher that it waits.
    pub(crate) fn will_report(&self) -> bool {
        // A step that changes nothing, and reads the latest value.
        self.will_report.fetch_or(false, AcqRel)
    }
}

impl fmt::Debug for Waiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiter")
            .field("tag", &self.tag)
            .field("owner", &self.owner)
            .field("since", &self.since())
            .finish_non_exhaustive()
    }
}
