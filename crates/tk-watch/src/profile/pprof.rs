//! The format of pprof: a message `Profile` of `profile.proto`, in the encoding of Protocol
//! Buffers, not compressed. Readers take it with and without gzip.
//!
//! Each source line is a function with one frame, and each sample has the two values of Go's own
//! contention profiles: `contentions` and `delay`.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use super::{Profile, Waits};

/// A message that is being encoded.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    /// A field of the type `int64` or `uint64`.
    fn number(&mut self, field: u32, value: u64) {
        self.varint(u64::from(field) << 3);
        self.varint(value);
    }

    /// A field that has a length: a message, a string, or packed numbers.
    fn bytes(&mut self, field: u32, bytes: &[u8]) {
        self.varint(u64::from(field) << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn message(&mut self, field: u32, fill: impl FnOnce(&mut Message)) {
        let mut inner = Message::default();
        fill(&mut inner);
        self.bytes(field, &inner.0);
    }

    fn packed(&mut self, field: u32, numbers: &[u64]) {
        let mut inner = Message::default();
        numbers.iter().for_each(|number| inner.varint(*number));
        self.bytes(field, &inner.0);
    }
}

/// The strings of a profile, which its messages name by number. The first is empty.
struct Strings {
    numbers: HashMap<String, u64>,
    list: Vec<String>,
}

impl Strings {
    fn new() -> Strings {
        let mut strings = Strings {
            numbers: HashMap::new(),
            list: Vec::new(),
        };
        strings.number("");
        strings
    }

    fn number(&mut self, text: impl Into<String>) -> u64 {
        let text = text.into();
        *self.numbers.entry(text).or_insert_with_key(|text| {
            self.list.push(text.clone());
            self.list.len() as u64 - 1
        })
    }
}

/// The numbers of the fields, by message, as in `profile.proto`.
mod field {
    pub(super) const PROFILE_SAMPLE_TYPE: u32 = 1;
    pub(super) const PROFILE_SAMPLE: u32 = 2;
    pub(super) const PROFILE_MAPPING: u32 = 3;
    pub(super) const PROFILE_LOCATION: u32 = 4;
    pub(super) const PROFILE_FUNCTION: u32 = 5;
    pub(super) const PROFILE_STRING: u32 = 6;
    pub(super) const PROFILE_TIME: u32 = 9;
    pub(super) const PROFILE_DURATION: u32 = 10;
    pub(super) const PROFILE_PERIOD_TYPE: u32 = 11;
    pub(super) const PROFILE_PERIOD: u32 = 12;
    pub(super) const PROFILE_COMMENT: u32 = 13;
    pub(super) const VALUE_TYPE: u32 = 1;
    pub(super) const VALUE_UNIT: u32 = 2;
    pub(super) const SAMPLE_LOCATION: u32 = 1;
    pub(super) const SAMPLE_VALUE: u32 = 2;
    pub(super) const SAMPLE_LABEL: u32 = 3;
    pub(super) const LABEL_KEY: u32 = 1;
    pub(super) const LABEL_TEXT: u32 = 2;
    pub(super) const MAPPING_ID: u32 = 1;
    pub(super) const MAPPING_FILE: u32 = 5;
    pub(super) const MAPPING_HAS_FUNCTIONS: u32 = 7;
    pub(super) const MAPPING_HAS_FILES: u32 = 8;
    pub(super) const MAPPING_HAS_LINES: u32 = 9;
    pub(super) const LOCATION_ID: u32 = 1;
    pub(super) const LOCATION_MAPPING: u32 = 2;
    pub(super) const LOCATION_LINE: u32 = 4;
    pub(super) const LINE_FUNCTION: u32 = 1;
    pub(super) const LINE_NUMBER: u32 = 2;
    pub(super) const FUNCTION_ID: u32 = 1;
    pub(super) const FUNCTION_NAME: u32 = 2;
    pub(super) const FUNCTION_SYSTEM_NAME: u32 = 3;
    pub(super) const FUNCTION_FILE: u32 = 4;
    pub(super) const FUNCTION_FIRST_LINE: u32 = 5;
}

pub(super) fn encode(profile: &Profile) -> Vec<u8> {
    let mut strings = Strings::new();
    let mut out = Message::default();
    let mut value_type = |out: &mut Message, field, value: &str, unit: &str| {
        out.message(field, |m| {
            m.number(field::VALUE_TYPE, strings.number(value));
            m.number(field::VALUE_UNIT, strings.number(unit));
        });
    };
    value_type(&mut out, field::PROFILE_SAMPLE_TYPE, "contentions", "count");
    value_type(&mut out, field::PROFILE_SAMPLE_TYPE, "delay", "nanoseconds");
    value_type(&mut out, field::PROFILE_PERIOD_TYPE, "contentions", "count");
    out.number(field::PROFILE_PERIOD, 1);

    // All lines are the program's, and need no look into its symbols.
    let program = std::env::current_exe().unwrap_or_default();
    out.message(field::PROFILE_MAPPING, |m| {
        m.number(field::MAPPING_ID, 1);
        m.number(
            field::MAPPING_FILE,
            strings.number(program.to_string_lossy()),
        );
        m.number(field::MAPPING_HAS_FUNCTIONS, 1);
        m.number(field::MAPPING_HAS_FILES, 1);
        m.number(field::MAPPING_HAS_LINES, 1);
    });

    let lines = profile.lines.iter().map(|line| {
        let name = format!("{}:{} ({})", line.file, line.line, line.kind);
        (name, line.file, line.line, line.kind, &line.waits)
    });
    let others = profile.other_lines.iter().map(|waits| {
        let name = "other lines, for which the table has no room".to_owned();
        (name, "", 0, "", waits)
    });
    for (at, (name, file, line, kind, waits)) in lines.chain(others).enumerate() {
        // Each line has one function and one location, of the same number. Zero is not allowed.
        let id = at as u64 + 1;
        let (name, file) = (strings.number(name), strings.number(file));
        out.message(field::PROFILE_FUNCTION, |m| {
            m.number(field::FUNCTION_ID, id);
            m.number(field::FUNCTION_NAME, name);
            m.number(field::FUNCTION_SYSTEM_NAME, name);
            m.number(field::FUNCTION_FILE, file);
            m.number(field::FUNCTION_FIRST_LINE, line.into());
        });
        out.message(field::PROFILE_LOCATION, |m| {
            m.number(field::LOCATION_ID, id);
            m.number(field::LOCATION_MAPPING, 1);
            m.message(field::LOCATION_LINE, |m| {
                m.number(field::LINE_FUNCTION, id);
                m.number(field::LINE_NUMBER, line.into());
            });
        });
        out.message(field::PROFILE_SAMPLE, |m| {
            m.packed(field::SAMPLE_LOCATION, &[id]);
            m.packed(field::SAMPLE_VALUE, &[waits.count, nanos(waits.total)]);
            label(m, &mut strings, "kind", kind);
            if let Some(held) = mostly_held_by(waits) {
                label(m, &mut strings, "held_mostly_by", &held);
            }
        });
    }

    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let start = now.unwrap_or_default().saturating_sub(profile.elapsed);
    out.number(field::PROFILE_TIME, nanos(start));
    out.number(field::PROFILE_DURATION, nanos(profile.elapsed));
    if profile.missed > 0 {
        let comment = format!("{} times, a wait is missing in a table", profile.missed);
        out.packed(field::PROFILE_COMMENT, &[strings.number(comment)]);
    }
    for text in &strings.list {
        out.bytes(field::PROFILE_STRING, text.as_bytes());
    }
    out.0
}

fn label(sample: &mut Message, strings: &mut Strings, key: &str, text: &str) {
    if text.is_empty() {
        return;
    }
    sample.message(field::SAMPLE_LABEL, |m| {
        m.number(field::LABEL_KEY, strings.number(key));
        m.number(field::LABEL_TEXT, strings.number(text));
    });
}

fn mostly_held_by(waits: &Waits) -> Option<String> {
    waits.held_by.first().map(ToString::to_string)
}

/// Signed in the format.
fn nanos(duration: Duration) -> u64 {
    i64::try_from(duration.as_nanos()).map_or(i64::MAX as u64, |nanos| nanos as u64)
}
