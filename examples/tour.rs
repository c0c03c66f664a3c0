//! All seventeen programs of the tour, one after another, each in a process of its own.
//!
//! ```text
//! cargo run --example tour                 # all of them
//! cargo run --example tour -- 09           # section 09 only
//! cargo run --example tour -- 04b 07       # more than one: both of 07
//! cargo run --example tour -- --list       # what there is
//! ```
//!
//! The exit code is 0 if that of each program is 0, and 1 otherwise. It is 2 after a wrong command
//! line.

use std::env;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::{Command, ExitCode, Termination};

/// Makes a module of each program, and the list of them all.
macro_rules! sections {
    ($($module:ident $path:literal $id:literal $title:literal)*) => {
        $(
            #[path = $path]
            mod $module;
        )*

        /// In the order of the tour.
        static SECTIONS: &[Section] = &[
            $(Section {
                path: $path,
                id: $id,
                title: $title,
                main: || $module::main().report(),
            },)*
        ];
    };
}

sections! {
    thread_objects "01a_thread_objects.rs" "01a" "Thread objects"
    thread_objects_with_arguments "01b_thread_objects.rs" "01b" "Thread objects, with arguments"
    determining_the_current_thread "02_determining_the_current_thread.rs"
        "02" "Determining the current thread"
    using_logging "03_using_logging.rs" "03" "Using logging"
    daemon "04a_daemon.rs" "04a" "Daemon vs. non-daemon threads"
    daemon_joined "04b_daemon.rs" "04b" "Daemon vs. non-daemon threads, joined"
    join_waiting_timeout "05_join_waiting_timeout.rs" "05" "Joining with a timeout"
    enumerating_all_threads "06_enumerating_all_threads.rs" "06" "Enumerating all threads"
    subclass_with_arguments "07_1_with_arguments.rs" "07_1" "Subclassing Thread, with arguments"
    subclass "07_subclass_of_threading_thread.rs" "07" "Subclassing Thread"
    timer_thread "08_timer_thread.rs" "08" "Timer threads"
    signaling_between_threads "09_signaling_between_threads.rs" "09" "Signaling between threads"
    controlling_access_to_resources "10_controlling_access_to_resources.rs"
        "10" "Controlling access to resources"
    locks_as_context_managers "11_locks_as_context_managers.rs" "11" "Locks as context managers"
    condition_synchroning "12_condition_synchroning.rs"
        "12" "Synchronizing threads with a condition"
    limiting_concurrent_access "13_limiting_concurrent_access_to_resources.rs"
        "13" "Limiting concurrent access to resources"
    thread_specific_data "14_thread_specific_data.rs" "14" "Thread-specific data"
}

/// One program of the tour.
struct Section {
    path: &'static str,
    id: &'static str,
    title: &'static str,
    main: fn() -> ExitCode,
}

impl Section {
    /// The name of the example: `04a_daemon`.
    fn name(&self) -> &'static str {
        self.path.trim_end_matches(".rs")
    }

    /// The number in front: `04` of `04a`.
    fn number(&self) -> &'static str {
        &self.id[..2]
    }

    /// Whether this argument names the section: `04`, `04a` or `04a_daemon`.
    fn answers_to(&self, asked: &str) -> bool {
        [self.number(), self.id, self.name()].contains(&asked)
    }

    /// Runs the program in a process of its own, because a program starts with an empty registry
    /// and without a logger, and ends as a whole. The process runs the tour again, with an argument
    /// that makes it be that section.
    ///
    /// Its output goes where the tour's goes. The error is a text for the user.
    fn run(&self) -> Result<(), String> {
        let status = env::current_exe()
            .and_then(|exe| Command::new(exe).args([BE, self.name()]).status())
            .map_err(|error| format!("cannot be started: {error}"))?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("has ended with {status}"))
        }
    }
}

/// The argument with which the tour is one of its sections.
const BE: &str = "--be";

const USAGE: &str = "usage: tour [--list] [SECTION]...";

fn main() -> ExitCode {
    let asked: Vec<String> = env::args_os()
        .skip(1)
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    let asked: Vec<&str> = asked.iter().map(String::as_str).collect();

    match *asked {
        [BE, name] => match SECTIONS.iter().find(|section| section.name() == name) {
            Some(section) => (section.main)(),
            None => misunderstood(&format!("there is no section `{name}`")),
        },
        ["--list"] => after(io::stdout().write_all(list().as_bytes()).map(|()| true)),
        ["--help" | "-h"] => after(writeln!(io::stdout(), "{USAGE}\n\n{}", list()).map(|()| true)),
        _ => match sections(&asked) {
            Ok(sections) => after(walk(&sections)),
            Err(problem) => misunderstood(&problem),
        },
    }
}

/// The sections that were asked for, in the order of the tour; all of them if none was.
fn sections(asked: &[&str]) -> Result<Vec<&'static Section>, String> {
    for &asked in asked {
        if asked.starts_with('-') {
            return Err(format!("there is no option `{asked}`"));
        }
        if !SECTIONS.iter().any(|section| section.answers_to(asked)) {
            return Err(format!("there is no section `{asked}`"));
        }
    }
    let wanted = |section: &&Section| {
        asked.is_empty() || asked.iter().any(|&asked| section.answers_to(asked))
    };
    Ok(SECTIONS.iter().filter(wanted).collect())
}

/// Runs these sections under their headings, and returns whether all of them succeeded. If one
/// fails, the next ones are run nevertheless.
fn walk(sections: &[&Section]) -> io::Result<bool> {
    let mut all_well = true;
    for (i, section) in sections.iter().enumerate() {
        let mut stdout = io::stdout().lock();
        if i > 0 {
            writeln!(stdout)?;
        }
        writeln!(stdout, "== {} {}", section.id, section.title)?;
        // If the heading stayed in the buffer, it would come after the child's own output.
        stdout.flush()?;
        drop(stdout);

        if let Err(problem) = section.run() {
            eprintln!("tour: {} {problem}", section.name());
            all_well = false;
        }
    }
    Ok(all_well)
}

/// One line for each section.
fn list() -> String {
    SECTIONS.iter().fold(String::new(), |mut list, section| {
        let _ = writeln!(list, "{:<5} {}", section.id, section.title);
        list
    })
}

/// Returns the exit code of a tour. It is no error if nobody reads the output.
fn after(result: io::Result<bool>) -> ExitCode {
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("tour: cannot write: {error}");
            ExitCode::FAILURE
        }
    }
}

fn misunderstood(problem: &str) -> ExitCode {
    eprint!("tour: {problem}\n{USAGE}\n\nThe sections are:\n{}", list());
    ExitCode::from(2)
}
