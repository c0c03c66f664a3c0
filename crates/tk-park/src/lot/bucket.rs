//! A bucket of the table: the queues of all keys that fall into it.
//!
//! ```text
//! bucket ---> A1 <---> A2 <---> A3        each row is a ring: the queue of one key, in FIFO order
//!             |
//!             B1                          the first waiters of the queues are a list
//!             |
//!             C1 <---> C2
//! ```
//!
//! To enter a queue and to leave it takes a few steps, however many threads wait for this key or for another one; only the
//! number of *keys* in the bucket counts, which the size of the table keeps small.

use std::mem::ManuallyDrop;
use std::ptr;

use super::bucket_lock::BucketLock;
use super::waiter::{Links, NO_KEY, Waiter};
use crate::sync::Ordering::Relaxed;
use crate::sync::lot::UnsafeCell;

/// Has two cache lines to itself: some processors fetch them in pairs.
#[repr(align(128))]
pub(super) struct Bucket {
    lock: BucketLock,
    /// The first waiter of the first queue, or null. Belongs to the thread that has the lock.
    first: UnsafeCell<*const Waiter>,
}

impl Bucket {
    pub(super) fn new() -> Bucket {
        Bucket {
            lock: BucketLock::new(),
            first: UnsafeCell::new(ptr::null()),
        }
    }

    #[inline]
    pub(super) fn lock(&self) -> Locked<'_> {
        self.lock.lock();
        Locked(self)
    }

    /// The bucket, which is locked already.
    ///
    /// # Safety
    ///
    /// By the calling thread, with [`lock`](Bucket::lock), whose result it has forgotten.
    pub(super) unsafe fn assume_locked(&self) -> ManuallyDrop<Locked<'_>> {
        ManuallyDrop::new(Locked(self))
    }
}

/// A bucket that the calling thread has locked, until this is dropped.
///
/// All waiters that are reached from here are there, by the invariant *in a queue*, and their links belong to this thread, by the
/// invariant *links*.
pub(super) struct Locked<'a>(&'a Bucket);

impl Drop for Locked<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.lock.unlock();
    }
}

