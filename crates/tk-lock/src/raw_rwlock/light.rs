//! The mode light: readers that enter and leave with plain stores.
//!
//! An atomic step costs more than all else in a read that meets nobody. In the mode visible a read
//! takes two, so that a writer sees it. While no thread writes, nobody needs to see it.
//!
//! | mode | a reader enters | a reader leaves | a writer that has closed the door |
//! |---|---|---|---|
//! | visible | exchanges its cell, looks at the word | subtracts from its cell, looks at the word | looks at the cells |
//! | light | stores its cell, [`light_fence`], looks at the word | the same; if the door is closed, a fence, and looks again | [`heavy`](asymmetric_fence::heavy), looks at the cells |
//!
//! A lock becomes light after two milliseconds and some thirty thousand reads without a write. The
//! next write ends that. A heavy fence takes up to twenty microseconds, or some more with many
//! processors, and the door is closed meanwhile. The time bounds what the readers of one lock lose:
//! a percent. The number of reads would not, because the more threads read, the sooner they reach
//! it, and the more of them wait for the fence. The number of reads bounds what all locks of a
//! program lose together: half a nanosecond for each read.
//!
//! # Invariants
//!
//! *Light* stands in `word.rs`: `LIGHT` is cleared only by a thread that has the door and has made
//! a heavy fence since it was closed. *Publish, then look* stands in `cells.rs`, for the mode
//! visible.
//!
//! **A light reader is seen.** A reader is inside only if its look, after its store and the light
//! fence, finds the door open and the mode light. Let W be the first step after the value of that
//! look that closes the door. No step in between clears `LIGHT`, so W finds it set. The thread that
//! gets the door makes a heavy fence after W: W is its own step, or one of the thread that hands
//! the door over, which the lock of the queue orders before. That fence interrupts the reader after
//! its look, because the look did not see W. So all that the reader did before its look is visible
//! to the writer: the store, and the steps by which a scan finds the cell (*Known block*, and *In
//! place before the cell* in `rows.rs`).
//!
//! The look must find the mode light, and not only the door open, or this happens:
//!
//! 1. Reader A finds the mode light, and is about to store.
//! 2. B closes the door, makes the heavy fence, and finds nobody. It opens the door, and the mode
//!    is visible now.
//! 3. A stores its cell, and finds the door open. The store is still in its processor's buffer.
//! 4. C closes the door. The mode is not light, so it makes no heavy fence, and finds nobody.
//!
//! **A light reader is awaited no longer.** The same holds for a reader that leaves: if its look
//! finds the door open and the mode light, each writer to come sees the cell clear. If not, a
//! writer may have seen the cell before, and may be about to sleep. Then the reader makes a fence
//! and looks once more, which is *Publish, then look*.
//!
//! A cell is stored by one thread alone: *The thread's own*, in `cells.rs`.

#[cfg(not(tk_loom))]
use std::time::SystemTime;

use tk_park::asymmetric_fence;
use tk_park::sync::{Ordering::*, fence};

use super::cells::{Cell, Id, model_fence};
use super::word::State;
use super::{RawRwLock, ReadToken};
use crate::mode::{is_one_in, light_fence};

/// One in so many samples looks at the clock, and the second one may make the lock light. A sample
/// is one read in thirteen.
const SAMPLES: u32 = 1024;

/// The fence of a thread that has closed the door: what comes after it sees the readers inside.
#[inline]
pub(super) fn fence_behind(closed: State) {
    if closed.is_light() {
        // A light reader is seen.
        asymmetric_fence::heavy();
    } else {
        // Publish, then look.
        model_fence();
    }
}

/// The time in milliseconds, for estimates: the clock may be set.
#[cfg(not(tk_loom))]
fn now() -> u32 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u32)
}

/// In a model, each moment is a long time after the one before.
#[cfg(tk_loom)]
fn now() -> u32 {
    0
}

impl RawRwLock {
    /// Notes that there are reads: for a sample, in the mode visible.
    #[cold]
    #[inline(never)]
    pub(super) fn note_reads(&self) {
        self.word.note_reads();
        if is_one_in(SAMPLES) && asymmetric_fence::is_available() {
            self.word.note_many_reads(now());
        }
    }

