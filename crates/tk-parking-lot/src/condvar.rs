//! The condition variable.

/// The condition variable inside a [`Condvar`].
#[cfg(not(feature = "send_guard"))]
pub use tk_condvar::RawCondvar;

/// A condition variable for a [`Mutex`](crate::Mutex).
///
/// There are no spurious wake-ups, and the results of `notify_one` and `notify_all` are exact. A
/// wait panics if other threads wait on it with another mutex.
///
/// ```
/// use std::time::Duration;
/// use tk_parking_lot::{Condvar, Mutex};
///
/// let (lock, changed) = (Mutex::new(()), Condvar::new());
/// assert!(!changed.notify_one());
/// let waited = changed.wait_for(&mut lock.lock(), Duration::from_millis(1));
/// assert!(waited.timed_out());
/// ```
pub type Condvar = lock_api::Condvar<RawCondvar>;

#[cfg(feature = "send_guard")]
pub use send::RawCondvar;

#[cfg(feature = "send_guard")]
mod send {
    use std::time::{Duration, Instant};

    use lock_api::GuardSend;

    use crate::RawMutex;

    /// The condition variable inside a [`Condvar`](crate::Condvar).
    #[derive(Debug, Default)]
    pub struct RawCondvar(tk_condvar::RawCondvar);

    // SAFETY: as for the one inside. A guard has no state.
    unsafe impl lock_api::RawCondvar for RawCondvar {
        #[allow(
            clippy::declare_interior_mutable_const,
            reason = "as lock_api asks for"
        )]
        const INIT: RawCondvar = RawCondvar(tk_condvar::RawCondvar::new());

        type RawMutex = RawMutex;

        #[track_caller]
        unsafe fn wait(&self, lock: &RawMutex, _: &mut GuardSend) {
            // SAFETY: by the caller's promise.
            let notified = unsafe { self.0.wait_with(lock, tk_lock::Limit::never()) };
            debug_assert_eq!(notified, Ok(()));
        }

        fn notify_one(&self) -> bool {
            self.0.notify(1) == 1
        }

        fn notify_all(&self) -> usize {
            self.0.notify_all()
        }
    }

    // SAFETY: as above.
    unsafe impl lock_api::RawCondvarTimed for RawCondvar {
        fn checked_duration_to_instant(timeout: &Duration) -> Option<Instant> {
            <tk_condvar::RawCondvar as lock_api::RawCondvarTimed>::checked_duration_to_instant(
                timeout,
            )
        }

        #[track_caller]
        unsafe fn wait_until(
            &self,
            lock: &RawMutex,
            _: &mut GuardSend,
            deadline: &Instant,
        ) -> bool {
            // SAFETY: by the caller's promise.
            unsafe { self.0.wait_with(lock, *deadline) }.is_err()
        }
    }
}
