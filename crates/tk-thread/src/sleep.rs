//! Sleeping, visibly to other threads.

use std::time::Duration;

use tk_park::sync::AtomicBool;
use tk_park::{Limit, WaitError, WaitInfo, park};

/// Blocks for that long. Nothing ends the sleep earlier. A duration too long for the clock means
/// forever.
///
/// As `std::thread::sleep`, except that the thread's record shows that it sleeps.
///
/// ```
/// use std::time::{Duration, Instant};
///
/// let start = Instant::now();
/// tk_thread::sleep(Duration::from_millis(2));
/// assert!(start.elapsed() >= Duration::from_millis(2));
/// ```
#[doc(alias = "time.sleep")]
#[track_caller]
pub fn sleep(duration: Duration) {
    sleep_with(duration);
}

/// Blocks until the limit is reached, and returns which limit it was.
///
/// To sleep until a deadline, pass an [`Instant`](std::time::Instant). To sleep until a stop is
/// requested, pass a stop token. With a limit that is never reached, it blocks forever.
///
/// ```
/// use tk_thread::{StopSource, WaitError};
///
/// let source = StopSource::new();
/// source.request_stop();
/// assert_eq!(tk_thread::sleep_with(&source.token()), WaitError::Stopped);
/// ```
#[doc(alias = "sleep_until")]
#[track_caller]
pub fn sleep_with<'l>(limit: impl Into<Limit<'l>>) -> WaitError {
    let limit = limit.into();
    // No other thread knows this word, so only the limit ends the sleep.
    let bed = AtomicBool::new(false);
    loop {
        if let Err(error) = park(&bed, || true, &WaitInfo::new("sleep"), limit) {
            return error;
        }
    }
}
