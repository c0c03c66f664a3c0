//! Logging as in Python: a backend for the [`log`] crate that knows the threads' names.
//!
//! ```
//! tk_core::logging::basic_config()
//!     .level(log::LevelFilter::Debug)
//!     .format("%(asctime)s (%(threadName)-10s) %(message)s")
//!     .init();
//!
//! log::debug!("starting"); // 2024-07-15 17:30:59,042 (MainThread) starting
//! ```
//!
//! # Fields
//!
//! | field | type | what it shows |
//! |---|---|---|
//! | `asctime` | text | the local time, as [`date_format`](BasicConfig::date_format) says: `2024-07-15 17:30:59,042` |
//! | `created` | float | seconds since 1970 |
//! | `msecs` | float | the milliseconds of the second, without a fraction |
//! | `relativeCreated` | float | milliseconds since the logger was made |
//! | `levelname` | text | `ERROR`, `WARNING`, `INFO`, `DEBUG` or `TRACE` |
//! | `levelno` | integer | 40, 30, 20, 10 or 5 |
//! | `name` | text | the record's target: a module's path, unless the program chose another |
//! | `module` | text | the last segment of the module's path: `db` of `app::db`. Python's is the stem of the file's name, which in Rust would often be `mod` |
//! | `pathname` | text | the source file, as the compiler knew it |
//! | `filename` | text | the last part of that |
//! | `lineno` | integer | the line in it |
//! | `process` | integer | the process id |
//! | `processName` | text | `MainProcess` |
//! | `thread` | integer | the thread's [id](crate::ThreadId) |
//! | `threadName` | text | the thread's [name](crate::ThreadRecord::name) |
//! | `message` | text | the message |
//! | `kv` | text | the record's key-values: `user=ann attempt=3` |
//! | `kv.KEY` | text | the value of that key alone; empty if the record has no such key |
//!
//! Where a record does not say where it comes from, its file is `(unknown file)` and its line 0. Python's `funcName` and
//! `taskName` do not exist: a Rust function does not know its name.
//!
//! # Formats
//!
//! Both of Python's languages are understood, and each field comes out as CPython would print it. A format that
//! contains `%(` is in the first, another one that contains `{` in the second; [`style`](BasicConfig::style) says
//! otherwise.
//!
//! - `%(threadName)-10s`: flags (`-` left, `0` zeros, `+` and space for the sign, `#`), a width, a precision, a conversion.
//!   Conversions are `s`, `r`, `a` for every field, also `d`, `i`, `u`, `f`, `F`, `e`, `E`, `g`, `G` for numbers, and `x`, `X`,
//!   `o` for integers. `%%` is a percent sign.
//! - `{threadName:<10}`: `[[fill]align][sign][#][0][width][.precision][type]`, where align is one of `<>^=` and the type
//!   is `s` for texts, `d`, `b`, `o`, `x`, `X` for integers, and `f`, `F`, `e`, `E`, `g`, `G` for numbers. `!s`, `!r` and
//!   `!a` before the colon make a text. `{{` and `}}` are braces.
//!
//! Widths and precisions count characters. A longer text is cut by a precision, never by a width. 4096 is the largest
//! of either.
//!
//! A format is parsed when the logger is built. What Python would complain about on every record, or not at all, is an
//! error then, which [says where](FormatError).
//!
//! # Guarantees
//!
//! - A record is one line, its end included: records of different threads are never mixed.
//! - Logging never panics and never returns an error. If a message's own code panics, its record ends with
//!   `<message panicked>`; if it returns an error, with `<message failed>`. If a write fails, that record is lost, and the
//!   next one is not.
//! - A standard stream that is full is waited for, also if it is set not to block.
//! - A message whose own code logs is no problem: the inner record comes first.
//! - A thread can log to its very end, in thread-local destructors too, under its name.
//! - In the child of a fork, logging works. If another thread was writing at the fork, its writer may be half-way through a
//!   line and is not touched again: the child's records go to the standard error stream instead, and a line there says
//!   so.

mod brace;
mod config;
mod error;
mod event;
mod field;
mod filter;
mod line;
mod logger;
mod number;
mod percent;
mod sink;
mod spec;
mod template;
#[cfg(test)]
mod tests;

pub use config::{BasicConfig, basic_config};
pub use error::{ConfigError, FormatError, FormatErrorKind, InitError};
pub use logger::Logger;
pub use sink::Stream;
pub use template::Style;
