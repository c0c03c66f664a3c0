//! The list of a `SharedLocal`'s values, which all threads can read.
//!
//! The list is a slab: a vector whose vacant entries are chained. The lock is one that a fork
//! leaves usable in the child.
//!
//! # States and operations
//!
//! | entry | `insert` | `remove(key, value)` | `snapshot` | child of a fork |
//! |---|---|---|---|---|
//! | vacant | first of the chain → occupied | – | – | – |
//! | occupied by `value` | – | → vacant, first of the chain | cloned | hidden unless forker's |
//! | occupied by another | – | – | cloned | hidden unless forker's |
//!
//! If another thread had the lock at the fork, the child starts with an empty slab that is marked
//! incomplete. The forker's value is inserted again when the child next iterates.
//!
//! # Invariants
//!
//! **Listed.** A thread's value is an [`Arc`]. The thread's [`Handle`] has one reference to it, and
//! the list has another one, in the entry of the handle's key. A value is listed from when its
//! handle is made until the handle is dropped.
//!
//! **No user code under the lock.** The list is locked to insert a value, to remove one, and to
//! clone all references. A removed value is dropped after the lock is released. Memory is allocated
//! before the lock is taken, and an outgrown vector is freed after it is released. So neither a
//! value's `Drop` nor the global allocator runs under the lock, and both may use the same
//! `SharedLocal`.
//!
//! **Forks.** The child of a fork has one thread, the forker, which is the child's main thread. So
//! at most one value of those that were set before the fork is visible there.

#![forbid(unsafe_code)]

use std::cell::Cell;
use std::sync::Arc;

use tk_core::__private::fork::{Inherit, Mutex};
use tk_core::{ThreadId, current_id, main_thread};

/// The values of all threads in one `SharedLocal`.
pub(crate) struct Values<T>(Mutex<Slab<T>>);

/// A thread's value, and its place in the list.
pub(crate) struct Handle<T> {
    pub(crate) value: Arc<T>,
    values: Arc<Values<T>>,
    key: Cell<usize>,
}

struct Slab<T> {
    entries: Vec<Entry<T>>,
    /// The first vacant entry, or the number of entries if all are occupied.
    next_vacant: usize,
    occupied: usize,
    /// The number of the value that was inserted last.
    last_number: u64,
    /// The number of the last value that was inserted before a fork.
    inherited: u64,
    /// Whether the thread that has forked may have a value that is not listed.
    is_incomplete: bool,
}

enum Entry<T> {
    /// With the next vacant entry.
    Vacant(usize),
    Occupied(Listed<T>),
}

struct Listed<T> {
    value: Arc<T>,
    thread: ThreadId,
    /// Counts the values in the order in which they were set.
    number: u64,
}

impl<T> Inherit for Slab<T> {
    /// Hides the values of the threads that the child does not have. Their values stay, because
    /// nothing can be dropped here.
    fn inherit(&mut self) {
        self.inherited = self.last_number;
    }

    fn anew() -> Slab<T> {
        Slab {
            is_incomplete: true,
            ..Slab::new()
        }
    }
}

impl<T> Slab<T> {
    const fn new() -> Slab<T> {
        Slab {
            entries: Vec::new(),
            next_vacant: 0,
            occupied: 0,
            last_number: 0,
            inherited: 0,
            is_incomplete: false,
        }
    }

    /// Inserts the value and returns its key. Returns the value if the vector has to grow first.
    fn insert(&mut self, value: Arc<T>) -> Result<usize, Arc<T>> {
        let key = self.next_vacant;
        // All entries are occupied, and a push would allocate under the lock.
        if key == self.entries.capacity() {
            return Err(value);
        }
        self.last_number += 1;
        let occupied = Entry::Occupied(Listed {
            value,
            thread: current_id(),
            number: self.last_number,
        });
        match self.entries.get_mut(key) {
            // The vector has room for one more entry.
            None => {
                self.next_vacant = key + 1;
                self.entries.push(occupied);
            }
            Some(entry) => {
                if let Entry::Vacant(next) = std::mem::replace(entry, occupied) {
                    self.next_vacant = next;
                }
            }
        }
        self.occupied += 1;
        Ok(key)
    }

