//! Durations as people read them.

use std::fmt;
use std::time::Duration;

/// A duration with three significant digits: `850 ns`, `12.3 µs`, `4.56 s`, `2 min 3 s`.
pub(crate) struct Short(pub(crate) Duration);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs_f64();
        if seconds >= 60.0 {
            let seconds = self.0.as_secs();
            return f.pad(&format!("{} min {} s", seconds / 60, seconds % 60));
        }
        let (number, unit) = match self.0.as_nanos() {
            nanos @ 0..1_000 => return f.pad(&format!("{nanos} ns")),
            nanos @ 1_000..1_000_000 => (nanos as f64 / 1e3, "µs"),
            nanos @ 1_000_000..1_000_000_000 => (nanos as f64 / 1e6, "ms"),
            _ => (seconds, "s"),
        };
        let digits = match number {
            n if n < 9.995 => 2,
            n if n < 99.95 => 1,
            _ => 0,
        };
        f.pad(&format!("{number:.digits$} {unit}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_and_a_unit() {
        let shown = |nanos| Short(Duration::from_nanos(nanos)).to_string();
        assert_eq!(shown(0), "0 ns");
        assert_eq!(shown(999), "999 ns");
        assert_eq!(shown(1_234), "1.23 µs");
        assert_eq!(shown(45_678), "45.7 µs");
        assert_eq!(shown(456_789_000), "457 ms");
        assert_eq!(shown(9_999_000), "10.0 ms");
        assert_eq!(shown(1_500_000_000), "1.50 s");
        assert_eq!(shown(125_000_000_000), "2 min 5 s");
        assert_eq!(
            format!("{:>10}", Short(Duration::from_micros(7))),
            "   7.00 µs"
        );
    }
}
