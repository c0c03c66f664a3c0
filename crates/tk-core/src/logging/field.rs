//! The fields that a format can ask for.

use std::fmt::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use log::Level;
use log::kv::{Error, Key, Value, VisitSource};

use super::error::{FormatError, FormatErrorKind};
use super::event::Event;
use super::line::Line;
use super::spec::Spec;
use crate::current::with_current;

/// What Python prints where a record does not know its file.
const NO_FILE: &str = "(unknown file)";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Asctime,
    Created,
    Msecs,
    RelativeCreated,
    LevelName,
    LevelNo,
    Name,
    Module,
    PathName,
    FileName,
    LineNo,
    Process,
    ProcessName,
    Thread,
    ThreadName,
    Message,
    KeyValues,
    KeyValue(Box<str>),
}

/// What a field's value is, and so which conversions suit it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Text,
    Integer,
    Float,
}

impl Field {
    /// The field of this name, which stands at `position`.
    pub(super) fn named(name: &str, position: usize) -> Result<Field, FormatError> {
        Ok(match name {
            "asctime" => Field::Asctime,
            "created" => Field::Created,
            "msecs" => Field::Msecs,
            "relativeCreated" => Field::RelativeCreated,
            "levelname" => Field::LevelName,
            "levelno" => Field::LevelNo,
            "name" => Field::Name,
            "module" => Field::Module,
            "pathname" => Field::PathName,
            "filename" => Field::FileName,
            "lineno" => Field::LineNo,
            "process" => Field::Process,
            "processName" => Field::ProcessName,
            "thread" => Field::Thread,
            "threadName" => Field::ThreadName,
            "message" => Field::Message,
            "kv" => Field::KeyValues,
            _ => match name.strip_prefix("kv.") {
                Some(key) if !key.is_empty() => Field::KeyValue(key.into()),
                _ => {
                    let error = FormatError::new(FormatErrorKind::UnknownField, position);
                    return Err(error.of(name));
                }
            },
        })
    }

    pub(super) fn type_(&self) -> Type {
        match self {
            Field::LevelNo | Field::LineNo | Field::Process | Field::Thread => Type::Integer,
            Field::Created | Field::Msecs | Field::RelativeCreated => Type::Float,
            _ => Type::Text,
        }
    }

    pub(super) fn uses_time(&self) -> bool {
        use Field::{Asctime, Created, Msecs, RelativeCreated};
        matches!(self, Asctime | Created | Msecs | RelativeCreated)
    }

    pub(super) fn write(&self, spec: &Spec, event: &Event<'_>, line: &mut Line) {
        let record = event.record;
        match self {
            Field::LevelNo => spec.write_integer(line, level_number(record.level())),
            Field::LineNo => spec.write_integer(line, record.line().unwrap_or(0).into()),
            Field::Process => spec.write_integer(line, std::process::id().into()),
            Field::Thread => {
                let id = with_current(|thread| thread.id().get());
                spec.write_integer(line, i64::try_from(id).unwrap_or(i64::MAX));
            }
            Field::Created => spec.write_float(line, event.created()),
            Field::Msecs => spec.write_float(line, event.milliseconds().into()),
            Field::RelativeCreated => spec.write_float(line, event.relative_created()),
            _ => spec.write_text(line, |line| self.write_text(event, line)),
        }
    }

    fn write_text(&self, event: &Event<'_>, line: &mut Line) {
        let record = event.record;
        match self {
            Field::LevelName => line.push_str(level_name(record.level())),
            Field::Name => line.push_str(record.target()),
            Field::Module => line.push_str(module(record)),
            Field::PathName => line.push_str(record.file().unwrap_or(NO_FILE)),
            Field::FileName => line.push_str(file_name(record)),
            Field::ProcessName => line.push_str("MainProcess"),
            Field::ThreadName => {
                with_current(|thread| thread.with_name(|name| line.push_str(name)));
            }
            Field::Message => write_message(record.args(), line),
            Field::KeyValues => write_foreign(line, "key-values", |line| {
                let mut pairs = Pairs { line, first: true };
                record
                    .key_values()
                    .visit(&mut pairs)
                    .map_err(|_| fmt::Error)
            }),
            Field::KeyValue(key) => {
                write_foreign(line, key, |line| {
                    match record.key_values().get(Key::from(&**key)) {
                        Some(value) => write!(line, "{value}"),
                        None => Ok(()),
                    }
                });
            }
            Field::Asctime => event.write_asctime(line),
            // The numbers, which are no text.
            _ => {}
        }
    }
}

/// Python's names.
fn level_name(level: Level) -> &'static str {
    match level {
        Level::Warn => "WARNING",
        level => level.as_str(),
    }
}

/// Python's numbers. It has none for `TRACE`; 5 is what programs that want one use.
fn level_number(level: Level) -> i64 {
    match level {
        Level::Error => 40,
        Level::Warn => 30,
        Level::Info => 20,
        Level::Debug => 10,
        Level::Trace => 5,
    }
}

/// The last segment of the module's path; of a record without one, the stem of its file, which is Python's module.
fn module<'a>(record: &'a log::Record<'_>) -> &'a str {
    match record.module_path() {
        Some(path) => path.rsplit("::").next().unwrap_or(path),
        None => {
            let file = file_name(record);
            file.rsplit_once('.').map_or(file, |(stem, _)| stem)
        }
    }
}

fn file_name<'a>(record: &'a log::Record<'_>) -> &'a str {
    let path = record.file().unwrap_or(NO_FILE);
    // The compiler writes the paths of the system on which it runs.
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

/// The message of a record, which is code of the program: it may fail or panic.
pub(super) fn write_message(message: &fmt::Arguments<'_>, line: &mut Line) {
    match message.as_str() {
        Some(message) => line.push_str(message),
        None => write_foreign(line, "message", |line| line.write_fmt(*message)),
    }
}

/// Writes what the program formats. Should that fail or panic, then what it has written until then stays, and a note
/// says that there is no more: whoever logs is not to be hurt by it.
fn write_foreign(line: &mut Line, what: &str, write: impl FnOnce(&mut Line) -> fmt::Result) {
    let trouble = match contain(|| write(line)) {
        Some(Ok(())) => return,
        Some(Err(fmt::Error)) => "failed",
        None => "panicked",
    };
    let _ = write!(line, "<{what} {trouble}>");
}

/// Calls code that is not ours; a panic in it, or in its panic's payload, goes no further.
pub(super) fn contain<R>(f: impl FnOnce() -> R) -> Option<R> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(result) => Some(result),
        Err(payload) => {
            if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
                std::mem::forget(second);
            }
            None
        }
    }
}

/// Writes `key=value key2=value2`.
struct Pairs<'a> {
    line: &'a mut Line,
    first: bool,
}

impl<'kvs> VisitSource<'kvs> for Pairs<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        if !std::mem::take(&mut self.first) {
            self.line.push_char(' ');
        }
        Ok(write!(self.line, "{key}={value}")?)
    }
}
