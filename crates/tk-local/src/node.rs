//! The place for one thread's value in one `Local`.
//!
//! # Whose node it is
//!
//! A node stands at a slot. A slot goes from a thread that is gone to one that is new, so a node bears the number of its
//! owner, which no other thread ever has. A thread *holds* a node if the node is at the thread's slot and bears its
//! number.
//!
//! ```text
//!                    take over                       vacate, as the thread ends
//!   UNSET, nobody's  ------------------>  owner A  ------------------------------>  UNSET, nobody's
//!                                            |
//!                                            | A set it very late, and is gone
//!                                            V    take over, by the next thread in this slot
//!                                   FREE, still owner A  ------------------------------>  owner B
//! ```
//!
//! # The flag
//!
//! | flag | the value | who may read it | who may write it |
//! |---|---|---|---|
//! | `UNSET` | not there | nobody | nobody |
//! | `FREE` | there | the holder | nobody |
//! | n > 0 | there | the holder, which is in n closures of `with_borrow` | nobody |
//! | `EXCLUSIVE` | any | who set the flag | who set the flag |
//! | `INITIALIZING` | not there | nobody | the holder, which is in the initialiser |
//! | `VISITED` | there | who set the flag, through `iter_mut` | who set the flag |
//! | `LEFT` | there | as `VISITED`; its thread has ended meanwhile | as `VISITED` |
//!
//! # Invariants
//!
//! 1. A node stays where it is while somebody has a share in it. The table has one until it goes (for a chained node,
//!    the one before it has), and the list of a thread has one from when the thread takes the node over until it has
//!    vacated it. Who gives up the last frees it.
//! 2. At any time at most one thread holds a node. For no two threads have one slot at a time, nor ever one number; and
//!    `owner` is only ever changed to the number of the thread that does it, or to nobody's. A thread vacates its nodes
//!    before its slot is given back, which is done and undone under a lock of tk-core. So the next one comes after all of
//!    it, but for what the former did later still, in its last destructors.
//! 3. The flag is changed in two ways. (a) By a load and a store: by the thread that holds the node, or that set
//!    the flag; from `FREE` or `UNSET` only if no foreign code has run since it was seen to hold the node, and
//!    otherwise while a guard of its own keeps the flag from being either. (b) By a compare-exchange from `FREE` or
//!    `VISITED`: by the thread that vacates the node, by one that takes it over, and by one that has the `Local` to
//!    itself.
//! 4. (a) and (b) never overlap at the same node, but for the visitor's and the vacating thread's, both of which are
//!    (b) there. For all of (a) is done through a reference to the `Local`; who has that to itself excludes it. And who
//!    vacates is the holder itself, which has done so before its slot is another's. Hence the table above is kept.
//! 5. A change to `FREE` or `UNSET` is a Release; to take a value out, and to take a node over, begins with an Acquire.
//!    So whatever one thread did to the value is done when another one gets at it. The holder needs no order with
//!    itself, and who has the `Local` to itself none with those who used it before.
//! 6. A value is moved out of a node by who has changed the flag to `EXCLUSIVE`, by the holder while it is `FREE`, or by
//!    a visitor that finds it `LEFT`; each then changes it to `UNSET`. So each value leaves once, and is dropped by whom
//!    it left with: after the flag has been changed.
//! 7. Foreign code (initialisers, closures, `Clone`, `Drop`) runs with no flag set but the one that the caller knows
//!    of: shared in `with_borrow`, `EXCLUSIVE` in `with_borrow_mut`, `INITIALIZING` in an initialiser, `VISITED` in
//!    `iter_mut`. There are no locks.
//! 8. When the table's share is given up, no value is in the node, and none is put there any more: that takes the
//!    `Local`. (In the child of a fork it may hold what a thread was using that is not there. That is left alone.)

use std::any::Any;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};
use std::sync::atomic::AtomicPtr;

use crate::AccessError;
use crate::sync::{AtomicIsize, AtomicU32, AtomicU64, Ordering::*, UnsafeCell};

/// There is a value, and nobody uses it.
const FREE: isize = 0;
/// There is none.
const UNSET: isize = -1;
/// One thread uses the value and may change it, or the place for it.
const EXCLUSIVE: isize = -2;
/// The initialiser runs.
const INITIALIZING: isize = -3;
/// Who has the `Local` to itself looks at the value.
const VISITED: isize = -4;
/// The same, and the thread whose value it is has ended.
const LEFT: isize = -5;

