//! The table of a `Local`: which values there are, and whose.
//!
//! # What it looks like
//!
//! ```text
//!   Local --- Arc ---> Table
//!                        near:   [ node | node | ... ]                        slots below 32
//!                        middle: -> page -> page of nodes                     slots below 1024
//!                        far:    -> page -> page -> ... -> page of nodes      all others
//!
//!   node: owner, flag, value, next -> node
//! ```
//!
//! A thread finds its node by its slot: five bits of it choose among the 32 entries of each page. A page or node is
//! made when a value is to be put there, and stays until the table goes. So the memory of a table is in proportion to
//! the number of slots that had a value, however large they are, and to nothing else.
//!
//! # Whose node it is
//!
//! A slot goes from a thread that is gone to one that is new. Therefore a node bears the number of its owner, which no
//! other thread ever has. A thread *holds* a node if the node is at the thread's slot and bears its number.
//!
//! ```text
//!                        take over                       vacate, as the thread ends
//!   FREE, owner 0  ----------------------->  owner A  ------------------------------>  FREE, owner 0
//!                                               |
//!                                               | A set it very late, and is gone
//!                                               V    take over, by the next thread in this slot
//!                                      FREE, still owner A  ------------------------------>  owner B
//! ```
//!
//! As a rule a slot has one node. A thread can cease to be who it was in the middle of a borrow, namely if the closure
//! calls `Registration::begin` or `process::exit`. On a platform where slots are reused at once, the next one then
//! finds the node in use, and gets another, chained to it by `next`.
//!
//! # The flag
//!
//! | flag | the value | who may read it | who may write it |
//! |---|---|---|---|
//! | `FREE` | any | the holder | nobody |
//! | n > 0 | there | the holder, which is in n closures of `with_borrow` | nobody |
//! | `EXCLUSIVE` | any | who set the flag | who set the flag |
//! | `INITIALIZING` | not there | nobody | the holder, which is in the initialiser |
//!
//! # Invariants
//!
//! 1. A page or a node stays where it is until the table is freed, and that is not before the last `Arc` of it is gone.
//! 2. At any time at most one thread holds a node. For no two threads have one slot at a time, nor ever one number; and
//!    `owner` is only ever changed to the number of the thread that does it, or to zero.
//! 3. The flag is changed in two ways. (a) By the thread that holds the node, or that set the flag, by a load and a
//!    store: from `FREE` only if no foreign code has run since it was seen to hold the node, and otherwise while a
//!    guard of its own keeps the flag from being `FREE`. (b) By a compare-exchange from `FREE`: by the thread that
//!    takes the node over, by the thread that vacates it, and by the thread that drops the `Local`.
//! 4. (a) and (b) never overlap at the same node. Who takes over has the slot, so nobody else can hold the node; who
//!    vacates is the holder itself; who drops the `Local` has it to itself, and all of (a) is done through a reference
//!    to it. Hence between two changes from `FREE` there is one back to it, and the table above is kept.
//! 5. A change to `FREE` is a Release, a compare-exchange from it is an Acquire. So whatever one thread did to the
//!    value is done when another one gets at it. The holder needs no order with itself.
//! 6. Only a guard or a compare-exchange moves a value out of a node, with the flag `EXCLUSIVE`. So each value leaves
//!    once, and is dropped by whom it left with: after the flag has been changed back.
//! 7. Foreign code (initialisers, closures, `Clone`, `Drop`) runs with no flag set but the one that the caller knows
//!    of: shared in `with_borrow`, `EXCLUSIVE` in `with_borrow_mut`, `INITIALIZING` in an initialiser. There are no
//!    locks.
//! 8. When a `Local` has been dropped, no value is in its table, and none is put there any more. What outlives it are
//!    the empty nodes, as long as a thread is vacating one.

use std::any::Any;
use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicIsize, AtomicU64, Ordering::*};
use std::sync::{Arc, Weak};

use once_cell::race::OnceBox;

use crate::AccessError;
use crate::caller::{Caller, Column};

/// Nobody uses the value.
const FREE: isize = 0;
/// One thread uses the value and may change it.
const EXCLUSIVE: isize = -1;
/// The initialiser runs.
const INITIALIZING: isize = -2;

