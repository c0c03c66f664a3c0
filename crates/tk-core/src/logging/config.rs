//! The builder.

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

/// Begins a configuration of the `log` crate's backend, with Python's defaults: warnings and errors go to the standard
/// error stream, as `WARNING:name:message`.
///
/// Nothing happens before [`BasicConfig::init`] or one of its relatives is called.
///
/// ```
/// use log::LevelFilter;
///
/// tk_core::logging::basic_config()
///     .level(LevelFilter::Debug)
///     .format("%(asctime)s (%(threadName)-2s) %(message)s")
///     .init();
///
/// log::debug!("waiting for the lock"); // 2024-07-15 17:30:59,042 (MainThread) waiting for the lock
/// ```
#[doc(alias = "logging.basicConfig")]
pub fn basic_config() -> BasicConfig {
    BasicConfig::default()
}

/// A configuration of the `log` crate's backend; [`basic_config`] begins one.
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

/// Where filter directives come from.
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
    /// Lets records of this level through, and more severe ones; `Warn` unless this is called.
    ///
    /// This holds for the targets of which no [filter](BasicConfig::filter) directive says otherwise.
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

    /// Formats records like this; `%(levelname)s:%(name)s:%(message)s` unless this is called.
    ///
    /// The [module](super) lists the fields and says what can be written around them. A mistake in the format is an
    /// error when the logger is built.
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

    /// Says in which language the [format](BasicConfig::format) is written, if it does not show; see [`Style`].
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

    /// Formats the field `asctime` like this, by the rules of `strftime`.
    ///
    /// Without this, or with an empty format, it is `%Y-%m-%d %H:%M:%S` and, after a comma, the milliseconds. As in
    /// Python a format of one's own has no milliseconds; unlike Python's it can have them, by `%3f`. The time is the
    /// local time. [`jiff`](jiff::fmt::strtime) lists what can be asked for; a mistake is an
    /// error when the logger is built.
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

    /// Lets records through as these directives say, which are those of the environment variable `RUST_LOG`:
    /// `warn,app::db=debug` is `debug` for the target `app::db` and all below it, and `warn` for the others.
    ///
    /// A target matches by whole segments: `app::db` does not match `app::dbus`. The longest target that matches decides.
    /// A directive without a target replaces the [level](BasicConfig::level), and one for the same target replaces the
    /// directive that was given before. A target without a level lets everything through. Text after a `/` must occur
    /// in the message as it is written (it is not a regular expression); only the last such text counts. A mistake is an
    /// error when the logger is built.
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

    /// Lets records through as the environment variable `RUST_LOG` says when the logger is built. Nothing changes if it is
    /// unset or empty.
    ///
    /// See [`filter`](BasicConfig::filter) for its directives. To give it the last word, call this last. A directive that
    /// is wrong is reported on the standard error stream and skipped, because a user's typing mistake should not
    /// end the program.
    ///
    /// ```
    /// tk_core::logging::basic_config().level(log::LevelFilter::Info).env().init();
    /// ```
    pub fn env(self) -> BasicConfig {
        self.env_var("RUST_LOG")
    }

    /// The same, with an environment variable of another name.
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

    /// Writes records there: to [`Stream::Stderr`], which is the default, to [`Stream::Stdout`], or to any writer.
    ///
    /// A record is written by one call of [`write_all`](std::io::Write::write_all) with the whole line, and one of
    /// [`flush`](std::io::Write::flush). One thread at a time is in the writer. Errors are passed over, and so are
    /// panics: the next record is written all the same. What the writer itself logs to the logger that it serves goes
    /// to the standard error stream. A writer must not wait for another thread that logs to the same logger.
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

    /// Makes the logger without installing it.
    ///
    /// # Errors
    ///
    /// If the format, the date format or a directive of [`filter`](BasicConfig::filter) cannot be understood.
    ///
    /// ```
    /// use tk_core::logging::basic_config;
    ///
    /// let error = basic_config().format("%(levelname)q").build().unwrap_err();
    /// assert_eq!(error.to_string(), "unsupported `q` in field `levelname` at byte 12 of the log format");
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

    /// Makes the logger and installs it as the program's, with its most verbose level as [`log::max_level`].
    ///
    /// What that level leaves out costs the program one load per record.
    ///
    /// # Errors
    ///
    /// If the configuration is wrong, or if the program has a logger already. Then nothing has changed: unlike
    /// Python's, which does nothing the second time, this says so.
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

    /// Makes the logger and installs it as the program's: [`try_init`](BasicConfig::try_init) for programs that cannot
    /// go on without it.
    ///
    /// # Panics
    ///
    /// If the configuration is wrong, or if the program has a logger already.
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

/// What the program wrote must be right. What its user wrote into the environment must not end the program: it is reported
/// on the standard error stream, as `env_logger` does.
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

/// Reports a part of an environment variable that is skipped. Fails silently where there is no standard error stream.
fn warn(variable: &str, reason: &str) {
    let line = format!("warning: {variable}: {reason}; ignored\n");
    write_to_stderr(line.as_bytes());
}
