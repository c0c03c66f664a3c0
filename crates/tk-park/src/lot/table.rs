//! The table of buckets: how a key finds its bucket, while the table grows and after a fork.
//!
//! A table has a size for a number of threads, and belongs to one process. It is replaced when
//! there are more threads, and in the child of a fork. It is never freed, because a thread may
//! still be about to lock one of its buckets. All tables that growth has replaced are together as
//! large as the last one.
//!
//! Its memory comes from the system's allocator and not from the global one, because the thread
//! that needs a table may be inside of the global allocator and hold a lock of it. It is allocated
//! before any bucket is locked.
//!
//! **Current.** A table is replaced by growth only by a thread that has all its buckets
//! locked. So a bucket that a thread has locked belongs to the current table, and stays so until it
//! is unlocked, if that table is the current one at any moment while it is locked.
//!
//! **Process.** A table is used by the process that made it. Its locks and queues may be in
//! any state in the child of a fork, and are not touched there.

use std::alloc::{GlobalAlloc, Layout, System, handle_alloc_error};
use std::ptr;

use super::bucket::{Bucket, Locked};
use crate::sync::Ordering::{AcqRel, Acquire, Relaxed, Release};
use crate::sync::lot::{AtomicPtr, BUCKETS_PER_THREAD, FEWEST_THREADS, generation, hash, threads};

/// A header, which the buckets follow in memory.
pub(super) struct Table {
    generation: u32,
    /// How many of the highest bits of the hash number the bucket.
    bits: u32,
    buckets: *const Bucket,
    /// The number of threads that this table is large enough for.
    threads: usize,
    /// The table that this one replaced, or null.
    #[cfg_attr(not(tk_loom), expect(dead_code, reason = "leak detectors follow it"))]
    replaced: *mut Table,
}

/// The current table.
struct Current(AtomicPtr<Table>);

// SAFETY: the table is shared by pointer; what is changed in it is in its buckets, which lock
// themselves.
unsafe impl Sync for Current {}
// SAFETY: as above.
unsafe impl Send for Current {}

#[cfg(not(tk_loom))]
static CURRENT: Current = Current(AtomicPtr::new(ptr::null_mut()));

#[cfg(tk_loom)]
loom::lazy_static! {
    static ref CURRENT: Current = Current(AtomicPtr::new(ptr::null_mut()));
}

/// A model makes its tables anew a million times.
#[cfg(tk_loom)]
impl Drop for Current {
    fn drop(&mut self) {
        let mut table = self.0.with_mut(|table| *table);
        while !table.is_null() {
            // SAFETY: the model is over.
            unsafe {
                let replaced = (*table).replaced;
                Table::free(table);
                table = replaced;
            }
        }
    }
}

impl Table {
    fn layout(buckets: usize) -> Option<(Layout, usize)> {
        let buckets = Layout::array::<Bucket>(buckets).ok()?;
        Layout::new::<Table>().extend(buckets).ok()
    }

    /// A table of empty buckets, or null for lack of memory.
    fn allocate(threads: usize, replaced: *mut Table) -> *mut Table {
        let threads = threads.max(FEWEST_THREADS);
        let buckets = threads
            .checked_mul(BUCKETS_PER_THREAD)
            .and_then(usize::checked_next_power_of_two);
        let Some((buckets, (layout, offset))) =
            buckets.and_then(|buckets| Some((buckets, Table::layout(buckets)?)))
        else {
            return ptr::null_mut();
        };
        // SAFETY: the layout has a size. The header and the buckets lie in it, aligned, as `extend`
        // has laid them out.
        unsafe {
            let table = System.alloc(layout).cast::<Table>();
            if table.is_null() {
                return table;
            }
            let first = table.byte_add(offset).cast::<Bucket>();
            for number in 0..buckets {
                first.add(number).write(Bucket::new());
            }
            table.write(Table {
                generation: generation(),
                bits: buckets.ilog2(),
                buckets: first,
                threads: buckets / BUCKETS_PER_THREAD,
                replaced,
            });
            table
        }
    }

    /// # Safety
    ///
    /// The table was allocated here, and no other thread knows it.
    unsafe fn free(table: *mut Table) {
        // SAFETY: by the caller's promise.
        unsafe {
            let buckets: *const [Bucket] = (*table).buckets();
            let (layout, _) = Table::layout(buckets.len()).expect("as it was allocated");
            ptr::drop_in_place(buckets.cast_mut());
            System.dealloc(table.cast(), layout);
        }
    }

    fn buckets(&self) -> &[Bucket] {
        // SAFETY: a table is made by `allocate` alone, which has put this number of buckets there.
        unsafe { std::slice::from_raw_parts(self.buckets, 1 << self.bits) }
    }