/// The owner of a node that nobody holds.
const NOBODY: u64 = 0;

/// Where a table has the node of a slot, if there is one.
pub(crate) struct Entry<T>(AtomicPtr<Node<T>>, PhantomData<Box<Node<T>>>);

impl<T> Entry<T> {
    pub(crate) const fn new() -> Entry<T> {
        Entry(AtomicPtr::new(ptr::null_mut()), PhantomData)
    }

    #[inline]
    fn pointer(&self) -> Option<NonNull<Node<T>>> {
        // Acquire: pairs with the Release in `take_over`.
        NonNull::new(self.0.load(Acquire))
    }

    #[inline]
    pub(crate) fn get(&self) -> Option<&Node<T>> {
        // SAFETY: the table has a share in the node as long as it is there itself (1).
        self.pointer().map(|node| unsafe { node.as_ref() })
    }

    /// Makes the calling thread, which has the slot, hold this node or else one chained to it. Gives the value that was
    /// left in it.
    pub(crate) fn take_over(&self, id: u64) -> (Held<'_, T>, Share, Option<T>)
    where
        T: 'static,
    {
        let mut entry = self;
        let (pointer, stale) = loop {
            let Some(pointer) = entry.pointer() else {
                let new = Node::new();
                // An exchange, as in `take_stale`. Release: pairs with the Acquire in `pointer`.
                let made =
                    entry
                        .0
                        .compare_exchange(ptr::null_mut(), new.as_ptr(), Release, Relaxed);
                if made.is_ok() {
                    break (new, None);
                }
                // SAFETY: this is the only share.
                unsafe { Node::give_up(new) };
                continue;
            };
            // SAFETY: the table has a share in the node as long as it is there itself (1).
            let node = unsafe { pointer.as_ref() };
            match node.take_stale() {
                Ok(stale) => break (pointer, stale),
                Err(InUse) => entry = &node.next,
            }
        };
        // SAFETY: as above.
        let node = unsafe { pointer.as_ref() };
        node.head.owner.store(id, Relaxed);
        (Held(node), Share(pointer.cast()), stale)
    }

    /// Calls `f` with the node and those chained to it.
    pub(crate) fn for_each<'a>(&'a self, f: &mut dyn FnMut(&'a Node<T>)) {
        if let Some(node) = self.get() {
            node.chain().for_each(f);
        }
    }
}

/// Gives up the table's share in the node. The value has been taken out (8).
impl<T> Drop for Entry<T> {
    fn drop(&mut self) {
        if let Some(node) = self.pointer() {
            // SAFETY: this is that share.
            unsafe { Node::give_up(node) };
        }
    }
}

/// What one slot has in a table.
#[repr(C)]
pub(crate) struct Node<T> {
    /// First, so that a pointer to the one is a pointer to the other.
    head: Head,
    flag: AtomicIsize,
    value: UnsafeCell<MaybeUninit<T>>,
    /// The node to use if this one is still used by a former thread: one that ceased to be who it was in the middle of
    /// a borrow (`Registration::begin`, `process::exit`), on a platform where its slot is free at once.
    next: Entry<T>,
}

/// A former thread still uses the value.
struct InUse;

/// What a thread needs to know of a node that it has a share in, whatever the type of its value.
pub(crate) struct Head {
    /// The number of the thread that holds the node, or `NOBODY`. Relaxed throughout: a thread looks for its own
    /// number, which it alone writes; all else that matters is ordered by the flag.
    owner: AtomicU64,
    /// How many have a share: the table, and a thread's list.
    shares: AtomicU32,
    /// [`leave`] for the type.
    leave: unsafe fn(NonNull<Head>),
}

// SAFETY: the value, which alone is not `Sync`, is touched by one thread at a time (2 to 5), and by the next only after
// the one before is done with it. To share a node is therefore to send values, for which `T: Send` is asked. That a
// closure of `with_borrow` shares its reference with other threads takes `T: Sync`, which the compiler asks for there.
unsafe impl<T: Send> Sync for Node<T> {}

/// A node in which a thread has a share, or may take one when it has taken the node over.
pub(crate) struct Share(NonNull<Head>);

impl Share {
    /// Takes the share. To be given up by [`leave`](Share::leave).
    pub(crate) fn take(&self) {
        // Relaxed, and no addition: the only share is the table's, as what a former thread had it has given up (2).
        // The table's stays as long as there is a reference to the `Local`.
        // SAFETY: the node is there (1).
        unsafe { self.0.as_ref() }.shares.store(2, Relaxed);
    }

