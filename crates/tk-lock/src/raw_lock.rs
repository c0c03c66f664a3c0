//! The algorithm of the lock.
//!
//! # The word
//!
//! | owner | flags | meaning |
//! |---|---|---|
//! | 0 or an `Owner` | none | free or held; nobody sleeps |
//! | 0 or an `Owner` | `PARKED` | threads sleep, or are about to, or slept and have given up |
//! | 0 or an `Owner` | `WOKEN` | a thread has been woken to take the lock, and has not come to it yet |
//!
//! 1. A thread goes to sleep only while the lock is held and `PARKED` is set; both are checked with the queue locked.
//! 2. A holder that finds `PARKED` without `WOKEN` releases with the queue locked, and wakes the first thread in it. If
//!    others sleep, `PARKED` stays. If nobody sleeps (they gave up), it goes.
//! 3. With the wake-up goes `WOKEN`, which is set with the queue locked, and belongs to the thread that is woken. While it
//!    is set, releases wake nobody: one who is on the way is enough. That thread takes it off in the step that takes the
//!    lock. If it comes too late, it takes it off in the step that makes sure of `PARKED`, before it sleeps again: so
//!    the holder who was faster looks into the queue when it releases.
//!    Its absence is excused for [`ON_THE_WAY`] only: then the system has put it behind others, and another one is woken.
//!    Both take the flag off. It may go too early then, which costs a wake-up, but it never stays when nobody comes.
//! 4. A thread that has waited for [`PATIENCE`] is not woken to try its luck, but made the owner: it can't be overtaken for
//!    ever. The token tells it.

use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::atomic::AtomicU8;
use std::time::Duration;

use lock_api::GuardNoSend;
use tk_core::Owner;
use tk_park::sync::{AtomicU32, Instant, Ordering::*, current_owner, micros};
use tk_park::{
    Choice, Limit, Parked, SpinHistory, Wait, WaitError, Waiter, give_way, park, unpark_filter,
};

/// Threads sleep.
const PARKED: u32 = 1;
/// A thread is on its way to the lock.
const WOKEN: u32 = 2;
/// The number of the owner is in the bits above.
const FLAGS: u32 = PARKED | WOKEN;

/// Token: try to take the lock.
const TRY: u16 = 0;
/// Token: try to take the lock; [`WOKEN`] is yours.
const NEXT: u16 = 1;
/// Token: the lock is yours.
const HANDED: u16 = 2;

/// A waiter with this mark is here for the lock itself, not moved over from a condition variable.
const FOR_LOCK: usize = 1;

/// How long a thread lets others go first.
const PATIENCE: Duration = Duration::from_millis(1);

/// How long a woken thread may be on its way before another one is woken.
const ON_THE_WAY: Duration = Duration::from_micros(20);

/// One in so many releases looks at the clock.
const CLOCK_EVERY: u8 = if cfg!(tk_loom) { 1 } else { 8 };

/// When a thread was last woken. An estimate, which orders nothing, and so not made of the atomics of `sync`.
#[derive(Default)]
struct LastWakeUp {
    /// In units of eight microseconds. Starts over every two milliseconds, which hides an old wake-up now and then.
    time: AtomicU8,
    /// The releases since then.
    releases: AtomicU8,
}

impl LastWakeUp {
    const fn new() -> LastWakeUp {
        LastWakeUp {
            time: AtomicU8::new(0),
            releases: AtomicU8::new(0),
        }
    }

    fn now() -> u8 {
        (micros() / 8) as u8
    }

    fn note(&self) {
        self.time.store(LastWakeUp::now(), Relaxed);
    }

    /// Whether that was so long ago that the thread can't be expected soon. Looks at the clock now and then only.
    fn is_overdue(&self) -> bool {
        let releases = self.releases.load(Relaxed).wrapping_add(1);
        self.releases.store(releases, Relaxed);
        let age = || LastWakeUp::now().wrapping_sub(self.time.load(Relaxed));
        releases.is_multiple_of(CLOCK_EVERY) && u128::from(age()) * 8 >= ON_THE_WAY.as_micros()
    }
}

