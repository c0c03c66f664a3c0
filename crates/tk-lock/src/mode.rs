//! How the thread that holds a lock releases it: with an atomic step, or with a plain store.
//!
//! An atomic step costs as much as all else in an uncontended pair of lock and unlock together. Its
//! purpose is to see `PARKED`. Where no thread parks, a store does.
//!
//! | mode | release by the holder | a thread that parks, with the queue locked |
//! |---|---|---|
//! | ordinary, a count | a compare-exchange on the word; now and then counts, and with the last count: light, if the queue is empty | the count starts again |
//! | light | stores 0 into the word; [`light_fence`]; if the mode is ordinary now, looks into the queue | ordinary; then [`heavy`](asymmetric_fence::heavy) |
//!
//! # Invariants
//!
//! **With the queue locked.** The mode changes from ordinary to light, and back, with the queue
//! locked; to light only by the holder, and only while the queue is empty.
//!
//! **Queued is ordinary.** While the queue is not locked and has a thread in it, the mode is
//! ordinary, and the heavy fence of the last change to ordinary has ended; or the mode has never
//! been light. A thread that parks or moves another into the queue makes that so first, and by
//! *With the queue locked* it stays so.
//!
//! **Seen by one side.** A light release consists of a load of the mode, a store S of 0 into the
//! word, and a second load of the mode. Let M be any step on the word that is taken with the queue
//! locked and a thread in it, or about to enter it: a mark. M and the release can't miss each
//! other. Consider the heavy fence of the last change to ordinary before M. It interrupts the
//! releasing thread.
//!
//! - If the interruption falls after the second load, S is visible to M, which comes after that
//!   fence in the order of the queue's lock. So S does not wipe out the mark. If M finds the lock
//!   free, its thread does not park. If M finds it held, the lock has been taken again since S, and
//!   the release to come is another one.
//! - If it falls before the second load, that load reads the change, or something later. If it is
//!   ordinary, the release looks into the queue. It finds the thread there, and wakes the first
//!   one, or marks the word for the next holder. If it is light again, the queue was empty in
//!   between, so all threads that were marked for have been woken or have given up. A later thread
//!   makes a change of its own, with its own fence.
//!
//! Until a release that has wiped out a mark looks into the queue, other releases may find no mark
//! and wake nobody. That is no loss, because the look is to come.
//!
//! **A count never makes light.** The holder writes the count without the queue's lock. It has seen
//! an ordinary mode while it held the lock, and no other thread can change that to light meanwhile.
//! So it overwrites an ordinary mode with an ordinary one. The mode it has seen is not older than
//! the last change to light, because that was made by an earlier holder: each release is a Release,
//! each taking an Acquire, and the marks in between are read-modify-writes.
//!
//! **The change itself.** The release that makes the mode light is an atomic step. So it sees a
//! thread that parks right after the change.

#[cfg(not(tk_loom))]
use std::cell::Cell;

use tk_park::asymmetric_fence;
use tk_park::sync::{AtomicU16, Ordering::Relaxed};

/// The mode is light. All smaller values are counts.
const LIGHT: u16 = u16::MAX;

/// One release in about so many counts. If each one counted, the holder would write the count while
/// other threads read the lock's cache line, and the line would travel twice.
const COUNTED: u32 = 64;

/// How many releases of a new lock count. A lock that is used less often is better off without the
/// change.
const FIRST_COUNT: u16 = 1;

/// How many releases must count after a thread has parked: about a million releases, some ten
/// milliseconds of nothing else. A change to light and back costs up to 20 microseconds for the
/// heavy fence, and holds up a holder that looks into the queue meanwhile. Spread over so many
/// releases, that is nothing, even if threads park at the worst moments. It is an estimate: the
/// holder may overwrite a count that begins again.
#[cfg(not(tk_loom))]
const COUNT: u16 = 1 << 14;
/// So that a model gets there.
#[cfg(tk_loom)]
const COUNT: u16 = 1;

#[derive(Debug)]
pub(crate) struct ReleaseMode(AtomicU16);

impl ReleaseMode {
    pub(crate) const fn new() -> ReleaseMode {
        ReleaseMode(AtomicU16::new(LIGHT - FIRST_COUNT))
    }

    #[inline]
    pub(crate) fn is_light(&self) -> bool {
        // Relaxed: the fences order it.
        self.0.load(Relaxed) == LIGHT
    }

    /// Counts a release. Returns whether it is the last of the count. For the holder, which finds
    /// the mode ordinary.
    #[inline]
    pub(crate) fn count(&self) -> bool {
        let next = self.0.load(Relaxed) + 1;
        if next != LIGHT {
            // Relaxed: *A count never makes light*.
            self.0.store(next, Relaxed);
        }
        next == LIGHT
    }

    /// Makes the mode light if the queue is empty and the fence is light. For the holder, with the
    /// queue locked.
    pub(crate) fn lighten(&self, queue_is_empty: bool) {
        let is_light = queue_is_empty && asymmetric_fence::is_available();
        let next = if is_light { LIGHT } else { LIGHT - COUNT };
        // Relaxed: the queue's lock orders it for threads that park, and the word for holders.
        self.0.store(next, Relaxed);
    }

    /// Makes the mode ordinary. For a thread that is about to mark the word, with the queue
    /// locked.
    pub(crate) fn make_ordinary(&self) {
        let was_light = self.is_light();
        // Relaxed: the fences order it.
        self.0.store(LIGHT - COUNT, Relaxed);
        if was_light {
            asymmetric_fence::heavy();
        }
    }

    /// Gives a model's atomics to the thread that makes the object.
    #[cfg(tk_loom)]
    pub(crate) fn loom_register(&self) {
        self.0.loom_register();
    }

    /// Begins a model with a light mode.
    #[cfg(tk_loom)]
    pub(crate) fn loom_lighten(&self) {
        self.0.store(LIGHT, Relaxed);
    }

    /// Begins a model with the last release of the count.
    #[cfg(tk_loom)]
    pub(crate) fn loom_almost_lighten(&self) {
        self.0.store(LIGHT - 1, Relaxed);
    }
}

/// The fence of a light release, or of a light reader. The mode was light, so heavy fences
/// interrupt this thread, or wait long enough (*Refused*, in `asymmetric_fence.rs`). So it need not
/// ask which it is.
#[inline]
pub(crate) fn light_fence() {
    #[cfg(not(tk_loom))]
    std::sync::atomic::compiler_fence(std::sync::atomic::Ordering::SeqCst);
    #[cfg(tk_loom)]
    asymmetric_fence::light();
}

/// Returns whether this release counts.
#[inline]
pub(crate) fn is_counted() -> bool {
    is_one_in(COUNTED)
}

/// Returns true once in so many calls, which are a power of two. Which ones is chance, so that a
/// lock that is used in step with others is not left out.
#[cfg(not(tk_loom))]
#[inline]
pub(crate) fn is_one_in(many: u32) -> bool {
    thread_local! {
        static STATE: Cell<u32> = const { Cell::new(0) };
    }
    // A linear congruential generator, whose high bits are the good ones.
    let state = STATE
        .get()
        .wrapping_mul(1_664_525)
        .wrapping_add(1_013_904_223);
    STATE.set(state);
    state < u32::MAX / many
}

/// In a model, each time.
#[cfg(tk_loom)]
pub(crate) fn is_one_in(_: u32) -> bool {
    true
}
