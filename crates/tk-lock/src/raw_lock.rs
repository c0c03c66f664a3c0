//! The algorithm of the lock.
//!
//! # States
//!
//! The word holds the number of the owner and one flag.
//!
//! | state | word | `try_acquire` | `acquire` | `release` |
//! |---|---|---|---|---|
//! | free | `0` | takes the lock | takes the lock | `NotLocked` |
//! | held | owner | fails | spins, sets `PARKED`, parks | frees the lock |
//! | held, queued | owner, `PARKED` | fails | parks | locks the queue, then wakes the first waiter and frees the lock, or hands the lock to it |
//! | free, queued | `PARKED` | takes the lock, keeps `PARKED` | the same | `NotLocked` |
//!
//! The fast paths are one compare-exchange each: `0` to owner, and owner to `0`. Everything else is cold.
//!
//! # Invariants
//!
//! **Mutual exclusion.** The owner's number is written by that owner, in a compare-exchange from a word without an owner
//! (Acquire), or by the owner before, in a handoff with the queue locked. It is erased by a release (Release). So each owner
//! sees what the owners before it have done.
//!
//! **Parked bit.** While the queue is not locked and has a thread in it, `PARKED` is set. A thread enters the queue only if
//! `validate` finds `PARKED` set, with the queue locked; a condition variable that moves threads here sets it in the same
//! step; and `PARKED` is cleared with the queue locked only, by a release that finds nobody else in it. Otherwise: A holds
//! the lock, B sets `PARKED`, A releases and clears it, C takes the lock, B parks. C's release finds no flag, and B sleeps
//! forever.
//!
//! **A release is to come.** While the queue is not locked and has a thread in it, the lock is held, or a thread has been
//! woken to take it and has not tried yet. A thread parks only if the lock is held (`validate` again), and a release that
//! finds `PARKED` wakes one thread, which takes the lock or finds it held by a faster one. Both see `PARKED` when they
//! release. A woken thread whose limit is reached still tries once, so that no wake-up is lost.
//!
//! **Starvation bound.** A release that finds a thread in the queue looks at the clock. If the first thread in the queue has
//! been there for [`STARVATION_THRESHOLD`], the release makes it the owner (a handoff), so that no running thread can take
//! the lock first. A thread that was woken and lost the race queues again, at the end, but its time counts from the start
//! of its wait. The time of a thread that a notification has moved here counts from the notification.
//!
//! **Spinning is waiting.** A thread that waits spins for some microseconds before it enters the queue, where a handoff
//! would find it. So a fair release that finds the queue empty, but `spinning` set, gives way until the spinning thread has
//! taken the lock.

use std::cell::Cell;
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tk_core::__private::fork::is_lost;
use tk_core::{Owner, thread_by_owner};
use tk_park::sync::{AtomicU32, Instant, Ordering::*, current_owner};
use tk_park::{
    AdaptiveSpin, FilterOp, Limit, Parked, Poll, WaitError, WaitInfo, Waiter, park, unpark_filter,
    yield_until,
};

use crate::NotLocked;

/// Flag: a thread is in the queue, or is about to enter it, or was in it and has given up.
pub(crate) const PARKED: u32 = 1;

/// The owner's number is in the bits above the flags.
const OWNER_SHIFT: u32 = 2;
const FLAGS: u32 = (1 << OWNER_SHIFT) - 1;

/// Token of an unparked thread: try to take the lock.
pub const TOKEN_NORMAL: u16 = 0;

/// Token of an unparked thread: the lock is yours.
pub(crate) const TOKEN_HANDOFF: u16 = 1;

/// How long running threads may take the lock before the first thread in the queue.
///
/// A handoff costs the time until the new owner runs, during which nobody can use the lock. Without handoffs a thread that
/// releases and takes the lock again at once keeps all others out. A millisecond is some ten times what a wake-up takes.
const STARVATION_THRESHOLD: Duration = Duration::from_millis(1);

/// A lock that guards nothing, and that any thread may release.
///
/// This is Python's `threading.Lock`, and what a [`Lock<T>`](crate::Lock) is made of. A `Lock<T>` keeps its `RawLock` to
/// itself, so that nobody releases what a guard holds. `RawLock` has no guard type: for scoped locking, use `Lock<()>`.
///
/// What a thread did before it released the lock happens before the next `acquire` returns.
///
/// ```
/// use std::time::Duration;
/// use tk_lock::RawLock;
///
/// let lock = RawLock::new();
/// lock.acquire();
/// assert!(lock.is_locked());
/// assert!(!lock.acquire_for(Duration::from_millis(1))); // The owner cannot take it again either.
///
/// std::thread::scope(|s| {
///     s.spawn(|| lock.release().unwrap()); // Any thread may release it.
/// });
/// assert!(!lock.is_locked());
/// assert!(lock.release().is_err());
/// ```
#[doc(alias = "threading.Lock")]
#[derive(Default)]
#[repr(C)]
pub struct RawLock {
    /// First, so that the lock and its queue have one address: see [`crate::__private`].
    pub(crate) word: AtomicU32,
    spin: AdaptiveSpin,
    /// Whether a thread has spun for the lock since the last fair release, which waits for such a thread to take the lock.
    /// An estimate, which orders nothing, and so not one of the atomics of `sync`.
    spinning: AtomicBool,
}

