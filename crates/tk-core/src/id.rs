//! The numbers of a thread.
//!
//! | number | bits | reused | use |
//! |---|---|---|---|
//! | [`ThreadId`] | 64 | never | identifies a thread |
//! | [`Owner`] | 30 | never; all threads after 2^30 share one | the owner in the word of a lock |
//! | [`Slot`] | 30 | when the thread is gone | an index into a table of values per thread |

use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};
use std::sync::atomic::{AtomicU64, Ordering};

/// The id of a thread, which is never reused.
///
/// Ids count up from 1, the main thread's. [`Display`](fmt::Display) shows the number alone.
///
/// ```
/// let id = tk_core::current().id();
/// assert_eq!(id.to_string(), id.get().to_string());
/// assert_ne!(id, std::thread::spawn(|| tk_core::current().id()).join().unwrap());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ThreadId(NonZeroU64);

/// The id that was assigned last.
static LAST: AtomicU64 = AtomicU64::new(ThreadId::MAIN.get());

/// Skips the ids up to this one. For tests of programs with more than 2^30 threads.
pub fn skip_ids(last: u64) {
    LAST.fetch_max(last, Ordering::Relaxed);
}

impl ThreadId {
    pub(crate) const MAIN: ThreadId = ThreadId(NonZeroU64::MIN);

    /// Assigns the next id.
    pub(crate) fn next() -> ThreadId {
        // Relaxed: nothing else depends on the id. No two calls get the same one.
        let id = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        ThreadId(NonZeroU64::new(id).expect("2^64 threads"))
    }

    /// The id that was assigned last.
    pub(crate) fn last() -> u64 {
        LAST.load(Ordering::Relaxed)
    }

    /// The thread with this id.
    #[inline]
    pub(crate) const fn from_number(number: NonZeroU64) -> ThreadId {
        ThreadId(number)
    }

    /// Returns the number.
    ///
    /// ```
    /// assert!(tk_core::current().id().get() >= 1);
    /// ```
    #[inline]
    pub const fn get(self) -> u64 {
        self.0.get()
    }
}

/// The number of a thread in the word of a lock: its [`ThreadId`], if that fits into 30 bits.
///
/// A lock does not store the [`Slot`] of its owner, because slots are reused. If a thread ended
/// while it held a lock, the next thread in its slot would be taken for the owner.
///
/// All threads after the first 2^30 share [`Owner::ANONYMOUS`]. Their locks work, but cannot tell
/// which thread holds them.
///
/// ```
/// use tk_core::{current, current_owner, thread_by_owner};
///
/// let me = current_owner();
/// assert_eq!(me, current().owner());
/// assert_eq!(thread_by_owner(me), Some(current()));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Owner(NonZeroU32);

impl Owner {
    /// The largest owner number. It leaves two bits of a 32-bit word for flags.
    ///
    /// ```
    /// use tk_core::Owner;
    ///
    /// assert_eq!(Owner::new(Owner::MAX), Some(Owner::ANONYMOUS));
    /// assert_eq!(Owner::new(Owner::MAX + 1), None);
    /// ```
    pub const MAX: u32 = u32::MAX >> 2;

    /// The number that all threads share whose id does not fit into 30 bits.
    ///
    /// ```
    /// assert!(!tk_core::Owner::ANONYMOUS.is_known());
    /// ```
    pub const ANONYMOUS: Owner = Owner(NonZeroU32::new(Owner::MAX).unwrap());

    /// Returns the owner with this number. `None` unless it is from 1 to [`Owner::MAX`].
    ///
    /// ```
    /// use tk_core::Owner;
    ///
    /// assert_eq!(Owner::new(7).unwrap().get(), 7);
    /// assert_eq!(Owner::new(0), None);
    /// ```
    #[inline]
    pub const fn new(number: u32) -> Option<Owner> {
        match NonZeroU32::new(number) {
            Some(number) if number.get() <= Owner::MAX => Some(Owner(number)),
            _ => None,
        }
    }

