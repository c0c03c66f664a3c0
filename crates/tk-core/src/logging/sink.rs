//! The destination of the lines.
//!
//! A line is written with a lock held, so that the lines of different threads are not mixed. The
//! child of a fork must not wait for a lock that a thread of its parent had:
//!
//! | stream | lock | in the child of a fork |
//! |---|---|---|
//! | standard error, standard output | the standard library's | writes past it, locks `LINE` |
//! | a writer, unused at the fork | `Shared::writer` | the same |
//! | a writer, used by a lost thread | `Shared::writer` | not used: writes to standard error |
//!
//! # Invariants
//!
//! **Counted before locked.** A thread counts itself in `Inside` before it locks the writer, and
//! until it has unlocked it. So if the count is zero at a fork, the writer's lock is free and the
//! writer is whole. Otherwise the writer may be in the middle of a change, and the child leaves it
//! alone forever. The lock itself is a `std::sync::Mutex`, because a write may take long.
//!
//! **No nested use.** A writer that logs finds its own thread in `owner`, and does not wait for
//! itself.

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::field::catch_panic;
use crate::{current_id, fork};

/// The stream that a logger writes to. See [`BasicConfig::stream`](super::BasicConfig::stream).
///
/// Any type that implements [`Write`] converts into a stream.
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
/// Errors are ignored, because there is nothing to report them to.
pub(super) enum Sink {
    Stderr,
    Stdout,
    Writer(Shared),
}

pub(super) struct Shared {
    /// The id of the thread that writes now, or zero (*no nested use*).
    owner: AtomicU64,
    inside: fork::Mutex<Inside>,
    writer: Mutex<Box<dyn Write + Send>>,
}

/// The threads that use a writer, or are about to (*counted before locked*).
enum Inside {
    Count(u32),
    /// A lost thread used the writer at the fork.
    Lost,
    /// The same, and the child has reported it.
    LostAndReported,
}

impl fork::Inherit for Inside {
    fn inherit(&mut self) {
        // With a count of zero, the writer's lock is free and the child may take it.
        if let Inside::Count(1..) = self {
            *self = Inside::Lost;
        }
    }

    fn anew() -> Inside {
        // A lost thread was about to count itself, or to leave: the writer may be in use.
        Inside::Lost
    }
}

impl From<Stream> for Sink {
    fn from(stream: Stream) -> Sink {
        // Installs the handler for forks, so that a child knows that it is one when it logs.
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
    /// Writes a whole line, with its line break.
    pub(super) fn write(&self, line: &[u8]) {
        match self {
            Sink::Stderr => write_to_stderr(line),
            Sink::Stdout => write_to_stdout(line),
            Sink::Writer(shared) => {
                let written = shared.with(|w| w.write_all(line).and_then(|()| w.flush()));
                if written.is_err() {
                    // The writer cannot be used here, but the line must not be lost.
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

/// Writes a line to the standard error stream, which has no buffer.
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
    /// One lock for both streams, which are often the same terminal.
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

/// These systems have no forks.
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

/// Writes all bytes, even to a stream that does not block. Another program that shares a terminal
/// or a pipe with this one may have set that.
///
/// [`Write::write_all`] would lose the rest of the line. A failed write to a standard stream has
/// written nothing, so it can be repeated.
fn write_all(stream: &mut dyn Write, mut bytes: &[u8], wait: fn()) -> io::Result<()> {
    while !bytes.is_empty() {
        match stream.write(bytes) {
            // No progress is possible. Without this, the loop would not end.
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => wait(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Flushes a stream, even one that does not block.
fn flush(stream: &mut dyn Write, wait: fn()) -> io::Result<()> {
    loop {
        match stream.flush() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => wait(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Blocks until the standard error stream can be written to.
fn wait_for_stderr() {
    #[cfg(unix)]
    wait_until_writable(rustix::stdio::stderr());
    #[cfg(not(unix))]
    wait_a_little();
}

/// Blocks until the standard output stream can be written to.
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
    // If a signal interrupts the wait, the next write finds out whether there is room.
    if let Err(error) = poll(&mut streams, None)
        && error != rustix::io::Errno::INTR
    {
        wait_a_little();
    }
}

/// Blocks for a moment, where the system cannot be asked whether a stream can be written to.
fn wait_a_little() {
    std::thread::sleep(std::time::Duration::from_millis(1));
}

/// The writer cannot be used, because this thread uses it already, or a lost thread did at the
/// fork.
struct Busy;

impl Shared {
    /// Calls `f` with the writer, while no other thread uses it. A panic of `f` counts as success.
    fn with(
        &self,
        f: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<io::Result<()>, Busy> {
        let me = current_id().get();
        // Relaxed: only this thread stores its own id here.
        if self.owner.load(Ordering::Relaxed) == me {
            return Err(Busy);
        }
        // Dropped last, after the writer is unlocked (*counted before locked*).
        let _inside = self.enter()?;
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        self.owner.store(me, Ordering::Relaxed);
        // Contained: the next record must find the lock and `owner` in order.
        let result = catch_panic(|| f(&mut **writer));
        self.owner.store(0, Ordering::Relaxed);
        Ok(result.unwrap_or(Ok(())))
    }

    /// Counts the calling thread as inside until the result is dropped.
    fn enter(&self) -> Result<impl Drop + '_, Busy> {
        struct Leave<'a>(&'a fork::Mutex<Inside>);

        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                // In another state, the writer itself has forked, and this is the child.
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
                // Reported once, and after the unlock: the report is written to a stream.
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
