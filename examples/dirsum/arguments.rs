//! The command line.

use std::error::Error;
use std::ffi::OsString;
use std::fmt;
use std::num::NonZero;
use std::path::PathBuf;
use std::thread::available_parallelism;

pub const USAGE: &str = "usage: dirsum [--jobs N] DIR";

/// The task that the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    Sum(Arguments),
    Help,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Arguments {
    pub jobs: NonZero<usize>,
    pub directory: PathBuf,
}

/// Reads the arguments that come after the program's name.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, UsageError> {
    let mut arguments = arguments.into_iter();
    let (mut jobs, mut directory) = (None, None);
    let mut options_end = false;
    while let Some(argument) = arguments.next() {
        // An argument that is not UTF-8 is no option.
        match argument.to_str() {
            Some("--") if !options_end => options_end = true,
            Some("--help" | "-h") if !options_end => return Ok(Command::Help),
            Some("--jobs") if !options_end => {
                let value = arguments.next().ok_or(UsageError::NoNumber)?;
                jobs = Some(number(&value.to_string_lossy())?);
            }
            Some(option) if !options_end && option.starts_with("--jobs=") => {
                jobs = Some(number(&option["--jobs=".len()..])?);
            }
            Some(option) if !options_end && option.len() > 1 && option.starts_with('-') => {
                return Err(UsageError::UnknownOption(option.to_owned()));
            }
            _ if directory.is_some() => return Err(UsageError::TwoDirectories),
            _ => directory = Some(PathBuf::from(argument)),
        }
    }
    Ok(Command::Sum(Arguments {
        jobs: jobs.unwrap_or_else(|| available_parallelism().unwrap_or(NonZero::<usize>::MIN)),
        directory: directory.ok_or(UsageError::NoDirectory)?,
    }))
}

fn number(text: &str) -> Result<NonZero<usize>, UsageError> {
    text.parse()
        .map_err(|_| UsageError::BadNumber(text.to_owned()))
}

/// The error in a command line.
#[derive(Debug, PartialEq, Eq)]
pub enum UsageError {
    NoDirectory,
    TwoDirectories,
    NoNumber,
    BadNumber(String),
    UnknownOption(String),
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UsageError::NoDirectory => f.write_str("no directory is given"),
            UsageError::TwoDirectories => f.write_str("more than one directory is given"),
            UsageError::NoNumber => f.write_str("--jobs takes a number"),
            UsageError::BadNumber(text) => write!(f, "--jobs takes a number from 1, not {text:?}"),
            UsageError::UnknownOption(option) => write!(f, "unknown option {option:?}"),
        }
    }
}

impl Error for UsageError {}
