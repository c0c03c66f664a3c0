//! The errors of a configuration.

use std::error::Error;
use std::fmt;

use log::SetLoggerError;

use super::spec::LIMIT;

/// A mistake in a [log format](super::BasicConfig::format), with its position.
///
/// ```
/// use tk_core::logging::{ConfigError, FormatErrorKind, basic_config};
///
/// let error = match basic_config().format("%(levelname)s %(mesage)s").build() {
///     Err(ConfigError::Format(error)) => error,
///     other => panic!("{other:?}"),
/// };
/// assert_eq!(error.kind(), FormatErrorKind::UnknownField);
/// assert_eq!(error.field(), Some("mesage"));
/// assert_eq!(error.position(), 16);
/// assert_eq!(error.to_string(), "unknown field `mesage` at byte 16 of the log format");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormatError {
    kind: FormatErrorKind,
    position: usize,
    field: Option<Box<str>>,
}

/// The kind of a [`FormatError`].
///
/// ```
/// use tk_core::logging::{ConfigError, FormatErrorKind, basic_config};
///
/// match basic_config().format("{message:d}").build() {
///     Err(ConfigError::Format(error)) => assert_eq!(error.kind(), FormatErrorKind::Mismatch('d')),
///     other => panic!("{other:?}"),
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FormatErrorKind {
    /// There is no field of this name.
    UnknownField,
    /// A field has no name: `%s`, `%()s`, `{}`.
    MissingName,
    /// The bracket or brace at this position is never closed.
    Unclosed,
    /// The format ends in the middle of a field, or with a single `%`.
    UnexpectedEnd,
    /// A single `}`. Write a brace as `}}`.
    StrayBrace,
    /// A flag, conversion or type that does not exist.
    Unsupported(char),
    /// A flag, conversion or type that does not suit the field, such as `d` for a text.
    Mismatch(char),
    /// A width or precision above 4096.
    TooLarge,
    /// The format has no field, so all records would look the same.
    NoFields,
}

impl FormatError {
    pub(super) fn new(kind: FormatErrorKind, position: usize) -> FormatError {
        FormatError {
            kind,
            position,
            field: None,
        }
    }

    /// Adds the name of the field that has the mistake.
    pub(super) fn of(self, field: &str) -> FormatError {
        FormatError {
            field: Some(field.into()),
            ..self
        }
    }

    /// Returns the kind of the mistake.
    ///
    /// ```
    /// use tk_core::logging::{ConfigError, FormatErrorKind, basic_config};
    ///
    /// let result = basic_config().format("%(mesage)s").build();
    /// let Err(ConfigError::Format(error)) = result else { unreachable!() };
    /// assert_eq!(error.kind(), FormatErrorKind::UnknownField);
    /// ```
    pub fn kind(&self) -> FormatErrorKind {
        self.kind
    }

    /// Returns the offset of the wrong name, character or bracket in the format, in bytes.
    ///
    /// ```
    /// use tk_core::logging::{ConfigError, basic_config};
    ///
    /// let result = basic_config().format("%(name)s %(mesage)s").build();
    /// let Err(ConfigError::Format(error)) = result else { unreachable!() };
    /// assert_eq!(error.position(), 11); // After the bracket.
    /// ```
    pub fn position(&self) -> usize {
        self.position
    }

    /// Returns the name of the field that has the mistake. `None` if the mistake is not in a field.
    ///
    /// ```
    /// use tk_core::logging::{ConfigError, basic_config};
    ///
    /// let result = basic_config().format("%(mesage)s").build();
    /// let Err(ConfigError::Format(error)) = result else { unreachable!() };
    /// assert_eq!(error.field(), Some("mesage"));
    /// ```
    pub fn field(&self) -> Option<&str> {
        self.field.as_deref()
    }
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use FormatErrorKind::*;
        let field = self.field().unwrap_or_default();
        match self.kind {
            UnknownField => write!(f, "unknown field `{field}`")?,
            MissingName => f.write_str("a field without a name")?,
            Unclosed => f.write_str("unclosed bracket")?,
            UnexpectedEnd => f.write_str("unexpected end")?,
            StrayBrace => f.write_str("single `}`")?,
            Unsupported(c) => write!(f, "unsupported `{}`", c.escape_debug())?,
            Mismatch(c) => write!(f, "unsuitable `{}`", c.escape_debug())?,
            TooLarge => write!(f, "a width or precision of more than {LIMIT}")?,
            NoFields => return f.write_str("no field in the log format"),
        }
        if !field.is_empty() && self.kind != UnknownField {
            write!(f, " in field `{field}`")?;
        }
        write!(f, " at byte {} of the log format", self.position)?;
        if self.kind == UnknownField && field == "funcName" {
            f.write_str(" (a Rust function does not know its name)")?;
        }
        Ok(())
    }
}

impl Error for FormatError {}

/// The error of [`BasicConfig::build`](super::BasicConfig::build).
///
/// ```
/// use tk_core::logging::{ConfigError, basic_config};
///
/// let error = basic_config().filter("app=loud").build().unwrap_err();
/// assert!(matches!(error, ConfigError::Filter { .. }));
/// assert!(error.to_string().contains("loud"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// The format of the records is wrong.
    Format(FormatError),
    /// The format of the date is wrong.
    #[non_exhaustive]
    DateFormat {
        /// The format.
        format: String,
        /// The mistake.
        reason: String,
    },
    /// A filter directive is wrong.
    #[non_exhaustive]
    Filter {
        /// The mistake.
        reason: String,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::Format(error) => error.fmt(f),
            ConfigError::DateFormat { format, reason } => {
                write!(f, "the date format {format:?} cannot be used: {reason}")
            }
            ConfigError::Filter { reason } => {
                write!(f, "the filter directives cannot be used: {reason}")
            }
        }
    }
}

impl Error for ConfigError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ConfigError::Format(error) => Some(error),
            _ => None,
        }
    }
}

impl From<FormatError> for ConfigError {
    fn from(error: FormatError) -> ConfigError {
        ConfigError::Format(error)
    }
}

/// The error of [`BasicConfig::try_init`](super::BasicConfig::try_init).
///
/// ```
/// use tk_core::logging::{InitError, basic_config};
///
/// basic_config().try_init()?;
/// assert!(matches!(basic_config().try_init(), Err(InitError::AlreadySet(_))));
/// # Ok::<(), InitError>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum InitError {
    /// The configuration is wrong.
    Config(ConfigError),
    /// The program has a logger already, which stays installed.
    AlreadySet(SetLoggerError),
}

impl fmt::Display for InitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InitError::Config(error) => error.fmt(f),
            InitError::AlreadySet(_) => f.write_str("the program has a logger already"),
        }
    }
}

impl Error for InitError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            InitError::Config(error) => Some(error),
            InitError::AlreadySet(error) => Some(error),
        }
    }
}

impl From<ConfigError> for InitError {
    fn from(error: ConfigError) -> InitError {
        InitError::Config(error)
    }
}

impl From<SetLoggerError> for InitError {
    fn from(error: SetLoggerError) -> InitError {
        InitError::AlreadySet(error)
    }
}
