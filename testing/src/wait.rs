use std::io::Write;
use std::time::{Duration, Instant};

use tk_core::ThreadRecord;

/// How long a test waits for a state.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `reached` returns true. Aborts the program after [`PATIENCE`].
#[track_caller]
pub fn until(what: &str, mut reached: impl FnMut() -> bool) {
    let start = Instant::now();
    while !reached() {
        if start.elapsed() > PATIENCE {
            let line = std::panic::Location::caller();
            let test = std::thread::current();
            let test = test.name().unwrap_or("?");
            // Not `eprintln`: the test harness captures its output, and an abort loses it.
            let _ = writeln!(
                std::io::stderr(),
                "{test}: never came true at {line}: {what}"
            );
            std::process::abort();
        }
        std::thread::yield_now();
    }
}

/// Waits until the thread is blocked on a thing of this kind.
#[track_caller]
pub fn until_parked(record: &ThreadRecord, kind: &str) {
    until(&format!("{record:?} waits for a {kind}"), || {
        is_parked(record, kind)
    });
}

/// Whether the thread is blocked on a thing of this kind.
pub fn is_parked(record: &ThreadRecord, kind: &str) -> bool {
    record
        .blocked_on()
        .is_some_and(|waiting| waiting.kind() == kind)
}
