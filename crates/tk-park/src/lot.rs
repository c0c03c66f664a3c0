//! The parking lot: a queue for each address, in which threads sleep until another one wakes them.
//!
//! ```text
//! table ---> bucket ---> queue of key A ---> waiter ---> waiter
//!            bucket      queue of key B ---> waiter
//!            ...
//!                                            each waiter lies on its thread's stack
//! ```
//!
//! | operation | with the bucket locked | after |
//! |---|---|---|
//! | `park` | calls `admit`; enters the queue | calls `before_sleep`; sleeps |
//! | `park`, at the deadline | leaves the queue, unless another thread has taken the waiter out | |
//! | `unpark_filter` | calls `filter`; takes the chosen waiters out; calls `callback` | wakes them |
//! | `requeue` | calls `decide`; takes waiters out, and moves others to the other queue; calls `callback` | wakes those that it took out |
//!
//! # Invariants
//!
//! **In a queue.** A waiter in a queue exists: its thread is inside `park`, and does not leave it
//! before the waiter is out of the queue.
//!
//! **Key.** The key of a waiter is written with the bucket of that key locked, or with both buckets
//! locked if the waiter is moved. So the key can't change while the bucket that it names is locked.
//! A waiter that is moved never has `NO_KEY` in between. So once a waiter has been in a queue,
//! `NO_KEY` means that it has been taken out for good.
//!
//! **Links.** The links of a waiter in a queue belong to the thread that has the bucket of its key
//! locked.
//!
//! **Handover.** A waiter belongs to its own thread until it enters a queue. When it leaves the
//! queue, it belongs to the thread that takes it out. If that is its own thread, the wait has timed
//! out, and no other thread has woken it or will. If it is another thread, the waiter is unparked,
//! and its deadline does not count any more. So exactly one of the two happens. The other thread
//! gives the waiter back by waking it, and does not touch it afterwards (Last access, in
//! `parker.rs`).
//!
//! **Current** and **Process**: see `table.rs`.
//!
//! A waiter lies on the stack because that needs no allocation, no thread-local and no record. So a
//! thread can park in an allocator, while it registers, and in its last destructor. In the child of
//! a fork, the stacks of the lost threads are reused, but not the table that leads to them.
//!
//! # Batched wake-ups
//!
//! The waiters that are taken out form a list through their own links. They are woken after the
//! bucket has been unlocked. So waking any number of threads allocates nothing, and a woken thread
//! does not run into the locked bucket. A waiter whose deadline comes while it is on such a list
//! finds itself in no queue, and waits for the wake-up that is on its way.
//!
//! # User code
//!
//! `admit`, `filter`, `decide` and `callback` run with buckets locked, and `before_sleep` with
//! the waiter in a queue. A panic in one of them would leave a bucket locked, or a waiter in a
//! queue without its stack, so it aborts the program. The closures are passed by reference: what
//! they have captured is dropped in the frame of the caller, with nothing locked.

mod bucket;
mod bucket_lock;
mod parker;
mod table;
mod waiter;

use std::ptr;

pub use waiter::Waiter;

use crate::observer;
use crate::sync::Instant;
use crate::sync::Ordering::Relaxed;
use crate::unpark::{FilterOp, RequeueOp, UnparkResult};
use crate::watch;
use bucket::Locked;
use parker::Parker;
use waiter::NO_KEY;

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The thread was unparked, with this token.
    Unparked(u32),
    /// `admit` said no.
    Invalid,
    /// The deadline was reached, and the waiter was in the queue of this key.
    TimedOut(usize),
}

/// Aborts the program if a panic drops it: see "User code".
struct NoPanic;

impl Drop for NoPanic {
    #[cold]
    fn drop(&mut self) {
        // The first panic has been reported. A second one while it unwinds aborts the program.
        panic!("a panic while threads are parked or unparked");
    }
}

pub(crate) fn no_panic<R>(f: impl FnOnce() -> R) -> R {
    let bomb = NoPanic;
    let result = f();
    std::mem::forget(bomb);
    result
}

/// Puts a waiter into the queue, which is locked. The waiter is in no queue, belongs to the calling
/// thread, and is there until it has been taken out of the queue.
pub(crate) type Push<'a> = dyn Fn(*const Waiter) + 'a;

/// What `admit` says about a thread that is about to enter a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It enters.
    Enters,
    /// It does not park.
    Refused,
    /// Another thread has put it into the queue already, and may have taken it out again. See
    /// `queue_word.rs`.
    IsIn,
}

