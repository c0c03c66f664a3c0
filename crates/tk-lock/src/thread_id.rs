//! The thread's number in `lock_api`'s reentrant mutex.

use std::num::NonZeroUsize;

/// The helper with which `lock_api`'s reentrant mutex tells threads apart.
///
/// [`RLock`](crate::RLock) is the reentrant lock of the kit, and needs no such thing. This one is
/// for a type that takes the two parts of `lock_api`'s mutex as parameters:
///
/// ```
/// use tk_lock::{RawLock, RawThreadId};
///
/// type ReentrantMutex<T> = lock_api::ReentrantMutex<RawLock, RawThreadId, T>;
///
/// let lock = ReentrantMutex::new(1);
/// let (outer, inner) = (lock.lock(), lock.lock());
/// assert_eq!(*outer + *inner, 2);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct RawThreadId;

// SAFETY: the number is the address of a variable of the thread, which no other thread has while
// this one runs. It is not that of the slot, which a thread may lose before its last destructors.
unsafe impl lock_api::GetThreadId for RawThreadId {
    const INIT: RawThreadId = RawThreadId;

    #[inline]
    fn nonzero_thread_id(&self) -> NonZeroUsize {
        thread_local!(static HERE: u8 = const { 0 });
        HERE.with(|here| {
            NonZeroUsize::new((&raw const *here).addr()).expect("a variable has an address")
        })
    }
}
