//! Where a `Local` has its values, by slot.
//!
//! ```text
//!   Local:  near    [ node | node | ... ]                    slots below 32
//!           middle  -> page -> leaf of nodes                 slots below 1024
//!           far     -> page -> page -> ... -> leaf of nodes  all others
//! ```
//!
//! Each level of pages takes five bits of the slot. A page or a node is made when a value is to be put there. So the
//! memory of a table is in proportion to the number of slots that had a value, however large they are, and to nothing
//! else. Pages stay until the table goes; nodes may stay longer, see [`crate::node`].
//!
//! No thread has slot zero, and so there is never a node: a thread that holds nothing looks there.

use once_cell::race::OnceBox;

use crate::caller::Caller;
use crate::node::{Entry, Held, Node, drop_quietly};

/// How many bits of a slot choose an entry of a page.
const PAGE_BITS: u32 = 5;
const PAGE_LEN: usize = 1 << PAGE_BITS;

/// A page of nodes, or a page of pages of the next lower level.
trait Level<T>: Default {
    /// How many bits of a slot are resolved at this level and below.
    const BITS: u32;

    fn entry(&self, slot: u32) -> Option<&Entry<T>>;
    fn entry_or_make(&self, slot: u32) -> &Entry<T>;
    fn for_each<'a>(&'a self, f: &mut dyn FnMut(&'a Node<T>));
}

struct Leaf<T>([Entry<T>; PAGE_LEN]);

impl<T> Default for Leaf<T> {
    fn default() -> Leaf<T> {
        Leaf([const { Entry::new() }; PAGE_LEN])
    }
}

impl<T> Level<T> for Leaf<T> {
    const BITS: u32 = PAGE_BITS;

    #[inline]
    fn entry(&self, slot: u32) -> Option<&Entry<T>> {
        Some(&self.0[slot as usize % PAGE_LEN])
    }

    fn entry_or_make(&self, slot: u32) -> &Entry<T> {
        &self.0[slot as usize % PAGE_LEN]
    }

