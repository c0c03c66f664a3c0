//! The values of all threads, for a thread with exclusive access to the `Local`.

#![forbid(unsafe_code)]

use std::fmt;
use std::iter::FusedIterator;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::panic::RefUnwindSafe;
use std::vec;

use crate::Local;
use crate::node::{Node, Visit};

impl<T, F> Local<T, F> {
    /// The values of all threads that have one, to look at them and to change them.
    ///
    /// The `Local` is borrowed mutably, and so no thread can use its value meanwhile. But a thread
    /// may end. Its value is then dropped by itself if it has not been reached yet, and else by the
    /// [`ValueMut`] when that is dropped.
    ///
    /// To look at the values while their threads use them, see [`SharedLocal`](crate::SharedLocal).
    ///
    /// ```
    /// use tk_local::Local;
    ///
    /// let mut hits = Local::new();
    /// hits.set(1);
    /// for mut n in &mut hits {
    ///     *n += 1;
    /// }
    /// assert_eq!(hits.get(), Some(2));
    /// ```
    pub fn iter_mut(&mut self) -> IterMut<'_, T> {
        let mut nodes = Vec::new();
        self.table.for_each(|node| nodes.push(node));
        IterMut(nodes.into_iter())
    }
}

/// The iterator of [`Local::iter_mut`].
///
/// ```
/// let mut local = tk_local::Local::new();
/// local.set(1);
/// assert_eq!(local.iter_mut().count(), 1);
/// ```
pub struct IterMut<'a, T>(vec::IntoIter<&'a Node<T>>);

impl<'a, T> Iterator for IterMut<'a, T> {
    type Item = ValueMut<'a, T>;

    fn next(&mut self) -> Option<ValueMut<'a, T>> {
        let visit = self.0.find_map(Node::visit)?;
        Some(ValueMut {
            visit,
            mutable: PhantomData,
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.0.len()))
    }
}

impl<T> FusedIterator for IterMut<'_, T> {}

impl<T> fmt::Debug for IterMut<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IterMut").finish_non_exhaustive()
    }
}

/// The value of some thread, lent by [`Local::iter_mut`]. It is reached through [`Deref`] and
/// [`DerefMut`].
///
/// When it is dropped, the thread has its value again. If the thread has ended meanwhile, the value
/// is dropped.
///
/// ```
/// let mut local = tk_local::Local::new();
/// local.set(1);
/// *local.iter_mut().next().unwrap() = 2;
/// assert_eq!(local.get(), Some(2));
/// ```
pub struct ValueMut<'a, T> {
    visit: Visit<'a, T>,
    /// To share or send a guard is to share or send a mutable reference.
    mutable: PhantomData<&'a mut T>,
}

impl<T> Deref for ValueMut<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.visit.get()
    }
}

impl<T> DerefMut for ValueMut<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.visit.get_mut()
    }
}

// As a mutable reference, and an iterator over such: not unwind safe, but through a shared
// reference as the value.
impl<T: RefUnwindSafe> RefUnwindSafe for ValueMut<'_, T> {}
impl<T: RefUnwindSafe> RefUnwindSafe for IterMut<'_, T> {}

/// As the value's.
impl<T: fmt::Debug> fmt::Debug for ValueMut<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// The values of all threads that have one, in no particular order. They are taken out before this
/// returns.
///
/// A value whose thread ends at the same time is either among them, or is dropped by its thread.
///
/// ```
/// use tk_local::Local;
///
/// let names = Local::new();
/// names.set("main");
/// let all: Vec<&str> = names.into_iter().collect();
/// assert_eq!(all, ["main"]);
/// ```
impl<T, F> IntoIterator for Local<T, F> {
    type Item = T;
    type IntoIter = IntoIter<T>;

    fn into_iter(self) -> IntoIter<T> {
        let mut values = Vec::new();
        self.table.for_each(|node| values.extend(node.empty()));
        IntoIter(values.into_iter())
    }
}

impl<'a, T, F> IntoIterator for &'a mut Local<T, F> {
    type Item = ValueMut<'a, T>;
    type IntoIter = IterMut<'a, T>;

    fn into_iter(self) -> IterMut<'a, T> {
        self.iter_mut()
    }
}

/// The values of a [`Local`] that is gone. Those that are not taken are dropped with it.
///
/// ```
/// let local = tk_local::Local::new();
/// local.set(1);
/// assert_eq!(local.into_iter().len(), 1);
/// ```
pub struct IntoIter<T>(vec::IntoIter<T>);

impl<T> Iterator for IntoIter<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.0.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl<T> ExactSizeIterator for IntoIter<T> {}
impl<T> FusedIterator for IntoIter<T> {}

impl<T> fmt::Debug for IntoIter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntoIter")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
