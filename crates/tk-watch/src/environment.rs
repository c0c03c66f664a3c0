//! The environment variable `TK_WATCH`.
//!
//! A list of words, separated by commas. A word that is not understood, or that can't be done, is
//! reported to the standard error, and skipped, so that neither a typing error nor a file that
//! can't be written stops the program or disables the other words.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use crate::install::Install;
use crate::output::{Destination, write_to_stderr};
use crate::{InstallError, Reaction, signal};

pub(crate) const VARIABLE: &str = "TK_WATCH";

/// Whether the words of the variable have taken effect.
static IS_DONE: AtomicBool = AtomicBool::new(false);

/// Applies the words of the variable, unless that has been done.
pub(crate) fn start() {
    if IS_DONE.load(Relaxed) {
        return;
    }
    let Some(value) = std::env::var_os(VARIABLE) else {
        return;
    };
    if IS_DONE.swap(true, Relaxed) {
        return;
    }
    let mut said = Install::default();
    for complaint in parse(&value, &mut said) {
        complain(&complaint);
    }
    for path in std::mem::take(&mut said.files) {
        match Destination::file(path.clone()) {
            Ok(_) => said.files.push(path),
            Err((path, error)) => {
                said.to_stderr = true;
                let error = InstallError::File(path, error);
                complain(&format!("{error}; dumps go to the standard error"));
            }
        }
    }
    let signals = std::mem::take(&mut said.signals);
    if let Err(error) = said.start_as_is() {
        complain(&error.to_string());
    }
    for number in signals {
        if let Err(error) = signal::dump_at(number) {
            complain(&error.to_string());
        }
    }
}

pub(crate) fn complain(complaint: &str) {
    let _ = write_to_stderr(&format!("{VARIABLE}: {complaint}\n"));
}

/// The words that are understood, for a message about one that is not.
const WORDS: &str = "deadlocks, deadlocks=panic, deadlocks=abort, deadlocks=off, signal=QUIT, \
                     panic, after=SECONDS, stderr, log, file=PATH";

/// A word of the value.
struct Word {
    text: String,
    /// The part behind the equals sign. A path may have any bytes in it.
    path: PathBuf,
}

#[cfg(unix)]
fn words(value: &OsStr) -> impl Iterator<Item = Word> {
    use std::os::unix::ffi::OsStrExt as _;

    value.as_bytes().split(|byte| *byte == b',').map(|word| {
        let word = word.trim_ascii();
        let path = word.iter().position(|byte| *byte == b'=');
        let path = path.map_or(&[][..], |at| &word[at + 1..]);
        Word {
            text: String::from_utf8_lossy(word).into_owned(),
            path: OsStr::from_bytes(path).into(),
        }
    })
}

#[cfg(not(unix))]
fn words(value: &OsStr) -> impl Iterator<Item = Word> {
    let value = value.to_string_lossy().into_owned();
    let words: Vec<_> = value
        .split(',')
        .map(|word| word.trim().to_owned())
        .collect();
    words.into_iter().map(|text| Word {
        path: text.split_once('=').map_or("", |(_, path)| path).into(),
        text,
    })
}

/// Returns what is wrong with the value. A word that is understood turns the search for deadlocks
/// on, unless a word turns it off.
fn parse(value: impl AsRef<OsStr>, install: &mut Install) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut is_off = false;
    for Word { text: word, path } in words(value.as_ref()).filter(|word| !word.text.is_empty()) {
        let (key, argument) = match word.split_once('=') {
            Some((key, argument)) => (key, Some(argument)),
            None => (&*word, None),
        };
        let is_known = match (key, argument) {
            ("deadlocks", None | Some("report")) => true,
            ("deadlocks", Some("off")) => {
                is_off = true;
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
            ("file", Some(argument)) if !argument.is_empty() => {
                install.files.push(path);
                true
            }
            _ => false,
        };
        install.finds_deadlocks |= is_known;
        if !is_known {
            complaints.push(format!(
                "\"{}\" is not understood, and skipped",
                word.escape_debug()
            ));
        }
    }
    if let Some(last) = complaints.last_mut() {
        last.push_str("; there are: ");
        last.push_str(WORDS);
    }
    install.finds_deadlocks &= !is_off;
    complaints
}

fn set_reaction(install: &mut Install, reaction: Reaction) -> bool {
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
        assert!(complaints[7].contains("deadlocks=panic"), "{complaints:?}");
        assert!(install.to_log && !install.to_stderr);
        assert!(install.after.is_empty() && install.signals.is_empty());
    }

    #[test]
    fn deadlocks_are_found_unless_the_variable_says_no() {
        for (value, finds) in [
            ("signal=3", true),
            ("file=/tmp/dump", true),
            ("signal=3,deadlocks=off", false),
            ("deadlocks=off,stderr", false),
            ("nonsense", false),
            ("", false),
        ] {
            let mut install = Install::default();
            let complaints = parse(value, &mut install);
            assert_eq!(complaints.is_empty(), value != "nonsense");
            assert_eq!(install.finds_deadlocks, finds, "{value}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_path_may_have_any_bytes_in_it() {
        use std::os::unix::ffi::OsStrExt as _;

        let mut install = Install::default();
        let value = OsStr::from_bytes(b"\xff,file=/tmp/\xfe=\xff ,log");
        let complaints = parse(value, &mut install);
        assert_eq!(complaints.len(), 1, "{complaints:?}");
        assert!(install.to_log);
        let path = OsStr::from_bytes(b"/tmp/\xfe=\xff");
        assert_eq!(install.files, [PathBuf::from(path)]);
    }

    #[cfg(unix)]
    #[test]
    fn signals_have_names() {
        for name in ["QUIT", "SIGQUIT", "quit", "3"] {
            assert_eq!(signal_number(name), Some(signal_hook::consts::SIGQUIT));
        }
    }
}
