//! The configuration of a logger.

use jiff::tz::TimeZone;
use log::LevelFilter;

use super::error::{ConfigError, InitError};
use super::event::Clock;
use super::filter::Filter;
use super::logger::Logger;
use super::sink::{Stream, write_to_stderr};
use super::template::{Style, Template};

/// Python's `logging.BASIC_FORMAT`.
const BASIC_FORMAT: &str = "%(levelname)s:%(name)s:%(message)s";

/// Starts a configuration of the backend for the `log` crate, with Python's defaults.
///
/// By default, warnings and errors are written to the standard error stream, as
/// `WARNING:name:message`. Call [`BasicConfig::init`] to install the logger.
///
/// ```
/// use log::LevelFilter;
///
/// tk_core::logging::basic_config()
///     .level(LevelFilter::Debug)
///     .format("%(asctime)s (%(threadName)-2s) %(message)s")
///     .init();
///
/// log::debug!("waiting"); // 2024-07-15 17:30:59,042 (MainThread) waiting
/// ```
#[doc(alias = "logging.basicConfig")]
pub fn basic_config() -> BasicConfig {
    BasicConfig::default()
}

/// A configuration of the backend for the `log` crate, from [`basic_config`].
///
/// ```
/// use tk_core::logging::{Stream, basic_config};
///
/// let logger = basic_config()
///     .filter("info,app::db=debug")
///     .env()
///     .format("{asctime} {levelname:<8} {threadName} {message}")
///     .date_format("%H:%M:%S")
///     .stream(Stream::Stdout)
///     .build()?;
/// # Ok::<(), tk_core::logging::ConfigError>(())
/// ```
#[derive(Debug)]
#[must_use = "a configuration does nothing until `init`, `try_init` or `build` is called"]
pub struct BasicConfig {
    level: LevelFilter,
    directives: Vec<Directives>,
    format: String,
    style: Option<Style>,
    date_format: Option<String>,
    stream: Stream,
}

/// The source of filter directives.
#[derive(Debug)]
enum Directives {
    Text(String),
    Variable(String),
}

impl Default for BasicConfig {
    fn default() -> BasicConfig {
        BasicConfig {
            level: LevelFilter::Warn,
            directives: Vec::new(),
            format: BASIC_FORMAT.to_owned(),
            style: None,
            date_format: None,
            stream: Stream::Stderr,
        }
    }
}

impl BasicConfig {
    /// Logs records of this level and more severe ones. The default is `Warn`.
    ///
    /// [Filter](BasicConfig::filter) directives override it for their targets.
    ///
    /// ```
    /// use log::LevelFilter;
    /// use tk_core::logging::basic_config;
    ///
    /// assert_eq!(basic_config().build()?.max_level(), LevelFilter::Warn);
    /// assert_eq!(basic_config().level(LevelFilter::Info).build()?.max_level(), LevelFilter::Info);
    /// # Ok::<(), tk_core::logging::ConfigError>(())
    /// ```
    #[doc(alias = "setLevel")]
    pub fn level(mut self, level: LevelFilter) -> BasicConfig {
        self.level = level;
        self
    }

    /// Sets the format of a record. The default is `%(levelname)s:%(name)s:%(message)s`.
    ///
    /// The [module](super) describes the fields and the format languages. A mistake in the format
    /// is an error when the logger is built.
    ///
    /// ```
    /// use tk_core::logging::basic_config;
    ///
    /// assert!(basic_config().format("%(levelname)-8s %(message)s").build().is_ok());
    /// assert!(basic_config().format("{levelname:<8} {message}").build().is_ok());
    /// assert!(basic_config().format("{levelname:<8 {message}").build().is_err());
    /// ```
    pub fn format(mut self, format: impl Into<String>) -> BasicConfig {
        self.format = format.into();
        self
    }

