//! Rounds for the event.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use tk_event::Event;

use crate::round::{Limits, Round, Tally};

/// The first thread sets an event, and all others come through. Then it clears that event, and sets
/// the other one.
pub fn laps(round: &Round) -> Tally {
    let events = [Event::new(), Event::new()];
    let arrived = AtomicUsize::new(0);
    let others = round.threads - 1;
    let last_lap = AtomicUsize::new(usize::MAX);
    round.run(
        |worker| {
            let mut lap = 0;
            if worker.number > 0 {
                while lap < last_lap.load(SeqCst) {
                    worker.wait(Limits::None, |limit| events[lap % 2].wait_with(limit));
                    arrived.fetch_add(1, SeqCst);
                    lap += 1;
                }
                return;
            }
            loop {
                worker.work();
                let over = worker.is_expired();
                if over {
                    // The others must know this before the event that begins the last lap is set.
                    last_lap.store(lap + 1, SeqCst);
                }
                events[lap % 2].set();
                // If a thread is lost here, the watchdog ends the program.
                while arrived.load(SeqCst) < others {
                    std::thread::yield_now();
                }
                worker.done();
                if over {
                    return;
                }
                // Nobody waits for this one now: they all wait for the other one, or are on the way
                // there.
                events[lap % 2].clear();
                arrived.store(0, SeqCst);
                lap += 1;
            }
        },
        || {},
    )
}

/// Some threads set and clear the event at random times, the others wait with limits.
pub fn limits(round: &Round) -> Tally {
    let event = Event::new();
    round.run(
        |worker| {
            while !worker.is_expired() {
                if !worker.number.is_multiple_of(4) {
                    worker.wait(Limits::Any, |limit| event.wait_with(limit));
                    continue;
                }
                if worker.random.one_in(2) {
                    event.set()
                } else {
                    event.clear()
                }
                worker.done();
                worker.work();
            }
        },
        || event.set(),
    )
}

/// The first thread sets an event and clears it immediately, when all others sleep there. Each such
/// pulse releases all of them.
pub fn pulses(round: &Round) -> Tally {
    let event = Event::new();
    let others = round.threads - 1;
    let released = AtomicUsize::new(0);
    let pulses = AtomicUsize::new(0);
    let last_lap = AtomicUsize::new(usize::MAX);
    let sleepers = || {
        let waits_here = |record: &tk_core::ThreadRecord| {
            let waiting = record.blocked_on();
            waiting.is_some_and(|waiting| waiting.address() == (&raw const event).addr())
        };
        tk_core::enumerate()
            .iter()
            .filter(|record| waits_here(record))
            .count()
    };
    round.run(
        |worker| {
            let mut lap = 0;
            if worker.number > 0 {
                while lap < last_lap.load(SeqCst) {
                    worker.wait(Limits::None, |limit| event.wait_with(limit));
                    released.fetch_add(1, SeqCst);
                    lap += 1;
                    // Between the set and the clear a second wait would return, too.
                    while pulses.load(SeqCst) < lap {
                        std::thread::yield_now();
                    }
                }
                return;
            }
            loop {
                while sleepers() < others {
                    std::thread::yield_now();
                }
                lap += 1;
                let over = worker.is_expired();
                if over {
                    last_lap.store(lap, SeqCst);
                }
                event.set();
                event.clear();
                pulses.store(lap, SeqCst);
                // If a thread still sleeps, the watchdog ends the program.
                while released.load(SeqCst) < others * lap {
                    std::thread::yield_now();
                }
                worker.done();
                if over {
                    return;
                }
            }
        },
        || {},
    )
}
