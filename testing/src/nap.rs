use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use tk_park::{WaitError, WaitInfo, park};

use crate::OnDrop;

/// Waits for a moment, and always sleeps: a limit that has been reached does not keep `park` from
/// the queue.
#[track_caller]
pub fn nap(word: &AtomicU32) {
    let parked = park(word, || true, &WaitInfo::new("nap"), Duration::ZERO.into());
    assert_eq!(parked, Err(WaitError::TimedOut));
}

/// Calls `f` while two threads take naps.
pub fn while_others_nap(f: impl FnOnce()) {
    let stop = AtomicBool::new(false);
    std::thread::scope(|s| {
        // A panic of `f` ends the threads too.
        let _stop = OnDrop(|| stop.store(true, Relaxed));
        for _ in 0..2 {
            s.spawn(|| {
                let word = AtomicU32::new(0);
                while !stop.load(Relaxed) {
                    nap(&word);
                }
            });
        }
        f();
    });
}
