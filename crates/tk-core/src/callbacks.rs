//! Functions that run once, when a thread ends.
//!
//! # States and operations
//!
//! | list | `push` | `run` | `run_so_far` |
//! |---|---|---|---|
//! | open, empty | adds the function | closes the list | nothing |
//! | open, with functions | adds the function | calls the last one, and looks again | the same |
//! | open, a function of depth `MAX_DEPTH` runs | returns the function | – | – |
//! | closed | returns the function | nothing | nothing |
//!
//! # Invariants
//!
//! **Last in, first out.** The function that was added last is called first, including those that a
//! function adds while it runs.
//!
//! **None forgotten.** `run` closes the list under the same lock under which it finds the list
//! empty. So each function either runs or is returned to its caller.
//!
//! **Bounded.** A function that another one has added is one level deeper. Functions of depth
//! `MAX_DEPTH` cannot add more. Otherwise a function that adds itself would keep its thread from
//! ending.
//!
//! **No user code under the lock.** Functions are called and dropped, and memory is allocated and
//! freed, while the list is not locked.

use crate::fork::{Inherit, Mutex};
use crate::guard::call_guarded;

/// A function that is kept for later.
pub(crate) type Callback = Box<dyn FnOnce() + Send>;

/// The depth to which functions can add functions.
const MAX_DEPTH: u8 = 16;

/// The functions for one moment in the life of a thread.
pub(crate) struct Callbacks(Mutex<Stack>);

struct Stack {
    last: Option<Box<Entry>>,
    /// The depth of the function that runs now, or zero.
    depth: u8,
    is_closed: bool,
}

struct Entry {
    f: Callback,
    depth: u8,
    next: Option<Box<Entry>>,
}

impl Stack {
    const NEW: Stack = Stack {
        last: None,
        depth: 0,
        is_closed: false,
    };
}

impl Inherit for Stack {
    fn anew() -> Stack {
        Stack::NEW
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // A loop, because recursion could overflow the stack of the thread that drops the last
        // handle.
        while let Some(mut entry) = self.last.take() {
            self.last = entry.next.take();
            call_guarded(|| drop(entry.f));
        }
    }
}

impl Callbacks {
    pub(crate) fn new() -> Callbacks {
        Callbacks(Mutex::new(Stack::NEW))
    }

    /// Adds a function. Returns it if the list is closed or the bound is reached.
    pub(crate) fn push(&self, f: Callback) -> Result<(), Callback> {
        // Allocated before the list is locked.
        let mut entry = Box::new(Entry {
            f,
            depth: 0,
            next: None,
        });
        let mut stack = self.0.lock();
        if stack.is_closed || stack.depth == MAX_DEPTH {
            // Unlocked before the box is freed.
            drop(stack);
            return Err(entry.f);
        }
        entry.depth = stack.depth + 1;
        entry.next = stack.last.take();
        stack.last = Some(entry);
        Ok(())
    }

    /// Calls all functions, and closes the list.
    pub(crate) fn run(&self) {
        while let Some(f) = self.pop(true) {
            call_guarded(f);
        }
    }

    /// Calls all functions, and leaves the list open for others.
    pub(crate) fn run_so_far(&self) {
        while let Some(f) = self.pop(false) {
            call_guarded(f);
        }
        // Functions that are added later are not nested in those that have run.
        self.0.lock().depth = 0;
    }

    /// Takes the function that was added last. Closes an empty list if `close` is set.
    fn pop(&self, close: bool) -> Option<Callback> {
        let mut stack = self.0.lock();
        let Some(mut entry) = stack.last.take() else {
            stack.is_closed |= close;
            return None;
        };
        stack.last = entry.next.take();
        stack.depth = entry.depth;
        // Unlocked before the box is freed.
        drop(stack);
        Some(entry.f)
    }
}