/// The owner of a node that nobody holds.
const NOBODY: u64 = 0;

/// How many bits of a slot choose an entry of a page.
const PAGE_BITS: u32 = 5;
const PAGE_LEN: usize = 1 << PAGE_BITS;

/// What one slot has in a table.
struct Node<T> {
    /// The number of the thread that holds the node, or `NOBODY`. Relaxed throughout: a thread looks for its own
    /// number, which it alone writes; all else that matters is ordered by the flag.
    owner: AtomicU64,
    flag: AtomicIsize,
    value: UnsafeCell<Option<T>>,
    /// The node to use if this one is still used by a former thread.
    next: OnceBox<Node<T>>,
}

// SAFETY: the value, which alone is not `Sync`, is touched by one thread at a time (2 to 5), and by the next only after
// the one before is done with it. To share a node is therefore to send values, for which `T: Send` is asked. That a
// closure of `with_borrow` shares its reference with other threads takes `T: Sync`, which the compiler asks for there.
unsafe impl<T: Send> Sync for Node<T> {}

impl<T> Default for Node<T> {
    fn default() -> Node<T> {
        Node {
            owner: AtomicU64::new(NOBODY),
            flag: AtomicIsize::new(FREE),
            value: UnsafeCell::new(None),
            next: OnceBox::new(),
        }
    }
}

impl<T> Node<T> {
    fn is_owned_by(&self, id: u64) -> bool {
        self.owner.load(Relaxed) == id
    }

    /// This node and those chained to it.
    fn chain(&self) -> impl Iterator<Item = &Node<T>> {
        std::iter::successors(Some(self), |node| node.next.get())
    }

    /// The node of the chain that bears this number.
    #[inline]
    fn owned_by(&self, id: u64) -> Option<&Node<T>> {
        if self.is_owned_by(id) {
            Some(self)
        } else {
            self.next.get()?.chained_owned_by(id)
        }
    }

    #[cold]
    fn chained_owned_by(&self, id: u64) -> Option<&Node<T>> {
        self.chain().find(|node| node.is_owned_by(id))
    }

    /// Takes the value out and changes the owner, unless the value is in use.
    ///
    /// For the thread that has the node's slot, or else has the `Local` to itself.
    fn empty(&self, owner: u64) -> Option<Option<T>> {
        // Acquire: pairs with the Release in `Exclusive::drop`, `Shared::drop` and here.
        self.flag
            .compare_exchange(FREE, EXCLUSIVE, Acquire, Relaxed)
            .ok()?;
        // SAFETY: the flag is `EXCLUSIVE`, set by this thread: nobody else touches the value (4), and what was done to
        // it before is done (5).
        let value = unsafe { (*self.value.get()).take() };
        self.owner.store(owner, Relaxed);
        // Release: pairs with the Acquire above, in another thread.
        self.flag.store(FREE, Release);
        Some(value)
    }
}

/// A level of the table: a node, or a page of the next lower level.
trait Level<T> {
    /// How many bits of a slot are resolved at this level and below.
    const BITS: u32;

    fn find(&self, slot: u32) -> Option<&Node<T>>;
    fn find_or_make(&self, slot: u32) -> &Node<T>;
    fn for_each(&self, f: &mut dyn FnMut(&Node<T>));
}

impl<T> Level<T> for Node<T> {
    const BITS: u32 = 0;

    #[inline]
    fn find(&self, _: u32) -> Option<&Node<T>> {
        Some(self)
    }

    fn find_or_make(&self, _: u32) -> &Node<T> {
        self
    }

    fn for_each(&self, f: &mut dyn FnMut(&Node<T>)) {
        self.chain().for_each(f);
    }
}

struct Page<L>([OnceBox<L>; PAGE_LEN]);

impl<L> Default for Page<L> {
    fn default() -> Page<L> {
        Page([const { OnceBox::new() }; PAGE_LEN])
    }
}

impl<L> Page<L> {
    #[inline]
    fn entry<T>(&self, slot: u32) -> &OnceBox<L>
    where
        L: Level<T>,
    {
        &self.0[(slot >> L::BITS) as usize % PAGE_LEN]
    }
}

