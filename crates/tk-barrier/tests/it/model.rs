//! Random histories, step by step against a list of the parties that wait and the error that broke
//! the barrier.

use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::Index;
use tk_barrier::{Barrier, BarrierError};
use tk_park::{Limit, StopSource, WaitError};
use tk_testing::{Running, is_parked, start, start_parked};

type Outcome = Result<usize, BarrierError>;

#[derive(Clone, Copy, Debug)]
enum Event {
    Arrival,
    /// A party comes with no time to wait.
    Hasty,
    /// A party comes with a token that has been asked to stop.
    Stopped,
    /// A party that waits is stopped.
    Stop(Index),
    Abort,
    Reset,
    Repair,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        10 => Just(Event::Arrival),
        1 => Just(Event::Hasty),
        1 => Just(Event::Stopped),
        1 => any::<Index>().prop_map(Event::Stop),
        1 => Just(Event::Abort),
        2 => Just(Event::Reset),
        1 => Just(Event::Repair),
    ]
}

/// A party that waits, and the source of the stop that ends its wait.
struct Party<'s> {
    source: StopSource,
    thread: Running<'s, Outcome>,
}

/// The parties that wait, in the order of arrival. If the test fails, the drop stops all of them,
/// so that the threads can be joined.
#[derive(Default)]
struct Waiting<'s>(Vec<Party<'s>>);

impl Waiting<'_> {
    /// Checks that all of them have passed, with their index or with this error. The party whose
    /// limit broke the round gets an error of its own.
    fn all_get(&mut self, error: Option<BarrierError>, own: Option<(usize, BarrierError)>) {
        for (index, party) in self.0.drain(..).enumerate() {
            let expected = match own {
                Some((of, error)) if of == index => Err(error),
                _ => error.map_or(Ok(index), Err),
            };
            assert_eq!(party.thread.join(), expected);
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        for party in &self.0 {
            party.source.request_stop();
        }
    }
}

/// Checks after each event that exactly the right parties have gone on, with the right outcome.
fn goes_by_the_rules(parties: usize, events: &[Event]) {
    let barrier = Barrier::new(parties);
    let stopped = StopSource::new();
    stopped.request_stop();
    let stopped = stopped.token();
    std::thread::scope(|s| {
        let mut waiting = Waiting::default();
        let mut broken = None;
        for event in events {
            // The result of an arrival that does not have to wait.
            let last = waiting.0.len() + 1 == parties;
            let at_once = match broken {
                Some(error) => Some(Err(error)),
                None => last.then_some(Ok(parties - 1)),
            };
            match *event {
                Event::Arrival => {
                    let source = StopSource::new();
                    let (barrier, token) = (&barrier, source.token());
                    let wait = move || barrier.wait_with(&token);
                    match at_once {
                        Some(outcome) => {
                            assert_eq!(start(s, wait).join(), outcome);
                            waiting.all_get(None, None);
                        }
                        None => {
                            let thread = start_parked(s, "barrier", wait);
                            waiting.0.push(Party { source, thread });
                        }
                    }
                }
                Event::Hasty | Event::Stopped => {
                    let (limit, error, sort) = match event {
                        Event::Hasty => {
                            let limit = Limit::after(Duration::ZERO);
                            (limit, BarrierError::TimedOut, WaitError::TimedOut)
                        }
                        _ => {
                            let limit = Limit::from(&stopped);
                            (limit, BarrierError::Stopped, WaitError::Stopped)
                        }
                    };
                    assert_eq!(barrier.wait_with(limit), at_once.unwrap_or(Err(error)));
                    if at_once.is_none() {
                        broken = Some(BarrierError::Broken(sort));
                    }
                    waiting.all_get(broken, None);
                }
                Event::Stop(which) if !waiting.0.is_empty() => {
                    let which = which.index(waiting.0.len());
                    waiting.0[which].source.request_stop();
                    broken = Some(BarrierError::Broken(WaitError::Stopped));
                    waiting.all_get(broken, Some((which, BarrierError::Stopped)));
                }
                Event::Stop(_) => {}
                Event::Abort => {
                    barrier.abort();
                    broken = broken.or(Some(BarrierError::Aborted));
                    waiting.all_get(broken, None);
                }
                Event::Repair => {
                    assert_eq!(barrier.reset_if_broken(), broken.is_some());
                    broken = None;
                }
                Event::Reset => {
                    barrier.reset();
                    broken = None;
                    waiting.all_get(Some(BarrierError::Reset), None);
                }
            }
            for party in &waiting.0 {
                assert!(is_parked(&party.thread.record, "barrier"), "{event:?}");
            }
            assert_eq!(barrier.n_waiting(), waiting.0.len(), "{event:?}");
            assert_eq!(barrier.is_broken(), broken.is_some(), "{event:?}");
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(100)
    })]

    #[test]
    fn what_each_party_gets_goes_by_the_rules(
        parties in 1..5_usize,
        events in prop::collection::vec(event(), 0..40),
    ) {
        goes_by_the_rules(parties, &events);
    }
}
