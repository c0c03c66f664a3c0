//! Sleeping in view of others.

use std::time::Duration;

use tk_park::sync::AtomicBool;
use tk_park::{Limit, WaitError, WaitInfo, park};

/// Sleeps for that long. Nothing ends it before; too long for the clock means for ever.
///
/// As `std::thread::sleep`, but the thread's record says that it sleeps.
///
/// ```
/// use std::time::Duration;
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

/// Sleeps until the limit is reached, and says which limit that was.
///
/// ```
/// use tk_thread::{StopSource, WaitError};
///
/// let source = StopSource::new();
/// source.request_stop();
/// assert_eq!(tk_thread::sleep_with(&source.token()), WaitError::Stopped);
/// ```
#[track_caller]
pub fn sleep_with<'l>(limit: impl Into<Limit<'l>>) -> WaitError {
    let limit = limit.into();
    // No other thread knows this word, so only the limit ends the wait.
    let bed = AtomicBool::new(false);
    loop {
        if let Err(error) = park(&bed, || true, &WaitInfo::new("sleep"), limit) {
            return error;
        }
    }
}