    /// The owner's number.
    ///
    /// ```
    /// assert!(tk_core::current_owner().get() >= 1);
    /// ```
    #[inline]
    pub const fn get(self) -> u32 {
        self.0.get()
    }

    /// Whether this stands for one thread only. False for [`Owner::ANONYMOUS`] alone.
    ///
    /// ```
    /// assert!(tk_core::current_owner().is_known());
    /// ```
    #[inline]
    pub const fn is_known(self) -> bool {
        self.0.get() != Owner::MAX
    }

    /// The thread of this id as an owner.
    pub(crate) fn of(id: ThreadId) -> Owner {
        u32::try_from(id.get())
            .ok()
            .and_then(Owner::new)
            .unwrap_or(Owner::ANONYMOUS)
    }

    /// The owner with this number, which is not too large.
    #[inline]
    pub(crate) const fn from_number(number: NonZeroU32) -> Owner {
        Owner(number)
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_known() {
            write!(f, "Owner({self})")
        } else {
            f.write_str("Owner(ANONYMOUS)")
        }
    }
}

impl fmt::Display for ThreadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for ThreadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ThreadId({self})")
    }
}

/// The slot of a thread: a small number, which is reused when the thread is gone.
///
/// Use it as an index into a table of values per thread. Slots are dense and never zero. Two
/// threads that exist at the same time never share a slot. A thread keeps its slot until its last
/// thread-local destructor has run, where the system can say when that is: see [thread-local
/// destructors](crate#thread-local-destructors).
///
/// ```
/// let slot = tk_core::current_slot();
/// assert_eq!(slot, tk_core::current().slot());
/// assert!(slot.get() > 0);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(NonZeroU32);

impl Slot {
    /// The largest slot number.
    ///
    /// ```
    /// use tk_core::Slot;
    ///
    /// assert!(tk_core::current_slot().get() <= Slot::MAX);
    /// assert_eq!(Slot::new(Slot::MAX + 1), None);
    /// ```
    pub const MAX: u32 = u32::MAX >> 2;

    /// Returns the slot with this number. `None` unless it is from 1 to [`Slot::MAX`].
    ///
    /// ```
    /// use tk_core::Slot;
    ///
    /// assert_eq!(Slot::new(7).unwrap().get(), 7);
    /// assert_eq!(Slot::new(0), None);
    /// assert_eq!(Slot::new(Slot::MAX + 1), None);
    /// ```
    #[inline]
    pub const fn new(number: u32) -> Option<Slot> {
        match NonZeroU32::new(number) {
            Some(number) if number.get() <= Slot::MAX => Some(Slot(number)),
            _ => None,
        }
    }

    /// Returns the number.
    ///
    /// ```
    /// assert!(tk_core::current_slot().get() >= 1);
    /// ```
    #[inline]
    pub const fn get(self) -> u32 {
        self.0.get()
    }

    /// The slot with this number, which is not too large.
    #[inline]
    pub(crate) const fn from_number(number: NonZeroU32) -> Slot {
        Slot(number)
    }

    /// The index of this slot in a table that starts at zero.
    pub(crate) fn index(self) -> usize {
        self.0.get() as usize - 1
    }

    pub(crate) fn from_index(index: usize) -> Slot {
        u32::try_from(index + 1)
            .ok()
            .and_then(Slot::new)
            .expect("fewer than a billion threads live at a time")
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slot({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_is_too_large_for_a_word_is_anonymous() {
        let owner = |id| Owner::of(ThreadId::from_number(NonZeroU64::new(id).unwrap()));
        let last = u64::from(Owner::MAX) - 1;
        assert_eq!(u64::from(owner(last).get()), last);
        assert!(owner(last).is_known());
        for id in [last + 1, last + 2, 1 << 32, (1 << 32) + 1, u64::MAX] {
            assert_eq!(owner(id), Owner::ANONYMOUS);
        }
    }
}
