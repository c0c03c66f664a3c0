//! Values that other threads may look at.
//!
//! # Invariants
//!
//! **Listed.** A thread's value is an [`Arc`], of which the thread has one in its [`Entry`] and the
//! list another one, in the entry's place. An entry is listed from when it is made until it is
//! dropped.
//!
//! **No user code under the lock.** The list is locked to add a value, to remove one and to copy
//! them all, and for nothing else. A value that is removed is dropped after that. Nor is memory
//! allocated or freed meanwhile: what is needed is allocated before, and a list that has become too
//! small is freed afterwards. So neither a value's `Drop` nor the global allocator runs under the
//! lock, and both may use the same `SharedLocal`.
//!
//! **No lock to read.** A thread reads its own value through its entry.
//!
//! **Forks.** The child of a fork has one thread, so one value, if any. The lock is one that a
//! child can always take. If no thread had it at the fork, the list has the values of the lost
//! threads too, and does not show them. Otherwise the list may be half changed, and is forgotten;
//! the thread's own value is listed again when the thread next looks at the list.
//!
//! An entry is a value of a [`Local`], so all that is said there about the end of a thread holds
//! for it.

#![forbid(unsafe_code)]

use std::cell::Cell;
use std::fmt;
use std::iter::FusedIterator;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::vec;

use once_cell::race::OnceBox;
use tk_core::__private::fork::{Inherit, Mutex};
use tk_core::{ThreadId, current_id, main_thread};

use crate::local::{fail, unset_or_fail};
use crate::{AccessError, Local, SetError, Unset};

/// One value per thread, per object, for all threads to look at.
///
/// As a [`Local`], each thread has a value of its own in it, or none. Unlike there, a value cannot
/// be changed, only set anew, and in return [`iter`](SharedLocal::iter) gives the values of all
/// threads: counters to be summed up, or what each worker is at. What is to change has an atomic or
/// a lock in it.
///
/// A thread reads its value without a lock. To set it and to end takes a lock for a moment, of the
/// `SharedLocal`.
///
/// # When a value is dropped
///
/// As the value of a `Local`, and by the same thread. But if another thread has it from `iter` or
/// `get` at that time, the last of them drops it.
///
/// In the child of a fork, `iter` gives the values of the child's own threads only.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
/// use std::sync::Barrier;
/// use tk_local::SharedLocal;
///
/// static HITS: SharedLocal<AtomicU64> = SharedLocal::with_init(|| AtomicU64::new(0));
///
/// let counted = Barrier::new(4);
/// std::thread::scope(|s| {
///     for _ in 0..3 {
///         s.spawn(|| {
///             HITS.with(|n| n.fetch_add(1, Relaxed)).unwrap();
///             counted.wait(); // all have counted
///             counted.wait(); // the main thread has looked
///         });
///     }
///     counted.wait();
///     assert_eq!(HITS.iter().map(|n| n.load(Relaxed)).sum::<u64>(), 3);
///     counted.wait();
/// });
/// ```
#[doc(alias = "ThreadLocal")]
pub struct SharedLocal<T, F = fn() -> T> {
    mine: Local<Entry<T>>,
    list: OnceBox<Arc<List<T>>>,
    init: Option<F>,
}

/// The values of all threads.
struct List<T>(Mutex<Places<T>>);

struct Places<T> {
    places: Vec<Place<T>>,
    /// The first free place; the number of places if all are taken.
    free: usize,
    taken: usize,
    /// The number of the latest value.
    latest: u64,
    /// The number of the latest value that was set before a fork.
    inherited: u64,
    /// Whether the thread that has forked, the main one, may have a value that is in no place.
    is_incomplete: bool,
}

enum Place<T> {
    /// With the next free one.
    Free(usize),
    Taken(Listed<T>),
}

struct Listed<T> {
    value: Arc<T>,
    thread: ThreadId,
    /// By which the values can be put into the order in which they were set.
    number: u64,
}

/// A thread's value.
struct Entry<T> {
    value: Arc<T>,
    list: Arc<List<T>>,
    place: Cell<usize>,
}

impl<T> Inherit for Places<T> {
    /// Hides the values of the lost threads. They stay, because nothing can be dropped here.
    fn inherit(&mut self) {
        self.inherited = self.latest;
    }

    fn anew() -> Places<T> {
        Places {
            is_incomplete: true,
            ..Places::new()
        }
    }
}

impl<T> Places<T> {
    const fn new() -> Places<T> {
        Places {
            places: Vec::new(),
            free: 0,
            taken: 0,
            latest: 0,
            inherited: 0,
            is_incomplete: false,
        }
    }

