//! The logger: the backend for the `log` crate.

use std::fmt;

use jiff::Timestamp;
use log::{LevelFilter, Log, Metadata, Record};

use super::event::{Clock, Event};
use super::field::write_message;
use super::filter::Filter;
use super::line::Line;
use super::sink::Sink;
use super::template::Template;

/// A backend for the `log` crate, from [`BasicConfig::build`](super::BasicConfig::build).
///
/// Most programs call [`init`](super::BasicConfig::init), which installs it. Build one for tests,
/// or for a logger of your own that passes records on.
///
/// ```
/// use log::{Level, Log, Record};
///
/// let logger = tk_core::logging::basic_config().build()?;
/// let record = Record::builder()
///     .level(Level::Error)
///     .target("app")
///     .args(format_args!("out of paper"))
///     .build();
/// logger.log(&record); // Prints ERROR:app:out of paper.
/// # Ok::<(), tk_core::logging::ConfigError>(())
/// ```
#[doc(alias = "logging.Formatter")]
pub struct Logger {
    pub(super) template: Template,
    pub(super) clock: Clock,
    pub(super) filter: Filter,
    pub(super) sink: Sink,
}

impl Logger {
    /// Returns the most verbose level that this logger logs for any target.
    ///
    /// Pass it to [`log::set_max_level`] if you install the logger without
    /// [`init`](super::BasicConfig::init).
    ///
    /// ```
    /// use log::LevelFilter;
    ///
    /// let logger = tk_core::logging::basic_config().filter("info,app::db=trace").build()?;
    /// assert_eq!(logger.max_level(), LevelFilter::Trace);
    /// # Ok::<(), tk_core::logging::ConfigError>(())
    /// ```
    pub fn max_level(&self) -> LevelFilter {
        self.filter.max_level()
    }

    /// Whether the filter passes the record.
    fn passes(&self, record: &Record<'_>) -> bool {
        if !self.filter.enabled(record.metadata()) {
            return false;
        }
        let Some(wanted) = self.filter.text() else {
            return true;
        };
        let mut text = Line::take();
        write_message(record.args(), &mut text);
        let passes = String::from_utf8_lossy(text.bytes()).contains(wanted);
        text.give_back();
        passes
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.filter.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if !self.passes(record) {
            return;
        }
        let template = &self.template;
        let event = Event {
            record,
            clock: &self.clock,
            // Before the message is formatted, which may take long.
            time: if template.uses_time {
                Timestamp::now()
            } else {
                self.clock.start
            },
        };
        // The line is complete before the stream is locked, because the message may log too.
        let mut line = Line::take();
        template.render(&event, &mut line);
        line.push_char('\n');
        self.sink.write(line.bytes());
        line.give_back();
    }

    fn flush(&self) {
        self.sink.flush();
    }
}

impl fmt::Debug for Logger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logger")
            .field("template", &self.template)
            .field("filter", &self.filter)
            .field("sink", &self.sink)
            .finish_non_exhaustive()
    }
}
