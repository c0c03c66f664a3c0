//! A doubly linked list whose links lie inside its elements, so that entering and leaving takes a
//! few stores and allocates nothing.
//!
//! # Invariants
//!
//! **Pinned while listed.** An element in a list exists and stays where it is until it has been
//! taken out.
//!
//! **One list, one lock.** An element is in one list at a time. Its hooks are used only by the
//! thread that has that list to itself, mostly because it holds the lock around it.
//!
//! **The forward chain is whole after each store.** The list can be read from `first` along `next`
//! at any moment, because an element is filled in before the one store that links it in, and one
//! store takes it out. `prev` and `last` may lag behind. The child of a fork relies on this, as a
//! lost thread may have been in the middle of a change. The child finds the list as it was after
//! one of the stores, whose order the fences keep. [`List::repair`] restores the rest.
//!
//! **The mark names the list.** An element is in a list exactly if its hooks carry the list's mark.
//! A list that is [forgotten](List::forget) or [repaired](List::repair) takes a new mark:
//! elements that are not in it any more are in no list, though no thread has touched them.

use std::num::NonZeroU32;
use std::ptr::NonNull;
use std::sync::atomic::{Ordering, fence};

#[cfg(tk_loom)]
use loom::cell::Cell;
#[cfg(not(tk_loom))]
use std::cell::Cell;

/// The links of an element.
pub(super) struct Hooks<T> {
    prev: Cell<Option<NonNull<T>>>,
    next: Cell<Option<NonNull<T>>>,
    /// That of the list, while the element is in one.
    mark: Cell<Option<NonZeroU32>>,
}

// SAFETY: the hooks are used with a lock held ("one list, one lock"), and what they point to can be
// in several threads' hands.
unsafe impl<T: Sync> Send for Hooks<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Hooks<T> {}

impl<T> Hooks<T> {
    pub(super) fn new() -> Hooks<T> {
        Hooks {
            prev: Cell::new(None),
            next: Cell::new(None),
            mark: Cell::new(None),
        }
    }
}

pub(super) trait Element: Sized {
    fn hooks(&self) -> &Hooks<Self>;
}

/// In the order of entry.
pub(super) struct List<T> {
    first: Option<NonNull<T>>,
    last: Option<NonNull<T>>,
    mark: NonZeroU32,
}

// SAFETY: a list gives access to its elements as shared references do.
unsafe impl<T: Sync> Send for List<T> {}

