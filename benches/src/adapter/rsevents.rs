//! rsevents: events that stay set, and events that let one through.

use std::time::Duration;

use rsevents::{AutoResetEvent, Awaitable, EventState, ManualResetEvent};

use crate::kind::{Event, Signal};

/// The one that stays set.
pub struct Manual(ManualResetEvent);

/// The one that lets one through.
pub struct Auto(AutoResetEvent);

super::named!("rsevents": Manual, Auto);

impl Event for Manual {
    fn new() -> Self {
        Manual(ManualResetEvent::new(EventState::Unset))
    }

    #[inline]
    fn set(&self) {
        self.0.set();
    }

    #[inline]
    fn clear(&self) {
        self.0.reset();
    }

    #[inline]
    fn is_set(&self) -> bool {
        self.0.wait0()
    }

    #[inline]
    fn wait(&self) {
        self.0.wait();
    }

    fn wait_for(&self, timeout: Duration) -> bool {
        self.0.wait_for(timeout)
    }
}

impl Signal for Auto {
    fn new() -> Self {
        Auto(AutoResetEvent::new(EventState::Unset))
    }

    fn signal(&self) {
        self.0.set();
    }

    fn wait(&self) {
        self.0.wait();
    }
}
