//! The node of a tree of stops, which a source and its tokens share.
//!
//! | state | `request_stop` | a wait or a callback enters its list | a child is made |
//! |---|---|---|---|
//! | running | marks, wakes, calls (`request.rs`) | enters | enters the list of children |
//! | stopped | returns `false` | is turned away: the flag is set | is stopped from the start |
//!
//! # Ownership
//!
//! A child has a share in each of its parents, and a registration has one in its token's node. A
//! parent has its children on a list, without a share, so there is no cycle. A node is dropped when
//! the last handle on it or on a descendant is dropped. Its lists are empty then. A node drops its
//! ancestors in a loop, because a recursion would overflow the stack in a long chain.
//!
//! # Invariants
//!
//! **Flag, then lists.** A request sets a node's flag before it locks the node's lists to empty
//! them. A thread that enters a list reads the flag after it has locked it. So either the request
//! finds the entry, or the thread sees the flag.
//!
//! **One marker.** The request that changes a node's flag is the only one that wakes its waits and
//! calls its callbacks.
//!
//! **A marked node has marked descendants**, as soon as no thread holds [`MARKING`]. A request
//! whose node has children holds it until all flags are set. So when `request_stop` returns, with
//! `true` or `false`, all descendants are stopped. Without this rule:
//!
//! 1. Thread A requests the stop of a node, and sets its flag.
//! 2. Thread B requests the same stop, finds the flag set, and returns.
//! 3. B looks at a descendant that A has not come to. It is not stopped.
//!
//! **Lock order.** [`MARKING`], then a node, then a queue of the parking lot. No thread has two
//! nodes locked. With a node or `MARKING` locked, nothing is allocated, freed or waited for, and no
//! user code runs.
//!
//! # Forks
//!
//! The child of a fork can take all locks. Waits of other threads are not in it, and lie on stacks
//! that may be used again: the first thread that locks a node there forgets them. Children and
//! callbacks stay on the lists, which can be repaired after any single store (see `list.rs`). A
//! request that a lost thread was making goes no further.

use std::mem::MaybeUninit;
use std::panic::RefUnwindSafe;
use std::ptr::NonNull;
use std::sync::{Arc, Weak};

use tk_core::__private::fork::Inherit;

use super::callback::{Callback, Runner};
use super::list::{Element, Hooks, List};
use super::lock::{Mutex, MutexGuard, lock};
use super::request::{Reached, Request};
use super::waits::Entry;
#[cfg(tk_loom)]
use crate::sync::AtomicU32;
use crate::sync::{AtomicBool, Ordering};
use crate::unpark::unpark_stopped;

/// How many children a request marks, or waits it wakes, before it unlocks the node's lists for
/// other threads.
const BATCH: usize = 16;

/// Held by a request that marks descendants: A marked node has marked descendants.
#[cfg(not(tk_loom))]
pub(super) static MARKING: Mutex<()> = Mutex::constant(());
#[cfg(tk_loom)]
loom::lazy_static! {
    pub(super) static ref MARKING: Mutex<()> = Mutex::new(());
}

pub(super) struct Node {
    stopped: AtomicBool,
    lists: Mutex<Lists>,
    /// The places on the lists of the parents, if there are parents. Not a `Box`, which would
    /// claim to be the only pointer to them: the parents' lists have others.
    links: Option<Arc<[Link]>>,
    /// Orders what the count of an `Arc` orders, because loom does not see std's.
    #[cfg(tk_loom)]
    pub(super) shares: AtomicU32,
}

// A panic leaves nothing half done, because user code runs between no two steps of a change.
impl RefUnwindSafe for Node {}

pub(super) struct Lists {
    pub(super) children: List<Link>,
    pub(super) waits: List<Entry>,
    pub(super) callbacks: List<Callback>,
    /// Whether a request has found children here.
    pub(super) had_children: bool,
}

/// The waits of other threads stay in the parent process. Children and callbacks remain, because
/// the thread that forked may have handles on them.
impl Inherit for Lists {
    fn inherit(&mut self) {
        self.waits.forget();
    }

    fn anew() -> Lists {
        Lists {
            children: List::new(),
            waits: List::new(),
            callbacks: List::new(),
            had_children: false,
        }
    }

    fn recover(lists: &mut MaybeUninit<Lists>) {
        // SAFETY: the lists were made before the lock was, and each word of them is valid after
        // each store.
        let lists = unsafe { lists.assume_init_mut() };
        lists.waits.forget();
        lists.children.repair();
        lists.callbacks.repair();
    }
}

/// The place of a child on the list of one of its parents.
pub(super) struct Link {
    hooks: Hooks<Link>,
    /// Taken when the child is dropped.
    parent: Option<Arc<Node>>,
    pub(super) child: Weak<Node>,
}

impl Element for Link {
    fn hooks(&self) -> &Hooks<Link> {
        &self.hooks
    }
}

impl Node {
    fn new(links: Option<Arc<[Link]>>) -> Node {
        let node = Node {
            stopped: AtomicBool::new(false),
            lists: Mutex::new(Lists::anew()),
            links,
            #[cfg(tk_loom)]
            shares: AtomicU32::new(0),
        };
        #[cfg(tk_loom)]
        node.stopped.loom_register();
        #[cfg(tk_loom)]
        node.shares.loom_register();
        node
    }

    pub(super) fn root() -> Arc<Node> {
        Arc::new(Node::new(None))
    }