impl<T: Element> List<T> {
    pub(super) const fn new() -> List<T> {
        List {
            first: None,
            last: None,
            mark: NonZeroU32::MIN,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// Puts an element at the end.
    ///
    /// # Safety
    ///
    /// "One list, one lock" holds, and "pinned while listed" will. The element is in no list.
    pub(super) unsafe fn push(&mut self, element: NonNull<T>) {
        // SAFETY: by the caller's promise.
        let hooks = unsafe { element.as_ref() }.hooks();
        hooks.prev.set(self.last);
        hooks.next.set(None);
        hooks.mark.set(Some(self.mark));
        fence(Ordering::Release); // The element is filled in before it is linked in.
        match self.last {
            // SAFETY: the last element is in the list, and its hooks are used with the lock held.
            Some(last) => unsafe { last.as_ref() }.hooks().next.set(Some(element)),
            None => self.first = Some(element),
        }
        self.last = Some(element);
    }

    /// Takes an element out. Returns whether it was in the list.
    ///
    /// # Safety
    ///
    /// "One list, one lock" holds.
    pub(super) unsafe fn remove(&mut self, element: &T) -> bool {
        let hooks = element.hooks();
        if hooks.mark.get() != Some(self.mark) {
            return false;
        }
        let (prev, next) = (hooks.prev.get(), hooks.next.get());
        match prev {
            // SAFETY: the neighbor is in the list, and its hooks are used with the lock held.
            Some(prev) => unsafe { prev.as_ref() }.hooks().next.set(next),
            None => self.first = next,
        }
        fence(Ordering::Release); // It is out before anything shows that it is.
        match next {
            // SAFETY: as above.
            Some(next) => unsafe { next.as_ref() }.hooks().prev.set(prev),
            None => self.last = prev,
        }
        hooks.mark.set(None);
        true
    }

    /// Takes the first element out.
    pub(super) fn pop(&mut self) -> Option<NonNull<T>> {
        let first = self.first?;
        // SAFETY: the first element is in the list. It was pushed with the promise that its hooks
        // are used with the lock held that is around this list, and the caller has the
        // list.
        unsafe { self.remove(first.as_ref()) };
        Some(first)
    }

    /// The first element, which stays in the list.
    pub(super) fn first(&self) -> Option<NonNull<T>> {
        self.first
    }

    /// The element behind one that is in the list.
    pub(super) fn after(&self, element: NonNull<T>) -> Option<NonNull<T>> {
        // SAFETY: the element is in the list, which the caller has, and with it the lock.
        unsafe { element.as_ref() }.hooks().next.get()
    }

    /// Forgets all elements without touching them.
    pub(super) fn forget(&mut self) {
        self.first = None;
        self.last = None;
        self.renew_mark();
    }

    /// Makes everything agree with the forward chain.
    pub(super) fn repair(&mut self) {
        self.renew_mark();
        let (mut prev, mut next) = (None, self.first);
        while let Some(element) = next {
            // SAFETY: the element is in the list ("the forward chain is whole after each store").
            let hooks = unsafe { element.as_ref() }.hooks();
            hooks.prev.set(prev);
            hooks.mark.set(Some(self.mark));
            prev = next;
            next = hooks.next.get();
        }
        self.last = prev;
    }

    /// A mark comes again after 2³² forks, each in the child of the one before.
    fn renew_mark(&mut self) {
        self.mark = self.mark.checked_add(1).unwrap_or(NonZeroU32::MIN);
    }
}

#[cfg(all(test, not(tk_loom)))]
mod tests {
    use super::*;

    struct Number(u32, Hooks<Number>);

    impl Element for Number {
        fn hooks(&self) -> &Hooks<Number> {
            &self.1
        }
    }

    const N: usize = 4;

    fn numbers() -> [Number; N] {
        std::array::from_fn(|n| Number(n as u32, Hooks::new()))
    }

    fn forward(list: &List<Number>) -> Vec<u32> {
        let mut found = Vec::new();
        let mut next = list.first;
        while let Some(number) = next {
            // SAFETY: the numbers outlive the list.
            let number = unsafe { number.as_ref() };
            found.push(number.0);
            next = number.1.next.get();
        }
        found
    }

    fn backward(list: &List<Number>) -> Vec<u32> {
        let mut found = Vec::new();
        let mut prev = list.last;
        while let Some(number) = prev {
            // SAFETY: the numbers outlive the list.
            let number = unsafe { number.as_ref() };
            found.insert(0, number.0);
            prev = number.1.prev.get();
        }
        found
    }

    /// All sequences of entries, removals and pops up to a length, beside a vector.
    #[test]
    fn it_does_what_a_vector_does() {
        const STEPS: u32 = 5;
        let choices = 2 * N + 1;
        for mut sequence in 0..choices.pow(STEPS) {
            let numbers = numbers();
            let mut list = List::<Number>::new();
            let mut model = Vec::new();
            for _ in 0..STEPS {
                let choice = sequence % choices;
                sequence /= choices;
                let n = choice / 2;
                if choice == 2 * N {
                    // SAFETY: the numbers outlive the list.
                    let popped = list.pop().map(|number| unsafe { number.as_ref() }.0);
                    let expected = (!model.is_empty()).then(|| model.remove(0));
                    assert_eq!(popped, expected);
                } else if choice.is_multiple_of(2) {
                    let here = model.iter().position(|&other| other == n as u32);
                    // SAFETY: there is one list, in one thread.
                    assert_eq!(unsafe { list.remove(&numbers[n]) }, here.is_some());
                    here.map(|at| model.remove(at));
                } else if !model.contains(&(n as u32)) {
                    // SAFETY: as above, and the numbers outlive the list.
                    unsafe { list.push(NonNull::from(&numbers[n])) };
                    model.push(n as u32);
                }
                assert_eq!(forward(&list), model);
                assert_eq!(backward(&list), model);
                assert_eq!(list.is_empty(), model.is_empty());
            }
        }
    }

    #[test]
    fn a_repaired_list_is_whole() {
        let numbers = numbers();
        let mut list = List::new();
        for number in &numbers {
            // SAFETY: there is one list, in one thread, and the numbers outlive it.
            unsafe { list.push(NonNull::from(number)) };
        }
        // As if a thread had been lost in the middle of `remove` and of `push`.
        numbers[0].1.next.set(Some(NonNull::from(&numbers[2])));
        list.last = Some(NonNull::from(&numbers[2]));
        list.repair();
        assert_eq!(forward(&list), [0, 2, 3]);
        assert_eq!(backward(&list), [0, 2, 3]);
        // The one whose removal was not finished is out.
        // SAFETY: as above.
        unsafe { assert!(!list.remove(&numbers[1]) && list.remove(&numbers[2])) };
        assert_eq!(forward(&list), [0, 3]);
    }

    #[test]
    fn what_was_forgotten_is_in_no_list() {
        let numbers = numbers();
        let mut list = List::new();
        // SAFETY: there is one list, in one thread, and the numbers outlive it.
        unsafe {
            list.push(NonNull::from(&numbers[0]));
            list.forget();
            assert!(list.is_empty());
            list.push(NonNull::from(&numbers[1]));
            assert!(!list.remove(&numbers[0]));
            assert!(list.remove(&numbers[1]));
        }
    }
}