/// Enters the queue of the key if `admit` agrees, calls `before_sleep`, and sleeps until it is
/// unparked or the deadline is reached.
///
/// # Safety
///
/// The waiter is new, or was taken by another thread (`queue_word.rs`). The key belongs to the
/// caller: other code that parks or unparks there knows what to expect.
pub(crate) unsafe fn park(
    waiter: &Waiter,
    key: usize,
    admit: &mut dyn FnMut(&Push<'_>) -> Admission,
    before_sleep: &mut dyn FnMut(),
    deadline: Option<Instant>,
) -> Outcome {
    no_panic(|| {
        table::fit();
        let bucket = table::lock(key);
        // SAFETY: as `Push` asks for.
        let push = |waiter: *const Waiter| unsafe { bucket.push(waiter, key) };
        match admit(&push) {
            // The waiter is new, and this function does not return before it is out of the queue.
            Admission::Enters => push(waiter),
            Admission::Refused => return Outcome::Invalid,
            Admission::IsIn => {}
        }
        drop(bucket);

        before_sleep();
        if watch::is_on()
            && waiter.is_unlimited()
            && let Some(token) = sleep_and_report(waiter)
        {
            return Outcome::Unparked(token);
        }
        if let Some(token) = waiter.parker.sleep(deadline) {
            return Outcome::Unparked(token);
        }
        match lock_bucket_of(waiter) {
            Some((key, bucket)) => {
                // SAFETY: the waiter is in the queue of this key.
                unsafe { bucket.remove(waiter) };
                Outcome::TimedOut(key)
            }
            // Handover: a wake-up is on its way.
            None => Outcome::Unparked(wait_for_wake_up(waiter)),
        }
    })
}

/// Sleeps as long as no watcher need hear of it. After that, reports the wait, unless the thread
/// was woken.
#[cold]
fn sleep_and_report(waiter: &Waiter) -> Option<u32> {
    #[cfg(not(tk_loom))]
    {
        waiter.set_will_report(true);
        let token = waiter.parker.sleep(crate::deadline_after(watch::PATIENCE));
        waiter.set_will_report(false);
        if token.is_none() {
            // A last edge is reported. Nothing is locked.
            watch::report(match waiter.held() {
                Some(_) => watch::Report::Held,
                None => watch::Report::Free,
            });
        }
        token
    }
    #[cfg(tk_loom)]
    {
        let _ = waiter;
        unreachable!("models have no watcher")
    }
}

#[cold]
fn wait_for_wake_up(waiter: &Waiter) -> u32 {
    loop {
        if let Some(token) = waiter.parker.sleep(None) {
            return token;
        }
    }
}

/// Locks the bucket of the queue in which the waiter is, and says which key that has; or `None` if
/// it is in no queue.
fn lock_bucket_of(waiter: &Waiter) -> Option<(usize, Locked<'static>)> {
    loop {
        // Relaxed: looked at again with the bucket locked. By Key, `NO_KEY` is final.
        let key = waiter.key.load(Relaxed);
        if key == NO_KEY {
            return None;
        }
        let bucket = table::lock(key);
        // Relaxed: by Key, it can't change if it is that of this bucket.
        if waiter.key.load(Relaxed) == key {
            return Some((key, bucket));
        }
    }
}

/// Waiters that have been taken out of their queues by this thread, and belong to it.
struct Taken {
    first: *const Waiter,
    last: *const Waiter,
}

impl Taken {
    fn new() -> Taken {
        Taken {
            first: ptr::null(),
            last: ptr::null(),
        }
    }

    /// Takes a waiter out of its queue.
    ///
    /// # Safety
    ///
    /// It is in a queue of this bucket.
    unsafe fn take(&mut self, bucket: &Locked<'_>, waiter: *const Waiter) {
        // SAFETY: by the caller's promise. After that the waiter belongs to this thread, as do the
        // others of the list.
        unsafe {
            bucket.remove(waiter);
            Waiter::change(waiter, |links| links.next = ptr::null());
            if self.first.is_null() {
                self.first = waiter;
            } else {
                Waiter::change(self.last, |links| links.next = waiter);
            }
        }
        self.last = waiter;
    }

    /// Wakes all of them, in their order. To be called without a bucket locked.
    fn wake(self, token: u32) {
        let mut waiter = self.first;
        let observer = observer::unparking();
        while !waiter.is_null() {
            // SAFETY: by Handover, the waiter belongs to this thread until it is woken. The link
            // is read before.
            unsafe {
                let next = Waiter::links(waiter).next;
                if let Some(unparked) = observer {
                    unparked((*waiter).owner());
                }
                Parker::wake(&raw const (*waiter).parker, token);
                waiter = next;
            }
        }
    }
}

/// Shows the waiters in the queue of the key to `filter`, in their order, and wakes those that it
/// chooses with the token that `callback` returns.
///
/// # Safety
///
/// The key is in the hands of the caller: the threads that park there know what the token means.
pub(crate) unsafe fn unpark_filter(
    key: usize,
    filter: &mut dyn FnMut(&Waiter) -> FilterOp,
    callback: &mut dyn FnMut(UnparkResult) -> u32,
) -> UnparkResult {
    no_panic(|| {
        let bucket = table::lock(key);
        let mut done = UnparkResult::default();
        let mut taken = Taken::new();
        let mut waiter = bucket.queue(key);
        // SAFETY: all are in the queue, until they are taken.
        unsafe {
            let last = if waiter.is_null() {
                waiter
            } else {
                Waiter::links(waiter).previous
            };
            while !waiter.is_null() {
                let next = Waiter::links(waiter).next;
                match filter(&*waiter) {
                    FilterOp::Unpark => {
                        taken.take(&bucket, waiter);
                        done.unparked_threads += 1;
                    }
                    FilterOp::Skip => done.have_more_threads = true,
                    FilterOp::Stop => {
                        done.have_more_threads = true;
                        break;
                    }
                }
                waiter = if waiter == last { ptr::null() } else { next };
            }
        }
        let token = callback(done);
        drop(bucket);
        taken.wake(token);
        done
    })
}

/// Wakes one waiter, if it is still in the queue of that key.
///
/// # Safety
///
/// The waiter is there until this returns. The key is that of a queue into which it was, or is, or
/// is about to be put.
pub(crate) unsafe fn unpark_one_of(waiter: &Waiter, key: usize, token: u32) {
    no_panic(|| {
        // Not in the queue yet, or not any more: the thread sees by itself what there is to see.
        // Relaxed: looked at again with the bucket locked.
        let bucket = table::lock(key);
        if waiter.key.load(Relaxed) != key {
            return;
        }
        let mut taken = Taken::new();
        // SAFETY: it is in the queue of this key.
        unsafe { taken.take(&bucket, waiter) };
        drop(bucket);
        taken.wake(token);
    });
}

/// Wakes a waiter that was taken out of the word of its queue (`queue_word.rs`). Its wait has not
/// begun yet, and no observer hears of it.
///
/// # Safety
///
/// It belongs to the calling thread.
pub(crate) unsafe fn wake_taken(waiter: *const Waiter, token: u32) {
    // SAFETY: by the caller's promise.
    unsafe { Parker::wake(&raw const (*waiter).parker, token) }
}

/// The token with which the waiter was woken, if it was.
pub(crate) fn token_of(waiter: &Waiter) -> Option<u32> {
    waiter.parker.token()
}

/// Wakes this waiter, if it is in a queue. Returns whether it was.
///
/// # Safety
///
/// The waiter is there until this returns.
#[cfg(not(tk_loom))]
pub(crate) unsafe fn unpark_this(waiter: &Waiter, token: u32) -> bool {
    no_panic(|| {
        let Some((_, bucket)) = lock_bucket_of(waiter) else {
            return false;
        };
        let mut taken = Taken::new();
        // SAFETY: it is in a queue of this bucket.
        unsafe { taken.take(&bucket, waiter) };
        drop(bucket);
        taken.wake(token);
        true
    })
}

/// Calls `f` with the key of the queue that the waiter is in, if it is in one, and with that queue
/// locked. The waiter is there until this returns.
#[cfg(not(tk_loom))]
pub(crate) fn look_at<R>(waiter: &Waiter, f: impl FnOnce(usize) -> R) -> Option<R> {
    no_panic(|| {
        let (key, bucket) = lock_bucket_of(waiter)?;
        let result = f(key);
        drop(bucket);
        Some(result)
    })
}

/// If waiters are in the queue of `from`: asks `decide`, and does to them what it says; then calls
/// `callback`, whose token goes to the waiters that are woken. Returns `None` if `decide` does.
///
/// # Safety
///
/// As for `unpark_filter`, for both keys.
pub(crate) unsafe fn requeue(
    from: usize,
    to: usize,
    decide: &mut dyn FnMut(&Waiter) -> Option<RequeueOp>,
    callback: &mut dyn FnMut(UnparkResult) -> u32,
) -> Option<UnparkResult> {
    no_panic(|| {
        let is_watched = watch::is_on();
        let mut must_report = false;
        let pair = table::lock_pair(from, to);
        let mut done = UnparkResult::default();
        let mut taken = Taken::new();
        let mut waiter = pair.from().queue(from);
        if !waiter.is_null() {
            // SAFETY: it is in the queue.
            let (unparks, moves) = match decide(unsafe { &*waiter })? {
                RequeueOp::UnparkOne => (1, 0),
                RequeueOp::RequeueOne => (0, 1),
                RequeueOp::UnparkSomeRequeueRest(n) => (n, usize::MAX),
                RequeueOp::RequeueAll => (0, usize::MAX),
            };
            // The clock is read only if a waiter is moved.
            let now = (moves > 0).then(Instant::now);
            // SAFETY: all are in the queue, until they are taken or moved. Both buckets are locked.
            unsafe {
                let last = Waiter::links(waiter).previous;
                loop {
                    let (next, is_last) = (Waiter::links(waiter).next, waiter == last);
                    if done.unparked_threads < unparks {
                        taken.take(pair.from(), waiter);
                        done.unparked_threads += 1;
                    } else if let Some(now) = now
                        && done.requeued_threads < moves
                    {
                        (*waiter).note_moved(now);
                        must_report |= is_watched && !(*waiter).will_report();
                        pair.from().requeue(waiter, pair.to(), to);
                        done.requeued_threads += 1;
                    } else {
                        break;
                    }
                    if is_last {
                        break;
                    }
                    waiter = next;
                }
            }
            done.have_more_threads = !pair.from().queue(from).is_null();
        }
        let token = callback(done);
        drop(pair);
        taken.wake(token);
        if must_report {
            // A last edge is reported.
            #[cfg(not(tk_loom))]
            watch::report(watch::Report::Held);
        }
        Some(done)
    })
}
