//! Each form of `wait` against limits of every sort.

use std::time::{Duration, Instant};

use tk_barrier::{Barrier, BarrierError};
use tk_park::{Limit, StopSource, StopToken, WaitError};
use tk_testing::start_parked;

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug)]
enum How<'l> {
    ForEver,
    /// With the barrier's own time.
    Own(Duration),
    For(Duration),
    Until(Instant),
    With(Limit<'l>),
}

impl How<'_> {
    fn barrier(self, parties: usize) -> Barrier {
        match self {
            How::Own(timeout) => Barrier::new(parties).timeout(timeout),
            _ => Barrier::new(parties),
        }
    }

    #[track_caller]
    fn wait(self, barrier: &Barrier) -> Result<usize, BarrierError> {
        match self {
            How::ForEver | How::Own(_) => barrier.wait(),
            How::For(timeout) => barrier.wait_for(timeout),
            How::Until(deadline) => barrier.wait_with(deadline),
            How::With(limit) => barrier.wait_with(limit),
        }
    }
}

/// Limits that end no time soon.
fn long(idle: &StopToken) -> [How<'_>; 9] {
    [
        How::ForEver,
        How::Own(MINUTE),
        How::Own(Duration::MAX),
        How::For(MINUTE),
        How::For(Duration::MAX),
        How::Until(Instant::now() + MINUTE),
        How::With(Limit::never()),
        How::With(Duration::MAX.into()),
        How::With(idle.into()),
    ]
}

/// Limits that are over, and the error that says so.
fn over(stopped: &StopToken) -> [(How<'_>, BarrierError); 7] {
    let past = Instant::now() - Duration::from_millis(1);
    [
        (How::Own(Duration::ZERO), BarrierError::TimedOut),
        (How::For(Duration::ZERO), BarrierError::TimedOut),
        (How::Until(past), BarrierError::TimedOut),
        (How::With(Duration::ZERO.into()), BarrierError::TimedOut),
        (How::With(past.into()), BarrierError::TimedOut),
        (How::With(stopped.into()), BarrierError::Stopped),
        (
            How::With(Limit::after(MINUTE).or_stop(stopped)),
            BarrierError::Stopped,
        ),
    ]
}

/// Returns the error of the other parties if one party gets this one.
fn for_others(error: BarrierError) -> BarrierError {
    match error {
        BarrierError::TimedOut => BarrierError::Broken(WaitError::TimedOut),
        BarrierError::Stopped => BarrierError::Broken(WaitError::Stopped),
        other => other,
    }
}

fn stopped() -> StopToken {
    let source = StopSource::new();
    source.request_stop();
    source.token()
}

#[test]
fn the_last_to_arrive_passes_whatever_its_limit() {
    let (stopped, idle) = (stopped(), StopSource::new().token());
    let over = over(&stopped).map(|(how, _)| how);
    for how in over.into_iter().chain(long(&idle)) {
        assert_eq!(how.wait(&how.barrier(1)), Ok(0), "{how:?}");
        let barrier = how.barrier(2);
        std::thread::scope(|s| {
            let first = start_parked(s, "barrier", || barrier.wait_for(MINUTE));
            assert_eq!(how.wait(&barrier), Ok(1), "{how:?}");
            assert_eq!(first.join(), Ok(0));
        });
    }
}

#[test]
fn a_limit_that_is_over_breaks_it_at_once_for_all() {
    let stopped = stopped();
    for (how, error) in over(&stopped) {
        let barrier = how.barrier(3);
        std::thread::scope(|s| {
            let first = start_parked(s, "barrier", || barrier.wait_for(MINUTE));
            assert_eq!(how.wait(&barrier), Err(error), "{how:?}");
            assert_eq!(first.join(), Err(for_others(error)));
        });
        assert!(barrier.is_broken());
        assert_eq!(how.wait(&barrier), Err(for_others(error)));
        barrier.abort();
        assert_eq!(how.wait(&barrier), Err(for_others(error)));
    }
}

#[test]
fn no_form_times_out_before_its_time() {
    let time = Duration::from_millis(3);
    for form in 0..4 {
        let start = Instant::now();
        let how = match form {
            0 => How::Own(time),
            1 => How::For(time),
            2 => How::Until(start + time),
            _ => How::With(time.into()),
        };
        assert_eq!(how.wait(&how.barrier(2)), Err(BarrierError::TimedOut));
        assert!(start.elapsed() >= time);
    }
}

/// While it waits, the record says for what, since when, and at which line; the last arrival ends
/// the wait.
#[test]
fn each_form_waits_at_its_callers_line_until_all_are_there() {
    let idle = StopSource::new().token();
    for how in long(&idle) {
        let barrier = how.barrier(2);
        let before = Instant::now();
        std::thread::scope(|s| {
            let line = line!() + 2;
            let waiter = start_parked(s, "barrier", || {
                let passed = how.wait(&barrier);
                passed.map(|index| (index, tk_core::current().blocked_on().is_none()))
            });
            let waiting = waiter.record.blocked_on().unwrap();
            let place = (waiting.location().file(), waiting.location().line());
            assert_eq!(place, (file!(), line), "{how:?}");
            assert_eq!(waiting.kind(), "barrier");
            assert_eq!(waiting.holder(), None);
            assert!(waiting.since() >= before && waiting.since() <= Instant::now());
            assert_eq!(barrier.wait_for(MINUTE), Ok(1));
            assert_eq!(waiter.join(), Ok((0, true)));
        });
    }
}

#[test]
fn each_waiter_is_shown_with_the_barriers_address() {
    let barrier = Barrier::new(3);
    let address = (&raw const barrier).addr();
    for _ in 0..3 {
        std::thread::scope(|s| {
            let parties = [(); 2].map(|()| start_parked(s, "barrier", || barrier.wait()));
            for party in &parties {
                assert_eq!(party.record.blocked_on().unwrap().address(), address);
            }
            barrier.wait().unwrap();
            assert_eq!(parties.map(|party| party.join()), [Ok(0), Ok(1)]);
        });
    }
}

/// A limit whose conversion uses the barrier that is about to be waited at.
struct Aborts<'a>(&'a Barrier);

impl<'a> From<Aborts<'a>> for Limit<'a> {
    fn from(aborts: Aborts<'a>) -> Limit<'a> {
        assert_eq!(aborts.0.n_waiting(), 0);
        aborts.0.abort();
        Limit::never()
    }
}

#[test]
fn a_limit_is_converted_before_the_party_is_counted() {
    let barrier = Barrier::new(2);
    assert_eq!(
        barrier.wait_with(Aborts(&barrier)),
        Err(BarrierError::Aborted)
    );
}
