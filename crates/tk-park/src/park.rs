//! Parking: the one way in which a thread of the kit blocks.
//!
//! | function | blocks | for |
//! |---|---|---|
//! | [`park_while`] | while a condition holds | a state that others change, then unpark all |
//! | [`mark_and_park_while`] | the same, and marks the word first | a waker that skips the queue if no thread is parked |
//! | [`park`] | once | a handoff: the token says what the thread has got |
//! | [`park_with`] | once, after a last step in the queue | releasing a lock and blocking in one step |
//! | [`park_in_word`] | the same, and spins in the word of the queue | the same, where the wake-up comes soon |
//!
//! # Invariants
//!
//! **Stops are seen.** A wait with a stop token puts its key and its ticket, which finds the
//! waiter, on the token's list before it parks, and takes them off afterwards. A stop request sets
//! the token's flag, then unparks the waiter of each ticket. The thread reads the flag and enters
//! the queue in one step, with the queue locked. So it either sees the flag and does not park, or
//! the request finds it in the queue.
//!
//! The same holds for a thread that stands in the word of its queue (`queue_word.rs`). It looks for
//! a request when it leaves the word, with the queue locked. If another thread has put it into the
//! queue by then, it does to itself what the request would have done.
//!
//! **Queued before published.** The thread's record is written after the thread has entered the
//! queue, and cleared when it is awake. So if another thread reads the record and then unparks, it
//! unparks this thread.
//!
//! **Queued before registered**, in waits whose order counts ([`AdaptiveSpin::park`]). A thread
//! that has never used the kit is registered by its first wait, which takes some ten microseconds
//! and allocates memory. If that came first, a thread that calls later could overtake this one. All
//! other waits register first, because a global allocator may contain them: it must not wait behind
//! the thread that it serves.
//!
//! [`AdaptiveSpin::park`]: crate::AdaptiveSpin::park

use std::cell::Cell;
use std::pin::pin;

use tk_core::Owner;

use crate::lot::{self, Admission, Outcome, Push, Waiter};
use crate::observer;
use crate::queue_word::QueueWord;
use crate::stop::StopWaits;
use crate::sync::{current_owner, ensure_registered, parking, reserve_owner};
use crate::unpark::{DEADLOCK, STOPPED};
use crate::watch::{Broken, Failed, Held};
use crate::{Limit, WaitError, WaitInfo, Word};

/// How a call of [`park`] ended, if it did not reach its limit.
///
/// ```
/// use std::sync::atomic::AtomicU32;
/// use tk_park::{Limit, Parked, WaitInfo, park};
///
/// let (word, info) = (AtomicU32::new(0), WaitInfo::new("example"));
/// assert_eq!(park(&word, || false, &info, Limit::never()), Ok(Parked::Invalid));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parked {
    /// Another thread unparked this one, with this token.
    Unparked(u16),
    /// The thread did not park, because `validate` returned `false`.
    Invalid,
    /// The time was up after the thread had been moved to another queue by
    /// [`requeue`](crate::requeue). It has left that queue.
    Requeued,
}

/// Blocks while `condition` returns `true`, until the limit is reached.
///
/// The waker changes the state that `condition` reads, and then calls
/// [`unpark_all`](crate::unpark_all) on the same word. No change is missed, because `condition` is
/// also called with the word's queue locked, right before the thread enters the queue. A change
/// that happened before the limit was reached counts, because `condition` is called once more
/// after that.
///
/// While the thread is parked, its record shows `info`.
///
/// `condition` is called several times, also with the queue locked: the rules for `validate` of
/// [`park`] hold.
///
/// # Errors
///
/// If the limit is reached and `condition` still returns `true`.
///
/// ```
/// use std::sync::atomic::{AtomicU32, Ordering};
/// use tk_park::{Limit, WaitInfo, park_while, unpark_all};
///
/// let ready = AtomicU32::new(0);
/// std::thread::scope(|s| {
///     s.spawn(|| {
///         ready.store(1, Ordering::Release);
///         unpark_all(&ready, 0);
///     });
///     let is_closed = || ready.load(Ordering::Acquire) == 0;
///     assert_eq!(park_while(&ready, is_closed, &WaitInfo::new("gate"), Limit::never()), Ok(()));
/// });
/// ```
pub fn park_while(
    word: &impl Word,
    condition: impl Fn() -> bool,
    info: &WaitInfo,
    limit: Limit<'_>,
) -> Result<(), WaitError> {
    mark_and_park_while(word, &condition, &condition, info, limit)
}

