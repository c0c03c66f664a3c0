//! Calls that may never return: of the program's code, and of the system when it writes.
//!
//! A logger or a hook is the program's code. It may wait for one of the threads that hang, and it
//! may panic. A pipe that nobody reads blocks the thread that writes to it.
//!
//! # Invariants
//!
//! **In a thread of its own.** The program's code is called in a thread that does nothing else. If
//! the watcher called it, this could happen:
//!
//! 1. The logger waits for a lock, whose holder is in a deadlock.
//! 2. The watcher waits for the logger. It finds no other deadlock, and breaks and aborts nothing.
//!
//! If a thread called it that panics, a second panic in it would abort the process, because it
//! comes out of the panic hook, where nothing catches it.
//!
//! **Bounded.** Of each logger, hook and writer so many calls are under way at a time. If none of
//! them returns, the next is refused. Otherwise each report would leave a thread behind.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::ops::Deref;
use std::sync::{Arc, Condvar, Mutex as StdMutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tk_core::__private::RegistrationExt;
use tk_core::__private::fork::{Inherit, Mutex};
use tk_core::Registration;

/// How long others wait for a call at most.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

/// How many calls of one line are under way at most.
const MOST: u32 = 8;

thread_local! {
    /// Whether the thread is one of those that call.
    static IS_CALL: Cell<bool> = const { Cell::new(false) };
}

/// Whether the calling thread makes one of these calls.
pub(crate) fn is_within() -> bool {
    IS_CALL.get()
}

/// Something that is called, one of a few at a time: *Bounded*.
pub(crate) struct Line(Mutex<UnderWay>);

/// The number of calls that have not returned.
struct UnderWay(u32);

impl Inherit for UnderWay {
    /// The child of a fork has none of the threads.
    fn inherit(&mut self) {
        self.0 = 0;
    }

    fn anew() -> UnderWay {
        UnderWay(0)
    }
}

/// Why something is not called.
#[derive(Debug)]
pub(crate) enum Refused {
    /// None of the calls before has returned.
    Busy,
    /// The system starts no thread.
    NoThread(io::Error),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Busy => write!(f, "{MOST} earlier calls of it have not returned"),
            Refused::NoThread(error) => write!(f, "cannot start a thread: {error}"),
        }
    }
}

/// A call that has begun.
#[derive(Clone, Default)]
pub(crate) struct Call(Arc<(StdMutex<bool>, Condvar)>);

impl Call {
    fn end(&self) {
        let (has_returned, changed) = &*self.0;
        *has_returned.lock().unwrap_or_else(PoisonError::into_inner) = true;
        changed.notify_all();
    }

    /// Waits until the call has returned, but no longer than until then.
    pub(crate) fn wait_until(&self, end: Instant) {
        let (has_returned, changed) = &*self.0;
        let has_returned = has_returned.lock().unwrap_or_else(PoisonError::into_inner);
        let left = end.saturating_duration_since(Instant::now());
        let _ = changed.wait_timeout_while(has_returned, left, |has_returned| !*has_returned);
    }
}

impl Line {
    pub(crate) const fn new() -> Line {
        Line(Mutex::constant(UnderWay(0)))
    }
}

/// Calls `f`, which must not panic, in a thread of its own.
pub(crate) fn call(
    line: impl Deref<Target = Line> + Send + 'static,
    f: impl FnOnce() + Send + 'static,
) -> Result<Call, Refused> {
    struct Place<L: Deref<Target = Line>>(L);

    impl<L: Deref<Target = Line>> Drop for Place<L> {
        fn drop(&mut self) {
            let mut under_way = self.0.0.lock();
            // Zero in the child of a fork within `f`.
            under_way.0 = under_way.0.saturating_sub(1);
        }
    }

    let mut under_way = line.0.lock();
    if under_way.0 >= MOST {
        return Err(Refused::Busy);
    }
    under_way.0 += 1;
    drop(under_way);
    let place = Place(line);
    let call = Call::default();
    let end = call.clone();
    let name = "tk-watch-tell";
    let registration = Registration::unlisted(name);
    let body = move || {
        registration.begin();
        IS_CALL.set(true);
        f();
        drop(place);
        end.end();
    };
    let started = thread::Builder::new().name(name.into()).spawn(body);
    started.map(|_| call).map_err(Refused::NoThread)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn calls_that_do_not_return_are_bounded() {
        let line = Arc::new(Line::new());
        let (end, is_over) = mpsc::channel::<()>();
        let is_over = Arc::new(StdMutex::new(is_over));
        let wait = || {
            let is_over = Arc::clone(&is_over);
            call(Arc::clone(&line), move || {
                _ = is_over.lock().unwrap().recv()
            })
        };
        let calls: Vec<_> = (0..MOST).map(|_| wait().unwrap()).collect();
        assert!(matches!(wait(), Err(Refused::Busy)));
        let before = Instant::now();
        calls[0].wait_until(before + Duration::from_millis(20));
        assert!(before.elapsed() >= Duration::from_millis(20));
        drop(end);
        for call in calls {
            call.wait_until(Instant::now() + tk_testing::PATIENCE);
        }
        wait().unwrap();
    }
}
