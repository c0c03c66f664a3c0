//! How a request goes through a tree of stops.
//!
//! | step | what it does | what is locked |
//! |---|---|---|
//! | 1. mark | sets the flag of the node and of all its descendants, breadth first | [`MARKING`] if there are children; one node at a time |
//! | 2. wake | wakes the waits of each node that step 1 has marked | one node at a time |
//! | 3. call | calls the callbacks of each, in the same order | nothing |
//!
//! User code runs in step 3 only. So a callback may wait for any thread that waits with any token
//! of the tree, because that thread was woken in step 2.
//!
//! The invariants are those of `node.rs`. A panic of a callback keeps no other from being called.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::NonNull;
use std::sync::Arc;

use super::callback::{Callback, Runner};
use super::list::List;
use super::lock::lock;
use super::node::{Link, MARKING, Node};
#[cfg(tk_loom)]
use crate::sync::Ordering;

/// Nodes that a request has reached, by the links through which it did. The list has a share in
/// each.
pub(super) struct Reached(List<Link>);

impl Reached {
    fn new() -> Reached {
        Reached(List::new())
    }

    pub(super) fn push(&mut self, link: NonNull<Link>, child: Arc<Node>) {
        mem::forget(child); // The list's share.
        // SAFETY: the link is on no list. No other thread uses its hooks: its parent does not have
        // it on the list any more, and its child, whose drop would look at it, is kept. The
        // link stays where it is as long as its child does.
        unsafe { self.0.push(link) };
    }

    /// Returns the node of a link that is on this list.
    fn node(&self, link: NonNull<Link>) -> &Node {
        // SAFETY: the list has a share in the child, so both exist.
        unsafe { &*link.as_ref().child.as_ptr() }
    }

    /// Moves a link that is on this list to another.
    fn hand_over(&mut self, link: NonNull<Link>, to: &mut Reached) {
        // SAFETY: the link is on this list, and then on none.
        unsafe {
            self.0.remove(link.as_ref());
            to.0.push(link);
        }
    }

    fn pop(&mut self) -> Option<Arc<Node>> {
        let link = self.0.pop()?;
        // SAFETY: the list had a share in the child, which is taken over. The pointer is the
        // share's.
        let node = unsafe { Arc::from_raw(link.as_ref().child.as_ptr()) };
        #[cfg(tk_loom)]
        node.shares.fetch_add(1, Ordering::AcqRel);
        Some(node)
    }
}

impl Drop for Reached {
    fn drop(&mut self) {
        while self.pop().is_some() {}
    }
}

/// A request on its way through a tree.
pub(super) struct Request<'a> {
    root: &'a Node,
    /// The other nodes that this request has marked, and that have waits or callbacks.
    reached: Reached,
}

impl<'a> Request<'a> {
    /// Step 1. Returns `None` if the node was stopped before.
    pub(super) fn mark(root: &'a Node) -> Option<Request<'a>> {
        let mut reached = Reached::new();
        let lists = root.lists();
        if lists.children.is_empty() && !lists.had_children {
            // A node that has no children now has none later: they see the flag.
            return root.set_flag().then_some(Request { root, reached });
        }
        drop(lists);

        // Nodes without waits and callbacks. Their shares are dropped with nothing locked.
        let mut passed = Reached::new();
        let marking = lock(&MARKING);
        if !root.set_flag() {
            // Another request has set it. It has marked all descendants, or it would hold
            // `MARKING`.
            return None;
        }
        root.mark_children(&mut reached, &mut passed);
        let mut next = reached.0.first();
        while let Some(link) = next {
            // SAFETY: the link stays on one of the two lists while this runs.
            let node = unsafe { &*link.as_ref().child.as_ptr() };
            let has_more = node.mark_children(&mut reached, &mut passed);
            next = reached.0.after(link);
            if !has_more {
                reached.hand_over(link, &mut passed);
            }
        }
        drop(marking);
        Some(Request { root, reached })
    }

    /// Step 2.
    pub(super) fn wake(&self) {
        self.root.wake();
        let mut next = self.reached.0.first();
        while let Some(link) = next {
            self.reached.node(link).wake();
            next = self.reached.0.after(link);
        }
    }

    /// Step 3. A panic continues when all callbacks have been called.
    pub(super) fn call(mut self) {
        let mut caller = Caller::default();
        caller.call_all(self.root);
        while let Some(node) = self.reached.pop() {
            caller.call_all(&node);
        }
        if let Some(payload) = caller.panic {
            resume_unwind(payload);
        }
    }
}

/// The thread that calls the callbacks.
#[derive(Default)]
struct Caller {
    me: Option<Runner>,
    /// The panic of the first callback that panicked.
    panic: Option<Box<dyn std::any::Any + Send>>,
}

impl Caller {
    fn call_all(&mut self, node: &Node) {
        while !node.lists().callbacks.is_empty() {
            // With nothing locked, because this may register the thread.
            let me = *self.me.get_or_insert_with(Runner::current);
            if let Some(callback) = node.pop_callback(me) {
                self.call(&callback);
            }
        }
    }

    fn call(&mut self, callback: &Callback) {
        if let Some(function) = callback.take_function()
            && let Err(payload) = catch_unwind(AssertUnwindSafe(function))
        {
            match self.panic {
                None => self.panic = Some(payload),
                Some(_) => discard(payload),
            }
        }
        callback.end();
    }
}

/// Drops a payload. A panic in its destructor goes no further.
pub(super) fn discard(payload: Box<dyn std::any::Any + Send>) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        mem::forget(second);
    }
}
