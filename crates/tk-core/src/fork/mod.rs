//! Forks: how the kit notices them, and what is left of it in the child.
//!
//! The child of a fork has one thread, the one that forked. It is the main thread there. Every other thread exists in the
//! parent alone, and may have been between any two instructions when the memory was copied: with a lock held, or with a
//! value half changed.
//!
//! Each fork begins a new *generation*. What belongs to one process (a record, a token, a lock's word) carries the
//! generation that it belongs to.
//!
//! **Invariant: watched from the first look.** [`generation`] is the only way to learn the generation, and it has forks
//! watched before it returns. Whatever takes a lock of the kit or makes a record reads the generation first. So there is
//! nothing of the kit that a fork could take by surprise.
//!
//! **Invariant: no wait for a lost thread.** The kit's own state is behind a [`Mutex`], which the child can always lock, or
//! in a cell of `once_cell::race`, which nobody waits for. A `Once`, an `OnceLock` or a `std::sync::Mutex` would keep the
//! child waiting for a thread that is in the parent.
//!
//! In the child, before `fork` returns there:
//!
//! 1. The generation is counted up.
//! 2. Nothing holds the child's program open, because the words of programs carry their generation: see `program.rs`.
//! 3. The thread that forked gets an id if it has none. Its id is the main thread's from here on.
//! 4. Its record is of the new generation, and the registry has this one thread. Slots of the lost threads are not given
//!    to others: a crate that keeps values by slot has not been told that those threads have ended.
//!
//! None of this allocates, and none of it waits.
//!
//! `vfork`, `posix_spawn` and `std::process::Command` run another program and need none of this. A process that is made
//! by a bare system call (`clone`, or C's `_Fork`) runs no handlers, and is not noticed.

#![allow(
    unsafe_code,
    reason = "a handler for forks, and a lock that survives them"
)]

mod mutex;
mod sys;

use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

pub use mutex::{Inherit, Mutex, MutexGuard};

use crate::{Owner, ThreadId, ThreadRecord, current, registry, thread_by_owner};

/// The generation of the first process.
pub(crate) const FIRST: u32 = 1;

/// Zero until forks are watched, then this process's generation.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// This process's generation: two equal ones are of one process. Has forks watched from here on.
#[inline]
pub fn generation() -> u32 {
    // Relaxed: it changes while there is one thread.
    match GENERATION.load(Ordering::Relaxed) {
        0 => watch(),
        generation => generation,
    }
}

/// The generation, if it matters: zero if nothing of the kit has been used.
pub(crate) fn generation_so_far() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

/// The last number that a thread of the parent has got. Zero in the first process.
static LAST_OF_PARENT: AtomicU64 = AtomicU64::new(0);

/// Whether this owner is a thread of the parent that the fork has left behind, or that had ended before: it will never
/// release what it holds here. Says no if that is not known.
///
/// Costs one load in a process that is no child of a fork.
pub fn is_lost(owner: Owner) -> bool {
    // Relaxed: it changes while there is one thread.
    let last = LAST_OF_PARENT.load(Ordering::Relaxed);
    owner.is_known()
        && u64::from(owner.get()) <= last
        && !registry::is_main_owner(owner)
        // A thread that was registered in the parent may have begun here.
        && thread_by_owner(owner).as_ref().is_none_or(ThreadRecord::is_lost)
}

/// Has the child of every fork from here on call [`in_child`].
///
/// Two threads may do this at once, and the handler is then called twice in each child: two generations begin instead of
/// one, and no harm is done. A `Once` would be worse: a fork in the middle of it would leave it locked in the child.
#[cold]
#[inline(never)]
fn watch() -> u32 {
    #[cfg(unix)]
    // SAFETY: `in_child` may be called in the child of a fork. It takes no lock that another thread could have, allocates
    // nothing, and does not unwind.
    let watched = unsafe { libc::pthread_atfork(None, None, Some(in_child)) } == 0;
    #[cfg(not(unix))]
    let watched = true;
    if !watched {
        // There is no memory for one more handler. The next call tries again.
        return FIRST;
    }
    // Relaxed: the handler is installed before other threads can see this, because installing it takes a lock of the C
    // library that a fork takes too.
    let before = GENERATION.compare_exchange(0, FIRST, Ordering::Relaxed, Ordering::Relaxed);
    before.map_or_else(|generation| generation, |_| FIRST)
}

#[cfg(unix)]
unsafe extern "C" fn in_child() {
    // A fork between the two steps of `watch` finds zero.
    let parent = GENERATION.load(Ordering::Relaxed).max(FIRST);
    GENERATION.store(parent.wrapping_add(1), Ordering::Relaxed);
    // Relaxed: there is one thread.
    LAST_OF_PARENT.store(ThreadId::last(), Ordering::Relaxed);
    let main = current::survive();
    registry::survive(main);
}

impl<T> Mutex<T> {
    /// In a static: around a constant, which is as good for a child as for its parent. If nobody has locked it before a
    /// fork, the child does not call [`Inherit::inherit`].
    pub const fn constant(value: T) -> Mutex<T> {
        Mutex {
            word: sys::AtomicU32::new(0),
            value: sys::Cell::new(ManuallyDrop::new(value)),
        }
    }
}
