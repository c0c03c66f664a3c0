//! A hierarchical timing wheel: entries by deadline, inserted, moved and removed in constant time.
//!
//! The wheel has no clock and no thread. Time is a number of nanoseconds from an epoch that the
//! user chooses. The methods that need the time are given it.
//!
//! ```text
//!   deadline   |  7  |  6  |  5  |  4  |  3  |  2  |  1  |  0  |      16 bits      |
//!                  8 digits of 6 bits: the tick                   within the tick
//!
//!   ready      a heap: every entry whose tick is not after the wheel's
//!   level 0    64 buckets of a tick each (65.5 µs): entries that differ from the wheel's tick in
//!              the last digit only
//!   level 1    64 buckets of 64 ticks each (4.2 ms): entries that differ in the last digit but
//!              one, and in none before
//!   ...
//!   level 7    64 buckets of 9.1 years each
//!   never      those whose deadline is `NEVER`
//! ```
//!
//! | an entry's place | `insert`, `put_back` | `remove` | `reschedule` | `take_due` | the wheel turns |
//! |---|---|---|---|---|---|
//! | `Queued` in a bucket | | detached, then free | detached, then queued or ready | | to a lower level, or ready |
//! | `Ready` in the heap | | detached, then free; its heap entry is stale | the same, then queued or ready | detached | |
//! | `Detached`, without a value | queued or ready | free | no change | | |
//! | `Free` | queued or ready, as a new entry | | | | |
//!
//! # Invariants
//!
//! **Tick.** The wheel's tick only grows. It is never after the latest time that the wheel was
//! given.
//!
//! **Place.** The place of an entry follows from its deadline and the wheel's tick. The entry is
//! ready if its tick is not after the wheel's. Otherwise it is at the level of the first digit in
//! which the two ticks differ, in the bucket of its own digit there. That digit is greater than the
//! wheel's, because the entry is later.
//!
//! **Levels in order.** So all ready entries are earlier than those in buckets, and the entries of
//! a level are earlier than those of the next one. Within a level, buckets of smaller digits are
//! earlier. The first bucket that is not empty, level by level, has the earliest entries.
//!
//! **Turning.** When the wheel's tick grows, *place* stays true of all buckets that begin after it.
//! The others are emptied on the way, the earliest first, and each entry goes to its new place: to
//! a lower level, or to the heap. So an entry moves at most eight times, and only when the wheel is
//! asked what is due.
//!
//! **Equal deadlines in FIFO order.** By *place*, entries of one deadline are always in the same
//! place. A bucket is in the order of insertion, and is emptied in that order. Ready entries are
//! numbered in the order in which they become ready. An entry that is moved to another deadline
//! counts as inserted then.
//!
//! **Not before.** A bucket knows a time before which none of its entries is due: the earliest
//! deadline of all entries inserted since it was last empty. The time is exact, unless the entry
//! that it comes from has been removed. Finding the next one would take a search through the bucket
//! for each removal, if entries are removed in the order of their deadlines.
//!
//! **Stale heap entries.** An entry that is removed while it is ready stays in the heap as a stale
//! one. It is dropped when it comes to the top, or when half of the heap is stale. A heap entry is
//! current if the number in it is that of the entry's place, so a stale one is never mistaken for
//! another entry.
//!
//! By *not before*, the wheel may name a time at which nothing is due any more. It names each such
//! time at most once, because the bucket is emptied when the time has come. So a thread that sleeps
//! until the time that the wheel names wakes up in vain at most once for each entry that was
//! removed or moved, and never only because the wheel turns.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::slab::{Key, NONE, Order, Place, Slab};

/// The deadline that never comes.
pub(crate) const NEVER: u64 = u64::MAX;

/// The number of bits of nanoseconds within a tick.
const TICK_BITS: u32 = 16;
/// The number of bits of a digit of a tick.
const DIGIT_BITS: u32 = 6;
const SLOTS: usize = 1 << DIGIT_BITS;
const LEVELS: usize = 8;
/// The bucket of the entries that are never due.
const NEVER_BUCKET: usize = LEVELS * SLOTS;

