//! Random histories, step by step against a number and a list.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::sample::Index;
use tk_park::StopSource;
use tk_semaphore::{AcquireError, BoundedSemaphore, Semaphore};

use crate::forms::{Face, How, Refused, What};
use crate::parked::{Running, is_parked, start, until};

/// The permits that there are in the beginning.
const PERMITS: usize = 4;

#[derive(Clone, Debug)]
enum Step {
    Take { what: What, form: usize },
    Drop(Index),
    Forget(Index),
    Release(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let n = prop_oneof![6 => 0..6_usize, 1 => Just(usize::MAX)];
    let what = prop_oneof![
        Just(What::One),
        Just(What::OneOwned),
        n.clone().prop_map(What::Many),
        n.clone().prop_map(What::ManyOwned),
    ];
    let take = (what, 0..6_usize).prop_map(|(what, form)| Step::Take { what, form });
    let past_the_most = (0..8_usize).prop_map(|n| Semaphore::MAX_PERMITS - n);
    prop_oneof![
        5 => take,
        2 => any::<Index>().prop_map(Step::Drop),
        1 => any::<Index>().prop_map(Step::Forget),
        2 => n.prop_map(Step::Release),
        1 => past_the_most.prop_map(Step::Release),
    ]
}

/// One thread: nothing ever changes while a call looks, so each says exactly what the number says.
fn agrees<F: Face>(steps: &[Step]) {
    let semaphore = F::make(PERMITS);
    let max = F::max(PERMITS);
    let mut available = PERMITS;
    let mut held = Vec::new();
    let source = StopSource::new();
    source.request_stop();
    let token = source.token();
    for step in steps {
        match step {
            Step::Take { what, form } => {
                let n = what.count();
                let too_many = what.is_many() && n > max;
                let how = match form {
                    0 => How::Try,
                    1 => How::For(Duration::ZERO),
                    2 => How::Until(Instant::now()),
                    3 => How::With(Duration::ZERO.into()),
                    // For ever, if it does not take so long.
                    4 if too_many || n <= available => How::ForEver,
                    _ => How::With((&token).into()),
                };
                let error = match how {
                    How::Try => None,
                    _ if too_many => Some(AcquireError::TooMany { wanted: n, max }),
                    How::For(_) | How::Until(_) if !what.is_many() => None,
                    How::With(limit) if limit.stop_tokens().next().is_some() => {
                        Some(AcquireError::Stopped)
                    }
                    _ => Some(AcquireError::TimedOut),
                };
                let expected = match n <= available {
                    true => Ok(n),
                    false => Err(error.map_or(Refused::Without, Refused::With)),
                };
                let taken = semaphore.take(*what, how);
                let count = taken.as_ref().map(|held| held.count());
                assert_eq!(count.map_err(|refused| *refused), expected, "{step:?}");
                if let Ok(permits) = taken {
                    available -= n;
                    held.push(permits);
                }
            }
            Step::Drop(which) if !held.is_empty() => {
                let permits = held.swap_remove(which.index(held.len()));
                available = (available + permits.count()).min(max);
                drop(permits);
            }
            Step::Forget(which) if !held.is_empty() => {
                held.swap_remove(which.index(held.len())).forget();
            }
            Step::Drop(_) | Step::Forget(_) => {}
            Step::Release(n) => {
                let fits = available.checked_add(*n).is_some_and(|sum| sum <= max);
                assert_eq!(semaphore.release(*n).is_ok(), fits, "{step:?}");
                if fits {
                    available += n;
                }
            }
        }
        assert_eq!(semaphore.available(), available, "{step:?}");
    }
}

/// A thread that stands in line, and what can send it away.
struct Waiter<'s> {
    wanted: usize,
    source: StopSource,
    thread: Running<'s, Result<(), AcquireError>>,
}

impl Waiter<'_> {
    fn expect(self, outcome: Result<(), AcquireError>) {
        assert_eq!(self.thread.join(), outcome);
    }
}

/// The line. If the test fails nobody is left in it, so that the threads can be joined.
#[derive(Default)]
struct Line<'s>(VecDeque<Waiter<'s>>);

impl Drop for Line<'_> {
    fn drop(&mut self) {
        for waiter in &self.0 {
            waiter.source.request_stop();
        }
    }
}

#[derive(Clone, Debug)]
enum Event {
    /// A thread comes that wants so many.
    Arrival(usize),
    Release(usize),
    /// One who waits is stopped.
    Stop(Index),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..5_usize).prop_map(Event::Arrival),
        3 => (0..4_usize).prop_map(Event::Release),
        2 => any::<Index>().prop_map(Event::Stop),
    ]
}

/// Real threads: after each event, those at the head of the line who can be content are through, and no one else.
fn serves_in_order(events: &[Event]) {
    let semaphore = Semaphore::new(0);
    std::thread::scope(|s| {
        let mut line = Line::default();
        let mut available = 0;
        for event in events {
            match event {
                Event::Arrival(wanted) => {
                    let (wanted, source) = (*wanted, StopSource::new());
                    let (semaphore, token) = (&semaphore, source.token());
                    let thread = start(s, move || {
                        let permit = semaphore.acquire_many_with(wanted, &token)?;
                        permit.forget();
                        Ok(())
                    });
                    let waiter = Waiter {
                        wanted,
                        source,
                        thread,
                    };
                    if wanted == 0 {
                        waiter.expect(Ok(()));
                        continue;
                    }
                    if !line.0.is_empty() || wanted > available {
                        until("it stands in line", || {
                            is_parked(&waiter.thread.record, "semaphore")
                        });
                    }
                    line.0.push_back(waiter);
                }
                Event::Release(n) => {
                    semaphore.release(*n).unwrap();
                    available += n;
                }
                Event::Stop(which) if !line.0.is_empty() => {
                    let waiter = line.0.remove(which.index(line.0.len())).unwrap();
                    assert!(waiter.source.request_stop());
                    waiter.expect(Err(AcquireError::Stopped));
                }
                Event::Stop(_) => {}
            }
            while line
                .0
                .front()
                .is_some_and(|first| first.wanted <= available)
            {
                let first = line.0.pop_front().unwrap();
                available -= first.wanted;
                first.expect(Ok(()));
            }
            for waiter in &line.0 {
                assert!(is_parked(&waiter.thread.record, "semaphore"), "{event:?}");
            }
            assert_eq!(semaphore.available(), available, "{event:?}");
            assert_eq!(
                semaphore.try_acquire().is_some(),
                available > 0 && line.0.is_empty()
            );
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn what_each_call_says_is_what_a_number_says(steps in prop::collection::vec(step(), 0..60)) {
        agrees::<Semaphore>(&steps);
        agrees::<BoundedSemaphore>(&steps);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]

    #[test]
    fn who_waits_is_served_in_the_order_of_arrival(events in prop::collection::vec(event(), 0..25)) {
        serves_in_order(&events);
    }
}
