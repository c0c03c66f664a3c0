//! The place where one parked thread sleeps, and is woken with a token.
//!
//! | state | set by | meaning |
//! |---|---|---|
//! | `AWAKE` | the thread, when it enters a queue | it does not sleep yet, and may spin |
//! | `ASLEEP` | the thread | it sleeps, or is about to |
//! | `WOKEN`, and a token in the bits above | the thread that unparks it | the wait is over |
//!
//! **Last access.** The store of `WOKEN` is the last access of the unparking thread to anything of
//! the parked thread. After that store, the parked thread may return from `park` and reuse its
//! stack. If it was `ASLEEP`, it is woken by the address alone, at which nothing is read.

use crate::sync::Instant;
use crate::sync::Ordering::{Acquire, Relaxed, Release};
use crate::sync::lot::AtomicU32;
use crate::sync::{futex, with_futexes, without_futexes};

const AWAKE: u32 = 0;
const ASLEEP: u32 = 1;
const WOKEN: u32 = 2;

/// The token is in the bits above this one.
const TOKEN: u32 = 2;

pub(super) struct Parker {
    state: AtomicU32,
    #[cfg(not(any(
        tk_loom,
        all(any(target_os = "linux", target_os = "android"), not(tk_no_futex))
    )))]
    bed: Bed,
}

fn token(state: u32) -> Option<u32> {
    (state & WOKEN != 0).then_some(state >> TOKEN)
}

fn woken(token: u32) -> u32 {
    token << TOKEN | WOKEN
}

impl Parker {
    /// Returns whether the thread has been woken. Orders nothing.
    pub(super) fn is_woken(&self) -> bool {
        token(self.state.load(Relaxed)).is_some()
    }

    /// Returns the token, if the thread has been woken.
    pub(super) fn token(&self) -> Option<u32> {
        // Acquire: pairs with the Release in `wake`. The unparking thread's earlier writes are
        // visible here.
        token(self.state.load(Acquire))
    }
}

with_futexes! {
    impl Parker {
        pub(super) fn new() -> Parker {
            Parker {
                state: AtomicU32::new(AWAKE),
            }
        }

        /// Sleeps until the thread is woken, and returns the token; or `None` if the deadline is
        /// reached before. May be called again after that.
        pub(super) fn sleep(&self, deadline: Option<Instant>) -> Option<u32> {
            // Relaxed: it tells `wake` to call the kernel, which compares the word once more. A
            // failure is looked at below.
            let _ = self.state.compare_exchange(AWAKE, ASLEEP, Relaxed, Relaxed);
            loop {
                // Acquire: pairs with the Release in `wake`. The unparking thread's earlier
                // writes are visible here.
                if let Some(token) = token(self.state.load(Acquire)) {
                    return Some(token);
                }
                if !futex::wait(&self.state, ASLEEP, deadline) {
                    return token(self.state.load(Acquire));
                }
            }
        }

        /// Wakes the thread.
        ///
        /// # Safety
        ///
        /// The parker is that of a waiter which belongs to the calling thread, by Handover. It is
        /// the thread's own again, and may be gone, when this returns.
        pub(super) unsafe fn wake(this: *const Parker, token: u32) {
            // SAFETY: the waiter is there until it is woken, which the swap does.
            let state = unsafe { &raw const (*this).state };
            // Release: pairs with the Acquire in `sleep`. By Last access, nothing of the thread is
            // touched from here on. SAFETY: as above.
            if unsafe { (*state).swap(woken(token), Release) } == ASLEEP {
                futex::wake(state);
            }
        }
    }
}

without_futexes! {
    use std::sync::{Condvar, Mutex};

    /// The place where the thread sleeps. By Last access, the thread does not return before `WOKEN`
    /// is set, though it is up before: the thread that unparks may be still at the mutex.
    struct Bed {
        is_expired: Mutex<bool>,
        wake_up: Condvar,
    }

    impl Parker {
        pub(super) fn new() -> Parker {
            Parker {
                state: AtomicU32::new(AWAKE),
                bed: Bed {
                    is_expired: Mutex::new(false),
                    wake_up: Condvar::new(),
                },
            }
        }

        /// Sleeps until the thread is woken, and returns the token; or `None` if the deadline is
        /// reached before. May be called again after that.
        pub(super) fn sleep(&self, deadline: Option<Instant>) -> Option<u32> {
            // Relaxed: it tells `wake` to use the bed. A failure is looked at below.
            let _ = self.state.compare_exchange(AWAKE, ASLEEP, Relaxed, Relaxed);
            // Acquire: pairs with the Release in `wake`. The unparking thread's
            // earlier writes are visible here.
            let token_now = || token(self.state.load(Acquire));
            if let Some(token) = token_now() {
                return Some(token);
            }
            let mut is_expired = crate::sync::lock(&self.bed.is_expired);
            while !*is_expired {
                let wake_up = &self.bed.wake_up;
                let left = deadline.map(|it| it.saturating_duration_since(Instant::now()));
                is_expired = match left {
                    Some(left) if left.is_zero() => return None,
                    Some(left) => {
                        wake_up
                            .wait_timeout(is_expired, left)
                            .unwrap_or_else(std::sync::PoisonError::into_inner)
                            .0
                    }
                    None => wake_up
                        .wait(is_expired)
                        .unwrap_or_else(std::sync::PoisonError::into_inner),
                };
            }
            drop(is_expired);
            futex::until(|| token_now().is_some());
            token_now()
        }

        /// Wakes the thread.
        ///
        /// # Safety
        ///
        /// The parker is that of a waiter which belongs to the calling thread, by Handover. It is
        /// the thread's own again, and may be gone, when this returns.
        pub(super) unsafe fn wake(this: *const Parker, token: u32) {
            // SAFETY: the waiter is there until it is woken, which the stores of `WOKEN` do.
            let parker = unsafe { &*this };
            let woken = woken(token);
            // Release: pairs with the Acquire in `sleep`.
            if parker.state.compare_exchange(AWAKE, woken, Release, Relaxed).is_ok() {
                return;
            }
            let mut is_expired = crate::sync::lock(&parker.bed.is_expired);
            *is_expired = true;
            parker.bed.wake_up.notify_one();
            drop(is_expired);
            // Release: as above. By Last access, nothing of the thread is touched from here on.
            parker.state.store(woken, Release);
        }
    }
}