/// As [`park_while`], and calls `mark` with the queue locked before the thread enters the queue.
///
/// `mark` records in the primitive's word that a thread is parked, so that a waker which finds no
/// mark need not look into the queue. It returns whether the condition still holds, as the thread
/// must not park otherwise. Reading the condition and setting the mark must be one atomic step, or
/// this happens:
///
/// 1. Thread A reads the condition, which holds.
/// 2. Thread B changes the state, finds no mark, and wakes no thread.
/// 3. A sets the mark, and sleeps.
///
/// ```
/// use std::sync::atomic::{AtomicU32, Ordering::*};
/// use tk_park::{Limit, WaitError, WaitInfo, mark_and_park_while, unpark_all};
///
/// const CLOSED: u32 = 0;
/// const CLOSED_PARKED: u32 = 1;
/// const OPEN: u32 = 2;
///
/// /// A door that is opened once, which costs one instruction if no thread waits.
/// struct Door(AtomicU32);
///
/// impl Door {
///     fn open(&self) {
///         if self.0.swap(OPEN, Release) == CLOSED_PARKED {
///             unpark_all(&self.0, 0);
///         }
///     }
///
///     fn pass(&self, limit: Limit<'_>) -> Result<(), WaitError> {
///         let is_closed = || self.0.load(Acquire) != OPEN;
///         let mark = || match self.0.compare_exchange(CLOSED, CLOSED_PARKED, Relaxed, Acquire) {
///             Ok(_) => true,
///             Err(state) => state != OPEN,
///         };
///         mark_and_park_while(&self.0, is_closed, mark, &WaitInfo::new("door"), limit)
///     }
/// }
///
/// let door = Door(AtomicU32::new(CLOSED));
/// door.open();
/// assert_eq!(door.pass(Limit::never()), Ok(()));
/// ```
///
/// # Errors
///
/// If the limit is reached and `condition` still returns `true`.
pub fn mark_and_park_while(
    word: &impl Word,
    condition: impl Fn() -> bool,
    mark: impl Fn() -> bool,
    info: &WaitInfo,
    limit: Limit<'_>,
) -> Result<(), WaitError> {
    park_until(word, condition, mark, info, limit, None).map_err(Failed::into_error)
}

/// The loop of all waits for a state.
fn park_until(
    word: &impl Word,
    condition: impl Fn() -> bool,
    mark: impl Fn() -> bool,
    info: &WaitInfo,
    limit: Limit<'_>,
    held: Option<Held<'_>>,
) -> Result<(), Failed> {
    // The limit is checked before the condition, so that the last look comes after the limit.
    let mut reached = limit.check();
    while condition() {
        reached.map_err(Failed::Limit)?;
        // SAFETY: a function that does nothing does not park.
        reached = match unsafe { park_with_held(word, &mark, |_| {}, info, limit, held) } {
            Ok(_) => Ok(()),
            Err(Failed::Limit(error)) => Err(error),
            Err(broken) => return Err(broken),
        };
    }
    Ok(())
}

