//! The node: the place for one thread's value in one `Local`.
//!
//! The parts of a node are described in files of their own: [`state`](crate::state) says which
//! operation may use the value, [`node_ref`](crate::node_ref) counts the references, and
//! [`chain`](crate::chain) links the nodes of one slot.
//!
//! # Owners and operations
//!
//! A node belongs to a slot. A slot passes from a thread that is gone to a new one, so a node also
//! stores the id of its owner, which no other thread ever has. A thread owns a node if the node is
//! at the thread's slot and stores the thread's id.
//!
//! | owner | claim by B, of the same slot | vacate, as A's thread ends |
//! |---|---|---|
//! | nobody | → B | – |
//! | A, value unused | → B, which drops A's value | → nobody, and A drops the value |
//! | A, value lent by `iter_mut` | → B, the lent guard was forgotten | the guard's end → nobody |
//! | A, value in use by A | B claims another node | stays A's |
//!
//! A claim finds an owner A that is gone only if a late destructor of A has set the value, or A's
//! thread ended while it used the value.
//!
//! # Invariants
//!
//! **One owner.** At most one thread owns a node at any time. No two threads have one slot at the
//! same time, nor ever one id, and a thread changes `owner` only to its own id or to `NOBODY`. A
//! thread's list is emptied before tk-core releases the slot under its lock. So the next owner's
//! claim happens after all that. It comes after the thread's last destructors in time only.
//!
//! **User code.** Initializers, closures, `Clone` and `Drop` run only when the state is the one
//! that the table in [`state`](crate::state) shows for them. No lock is held. Afterwards the node
//! is not used, or only through a guard that keeps the state. A value is dropped after it has left
//! the node and after the thread's reference was released. So its `Drop` may do anything to any
//! node, and may drop the `Local` itself. The global allocator counts as user code.
//!
//! **No late values.** When the table releases its reference, the node has no value, and gets none,
//! because that would take a borrow of the `Local`. There is one exception: in the child of a fork,
//! a thread that does not exist there may have been using the value. That value is leaked.

use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};

use tk_core::__private::call_guarded;

use crate::AccessError;
use crate::chain::Link;
use crate::node_ref::{Fate, Header};
use crate::state::{State, Taken};
use crate::sync::{AtomicU64, Ordering::Relaxed, UnsafeCell};

/// The owner of a node that no thread owns.
const NOBODY: u64 = 0;

/// The place for one value.
#[repr(C)]
pub(crate) struct Node<T> {
    /// The first field, so that a pointer to the node is a pointer to its header.
    header: Header,
    /// The id of the owner, or `NOBODY`. Relaxed throughout: a thread looks for its own id, which
    /// only that thread writes. All else is ordered by `state`.
    owner: AtomicU64,
    state: State,
    value: UnsafeCell<MaybeUninit<T>>,
    /// The node to use if a former thread still uses this one.
    next: Link<T>,
}

/// A former thread still uses the value.
pub(crate) struct InUse;

// SAFETY: one thread uses `value` at a time, and the next one after it (*borrows*, *writers* and
// *order* in `state`). Sharing or sending a node therefore sends values, which takes `T: Send`. A
// closure of `with_borrow` may share its reference with other threads, which takes `T: Sync`, and
// the compiler checks that there. The header's link is used by the thread that has the node in its
// list, and by the next one only after the first has released its reference (*listed once* in
// `node_ref`). All other fields are atomic.
unsafe impl<T: Send> Sync for Node<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Node<T> {}

