//! Where dumps and reports go.
//!
//! | destination | is written by |
//! |---|---|
//! | the standard error | the caller, without the standard library's lock |
//! | a file | the caller, in one call, so that the reports of several processes don't mix |
//! | the logger | a thread of its own, for which a caller waits for a second at most |
//!
//! # Invariants
//!
//! **Not the library's lock.** A thread that hangs may have the standard error locked, and then a
//! watcher that waits for this lock explains nothing. A thread of the parent may have had it at a
//! fork.
//!
//! **A FIFO blocks nobody.** A FIFO that nobody reads can't be opened, and one that is full takes
//! no more. Otherwise the program would wait for a reader in [`Install::start`], or in a panic.
//!
//! [`Install::start`]: crate::Install::start

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use log::Level;
use tk_core::__private::log_guarded;

use crate::call::{self, Call, Line, Refused, call, call_in_turn};

/// A place for dumps and reports.
#[derive(Clone, Debug)]
pub(crate) enum Destination {
    Stderr,
    Log,
    File(Arc<(PathBuf, File)>),
}

static LOGGER: Line = Line::new();
static WRITERS: Line = Line::new();

impl Destination {
    /// Opens the file to append to it. It is created if it does not exist.
    pub(crate) fn file(path: PathBuf) -> Result<Destination, (PathBuf, io::Error)> {
        let mut options = OpenOptions::new();
        options.create(true).append(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt as _;
            // A FIFO blocks nobody. To a file on a disk the flag makes no difference.
            options.custom_flags(libc::O_NONBLOCK);
        }
        match options.open(&path) {
            Ok(file) => Ok(Destination::File(Arc::new((path, file)))),
            Err(error) => Err((path, error)),
        }
    }

    /// Whether the two are the same place.
    pub(crate) fn is_same(&self, other: &Destination) -> bool {
        match (self, other) {
            (Destination::Stderr, Destination::Stderr) | (Destination::Log, Destination::Log) => {
                true
            }
            (Destination::File(one), Destination::File(other)) => one.0 == other.0,
            _ => false,
        }
    }

    pub(crate) fn is_stderr(&self) -> bool {
        matches!(self, Destination::Stderr)
    }
}

/// Writes the text to all of the destinations, to the logger at this level. If a destination can't
/// be written to, the text goes to the standard error. So does an error that the logger does not
/// take. Returns the call of the logger, if it has begun.
pub(crate) fn write_to(destinations: &[Destination], level: Level, text: &str) -> Option<Call> {
    let with_stderr = destinations.iter().any(Destination::is_stderr);
    let logs = destinations.iter().any(|it| matches!(it, Destination::Log));
    let or_write = level == Level::Error && !with_stderr;
    let logged = logs.then(|| log(level, Arc::from(text), or_write));
    let text = format!("{text}\n");
    for destination in destinations {
        let written = match destination {
            Destination::Log => Ok(()),
            // If this fails, there is no other place for the text.
            Destination::Stderr => Ok(_ = write_to_stderr(&text)),
            Destination::File(file) => (&file.1).write_all(text.as_bytes()),
        };
        if let Err(error) = written {
            let _ = write_to_stderr(&format!("tk-watch: cannot write: {error}\n{text}"));
        }
    }
    logged?.ok()
}

/// Does the same, and gives the logger a second.
pub(crate) fn write_and_wait(destinations: &[Destination], level: Level, text: &str) {
    if let Some(logged) = write_to(destinations, level, text) {
        logged.wait_until(Instant::now() + call::PATIENCE);
    }
}

/// Does that in a thread of its own, unless no thread can be started.
pub(crate) fn write_aside(
    destinations: Vec<Destination>,
    level: Level,
    text: Arc<str>,
) -> Option<Call> {
    let (places, copy) = (destinations.clone(), Arc::clone(&text));
    match call_in_turn(&WRITERS, move || write_and_wait(&places, level, &copy)) {
        Ok(call) => Some(call),
        // The earlier writes hang, so this one would, too.
        Err(Refused::Busy) => None,
        Err(Refused::NoThread(_)) => {
            write_to(&destinations, level, &text);
            None
        }
    }
}

/// Passes the text to the logger, or to the standard error if the logger does not take it and that
/// is wanted.
fn log(level: Level, text: Arc<str>, or_write: bool) -> Result<Call, Refused> {
    let print = move |text: &str, why: &str| {
        if or_write {
            let _ = write_to_stderr(&format!("{why}{text}\n"));
        }
    };
    let copy = Arc::clone(&text);
    let called = call(&LOGGER, move || {
        let mut is_taken = false;
        // The logger is the program's code, and may panic.
        log_guarded(|| {
            if log::log_enabled!(level) {
                log::log!(level, "{}", copy.trim_end());
                is_taken = true;
            }
        });
        if !is_taken {
            print(&copy, "");
        }
    });
    if let Err(refused) = &called {
        print(
            &text,
            &format!("tk-watch: no call of the logger: {refused}\n"),
        );
    }
    called
}

/// Writes to the standard error: *Not the library's lock*.
#[cfg(unix)]
pub(crate) fn write_to_stderr(text: &str) -> io::Result<()> {
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        match rustix::io::write(rustix::stdio::stderr(), rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => rest = &rest[written..],
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Writes to the standard error. Not `eprintln`, which panics if the other end is gone.
#[cfg(not(unix))]
pub(crate) fn write_to_stderr(text: &str) -> io::Result<()> {
    io::stderr().lock().write_all(text.as_bytes())
}