/// Blocks on `word` until another thread unparks this one or the limit is reached.
///
/// `validate` runs with the word's queue locked. If it returns `false`, the thread does not park
/// ([`Parked::Invalid`]). A thread that changes the word and then unparks can't come between
/// `validate` and the entry into the queue. There are no spurious wake-ups. While the thread is
/// parked, its record shows `info`.
///
/// If the time is already up, `validate` still runs, and `Invalid` takes precedence over
/// [`TimedOut`](WaitError::TimedOut). If a stop has already been requested, `validate` is not
/// called. Either way the word may have changed too late for the thread to see it. A primitive for
/// which that counts looks at its word once more after an error, as [`park_while`] does.
///
/// `validate` is called once, and must be short. It must not park, unpark, release a lock of the
/// kit (which may unpark), allocate (if the global allocator parks) or fork, because that may block
/// forever. If it panics, the program aborts. Its captures are dropped when nothing is locked any
/// more.
///
/// # Errors
///
/// If the limit is reached before another thread unparks this one. Exactly one of the two happens.
///
/// ```
/// use std::sync::atomic::{AtomicU32, Ordering};
/// use std::time::Duration;
/// use tk_park::{Parked, WaitError, WaitInfo, park};
///
/// let word = AtomicU32::new(0);
/// let limit = Duration::from_millis(1).into();
/// let info = WaitInfo::new("example");
/// let is = |value| word.load(Ordering::Relaxed) == value;
/// assert_eq!(park(&word, || is(1), &info, limit), Ok(Parked::Invalid));
/// assert_eq!(park(&word, || is(0), &info, limit), Err(WaitError::TimedOut));
/// ```
pub fn park(
    word: &impl Word,
    validate: impl FnMut() -> bool,
    info: &WaitInfo,
    limit: Limit<'_>,
) -> Result<Parked, WaitError> {
    // SAFETY: a function that does nothing does not park.
    unsafe { park_with(word, validate, |_| {}, info, limit) }
}

/// As [`park`], and calls `before_sleep` when the thread is in the queue and its record is written.
///
/// With it, a thread can release a lock and block in one step: a thread that takes the lock
/// afterwards finds this one in the queue. `before_sleep` gets this thread's [`Waiter`], so that it
/// can spin for a while until the thread [is unparked](Waiter::is_unparked), which saves the sleep.
///
/// # Errors
///
/// As for [`park`].
///
/// # Safety
///
/// `before_sleep` must not park for good, because this thread does not notice that it is unparked
/// meanwhile. It may unpark. It must not fork, because no thread of the child can wake this one. If
/// it panics, the program aborts.
///
/// ```
/// use std::sync::atomic::AtomicU32;
/// use tk_park::{Limit, Parked, WaitInfo, Waiter, park_with, unpark_one};
///
/// let (word, info) = (AtomicU32::new(0), WaitInfo::new("example"));
/// let wake_up = |_: &Waiter| _ = unpark_one(&word, |_| 7);
/// // SAFETY: to unpark is allowed.
/// let parked = unsafe { park_with(&word, || true, wake_up, &info, Limit::never()) };
/// assert_eq!(parked, Ok(Parked::Unparked(7))); // The thread was in the queue already.
/// ```
pub unsafe fn park_with(
    word: &impl Word,
    validate: impl FnMut() -> bool,
    before_sleep: impl FnMut(&Waiter),
    info: &WaitInfo,
    limit: Limit<'_>,
) -> Result<Parked, WaitError> {
    // SAFETY: by the caller's promise.
    let parked = unsafe { park_with_held(word, validate, before_sleep, info, limit, None) };
    parked.map_err(Failed::into_error)
}

/// As [`park_with`], and tells watchers what the wait is for.
///
/// # Safety
///
/// As for [`park_with`].
pub unsafe fn park_with_held(
    word: &impl Word,
    validate: impl FnMut() -> bool,
    before_sleep: impl FnMut(&Waiter),
    info: &WaitInfo,
    limit: Limit<'_>,
    held: Option<Held<'_>>,
) -> Result<Parked, Failed> {
    // SAFETY: by the caller's promise.
    unsafe {
        park_as(
            current_owner(),
            word,
            None,
            validate,
            before_sleep,
            info,
            limit,
            held,
        )
    }
}

/// As [`park`], and tells watchers what the wait is for.
pub fn park_held(
    word: &impl Word,
    validate: impl FnMut() -> bool,
    info: &WaitInfo,
    limit: Limit<'_>,
    held: Held<'_>,
) -> Result<Parked, Failed> {
    // SAFETY: a function that does nothing does not park.
    unsafe { park_with_held(word, validate, |_| {}, info, limit, Some(held)) }
}