    /// Sets the language of the [format](BasicConfig::format), for a format that looks like the
    /// other one. See [`Style`].
    ///
    /// ```
    /// use tk_core::logging::{Style, basic_config};
    ///
    /// // A brace is nothing special here.
    /// let config = basic_config().style(Style::Percent).format("{%(message)s}");
    /// assert!(config.build().is_ok());
    /// ```
    pub fn style(mut self, style: Style) -> BasicConfig {
        self.style = Some(style);
        self
    }

    /// Sets the format of the field `asctime`, by the rules of `strftime`. The time is the local
    /// time.
    ///
    /// The default is `%Y-%m-%d %H:%M:%S`, a comma and the milliseconds, also for an empty format.
    /// A format can show milliseconds by `%3f`, which Python's cannot. [`jiff`](jiff::fmt::strtime)
    /// describes the conversions. A mistake is an error when the logger is built.
    ///
    /// ```
    /// use tk_core::logging::basic_config;
    ///
    /// assert!(basic_config().date_format("%d.%m. %H:%M:%S").build().is_ok());
    /// assert!(basic_config().date_format("%H:%M:%!").build().is_err());
    /// ```
    #[doc(alias = "datefmt")]
    pub fn date_format(mut self, format: impl Into<String>) -> BasicConfig {
        self.date_format = Some(format.into()).filter(|format| !format.is_empty());
        self
    }

    /// Adds directives that set the level of single targets, in the language of the environment
    /// variable `RUST_LOG`.
    ///
    /// `warn,app::db=debug` sets `debug` for the target `app::db` and all below it, and `warn` for
    /// all others.
    ///
    /// - A target matches by whole segments: `app::db` does not match `app::dbus`. The longest
    ///   target that matches decides.
    /// - A directive without a target replaces the [level](BasicConfig::level). One for the same
    ///   target replaces the earlier directive.
    /// - A target without a level logs everything.
    /// - Only messages that contain the text after a `/` are logged. It is not a regular
    ///   expression. The last such text counts.
    ///
    /// A mistake is an error when the logger is built.
    ///
    /// ```
    /// use log::{Level, Log, Metadata};
    ///
    /// let logger = tk_core::logging::basic_config().filter("app::db=debug").build()?;
    /// let debug = Metadata::builder().level(Level::Debug).target("app::db::pool").build();
    /// assert!(logger.enabled(&debug));
    /// let info = Metadata::builder().level(Level::Info).target("app").build();
    /// assert!(!logger.enabled(&info));
    /// # Ok::<(), tk_core::logging::ConfigError>(())
    /// ```
    pub fn filter(mut self, directives: impl Into<String>) -> BasicConfig {
        self.directives.push(Directives::Text(directives.into()));
        self
    }

    /// Adds the [filter](BasicConfig::filter) directives of the environment variable `RUST_LOG`, as
    /// it is when the logger is built. Nothing changes if it is unset or empty.
    ///
    /// Later directives replace earlier ones, so call this last to give the variable priority. A
    /// wrong directive is reported on the standard error stream and skipped, because a user's
    /// typing mistake should not end the program.
    ///
    /// ```
    /// tk_core::logging::basic_config().level(log::LevelFilter::Info).env().init();
    /// ```
    pub fn env(self) -> BasicConfig {
        self.env_var("RUST_LOG")
    }

    /// Does the same as [`env`](BasicConfig::env), with an environment variable of another name.
    ///
    /// ```
    /// use tk_core::logging::basic_config;
    ///
    /// let logger = basic_config().filter("info").env_var("PRINTER_LOG").build()?;
    /// # Ok::<(), tk_core::logging::ConfigError>(())
    /// ```
    pub fn env_var(mut self, name: impl Into<String>) -> BasicConfig {
        self.directives.push(Directives::Variable(name.into()));
        self
    }