/// Vacates a node unless its value is kept, releases the reference, and drops the value unless it
/// is leaked.
///
/// # Safety
///
/// `header` is that of a `Node<T>` to which the caller has a reference, which this call gives up.
unsafe fn give_up<T>(header: NonNull<Header>, fate: Fate) {
    // The header is the first field of a `repr(C)` struct, so the addresses are the same.
    let node = header.cast::<Node<T>>();
    let value = if fate == Fate::Kept {
        None
    } else {
        // SAFETY: the caller's reference keeps the node (*references*).
        unsafe { node.as_ref() }.vacate()
    };
    // SAFETY: by the caller's promise, this is its reference and is not used again.
    unsafe { Node::release(node) };
    if fate == Fate::Leaked {
        std::mem::forget(value);
        return;
    }
    // Last of all, because this is user code. It may claim the same node, which nobody owns now and
    // which is in no list (*listed once* in `node_ref`).
    call_guarded(|| drop(value));
}

impl<T> Node<T> {
    /// Makes a node without a value, which is in no table yet. Runs user code: the allocator.
    pub(crate) fn new() -> Box<Node<T>>
    where
        T: 'static,
    {
        Box::new(Node {
            header: Header::new(give_up::<T>),
            owner: AtomicU64::new(NOBODY),
            state: State::new(),
            value: UnsafeCell::new(MaybeUninit::uninit()),
            next: Link::new(),
        })
    }

    /// Makes a new node that of the thread with this id.
    pub(crate) fn claimed_anew(self: Box<Self>, id: u64) -> Box<Node<T>> {
        self.owner.store(id, Relaxed);
        self
    }

    /// Releases a reference, and frees the node if it was the last.
    ///
    /// # Safety
    ///
    /// The caller has a counted reference, and does not use it again.
    pub(crate) unsafe fn release(node: NonNull<Node<T>>) {
        // SAFETY: the caller's reference keeps the node (*references*). The Rust reference is to
        // the header only and ends with the statement: others may free the node after it.
        let was_last = unsafe { &(*node.as_ptr()).header }.remove_ref();
        if was_last {
            // SAFETY: the node came from a `Box`, and no other reference is left (*references*).
            let node = unsafe { Box::from_raw(node.as_ptr()) };
            // For the models: every access to the value happened before this.
            node.value.with_mut(|_| ());
        }
    }

    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    #[inline]
    pub(crate) fn next(&self) -> &Link<T> {
        &self.next
    }

    #[inline]
    pub(crate) fn is_owned_by(&self, id: u64) -> bool {
        self.owner.load(Relaxed) == id
    }

    fn set_unowned(&self) {
        self.owner.store(NOBODY, Relaxed);
    }

    /// Moves the value out, and says that there is none.
    ///
    /// # Safety
    ///
    /// There is a value, and the caller is the thread that may move it out (*one way out*).
    unsafe fn move_out(&self) -> T {
        let value = self.value.with_mut(|value| {
            // SAFETY: by the caller's promise the value is there, and no other thread uses it. The
            // state says next that it is gone, so it is not read a second time.
            unsafe { (*value).assume_init_read() }
        });
        self.state.set_empty();
        value
    }

    /// The value that an operation has made exclusive.
    ///
    /// # Safety
    ///
    /// `taken` is the result of the caller's operation on this node's state.
    unsafe fn finish_take(&self, taken: Taken) -> Option<T> {
        match taken {
            // SAFETY: the caller has changed the state to `EXCLUSIVE` (*one way out*), from a state
            // in which there is a value.
            Taken::Exclusive => Some(unsafe { self.move_out() }),
            Taken::Empty | Taken::InUse => None,
        }
    }

    /// Makes the calling thread the owner, and returns the value that a former owner has left.
    ///
    /// The thread has the node's slot and this id.
    pub(crate) fn claim(&self, id: u64) -> Result<Option<T>, InUse> {
        let taken = self.state.claim();
        if matches!(taken, Taken::InUse) {
            return Err(InUse);
        }
        // SAFETY: `taken` is of this node's state.
        let stale = unsafe { self.finish_take(taken) };
        self.owner.store(id, Relaxed);
        Ok(stale)
    }

