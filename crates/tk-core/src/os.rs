//! What is asked of the operating system: the calling thread's number there, its name, and whether a thread is gone.
//!
//! Only Linux answers through calls that need no `unsafe`. Elsewhere a thread has no native id, its name is the one
//! that the standard library gave it, and nobody can tell whether it is gone.

pub(crate) use imp::{
    can_tell_gone, current_is_main, current_native_id, is_gone, set_current_name, set_name,
};

/// The longest name, in bytes, that the operating system shows.
pub(crate) const NAME_LIMIT: usize = if cfg!(target_os = "linux") { 15 } else { 63 };

#[cfg(target_os = "linux")]
mod imp {
    use std::ffi::CString;

    use once_cell::sync::Lazy;
    use rustix::io::Errno;
    use rustix::process::{Pid, getpid, test_kill_process};
    use rustix::thread::gettid;

    pub(crate) fn current_is_main() -> bool {
        gettid() == getpid()
    }

    pub(crate) fn current_native_id() -> Option<u64> {
        Some(gettid().as_raw_nonzero().get() as u64)
    }

    /// A name that the kernel does not take stays what it was: it is only for show there.
    pub(crate) fn set_current_name(name: &str) {
        if let Ok(name) = CString::new(name) {
            let _ = rustix::thread::set_name(&name);
        }
    }

    /// As [`set_current_name`], for a thread of this process.
    pub(crate) fn set_name(native_id: u64, name: &str) {
        let _ = std::fs::write(format!("/proc/self/task/{native_id}/comm"), name);
    }

    /// Whether [`is_gone`] can be believed: not so where a filter of system calls answers in the kernel's place.
    pub(crate) fn can_tell_gone() -> bool {
        static CAN_TELL: Lazy<bool> = Lazy::new(|| test_kill_process(gettid()).is_ok());
        *CAN_TELL
    }

    /// Whether no thread of this machine has that number any longer. The number may have gone to another thread, of
    /// any program; then the answer is no, and the asker tries again another day.
    pub(crate) fn is_gone(native_id: Option<u64>) -> bool {
        let pid = native_id
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        pid.is_some_and(|pid| test_kill_process(pid) == Err(Errno::SRCH))
    }
}

#[cfg(not(target_os = "linux"))]
mod imp {
    pub(crate) fn current_is_main() -> bool {
        std::thread::current().name() == Some("main")
    }

    pub(crate) fn current_native_id() -> Option<u64> {
        None
    }

    pub(crate) fn set_current_name(_: &str) {}

    pub(crate) fn set_name(_: u64, _: &str) {}

    pub(crate) fn can_tell_gone() -> bool {
        false
    }

    pub(crate) fn is_gone(_: Option<u64>) -> bool {
        false
    }
}
