//! What a source and its tokens share, and how a request goes through a tree of them.
//!
//! # Who keeps whom alive
//!
//! A child has a share in each of its parents, and so has a registration in its token's node. A parent has its children on
//! a list, without a share. So there is no cycle: a node goes when the last handle on it or on a descendant goes. When it
//! goes, its lists are empty. A node takes its ancestors with it in a loop, because a recursion would overflow the stack in
//! a long chain.
//!
//! # A request
//!
//! | step | what it does | what is locked |
//! |---|---|---|
//! | 1. mark | sets the flag of the node and of all that descends from it, breadth first | [`MARKING`], if there are children, and one node at a time |
//! | 2. wake | wakes the waits of each node that step 1 has marked | one node at a time |
//! | 3. call | calls the callbacks of each, in the same order | nothing |
//!
//! User code runs in step 3 alone. So a callback may wait for any thread that waits with any token of the tree: that
//! thread was woken in step 2.
//!
//! # Invariants
//!
//! **Flag, then lists.** A request sets a node's flag before it locks the node's lists to empty them. Whoever enters a list
//! looks at the flag after locking it, or later. So either the request finds the entry, or the one that enters sees the
//! flag.
//!
//! **One marker.** The request that changes a node's flag is the only one that wakes its waits and calls its callbacks.
//!
//! **A marked node has marked descendants**, as soon as nobody has [`MARKING`]: a request whose node has children holds
//! it until all flags are set. When `request_stop` returns, with `true` or `false`, all descendants are stopped. Without
//! this, a request that meets a node that another one has just marked would return before that other one has come to the
//! descendants.
//!
//! **A ticket on a list is valid.** A wait is on the list from before it parks until after it has left the queue. A request
//! unparks with the node locked, and a wait that returns takes itself off the list first. So the thread of a ticket
//! that a request looks for has not left `park`.
//!
//! **Whoever takes a callback off the list has its function.** That is the request, which calls it, or the owner of the
//! handle, who drops it. Both do so with nothing locked.
//!
//! **The order of locks** is [`MARKING`], a node, a queue of the parking lot. Nobody has two nodes locked. With a node or
//! `MARKING` locked, nothing is allocated, freed or waited for, and no user code runs.
//!
//! # Forks
//!
//! The child of a fork can take all locks. Waits of other threads are not in it: the first to lock a node there forgets
//! them, as they lie on stacks that may be used again. Children and callbacks stay on the lists, which are whole enough
//! after each single store to be repaired (see `list.rs`). A request that a lost thread was making goes no further.

use std::mem::{self, MaybeUninit};
use std::panic::{AssertUnwindSafe, Location, RefUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::ptr::NonNull;
use std::sync::{Arc, Weak};

#[cfg(tk_loom)]
use loom::cell::Cell;
#[cfg(not(tk_loom))]
use std::cell::Cell;

use tk_core::__private::fork::Inherit;
use tk_core::{Owner, ThreadId};

use super::list::{Element, Hooks, List};
use super::lock::{Mutex, MutexGuard, generation, lock};
use crate::sync::{AtomicBool, AtomicU32, Ordering, current_id, current_owner};
use crate::unpark::unpark_stopped;
use crate::{Limit, MAX_STOPS, WaitError, WaitInfo, mark_and_park_while, unpark_all};

/// How many children a request marks, or waits it wakes, before it lets others have the node's lists.
const BATCH: usize = 16;

#[cfg(not(tk_loom))]
static MARKING: Mutex<()> = Mutex::constant(());
#[cfg(tk_loom)]
loom::lazy_static! {
    static ref MARKING: Mutex<()> = Mutex::new(());
}

pub(super) struct Node {
    stopped: AtomicBool,
    lists: Mutex<Lists>,
    /// The places on the lists of the parents, if there are parents. Not a `Box`: that would claim to be the only way to
    /// them, while the parents' lists have others.
    links: Option<Arc<[Link]>>,
    /// Orders what an `Arc`'s count orders: loom does not see that of the standard library's.
    #[cfg(tk_loom)]
    shares: AtomicU32,
}

// A panic leaves nothing half done: user code runs between no two steps of a change.
impl RefUnwindSafe for Node {}

struct Lists {
    children: List<Link>,
    waits: List<Entry>,
    callbacks: List<Callback>,
    /// Whether a request has found children here.
    had_children: bool,
}

/// What other threads wait for, and whom they were about to tell, is the parent's. Children and callbacks stay: their handles
/// may be in the child's hands.
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
        // SAFETY: the lists were made before the lock was, and each word of them is valid after each store.
        let lists = unsafe { lists.assume_init_mut() };
        lists.waits.forget();
        lists.children.repair();
        lists.callbacks.repair();
    }
}

