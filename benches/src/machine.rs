//! The machine on which the figures were taken.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// How many threads can run at the same time.
pub fn processors() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// The machine and its software.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor, and how many of them.
    pub machine: String,
    /// The system, and its version.
    pub kernel: String,
    /// The compiler.
    pub toolchain: String,
    /// The commit, short; with a plus sign if files have changed since.
    pub commit: String,
    /// The day, in UTC.
    pub date: String,
    /// The load average when the measurement began.
    pub load: String,
}

impl Machine {
    /// This one, now.
    pub fn here() -> Machine {
        Machine {
            machine: format!("{}, {} processors", processor(), processors()),
            kernel: said("uname", &["-sr"]),
            toolchain: said("rustc", &["--version"]),
            commit: commit(),
            date: date(SystemTime::now()),
            load: fs::read_to_string("/proc/loadavg")
                .ok()
                .and_then(|load| load.split(' ').next().map(str::to_owned))
                .unwrap_or_else(unknown),
        }
    }
}

fn unknown() -> String {
    "unknown".to_owned()
}

/// The first line of the output of a program.
fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().ok();
    let output = output.filter(|output| output.status.success());
    output
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .and_then(|text| text.lines().next().map(str::to_owned))
        .unwrap_or_else(unknown)
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let names = text.lines().filter(|line| line.starts_with("model name"));
    let name = names
        .filter_map(|line| line.split_once(": "))
        .map(|(_, name)| name.trim())
        .next();
    name.map_or_else(|| std::env::consts::ARCH.to_owned(), str::to_owned)
}

fn commit() -> String {
    let commit = said("git", &["rev-parse", "--short", "HEAD"]);
    match said("git", &["status", "--porcelain", "--untracked-files=no"]).as_str() {
        "unknown" => commit,
        _ => format!("{commit}+"),
    }
}

/// The day as `2024-02-29`.
fn date(time: SystemTime) -> String {
    let days = time
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs() / 86_400);
    // The years begin in March, so that a leap day is the last day of a year. 146097 days are four
    // hundred years.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_date_is_that_of_the_calendar() {
        let day = |days: u64| date(UNIX_EPOCH + Duration::from_secs(days * 86_400));
        assert_eq!(day(0), "1970-01-01");
        assert_eq!(day(19_782), "2024-02-29");
        assert_eq!(day(19_783), "2024-03-01");
        assert_eq!(day(20_818), "2026-12-31");
        assert_eq!(day(47_540), "2100-02-28");
        assert_eq!(day(47_541), "2100-03-01");
    }

    #[test]
    fn the_machine_says_something_of_each() {
        let here = Machine::here();
        assert!(here.machine.ends_with("processors"));
        assert_eq!(here.date.len(), 10);
        assert_ne!(here.toolchain, "");
    }
}
