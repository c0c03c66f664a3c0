//! Whether a thread that has left the registry has ended altogether.
//!
//! The system is asked after the thread's number. Another thread may have that number by then: one of another process, which
//! `/proc/self/task` does not have; or one of this process, which has begun after the first one left. The number can't be
//! another's immediately, because the system goes through all other numbers first.

use std::fs;
use std::io::{Error, ErrorKind};
use std::time::{Duration, Instant};

use crate::os;

/// More than the unit in which the system counts the age of threads, and less than it takes to come to a number again.
const MARGIN: Duration = Duration::from_millis(40);

/// Whether the thread of this process that had this number, and left the registry at this time, has ended.
///
/// The look at the files is for threads only that seem to take long to end.
pub(crate) fn has_ended(native_id: u64, left: Instant) -> bool {
    os::is_gone(Some(native_id)) || {
        let passed = left.elapsed();
        passed > MARGIN
            && age(native_id).is_ok_and(|age| age.is_none_or(|age| age + MARGIN < passed))
    }
}

/// How long ago the thread of this process with this number began; `None` if there is none. The error is that the system
/// does not say.
fn age(native_id: u64) -> Result<Option<Duration>, Error> {
    let uptime = fs::read_to_string("/proc/uptime")?;
    let stat = match fs::read_to_string(format!("/proc/self/task/{native_id}/stat")) {
        // That it is missing means something if others are there.
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return fs::metadata("/proc/self/stat").map(|_| None);
        }
        stat => stat?,
    };
    // The second field is the name, in parentheses, and may contain anything. The 22nd is the start, in hundredths of a
    // second.
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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    fn own_number() -> u64 {
        os::current_native_id().unwrap()
    }

    #[test]
    fn a_thread_that_runs_is_as_old_as_it_is() {
        let begun = Instant::now();
        std::thread::sleep(MARGIN * 2);
        // In this order: any time may pass between the two, and the thread is older then.
        let passed = begun.elapsed();
        assert!(age(own_number()).unwrap().unwrap() + MARGIN > passed);
        // It is not taken for the one that has its number next.
        assert!(!has_ended(own_number(), begun));
    }

    #[test]
    fn a_number_that_another_thread_has_is_told_from_it() {
        let left = Instant::now();
        std::thread::sleep(MARGIN * 4);
        let later = move || {
            assert!(!os::is_gone(Some(own_number())));
            // The answer is no if the thread is held up between its looks at the two clocks.
            assert!((0..100).any(|_| has_ended(own_number(), left)));
        };
        std::thread::spawn(later).join().unwrap();
    }

    #[test]
    fn a_number_of_no_thread_of_this_process_is_told() {
        assert_eq!(age(u64::from(u32::MAX)).unwrap(), None);
    }
}
