//! The state word of a node: which operation may use the node's value now.
//!
//! # States and operations
//!
//! *Owner* stands for the calls of the thread that owns the node. *Vacate* runs when the owner's
//! thread ends, *claim* when the next thread in the slot uses the `Local`. *Lend* is one step of
//! `iter_mut`, and *take* is one step of `into_iter` or of the drop of the `Local`.
//!
//! | state | value | owner | vacate | claim | lend | take |
//! |---|---|---|---|---|---|---|
//! | `EMPTY` | no | set → `PRESENT`, init → `INITIALIZING` | free | own | – | – |
//! | `PRESENT` | yes | borrow → 1 or `EXCLUSIVE`, take | out | out, own | → `ITERATING` | out |
//! | n > 0 | yes | in n closures of `with_borrow`: n ± 1 | – | next node | – | – |
//! | `EXCLUSIVE` | any | in `with_borrow_mut`, ends → `PRESENT` | – | next node | – | – |
//! | `INITIALIZING` | no | in `init`, ends → 1, panics → `EMPTY` | – | next node | – | – |
//! | `ITERATING` | yes | an error | → `ORPHANED` | out, own | – | out |
//! | `ORPHANED` | yes | an error | – | out, own | – | out |
//!
//! *Out* moves the value out: → `EXCLUSIVE` → `EMPTY`. *Free* means that nobody owns the node any
//! more, which also follows a vacate's *out*. *Own* means that the claimer owns the node. A dash
//! leaves everything as it is. The guard that iteration lends ends with `ITERATING` → `PRESENT`, or
//! with `ORPHANED` → out and free.
//!
//! # Invariants
//!
//! **Borrows.** The owner's calls and claims borrow the `Local`. Lend, the end of the lent guard,
//! and take have the `Local` mutably. So operations of the first group never overlap with those of
//! the second. Vacate needs no borrow, and may overlap with the second group. It does not overlap
//! with the owner's calls, which run in the same thread, nor with a claim, because a node has one
//! owner (*one owner* in [`node`](crate::node)). An owner's call, a claim or a take that finds
//! `ITERATING` or `ORPHANED` therefore knows that the lent guard was forgotten.
//!
//! **Writers.** Operations that may overlap change the state by compare-exchange: vacate, lend, the
//! end of a lent guard, and take. So does claim, because it may come after a late destructor in
//! time only, and a read-modify-write reads the last value in the word's modification order. Every
//! other change is a load and a store by the thread that owns the node or has set the state, with
//! no user code in between.
//!
//! **One way out.** Three things allow a thread to move the value out: it has changed the state to
//! `EXCLUSIVE`, it is the owner and the state is `PRESENT`, or it ends a lent guard and the state
//! is `ORPHANED`. No two of them hold at the same time, by *borrows* and *writers*, and each ends
//! with `EMPTY`. So each value leaves the node once.
//!
//! **Order.** A change to `PRESENT`, `EMPTY` or a smaller count is a Release. A change to
//! `EXCLUSIVE` by compare-exchange is an Acquire, and so is a claim. So what one thread did to the
//! value happens before what the next one does. The owner's own loads are Relaxed, because program
//! order suffices. Lend needs no Acquire either: exclusive access to the `Local` happens after all
//! its borrows.

use crate::AccessError;
use crate::sync::{AtomicIsize, Ordering::*};

/// There is a value, and nobody uses it. Greater numbers count the shared borrows.
const PRESENT: isize = 0;
/// There is no value.
const EMPTY: isize = -1;
/// The value is borrowed mutably, or is being moved out.
const EXCLUSIVE: isize = -2;
/// The initializer runs.
const INITIALIZING: isize = -3;
/// `iter_mut` has lent the value.
const ITERATING: isize = -4;
/// `iter_mut` has lent the value, and the owner's thread has ended since.
const ORPHANED: isize = -5;

/// The state word of one node.
pub(crate) struct State(AtomicIsize);

/// The result of an operation that moves the value out.
#[must_use]
pub(crate) enum Taken {
    /// There is no value, and nobody is making one.
    Empty,
    /// The state is `EXCLUSIVE` now. The caller moves the value out, and calls
    /// [`set_empty`](State::set_empty).
    Exclusive,
    /// The value stays with the thread that uses it.
    InUse,
}

/// Operations of the owner. Loads and stores suffice (*writers*).
impl State {
    pub(crate) fn new() -> State {
        State(AtomicIsize::new(EMPTY))
    }

    #[inline]
    fn get(&self) -> isize {
        // Relaxed: the owner reads its own writes, and others go on to a compare-exchange
        // (*order*).
        self.0.load(Relaxed)
    }

    /// Whether there is a value, in use or not.
    pub(crate) fn is_set(&self) -> bool {
        !matches!(self.get(), EMPTY | INITIALIZING)
    }

    /// Returns an error unless the value is there and may be read.
    #[inline]
    pub(crate) fn check_readable(&self) -> Result<(), AccessError> {
        let state = self.get();
        if state < PRESENT {
            return Err(access_error(state));
        }
        Ok(())
    }

    /// Returns whether there is a value, or an error if it is in use.
    #[inline]
    pub(crate) fn check_unused(&self) -> Result<bool, AccessError> {
        match self.get() {
            EMPTY => Ok(false),
            PRESENT => Ok(true),
            state => Err(access_error(state)),
        }
    }

    /// Starts a shared borrow.
    #[inline]
    pub(crate) fn begin_borrow(&self) -> Result<(), AccessError> {
        let state = self.get();
        if state < PRESENT {
            return Err(access_error(state));
        }
        // No overflow: each borrow has a frame on the thread's stack.
        self.0.store(state + 1, Relaxed);
        Ok(())
    }

