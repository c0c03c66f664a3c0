//! Runs the program, and makes sure that it ends.

use std::env::consts::EXE_SUFFIX;
use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

/// Many times as long as any test takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// The program, which lies beside the tests.
pub fn program() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let built = tests.ancestors().nth(2).unwrap();
    let program = built.join("examples").join(format!("dirsum{EXE_SUFFIX}"));
    assert!(
        program.exists(),
        "there is no {}: `cargo test -p tk-examples` builds it, unless it is told which targets to \
         test; `cargo build -p tk-examples --example dirsum` does",
        program.display()
    );
    program
}

/// The command line `dirsum DIR ARGUMENTS...`, to be run in this directory.
pub fn dirsum<A: AsRef<OsStr>>(
    directory: &Path,
    arguments: impl IntoIterator<Item = A>,
) -> Command {
    let mut command = Command::new(program());
    command.current_dir(directory).args(arguments);
    command
}

/// Runs the program to its end.
pub fn run(command: Command) -> Finished {
    Running::start(command).finish()
}

/// A program that runs. It is killed when this is dropped, so also by a test that fails.
pub struct Running {
    child: Child,
    started: Instant,
    out: Option<JoinHandle<String>>,
    err: Option<JoinHandle<String>>,
}

/// A program that has ended.
#[derive(Debug)]
pub struct Finished {
    pub status: ExitStatus,
    pub out: String,
    pub err: String,
}

impl Running {
    pub fn start(mut command: Command) -> Running {
        command.stdout(Stdio::piped());
        Running::start_without_out(command)
    }

    /// As `start`, but leaves the standard output where the command sends it.
    pub fn start_without_out(mut command: Command) -> Running {
        command.stdin(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // Read as it comes: a full pipe would block the program.
        let out = child.stdout.take().map(read);
        let err = child.stderr.take().map(read);
        Running {
            child,
            started: Instant::now(),
            out,
            err,
        }
    }

    /// Waits for the end.
    pub fn finish(mut self) -> Finished {
        while self.child.try_wait().unwrap().is_none() {
            self.watch("the end");
        }
        self.reap()
    }

    /// Kills a program that has run for too long. To be called between two looks at it.
    fn watch(&mut self, what: &str) {
        if self.started.elapsed() > PATIENCE {
            let _ = self.child.kill();
            panic!("waited in vain for: {what}: {:?}", self.reap());
        }
        sleep(Duration::from_millis(2));
    }

    fn reap(&mut self) -> Finished {
        let status = self.child.wait().unwrap();
        let text = |reader: Option<JoinHandle<String>>| {
            reader.map_or(String::new(), |reader| reader.join().unwrap())
        };
        Finished {
            status,
            out: text(self.out.take()),
            err: text(self.err.take()),
        }
    }
}

/// Methods for tests that look into `/proc`.
#[cfg(target_os = "linux")]
impl Running {
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for something that can only be seen from outside.
    pub fn wait_until(&mut self, what: &str, reached: impl Fn() -> bool) {
        while !reached() {
            if self.child.try_wait().unwrap().is_some() {
                panic!("ended before: {what}: {:?}", self.reap());
            }
            self.watch(what);
        }
    }

    /// Does what Ctrl-C does.
    pub fn interrupt(&self) {
        let id = self.id().to_string();
        let status = Command::new("kill").args(["-INT", &id]).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Does nothing to one that has been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(mut from: impl Read + Send + 'static) -> JoinHandle<String> {
    spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

impl Finished {
    #[track_caller]
    pub fn expect_code(&self, code: i32) -> &Finished {
        assert_eq!(self.status.code(), Some(code), "{self:?}");
        self
    }
}
