//! Values whose end is counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread::{self, ThreadId};

/// Counts the values that it has made and that have been dropped.
#[derive(Clone, Default)]
pub(crate) struct Tally(Arc<Counts>);

#[derive(Default)]
struct Counts {
    made: AtomicUsize,
    dropped: AtomicUsize,
    dropped_by_maker: AtomicUsize,
}

pub(crate) struct Counted {
    tally: Tally,
    maker: ThreadId,
    /// One while the value is there. A value that is dropped twice is freed twice, which the
    /// allocator and the checkers see.
    heap: Box<AtomicUsize>,
}

impl Tally {
    pub(crate) fn value(&self) -> Counted {
        self.0.made.fetch_add(1, SeqCst);
        Counted {
            tally: self.clone(),
            maker: thread::current().id(),
            heap: Box::new(AtomicUsize::new(1)),
        }
    }

    pub(crate) fn made(&self) -> usize {
        self.0.made.load(SeqCst)
    }

    pub(crate) fn dropped(&self) -> usize {
        self.0.dropped.load(SeqCst)
    }

    /// How many have been dropped by the thread that made them.
    pub(crate) fn dropped_by_maker(&self) -> usize {
        self.0.dropped_by_maker.load(SeqCst)
    }
}

impl Counted {
    pub(crate) fn is_dropped(&self) -> bool {
        self.heap.load(SeqCst) != 1
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.heap.store(0, SeqCst);
        let counts = &self.tally.0;
        counts.dropped.fetch_add(1, SeqCst);
        // The thread's handle is gone in late destructors, where `current` makes another with the
        // same id.
        if thread::current().id() == self.maker {
            counts.dropped_by_maker.fetch_add(1, SeqCst);
        }
    }
}
