//! Random histories, compared step by step with a number and a list.

use std::collections::VecDeque;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::Index;
use tk_park::StopSource;
use tk_semaphore::{AcquireError, Bounded, Semaphore, Unbounded};

use crate::forms::{Create, How, Refused, What, take};
use tk_testing::{Running, is_parked, start, until};

/// The permits that the semaphore is created with.
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
    let take = (what, 0..5_usize).prop_map(|(what, form)| Step::Take { what, form });
    let past_the_most = (0..8_usize).prop_map(|n| Semaphore::MAX_PERMITS - n);
    prop_oneof![
        5 => take,
        2 => any::<Index>().prop_map(Step::Drop),
        1 => any::<Index>().prop_map(Step::Forget),
        2 => n.prop_map(Step::Release),
        1 => past_the_most.prop_map(Step::Release),
    ]
}

/// In one thread, nothing changes during a call, so its result follows from the number of permits.
fn agrees<B: Create>(steps: &[Step]) {
    let semaphore = B::create(PERMITS);
    let max = B::max(PERMITS);
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
                    2 => How::With(Duration::ZERO.into()),
                    // Without a limit, if the call does not wait.
                    3 if too_many || n <= available => How::Forever,
                    _ => How::With((&token).into()),
                };
                let refused = if how.is_optional(*what) {
                    Refused::None
                } else if too_many {
                    Refused::Error(AcquireError::TooMany { wanted: n, max })
                } else if matches!(how, How::With(limit) if limit.stop_tokens().next().is_some()) {
                    Refused::Error(AcquireError::Stopped)
                } else {
                    Refused::Error(AcquireError::TimedOut)
                };
                let expected = if n <= available { Ok(n) } else { Err(refused) };
                let taken = take(&semaphore, *what, how);
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

/// A thread in the queue, and the source that can stop it.
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

/// The queue. If the test fails, all threads are stopped, so that they can be joined.
#[derive(Default)]
struct Queue<'s>(VecDeque<Waiter<'s>>);

impl Drop for Queue<'_> {
    fn drop(&mut self) {
        for waiter in &self.0 {
            waiter.source.request_stop();
        }
    }
}

#[derive(Clone, Debug)]
enum Event {
    /// A thread wants this many permits.
    Arrival(usize),
    Release(usize),
    /// A waiting thread is stopped.
    Stop(Index),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..5_usize).prop_map(Event::Arrival),
        3 => (0..4_usize).prop_map(Event::Release),
        2 => any::<Index>().prop_map(Event::Stop),
    ]
}

/// With real threads: after each event, the threads at the head of the queue have got their
/// permits, as far as the permits go, and no other thread has.
fn assigns_in_order(events: &[Event]) {
    let semaphore = Semaphore::new(0);
    std::thread::scope(|s| {
        let mut queue = Queue::default();
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
                    if !queue.0.is_empty() || wanted > available {
                        until("it is queued", || {
                            is_parked(&waiter.thread.record, "semaphore")
                        });
                    }
                    queue.0.push_back(waiter);
                }
                Event::Release(n) => {
                    semaphore.release(*n).unwrap();
                    available += n;
                }
                Event::Stop(which) if !queue.0.is_empty() => {
                    let waiter = queue.0.remove(which.index(queue.0.len())).unwrap();
                    assert!(waiter.source.request_stop());
                    waiter.expect(Err(AcquireError::Stopped));
                }
                Event::Stop(_) => {}
            }
            while queue
                .0
                .front()
                .is_some_and(|first| first.wanted <= available)
            {
                let first = queue.0.pop_front().unwrap();
                available -= first.wanted;
                first.expect(Ok(()));
            }
            for waiter in &queue.0 {
                assert!(is_parked(&waiter.thread.record, "semaphore"), "{event:?}");
            }
            assert_eq!(semaphore.available(), available, "{event:?}");
            assert_eq!(
                semaphore.try_acquire().is_some(),
                available > 0 && queue.0.is_empty()
            );
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(200)
    })]

    #[test]
    fn each_call_agrees_with_a_number(steps in prop::collection::vec(step(), 0..60)) {
        agrees::<Unbounded>(&steps);
        agrees::<Bounded>(&steps);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(60)
    })]

    #[test]
    fn waits_end_in_the_order_of_arrival(events in prop::collection::vec(event(), 0..25)) {
        assigns_in_order(&events);
    }
}
