//! How often a thread that spins for the lock looks at it, and whether it yields.
//!
//! # How often to look
//!
//! | the lock is held | a thread that looks often | a thread that looks rarely |
//! |---|---|---|
//! | for less time than a look takes | takes the cache line from the owner, who could have taken the lock several times meanwhile | leaves the owner alone |
//! | for longer | takes the lock when it is released | leaves the lock unused for up to a microsecond |
//!
//! Which of the two holds can't be seen in the word, because the same owner may have released the
//! lock and taken it again between two looks. So the lock counts. The thread that takes it counts
//! one more, which is a plain store to a cache line that it has just fetched. A thread that spins
//! compares the counts before and after its first pause of a microsecond.
//!
//! # Whether to yield
//!
//! A thread that has busy-waited in vain may yield before it parks. That saves the wake-up if the
//! lock is released soon. But if another thread wants the processor, a yield is a switch to that
//! thread. Threads that all yield at each lock switch all the time, while a thread that parks is
//! out of the way of those that have work to do. So a thread that notices that its yield has run
//! another one marks the lock as crowded, and the threads that come after it park instead. Some
//! hundred of them later, one yields again, to find out whether that is still so.
//!
//! These are estimates. Threads may overwrite each other's, and they order nothing. So they are not
//! atomics of `sync`.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use tk_park::Pace;

use crate::mode;

/// From so many acquisitions in a microsecond on, the lock is better left alone.
///
/// A section of 150 ns, and as much outside of it, is about where both paces are as fast.
const DENSE: u8 = 6;
/// With fewer than this, it pays to look often.
const SPARSE: u8 = 4;
/// So many of 256 spins look rarely in sparse traffic.
const PROBES: u8 = 4;
/// The bits of `estimate` that say how often the last pauses saw dense traffic.
const SCORE: u8 = 0b11;
/// From this score on, threads look rarely.
const DENSE_SCORE: u8 = 0b10;
/// Flag: a thread has spun for the lock since the last fair release.
const SPINNING: u8 = 0b100;
/// The bits of `estimate` above the others: how often to go on without a yield, each for about
/// [`WAITS_PER_STEP`] waits.
const CROWD: u8 = 0b1111_1000;
const CROWD_STEP: u8 = 0b1000;
/// A power of two.
const WAITS_PER_STEP: u32 = 4;

#[derive(Default)]
pub(super) struct Traffic {
    /// How often the lock was taken, modulo 256. Written by the owner.
    acquisitions: AtomicU8,
    estimate: AtomicU8,
}

/// The knowledge with which a thread begins to spin.
#[derive(Clone, Copy)]
pub(super) struct Look {
    pub(super) pace: Pace,
    acquisitions: u8,
}

impl Traffic {
    pub(super) const fn new() -> Traffic {
        Traffic {
            acquisitions: AtomicU8::new(0),
            estimate: AtomicU8::new(0),
        }
    }

    /// Counts an acquisition. For the thread that has taken the lock.
    #[inline]
    pub(super) fn count(&self) {
        let next = self.acquisitions.load(Relaxed).wrapping_add(1);
        self.acquisitions.store(next, Relaxed);
    }

    /// Says how often to look. In sparse traffic, one in 64 spins looks rarely, to find out whether
    /// the traffic is dense by now. Such a spin finds the lock free up to a microsecond too late.
    pub(super) fn look(&self) -> Look {
        let acquisitions = self.acquisitions.load(Relaxed);
        let is_dense = self.estimate.load(Relaxed) & SCORE >= DENSE_SCORE;
        let is_probe = chance(acquisitions) < PROBES;
        Look {
            pace: if is_dense || is_probe {
                Pace::Rare
            } else {
                Pace::Frequent
            },
            acquisitions,
        }
    }

    /// Learns from the first pause of a spin that looks rarely.
    pub(super) fn learn(&self, look: Look) {
        let passed = self
            .acquisitions
            .load(Relaxed)
            .wrapping_sub(look.acquisitions);
        let estimate = self.estimate.load(Relaxed);
        let score = estimate & SCORE;
        let next = if passed >= DENSE {
            (score + 1).min(SCORE)
        } else if passed < SPARSE {
            score.saturating_sub(1)
        } else {
            score
        };
        self.change(estimate, (estimate & !SCORE) | next);
    }

