//! A queue whose only thread stands in the word of the primitive, while it spins.
//!
//! A bucket of the lot is a cache line that the thread that waits and the thread that wakes it take
//! from each other, twice per wait. Where a thread spins and is woken soon, that is most of the
//! cost. So a thread that finds the queue empty does not enter the lot at first. It writes the
//! address of its waiter into the word, and spins. The thread that wakes it takes the address out
//! of the word.
//!
//! | state | value | a thread that waits | a thread that wakes |
//! |---|---|---|---|
//! | empty | 0 | stands in the word | finds none |
//! | alone | the address of a waiter, plus 1 | moves that waiter into the lot, and follows it | takes the waiter, and wakes it: empty |
//! | in the lot | the mark of the queue | enters the lot | wakes threads in the lot; empty, if none is left |
//!
//! # Invariants
//!
//! **Alone is first.** While a thread stands in the word, the queue in the lot is empty. So the
//! order is that of arrival.
//!
//! **With the queue locked.** All changes from and to *in the lot* are made with the queue locked.
//!
//! **One takes it.** A waiter leaves the word by a compare-exchange, so by one thread. If that is
//! its own thread, no other thread knows the waiter. If it is another one, the waiter belongs to
//! that thread by the Handover of the lot: it wakes the waiter, or puts it into the queue in the
//! lot, and its own thread does not leave `park` before. The address is used by the thread that
//! has taken it, and by no other.
//!
//! **Awake.** The thread does not sleep while it stands in the word. When it has spun, it leaves
//! the word for the lot, with the queue locked. If another thread has taken the waiter by then, the
//! waiter is in the queue already, has been moved to another one, or has been woken, or the wake-up
//! is on its way.
//!
//! **This process.** In the child of a fork, a thread that stands in the word is lost, and its
//! stack may be in use for something else. `generation` is the fork generation of the last thread
//! that found the word empty, so of the one that stands in it. A thread that takes an address out
//! of the word compares it first, and lets go an address of another process.

#[cfg(not(tk_loom))]
use std::sync::atomic::AtomicU32;

use crate::lot::{Push, Waiter};
use crate::sync::Ordering::{Acquire, Relaxed, Release};
#[cfg(not(tk_loom))]
use crate::sync::lot::generation;
use crate::sync::{AtomicUsize, Instant};
use crate::unpark::{FilterOp, unpark_filter};
use crate::{AdaptiveSpin, Word};

/// The word of such a queue, on which its threads are parked.
#[derive(Debug)]
pub struct QueueWord {
    state: AtomicUsize,
    /// Written by threads that find the word empty. All of a process write the same. A process of a
    /// model does not fork.
    #[cfg(not(tk_loom))]
    generation: AtomicU32,
    /// For threads that stand in the word, and for those behind another one. Where one thread is
    /// notified at a time, only the first has a reason to spin.
    spin: [AdaptiveSpin; 2],
}

/// The state of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueState {
    /// No thread waits.
    Empty,
    /// A thread stands in the word.
    Alone(Alone),
    /// The threads are in the lot, and have entered with this mark.
    InLot(usize),
}

/// The thread that stands in the word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alone(usize);

const EMPTY: usize = 0;
/// Flag in the address of a waiter.
const ALONE: usize = 1;
const _: () = assert!(align_of::<Waiter>() > ALONE);
/// The mark while a thread puts the waiter of another one into the lot, or lets an address go.
const MOVING: usize = 2;

impl QueueState {
    fn of(state: usize) -> QueueState {
        match state {
            EMPTY => QueueState::Empty,
            state if state & ALONE != 0 => QueueState::Alone(Alone(state)),
            mark => QueueState::InLot(mark),
        }
    }
}

impl QueueWord {
    /// Creates the word of an empty queue.
    pub const fn new() -> QueueWord {
        QueueWord {
            state: AtomicUsize::new(EMPTY),
            #[cfg(not(tk_loom))]
            generation: AtomicU32::new(0),
            spin: [const { AdaptiveSpin::new() }; 2],
        }
    }

    /// Returns the word on which the threads in the lot are parked.
    pub fn word(&self) -> &impl Word {
        &self.state
    }

    /// Says how long it pays to spin for this thread, which is in the queue.
    pub(crate) fn spin(&self, waiter: &Waiter) -> &AdaptiveSpin {
        &self.spin[usize::from(waiter.is_in_lot())]
    }

    /// Returns the state. Orders nothing: the caller knows by other means that a thread waits.
    #[inline]
    pub fn state(&self) -> QueueState {
        QueueState::of(self.state.load(Relaxed))
    }

    /// Makes the queue empty if it is in the lot. With the queue locked, and no thread in it.
    pub fn leave_lot(&self) {
        // Relaxed: the queue is locked.
        if let QueueState::InLot(_) = self.state() {
            self.state.store(EMPTY, Relaxed);
        }
    }

