use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tk_park::{WaitError, WaitInfo, park};

fn main() {
    let word = AtomicU32::new(0);
    let limit = Duration::from_millis(1).into();
    let is_zero = || word.load(Ordering::Relaxed) == 0;
    let parked = park(&word, is_zero, &WaitInfo::new("consumer"), limit);
    assert_eq!(parked, Err(WaitError::TimedOut));
}
