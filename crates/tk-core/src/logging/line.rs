//! The buffer in which a record is formatted.

use std::cell::Cell;
use std::fmt;

/// The largest buffer that a thread keeps. One huge record should not cost its thread memory
/// forever.
const KEPT: usize = 16 * 1024;

thread_local! {
    /// The thread's buffer between two records. A record takes it out, so a record that is logged
    /// while another one is formatted finds an empty buffer.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A line of UTF-8. It is stored as bytes, so that padding can be rotated into its place.
#[derive(Default)]
pub(super) struct Line(Vec<u8>);

impl Line {
    /// An empty line in the thread's buffer. In a new buffer, if the thread's is in use or gone.
    pub(super) fn take() -> Line {
        let mut bytes = SPARE.try_with(Cell::take).unwrap_or_default();
        bytes.clear();
        Line(bytes)
    }

    /// Returns the buffer for the thread's next record.
    pub(super) fn give_back(self) {
        if self.0.capacity() <= KEPT {
            let _ = SPARE.try_with(|spare| spare.set(self.0));
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn push_str(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }

    /// Appends bytes that are whole characters.
    pub(super) fn push_bytes(&mut self, text: &[u8]) {
        self.0.extend_from_slice(text);
    }

    pub(super) fn push_char(&mut self, c: char) {
        self.push_str(c.encode_utf8(&mut [0; 4]));
    }

    pub(super) fn push_times(&mut self, c: char, times: usize) {
        if c.is_ascii() {
            self.0.resize(self.0.len() + times, c as u8);
        } else {
            (0..times).for_each(|_| self.push_char(c));
        }
    }

    /// Appends the last `count` digits of a number. A date consists of these, and formatting each
    /// by the standard library would take longer than the rest of a record.
    pub(super) fn push_digits(&mut self, mut number: u32, count: usize) {
        let start = self.len();
        self.push_times('0', count);
        for digit in self.0[start..].iter_mut().rev() {
            *digit += (number % 10) as u8;
            number /= 10;
        }
    }

    /// Inserts `c` at `start`, `times` times.
    pub(super) fn insert_times(&mut self, start: usize, c: char, times: usize) {
        let end = self.len();
        self.push_times(c, times);
        self.0[start..].rotate_left(end - start);
    }

    /// The number of characters from `start` on.
    pub(super) fn chars_from(&self, start: usize) -> usize {
        self.0[start..].iter().filter(|&&b| begins_char(b)).count()
    }

    /// Keeps the first `count` characters from `start` on, and removes the rest.
    pub(super) fn truncate_chars(&mut self, start: usize, count: usize) {
        let starts = self.0[start..].iter().enumerate();
        let cut = starts.filter(|&(_, &b)| begins_char(b)).nth(count);
        if let Some((at, _)) = cut {
            self.0.truncate(start + at);
        }
    }

    /// Removes the text from `start` on, and returns it.
    pub(super) fn split_off(&mut self, start: usize) -> String {
        let tail = String::from_utf8_lossy(&self.0[start..]).into_owned();
        self.0.truncate(start);
        tail
    }

    /// The line, for a test.
    #[cfg(test)]
    pub(super) fn into_string(self) -> String {
        String::from_utf8(self.0).expect("nothing but whole characters was pushed")
    }
}

/// Whether the byte starts a character. All do, except for continuation bytes.
fn begins_char(byte: u8) -> bool {
    byte & 0b1100_0000 != 0b1000_0000
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_and_truncation_count_characters() {
        let mut line = Line::default();
        line.push_str("<äöü");
        assert_eq!(line.chars_from(1), 3);
        line.insert_times(1, '€', 2);
        line.truncate_chars(1, 4);
        line.truncate_chars(1, 9);
        line.push_times('-', 2);
        assert_eq!(line.into_string(), "<€€äö--");
    }

    #[test]
    fn digits_are_the_last_ones_of_a_number() {
        let mut line = Line::default();
        line.push_digits(2024, 4);
        line.push_digits(7, 2);
        line.push_digits(1042, 3);
        assert_eq!(line.into_string(), "202407042");
    }

    #[test]
    fn a_huge_buffer_is_not_kept() {
        let mut line = Line::take();
        line.push_times('x', KEPT + 1);
        line.give_back();
        assert_eq!(Line::take().0.capacity(), 0);

        let mut line = Line::take();
        line.push_str("x");
        line.give_back();
        let line = Line::take();
        assert!(line.0.capacity() > 0 && line.len() == 0);
    }
}
