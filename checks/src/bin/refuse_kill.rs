//! Runs a program to which the kernel refuses `kill`, as a sandbox does: nobody can ask there whether a thread is gone.
//!
//! ```text
//! refuse_kill PROGRAM [ARGUMENT]...
//! ```

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    use std::os::unix::process::CommandExt;

    let mut arguments = std::env::args_os().skip(1);
    let Some(program) = arguments.next() else {
        eprintln!("refuse_kill PROGRAM [ARGUMENT]...");
        return ExitCode::from(2);
    };
    if let Err(error) = refuse_kill() {
        eprintln!("refuse_kill: no filter: {error}");
        // As the scripts of ci/ do where a tool is missing.
        return ExitCode::from(3);
    }
    let error = std::process::Command::new(&program).args(arguments).exec();
    eprintln!("refuse_kill: {}: {error}", program.display());
    ExitCode::from(2)
}

/// Has the kernel refuse `kill` to this process and to all that it starts.
#[cfg(target_os = "linux")]
fn refuse_kill() -> std::io::Result<()> {
    let statement = |code, k, jt, jf| libc::sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    // The number of the call is the first word of what the filter sees. Only the native calls' numbers matter here.
    let mut filter = [
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        statement(
            libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
            libc::SYS_kill as u32,
            0,
            1,
        ),
        statement(
            libc::BPF_RET | libc::BPF_K,
            libc::SECCOMP_RET_ERRNO | libc::EPERM as u32,
            0,
            0,
        ),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0, 0),
    ];
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: the calls take numbers, and a program that lives longer than the call that copies it.
    let refused = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) == 0
            // SAFETY: signal zero only asks.
            && libc::kill(libc::getpid(), 0) != 0
    };
    if refused {
        Ok(())
    } else {
        Err(std::io::Error::last_os_error())
    }
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    eprintln!("refuse_kill: only Linux has such filters");
    ExitCode::from(3)
}
