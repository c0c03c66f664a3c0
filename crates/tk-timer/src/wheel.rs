//! A hierarchical timing wheel: entries by deadline, put in, moved and taken off in constant time.
//!
//! It has no clock and no thread. Time is a number of nanoseconds from a beginning that the user
//! chooses, and the wheel is told it when it matters.
//!
//! ```text
//!   deadline   |  7  |  6  |  5  |  4  |  3  |  2  |  1  |  0  |      16 bits      |
//!                  8 digits of 6 bits: the tick                   within the tick
//!
//!   ready      a heap: every entry whose tick is not after the wheel's
//!   level 0    64 lists of a tick each (65.5 µs): entries that differ from the wheel's tick in the last digit only
//!   level 1    64 lists of 64 ticks each (4.2 ms): those that differ in the last digit but one, and in none before
//!   ...
//!   level 7    64 lists of 9.1 years each
//!   never      those whose deadline is the last there is
//! ```
//!
//! 1. The wheel's tick only grows. It is never after the time that the wheel has been told last.
//! 2. Where an entry is follows from its deadline and the wheel's tick: it is ready if its tick is
//!    not after the wheel's; or else at the level of the first digit in which the two differ, in
//!    the list of its own digit there. That digit is greater than the wheel's, as the entry is
//!    later.
//! 3. So all that is ready is earlier than all in lists; all of a level earlier than all of the
//!    next; and of the lists of a level, those of smaller digits are earlier. The first list with
//!    something in it, level by level, has the earliest entries.
//! 4. When the wheel's tick grows, 2. stays true of all lists whose beginning is after it. Those
//!    whose beginning is not are emptied on the way, the first one first, and each entry goes where
//!    it belongs: to a level below, or to those that are ready. So an entry moves eight times at
//!    most, and at no time but when somebody wants to know what is due.
//! 5. Entries of one deadline are always in the same place, by 2. A list is in the order of
//!    insertion, and is emptied in that order; those that are ready are numbered in the order in
//!    which they come. So equal deadlines are served in the order of insertion. An entry that is
//!    moved to another deadline is inserted anew.
//! 6. A list knows a time which none of its entries is before: the earliest deadline of all that
//!    have been put in since it was last empty. It is exact, unless the entry that it comes from
//!    has been taken off since. To find the next one would mean to look at the whole list, time and
//!    again when entries are taken off in the order of their deadlines.
//! 7. Of those that are ready, the heap may have more than there are: what is taken off is left
//!    there, until it comes out or makes up half of it. An entry is known by its number, so what
//!    has been left is not taken for it.
//!
//! By 6. the wheel may name a time at which nothing is due any more, but never one that no entry
//! had, and each at most once: when the time has come, by 4., the list is emptied. So whoever
//! sleeps until the time that the wheel names wakes up in vain at most once for each entry that was
//! taken off or moved, and mostly not at all; and never only because the wheel turns.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::slab::{Key, NONE, Order, Place, Slab};

/// The deadline that does not come.
pub const NEVER: u64 = u64::MAX;

/// A tick has so many bits of nanoseconds.
const TICK_BITS: u32 = 16;
/// A digit of a tick has so many bits.
const DIGIT_BITS: u32 = 6;
const SLOTS: usize = 1 << DIGIT_BITS;
const LEVELS: usize = 8;
/// The list of those that never come.
const NEVER_LIST: usize = LEVELS * SLOTS;

/// As long as fewer have been left in the heap, they stay there.
const LITTER: usize = 64;
/// A heap with more room than this gives memory back after a peak.
const ROOMY: usize = 1024;

/// Entries by deadline.
#[derive(Debug)]
pub struct Wheel<T> {
    slab: Slab<T>,
    tick: u64,
    /// How many entries are somewhere: all but those whose value has been taken out.
    queued: usize,
    lists: [List; NEVER_LIST + 1],
    /// A bit for each list with something in it, by level.
    occupied: [u64; LEVELS],
    /// A bit for each level with something in it.
    levels: u8,
    ready: BinaryHeap<Reverse<Ready>>,
    /// How many in the heap are there no more: 7.
    litter: usize,
    /// How many have been ready so far.
    order: u64,
}

#[derive(Clone, Copy, Debug)]
struct List {
    first: u32,
    last: u32,
    /// By 6.
    not_before: u64,
}

