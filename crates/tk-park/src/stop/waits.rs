//! Waits with a stop token, on the lists of the tokens' nodes.
//!
//! A wait is on the lists from before it parks until after it has left the queue. Its entries lie
//! on the stack of the waiting thread, so a wait allocates nothing.
//!
//! # Invariants
//!
//! **Valid tickets.** A request unparks with the node locked, and a wait takes itself off the list
//! before it returns, also with the node locked. So the thread whose ticket a request uses has not
//! left `park`.

use std::pin::Pin;
use std::ptr::NonNull;

use super::list::{Element, Hooks};
use super::node::Node;
use crate::{Limit, MAX_STOPS};

/// A wait on the list of a token.
pub(super) struct Entry {
    hooks: Hooks<Entry>,
    pub(super) key: usize,
    /// Finds the waiter in the queue of the key.
    pub(super) ticket: usize,
}

impl Element for Entry {
    fn hooks(&self) -> &Hooks<Entry> {
        &self.hooks
    }
}

/// A wait, and the node on whose list it is.
struct StopWait<'a> {
    node: &'a Node,
    entry: Entry,
    _pinned: std::marker::PhantomPinned,
}

/// The places of one wait on the lists of its limit's tokens. Dropping it takes them off.
pub(crate) struct StopWaits<'a>([Option<StopWait<'a>>; MAX_STOPS]);

impl<'a> StopWaits<'a> {
    pub(crate) fn new() -> StopWaits<'a> {
        StopWaits([const { None }; MAX_STOPS])
    }

    /// Puts a wait on the lists of all tokens of this limit, before the thread parks. The thread
    /// leaves `park` after this is dropped: Valid tickets.
    pub(crate) fn enlist(self: Pin<&mut Self>, limit: &Limit<'a>, key: usize, ticket: usize) {
        // SAFETY: nothing is moved out of it, and each place stays until it is dropped.
        let places = unsafe { &mut self.get_unchecked_mut().0 };
        for (place, token) in places.iter_mut().zip(limit.stop_tokens()) {
            let wait: &StopWait<'_> = place.insert(StopWait {
                node: token.node(),
                entry: Entry {
                    hooks: Hooks::new(),
                    key,
                    ticket,
                },
                _pinned: std::marker::PhantomPinned,
            });
            let mut lists = wait.node.lists();
            // SAFETY: the entry is used with this list alone, and with its lock. It is pinned, and
            // taken off the list when it is dropped.
            unsafe { lists.waits.push(NonNull::from(&wait.entry)) };
        }
    }
}

impl Drop for StopWait<'_> {
    fn drop(&mut self) {
        // Even if a request has taken the entry off the list, the lock is needed: the request may
        // be about to unpark this thread.
        let mut lists = self.node.lists();
        // SAFETY: the entry is used with this list alone, and with its lock.
        unsafe { lists.waits.remove(&self.entry) };
    }
}
