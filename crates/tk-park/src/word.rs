//! Words: what threads park on.

use crate::sync::{AtomicBool, AtomicU32, AtomicUsize};

/// An atomic word that threads can park on. Its address is the key of their queue.
///
/// Implemented for the atomic types that primitives are made of, and for nothing else. Such a word
/// can be reached only through a reference to it, and two of them never overlap. So a primitive
/// that keeps its word private is alone with its queue, and parking is safe.
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
