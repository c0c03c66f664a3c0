//! The lines that a program printed.

use std::collections::BTreeMap;
use std::fmt;

/// Where a line came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stream {
    Out,
    Err,
    /// One of the two.
    Both,
}

pub struct Line {
    pub from: Stream,
    pub text: String,
}

/// The lines in the order in which they came. Those of different streams have no order, unless the
/// streams were one.
#[derive(Default)]
pub struct Said(Vec<Line>);

impl Said {
    pub fn push(&mut self, line: Line) {
        self.0.push(line);
    }

    fn lines(&self, from: Stream) -> Vec<&str> {
        let lines = self.0.iter().filter(|line| line.from == from);
        lines.map(|line| &*line.text).collect()
    }

    /// The standard output.
    pub fn out(&self) -> Vec<&str> {
        self.lines(Stream::Out)
    }

    /// The standard error stream.
    pub fn err(&self) -> Vec<&str> {
        self.lines(Stream::Err)
    }

    /// Both, if they were one.
    pub fn both(&self) -> Vec<&str> {
        self.lines(Stream::Both)
    }

    /// Only what was logged. Panics if something was printed besides.
    pub fn logged(&self) -> Vec<&str> {
        assert!(
            self.out().is_empty(),
            "something on the standard output:\n{self:?}"
        );
        self.err()
    }
}

impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.0 {
            writeln!(f, "{:?}: {}", line.from, line.text)?;
        }
        if self.0.is_empty() {
            writeln!(f, "(nothing)")?;
        }
        Ok(())
    }
}

/// The messages of each thread, in its own order.
pub fn by_thread<'a>(lines: &[&'a str]) -> BTreeMap<&'a str, Vec<&'a str>> {
    let mut threads = BTreeMap::<_, Vec<_>>::new();
    for line in lines {
        let (thread, message) = split(line);
        threads.entry(thread).or_default().push(message);
    }
    threads
}

/// Checks that each thread has printed its own of these lines, in order. The order of the threads
/// does not matter.
#[track_caller]
pub fn assert_same_by_thread(lines: &[&str], expected: &[&str]) {
    assert_eq!(by_thread(lines), by_thread(expected));
}

/// Checks that these lines are there, in this order; others may be between them.
#[track_caller]
pub fn assert_in_order(lines: &[&str], ordered: &[&str]) {
    let mut rest = lines.iter();
    for &line in ordered {
        assert!(
            rest.any(|&found| found == line),
            "no line `{line}`, or not at its place among {ordered:#?}, in {lines:#?}"
        );
    }
}

/// Splits a line into the thread's name, with the brackets around it, and the message.
///
/// The name may have brackets of its own, as in `(Thread-1 (worker)) Starting`. So no message may
/// contain a closing bracket and a space.
fn split(line: &str) -> (&str, &str) {
    let end = line.rfind(") ").map(|at| at + 1);
    let end = end.or_else(|| line.find(' '));
    let end = end.unwrap_or_else(|| panic!("a line without a thread: {line}"));
    (&line[..end], &line[end + 1..])
}

/// The line without the time in front, which must look like `2024-07-15 17:30:59,042`.
pub fn without_time(line: &str) -> &str {
    const LIKE: &[u8] = b"0000-00-00 00:00:00,000 ";
    let (time, rest) = line
        .split_at_checked(LIKE.len())
        .unwrap_or_else(|| panic!("a line without a time: {line}"));
    let alike = time.bytes().zip(LIKE).all(|(byte, like)| match like {
        b'0' => byte.is_ascii_digit(),
        like => byte == *like,
    });
    assert!(alike, "a line without a time: {line}");
    rest
}

/// The line with an `N` for the number after this word, at its end; and the number. Other lines
/// stay as they are.
pub fn masked(line: &str, word: &str) -> (String, Option<f64>) {
    if let Some((head, number)) = line.split_once(word)
        && let Ok(number) = number.parse()
    {
        return (format!("{head}{word}N"), Some(number));
    }
    (line.to_owned(), None)
}

#[test]
fn a_line_is_split_after_the_name() {
    assert_eq!(split("(worker    ) Starting"), ("(worker    )", "Starting"));
    assert_eq!(
        split("(Thread-1 (worker)) Starting"),
        ("(Thread-1 (worker))", "Starting")
    );
    assert_eq!(split("worker Starting"), ("worker", "Starting"));
}

#[test]
fn a_number_is_masked() {
    let line = "(MainThread) sleep 0.30";
    assert_eq!(
        masked(line, "sleep "),
        ("(MainThread) sleep N".to_owned(), Some(0.3))
    );
    assert_eq!(masked(line, "value="), (line.to_owned(), None));
}

#[test]
fn a_time_is_taken_off() {
    assert_eq!(without_time("2024-07-15 17:30:59,042 (p ) x"), "(p ) x");
}

#[test]
#[should_panic = "a line without a time"]
fn a_line_without_a_time_is_noticed() {
    without_time("2024-07-15 17:30:59.042 (p ) x");
}
