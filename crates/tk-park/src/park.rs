//! Parking on a word, and unparking from it.
//!
//! The public face of the lot (`lot.rs`). What it adds:
//!
//! 1. *Stopping.* A wait with a token puts its key and its ticket, which finds the waiter, on the token's list before it parks,
//!    and takes them off after. A stop sets the token's flag, then unparks the waiter of the ticket. The check of the flag and
//!    the entry into the queue are one step, with the queue locked: either the thread sees the flag and does not park, or
//!    the stop finds it in the queue.
//! 2. *The record.* It is written when the thread is in the queue, and cleared when it is awake.
//!
//! # Keys
//!
//! A key is the address of an atomic word of the kind that is in [`Word`]. Such a word is in nobody else's hands than
//! those who have a reference to it, and no two of them overlap: who keeps the word private is alone with its queue.
//! That is why parking is safe here, though not in the lot.

use std::panic::Location;
use std::pin::pin;

use tk_core::Owner;

use crate::Limit;
use crate::lot::{Outcome, Waiter};
use crate::stop::StopWaits;
use crate::sync::{AtomicBool, AtomicU32, AtomicUsize, Instant, current_owner, parking};

/// An atomic word that threads can park on.
///
/// Implemented for the atomic types that primitives are made of, and for nothing else.
///
/// ```
/// use std::sync::atomic::{AtomicU32, AtomicUsize};
///
/// fn wake_all(word: &impl tk_park::Word) -> usize {
///     tk_park::unpark_all(word, 0)
/// }
///
/// assert_eq!(wake_all(&AtomicU32::new(0)) + wake_all(&AtomicUsize::new(0)), 0);
/// ```
pub trait Word: private::Sealed {}

mod private {
    pub trait Sealed {
        /// The address, which is the key of the queue.
        fn key(&self) -> usize {
            (&raw const *self).cast::<()>() as usize
        }
    }
}

impl private::Sealed for AtomicBool {}
impl private::Sealed for AtomicU32 {}
impl private::Sealed for AtomicUsize {}
impl Word for AtomicBool {}
impl Word for AtomicU32 {}
impl Word for AtomicUsize {}

/// What a thread is about to wait for.
///
/// Made once per wait, when it is clear that there will be one: the time of its making is the time since when the
/// thread waits, however often it has to park.
///
/// ```
/// use tk_park::Wait;
///
/// let wait = Wait::new("turnstile");
/// assert_eq!(wait.kind(), "turnstile");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Wait {
    kind: &'static str,
    holder: Option<Owner>,
    location: &'static Location<'static>,
    since: Instant,
    mark: usize,
}

impl Wait {
    /// A wait that begins now, for a thing of this kind, asked for by the caller's line. A primitive whose methods are
    /// `#[track_caller]` down to here shows the line of its user.
    ///
    /// ```
    /// use tk_park::Wait;
    ///
    /// #[track_caller]
    /// fn begin() -> Wait {
    ///     Wait::new("turnstile") // The line that is shown is that of whoever calls this.
    /// }
    ///
    /// assert_eq!(begin().kind(), "turnstile");
    /// ```
    #[track_caller]
    pub fn new(kind: &'static str) -> Wait {
        Wait {
            kind,
            holder: None,
            location: Location::caller(),
            since: Instant::now(),
            mark: 0,
        }
    }

    /// The same wait, with the thread that holds the thing.
    ///
    /// ```
    /// let wait = tk_park::Wait::new("turnstile").held_by(Some(tk_core::current_owner()));
    /// assert_eq!(wait.kind(), "turnstile");
    /// ```
    #[must_use]
    pub fn held_by(mut self, holder: Option<Owner>) -> Wait {
        self.holder = holder;
        self
    }