impl<T, L: Level<T> + Default> Level<T> for Page<L> {
    const BITS: u32 = L::BITS + PAGE_BITS;

    #[inline]
    fn find(&self, slot: u32) -> Option<&Node<T>> {
        self.entry(slot).get()?.find(slot)
    }

    fn find_or_make(&self, slot: u32) -> &Node<T> {
        let level = self.entry(slot).get_or_init(Box::default);
        level.find_or_make(slot)
    }

    fn for_each(&self, f: &mut dyn FnMut(&Node<T>)) {
        for level in self.0.iter().filter_map(OnceBox::get) {
            level.for_each(f);
        }
    }
}

type Near<T> = Page<Node<T>>;
type Middle<T> = Page<Near<T>>;
type Far<T> = Page<Page<Page<Page<Middle<T>>>>>;

const NEAR: u32 = 1 << PAGE_BITS;
const MIDDLE: u32 = 1 << (2 * PAGE_BITS);
const _: () = assert!(tk_core::Slot::MAX >> <Far<()> as Level<()>>::BITS == 0);

/// The values of one `Local`, by slot.
pub(crate) struct Table<T> {
    near: Near<T>,
    middle: OnceBox<Middle<T>>,
    far: OnceBox<Far<T>>,
}

impl<T> Table<T> {
    pub(crate) fn new() -> Table<T> {
        Table {
            near: Page::default(),
            middle: OnceBox::new(),
            far: OnceBox::new(),
        }
    }

    /// The first node of that slot's chain.
    #[inline]
    fn node(&self, slot: u32) -> Option<&Node<T>> {
        match slot {
            ..NEAR => self.near.find(slot),
            NEAR..MIDDLE => self.middle.get()?.find(slot),
            MIDDLE.. => self.far_node(slot),
        }
    }

    #[cold]
    fn far_node(&self, slot: u32) -> Option<&Node<T>> {
        self.far.get()?.find(slot)
    }

    fn node_or_make(&self, slot: u32) -> &Node<T> {
        match slot {
            ..NEAR => self.near.find_or_make(slot),
            NEAR..MIDDLE => self.middle.get_or_init(Box::default).find_or_make(slot),
            MIDDLE.. => self.far.get_or_init(Box::default).find_or_make(slot),
        }
    }

    /// The node that the calling thread holds.
    #[inline]
    pub(crate) fn held(&self, caller: Caller) -> Option<Held<'_, T>> {
        self.node(caller.slot)?.owned_by(caller.id).map(Held)
    }

    /// Makes the calling thread hold a node that nobody uses, and gives the value that was left in it.
    fn take_over(&self, caller: Caller) -> Option<T> {
        let mut node = self.node_or_make(caller.slot);
        loop {
            match node.empty(caller.id) {
                Some(stale) => return stale,
                None => node = node.next.get_or_init(Box::default),
            }
        }
    }

    /// Takes every value out, for the thread that drops the `Local`. Leaves out a value that its own thread is taking
    /// out at the same time.
    pub(crate) fn drain(&self, mut f: impl FnMut(T)) {
        let mut drain = |node: &Node<T>| {
            if let Some(Some(value)) = node.empty(NOBODY) {
                f(value);
            }
        };
        self.near.for_each(&mut drain);
        if let Some(middle) = self.middle.get() {
            middle.for_each(&mut drain);
        }
        if let Some(far) = self.far.get() {
            far.for_each(&mut drain);
        }
    }
}

impl<T: 'static> Table<T> {
    /// The calling thread's node, which it gets now if it holds none. May drop what a former thread has left in it.
    #[cold]
    pub(crate) fn hold(self: &Arc<Self>) -> Held<'_, T> {
        loop {
            let caller = Caller::current();
            if let Some(held) = self.held(caller) {
                return held;
            }
            let stale = self.take_over(caller);
            let column: Weak<Table<T>> = Arc::downgrade(self);
            caller.holds_in(column);
            // Foreign code may run here, hence the loop.
            drop_quietly(stale);
        }
    }
}

