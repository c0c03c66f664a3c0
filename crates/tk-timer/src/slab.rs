//! The storage of the wheel's entries: places that are reused, under keys that are not.
//!
//! A key is the index of a place and its *generation*, which counts how often the place has been
//! used before. The generation grows when an entry is removed, so its key is refused from then on.
//! A place whose generations are used up is not used again.
//!
//! | place | `insert` | `remove` |
//! |---|---|---|
//! | `Free` | taken from the chunk's free list | |
//! | not made yet | pushed to the chunk | |
//! | has an entry | | next generation, and `Free`; or used up |
//!
//! Places come in chunks. So no place ever moves, and making room takes the same time however many
//! entries there are. The memory of an empty chunk is freed, except for one spare chunk.
//!
//! # Invariants
//!
//! **Room.** `roomy` has the numbers of all chunks that have memory and a place without an entry,
//! each once, at the position that the chunk knows.
//!
//! **Generations.** A place that is made in a chunk begins with the chunk's `generation`. No key of
//! a place of that chunk has had it. So the memory of an empty chunk can be freed, and old keys are
//! still refused.

/// The number of places of a chunk. A chunk is large enough for an allocator to map its memory
/// separately, and to give it back to the system.
const CHUNK: usize = if cfg!(any(test, tk_loom)) { 512 } else { 4096 };

/// The index of no place.
pub(crate) const NONE: u32 = u32::MAX;

/// The key of an entry, from its insertion to its removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) index: u32,
    generation: u32,
}

/// An entry, or the room for one: 24 bytes in addition to the value.
#[derive(Debug)]
pub(crate) struct Node<T> {
    pub(crate) deadline: u64,
    pub(crate) value: Option<T>,
    generation: u32,
    pub(crate) place: Place,
}

/// The place of an entry in the wheel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In none, and without a value.
    Detached,
    /// There is no entry. `next` is the next free place of the chunk.
    Free { next: u32 },
    /// In the bucket of this number, between these two entries.
    Queued { bucket: u16, prev: u32, next: u32 },
    /// In the heap, with this number.
    Ready(Order),
}

/// A number that grows. It is stored in two halves, so that `Place` needs no alignment to 8 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Order([u32; 2]);

impl Order {
    pub(crate) fn new(number: u64) -> Order {
        Order([(number >> 32) as u32, number as u32])
    }
}

/// The entries, by key.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    chunks: Vec<Chunk<T>>,
    roomy: Vec<u32>,
    /// The numbers of the chunks without memory.
    absent: Vec<u32>,
    /// Whether an empty chunk is kept. Without one, an entry that comes and goes at the border of a
    /// chunk would cost an allocation each time.
    has_spare: bool,
    entries: usize,
}

#[derive(Debug)]
struct Chunk<T> {
    nodes: Vec<Node<T>>,
    /// The first free place, or `NONE`.
    free: u32,
    entries: u32,
    /// The number of places whose generations are used up.
    used_up: u32,
    generation: u32,
    /// The position in `roomy`, or `NONE`.
    roomy_at: u32,
}

impl<T> Chunk<T> {
    fn is_full(&self) -> bool {
        (self.entries + self.used_up) as usize == CHUNK
    }
}

impl<T> Slab<T> {
    pub(crate) const fn new() -> Slab<T> {
        Slab {
            chunks: Vec::new(),
            roomy: Vec::new(),
            absent: Vec::new(),
            has_spare: false,
            entries: 0,
        }
    }

    /// Makes a detached entry, without a value. Returns `None` if there are 2³² entries less a
    /// chunk.
    #[inline]
    pub(crate) fn insert(&mut self) -> Option<Key> {
        let number = match self.roomy.last() {
            Some(number) => *number,
            None => self.grow()?,
        };
        let chunk = &mut self.chunks[number as usize];
        let at = chunk.free;
        let at = if at == NONE {
            chunk.nodes.push(Node {
                deadline: 0,
                value: None,
                generation: chunk.generation,
                place: Place::Detached,
            });
            chunk.nodes.len() as u32 - 1
        } else {
            let node = &mut chunk.nodes[at as usize];
            if let Place::Free { next } = std::mem::replace(&mut node.place, Place::Detached) {
                chunk.free = next;
            }
            at
        };
        self.has_spare &= chunk.entries != 0;
        chunk.entries += 1;
        let generation = chunk.nodes[at as usize].generation;
        if chunk.is_full() {
            self.leave_roomy(number);
        }
        self.entries += 1;
        Some(Key {
            index: number * CHUNK as u32 + at,
            generation,
        })
    }

