//! The lock without a value: Python's `threading.Lock`.
//!
//! | file | holds |
//! |---|---|
//! | `word.rs` | the states of the word, and the steps between them |
//! | `mode.rs` | which releases are atomic steps, and which plain stores |
//! | `raw_lock/acquire.rs` | spinning and parking |
//! | `raw_lock/traffic.rs` | how often a thread that spins looks |
//! | `raw_lock/release.rs` | which thread gets the lock next: starvation, handoff |
//! | `raw_mutex.rs` | the traits of `lock_api` |
//! | `condvar_lock.rs` | what a condition variable needs |

mod acquire;
mod release;
mod traffic;

use std::fmt;
use std::time::Duration;

use tk_core::Owner;
use tk_park::sync::current_owner;
use tk_park::{Limit, WaitError};

pub(crate) use self::acquire::Taking;
use self::release::Unlock;
use self::traffic::Traffic;
use crate::NotLocked;
use crate::mode::ReleaseMode;
use crate::word::LockWord;

/// Token of a thread that is woken: try to take the lock.
const TOKEN_NORMAL: u16 = 0;

/// Token of a thread that is woken: the lock is yours.
const TOKEN_HANDOFF: u16 = 1;

/// A lock that guards nothing, and that any thread may release.
///
/// This is Python's `threading.Lock`, and what a [`Lock<T>`](crate::Lock) is made of. A `Lock<T>`
/// keeps its `RawLock` to itself, so that no thread can release what a guard holds. `RawLock` has
/// no guard type: for scoped locking, use `Lock<()>`.
///
/// All that a thread did before it released the lock happens before the next `acquire` returns.
///
/// ```
/// use std::time::Duration;
/// use tk_lock::RawLock;
///
/// let lock = RawLock::new();
/// lock.acquire();
/// assert!(lock.is_locked());
/// assert!(!lock.acquire_for(Duration::from_millis(1))); // The owner can't take it again either.
///
/// std::thread::scope(|s| {
///     s.spawn(|| lock.release().unwrap()); // Any thread may release it.
/// });
/// assert!(!lock.is_locked());
/// assert!(lock.release().is_err());
/// ```
#[doc(alias = "threading.Lock")]
#[repr(C)]
pub struct RawLock {
    /// First, so that the address in the record of a thread that waits is that of the lock.
    pub(crate) word: LockWord,
    traffic: Traffic,
    mode: ReleaseMode,
}

#[cfg(not(tk_loom))]
const _: () = assert!(size_of::<RawLock>() <= 8);

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
            word: LockWord::new(),
            traffic: Traffic::new(),
            mode: ReleaseMode::new(),
        }
    }

    /// Takes the lock. Blocks while any thread holds it, the calling thread included.
    ///
    /// # Panics
    ///
    /// In the child of a fork, if the lock is held by a thread that exists only in the parent,
    /// because the wait would never end. This holds for all waits without a limit. A wait with a
    /// limit reaches it.
    ///
    /// ```
    /// let lock = tk_lock::RawLock::new();
    /// lock.acquire();
    /// assert!(lock.is_locked());
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire(&self) {
        self.acquire_unlimited(current_owner(), Taking::Bare);
    }

    /// Takes the lock if it is free. Returns whether it was. Never blocks.
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

    /// Takes the lock. Blocks while it is held, until the limit is reached.
    ///
    /// # Errors
    ///
    /// If the limit is reached first. The error says which limit that was.
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
        // The conversion is the caller's code, and comes first: it may use this lock, panic, or end
        // the thread.
        let limit = limit.into();
        self.acquire_as(current_owner(), limit, Taking::Bare)
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
        let state = self.word.load();
        if !state.is_held() {
            return Err(NotLocked);
        }
        if self.word.free(state) {
            return Ok(());
        }
        self.release_slow(Unlock::Normal)
    }

    /// Returns whether a thread holds the lock at this moment.
    ///
    /// ```
    /// assert!(!tk_lock::RawLock::new().is_locked());
    /// ```
    #[doc(alias = "locked")]
    #[inline]
    pub fn is_locked(&self) -> bool {
        self.word.load().is_held()
    }

    /// Returns the thread that holds the lock at this moment.
    ///
    /// ```
    /// let lock = tk_lock::RawLock::new();
    /// assert_eq!(lock.holder(), None);
    /// lock.acquire();
    /// assert_eq!(lock.holder(), Some(tk_core::current_owner()));
    /// ```
    #[inline]
    pub fn holder(&self) -> Option<Owner> {
        self.word.load().owner()
    }

    /// Returns whether this owner holds the lock. If it is the calling thread's, the answer is
    /// exact.
    #[inline]
    pub(crate) fn is_held_by(&self, owner: Owner) -> bool {
        self.word.load().is_held_by(owner)
    }

    /// Gives a model's atomics to the thread that makes the object.
    #[cfg(tk_loom)]
    #[doc(hidden)]
    pub fn loom_register(&self) {
        self.word.loom_register();
        self.mode.loom_register();
    }

    /// Begins a model with a lock whose releases are light.
    #[cfg(tk_loom)]
    #[doc(hidden)]
    pub fn loom_lighten(&self) {
        self.mode.loom_lighten();
    }

    /// Begins a model with a lock whose next release makes it light.
    #[cfg(tk_loom)]
    #[doc(hidden)]
    pub fn loom_almost_lighten(&self) {
        self.mode.loom_almost_lighten();
    }

    /// Releases the lock as `unlock_fair` does.
    #[cfg(tk_loom)]
    #[doc(hidden)]
    pub fn release_fairly(&self) {
        self.release_fair();
    }

    /// Releases the lock as a guard does.
    #[cfg(tk_loom)]
    #[doc(hidden)]
    pub fn release_held_by_me(&self) {
        self.release_own();
    }
}

impl Default for RawLock {
    fn default() -> RawLock {
        RawLock::new()
    }
}

impl fmt::Debug for RawLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawLock")
            .field("locked", &self.is_locked())
            .finish()
    }
}
