//! Forks: how the kit notices them, and what the child of a fork has.
//!
//! The child of a fork has one thread, the one that has forked. It is the main thread there. All
//! other threads exist only in the parent. Each of them may have been between any two instructions
//! when the memory was copied: with a lock held, or with a value half changed.
//!
//! Each fork starts a new *generation*. An object that belongs to one process, such as a record, a
//! token or the word of a lock, stores the generation that it belongs to.
//!
//! # Steps in the child, before `fork` returns there
//!
//! | step | what changes |
//! |---|---|
//! | 1 | The generation is counted up. |
//! | 2 | No token holds the child's program open: a word has a generation, see `program`. |
//! | 3 | The thread that has forked gets an id if it has none. `MAIN` is this id now. |
//! | 4 | Its record gets the new generation. The registry has this thread, see `registry`. |
//!
//! # Invariants
//!
//! **Watched from the first look.** [`generation`] is the only way to learn the generation, and it
//! installs the handler before it returns. Code that takes a lock of the kit or makes a record
//! reads the generation first. So a fork that happens before has nothing of the kit to inherit.
//!
//! **No wait for a lost thread.** The kit's own state is in a [`Mutex`], which the child can always
//! lock, or in a cell of `once_cell::race`, which nobody waits for. With a `Once`, an `OnceLock` or
//! a `std::sync::Mutex`, the child could wait forever for a thread that exists only in the parent.
//!
//! **Nothing is lost to a look.** What a program has set and other threads look at, such as a name,
//! is in a [`Kept`]. In a bare `Mutex`, a thread that looked at it at the fork would cost the child
//! the value, because a lock does not tell whether its holder was looking or changing. The names of
//! objects and the watchdogs of tk-watch are not kept so: the child has no watcher.
//!
//! **The handler neither allocates nor waits.** Another thread may have had the lock of the
//! allocator at the fork.
//!
//! `vfork`, `posix_spawn` and `std::process::Command` start another program and need none of this.
//! A process that is made by a bare system call, such as `clone` or C's `_Fork`, runs no handlers
//! and is not noticed.

#![allow(
    unsafe_code,
    reason = "a handler for forks, and a lock that survives them"
)]

mod kept;
mod mutex;
mod sys;

use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

pub use kept::Kept;
pub use mutex::{Inherit, Mutex, MutexGuard};

use crate::{Owner, ThreadId, ThreadRecord, current, registry, thread_by_owner};

/// The generation of the first process.
pub(crate) const FIRST: u32 = 1;

/// The generation of this process. Zero until the handler is installed.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// Returns the generation of this process, and installs the handler for forks.
#[inline]
pub fn generation() -> u32 {
    // Relaxed: it changes while there is one thread.
    match GENERATION.load(Ordering::Relaxed) {
        0 => watch(),
        generation => generation,
    }
}

/// The generation, or zero if the kit has not been used.
pub(crate) fn generation_so_far() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

/// The last id that was assigned in the parent. Zero in the first process.
static LAST_OF_PARENT: AtomicU64 = AtomicU64::new(0);

/// Returns whether this owner is a thread of the parent that does not exist in this process. It
/// will never release what it holds here. Returns `false` if that is not known.
///
/// Costs one load in a process that is not the child of a fork.
pub fn is_lost(owner: Owner) -> bool {
    // Relaxed: it changes while there is one thread.
    let last = LAST_OF_PARENT.load(Ordering::Relaxed);
    owner.is_known()
        && u64::from(owner.get()) <= last
        && !registry::is_main_owner(owner)
        // A registration of the parent may have begun here.
        && thread_by_owner(owner).as_ref().is_none_or(ThreadRecord::is_lost)
}

/// Makes the child of every fork from here on call [`in_child`].
///
/// If two threads do this at the same time, each child calls the handler twice. It starts two
/// generations instead of one, which does no harm. A `Once` would do harm: a fork within it would
/// leave it locked in the child (*no wait for a lost thread*).
#[cold]
#[inline(never)]
fn watch() -> u32 {
    #[cfg(unix)]
    // SAFETY: `in_child` may run in the child of a fork. It takes no lock that another thread could
    // have had at the fork, allocates nothing (*the handler neither allocates nor waits*), and does
    // not unwind.
    let watched = unsafe { libc::pthread_atfork(None, None, Some(in_child)) } == 0;
    #[cfg(not(unix))]
    let watched = true;
    if !watched {
        // The C library has no memory for another handler. The next call tries again.
        return FIRST;
    }
    // Relaxed: a fork after this sees the handler, because the C library takes the same lock to
    // install a handler and to fork.
    let before = GENERATION.compare_exchange(0, FIRST, Ordering::Relaxed, Ordering::Relaxed);
    before.map_or_else(|generation| generation, |_| FIRST)
}

// Compiled everywhere, so that what it calls is in use everywhere.
#[cfg_attr(not(unix), allow(dead_code, reason = "there are no forks"))]
unsafe extern "C" fn in_child() {
    // Zero if the fork came between the two steps of `watch`.
    let parent = GENERATION.load(Ordering::Relaxed).max(FIRST);
    GENERATION.store(parent.wrapping_add(1), Ordering::Relaxed);
    // Relaxed: there is one thread.
    LAST_OF_PARENT.store(ThreadId::last(), Ordering::Relaxed);
    let main = current::survive();
    registry::survive(main);
}

impl<T> Mutex<T> {
    /// Creates a mutex in a static, around a constant.
    ///
    /// The constant suits a child as well as its parent. So if nobody has locked the mutex before a
    /// fork, the child does not call [`Inherit::inherit`].
    pub const fn constant(value: T) -> Mutex<T> {
        Mutex {
            word: sys::AtomicU32::new(0),
            value: sys::Cell::new(ManuallyDrop::new(value)),
        }
    }
}