    /// Puts the value into a free place, or gives it back if there is none and no room for another
    /// place.
    fn add(&mut self, value: Arc<T>) -> Result<usize, Arc<T>> {
        let place = self.free;
        if place == self.places.capacity() {
            return Err(value);
        }
        self.latest += 1;
        let taken = Place::Taken(Listed {
            value,
            thread: current_id(),
            number: self.latest,
        });
        match self.places.get_mut(place) {
            // There is room.
            None => {
                self.free = place + 1;
                self.places.push(taken);
            }
            Some(entry) => {
                if let Place::Free(next) = std::mem::replace(entry, taken) {
                    self.free = next;
                }
            }
        }
        self.taken += 1;
        Ok(place)
    }

    /// Takes the value out of its place, unless that is another list's, which was lost in a fork.
    fn remove(&mut self, place: usize, value: &Arc<T>) -> Option<Arc<T>> {
        let entry = self.places.get_mut(place)?;
        if !matches!(entry, Place::Taken(listed) if Arc::ptr_eq(&listed.value, value)) {
            return None;
        }
        let Place::Taken(listed) = std::mem::replace(entry, Place::Free(self.free)) else {
            return None;
        };
        self.free = place;
        self.taken -= 1;
        Some(listed.value)
    }

    /// Moves everything into `larger`, if that is larger.
    fn grow(&mut self, larger: &mut Vec<Place<T>>) {
        if larger.capacity() > self.places.capacity() {
            larger.append(&mut self.places);
            std::mem::swap(larger, &mut self.places);
        }
    }

    /// The values; of those that were set before a fork, only that of the thread that has forked.
    fn visible(&self, forker: Option<ThreadId>) -> impl Iterator<Item = &Listed<T>> {
        let listed = self.places.iter().filter_map(|place| match place {
            Place::Taken(listed) => Some(listed),
            Place::Free(_) => None,
        });
        listed.filter(move |listed| listed.number > self.inherited || Some(listed.thread) == forker)
    }
}

impl<T> List<T> {
    fn new() -> List<T> {
        List(Mutex::new(Places::new()))
    }

    fn add(&self, value: &Arc<T>) -> usize {
        let mut value = Arc::clone(value);
        // Outlives the guard, because the lock is not held while it is freed.
        let mut larger = Vec::new();
        loop {
            let mut places = self.0.lock();
            places.grow(&mut larger);
            match places.add(value) {
                Ok(place) => return place,
                Err(back) => value = back,
            }
            let len = places.places.len();
            drop(places);
            larger = Vec::with_capacity(4.max(2 * len));
        }
    }

    /// The values with their numbers, in no particular order.
    fn values(&self) -> Vec<(u64, Arc<T>)> {
        let (mut values, mut forker) = (Vec::new(), None);
        loop {
            let places = self.0.lock();
            let taken = places.taken;
            if places.inherited > 0 && forker.is_none() {
                drop(places);
                forker = Some(main_thread().id());
            } else if taken > values.capacity() {
                drop(places);
                values = Vec::with_capacity(taken + taken / 4);
            } else {
                let numbered = |listed: &Listed<T>| (listed.number, Arc::clone(&listed.value));
                values.extend(places.visible(forker).map(numbered));
                return values;
            }
        }
    }

    /// Whether the calling thread may have a value that is in no place. Says so once.
    fn take_incomplete(&self) -> bool {
        let is_incomplete = self.0.lock().is_incomplete;
        is_incomplete && current_id() == main_thread().id() && {
            self.0.lock().is_incomplete = false;
            true
        }
    }
}

impl<T> Entry<T> {
    fn new(list: &Arc<List<T>>, value: T) -> Entry<T> {
        let (value, list) = (Arc::new(value), Arc::clone(list));
        let place = Cell::new(list.add(&value));
        Entry { value, list, place }
    }
}

impl<T> Drop for Entry<T> {
    fn drop(&mut self) {
        // In a statement of its own: the lock is not held while the value is dropped.
        let listed = self.list.0.lock().remove(self.place.get(), &self.value);
        drop(listed);
    }
}

impl<T> SharedLocal<T> {
    /// Without a value in any thread.
    ///
    /// ```
    /// use tk_local::SharedLocal;
    ///
    /// static TASK: SharedLocal<String> = SharedLocal::new();
    /// assert!(!TASK.is_set());
    /// ```
    pub const fn new() -> SharedLocal<T> {
        SharedLocal {
            mine: Local::new(),
            list: OnceBox::new(),
            init: None,
        }
    }
}