/// A lock that guards nothing, and that any thread may release.
///
/// This is Python's `threading.Lock`. It is also what a [`Lock<T>`](crate::Lock) is made of; there it can't be reached, so
/// that nobody releases what a guard holds. It has no guard itself: what a `with` does takes a `Lock<()>`.
///
/// What a thread did before it released the lock is seen by the thread that acquires it.
///
/// ```
/// use std::time::Duration;
/// use tk_lock::RawLock;
///
/// let lock = RawLock::new();
/// lock.acquire();
/// assert!(lock.is_locked());
/// assert!(!lock.acquire_for(Duration::from_millis(1))); // Taken: also for the thread that took it.
///
/// std::thread::scope(|s| {
///     s.spawn(|| lock.release().unwrap()); // Any thread may.
/// });
/// assert!(!lock.is_locked());
/// assert!(lock.release().is_err());
/// ```
#[doc(alias = "threading.Lock")]
#[derive(Default)]
#[repr(C)]
pub struct RawLock {
    /// First, so that the lock and its queue have one address: see [`RawLock::address`].
    word: AtomicU32,
    spins: SpinHistory,
    woken: LastWakeUp,
}

#[cfg(not(tk_loom))]
const _: () = assert!(size_of::<RawLock>() <= 8);

/// The word of a lock that this thread holds.
fn owned_by(owner: Owner) -> u32 {
    owner.get() << 2
}

fn owner(word: u32) -> Option<Owner> {
    Owner::new(word >> 2)
}

fn is_held(word: u32) -> bool {
    word & !FLAGS != 0
}

fn is_parked(word: u32) -> bool {
    word & PARKED != 0
}

fn is_woken(word: u32) -> bool {
    word & WOKEN != 0
}

/// Whom a release wakes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wakes {
    /// The first in the queue, unless one who was woken before is on the way.
    UnlessOneIsOnTheWay,
    /// The first in the queue in any case.
    Another,
    /// The first in the queue, who becomes the owner.
    AnOwner,
}

impl RawLock {
    /// A lock that is free.
    ///
    /// ```
    /// use tk_lock::RawLock;
    ///
    /// static PRINTER: RawLock = RawLock::new();
    /// assert!(PRINTER.try_acquire());
    /// ```
    pub const fn new() -> RawLock {
        RawLock {
            word: AtomicU32::new(0),
            spins: SpinHistory::new(),
            woken: LastWakeUp::new(),
        }
    }

    /// Takes the lock. Blocks while it is held, whoever holds it: also if that is the calling thread.
    ///
    /// ```
    /// let lock = tk_lock::RawLock::new();
    /// lock.acquire();
    /// assert!(lock.is_locked());
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire(&self) {
        let taken = self.acquire_with(Limit::none());
        debug_assert_eq!(taken, Ok(()));
    }

    /// Takes the lock if it is free. Never blocks.
    ///
    /// ```
    /// let lock = tk_lock::RawLock::new();
    /// assert!(lock.try_acquire());
    /// assert!(!lock.try_acquire());
    /// ```
    #[inline]
    pub fn try_acquire(&self) -> bool {
        let me = owned_by(current_owner());
        // Acquire: pairs with the Release of whoever released the lock.
        match self.word.compare_exchange(0, me, Acquire, Relaxed) {
            Ok(_) => true,
            Err(word) if is_held(word) => false,
            Err(word) => self.try_take(word, me, 0).is_ok(),
        }
    }

    /// Takes the lock. Blocks while it is held, at most for that long. Returns whether it was taken.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// assert!(tk_lock::RawLock::new().acquire_for(Duration::ZERO));
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire_for(&self, timeout: Duration) -> bool {
        // First without a look at the clock.
        self.try_acquire() || self.acquire_with(timeout).is_ok()
    }

    /// Takes the lock. Blocks while it is held, at most until that time. Returns whether it was taken.
    ///
    /// ```
    /// use std::time::Instant;
    ///
    /// assert!(tk_lock::RawLock::new().acquire_until(Instant::now()));
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire_until(&self, deadline: Instant) -> bool {
        self.acquire_with(deadline).is_ok()
    }