    /// Ends a shared borrow.
    #[inline]
    pub(crate) fn end_borrow(&self) {
        // Release: pairs with the Acquire of `take_from` and `claim`.
        self.0.store(self.get() - 1, Release);
    }

    /// Starts a mutable borrow.
    #[inline]
    pub(crate) fn begin_borrow_mut(&self) -> Result<(), AccessError> {
        match self.get() {
            PRESENT => {
                self.0.store(EXCLUSIVE, Relaxed);
                Ok(())
            }
            state => Err(access_error(state)),
        }
    }

    /// Turns the only shared borrow into a mutable one.
    pub(crate) fn upgrade_borrow(&self) -> Result<(), AccessError> {
        match self.get() {
            1 => {
                self.0.store(EXCLUSIVE, Relaxed);
                Ok(())
            }
            _ => Err(AccessError::Borrowed),
        }
    }

    /// Starts an initialization if there is no value, and returns whether it has started.
    pub(crate) fn begin_init(&self) -> bool {
        let is_empty = self.get() == EMPTY;
        if is_empty {
            self.0.store(INITIALIZING, Relaxed);
        }
        is_empty
    }

    /// Ends an initialization that has put a value there, with a shared borrow of it.
    pub(crate) fn end_init(&self) {
        // Release: pairs with the Acquire of `take_from` and `claim`.
        self.0.store(PRESENT + 1, Release);
    }

    /// Publishes a value that the owner has put there or has finished changing.
    #[inline]
    pub(crate) fn set_present(&self) {
        // Release: pairs with the Acquire of `take_from` and `claim`.
        self.0.store(PRESENT, Release);
    }

    /// Publishes that there is no value: it was moved out, or its initializer has panicked.
    #[inline]
    pub(crate) fn set_empty(&self) {
        // Release: pairs with the Acquire of `claim`.
        self.0.store(EMPTY, Release);
    }
}

/// Operations that move the value out, and those of iteration.
impl State {
    /// Changes the state to `EXCLUSIVE` if it is still `from`, in which nobody uses the value.
    fn take_from(&self, from: isize) -> bool {
        // Acquire: pairs with the Release of the last change of the value.
        self.0
            .compare_exchange(from, EXCLUSIVE, Acquire, Relaxed)
            .is_ok()
    }

    /// Vacates the node for a thread that ends.
    ///
    /// A value that iteration has lent becomes `ORPHANED`: the lent guard drops it. A value that is
    /// in use otherwise stays. Either the thread ends within a borrow or an initializer, and the
    /// value waits for the next owner, or a take is moving it out.
    pub(crate) fn vacate(&self) -> Taken {
        // Each failed exchange means that a lend, a lent guard or a take has changed the state.
        loop {
            match self.get() {
                EMPTY => return Taken::Empty,
                PRESENT => {
                    if self.take_from(PRESENT) {
                        return Taken::Exclusive;
                    }
                }
                ITERATING => {
                    // Relaxed: what this thread did to the value happened before the `Local` was
                    // borrowed mutably.
                    let orphaned = self
                        .0
                        .compare_exchange(ITERATING, ORPHANED, Relaxed, Relaxed);
                    if orphaned.is_ok() {
                        return Taken::InUse;
                    }
                }
                _ => return Taken::InUse,
            }
        }
    }

    /// Empties the node of a former owner for the thread that has the slot now.
    pub(crate) fn claim(&self) -> Taken {
        loop {
            // An exchange of `EMPTY` for itself, although no other thread changes the state now. A
            // load might not see the change of a late destructor, which this thread comes after in
            // time only (*writers*). Acquire: pairs with the Release of that change.
            match self.0.compare_exchange(EMPTY, EMPTY, Acquire, Relaxed) {
                Ok(_) => return Taken::Empty,
                // A lent guard that is seen here was forgotten (*borrows*).
                Err(state @ (PRESENT | ITERATING | ORPHANED)) => {
                    if self.take_from(state) {
                        return Taken::Exclusive;
                    }
                }
                Err(_) => return Taken::InUse,
            }
        }
    }

    /// Takes the value for the one thread that has the `Local` to itself.
    ///
    /// A value that its own thread is moving out at this moment is in use.
    pub(crate) fn take_exclusive(&self) -> Taken {
        loop {
            match self.get() {
                EMPTY => return Taken::Empty,
                // A lent guard that is seen here was forgotten (*borrows*).
                state @ (PRESENT | ITERATING | ORPHANED) => {
                    // It fails if the owner's thread vacates the node at the same time.
                    if self.take_from(state) {
                        return Taken::Exclusive;
                    }
                }
                _ => return Taken::InUse,
            }
        }
    }

    /// Lends the value to iteration, and returns whether there was one to lend.
    pub(crate) fn begin_iteration(&self) -> bool {
        // Relaxed: what was done to the value happened before the `Local` was borrowed mutably.
        self.0
            .compare_exchange(PRESENT, ITERATING, Relaxed, Relaxed)
            .is_ok()
    }

    /// Gives a lent value back to its owner. Returns `false` if the owner's thread has ended: then
    /// the state stays `ORPHANED`, and the caller moves the value out.
    #[must_use]
    pub(crate) fn end_iteration(&self) -> bool {
        // Release: pairs with the Acquire of `take_from`.
        self.0
            .compare_exchange(ITERATING, PRESENT, Release, Relaxed)
            .is_ok()
    }
}

/// Why the value cannot be used in this state.
#[cold]
fn access_error(state: isize) -> AccessError {
    match state {
        EMPTY => AccessError::Unset,
        INITIALIZING => AccessError::Initializing,
        EXCLUSIVE | ITERATING | ORPHANED => AccessError::BorrowedMut,
        _ => AccessError::Borrowed,
    }
}