impl Locked<'_> {
    fn first(&self) -> *const Waiter {
        // SAFETY: the bucket is locked by this thread.
        self.0.first.with(|first| unsafe { *first })
    }

    fn set_first(&self, waiter: *const Waiter) {
        // SAFETY: the bucket is locked by this thread.
        self.0.first.with_mut(|first| unsafe { *first = waiter });
    }

    /// The first waiter of the queue of this key, or null.
    pub(super) fn queue(&self, key: usize) -> *const Waiter {
        let mut at = self.first();
        // SAFETY: the waiters are reached from this bucket.
        unsafe {
            // Relaxed: written with the bucket locked.
            while !at.is_null() && (*at).key.load(Relaxed) != key {
                at = Waiter::links(at).queue_behind;
            }
        }
        at
    }

    /// Puts a waiter at the end of the queue of this key.
    ///
    /// # Safety
    ///
    /// The bucket is that of the key. The waiter is in no queue, belongs to the calling thread, and is there until it has been
    /// taken out of its queue.
    pub(super) unsafe fn push(&self, waiter: *const Waiter, key: usize) {
        let first = self.queue(key);
        // SAFETY: the waiter is this thread's; the others are reached from this bucket.
        unsafe {
            if first.is_null() {
                Waiter::change(waiter, |links| {
                    (links.next, links.previous) = (waiter, waiter)
                });
                self.put_in_front(waiter);
            } else {
                let last = Waiter::links(first).previous;
                Waiter::change(waiter, |links| {
                    *links = Links {
                        next: first,
                        previous: last,
                        is_first: false,
                        queue_before: ptr::null(),
                        queue_behind: ptr::null(),
                    };
                });
                Waiter::change(last, |links| links.next = waiter);
                Waiter::change(first, |links| links.previous = waiter);
            }
            // Relaxed: by *key*, this bucket is locked.
            (*waiter).key.store(key, Relaxed);
        }
    }

    /// Takes a waiter out of its queue for good. It belongs to the calling thread then.
    ///
    /// # Safety
    ///
    /// The waiter is in a queue of this bucket.
    pub(super) unsafe fn remove(&self, waiter: *const Waiter) {
        // SAFETY: by the caller's promise.
        unsafe {
            self.unlink(waiter);
            // Relaxed: by *key*, this bucket is locked.
            (*waiter).key.store(NO_KEY, Relaxed);
        }
    }

    /// Moves a waiter to the end of the queue of this key, in the bucket `to`.
    ///
    /// The waiter's key goes from one to the other in one step. If it were `NO_KEY` in between, the waiter's thread, whose time
    /// may be over in this moment, would take itself for unparked.
    ///
    /// # Safety
    ///
    /// The waiter is in a queue of this bucket. The bucket `to`, which may be this one, is that of the key.
    pub(super) unsafe fn requeue(&self, waiter: *const Waiter, to: &Locked<'_>, key: usize) {
        // SAFETY: by the caller's promise. The waiter is in no queue after the first step, and its thread stays inside `park` as
        // long as its key says that it is in one.
        unsafe {
            self.unlink(waiter);
            to.push(waiter, key);
        }
    }

    /// Takes a waiter out of its ring. Its key stands.
    ///
    /// # Safety
    ///
    /// The waiter is in a queue of this bucket.
    unsafe fn unlink(&self, waiter: *const Waiter) {
        // SAFETY: all of them are reached from this bucket.
        unsafe {
            let links = Waiter::links(waiter);
            let is_alone = links.next == waiter;
            if !is_alone {
                Waiter::change(links.previous, |previous| previous.next = links.next);
                Waiter::change(links.next, |next| next.previous = links.previous);
            }
            if links.is_first {
                // The next one takes the place, or nobody does.
                let heir = if is_alone { ptr::null() } else { links.next };
                self.replace(links, heir);
            }
        }
    }

    /// Has the place of the first waiter of a queue taken by the heir, which may be null.
    ///
    /// # Safety
    ///
    /// They are reached from this bucket.
    unsafe fn replace(&self, place: Links, heir: *const Waiter) {
        let (before, behind) = (place.queue_before, place.queue_behind);
        let (below, above) = if heir.is_null() {
            (behind, before)
        } else {
            (heir, heir)
        };
        // SAFETY: by the caller's promise.
        unsafe {
            if before.is_null() {
                self.set_first(below);
            } else {
                Waiter::change(before, |links| links.queue_behind = below);
            }
            if !behind.is_null() {
                Waiter::change(behind, |links| links.queue_before = above);
            }
            if !heir.is_null() {
                Waiter::change(heir, |links| {
                    links.is_first = true;
                    (links.queue_before, links.queue_behind) = (before, behind);
                });
            }
        }
    }

    /// Puts a whole queue into the bucket's list.
    ///
    /// # Safety
    ///
    /// The waiter is the first of a queue that is in no bucket, and belongs to the calling thread. The bucket is that of its key.
    unsafe fn put_in_front(&self, queue: *const Waiter) {
        let behind = self.first();
        // SAFETY: the queue is this thread's, the one behind is reached from this bucket.
        unsafe {
            Waiter::change(queue, |links| {
                links.is_first = true;
                (links.queue_before, links.queue_behind) = (ptr::null(), behind);
            });
            if !behind.is_null() {
                Waiter::change(behind, |links| links.queue_before = queue);
            }
        }
        self.set_first(queue);
    }

    /// Hands all queues over to the buckets that `bucket_of` names by key.
    ///
    /// # Safety
    ///
    /// From now on those are the buckets of these keys.
    pub(super) unsafe fn hand_over<'b>(&self, bucket_of: impl Fn(usize) -> &'b Bucket) {
        let mut queue = self.first();
        self.set_first(ptr::null());
        while !queue.is_null() {
            // SAFETY: the waiters were reached from this bucket, and belong to this thread until they are in the next one.
            unsafe {
                let behind = Waiter::links(queue).queue_behind;
                let bucket = bucket_of((*queue).key.load(Relaxed)).lock();
                bucket.put_in_front(queue);
                queue = behind;
            }
        }
    }
}