    fn for_each<'a>(&'a self, f: &mut dyn FnMut(&'a Node<T>)) {
        self.0.iter().for_each(|entry| entry.for_each(f));
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
    fn entry(&self, slot: u32) -> Option<&Entry<T>> {
        self.0[(slot >> L::BITS) as usize % PAGE_LEN]
            .get()?
            .entry(slot)
    }

    fn entry_or_make(&self, slot: u32) -> &Entry<T> {
        self.0[(slot >> L::BITS) as usize % PAGE_LEN]
            .get_or_init(Box::default)
            .entry_or_make(slot)
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

/// The values of one `Local`.
pub(crate) struct Table<T> {
    near: [Entry<T>; NEAR as usize],
    middle: OnceBox<Middle<T>>,
    far: OnceBox<Far<T>>,
}

impl<T> Table<T> {
    pub(crate) const fn new() -> Table<T> {
        Table {
            near: [const { Entry::new() }; NEAR as usize],
            middle: OnceBox::new(),
            far: OnceBox::new(),
        }
    }

    /// The node that the calling thread holds.
    #[inline]
    pub(crate) fn held(&self, caller: Caller) -> Option<Held<'_, T>> {
        let entry = match caller.slot {
            ..NEAR => &self.near[caller.slot as usize],
            NEAR..MIDDLE => self.middle.get()?.entry(caller.slot)?,
            MIDDLE.. => self.far_entry(caller.slot)?,
        };
        entry.get()?.held_by(caller.id)
    }

    #[cold]
    fn far_entry(&self, slot: u32) -> Option<&Entry<T>> {
        self.far.get()?.entry(slot)
    }

    fn entry_or_make(&self, slot: u32) -> &Entry<T> {
        match slot {
            ..NEAR => &self.near[slot as usize],
            NEAR..MIDDLE => self.middle.get_or_init(Box::default).entry_or_make(slot),
            MIDDLE.. => self.far.get_or_init(Box::default).entry_or_make(slot),
        }
    }

    /// The calling thread's node, which it gets now if it holds none. May drop what a former thread has left in it.
    #[inline(never)]
    pub(crate) fn hold(&self) -> Held<'_, T>
    where
        T: 'static,
    {
        loop {
            let caller = Caller::current();
            if let Some(held) = self.held(caller) {
                return held;
            }
            let (held, share, stale) = self.entry_or_make(caller.slot).take_over(caller.id);
            caller.holds(share);
            if stale.is_none() {
                return held;
            }
            // Foreign code runs here, hence the loop.
            drop_quietly(stale);
        }
    }

    /// Calls `f` with every node, for who has the table to itself.
    pub(crate) fn for_each<'a>(&'a self, mut f: impl FnMut(&'a Node<T>)) {
        self.near.iter().for_each(|entry| entry.for_each(&mut f));
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
    use tk_core::Slot;

    use super::*;
    use crate::node::Share;

    /// What [`Table::hold`] does, for any caller.
    fn take_over<T: 'static>(table: &Table<T>, caller: Caller) -> (Share, Option<T>) {
        let (_, share, stale) = table.entry_or_make(caller.slot).take_over(caller.id);
        share.take();
        (share, stale)
    }

    fn set<T>(table: &Table<T>, caller: Caller, value: T) -> Option<T> {
        let held = table.held(caller).expect("the caller holds a node");
        held.replace(value).ok().expect("nobody uses it")
    }

    fn get<T: Copy>(table: &Table<T>, caller: Caller) -> Option<T> {
        Some(*table.held(caller)?.share().ok()?.get())
    }

    fn drain<T>(table: &Table<T>) -> Vec<T> {
        let mut values = Vec::new();
        table.for_each(|node| values.extend(node.empty()));
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
        let mut shares = Vec::new();
        for &slot in &slots {
            let caller = Caller::new(slot, 7);
            assert!(table.held(caller).is_none());
            let (share, stale) = take_over(&table, caller);
            shares.push(share);
            assert_eq!(stale, None);
            assert_eq!(set(&table, caller, slot), None);
        }
        for &slot in &slots {
            assert_eq!(get(&table, Caller::new(slot, 7)), Some(slot));
        }
        assert_eq!(drain(&table), slots);
        drop(table);
        assert!(shares.iter().all(Share::is_last));
        shares.into_iter().for_each(Share::leave);
    }

    #[test]
    fn nobody_has_slot_zero() {
        let table = Table::<u32>::new();
        assert!(table.held(Caller::new(0, 0)).is_none());
    }

    #[test]
    fn the_next_owner_of_a_slot_does_not_see_the_value_but_gets_it_out() {
        let table = Table::new();
        let (old, new) = (Caller::new(5, 1), Caller::new(5, 2));
        // Without a share, as a thread that sets a value very late.
        let _ = table.entry_or_make(old.slot).take_over(old.id);
        set(&table, old, "old");

        assert!(table.held(new).is_none());
        let (share, stale) = take_over(&table, new);
        assert_eq!(stale, Some("old"));
        assert!(table.held(old).is_none());
        assert_eq!(get(&table, new), None);
        share.leave();
    }

    #[test]
    fn a_vacated_node_belongs_to_nobody() {
        let table = Table::new();
        let caller = Caller::new(5, 1);
        let (share, _) = take_over(&table, caller);
        set(&table, caller, "value");

        assert!(!share.is_last());
        share.leave();
        assert!(table.held(caller).is_none());
        let (share, stale) = take_over(&table, caller);
        assert_eq!(stale, None);
        share.leave();
    }

    #[test]
    fn a_value_in_use_is_left_alone_and_the_next_owner_gets_another_node() {
        let table = Table::new();
        let callers: Vec<Caller> = (1..=3).map(|id| Caller::new(5, id)).collect();
        let mut in_use = Vec::new();
        for &caller in &callers {
            let (share, stale) = take_over(&table, caller);
            assert_eq!(stale, None);
            set(&table, caller, caller.id);
            in_use.push(table.held(caller).unwrap().share().unwrap());
            share.leave();
        }
        for (guard, caller) in in_use.iter().zip(&callers) {
            assert_eq!(*guard.get(), caller.id);
        }
        for &caller in &callers {
            assert_eq!(get(&table, caller), Some(caller.id));
        }

        // When they are free, the first is the first to be used again.
        drop(in_use);
        let (share, stale) = take_over(&table, Caller::new(5, 4));
        assert_eq!(stale, Some(1));
        share.leave();
        assert_eq!(drain(&table), [2, 3]);
    }

    #[test]
    fn a_node_being_filled_is_left_alone_too() {
        let table = Table::new();
        let (old, new) = (Caller::new(5, 1), Caller::new(5, 2));
        let (old_share, _) = take_over(&table, old);
        let mut new_share = None;
        let shared = table.held(old).unwrap().fill(|| {
            old_share.leave();
            let (share, stale) = take_over(&table, new);
            assert_eq!(stale, None);
            new_share = Some(share);
            set(&table, new, "new");
            "old"
        });
        assert_eq!(*shared.unwrap().get(), "old");
        assert_eq!(get(&table, new), Some("new"));
        new_share.unwrap().leave();
        assert_eq!(drain(&table), ["old"]);
    }

    #[test]
    fn a_value_that_is_visited_is_left_to_the_visitor() {
        let table = Table::new();
        let caller = Caller::new(5, 1);
        let value = std::sync::Arc::new(());
        for in_time in [false, true] {
            let (share, _) = take_over(&table, caller);
            set(&table, caller, value.clone());
            let mut visits = Vec::new();
            table.for_each(|node| visits.extend(node.visit()));
            assert_eq!(visits.len(), 1);
            if in_time {
                visits.clear();
                assert_eq!(std::sync::Arc::strong_count(&value), 2);
            }
            share.leave();
            if !in_time {
                assert_eq!(std::sync::Arc::strong_count(&value), 2);
                assert!(std::sync::Arc::ptr_eq(visits[0].get(), &value));
                visits.clear();
            }
            assert_eq!(std::sync::Arc::strong_count(&value), 1);
            assert!(table.held(caller).is_none());
        }
    }
}
