//! Floating-point numbers in Python's layouts: `%f`, `%e`, `%g` and `repr`.
//!
//! All functions take a number that is finite and not negative. The caller writes the sign.

use std::fmt::Write;

use super::line::Line;

/// Writes `%f`: `precision` digits after the point.
pub(super) fn fixed(line: &mut Line, number: f64, precision: usize, alternate: bool) {
    let _ = write!(line, "{number:.precision$}");
    if alternate && precision == 0 {
        line.push_char('.');
    }
}

/// Writes `%e`: one digit before the point, `precision` digits after it, and an exponent of at
/// least two digits.
pub(super) fn exponent(
    line: &mut Line,
    number: f64,
    precision: usize,
    alternate: bool,
    upper: bool,
) {
    let digits = Digits::rounded(number, precision + 1);
    digits.write_exponent(line, alternate, upper);
}

/// How a number without a fraction ends: with its last digit, as in `%g`, or with `.0`, as in
/// `repr`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Point {
    IfNeeded,
    Always,
}

/// Writes `%g`: `precision` significant digits without trailing zeros, and an exponent if the
/// number is very large or small.
pub(super) fn general(
    line: &mut Line,
    number: f64,
    precision: usize,
    alternate: bool,
    upper: bool,
    point: Point,
) {
    let precision = precision.max(1);
    let mut digits = Digits::rounded(number, precision);
    if !alternate {
        digits.trim();
    }
    // The digit after the point counts as one of the significant digits.
    let most = precision as i32 - i32::from(point == Point::Always);
    if digits.point <= -4 || digits.point > most {
        digits.write_exponent(line, alternate, upper);
    } else {
        digits.write_fixed(line, alternate, point);
    }
}

/// Writes `repr`: the fewest digits that identify the number.
pub(super) fn repr(line: &mut Line, number: f64, alternate: bool) {
    let digits = Digits::shortest(number);
    if digits.point <= -4 || digits.point > 16 {
        digits.write_exponent(line, alternate, false);
    } else {
        digits.write_fixed(line, alternate, Point::Always);
    }
}

/// A decimal number: `0.DIGITS` times ten to the power `point`.
struct Digits {
    digits: String,
    point: i32,
}

impl Digits {
    fn rounded(number: f64, count: usize) -> Digits {
        Digits::parse(format!("{number:.*e}", count - 1))
    }

    fn shortest(number: f64) -> Digits {
        Digits::parse(format!("{number:e}"))
    }

    /// Parses `D.DDDeX`, the only form in which the standard library writes an exponent.
    fn parse(text: String) -> Digits {
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        Digits {
            digits: mantissa.replace('.', ""),
            point: exponent.parse::<i32>().unwrap_or(0) + 1,
        }
    }

    fn trim(&mut self) {
        let kept = self.digits.trim_end_matches('0').len().max(1);
        self.digits.truncate(kept);
    }

    fn write_fixed(&self, line: &mut Line, alternate: bool, point: Point) {
        let fraction = match usize::try_from(self.point) {
            Ok(before @ 1..) => {
                let (whole, fraction) = self.digits.split_at(before.min(self.digits.len()));
                line.push_str(whole);
                line.push_times('0', before - whole.len());
                fraction
            }
            _ => {
                line.push_str("0.");
                line.push_times('0', self.point.unsigned_abs() as usize);
                line.push_str(&self.digits);
                return;
            }
        };
        match fraction {
            "" if point == Point::Always => line.push_str(".0"),
            "" if alternate => line.push_char('.'),
            "" => {}
            fraction => {
                line.push_char('.');
                line.push_str(fraction);
            }
        }
    }

    fn write_exponent(&self, line: &mut Line, alternate: bool, upper: bool) {
        let (whole, fraction) = self.digits.split_at(1);
        line.push_str(whole);
        if alternate || !fraction.is_empty() {
            line.push_char('.');
        }
        line.push_str(fraction);
        let exponent = self.point - 1;
        let mark = if upper { 'E' } else { 'e' };
        let sign = if exponent < 0 { '-' } else { '+' };
        let _ = write!(line, "{mark}{sign}{:02}", exponent.unsigned_abs());
    }
}
