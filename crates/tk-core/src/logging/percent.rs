//! The parser of the percent style: `%(name)` flags width `.precision` conversion.
//!
//! | part | text | number |
//! |---|---|---|
//! | `-` | pads on the right | pads on the right, whatever `0` says |
//! | `0` | ignored | pads with zeros after the sign |
//! | `+`, space, `#` | ignored | a sign; `0x` and its like, or a point |
//! | precision | cuts the text | digits |
//! | conversion | `s r a` | these, and `d i u o x X f F e E g G` |
//!
//! The style is that of C, by way of Python: flags that mean nothing for a conversion are accepted.

use super::error::FormatError;
use super::error::FormatErrorKind::{Mismatch, MissingName, Unclosed, UnexpectedEnd, Unsupported};
use super::field::{Field, Type};
use super::spec::{Align, Conversion, Sign, Spec};
use super::template::{Cursor, Piece, Pieces};

pub(super) fn parse(format: &str) -> Result<Vec<Piece>, FormatError> {
    let mut pieces = Pieces::default();
    let mut cursor = Cursor::new(format);
    while let Some(literal) = cursor.until(&['%']) {
        pieces.literal(literal);
        let percent = cursor.at();
        cursor.next();
        match cursor.peek() {
            Some('%') => {
                pieces.literal("%");
                cursor.next();
            }
            Some('(') => field(&mut cursor, &mut pieces)?,
            Some(_) => return Err(FormatError::new(MissingName, percent)),
            None => return Err(FormatError::new(UnexpectedEnd, percent)),
        }
    }
    pieces.literal(cursor.all());
    Ok(pieces.finish())
}

fn field(cursor: &mut Cursor<'_>, pieces: &mut Pieces) -> Result<(), FormatError> {
    let bracket = cursor.at();
    cursor.next();
    let start = cursor.at();
    let name = match cursor.until(&[')']) {
        Some("") => return Err(FormatError::new(MissingName, bracket)),
        Some(name) => name,
        None => return Err(FormatError::new(Unclosed, bracket)),
    };
    cursor.next();
    let field = Field::named(name, start)?;
    let spec = spec(cursor, field.type_()).map_err(|error| error.of(name))?;
    pieces.field(field, spec);
    Ok(())
}

fn spec(cursor: &mut Cursor<'_>, type_: Type) -> Result<Spec, FormatError> {
    let mut spec = Spec::new(Conversion::Str, Align::Right);
    let (mut left, mut zero) = (false, false);
    // Flags come in any order and number, so their effect waits until the conversion is known.
    loop {
        match cursor.peek() {
            Some('-') => left = true,
            Some('0') => zero = true,
            Some('+') => spec.sign = Sign::Always,
            // A plus takes precedence over a space, in either order.
            Some(' ') if spec.sign == Sign::Negative => spec.sign = Sign::Space,
            Some(' ') => {}
            Some('#') => spec.alternate = true,
            _ => break,
        }
        cursor.next();
    }
    spec.width = cursor.number()?.unwrap_or(0);
    if cursor.eat('.') {
        // A point without digits means no digits.
        spec.precision = Some(cursor.number()?.unwrap_or(0));
    }
    // Python accepts one of C's length modifiers, and ignores it.
    if let Some('h' | 'l' | 'L') = cursor.peek() {
        cursor.next();
    }
    let at = cursor.at();
    let Some(c) = cursor.next() else {
        return Err(FormatError::new(UnexpectedEnd, at));
    };
    spec.conversion = conversion(c, type_).map_err(|kind| FormatError::new(kind, at))?;
    let text = is_text(spec.conversion);
    if left {
        spec.align = Align::Left;
    } else if zero && !text {
        spec.align = Align::AfterSign;
        spec.fill = '0';
    }
    Ok(spec)
}

fn is_text(conversion: Conversion) -> bool {
    use Conversion::{Ascii, Repr, Str};
    matches!(conversion, Str | Repr | Ascii)
}

fn conversion(c: char, type_: Type) -> Result<Conversion, super::error::FormatErrorKind> {
    let conversion = match c {
        's' => Conversion::Str,
        'r' => Conversion::Repr,
        'a' => Conversion::Ascii,
        'd' | 'i' | 'u' => Conversion::Decimal,
        'o' => Conversion::Octal,
        'x' => Conversion::Hex { upper: false },
        'X' => Conversion::Hex { upper: true },
        'f' | 'F' => Conversion::Fixed,
        'e' => Conversion::Exponent { upper: false },
        'E' => Conversion::Exponent { upper: true },
        'g' => Conversion::General { upper: false },
        'G' => Conversion::General { upper: true },
        _ => return Err(Unsupported(c)),
    };
    let suits = match type_ {
        Type::Text => is_text(conversion),
        // Python converts an integer to whatever the conversion needs.
        Type::Integer => true,
        // Python has no hexadecimal or octal form of a floating-point number.
        Type::Float => !matches!(c, 'o' | 'x' | 'X'),
    };
    if suits {
        Ok(conversion)
    } else {
        Err(Mismatch(c))
    }
}