    /// The same wait, with a number that the one who unparks can read: see [`Waiter::mark`].
    ///
    /// ```
    /// use std::sync::atomic::AtomicU32;
    /// use tk_park::{Choice, Limit, Parked, Wait, park, unpark_filter};
    ///
    /// const READER: usize = 1;
    ///
    /// let word = AtomicU32::new(0);
    /// let unpark_readers = || {
    ///     unpark_filter(&word, |waiter| match waiter.mark() {
    ///         READER => Choice::Unpark,
    ///         _ => Choice::Skip,
    ///     }, |_| 0)
    /// };
    /// std::thread::scope(|s| {
    ///     let reader = s.spawn(|| {
    ///         park(&word, || true, &Wait::new("readers").marked(READER), Limit::none())
    ///     });
    ///     while unpark_readers().count == 0 {}
    ///     assert_eq!(reader.join().unwrap(), Parked::Unparked(0));
    /// });
    /// ```
    #[must_use]
    pub fn marked(mut self, mark: usize) -> Wait {
        self.mark = mark;
        self
    }

    /// The same wait, asked for by this line: for those whose caller is out of reach, in a closure.
    ///
    /// ```
    /// use std::panic::Location;
    /// use std::sync::atomic::AtomicU32;
    /// use tk_park::Wait;
    ///
    /// #[track_caller]
    /// fn waits<const N: usize>(kinds: [&'static str; N]) -> [Wait; N] {
    ///     let caller = Location::caller();
    ///     kinds.map(|kind| Wait::new(kind).asked_for_at(caller)) // `new` by itself would show this line.
    /// }
    ///
    /// let here = line!() + 1;
    /// let [_, door] = waits(["turnstile", "door"]);
    /// let _shown = door.show(&AtomicU32::new(0));
    /// assert_eq!(tk_core::current().waiting().unwrap().location().line(), here);
    /// ```
    #[must_use]
    pub fn asked_for_at(mut self, location: &'static Location<'static>) -> Wait {
        self.location = location;
        self
    }

    /// What sort of thing is waited for.
    ///
    /// ```
    /// assert_eq!(tk_park::Wait::new("turnstile").kind(), "turnstile");
    /// ```
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// Writes this in the thread's record, as a wait for `word`, until the guard is dropped: for a thread that is about to
    /// block in some other way than by parking.
    ///
    /// ```
    /// use std::sync::atomic::AtomicU32;
    /// use tk_park::Wait;
    ///
    /// let word = AtomicU32::new(0);
    /// let shown = Wait::new("printer").show(&word);
    /// assert_eq!(tk_core::current().waiting().unwrap().kind(), "printer");
    /// drop(shown);
    /// assert!(tk_core::current().waiting().is_none());
    /// ```
    #[cfg(not(tk_loom))]
    pub fn show(&self, word: &impl Word) -> tk_core::WaitingGuard {
        self.enter(word.key())
    }

    #[cfg(not(tk_loom))]
    fn enter(&self, key: usize) -> tk_core::WaitingGuard {
        tk_core::Waiting::new(self.kind, key, self.since, self.location)
            .held_by(self.holder)
            .enter()
    }

    /// To tk-core, all threads of a model are one.
    #[cfg(tk_loom)]
    fn enter(&self, _: usize) -> Box<dyn std::fmt::Debug> {
        Box::new((self.holder, self.location))
    }
}

/// How a call of [`park`] ended.
///
/// ```
/// use std::sync::atomic::AtomicU32;
/// use std::time::Duration;
/// use tk_park::{Parked, Wait, park};
///
/// let (word, wait) = (AtomicU32::new(0), Wait::new("example"));
/// assert_eq!(park(&word, || true, &wait, Duration::ZERO.into()), Parked::TimedOut);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parked {
    /// Another thread unparked this one, with this token.
    Unparked(u16),
    /// The thread did not park: the word was not as expected.
    Invalid,
    /// The time was over, and nobody had unparked the thread.
    TimedOut,
    /// The token was asked to stop, and nobody had unparked the thread.
    Stopped,
    /// The time was over after the thread had been moved to another queue: it was told what it waited for, and is in no
    /// queue any more.
    Requeued,
}