impl<T> Column for Table<T> {
    fn vacate(&self, caller: Caller) {
        let node = self
            .node(caller.slot)
            .and_then(|node| node.owned_by(caller.id));
        // A value in use is that of a closure that ends the thread. It stays where it is.
        if let Some(value) = node.and_then(|node| node.empty(NOBODY)) {
            drop_quietly(value);
        }
    }
}

/// A node that the calling thread holds. Not kept while foreign code runs (3).
#[must_use]
pub(crate) struct Held<'a, T>(&'a Node<T>);

impl<'a, T> Held<'a, T> {
    /// Whether there is a value.
    pub(crate) fn is_set(&self) -> bool {
        match self.0.flag.load(Relaxed) {
            // SAFETY: this thread holds the node, and the flag is `FREE`: nobody writes the value (4).
            FREE => unsafe { (*self.0.value.get()).is_some() },
            flag => flag != INITIALIZING,
        }
    }

    /// Keeps the value, which must be there, from being changed.
    #[inline]
    pub(crate) fn share(self) -> Result<Shared<'a, T>, AccessError> {
        let flag = self.0.flag.load(Relaxed);
        if flag < FREE {
            return Err(in_use(flag));
        }
        // SAFETY: this thread holds the node, and the flag is `FREE` or shared: nobody writes the value (4).
        let value = unsafe { &*self.0.value.get() };
        let value = NonNull::from(value.as_ref().ok_or(AccessError::Unset)?);
        // No overflow: each is a frame of the thread's stack.
        self.0.flag.store(flag + 1, Relaxed);
        Ok(Shared {
            node: self.0,
            value,
        })
    }

    /// Keeps everybody else from the value, or the place for it.
    #[inline]
    pub(crate) fn exclude(self) -> Result<Exclusive<'a, T>, AccessError> {
        let flag = self.0.flag.load(Relaxed);
        if flag != FREE {
            return Err(in_use(flag));
        }
        self.0.flag.store(EXCLUSIVE, Relaxed);
        Ok(Exclusive { node: self.0 })
    }
}

#[cold]
fn in_use(flag: isize) -> AccessError {
    match flag {
        INITIALIZING => AccessError::Initializing,
        EXCLUSIVE => AccessError::BorrowedMut,
        _ => AccessError::Borrowed,
    }
}

/// A value that is there, and that nobody changes.
#[must_use]
pub(crate) struct Shared<'a, T> {
    node: &'a Node<T>,
    value: NonNull<T>,
}

impl<T> Shared<'_, T> {
    #[inline]
    pub(crate) fn get(&self) -> &T {
        // SAFETY: the value was there when this guard changed the flag, is where it was (1), and is not written as long
        // as the flag is shared, which it is as long as the guard lives (4).
        unsafe { self.value.as_ref() }
    }
}

impl<T> Drop for Shared<'_, T> {
    #[inline]
    fn drop(&mut self) {
        let flag = self.node.flag.load(Relaxed);
        // Release: pairs with the Acquire in `Node::empty`.
        self.node.flag.store(flag - 1, Release);
    }
}

/// A place for a value that nobody else uses.
#[must_use]
pub(crate) struct Exclusive<'a, T> {
    node: &'a Node<T>,
}

impl<'a, T> Exclusive<'a, T> {
    #[inline]
    pub(crate) fn get(&mut self) -> &mut Option<T> {
        // SAFETY: the flag is `EXCLUSIVE` as long as this guard lives, but while `fill` runs: nobody else touches the
        // value (4). The guard itself is borrowed as long as the result.
        unsafe { &mut *self.node.value.get() }
    }

    /// Puts there what `init` makes, if nothing is there.
    pub(crate) fn fill(&mut self, init: impl FnOnce() -> T) {
        if self.get().is_none() {
            self.node.flag.store(INITIALIZING, Relaxed);
            // If this panics, the guard frees the place as it found it.
            let value = init();
            self.node.flag.store(EXCLUSIVE, Relaxed);
            *self.get() = Some(value);
        }
    }

    /// Lets the thread share the value, if there is one. The flag is not `FREE` in between: `fill` may have run foreign
    /// code, and the node may be held no longer.
    pub(crate) fn into_shared(mut self) -> Result<Shared<'a, T>, AccessError> {
        let value = NonNull::from(self.get().as_ref().ok_or(AccessError::Unset)?);
        let node = self.node;
        std::mem::forget(self);
        node.flag.store(1, Relaxed);
        Ok(Shared { node, value })
    }
}

