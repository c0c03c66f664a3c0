//! Parsed formats.

use super::error::{FormatError, FormatErrorKind};
use super::event::Event;
use super::field::Field;
use super::line::Line;
use super::spec::{LIMIT, Spec};
use super::{brace, percent};

/// The language of a [format](super::BasicConfig::format), one of Python's two.
///
/// It is seldom needed. A format that contains `%(` is taken for the percent style, and any other
/// that contains `{` for the brace style.
///
/// ```
/// use tk_core::logging::{Style, basic_config};
///
/// // The `%(` is plain text in the brace style.
/// let config = basic_config().style(Style::Brace);
/// let logger = config.format("{levelname} 100%(ish) {message}").build()?;
/// # Ok::<(), tk_core::logging::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Style {
    /// `%(levelname)-8s %(message)s`, Python's `style='%'`.
    #[doc(alias = "logging.PercentStyle")]
    Percent,
    /// `{levelname:<8} {message}`, Python's `style='{'`.
    #[doc(alias = "logging.StrFormatStyle")]
    Brace,
}

impl Style {
    fn of(format: &str) -> Style {
        if !format.contains("%(") && format.contains('{') {
            Style::Brace
        } else {
            Style::Percent
        }
    }
}

/// A part of a format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Literal(String),
    Field(Field, Spec),
}

/// A parsed format.
#[derive(Debug)]
pub(super) struct Template {
    pieces: Vec<Piece>,
    /// Whether a record needs the time.
    pub(super) uses_time: bool,
}

impl Template {
    pub(super) fn parse(format: &str, style: Option<Style>) -> Result<Template, FormatError> {
        let pieces = match style.unwrap_or_else(|| Style::of(format)) {
            Style::Percent => percent::parse(format)?,
            Style::Brace => brace::parse(format)?,
        };
        let any = |test: fn(&Field) -> bool| {
            let mut pieces = pieces.iter();
            pieces.any(|piece| matches!(piece, Piece::Field(field, _) if test(field)))
        };
        if !any(|_| true) {
            return Err(FormatError::new(FormatErrorKind::NoFields, 0));
        }
        Ok(Template {
            uses_time: any(Field::uses_time),
            pieces,
        })
    }

    pub(super) fn render(&self, event: &Event<'_>, line: &mut Line) {
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => line.push_str(text),
                Piece::Field(field, spec) => field.write(spec, event, line),
            }
        }
    }
}

/// Collects pieces, and joins adjacent literals.
#[derive(Default)]
pub(super) struct Pieces(Vec<Piece>);

impl Pieces {
    pub(super) fn literal(&mut self, text: &str) {
        match self.0.last_mut() {
            Some(Piece::Literal(last)) => last.push_str(text),
            _ if text.is_empty() => {}
            _ => self.0.push(Piece::Literal(text.to_owned())),
        }
    }

    pub(super) fn field(&mut self, field: Field, spec: Spec) {
        self.0.push(Piece::Field(field, spec));
    }

    pub(super) fn finish(self) -> Vec<Piece> {
        self.0
    }
}

/// A position in a format.
#[derive(Clone)]
pub(super) struct Cursor<'a> {
    format: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(format: &'a str) -> Cursor<'a> {
        Cursor { format, at: 0 }
    }

    /// The offset in bytes.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.format[self.at..]
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Consumes a character.
    pub(super) fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    /// Consumes this character if it is the next one, and returns whether it was.
    pub(super) fn eat(&mut self, c: char) -> bool {
        let eaten = self.peek() == Some(c);
        if eaten {
            self.next();
        }
        eaten
    }

    /// Consumes the text before the first of these characters, and returns it. Consumes nothing and
    /// returns `None` if there is none.
    pub(super) fn until(&mut self, ends: &[char]) -> Option<&'a str> {
        let length = self.rest().find(ends)?;
        let text = &self.rest()[..length];
        self.at += length;
        Some(text)
    }

    /// Consumes and returns the rest.
    pub(super) fn all(&mut self) -> &'a str {
        let text = self.rest();
        self.at = self.format.len();
        text
    }

    /// Consumes a width or a precision, if there is one.
    pub(super) fn number(&mut self) -> Result<Option<usize>, FormatError> {
        let start = self.at;
        let mut number = None;
        while let Some(digit) = self.peek().and_then(|c| c.to_digit(10)) {
            let so_far: usize = number.unwrap_or(0);
            let more = so_far * 10 + digit as usize;
            if more > LIMIT {
                return Err(FormatError::new(FormatErrorKind::TooLarge, start));
            }
            number = Some(more);
            self.next();
        }
        Ok(number)
    }
}
