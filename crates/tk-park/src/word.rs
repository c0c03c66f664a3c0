//! Words: what threads park on.

use crate::sync::{AtomicBool, AtomicU32, AtomicUsize};

/// An atomic word that threads can park on. Its address is the key of their queue.
///
/// Implemented for the atomic types that primitives are made of, for the [`SecondQueue`] of some of
/// them, and for nothing else. Such a word can be reached only through a reference to it, and two
/// of them never overlap. So a primitive that keeps its word private is alone with its queue, and
/// parking is safe.
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

pub(crate) mod private {
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

/// A second queue of an atomic word, for threads that wait for something else in the same state.
///
/// A readers-writer lock in one word, for example, lets the writer that waits for readers sleep
/// here, and all others in the queue of the word. Either queue is woken without a look at the
/// other. Like the word's own queue, it belongs to the primitive that has the word.
///
/// Its key is the address of the word's second byte. No other word has that address, because the
/// word takes more than one byte and words don't overlap.
///
/// ```
/// use std::sync::atomic::{AtomicU32, Ordering::*};
/// use tk_park::{Limit, SecondQueue, WaitInfo, park_while, unpark_all};
///
/// /// A room that is entered by one thread after another. Its guests are counted.
/// struct Room(AtomicU32);
///
/// impl Room {
///     fn leave(&self) {
///         if self.0.fetch_sub(1, Release) == 1 {
///             // The threads that wait until the room is empty, and not those that wait to enter.
///             unpark_all(SecondQueue::of(&self.0), 0);
///         }
///     }
///
///     fn wait_until_empty(&self) {
///         let is_in_use = || self.0.load(Acquire) > 0;
///         let info = WaitInfo::new("empty room");
///         let waited = park_while(SecondQueue::of(&self.0), is_in_use, &info, Limit::never());
///         assert_eq!(waited, Ok(()));
///     }
/// }
///
/// let room = Room(AtomicU32::new(1));
/// std::thread::scope(|s| {
///     s.spawn(|| room.wait_until_empty());
///     room.leave();
/// });
/// ```
#[derive(Debug)]
pub struct SecondQueue {
    // Zero bytes: a reference to it is an address, and the memory there is the word's.
    _key: (),
}

impl SecondQueue {
    /// Returns the second queue of this word.
    ///
    /// ```
    /// use std::sync::atomic::AtomicUsize;
    /// use tk_park::{SecondQueue, unpark_all};
    ///
    /// assert_eq!(unpark_all(SecondQueue::of(&AtomicUsize::new(0)), 0), 0);
    /// ```
    #[inline]
    pub fn of(word: &impl WideWord) -> &SecondQueue {
        let second: *const SecondQueue = (&raw const *word).cast::<u8>().wrapping_add(1).cast();
        // SAFETY: a reference to no bytes needs an address that is not null and aligned to one
        // byte, and that is the address of the word's second byte.
        unsafe { &*second }
    }
}

/// A [`Word`] of more than one byte, which has a [`SecondQueue`]. Its address is a multiple of its
/// size.
pub trait WideWord: Word {}

impl WideWord for AtomicU32 {}
impl WideWord for AtomicUsize {}

impl private::Sealed for SecondQueue {}
impl Word for SecondQueue {}

#[cfg(test)]
mod tests {
    use super::private::Sealed;
    use super::*;

    #[test]
    fn the_queues_of_neighbors_have_different_keys() {
        let words = [const { AtomicU32::new(0) }; 4];
        let mut keys: Vec<_> = words
            .iter()
            .flat_map(|word| [word.key(), SecondQueue::of(word).key()])
            .collect();
        keys.push(SecondQueue::of(&words[3]).key() + 3); // The first byte behind them.
        assert!(keys.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(SecondQueue::of(&words[0]).key(), words[0].key() + 1);
    }
}
