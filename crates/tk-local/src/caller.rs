//! The calling thread: under which number it holds values, and which it has to drop when it ends.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::sync::Weak;

use tk_core::{at_thread_exit, current, current_slot};

thread_local! {
    /// The `ThreadId` under which the calling thread holds nodes. Zero before it holds any, and again when it has
    /// dropped its values. Without a destructor, like everything here, so that it can be used until the very end of the
    /// thread.
    static ID: Cell<u64> = const { Cell::new(0) };

    /// Whether `drop_values` will be called.
    static WATCHED: Cell<bool> = const { Cell::new(false) };

    /// Where the thread holds nodes. Emptied by `drop_values`, which is why it needs no destructor.
    static HOLDINGS: ManuallyDrop<RefCell<Holdings>> = const { ManuallyDrop::new(RefCell::new(Holdings::new())) };
}

/// The table of a `Local`, whatever the type of its values.
pub(crate) trait Column {
    /// Drops the value that this caller holds, and gives up the node.
    fn vacate(&self, caller: Caller);
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
    /// The calling thread, if it may hold a node anywhere. Does not register it.
    #[inline]
    pub(crate) fn if_holding() -> Option<Caller> {
        match ID.get() {
            0 => None,
            id => Some(Caller::new(current_slot().get(), id)),
        }
    }

    /// The calling thread, about to hold a node.
    pub(crate) fn current() -> Caller {
        if ID.get() == 0 {
            ID.set(current().id().get());
        }
        Caller::new(current_slot().get(), ID.get())
    }

    #[inline]
    pub(crate) fn new(slot: u32, id: u64) -> Caller {
        Caller {
            slot,
            id,
            not_send: PhantomData,
        }
    }

    /// Sees to it that the thread vacates its node in this column when it ends.
    ///
    /// If it has done that already, in a very late destructor, the value stays where it is.
    pub(crate) fn holds_in(self, column: Weak<dyn Column>) {
        if !WATCHED.get() {
            WATCHED.set(at_thread_exit(Box::new(drop_values)).is_ok());
        }
        if WATCHED.get() {
            HOLDINGS.with(|holdings| holdings.borrow_mut().push(self, column));
        }
    }
}

/// The end of the thread: drops its values, the latest first, and those that are set meanwhile.
fn drop_values() {
    while let Some((caller, column)) = HOLDINGS.with(|holdings| holdings.borrow_mut().pop()) {
        // If the `Local` is gone, so is the value. If it goes now, the column stays until this is done.
        if let Some(column) = column.upgrade() {
            column.vacate(caller);
        }
    }
    WATCHED.set(false);
    ID.set(0);
}

/// The columns in which a thread holds a node.
///
/// Entries of `Local`s that are gone are swept out whenever the list has doubled, so that its length is in proportion
/// to that of the living ones, and a push costs constant time over all.
struct Holdings {
    entries: Vec<(Caller, Weak<dyn Column>)>,
    /// The length at which the list is swept.
    sweep_at: usize,
}

impl Holdings {
    const SWEEP_AT_LEAST: usize = 32;

    const fn new() -> Holdings {
        Holdings {
            entries: Vec::new(),
            sweep_at: Holdings::SWEEP_AT_LEAST,
        }
    }

    fn push(&mut self, caller: Caller, column: Weak<dyn Column>) {
        if self.entries.len() >= self.sweep_at {
            self.entries.retain(|(_, column)| column.strong_count() > 0);
            self.sweep_at = Holdings::SWEEP_AT_LEAST.max(2 * self.entries.len());
        }
        self.entries.push((caller, column));
    }

    fn pop(&mut self) -> Option<(Caller, Weak<dyn Column>)> {
        let last = self.entries.pop();
        if last.is_none() {
            *self = Holdings::new();
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Local;

    fn length() -> usize {
        HOLDINGS.with(|holdings| holdings.borrow().entries.len())
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
