//! Runs a program to which the kernel refuses some system calls, as a sandbox does.
//!
//! ```text
//! refuse_calls CALL[,CALL]... PROGRAM [ARGUMENT]...
//! ```
//!
//! The calls are those that can tell whether a thread is gone: `getpriority`, `kill`, `tkill`,
//! `tgkill`; and `membarrier`, which locks use.

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    use std::os::unix::process::CommandExt;

    let mut arguments = std::env::args_os().skip(1);
    let calls = arguments.next().and_then(|names| {
        let calls = names.to_str()?.split(',').map(number);
        calls.collect::<Option<Vec<_>>>()
    });
    let (Some(calls), Some(program)) = (calls, arguments.next()) else {
        eprintln!("refuse_calls CALL[,CALL]... PROGRAM [ARGUMENT]...");
        return ExitCode::from(2);
    };
    if let Err(error) = tk_checks::filter::answer(&calls, libc::EPERM as u16) {
        eprintln!("refuse_calls: no filter: {error}");
        // As the scripts of ci/ do where a tool is missing.
        return ExitCode::from(3);
    }
    let error = std::process::Command::new(&program).args(arguments).exec();
    eprintln!("refuse_calls: {}: {error}", program.display());
    ExitCode::from(2)
}

#[cfg(target_os = "linux")]
fn number(name: &str) -> Option<libc::c_long> {
    match name {
        "getpriority" => Some(libc::SYS_getpriority),
        "kill" => Some(libc::SYS_kill),
        "membarrier" => Some(libc::SYS_membarrier),
        "tgkill" => Some(libc::SYS_tgkill),
        "tkill" => Some(libc::SYS_tkill),
        _ => None,
    }
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    eprintln!("refuse_calls: only Linux has such filters");
    ExitCode::from(3)
}