#[cfg(not(tk_loom))]
const _: () = assert!(size_of::<RawLock>() <= 8);

/// The word of a lock that this thread holds while nobody is parked.
#[inline]
fn held_by(owner: Owner) -> u32 {
    owner.get() << OWNER_SHIFT
}

#[inline]
fn owner(word: u32) -> Option<Owner> {
    Owner::new(word >> OWNER_SHIFT)
}

#[inline]
pub(crate) fn is_held(word: u32) -> bool {
    word & !FLAGS != 0
}

#[inline]
fn is_parked(word: u32) -> bool {
    word & PARKED != 0
}

/// What a release does with the first thread in the queue.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unlock {
    /// Wakes it, or makes it the owner if it is starving.
    Normal,
    /// Makes it the owner.
    Handoff,
}

/// Whether the thread has been in the queue for so long that it must be the next owner.
fn is_starving(waiter: &Waiter) -> bool {
    waiter.queued_since().elapsed() >= STARVATION_THRESHOLD
}

impl RawLock {
    /// Creates a free lock.
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
            spin: AdaptiveSpin::new(),
            spinning: AtomicBool::new(false),
        }
    }

    /// Takes the lock. Blocks while any thread holds it, the calling one included.
    ///
    /// # Panics
    ///
    /// In the child of a fork, if a thread that exists in the parent alone holds the lock, because nobody would end the
    /// wait. This goes for all waits without a limit; those with one reach it.
    ///
    /// ```
    /// let lock = tk_lock::RawLock::new();
    /// lock.acquire();
    /// assert!(lock.is_locked());
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire(&self) {
        let taken = self.acquire_as(current_owner(), Limit::never());
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
        self.try_acquire_as(current_owner())
    }

    /// Takes the lock. Blocks for at most `timeout` while it is held. Returns whether it was taken.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// assert!(tk_lock::RawLock::new().acquire_for(Duration::ZERO));
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire_for(&self, timeout: Duration) -> bool {
        // The clock is read only if the lock is held.
        self.try_acquire() || self.acquire_with(timeout).is_ok()
    }

    /// Takes the lock. Blocks until `deadline` while it is held. Returns whether it was taken.
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

    /// Takes the lock. Blocks while it is held, until the limit is reached. The error says which limit that was.
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
        // The conversion is the caller's code, and comes first: it may use this lock, panic, or end the thread.
        let limit = limit.into();
        self.acquire_as(current_owner(), limit)
    }

    /// Releases the lock, whichever thread took it. Never blocks.
    ///
    /// # Errors
    ///
    /// If the lock is not held. Nothing changes then.
    ///
    /// ```
    /// let lock = tk_lock::RawLock::new();
    /// assert_eq!(lock.release().unwrap_err().to_string(), "release of a lock that is not held");
    /// ```
    #[inline]
    pub fn release(&self) -> Result<(), NotLocked> {
        // Relaxed: a thread that may release the lock knows that it is held.
        let word = self.word.load(Relaxed);
        if !is_held(word) {
            return Err(NotLocked);
        }
        // Release: pairs with the Acquire of the next owner.
        if !is_parked(word)
            && self
                .word
                .compare_exchange(word, 0, Release, Relaxed)
                .is_ok()
        {
            return Ok(());
        }
        self.release_slow(Unlock::Normal)
    }

    /// Returns whether some thread holds the lock at this moment.
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
        // Relaxed: a snapshot. A thread that finds itself here has written that, or was handed the lock.
        owner(self.word.load(Relaxed))
    }

    /// [`acquire_with`](RawLock::acquire_with) for the calling thread, which is `me`.
    #[inline]
    #[track_caller]
    pub(crate) fn acquire_as(&self, me: Owner, limit: Limit<'_>) -> Result<(), WaitError> {
        // Acquire: pairs with the Release of the last owner.
        let free = self.word.compare_exchange(0, held_by(me), Acquire, Relaxed);
        if free.is_ok() {
            return Ok(());
        }
        self.acquire_slow(me, limit)
    }

    /// [`try_acquire`](RawLock::try_acquire) for the calling thread, which is `me`.
    #[inline]
    pub(crate) fn try_acquire_as(&self, me: Owner) -> bool {
        // Acquire: pairs with the Release of the last owner.
        match self.word.compare_exchange(0, held_by(me), Acquire, Relaxed) {
            Ok(_) => true,
            Err(word) => !is_held(word) && self.try_take(word, me).is_ok(),
        }
    }

    /// Takes the lock for good, unless the calling thread, which is `me`, has it already.
    ///
    /// # Panics
    ///
    /// If it has.
    #[inline]
    #[track_caller]
    pub(crate) fn acquire_once(&self, me: Owner) {
        // Acquire: pairs with the Release of the last owner.
        let free = self.word.compare_exchange(0, held_by(me), Acquire, Relaxed);
        if free.is_err() {
            self.acquire_once_slow(me);
        }
    }

    /// Releases the lock, which `me` holds.
    #[inline]
    pub(crate) fn release_as(&self, me: Owner) {
        // Release: pairs with the Acquire of the next owner.
        let alone = self.word.compare_exchange(held_by(me), 0, Release, Relaxed);
        if alone.is_err() {
            self.release_held(Unlock::Normal);
        }
    }

    /// Releases the lock, which is held, and makes the first thread in the queue its owner, if there is one. If the queue
    /// is empty, but a thread spins for the lock, gives way until that has taken it.
    pub(crate) fn release_fair(&self) {
        let spinning = self.spinning.load(Relaxed);
        if spinning {
            self.spinning.store(false, Relaxed);
        }
        self.release_held(Unlock::Handoff);
        if spinning && !self.is_locked() {
            // A thread that has begun to wait is not to be overtaken by this one, which runs and would be faster. The
            // thread may have given up spinning long ago, so this is for a moment only, and once.
            yield_until(|| {
                if self.is_locked() {
                    Poll::Ready
                } else {
                    Poll::Again
                }
            });
        }
    }

    /// Lets a waiting thread have the lock, if there is one, and takes the lock again. `me` holds it.
    #[inline]
    #[track_caller]
    pub(crate) fn bump_as(&self, me: Owner) {
        // Relaxed: the queue is looked at with its lock held.
        if is_parked(self.word.load(Relaxed)) || self.spinning.load(Relaxed) {
            self.release_fair();
            let taken = self.acquire_as(me, Limit::never());
            debug_assert_eq!(taken, Ok(()));
        }
    }

    /// Takes the lock while it is free, and leaves `PARKED` as it is. The error is the word of a lock that is held.
    fn try_take(&self, mut word: u32, me: Owner) -> Result<(), u32> {
        while !is_held(word) {
            // Acquire: pairs with the Release of the last owner.
            let next = word | held_by(me);
            match self
                .word
                .compare_exchange_weak(word, next, Acquire, Relaxed)
            {
                Ok(_) => return Ok(()),
                Err(changed) => word = changed,
            }
        }
        Err(word)
    }

    /// Spins for the lock: first busy-waiting, then giving way to other threads.
    ///
    /// If others are parked, there are more threads than the lock can serve: only a thread that was woken from the queue
    /// busy-waits then, because its turn has come.
    pub(crate) fn try_acquire_spinning(&self, me: Owner, was_woken: bool) -> bool {
        let mut look = || {
            let Err(word) = self.try_take(self.word.load(Relaxed), me) else {
                return Poll::Ready;
            };
            // A fair release may have taken it off for another thread.
            if !self.spinning.load(Relaxed) {
                self.spinning.store(true, Relaxed);
            }
            if is_parked(word) && !was_woken {
                Poll::GiveUp
            } else {
                Poll::Again
            }
        };
        self.try_take(self.word.load(Relaxed), me).is_ok()
            || self.spin.spin(&mut look)
            // While it yields, the thread takes nothing from the others, however many are parked.
            || yield_until(|| match look() {
                Poll::GiveUp => Poll::Again,
                other => other,
            })
    }

    #[cold]
    #[inline(never)]
    #[track_caller]
    fn acquire_slow(&self, me: Owner, limit: Limit<'_>) -> Result<(), WaitError> {
        if self.try_take(self.word.load(Relaxed), me).is_ok() {
            return Ok(());
        }
        if let Err(error) = limit.check() {
            return self.last_try(me, error);
        }
        if limit.is_unlimited() {
            self.refuse_lost_holder();
        }
        if self.try_acquire_spinning(me, false) {
            return Ok(());
        }
        self.acquire_parking(me, limit)
    }

    /// Takes the lock, or parks until it is released and tries again.
    #[track_caller]
    pub(crate) fn acquire_parking(&self, me: Owner, limit: Limit<'_>) -> Result<(), WaitError> {
        let wait = WaitInfo::new("lock");
        loop {
            let word = match self.try_take(self.word.load(Relaxed), me) {
                Ok(()) => return Ok(()),
                Err(word) => word,
            };
            if !self.set_parked(word) {
                continue;
            }
            // Parked bit, A release is to come. Relaxed: with `PARKED` set, a release has to lock the queue, and comes
            // before this look or after the entry into the queue.
            let validate = || {
                let word = self.word.load(Relaxed);
                is_held(word) && is_parked(word)
            };
            match park(&self.word, validate, &wait.held_by(owner(word)), limit) {
                // The queue's lock synchronizes with the last owner.
                Ok(Parked::Unparked(TOKEN_HANDOFF)) => return Ok(()),
                Ok(Parked::Unparked(_)) => {
                    if self.try_acquire_spinning(me, true) {
                        return Ok(());
                    }
                }
                Ok(Parked::Invalid | Parked::Requeued) => {}
                Err(error) => return self.last_try(me, error),
            }
        }
    }

    /// Sets `PARKED` if the word is still this one, which is held.
    fn set_parked(&self, word: u32) -> bool {
        // Relaxed: the queue's lock orders this with the release that finds the flag.
        is_parked(word)
            || self
                .word
                .compare_exchange(word, word | PARKED, Relaxed, Relaxed)
                .is_ok()
    }

    /// The limit is reached, but a release that came before that counts.
    fn last_try(&self, me: Owner, error: WaitError) -> Result<(), WaitError> {
        self.try_take(self.word.load(Relaxed), me)
            .map_err(|_| error)
    }

    /// Panics if the lock is held by a thread that exists in the parent of this process alone: the wait would never end.
    ///
    /// Once per wait is enough, because a thread that waits is not lost, and a lost thread takes no lock.
    #[track_caller]
    fn refuse_lost_holder(&self) {
        if let Some(holder) = self.holder()
            && is_lost(holder)
        {
            lost_holder(holder);
        }
    }

    #[cold]
    #[inline(never)]
    #[track_caller]
    fn acquire_once_slow(&self, me: Owner) {
        if me.is_known() && self.holder() == Some(me) {
            relocked();
        }
        let taken = self.acquire_slow(me, Limit::never());
        debug_assert_eq!(taken, Ok(()));
    }

    #[cold]
    #[inline(never)]
    fn release_held(&self, unlock: Unlock) {
        let released = self.release_slow(unlock);
        debug_assert_eq!(released, Ok(()));
    }

    /// Releases the lock with the queue locked.
    #[cold]
    #[inline(never)]
    fn release_slow(&self, unlock: Unlock) -> Result<(), NotLocked> {
        let new_owner = Cell::new(None);
        let mut seen_first = false;
        let first = |waiter: &Waiter| {
            if std::mem::replace(&mut seen_first, true) {
                return FilterOp::Stop;
            }
            if unlock == Unlock::Handoff || is_starving(waiter) {
                new_owner.set(Some(waiter.owner()));
            }
            FilterOp::Unpark
        };
        let mut result = Ok(());
        unpark_filter(&self.word, first, |unparked| {
            let parked = if unparked.have_more_threads {
                PARKED
            } else {
                0
            };
            let (token, next) = match new_owner.get() {
                Some(new_owner) => (TOKEN_HANDOFF, held_by(new_owner) | parked),
                None => (TOKEN_NORMAL, parked),
            };
            let mut word = self.word.load(Relaxed);
            while is_held(word) {
                // Release: pairs with the Acquire of the next owner, if the lock is free now.
                match self
                    .word
                    .compare_exchange_weak(word, next, Release, Relaxed)
                {
                    Ok(_) => return token,
                    Err(changed) => word = changed,
                }
            }
            // Two threads release what one of them has taken. The woken thread finds the lock free, or parks again.
            result = Err(NotLocked);
            TOKEN_NORMAL
        });
        result
    }

    /// Gives a model's atomics to the thread that makes the object.
    #[cfg(tk_loom)]
    #[doc(hidden)]
    pub fn loom_register(&self) {
        self.word.loom_register();
    }
}

#[cold]
#[inline(never)]
#[track_caller]
fn relocked() -> ! {
    panic!("this thread holds the lock already, and would wait for itself forever");
}

#[cold]
#[inline(never)]
#[track_caller]
fn lost_holder(holder: Owner) -> ! {
    match thread_by_owner(holder) {
        Some(thread) => panic!(
            "a wait for a lock that is held by {}, a thread that the fork has left behind",
            thread.name()
        ),
        None => panic!("a wait for a lock that is held by a thread that the fork has left behind"),
    }
}

impl fmt::Debug for RawLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawLock")
            .field("locked", &self.is_locked())
            .finish()
    }
}