    /// Sets the stream that records are written to: [`Stream::Stderr`], which is the default,
    /// [`Stream::Stdout`], or any writer.
    ///
    /// For each record, the logger calls [`write_all`](std::io::Write::write_all) once with the
    /// whole line, and [`flush`](std::io::Write::flush) once. One thread at a time uses the writer.
    /// Errors and panics of the writer are ignored, and the next record is written all the same.
    /// Records that the writer itself logs go to the standard error stream. A writer must not wait
    /// for another thread that logs to the same logger.
    ///
    /// ```no_run
    /// let file = std::fs::File::options().append(true).create(true).open("app.log")?;
    /// tk_core::logging::basic_config().stream(file).init();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "filename")]
    pub fn stream(mut self, stream: impl Into<Stream>) -> BasicConfig {
        self.stream = stream.into();
        self
    }

    /// Builds the logger without installing it.
    ///
    /// # Errors
    ///
    /// Returns an error if the format, the date format or a directive of
    /// [`filter`](BasicConfig::filter) is wrong.
    ///
    /// ```
    /// use tk_core::logging::basic_config;
    ///
    /// let error = basic_config().format("%(levelname)q").build().unwrap_err();
    /// let text = "unsupported `q` in field `levelname` at byte 12 of the log format";
    /// assert_eq!(error.to_string(), text);
    /// ```
    pub fn build(self) -> Result<Logger, ConfigError> {
        let template = Template::parse(&self.format, self.style)?;
        let clock = Clock::new(TimeZone::system(), self.date_format)?;
        let filter = filter(self.level, self.directives)?;
        Ok(Logger {
            template,
            clock,
            filter,
            sink: self.stream.into(),
        })
    }

    /// Builds the logger and installs it as the program's, with its most verbose level as
    /// [`log::max_level`].
    ///
    /// A record below that level costs the program one load.
    ///
    /// # Errors
    ///
    /// Returns an error if the configuration is wrong, or if the program has a logger already. Then
    /// nothing has changed. Python's `basicConfig` silently does nothing in the second case.
    ///
    /// ```
    /// use tk_core::logging::basic_config;
    ///
    /// assert!(basic_config().try_init().is_ok());
    /// assert!(basic_config().level(log::LevelFilter::Trace).try_init().is_err());
    /// assert_eq!(log::max_level(), log::LevelFilter::Warn);
    /// ```
    pub fn try_init(self) -> Result<(), InitError> {
        let logger = self.build()?;
        let level = logger.max_level();
        log::set_boxed_logger(Box::new(logger))?;
        log::set_max_level(level);
        Ok(())
    }

    /// Builds the logger and installs it as the program's.
    ///
    /// # Panics
    ///
    /// Panics if the configuration is wrong, or if the program has a logger already.
    /// [`try_init`](BasicConfig::try_init) returns an error instead.
    ///
    /// ```
    /// tk_core::logging::basic_config().format("%(threadName)s: %(message)s").init();
    /// log::error!("printer on fire"); // MainThread: printer on fire
    /// ```
    #[track_caller]
    pub fn init(self) {
        if let Err(error) = self.try_init() {
            panic!("logging cannot be set up: {error}");
        }
    }
}

/// Builds the filter. A mistake in the program's text is an error. A mistake in an environment
/// variable is the user's, and is reported on the standard error stream, as `env_logger` does.
fn filter(level: LevelFilter, sources: Vec<Directives>) -> Result<Filter, ConfigError> {
    let mut filter = Filter::new(level);
    for source in sources {
        match source {
            Directives::Text(text) => {
                if let Some(reason) = filter.add(&text).into_iter().next() {
                    return Err(ConfigError::Filter { reason });
                }
            }
            Directives::Variable(name) => match std::env::var_os(&name).map(|v| v.into_string()) {
                None => {}
                Some(Ok(text)) if text.is_empty() => {}
                Some(Ok(text)) => {
                    for reason in filter.add(&text) {
                        warn(&name, &reason);
                    }
                }
                Some(Err(_)) => warn(&name, "the value is not Unicode"),
            },
        }
    }
    Ok(filter)
}

/// Reports a part of an environment variable that is skipped. Does nothing if there is no standard
/// error stream.
fn warn(variable: &str, reason: &str) {
    let line = format!("warning: {variable}: {reason}; ignored\n");
    write_to_stderr(line.as_bytes());
}