    /// Enters through this vacant cell, if the lock is still light.
    #[inline]
    pub(super) fn enter_lightly(&self, cell: &'static Cell, id: Id) -> Option<ReadToken> {
        cell.store_entered(id);
        light_fence();
        // A light reader is seen.
        if self.word.load().is_open_to_light() {
            // Pairs with the Release of the last writer. Apart from the load, which would otherwise
            // wait for the store on some processors.
            fence(Acquire);
            Some(ReadToken::visible(cell))
        } else {
            self.leave_lightly(cell);
            None
        }
    }

    /// Leaves a cell with a plain store, whatever the mode is.
    #[inline]
    pub(super) fn leave_lightly(&self, cell: &Cell) {
        cell.store_left();
        light_fence();
        // A light reader is awaited no longer.
        if !self.word.load().is_open_to_light() {
            self.look_for_writer(cell);
        }
    }

    #[cold]
    #[inline(never)]
    fn look_for_writer(&self, cell: &Cell) {
        fence(SeqCst);
        self.wake_draining_writer(cell);
    }
}

#[cfg(all(test, not(tk_loom)))]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
    use std::time::{Duration, Instant};

    use lock_api::{RawRwLock as _, RawRwLockUpgrade as _};

    use super::*;
    use crate::RwLock;

    /// Reads until the lock is light. Returns false if there is no light fence.
    fn lighten(lock: &RawRwLock) -> bool {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !lock.word.load().is_light() {
            if !asymmetric_fence::is_available() {
                return false;
            }
            assert!(
                Instant::now() < deadline,
                "many reads do not make the lock light"
            );
            for _ in 0..1000 {
                let token = lock.lock_shared();
                // SAFETY: this thread has that read.
                unsafe { lock.unlock_shared(token) };
            }
        }
        true
    }

    #[test]
    fn a_write_ends_the_mode() {
        let lock = RawRwLock::new();
        if !lighten(&lock) {
            return;
        }
        let write = lock.lock_exclusive();
        // SAFETY: this thread has the lock for writing.
        unsafe { lock.unlock_exclusive(write) };
        assert!(!lock.word.load().is_light());
        assert!(lighten(&lock), "once more");
    }

    #[test]
    fn each_of_two_locks_that_are_read_in_turn_becomes_light() {
        let locks = [RawRwLock::new(), RawRwLock::new()];
        let deadline = Instant::now() + Duration::from_secs(60);
        while !locks.iter().all(|lock| lock.word.load().is_light()) {
            if !asymmetric_fence::is_available() {
                return;
            }
            assert!(Instant::now() < deadline, "one of the locks has no samples");
            for _ in 0..1000 {
                for lock in &locks {
                    let token = lock.lock_shared();
                    // SAFETY: this thread has that read.
                    unsafe { lock.unlock_shared(token) };
                }
            }
        }
    }

    #[test]
    fn a_try_to_write_that_sees_a_reader_leaves_the_mode() {
        let lock = RawRwLock::new();
        if !lighten(&lock) {
            return;
        }
        let read = lock.lock_shared();
        std::thread::scope(|s| {
            s.spawn(|| assert!(lock.try_lock_exclusive().is_none()));
        });
        assert_eq!(lock.readers(), [tk_core::current_owner()]);
        assert!(lock.word.load().is_light());
        // SAFETY: this thread has that read.
        unsafe { lock.unlock_shared(read) };
        let upgradable = lock.lock_upgradable();
        assert!(lock.word.load().is_light(), "it keeps no reader out");
        // SAFETY: this thread has the upgradable lock.
        unsafe { lock.unlock_upgradable(upgradable) };
        assert!(lock.word.load().is_light());
        assert!(lock.try_lock_exclusive().is_some());
    }

    #[test]
    fn readers_and_writers_exclude_each_other() {
        let lock = RwLock::new([0; 2]);
        // SAFETY: only the mode is looked at.
        let raw = unsafe { lock.raw() };
        let over = AtomicBool::new(false);
        std::thread::scope(|s| {
            for _ in 0..2 {
                s.spawn(|| {
                    while !over.load(Relaxed) {
                        let numbers = lock.read();
                        assert_eq!(numbers[0], numbers[1]);
                    }
                });
            }
            for _ in 0..20 {
                if !lighten(raw) {
                    break;
                }
                // More than one, so that slow readers meet the mode that follows.
                for _ in 0..3 {
                    let mut numbers = lock.write();
                    numbers[0] += 1;
                    std::hint::black_box(&mut *numbers);
                    numbers[1] += 1;
                }
            }
            over.store(true, Relaxed);
        });
    }
}
