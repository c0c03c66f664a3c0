//! The parser of the brace style:
//! `{name!conversion:[[fill]align][sign][#][0][width][.precision][type]}`.
//!
//! | part | text | integer | floating point |
//! |---|---|---|---|
//! | alignment | not `=`; `<` by default | all; `>` by default | all; `>` by default |
//! | sign, `#` | refused | taken | taken |
//! | `0` | a fill character | pads after the sign | pads after the sign |
//! | precision | cuts the text | refused, unless the type is a float's | digits |
//! | type | `s` | `d b o x X`, and those of floats | `f F e E g G` |
//!
//! A field with a conversion is text, whatever it was before. All that Python refuses is refused
//! here, when the format is set, so that no record fails later.

use super::error::FormatError;
use super::error::FormatErrorKind::{
    Mismatch, MissingName, StrayBrace, Unclosed, UnexpectedEnd, Unsupported,
};
use super::field::{Field, Type};
use super::spec::{Align, Conversion, Sign, Spec};
use super::template::{Cursor, Piece, Pieces};

pub(super) fn parse(format: &str) -> Result<Vec<Piece>, FormatError> {
    let mut pieces = Pieces::default();
    let mut cursor = Cursor::new(format);
    while let Some(literal) = cursor.until(&['{', '}']) {
        pieces.literal(literal);
        let brace = cursor.at();
        if cursor.eat('}') {
            // Outside of a field, braces come in pairs.
            if !cursor.eat('}') {
                return Err(FormatError::new(StrayBrace, brace));
            }
            pieces.literal("}");
            continue;
        }
        cursor.next();
        if cursor.eat('{') {
            pieces.literal("{");
        } else {
            field(&mut cursor, brace, &mut pieces)?;
        }
    }
    pieces.literal(cursor.all());
    Ok(pieces.finish())
}

/// Parses a field, from after the opening brace to after the closing one.
fn field(cursor: &mut Cursor<'_>, brace: usize, pieces: &mut Pieces) -> Result<(), FormatError> {
    let unclosed = || FormatError::new(Unclosed, brace);
    let start = cursor.at();
    let name = match cursor.until(&['!', ':', '}']) {
        Some("") => return Err(FormatError::new(MissingName, brace)),
        Some(name) => name,
        None => return Err(unclosed()),
    };
    let field = Field::named(name, start)?;
    let conversion = conversion(cursor, brace).map_err(|error| error.of(name))?;
    // The spec is parsed from a second cursor, after this one has found the closing brace: a format
    // that is not closed is reported as such, and not as a fault of its spec.
    let mut spec_cursor = cursor.clone();
    // Python looks for nested fields in the spec. No field here could be used as a width.
    cursor.until(&['}']).ok_or_else(|| unclosed().of(name))?;
    let spec = spec(&mut spec_cursor, field.type_(), conversion).map_err(|error| error.of(name))?;
    cursor.next();
    pieces.field(field, spec);
    Ok(())
}

/// Parses `!r:`, `:` or nothing, up to the spec or the closing brace.
fn conversion(cursor: &mut Cursor<'_>, brace: usize) -> Result<Option<Conversion>, FormatError> {
    if !cursor.eat('!') {
        cursor.eat(':');
        return Ok(None);
    }
    let at = cursor.at();
    let conversion = match cursor.next() {
        Some('s') => Conversion::Str,
        Some('r') => Conversion::Repr,
        Some('a') => Conversion::Ascii,
        Some('}') => return Err(FormatError::new(UnexpectedEnd, at)),
        Some(c) => return Err(FormatError::new(Unsupported(c), at)),
        None => return Err(FormatError::new(Unclosed, brace)),
    };
    let at = cursor.at();
    match cursor.peek() {
        // The closing brace stays, for the caller to find.
        Some(':') => cursor.next(),
        Some('}') => None,
        Some(c) => return Err(FormatError::new(Unsupported(c), at)),
        None => return Err(FormatError::new(Unclosed, brace)),
    };
    Ok(Some(conversion))
}

