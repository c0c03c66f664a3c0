//! The nodes that a thread owns, and has to vacate when it ends.
//!
//! The list goes through the nodes themselves, so that nothing is allocated, and no user code runs,
//! between the claim of a node and its place in the list. The latest node is the first.

use crate::node::Share;

pub(crate) struct List {
    first: Option<Share>,
    len: usize,
}

impl List {
    pub(crate) const fn new() -> List {
        List {
            first: None,
            len: 0,
        }
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Adds a node of this generation.
    #[inline]
    pub(crate) fn push(&mut self, share: Share, generation: u32) {
        self.first = Some(share.link(self.first.take(), generation));
        self.len += 1;
    }

    /// Removes the latest node.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<(Share, u32)> {
        let share = self.first.take()?;
        let (next, generation) = share.unlink();
        self.first = next;
        self.len -= 1;
        Some((share, generation))
    }

    /// Removes the nodes of `Local`s that are gone, and returns them.
    #[cold]
    pub(crate) fn remove_orphans(&mut self) -> List {
        let (mut kept, mut orphans) = (List::new(), List::new());
        while let Some((share, generation)) = self.pop() {
            if share.is_last() {
                orphans.push(share, generation);
            } else {
                kept.push(share, generation);
            }
        }
        // In the old order.
        while let Some((share, generation)) = kept.pop() {
            self.push(share, generation);
        }
        orphans
    }
}
