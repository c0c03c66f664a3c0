//! The operating system's view of a thread: its name, whether it runs, and the call that it sleeps
//! in.
//!
//! On Linux that stands in `/proc/self/task`. Each file may be missing: the thread may end at any
//! moment, a sandbox may hide `/proc`, and some kernels are built without `syscall`.

use std::fmt;

use crate::text::Escaped;

/// A thread that has never used the kit, in a [`Snapshot`](crate::Snapshot).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ForeignThread {
    /// The thread's number in the system.
    pub native_id: u64,
    /// The thread's name in the system. It may contain anything.
    pub name: String,
    /// The thread's state.
    pub state: SystemState,
}

/// The threads that have never used the kit.
///
/// ```
/// use tk_watch::ForeignThreads;
///
/// match tk_watch::dump().foreign {
///     ForeignThreads::Known(threads) => println!("{} other threads", threads.len()),
///     ForeignThreads::Unknown(reason) => println!("other threads are unknown: {reason}"),
///     _ => {}
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ForeignThreads {
    /// All of them.
    Known(Vec<ForeignThread>),
    /// The system does not list them, for this reason.
    Unknown(String),
}

/// The state of a thread in the operating system.
///
/// `Display` shows, for example, `sleeps in read of socket:[4711]`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SystemState {
    /// The letter for the thread's state: `R` runs, `S` sleeps, `D` waits for a device, `T` and `t`
    /// are stopped, `Z` has exited.
    pub state: char,
    /// The system call that the thread is in, if it is known.
    pub call: Option<SystemCall>,
    /// The function of the kernel that the thread sleeps in, if it is known.
    pub kernel_function: Option<String>,
}

/// A system call that a thread is in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SystemCall {
    /// The number of the call.
    pub number: u64,
    /// The name of the call, if it is one of those that threads usually sleep in.
    pub name: Option<&'static str>,
    /// The file that the call is for, if its first argument is a file descriptor.
    pub file: Option<String>,
}

impl fmt::Display for SystemCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name {
            Some(name) => f.write_str(name)?,
            None => write!(f, "system call {}", self.number)?,
        }
        match &self.file {
            Some(file) => write!(f, " of {}", Escaped(file)),
            None => Ok(()),
        }
    }
}

impl fmt::Display for SystemState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            'R' => return f.write_str("runs"),
            'S' | 'I' => "sleeps",
            'D' => "waits for a device",
            'T' | 't' => "is stopped",
            'Z' | 'X' => return f.write_str("has exited"),
            other => return write!(f, "is in state {}", other.escape_debug()),
        };
        f.write_str(state)?;
        match (&self.call, &self.kernel_function) {
            (Some(call), _) => write!(f, " in {call}"),
            (None, Some(function)) => write!(f, " in the kernel's {}", Escaped(function)),
            (None, None) => Ok(()),
        }
    }
}

pub(crate) use imp::{foreign_threads, state_of};

#[cfg(target_os = "linux")]
mod imp {
    use std::collections::HashSet;
    use std::fs;

    use super::{ForeignThread, ForeignThreads, SystemCall, SystemState};

    /// Returns the state of this thread of the process. `None` if the system does not tell.
    pub(crate) fn state_of(native_id: u64) -> Option<SystemState> {
        let stat = read(native_id, "stat")?;
        // The name is in parentheses, and may contain more of them.
        let state = stat.rsplit_once(") ")?.1.chars().next()?;
        let (mut call, mut kernel_function) = (None, None);
        if state != 'R' {
            call = read(native_id, "syscall").and_then(|line| parse_call(&line));
            if call.is_none() {
                kernel_function = read(native_id, "wchan").filter(|name| name != "0");
            }
        }
        Some(SystemState {
            state,
            call,
            kernel_function,
        })
    }

    /// All threads of the process, except for these.
    pub(crate) fn foreign_threads(known: &HashSet<u64>) -> ForeignThreads {
        let entries = match fs::read_dir("/proc/self/task") {
            Ok(entries) => entries,
            Err(error) => {
                return ForeignThreads::Unknown(format!("cannot read /proc/self/task: {error}"));
            }
        };
        let ids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let others = ids.filter(|id| !known.contains(id));
        // A thread that ends meanwhile has no state.
        let threads = others.filter_map(|native_id| {
            Some(ForeignThread {
                native_id,
                name: read(native_id, "comm")?,
                state: state_of(native_id)?,
            })
        });
        let mut threads: Vec<_> = threads.collect();
        threads.sort_by_key(|thread| thread.native_id);
        ForeignThreads::Known(threads)
    }

    fn read(native_id: u64, file: &str) -> Option<String> {
        let bytes = fs::read(format!("/proc/self/task/{native_id}/{file}")).ok()?;
        let mut text = String::from_utf8_lossy(&bytes).into_owned();
        if text.ends_with('\n') {
            text.pop();
        }
        Some(text)
    }