    /// Takes the lock. Blocks while it is held, until the limit is reached, and says which limit that was.
    ///
    /// ```
    /// use tk_lock::{StopSource, WaitError};
    ///
    /// let (lock, source) = (tk_lock::RawLock::new(), StopSource::new());
    /// lock.acquire();
    /// source.request_stop();
    /// assert_eq!(lock.acquire_with(&source.token()), Err(WaitError::Stopped));
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire_with<'a>(&self, limit: impl Into<Limit<'a>>) -> Result<(), WaitError> {
        let me = owned_by(current_owner());
        // Acquire: pairs with the Release of whoever released the lock.
        if self.word.compare_exchange(0, me, Acquire, Relaxed).is_ok() {
            return Ok(());
        }
        self.acquire_slow(me, 0, limit.into())
    }

    /// Gives the lock back, and lets the next thread have it. Any thread may do this, whoever took the lock. Never blocks.
    ///
    /// # Errors
    ///
    /// If the lock is not held. Then nothing is changed.
    ///
    /// ```
    /// let lock = tk_lock::RawLock::new();
    /// assert_eq!(lock.release().unwrap_err().to_string(), "release of a lock that is not held");
    /// ```
    #[inline]
    pub fn release(&self) -> Result<(), NotLocked> {
        // Relaxed: whoever has a right to release the lock sees it held.
        let word = self.word.load(Relaxed);
        if !is_held(word) {
            return Err(NotLocked);
        }
        // Release: pairs with the Acquire of whoever takes the lock next.
        let wakes = match word & FLAGS {
            PARKED => Wakes::UnlessOneIsOnTheWay,
            FLAGS if self.woken.is_overdue() => Wakes::Another,
            flags => match self.word.compare_exchange(word, flags, Release, Relaxed) {
                Ok(_) => return Ok(()),
                Err(_) => Wakes::UnlessOneIsOnTheWay,
            },
        };
        self.release_slow(wakes)
    }

    /// Whether the lock is held at this moment.
    ///
    /// ```
    /// assert!(!tk_lock::RawLock::new().is_locked());
    /// ```
    #[doc(alias = "locked")]
    #[inline]
    pub fn is_locked(&self) -> bool {
        // Relaxed: a snapshot.
        is_held(self.word.load(Relaxed))
    }

    /// The thread that holds the lock at this moment.
    ///
    /// ```
    /// let lock = tk_lock::RawLock::new();
    /// assert_eq!(lock.holder(), None);
    /// lock.acquire();
    /// assert_eq!(lock.holder(), Some(tk_core::current_owner()));
    /// ```
    #[inline]
    pub fn holder(&self) -> Option<Owner> {
        owner(self.word.load(Relaxed))
    }

    /// Takes the lock while it is free. `mine` is [`WOKEN`] if that is set for this thread, and goes; other flags stay as
    /// they are. The error is the word of who holds it.
    fn try_take(&self, mut word: u32, me: u32, mine: u32) -> Result<(), u32> {
        while !is_held(word) {
            // Acquire: pairs with the Release of whoever released the lock.
            match self
                .word
                .compare_exchange_weak(word, word & !mine | me, Acquire, Relaxed)
            {
                Ok(_) => return Ok(()),
                Err(changed) => word = changed,
            }
        }
        Err(word)
    }

    /// Looks out for the lock for a while; first with an eye on nothing else, unless others sleep already, then letting
    /// others run.
    fn look_out(&self, me: u32, mine: u32) -> bool {
        let mut look = || match self.try_take(self.word.load(Relaxed), me, mine) {
            Ok(()) => ControlFlow::Break(true),
            Err(word) if is_parked(word) && mine == 0 => ControlFlow::Break(false),
            Err(_) => ControlFlow::Continue(()),
        };
        self.spins.spin(&mut look)
            || give_way(|| match look() {
                ControlFlow::Break(true) => ControlFlow::Break(true),
                _ => ControlFlow::Continue(()),
            })
    }

    /// `mine` is [`WOKEN`] if that is set for this thread, and 0 otherwise.
    #[cold]
    #[track_caller]
    fn acquire_slow(&self, me: u32, mut mine: u32, limit: Limit<'_>) -> Result<(), WaitError> {
        let mut wait = None;
        loop {
            if self.try_take(self.word.load(Relaxed), me, mine).is_ok() {
                return Ok(());
            }
            if wait.is_none()
                && let Err(error) = limit.check()
            {
                return self.last_try(me, error);
            }
            if self.look_out(me, mine) {
                return Ok(());
            }
            // Not made in a closure: there, the caller's line would not be known.
            let begun = match wait {
                Some(begun) => begun,
                None => Wait::new("lock").marked(FOR_LOCK),
            };
            wait = Some(begun);
            let Some(word) = self.line_up(mine) else {
                continue;
            };
            mine = 0;
            // Relaxed: whoever releases the lock from here on has to lock the queue, by 2.; or need not, by 3., because a
            // thread is on its way, which will do so when it releases.
            let validate = || {
                let word = self.word.load(Relaxed);
                is_held(word) && is_parked(word)
            };
            match park(&self.word, validate, &begun.held_by(owner(word)), limit) {
                // The queue synchronises with whoever handed the lock over.
                Parked::Unparked(HANDED) => return Ok(()),
                Parked::Unparked(NEXT) => mine = WOKEN,
                Parked::Unparked(_) | Parked::Invalid | Parked::Requeued => {}
                Parked::TimedOut => return self.last_try(me, WaitError::TimedOut),
                Parked::Stopped => return self.last_try(me, WaitError::Stopped),
            }
        }
    }

    /// Sets `PARKED`, and takes off `mine`, if the lock is held. Returns the word.
    fn line_up(&self, mine: u32) -> Option<u32> {
        let mut word = self.word.load(Relaxed);
        while is_held(word) {
            let next = (word | PARKED) & !mine;
            if next == word {
                return Some(word);
            }
            match self
                .word
                .compare_exchange_weak(word, next, Relaxed, Relaxed)
            {
                Ok(_) => return Some(next),
                Err(changed) => word = changed,
            }
        }
        None
    }

    /// The limit was reached, but a release that came before that counts.
    fn last_try(&self, me: u32, error: WaitError) -> Result<(), WaitError> {
        self.try_take(self.word.load(Relaxed), me, 0)
            .map_err(|_| error)
    }

    /// Releases the lock with the queue locked, and wakes the first thread in it, or hands it the lock if it has been patient.
    #[cold]
    fn release_slow(&self, wakes: Wakes) -> Result<(), NotLocked> {
        let heir = Cell::new(None);
        let mut seen = false;
        let first = |waiter: &Waiter| {
            // Relaxed: `WOKEN` is set with the queue locked.
            let enough = wakes == Wakes::UnlessOneIsOnTheWay && is_woken(self.word.load(Relaxed));
            if std::mem::replace(&mut seen, true) || enough {
                return Choice::End;
            }
            let patient = || waiter.mark() == FOR_LOCK && waiter.since().elapsed() >= PATIENCE;
            match wakes == Wakes::AnOwner || patient() {
                true => heir.set(Some(waiter.owner())),
                false => self.woken.note(),
            }
            Choice::Unpark
        };
        let mut result = Ok(());
        unpark_filter(&self.word, first, |unparked| {
            let parked = if unparked.more { PARKED } else { 0 };
            let (token, next) = match (heir.get(), unparked.count) {
                (Some(heir), _) => (HANDED, owned_by(heir)),
                (None, 0) => (TRY, 0),
                (None, _) => (NEXT, WOKEN),
            };
            let mut word = self.word.load(Relaxed);
            loop {
                if !is_held(word) {
                    // Two threads release what one has taken. The woken thread finds the lock free, or sleeps again.
                    result = Err(NotLocked);
                    return TRY;
                }
                // Release: pairs with the Acquire of whoever takes the lock next, when it is free.
                let next = next | word & WOKEN | parked;
                match self
                    .word
                    .compare_exchange_weak(word, next, Release, Relaxed)
                {
                    Ok(_) => return token,
                    Err(changed) => word = changed,
                }
            }
        });
        result
    }

    /// Releases the lock, and makes the first thread in the queue its owner, if there is one.
    pub(crate) fn release_fair(&self) -> Result<(), NotLocked> {
        self.release_slow(Wakes::AnOwner)
    }

    /// The address of the lock, which is also the key of its queue: for a condition variable that moves its waiters there.
    #[doc(hidden)]
    pub fn address(&self) -> usize {
        (&raw const *self).expose_provenance()
    }

    /// The lock at this address.
    ///
    /// # Safety
    ///
    /// It was given by [`address`](RawLock::address), and the lock stays borrowed for `'a`.
    #[doc(hidden)]
    pub unsafe fn at_address<'a>(address: usize) -> &'a RawLock {
        // SAFETY: by the caller's promise.
        unsafe { &*std::ptr::with_exposed_provenance(address) }
    }

    /// If a release is to come, has it look into the queue, for threads that are about to be moved there; and says so.
    ///
    /// To be called with the queue locked.
    #[doc(hidden)]
    pub fn await_release(&self) -> bool {
        let mut word = self.word.load(Relaxed);
        // By 3., who is on the way will take the lock and release it.
        while is_held(word) || is_woken(word) {
            match self
                .word
                .compare_exchange_weak(word, word | PARKED, Relaxed, Relaxed)
            {
                Ok(_) => return true,
                Err(changed) => word = changed,
            }
        }
        false
    }

    /// Has the release of a thread that will take the lock look into the queue, for threads that have just been moved there.
    ///
    /// To be called with the queue locked, by someone who is about to wake a thread that will take the lock.
    #[doc(hidden)]
    pub fn mark_parked(&self) {
        self.word.fetch_or(PARKED, Relaxed);
    }

    /// The token for a thread that is woken to take the lock by somebody else than the lock.
    #[doc(hidden)]
    pub const TRY: u16 = TRY;

    /// Takes the lock after a wait on a condition variable, which ended with this token.
    ///
    /// # Safety
    ///
    /// The calling thread was unparked with the token in the queue of this lock, or the token is [`TRY`](RawLock::TRY).
    #[doc(hidden)]
    #[track_caller]
    pub unsafe fn reacquire(&self, token: u16) {
        let mine = match token {
            HANDED => return,
            NEXT => WOKEN,
            _ => 0,
        };
        let taken = self.acquire_slow(owned_by(current_owner()), mine, Limit::none());
        debug_assert_eq!(taken, Ok(()));
    }

    /// Gives a model's atomics to the thread that makes the object.
    #[cfg(tk_loom)]
    #[doc(hidden)]
    pub fn touch(&self) {
        self.word.touch();
    }
}

