//! Writing JSON: objects and arrays as closures, strings escaped.
//!
//! A `<` is escaped too, so that a text of the program can't end a `<script>` into which the JSON
//! is put.

mod snapshot;

use std::fmt;
use std::io::{self, Write};

/// Writes an object.
pub(crate) fn object<W: Write>(
    out: &mut W,
    fill: impl FnOnce(&mut Object<'_, W>) -> io::Result<()>,
) -> io::Result<()> {
    out.write_all(b"{")?;
    fill(&mut Object {
        out,
        is_empty: true,
    })?;
    out.write_all(b"}")
}

/// An object that is being written.
pub(crate) struct Object<'w, W> {
    out: &'w mut W,
    is_empty: bool,
}

impl<W: Write> Object<'_, W> {
    fn key(&mut self, key: &str) -> io::Result<()> {
        separate(self.out, &mut self.is_empty)?;
        write!(self.out, "\"{}\":", Escaped(key))
    }

    pub(crate) fn string(&mut self, key: &str, value: impl fmt::Display) -> io::Result<()> {
        self.key(key)?;
        string(self.out, value)
    }

    /// Writes a number or a Boolean, which look in JSON as `Display` shows them.
    pub(crate) fn number(&mut self, key: &str, value: impl fmt::Display) -> io::Result<()> {
        self.key(key)?;
        write!(self.out, "{value}")
    }

    pub(crate) fn numbers(
        &mut self,
        key: &str,
        mut values: impl Iterator<Item = u64>,
    ) -> io::Result<()> {
        self.key(key)?;
        self.out.write_all(b"[")?;
        let mut is_empty = true;
        values.try_for_each(|value| {
            separate(self.out, &mut is_empty)?;
            write!(self.out, "{value}")
        })?;
        self.out.write_all(b"]")
    }

    pub(crate) fn object(
        &mut self,
        key: &str,
        fill: impl FnOnce(&mut Object<'_, W>) -> io::Result<()>,
    ) -> io::Result<()> {
        self.key(key)?;
        object(self.out, fill)
    }

    pub(crate) fn array(
        &mut self,
        key: &str,
        fill: impl FnOnce(&mut Array<'_, W>) -> io::Result<()>,
    ) -> io::Result<()> {
        self.key(key)?;
        self.out.write_all(b"[")?;
        fill(&mut Array {
            out: self.out,
            is_empty: true,
        })?;
        self.out.write_all(b"]")
    }
}

/// An array that is being written.
pub(crate) struct Array<'w, W> {
    out: &'w mut W,
    is_empty: bool,
}

impl<W: Write> Array<'_, W> {
    pub(crate) fn object(
        &mut self,
        fill: impl FnOnce(&mut Object<'_, W>) -> io::Result<()>,
    ) -> io::Result<()> {
        separate(self.out, &mut self.is_empty)?;
        self.out.write_all(b"\n")?;
        object(self.out, fill)
    }
}

fn separate(out: &mut impl Write, is_empty: &mut bool) -> io::Result<()> {
    if !std::mem::replace(is_empty, false) {
        out.write_all(b",")?;
    }
    Ok(())
}

fn string(out: &mut impl Write, value: impl fmt::Display) -> io::Result<()> {
    write!(out, "\"{}\"", Escaped(&value.to_string()))
}

/// The inside of a JSON string.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find(must_be_escaped) {
            let (plain, from) = rest.split_at(at);
            f.write_str(plain)?;
            let c = from.chars().next().unwrap_or_default();
            match c {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                // All of these are in the first plane.
                c => write!(f, "\\u{:04x}", u32::from(c))?,
            }
            rest = &from[c.len_utf8()..];
        }
        f.write_str(rest)
    }
}

fn must_be_escaped(c: char) -> bool {
    // The last two end a line in JavaScript.
    c.is_control() || matches!(c, '"' | '\\' | '<' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_gets_every_text_back() {
        let every: String = ('\0'..='\u{3000}')
            .chain('\u{1f600}'..='\u{1f610}')
            .collect();
        let mut out = Vec::new();
        object(&mut out, |o| {
            o.string(&every, &every)?;
            o.number("n", 1.5)?;
            o.array("a", |a| {
                a.object(|_| Ok(()))?;
                a.object(|o| o.number("yes", true))
            })?;
            o.object("o", |o| o.string("", "</script>"))
        })
        .unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(!text.contains('<'));
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read[&every], *every);
        assert_eq!(read["n"], 1.5);
        assert_eq!(read["a"], serde_json::json!([{}, { "yes": true }]));
        assert_eq!(read["o"][""], "</script>");
    }
}