    /// Wakes the thread that stands in the word with this token, if it stands there still. Returns
    /// whether it did. If not, the state has changed.
    pub fn wake(&self, alone: Alone, token: u16) -> bool {
        if !self.is_of_this_process(alone) {
            unpark_filter(
                &self.state,
                |_| FilterOp::Stop,
                |_| {
                    self.let_go(alone);
                    token
                },
            );
            return false;
        }
        match self.take(alone, EMPTY) {
            // SAFETY: One takes it.
            Some(waiter) => unsafe {
                crate::sync::parking::wake_taken(waiter, token.into());
                true
            },
            None => false,
        }
    }

    /// Lets the calling thread stand in the word, if the queue is empty. Returns whether it does.
    ///
    /// # Safety
    ///
    /// The waiter is new, and its thread keeps *Awake*.
    pub(crate) unsafe fn stand(&self, waiter: &Waiter) -> bool {
        if self.state() != QueueState::Empty {
            return false;
        }
        self.note_generation();
        // Release: pairs with the Acquire of the thread that takes it.
        self.state
            .compare_exchange(EMPTY, alone(waiter), Release, Relaxed)
            .is_ok()
    }

    /// Lets the calling thread leave the word: for the queue in the lot, or because it has given
    /// up. With the queue locked. Returns whether it still stood there.
    pub(crate) fn leave(&self, waiter: &Waiter, for_lot: bool) -> bool {
        let next = if for_lot { waiter.mark() } else { EMPTY };
        // Relaxed: the queue is locked, and a thread that wakes another one locks it too.
        self.state
            .compare_exchange(alone(waiter), next, Relaxed, Relaxed)
            .is_ok()
    }

    /// Marks the queue as one in the lot, for a thread that is about to enter it. Returns `false`
    /// if it has another mark. With the queue locked.
    ///
    /// A waiter that stands in the word goes into the queue first. Its wait begins now.
    pub(crate) fn enter(&self, mark: usize, now: Instant, push: &Push<'_>) -> bool {
        loop {
            match self.state() {
                QueueState::Empty => {
                    // Relaxed, here and below: the queue is locked.
                    let entered = self.state.compare_exchange(EMPTY, mark, Relaxed, Relaxed);
                    if entered.is_ok() {
                        return true;
                    }
                }
                QueueState::Alone(alone) if !self.is_of_this_process(alone) => self.let_go(alone),
                QueueState::Alone(alone) => {
                    if let Some(waiter) = self.take(alone, MOVING) {
                        // SAFETY: One takes it.
                        let mark = unsafe {
                            Waiter::begin(waiter, now);
                            (*waiter).mark()
                        };
                        push(waiter);
                        self.state.store(mark, Relaxed);
                    }
                }
                QueueState::InLot(other) => return other == mark,
            }
        }
    }

    /// Takes the waiter that stands in the word, and puts the next state there. Returns `None` if
    /// the state has changed.
    fn take(&self, alone: Alone, next: usize) -> Option<*const Waiter> {
        // Acquire: pairs with the Release in `stand`, so that what the waiter holds is visible.
        self.state
            .compare_exchange(alone.0, next, Acquire, Relaxed)
            .is_ok()
            .then(|| std::ptr::with_exposed_provenance(alone.0 - ALONE))
    }

    /// Whether the thread that stands in the word is one of this process. Also `true` if it has
    /// left the word.
    #[cfg(not(tk_loom))]
    fn is_of_this_process(&self, alone: Alone) -> bool {
        // Acquire: pairs with the Release in `stand`, so that the generation is not an older one.
        self.state.load(Acquire) != alone.0 || self.generation.load(Relaxed) == generation()
    }

    /// Lets go the address of a waiter of another process. With the queue locked.
    #[cfg(not(tk_loom))]
    #[cold]
    fn let_go(&self, alone: Alone) {
        // Not to `EMPTY` in one step: a thread of this process may stand there by now, whose waiter
        // is at the same address. With a mark in the word, nobody writes the generation.
        // Acquire: pairs with the Release in `stand`.
        if self
            .state
            .compare_exchange(alone.0, MOVING, Acquire, Relaxed)
            .is_ok()
        {
            let is_ours = self.generation.load(Relaxed) == generation();
            // Release: as in `stand`.
            self.state
                .store(if is_ours { alone.0 } else { EMPTY }, Release);
        }
    }

    #[cfg(not(tk_loom))]
    fn note_generation(&self) {
        let now = generation();
        // Relaxed: published by the step into the word.
        if self.generation.load(Relaxed) != now {
            self.generation.store(now, Relaxed);
        }
    }

    #[cfg(tk_loom)]
    fn note_generation(&self) {}

    #[cfg(tk_loom)]
    fn is_of_this_process(&self, _: Alone) -> bool {
        true
    }

    #[cfg(tk_loom)]
    fn let_go(&self, _: Alone) {}

    /// Lets a model know the word.
    #[cfg(tk_loom)]
    pub fn loom_register(&self) {
        self.state.loom_register();
    }
}

impl Default for QueueWord {
    fn default() -> QueueWord {
        QueueWord::new()
    }
}

fn alone(waiter: &Waiter) -> usize {
    waiter.ticket() | ALONE
}
