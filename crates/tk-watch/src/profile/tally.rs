//! The waits of one line, one object or one thread.

use std::time::Duration;

use tk_core::Owner;
use tk_park::__private::WaitEnd;

use super::histogram::Histogram;

#[derive(Clone)]
pub(super) struct Tally {
    pub(super) waits: u64,
    pub(super) timed_out: u64,
    pub(super) stopped: u64,
    total: u64,
    longest: u64,
    histogram: Histogram,
    holders: Holders,
}

/// A wait to be counted.
#[derive(Clone, Copy)]
pub(super) struct Counted {
    pub(super) nanos: u64,
    /// If the thread has parked before in the same wait: how long the wait had lasted then. It has
    /// been counted with that time.
    pub(super) before: Option<u64>,
    pub(super) holder: Option<Owner>,
    pub(super) end: WaitEnd,
}

impl Tally {
    pub(super) const EMPTY: Tally = Tally {
        waits: 0,
        timed_out: 0,
        stopped: 0,
        total: 0,
        longest: 0,
        histogram: Histogram::EMPTY,
        holders: Holders([(0, 0); HOLDERS]),
    };

    pub(super) fn count(&mut self, wait: Counted) {
        match wait.before {
            // The longer time replaces the one that has been counted.
            Some(before) if self.histogram.remove(before) => {
                self.total = self.total.saturating_sub(before);
            }
            _ => {
                self.waits += 1;
                self.holders.count(wait.holder, 1);
            }
        }
        self.histogram.add(wait.nanos);
        self.total = self.total.saturating_add(wait.nanos);
        self.longest = self.longest.max(wait.nanos);
        match wait.end {
            WaitEnd::Unparked | WaitEnd::Broken => {}
            WaitEnd::TimedOut => self.timed_out += 1,
            WaitEnd::Stopped => self.stopped += 1,
        }
    }

    /// Adds the waits of another tally.
    pub(super) fn merge(&mut self, other: &Tally) {
        self.waits += other.waits;
        self.timed_out += other.timed_out;
        self.stopped += other.stopped;
        self.total = self.total.saturating_add(other.total);
        self.longest = self.longest.max(other.longest);
        self.histogram.merge(&other.histogram);
        for &(owner, waits) in &other.holders.0 {
            self.holders.count(Owner::new(owner), waits);
        }
    }

    pub(super) fn total(&self) -> Duration {
        Duration::from_nanos(self.total)
    }

    pub(super) fn longest(&self) -> Duration {
        Duration::from_nanos(self.longest)
    }

    pub(super) fn quantile(&self, share: f64) -> Duration {
        Duration::from_nanos(self.histogram.quantile(share).min(self.longest))
    }

    /// The threads that held the thing most often, and how often.
    pub(super) fn holders(&self) -> Vec<(Owner, u64)> {
        let mut holders: Vec<_> = self
            .holders
            .0
            .iter()
            .filter_map(|&(owner, waits)| Some((Owner::new(owner)?, waits.into())))
            .collect();
        holders.sort_by_key(|&(_, waits)| std::cmp::Reverse(waits));
        holders
    }
}

const HOLDERS: usize = 8;

/// The most frequent holders, by the algorithm Space-Saving (Metwally, Agrawal and El Abbadi,
/// 2005): a holder that has no place takes the one of the rarest, with its count. So a count may
/// be too high, by at most an eighth of all, and a holder of more than an eighth is never missing.
#[derive(Clone)]
struct Holders([(u32, u32); HOLDERS]);

impl Holders {
    fn count(&mut self, holder: Option<Owner>, waits: u32) {
        let Some(holder) = holder.map(Owner::get) else {
            return;
        };
        let places = &mut self.0;
        let at = places
            .iter()
            .position(|&(owner, _)| owner == holder)
            .unwrap_or_else(|| {
                let rarest = (0..HOLDERS).min_by_key(|&at| places[at].1).unwrap_or(0);
                places[rarest].0 = holder;
                rarest
            });
        places[at].1 = places[at].1.saturating_add(waits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(nanos: u64, before: Option<u64>, holder: u32) -> Counted {
        Counted {
            nanos,
            before,
            holder: Owner::new(holder),
            end: WaitEnd::Unparked,
        }
    }

    #[test]
    fn a_wait_that_parks_again_is_one_wait() {
        let mut tally = Tally::EMPTY;
        tally.count(wait(1_000, None, 0));
        tally.count(wait(5_000, Some(1_000), 0));
        tally.count(wait(3_000, None, 0));
        assert_eq!(tally.waits, 2);
        assert_eq!(tally.total(), Duration::from_nanos(8_000));
        assert_eq!(tally.longest(), Duration::from_nanos(5_000));
        assert!(tally.quantile(0.01) > Duration::from_nanos(2_500));
        // The first part was counted before the table was emptied.
        let mut tally = Tally::EMPTY;
        tally.count(wait(5_000, Some(1_000), 0));
        assert_eq!((tally.waits, tally.total().as_nanos()), (1, 5_000));
    }

    #[test]
    fn the_most_frequent_holders_are_known_among_thousands() {
        let mut tally = Tally::EMPTY;
        for n in 0..6_000 {
            let holder = match n % 3 {
                0 => 7,
                1 => 8 + n % 2,
                _ => 100 + n,
            };
            tally.count(wait(1, None, holder));
        }
        let holders = tally.holders();
        assert_eq!(holders.len(), HOLDERS);
        assert_eq!(holders[0].0.get(), 7);
        assert!((2_000..2_750).contains(&holders[0].1));
    }
}