// SAFETY: the word has one owner at a time: it is set by a compare-exchange from a word without an owner, or handed over by
// the owner's release. Both synchronise with the release before (Acquire and Release, or the queue's lock). A guard has
// no state, so that forgetting it leaves the lock held, and no more. The lock can be moved when no reference to it is
// left, and then nobody is parked on it. `lock` panics before it has taken anything, `unlock` does not panic.
unsafe impl lock_api::RawMutex for RawLock {
    #[allow(
        clippy::declare_interior_mutable_const,
        reason = "as lock_api asks for"
    )]
    const INIT: RawLock = RawLock::new();

    // A release by another thread would be sound. But then the owner in the word would not be the one that has the guard.
    type Guard = GuardNoSend;

    #[inline]
    #[track_caller]
    fn lock(&self) -> GuardNoSend {
        let me = owned_by(current_owner());
        // Acquire: pairs with the Release of whoever released the lock.
        if let Err(word) = self.word.compare_exchange(0, me, Acquire, Relaxed) {
            if word & !FLAGS == me && Owner::new(me >> 2).is_some_and(Owner::is_known) {
                relocked();
            }
            let taken = self.acquire_slow(me, 0, Limit::none());
            debug_assert_eq!(taken, Ok(()));
        }
        GuardNoSend::new()
    }

    #[inline]
    fn try_lock(&self) -> Option<GuardNoSend> {
        self.try_acquire().then(GuardNoSend::new)
    }

    #[inline]
    unsafe fn unlock(&self, _: GuardNoSend) {
        let released = self.release();
        debug_assert_eq!(released, Ok(()));
    }

    fn is_locked(&self) -> bool {
        RawLock::is_locked(self)
    }
}

