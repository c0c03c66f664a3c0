//! The nodes that a thread owns and vacates when it ends.
//!
//! The list is linked through the nodes, so that nothing is allocated, and no user code runs,
//! between the claim of a node and its place in the list. The node that was claimed last is first.

#![forbid(unsafe_code)]

use crate::node_ref::NodeRef;

pub(crate) struct NodeList {
    first: Option<NodeRef>,
    len: usize,
}

impl NodeList {
    pub(crate) const fn new() -> NodeList {
        NodeList {
            first: None,
            len: 0,
        }
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Adds a node, whose value is of this generation.
    #[inline]
    pub(crate) fn push(&mut self, node: NodeRef, generation: u32) {
        self.first = Some(node.link(self.first.take(), generation));
        self.len += 1;
    }

    /// Removes the node that was added last.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<(NodeRef, u32)> {
        let node = self.first.take()?;
        let (next, generation) = node.unlink();
        self.first = next;
        self.len -= 1;
        Some((node, generation))
    }

    /// Removes the nodes whose `Local` is gone, and returns them.
    #[cold]
    pub(crate) fn remove_unused(&mut self) -> NodeList {
        let (mut kept, mut unused) = (NodeList::new(), NodeList::new());
        while let Some((node, generation)) = self.pop() {
            if node.is_last() {
                unused.push(node, generation);
            } else {
                kept.push(node, generation);
            }
        }
        // Popping has reversed the order, and this reverses it again.
        while let Some((node, generation)) = kept.pop() {
            self.push(node, generation);
        }
        unused
    }
}
