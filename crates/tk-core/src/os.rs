//! What is asked of the operating system: the calling thread's number there, its name, and whether a thread is gone.
//!
//! Only Linux answers, nearly always through calls that need no `unsafe`. Elsewhere a thread has no native id, its name is the one
//! that the standard library gave it, and nobody can tell whether it is gone.
//!
//! `--cfg tk_blind` has Linux answer as other systems do when asked which thread is the main one, and whether a thread is
//! gone. It is for tests: see `ci/blind.sh`.
//!
//! Nothing here panics or asks [`std::thread::current`], which panics in a thread's last destructors.

pub use imp::can_tell_gone;
pub(crate) use imp::{
    current_is_main, current_name, current_native_id, is_gone, set_current_name, set_name,
};

/// Whether `current_is_main` asks the standard library, which allocates.
pub(crate) const MAIN_IS_ASKED_OF_STD: bool = cfg!(any(tk_blind, not(target_os = "linux")));

/// The longest name, in bytes, that the operating system shows.
pub(crate) const NAME_LIMIT: usize = if cfg!(target_os = "linux") { 15 } else { 63 };

/// The standard library's handle on the calling thread, if the thread has a name there and the handle can still be had.
///
/// In the last destructors of a thread `std::thread::current` panics. A scope takes the same handle without a panic, and
/// shows the name of its thread as long as the library knows it.
pub(crate) fn named_by_std() -> Option<std::thread::Thread> {
    let shown = std::thread::scope(|scope| format!("{scope:?}"));
    shown.contains("name: Some(").then(std::thread::current)
}

/// Whether the standard library says that this is the main thread. Its name alone does not: any thread may be named so. The
/// library gives the first id to the main thread, before any code of the program runs.
#[cfg(any(tk_blind, not(target_os = "linux")))]
pub(crate) fn is_main_to_std() -> bool {
    named_by_std().is_some_and(|thread| {
        thread.name() == Some("main") && format!("{:?}", thread.id()) == "ThreadId(1)"
    })
}

#[cfg(target_os = "linux")]
mod imp {
    use std::ffi::CStr;
    use std::fmt::{self, Write as _};
    use std::fs::File;
    use std::io::{Read as _, Write as _};

    use rustix::thread::gettid;

    use super::NAME_LIMIT;

    #[cfg(tk_blind)]
    pub(crate) use super::is_main_to_std as current_is_main;

    #[cfg(not(tk_blind))]
    pub(crate) fn current_is_main() -> bool {
        gettid() == rustix::process::getpid()
    }

    pub(crate) fn current_native_id() -> Option<u64> {
        Some(gettid().as_raw_nonzero().get() as u64)
    }

    /// The name that the calling thread was given by other means than the standard library, if any.
    ///
    /// A new thread has its maker's name until it gets another. So a thread that has the program's name is not named, nor is
    /// one that the standard library has started.
    pub(crate) fn current_name() -> Option<String> {
        if has_signal_stack() {
            return None;
        }
        let name = rustix::thread::name().ok()?.into_string().ok()?;
        let mut program = [0; NAME_LIMIT + 1];
        let length = File::open("/proc/self/comm")
            .and_then(|mut file| file.read(&mut program))
            .ok()?;
        let program = program[..length].trim_ascii_end();
        (!name.is_empty() && name.as_bytes() != program).then_some(name)
    }

    /// Whether the thread has a stack for signal handlers, as each has that the standard library starts.
    #[allow(unsafe_code, reason = "a question to the system")]
    fn has_signal_stack() -> bool {
        let mut stack = std::mem::MaybeUninit::<libc::stack_t>::zeroed();
        // SAFETY: this sets nothing, and writes the present stack to a place that is there to be written.
        let known = unsafe { libc::sigaltstack(std::ptr::null(), stack.as_mut_ptr()) } == 0;
        // SAFETY: it was zero before, which is a value of each of its fields.
        known && unsafe { stack.assume_init() }.ss_flags & libc::SS_DISABLE == 0
    }

    /// A name that the kernel does not take stays what it was: it is only for show there.
    pub(crate) fn set_current_name(name: &str) {
        // No allocation: the name is locked.
        let mut buffer = [0; NAME_LIMIT + 1];
        let length = name.len().min(NAME_LIMIT);
        buffer[..length].copy_from_slice(&name.as_bytes()[..length]);
        if let Ok(name) = CStr::from_bytes_until_nul(&buffer) {
            let _ = rustix::thread::set_name(name);
        }
    }

