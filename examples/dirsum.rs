//! Prints the SHA-256 of every file under a directory, as `sha256sum` does, sorted by path.
//!
//! ```text
//! cargo run --release --example dirsum -- [--jobs N] DIR
//! ```
//!
//! It uses these parts of the kit:
//!
//! ```text
//!                 a bounded queue, on a Condition   a Semaphore limits the open files
//!     MainThread ---------------------------------> hasher-1, hasher-2, ... ----> sums, in a Lock
//!     walks DIR              queue.rs               hash.rs, a buffer each in a Local
//!
//!     a Timer draws the progress, on a terminal: progress.rs
//!     Ctrl-C requests a stop, whose token is in every wait; the sums that are finished are printed
//! ```
//!
//! The exit code is 0; 1 if something could not be read, 2 after a wrong command line, 130 after
//! Ctrl-C.

#[path = "dirsum/arguments.rs"]
mod arguments;
#[path = "dirsum/hash.rs"]
mod hash;
#[path = "dirsum/progress.rs"]
mod progress;
#[path = "dirsum/queue.rs"]
mod queue;
#[path = "dirsum/sum.rs"]
mod sum;

use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::Path;
use std::process::{self, ExitCode};
use std::sync::Arc;

use tk_threading::{Builder, JoinHandle, Lock, StopSource, StopToken};
use walkdir::WalkDir;

use arguments::{Arguments, Command, USAGE};
use hash::HashError;
use progress::Progress;
use queue::{Receiver, Sender};
use sum::Sum;

const EXIT_UNREAD: u8 = 1;
const EXIT_USAGE: u8 = 2;
/// The code that a shell reports for a program that Ctrl-C has ended: 128 and the signal's number.
const EXIT_STOPPED: u8 = 130;

/// The state that the threads of the program share.
struct Shared {
    stop: StopToken,
    progress: Progress,
    /// The sums are here rather than in the threads' results, so that those that a thread has
    /// finished are kept if it panics.
    sums: Lock<Vec<Sum>>,
}

fn main() -> ExitCode {
    match arguments::parse(std::env::args_os().skip(1)) {
        Ok(Command::Sum(arguments)) => tk_threading::main(|| run(&arguments)),
        Ok(Command::Help) => print(|out| writeln!(out, "{USAGE}")),
        Err(error) => {
            let _ = writeln!(io::stderr(), "dirsum: {error}\n{USAGE}");
            ExitCode::from(EXIT_USAGE)
        }
    }
}

fn run(arguments: &Arguments) -> ExitCode {
    let source = StopSource::new();
    let shared = Arc::new(Shared {
        stop: source.token(),
        progress: Progress::start(),
        sums: Lock::new(Vec::new()),
    });
    stop_on_ctrl_c(source, &shared.progress);

    // The queue has room for two files for each hasher, so that the next one is there while it
    // hashes one.
    let (files, receiver) = queue::bounded(arguments.jobs.get().saturating_mul(2));
    let hashers = start_hashers(arguments.jobs.get(), receiver, &shared);
    walk(&arguments.directory, files, &shared);
    for hasher in hashers {
        // Without a limit: a hasher looks at the token itself, and ends between two blocks.
        if let Err(panicked) = hasher.join() {
            shared.progress.complain(panicked);
        }
    }
    shared.progress.finish();

    let mut sums = std::mem::take(&mut *shared.sums.lock());
    sums.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    let printed = print(|out| sums.iter().try_for_each(|sum| writeln!(out, "{sum}")));
    if shared.stop.stop_requested() {
        let _ = writeln!(io::stderr(), "dirsum: interrupted");
        ExitCode::from(EXIT_STOPPED)
    } else if shared.progress.has_complained() {
        ExitCode::from(EXIT_UNREAD)
    } else {
        printed
    }
}

/// The first Ctrl-C ends the program in order. The second ends it immediately, because no token
/// ends a read from a disk that does not answer.
fn stop_on_ctrl_c(source: StopSource, progress: &Progress) {
    let set = ctrlc::set_handler(move || {
        if !source.request_stop() {
            process::exit(EXIT_STOPPED.into());
        }
    });
    if let Err(error) = set {
        progress.complain(error);
    }
}

/// Starts so many threads, or as many as the system lets it.
fn start_hashers(
    count: usize,
    files: Receiver<String>,
    shared: &Arc<Shared>,
) -> Vec<JoinHandle<()>> {
    let mut hashers = Vec::new();
    for number in 1..=count {
        let (files, shared_too) = (files.clone(), Arc::clone(shared));
        // If the thread is not started, its receiver is dropped with the closure: the queue does
        // not count on it.
        let hasher = Builder::new()
            .name(format!("hasher-{number}"))
            .spawn(move || hash_files(&files, &shared_too));
        match hasher {
            Ok(hasher) => hashers.push(hasher),
            Err(error) => {
                let started = hashers.len();
                let message = format!("only {started} of {count} threads: {error}");
                shared.progress.complain(message);
                break;
            }
        }
    }
    hashers
}

/// Finds the files. Ends early after a stop, and when there is no hasher left to take them.
fn walk(directory: &Path, mut files: Sender<String>, shared: &Shared) {
    let progress = &shared.progress;
    for entry in WalkDir::new(directory) {
        match entry {
            Ok(entry) if entry.file_type().is_file() => {
                match entry.into_path().into_os_string().into_string() {
                    Ok(path) => {
                        progress.found_file();
                        if files.send(path, &shared.stop).is_err() {
                            return;
                        }
                    }
                    Err(path) => progress.complain_of(path.display(), "the name is not UTF-8"),
                }
            }
            Ok(_) => {}
            Err(error) => {
                let path = error.path().unwrap_or(directory).display();
                match error.io_error() {
                    Some(reason) => progress.complain_of(path, reason),
                    None => progress.complain_of(path, &error),
                }
            }
        }
        // Not every entry is sent.
        if shared.stop.stop_requested() {
            return;
        }
    }
}

/// Hashes files until none is left. This is the body of a hasher.
fn hash_files(files: &Receiver<String>, shared: &Shared) {
    while let Some(path) = files.receive(&shared.stop) {
        match hash::hash_file(&path, &shared.stop, |bytes| shared.progress.hashed(bytes)) {
            Ok(digest) => shared.sums.lock().push(Sum { path, digest }),
            Err(HashError::Stopped) => return,
            Err(HashError::Io(error)) => shared.progress.complain_of(&path, error),
        }
        shared.progress.finished_file();
    }
}

/// Prints to the standard output. It is no failure if nobody reads that: `dirsum DIR | head -1` has
/// got its line.
fn print(print: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> ExitCode {
    let mut out = BufWriter::new(io::stdout().lock());
    match print(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            let _ = writeln!(io::stderr(), "dirsum: standard output: {error}");
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}
