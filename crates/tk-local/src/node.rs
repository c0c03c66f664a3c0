//! The place for one thread's value in one `Local`.
//!
//! # Owners
//!
//! A node stands at a slot. A slot passes from a thread that is gone to a new one, so a node also
//! bears the id of its owner, which no other thread ever has. A thread owns a node if the node is
//! at the thread's slot and bears the thread's id.
//!
//! ```text
//!                    claim                          vacate, as the thread ends
//!   EMPTY, nobody's -------->  owner A  ------------------------------------------->  EMPTY, nobody's
//!                                 |
//!                                 |  A is gone, and the value is still there: a late destructor set it,
//!                                 |  or A ended while the value was in use
//!                                 v    claim, by the next thread in this slot: takes the old value out
//!                         any state, owner A  ------------------------------------>  EMPTY, owner B
//! ```
//!
//! # States and operations
//!
//! The flag is the state. *Owner* stands for the calls of the owner, *vacate* for the end of the
//! owner's thread, *claim* for the next thread in the slot; *visit* is one step of `iter_mut`, and
//! *empty* takes the values out as the `Local` goes.
//!
//! | flag | value | owner | vacate | claim | visit | empty |
//! |---|---|---|---|---|---|---|
//! | `EMPTY` | no | set → `PRESENT`, init → `INITIALIZING` | → nobody's | → claimer's | – | – |
//! | `PRESENT` | yes | borrow → 1 or `EXCLUSIVE`, take → `EMPTY` | take → `EMPTY`, nobody's | take → claimer's | → `VISITED` | take → `EMPTY` |
//! | n > 0 | yes | in n closures of `with_borrow`: n ± 1 | stays | next node | – | – |
//! | `EXCLUSIVE` | any | in `with_borrow_mut`: its end → `PRESENT` | stays | next node | – | – |
//! | `INITIALIZING` | no | in the initializer: its end → 1, its panic → `EMPTY` | stays | next node | – | – |
//! | `VISITED` | yes | an error | → `ORPHANED` | take → claimer's | – | take → `EMPTY` |
//! | `ORPHANED` | yes | an error | – | take → claimer's | – | take → `EMPTY` |
//!
//! The visitor's guard ends a visit: `VISITED` → `PRESENT`, and `ORPHANED` → `EMPTY`, nobody's.
//! *Take* moves the value out by way of `EXCLUSIVE`.
//!
//! # Invariants
//!
//! **Shares.** A node is freed when the last share in it is given up. The table has one in each of
//! its nodes until it is dropped, and a thread has one in each node of its list. A new share is
//! taken only by a thread that borrows the `Local`, so while the table has its own. This is the
//! reference count of an `Arc`.
//!
//! **Listed once.** A thread lists a node when it claims it, and unlists it when it vacates it, in
//! one step with giving up its share: no user code runs in between. A node that is in a list has an
//! owner, or had one that is ending, and so is claimed by nobody. So at a claim the table's share
//! is the only one.
//!
//! Without the one step, a value's `Drop` could claim the node again while the share of the first
//! time is still counted, and the list would have it twice.
//!
//! **One owner.** At any time at most one thread owns a node, because no two threads have one slot
//! at a time, nor ever one id, and `owner` is only changed to the id of the thread that changes it,
//! or to `NOBODY`. A thread's list is emptied before its slot is given back, under a lock of
//! tk-core. So the next owner comes after all that, and after the rest of the thread, its last
//! destructors, in time only.
//!
//! **Borrows.** The owner's calls and claims borrow the `Local`; visit, the end of a visit, and
//! empty have it mutably. So these two groups exclude each other. Vacate needs no borrow and may
//! run at the same time as the second group. It never runs at the same time as a call of the owner,
//! which is the same thread, nor as a claim, because of *one owner*. A visit that a claim or a call
//! finds is therefore one that was forgotten, and has ended.
//!
//! **Writers.** Where two operations may overlap, both change the flag by compare-exchange: vacate,
//! visit and its end, and empty. Claim does too, because it may come after a late destructor in
//! time only: a read-modify-write sees the last change. All other changes are a load and a store by
//! the thread that owns the node or has set the flag, with no user code in between.
//!
//! **One way out.** A value leaves the node by the thread that has changed the flag to `EXCLUSIVE`,
//! by the owner's call while it is `PRESENT`, or at the end of a visit while it is `ORPHANED`. Each
//! changes the flag to `EMPTY` next. So each value leaves once.
//!
//! **Order.** A change to `PRESENT` or `EMPTY` is a Release; taking a value out by compare-exchange
//! and a claim are an Acquire. So what one thread did to the value happens before what the next one
//! does. The owner needs no order with itself, and exclusive access to the `Local` comes after all
//! its borrows.
//!
//! **User code.** Initializers, closures, `Clone` and `Drop` run when no flag is set but the one
//! that the table above shows for them, no lock is held, and the node is not used again, or only
//! through a guard that keeps the flag. A value is dropped after it has left and after the share
//! has been given up; so its `Drop` may do anything to any node, and may drop the `Local` itself.
//! The global allocator counts as user code.
//!
//! **No late values.** When the table gives up its share, the node has no value, and gets none:
//! that takes a borrow of the `Local`. (In the child of a fork, it may have one that was in use by
//! a thread that does not exist there. That one is leaked.)

