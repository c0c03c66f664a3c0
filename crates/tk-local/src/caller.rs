//! The calling thread: its identity, and what happens to its values when it ends.
//!
//! # The end of a thread
//!
//! A thread lists the nodes that it claims. When it ends, `drop_values` empties the list, the node
//! that was claimed last first. A value's `Drop` is user code and may set values again, so each
//! listed node has a *generation*. Values that were set before the end are of generation 0. A value
//! that is set while one of generation n is dropped is of generation n + 1.
//!
//! | generation of a node | what `drop_values` does | initializers meanwhile |
//! |---|---|---|
//! | below `GENERATIONS` - 1 | drops the value | are called |
//! | `GENERATIONS` - 1, the last that is dropped | drops the value | are refused |
//! | `GENERATIONS` | leaks the value | – |
//!
//! # Invariants
//!
//! **Bounded end.** A thread drops at most `GENERATIONS` generations, as with the keys of POSIX
//! threads. Without the bound, a value that uses its own `Local` in its `Drop` would keep its
//! thread from ending: the initializer makes a new value, which is dropped, and so on. Leaving the
//! rest to the next thread in the slot would trap that thread in the same way.
//!
//! **Watched.** A thread lists a node only if its own end will call `drop_values`. Otherwise the
//! list would outlive the thread's claim to the slot.
//!
//! **No user code while borrowed.** The list is borrowed for single steps, in which neither a
//! value's `Drop` nor the allocator runs.

#![forbid(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;

use crate::node_list::NodeList;
use crate::node_ref::{NodeRef, Unlisted};
use crate::sync::{at_thread_exit, peek, register, thread_local};

/// How many generations of values a thread drops when it ends.
pub(crate) const GENERATIONS: u32 = if cfg!(tk_loom) { 2 } else { 32 };

/// A list is swept for the first time when it has this many nodes. After a sweep, the next one
/// comes when the list has twice as many nodes as that sweep left.
const SWEEP_AT_LEAST: usize = 32;

thread_local! {
    /// It has no destructor, so that late destructors of the thread can use it too.
    static THREAD: Thread = const { Thread::new() };
}

/// A thread's slot, and the id by which it owns nodes.
///
/// User code can change the thread's identity, by `Registration::begin`. So a `Caller` is made anew
/// after each piece of user code.
#[derive(Clone, Copy)]
pub(crate) struct Caller {
    pub(crate) slot: u32,
    pub(crate) id: u64,
    /// It describes the thread that made it.
    not_send: PhantomData<*const ()>,
}

impl Caller {
    /// The calling thread, without registering it. A thread that is not registered has slot zero,
    /// where there is no node.
    #[inline]
    pub(crate) fn peek() -> Caller {
        let (slot, id) = peek();
        Caller::new(slot, id)
    }

    /// The calling thread, which is about to claim a node. The thread is registered, and its end is
    /// watched if that is possible.
    ///
    /// The allocator may run, but not after the slot and the id have been read.
    pub(crate) fn current() -> Caller {
        THREAD.with(Thread::prepare);
        let caller = Caller::peek();
        assert_ne!(caller.slot, 0, "a registered thread has a slot");
        caller
    }

    #[inline]
    pub(crate) fn new(slot: u32, id: u64) -> Caller {
        Caller {
            slot,
            id,
            not_send: PhantomData,
        }
    }

    /// Lists a node that the thread has just claimed, so that its value is dropped when the thread
    /// ends.
    ///
    /// If the end is not watched, the node stays unlisted (*watched*). Its value is dropped by the
    /// next thread in the slot that claims the node, or with the `Local`.
    #[inline]
    pub(crate) fn list<T>(self, node: Unlisted<'_, T>) {
        THREAD.with(|thread| {
            if thread.watched.get() == self.id {
                let generation = thread.generation.get();
                thread.list.borrow_mut().push(node.into_ref(), generation);
            } else {
                node.release();
            }
        });
    }

    /// Whether the thread is dropping the last generation of its values, so that initializers are
    /// refused (*bounded end*).
    pub(crate) fn drops_last_generation() -> bool {
        THREAD.with(|thread| thread.generation.get() == GENERATIONS)
    }
}

/// A thread's nodes.
struct Thread {
    list: RefCell<NodeList>,
    /// The length at which the list is swept next.
    sweep_at: Cell<usize>,
    /// The id of the thread whose end calls `drop_values`, or zero if none does (*watched*).
    watched: Cell<u64>,
    /// The generation of values that are set now. Zero unless `drop_values` is running.
    generation: Cell<u32>,
}

impl Thread {
    const fn new() -> Thread {
        Thread {
            list: RefCell::new(NodeList::new()),
            sweep_at: Cell::new(SWEEP_AT_LEAST),
            watched: Cell::new(0),
            generation: Cell::new(0),
        }
    }

