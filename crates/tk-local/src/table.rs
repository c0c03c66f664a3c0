//! The table of a `Local`: its nodes by slot.
//!
//! ```text
//!   Local:  near    [ node | node | ... ]                    slots below 32
//!           middle  -> page -> leaf of nodes                 slots below 1024
//!           far     -> page -> page -> ... -> leaf of nodes  all others
//! ```
//!
//! | operation | finds a node | finds none |
//! |---|---|---|
//! | `owned_at_hand`, to use a value fast | the caller's node, if it is a near or middle slot's first | `None` |
//! | `owned`, to use a value | the caller's node | `None` |
//! | `own`, to set a value | the caller's node, or claims one | makes the page or the node |
//! | `for_each`, with exclusive access | every node, with or without an owner | – |
//!
//! # Invariants
//!
//! **Proportional.** Each level of pages resolves five bits of the slot. A page or a node is made
//! when a thread is about to set a value there. So the memory of a table is proportional to the
//! number of slots that had a value, whatever these slots are.
//!
//! **Append only.** Pages stay until the table is dropped. Nodes stay at least as long, see
//! [`node_ref`](crate::node_ref).
//!
//! **Slot zero is empty.** No thread has slot zero, so there is never a node. A thread without a
//! slot looks there.

use once_cell::race::OnceBox;
use tk_core::__private::call_guarded;

use crate::caller::Caller;
use crate::chain::{Chain, Claim};
use crate::node::{Node, Owned};

/// The number of bits of a slot that select an entry of a page.
const PAGE_BITS: u32 = 5;
const PAGE_LEN: usize = 1 << PAGE_BITS;

/// A leaf of nodes, or a page of the next lower level.
trait Level<T>: Default {
    /// The number of bits of a slot that this level and those below resolve.
    const BITS: u32;

    /// The chain of this slot, unless a page on the way is missing.
    fn chain(&self, slot: u32) -> Option<&Chain<T>>;
    /// The chain of this slot. Runs user code: the allocator, for missing pages.
    fn chain_or_make(&self, slot: u32) -> &Chain<T>;
    /// Calls `f` with all nodes.
    fn for_each<'a>(&'a self, f: &mut dyn FnMut(&'a Node<T>));
}

struct Leaf<T>([Chain<T>; PAGE_LEN]);

impl<T> Default for Leaf<T> {
    fn default() -> Leaf<T> {
        Leaf([const { Chain::new() }; PAGE_LEN])
    }
}

impl<T> Level<T> for Leaf<T> {
    const BITS: u32 = PAGE_BITS;

    #[inline]
    fn chain(&self, slot: u32) -> Option<&Chain<T>> {
        Some(&self.0[slot as usize % PAGE_LEN])
    }

    fn chain_or_make(&self, slot: u32) -> &Chain<T> {
        &self.0[slot as usize % PAGE_LEN]
    }

    fn for_each<'a>(&'a self, f: &mut dyn FnMut(&'a Node<T>)) {
        self.0.iter().for_each(|chain| chain.for_each(f));
    }
}

struct Page<L>([OnceBox<L>; PAGE_LEN]);

impl<L> Default for Page<L> {
    fn default() -> Page<L> {
        Page([const { OnceBox::new() }; PAGE_LEN])
    }
}

impl<T, L: Level<T>> Level<T> for Page<L> {
    const BITS: u32 = L::BITS + PAGE_BITS;

    #[inline]
    fn chain(&self, slot: u32) -> Option<&Chain<T>> {
        self.0[(slot >> L::BITS) as usize % PAGE_LEN]
            .get()?
            .chain(slot)
    }

    fn chain_or_make(&self, slot: u32) -> &Chain<T> {
        self.0[(slot >> L::BITS) as usize % PAGE_LEN]
            .get_or_init(Box::default)
            .chain_or_make(slot)
    }

    fn for_each<'a>(&'a self, f: &mut dyn FnMut(&'a Node<T>)) {
        for level in self.0.iter().filter_map(OnceBox::get) {
            level.for_each(f);
        }
    }
}

type Middle<T> = Page<Leaf<T>>;
type Far<T> = Page<Page<Page<Page<Middle<T>>>>>;

const NEAR: u32 = 32;
const MIDDLE: u32 = 1 << <Middle<()> as Level<()>>::BITS;
const _: () = assert!(tk_core::Slot::MAX >> <Far<()> as Level<()>>::BITS == 0);

/// The nodes of one `Local`.
pub(crate) struct Table<T> {
    near: [Chain<T>; NEAR as usize],
    middle: OnceBox<Middle<T>>,
    far: OnceBox<Far<T>>,
}

impl<T> Table<T> {
    pub(crate) const fn new() -> Table<T> {
        Table {
            near: [const { Chain::new() }; NEAR as usize],
            middle: OnceBox::new(),
            far: OnceBox::new(),
        }
    }

