//! Where dumps and reports go.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use tk_core::__private::log_guarded;

/// A place for dumps and reports.
#[derive(Clone, Debug)]
pub(crate) enum Destination {
    Stderr,
    Log,
    File(Arc<File>),
}

impl Destination {
    /// Opens the file to append to it. It is created if it does not exist.
    pub(crate) fn file(path: &PathBuf) -> io::Result<Destination> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Destination::File(Arc::new(file)))
    }

    fn write(&self, text: &str) -> io::Result<()> {
        match self {
            // Not `eprintln`, which panics if the other end is gone.
            Destination::Stderr => io::stderr().lock().write_all(text.as_bytes()),
            // In one call, so that the reports of several processes don't mix.
            Destination::File(file) => (&**file).write_all(text.as_bytes()),
            Destination::Log => {
                // The logger is the program's code, and may panic.
                log_guarded(|| log::error!("{}", text.trim_end()));
                Ok(())
            }
        }
    }
}

/// Writes the text to all of the destinations. If that fails for one of them, the text goes to the
/// standard error instead.
pub(crate) fn write_to(destinations: &[Destination], text: &str) {
    let text = &format!("{text}\n");
    for destination in destinations {
        if let Err(error) = destination.write(text) {
            let _ = Destination::Stderr.write(&format!("tk-watch: cannot write: {error}\n{text}"));
        }
    }
}