    fn index(&self, key: usize) -> usize {
        // In two steps, because a table of one bucket has no bits.
        hash(key) >> 1 >> (usize::BITS - 1 - self.bits)
    }

    fn bucket(&self, key: usize) -> &Bucket {
        &self.buckets()[self.index(key)]
    }

    /// To be asked with one of its buckets locked.
    fn is_current(&self) -> bool {
        // Relaxed: by Current, if the table was replaced before, then with this bucket locked.
        ptr::eq(CURRENT.0.load(Relaxed), self)
    }
}

/// The table of this process.
#[inline]
fn current() -> &'static Table {
    // Acquire: pairs with the Release of the thread that made the table.
    let table = CURRENT.0.load(Acquire);
    // SAFETY: tables are never freed. The header of one of another process may be read here: it
    // never changes.
    match unsafe { table.as_ref() } {
        Some(table) if table.generation == generation() => table,
        _ => make_first(table),
    }
}

/// The first table of the process. Its predecessor, if there is one, is of the process that this
/// one was forked from.
#[cold]
fn make_first(mut before: *mut Table) -> &'static Table {
    loop {
        let table = Table::allocate(threads(), before);
        if table.is_null() {
            handle_alloc_error(Layout::new::<Table>());
        }
        // Release: pairs with the Acquire in `current`. Acquire: with the Release of another thread
        // that was faster.
        let Err(faster) = CURRENT.0.compare_exchange(before, table, AcqRel, Acquire) else {
            // SAFETY: tables are never freed.
            return unsafe { &*table };
        };
        // SAFETY: no other thread has seen the one. The other is published, and never freed.
        unsafe {
            Table::free(table);
            if (*faster).generation == generation() {
                return &*faster;
            }
        }
        before = faster;
    }
}

/// Locks the bucket of this key.
pub(super) fn lock(key: usize) -> Locked<'static> {
    loop {
        let table = current();
        let bucket = table.bucket(key).lock();
        if table.is_current() {
            return bucket;
        }
    }
}

/// Two buckets that may be one.
pub(super) struct Pair {
    from: Locked<'static>,
    to: Option<Locked<'static>>,
}

impl Pair {
    pub(super) fn from(&self) -> &Locked<'static> {
        &self.from
    }

    pub(super) fn to(&self) -> &Locked<'static> {
        self.to.as_ref().unwrap_or(&self.from)
    }
}

/// Locks the buckets of both keys, in the order of the table, so that no two threads wait for each
/// other.
pub(super) fn lock_pair(from: usize, to: usize) -> Pair {
    loop {
        let table = current();
        let (from, to) = (table.index(from), table.index(to));
        let lock = |index: usize| table.buckets()[index].lock();
        let first = lock(from.min(to));
        if !table.is_current() {
            continue;
        }
        // By Current, the table does not change any more.
        return if from == to {
            Pair {
                from: first,
                to: None,
            }
        } else if from < to {
            Pair {
                from: first,
                to: Some(lock(to)),
            }
        } else {
            Pair {
                from: lock(from),
                to: Some(first),
            }
        };
    }
}

/// Makes the table large enough for the threads that there are, if it is not. To be called without
/// a bucket locked.
#[inline]
pub(super) fn fit() {
    if current().threads < threads() {
        grow();
    }
}

#[cold]
fn grow() {
    loop {
        let (table, wanted) = (current(), threads());
        if table.threads >= wanted {
            return;
        }
        // Before anything is locked. Without memory the table stays as it is, which is slow but
        // right.
        let larger = Table::allocate(wanted, (&raw const *table).cast_mut());
        // SAFETY: no other thread knows the new table yet.
        let Some(new) = (unsafe { larger.as_ref() }) else {
            return;
        };
        for bucket in table.buckets() {
            std::mem::forget(bucket.lock());
        }
        let is_current = table.is_current();
        if is_current {
            for bucket in table.buckets() {
                // SAFETY: all are locked. When they are unlocked, the new table is the current one.
                unsafe { bucket.assume_locked().hand_over(|key| new.bucket(key)) };
            }
            // Release: pairs with the Acquire in `current`. By Current, all buckets are locked.
            CURRENT.0.store(larger, Release);
        }
        for bucket in table.buckets() {
            // SAFETY: it is locked, by the loop above.
            drop(unsafe { std::mem::ManuallyDrop::into_inner(bucket.assume_locked()) });
        }
        if is_current {
            return;
        }
        // SAFETY: no other thread has seen it.
        unsafe { Table::free(larger) };
    }
}