    /// The node that the calling thread owns, if it is where nearly all nodes are. `None` says
    /// nothing.
    ///
    /// For the fast paths. It calls no function, so its caller saves no registers.
    #[inline]
    pub(crate) fn owned_at_hand(&self, caller: Caller) -> Option<Owned<'_, T>> {
        let chain = match caller.slot {
            slot @ ..NEAR => &self.near[slot as usize],
            slot @ NEAR..MIDDLE => {
                std::hint::cold_path();
                self.middle.get()?.chain(slot)?
            }
            MIDDLE.. => return None,
        };
        chain.first_if_owned_by(caller.id)
    }

    /// The node that the calling thread owns.
    pub(crate) fn owned(&self, caller: Caller) -> Option<Owned<'_, T>> {
        self.chain(caller.slot)?.owned_by(caller.id)
    }

    fn chain(&self, slot: u32) -> Option<&Chain<T>> {
        match slot {
            ..NEAR => Some(&self.near[slot as usize]),
            NEAR..MIDDLE => self.middle.get()?.chain(slot),
            MIDDLE.. => self.far.get()?.chain(slot),
        }
    }

    /// The chain of this slot. Runs user code: the allocator, for missing pages.
    fn chain_or_make(&self, slot: u32) -> &Chain<T> {
        match slot {
            ..NEAR => &self.near[slot as usize],
            NEAR..MIDDLE => self.middle.get_or_init(Box::default).chain_or_make(slot),
            MIDDLE.. => self.far.get_or_init(Box::default).chain_or_make(slot),
        }
    }

    /// The calling thread's node. The thread claims one if it owns none, and drops the value that a
    /// former thread has left in it.
    ///
    /// It starts again each time after user code has run, because the thread may own a node by now,
    /// or have another identity.
    #[cold]
    #[inline(never)]
    pub(crate) fn own(&self) -> Owned<'_, T>
    where
        T: 'static,
    {
        let mut spare = None;
        loop {
            let caller = Caller::current();
            let Some(chain) = self.chain(caller.slot) else {
                // Apart from the claim, because the allocator runs.
                self.chain_or_make(caller.slot);
                continue;
            };
            match chain.claim(caller.id, &mut spare) {
                // The allocator has used the same `Local` while it made the spare node. It runs
                // again when that is freed, which comes before the last look.
                Claim::Owned(_) if spare.is_some() => spare = None,
                Claim::Owned(owned) => return owned,
                Claim::New(owned, node, stale) => {
                    // Immediately after the claim (*listed once* in `node_ref`).
                    caller.list(node);
                    if spare.is_none() && stale.is_none() {
                        return owned;
                    }
                    spare = None;
                    call_guarded(|| drop(stale));
                }
                Claim::Full => spare = Some(Node::new()),
            }
        }
    }

    /// Calls `f` with every node, for the one thread that has the table to itself.
    pub(crate) fn for_each<'a>(&'a self, mut f: impl FnMut(&'a Node<T>)) {
        self.near.iter().for_each(|chain| chain.for_each(&mut f));
        if let Some(middle) = self.middle.get() {
            middle.for_each(&mut f);
        }
        if let Some(far) = self.far.get() {
            far.for_each(&mut f);
        }
    }
}