use std::any::Any;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};
use std::sync::atomic::AtomicPtr;

use crate::AccessError;
use crate::sync::{AtomicIsize, AtomicU32, AtomicU64, Ordering::*, UnsafeCell};

/// There is a value, and nobody uses it. Greater numbers count the shared borrows.
const PRESENT: isize = 0;
/// There is no value.
const EMPTY: isize = -1;
/// One thread uses the value and may change it, or moves it out.
const EXCLUSIVE: isize = -2;
/// The initializer runs.
const INITIALIZING: isize = -3;
/// `iter_mut` has lent the value.
const VISITED: isize = -4;
/// The same, and the owner has ended.
const ORPHANED: isize = -5;

/// The owner of a node that no thread owns.
const NOBODY: u64 = 0;

/// A pointer to a node, or none. Set once.
struct Link<T>(AtomicPtr<Node<T>>);

impl<T> Link<T> {
    const fn new() -> Link<T> {
        Link(AtomicPtr::new(ptr::null_mut()))
    }

    #[inline]
    fn pointer(&self) -> Option<NonNull<Node<T>>> {
        // Acquire: pairs with the Release in `set`.
        NonNull::new(self.0.load(Acquire))
    }

    /// Appends a node, which nobody owns yet, unless there is one already. Runs user code: the
    /// allocator.
    fn set(&self)
    where
        T: 'static,
    {
        let new = Node::new();
        // Release: pairs with the Acquire in `pointer`. An exchange, because the allocator may have
        // used the same `Local`, and because a former thread in this slot may have set the pointer
        // in a late destructor.
        let set = self
            .0
            .compare_exchange(ptr::null_mut(), new.as_ptr(), Release, Relaxed);
        if set.is_err() {
            // SAFETY: this is the only share (*shares*).
            unsafe { Node::release(new) };
        }
    }
}

/// The nodes of one slot in a table: one, and more only if former threads still use theirs.
///
/// A thread ceases to be itself in the middle of a borrow by `Registration::begin` or
/// `process::exit`. Where the system can't be asked whether a thread is gone, its slot is free
/// immediately.
pub(crate) struct Chain<T>(Link<T>, PhantomData<Box<Node<T>>>);

/// What [`Chain::claim`] did.
pub(crate) enum Claim<'a, T> {
    /// The thread owns a node already.
    Owned(Owned<'a, T>),
    /// The thread owns this node now, and is to list it right away. The value is that of a former
    /// owner.
    New(Owned<'a, T>, Unlisted<'a, T>, Option<T>),
    /// There was no node to be had, and the allocator has run to make one. The thread has to look
    /// again who it is.
    Again,
}

impl<T> Chain<T> {
    pub(crate) const fn new() -> Chain<T> {
        Chain(Link::new(), PhantomData)
    }

    /// The first node.
    #[inline]
    fn first(&self) -> Option<&Node<T>> {
        // SAFETY: the table, which is borrowed, has a share in the node (*shares*).
        self.0.pointer().map(|node| unsafe { node.as_ref() })
    }

    fn iter(&self) -> impl Iterator<Item = &Node<T>> {
        std::iter::successors(self.first(), |node| node.next())
    }