    /// Whether nobody else has one: the `Local` is gone.
    pub(crate) fn is_last(&self) -> bool {
        // SAFETY: the node is there (1).
        // Relaxed: what follows from it is ordered by `give_up`.
        unsafe { self.0.as_ref() }.shares.load(Relaxed) == 1
    }

    /// Vacates the node, in the thread that has the share. Runs foreign code unless this is the last share: then there
    /// is no value (8).
    pub(crate) fn leave(self) {
        // SAFETY: the share is given up here, once, as it is moved.
        unsafe { (self.0.as_ref().leave)(self.0) }
    }
}

/// Vacates a node as its thread ends, and gives up the share.
///
/// # Safety
///
/// `head` is that of a `Node<T>` in which the caller has a share, which it has no longer.
unsafe fn leave<T>(head: NonNull<Head>) {
    let node = head.cast::<Node<T>>();
    // SAFETY: the node is there (1).
    drop_quietly(unsafe { node.as_ref() }.vacate());
    // SAFETY: by the caller's promise.
    unsafe { Node::give_up(node) }
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
                leave: leave::<T>,
            },
            flag: AtomicIsize::new(UNSET),
            value: UnsafeCell::new(MaybeUninit::uninit()),
            next: Entry::new(),
        };
        NonNull::from(Box::leak(Box::new(node)))
    }

    /// Gives up a share, and frees the node if it was the last.
    ///
    /// # Safety
    ///
    /// The caller has one, and does not use it again.
    unsafe fn give_up(node: NonNull<Node<T>>) {
        // SAFETY: the node is there (1).
        let shares = unsafe { &(*node.as_ptr()).head.shares };
        // Release: what was done to the node is done before it is freed. Acquire: by all.
        if shares.fetch_sub(1, AcqRel) == 1 {
            // SAFETY: it came from a `Box` (`new`), and nobody else has a share (1).
            let node = unsafe { Box::from_raw(node.as_ptr()) };
            // For the models: whatever was done to the value is done.
            node.value.with_mut(|_| ());
        }
    }

    /// This node and those chained to it.
    fn chain(&self) -> impl Iterator<Item = &Node<T>> {
        std::iter::successors(Some(self), |node| node.next.get())
    }

    /// The node of the chain that bears this number, as held by the thread that does.
    #[inline]
    pub(crate) fn held_by(&self, id: u64) -> Option<Held<'_, T>> {
        if self.head.owner.load(Relaxed) == id {
            Some(Held(self))
        } else {
            self.next.get()?.chained_held_by(id)
        }
    }

    #[cold]
    fn chained_held_by(&self, id: u64) -> Option<Held<'_, T>> {
        let is_owned = |node: &&Node<T>| node.head.owner.load(Relaxed) == id;
        self.chain().find(is_owned).map(Held)
    }

    /// Takes out what a former thread has left, for the thread that has the slot now.
    fn take_stale(&self) -> Result<Option<T>, InUse> {
        // Exchanges, though nobody else changes the flag now: they see the last change of all, also one by a late
        // destructor, of which this thread knows by nothing else. Acquire: pairs with the Release of that change.
        loop {
            match self.flag.compare_exchange(UNSET, UNSET, Acquire, Relaxed) {
                Ok(_) => return Ok(None),
                Err(FREE) => {}
                Err(_) => return Err(InUse),
            }
            if let Some(value) = self.take_out(FREE) {
                return Ok(Some(value));
            }
        }
    }

    /// Moves the value out.
    ///
    /// # Safety
    ///
    /// It is there, and nobody else uses it.
    unsafe fn move_out(&self) -> T {
        // SAFETY: by the caller's promise; the flag says next that it is there no more (6).
        let value = self
            .value
            .with_mut(|value| unsafe { (*value).assume_init_read() });
        // Release: pairs with the Acquire of who gets at the place next.
        self.flag.store(UNSET, Release);
        value
    }

    /// Takes the value out, if the flag is still this one, by which it is there and nobody uses it.
    fn take_out(&self, flag: isize) -> Option<T> {
        // Acquire: pairs with the Release of who got at it last.
        self.flag
            .compare_exchange(flag, EXCLUSIVE, Acquire, Relaxed)
            .ok()?;
        // SAFETY: the flag is `EXCLUSIVE`, set by this thread (6).
        Some(unsafe { self.move_out() })
    }

    /// Takes the value out in the thread that ends, unless it is used, and makes the node nobody's.
    ///
    /// A value that is visited is left to the visitor. One in use otherwise is that of a closure that ends the thread,
    /// and stays; or the `Local` is being dropped.
    fn vacate(&self) -> Option<T> {
        loop {
            match self.flag.load(Relaxed) {
                UNSET => break,
                FREE => {
                    if let Some(value) = self.take_out(FREE) {
                        self.head.owner.store(NOBODY, Relaxed);
                        return Some(value);
                    }
                }
                VISITED => {
                    // Relaxed: what this thread did to the value, it did before it was visited.
                    let left = self.flag.compare_exchange(VISITED, LEFT, Relaxed, Relaxed);
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

    /// Takes the value out, for who has the `Local` to itself. Not one that its own thread is taking out.
    pub(crate) fn empty(&self) -> Option<T> {
        loop {
            match self.flag.load(Relaxed) {
                // It is visited though there is no visitor if what `iter_mut` gave was forgotten.
                flag @ (FREE | VISITED | LEFT) => {
                    if let Some(value) = self.take_out(flag) {
                        return Some(value);
                    }
                }
                _ => return None,
            }
        }
    }

    /// Visits the value, for who has the `Local` to itself.
    pub(crate) fn visit(&self) -> Option<Visit<'_, T>> {
        // Relaxed: what was done to the value was done before somebody had the `Local` to itself.
        self.flag
            .compare_exchange(FREE, VISITED, Relaxed, Relaxed)
            .ok()?;
        Some(Visit(self))
    }
}

/// A node that the calling thread holds. Not kept while foreign code runs (3).
#[must_use]
pub(crate) struct Held<'a, T>(&'a Node<T>);

impl<'a, T> Held<'a, T> {
    /// Whether there is a value.
    pub(crate) fn is_set(&self) -> bool {
        !matches!(self.0.flag.load(Relaxed), UNSET | INITIALIZING)
    }

    /// Keeps the value, which must be there, from being changed.
    #[inline]
    pub(crate) fn share(self) -> Result<Shared<'a, T>, AccessError> {
        let flag = self.0.flag.load(Relaxed);
        if flag < FREE {
            return Err(in_use(flag));
        }
        // No overflow: each is a frame of the thread's stack.
        self.0.flag.store(flag + 1, Relaxed);
        Ok(Shared(self.0))
    }

    /// Clones the value, which must be there, and does not say so meanwhile: for a `clone` that runs no foreign code.
    #[inline]
    pub(crate) fn copy(self) -> Result<T, AccessError>
    where
        T: Clone,
    {
        let flag = self.0.flag.load(Relaxed);
        if flag < FREE {
            return Err(in_use(flag));
        }
        // SAFETY: this thread holds the node, and the value is there and not written (4), as nothing else runs now.
        Ok(self
            .0
            .value
            .with(|value| unsafe { (*value).assume_init_ref().clone() }))
    }

    /// Keeps everybody else from the value, which must be there.
    #[inline]
    pub(crate) fn exclude(self) -> Result<Exclusive<'a, T>, AccessError> {
        match self.0.flag.load(Relaxed) {
            FREE => {
                self.0.flag.store(EXCLUSIVE, Relaxed);
                Ok(Exclusive(self.0))
            }
            flag => Err(in_use(flag)),
        }
    }

    /// Puts a value there, and gives the one that was there.
    #[inline]
    pub(crate) fn replace(self, value: T) -> Result<Option<T>, (T, AccessError)> {
        match self.0.flag.load(Relaxed) {
            UNSET => {
                self.put(value, FREE);
                Ok(None)
            }
            FREE => {
                // SAFETY: this thread holds the node, and the flag is `FREE` (4).
                let old = self
                    .0
                    .value
                    .with_mut(|place| unsafe { (*place).as_mut_ptr().replace(value) });
                // Release: pairs with the Acquire of who gets at it next.
                self.0.flag.store(FREE, Release);
                Ok(Some(old))
            }
            flag => Err((value, in_use(flag))),
        }
    }

    /// Takes the value.
    pub(crate) fn take(self) -> Result<T, AccessError> {
        match self.0.flag.load(Relaxed) {
            // SAFETY: this thread holds the node, and the flag is `FREE` (4).
            FREE => Ok(unsafe { self.0.move_out() }),
            flag => Err(in_use(flag)),
        }
    }

    /// Puts there what `init` makes, if nothing is there, and keeps it from being changed. If `init` panics, nothing is
    /// there.
    ///
    /// The flag is neither `FREE` nor `UNSET` from the beginning to the end: in between runs foreign code, after which
    /// the node may be held no longer.
    pub(crate) fn fill(self, init: impl FnOnce() -> T) -> Result<Shared<'a, T>, AccessError> {
        if self.0.flag.load(Relaxed) != UNSET {
            return self.share();
        }
        self.0.flag.store(INITIALIZING, Relaxed);
        let filling = Filling(self.0);
        let value = init();
        std::mem::forget(filling);
        self.put(value, 1);
        Ok(Shared(self.0))
    }

    /// For a place in which there is nothing, and which nobody else uses.
    fn put(&self, value: T, flag: isize) {
        // SAFETY: this thread holds the node and the flag is `UNSET`, or it set the flag, to `INITIALIZING` (3, 4).
        self.0
            .value
            .with_mut(|place| unsafe { ptr::write(place, MaybeUninit::new(value)) });
        // Release: pairs with the Acquire of who gets at it next.
        self.0.flag.store(flag, Release);
    }
}

