//! The lengths of waits: a count for each eighth of a power of two, so that a quantile is right to
//! six percent.

/// All waits below 2^8 ns have one count, and so have all from 2^44 ns (five hours) on.
const FIRST_POWER: u32 = 8;
const LAST_POWER: u32 = 43;
const PARTS: usize = 8;
const LENGTH: usize = 1 + (LAST_POWER - FIRST_POWER + 1) as usize * PARTS;

#[derive(Clone)]
pub(super) struct Histogram([u32; LENGTH]);

impl Histogram {
    pub(super) const EMPTY: Histogram = Histogram([0; LENGTH]);

    pub(super) fn add(&mut self, nanos: u64) {
        let count = &mut self.0[index(nanos)];
        *count = count.saturating_add(1);
    }

    /// Takes back an `add`. Returns `false` if there was none.
    pub(super) fn remove(&mut self, nanos: u64) -> bool {
        let count = &mut self.0[index(nanos)];
        let is_there = *count > 0;
        *count = count.saturating_sub(1);
        is_there
    }

    pub(super) fn merge(&mut self, other: &Histogram) {
        for (count, more) in self.0.iter_mut().zip(&other.0) {
            *count = count.saturating_add(*more);
        }
    }

    /// A time that this share of the waits did not exceed.
    pub(super) fn quantile(&self, share: f64) -> u64 {
        let all: u64 = self.0.iter().map(|count| u64::from(*count)).sum();
        let wanted = ((all as f64 * share).ceil() as u64).max(1);
        let mut so_far = 0;
        for (at, count) in self.0.iter().enumerate() {
            so_far += u64::from(*count);
            if so_far >= wanted {
                return middle(at);
            }
        }
        0
    }
}

fn index(nanos: u64) -> usize {
    let power = nanos.checked_ilog2().unwrap_or(0);
    if power < FIRST_POWER {
        return 0;
    }
    if power > LAST_POWER {
        return LENGTH - 1;
    }
    let part = (nanos >> (power - 3)) as usize % PARTS;
    1 + (power - FIRST_POWER) as usize * PARTS + part
}

fn middle(index: usize) -> u64 {
    let Some(at) = index.checked_sub(1) else {
        return 1 << (FIRST_POWER - 1);
    };
    let width = 1 << (at / PARTS + FIRST_POWER as usize - 3);
    (PARTS + at % PARTS) as u64 * width + width / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_right_to_six_percent() {
        for exact in (8..44).flat_map(|power| [1 << power, (1 << power) + 77, (3 << power) / 2]) {
            let mut histogram = Histogram::EMPTY;
            histogram.add(exact);
            let shown = histogram.quantile(0.5);
            assert!(
                (shown as f64 / exact as f64 - 1.0).abs() < 0.0626,
                "{exact} is shown as {shown}"
            );
        }
    }

    #[test]
    fn quantiles_of_a_hundred() {
        let mut histogram = Histogram::EMPTY;
        for n in 1..=100 {
            histogram.add(n * 1_000_000);
        }
        let is_about = |shown: u64, exact: f64| (shown as f64 / exact - 1.0).abs() < 0.0626;
        assert!(is_about(histogram.quantile(0.5), 50e6));
        assert!(is_about(histogram.quantile(0.99), 99e6));
        assert!(histogram.remove(1_000_000));
        assert!(!histogram.remove(1_000_000));
    }

    #[test]
    fn the_shortest_and_the_longest_have_a_place() {
        let mut histogram = Histogram::EMPTY;
        assert_eq!(histogram.quantile(0.5), 0);
        histogram.add(0);
        assert_eq!(histogram.quantile(0.5), 128);
        histogram.add(u64::MAX);
        assert!(histogram.quantile(1.0) > 1 << 43);
        assert!((0..LENGTH).all(|at| index(middle(at)) == at));
    }
}
