//! The nodes of one slot in a table.
//!
//! A chain has one node, and more only if former threads in the slot still use theirs. That happens
//! when a thread changes its identity within a borrow, by `Registration::begin`, or calls
//! `process::exit` there. Where the system cannot be asked whether a thread is gone, its slot is
//! reused immediately, and a late destructor may use its node at the same time as the next thread.
//!
//! # Operations
//!
//! | node in the chain | look-up by id | claim by id |
//! |---|---|---|
//! | owned by this id | found | found |
//! | owned by nobody, or by a former thread that left it unused | next node | claimed |
//! | owned by a former thread that still uses it | next node | next node |
//! | none left | none | a node that is owned by this id is appended |
//!
//! # Invariants
//!
//! **Append only.** A link is set once, and a node stays in its chain until the table is dropped.
//! So a reference to the table is enough to use each node that can be reached from it.
//!
//! **Table's references.** The table has one counted reference to each node of its chains, from
//! when the node is appended (*references* in [`node_ref`](crate::node_ref)).

use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicPtr, Ordering::*};

use crate::node::{Node, Owned};
use crate::node_ref::Unlisted;

/// A pointer to a node, or null. Set once (*append only*).
pub(crate) struct Link<T>(AtomicPtr<Node<T>>);

impl<T> Link<T> {
    pub(crate) const fn new() -> Link<T> {
        Link(AtomicPtr::new(ptr::null_mut()))
    }

    #[inline]
    fn pointer(&self) -> Option<NonNull<Node<T>>> {
        // Acquire: pairs with the Release in `append`.
        NonNull::new(self.0.load(Acquire))
    }

    /// The node, if there is one.
    ///
    /// # Safety
    ///
    /// The table that this link belongs to is borrowed for as long as the link is.
    #[inline]
    unsafe fn get(&self) -> Option<&Node<T>> {
        // SAFETY: by the caller's promise the table exists, so its reference keeps the node
        // (*append only*, *table's references*).
        self.pointer().map(|node| unsafe { node.as_ref() })
    }

    /// Appends a node in which the table's reference is counted. Returns it if there is one
    /// already.
    ///
    /// # Safety
    ///
    /// As for [`get`](Link::get).
    unsafe fn append(&self, new: Box<Node<T>>) -> Result<&Node<T>, Box<Node<T>>> {
        let new = Box::into_raw(new);
        // Release: pairs with the Acquire in `pointer`. An exchange, because a former thread in
        // this slot may append a node in a late destructor.
        match self
            .0
            .compare_exchange(ptr::null_mut(), new, Release, Relaxed)
        {
            // SAFETY: by the caller's promise the table exists, so its reference keeps the node
            // (*append only*, *table's references*).
            Ok(_) => Ok(unsafe { &*new }),
            // SAFETY: it came from a box, and no other thread has seen it.
            Err(_) => Err(unsafe { Box::from_raw(new) }),
        }
    }
}

/// The nodes of one slot.
pub(crate) struct Chain<T>(Link<T>, PhantomData<Box<Node<T>>>);

/// The result of [`Chain::claim`].
pub(crate) enum Claim<'a, T> {
    /// The thread owned a node already.
    Owned(Owned<'a, T>),
    /// The thread owns this node now, and has to list it immediately. The value is the one that a
    /// former owner left.
    New(Owned<'a, T>, Unlisted<'a, T>, Option<T>),
    /// There is no node to claim, and no spare one.
    Full,
}

impl<T> Chain<T> {
    pub(crate) const fn new() -> Chain<T> {
        Chain(Link::new(), PhantomData)
    }

    #[inline]
    fn first(&self) -> Option<&Node<T>> {
        // SAFETY: the chain is part of the table, which is borrowed with it.
        unsafe { self.0.get() }
    }

    /// The node behind this one. `node` is a node of this chain.
    #[inline]
    fn after<'a>(&'a self, node: &'a Node<T>) -> Option<&'a Node<T>> {
        // SAFETY: the chain, and so the table, is borrowed for as long as the link.
        unsafe { node.next().get() }
    }

    fn iter(&self) -> impl Iterator<Item = &Node<T>> {
        std::iter::successors(self.first(), |node| self.after(node))
    }

    /// The first node, if it is owned by the calling thread, which has this id.
    #[inline]
    pub(crate) fn first_if_owned_by(&self, id: u64) -> Option<Owned<'_, T>> {
        let first = self.first().filter(|node| node.is_owned_by(id));
        first.map(Owned::new)
    }

    /// The node that is owned by the calling thread, which has this id.
    pub(crate) fn owned_by(&self, id: u64) -> Option<Owned<'_, T>> {
        self.iter()
            .find(|node| node.is_owned_by(id))
            .map(Owned::new)
    }

    /// Makes the calling thread, which has the slot and this id, own a node. No user code runs.
    ///
    /// If no node can be claimed, `spare` is used up for one.
    pub(crate) fn claim(&self, id: u64, spare: &mut Option<Box<Node<T>>>) -> Claim<'_, T> {
        if let Some(owned) = self.owned_by(id) {
            return Claim::Owned(owned);
        }
        let mut link = &self.0;
        loop {
            // SAFETY: the chain, and so the table, is borrowed with `self`.
            while let Some(node) = unsafe { link.get() } {
                // A former thread may still use the value. Then the next node is tried.
                if let Ok(stale) = node.claim(id) {
                    return Claim::New(Owned::new(node), Unlisted::counted(node), stale);
                }
                link = node.next();
            }
            let Some(new) = spare.take() else {
                return Claim::Full;
            };
            // SAFETY: as above.
            match unsafe { link.append(new.claimed_anew(id)) } {
                Ok(node) => return Claim::New(Owned::new(node), Unlisted::new(node), None),
                // Another node is there now.
                Err(unused) => *spare = Some(unused),
            }
        }
    }

    /// Calls `f` with all nodes, for the one thread that has the table to itself.
    pub(crate) fn for_each<'a>(&'a self, f: &mut dyn FnMut(&'a Node<T>)) {
        self.iter().for_each(f);
    }
}

/// Releases the table's references. The values have been taken out (*no late values* in
/// [`node`](crate::node)).
impl<T> Drop for Chain<T> {
    fn drop(&mut self) {
        let mut next = self.0.pointer();
        // A loop, because recursion could overflow the stack: a chain has any length.
        while let Some(node) = next {
            // SAFETY: the table's reference to this node is released below, and not before
            // (*table's references*).
            next = unsafe { node.as_ref() }.next().pointer();
            // SAFETY: this is the table's reference, and the chain is not used again.
            unsafe { Node::release(node) };
        }
    }
}