/// Up to this many stale entries are left in the heap, however small it is.
const MIN_STALE: usize = 64;
/// A heap with more room than this gives memory back after a peak.
const ROOMY: usize = 1024;

/// Entries by deadline.
#[derive(Debug)]
pub(crate) struct Wheel<T> {
    slab: Slab<T>,
    tick: u64,
    /// The number of entries that are queued or ready.
    queued: usize,
    buckets: [Bucket; NEVER_BUCKET + 1],
    /// A bit for each bucket that is not empty, by level.
    occupied: [u64; LEVELS],
    /// A bit for each level that is not empty.
    levels: u8,
    ready: BinaryHeap<Reverse<Ready>>,
    /// The number of stale entries in the heap.
    stale: usize,
    /// The number of the latest ready entry.
    order: u64,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    first: u32,
    last: u32,
    /// *Not before*.
    not_before: u64,
}

const EMPTY: Bucket = Bucket {
    first: NONE,
    last: NONE,
    not_before: NEVER,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Ready {
    deadline: u64,
    order: Order,
    index: u32,
}

impl<T> Default for Wheel<T> {
    fn default() -> Self {
        Wheel::new()
    }
}

impl<T> Wheel<T> {
    /// Returns a wheel without entries, at time zero.
    pub(crate) const fn new() -> Wheel<T> {
        Wheel {
            slab: Slab::new(),
            tick: 0,
            queued: 0,
            buckets: [EMPTY; NEVER_BUCKET + 1],
            occupied: [0; LEVELS],
            levels: 0,
            ready: BinaryHeap::new(),
            stale: 0,
            order: 0,
        }
    }

    /// Returns whether no entry waits for its deadline.
    pub(crate) fn is_empty(&self) -> bool {
        self.queued == 0
    }

    /// Returns the number of entries that wait for their deadlines.
    pub(crate) fn len(&self) -> usize {
        self.queued
    }

    /// Inserts an entry, after all others of the same deadline. Gives the value back if there is no
    /// room.
    #[inline]
    pub(crate) fn insert(&mut self, deadline: u64, value: T) -> Result<Key, T> {
        let Some(key) = self.slab.insert() else {
            return Err(value);
        };
        self.enqueue(key.index, deadline, value);
        Ok(key)
    }

    /// Removes an entry, and returns its value. Returns `None` if the value has been taken out, or
    /// if the key is an old one.
    #[inline]
    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        let value = self.dequeue(key);
        self.slab.remove(key);
        value
    }

    /// Gives an entry another deadline, after all others of that deadline. Returns `false` if its
    /// value has been taken out, or if the key is an old one.
    pub(crate) fn reschedule(&mut self, key: Key, deadline: u64) -> bool {
        match self.dequeue(key) {
            Some(value) => {
                self.enqueue(key.index, deadline, value);
                true
            }
            None => false,
        }
    }

    /// Returns whether an entry is due by then.
    pub(crate) fn is_due(&mut self, now: u64) -> bool {
        self.advance(now);
        self.first_ready()
            .is_some_and(|first| first.deadline <= now)
    }

    /// Takes out the value of the earliest entry if it is due by then, and returns it with its key
    /// and its deadline. The key stays valid until the entry is [removed](Wheel::remove).
    pub(crate) fn take_due(&mut self, now: u64) -> Option<(Key, u64, T)> {
        self.advance(now);
        let first = self.first_ready().filter(|first| first.deadline <= now)?;
        self.ready.pop();
        self.queued -= 1;
        // The entry stays in the slab, so that its key stays valid during the call.
        let key = self.slab.key(first.index);
        let node = self.slab.node_mut(first.index);
        node.place = Place::Detached;
        let value = node
            .value
            .take()
            .expect("an entry that is ready has a value");
        Some((key, first.deadline, value))
    }

    /// Puts back a value that has been taken out, under the key that it had, with a new deadline,
    /// after all others of that deadline. Gives the value back if the key is an old one.
    pub(crate) fn put_back(&mut self, key: Key, deadline: u64, value: T) -> Result<(), T> {
        match self.slab.get_mut(key) {
            Some(node) if node.place == Place::Detached => {
                self.enqueue(key.index, deadline, value);
                Ok(())
            }
            _ => Err(value),
        }
    }

    /// Returns a time before which nothing is due, or `None` if nothing will ever be due. There is
    /// an entry of that deadline, or there was one: *not before*.
    pub(crate) fn next_deadline(&mut self) -> Option<u64> {
        let first = self.first_ready().map(|first| first.deadline);
        first.or_else(|| {
            let (bucket, _) = self.first_bucket()?;
            Some(self.buckets[bucket].not_before)
        })
    }

    /// Returns the entries of a part of the wheel that wait for their deadlines, with their
    /// deadlines, in no order. Returns `None` if there is no part of this number. An entry stays in
    /// its part from its insertion to its removal.
    pub(crate) fn part(&self, number: usize) -> Option<impl Iterator<Item = (u64, &T)>> {
        let nodes = self.slab.chunk(number)?.iter();
        Some(nodes.filter_map(|node| Some((node.deadline, node.value.as_ref()?))))
    }

    /// Returns the entries that wait for their deadlines, with their deadlines, in no order.
    #[cfg(any(test, tk_loom))]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        (0..).map_while(|number| self.part(number)).flatten()
    }

    /// Returns the values of the entries that wait for their deadlines, in no order.
    pub(crate) fn into_values(self) -> impl Iterator<Item = T> {
        self.slab.into_values()
    }

    /// Gives a detached entry its value and its place.
    #[inline]
    fn enqueue(&mut self, index: u32, deadline: u64, value: T) {
        self.queued += 1;
        let node = self.slab.node_mut(index);
        node.deadline = deadline;
        node.value = Some(value);
        self.place(index, deadline);
    }

    #[inline]
    fn place(&mut self, index: u32, deadline: u64) {
        let tick = deadline >> TICK_BITS;
        if deadline == NEVER {
            self.append(NEVER_BUCKET, index, deadline);
        } else if tick <= self.tick {
            // Equal deadlines in FIFO order: by the number.
            self.order += 1;
            let order = Order::new(self.order);
            self.slab.node_mut(index).place = Place::Ready(order);
            self.ready.push(Reverse(Ready {
                deadline,
                order,
                index,
            }));
        } else {
            // Place: the highest bit that differs is in the first digit that differs.
            let level = (tick ^ self.tick).ilog2() / DIGIT_BITS;
            let digit = (tick >> (level * DIGIT_BITS)) as usize % SLOTS;
            self.occupied[level as usize] |= 1 << digit;
            self.levels |= 1 << level;
            self.append(level as usize * SLOTS + digit, index, deadline);
        }
    }

    #[inline]
    fn append(&mut self, number: usize, index: u32, deadline: u64) {
        let bucket = &mut self.buckets[number];
        let last = std::mem::replace(&mut bucket.last, index);
        // Not before: a removal does not change it.
        bucket.not_before = bucket.not_before.min(deadline);
        if last == NONE {
            bucket.first = index;
        } else if let Place::Queued { next, .. } = &mut self.slab.node_mut(last).place {
            *next = index;
        }
        self.slab.node_mut(index).place = Place::Queued {
            bucket: number as u16,
            prev: last,
            next: NONE,
        };
    }

    /// Detaches an entry, and returns its value. Returns `None` if it is detached already, or if
    /// the key is an old one.
    #[inline]
    fn dequeue(&mut self, key: Key) -> Option<T> {
        let node = self.slab.get_mut(key)?;
        let value = node.value.take()?;
        self.queued -= 1;
        match std::mem::replace(&mut node.place, Place::Detached) {
            Place::Queued { bucket, prev, next } => self.unlink(bucket.into(), prev, next),
            Place::Ready(_) => {
                // A heap can't remove an entry in the middle. It is left there as a stale one.
                self.stale += 1;
                self.compact();
            }
            Place::Detached | Place::Free { .. } => {
                unreachable!("an entry with a value is queued or ready")
            }
        }
        Some(value)
    }

    #[inline]
    fn unlink(&mut self, number: usize, before: u32, after: u32) {
        if before == NONE {
            self.buckets[number].first = after;
        } else if let Place::Queued { next, .. } = &mut self.slab.node_mut(before).place {
            *next = after;
        }
        if after == NONE {
            self.buckets[number].last = before;
        } else if let Place::Queued { prev, .. } = &mut self.slab.node_mut(after).place {
            *prev = before;
        }
        if before == NONE && after == NONE {
            self.clear(number);
        }
    }

    /// Marks a bucket as empty.
    fn clear(&mut self, number: usize) {
        self.buckets[number] = EMPTY;
        if number != NEVER_BUCKET {
            let (level, digit) = (number / SLOTS, number % SLOTS);
            self.occupied[level] &= !(1 << digit);
            if self.occupied[level] == 0 {
                self.levels &= !(1 << level);
            }
        }
    }

    /// Returns the earliest bucket that is not empty, and its first tick: *levels in order*. It is
    /// never the bucket of the entries that are never due.
    fn first_bucket(&self) -> Option<(usize, u64)> {
        if self.levels == 0 {
            return None;
        }
        let level = self.levels.trailing_zeros();
        let digit = self.occupied[level as usize].trailing_zeros();
        // The digits above the level are the wheel's own, by *place*.
        let above = (level + 1) * DIGIT_BITS;
        let tick = self.tick >> above << above | u64::from(digit) << (level * DIGIT_BITS);
        Some((level as usize * SLOTS + digit as usize, tick))
    }

    /// Turns the wheel to that time, unless it is there already: *turning*.
    fn advance(&mut self, now: u64) {
        let now = now >> TICK_BITS;
        while self.tick < now {
            match self.first_bucket() {
                Some((number, start)) if start <= now => {
                    // Up to the end of the bucket, but not past the time. So an entry of the bucket
                    // that is due goes straight to the heap, not through the levels below.
                    let ticks = 1 << (number / SLOTS * DIGIT_BITS as usize);
                    self.tick = now.min(start + (ticks - 1));
                    self.empty(number);
                }
                // Nothing lies between.
                _ => self.tick = now,
            }
        }
    }

    /// Moves all entries of a bucket to the places that they belong to by now.
    fn empty(&mut self, number: usize) {
        let mut index = self.buckets[number].first;
        // First, because an entry may go to the same number at a lower level.
        self.clear(number);
        while index != NONE {
            let node = self.slab.node_mut(index);
            let deadline = node.deadline;
            let Place::Queued { next, .. } = node.place else {
                unreachable!("an entry of a bucket is queued");
            };
            self.place(index, deadline);
            index = next;
        }
    }

    /// Returns the earliest ready entry. Drops the stale ones before it.
    fn first_ready(&mut self) -> Option<Ready> {
        while let Some(&Reverse(first)) = self.ready.peek() {
            if self.stale == 0 || is_current(&mut self.slab, &first) {
                return Some(first);
            }
            self.ready.pop();
            self.stale -= 1;
        }
        // All of them were stale, or there were none. A peak must not keep its memory.
        if self.ready.capacity() > ROOMY {
            self.ready = BinaryHeap::new();
        }
        None
    }

    /// Drops the stale entries of the heap if they are too many.
    fn compact(&mut self) {
        if self.stale > MIN_STALE && self.stale > self.ready.len() / 2 {
            let Wheel { slab, ready, .. } = self;
            ready.retain(|Reverse(entry)| is_current(slab, entry));
            self.stale = 0;
            if ready.capacity() > ROOMY.max(4 * ready.len()) {
                ready.shrink_to(2 * ready.len());
            }
        }
    }
}

fn is_current<T>(slab: &mut Slab<T>, entry: &Ready) -> bool {
    slab.node_mut(entry.index).place == Place::Ready(entry.order)
}

#[cfg(all(test, not(tk_loom)))]
#[path = "wheel/tests.rs"]
mod tests;
