//! The numbers of a thread: its id, which is never reused; its owner number, which is the id in 30 bits; and its slot,
//! which is small and reused.

use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};
use std::sync::atomic::{AtomicU64, Ordering};

/// The number of a thread, never given to another one.
///
/// Numbers count up from 1, which is the main thread's. [`Display`](fmt::Display) shows the number alone.
///
/// ```
/// let id = tk_core::current().id();
/// assert_eq!(id.to_string(), id.get().to_string());
/// assert_ne!(id, std::thread::spawn(|| tk_core::current().id()).join().unwrap());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ThreadId(NonZeroU64);

/// The last number that a thread has got.
static LAST: AtomicU64 = AtomicU64::new(ThreadId::MAIN.get());

/// The next thread gets a number after this one. For tests of what comes after 2^30 threads.
pub fn skip_ids(last: u64) {
    LAST.fetch_max(last, Ordering::Relaxed);
}

impl ThreadId {
    pub(crate) const MAIN: ThreadId = ThreadId(NonZeroU64::MIN);

    /// A number that no thread has had.
    pub(crate) fn next() -> ThreadId {
        // Relaxed: all that matters is that no two calls get the same number.
        let id = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        ThreadId(NonZeroU64::new(id).expect("2^64 threads"))
    }

    /// The last number that a thread has got.
    pub(crate) fn last() -> u64 {
        LAST.load(Ordering::Relaxed)
    }

    /// The id of a thread of a model, which tk-core does not know.
    #[cfg(tk_loom)]
    #[doc(hidden)]
    pub fn of_model(number: u64) -> ThreadId {
        ThreadId(NonZeroU64::new(number).expect("numbers of a model's threads begin with one"))
    }

    /// For a number that was a thread's before.
    #[inline]
    pub(crate) const fn from_number(number: NonZeroU64) -> ThreadId {
        ThreadId(number)
    }

    /// The number itself.
    ///
    /// ```
    /// assert!(tk_core::current().id().get() >= 1);
    /// ```
    #[inline]
    pub const fn get(self) -> u64 {
        self.0.get()
    }
}

/// A thread as the owner in a lock's word: its [`ThreadId`] if that fits into 30 bits.
///
/// A lock names its owner by this and not by a [`Slot`], because a slot is reused: if a thread ends while it holds a
/// lock, the next thread in its slot must not be taken for the owner.
///
/// After 2^30 threads, all later ones share [`Owner::ANONYMOUS`]. Their locks work as ever, but cannot say who holds
/// them.
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
    /// The largest number of an owner, which leaves two bits of a word of 32 bits for flags.
    ///
    /// ```
    /// use tk_core::Owner;
    ///
    /// assert_eq!(Owner::new(Owner::MAX), Some(Owner::ANONYMOUS));
    /// assert_eq!(Owner::new(Owner::MAX + 1), None);
    /// ```
    pub const MAX: u32 = u32::MAX >> 2;

    /// Any of the threads whose id does not fit into 30 bits.
    ///
    /// ```
    /// assert!(!tk_core::Owner::ANONYMOUS.is_known());
    /// ```
    pub const ANONYMOUS: Owner = Owner(NonZeroU32::new(Owner::MAX).unwrap());

    /// The owner of this number, if it can be one: from 1 to [`Owner::MAX`].
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

    /// For a number that was an owner's before.
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

/// The small number of a live thread: dense, never zero, and reused once the thread is gone.
///
/// Made to be an index into a table. (The owner in a lock's word is an [`Owner`].) Two threads that exist at the same time never
/// share a slot; a thread keeps its own until its last thread-local destructor has run, where the system can say when
/// that is: see [Thread-local destructors](crate#thread-local-destructors).
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

    /// The slot of this number, if it can be one: from 1 to [`Slot::MAX`].
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

    /// The slot's number.
    ///
    /// ```
    /// assert!(tk_core::current_slot().get() >= 1);
    /// ```
    #[inline]
    pub const fn get(self) -> u32 {
        self.0.get()
    }

    /// For a number that was a slot's before.
    #[inline]
    pub(crate) const fn from_number(number: NonZeroU32) -> Slot {
        Slot(number)
    }

    /// Where this slot's entry lies in a table that begins at zero.
    pub(crate) fn index(self) -> usize {
        self.0.get() as usize - 1
    }

    pub(crate) fn from_index(index: usize) -> Slot {
        u32::try_from(index + 1)
            .ok()
            .and_then(Slot::new)
            .expect("a billion threads at once")
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
