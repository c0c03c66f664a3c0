//! Where the lines go.

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use super::field::contain;
use crate::current_slot;

/// Where a logger writes to: see [`BasicConfig::stream`](super::BasicConfig::stream).
///
/// Whatever implements [`Write`] turns into a stream by [`From`].
///
/// ```
/// use tk_core::logging::{Stream, basic_config};
///
/// let to_stdout = basic_config().stream(Stream::Stdout).build()?;
/// let to_nowhere = basic_config().stream(std::io::sink()).build()?;
/// # Ok::<(), tk_core::logging::ConfigError>(())
/// ```
#[doc(alias = "logging.StreamHandler")]
#[derive(Default)]
#[non_exhaustive]
pub enum Stream {
    /// The standard error stream, as in Python.
    #[default]
    Stderr,
    /// The standard output stream, flushed after each record.
    Stdout,
    /// Any other writer, flushed after each record.
    Writer(Box<dyn Write + Send>),
}

impl<W: Write + Send + 'static> From<W> for Stream {
    fn from(writer: W) -> Stream {
        Stream::Writer(Box::new(writer))
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stream::Stderr => "Stderr",
            Stream::Stdout => "Stdout",
            Stream::Writer(_) => "Writer(..)",
        })
    }
}

/// A stream that many threads write to, one at a time.
///
/// What goes wrong on the way out is not reported: there is nobody to report it to.
pub(super) enum Sink {
    Stderr,
    Stdout,
    Writer(Shared),
}

pub(super) struct Shared {
    /// The slot of the thread that writes now, or zero: a writer that logs finds its own.
    owner: AtomicU32,
    writer: Mutex<Box<dyn Write + Send>>,
}

impl From<Stream> for Sink {
    fn from(stream: Stream) -> Sink {
        match stream {
            Stream::Stderr => Sink::Stderr,
            Stream::Stdout => Sink::Stdout,
            Stream::Writer(writer) => Sink::Writer(Shared {
                owner: AtomicU32::new(0),
                writer: Mutex::new(writer),
            }),
        }
    }
}

impl Sink {
    /// Hands a whole line, with its end, to the stream.
    pub(super) fn write(&self, line: &[u8]) {
        match self {
            Sink::Stderr => write_to_stderr(line),
            Sink::Stdout => {
                let mut stdout = io::stdout().lock();
                let written = write_all(&mut stdout, line, wait_for_stdout);
                let _ = written.and_then(|()| flush(&mut stdout, wait_for_stdout));
            }
            Sink::Writer(shared) => {
                let written = shared.with(|w| w.write_all(line).and_then(|()| w.flush()));
                if let Err(Busy) = written {
                    // The writer itself logs this: its own stream is busy, but nothing that is logged is lost.
                    write_to_stderr(line);
                }
            }
        }
    }

    pub(super) fn flush(&self) {
        match self {
            Sink::Stderr => {}
            Sink::Stdout => {
                let _ = flush(&mut io::stdout().lock(), wait_for_stdout);
            }
            Sink::Writer(shared) => {
                let _ = shared.with(|w| w.flush());
            }
        }
    }
}

/// Writes a line to the standard error stream, which buffers nothing.
pub(super) fn write_to_stderr(line: &[u8]) {
    let _ = write_all(&mut io::stderr().lock(), line, wait_for_stderr);
}

/// Writes all of it, also if the stream does not block: another program that shares a terminal or a pipe with this one may
/// have set it so. [`Write::write_all`] would lose the rest of the line.
///
/// Both standard streams have taken nothing when a write of theirs fails.
fn write_all(stream: &mut dyn Write, mut bytes: &[u8], wait: fn()) -> io::Result<()> {
    while !bytes.is_empty() {
        match stream.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => wait(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Flushes a stream that may not block.
fn flush(stream: &mut dyn Write, wait: fn()) -> io::Result<()> {
    loop {
        match stream.flush() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => wait(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Waits until the standard error stream takes more, as a write to it would if the stream blocked.
fn wait_for_stderr() {
    #[cfg(unix)]
    wait_until_writable(&io::stderr());
    #[cfg(not(unix))]
    wait_a_little();
}

/// Waits until the standard output stream takes more.
fn wait_for_stdout() {
    #[cfg(unix)]
    wait_until_writable(&io::stdout());
    #[cfg(not(unix))]
    wait_a_little();
}

#[cfg(unix)]
fn wait_until_writable(stream: &impl std::os::fd::AsFd) {
    use rustix::event::{PollFd, PollFlags, poll};

    let mut streams = [PollFd::new(stream, PollFlags::OUT)];
    if let Err(error) = poll(&mut streams, None)
        && error != rustix::io::Errno::INTR
    {
        wait_a_little();
    }
}

/// For systems that can't be asked when a stream takes more.
fn wait_a_little() {
    std::thread::sleep(std::time::Duration::from_millis(1));
}

/// The calling thread is in the writer already.
struct Busy;

impl Shared {
    /// Calls the writer, alone. A panic in it counts as done.
    fn with(
        &self,
        f: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<io::Result<()>, Busy> {
        let me = current_slot().get();
        // Relaxed: a thread finds its own slot here only if it has put it here itself.
        if self.owner.load(Ordering::Relaxed) == me {
            return Err(Busy);
        }
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        self.owner.store(me, Ordering::Relaxed);
        let result = contain(|| f(&mut **writer));
        self.owner.store(0, Ordering::Relaxed);
        Ok(result.unwrap_or(Ok(())))
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Sink::Stderr => "Stderr",
            Sink::Stdout => "Stdout",
            Sink::Writer(_) => "Writer(..)",
        })
    }
}