    /// Prepares for another node: sweeps the list if it has grown, and watches the thread's end.
    #[inline]
    fn prepare(&self) {
        if self.list.borrow().len() >= self.sweep_at.get() {
            self.sweep();
        }
        let Caller { slot, id, .. } = Caller::peek();
        if slot == 0 || id != self.watched.get() {
            self.watch();
        }
    }

    #[cold]
    fn watch(&self) {
        let id = register();
        if self.watched.get() == id {
            return;
        }
        // It fails in a late destructor, and if functions that run at the end of the thread keep
        // adding others. Nodes that are claimed then are not listed.
        let end = End(id);
        if at_thread_exit(Box::new(move || end.reached())).is_ok() {
            self.watched.set(id);
        }
    }

    /// Releases the nodes whose `Local` is gone. The list stays at most twice as long as the living
    /// `Local`s need, and a push takes amortized constant time.
    #[cold]
    fn sweep(&self) {
        let mut unused = self.list.borrow_mut().remove_unused();
        let len = self.list.borrow().len();
        self.sweep_at.set(SWEEP_AT_LEAST.max(2 * len));
        // The list is not borrowed here: releasing a node runs the allocator.
        while let Some((node, _)) = unused.pop() {
            node.vacate_and_release();
        }
    }

    /// Removes the node that was listed last. The list is not borrowed any more when this returns.
    fn pop(&self) -> Option<(NodeRef, u32)> {
        self.list.borrow_mut().pop()
    }

    /// Drops the thread's values as it ends, the last first, and those that are set meanwhile.
    ///
    /// It is re-entrant: a value's `Drop` may give the thread another identity, and end that before
    /// the `Drop` returns. Then the inner call drops all values that are left. Its generations
    /// continue those of the outer call, so the bound holds for both together.
    fn drop_values(&self) {
        let outer = self.generation.get();
        while let Some((node, generation)) = self.pop() {
            if generation < GENERATIONS {
                // For what the value's `Drop` sets.
                self.generation.set(generation + 1);
                node.vacate_and_release();
            } else {
                node.vacate_and_leak();
            }
        }
        self.generation.set(outer);
        self.watched.set(0);
    }

    /// Empties the list, and leaves the values in their nodes.
    fn abandon_values(&self) {
        while let Some((node, _)) = self.pop() {
            node.release_only();
        }
        self.watched.set(0);
    }
}

/// The end of a thread with this id.
struct End(u64);

impl End {
    fn reached(self) {
        THREAD.with(Thread::drop_values);
    }
}

/// Runs without `reached` if tk-core drops the function uncalled. The thread must not have a list
/// when its slot goes to another thread.
impl Drop for End {
    fn drop(&mut self) {
        THREAD.with(|thread| {
            if thread.watched.get() == self.0 {
                thread.abandon_values();
            }
        });
    }
}

/// Sweeps the calling thread's list, for a model.
#[cfg(tk_loom)]
pub(crate) fn sweep() {
    THREAD.with(Thread::sweep);
}

#[cfg(all(test, not(tk_loom)))]
mod tests {
    use super::*;
    use crate::Local;

    fn len() -> usize {
        THREAD.with(|thread| thread.list.borrow().len())
    }

    #[test]
    fn a_thread_forgets_the_locals_that_are_gone() {
        std::thread::spawn(|| {
            let kept: Vec<Local<usize>> = (0..100).map(|_| Local::new()).collect();
            for (i, local) in kept.iter().enumerate() {
                local.set(i);
                for _ in 0..100 {
                    Local::new().set("short-lived");
                }
            }
            assert!(len() >= kept.len());
            assert!(len() <= 2 * kept.len() + SWEEP_AT_LEAST);
            assert!((0..100).all(|i| kept[i].get() == Some(i)));
        })
        .join()
        .unwrap();
    }

    #[test]
    fn a_thread_lists_a_local_once() {
        std::thread::spawn(|| {
            let local = Local::new();
            for i in 0..100 {
                local.set(i);
                local.clear();
            }
            assert_eq!(len(), 1);
        })
        .join()
        .unwrap();
    }

    /// The case that the functions at the end of a thread are dropped uncalled.
    #[test]
    fn an_end_that_is_not_reached_leaves_no_list() {
        let local = Local::new();
        std::thread::scope(|s| {
            s.spawn(|| {
                local.set(1);
                assert_eq!(len(), 1);
                drop(End(Caller::peek().id + 1));
                assert_eq!(len(), 1);
                drop(End(Caller::peek().id));
                assert_eq!(len(), 0);
                assert_eq!(local.get(), Some(1));
            })
            .join()
            .unwrap();
        });
        let mut local = local;
        assert_eq!(local.iter_mut().count(), 1);
    }
}