#[cfg(all(test, not(tk_loom)))]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use tk_core::Slot;

    use super::*;
    use crate::node_ref::NodeRef;

    /// Does what [`Table::own`] does, for any caller that owns no node. The reference is `None` for
    /// a caller whose end is not watched.
    fn claim<T: 'static>(
        table: &Table<T>,
        caller: Caller,
        watched: bool,
    ) -> (Option<NodeRef>, Option<T>) {
        let chain = table.chain_or_make(caller.slot);
        match chain.claim(caller.id, &mut Some(Node::new())) {
            Claim::New(_, node, stale) if watched => (Some(node.into_ref()), stale),
            Claim::New(_, node, stale) => {
                node.release();
                (None, stale)
            }
            Claim::Owned(_) => panic!("it owns one"),
            Claim::Full => panic!("there is a spare node"),
        }
    }

    fn take_over<T: 'static>(table: &Table<T>, caller: Caller) -> (NodeRef, Option<T>) {
        let (node_ref, stale) = claim(table, caller, true);
        (node_ref.unwrap(), stale)
    }

    fn set<T>(table: &Table<T>, caller: Caller, value: T) -> Option<T> {
        let owned = table.owned(caller).expect("the caller owns a node");
        owned.replace(value).ok().expect("nobody uses it")
    }

    fn get<T: Copy>(table: &Table<T>, caller: Caller) -> Option<T> {
        Some(*table.owned(caller)?.try_borrow().ok()?.get())
    }

    fn drain<T>(table: &Table<T>) -> Vec<T> {
        let mut values = Vec::new();
        table.for_each(|node| values.extend(node.take_exclusive()));
        values
    }

    #[test]
    fn slots_of_all_sizes_have_places_of_their_own() {
        let edges = [
            1,
            2,
            7,
            8,
            9,
            31,
            32,
            33,
            1023,
            1024,
            1025,
            32_767,
            32_768,
            1 << 20,
        ];
        let large = [(1 << 20) + 1, 1 << 25, Slot::MAX - 1, Slot::MAX];
        let slots: Vec<u32> = edges.into_iter().chain(large).collect();

        let table = Table::new();
        let mut refs = Vec::new();
        for &slot in &slots {
            let caller = Caller::new(slot, 7);
            assert!(table.owned(caller).is_none());
            let (node_ref, stale) = take_over(&table, caller);
            refs.push(node_ref);
            assert_eq!(stale, None);
            assert_eq!(set(&table, caller, slot), None);
        }
        for &slot in &slots {
            assert_eq!(get(&table, Caller::new(slot, 7)), Some(slot));
        }
        assert_eq!(drain(&table), slots);
        drop(table);
        assert!(refs.iter().all(NodeRef::is_last));
        refs.into_iter().for_each(NodeRef::vacate_and_release);
    }

    #[test]
    fn nobody_has_slot_zero() {
        let table = Table::<u32>::new();
        assert!(table.owned(Caller::new(0, 0)).is_none());
    }

    #[test]
    fn the_next_owner_of_a_slot_does_not_see_the_value_but_gets_it_out() {
        let table = Table::new();
        let (old, new) = (Caller::new(5, 1), Caller::new(5, 2));
        // Unlisted, as by a thread that sets a value very late.
        let _ = claim(&table, old, false);
        set(&table, old, "old");

        assert!(table.owned(new).is_none());
        let (node_ref, stale) = take_over(&table, new);
        assert_eq!(stale, Some("old"));
        assert!(table.owned(old).is_none());
        assert_eq!(get(&table, new), None);
        node_ref.vacate_and_release();
    }

    #[test]
    fn a_vacated_node_belongs_to_nobody() {
        let table = Table::new();
        let caller = Caller::new(5, 1);
        let (node_ref, _) = take_over(&table, caller);
        set(&table, caller, "value");

        assert!(!node_ref.is_last());
        node_ref.vacate_and_release();
        assert!(table.owned(caller).is_none());
        let (node_ref, stale) = take_over(&table, caller);
        assert_eq!(stale, None);
        node_ref.vacate_and_release();
    }

    #[test]
    fn a_value_in_use_is_left_alone_and_the_next_owner_gets_another_node() {
        let table = Table::new();
        let callers: Vec<Caller> = (1..=3).map(|id| Caller::new(5, id)).collect();
        let mut in_use = Vec::new();
        for &caller in &callers {
            let (node_ref, stale) = take_over(&table, caller);
            assert_eq!(stale, None);
            set(&table, caller, caller.id);
            in_use.push(table.owned(caller).unwrap().try_borrow().unwrap());
            node_ref.vacate_and_release();
        }
        for (guard, caller) in in_use.iter().zip(&callers) {
            assert_eq!(*guard.get(), caller.id);
        }
        for &caller in &callers {
            assert_eq!(get(&table, caller), Some(caller.id));
        }

        // When they are free, the first is the first to be used again.
        drop(in_use);
        let (node_ref, stale) = take_over(&table, Caller::new(5, 4));
        assert_eq!(stale, Some(1));
        node_ref.vacate_and_release();
        assert_eq!(drain(&table), [2, 3]);
    }

    #[test]
    fn a_node_being_filled_is_left_alone_too() {
        let table = Table::new();
        let (old, new) = (Caller::new(5, 1), Caller::new(5, 2));
        let (old_ref, _) = take_over(&table, old);
        let mut new_ref = None;
        let shared = table.owned(old).unwrap().get_or_init(|| {
            old_ref.vacate_and_release();
            let (node_ref, stale) = take_over(&table, new);
            assert_eq!(stale, None);
            new_ref = Some(node_ref);
            set(&table, new, "new");
            "old"
        });
        assert_eq!(*shared.unwrap().get(), "old");
        assert_eq!(get(&table, new), Some("new"));
        new_ref.unwrap().vacate_and_release();
        assert_eq!(drain(&table), ["old"]);
    }

    #[test]
    fn a_value_that_is_visited_is_left_to_the_visitor() {
        let table = Table::new();
        let caller = Caller::new(5, 1);
        let value = std::sync::Arc::new(());
        for in_time in [false, true] {
            let (node_ref, _) = take_over(&table, caller);
            set(&table, caller, value.clone());
            let mut visits = Vec::new();
            table.for_each(|node| visits.extend(node.lend()));
            assert_eq!(visits.len(), 1);
            if in_time {
                visits.clear();
                assert_eq!(std::sync::Arc::strong_count(&value), 2);
            }
            node_ref.vacate_and_release();
            if !in_time {
                assert_eq!(std::sync::Arc::strong_count(&value), 2);
                assert!(std::sync::Arc::ptr_eq(visits[0].get(), &value));
                visits.clear();
            }
            assert_eq!(std::sync::Arc::strong_count(&value), 1);
            assert!(table.owned(caller).is_none());
        }
    }

    #[test]
    fn a_forgotten_visit_gives_way_to_the_next_owner() {
        let table = Table::new();
        for id in 1..=100 {
            let caller = Caller::new(5, id);
            let (node_ref, stale) = take_over(&table, caller);
            assert_eq!(stale, (id > 1).then(|| id - 1));
            set(&table, caller, id);
            table.for_each(|node| std::mem::forget(node.lend()));
            assert!(table.owned(caller).unwrap().try_borrow().is_err());
            // One thread in two has set the value very late.
            if id % 2 == 0 {
                node_ref.vacate_and_release();
            } else {
                node_ref.release_only();
            }
        }
        let mut nodes = 0;
        table.for_each(|_| nodes += 1);
        assert_eq!(nodes, 1);
        assert_eq!(drain(&table), [100]);
    }

    #[test]
    fn a_value_that_is_abandoned_stays_its_threads() {
        let table = Table::new();
        let (old, new) = (Caller::new(5, 1), Caller::new(5, 2));
        let (node_ref, _) = take_over(&table, old);
        set(&table, old, "old");
        node_ref.release_only();
        assert_eq!(get(&table, old), Some("old"));
        let (node_ref, stale) = take_over(&table, new);
        assert_eq!(stale, Some("old"));
        // The same for the last reference.
        drop(table);
        node_ref.release_only();
    }

    /// Former threads that use their values without an end.
    #[test]
    fn a_long_chain_takes_no_stack() {
        const NODES: u64 = 1_000;
        let run = || {
            let table = Table::new();
            let (first, last) = (Caller::new(5, 1), Caller::new(5, NODES));
            for id in first.id..=last.id {
                // The end of the chain is where there is room.
                let (node_ref, stale) = take_over(&table, Caller::new(5, id));
                assert_eq!(stale, None);
                let owned = table.owned(Caller::new(5, id)).unwrap();
                std::mem::forget(owned.get_or_init(|| id).ok());
                // The first never releases its reference.
                if id > 1 {
                    node_ref.vacate_and_release();
                }
            }
            assert_eq!(get(&table, last), Some(NODES));
            assert_eq!(get(&table, first), Some(1));
            drop(table);
        };
        std::thread::Builder::new()
            .stack_size(64 * 1024)
            .spawn(run)
            .unwrap()
            .join()
            .unwrap();
    }

    /// The value's `Drop` claims the node that it was in.
    #[test]
    fn a_value_that_is_dropped_finds_the_node_in_no_list() {
        struct Claims(Rc<Table<Claims>>, Rc<Cell<Option<NodeRef>>>);

        impl Drop for Claims {
            fn drop(&mut self) {
                // The claim asserts that there is no other reference.
                let (node_ref, stale) = take_over(&self.0, Caller::new(5, 1));
                assert!(stale.is_none());
                self.1.set(Some(node_ref));
            }
        }

        let (table, again) = (Rc::new(Table::new()), Rc::new(Cell::new(None)));
        let caller = Caller::new(5, 1);
        let (node_ref, _) = take_over(&table, caller);
        let value = Claims(Rc::clone(&table), Rc::clone(&again));
        assert!(set(&table, caller, value).is_none());
        node_ref.vacate_and_release();
        let node_ref = again.take().expect("claimed again");
        assert!(!node_ref.is_last());
        drop(Rc::into_inner(table).expect("the value is gone"));
        assert!(node_ref.is_last());
        node_ref.vacate_and_release();
    }
}
