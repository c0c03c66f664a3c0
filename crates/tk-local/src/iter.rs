//! Iteration over the values of all threads, with exclusive access to the `Local`.
//!
//! A thread may end during the iteration. The table says what happens to its value:
//!
//! | the value is | when its thread ends | when the guard is dropped after that |
//! |---|---|---|
//! | not reached yet | dropped by its thread | – |
//! | lent as a [`ValueMut`] | kept for the guard | dropped by the guard |
//! | given back | dropped by its thread | – |

#![forbid(unsafe_code)]

use std::fmt;
use std::iter::FusedIterator;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::panic::RefUnwindSafe;
use std::vec;

use crate::Local;
use crate::node::{Lent, Node};

impl<T, F> Local<T, F> {
    /// Returns an iterator over the values of all threads, which lends each mutably. The order is
    /// unspecified.
    ///
    /// The `Local` is borrowed mutably, so no thread can use its value during the iteration. But a
    /// thread may end. A value that is lent at that time is dropped with its [`ValueMut`], and any
    /// other by its thread.
    ///
    /// Use a [`SharedLocal`](crate::SharedLocal) to read values while their threads use them.
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
        let lent = self.0.find_map(Node::lend)?;
        Some(ValueMut {
            lent,
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

/// The value of one thread, lent by [`Local::iter_mut`]. A guard that dereferences to the value.
///
/// Its drop returns the value to the thread, or drops the value if the thread has ended meanwhile.
///
/// ```
/// let mut local = tk_local::Local::new();
/// local.set(1);
/// *local.iter_mut().next().unwrap() = 2;
/// assert_eq!(local.get(), Some(2));
/// ```
pub struct ValueMut<'a, T> {
    lent: Lent<'a, T>,
    /// The guard is `Send` and `Sync` if a mutable reference is.
    mutable: PhantomData<&'a mut T>,
}

impl<T> Deref for ValueMut<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.lent.get()
    }
}

impl<T> DerefMut for ValueMut<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.lent.get_mut()
    }
}

// Like a mutable reference and an iterator over those: not unwind safe, but a shared reference to
// them is, if one to the value is.
impl<T: RefUnwindSafe> RefUnwindSafe for ValueMut<'_, T> {}
impl<T: RefUnwindSafe> RefUnwindSafe for IterMut<'_, T> {}

/// Shows the value.
impl<T: fmt::Debug> fmt::Debug for ValueMut<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// Takes the values of all threads, in unspecified order, before it returns.
///
/// If a thread ends at the same time, its value is either among them, or dropped by that thread.
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
        self.table
            .for_each(|node| values.extend(node.take_exclusive()));
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

/// The iterator of [`Local::into_iter`](Local#method.into_iter). Its drop drops the values that are
/// left.
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