impl<T> Drop for Exclusive<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // Release: pairs with the Acquire in `Node::empty`.
        self.node.flag.store(FREE, Release);
    }
}

/// Drops the value of a thread that has no use for a panic: the panic hook has reported it, and it goes no further.
fn drop_quietly<T>(value: Option<T>) {
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

#[cfg(test)]
mod tests {
    use tk_core::Slot;

    use super::*;

    fn set<T>(table: &Table<T>, caller: Caller, value: T) -> Option<T> {
        let held = table.held(caller).expect("the caller holds a node");
        held.exclude().expect("nobody uses it").get().replace(value)
    }

    fn get<T: Copy>(table: &Table<T>, caller: Caller) -> Option<T> {
        Some(*table.held(caller)?.share().ok()?.get())
    }

    #[test]
    fn slots_of_all_sizes_have_places_of_their_own() {
        let edges = [1, 2, 31, 32, 33, 1023, 1024, 1025, 32_767, 32_768];
        let large = [1 << 20, (1 << 20) + 1, 1 << 25, Slot::MAX - 1, Slot::MAX];
        let slots: Vec<u32> = edges.into_iter().chain(large).collect();

        let table = Table::new();
        for &slot in &slots {
            let caller = Caller::new(slot, 7);
            assert!(table.held(caller).is_none());
            assert_eq!(table.take_over(caller), None);
            assert_eq!(set(&table, caller, slot), None);
        }
        for &slot in &slots {
            assert_eq!(get(&table, Caller::new(slot, 7)), Some(slot));
        }
        let mut drained = Vec::new();
        table.drain(|value| drained.push(value));
        assert_eq!(drained, slots);
    }

    #[test]
    fn the_next_owner_of_a_slot_does_not_see_the_value_but_gets_it_out() {
        let table = Table::new();
        let (old, new) = (Caller::new(5, 1), Caller::new(5, 2));
        table.take_over(old);
        set(&table, old, "old");

        assert!(table.held(new).is_none());
        assert_eq!(table.take_over(new), Some("old"));
        assert!(table.held(old).is_none());
        assert_eq!(get(&table, new), None);
    }

    #[test]
    fn a_vacated_node_belongs_to_nobody() {
        let table = Table::new();
        let caller = Caller::new(5, 1);
        table.take_over(caller);
        set(&table, caller, "value");

        table.vacate(caller);
        assert!(table.held(caller).is_none());
        assert_eq!(table.take_over(caller), None);
    }

    #[test]
    fn a_value_in_use_is_left_alone_and_the_next_owner_gets_another_node() {
        let table = Table::new();
        let callers: Vec<Caller> = (1..=3).map(|id| Caller::new(5, id)).collect();
        let mut in_use = Vec::new();
        for &caller in &callers {
            assert_eq!(table.take_over(caller), None);
            set(&table, caller, caller.id);
            in_use.push(table.held(caller).unwrap().share().unwrap());
            table.vacate(caller);
        }
        for (guard, caller) in in_use.iter().zip(&callers) {
            assert_eq!(*guard.get(), caller.id);
        }
        for &caller in &callers {
            assert_eq!(get(&table, caller), Some(caller.id));
        }

        // When they are free, the first is the first to be used again.
        drop(in_use);
        assert_eq!(table.take_over(Caller::new(5, 4)), Some(1));
        let mut drained = Vec::new();
        table.drain(|value| drained.push(value));
        assert_eq!(drained, [2, 3]);
    }

    #[test]
    fn a_node_being_filled_or_excluded_is_left_alone_too() {
        let table = Table::new();
        let (old, new) = (Caller::new(5, 1), Caller::new(5, 2));
        table.take_over(old);
        let mut place = table.held(old).unwrap().exclude().unwrap();
        place.fill(|| {
            table.vacate(old);
            assert_eq!(table.take_over(new), None);
            set(&table, new, "new");
            "old"
        });
        table.vacate(old);
        assert_eq!(*place.into_shared().unwrap().get(), "old");
        assert_eq!(get(&table, new), Some("new"));
    }
}
