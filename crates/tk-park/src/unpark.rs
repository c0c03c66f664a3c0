//! Unparking, and moving parked threads to another queue.

use crate::Word;
use crate::lot::Waiter;
use crate::sync::parking;

/// The token of a thread that a stop request unparks. Tokens of users are smaller.
pub(crate) const STOPPED: u32 = 1 << 16;
/// The token of a thread whose wait a watcher breaks.
pub(crate) const DEADLOCK: u32 = STOPPED + 1;

/// The result of unparking or requeuing threads.
///
/// ```
/// let word = std::sync::atomic::AtomicU32::new(0);
/// assert_eq!(tk_park::unpark_one(&word, |_| 0), tk_park::UnparkResult::default());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnparkResult {
    /// How many threads have been unparked.
    pub unparked_threads: usize,
    /// How many threads have been moved to the other queue.
    pub requeued_threads: usize,
    /// Whether threads are still parked on the word.
    pub have_more_threads: bool,
}

/// The decision about a parked thread.
///
/// ```
/// use std::sync::atomic::AtomicU32;
/// use tk_park::{FilterOp, unpark_filter};
///
/// // Every second one.
/// let mut odd = false;
/// let result = unpark_filter(&AtomicU32::new(0), |_| {
///     odd = !odd;
///     if odd { FilterOp::Unpark } else { FilterOp::Skip }
/// }, |_| 0);
/// assert_eq!((result.unparked_threads, result.have_more_threads), (0, false));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FilterOp {
    /// Unpark the thread, and go on to the next.
    Unpark,
    /// Leave the thread parked, and go on to the next.
    Skip,
    /// Leave the thread and all threads behind it parked.
    Stop,
}

/// Unparks the threads on `word` that `filter` chooses. It sees them in FIFO order.
///
/// `callback` then gets the result, before any of the threads wakes, and returns the token that
/// they get from [`park`](crate::park). It is called even if no thread was parked.
///
/// Both closures run with the word's queue locked, so a change that they make to the word is atomic
/// with the unparking. The rules for `validate` of [`park`](crate::park) hold for them too: they
/// must be short, and must not park, unpark, release a lock of the kit, allocate (if the global
/// allocator parks) or fork. If one panics, the program aborts.
///
/// ```
/// use std::sync::atomic::AtomicU32;
/// use tk_park::{FilterOp, unpark_filter};
///
/// let word = AtomicU32::new(0);
/// let result = unpark_filter(&word, |waiter| match waiter.tag() {
///     7 => FilterOp::Unpark,
///     _ => FilterOp::Skip,
/// }, |_| 0);
/// assert_eq!(result.unparked_threads, 0);
/// ```
pub fn unpark_filter(
    word: &impl Word,
    mut filter: impl FnMut(&Waiter) -> FilterOp,
    mut callback: impl FnMut(UnparkResult) -> u16,
) -> UnparkResult {
    // SAFETY: a `Word` gives the caller its queue (see `Word`), and every thread that parks takes
    // any token.
    unsafe {
        parking::unpark_filter(word.key(), &mut filter, &mut |result| {
            callback(result).into()
        })
    }
}

/// Unparks the thread that has been parked on `word` for the longest time. `callback` is as in
/// [`unpark_filter`].
///
/// ```
/// let word = std::sync::atomic::AtomicU32::new(0);
/// assert_eq!(tk_park::unpark_one(&word, |_| 0).unparked_threads, 0);
/// ```
pub fn unpark_one(word: &impl Word, callback: impl FnMut(UnparkResult) -> u16) -> UnparkResult {
    unpark_n(word, 1, callback)
}

/// Unparks the `n` threads that have been parked on `word` for the longest time, or all if there
/// are fewer. `callback` is as in [`unpark_filter`].
///
/// ```
/// let word = std::sync::atomic::AtomicU32::new(0);
/// assert!(!tk_park::unpark_n(&word, 3, |_| 0).have_more_threads);
/// ```
pub fn unpark_n(
    word: &impl Word,
    n: usize,
    callback: impl FnMut(UnparkResult) -> u16,
) -> UnparkResult {
    let mut left = n;
    let filter = |_: &Waiter| {
        if left == 0 {
            return FilterOp::Stop;
        }
        left -= 1;
        FilterOp::Unpark
    };
    unpark_filter(word, filter, callback)
}

