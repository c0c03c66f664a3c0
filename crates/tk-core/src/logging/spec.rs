//! The specification of one field: its conversion, and how the result is padded, signed and cut.
//!
//! | conversion | of text | of an integer | of a floating-point number |
//! |---|---|---|---|
//! | `Str`, `Repr`, `Ascii` | the text, quoted or not | its digits, as text | its shortest digits, as text |
//! | `Decimal`, `Binary`, `Octal`, `Hex` | · | its digits | those of its integer part |
//! | `Fixed`, `Exponent`, `General`, `Untyped` | · | as a floating-point number | its digits |
//!
//! The parsers never make the combinations with a dot. A field is written straight to the line:
//! first its content, then the padding around it, because only then its length is known.

use std::fmt::Write;

use super::line::Line;
use super::number::{self, Point};

/// The largest width and precision. A larger one is a mistake, and would cost its length per
/// record.
pub(super) const LIMIT: usize = 4096;

/// The default number of digits after the point.
const PRECISION: usize = 6;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
    Center,
    /// The padding goes between the sign or the `0x` and the digits.
    AfterSign,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    Negative,
    Always,
    Space,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Conversion {
    /// Like `str`.
    Str,
    /// Like `repr`: quoted, with characters escaped that cannot be printed.
    Repr,
    /// Like `ascii`: `repr` in ASCII only.
    Ascii,
    Decimal,
    Binary,
    Octal,
    Hex {
        upper: bool,
    },
    Fixed,
    Exponent {
        upper: bool,
    },
    General {
        upper: bool,
    },
    /// A floating-point number without a type in the brace style.
    Untyped,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spec {
    pub(super) conversion: Conversion,
    pub(super) fill: char,
    pub(super) align: Align,
    pub(super) sign: Sign,
    pub(super) alternate: bool,
    pub(super) width: usize,
    pub(super) precision: Option<usize>,
}

impl Spec {
    pub(super) fn new(conversion: Conversion, align: Align) -> Spec {
        Spec {
            conversion,
            fill: ' ',
            align,
            sign: Sign::Negative,
            alternate: false,
            width: 0,
            precision: None,
        }
    }

    /// Writes the text that `write` writes.
    pub(super) fn write_text(&self, line: &mut Line, write: impl FnOnce(&mut Line)) {
        let start = line.len();
        write(line);
        match self.conversion {
            Conversion::Repr => quote(line, start, false),
            Conversion::Ascii => quote(line, start, true),
            _ => {}
        }
        if let Some(precision) = self.precision {
            line.truncate_chars(start, precision);
        }
        self.pad(line, start, start);
    }

    pub(super) fn write_integer(&self, line: &mut Line, value: i64) {
        use Conversion::*;
        let prefix = match self.conversion {
            // As text: a precision cuts characters, and there is nothing to quote.
            Str | Repr | Ascii => {
                let plain = Spec {
                    conversion: Str,
                    ..self.clone()
                };
                return plain.write_text(line, |line| {
                    let _ = write!(line, "{value}");
                });
            }
            Fixed | Exponent { .. } | General { .. } | Untyped => {
                return self.write_float(line, value as f64);
            }
            Decimal => "",
            Binary => "0b",
            Octal => "0o",
            Hex { upper: false } => "0x",
            Hex { upper: true } => "0X",
        };
        let start = line.len();
        self.push_sign(line, value < 0);
        if self.alternate {
            line.push_str(prefix);
        }
        // *After the sign* is after the prefix, too.
        let first_digit = line.len();
        // The precision is the least number of digits, as in C.
        let digits = self.precision.unwrap_or(0);
        // The sign stands already, and `abs` would overflow for the least value.
        let value = value.unsigned_abs();
        let _ = match self.conversion {
            Binary => write!(line, "{value:0digits$b}"),
            Octal => write!(line, "{value:0digits$o}"),
            Hex { upper: false } => write!(line, "{value:0digits$x}"),
            Hex { upper: true } => write!(line, "{value:0digits$X}"),
            _ => write!(line, "{value:0digits$}"),
        };
        self.pad(line, start, first_digit);
    }

    pub(super) fn write_float(&self, line: &mut Line, value: f64) {
        use Conversion::*;
        match self.conversion {
            Str | Repr | Ascii => {
                let plain = Spec {
                    conversion: Str,
                    ..self.clone()
                };
                return plain.write_text(line, |line| {
                    if value.is_sign_negative() {
                        line.push_char('-');
                    }
                    number::repr(line, value.abs(), false);
                });
            }
            // The fraction is cut off, towards zero.
            Decimal | Binary | Octal | Hex { .. } => return self.write_integer(line, value as i64),
            _ => {}
        }
        let start = line.len();
        // Not `value < 0.0`: Python shows the sign of a negative zero.
        self.push_sign(line, value.is_sign_negative());
        let first_digit = line.len();
        let (value, alternate) = (value.abs(), self.alternate);
        let precision = self.precision.unwrap_or(PRECISION);
        match self.conversion {
            Exponent { upper } => number::exponent(line, value, precision, alternate, upper),
            General { upper } => {
                let point = Point::IfNeeded;
                number::general(line, value, precision, alternate, upper, point);
            }
            Untyped => match self.precision {
                // Without a precision, as many digits as it takes to tell the number from others.
                None => number::repr(line, value, alternate),
                Some(precision) => {
                    let point = Point::Always;
                    number::general(line, value, precision, alternate, false, point);
                }
            },
            _ => number::fixed(line, value, precision, alternate),
        }
        self.pad(line, start, first_digit);
    }

    fn push_sign(&self, line: &mut Line, negative: bool) {
        match self.sign {
            _ if negative => line.push_char('-'),
            Sign::Negative => {}
            Sign::Always => line.push_char('+'),
            Sign::Space => line.push_char(' '),
        }
    }

    /// Pads the text from `start` on. Its sign and prefix end at `first_digit`.
    fn pad(&self, line: &mut Line, start: usize, first_digit: usize) {
        // Most fields have no width. For them, nothing is counted.
        if self.width == 0 {
            return;
        }
        // In characters, as Python counts, not in bytes or columns.
        let missing = self.width.saturating_sub(line.chars_from(start));
        match self.align {
            Align::Left => line.push_times(self.fill, missing),
            Align::Right => line.insert_times(start, self.fill, missing),
            Align::AfterSign => line.insert_times(first_digit, self.fill, missing),
            // The odd character goes to the right.
            Align::Center => {
                line.insert_times(start, self.fill, missing / 2);
                line.push_times(self.fill, missing - missing / 2);
            }
        }
    }
}

/// Quotes the text from `start` on, like Python's `repr`.
fn quote(line: &mut Line, start: usize, ascii: bool) {
    let text = line.split_off(start);
    // Double quotes only where they save an escape.
    let mark = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    line.push_char(mark);
    for c in text.chars() {
        match c {
            '\\' => line.push_str("\\\\"),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            c if c == mark => {
                line.push_char('\\');
                line.push_char(c);
            }
            c if is_printable(c) && (c.is_ascii() || !ascii) => line.push_char(c),
            c => {
                let code = c as u32;
                // The shortest of Python's three forms that has room for the code.
                let _ = match code {
                    0..=0xff => write!(line, "\\x{code:02x}"),
                    0x100..=0xffff => write!(line, "\\u{code:04x}"),
                    _ => write!(line, "\\U{code:08x}"),
                };
            }
        }
    }
    line.push_char(mark);
}

/// Whether Python would print the character.
///
/// The standard library escapes the characters that it cannot print. It also escapes a combining
/// character at the start of a text, so another character goes before it here.
fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        return matches!(c, ' '..='~');
    }
    let mut text = [b'a'; 5];
    let end = 1 + c.encode_utf8(&mut text[1..]).len();
    let text = str::from_utf8(&text[..end]).unwrap_or_default();
    text.escape_debug().nth(1) != Some('\\')
}