/// The place of a child on the list of one of its parents.
struct Link {
    hooks: Hooks<Link>,
    /// Taken when the child goes.
    parent: Option<Arc<Node>>,
    child: Weak<Node>,
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

    /// A node that is stopped with any of these.
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
            // SAFETY: the link is used with this list alone, and with its lock. It is part of what `node` points to, and stays
            // there until it is taken out in `Node::drop`.
            unsafe { lists.children.push(NonNull::from(link)) };
        }
        node
    }

    fn lists(&self) -> MutexGuard<'_, Lists> {
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
        // Acquire: pairs with the Release in `set_flag`; who sees the request sees what came before it.
        self.stopped.load(Ordering::Acquire)
    }

    /// Returns whether this was the first to do it.
    fn set_flag(&self) -> bool {
        // Release: pairs with the Acquire in `stop_requested`.
        !self.stopped.swap(true, Ordering::Release)
    }

    pub(super) fn request_stop(&self) -> bool {
        let Some(request) = Request::mark(self) else {
            return false;
        };
        request.wake();
        request.call();
        true
    }

    /// Takes the children off the list and marks them. Returns whether the node has anything for the other two steps.
    fn mark_children(&self, reached: &mut Reached, passed: &mut Reached) -> bool {
        loop {
            let mut lists = self.lists();
            for _ in 0..BATCH {
                let Some(link) = lists.children.pop() else {
                    // A wait or a callback that comes later sees the flag ("flag, then lists").
                    return !(lists.waits.is_empty() && lists.callbacks.is_empty());
                };
                lists.had_children = true;
                // SAFETY: the link was on the list, so its child has not got past the removal in `Node::drop`.
                let Some(child) = unsafe { link.as_ref() }.child.upgrade() else {
                    // The child's last handle has gone. Its drop will find that the link is off the list.
                    continue;
                };
                // Not dropped here: it may be the last share.
                if child.set_flag() {
                    reached.push(link, child);
                } else {
                    passed.push(link, child);
                }
            }
        }
    }

    fn wake(&self) {
        loop {
            let mut lists = self.lists();
            for _ in 0..BATCH {
                let Some(entry) = lists.waits.pop() else {
                    return;
                };
                // SAFETY: the entry was on the list, and stays while the node is locked ("a ticket on a list is valid").
                let entry = unsafe { entry.as_ref() };
                // SAFETY: as above.
                unsafe { unpark_stopped(entry.key, entry.ticket) };
            }
        }
    }

    /// Takes the next callback off the list, to be run by this thread.
    fn pop_callback(&self, me: Runner) -> Option<Arc<Callback>> {
        let mut lists = self.lists();
        let callback = lists.callbacks.pop()?;
        // SAFETY: the list had a share, which is taken over.
        let callback = unsafe { Arc::from_raw(callback.as_ptr()) };
        callback.runner.set(Some(me));
        Some(callback)
    }

    /// Registers a callback, unless the node is stopped.
    fn register(&self, callback: &Arc<Callback>) -> bool {
        let mut lists = self.lists();
        if self.stop_requested() {
            return false;
        }
        let share = Arc::into_raw(Arc::clone(callback)).cast_mut();
        // SAFETY: it is not null, as it comes from an `Arc`.
        let share = unsafe { NonNull::new_unchecked(share) };
        // SAFETY: the callback is used with this list alone, and with its lock. The list has a share in it.
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
        // Nodes that have gone, by their links, whose parents are yet to be told.
        let mut next = self.links.take();
        let mut others = Vec::new();
        while let Some(mut links) = next.or_else(|| others.pop()) {
            next = None;
            for link in &*links {
                // Acquire, by the count of this node: a request that had the link on its list has given up its share since.
                let mut lists = link.parent().lists();
                // SAFETY: the link is used with this list alone, and with its lock.
                unsafe { lists.children.remove(link) };
            }
            let links = Arc::get_mut(&mut links).expect("no list points to them any more");
            for link in links {
                // The last share of a parent is not dropped, but taken apart here.
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

/// Nodes, each with a share in it, by the link through which it was reached.
struct Reached(List<Link>);

impl Reached {
    fn new() -> Reached {
        Reached(List::new())
    }

    fn push(&mut self, link: NonNull<Link>, child: Arc<Node>) {
        mem::forget(child); // The list's share.
        // SAFETY: the link is on no list. No other thread uses its hooks: its parent does not have it on the list any more,
        // and its child, which would look, is kept. The link stays where it is as long as its child does.
        unsafe { self.0.push(link) };
    }

    /// The node of a link that is on this list.
    fn node(&self, link: NonNull<Link>) -> &Node {
        // SAFETY: the list has a share in the child, so that both are there.
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
        // SAFETY: the list had a share in the child, which is taken over. The pointer is that of the share.
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

/// One request on its way through a tree.
struct Request<'a> {
    root: &'a Node,
    /// The other nodes that this request has marked, and that have something for steps 2 and 3.
    reached: Reached,
}

impl<'a> Request<'a> {
    /// Step 1. `None` if the node was stopped before.
    fn mark(root: &'a Node) -> Option<Request<'a>> {
        let mut reached = Reached::new();
        let lists = root.lists();
        if lists.children.is_empty() && !lists.had_children {
            // There are no descendants, and there will be none.
            return root.set_flag().then_some(Request { root, reached });
        }
        drop(lists);

        // Nodes that need no more than to be dropped, with nothing locked.
        let mut passed = Reached::new();
        let marking = lock(&MARKING);
        if !root.set_flag() {
            // Another request has done it, and has marked all descendants, or it would have `MARKING`.
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
    fn wake(&self) {
        self.root.wake();
        let mut next = self.reached.0.first();
        while let Some(link) = next {
            self.reached.node(link).wake();
            next = self.reached.0.after(link);
        }
    }

    /// Step 3. A panic goes on when all have been called.
    fn call(mut self) {
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

/// Calls callbacks, in one thread.
#[derive(Default)]
struct Caller {
    me: Option<Runner>,
    /// Of the first callback that panicked.
    panic: Option<Box<dyn std::any::Any + Send>>,
}

impl Caller {
    fn call_all(&mut self, node: &Node) {
        while !node.lists().callbacks.is_empty() {
            // With nothing locked: it may register the thread.
            let me = *self.me.get_or_insert_with(Runner::current);
            if let Some(callback) = node.pop_callback(me) {
                self.call(&callback);
            }
        }
    }

    fn call(&mut self, callback: &Callback) {
        // This thread has taken it off the list.
        let function = callback.function.take();
        if let Some(function) = function
            && let Err(payload) = catch_unwind(AssertUnwindSafe(function))
        {
            match self.panic {
                None => self.panic = Some(payload),
                Some(_) => discard(payload),
            }
        }
        // Release: pairs with the Acquire in `has_ended`.
        if callback.progress.swap(ENDED, Ordering::Release) == AWAITED {
            unpark_all(&callback.progress, 0);
        }
    }
}

/// Drops a payload. A panic in its destructor goes no further.
pub(super) fn discard(payload: Box<dyn std::any::Any + Send>) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        mem::forget(second);
    }
}

type Function = Box<dyn FnOnce() + Send>;

struct Callback {
    hooks: Hooks<Callback>,
    /// For whoever takes the callback off the list.
    function: Cell<Option<Function>>,
    /// Who runs it, or has run it. Written and read with the node locked.
    runner: Cell<Option<Runner>>,
    progress: AtomicU32,
    /// Where it was registered.
    location: &'static Location<'static>,
}

/// The function has not come to its end, and nobody sleeps until it does.
const NOT_ENDED: u32 = 0;
/// The function has not come to its end. A thread sleeps until it does, or is about to.
const AWAITED: u32 = 1;
/// The function has come to its end.
const ENDED: u32 = 2;

// SAFETY: the function is used by whoever takes the callback off the list, once. The runner is used with the node locked.
unsafe impl Send for Callback {}
// SAFETY: as above.
unsafe impl Sync for Callback {}
// The function is called once or never, whatever panics.
impl RefUnwindSafe for Callback {}

impl Element for Callback {
    fn hooks(&self) -> &Hooks<Callback> {
        &self.hooks
    }
}

/// The thread that runs a callback.
#[derive(Clone, Copy)]
struct Runner {
    id: ThreadId,
    owner: Owner,
    /// Of the process in which the thread is.
    generation: u32,
}

impl Runner {
    fn current() -> Runner {
        Runner {
            id: current_id(),
            owner: current_owner(),
            generation: generation(),
        }
    }
}

/// A callback and the node where it is registered.
pub(super) struct Registration {
    callback: Arc<Callback>,
    node: Arc<Node>,
}

/// What has become of a callback whose registration was taken back.
pub(super) enum Unregistered {
    /// It will never run.
    Never,
    /// It has been called.
    Called,
}

impl Registration {
    /// Registers a function. Gives it back if the node is stopped.
    pub(super) fn new(
        node: &Arc<Node>,
        function: Function,
        location: &'static Location<'static>,
    ) -> Result<Registration, Function> {
        let callback = Arc::new(Callback {
            hooks: Hooks::new(),
            function: Cell::new(Some(function)),
            runner: Cell::new(None),
            progress: AtomicU32::new(NOT_ENDED),
            location,
        });
        #[cfg(tk_loom)]
        callback.progress.loom_register();
        if node.register(&callback) {
            let node = Arc::clone(node);
            return Ok(Registration { callback, node });
        }
        // It was on no list.
        Err(callback.function.take().expect("nobody has called it"))
    }

    /// Takes the registration back, unless the function has been called. Does not wait.
    pub(super) fn unregister(&self) -> Unregistered {
        let mut lists = self.node.lists();
        // SAFETY: the callback is used with this list alone, and with its lock.
        if !unsafe { lists.callbacks.remove(&self.callback) } {
            return Unregistered::Called;
        }
        drop(lists);
        // SAFETY: the list had a share, which is taken over.
        let share = unsafe { Arc::from_raw(Arc::as_ptr(&self.callback)) };
        // Dropped with nothing locked: it is the user's.
        drop(share.function.take());
        Unregistered::Never
    }

    /// Waits until the function, which has been called, has come to its end. Does not wait in the function itself, nor for a
    /// thread that was lost in a fork.
    pub(super) fn wait(&self, limit: Limit<'_>) -> Result<(), WaitError> {
        let callback = &*self.callback;
        // Acquire: pairs with the Release at the end of the function.
        let has_ended = || callback.progress.load(Ordering::Acquire) == ENDED;
        if has_ended() {
            return Ok(());
        }
        let lists = self.node.lists();
        let runner = callback.runner.get();
        drop(lists);
        // Nobody, if the thread was lost between two steps.
        let Some(runner) = runner.filter(|runner| runner.generation == generation()) else {
            return Ok(());
        };
        if runner.id == current_id() {
            return Ok(());
        }
        let info = WaitInfo::new("stop callback")
            .at(callback.location)
            .held_by(Some(runner.owner));
        // Relaxed: the queue orders it. Either the thread is in the queue before the end, which then
        // sees `AWAITED`, or it sees the end here and does not park.
        let mark_awaited = || {
            let now = callback.progress.load(Ordering::Relaxed);
            now == AWAITED
                || callback
                    .progress
                    .compare_exchange(NOT_ENDED, AWAITED, Ordering::Relaxed, Ordering::Relaxed)
                    .is_ok()
        };
        mark_and_park_while(
            &callback.progress,
            || !has_ended(),
            mark_awaited,
            &info,
            limit,
        )
    }
}

/// A wait on the list of a token.
struct Entry {
    hooks: Hooks<Entry>,
    key: usize,
    ticket: usize,
}

impl Element for Entry {
    fn hooks(&self) -> &Hooks<Entry> {
        &self.hooks
    }
}

struct StopWait<'a> {
    node: &'a Node,
    entry: Entry,
    _pinned: std::marker::PhantomPinned,
}

/// The places of one wait on the lists of its limit's tokens. It takes itself off them when it is dropped.
pub(crate) struct StopWaits<'a>([Option<StopWait<'a>>; MAX_STOPS]);

impl<'a> StopWaits<'a> {
    pub(crate) fn new() -> StopWaits<'a> {
        StopWaits([const { None }; MAX_STOPS])
    }

    /// Puts a wait on the lists of all tokens of this limit, before it parks. The thread leaves `park` after this is dropped.
    pub(crate) fn enlist(self: Pin<&mut Self>, limit: &Limit<'a>, key: usize, ticket: usize) {
        // SAFETY: nothing is moved out of it, and what is put in stays until it is dropped.
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
            // SAFETY: the entry is used with this list alone, and with its lock. It is pinned, and taken out when it is dropped.
            unsafe { lists.waits.push(NonNull::from(&wait.entry)) };
        }
    }
}

impl Drop for StopWait<'_> {
    fn drop(&mut self) {
        // A request may have taken the wait off the list. The lock is needed all the same: it may be about to unpark.
        let mut lists = self.node.lists();
        // SAFETY: the entry is used with this list alone, and with its lock.
        unsafe { lists.waits.remove(&self.entry) };
    }
}
