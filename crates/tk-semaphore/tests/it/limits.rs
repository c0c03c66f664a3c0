//! Each form of each call with limits of all kinds.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tk_park::{Limit, StopSource, StopToken};
use tk_semaphore::{AcquireError, Bounded, CountingSemaphore, Unbounded};

use crate::forms::{Create, How, Refused, What, take};
use tk_testing::start_parked;

const MINUTE: Duration = Duration::from_secs(60);

const WHATS: [What; 4] = [What::One, What::Many(2), What::OneOwned, What::ManyOwned(2)];

/// The blocking forms, with limits that are not reached soon.
fn unreached(idle: &StopToken) -> [How<'_>; 7] {
    [
        How::Forever,
        How::For(Duration::MAX),
        How::For(MINUTE),
        How::With((Instant::now() + MINUTE).into()),
        How::With(Limit::never()),
        How::With(Limit::after(Duration::MAX)),
        How::With(idle.into()),
    ]
}

/// The forms with limits that have been reached, and the error for each.
fn reached(stopped: &StopToken) -> [(How<'_>, AcquireError); 5] {
    let past = Instant::now() - Duration::from_millis(1);
    let timed_out = AcquireError::TimedOut;
    [
        (How::For(Duration::ZERO), timed_out),
        (How::With(Duration::ZERO.into()), timed_out),
        (How::With(past.into()), timed_out),
        (How::With(stopped.into()), AcquireError::Stopped),
        (
            How::With(Limit::after(MINUTE).or_stop(stopped)),
            AcquireError::Stopped,
        ),
    ]
}

fn stopped() -> StopToken {
    let source = StopSource::new();
    source.request_stop();
    source.token()
}

fn refusal(what: What, how: How<'_>, error: AcquireError) -> Refused {
    if how.is_optional(what) {
        Refused::None
    } else {
        Refused::Error(error)
    }
}

fn free_permits_are_taken<B: Create>() {
    let (stopped, idle) = (stopped(), StopSource::new().token());
    for what in WHATS {
        let reached = reached(&stopped).map(|(how, _)| how);
        for how in reached
            .into_iter()
            .chain(unreached(&idle))
            .chain([How::Try])
        {
            let semaphore = B::create(2);
            let held = take(&semaphore, what, how).unwrap();
            assert_eq!(held.count(), what.count(), "{what:?} {how:?}");
            assert_eq!(semaphore.available(), 2 - what.count());
            drop(held);
            assert_eq!(semaphore.available(), 2);
        }
    }
}

#[test]
fn free_permits_are_taken_whatever_the_limit() {
    free_permits_are_taken::<Unbounded>();
    free_permits_are_taken::<Bounded>();
}

fn a_reached_limit_fails<B: Create>() {
    let stopped = stopped();
    for what in WHATS {
        let semaphore = B::create(2);
        let all = take(&semaphore, What::Many(2), How::Try).unwrap();
        for (how, error) in reached(&stopped) {
            let refused = take(&semaphore, what, how).unwrap_err();
            assert_eq!(refused, refusal(what, how, error), "{what:?} {how:?}");
        }
        let refused = take(&semaphore, what, How::Try).unwrap_err();
        assert_eq!(refused, Refused::None);
        drop(all);
        assert_eq!(semaphore.available(), 2);
    }
}

#[test]
fn a_limit_that_has_been_reached_tries_once() {
    a_reached_limit_fails::<Unbounded>();
    a_reached_limit_fails::<Bounded>();
}

fn no_form_ends_early<B: Create>() {
    let time = Duration::from_millis(3);
    let semaphore = B::create(2);
    let _all = take(&semaphore, What::Many(2), How::Try).unwrap();
    for what in WHATS {
        for form in 0..3 {
            let start = Instant::now();
            let how = match form {
                0 => How::For(time),
                1 => How::With((start + time).into()),
                _ => How::With(time.into()),
            };
            let refused = take(&semaphore, what, how).unwrap_err();
            assert_eq!(refused, refusal(what, how, AcquireError::TimedOut));
            assert!(start.elapsed() >= time);
        }
    }
}

#[test]
fn no_form_times_out_before_its_time() {
    no_form_ends_early::<Unbounded>();
    no_form_ends_early::<Bounded>();
}

/// During the wait the record shows the kind, the start and the line of the call. A release ends
/// the wait.
fn each_form_waits<B: Create>() {
    let idle = StopSource::new().token();
    for what in WHATS {
        for how in unreached(&idle) {
            let semaphore = B::create(2);
            take(&semaphore, What::Many(2), How::Try).unwrap().forget();
            let before = Instant::now();
            std::thread::scope(|s| {
                let line = line!() + 2;
                let waiter = start_parked(s, "semaphore", || {
                    let taken = take(&semaphore, what, how);
                    taken.map(|held| (held.count(), tk_core::current().blocked_on().is_none()))
                });
                let waiting = waiter.record.blocked_on().unwrap();
                let place = (waiting.location().file(), waiting.location().line());
                assert_eq!(place, (file!(), line), "{what:?} {how:?}");
                assert_eq!(waiting.kind(), "semaphore");
                assert_eq!(waiting.holder(), None);
                assert!(waiting.since() >= before && waiting.since() <= Instant::now());
                let start = Arc::as_ptr(&semaphore) as usize;
                let object = start..start + size_of::<CountingSemaphore<B>>();
                assert!(object.contains(&waiting.address()));
                semaphore.release(what.count()).unwrap();
                assert_eq!(waiter.join(), Ok((what.count(), true)));
            });
        }
    }
}

#[test]
fn each_form_waits_at_its_callers_line_until_the_release() {
    each_form_waits::<Unbounded>();
    each_form_waits::<Bounded>();
}

fn each_form_is_stopped<B: Create>() {
    for what in WHATS {
        let (semaphore, source) = (B::create(2), StopSource::new());
        let token = source.token();
        take(&semaphore, What::Many(2), How::Try).unwrap().forget();
        std::thread::scope(|s| {
            let waiter = start_parked(s, "semaphore", || {
                let limit = Limit::after(MINUTE).or_stop(&token);
                take(&semaphore, what, How::With(limit)).unwrap_err()
            });
            source.request_stop();
            assert_eq!(waiter.join(), Refused::Error(AcquireError::Stopped));
        });
    }
}

#[test]
fn a_stop_ends_each_form() {
    each_form_is_stopped::<Unbounded>();
    each_form_is_stopped::<Bounded>();
}

/// Neither the limit nor the number of available permits matters: the call does not wait for
/// permits that can't come.
fn too_many_are_refused<B: Create>() {
    let (stopped, idle) = (stopped(), StopSource::new().token());
    let max = B::max(3);
    for wanted in [max + 1, usize::MAX] {
        for what in [What::Many(wanted), What::ManyOwned(wanted)] {
            let semaphore = B::create(3);
            let one = take(&semaphore, What::One, How::Try).unwrap();
            let reached = reached(&stopped).map(|(how, _)| how);
            for how in reached.into_iter().chain(unreached(&idle)) {
                let refused = take(&semaphore, what, how).unwrap_err();
                let error = AcquireError::TooMany { wanted, max };
                assert_eq!(refused, Refused::Error(error), "{what:?} {how:?}");
            }
            let refused = take(&semaphore, what, How::Try).unwrap_err();
            assert_eq!(refused, Refused::None);
            assert_eq!(semaphore.available(), 2);
            drop(one);
            assert_eq!(semaphore.available(), 3);
        }
    }
}

#[test]
fn more_than_there_can_be_is_an_error_and_no_wait() {
    too_many_are_refused::<Unbounded>();
    too_many_are_refused::<Bounded>();
}

#[test]
fn errors_say_why() {
    let texts = [
        (AcquireError::TimedOut, "timed out"),
        (AcquireError::Stopped, "stopped"),
        (
            AcquireError::TooMany { wanted: 1, max: 0 },
            "1 permit wanted of at most 0",
        ),
        (
            AcquireError::TooMany { wanted: 3, max: 2 },
            "3 permits wanted of at most 2",
        ),
    ];
    for (error, text) in texts {
        assert_eq!(error.to_string(), text);
    }
}
