//! Logging as in Python: a backend for the [`log`] crate that shows the names of threads.
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
//! | field | type | shows |
//! |---|---|---|
//! | `asctime` | text | the local time: `2024-07-15 17:30:59,042` |
//! | `created` | float | seconds since 1970 |
//! | `msecs` | float | the milliseconds of the second, without a fraction |
//! | `relativeCreated` | float | milliseconds since the logger was built |
//! | `levelname` | text | `ERROR`, `WARNING`, `INFO`, `DEBUG` or `TRACE` |
//! | `levelno` | integer | 40, 30, 20, 10 or 5 |
//! | `name` | text | the record's target, by default the path of the module |
//! | `module` | text | the last segment of the module's path: `db` for `app::db` |
//! | `pathname` | text | the path of the source file, as the compiler has it |
//! | `filename` | text | the last part of `pathname` |
//! | `lineno` | integer | the line in the source file |
//! | `process` | integer | the process id |
//! | `processName` | text | `MainProcess` |
//! | `thread` | integer | the thread's [id](crate::ThreadId) |
//! | `threadName` | text | the thread's [name](crate::ThreadRecord::name) |
//! | `message` | text | the message |
//! | `kv` | text | the record's key-values: `user=ann attempt=3` |
//! | `kv.KEY` | text | the value of that key, or nothing if the record has no such key |
//!
//! [`date_format`](BasicConfig::date_format) changes the format of `asctime`. For a record without
//! a location, the file is `(unknown file)` and the line is 0. Python's `module` is the stem of the
//! file's name, which would often be `mod` in Rust. Python's `funcName` and `taskName` do not
//! exist, because a Rust function does not know its name.
//!
//! # Formats
//!
//! A format is written in one of Python's two format languages. Each field is printed like CPython
//! prints it. A format that contains `%(` is in the percent style. Any other that contains `{` is
//! in the brace style. [`style`](BasicConfig::style) overrides that.
//!
//! - Percent style, `%(threadName)-10s`: flags, a width, a precision and a conversion. The flags
//!   are `-` for left alignment, `0` for zeros, `+` and space for the sign, and `#`. The
//!   conversions are `s`, `r` and `a` for each field, `d`, `i`, `u`, `f`, `F`, `e`, `E`, `g` and
//!   `G` for numbers, and `x`, `X` and `o` for integers. `%%` is a percent sign.
//! - Brace style, `{threadName:<10}`: `[[fill]align][sign][#][0][width][.precision][type]`. The
//!   alignment is one of `<>^=`. The types are `s` for texts, `d`, `b`, `o`, `x` and `X` for
//!   integers, and `f`, `F`, `e`, `E`, `g` and `G` for numbers. `!s`, `!r` and `!a` before the
//!   colon convert to a text. `{{` and `}}` are braces.
//!
//! Widths and precisions count characters, up to 4096. A precision cuts a longer text, a width does
//! not.
//!
//! A format is parsed when the logger is built. Mistakes are errors then, with their
//! [position](FormatError). Python reports them with each record, or never.
//!
//! # Guarantees
//!
//! - A record is written as one line, with its line break. The lines of different threads are never
//!   mixed.
//! - Logging never panics and never returns an error. If the code of a message panics, its line
//!   ends with `<message panicked>`. If it returns an error, the line ends with `<message failed>`.
//!   If a write fails, the record is lost, and the next one is written.
//! - Logging blocks while a standard stream is full, even if the stream is set not to block.
//! - The code of a message may log. The inner record is written first.
//! - A thread can log until its very end, in thread-local destructors too, with its name.
//! - The child of a fork can log. If another thread was writing at the fork, its writer may be in
//!   the middle of a line, and is not used again. The child's records go to the standard error
//!   stream then, after a line that reports it.

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