    /// The node that bears this id, as owned by the calling thread, which has the id.
    #[inline]
    pub(crate) fn owned_by(&self, id: u64) -> Option<Owned<'_, T>> {
        let first = self.first()?;
        if first.is_owned_by(id) {
            return Some(Owned(first));
        }
        first.next()?;
        self.chained_owned_by(id)
    }

    #[cold]
    fn chained_owned_by(&self, id: u64) -> Option<Owned<'_, T>> {
        self.iter().find(|node| node.is_owned_by(id)).map(Owned)
    }

    /// Makes the calling thread, which has the slot and this id, own a node. Runs user code only
    /// before it returns [`Claim::Again`].
    pub(crate) fn claim(&self, id: u64) -> Claim<'_, T>
    where
        T: 'static,
    {
        if let Some(owned) = self.owned_by(id) {
            return Claim::Owned(owned);
        }
        let mut link = &self.0;
        while let Some(node) = link.pointer() {
            // SAFETY: the table, which is borrowed, has a share in the node (*shares*).
            let node = unsafe { node.as_ref() };
            if let Ok(stale) = node.take_stale() {
                node.head.owner.store(id, Relaxed);
                return Claim::New(Owned(node), Unlisted(node), stale);
            }
            link = &node.next;
        }
        link.set();
        Claim::Again
    }

    /// Calls `f` with all nodes, for the one thread that has the table to itself.
    pub(crate) fn for_each<'a>(&'a self, f: &mut dyn FnMut(&'a Node<T>)) {
        self.iter().for_each(f);
    }
}

/// Gives up the table's shares. The values have been taken out (*no late values*).
///
/// In a loop: a chain may be longer than a stack of calls.
impl<T> Drop for Chain<T> {
    fn drop(&mut self) {
        let mut next = self.0.pointer();
        while let Some(node) = next {
            // SAFETY: the table's share in this node is given up below and not before (*shares*).
            next = unsafe { node.as_ref() }.next.pointer();
            // SAFETY: this is that share.
            unsafe { Node::release(node) };
        }
    }
}

/// The place for one value.
#[repr(C)]
pub(crate) struct Node<T> {
    /// First, so that a pointer to the one is a pointer to the other.
    head: Head,
    flag: AtomicIsize,
    value: UnsafeCell<MaybeUninit<T>>,
    /// The node to use if a former thread still uses this one.
    next: Link<T>,
}

/// A former thread still uses the value.
struct InUse;

/// What a thread's list needs to know of a node, whatever the type of its value.
struct Head {
    /// The id of the owner, or `NOBODY`. Relaxed throughout: a thread looks for its own id, which
    /// it alone writes. All else that matters is ordered by the flag.
    owner: AtomicU64,
    /// How many shares there are: the table's, and that of a thread's list.
    shares: AtomicU32,
    /// [`give_up`] for the type.
    give_up: unsafe fn(NonNull<Head>, Fate),
    /// For the list that has the node. Used by the thread of that list only.
    listed: UnsafeCell<Listed>,
}

/// What becomes of a value when its thread gives up its share in the node.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// The node is vacated and the value dropped.
    Dropped,
    /// The node is vacated and the value forgotten.
    Leaked,
    /// It stays the thread's, as if a late destructor had set it.
    Kept,
}

/// What a list notes in a node.
struct Listed {
    next: Option<Share>,
    generation: u32,
}

// SAFETY: `value` is used by one thread at a time, and by the next one after it (*borrows*,
// *writers*, *order*). To share or send a node is therefore to send values, for which `T: Send` is
// asked. That a closure of `with_borrow` shares its reference with other threads takes `T: Sync`,
// which the compiler asks for there. `listed` is used by the thread that has the node in its list.
// The next one has the node in its list after the share of the first was given up (*listed once*),
// which `Unlisted::list` orders.
unsafe impl<T: Send> Sync for Node<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Node<T> {}

/// A node that the calling thread has just claimed, and has to put into its list, or leave unlisted
/// if its end is not watched.
#[must_use]
pub(crate) struct Unlisted<'a, T>(&'a Node<T>);

impl<T> Unlisted<'_, T> {
    /// A share for the list of the calling thread.
    pub(crate) fn share(self) -> Share {
        let head = &self.0.head;
        // The table's share is there, because the `Local` is borrowed (*shares*). Acquire: pairs
        // with the Release in `Node::release`, after which the former owner's list does not use
        // `listed` any more.
        let before = head.shares.fetch_add(1, Acquire);
        if cfg!(any(debug_assertions, tk_loom)) {
            assert_eq!(before, 1, "a node is in one list");
        }
        Share(NonNull::from(self.0).cast())
    }
}

