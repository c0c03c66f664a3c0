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
//! **Bounded.** Of each logger, hook and writer, at most [`MOST`] calls are under way at a time.
//! Otherwise each report would leave a thread behind if no call returned. A further call is refused
//! ([`call`]), or waits until one of them has returned ([`call_in_turn`]).
//!
//! **None is lost in a burst.** Hooks and writers are called in turn. If many deadlocks are found
//! at a time, that many calls are under way before the first of them has had a processor. A refusal
//! would lose the other reports, although nothing hangs.

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::ops::Deref;
use std::sync::{Arc, Condvar, Mutex as StdMutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tk_core::__private::RegistrationExt;
use tk_core::__private::fork::{Inherit, Mutex};
use tk_core::Registration;

/// The name of the threads that call.
pub(crate) const NAME: &str = "tk-watch-tell";

/// How long others wait for a call at most.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

/// How many calls of one line are under way at most.
const MOST: u32 = 8;
/// How many more wait for their turn at most.
const MOST_WAITING: usize = 1_000;

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

/// What is called, and what says that it has returned.
type Job = (Box<dyn FnOnce() + Send>, Call);

struct UnderWay {
    /// The number of threads whose calls have not returned.
    threads: u32,
    /// What they call next.
    waiting: VecDeque<Job>,
}

impl Inherit for UnderWay {
    /// The child of a fork has none of the threads.
    fn inherit(&mut self) {
        self.threads = 0;
        // Dropping the jobs could run the program's code.
        std::mem::forget(std::mem::take(&mut self.waiting));
    }

    fn anew() -> UnderWay {
        UnderWay::NONE
    }
}

impl UnderWay {
    const NONE: UnderWay = UnderWay {
        threads: 0,
        waiting: VecDeque::new(),
    };
}

/// Why something is not called.
#[derive(Debug)]
pub(crate) enum Refused {
    /// Too many calls before it have not returned.
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
        Line(Mutex::constant(UnderWay::NONE))
    }
}

/// Calls `f`, which must not panic, in a thread of its own.
pub(crate) fn call(
    line: impl Deref<Target = Line> + Send + 'static,
    f: impl FnOnce() + Send + 'static,
) -> Result<Call, Refused> {
    start(line, (Box::new(f), Call::default()), 0)
}

/// Does the same. If too many calls have not returned, `f` is called when one has.
pub(crate) fn call_in_turn(
    line: impl Deref<Target = Line> + Send + 'static,
    f: impl FnOnce() + Send + 'static,
) -> Result<Call, Refused> {
    start(line, (Box::new(f), Call::default()), MOST_WAITING)
}

fn start(
    line: impl Deref<Target = Line> + Send + 'static,
    job: Job,
    most_waiting: usize,
) -> Result<Call, Refused> {
    let call = job.1.clone();
    let mut under_way = line.0.lock();
    if under_way.threads >= MOST {
        if under_way.waiting.len() >= most_waiting {
            return Err(Refused::Busy);
        }
        under_way.waiting.push_back(job);
        return Ok(call);
    }
    under_way.threads += 1;
    drop(under_way);
    let place = Place(Some(line));
    let registration = Registration::unlisted(NAME);
    let body = move || {
        let mut place = place;
        registration.begin();
        IS_CALL.set(true);
        let mut next = Some(job);
        while let Some((f, call)) = next {
            f();
            // The place is free when others learn of the end.
            next = place.next();
            call.end();
        }
    };
    let started = thread::Builder::new().name(NAME.into()).spawn(body);
    started.map(|_| call).map_err(Refused::NoThread)
}

/// A thread among those that call, until there is nothing left to call, or it is dropped.
struct Place<L: Deref<Target = Line>>(Option<L>);

impl<L: Deref<Target = Line>> Place<L> {
    fn next(&mut self) -> Option<Job> {
        let line = self.0.take()?;
        let mut under_way = line.0.lock();
        let next = under_way.waiting.pop_front();
        if next.is_none() {
            // Zero in the child of a fork within the call.
            under_way.threads = under_way.threads.saturating_sub(1);
        }
        drop(under_way);
        if next.is_some() {
            self.0 = Some(line);
        }
        next
    }
}

impl<L: Deref<Target = Line>> Drop for Place<L> {
    fn drop(&mut self) {
        if let Some(line) = &self.0 {
            let mut under_way = line.0.lock();
            under_way.threads = under_way.threads.saturating_sub(1);
        }
    }
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

    #[test]
    fn what_is_called_in_turn_waits_for_an_end_and_is_not_lost() {
        let line = Arc::new(Line::new());
        let (end, is_over) = mpsc::channel::<()>();
        let is_over = Arc::new(StdMutex::new(is_over));
        let (called, calls) = mpsc::channel();
        let many = MOST + 3;
        for number in 0..many {
            let (is_over, called) = (Arc::clone(&is_over), called.clone());
            let call = call_in_turn(Arc::clone(&line), move || {
                _ = is_over.lock().unwrap().recv();
                called.send(number).unwrap();
            });
            call.unwrap();
        }
        assert!(calls.try_recv().is_err());
        drop(end);
        let mut all: Vec<_> = (0..many)
            .map(|_| calls.recv_timeout(tk_testing::PATIENCE).unwrap())
            .collect();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..many));
    }
}