#[cold]
fn in_use(flag: isize) -> AccessError {
    match flag {
        UNSET => AccessError::Unset,
        INITIALIZING => AccessError::Initializing,
        EXCLUSIVE | VISITED | LEFT => AccessError::BorrowedMut,
        _ => AccessError::Borrowed,
    }
}

/// A place whose initialiser runs.
struct Filling<'a, T>(&'a Node<T>);

impl<T> Drop for Filling<'_, T> {
    fn drop(&mut self) {
        // Release: pairs with the Acquire in `take_over`.
        self.0.flag.store(UNSET, Release);
    }
}

/// A value that is there, and that nobody changes.
#[must_use]
pub(crate) struct Shared<'a, T>(&'a Node<T>);

impl<'a, T> Shared<'a, T> {
    #[inline]
    pub(crate) fn get(&self) -> &T {
        // SAFETY: the value is there, and is not written as long as the flag is shared, which it is as long as this
        // guard lives (4).
        self.0
            .value
            .with(|value| unsafe { (*value).assume_init_ref() })
    }

    /// Instead keeps everybody else from it, if nobody else shares it.
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
        // Release: pairs with the Acquire of who gets at it next.
        self.0.flag.store(flag - 1, Release);
    }
}

/// A value that is there, and that nobody else uses.
#[must_use]
pub(crate) struct Exclusive<'a, T>(&'a Node<T>);

