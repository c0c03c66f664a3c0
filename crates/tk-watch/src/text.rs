//! Pieces of text that reports are made of.

use std::fmt;

/// A name that may contain anything, on one line and within quotes.
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.escape_debug(), f)
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
    fn a_name_stays_on_its_line_and_in_its_quotes() {
        let shown = Escaped("a\"b\nc\u{1b}[31m\u{202e}<script>").to_string();
        assert_eq!(shown, "a\\\"b\\nc\\u{1b}[31m\\u{202e}<script>");
    }
}