impl<T, F> SharedLocal<T, F> {
    /// With a function that makes a thread's value when the thread first reads it, and again after
    /// it was taken. As [`Local::with_init`].
    ///
    /// ```
    /// use tk_local::SharedLocal;
    ///
    /// let local = SharedLocal::with_init(|| std::thread::current().id());
    /// assert_eq!(local.with(|id| *id), Ok(std::thread::current().id()));
    /// ```
    pub const fn with_init(init: F) -> SharedLocal<T, F> {
        SharedLocal {
            mine: Local::new(),
            list: OnceBox::new(),
            init: Some(init),
        }
    }

    /// The values of the threads that have one now, those that were set earlier first. Does not
    /// call the initializer.
    ///
    /// All of them had one at the same moment, in this call. Those that are set later are not among
    /// them, and those that are dropped by their threads meanwhile still are: they live as long as
    /// somebody has them.
    ///
    /// ```
    /// use tk_local::SharedLocal;
    ///
    /// let local = SharedLocal::new();
    /// assert_eq!(local.iter().count(), 0);
    /// local.set("here");
    /// assert_eq!(*local.iter().next().unwrap(), "here");
    /// ```
    pub fn iter(&self) -> SharedIter<T> {
        let Some(list) = self.list.get() else {
            return SharedIter(Vec::new().into_iter());
        };
        if list.take_incomplete() {
            self.mine
                .peek(|entry| entry.place.set(list.add(&entry.value)));
        }
        let mut values = list.values();
        values.sort_unstable_by_key(|(number, _)| *number);
        SharedIter(values.into_iter())
    }

    /// Calls `f` with each of the values that [`iter`](SharedLocal::iter) gives.
    ///
    /// ```
    /// use tk_local::SharedLocal;
    ///
    /// let local = SharedLocal::new();
    /// local.set(1);
    /// local.for_each(|n| assert_eq!(*n, 1));
    /// ```
    pub fn for_each(&self, mut f: impl FnMut(&T)) {
        self.iter().for_each(|value| f(&value));
    }

    fn list(&self) -> &Arc<List<T>> {
        self.list.get_or_init(|| Box::new(Arc::new(List::new())))
    }
}

/// Methods that do not call the initializer.
impl<T: 'static, F> SharedLocal<T, F> {
    /// Whether the calling thread has a value. As [`Local::is_set`].
    ///
    /// ```
    /// # use tk_local::SharedLocal;
    /// let local = SharedLocal::new();
    /// local.set(1);
    /// assert!(local.is_set());
    /// ```
    #[doc(alias = "hasattr")]
    pub fn is_set(&self) -> bool {
        self.mine.is_set()
    }

    /// Sets the calling thread's value, and lets go of the one it had.
    ///
    /// # Panics
    ///
    /// In a closure that borrows this value, and in its initializer.
    /// [`try_set`](SharedLocal::try_set) does not.
    ///
    /// ```
    /// # use tk_local::SharedLocal;
    /// let local = SharedLocal::new();
    /// local.set("idle");
    /// local.set("busy");
    /// assert!(local.iter().map(|task| *task).eq(["busy"]));
    /// ```
    #[doc(alias = "setattr")]
    #[track_caller]
    pub fn set(&self, value: T) {
        if let Err(error) = self.try_set(value) {
            fail("SharedLocal", error.reason());
        }
    }

    /// Sets the calling thread's value if it is not in use, and lets go of the one it had.
    ///
    /// # Errors
    ///
    /// Gives the value back in a closure that borrows the present one, and in the initializer.
    ///
    /// ```
    /// # use tk_local::SharedLocal;
    /// let local = SharedLocal::new();
    /// assert!(local.try_set(1).is_ok());
    /// assert_eq!(local.with(|_| local.try_set(2).unwrap_err().into_value()), Ok(2));
    /// ```
    pub fn try_set(&self, value: T) -> Result<(), SetError<T>> {
        // Before it is listed: nobody is to see a value that is not set.
        if let Err(reason) = self.mine.check_unused() {
            return Err(SetError::new(value, reason));
        }
        drop(self.mine.replace(Entry::new(self.list(), value)));
        Ok(())
    }

    /// Takes the calling thread's value, if it has one, and leaves it without. Others may have it
    /// too, from [`iter`](SharedLocal::iter) or [`get`](SharedLocal::get).
    ///
    /// # Panics
    ///
    /// In a closure that borrows this value, and in its initializer.
    ///
    /// ```
    /// # use tk_local::SharedLocal;
    /// let local = SharedLocal::new();
    /// local.set(1);
    /// assert_eq!(local.take().map(std::sync::Arc::into_inner), Some(Some(1)));
    /// assert_eq!(local.take(), None);
    /// ```
    #[doc(alias = "delattr")]
    #[track_caller]
    pub fn take(&self) -> Option<Arc<T>> {
        match self.mine.try_take() {
            Ok(entry) => entry.map(|entry| Arc::clone(&entry.value)),
            Err(error) => fail("SharedLocal", error),
        }
    }
}

