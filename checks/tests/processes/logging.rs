//! Logging in the child of a fork.

use std::io::{self, Write};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use tk_core::logging::{BasicConfig, Stream, basic_config};
use tk_testing::fork;

use crate::cases;

fn messages() -> BasicConfig {
    basic_config().format("%(threadName)s %(message)s")
}

/// Writes to the standard output stream. A message with the word `slow` first tells that it is
/// being written, and then waits until it may go on.
struct Gate {
    inside: Sender<()>,
    go_on: Receiver<()>,
}

fn gate() -> (Gate, Receiver<()>, Sender<()>) {
    let (inside, is_inside) = mpsc::channel();
    let (let_go, go_on) = mpsc::channel();
    (Gate { inside, go_on }, is_inside, let_go)
}

impl Write for Gate {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.windows(4).any(|word| word == b"slow") {
            self.inside.send(()).unwrap();
            self.go_on.recv().unwrap();
        }
        io::stdout().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush()
    }
}

/// Forks while another thread keeps what `take` returns; logs in the child, from two threads.
fn child_logs_while_another_thread_keeps<T>(take: impl FnOnce() -> T + Send) {
    let (tell, told) = mpsc::channel();
    let (let_go, go_on) = mpsc::channel::<()>();
    thread::scope(|s| {
        s.spawn(move || {
            let _kept = take();
            tell.send(()).unwrap();
            go_on.recv().unwrap();
        });
        told.recv().unwrap();
        fork(|| {
            log::error!("one");
            thread::spawn(|| log::error!("two")).join().unwrap();
        });
        let_go.send(()).unwrap();
    });
    log::error!("three");
}

cases! {
    a_writer_that_is_in_use_at_a_fork_is_left_alone: || {
        let (gate, is_inside, let_go) = gate();
        messages().stream(gate).init();
        let writing = thread::spawn(|| log::error!("slow"));
        is_inside.recv().unwrap();
        fork(|| {
            log::error!("one");
            log::error!("two");
            log::logger().flush();
        });
        let_go.send(()).unwrap();
        writing.join().unwrap();
        log::error!("three");
    } => |ended| {
        ended.complained(&[
            "warning: another thread was writing to the log when the process forked; this process \
             logs to standard error\nMainThread one\nMainThread two\n",
        ]);
        let mut lines = ended.stdout.lines();
        assert!(lines.next().unwrap().ends_with(" slow"), "{ended:#?}");
        assert_eq!(lines.collect::<Vec<_>>(), ["MainThread three"]);
    };

    a_writer_that_nobody_uses_at_a_fork_serves_the_child: || {
        let (gate, ..) = gate();
        messages().stream(gate).init();
        log::error!("zero");
        fork(|| log::error!("one"));
        log::error!("two");
    } => |ended| ended.printed(&["MainThread zero", "MainThread one", "MainThread two"]);

    a_writer_may_fork_itself: || {
        struct Forks;

        impl Write for Forks {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                fork(|| {
                    log::error!("in the child");
                    log::logger().flush();
                });
                io::stdout().write(bytes)
            }

            fn flush(&mut self) -> io::Result<()> {
                io::stdout().flush()
            }
        }

        messages().stream(Forks).init();
        log::error!("in the parent");
    } => |ended| {
        ended.complained(&["MainThread in the child\n"]);
        assert_eq!(ended.stdout, "MainThread in the parent\n");
    };

    a_standard_error_stream_that_is_locked_at_a_fork_serves_the_child: || {
        messages().init();
        child_logs_while_another_thread_keeps(|| io::stderr().lock());
    } => |ended| {
        ended.complained(&["MainThread one\n", " two\n", "MainThread three\n"]);
    };

    a_standard_output_stream_that_is_locked_at_a_fork_serves_the_child: || {
        messages().stream(Stream::Stdout).init();
        child_logs_while_another_thread_keeps(|| io::stdout().lock());
    } => |ended| {
        assert!(ended.status.success() && ended.stderr.is_empty(), "{ended:#?}");
        let lines: Vec<_> = ended.stdout.lines().collect();
        assert_eq!((lines[0], lines[2]), ("MainThread one", "MainThread three"));
        assert!(lines.len() == 3 && lines[1].ends_with(" two"), "{ended:#?}");
    };
}
