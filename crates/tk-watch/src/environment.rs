//! The environment variable `TK_WATCH`.
//!
//! A list of words, separated by commas. A word that is not understood is reported to the standard
//! error, and skipped: a typing error must not stop the program.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use crate::Reaction;
use crate::install::Install;

pub(crate) const VARIABLE: &str = "TK_WATCH";

/// Whether what the variable says has been done.
static IS_DONE: AtomicBool = AtomicBool::new(false);

/// Notes that what the variable says has been done.
pub(crate) fn note_done() {
    IS_DONE.store(true, Relaxed);
}

/// Adds what the variable says, unless it has been done.
pub(crate) fn add_to(install: &mut Install) {
    if IS_DONE.load(Relaxed) {
        return;
    }
    let Some(value) = std::env::var_os(VARIABLE) else {
        return;
    };
    for complaint in parse(&value.to_string_lossy(), install) {
        let _ = writeln!(std::io::stderr(), "{VARIABLE}: {complaint}");
    }
}

/// Returns what is wrong with the value.
fn parse(value: &str, install: &mut Install) -> Vec<String> {
    let mut complaints = Vec::new();
    for word in value
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
    {
        let (key, argument) = match word.split_once('=') {
            Some((key, argument)) => (key, Some(argument)),
            None => (word, None),
        };
        let is_known = match (key, argument) {
            ("deadlocks", None | Some("report")) => {
                install.finds_deadlocks = true;
                true
            }
            ("deadlocks", Some("panic")) => set_reaction(install, Reaction::Panic),
            ("deadlocks", Some("abort")) => set_reaction(install, Reaction::Abort),
            ("signal", Some(signal)) => {
                let number = signal_number(signal);
                install.signals.extend(number);
                number.is_some()
            }
            ("panic", None) => {
                install.at_panic = true;
                true
            }
            ("after", Some(seconds)) => {
                let time = seconds
                    .parse()
                    .ok()
                    .and_then(|it| Duration::try_from_secs_f64(it).ok());
                install.after.extend(time);
                time.is_some()
            }
            ("stderr", None) => {
                install.to_stderr = true;
                true
            }
            ("log", None) => {
                install.to_log = true;
                true
            }
            ("file", Some(path)) if !path.is_empty() => {
                install.files.push(path.into());
                true
            }
            _ => false,
        };
        if !is_known {
            complaints.push(format!(
                "\"{}\" is not understood, and skipped",
                word.escape_debug()
            ));
        }
    }
    complaints
}

fn set_reaction(install: &mut Install, reaction: Reaction) -> bool {
    install.finds_deadlocks = true;
    install.reaction = Some(reaction);
    true
}

/// The number of a signal: `QUIT`, `SIGQUIT` or `3`.
fn signal_number(name: &str) -> Option<i32> {
    if let Ok(number) = name.parse() {
        return Some(number).filter(|number| (1..=64).contains(number));
    }
    #[cfg(unix)]
    {
        use signal_hook::consts::*;

        let upper = name.to_ascii_uppercase();
        let known = [
            ("HUP", SIGHUP),
            ("INT", SIGINT),
            ("QUIT", SIGQUIT),
            ("USR1", SIGUSR1),
            ("USR2", SIGUSR2),
            ("TERM", SIGTERM),
            ("CONT", SIGCONT),
            ("WINCH", SIGWINCH),
        ];
        let short = upper.strip_prefix("SIG").unwrap_or(&upper);
        known.iter().find(|it| it.0 == short).map(|it| it.1)
    }
    #[cfg(not(unix))]
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_says_something() {
        let mut install = Install::default();
        let value = "deadlocks=panic, signal=3,panic,after=1.5,stderr,log,file=/tmp/a=b";
        assert_eq!(parse(value, &mut install), Vec::<String>::new());
        assert!(install.finds_deadlocks && install.at_panic);
        assert!(install.to_stderr && install.to_log);
        assert_eq!(install.reaction, Some(Reaction::Panic));
        assert_eq!(install.signals, [3]);
        assert_eq!(install.after, [Duration::from_millis(1500)]);
        assert_eq!(install.files, [std::path::PathBuf::from("/tmp/a=b")]);
    }

    #[test]
    fn what_is_not_understood_is_reported_and_the_rest_counts() {
        let mut install = Install::default();
        let value =
            "deadlock,signal=NOSUCH,after=-1,after=nan,after=x,file=,signal=0,,stderr=1,log";
        let complaints = parse(value, &mut install);
        assert_eq!(complaints.len(), 8, "{complaints:?}");
        assert_eq!(complaints[0], "\"deadlock\" is not understood, and skipped");
        assert!(install.to_log && !install.to_stderr);
        assert!(install.after.is_empty() && install.signals.is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn signals_have_names() {
        for name in ["QUIT", "SIGQUIT", "quit", "3"] {
            assert_eq!(signal_number(name), Some(signal_hook::consts::SIGQUIT));
        }
    }
}