    /// Returns a node that is stopped when the first of these is.
    pub(super) fn child_of(parents: impl ExactSizeIterator<Item = Arc<Node>>) -> Arc<Node> {
        if parents.len() == 0 {
            return Node::root();
        }
        let node = Arc::new_cyclic(|child: &Weak<Node>| {
            let links = parents.map(|parent| Link {
                hooks: Hooks::new(),
                parent: Some(parent),
                child: Weak::clone(child),
            });
            Node::new(Some(links.collect()))
        });
        for link in node.links() {
            let parent = link.parent();
            let mut lists = parent.lists();
            if parent.stop_requested() {
                drop(lists);
                // Release: pairs with the Acquire in `stop_requested`.
                node.stopped.store(true, Ordering::Release);
                break;
            }
            // SAFETY: the link is used with this list alone, and with its lock. It is part of what
            // `node` points to, and stays there until `Node::drop` takes it out.
            unsafe { lists.children.push(NonNull::from(link)) };
        }
        node
    }

    pub(super) fn lists(&self) -> MutexGuard<'_, Lists> {
        lock(&self.lists)
    }

    fn links(&self) -> &[Link] {
        self.links.as_deref().unwrap_or_default()
    }

    pub(super) fn has_parents(&self) -> bool {
        self.links.is_some()
    }

    #[inline]
    pub(super) fn stop_requested(&self) -> bool {
        // Acquire: pairs with the Release in `set_flag`. A thread that sees the request
        // sees what the requesting thread did before.
        self.stopped.load(Ordering::Acquire)
    }

    /// Sets the flag. Returns whether this call was the first to do so: One marker.
    pub(super) fn set_flag(&self) -> bool {
        // Release: pairs with the Acquire in `stop_requested`.
        !self.stopped.swap(true, Ordering::Release)
    }

    /// Returns whether this was the first request.
    pub(super) fn request_stop(&self) -> bool {
        let Some(request) = Request::mark(self) else {
            return false;
        };
        request.wake();
        request.call();
        true
    }

    /// Takes the children off the list and marks them. Those that this request has marked go to
    /// `reached`, the others to `passed`. Returns whether the node has waits or callbacks.
    pub(super) fn mark_children(&self, reached: &mut Reached, passed: &mut Reached) -> bool {
        loop {
            let mut lists = self.lists();
            for _ in 0..BATCH {
                let Some(link) = lists.children.pop() else {
                    // A wait or a callback that comes later sees the flag: Flag, then lists.
                    return !(lists.waits.is_empty() && lists.callbacks.is_empty());
                };
                lists.had_children = true;
                // SAFETY: the link was on the list, so its child has not got past the removal in
                // `Node::drop`.
                let Some(child) = unsafe { link.as_ref() }.child.upgrade() else {
                    // The last handle on the child is being dropped. The drop will find that the
                    // link is off the list.
                    continue;
                };
                // Not dropped here, because it may be the last share, and the node is locked.
                if child.set_flag() {
                    reached.push(link, child);
                } else {
                    passed.push(link, child);
                }
            }
        }
    }

    /// Wakes the waits of this node.
    pub(super) fn wake(&self) {
        loop {
            let mut lists = self.lists();
            for _ in 0..BATCH {
                let Some(entry) = lists.waits.pop() else {
                    return;
                };
                // SAFETY: the entry was on the list, and stays while the node is locked, by Valid
                // tickets (`waits.rs`).
                let entry = unsafe { entry.as_ref() };
                // SAFETY: as above.
                unsafe { unpark_stopped(entry.key, entry.ticket) };
            }
        }
    }

    /// Takes the next callback off the list, for this thread to call.
    pub(super) fn pop_callback(&self, me: Runner) -> Option<Arc<Callback>> {
        let mut lists = self.lists();
        let callback = lists.callbacks.pop()?;
        // SAFETY: the list had a share, which is taken over.
        let callback = unsafe { Arc::from_raw(callback.as_ptr()) };
        callback.set_runner(me);
        Some(callback)
    }

    /// Registers a callback, unless the node is stopped.
    pub(super) fn register(&self, callback: &Arc<Callback>) -> bool {
        let mut lists = self.lists();
        if self.stop_requested() {
            return false;
        }
        let share = Arc::into_raw(Arc::clone(callback)).cast_mut();
        // SAFETY: it is not null, as it comes from an `Arc`.
        let share = unsafe { NonNull::new_unchecked(share) };
        // SAFETY: the callback is used with this list alone, and with its lock. The list has a
        // share.
        unsafe { lists.callbacks.push(share) };
        true
    }
}

impl Link {
    fn parent(&self) -> &Node {
        self.parent
            .as_deref()
            .expect("a child that exists has its parents")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        #[cfg(tk_loom)]
        self.shares.fetch_add(1, Ordering::AcqRel);
        // The links of nodes that are gone, which are still on the lists of their parents.
        let mut next = self.links.take();
        let mut others = Vec::new();
        while let Some(mut links) = next.or_else(|| others.pop()) {
            next = None;
            for link in &*links {
                // A request that had the link on its own list has given up its share before this
                // node was dropped, which the count of the `Arc` orders.
                let mut lists = link.parent().lists();
                // SAFETY: the link is used with this list alone, and with its lock.
                unsafe { lists.children.remove(link) };
            }
            let links = Arc::get_mut(&mut links).expect("no list points to them any more");
            for link in links {
                // The last share of a parent is taken apart here and not dropped, because that
                // would be a recursion.
                let parent = link.parent.take().and_then(Arc::into_inner);
                let Some(mut parent) = parent else { continue };
                #[cfg(tk_loom)]
                parent.shares.fetch_add(1, Ordering::AcqRel);
                let Some(links) = parent.links.take() else {
                    continue;
                };
                match next {
                    None => next = Some(links),
                    Some(_) => others.push(links),
                }
            }
        }
    }
}
