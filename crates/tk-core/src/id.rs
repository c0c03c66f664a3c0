//! The two numbers of a thread: one that is never reused, one that is small.

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

impl ThreadId {
    pub(crate) const MAIN: ThreadId = ThreadId(NonZeroU64::MIN);

    /// A number that no thread has had.
    pub(crate) fn next() -> ThreadId {
        static LAST: AtomicU64 = AtomicU64::new(ThreadId::MAIN.get());
        // Relaxed: all that matters is that no two calls get the same number.
        let id = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        ThreadId(NonZeroU64::new(id).expect("2^64 threads"))
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
/// Made to be an index into a table or the owner in a lock's word. Two threads that exist at the same time never
/// share a slot; a thread keeps its own until its last thread-local destructor has run.
///
/// ```
/// let slot = tk_core::current_slot();
/// assert_eq!(slot, tk_core::current().slot());
/// assert!(slot.get() > 0);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(NonZeroU32);

impl Slot {
    /// The largest slot number. Locks keep a slot beside a flag bit in a word of 32 bits.
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
