//! Pieces of text that reports are made of.

use std::fmt;
use std::time::Duration;

/// A name that may contain anything, on one line and within quotes.
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.escape_debug(), f)
    }
}

/// A time with one digit behind the point below a minute.
pub(crate) struct Rounded(pub(crate) Duration);

impl fmt::Display for Rounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        match seconds {
            0..60 => write!(f, "{:.1} s", self.0.as_secs_f64()),
            60..3600 => write!(f, "{} min {} s", seconds / 60, seconds % 60),
            _ => write!(f, "{} h {} min", seconds / 3600, seconds / 60 % 60),
        }
    }
}

/// A number of things: `1 thread`, `2 threads`.
pub(crate) struct Count(pub(crate) usize, pub(crate) &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0 == 1 { "" } else { "s" };
        write!(f, "{} {}{plural}", self.0, self.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_in_seconds_minutes_and_hours() {
        let shown = |millis| Rounded(Duration::from_millis(millis)).to_string();
        assert_eq!(shown(40), "0.0 s");
        assert_eq!(shown(1_260), "1.3 s");
        assert_eq!(shown(125_000), "2 min 5 s");
        assert_eq!(shown(3_725_000), "1 h 2 min");
    }

    #[test]
    fn a_name_stays_on_its_line_and_in_its_quotes() {
        let shown = Escaped("a\"b\nc\u{1b}[31m\u{202e}<script>").to_string();
        assert_eq!(shown, "a\\\"b\\nc\\u{1b}[31m\\u{202e}<script>");
    }
}
