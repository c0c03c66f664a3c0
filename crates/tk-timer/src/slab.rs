//! Where the wheel keeps its entries: places that are used again, and keys that are not.
//!
//! A key is a place and how often it has been used before. A key that has been given back is refused from then on: the place is
//! at its next use, or waits for it. A place whose numbers are used up is not used again.
//!
//! Places come in chunks, so that none ever moves, and making room for one more takes the same time however many there are.

/// How many places a chunk has.
const CHUNK: usize = 512;

/// Stands for no place.
pub(crate) const NONE: u32 = u32::MAX;

/// What an entry is known by, from its insertion to its removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    pub(crate) index: u32,
    generation: u32,
}

/// An entry, or the room for one: 24 bytes beside the value.
#[derive(Debug)]
pub(crate) struct Node<T> {
    pub(crate) deadline: u64,
    pub(crate) value: Option<T>,
    generation: u32,
    pub(crate) place: Place,
}

/// Where an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Nowhere, and without a value: that has been taken out, or there is no entry.
    Out,
    /// In the list of this number, between these two.
    Listed { list: u16, prev: u32, next: u32 },
    /// Among those that are ready, with this number.
    Ready(Order),
}

/// A number that grows. In two halves, so that it needs no more room than two places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Order([u32; 2]);

impl Order {
    pub(crate) fn new(number: u64) -> Order {
        Order([(number >> 32) as u32, number as u32])
    }
}

#[derive(Debug)]
pub(crate) struct Slab<T> {
    chunks: Vec<Vec<Node<T>>>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    pub(crate) const fn new() -> Slab<T> {
        Slab {
            chunks: Vec::new(),
            free: Vec::new(),
        }
    }

    /// Makes an entry without a value, which is nowhere yet.
    ///
    /// # Panics
    ///
    /// If there are 2³² - 1 entries.
    #[inline]
    pub(crate) fn insert(&mut self) -> Key {
        let index = match self.free.pop() {
            Some(index) => index,
            None => self.grow(),
        };
        self.key(index)
    }

    fn grow(&mut self) -> u32 {
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let before = (self.chunks.len() - 1) * CHUNK;
        let chunk = self.chunks.last_mut().expect("one has just been seen to");
        let index = u32::try_from(before + chunk.len()).unwrap_or(NONE);
        assert!(index != NONE, "too many timers");
        chunk.push(Node {
            deadline: 0,
            value: None,
            generation: 0,
            place: Place::Out,
        });
        index
    }

    /// Gives an entry back, which is nowhere by now. Its key is refused from here on.
    #[inline]
    pub(crate) fn remove(&mut self, key: Key) {
        let Some(node) = self.get_mut(key) else {
            return;
        };
        debug_assert!(node.value.is_none() && node.place == Place::Out);
        // No key has the last number, so it can be reached, and there it ends.
        node.generation += 1;
        if node.generation < u32::MAX {
            self.free.push(key.index);
        }
    }

    /// The entry of this key, unless it is an old one.
    #[inline]
    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut Node<T>> {
        let (chunk, at) = split(key.index);
        let node = self.chunks.get_mut(chunk)?.get_mut(at)?;
        (node.generation == key.generation).then_some(node)
    }

    /// What is at a place that there is.
    #[inline]
    pub(crate) fn node_mut(&mut self, index: u32) -> &mut Node<T> {
        let (chunk, at) = split(index);
        &mut self.chunks[chunk][at]
    }

    /// The key of the entry at this place.
    #[inline]
    pub(crate) fn key(&self, index: u32) -> Key {
        let (chunk, at) = split(index);
        Key {
            index,
            generation: self.chunks[chunk][at].generation,
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Node<T>> {
        self.chunks.iter().flatten()
    }

    pub(crate) fn into_values(self) -> impl Iterator<Item = T> {
        let nodes = self.chunks.into_iter().flatten();
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
        let old = slab.insert();
        slab.remove(old);
        assert!(slab.get_mut(old).is_none());
        let new = slab.insert();
        assert_eq!(new.index, old.index);
        assert!(slab.get_mut(old).is_none());
        slab.remove(old);
        assert!(slab.get_mut(new).is_some());
    }

    #[test]
    fn a_place_whose_numbers_are_used_up_is_not_used_again() {
        let mut slab = Slab::<()>::new();
        let first = slab.insert();
        slab.node_mut(first.index).generation = u32::MAX - 1;
        let last = slab.key(first.index);
        slab.remove(last);
        assert!(slab.get_mut(last).is_none());
        assert_ne!(slab.insert().index, first.index);
    }

    #[test]
    fn an_entry_is_no_larger_than_it_must_be() {
        use crate::task::Action;
        use std::sync::Arc;

        // What is beside the value; that there is none needs no room of its own.
        fn node_of<T>() -> usize {
            (24 + size_of::<T>()).next_multiple_of(align_of::<u64>())
        }
        assert_eq!(size_of::<Node<Arc<()>>>(), node_of::<Arc<()>>());
        assert_eq!(size_of::<Node<Action>>(), node_of::<Action>());
        if cfg!(target_pointer_width = "64") {
            assert_eq!(size_of::<Action>(), 32);
        }
    }
}
