//! Whether a thread has exited: whether the system still has it.
//!
//! A thread that has left the registry may still run thread-local destructors. The system is asked
//! about the thread's number.
//!
//! | the system says | `has_exited` | `has_exited_since` |
//! |---|---|---|
//! | no thread has the number | yes | yes |
//! | a thread has it | no | yes if it started after the first one left, or is in another process |
//! | nothing, or a filter answers | no | no, unless the files tell |
//!
//! Only Linux can be asked. Elsewhere, and with `--cfg tk_blind`, which is for tests, the answer is
//! always no, and [`can_detect_exit`] is false. See `ci/blind.sh`.
//!
//! # Invariants
//!
//! **Never a wrong yes.** A thread that exists is never said to have exited. Its slot would be
//! reused while its destructors still use it.
//!
//! **Tried before believed.** A filter of system calls may answer in the kernel's place. The first
//! question is therefore about two numbers whose answers are known.

use std::fs;
use std::io::{Error, ErrorKind};
use std::time::{Duration, Instant};

pub use imp::can_detect_exit;
pub(crate) use imp::has_exited;

/// The tolerance in the age of a thread.
///
/// It is more than the unit in which the system counts ages. It is less than the time until a
/// number is reused, because the system goes through all other numbers first.
const MARGIN: Duration = Duration::from_millis(40);

/// Whether the thread of this process that had this number has exited. It left the registry at the
/// given time.
///
/// Another thread may have the number by now. It is one of another process, which is not in
/// `/proc/self/task`, or one of this process that started after the first one left. The files are
/// read only if the thread seems to take long to exit.
pub(crate) fn has_exited_since(native_id: u64, left: Instant) -> bool {
    has_exited(Some(native_id)) || {
        // Measured before the age, so that the age is not too small by comparison (*never a wrong
        // yes*).
        let passed = left.elapsed();
        passed > MARGIN
            && age(native_id).is_ok_and(|age| age.is_none_or(|age| age + MARGIN < passed))
    }
}

/// The age of the thread of this process that has this number. `None` if there is no such thread,
/// and an error if the system does not tell.
fn age(native_id: u64) -> Result<Option<Duration>, Error> {
    let uptime = fs::read_to_string("/proc/uptime")?;
    let stat = match fs::read_to_string(format!("/proc/self/task/{native_id}/stat")) {
        // A missing file counts only if `/proc` is there at all.
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return fs::metadata("/proc/self/stat").map(|_| None);
        }
        stat => stat?,
    };
    // The second field is the name in parentheses, which may contain anything. The 22nd is the
    // start time, in hundredths of a second.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let start = fields.split_whitespace().nth(19).map(str::parse::<f64>);
    let uptime = uptime.split_whitespace().next().map(str::parse::<f64>);
    match (start, uptime) {
        (Some(Ok(start)), Some(Ok(uptime))) => {
            let age = (uptime - start / 100.0).max(0.0);
            Ok(Duration::try_from_secs_f64(age).ok())
        }
        _ => Err(ErrorKind::InvalidData.into()),
    }
}

#[cfg(all(target_os = "linux", not(tk_blind)))]
mod imp {
    use std::sync::atomic::{AtomicU8, Ordering};

    use rustix::io::Errno;
    use rustix::process::{Pid, getpriority_process};
    use rustix::thread::gettid;

    const UNKNOWN: u8 = 0;
    const YES: u8 = 1;
    const NO: u8 = 2;

    /// Whether the kernel answers the questions.
    static ANSWERS: AtomicU8 = AtomicU8::new(UNKNOWN);

    /// Returns whether the system tells when a thread has exited.
    pub fn can_detect_exit() -> bool {
        // Relaxed, here and below: nothing else depends on the answer.
        match ANSWERS.load(Ordering::Relaxed) {
            UNKNOWN => try_out(),
            answer => answer == YES,
        }
    }

    /// Asks about the calling thread, which exists, and about a number that no thread can have
    /// (*tried before believed*).
    fn try_out() -> bool {
        let answers = getpriority_process(Some(gettid())).is_ok()
            && getpriority_process(Pid::from_raw(i32::MAX)) == Err(Errno::SRCH);
        ANSWERS.store(if answers { YES } else { NO }, Ordering::Relaxed);
        answers
    }

    /// Whether no thread of this machine has this number. The answer is no if a later thread of any
    /// program has it. Then the caller asks again some time later.
    ///
    /// The question is for the thread's priority, because the kernel looks that up in the same
    /// table as for any other question, and checks no permission. `kill` with signal 0 costs twice
    /// as much, and sandboxes refuse it.
    pub(crate) fn has_exited(native_id: Option<u64>) -> bool {
        let pid = native_id
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        match pid.map(|pid| getpriority_process(Some(pid))) {
            Some(Err(Errno::SRCH)) => can_detect_exit(),
            Some(Err(_)) => {
                // The program has installed a filter since the first question.
                try_out();
                false
            }
            Some(Ok(_)) | None => false,
        }
    }
}

#[cfg(any(tk_blind, not(target_os = "linux")))]
mod imp {
    /// Returns whether the system tells when a thread has exited.
    pub fn can_detect_exit() -> bool {
        false
    }

    pub(crate) fn has_exited(_: Option<u64>) -> bool {
        false
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    fn own_number() -> u64 {
        crate::os::current_native_id().unwrap()
    }

    #[test]
    fn a_thread_that_runs_is_as_old_as_it_is() {
        let begun = Instant::now();
        std::thread::sleep(MARGIN * 2);
        // In this order: any time may pass between the two, and the thread is older then.
        let passed = begun.elapsed();
        assert!(age(own_number()).unwrap().unwrap() + MARGIN > passed);
        // It is not taken for the one that has its number next.
        assert!(!has_exited_since(own_number(), begun));
    }

    #[test]
    fn a_number_that_another_thread_has_is_told_from_it() {
        let left = Instant::now();
        std::thread::sleep(MARGIN * 4);
        let later = move || {
            assert!(!has_exited(Some(own_number())));
            // The answer is no if the thread is held up between its looks at the two clocks.
            assert!((0..100).any(|_| has_exited_since(own_number(), left)));
        };
        std::thread::spawn(later).join().unwrap();
    }

    #[test]
    fn a_number_of_no_thread_of_this_process_is_told() {
        assert_eq!(age(u64::from(u32::MAX)).unwrap(), None);
    }
}