/// A thread's share in a node that it lists. A list never drops one, but gives it up by
/// [`leave`](Share::leave).
#[must_use]
pub(crate) struct Share(NonNull<Head>);

impl Share {
    fn head(&self) -> &Head {
        // SAFETY: the node is there as long as this share is (*shares*).
        unsafe { self.0.as_ref() }
    }

    /// Puts this node before others in a list of the calling thread.
    #[inline]
    pub(crate) fn link(self, next: Option<Share>, generation: u32) -> Share {
        self.head().listed.with_mut(|listed| {
            // SAFETY: the node is in the list of this thread, which is not looking at `listed`
            // elsewhere.
            unsafe { *listed = Listed { next, generation } }
        });
        self
    }

    /// The nodes behind this one, which are cut off, and the generation that was noted with this
    /// one.
    #[inline]
    pub(crate) fn unlink(&self) -> (Option<Share>, u32) {
        self.head().listed.with_mut(|listed| {
            // SAFETY: as in `link`.
            let listed = unsafe { &mut *listed };
            (listed.next.take(), listed.generation)
        })
    }

    /// Whether this is the last share: the `Local` is gone.
    pub(crate) fn is_last(&self) -> bool {
        // Relaxed: `release` orders what follows from it.
        self.head().shares.load(Relaxed) == 1
    }

    /// Vacates the node, gives up the share, and then drops the value. The value's `Drop` is user
    /// code, and nothing of the node is used after it begins. If this is the last share, there is
    /// no value (*no late values*).
    pub(crate) fn leave(self) {
        // SAFETY: the function is the one for the node's type, and the share is given up here,
        // once, as it is moved.
        unsafe { (self.head().give_up)(self.0, Fate::Dropped) }
    }

    /// Vacates the node, gives up the share, and forgets the value. Runs the allocator only, if
    /// this is the last share.
    pub(crate) fn leak(self) {
        // SAFETY: as in `leave`.
        unsafe { (self.head().give_up)(self.0, Fate::Leaked) }
    }

    /// Gives up the share and lets the value stay. Runs the allocator only, if this is the last
    /// share.
    pub(crate) fn abandon(self) {
        // SAFETY: as in `leave`.
        unsafe { (self.head().give_up)(self.0, Fate::Kept) }
    }
}

/// Vacates a node unless its value is kept, gives up the share, and drops the value unless it is
/// leaked.
///
/// # Safety
///
/// `head` is that of a `Node<T>` in which the caller has a share, which it gives up by this call.
unsafe fn give_up<T>(head: NonNull<Head>, fate: Fate) {
    let node = head.cast::<Node<T>>();
    let value = if fate == Fate::Kept {
        None
    } else {
        // SAFETY: the caller has a share (*shares*).
        unsafe { node.as_ref() }.vacate()
    };
    // SAFETY: by the caller's promise.
    unsafe { Node::release(node) };
    if fate == Fate::Leaked {
        std::mem::forget(value);
        return;
    }
    // Last of all. If the value's `Drop` sets a value in the same `Local`, it finds a node that
    // nobody owns and that is in no list (*listed once*). Had the share not been given up yet, the
    // node would be in the list, have this share too, and be listed for a second time.
    drop_quietly(value);
}

impl<T> Node<T> {
    /// With one share, for the table.
    fn new() -> NonNull<Node<T>>
    where
        T: 'static,
    {
        let node = Node {
            head: Head {
                owner: AtomicU64::new(NOBODY),
                shares: AtomicU32::new(1),
                give_up: give_up::<T>,
                listed: UnsafeCell::new(Listed {
                    next: None,
                    generation: 0,
                }),
            },
            flag: AtomicIsize::new(EMPTY),
            value: UnsafeCell::new(MaybeUninit::uninit()),
            next: Link::new(),
        };
        NonNull::from(Box::leak(Box::new(node)))
    }