const EMPTY: List = List {
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
    /// A wheel without entries, at time zero.
    pub const fn new() -> Wheel<T> {
        Wheel {
            slab: Slab::new(),
            tick: 0,
            queued: 0,
            lists: [EMPTY; NEVER_LIST + 1],
            occupied: [0; LEVELS],
            levels: 0,
            ready: BinaryHeap::new(),
            litter: 0,
            order: 0,
        }
    }

    /// Whether no entry waits for its deadline.
    pub fn is_empty(&self) -> bool {
        self.queued == 0
    }

    /// How many entries wait for their deadlines.
    pub fn len(&self) -> usize {
        self.queued
    }

    /// Puts an entry in, after all others of the same deadline. Gives the value back if there is no
    /// room.
    #[inline]
    pub fn insert(&mut self, deadline: u64, value: T) -> Result<Key, T> {
        let Some(key) = self.slab.insert() else {
            return Err(value);
        };
        self.enqueue(key.index, deadline, value);
        Ok(key)
    }

    /// Takes an entry off for good, and returns its value. `None` if the value has been taken out,
    /// or if the key is an old one.
    #[inline]
    pub fn remove(&mut self, key: Key) -> Option<T> {
        let value = self.dequeue(key);
        self.slab.remove(key);
        value
    }

    /// Gives an entry another deadline, after all others of that. `false` if its value has been
    /// taken out, or if the key is an old one.
    pub fn reschedule(&mut self, key: Key, deadline: u64) -> bool {
        match self.dequeue(key) {
            Some(value) => {
                self.enqueue(key.index, deadline, value);
                true
            }
            None => false,
        }
    }

    /// Whether an entry is due by then.
    pub fn is_due(&mut self, now: u64) -> bool {
        self.advance(now);
        self.first_ready()
            .is_some_and(|first| first.deadline <= now)
    }

    /// Takes out the value of the earliest entry if it is due by then, and returns it with its key
    /// and its deadline. The key stays good until it is [removed](Wheel::remove).
    pub fn take_due(&mut self, now: u64) -> Option<(Key, u64, T)> {
        self.advance(now);
        let first = self.first_ready().filter(|first| first.deadline <= now)?;
        self.ready.pop();
        self.queued -= 1;
        let key = self.slab.key(first.index);
        let node = self.slab.node_mut(first.index);
        node.place = Place::Out;
        let value = node.value.take().expect("what is ready has a value");
        Some((key, first.deadline, value))
    }

    /// Puts back a value that has been taken out, under the key that it had, with a new deadline,
    /// after all others of that. Gives it back if the key is an old one.
    pub fn put_back(&mut self, key: Key, deadline: u64, value: T) -> Result<(), T> {
        match self.slab.get_mut(key) {
            Some(node) if node.place == Place::Out => {
                self.enqueue(key.index, deadline, value);
                Ok(())
            }
            _ => Err(value),
        }
    }

    /// A time which nothing is due before; there is an entry of that deadline, or there was one.
    /// `None` if nothing will ever be due.
    pub fn next_deadline(&mut self) -> Option<u64> {
        let first = self.first_ready().map(|first| first.deadline);
        first.or_else(|| {
            let (list, _) = self.first_list()?;
            Some(self.lists[list].not_before)
        })
    }

    /// The entries of a part of the wheel that wait for their deadlines, with these, in no order.
    /// `None` if there is no part of this number. An entry stays in its part from its insertion to
    /// its removal.
    pub fn part(&self, number: usize) -> Option<impl Iterator<Item = (u64, &T)>> {
        let nodes = self.slab.chunk(number)?.iter();
        Some(nodes.filter_map(|node| Some((node.deadline, node.value.as_ref()?))))
    }

    /// The entries that wait for their deadlines, with these, in no order.
    #[cfg(any(test, tk_loom))]
    pub fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        (0..).map_while(|number| self.part(number)).flatten()
    }

    /// The values of the entries that wait for their deadlines, in no order.
    pub fn into_values(self) -> impl Iterator<Item = T> {
        self.slab.into_values()
    }

    /// Sees to 2. for an entry that is nowhere.
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
            self.append(NEVER_LIST, index, deadline);
        } else if tick <= self.tick {
            self.order += 1;
            let order = Order::new(self.order);
            self.slab.node_mut(index).place = Place::Ready(order);
            self.ready.push(Reverse(Ready {
                deadline,
                order,
                index,
            }));
        } else {
            let level = (tick ^ self.tick).ilog2() / DIGIT_BITS;
            let digit = (tick >> (level * DIGIT_BITS)) as usize % SLOTS;
            self.occupied[level as usize] |= 1 << digit;
            self.levels |= 1 << level;
            self.append(level as usize * SLOTS + digit, index, deadline);
        }
    }

    #[inline]
    fn append(&mut self, number: usize, index: u32, deadline: u64) {
        let list = &mut self.lists[number];
        let last = std::mem::replace(&mut list.last, index);
        list.not_before = list.not_before.min(deadline);
        if last == NONE {
            list.first = index;
        } else if let Place::Listed { next, .. } = &mut self.slab.node_mut(last).place {
            *next = index;
        }
        self.slab.node_mut(index).place = Place::Listed {
            list: number as u16,
            prev: last,
            next: NONE,
        };
    }

    /// Takes an entry from where it is, with its value. `None` if it is nowhere, or if the key is
    /// an old one.
    #[inline]
    fn dequeue(&mut self, key: Key) -> Option<T> {
        let node = self.slab.get_mut(key)?;
        let value = node.value.take()?;
        self.queued -= 1;
        match std::mem::replace(&mut node.place, Place::Out) {
            Place::Listed { list, prev, next } => self.unlink(list.into(), prev, next),
            Place::Ready(_) => {
                self.litter += 1;
                self.tidy();
            }
            Place::Out | Place::Free { .. } => unreachable!("what has a value is somewhere"),
        }
        Some(value)
    }

    #[inline]
    fn unlink(&mut self, number: usize, before: u32, after: u32) {
        if before == NONE {
            self.lists[number].first = after;
        } else if let Place::Listed { next, .. } = &mut self.slab.node_mut(before).place {
            *next = after;
        }
        if after == NONE {
            self.lists[number].last = before;
        } else if let Place::Listed { prev, .. } = &mut self.slab.node_mut(after).place {
            *prev = before;
        }
        if before == NONE && after == NONE {
            self.clear(number);
        }
    }

    /// Says of a list that it is empty.
    fn clear(&mut self, number: usize) {
        self.lists[number] = EMPTY;
        if number != NEVER_LIST {
            let (level, digit) = (number / SLOTS, number % SLOTS);
            self.occupied[level] &= !(1 << digit);
            if self.occupied[level] == 0 {
                self.levels &= !(1 << level);
            }
        }
    }

    /// The first list with something in it, by 3., and its first tick. Not the one of those that
    /// never come.
    fn first_list(&self) -> Option<(usize, u64)> {
        if self.levels == 0 {
            return None;
        }
        let level = self.levels.trailing_zeros();
        let digit = self.occupied[level as usize].trailing_zeros();
        let above = (level + 1) * DIGIT_BITS;
        let tick = self.tick >> above << above | u64::from(digit) << (level * DIGIT_BITS);
        Some((level as usize * SLOTS + digit as usize, tick))
    }

    /// Lets the wheel turn to that time, unless it is there already: 4.
    fn advance(&mut self, now: u64) {
        let now = now >> TICK_BITS;
        while self.tick < now {
            match self.first_list() {
                Some((number, start)) if start <= now => {
                    // As far as the list goes, but not past the time: what is due goes straight to
                    // where it belongs.
                    let ticks = 1 << (number / SLOTS * DIGIT_BITS as usize);
                    self.tick = now.min(start + (ticks - 1));
                    self.empty(number);
                }
                _ => self.tick = now,
            }
        }
    }

    /// Sends all entries of a list to where they belong by now.
    fn empty(&mut self, number: usize) {
        let mut index = self.lists[number].first;
        self.clear(number);
        while index != NONE {
            let node = self.slab.node_mut(index);
            let deadline = node.deadline;
            let Place::Listed { next, .. } = node.place else {
                unreachable!("what is in a list knows the next one");
            };
            self.place(index, deadline);
            index = next;
        }
    }

    /// The earliest of those that are ready. Clears away what is in front of it.
    fn first_ready(&mut self) -> Option<Ready> {
        while let Some(&Reverse(first)) = self.ready.peek() {
            if self.litter == 0 || is_there(&mut self.slab, &first) {
                return Some(first);
            }
            self.ready.pop();
            self.litter -= 1;
        }
        if self.ready.capacity() > ROOMY {
            self.ready = BinaryHeap::new();
        }
        None
    }

    /// Sees to 7.
    fn tidy(&mut self) {
        if self.litter > LITTER && self.litter > self.ready.len() / 2 {
            let Wheel { slab, ready, .. } = self;
            ready.retain(|Reverse(entry)| is_there(slab, entry));
            self.litter = 0;
            if ready.capacity() > ROOMY.max(4 * ready.len()) {
                ready.shrink_to(2 * ready.len());
            }
        }
    }
}

fn is_there<T>(slab: &mut Slab<T>, entry: &Ready) -> bool {
    slab.node_mut(entry.index).place == Place::Ready(entry.order)
}

#[cfg(all(test, not(tk_loom)))]
#[path = "wheel/tests.rs"]
mod tests;
