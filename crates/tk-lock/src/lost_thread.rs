//! A thread that exists only in the parent of this process, as a panic tells of it.

use std::fmt;

use tk_core::{Owner, thread_by_owner};

/// Shows the thread: `painter, a thread that the fork has left behind`.
pub(crate) struct LostThread(pub(crate) Owner);

impl LostThread {
    /// Panics, because a wait for what the thread holds would never end.
    #[cold]
    #[inline(never)]
    #[track_caller]
    pub(crate) fn refuse_wait(self) -> ! {
        panic!("a wait for a lock that is held by {self}")
    }
}

impl fmt::Display for LostThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(thread) = thread_by_owner(self.0) {
            write!(f, "{}, ", thread.name())?;
        }
        f.write_str("a thread that the fork has left behind")
    }
}
