//! The condition variable of `lock_api`, over [`RawCondvar`].

use crate::RawCondvar;

pub use lock_api::WaitTimeoutResult;

/// The condition variable of `lock_api`, with the methods of parking_lot's.
///
/// It is for code that was written for parking_lot, which goes on as it is with other imports:
///
/// ```
/// # use std::time::Duration;
/// // use parking_lot::{Condvar, Mutex, MutexGuard, WaitTimeoutResult};
/// use tk_condvar::{LockApiCondvar as Condvar, WaitTimeoutResult};
/// use tk_lock::{Lock as Mutex, LockGuard as MutexGuard};
///
/// fn pop(
///     jobs: &mut MutexGuard<'_, Vec<u32>>,
///     changed: &Condvar,
/// ) -> Result<u32, WaitTimeoutResult> {
///     let timeout = Duration::from_millis(1);
///     let waited = changed.wait_while_for(jobs, |jobs| jobs.is_empty(), timeout);
///     jobs.pop().ok_or(waited)
/// }
///
/// let (jobs, changed) = (Mutex::new(vec![7]), Condvar::new());
/// let mut jobs = jobs.lock();
/// assert_eq!(pop(&mut jobs, &changed), Ok(7));
/// assert!(pop(&mut jobs, &changed).unwrap_err().timed_out());
/// assert!(!changed.notify_one());
/// ```
///
/// New code has more from [`Condvar`](crate::Condvar):
///
/// | | `LockApiCondvar` | `Condvar` |
/// |---|---|---|
/// | notifies `n` threads | no | `notify(n)` |
/// | a wait ends by | a time | a [`Limit`](crate::Limit): a time, stop tokens, or both |
/// | a timed wait returns | [`WaitTimeoutResult`] | whether there was a notification, or which limit was reached |
/// | the line in a thread's record | one of `lock_api` | that of the caller |
///
/// Both wait in the same way: no spurious wake-up, wake-ups in FIFO order, exact counts, and a wait
/// with another lock than that of the threads that wait already panics.
pub type LockApiCondvar = lock_api::Condvar<RawCondvar>;
