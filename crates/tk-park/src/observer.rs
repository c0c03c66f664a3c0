//! An observer of all waits, for profiles and traces.
//!
//! | moment | where | what the observer learns |
//! |---|---|---|
//! | a parked thread is awake again, and in no queue | in that thread | the [`Wait`] that has ended |
//! | a thread is about to be woken, and in no queue | in the thread that wakes it | which thread that is |
//!
//! A wait begins when the thread has spun (`queue_word.rs`). So if a thread is woken while it
//! spins, a wake-up may be observed without a wait, or a wait without its wake-up.
//!
//! Without an observer, each of the two costs one load, on a path on which a thread sleeps or is
//! woken.
//!
//! # Rules for an observer
//!
//! Its functions run within a wait or an unpark. So below them may be the global allocator, a
//! thread-local destructor, the child of a fork, or a lock of the kit's own state (a stop request
//! wakes threads with such a lock held). No queue is locked. They must be short, and must not
//! allocate, free, park, unpark, wait for a lock that is held during anything of that, or panic.

#[cfg(not(tk_loom))]
use std::panic::Location;
#[cfg(not(tk_loom))]
use std::ptr;
#[cfg(not(tk_loom))]
use std::sync::atomic::{AtomicPtr, Ordering};
#[cfg(not(tk_loom))]
use std::time::Instant;

use tk_core::Owner;

use crate::WaitInfo;
use crate::lot::Outcome;
#[cfg(not(tk_loom))]
use crate::unpark::{DEADLOCK, STOPPED};

/// A wait that has ended, in the thread that has waited.
#[cfg(not(tk_loom))]
#[derive(Clone, Copy, Debug)]
pub struct Wait {
    /// The kind of thing that the thread has waited for.
    pub kind: &'static str,
    /// The address of the thing.
    pub address: usize,
    /// The line that requested the wait.
    pub location: &'static Location<'static>,
    /// When the wait began. A wait that parks more than once is reported each time that its thread
    /// wakes up, with the same beginning.
    pub since: Instant,
    /// The thread that held the thing when the wait began, if that is known.
    pub holder: Option<Owner>,
    /// Why the thread woke up.
    pub end: WaitEnd,
}

/// Why a thread woke up.
#[cfg(not(tk_loom))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitEnd {
    /// Another thread unparked it.
    Unparked,
    /// The time was up.
    TimedOut,
    /// A stop was requested.
    Stopped,
    /// A watcher has broken a deadlock.
    Broken,
}

/// The functions of an observer: see the rules in `observer.rs`.
#[cfg(not(tk_loom))]
#[derive(Debug)]
pub struct Observer {
    /// Called by a thread that has been parked.
    pub waited: fn(&Wait),
    /// Called by a thread that wakes another one, before that one is awake.
    pub unparked: fn(Owner),
}

#[cfg(not(tk_loom))]
static OBSERVER: AtomicPtr<Observer> = AtomicPtr::new(ptr::null_mut());

/// Replaces the observer. A thread that has read the old one may still call it.
#[cfg(not(tk_loom))]
pub fn set_observer(observer: Option<&'static Observer>) {
    let observer = observer.map_or(ptr::null(), ptr::from_ref);
    // Release: pairs with the Acquire in `observer`.
    OBSERVER.store(observer.cast_mut(), Ordering::Release);
}

#[cfg(not(tk_loom))]
#[inline]
fn observer() -> Option<&'static Observer> {
    // Acquire: pairs with the Release in `set_observer`, so that the functions can be read.
    let observer = OBSERVER.load(Ordering::Acquire);
    // SAFETY: only `set_observer` stores a pointer that is not null, and that one is made from a
    // shared reference which lasts forever.
    unsafe { observer.as_ref() }
}

/// Reports a wait that has ended in another way than by an unpark of the lot: the end of an OS
/// thread.
#[cfg(not(tk_loom))]
pub fn report_wait(info: &WaitInfo, word: &impl crate::Word) {
    ended(info, word.key(), &Outcome::Unparked(0));
}

/// Tells the observer, if there is one, that the calling thread has been parked.
#[cfg(not(tk_loom))]
#[inline]
pub(crate) fn ended(info: &WaitInfo, key: usize, outcome: &Outcome) {
    if let Some(observer) = observer() {
        report(observer, info, key, outcome);
    }
}

#[cfg(not(tk_loom))]
#[cold]
#[inline(never)]
fn report(observer: &Observer, info: &WaitInfo, key: usize, outcome: &Outcome) {
    let end = match *outcome {
        Outcome::Invalid => return, // The thread was not parked.
        Outcome::Unparked(STOPPED) => WaitEnd::Stopped,
        Outcome::Unparked(DEADLOCK) => WaitEnd::Broken,
        Outcome::Unparked(_) => WaitEnd::Unparked,
        Outcome::TimedOut(_) => WaitEnd::TimedOut,
    };
    (observer.waited)(&info.as_wait(key, end));
}

/// Calls `f` for each thread that is about to be woken, if there is an observer.
#[cfg(not(tk_loom))]
#[inline]
pub(crate) fn unparking() -> Option<fn(Owner)> {
    observer().map(|observer| observer.unparked)
}

/// A model is not observed.
#[cfg(tk_loom)]
pub(crate) fn ended(_: &WaitInfo, _: usize, _: &Outcome) {}

#[cfg(tk_loom)]
pub(crate) fn unparking() -> Option<fn(Owner)> {
    None
}
