//! Each form of each call against limits of every sort.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tk_park::{Limit, StopSource, StopToken};
use tk_semaphore::{AcquireError, BoundedSemaphore, Semaphore};

use crate::forms::{Face, How, Refused, What};
use crate::parked::start_parked;

const MINUTE: Duration = Duration::from_secs(60);

const WHATS: [What; 4] = [What::One, What::Many(2), What::OneOwned, What::ManyOwned(2)];

/// The blocking forms with limits that end no time soon.
fn long(idle: &StopToken) -> [How<'_>; 7] {
    [
        How::ForEver,
        How::For(Duration::MAX),
        How::For(MINUTE),
        How::Until(Instant::now() + MINUTE),
        How::With(Limit::never()),
        How::With(Limit::after(Duration::MAX)),
        How::With(idle.into()),
    ]
}

/// Those with limits that are over, and what ends them.
fn over(stopped: &StopToken) -> [(How<'_>, AcquireError); 6] {
    let past = Instant::now() - Duration::from_millis(1);
    [
        (How::For(Duration::ZERO), AcquireError::TimedOut),
        (How::Until(past), AcquireError::TimedOut),
        (How::With(Duration::ZERO.into()), AcquireError::TimedOut),
        (How::With(past.into()), AcquireError::TimedOut),
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

/// Single permits with a time say only that there is none.
fn refusal(what: What, how: How<'_>, error: AcquireError) -> Refused {
    match how {
        How::For(_) | How::Until(_) if !what.is_many() => Refused::Without,
        _ => Refused::With(error),
    }
}

fn free_permits_are_taken<F: Face>() {
    let (stopped, idle) = (stopped(), StopSource::new().token());
    for what in WHATS {
        let over = over(&stopped).map(|(how, _)| how);
        for how in over.into_iter().chain(long(&idle)).chain([How::Try]) {
            let semaphore = F::make(2);
            let held = semaphore.take(what, how).unwrap();
            assert_eq!(held.count(), what.count(), "{what:?} {how:?}");
            assert_eq!(semaphore.available(), 2 - what.count());
            drop(held);
            assert_eq!(semaphore.available(), 2);
        }
    }
}

#[test]
fn free_permits_are_taken_whatever_the_limit() {
    free_permits_are_taken::<Semaphore>();
    free_permits_are_taken::<BoundedSemaphore>();
}

fn a_limit_that_is_over_fails_at_once<F: Face>() {
    let stopped = stopped();
    for what in WHATS {
        let semaphore = F::make(2);
        let all = semaphore.take(What::Many(2), How::Try).unwrap();
        for (how, error) in over(&stopped) {
            let refused = semaphore.take(what, how).unwrap_err();
            assert_eq!(refused, refusal(what, how, error), "{what:?} {how:?}");
        }
        let refused = semaphore.take(what, How::Try).unwrap_err();
        assert_eq!(refused, Refused::Without);
        drop(all);
        assert_eq!(semaphore.available(), 2);
    }
}

#[test]
fn a_limit_that_is_over_tries_once() {
    a_limit_that_is_over_fails_at_once::<Semaphore>();
    a_limit_that_is_over_fails_at_once::<BoundedSemaphore>();
}

fn no_form_ends_early<F: Face>() {
    let time = Duration::from_millis(3);
    let semaphore = F::make(2);
    let _all = semaphore.take(What::Many(2), How::Try).unwrap();
    for what in WHATS {
        for form in 0..3 {
            let start = Instant::now();
            let how = match form {
                0 => How::For(time),
                1 => How::Until(start + time),
                _ => How::With(time.into()),
            };
            let refused = semaphore.take(what, how).unwrap_err();
            assert_eq!(refused, refusal(what, how, AcquireError::TimedOut));
            assert!(start.elapsed() >= time);
        }
    }
}

#[test]
fn no_form_times_out_before_its_time() {
    no_form_ends_early::<Semaphore>();
    no_form_ends_early::<BoundedSemaphore>();
}

/// While it waits, the record says for what, since when, and at which line; a release ends the wait.
fn each_form_waits<F: Face>() {
    let idle = StopSource::new().token();
    for what in WHATS {
        for how in long(&idle) {
            let semaphore = F::make(2);
            semaphore.take(What::Many(2), How::Try).unwrap().forget();
            let before = Instant::now();
            std::thread::scope(|s| {
                let line = line!() + 2;
                let waiter = start_parked(s, "semaphore", || {
                    let taken = semaphore.take(what, how);
                    taken.map(|held| (held.count(), tk_core::current().blocked_on().is_none()))
                });
                let waiting = waiter.record.blocked_on().unwrap();
                let place = (waiting.location().file(), waiting.location().line());
                assert_eq!(place, (file!(), line), "{what:?} {how:?}");
                assert_eq!(waiting.kind(), "semaphore");
                assert_eq!(waiting.holder(), None);
                assert!(waiting.since() >= before && waiting.since() <= Instant::now());
                let object = Arc::as_ptr(&semaphore) as usize;
                assert!((object..object + size_of::<F>()).contains(&waiting.address()));
                semaphore.release(what.count()).unwrap();
                assert_eq!(waiter.join(), Ok((what.count(), true)));
            });
        }
    }
}

#[test]
fn each_form_waits_at_its_callers_line_until_the_release() {
    each_form_waits::<Semaphore>();
    each_form_waits::<BoundedSemaphore>();
}

fn each_form_is_stopped<F: Face>() {
    for what in WHATS {
        let (semaphore, source) = (F::make(2), StopSource::new());
        let token = source.token();
        semaphore.take(What::Many(2), How::Try).unwrap().forget();
        std::thread::scope(|s| {
            let waiter = start_parked(s, "semaphore", || {
                let limit = Limit::after(MINUTE).or_stop(&token);
                semaphore.take(what, How::With(limit)).unwrap_err()
            });
            source.request_stop();
            assert_eq!(waiter.join(), Refused::With(AcquireError::Stopped));
        });
    }
}

#[test]
fn a_stop_ends_each_form() {
    each_form_is_stopped::<Semaphore>();
    each_form_is_stopped::<BoundedSemaphore>();
}

/// Whatever the limit, and whether anything is free: nobody waits for what can't come.
fn too_many_are_refused<F: Face>() {
    let (stopped, idle) = (stopped(), StopSource::new().token());
    let max = F::max(3);
    for wanted in [max + 1, usize::MAX] {
        for what in [What::Many(wanted), What::ManyOwned(wanted)] {
            let semaphore = F::make(3);
            let one = semaphore.take(What::One, How::Try).unwrap();
            let over = over(&stopped).map(|(how, _)| how);
            for how in over.into_iter().chain(long(&idle)) {
                let refused = semaphore.take(what, how).unwrap_err();
                let error = AcquireError::TooMany { wanted, max };
                assert_eq!(refused, Refused::With(error), "{what:?} {how:?}");
            }
            assert_eq!(
                semaphore.take(what, How::Try).unwrap_err(),
                Refused::Without
            );
            assert_eq!(semaphore.available(), 2);
            drop(one);
            assert_eq!(semaphore.available(), 3);
        }
    }
}

#[test]
fn more_than_there_can_be_is_an_error_and_no_wait() {
    too_many_are_refused::<Semaphore>();
    too_many_are_refused::<BoundedSemaphore>();
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