/// What an unparking did.
///
/// ```
/// let word = std::sync::atomic::AtomicU32::new(0);
/// assert_eq!(tk_park::unpark_one(&word, |_| 0), tk_park::Unparked::default());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unparked {
    /// How many threads are unparked.
    pub count: usize,
    /// How many threads are in another queue now.
    pub requeued: usize,
    /// Whether threads are still parked on the word.
    pub more: bool,
}

/// What to do with one parked thread.
///
/// ```
/// use std::sync::atomic::AtomicU32;
/// use tk_park::{Choice, unpark_filter};
///
/// // Every second one.
/// let mut odd = false;
/// let done = unpark_filter(&AtomicU32::new(0), |_| {
///     odd = !odd;
///     if odd { Choice::Unpark } else { Choice::Skip }
/// }, |_| 0);
/// assert_eq!((done.count, done.more), (0, false));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Choice {
    /// Unpark it, and go on to the next.
    Unpark,
    /// Let it sleep, and go on to the next.
    Skip,
    /// Let it and all behind it sleep.
    End,
}

/// The token that a stop unparks with. Those of users are smaller.
const STOPPED: u32 = 1 << 16;

/// Puts the calling thread to sleep on `word` until it is unparked or the limit is reached.
///
/// `validate` runs with the word's queue locked: if it says `false`, the thread does not sleep ([`Parked::Invalid`]).
/// Whoever changes the word and then unparks can't slip in between `validate` and the sleep. There are no spurious
/// wake-ups. While the thread sleeps, its record says that it waits for `wait`.
///
/// If the time is over already, the thread parks and gives up at once, so that `validate` has the first word. If the
/// token was asked to stop, that has it: `validate` is not called. Either way the word may have changed before, and too
/// late for the thread to see it. A primitive for which that counts looks at its word once more after
/// [`Parked::TimedOut`] and [`Parked::Stopped`].
///
/// `validate` is called once, and is to be short. It must not park or unpark, nor do what may (such as to allocate, if the
/// global allocator parks), nor fork: that may wait forever. If it panics, the program ends. What it has captured is dropped when
/// nothing is locked any more.
///
/// ```
/// use std::sync::atomic::{AtomicU32, Ordering};
/// use std::time::Duration;
/// use tk_park::{Parked, Wait, park};
///
/// let word = AtomicU32::new(0);
/// let limit = Duration::from_millis(1).into();
/// let wait = Wait::new("example");
/// assert_eq!(park(&word, || word.load(Ordering::Relaxed) == 1, &wait, limit), Parked::Invalid);
/// assert_eq!(park(&word, || word.load(Ordering::Relaxed) == 0, &wait, limit), Parked::TimedOut);
/// ```
pub fn park(
    word: &impl Word,
    validate: impl FnMut() -> bool,
    wait: &Wait,
    limit: Limit<'_>,
) -> Parked {
    // SAFETY: a function that does nothing does not park.
    unsafe { park_then(word, validate, |_| {}, wait, limit) }
}

