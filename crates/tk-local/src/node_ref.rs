//! Counted references to a node, and the links by which a thread lists its nodes.
//!
//! A [`NodeRef`] knows nothing of the type of the node's value, so a thread can list the nodes of
//! all its `Local`s in one list.
//!
//! # References and operations
//!
//! | operation | table's references | thread's references | the links are used by |
//! |---|---|---|---|
//! | a node is made for a claimer, and appended to the table | 0 → 1 | 0 → 1 | the claimer, from now on |
//! | a claim of a node without an owner | 1 | 0 → 1 | the claimer, from now on |
//! | [`Unlisted::release`] | 1 | 1 → 0 | nobody |
//! | [`NodeRef::vacate_and_release`] and its like | any | 1 → 0 | nobody |
//! | the table is dropped | 1 → 0 | any | no change |
//!
//! The operation that leaves no reference frees the node.
//!
//! # Invariants
//!
//! **References.** A node is freed when its last reference is released. The table has a reference
//! to each of its nodes until the table is dropped, and a thread has one to each node of its list.
//! A thread takes a new reference only while it borrows the `Local`, so while the table still has
//! its own. This is the reference count of an `Arc`.
//!
//! **Listed once.** A thread lists a node right after it has claimed it, or releases its reference
//! if its end is not watched. It unlists the node when it vacates it, in one step with the release
//! of its reference. No user code runs within either step.
//! A node in a list has an owner, or had one whose thread is ending, so nobody claims it. At a
//! claim the table's reference is therefore the only one.
//!
//! Suppose the reference was released only after the value was dropped:
//!
//! 1. The thread vacates the node, which then has no owner.
//! 2. The value's `Drop` sets a value in the same `Local`, and claims the same node.
//! 3. The thread lists the node again, while the first reference is still counted.
//! 4. The list has the node twice, and its links form a loop.

use std::ptr::NonNull;

use crate::node::Node;
use crate::sync::{AtomicU32, Ordering::*, UnsafeCell};

/// The part of a node that does not depend on the type of its value.
pub(crate) struct Header {
    /// The number of references (*references*).
    refs: AtomicU32,
    /// Vacates and releases the node, for the type of its value.
    give_up: GiveUp,
    /// The generation of the value. This and `next` are used only by the thread that has the node
    /// in its list (*listed once*).
    generation: UnsafeCell<u32>,
    /// The next node in the list.
    next: UnsafeCell<Option<NodeRef>>,
}

/// Vacates a node according to the fate of its value, and releases one reference.
///
/// # Safety
///
/// The header is that of a node of the type that the function is for. The caller has a reference,
/// and gives it up by this call.
type GiveUp = unsafe fn(NonNull<Header>, Fate);

/// The fate of a value when its thread gives up its reference to the node.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The node is vacated and the value dropped.
    Dropped,
    /// The node is vacated and the value forgotten.
    Leaked,
    /// The value stays the thread's, as if a late destructor had set it.
    Kept,
}

impl Header {
    /// The header of a new node, with a reference for the table and one for the claimer.
    pub(crate) fn new(give_up: GiveUp) -> Header {
        Header {
            refs: AtomicU32::new(2),
            generation: UnsafeCell::new(0),
            give_up,
            next: UnsafeCell::new(None),
        }
    }

    /// Counts the thread's reference to a node that it has just claimed.
    fn add_ref(&self) {
        // Acquire: pairs with the Release in `remove_ref`, after which the former owner's list does
        // not use the links any more.
        let before = self.refs.fetch_add(1, Acquire);
        if cfg!(any(debug_assertions, tk_loom)) {
            assert_eq!(before, 1, "a node is in one list");
        }
    }

    /// Removes one reference, and returns whether it was the last.
    #[must_use]
    pub(crate) fn remove_ref(&self) -> bool {
        // The last reference need not be counted down, because no other one comes (*references*).
        // If it is the table's, the `Local` is not borrowed. If it is a thread's, the table has
        // gone. Acquire: this thread frees the node after all that the others did.
        if self.refs.load(Acquire) == 1 {
            return true;
        }
        // Release: what this thread did to the node happens before the node is freed, and before
        // another list has it (pairs with `add_ref`). Acquire: the thread that frees the node comes
        // after all others.
        self.refs.fetch_sub(1, AcqRel) == 1
    }
}