    /// Reads a line such as `0 0x3 0x7f… …`: the call, and its arguments. A thread that runs has
    /// `running`, and one that is not in a call has a negative number.
    fn parse_call(line: &str) -> Option<SystemCall> {
        let mut words = line.split_ascii_whitespace();
        let number: u64 = words.next()?.parse().ok()?;
        let known = CALLS.iter().find(|call| call.0 as u64 == number);
        let file = known.filter(|call| call.2).and_then(|_| {
            let argument = words.next()?.strip_prefix("0x")?;
            let descriptor = u32::from_str_radix(argument, 16).ok()?;
            let path = fs::read_link(format!("/proc/self/fd/{descriptor}")).ok()?;
            Some(path.to_string_lossy().into_owned())
        });
        Some(SystemCall {
            number,
            name: known.map(|call| call.1),
            file,
        })
    }

    macro_rules! calls {
        ($($number:ident $name:literal $takes_file:literal,)*) => {
            &[$((libc::$number, $name, $takes_file),)*]
        };
    }

    /// The calls that threads usually sleep in, and whether the first argument is a file
    /// descriptor.
    const CALLS: &[(libc::c_long, &str, bool)] = calls! {
        SYS_read "read" true,
        SYS_readv "readv" true,
        SYS_pread64 "pread" true,
        SYS_write "write" true,
        SYS_writev "writev" true,
        SYS_pwrite64 "pwrite" true,
        SYS_recvfrom "recvfrom" true,
        SYS_recvmsg "recvmsg" true,
        SYS_sendto "sendto" true,
        SYS_sendmsg "sendmsg" true,
        SYS_accept "accept" true,
        SYS_accept4 "accept4" true,
        SYS_connect "connect" true,
        SYS_fsync "fsync" true,
        SYS_fdatasync "fdatasync" true,
        SYS_flock "flock" true,
        SYS_fcntl "fcntl" true,
        SYS_ioctl "ioctl" true,
        SYS_futex "futex" false,
        SYS_ppoll "ppoll" false,
        SYS_pselect6 "pselect" false,
        SYS_epoll_pwait "epoll_pwait" true,
        SYS_nanosleep "nanosleep" false,
        SYS_clock_nanosleep "clock_nanosleep" false,
        SYS_wait4 "wait4" false,
        SYS_waitid "waitid" false,
        SYS_rt_sigtimedwait "sigtimedwait" false,
        SYS_rt_sigsuspend "sigsuspend" false,
        SYS_restart_syscall "restart_syscall" false,
        SYS_io_uring_enter "io_uring_enter" true,
        SYS_openat "openat" false,
        SYS_execve "execve" false,
        SYS_msgrcv "msgrcv" false,
        SYS_semtimedop "semtimedop" false,
    };

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_call_is_read_from_its_line() {
            let line = format!("{} 0x1000 0x0 0x0 0x7ffe 0x7fff", libc::SYS_futex);
            let call = parse_call(&line).unwrap();
            assert_eq!((call.name, call.file), (Some("futex"), None));
            let call = parse_call("99999 0x3 0x0").unwrap();
            assert_eq!(call.to_string(), "system call 99999");
            for line in ["running", "-1 0x7ffe 0x7fff", "", "0x3", "\u{0}"] {
                assert_eq!(parse_call(line), None, "{line}");
            }
        }

        #[test]
        fn a_thread_that_reads_is_in_a_read_of_its_pipe() {
            let (reader, writer) = std::io::pipe().unwrap();
            let (send, receive) = std::sync::mpsc::channel();
            let thread = std::thread::spawn(move || {
                send.send(rustix::thread::gettid().as_raw_nonzero().get() as u64)
                    .unwrap();
                std::io::read_to_string(reader).unwrap()
            });
            let native_id = receive.recv().unwrap();
            let shown = || state_of(native_id).unwrap().to_string();
            tk_testing::until("the thread sleeps", || shown().starts_with("sleeps"));
            if read(native_id, "syscall").is_some() {
                tk_testing::until("the thread reads", || {
                    shown().starts_with("sleeps in read of pipe:[")
                });
            }
            drop(writer);
            assert_eq!(thread.join().unwrap(), "");
            tk_testing::until("the thread is gone", || state_of(native_id).is_none());
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod imp {
    use std::collections::HashSet;

    use super::{ForeignThreads, SystemState};

    pub(crate) fn state_of(_: u64) -> Option<SystemState> {
        None
    }

    pub(crate) fn foreign_threads(_: &HashSet<u64>) -> ForeignThreads {
        ForeignThreads::Unknown("only Linux lists the threads of a process".into())
    }
}