    /// Gives up a share, and frees the node if it was the last.
    ///
    /// # Safety
    ///
    /// The caller has one, and does not use it again.
    unsafe fn release(node: NonNull<Node<T>>) {
        // SAFETY: the caller has a share (*shares*).
        let shares = unsafe { &(*node.as_ptr()).head.shares };
        // Release: what was done to the node is done before it is freed, and before another list
        // has it (pairs with `Unlisted::share`). Acquire: the one that frees it comes after all
        // others.
        if shares.fetch_sub(1, AcqRel) == 1 {
            // SAFETY: it came from a `Box` (`new`), and there is no other share (*shares*).
            let node = unsafe { Box::from_raw(node.as_ptr()) };
            // For the models: whatever was done to the value is done.
            node.value.with_mut(|_| ());
        }
    }

    #[inline]
    fn next(&self) -> Option<&Node<T>> {
        // SAFETY: a caller with a reference to this node borrows the table, which has a share in
        // the next node too (*shares*).
        self.next.pointer().map(|node| unsafe { node.as_ref() })
    }

    #[inline]
    fn is_owned_by(&self, id: u64) -> bool {
        self.head.owner.load(Relaxed) == id
    }

    /// Takes out what a former thread has left, for the thread that has the slot now.
    fn take_stale(&self) -> Result<Option<T>, InUse> {
        loop {
            // An exchange, though no other thread changes the flag now: it sees the last change of
            // all, also one by a late destructor, which this thread comes after in time only.
            // Acquire: pairs with the Release of that change.
            match self.flag.compare_exchange(EMPTY, EMPTY, Acquire, Relaxed) {
                Ok(_) => return Ok(None),
                // A visit that is seen here has been forgotten (*borrows*).
                Err(flag @ (PRESENT | VISITED | ORPHANED)) => {
                    if let Some(value) = self.take_out(flag) {
                        return Ok(Some(value));
                    }
                }
                Err(_) => return Err(InUse),
            }
        }
    }

    /// Moves the value out.
    ///
    /// # Safety
    ///
    /// It is there, and nobody else uses it.
    unsafe fn move_out(&self) -> T {
        // SAFETY: by the caller's promise; the flag says next that it is there no more (*one way
        // out*).
        let value = self
            .value
            .with_mut(|value| unsafe { (*value).assume_init_read() });
        // Release: pairs with the Acquire of a claim, and of `take_out`.
        self.flag.store(EMPTY, Release);
        value
    }

    /// Takes the value out if the flag is still this one, by which it is there and nobody uses it.
    fn take_out(&self, flag: isize) -> Option<T> {
        // Acquire: pairs with the Release of the last change of the value.
        self.flag
            .compare_exchange(flag, EXCLUSIVE, Acquire, Relaxed)
            .ok()?;
        // SAFETY: this thread has set the flag to `EXCLUSIVE` (*one way out*).
        Some(unsafe { self.move_out() })
    }

    /// Takes the value out as the thread ends, unless it is in use, and makes the node nobody's.
    ///
    /// A value that is visited is left to the visitor. If it is in use otherwise, either the thread
    /// ends in the middle of a borrow or an initializer, and the value stays for the next owner; or
    /// the `Local` is taking it out.
    fn vacate(&self) -> Option<T> {
        loop {
            match self.flag.load(Relaxed) {
                EMPTY => break,
                PRESENT => {
                    if let Some(value) = self.take_out(PRESENT) {
                        self.head.owner.store(NOBODY, Relaxed);
                        return Some(value);
                    }
                }
                VISITED => {
                    // Relaxed: what this thread did to the value, it did before the `Local` was
                    // borrowed mutably.
                    let left = self
                        .flag
                        .compare_exchange(VISITED, ORPHANED, Relaxed, Relaxed);
                    if left.is_ok() {
                        return None;
                    }
                }
                _ => return None,
            }
        }
        self.head.owner.store(NOBODY, Relaxed);
        None
    }

    /// Takes the value out, for the one thread that has the `Local` to itself. Not one that its own
    /// thread is taking out.
    pub(crate) fn empty(&self) -> Option<T> {
        loop {
            match self.flag.load(Relaxed) {
                // A visit that is seen here has been forgotten (*borrows*).
                flag @ (PRESENT | VISITED | ORPHANED) => {
                    if let Some(value) = self.take_out(flag) {
                        return Some(value);
                    }
                }
                _ => return None,
            }
        }
    }

    /// Visits the value, for the one thread that has the `Local` to itself.
    pub(crate) fn visit(&self) -> Option<Visit<'_, T>> {
        // Relaxed: what was done to the value was done before the `Local` was borrowed mutably.
        self.flag
            .compare_exchange(PRESENT, VISITED, Relaxed, Relaxed)
            .ok()?;
        Some(Visit(self))
    }
}