impl<T> Exclusive<'_, T> {
    #[inline]
    pub(crate) fn get(&mut self) -> &mut T {
        // SAFETY: the value is there, and nobody else touches it as long as the flag is `EXCLUSIVE`, which it is as long
        // as this guard lives (4). The guard itself is borrowed as long as the result.
        self.0
            .value
            .with_mut(|value| unsafe { (*value).assume_init_mut() })
    }
}

impl<T> Drop for Exclusive<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // Release: pairs with the Acquire of who gets at it next.
        self.0.flag.store(FREE, Release);
    }
}

/// A value that who has the `Local` to itself looks at.
#[must_use]
pub(crate) struct Visit<'a, T>(&'a Node<T>);

impl<T> Visit<'_, T> {
    pub(crate) fn get(&self) -> &T {
        // SAFETY: the value is there, and nobody else touches it as long as the flag is `VISITED` or `LEFT`, which it is
        // as long as this guard lives (4).
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
        // Release: pairs with the Acquire of who gets at it next.
        let left = self
            .0
            .flag
            .compare_exchange(VISITED, FREE, Release, Relaxed)
            .is_err();
        if left {
            self.0.head.owner.store(NOBODY, Relaxed);
            // SAFETY: the flag is `LEFT`: the thread has nothing more to do with the value, and who visits it, this
            // thread, is done with it (6).
            drop_quietly(Some(unsafe { self.0.move_out() }));
        }
    }
}

/// Drops the value of a thread that has no use for a panic: the panic hook has reported it, and it goes no further.
pub(crate) fn drop_quietly<T>(value: Option<T>) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        discard(payload);
    }
}

/// Drops what a panic has brought. If that panics in turn, there is nobody left to tell.
pub(crate) fn discard(payload: Box<dyn Any + Send>) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(second);
    }
}