    /// Makes a chunk with room, and returns its number.
    #[cold]
    fn grow(&mut self) -> Option<u32> {
        let number = match self.absent.pop() {
            Some(number) => number,
            None => {
                let number = u32::try_from(self.chunks.len()).ok()?;
                if number >= NONE / CHUNK as u32 {
                    return None;
                }
                self.chunks.push(Chunk {
                    nodes: Vec::new(),
                    free: NONE,
                    entries: 0,
                    used_up: 0,
                    generation: 0,
                    roomy_at: NONE,
                });
                number
            }
        };
        self.chunks[number as usize].nodes.reserve_exact(CHUNK);
        self.enter_roomy(number);
        Some(number)
    }

    fn enter_roomy(&mut self, number: u32) {
        self.chunks[number as usize].roomy_at = self.roomy.len() as u32;
        self.roomy.push(number);
    }

    fn leave_roomy(&mut self, number: u32) {
        let at = std::mem::replace(&mut self.chunks[number as usize].roomy_at, NONE);
        self.roomy.swap_remove(at as usize);
        if let Some(moved) = self.roomy.get(at as usize) {
            self.chunks[*moved as usize].roomy_at = at;
        }
    }

    /// Frees a detached entry. Its key is refused from here on.
    #[inline]
    pub(crate) fn remove(&mut self, key: Key) {
        let Some(node) = self.get_mut(key) else {
            return;
        };
        debug_assert!(node.value.is_none() && node.place == Place::Detached);
        // No key has the last generation, so a place that reaches it is used up.
        node.generation += 1;
        let is_used_up = node.generation == u32::MAX;
        let (number, at) = split(key.index);
        let chunk = &mut self.chunks[number];
        if is_used_up {
            chunk.used_up += 1;
        } else {
            chunk.nodes[at].place = Place::Free { next: chunk.free };
            chunk.free = at as u32;
        }
        chunk.entries -= 1;
        self.entries -= 1;
        let (is_empty, is_roomy) = (chunk.entries == 0, chunk.roomy_at != NONE);
        if !is_roomy && !chunk.is_full() {
            self.enter_roomy(number as u32);
        }
        if is_empty {
            self.emptied(number as u32);
        }
    }

    /// Frees the memory of an empty chunk, or keeps it as the spare one.
    #[cold]
    fn emptied(&mut self, number: u32) {
        if !self.has_spare {
            self.has_spare = true;
            return;
        }
        let chunk = &mut self.chunks[number as usize];
        let latest = chunk.nodes.iter().map(|node| node.generation).max();
        // Generations: the next one must be one that no key has had, and there must be one.
        if chunk.used_up > 0 || latest.is_none_or(|latest| latest >= u32::MAX - 1) {
            return;
        }
        chunk.generation = latest.unwrap_or(0);
        chunk.nodes = Vec::new();
        chunk.free = NONE;
        self.leave_roomy(number);
        self.absent.push(number);
    }

    /// Returns the entry of this key, or `None` if the key is an old one.
    #[inline]
    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut Node<T>> {
        let (chunk, at) = split(key.index);
        let node = self.chunks.get_mut(chunk)?.nodes.get_mut(at)?;
        (node.generation == key.generation).then_some(node)
    }

    /// Returns the entry at this place, which must exist.
    #[inline]
    pub(crate) fn node_mut(&mut self, index: u32) -> &mut Node<T> {
        let (chunk, at) = split(index);
        &mut self.chunks[chunk].nodes[at]
    }

    /// Returns the key of the entry at this place.
    #[inline]
    pub(crate) fn key(&self, index: u32) -> Key {
        let (chunk, at) = split(index);
        Key {
            index,
            generation: self.chunks[chunk].nodes[at].generation,
        }
    }

    /// Returns the entries of the chunk of this number, or `None` if there is no such chunk.
    pub(crate) fn chunk(&self, number: usize) -> Option<&[Node<T>]> {
        self.chunks.get(number).map(|chunk| &chunk.nodes[..])
    }