/// As [`park_while`], and tells watchers what the wait is for.
pub fn park_while_held(
    word: &impl Word,
    condition: impl Fn() -> bool,
    info: &WaitInfo,
    limit: Limit<'_>,
    held: Held<'_>,
) -> Result<(), Failed> {
    mark_and_park_while_held(word, &condition, &condition, info, limit, held)
}

/// As [`mark_and_park_while`], and tells watchers what the wait is for.
pub fn mark_and_park_while_held(
    word: &impl Word,
    condition: impl Fn() -> bool,
    mark: impl Fn() -> bool,
    info: &WaitInfo,
    limit: Limit<'_>,
    held: Held<'_>,
) -> Result<(), Failed> {
    park_until(word, condition, mark, info, limit, Some(held))
}

/// As [`park_with_held`], in the queue of this word. Calls `release` when the thread is in the
/// queue, then spins there, and sleeps. All threads enter with the same mark. [`Parked::Invalid`]
/// means that the queue has another one: its threads are there, or have left without clearing it
/// ([`QueueWord::leave_lot`]).
///
/// If the queue is empty, the thread stands in the word while it spins. The wait that others see
/// begins afterwards.
///
/// # Safety
///
/// As for [`park_with`]. The mark is even and more than two: it is not taken for another state.
pub unsafe fn park_in_word(
    queue: &QueueWord,
    mark: usize,
    mut release: impl FnMut(),
    info: &WaitInfo,
    limit: Limit<'_>,
    held: Option<Held<'_>>,
) -> Result<Parked, Failed> {
    debug_assert!(mark > 2 && mark.is_multiple_of(2));
    let release_and_spin = |me: &Waiter| {
        release();
        // A notification counts the thread already.
        queue.spin(me).spin_while(|| !me.is_unparked(), limit);
    };
    // SAFETY: by the caller's promise.
    unsafe {
        park_as(
            current_owner(),
            queue.word(),
            Some((queue, mark)),
            || true,
            release_and_spin,
            info,
            limit,
            held,
        )
    }
}

/// As [`park_with`]. A thread that is not registered yet gets its number before it enters the
/// queue, and its record afterwards, when the wait is published: *Queued before registered*.
///
/// # Safety
///
/// As for [`park_with`].
pub(crate) unsafe fn park_in_order(
    word: &impl Word,
    validate: impl FnMut() -> bool,
    before_sleep: impl FnMut(&Waiter),
    info: &WaitInfo,
    limit: Limit<'_>,
) -> Result<Parked, WaitError> {
    // SAFETY: by the caller's promise.
    let parked = unsafe {
        park_as(
            reserve_owner(),
            word,
            None,
            validate,
            before_sleep,
            info,
            limit,
            None,
        )
    };
    // If the thread did not enter the queue, it has a number and no record. A lock that it takes
    // next would have a nameless owner.
    ensure_registered();
    parked.map_err(Failed::into_error)
}