/// Parses the spec between the colon and the closing brace.
fn spec(
    cursor: &mut Cursor<'_>,
    type_: Type,
    conversion: Option<Conversion>,
) -> Result<Spec, FormatError> {
    let error = |kind, at| Err(FormatError::new(kind, at));
    // `!r` and its like turn any value into text before the spec applies.
    let type_ = if conversion.is_some() {
        Type::Text
    } else {
        type_
    };
    let text = type_ == Type::Text;
    // Python's conversion and alignment for a spec that names none.
    let (untyped, align) = match type_ {
        Type::Text => (conversion.unwrap_or(Conversion::Str), Align::Left),
        Type::Integer => (Conversion::Decimal, Align::Right),
        Type::Float => (Conversion::Untyped, Align::Right),
    };
    let mut spec = Spec::new(untyped, align);

    let (filled, aligned) = fill_and_align(cursor, text, &mut spec)?;

    let at = cursor.at();
    if let Some(c @ ('+' | '-' | ' ')) = cursor.peek() {
        if text {
            return error(Mismatch(c), at);
        }
        cursor.next();
        spec.sign = match c {
            '+' => Sign::Always,
            ' ' => Sign::Space,
            _ => Sign::Negative,
        };
    }

    let at = cursor.at();
    spec.alternate = cursor.eat('#');
    if spec.alternate && text {
        return error(Mismatch('#'), at);
    }

    // After a fill character, a zero is the first digit of the width.
    if !filled && cursor.eat('0') {
        spec.fill = '0';
        // An alignment that is given takes precedence: `<08` pads with zeros on the right.
        if !aligned && !text {
            spec.align = Align::AfterSign;
        }
    }

    spec.width = cursor.number()?.unwrap_or(0);

    let point = cursor.at();
    if cursor.eat('.') {
        spec.precision = cursor.number()?;
        // In the percent style a point alone means zero. Here Python refuses it.
        if spec.precision.is_none() {
            return error(Unsupported('.'), point);
        }
    }

    let at = cursor.at();
    match cursor.peek() {
        Some('}') | None => {}
        Some(c) => {
            cursor.next();
            match typed(c, type_) {
                None => return error(Unsupported(c), at),
                Some(None) => return error(Mismatch(c), at),
                // The type can only be `s`, which must not undo `!r`.
                Some(Some(_)) if text => {}
                Some(Some(conversion)) => spec.conversion = conversion,
            }
        }
    }
    // Only now, because the type comes last: `.2f` is right for an integer, `.2d` is not.
    if spec.precision.is_some() && is_integer(spec.conversion) {
        return error(Mismatch('.'), point);
    }
    match cursor.peek() {
        Some(c) if c != '}' => error(Unsupported(c), cursor.at()),
        _ => Ok(spec),
    }
}

/// Parses the fill character and the alignment. Returns whether there is one of each.
fn fill_and_align(
    cursor: &mut Cursor<'_>,
    text: bool,
    spec: &mut Spec,
) -> Result<(bool, bool), FormatError> {
    let mut chars = cursor.rest().chars();
    let (first, second) = (chars.next(), chars.next());
    // The end of the field comes first, because `}<` would look like a fill and an alignment.
    if first == Some('}') {
        return Ok((false, false));
    }
    // Any character is a fill if an alignment follows it, also one that is an alignment itself.
    let fill = first.filter(|_| second.and_then(align).is_some());
    if let Some(fill) = fill {
        spec.fill = fill;
        cursor.next();
    }
    let at = cursor.at();
    let Some((c, align)) = cursor.peek().and_then(|c| Some((c, align(c)?))) else {
        return Ok((false, false));
    };
    if text && align == Align::AfterSign {
        return Err(FormatError::new(Mismatch(c), at));
    }
    // Python takes it for the begin of a nested field.
    if fill == Some('{') {
        return Err(FormatError::new(Unsupported('{'), at - 1));
    }
    spec.align = align;
    cursor.next();
    Ok((fill.is_some(), true))
}

fn align(c: char) -> Option<Align> {
    match c {
        '<' => Some(Align::Left),
        '>' => Some(Align::Right),
        '^' => Some(Align::Center),
        '=' => Some(Align::AfterSign),
        _ => None,
    }
}

/// The conversion of a type character. `None` if there is no such type, and `Some(None)` if it does
/// not suit the field.
fn typed(c: char, type_: Type) -> Option<Option<Conversion>> {
    let (conversion, suits) = match c {
        's' => (Conversion::Str, type_ == Type::Text),
        'd' => (Conversion::Decimal, type_ == Type::Integer),
        'b' => (Conversion::Binary, type_ == Type::Integer),
        'o' => (Conversion::Octal, type_ == Type::Integer),
        'x' => (Conversion::Hex { upper: false }, type_ == Type::Integer),
        'X' => (Conversion::Hex { upper: true }, type_ == Type::Integer),
        'f' | 'F' => (Conversion::Fixed, type_ != Type::Text),
        'e' => (Conversion::Exponent { upper: false }, type_ != Type::Text),
        'E' => (Conversion::Exponent { upper: true }, type_ != Type::Text),
        'g' => (Conversion::General { upper: false }, type_ != Type::Text),
        'G' => (Conversion::General { upper: true }, type_ != Type::Text),
        _ => return None,
    };
    Some(suits.then_some(conversion))
}

fn is_integer(conversion: Conversion) -> bool {
    use Conversion::{Binary, Decimal, Hex, Octal};
    matches!(conversion, Decimal | Binary | Octal | Hex { .. })
}
