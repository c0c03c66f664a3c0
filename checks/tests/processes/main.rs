//! Tests of a whole program, each in a process of its own, whose main thread is the real one.
//!
//! This program has two roles. Without `TK_PROCESS`, it runs the tests. With it, it is the process
//! of the test of that name. A test with a name of CPython's (`test_…`) asserts the same as that
//! one.

mod end;
mod excepthook;
#[cfg(unix)]
mod fork;
#[cfg(unix)]
mod fork_once;
#[cfg(unix)]
mod fork_parking;
#[cfg(unix)]
mod fork_stop;
#[cfg(unix)]
mod fork_sync;
#[cfg(unix)]
mod fork_threads;
#[cfg(unix)]
mod identity;
mod local;
#[cfg(unix)]
mod locks;
#[cfg(unix)]
mod logging;
mod start;
mod thread;
mod timer;

use std::io::Write;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use libtest_mimic::{Arguments, Trial};
use tk_thread::Thread;
use wait_timeout::ChildExt;

/// A test: the body of the process, and a check of its result.
struct Case {
    name: &'static str,
    process: fn() -> ExitCode,
    check: fn(&Ended),
}

/// Makes a list of cases: for each a name, a process (whose exit code is success unless it says
/// otherwise) and a check.
macro_rules! cases {
    ($($(#[$attribute:meta])* $name:ident: $process:expr => $check:expr;)+) => {
        #[allow(clippy::redundant_closure_call, reason = "the closure says what the process does")]
        pub const CASES: &[crate::Case] = &[$($(#[$attribute])* crate::Case {
            name: stringify!($name),
            process: || crate::Code::code($process()),
            check: $check,
        }),+];
    };
}
use cases;

/// A type that `fn main` can return.
trait Code {
    fn code(self) -> ExitCode;
}

impl Code for () {
    fn code(self) -> ExitCode {
        ExitCode::SUCCESS
    }
}

impl Code for ExitCode {
    fn code(self) -> ExitCode {
        self
    }
}

/// A process that has ended.
#[derive(Debug)]
struct Ended {
    status: ExitStatus,
    stdout: String,
    stderr: String,
}

impl Ended {
    /// It has printed this, line by line, and not a word to the standard error.
    #[track_caller]
    fn printed(&self, lines: &[&str]) {
        assert!(self.status.success() && self.stderr.is_empty(), "{self:#?}");
        assert_eq!(self.stdout.lines().collect::<Vec<_>>(), lines, "{self:#?}");
    }

    /// It has ended with this status, and has printed this.
    #[track_caller]
    fn exited(&self, status: i32, stdout: &str) {
        let ended = (self.status.code(), &*self.stdout);
        assert_eq!(ended, (Some(status), stdout), "{self:#?}");
    }

    /// It has ended well, and its standard error contains each of these once.
    #[track_caller]
    fn complained(&self, parts: &[&str]) {
        assert!(self.status.success(), "{self:#?}");
        for part in parts {
            assert_eq!(self.stderr.matches(part).count(), 1, "{part}: {self:#?}");
        }
    }
}

/// How long a process may take before it counts as hanging.
const PATIENCE: Duration = Duration::from_secs(60);

fn run(case: &Case) -> Ended {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .env("TK_PROCESS", case.name)
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut process = command.spawn().unwrap();
    let hangs = process.wait_timeout(PATIENCE).unwrap().is_none();
    if hangs {
        kill(&mut process);
    }
    let output = process.wait_with_output().unwrap();
    let ended = Ended {
        status: output.status,
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    };
    assert!(!hangs, "the process hangs: {ended:#?}");
    ended
}

/// Ends the process, and those that it has forked, which would keep its output open.
fn kill(process: &mut Child) {
    #[cfg(unix)]
    // SAFETY: it is the group of a process that we have started and not waited for, so the number
    // is its own.
    unsafe {
        libc::kill(-(process.id() as libc::pid_t), libc::SIGKILL);
    }
    #[cfg(not(unix))]
    process.kill().unwrap();
}

/// Whether the system says if a thread is gone: Linux does, where no filter of system calls refuses
/// the question.
fn can_ask_after_threads() -> bool {
    #[cfg(all(target_os = "linux", not(tk_blind)))]
    // SAFETY: the call takes two numbers. Of a thread that is there it returns at least one.
    return unsafe { libc::syscall(libc::SYS_getpriority, libc::PRIO_PROCESS, libc::getpid()) > 0 };
    #[cfg(not(all(target_os = "linux", not(tk_blind))))]
    false
}

/// Returns when the thread is in a wait.
fn until_waits(thread: &Thread) {
    tk_testing::until("the thread waits", || thread.blocked_on().is_some());
}

/// Prints a line, in one piece.
fn say(line: &str) {
    let line = format!("{line}\n");
    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
}

fn main() -> ExitCode {
    let lists = [
        end::CASES,
        excepthook::CASES,
        local::CASES,
        start::CASES,
        timer::CASES,
        thread::CASES,
        #[cfg(unix)]
        fork::CASES,
        #[cfg(unix)]
        fork_threads::CASES,
        #[cfg(unix)]
        identity::CASES,
        #[cfg(unix)]
        fork_stop::CASES,
        #[cfg(unix)]
        locks::CASES,
        #[cfg(unix)]
        logging::CASES,
        #[cfg(unix)]
        fork_once::CASES,
        #[cfg(unix)]
        fork_parking::CASES,
        #[cfg(unix)]
        fork_sync::CASES,
    ];
    let cases: Vec<&'static Case> = lists.into_iter().flatten().collect();
    if let Ok(name) = std::env::var("TK_PROCESS") {
        let case = cases.iter().find(|case| case.name == name).unwrap();
        return (case.process)();
    }
    let test = |case: &'static Case| {
        Trial::test(case.name, || {
            (case.check)(&run(case));
            Ok(())
        })
    };
    let tests = cases.into_iter().map(test).collect();
    libtest_mimic::run(&Arguments::from_args(), tests).exit_code()
}
