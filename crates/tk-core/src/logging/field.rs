//! The fields of a format.

use std::fmt::{self, Write};

use log::Level;
use log::kv::{Error, Key, Value, VisitSource};

use super::error::{FormatError, FormatErrorKind};
use super::event::Event;
use super::line::Line;
use super::spec::Spec;
use crate::current::with_current;
use crate::guard::call_guarded;

/// Python's text for the file of a record without one.
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

/// The type of a field's value, which decides which conversions suit it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Text,
    Integer,
    Float,
}

impl Field {
    /// The field of this name, at this position in the format.
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
            // The numeric fields, which `write` handles.
            _ => {}
        }
    }
}

/// Python's name of a level.
fn level_name(level: Level) -> &'static str {
    match level {
        Level::Warn => "WARNING",
        level => level.as_str(),
    }
}

/// Python's number of a level. It has none for `TRACE`. Programs that want one use 5.
fn level_number(level: Level) -> i64 {
    match level {
        Level::Error => 40,
        Level::Warn => 30,
        Level::Info => 20,
        Level::Debug => 10,
        Level::Trace => 5,
    }
}

/// The last segment of the module's path. For a record without one, the stem of its file, like
/// Python's `module`.
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
    // The path is one of the system that the compiler ran on.
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

/// Writes the message of a record. It runs user code, which may fail or panic.
pub(super) fn write_message(message: &fmt::Arguments<'_>, line: &mut Line) {
    match message.as_str() {
        Some(message) => line.push_str(message),
        None => write_foreign(line, "message", |line| line.write_fmt(*message)),
    }
}

/// Writes what user code formats. If that fails or panics, the text up to there stays, and a note
/// follows. The thread that logs does not notice.
fn write_foreign(line: &mut Line, what: &str, write: impl FnOnce(&mut Line) -> fmt::Result) {
    let trouble = match catch_panic(|| write(line)) {
        Some(Ok(())) => return,
        Some(Err(fmt::Error)) => "failed",
        None => "panicked",
    };
    let _ = write!(line, "<{what} {trouble}>");
}

/// Calls user code, and returns `None` if it panics.
pub(super) fn catch_panic<R>(f: impl FnOnce() -> R) -> Option<R> {
    let mut result = None;
    call_guarded(|| result = Some(f()));
    result
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
