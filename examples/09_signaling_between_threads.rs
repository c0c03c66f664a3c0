//! An event that one thread sets, and that two wait for: one for as long as it takes, one with a
//! timeout.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use log::{LevelFilter, debug};
use tk_threading::{Builder, Event, logging, sleep};

/// Waits for the event to be set before doing anything.
fn wait_for_event(e: Arc<Event>) {
    debug!("wait_for_event starting");
    let event_is_set = e.wait();
    debug!("event set: {event_is_set}");
}

/// Waits for that long, and does other work if the event is not set by then.
fn wait_for_event_timeout((e, t): (Arc<Event>, Duration)) {
    while !e.is_set() {
        debug!("wait_for_event_timeout starting");
        let event_is_set = e.wait_for(t);
        debug!("event set: {event_is_set}");
        if event_is_set {
            debug!("processing event");
        } else {
            debug!("doing other work");
        }
    }
}

/// Starts both, and sets the event.
pub fn main() -> io::Result<()> {
    logging::basic_config()
        .level(LevelFilter::Debug)
        .format("(%(threadName)-10s) %(message)s")
        .init();

    tk_threading::main(|| {
        // Several threads own the event through an `Arc`, of which each gets a clone. A `static`
        // would need none.
        let e = Arc::new(Event::new());
        Builder::new()
            .name("block")
            .spawn_with(wait_for_event, Arc::clone(&e))?;
        Builder::new().name("nonblock").spawn_with(
            wait_for_event_timeout,
            (Arc::clone(&e), Duration::from_secs(2)),
        )?;

        debug!("Waiting before calling Event.set()");
        sleep(Duration::from_millis(300));
        e.set();
        debug!("Event is set");
        Ok(())
    })
}