    /// Returns whether a yield would run another thread, by what is known.
    pub(super) fn is_crowded(&self) -> bool {
        let estimate = self.estimate.load(Relaxed);
        let is_crowded = estimate & CROWD != 0;
        // By the count of acquisitions, all waits for one section would do the same.
        if is_crowded && mode::is_one_in(WAITS_PER_STEP) {
            self.change(estimate, estimate - CROWD_STEP);
        }
        is_crowded
    }

    /// Notes that a yield has run another thread.
    pub(super) fn note_crowd(&self) {
        let estimate = self.estimate.load(Relaxed);
        self.change(estimate, estimate | CROWD);
    }

    /// Returns whether a thread has spun for the lock since the last
    /// [`forget_spinning`](Traffic::forget_spinning).
    #[inline]
    pub(super) fn is_spinning(&self) -> bool {
        self.estimate.load(Relaxed) & SPINNING != 0
    }

    /// Notes that a thread spins. At each look, because another thread may clear the flag, or
    /// overwrite it with what it has learned.
    pub(super) fn note_spinning(&self) {
        let estimate = self.estimate.load(Relaxed);
        self.change(estimate, estimate | SPINNING);
    }

    /// Returns whether a thread has spun for the lock since the last call.
    pub(super) fn forget_spinning(&self) -> bool {
        let estimate = self.estimate.load(Relaxed);
        self.change(estimate, estimate & !SPINNING);
        estimate & SPINNING != 0
    }

    fn change(&self, from: u8, to: u8) {
        // A store that changes nothing would take the cache line from the owner.
        if to != from {
            self.estimate.store(to, Relaxed);
        }
    }
}

/// A number that is as good as chance. The count of the acquisitions itself is not: if two or four
/// threads take turns, each sees every second or fourth number.
fn chance(acquisitions: u8) -> u8 {
    acquisitions.wrapping_mul(0x9D)
}

#[cfg(all(test, not(tk_loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_is_learned_leaves_the_flag_alone() {
        let traffic = Traffic::new();
        assert!(!traffic.is_spinning() && !traffic.forget_spinning());
        traffic.note_spinning();
        pass(&traffic, DENSE);
        pass(&traffic, 0);
        assert!(traffic.is_spinning() && traffic.forget_spinning());
        assert!(!traffic.is_spinning());
    }

    #[test]
    fn a_crowd_is_remembered_for_some_hundred_waits() {
        let traffic = Traffic::new();
        traffic.note_spinning();
        assert!(!traffic.is_crowded());
        for _ in 0..10 {
            traffic.note_crowd();
            let waits = (0..1000).take_while(|_| traffic.is_crowded()).count();
            assert!((50..=300).contains(&waits), "{waits}");
        }
        assert!(traffic.is_spinning());
        assert_eq!(paces(&traffic), usize::from(PROBES));
    }

    fn pass(traffic: &Traffic, acquisitions: u8) {
        let look = traffic.look();
        (0..acquisitions).for_each(|_| traffic.count());
        traffic.learn(look);
    }

    fn paces(traffic: &Traffic) -> usize {
        let rare = (0..=u8::MAX).filter(|_| {
            traffic.count();
            traffic.look().pace == Pace::Rare
        });
        rare.count()
    }

    #[test]
    fn dense_traffic_is_looked_at_rarely_and_sparse_traffic_often() {
        let traffic = Traffic::new();
        assert_eq!(paces(&traffic), usize::from(PROBES));
        for _ in 0..3 {
            pass(&traffic, DENSE);
        }
        assert_eq!(paces(&traffic), 256);
        pass(&traffic, SPARSE);
        assert_eq!(paces(&traffic), 256);
        pass(&traffic, SPARSE - 1);
        assert_eq!(paces(&traffic), 256);
        pass(&traffic, 0);
        assert_eq!(paces(&traffic), usize::from(PROBES));
    }

    /// Every second or fourth count, as threads in turn see it, has its share of the probes.
    #[test]
    fn threads_that_take_turns_probe_too() {
        for stride in [2, 4, 8] {
            // Of eight threads some do, from whom the others learn.
            let firsts = if stride == 8 { 1 } else { stride };
            for first in 0..firsts {
                let traffic = Traffic::new();
                (0..first).for_each(|_| traffic.count());
                let probes = (0..256 / stride).filter(|_| {
                    (0..stride).for_each(|_| traffic.count());
                    traffic.look().pace == Pace::Rare
                });
                assert!(probes.count() >= 1, "{stride} from {first}");
            }
        }
    }
}