/// As [`park`], and calls `before_sleep` when the thread is in the queue and its record is written. It is given what others
/// see of this thread there.
///
/// With it, a thread can give up a lock and go to sleep in one step: who takes the lock finds it in the queue. It may then
/// look out for a while whether it [is unparked](Waiter::is_unparked), which spares it the sleep.
///
/// # Safety
///
/// `before_sleep` must not park for good: while it does, nobody sees that this thread is unparked. It may unpark. It must not
/// fork: in the child, nobody can wake this thread. If it panics, the program ends.
///
/// ```
/// use std::sync::atomic::AtomicU32;
/// use tk_park::{Limit, Parked, Wait, Waiter, park_then, unpark_one};
///
/// let word = AtomicU32::new(0);
/// let wake_up = |_: &Waiter| _ = unpark_one(&word, |_| 7);
/// // SAFETY: to unpark is allowed.
/// let parked = unsafe { park_then(&word, || true, wake_up, &Wait::new("example"), Limit::none()) };
/// assert_eq!(parked, Parked::Unparked(7)); // It was in the queue already.
/// ```
pub unsafe fn park_then(
    word: &impl Word,
    mut validate: impl FnMut() -> bool,
    mut before_sleep: impl FnMut(&Waiter),
    wait: &Wait,
    limit: Limit<'_>,
) -> Parked {
    let waiter = Waiter::new(wait.mark, current_owner(), wait.since);
    let key = word.key();
    // Dropped before `waiter`: no stop finds the ticket any more when that goes.
    let stops = pin!(StopWaits::new());
    stops.enlist(&limit, key, waiter.ticket());

    let mut stopped = false;
    let mut entered = None;
    let mut validate = || {
        stopped = limit.stop_requested();
        !stopped && validate()
    };
    let mut before_sleep = || {
        entered = Some(wait.enter(key));
        before_sleep(&waiter);
    };
    // SAFETY: the waiter is new. The key is the address of a word that the caller has a reference to (see "Keys" above).
    let outcome = unsafe {
        parking::park(
            &waiter,
            key,
            &mut validate,
            &mut before_sleep,
            limit.deadline(),
        )
    };
    drop(entered);
    match outcome {
        Outcome::Unparked(STOPPED) => Parked::Stopped,
        Outcome::Unparked(token) => Parked::Unparked(token as u16),
        Outcome::Invalid if stopped => Parked::Stopped,
        Outcome::Invalid => Parked::Invalid,
        Outcome::TimedOut(last_key) if last_key != key => Parked::Requeued,
        Outcome::TimedOut(_) => Parked::TimedOut,
    }
}

/// Unparks the threads on `word` that `filter` chooses; it is shown them in the order in which they parked.
///
/// Then, before any of them wakes, `callback` is told what has been done, and returns the token that the threads get
/// from [`park`]. It is called also if there was no thread.
///
/// Both run with the word's queue locked: what they do to the word is one step with the unparking. They are to be
/// short, and the same rules hold for them as for `validate` of [`park`].
///
/// ```
/// use std::sync::atomic::AtomicU32;
/// use tk_park::{Choice, unpark_filter};
///
/// let word = AtomicU32::new(0);
/// let done = unpark_filter(&word, |waiter| match waiter.mark() {
///     7 => Choice::Unpark,
///     _ => Choice::Skip,
/// }, |_| 0);
/// assert_eq!(done.count, 0);
/// ```
pub fn unpark_filter(
    word: &impl Word,
    mut filter: impl FnMut(&Waiter) -> Choice,
    mut callback: impl FnMut(Unparked) -> u16,
) -> Unparked {
    // SAFETY: the key is as in `park`, and every thread that parks takes any token.
    unsafe { parking::unpark_filter(word.key(), &mut filter, &mut |done| callback(done).into()) }
}

/// Unparks the thread that has been parked on `word` for the longest time. `callback` is as in [`unpark_filter`].
///
/// ```
/// let word = std::sync::atomic::AtomicU32::new(0);
/// assert_eq!(tk_park::unpark_one(&word, |_| 0).count, 0);
/// ```
pub fn unpark_one(word: &impl Word, callback: impl FnMut(Unparked) -> u16) -> Unparked {
    unpark_n(word, 1, callback)
}

/// Unparks the `n` threads that have been parked on `word` for the longest time, or all if there are fewer. `callback`
/// is as in [`unpark_filter`].
///
/// ```
/// let word = std::sync::atomic::AtomicU32::new(0);
/// assert!(!tk_park::unpark_n(&word, 3, |_| 0).more);
/// ```
pub fn unpark_n(word: &impl Word, n: usize, callback: impl FnMut(Unparked) -> u16) -> Unparked {
    let mut left = n;
    let filter = |_: &Waiter| {
        if left == 0 {
            return Choice::End;
        }
        left -= 1;
        Choice::Unpark
    };
    unpark_filter(word, filter, callback)
}

