use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tk_park::{WaitError, WaitInfo, park};

fn main() {
    let word = AtomicU32::new(0);
    let limit = Duration::from_millis(1).into();
    let parked = park(&word, || word.load(Ordering::Relaxed) == 0, &WaitInfo::new("consumer"), limit);
    assert_eq!(parked, Err(WaitError::TimedOut));
}
