//! Questions to the operating system about the calling thread, and the names of threads there.
//!
//! | question | Linux | elsewhere |
//! |---|---|---|
//! | the thread's number | `gettid` | unknown |
//! | whether it is the main thread | its number is the process's | the standard library |
//! | its name, if the standard library has not named it | `prctl` | unknown |
//! | set the name | `prctl`, or a file in `/proc` for another thread | ignored |
//!
//! With `--cfg tk_blind`, Linux answers the second question as other systems do. It is for tests:
//! see `ci/blind.sh`. Whether a thread has exited is asked in `exit.rs`.
//!
//! # Invariants
//!
//! **Works in late destructors.** Nothing here panics or calls [`std::thread::current`] where that
//! could panic, which it does in a thread's last destructors.
//!
//! **No allocation for a name.** The functions that set a name do not allocate, because the name is
//! locked meanwhile.

use std::fmt::{self, Write as _};

pub(crate) use imp::{
    current_is_main, current_name, current_native_id, set_current_name, set_name,
};

/// Whether `current_is_main` asks the standard library, which allocates.
pub(crate) const MAIN_IS_ASKED_OF_STD: bool = cfg!(any(tk_blind, not(target_os = "linux")));

/// The length in bytes of the longest name that the operating system takes.
pub(crate) const NAME_LIMIT: usize = if cfg!(target_os = "linux") { 15 } else { 63 };

/// The standard library's handle on the calling thread, if the thread has a name there.
///
/// In the last destructors of a thread, `std::thread::current` panics. A scope takes the same
/// handle without a panic, and shows the name of its thread while the library has it. So the name
/// is looked for in a scope first (*works in late destructors*).
pub(crate) fn named_by_std() -> Option<std::thread::Thread> {
    let mut field = NameField::default();
    std::thread::scope(|scope| {
        // An error says that the name has been found.
        let _ = write!(field, "{scope:?}");
        let is_named = field
            .is_named
            .unwrap_or_else(|| format!("{scope:?}").contains("name: Some("));
        is_named.then(std::thread::current)
    })
}

/// Looks for the field `name` in a text that is written piece by piece, and writes nothing. If the
/// pieces are not those of a derived `Debug`, it finds nothing.
#[derive(Default)]
struct NameField {
    /// Whether the pieces so far end with the name of the field.
    is_here: bool,
    /// Whether the field is `Some`, if it has been found.
    is_named: Option<bool>,
}

impl fmt::Write for NameField {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        match piece {
            "name" => self.is_here = true,
            ": " => {}
            "Some" | "None" if self.is_here => {
                self.is_named = Some(piece == "Some");
                return Err(fmt::Error);
            }
            _ => self.is_here = false,
        }
        Ok(())
    }
}

/// Whether this is the main thread, as the standard library says.
///
/// The name alone does not tell, because any thread may be called `main`. The library assigns the
/// first id to the main thread, before any code of the program runs.
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

    /// The name that the calling thread got by other means than the standard library, if any.
    ///
    /// A new thread has the name of the thread that started it until it gets another. So a thread
    /// with the name of the program has no name, and neither has one that the standard library has
    /// started.
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

    /// Whether the thread has a stack for signal handlers. Each thread of the standard library has
    /// one.
    #[allow(unsafe_code, reason = "a question to the system")]
    fn has_signal_stack() -> bool {
        let mut stack = std::mem::MaybeUninit::<libc::stack_t>::zeroed();
        // SAFETY: a null pointer as the new stack changes nothing, and the second pointer is valid
        // for a write of the present one.
        let known = unsafe { libc::sigaltstack(std::ptr::null(), stack.as_mut_ptr()) } == 0;
        // SAFETY: `stack` is initialized: it was zeroed, and zero is a valid value of each field.
        known && unsafe { stack.assume_init() }.ss_flags & libc::SS_DISABLE == 0
    }

    /// Sets the name of the calling thread. Errors are ignored, because the system only shows
    /// names.
    pub(crate) fn set_current_name(name: &str) {
        // On the stack (*no allocation for a name*).
        let mut buffer = [0; NAME_LIMIT + 1];
        let length = name.len().min(NAME_LIMIT);
        buffer[..length].copy_from_slice(&name.as_bytes()[..length]);
        if let Ok(name) = CStr::from_bytes_until_nul(&buffer) {
            let _ = rustix::thread::set_name(name);
        }
    }

    /// Sets the name of another thread of this process.
    pub(crate) fn set_name(native_id: u64, name: &str) {
        // On the stack (*no allocation for a name*).
        let mut path = Path::EMPTY;
        if write!(path, "/proc/self/task/{native_id}/comm").is_err() {
            return;
        }
        let mut buffer = [0; NAME_LIMIT + 1];
        let length = name.len().min(NAME_LIMIT);
        buffer[..length].copy_from_slice(&name.as_bytes()[..length]);
        // With the NUL, because an empty write would leave the old name.
        let _ = File::options()
            .write(true)
            .open(path.as_str())
            .and_then(|mut file| file.write_all(&buffer[..=length]));
    }

    /// A short path on the stack.
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
}