    /// As [`set_current_name`], for a thread of this process.
    pub(crate) fn set_name(native_id: u64, name: &str) {
        // No allocation: the name is locked.
        let mut path = Path::EMPTY;
        if write!(path, "/proc/self/task/{native_id}/comm").is_err() {
            return;
        }
        let mut buffer = [0; NAME_LIMIT + 1];
        let length = name.len().min(NAME_LIMIT);
        buffer[..length].copy_from_slice(&name.as_bytes()[..length]);
        // With the NUL: to write nothing would leave the old name.
        let _ = File::options()
            .write(true)
            .open(path.as_str())
            .and_then(|mut file| file.write_all(&buffer[..=length]));
    }

    /// A short path, on the stack.
    struct Path {
        bytes: [u8; 48],
        length: usize,
    }

    impl Path {
        const EMPTY: Path = Path {
            bytes: [0; 48],
            length: 0,
        };

        fn as_str(&self) -> &str {
            std::str::from_utf8(&self.bytes[..self.length]).unwrap_or_default()
        }
    }

    impl fmt::Write for Path {
        fn write_str(&mut self, part: &str) -> fmt::Result {
            let end = self.length + part.len();
            let room = self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?;
            room.copy_from_slice(part.as_bytes());
            self.length = end;
            Ok(())
        }
    }

    /// Whether `is_gone` can be believed.
    #[cfg(tk_blind)]
    pub fn can_tell_gone() -> bool {
        false
    }

    #[cfg(tk_blind)]
    pub(crate) fn is_gone(_: Option<u64>) -> bool {
        false
    }

    #[cfg(not(tk_blind))]
    pub use asking::can_tell_gone;
    #[cfg(not(tk_blind))]
    pub(crate) use asking::is_gone;

    #[cfg(not(tk_blind))]
    mod asking {
        use std::sync::atomic::{AtomicU8, Ordering};

        use rustix::io::Errno;
        use rustix::process::{Pid, getpriority_process};
        use rustix::thread::gettid;

        const UNKNOWN: u8 = 0;
        const YES: u8 = 1;
        const NO: u8 = 2;

        static ANSWERS: AtomicU8 = AtomicU8::new(UNKNOWN);

        /// Whether `is_gone` can be believed: not so where a filter of system calls answers in the kernel's place.
        pub fn can_tell_gone() -> bool {
            // Relaxed, here and below: the answer stands for itself.
            match ANSWERS.load(Ordering::Relaxed) {
                UNKNOWN => ask(),
                answer => answer == YES,
            }
        }

        /// Asks after the calling thread, which is there, and after a number that is larger than a thread's can be.
        fn ask() -> bool {
            let answers = getpriority_process(Some(gettid())).is_ok()
                && getpriority_process(Pid::from_raw(i32::MAX)) == Err(Errno::SRCH);
            ANSWERS.store(if answers { YES } else { NO }, Ordering::Relaxed);
            answers
        }

        /// Whether no thread of this machine has that number any longer. The number may have gone to another thread, of
        /// any program; then the answer is no, and the asker tries again another day.
        ///
        /// The kernel looks a thread's priority up by the same table as any question with a number, and checks no
        /// permission. `kill` with signal 0 costs twice as much, and sandboxes refuse it.
        pub(crate) fn is_gone(native_id: Option<u64>) -> bool {
            let pid = native_id
                .and_then(|id| i32::try_from(id).ok())
                .and_then(Pid::from_raw);
            match pid.map(|pid| getpriority_process(Some(pid))) {
                Some(Err(Errno::SRCH)) => can_tell_gone(),
                Some(Err(_)) => {
                    // A program that could ask has got a filter.
                    ask();
                    false
                }
                Some(Ok(_)) | None => false,
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod imp {
    pub(crate) use super::is_main_to_std as current_is_main;

    pub(crate) fn current_native_id() -> Option<u64> {
        None
    }

    pub(crate) fn current_name() -> Option<String> {
        None
    }

    pub(crate) fn set_current_name(_: &str) {}

    pub(crate) fn set_name(_: u64, _: &str) {}

    /// Whether `is_gone` can be believed.
    pub fn can_tell_gone() -> bool {
        false
    }

    pub(crate) fn is_gone(_: Option<u64>) -> bool {
        false
    }
}
