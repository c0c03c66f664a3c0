//! What tk-condvar needs of a lock, so that threads can be moved from a condition variable's queue into the lock's.
//!
//! No part of the public interface: it changes without notice.

use tk_park::sync::current_owner;

use crate::{RLockGuard, RawLock, RawRLock};

/// Token for a thread that is woken by somebody else than the lock: take the lock like any other thread.
pub use crate::raw_lock::TOKEN_NORMAL;
pub use crate::raw_rlock::Suspended;

/// The address of the lock, which is also the key of its queue.
pub fn address(lock: &RawLock) -> usize {
    (&raw const *lock).expose_provenance()
}

/// The lock at this address.
///
/// # Safety
///
/// It was given by [`address`], and the lock stays borrowed for `'a`.
pub unsafe fn at_address<'a>(address: usize) -> &'a RawLock {
    // SAFETY: by the caller's promise.
    unsafe { &*std::ptr::with_exposed_provenance(address) }
}

/// Sets `PARKED` if the lock is held, for threads that are about to be moved into the queue, and returns whether it is.
///
/// To be called with the queue locked.
pub fn mark_parked_if_locked(lock: &RawLock) -> bool {
    lock.word.mark_parked_if_locked()
}

/// Sets `PARKED` for threads that have just been moved into the queue.
///
/// To be called with the queue locked, by a thread that is about to wake another one which will take the lock: so a release
/// is to come.
pub fn mark_parked(lock: &RawLock) {
    lock.word.mark_parked();
}

/// Releases the lock for a wait. The calling thread holds it.
pub fn release(lock: &RawLock) {
    lock.release_as(current_owner());
}

/// Takes the lock after a wait on a condition variable, which ended with this token.
///
/// # Safety
///
/// The calling thread was unparked with the token in the queue of this lock, or the token is [`TOKEN_NORMAL`].
#[track_caller]
pub unsafe fn reacquire(lock: &RawLock, token: u16) {
    lock.acquire_woken(current_owner(), token);
}

/// The lock that a guard has taken.
///
/// # Safety
///
/// No level is released but those that are acquired through this reference.
pub unsafe fn raw<'a, T: ?Sized>(guard: &RLockGuard<'a, T>) -> &'a RawRLock {
    RLockGuard::lock_of(guard)
}

/// Takes all levels off, for a wait on a condition variable. They are put back when the result is dropped.
///
/// # Safety
///
/// The calling thread holds the lock. Nobody uses what the lock guards until the result is dropped. The lock inside, which
/// may be released meanwhile, is held by this thread again by then.
pub unsafe fn suspend(lock: &RawRLock) -> Suspended<'_> {
    lock.suspend()
}
