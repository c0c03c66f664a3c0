//! Quantiles, and an index of fairness.

/// The value below which that part of the values lies: the nearest of them. The part is between
/// zero and one. NaN if there are no values.
pub fn quantile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    at(&sorted, part)
}

/// The value in the middle.
pub fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// The quantiles at 1, 2, … 99 %; nothing if there are no values.
pub fn percentiles(values: &[f64]) -> Vec<f64> {
    if values.is_empty() {
        return Vec::new();
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    (1..100)
        .map(|percent| at(&sorted, f64::from(percent) / 100.0))
        .collect()
}

fn at(sorted: &[f64], part: f64) -> f64 {
    match sorted.len() {
        0 => f64::NAN,
        n => sorted[((n - 1) as f64 * part).round() as usize],
    }
}

/// Jain's index of fairness: 1 if all have the same, 1/n if one has all. NaN if all have nothing.
pub fn jain(shares: impl IntoIterator<Item = u64>) -> f64 {
    let (mut n, mut sum, mut squares) = (0.0, 0.0, 0.0);
    for share in shares {
        let share = share as f64;
        (n, sum, squares) = (n + 1.0, sum + share, squares + share * share);
    }
    sum * sum / (n * squares)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_the_nearest_value() {
        let values = [4.0, 1.0, 3.0, 2.0, 5.0];
        assert_eq!(median(&values), 3.0);
        assert_eq!(quantile(&values, 0.0), 1.0);
        assert_eq!(quantile(&values, 1.0), 5.0);
        assert_eq!(quantile(&values, 0.9), 5.0);
        assert!(median(&[]).is_nan());
        assert_eq!(percentiles(&values).len(), 99);
    }

    #[test]
    fn the_index_of_fairness_is_one_for_equals_and_a_part_for_one_who_has_all() {
        assert_eq!(jain([7, 7, 7, 7]), 1.0);
        assert_eq!(jain([28, 0, 0, 0]), 0.25);
        assert!(jain([0, 0]).is_nan());
    }
}