/// Unparks every thread on `word`, with this token. Returns how many there were.
///
/// ```
/// let word = std::sync::atomic::AtomicU32::new(0);
/// assert_eq!(tk_park::unpark_all(&word, 0), 0);
/// ```
pub fn unpark_all(word: &impl Word, token: u16) -> usize {
    unpark_filter(word, |_| Choice::Unpark, |_| token).count
}

/// What to do with the threads that are parked on one word, and are needed in the queue of another.
///
/// ```
/// use std::sync::atomic::AtomicU32;
/// use tk_park::{Requeue, requeue};
///
/// let (from, to) = (AtomicU32::new(0), AtomicU32::new(0));
/// // SAFETY: nobody is parked on either word.
/// let done = unsafe { requeue(&from, &raw const to as usize, || Some(Requeue::MoveAll), |_| 0) };
/// assert_eq!(done.unwrap().requeued, 0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Requeue {
    /// Unpark the first, and leave the others where they are.
    UnparkOne,
    /// Move the first, and leave the others where they are.
    MoveOne,
    /// Unpark the first, and move the others.
    UnparkOneMoveRest,
    /// Move all.
    MoveAll,
}

/// Unparks threads from `from`, or moves them to the end of the queue of the word at the address `to` without waking
/// them: as `decide` says, the longest parked first. Or does nothing, and returns `None`, if that is what it says. If nobody is
/// parked on `from`, `decide` is not called.
///
/// `decide` and `callback` are as in [`park`] and [`unpark_filter`], and run with both queues locked. The token goes to
/// the thread that is unparked.
///
/// # Safety
///
/// Those who are parked on `from` when `decide` agrees must be ready for all that may be done to them in the other
/// queue: they are unparked with the tokens of that word's owner. The address is that of a [`Word`], or was while
/// threads could be parked on `from`; nothing is read there.
///
/// ```
/// use std::sync::atomic::AtomicU32;
/// use tk_park::{Limit, Parked, Requeue, Wait, park, requeue, unpark_one};
///
/// let (from, to) = (AtomicU32::new(0), AtomicU32::new(0));
/// let move_one = || {
///     // SAFETY: the thread takes any token.
///     unsafe { requeue(&from, &raw const to as usize, || Some(Requeue::MoveOne), |_| 0) }
/// };
/// std::thread::scope(|s| {
///     let sleeper = s.spawn(|| park(&from, || true, &Wait::new("example"), Limit::none()));
///     while move_one().unwrap().requeued == 0 {}
///     // It has slept on, and waits for another word now.
///     assert_eq!(unpark_one(&to, |_| 7).count, 1);
///     assert_eq!(sleeper.join().unwrap(), Parked::Unparked(7));
/// });
/// ```
pub unsafe fn requeue(
    from: &impl Word,
    to: usize,
    mut decide: impl FnMut() -> Option<Requeue>,
    mut callback: impl FnMut(Unparked) -> u16,
) -> Option<Unparked> {
    // SAFETY: the first key is as in `park`, the second one is so by the caller's promise.
    unsafe {
        parking::requeue(from.key(), to, &mut decide, &mut |done| {
            callback(done).into()
        })
    }
}

/// Unparks the thread of this ticket, if it is still in the queue of this key, so that it sees a stop.
///
/// # Safety
///
/// The thread of the ticket has not left `park` yet, and can't leave it before this call returns.
pub(crate) unsafe fn unpark_stopped(key: usize, ticket: usize) {
    // SAFETY: the waiter lies on the stack of that thread.
    unsafe { parking::unpark_one_of(Waiter::of_ticket(ticket), key, STOPPED) };
}