    pub(crate) fn into_values(self) -> impl Iterator<Item = T> {
        let nodes = self.chunks.into_iter().flat_map(|chunk| chunk.nodes);
        nodes.filter_map(|node| node.value)
    }
}

fn split(index: u32) -> (usize, usize) {
    (index as usize / CHUNK, index as usize % CHUNK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_key_is_refused() {
        let mut slab = Slab::<()>::new();
        let old = slab.insert().unwrap();
        slab.remove(old);
        assert!(slab.get_mut(old).is_none());
        let new = slab.insert().unwrap();
        assert_eq!(new.index, old.index);
        assert!(slab.get_mut(old).is_none());
        slab.remove(old);
        assert!(slab.get_mut(new).is_some());
    }

    #[test]
    fn a_place_whose_numbers_are_used_up_is_not_used_again() {
        let mut slab = Slab::<()>::new();
        let first = slab.insert().unwrap();
        slab.node_mut(first.index).generation = u32::MAX - 1;
        let last = slab.key(first.index);
        slab.remove(last);
        assert!(slab.get_mut(last).is_none());
        for _ in 0..2 * CHUNK {
            assert_ne!(slab.insert().unwrap().index, first.index);
        }
    }

    #[test]
    fn memory_is_given_back_and_old_keys_are_refused_all_the_same() {
        let mut slab = Slab::<()>::new();
        let allocated = |slab: &Slab<()>| {
            slab.chunks
                .iter()
                .filter(|c| c.nodes.capacity() > 0)
                .count()
        };
        let mut old = Vec::new();
        for round in 0..3 {
            let keys: Vec<_> = (0..10 * CHUNK).map(|_| slab.insert().unwrap()).collect();
            assert_eq!((slab.chunks.len(), allocated(&slab)), (10, 10));
            for key in &old {
                assert!(slab.get_mut(*key).is_none());
            }
            let (even, odd): (Vec<_>, Vec<_>) =
                keys.into_iter().partition(|key| key.index % 2 == 0);
            for key in &even {
                slab.remove(*key);
            }
            assert_eq!(allocated(&slab), 10);
            for key in odd.iter().rev() {
                slab.remove(*key);
            }
            assert_eq!(allocated(&slab), 1, "round {round}");
            old.extend(even.into_iter().chain(odd));
        }
        // One entry that comes and goes allocates nothing.
        let key = slab.insert().unwrap();
        slab.remove(key);
        assert_eq!(allocated(&slab), 1);
        assert_eq!(slab.entries, 0);
    }

    #[test]
    fn the_chunks_with_room_are_known() {
        let mut slab = Slab::<()>::new();
        let mut keys: Vec<_> = (0..4 * CHUNK).map(|_| slab.insert().unwrap()).collect();
        assert!(slab.roomy.is_empty());
        // One of each chunk, then those of the middle.
        for chunk in [3, 1, 0, 2] {
            slab.remove(keys[chunk * CHUNK + 7]);
        }
        let check = |slab: &Slab<()>| {
            for (at, number) in slab.roomy.iter().enumerate() {
                assert_eq!(slab.chunks[*number as usize].roomy_at as usize, at);
            }
            let roomy = slab.chunks.iter().filter(|c| c.roomy_at != NONE).count();
            assert_eq!(roomy, slab.roomy.len());
        };
        check(&slab);
        for _ in 0..4 {
            keys.push(slab.insert().unwrap());
            check(&slab);
        }
        assert!(slab.roomy.is_empty() && slab.chunks.len() == 4);
        for key in keys {
            slab.remove(key);
            check(&slab);
        }
    }

    #[test]
    fn an_entry_is_no_larger_than_it_must_be() {
        use crate::task::Action;
        use std::sync::Arc;

        // The size besides the value. `None` needs no room of its own.
        fn node_of<T>() -> usize {
            (24 + size_of::<T>()).next_multiple_of(align_of::<u64>())
        }
        assert_eq!(size_of::<Node<Arc<()>>>(), node_of::<Arc<()>>());
        assert_eq!(size_of::<Node<Action>>(), node_of::<Action>());
        if cfg!(target_pointer_width = "64") {
            assert_eq!(size_of::<Action>(), 40);
        }
    }
}
