//! event-listener: its event says only that something has happened. A flag beside it says what.

use std::sync::atomic::{AtomicBool, Ordering::*};
use std::time::{Duration, Instant};

use event_listener::Listener;

use crate::kind::{Event, Signal};

/// A flag, and an event of its changes.
pub struct Flag {
    set: AtomicBool,
    changes: event_listener::Event,
}

super::named!("event-listener": Flag);

impl Flag {
    fn new() -> Flag {
        Flag {
            set: AtomicBool::new(false),
            changes: event_listener::Event::new(),
        }
    }

    /// Waits until `look` returns `true`. Returns `false` if the deadline comes first.
    fn wait_until(&self, look: impl Fn() -> bool, deadline: Option<Instant>) -> bool {
        loop {
            if look() {
                return true;
            }
            // Look once more after the listener exists: the change may have come before it.
            event_listener::listener!(self.changes => change);
            if look() {
                return true;
            }
            match deadline {
                None => change.wait(),
                Some(deadline) if change.wait_deadline(deadline).is_none() => return look(),
                Some(_) => (),
            }
        }
    }
}

impl Event for Flag {
    fn new() -> Self {
        Flag::new()
    }

    #[inline]
    fn set(&self) {
        self.set.store(true, Release);
        self.changes.notify(usize::MAX);
    }

    #[inline]
    fn clear(&self) {
        self.set.store(false, Release);
    }

    #[inline]
    fn is_set(&self) -> bool {
        self.set.load(Acquire)
    }

    #[inline]
    fn wait(&self) {
        if !self.is_set() {
            self.wait_until(|| self.set.load(Acquire), None);
        }
    }

    fn wait_for(&self, timeout: Duration) -> bool {
        self.wait_until(|| self.set.load(Acquire), Some(Instant::now() + timeout))
    }
}

impl Signal for Flag {
    fn new() -> Self {
        Flag::new()
    }

    fn signal(&self) {
        self.set.store(true, Release);
        self.changes.notify(1);
    }

    fn wait(&self) {
        self.wait_until(|| self.set.swap(false, AcqRel), None);
    }
}
