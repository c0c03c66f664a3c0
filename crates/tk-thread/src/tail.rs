//! The tail of a thread: the time from when it has left the registry until the system has no such
//! thread any more.
//!
//! Nothing announces the end of a tail, because the thread runs none of the kit's code by then. So
//! a thread that waits for it asks the system repeatedly: first it yields, then it sleeps for
//! longer and longer times.

use std::time::{Duration, Instant};

use tk_core::__private::{Program, ThreadRecordExt};
use tk_core::ThreadRecord;
use tk_park::{Limit, WaitError, WaitInfo, Word, park};

/// A handle of the standard library, whose drop detaches the thread.
///
/// In the child of a fork, the handle of a lost thread is leaked. The number in it may be that of a
/// new thread, which would be detached instead.
pub(crate) struct OsHandle<H> {
    /// Present until it is taken out.
    handle: Option<H>,
    process: u32,
}

impl<H> OsHandle<H> {
    pub(crate) fn new(handle: H) -> OsHandle<H> {
        OsHandle {
            handle: Some(handle),
            process: Program::process(),
        }
    }

    /// Returns the handle, if its thread is in this process.
    pub(crate) fn take(mut self) -> Option<H> {
        self.take_out()
    }

    fn take_out(&mut self) -> Option<H> {
        let handle = self.handle.take();
        if self.is_of_parent() {
            std::mem::forget(handle);
            return None;
        }
        handle
    }

    /// Returns whether its thread is in the parent of this process.
    pub(crate) fn is_of_parent(&self) -> bool {
        self.process != Program::process()
    }
}

impl<H> Drop for OsHandle<H> {
    fn drop(&mut self) {
        drop(self.take_out());
    }
}

/// How long a thread that waits for a tail yields before it sleeps.
const SHORT_TAIL: Duration = Duration::from_micros(30);
const FIRST_PAUSE: Duration = Duration::from_micros(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(10);

/// Waits until a thread that has left the registry has exited. The calling thread's record shows
/// that it waits for `word`.
pub(crate) fn wait_until_gone(
    record: &ThreadRecord,
    word: &impl Word,
    wait: &WaitInfo,
    limit: Limit<'_>,
) -> Result<(), WaitError> {
    let begun = Instant::now();
    while !record.is_gone() {
        limit.check()?;
        if begun.elapsed() > SHORT_TAIL {
            return wait_for_long_tail(record, word, wait, limit);
        }
        std::thread::yield_now();
    }
    Ok(())
}

#[cold]
fn wait_for_long_tail(
    record: &ThreadRecord,
    word: &impl Word,
    wait: &WaitInfo,
    limit: Limit<'_>,
) -> Result<(), WaitError> {
    let mut pause = FIRST_PAUSE;
    loop {
        // It is unparked early if another thread has seen the end. Either way it asks again.
        let parked = park(word, || true, wait, limit.or_after(pause));
        if record.is_gone() {
            return Ok(());
        }
        match parked {
            Err(WaitError::Stopped) => return Err(WaitError::Stopped),
            _ => limit.check()?,
        }
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}