/// A node that the calling thread owns. Not kept while user code runs (*writers*).
#[must_use]
pub(crate) struct Owned<'a, T>(&'a Node<T>);

impl<'a, T> Owned<'a, T> {
    /// Whether there is a value.
    pub(crate) fn is_set(&self) -> bool {
        !matches!(self.0.flag.load(Relaxed), EMPTY | INITIALIZING)
    }

    /// Keeps the value, which must be there, from being changed.
    #[inline]
    pub(crate) fn share(self) -> Result<Shared<'a, T>, AccessError> {
        let flag = self.0.flag.load(Relaxed);
        if flag < PRESENT {
            return Err(in_use(flag));
        }
        // No overflow: each is a frame of the thread's stack.
        self.0.flag.store(flag + 1, Relaxed);
        Ok(Shared(self.0))
    }

    /// Clones the value, which must be there, and does not set the flag: for a `clone` that runs no
    /// user code.
    #[inline]
    pub(crate) fn copy(self) -> Result<T, AccessError>
    where
        T: Clone,
    {
        let flag = self.0.flag.load(Relaxed);
        if flag < PRESENT {
            return Err(in_use(flag));
        }
        // SAFETY: this thread owns the node, and the value is there and is not written (*borrows*):
        // nothing else runs now.
        Ok(self
            .0
            .value
            .with(|value| unsafe { (*value).assume_init_ref().clone() }))
    }

    /// Keeps everybody else from the value, which must be there.
    #[inline]
    pub(crate) fn exclude(self) -> Result<Exclusive<'a, T>, AccessError> {
        match self.0.flag.load(Relaxed) {
            PRESENT => {
                self.0.flag.store(EXCLUSIVE, Relaxed);
                Ok(Exclusive(self.0))
            }
            flag => Err(in_use(flag)),
        }
    }

    /// Puts a value there, and returns the one that was there, for the caller to drop.
    #[inline]
    pub(crate) fn replace(self, value: T) -> Result<Option<T>, (T, AccessError)> {
        match self.0.flag.load(Relaxed) {
            EMPTY => {
                self.put(value, PRESENT);
                Ok(None)
            }
            PRESENT => {
                // SAFETY: this thread owns the node, and the flag is `PRESENT` (*borrows*,
                // *writers*).
                let old = self
                    .0
                    .value
                    .with_mut(|place| unsafe { (*place).as_mut_ptr().replace(value) });
                // Release: pairs with the Acquire of `take_out`.
                self.0.flag.store(PRESENT, Release);
                Ok(Some(old))
            }
            flag => Err((value, in_use(flag))),
        }
    }

    /// Takes the value.
    pub(crate) fn take(self) -> Result<T, AccessError> {
        match self.0.flag.load(Relaxed) {
            // SAFETY: this thread owns the node, and the flag is `PRESENT` (*one way out*).
            PRESENT => Ok(unsafe { self.0.move_out() }),
            flag => Err(in_use(flag)),
        }
    }

    /// Puts there what `init` makes, if nothing is there, and keeps it from being changed. If
    /// `init` panics, nothing is there.
    ///
    /// The flag is neither `PRESENT` nor `EMPTY` from the beginning to the end. User code runs in
    /// between, and afterwards the thread may not own the node any more; but nobody claims it with
    /// this flag.
    pub(crate) fn get_or_init(
        self,
        init: impl FnOnce() -> T,
    ) -> Result<Shared<'a, T>, AccessError> {
        if self.0.flag.load(Relaxed) != EMPTY {
            return self.share();
        }
        self.0.flag.store(INITIALIZING, Relaxed);
        let initializing = Initializing(self.0);
        let value = init();
        std::mem::forget(initializing);
        self.put(value, 1);
        Ok(Shared(self.0))
    }

    /// For a place in which there is nothing, and which nobody else uses.
    fn put(&self, value: T, flag: isize) {
        // SAFETY: this thread owns the node and the flag is `EMPTY`, or it has set the flag to
        // `INITIALIZING` (*writers*).
        self.0
            .value
            .with_mut(|place| unsafe { ptr::write(place, MaybeUninit::new(value)) });
        // Release: pairs with the Acquire of `take_out`.
        self.0.flag.store(flag, Release);
    }
}

