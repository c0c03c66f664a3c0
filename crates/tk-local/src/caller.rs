//! The calling thread: its identity, and what happens to its values when it ends.
//!
//! # The end of a thread
//!
//! A thread lists the nodes that it claims, and `drop_values` empties the list when the thread
//! ends: the latest node first. A value's `Drop` is user code, and may set values anew, so each
//! node has a *generation*: 0 for what was set before the end, and one more than its own for what
//! is set while a value is dropped. Values of the generations below `GENERATIONS` are dropped.
//! Those of the last one are leaked, and no initializer is called to make one. So the end of a
//! thread is bounded, as it is with the keys of POSIX threads.
//!
//! Without the bound, a value that uses its own `Local` when it is dropped would keep its thread
//! from ending: the initializer makes a new value, which is dropped, and so on. If the rest were
//! left for the next thread in the slot to drop, that thread would be caught in the same way.

#![forbid(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;

use crate::list::List;
use crate::node::{Share, Unlisted};
use crate::sync::{at_thread_exit, peek, register, thread_local};

/// How many generations of values a thread drops when it ends.
pub(crate) const GENERATIONS: u32 = if cfg!(tk_loom) { 2 } else { 32 };

/// A list is swept when it has this many nodes, and then when it has twice as many as it was left
/// with.
const SWEEP_AT_LEAST: usize = 32;

thread_local! {
    /// Without a destructor, so that it can be used until the very end of the thread.
    static THREAD: Thread = const { Thread::new() };
}

/// A thread's slot, and the id under which it owns nodes.
///
/// The two belong together while no user code runs, which could make the thread another one
/// (`Registration::begin`). So a `Caller` is made anew for each use.
#[derive(Clone, Copy)]
pub(crate) struct Caller {
    pub(crate) slot: u32,
    pub(crate) id: u64,
    /// It is about the thread that made it.
    not_send: PhantomData<*const ()>,
}

impl Caller {
    /// The calling thread. Does not register it: the slot is zero if it has none, and no node is
    /// there.
    #[inline]
    pub(crate) fn peek() -> Caller {
        let (slot, id) = peek();
        Caller::new(slot, id)
    }

    /// The calling thread, about to claim a node: registered, and with its end watched, if it can
    /// be.
    ///
    /// User code may run (the allocator), but not after the thread has been found to be this one.
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
    /// ends. If its end is not watched, the value stays until the next thread in the slot comes, or
    /// the `Local` goes.
    #[inline]
    pub(crate) fn list<T>(self, node: Unlisted<'_, T>) {
        THREAD.with(|thread| {
            if thread.watched.get() == self.id {
                let generation = thread.generation.get();
                thread.list.borrow_mut().push(node.share(), generation);
            }
        });
    }

    /// Whether the thread is dropping the last generation of its values, so that no more are to be
    /// made.
    pub(crate) fn drops_last_generation() -> bool {
        THREAD.with(|thread| thread.generation.get() == GENERATIONS)
    }
}

/// The state of a thread. No user code runs while the list is borrowed.
struct Thread {
    list: RefCell<List>,
    sweep_at: Cell<usize>,
    /// The id of the thread whose end calls `drop_values`; zero if that is not to be expected.
    watched: Cell<u64>,
    /// The generation of the values that are set now. Zero unless `drop_values` is running.
    generation: Cell<u32>,
}

impl Thread {
    const fn new() -> Thread {
        Thread {
            list: RefCell::new(List::new()),
            sweep_at: Cell::new(SWEEP_AT_LEAST),
            watched: Cell::new(0),
            generation: Cell::new(0),
        }
    }

    /// Makes room for another node, and watches the thread's end.
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
        // It fails in a late destructor, and if functions at the end of a thread add others without
        // an end: what is set then is not listed.
        let end = End(id);
        if at_thread_exit(Box::new(move || end.reached())).is_ok() {
            self.watched.set(id);
        }
    }

    /// Lets go of the nodes of `Local`s that are gone, so that the list is at most twice as long as
    /// the living ones need, and a push takes constant time on average.
    #[cold]
    fn sweep(&self) {
        let mut orphans = self.list.borrow_mut().remove_orphans();
        let len = self.list.borrow().len();
        self.sweep_at.set(SWEEP_AT_LEAST.max(2 * len));
        while let Some((share, _)) = orphans.pop() {
            share.leave();
        }
    }

    fn pop(&self) -> Option<(Share, u32)> {
        self.list.borrow_mut().pop()
    }

    /// The end of the thread: drops its values, the latest first, and those that are set meanwhile.
    ///
    /// It may call itself, if a value's `Drop` makes the thread another one, which ends before the
    /// `Drop` does. Then the inner call drops all that is left, and the generations go on from
    /// where they are.
    fn drop_values(&self) {
        let outer = self.generation.get();
        while let Some((share, generation)) = self.pop() {
            if generation < GENERATIONS {
                self.generation.set(generation + 1);
                share.leave();
            } else {
                share.leak();
            }
        }
        self.generation.set(outer);
        self.watched.set(0);
    }

    /// Lets the values stay where they are.
    fn abandon_values(&self) {
        while let Some((share, _)) = self.pop() {
            share.abandon();
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

/// If the end is not reached, because nobody calls the function that waits for it, the thread must
/// not have a list when its slot goes to another thread.
impl Drop for End {
    fn drop(&mut self) {
        THREAD.with(|thread| {
            if thread.watched.get() == self.0 {
                thread.abandon_values();
            }
        });
    }
}

/// As it happens now and then.
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

    /// Should the functions at the end of a thread be dropped without being called.
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