/// All waits in the lot. With `in_word`, the thread enters the queue of that word, with that mark,
/// and may stand in the word at first.
#[allow(clippy::too_many_arguments, reason = "each caller has its own")]
unsafe fn park_as(
    me: Owner,
    word: &impl Word,
    in_word: Option<(&QueueWord, usize)>,
    mut validate: impl FnMut() -> bool,
    mut before_sleep: impl FnMut(&Waiter),
    info: &WaitInfo,
    limit: Limit<'_>,
    held: Option<Held<'_>>,
) -> Result<Parked, Failed> {
    let mut info = *info;
    // SAFETY: what is held is borrowed until this function returns, and the waiter is in no queue
    // by then.
    let waiter = unsafe { Waiter::new(&info, me).seen_by_watchers(&limit, held) }
        .with_mark(in_word.map_or(0, |(_, mark)| mark));
    let key = word.key();
    registering::refuse(key);
    // Dropped before `waiter`: from then on, no stop request finds the ticket.
    let stops = pin!(StopWaits::new());
    stops.enlist(&limit, key, waiter.ticket());

    // SAFETY: the waiter is new, and *Awake* is kept below.
    let stands_in =
        in_word.filter(|(queue, _)| !limit.stop_requested() && unsafe { queue.stand(&waiter) });
    if stands_in.is_some() {
        lot::no_panic(|| before_sleep(&waiter));
        if let Some(token) = parking::token_of(&waiter) {
            return unparked(token);
        }
    }

    let since = info.begin();
    let stopped = Cell::new(false);
    let mut published = None;
    let mut admit = |push: &Push<'_>| {
        // Stops are seen.
        stopped.set(limit.stop_requested());
        let enters = match (stands_in, in_word) {
            (Some((queue, _)), _) if !queue.leave(&waiter, !stopped.get()) => {
                return Admission::IsIn;
            }
            _ if stopped.get() => false,
            (Some(_), _) => true,
            (None, Some((queue, mark))) => queue.enter(mark, since, push),
            (None, None) => validate(),
        };
        if !enters {
            return Admission::Refused;
        }
        // SAFETY: the waiter is in no queue, and has left the word.
        unsafe { Waiter::begin(&waiter, since) };
        Admission::Enters
    };
    let mut before_sleep = || {
        if stands_in.is_some() && stopped.get() {
            // Stops are seen: the request may have looked before another thread put the waiter into
            // the queue.
            // SAFETY: the waiter is there.
            unsafe { parking::unpark_one_of(&waiter, key, STOPPED) };
        }
        published = Some(registering::publish(&info, key, waiter.ticket()));
        if stands_in.is_none() {
            before_sleep(&waiter);
        }
    };
    // SAFETY: the waiter is new, or *Awake* holds. A `Word` gives the caller its queue.
    let outcome = unsafe {
        parking::park(
            &waiter,
            key,
            &mut admit,
            &mut before_sleep,
            limit.deadline(),
        )
    };
    drop(published);
    observer::ended(&info, key, &outcome);
    match outcome {
        Outcome::Unparked(token) => unparked(token),
        Outcome::Invalid if stopped.get() => Err(Failed::Limit(WaitError::Stopped)),
        Outcome::Invalid => Ok(Parked::Invalid),
        Outcome::TimedOut(last_key) if last_key != key => Ok(Parked::Requeued),
        Outcome::TimedOut(_) => Err(Failed::Limit(WaitError::TimedOut)),
    }
}

fn unparked(token: u32) -> Result<Parked, Failed> {
    match token {
        STOPPED => Err(Failed::Limit(WaitError::Stopped)),
        DEADLOCK => Err(Failed::Deadlock(Broken(()))),
        token => Ok(Parked::Unparked(token as u16)),
    }
}

/// Publishing the wait of a thread that is not registered yet registers it, which allocates memory.
/// If the global allocator then parks in the same queue, it waits behind its own thread: this would
/// hang, and aborts instead.
#[cfg(not(tk_loom))]
mod registering {
    use std::cell::Cell;

    use tk_core::__private::Seat;
    use tk_core::BlockedGuard;

    use crate::WaitInfo;

    thread_local! {
        /// The key of the queue in which this thread registers, or zero.
        static QUEUE: Cell<usize> = const { Cell::new(0) };
    }

    pub(super) fn publish(info: &WaitInfo, key: usize, ticket: usize) -> BlockedGuard {
        let outer = QUEUE.replace(key);
        let published = info.publish_in(key, Seat::Queue(ticket));
        QUEUE.set(outer);
        published
    }

    #[inline]
    pub(super) fn refuse(key: usize) {
        if QUEUE.get() == key {
            abort();
        }
    }

    #[cold]
    fn abort() -> ! {
        // Without an allocation.
        let _ = std::io::Write::write_all(
            &mut std::io::stderr(),
            b"fatal: the global allocator waits for what the thread that it serves has just begun \
              to wait for\n",
        );
        std::process::abort()
    }
}

#[cfg(tk_loom)]
mod registering {
    use crate::WaitInfo;

    pub(super) fn publish(info: &WaitInfo, key: usize, ticket: usize) -> Box<dyn std::fmt::Debug> {
        info.publish_in(key, tk_core::__private::Seat::Queue(ticket))
    }

    pub(super) fn refuse(_: usize) {}
}