/// Unparks every thread on `word`, with this token. Returns how many there were.
///
/// ```
/// let word = std::sync::atomic::AtomicU32::new(0);
/// assert_eq!(tk_park::unpark_all(&word, 0), 0);
/// ```
pub fn unpark_all(word: &impl Word, token: u16) -> usize {
    unpark_filter(word, |_| FilterOp::Unpark, |_| token).unparked_threads
}

/// The decision about the threads that are parked on the first word of [`requeue`].
///
/// ```
/// use std::sync::atomic::AtomicU32;
/// use tk_park::{RequeueOp, requeue};
///
/// let (from, to) = (AtomicU32::new(0), AtomicU32::new(0));
/// // SAFETY: no thread is parked on either word.
/// let result = unsafe {
///     requeue(&from, &raw const to as usize, |_| Some(RequeueOp::RequeueAll), |_| 0)
/// };
/// assert_eq!(result.unwrap().requeued_threads, 0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequeueOp {
    /// Unpark the first, and leave the others where they are.
    UnparkOne,
    /// Move the first, and leave the others where they are.
    RequeueOne,
    /// Unpark so many, or all if there are fewer, and move the others.
    UnparkSomeRequeueRest(usize),
    /// Move all.
    RequeueAll,
}

/// Unparks threads from `from`, or moves them to the end of the queue at the address `to` without
/// waking them.
///
/// `decide` sees the first thread and says what to do. Threads are taken in FIFO order. If `decide`
/// returns `None`, nothing changes, and this returns `None`. If no thread is parked on `from`,
/// `decide` is not called.
///
/// `decide` and `callback` run with both queues locked, under the rules of [`unpark_filter`]. The
/// token goes to the threads that are unparked.
///
/// # Safety
///
/// Every thread that is parked on `from` when `decide` agrees must be ready for what the owner of
/// the other queue does with it: it is unparked with that owner's tokens. The address is that of a
/// [`Word`], or was while threads could be parked on `from`. Nothing is read there.
///
/// ```
/// use std::sync::atomic::AtomicU32;
/// use tk_park::{Limit, Parked, RequeueOp, WaitInfo, park, requeue, unpark_one};
///
/// let (from, to) = (AtomicU32::new(0), AtomicU32::new(0));
/// let move_one = || {
///     // SAFETY: the thread takes any token.
///     unsafe { requeue(&from, &raw const to as usize, |_| Some(RequeueOp::RequeueOne), |_| 0) }
/// };
/// std::thread::scope(|s| {
///     let sleeper = s.spawn(|| park(&from, || true, &WaitInfo::new("example"), Limit::never()));
///     while move_one().unwrap().requeued_threads == 0 {}
///     // It has slept on, and waits for the other word now.
///     assert_eq!(unpark_one(&to, |_| 7).unparked_threads, 1);
///     assert_eq!(sleeper.join().unwrap(), Ok(Parked::Unparked(7)));
/// });
/// ```
pub unsafe fn requeue(
    from: &impl Word,
    to: usize,
    mut decide: impl FnMut(&Waiter) -> Option<RequeueOp>,
    mut callback: impl FnMut(UnparkResult) -> u16,
) -> Option<UnparkResult> {
    // SAFETY: `from` as in `unpark_filter`, and `to` by the caller's promise.
    unsafe {
        parking::requeue(from.key(), to, &mut decide, &mut |result| {
            callback(result).into()
        })
    }
}

/// Unparks the thread of this ticket with [`STOPPED`], if it is still in the queue of this key.
///
/// # Safety
///
/// The thread of the ticket has not left `park` yet, and can't leave it before this call returns.
pub(crate) unsafe fn unpark_stopped(key: usize, ticket: usize) {
    // SAFETY: the waiter lies on the stack of that thread.
    unsafe { parking::unpark_one_of(Waiter::of_ticket(ticket), key, STOPPED) };
}
