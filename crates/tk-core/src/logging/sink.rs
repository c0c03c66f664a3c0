//! Where the lines go.
//!
//! A line is written with a lock held, so that those of different threads are not mixed. The child of a fork must not
//! wait for a lock that a thread of its parent had:
//!
//! - The locks of `std::io::stderr` and `stdout` are the standard library's. A child writes past them, to the file
//!   descriptor, with a lock that the child can always take.
//! - A writer of the program's is behind a `std::sync::Mutex`, because to write may take long. A count says how many
//!   threads are inside, or about to be. If it is not zero at the fork, the child leaves the writer alone for good: it may
//!   be half-way through a change, and its lock may be held.

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::field::contain;
use crate::{current_id, fork};

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
    /// The id of the thread that writes now, or zero: a writer that logs finds its own.
    owner: AtomicU64,
    inside: fork::Mutex<Inside>,
    writer: Mutex<Box<dyn Write + Send>>,
}

/// The threads that use a writer, or are about to.
enum Inside {
    Count(u32),
    /// A thread that is in the parent was inside. The child has not said so yet.
    Lost,
    /// The same, and it has been said.
    LostAndReported,
}

impl fork::Inherit for Inside {
    fn inherit(&mut self) {
        if let Inside::Count(1..) = self {
            *self = Inside::Lost;
        }
    }

    fn anew() -> Inside {
        Inside::Lost
    }
}

impl From<Stream> for Sink {
    fn from(stream: Stream) -> Sink {
        // Has forks watched from here on: a child must know that it is one when it first logs.
        fork::generation();
        match stream {
            Stream::Stderr => Sink::Stderr,
            Stream::Stdout => Sink::Stdout,
            Stream::Writer(writer) => Sink::Writer(Shared {
                owner: AtomicU64::new(0),
                inside: fork::Mutex::new(Inside::Count(0)),
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
            Sink::Stdout => write_to_stdout(line),
            Sink::Writer(shared) => {
                let written = shared.with(|w| w.write_all(line).and_then(|()| w.flush()));
                if written.is_err() {
                    // Nothing that is logged is lost.
                    write_to_stderr(line);
                }
            }
        }
    }

    pub(super) fn flush(&self) {
        match self {
            Sink::Stderr => {}
            Sink::Stdout => {
                if !in_child() {
                    let _ = flush(&mut io::stdout().lock(), wait_for_stdout);
                }
            }
            Sink::Writer(shared) => {
                let _ = shared.with(|w| w.flush());
            }
        }
    }
}

/// Whether this is the child of a fork.
fn in_child() -> bool {
    fork::generation() != fork::FIRST
}

/// Writes a line to the standard error stream, which buffers nothing.
pub(super) fn write_to_stderr(line: &[u8]) {
    let _ = if in_child() {
        write_past_std(Standard::Error, line)
    } else {
        write_all(&mut io::stderr().lock(), line, wait_for_stderr)
    };
}

fn write_to_stdout(line: &[u8]) {
    let _ = if in_child() {
        write_past_std(Standard::Output, line)
    } else {
        let mut stdout = io::stdout().lock();
        write_all(&mut stdout, line, wait_for_stdout)
            .and_then(|()| flush(&mut stdout, wait_for_stdout))
    };
}

/// A standard stream, without the standard library's lock and buffer.
enum Standard {
    Output,
    Error,
}

fn write_past_std(mut stream: Standard, line: &[u8]) -> io::Result<()> {
    /// One for both streams, which are often the same terminal.
    static LINE: fork::Mutex<()> = fork::Mutex::constant(());

    let wait = match stream {
        Standard::Output => wait_for_stdout,
        Standard::Error => wait_for_stderr,
    };
    let _line = LINE.lock();
    write_all(&mut stream, line, wait)
}

#[cfg(unix)]
impl Write for Standard {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let stream = match self {
            Standard::Output => rustix::stdio::stdout(),
            Standard::Error => rustix::stdio::stderr(),
        };
        Ok(rustix::io::write(stream, bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// There are no forks here.
#[cfg(not(unix))]
impl Write for Standard {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Standard::Output => io::stdout().write(bytes),
            Standard::Error => io::stderr().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
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
    wait_until_writable(rustix::stdio::stderr());
    #[cfg(not(unix))]
    wait_a_little();
}

/// Waits until the standard output stream takes more.
fn wait_for_stdout() {
    #[cfg(unix)]
    wait_until_writable(rustix::stdio::stdout());
    #[cfg(not(unix))]
    wait_a_little();
}

#[cfg(unix)]
fn wait_until_writable(stream: std::os::fd::BorrowedFd<'_>) {
    use rustix::event::{PollFd, PollFlags, poll};

    let mut streams = [PollFd::new(&stream, PollFlags::OUT)];
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

/// The writer can't be used: the calling thread is in it already, or a thread was that a fork has left behind.
struct Busy;

impl Shared {
    /// Calls the writer, alone. A panic in it counts as done.
    fn with(
        &self,
        f: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<io::Result<()>, Busy> {
        let me = current_id().get();
        // Relaxed: a thread finds its own id here only if it has put it here itself.
        if self.owner.load(Ordering::Relaxed) == me {
            return Err(Busy);
        }
        let _inside = self.enter()?;
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        self.owner.store(me, Ordering::Relaxed);
        let result = contain(|| f(&mut **writer));
        self.owner.store(0, Ordering::Relaxed);
        Ok(result.unwrap_or(Ok(())))
    }

    /// Counts the calling thread until the result is dropped.
    fn enter(&self) -> Result<impl Drop + '_, Busy> {
        struct Leave<'a>(&'a fork::Mutex<Inside>);

        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                // Another state means that the writer itself has forked, and this is the child.
                if let Inside::Count(inside) = &mut *self.0.lock() {
                    *inside -= 1;
                }
            }
        }

        let mut inside = self.inside.lock();
        match &mut *inside {
            Inside::Count(count) => {
                *count += 1;
                drop(inside);
                Ok(Leave(&self.inside))
            }
            lost => {
                let first = matches!(lost, Inside::Lost);
                *lost = Inside::LostAndReported;
                drop(inside);
                if first {
                    write_to_stderr(
                        b"warning: another thread was writing to the log when the process forked; \
                          this process logs to standard error\n",
                    );
                }
                Err(Busy)
            }
        }
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