/// The reference to a node that the calling thread has just claimed. The thread lists the node
/// immediately, or releases the reference if its end is not watched.
#[must_use]
pub(crate) struct Unlisted<'a, T>(&'a Node<T>);

impl<'a, T> Unlisted<'a, T> {
    /// The node is new, so the reference is counted already.
    pub(crate) fn new(node: &'a Node<T>) -> Unlisted<'a, T> {
        Unlisted(node)
    }

    /// Counts the reference. The table's is there, because the `Local` is borrowed (*references*).
    pub(crate) fn counted(node: &'a Node<T>) -> Unlisted<'a, T> {
        node.header().add_ref();
        Unlisted(node)
    }

    /// The reference for the list of the calling thread.
    pub(crate) fn into_ref(self) -> NodeRef {
        NodeRef(NonNull::from(self.0).cast())
    }

    /// Releases the reference, and leaves the node claimed and unlisted.
    pub(crate) fn release(self) {
        let was_last = self.0.header().remove_ref();
        debug_assert!(!was_last, "the table has a reference");
    }
}

/// A thread's reference to a node in its list.
///
/// It has no `Drop`: a list releases each of its references by one of the methods below.
#[must_use]
pub(crate) struct NodeRef(NonNull<Header>);

impl NodeRef {
    fn header(&self) -> &Header {
        // SAFETY: the node exists as long as this reference is counted (*references*).
        unsafe { self.0.as_ref() }
    }

    /// Puts this node in front of `next` in a list of the calling thread.
    #[inline]
    pub(crate) fn link(self, next: Option<NodeRef>, generation: u32) -> NodeRef {
        let header = self.header();
        // SAFETY: the calling thread has the node in its list, so no other thread uses the links
        // (*listed once*), and this thread has no reference to them: the methods here keep none.
        header
            .generation
            .with_mut(|own| unsafe { *own = generation });
        // SAFETY: as above.
        header.next.with_mut(|own| unsafe { *own = next });
        self
    }

    /// Cuts off the nodes behind this one. Returns them, with the generation of this one.
    #[inline]
    pub(crate) fn unlink(&self) -> (Option<NodeRef>, u32) {
        let header = self.header();
        // SAFETY: as in `link`.
        let next = header.next.with_mut(|own| unsafe { (*own).take() });
        // SAFETY: as in `link`.
        let generation = header.generation.with(|own| unsafe { *own });
        (next, generation)
    }

    /// Whether the `Local` is gone, so that this is the last reference.
    pub(crate) fn is_last(&self) -> bool {
        // Relaxed: no new references come (*references*), and `remove_ref` orders what follows.
        self.header().refs.load(Relaxed) == 1
    }

    /// Vacates the node, releases the reference, and then drops the value.
    ///
    /// The value's `Drop` is user code. Nothing of the node is used after it starts. If this is the
    /// last reference, there is no value (*no late values* in [`node`](crate::node)).
    pub(crate) fn vacate_and_release(self) {
        self.give_up(Fate::Dropped);
    }

    /// Vacates the node, releases the reference, and leaks the value. The only user code that may
    /// run is the allocator, if this is the last reference.
    pub(crate) fn vacate_and_leak(self) {
        self.give_up(Fate::Leaked);
    }

    /// Releases the reference, and leaves the value in the node. The only user code that may run is
    /// the allocator, if this is the last reference.
    pub(crate) fn release_only(self) {
        self.give_up(Fate::Kept);
    }

    fn give_up(self, fate: Fate) {
        // SAFETY: the header came from a node, whose constructor chose the function for its own
        // type. `self` is a counted reference, and is moved into this call.
        unsafe { (self.header().give_up)(self.0, fate) }
    }
}