// SAFETY: as above; a timed attempt that fails has taken nothing, and does not fail before its time.
unsafe impl lock_api::RawMutexTimed for RawLock {
    type Duration = Duration;
    type Instant = Instant;

    #[track_caller]
    fn try_lock_for(&self, timeout: Duration) -> Option<GuardNoSend> {
        if self.try_acquire() {
            return Some(GuardNoSend::new());
        }
        let limit = Limit::after(timeout);
        match limit.deadline() {
            // Too long for the clock: for ever.
            None => Some(lock_api::RawMutex::lock(self)),
            Some(_) => self.acquire_with(limit).ok().map(|()| GuardNoSend::new()),
        }
    }

    #[track_caller]
    fn try_lock_until(&self, deadline: Instant) -> Option<GuardNoSend> {
        self.acquire_until(deadline).then(GuardNoSend::new)
    }
}

// SAFETY: as above.
unsafe impl lock_api::RawMutexFair for RawLock {
    unsafe fn unlock_fair(&self, _: GuardNoSend) {
        let released = self.release_fair();
        debug_assert_eq!(released, Ok(()));
    }
}

#[cold]
#[track_caller]
fn relocked() -> ! {
    panic!("this thread holds the lock already, and would wait for itself for ever");
}

impl fmt::Debug for RawLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawLock")
            .field("locked", &self.is_locked())
            .finish()
    }
}

/// A release of a [`RawLock`] that is not held.
///
/// ```
/// use tk_lock::{NotLocked, RawLock};
///
/// assert_eq!(RawLock::new().release(), Err(NotLocked));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotLocked;

impl fmt::Display for NotLocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("release of a lock that is not held")
    }
}

impl Error for NotLocked {}
