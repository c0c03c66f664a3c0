//! Names for objects: a table by address.
//!
//! An object does not grow by its name. A guard enters the name, and takes it out again. A wait is
//! for a word somewhere inside of its object, so a name is for a range of addresses.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use tk_core::__private::fork::{Inherit, Mutex};

/// An entry of the table.
#[derive(Clone)]
struct Entry {
    /// Greater than those of all earlier entries.
    number: u64,
    first: usize,
    /// The address behind the object, or that of its first byte if it has no size.
    end: usize,
    name: Arc<str>,
}

/// In the order of the numbers.
struct Table {
    entries: Vec<Entry>,
    last_number: u64,
}

static TABLE: Mutex<Table> = Mutex::constant(Table {
    entries: Vec::new(),
    last_number: 0,
});

impl Inherit for Table {
    fn anew() -> Table {
        Table {
            entries: Vec::new(),
            // The guards that the child has inherited find nothing.
            last_number: u64::MAX / 2,
        }
    }
}

/// Gives an object a name, which dumps and reports show until the guard is dropped.
///
/// The object is a lock, an event or another thing that threads wait for, or a value that contains
/// one. If one named object contains another, the name of the inner one is shown. Of two names for
/// one object, the later one is shown.
///
/// If the guard is forgotten, the name stays with the address, and is shown for what lies there
/// later. For an object in a `static`, that is what you want.
///
/// A barrier's waits are not found by its name, because its threads wait for a part outside of it.
/// The wait for a thread is shown with the thread's name anyway.
///
/// ```
/// use tk_lock::Lock;
///
/// let orders = Lock::new(Vec::<u32>::new());
/// let _name = tk_watch::name(&orders, "orders");
/// let guard = orders.lock();
/// std::thread::scope(|s| {
///     s.spawn(|| orders.lock().push(1));
///     while !tk_watch::dump().to_string().contains("lock \"orders\"") {
///         std::thread::yield_now();
///     }
///     drop(guard);
/// });
/// ```
pub fn name<'a, T: ?Sized>(object: &'a T, name: impl Into<Arc<str>>) -> Named<'a> {
    let first = (&raw const *object).cast::<()>().addr();
    enter(first, size_of_val(object), name.into())
}

/// As [`name`], by a pointer, for a guard that lies beside the object that it names.
///
/// The pointer is not followed. Drop the guard before the object is moved or dropped, or the name
/// is shown for what lies there later.
///
/// ```
/// use std::sync::Arc;
/// use tk_lock::Lock;
///
/// struct Service {
///     orders: Lock<Vec<u32>>,
///     name: Lock<Option<tk_watch::Named<'static>>>,
/// }
///
/// let service = Arc::new(Service { orders: Lock::default(), name: Lock::default() });
/// *service.name.lock() = Some(tk_watch::name_at(&raw const service.orders, "orders"));
/// ```
pub fn name_at<T>(object: *const T, name: impl Into<Arc<str>>) -> Named<'static> {
    enter(object.addr(), size_of::<T>(), name.into())
}

fn enter<'a>(first: usize, size: usize, name: Arc<str>) -> Named<'a> {
    let mut larger = Vec::new();
    loop {
        let mut table = TABLE.lock();
        if table.entries.len() < table.entries.capacity() {
            table.last_number += 1;
            let number = table.last_number;
            table.entries.push(Entry {
                number,
                first,
                end: first.saturating_add(size),
                name,
            });
            return Named {
                number,
                object: PhantomData,
            };
        }
        if table.entries.capacity() < larger.capacity() {
            larger.append(&mut table.entries);
            std::mem::swap(&mut table.entries, &mut larger);
            continue;
        }
        // Memory is allocated and freed while the table is not locked.
        let room = table.entries.capacity();
        drop(table);
        larger = Vec::with_capacity(16.max(2 * room));
    }
}

/// The guard of a [`name`]. Its drop takes the name away.
#[must_use = "the name is taken away when this is dropped"]
pub struct Named<'a> {
    number: u64,
    object: PhantomData<&'a ()>,
}

impl Drop for Named<'_> {
    fn drop(&mut self) {
        let mut table = TABLE.lock();
        let at = table
            .entries
            .binary_search_by_key(&self.number, |entry| entry.number);
        let entry = at.ok().map(|at| table.entries.remove(at));
        drop(table);
        // Freed while the table is not locked.
        drop(entry);
    }
}

impl fmt::Debug for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Named").finish_non_exhaustive()
    }
}

/// The names at one moment.
pub(crate) struct Names(Vec<Entry>);

impl Names {
    pub(crate) fn now() -> Names {
        let mut copy = Vec::new();
        loop {
            let table = TABLE.lock();
            if table.entries.len() <= copy.capacity() {
                copy.extend(table.entries.iter().cloned());
                break;
            }
            let needed = table.entries.len();
            drop(table);
            copy.reserve(needed);
        }
        // The smallest objects come first, and of one size the later names.
        copy.sort_by_key(|entry| (entry.end - entry.first, u64::MAX - entry.number));
        Names(copy)
    }

    /// The name of the smallest object that has one and contains this address.
    pub(crate) fn of(&self, address: usize) -> Option<&str> {
        let contains =
            |entry: &&Entry| entry.first == address || (entry.first..entry.end).contains(&address);
        self.0.iter().find(contains).map(|entry| &*entry.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name_of(address: usize) -> Option<String> {
        Names::now().of(address).map(str::to_owned)
    }

    #[test]
    fn the_innermost_and_then_the_latest_name_is_shown() {
        let pair = Box::new([1_u64, 2]);
        let address = |at: usize| (&raw const pair[at]).addr();
        let both = name(&*pair, "pair");
        assert_eq!(name_of(address(0)).as_deref(), Some("pair"));
        assert_eq!(name_of(address(1)).as_deref(), Some("pair"));
        let second = name(&pair[1], "second");
        let renamed = name(&pair[1], "renamed");
        assert_eq!(name_of(address(0)).as_deref(), Some("pair"));
        assert_eq!(name_of(address(1)).as_deref(), Some("renamed"));
        drop(renamed);
        assert_eq!(name_of(address(1)).as_deref(), Some("second"));
        drop((second, both));
        assert_eq!(name_of(address(1)), None);
    }

    #[test]
    fn names_come_and_go_in_any_order() {
        let objects: Vec<Box<u64>> = (0..100).map(Box::new).collect();
        let named = |at: usize| name(&*objects[at], format!("object {at}"));
        let mut names: Vec<_> = (0..100).map(named).collect();
        for at in (0..100).rev().step_by(2) {
            drop(names.remove(at));
        }
        for (at, object) in objects.iter().enumerate() {
            let expected = (at % 2 == 0).then(|| format!("object {at}"));
            assert_eq!(name_of((&raw const **object).addr()), expected);
        }
    }
}