    /// Takes the value out as the owner's thread ends, and makes the node nobody's.
    ///
    /// A value in use stays, and so does the owner: the end of a lent guard or the next claim goes
    /// on from there.
    fn vacate(&self) -> Option<T> {
        let taken = self.state.vacate();
        let is_in_use = matches!(taken, Taken::InUse);
        // SAFETY: `taken` is of this node's state.
        let value = unsafe { self.finish_take(taken) };
        if !is_in_use {
            self.set_unowned();
        }
        value
    }

    /// Takes the value out, for the one thread that has the `Local` to itself. Returns `None` for a
    /// value that its own thread is taking out.
    pub(crate) fn take_exclusive(&self) -> Option<T> {
        // SAFETY: the result is of this node's state.
        unsafe { self.finish_take(self.state.take_exclusive()) }
    }

    /// Lends the value, for the one thread that has the `Local` to itself.
    pub(crate) fn lend(&self) -> Option<Lent<'_, T>> {
        self.state.begin_iteration().then(|| Lent(self))
    }
}

/// A node that the calling thread owns. Not kept while user code runs (*writers* in `state`).
#[must_use]
pub(crate) struct Owned<'a, T>(&'a Node<T>);

impl<'a, T> Owned<'a, T> {
    /// The calling thread owns `node`.
    #[inline]
    pub(crate) fn new(node: &'a Node<T>) -> Owned<'a, T> {
        Owned(node)
    }

    /// Whether there is a value.
    pub(crate) fn is_set(&self) -> bool {
        self.0.state.is_set()
    }

    /// Whether there is a value, or an error if it is in use.
    pub(crate) fn check_unused(&self) -> Result<bool, AccessError> {
        self.0.state.check_unused()
    }

    /// Borrows the value.
    #[inline]
    pub(crate) fn try_borrow(self) -> Result<Ref<'a, T>, AccessError> {
        self.0.state.begin_borrow()?;
        Ok(Ref(self.0))
    }

    /// Borrows the value mutably.
    #[inline]
    pub(crate) fn try_borrow_mut(self) -> Result<RefMut<'a, T>, AccessError> {
        self.0.state.begin_borrow_mut()?;
        Ok(RefMut(self.0))
    }

    /// Clones the value without a borrow, for a `clone` that runs no user code.
    #[inline]
    pub(crate) fn copy(self) -> Result<T, AccessError>
    where
        T: Clone,
    {
        self.0.state.check_readable()?;
        Ok(self.0.value.with(|value| {
            // SAFETY: the value is there, by the check. Only this thread, the owner, could change
            // it now (*borrows*), and `clone` runs no code that could.
            unsafe { (*value).assume_init_ref().clone() }
        }))
    }

    /// Sets the value, and returns the old one for the caller to drop.
    #[inline]
    pub(crate) fn replace(self, value: T) -> Result<Option<T>, (T, AccessError)> {
        let is_set = match self.0.state.check_unused() {
            Ok(is_set) => is_set,
            Err(reason) => return Err((value, reason)),
        };
        let old = if is_set {
            Some(self.0.value.with_mut(|place| {
                // SAFETY: this thread owns the node, and the state is `PRESENT`: the value is there
                // and unused, and no other thread changes that (*borrows*, *writers*).
                unsafe { (*place).as_mut_ptr().replace(value) }
            }))
        } else {
            // SAFETY: this thread owns the node, and the state is `EMPTY`.
            unsafe { self.write(value) };
            None
        };
        self.0.state.set_present();
        Ok(old)
    }

    /// Takes the value.
    pub(crate) fn take(self) -> Result<T, AccessError> {
        if !self.0.state.check_unused()? {
            return Err(AccessError::Unset);
        }
        // SAFETY: this thread owns the node, and the state is `PRESENT` (*one way out*).
        Ok(unsafe { self.0.move_out() })
    }

    /// Sets the value to what `init` returns, unless there is one, and borrows it. If `init`
    /// panics, there is no value.
    ///
    /// `init` is user code: afterwards the thread may have another identity, and not own the node
    /// any more. But the state is `INITIALIZING` meanwhile, so nobody can claim the node.
    pub(crate) fn get_or_init(self, init: impl FnOnce() -> T) -> Result<Ref<'a, T>, AccessError> {
        if !self.0.state.begin_init() {
            return self.try_borrow();
        }
        let initializing = Initializing(self.0);
        let value = init();
        std::mem::forget(initializing);
        // SAFETY: this call has set the state to `INITIALIZING`, which only it ends (*writers*).
        unsafe { self.write(value) };
        self.0.state.end_init();
        Ok(Ref(self.0))
    }

    /// Writes a value where there is none. The caller changes the state next.
    ///
    /// # Safety
    ///
    /// The calling thread owns the node and the state is `EMPTY`, or it has set the state to
    /// `INITIALIZING`.
    unsafe fn write(&self, value: T) {
        self.0.value.with_mut(|place| {
            // SAFETY: in either state nobody else uses the place (*borrows*, *writers*).
            unsafe { ptr::write(place, MaybeUninit::new(value)) }
        });
    }
}