#[cold]
fn in_use(flag: isize) -> AccessError {
    match flag {
        EMPTY => AccessError::Unset,
        INITIALIZING => AccessError::Initializing,
        EXCLUSIVE | VISITED | ORPHANED => AccessError::BorrowedMut,
        _ => AccessError::Borrowed,
    }
}

/// A place whose initializer runs.
struct Initializing<'a, T>(&'a Node<T>);

impl<T> Drop for Initializing<'_, T> {
    fn drop(&mut self) {
        // Release: pairs with the Acquire in `take_stale`.
        self.0.flag.store(EMPTY, Release);
    }
}

/// A value that is there, and that nobody changes.
#[must_use]
pub(crate) struct Shared<'a, T>(&'a Node<T>);

impl<'a, T> Shared<'a, T> {
    #[inline]
    pub(crate) fn get(&self) -> &T {
        // SAFETY: the value is there and is not written while the flag is shared, which it is as
        // long as this guard lives (*writers*).
        self.0
            .value
            .with(|value| unsafe { (*value).assume_init_ref() })
    }

    /// Keeps everybody else from the value instead, if there is no other shared borrow.
    pub(crate) fn into_exclusive(self) -> Result<Exclusive<'a, T>, AccessError> {
        match self.0.flag.load(Relaxed) {
            1 => {
                let node = self.0;
                std::mem::forget(self);
                node.flag.store(EXCLUSIVE, Relaxed);
                Ok(Exclusive(node))
            }
            _ => Err(AccessError::Borrowed),
        }
    }
}

impl<T> Drop for Shared<'_, T> {
    #[inline]
    fn drop(&mut self) {
        let flag = self.0.flag.load(Relaxed);
        // Release: pairs with the Acquire of `take_out`.
        self.0.flag.store(flag - 1, Release);
    }
}

/// A value that is there, and that nobody else uses.
#[must_use]
pub(crate) struct Exclusive<'a, T>(&'a Node<T>);

impl<T> Exclusive<'_, T> {
    #[inline]
    pub(crate) fn get(&mut self) -> &mut T {
        // SAFETY: the value is there, and nobody else touches it while the flag is `EXCLUSIVE`,
        // which it is as long as this guard lives (*writers*). The guard itself is borrowed as long
        // as the result.
        self.0
            .value
            .with_mut(|value| unsafe { (*value).assume_init_mut() })
    }
}

impl<T> Drop for Exclusive<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // Release: pairs with the Acquire of `take_out`.
        self.0.flag.store(PRESENT, Release);
    }
}

/// A value that `iter_mut` has lent.
#[must_use]
pub(crate) struct Visit<'a, T>(&'a Node<T>);

impl<T> Visit<'_, T> {
    pub(crate) fn get(&self) -> &T {
        // SAFETY: the value is there, and nobody else touches it while the flag is `VISITED` or
        // `ORPHANED`, which it is as long as this guard lives (*borrows*).
        self.0
            .value
            .with(|value| unsafe { (*value).assume_init_ref() })
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        // SAFETY: as in `get`, and the guard itself is borrowed as long as the result.
        self.0
            .value
            .with_mut(|value| unsafe { (*value).assume_init_mut() })
    }
}

/// Drops the value if its thread has ended meanwhile: in that thread's stead, so quietly.
impl<T> Drop for Visit<'_, T> {
    fn drop(&mut self) {
        // Release: pairs with the Acquire of `take_out`.
        let orphaned = self
            .0
            .flag
            .compare_exchange(VISITED, PRESENT, Release, Relaxed)
            .is_err();
        if orphaned {
            self.0.head.owner.store(NOBODY, Relaxed);
            // SAFETY: the flag is `ORPHANED`: the thread has nothing more to do with the value, and
            // this thread, the visitor, is done with it (*one way out*).
            let value = unsafe { self.0.move_out() };
            // Last of all: user code.
            drop_quietly(Some(value));
        }
    }
}

/// Drops the value of a thread that has no use for a panic: the panic hook has reported it, and it
/// goes no further.
pub(crate) fn drop_quietly<T>(value: Option<T>) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        discard(payload);
    }
}

/// Drops what a panic has brought. If that panics in turn, nobody is left to tell.
pub(crate) fn discard(payload: Box<dyn Any + Send>) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(second);
    }
}