    /// Removes the value, and returns the list's reference to it.
    ///
    /// Returns `None` if the value is not there: its list was replaced after a fork.
    fn remove(&mut self, key: usize, value: &Arc<T>) -> Option<Arc<T>> {
        let entry = self.entries.get_mut(key)?;
        if !matches!(entry, Entry::Occupied(listed) if Arc::ptr_eq(&listed.value, value)) {
            return None;
        }
        let Entry::Occupied(listed) = std::mem::replace(entry, Entry::Vacant(self.next_vacant))
        else {
            return None;
        };
        self.next_vacant = key;
        self.occupied -= 1;
        Some(listed.value)
    }

    /// Moves the entries into `larger` if that has more room. `larger` is the old vector then.
    fn grow(&mut self, larger: &mut Vec<Entry<T>>) {
        if larger.capacity() > self.entries.capacity() {
            larger.append(&mut self.entries);
            std::mem::swap(larger, &mut self.entries);
        }
    }

    /// The values. Of those that were set before a fork, only the forker's (*forks*).
    fn visible(&self, forker: Option<ThreadId>) -> impl Iterator<Item = &Listed<T>> {
        let listed = self.entries.iter().filter_map(|entry| match entry {
            Entry::Occupied(listed) => Some(listed),
            Entry::Vacant(_) => None,
        });
        listed.filter(move |listed| listed.number > self.inherited || Some(listed.thread) == forker)
    }
}

impl<T> Values<T> {
    pub(crate) fn new() -> Values<T> {
        Values(Mutex::new(Slab::new()))
    }

    fn insert(&self, value: &Arc<T>) -> usize {
        let mut value = Arc::clone(value);
        // Declared before the guard, so that it is freed after the lock is released.
        let mut larger = Vec::new();
        loop {
            let mut slab = self.0.lock();
            slab.grow(&mut larger);
            match slab.insert(value) {
                Ok(key) => return key,
                Err(back) => value = back,
            }
            let len = slab.entries.len();
            drop(slab);
            // The allocator may have used this list. Then the next turn finds out.
            larger = Vec::with_capacity(4.max(2 * len));
        }
    }

    /// The values with their numbers, in unspecified order.
    pub(crate) fn snapshot(&self) -> Vec<(u64, Arc<T>)> {
        let (mut values, mut forker) = (Vec::new(), None);
        loop {
            let slab = self.0.lock();
            let occupied = slab.occupied;
            if slab.inherited > 0 && forker.is_none() {
                // Asking for the main thread takes another lock, and may allocate.
                drop(slab);
                forker = Some(main_thread().id());
            } else if occupied > values.capacity() {
                drop(slab);
                // A little more, in case that values are added before the next turn.
                values = Vec::with_capacity(occupied + occupied / 4);
            } else {
                let numbered = |listed: &Listed<T>| (listed.number, Arc::clone(&listed.value));
                values.extend(slab.visible(forker).map(numbered));
                return values;
            }
        }
    }

    /// Returns whether the calling thread may have a value that is not listed. Returns `true` once.
    pub(crate) fn take_incomplete(&self) -> bool {
        let is_incomplete = self.0.lock().is_incomplete;
        is_incomplete && current_id() == main_thread().id() && {
            self.0.lock().is_incomplete = false;
            true
        }
    }
}

impl<T> Handle<T> {
    /// Lists the value.
    pub(crate) fn new(values: &Arc<Values<T>>, value: T) -> Handle<T> {
        let (value, values) = (Arc::new(value), Arc::clone(values));
        let key = Cell::new(values.insert(&value));
        Handle { value, values, key }
    }

    /// Lists the value again, in a list that a fork has replaced.
    pub(crate) fn relist(&self) {
        self.key.set(self.values.insert(&self.value));
    }
}

impl<T> Drop for Handle<T> {
    fn drop(&mut self) {
        // A statement of its own, so that the lock is released before the value is dropped.
        let listed = self.values.0.lock().remove(self.key.get(), &self.value);
        drop(listed);
    }
}
