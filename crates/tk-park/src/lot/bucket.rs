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
//! Entering and leaving a queue takes a few steps, whatever the number of waiting threads. Only the
//! number of keys in the bucket counts, which the size of the table keeps small.

use std::mem::ManuallyDrop;
use std::ptr;

use super::bucket_lock::BucketLock;
use super::waiter::{Links, NO_KEY, Waiter};
use crate::sync::Ordering::Relaxed;
use crate::sync::lot::UnsafeCell;

/// Aligned to two cache lines, because some processors fetch them in pairs.
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
/// All waiters that are reached from here are there, by the In a queue, and their links
/// belong to this thread, by the Links.
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
    /// The bucket is that of the key. The waiter is in no queue, belongs to the calling thread, and
    /// is there until it has been taken out of its queue.
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
            // Relaxed: by Key, this bucket is locked.
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
            // Relaxed: by Key, this bucket is locked.
            (*waiter).key.store(NO_KEY, Relaxed);
        }
    }

    /// Moves a waiter to the end of the queue of this key, in the bucket `to`.
    ///
    /// The waiter's key goes from one to the other in one step. If it were `NO_KEY` in between, the
    /// waiter's thread, whose time may be over in this moment, would take itself for unparked.
    ///
    /// # Safety
    ///
    /// The waiter is in a queue of this bucket. The bucket `to`, which may be this one, is that of
    /// the key.
    pub(super) unsafe fn requeue(&self, waiter: *const Waiter, to: &Locked<'_>, key: usize) {
        // SAFETY: by the caller's promise. The waiter is in no queue after the first step, and its
        // thread stays inside `park` as long as its key says that it is in one.
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
                // The next waiter takes the place, if there is one.
                let successor = if is_alone { ptr::null() } else { links.next };
                self.replace(links, successor);
            }
        }
    }

    /// Puts the successor, which may be null, in the place of the first waiter of a queue.
    ///
    /// # Safety
    ///
    /// They are reached from this bucket.
    unsafe fn replace(&self, place: Links, successor: *const Waiter) {
        let (before, behind) = (place.queue_before, place.queue_behind);
        let (below, above) = if successor.is_null() {
            (behind, before)
        } else {
            (successor, successor)
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
            if !successor.is_null() {
                Waiter::change(successor, |links| {
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
    /// The waiter is the first of a queue that is in no bucket, and belongs to the calling thread.
    /// The bucket is that of its key.
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
            // SAFETY: the waiters were reached from this bucket, and belong to this thread until
            // they are in the next one.
            unsafe {
                let behind = Waiter::links(queue).queue_behind;
                let bucket = bucket_of((*queue).key.load(Relaxed)).lock();
                bucket.put_in_front(queue);
                queue = behind;
            }
        }
    }
}

#[cfg(all(test, not(tk_loom)))]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::WaitInfo;

    /// As many keys as queues fit next to each other.
    const KEYS: usize = 4;
    const WAITERS: usize = 7;

    fn queue_of(bucket: &Locked<'_>, key: usize) -> Vec<*const Waiter> {
        let first = bucket.queue(key);
        let mut queue = Vec::new();
        let mut at = first;
        while !at.is_null() {
            // SAFETY: the waiters outlive the bucket, and there is one thread.
            let (links, next) = unsafe {
                let links = Waiter::links(at);
                (links, Waiter::links(links.next))
            };
            assert_eq!((links.is_first, next.previous), (at == first, at));
            queue.push(at);
            at = if links.next == first {
                ptr::null()
            } else {
                links.next
            };
        }
        queue
    }

    /// All that can be done to the queues of neighbors, in every order that chance finds, against
    /// queues that are vectors.
    #[test]
    fn neighbor_queues_are_what_has_been_done_to_them() {
        let owner = tk_core::current_owner();
        let waiters: [_; WAITERS] =
            std::array::from_fn(|mark| Waiter::new(&WaitInfo::new("test").tag(mark), owner));
        let buckets = [Bucket::new(), Bucket::new(), Bucket::new(), Bucket::new()];
        // The even keys are in the one, the odd keys in the other.
        let (mut old, mut new) = (0, 2);
        let mut expected: BTreeMap<usize, Vec<*const Waiter>> = BTreeMap::new();
        let mut random = 7_u64;
        let mut below = |n: usize| {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1);
            (random >> 33) as usize % n
        };
        for _ in 0..20_000 {
            let waiter: *const Waiter = &raw const waiters[below(WAITERS)];
            let to = 1 + below(KEYS);
            let locked = [buckets[old].lock(), buckets[old + 1].lock()];
            // SAFETY: there is one thread, and the waiters outlive the buckets.
            unsafe {
                let from = (*waiter).key.load(Relaxed);
                if let Some(queue) = expected.get_mut(&from) {
                    queue.retain(|at| *at != waiter);
                }
                let now = if from == NO_KEY {
                    locked[to % 2].push(waiter, to);
                    to
                } else if below(2) == 0 {
                    locked[from % 2].remove(waiter);
                    NO_KEY
                } else {
                    locked[from % 2].requeue(waiter, &locked[to % 2], to);
                    to
                };
                assert_eq!((*waiter).key.load(Relaxed), now);
                if now != NO_KEY {
                    expected.entry(now).or_default().push(waiter);
                }
                // Now and then the table grows.
                if below(16) == 0 {
                    for bucket in &locked {
                        bucket.hand_over(|key| &buckets[new + key % 2]);
                    }
                    std::mem::swap(&mut old, &mut new);
                }
            }
            drop(locked);
            let locked = [buckets[old].lock(), buckets[old + 1].lock()];
            for key in 1..=KEYS {
                let queue = expected.get(&key).cloned().unwrap_or_default();
                assert_eq!(queue_of(&locked[key % 2], key), queue);
                assert!(queue_of(&locked[1 - key % 2], key).is_empty());
            }
        }
    }
}
