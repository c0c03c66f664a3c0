//! What is left of the program in the child of a fork: one thread, which is the main one now.
//!
//! Each fork begins a new generation. Records, tokens and the registry know theirs, and what is of an earlier one is of
//! threads that exist in the parent alone:
//!
//! 1. [`forked`] runs in the child before anything else does, in a place where nothing may be locked or allocated. It
//!    counts the generation up, and takes the one record along whose thread is there.
//! 2. The registry's lock may have been held by a thread that is not there to release it. So nobody touches that registry
//!    any more: the child makes itself a new one when it first needs it.
//! 3. Nor does anybody touch a record's locks of an earlier generation: its record has others here.
//! 4. The slots of the lost threads are not used again: who keeps something by slot can't have been told of their end.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::{KeepAlive, current};

/// How many forks lie between the first program and this one.
static FORKS: AtomicU32 = AtomicU32::new(0);

#[inline]
pub(crate) fn generation() -> u32 {
    // Relaxed: it changes while there is one thread.
    FORKS.load(Ordering::Relaxed)
}

/// Tells the kit that this is the child of a fork. To be called there first of all.
#[doc(hidden)]
pub fn forked() {
    FORKS.fetch_add(1, Ordering::Relaxed);
    KeepAlive::forked();
    current::survive();
}