/// Methods that call the initializer, if there is one and the thread has no value.
impl<T: 'static, F: Fn() -> T> SharedLocal<T, F> {
    /// Calls `f` with the calling thread's value, and returns what it returns.
    ///
    /// # Errors
    ///
    /// [`Unset`] if the thread has no value. Never with an initializer.
    ///
    /// # Panics
    ///
    /// In the value's initializer; [`try_with`](SharedLocal::try_with) does not. If `f` or the
    /// initializer panics. At the end of a thread, if [no more values are
    /// made](AccessError::ThreadEnding).
    ///
    /// ```
    /// # use tk_local::{SharedLocal, Unset};
    /// let local = SharedLocal::new();
    /// assert_eq!(local.with(String::len), Err(Unset));
    /// local.set(String::from("four"));
    /// assert_eq!(local.with(String::len), Ok(4));
    /// ```
    #[inline]
    #[track_caller]
    pub fn with<R>(&self, f: impl FnOnce(&T) -> R) -> Result<R, Unset> {
        match self.try_with(f) {
            Ok(result) => Ok(result),
            Err(error) => Err(unset_or_fail("SharedLocal", error)),
        }
    }

    /// Calls `f` with the calling thread's value, if it can be read now.
    ///
    /// # Errors
    ///
    /// If the thread has no value, in its initializer, and at the end of a thread if no more values
    /// are made.
    ///
    /// # Panics
    ///
    /// If `f` or the initializer panics.
    ///
    /// ```
    /// # use tk_local::{AccessError, SharedLocal};
    /// let local = SharedLocal::<u32>::new();
    /// assert_eq!(local.try_with(|n| *n), Err(AccessError::Unset));
    /// ```
    #[inline]
    pub fn try_with<R>(&self, f: impl FnOnce(&T) -> R) -> Result<R, AccessError> {
        let init = self.init.as_ref();
        let init = init.map(|init| || Entry::new(self.list(), init()));
        self.mine.try_with_borrow_or(init, |entry| f(&entry.value))
    }

    /// The calling thread's value, to be kept or given to others. `None` if it has none, which
    /// cannot be with an initializer.
    ///
    /// # Panics
    ///
    /// In the value's initializer. If the initializer panics. At the end of a thread, if
    /// [no more values are made](AccessError::ThreadEnding).
    ///
    /// ```
    /// # use tk_local::SharedLocal;
    /// let local = SharedLocal::with_init(|| 1);
    /// let value = local.get().unwrap();
    /// local.set(2);
    /// assert_eq!(*value, 1);
    /// ```
    #[doc(alias = "getattr")]
    #[track_caller]
    pub fn get(&self) -> Option<Arc<T>> {
        let init = self.init.as_ref();
        let init = init.map(|init| || Entry::new(self.list(), init()));
        let value = self
            .mine
            .try_with_borrow_or(init, |entry| Arc::clone(&entry.value));
        value
            .map_err(|error| unset_or_fail("SharedLocal", error))
            .ok()
    }
}

// Threads share the values, as through an `Arc`, and the `SharedLocal` is whole again after a
// panic.
impl<T: RefUnwindSafe, F: UnwindSafe> UnwindSafe for SharedLocal<T, F> {}
impl<T: RefUnwindSafe, F: RefUnwindSafe> RefUnwindSafe for SharedLocal<T, F> {}

/// As [`SharedLocal::new`].
impl<T> Default for SharedLocal<T> {
    fn default() -> SharedLocal<T> {
        SharedLocal::new()
    }
}

/// Says whether the calling thread has a value. Shows no value, and blocks nobody.
impl<T: 'static, F> fmt::Debug for SharedLocal<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedLocal")
            .field("is_set", &self.is_set())
            .finish_non_exhaustive()
    }
}

impl<T, F> IntoIterator for &SharedLocal<T, F> {
    type Item = Arc<T>;
    type IntoIter = SharedIter<T>;

    fn into_iter(self) -> SharedIter<T> {
        self.iter()
    }
}

/// The values of threads, as [`SharedLocal::iter`] has found them.
///
/// ```
/// let local = tk_local::SharedLocal::new();
/// local.set(1);
/// assert_eq!(local.iter().len(), 1);
/// ```
pub struct SharedIter<T>(vec::IntoIter<(u64, Arc<T>)>);

impl<T> Iterator for SharedIter<T> {
    type Item = Arc<T>;

    fn next(&mut self) -> Option<Arc<T>> {
        self.0.next().map(|(_, value)| value)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl<T> ExactSizeIterator for SharedIter<T> {}
impl<T> FusedIterator for SharedIter<T> {}

impl<T> fmt::Debug for SharedIter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedIter")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
