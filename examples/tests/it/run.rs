//! Running an example in a process of its own, with a limit.

use std::env;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::said::{Line, Said, Stream};

/// No program takes a tenth of this, unless it hangs.
const LIMIT: Duration = Duration::from_secs(120);

/// How many times a program may be late before the test fails.
const ATTEMPTS: usize = 8;

/// Runs an example, and returns what it printed.
///
/// # Panics
///
/// If it does not end with this status, or does not end at all. The message has the lines that it
/// printed.
pub fn run(name: &str, arguments: &[&str], status: i32) -> Said {
    start(name, arguments, Streams::Apart).finish(status, LIMIT)
}

/// As [`run`], with one pipe for both streams, so that the order between them shows.
pub fn run_together(name: &str, arguments: &[&str], status: i32) -> Said {
    start(name, arguments, Streams::Together).finish(status, LIMIT)
}

/// Runs an example that prints certain lines if its threads sleep no longer than they want to. On a
/// busy machine, they may sleep longer. In that case, the example is run again, at most
/// [`ATTEMPTS`] times in all. Returns the lines of the last run.
pub fn run_in_time(name: &str, in_time: impl Fn(&Said) -> bool) -> Said {
    again_until(in_time, || run(name, &[], 0))
}

/// The same with one pipe for both streams.
pub fn run_in_time_together(name: &str, in_time: impl Fn(&Said) -> bool) -> Said {
    again_until(in_time, || run_together(name, &[], 0))
}

fn again_until(in_time: impl Fn(&Said) -> bool, run: impl Fn() -> Said) -> Said {
    let mut said = run();
    for _ in 1..ATTEMPTS {
        if in_time(&said) {
            break;
        }
        said = run();
    }
    said
}

#[derive(PartialEq, Eq)]
enum Streams {
    Apart,
    Together,
}

fn start(name: &str, arguments: &[&str], streams: Streams) -> Running {
    let path = example(name);
    let mut command = Command::new(&path);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .env_remove("RUST_LOG");
    own_process_group(&mut command);

    let (sender, lines) = channel();
    let child = if streams == Streams::Together {
        let (reader, writer) = io::pipe().unwrap();
        let both = writer.try_clone().unwrap();
        let child = command.stdout(writer).stderr(both).spawn();
        drop(command); // It has the other end of the pipe, too.
        read(reader, Stream::Both, sender);
        child
    } else {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        if let Ok(child) = &mut child {
            read(child.stdout.take().unwrap(), Stream::Out, sender.clone());
            read(child.stderr.take().unwrap(), Stream::Err, sender);
        }
        child
    };
    Running {
        name: name.to_owned(),
        child: child.unwrap_or_else(|error| panic!("cannot start {}: {error}", path.display())),
        lines,
    }
}

/// Cargo puts the examples into a folder beside the one with the tests.
fn example(name: &str) -> PathBuf {
    let mut path = env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.extend(["examples", name]);
    path.set_extension(env::consts::EXE_EXTENSION);
    assert!(
        path.exists(),
        "there is no {}: `cargo test -p tk-examples` builds it, but not if it is told which \
         targets to test (`--test`, `--all-targets`); `cargo build -p tk-examples --examples` does",
        path.display(),
    );
    path
}

/// Sends every line on. Ends when nobody can write any more.
fn read(stream: impl Read + Send + 'static, from: Stream, lines: Sender<Line>) {
    thread::spawn(move || {
        for line in BufReader::new(stream).lines() {
            let text = line.unwrap_or_else(|error| format!("(unreadable: {error})"));
            // The test has stopped listening if the program took too long.
            if lines.send(Line { from, text }).is_err() {
                return;
            }
        }
    });
}

struct Running {
    name: String,
    child: Child,
    lines: Receiver<Line>,
}

impl Running {
    fn finish(mut self, status: i32, limit: Duration) -> Said {
        let deadline = Instant::now() + limit;
        let mut said = Said::default();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => said.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    kill(&mut self.child);
                    panic!(
                        "{} did not end in {limit:?}. It printed:\n{said:?}",
                        self.name
                    );
                }
            }
        }
        // A process closes its streams when it ends, and none of these do so before.
        let ended = self.child.wait().unwrap();
        assert_eq!(
            ended.code(),
            Some(status),
            "{} has ended with {ended}. It printed:\n{said:?}",
            self.name
        );
        said
    }
}

/// Gives the program a process group of its own, so that the processes that it starts can be ended
/// with it.
#[cfg(unix)]
fn own_process_group(command: &mut Command) {
    std::os::unix::process::CommandExt::process_group(command, 0);
}

#[cfg(unix)]
fn kill(child: &mut Child) {
    use rustix::process::{Pid, Signal, kill_process_group};

    let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
    let _ = child.wait();
}

#[cfg(not(unix))]
fn own_process_group(_: &mut Command) {}

#[cfg(not(unix))]
fn kill(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// The tour takes more than two seconds, and its sections run in processes of their own.
#[test]
#[should_panic = "tour did not end in 1s. It printed:\nBoth: == 01a"]
fn a_program_that_hangs_is_ended_and_shows_what_it_has_printed() {
    start("tour", &[], Streams::Together).finish(0, Duration::from_secs(1));
}