/// A node whose initializer runs. Dropped if that panics.
struct Initializing<'a, T>(&'a Node<T>);

impl<T> Drop for Initializing<'_, T> {
    fn drop(&mut self) {
        self.0.state.set_empty();
    }
}

/// A shared borrow of the value.
#[must_use]
pub(crate) struct Ref<'a, T>(&'a Node<T>);

impl<'a, T> Ref<'a, T> {
    #[inline]
    pub(crate) fn get(&self) -> &T {
        self.0.value.with(|value| {
            // SAFETY: this guard keeps the state a count of borrows, in which the value is there
            // and nobody changes it or moves it out (*writers*, *one way out*).
            unsafe { (*value).assume_init_ref() }
        })
    }

    /// Turns the borrow into a mutable one, if it is the only one.
    pub(crate) fn into_mut(self) -> Result<RefMut<'a, T>, AccessError> {
        self.0.state.upgrade_borrow()?;
        let node = self.0;
        // The mutable borrow ends instead of this one.
        std::mem::forget(self);
        Ok(RefMut(node))
    }
}

impl<T> Drop for Ref<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.0.state.end_borrow();
    }
}

/// A mutable borrow of the value.
#[must_use]
pub(crate) struct RefMut<'a, T>(&'a Node<T>);

impl<T> RefMut<'_, T> {
    #[inline]
    pub(crate) fn get(&mut self) -> &mut T {
        self.0.value.with_mut(|value| {
            // SAFETY: this guard keeps the state `EXCLUSIVE`, in which the value is there, and
            // nobody else uses it (*writers*). The result borrows the guard mutably.
            unsafe { (*value).assume_init_mut() }
        })
    }
}

impl<T> Drop for RefMut<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.0.state.set_present();
    }
}

/// A value that iteration has lent.
#[must_use]
pub(crate) struct Lent<'a, T>(&'a Node<T>);

impl<T> Lent<'_, T> {
    pub(crate) fn get(&self) -> &T {
        self.0.value.with(|value| {
            // SAFETY: this guard keeps the state `ITERATING` or `ORPHANED`, in which the value is
            // there, and nobody else uses it or moves it out (*borrows*, *one way out*).
            unsafe { (*value).assume_init_ref() }
        })
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.0.value.with_mut(|value| {
            // SAFETY: as in `get`. The result borrows the guard mutably.
            unsafe { (*value).assume_init_mut() }
        })
    }
}

/// Drops the value if its thread has ended meanwhile. No panic gets out, as at the end of a thread.
impl<T> Drop for Lent<'_, T> {
    fn drop(&mut self) {
        if self.0.state.end_iteration() {
            return;
        }
        self.0.set_unowned();
        // SAFETY: the state is `ORPHANED`: the value is there, its thread has vacated the node, and
        // this guard has stopped using it (*one way out*).
        let value = unsafe { self.0.move_out() };
        // Last of all, because this is user code.
        call_guarded(|| drop(value));
    }
}
