//! The calling thread: under which number it holds nodes, and which it has to vacate when it ends.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::mem::ManuallyDrop;

use crate::node::Share;
use crate::sync::{at_thread_exit, current, thread_local};

thread_local! {
    /// The slot and the number under which the calling thread holds nodes. Zero before it holds any, and again when it
    /// has dropped its values. Without a destructor, like everything here, so that it can be used until the very end of
    /// the thread.
    static ME: Cell<(u32, u64)> = const { Cell::new((0, 0)) };

    /// Whether `drop_values` will be called.
    static WATCHED: Cell<bool> = const { Cell::new(false) };

    /// The nodes that the thread holds. Emptied by `drop_values`, which is why it needs no destructor.
    static HOLDINGS: ManuallyDrop<RefCell<Holdings>> = const { ManuallyDrop::new(RefCell::new(Holdings::new())) };
}

/// The calling thread: the slot it has, and the number it holds nodes under.
///
/// The two belong together for as long as no foreign code runs, which could make the thread another one
/// (`Registration::begin`). So a `Caller` is made anew for each use.
#[derive(Clone, Copy)]
pub(crate) struct Caller {
    pub(crate) slot: u32,
    pub(crate) id: u64,
    /// It is about the thread that made it.
    not_send: PhantomData<*const ()>,
}

impl Caller {
    /// The calling thread as it was when it last took a node over; slot zero if it cannot hold any. Does not register
    /// it.
    ///
    /// While the slot is the thread's, this is true: a thread that loses its slot drops its values first. In its last
    /// destructors that may have been before this was written, and then nobody else gets the slot until it is gone.
    #[inline]
    pub(crate) fn as_last_seen() -> Caller {
        let (slot, id) = ME.with(Cell::get);
        Caller::new(slot, id)
    }

    /// The calling thread, about to hold a node.
    pub(crate) fn current() -> Caller {
        let caller = Caller::as_last_seen();
        match caller.slot {
            0 => Caller::registered(),
            _ => caller,
        }
    }

    #[cold]
    fn registered() -> Caller {
        if !WATCHED.with(Cell::get) {
            // It fails in a very late destructor: what is set then stays where it is.
            let watched = at_thread_exit(Box::new(drop_values)).is_ok();
            WATCHED.with(|w| w.set(watched));
        }
        let (slot, id) = current();
        ME.with(|me| me.set((slot, id)));
        Caller::new(slot, id)
    }

    #[inline]
    pub(crate) fn new(slot: u32, id: u64) -> Caller {
        Caller {
            slot,
            id,
            not_send: PhantomData,
        }
    }

    /// Sees to it that the thread vacates the node, which it has just taken over, when it ends.
    pub(crate) fn holds(self, share: Share) {
        if WATCHED.with(Cell::get) {
            share.take();
            HOLDINGS.with(|holdings| holdings.borrow_mut().push(share));
        }
    }
}

/// The end of the thread: drops its values, the latest first, and those that are set meanwhile.
fn drop_values() {
    while let Some(share) = HOLDINGS.with(|holdings| holdings.borrow_mut().pop()) {
        share.leave();
    }
    WATCHED.with(|watched| watched.set(false));
    ME.with(|me| me.set((0, 0)));
}

/// As it happens now and then.
#[cfg(tk_loom)]
pub(crate) fn sweep() {
    HOLDINGS.with(|holdings| holdings.borrow_mut().sweep());
}

/// The nodes in which a thread has a share.
///
/// Those of `Local`s that are gone are swept out whenever the list has doubled, so that its length is in proportion to
/// that of the living ones, and a push costs constant time over all.
struct Holdings {
    shares: Vec<Share>,
    /// The length at which the list is swept.
    sweep_at: usize,
}

impl Holdings {
    const SWEEP_AT_LEAST: usize = 32;

    const fn new() -> Holdings {
        Holdings {
            shares: Vec::new(),
            sweep_at: Holdings::SWEEP_AT_LEAST,
        }
    }

    #[inline]
    fn push(&mut self, share: Share) {
        if self.shares.len() >= self.sweep_at {
            self.sweep();
        }
        self.shares.push(share);
    }

    /// Runs no foreign code: what the last share is in has no value.
    #[cold]
    fn sweep(&mut self) {
        for share in self.shares.extract_if(.., |share| share.is_last()) {
            share.leave();
        }
        self.sweep_at = Holdings::SWEEP_AT_LEAST.max(2 * self.shares.len());
        self.shares.shrink_to(self.sweep_at);
    }

    fn pop(&mut self) -> Option<Share> {
        let last = self.shares.pop();
        if last.is_none() {
            *self = Holdings::new();
        }
        last
    }
}

#[cfg(all(test, not(tk_loom)))]
mod tests {
    use super::*;
    use crate::Local;

    fn length() -> usize {
        HOLDINGS.with(|holdings| holdings.borrow().shares.len())
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
            assert!(length() >= kept.len());
            assert!(length() <= 2 * kept.len() + Holdings::SWEEP_AT_LEAST);
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
            assert_eq!(length(), 1);
        })
        .join()
        .unwrap();
    }
}
