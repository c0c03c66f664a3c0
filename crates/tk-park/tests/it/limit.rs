use std::time::{Duration, Instant};

use static_assertions::assert_impl_all;
use tk_park::{
    AdaptiveSpin, Limit, MAX_STOPS, Pace, Poll, Spin, StopSource, WaitError, deadline_after,
    spin_until,
};
use tk_testing::message;

assert_impl_all!(Limit<'static>: Send, Sync, Copy);
assert_impl_all!(WaitError: Send, Sync, std::error::Error);

#[test]
fn no_limit_is_never_over() {
    let limit = Limit::never();
    assert_eq!(limit.check(), Ok(()));
    assert_eq!(limit.deadline(), None);
    assert_eq!(limit.stop_tokens().count(), 0);
    assert!(!Limit::default().is_expired());
}

#[test]
fn a_limit_of_any_kind_is_one() {
    let source = StopSource::new();
    let token = source.token();
    let second = Duration::from_secs(1);
    assert!(Limit::never().is_unlimited());
    assert!(!Limit::after(second).is_unlimited());
    assert!(!Limit::from(&token).is_unlimited());
    assert!(!Limit::after(second).or_stop(&token).is_unlimited());
}

#[test]
fn an_option_is_a_limit_if_there_is_one() {
    assert!(Limit::from(None::<Duration>).is_unlimited());
    let before = Instant::now();
    let deadline = Limit::from(Some(Duration::from_secs(1))).deadline();
    assert!(deadline >= before.checked_add(Duration::from_secs(1)) && deadline.is_some());
}

#[test]
fn zero_and_the_past_are_over_at_once() {
    assert_eq!(
        Limit::after(Duration::ZERO).check(),
        Err(WaitError::TimedOut)
    );
    assert_eq!(
        Limit::from(Instant::now()).check(),
        Err(WaitError::TimedOut)
    );
}

#[test]
fn a_duration_too_long_for_the_clock_is_no_limit() {
    assert_eq!(deadline_after(Duration::MAX), None);
    assert_eq!(Limit::from(Duration::MAX).deadline(), None);
    assert!(!Limit::from(Duration::MAX).is_expired());
}

#[test]
fn a_duration_counts_from_the_conversion() {
    let before = Instant::now();
    let deadline = Limit::from(Duration::from_secs(60)).deadline().unwrap();
    let after = Instant::now();
    assert!(deadline >= before + Duration::from_secs(60));
    assert!(deadline <= after + Duration::from_secs(60));
}

#[test]
fn a_stop_is_told_apart_from_a_deadline() {
    let source = StopSource::new();
    let token = source.token();
    let limit = Limit::after(Duration::ZERO).or_stop(&token);
    assert_eq!(limit.check(), Err(WaitError::TimedOut));
    source.request_stop();
    assert_eq!(limit.check(), Err(WaitError::Stopped));
    assert_eq!(Limit::from(&token).check(), Err(WaitError::Stopped));
}

#[test]
fn each_token_of_a_limit_counts() {
    for stopped in 0..MAX_STOPS {
        let sources = [(); MAX_STOPS].map(|()| StopSource::new());
        let tokens = sources.each_ref().map(StopSource::token);
        let limit = tokens.iter().fold(Limit::never(), Limit::or_stop);
        let array = Limit::from(tokens.each_ref());
        assert_eq!(limit.stop_tokens().count(), MAX_STOPS);
        assert!(!limit.is_expired() && !array.is_expired());
        sources[stopped].request_stop();
        assert_eq!(limit.check(), Err(WaitError::Stopped));
        assert_eq!(array.check(), Err(WaitError::Stopped));
    }
}

#[test]
fn a_token_too_many_is_refused_and_none_is_lost() {
    let tokens = [(); MAX_STOPS + 1].map(|()| StopSource::new().token());
    let limit = tokens[1..].iter().fold(Limit::never(), Limit::or_stop);
    let panic =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| limit.or_stop(&tokens[0])));
    let payload = panic.unwrap_err();
    assert!(message(&*payload).contains("at most four stop tokens"));
}

#[test]
fn the_earlier_of_two_times_counts() {
    let (now, minute) = (Instant::now(), Duration::from_secs(60));
    let later = now + minute;
    for limit in [
        Limit::until(now).or_until(later),
        Limit::until(later).or_until(now),
        Limit::never().or_until(now),
        Limit::until(now).or_after(minute),
        Limit::until(now).or_after(Duration::MAX),
    ] {
        assert_eq!(limit.deadline(), Some(now));
    }
    assert!(Limit::never().or_after(Duration::MAX).is_unlimited());
    let token = StopSource::new().token();
    assert_eq!(Limit::stop(&token).or_until(now).stop_tokens().count(), 1);
}

#[test]
fn errors_say_what_happened() {
    assert_eq!(WaitError::TimedOut.to_string(), "timed out");
    assert_eq!(WaitError::Stopped.to_string(), "stopped");
}

#[test]
fn spinning_ends_and_stays_ended() {
    let mut spin = Spin::new();
    let start = Instant::now();
    while spin.once() {}
    assert!(start.elapsed() < Duration::from_secs(10));
    assert!(!spin.once());
    assert!(!spin.clone().once());
}

/// How many of `n` spins in a row looked at all, if none ever sees what it waits for.
fn spins_in_vain(history: &AdaptiveSpin, n: usize) -> usize {
    let looked = |_: &usize| {
        let mut looked = false;
        let condition = || {
            looked = true;
            true
        };
        let came = history.spin_while(condition, Limit::never());
        assert!(!came);
        looked
    };
    (0..n).filter(looked).count()
}

#[test]
fn spinning_that_does_not_pay_is_given_up_until_it_does() {
    if std::thread::available_parallelism().unwrap().get() == 1 {
        return; // Nothing spins there.
    }
    let history = AdaptiveSpin::new();
    assert_eq!(spins_in_vain(&history, 16), 16);
    // From now on it is tried now and then, for as long as the counter is wide and longer.
    let tried = spins_in_vain(&history, 640);
    assert!((39..=41).contains(&tried), "{tried} of 640");
    while !history.spin_while(|| false, Limit::never()) {}
    // A spin that the limit cuts short says nothing about the next ones.
    for _ in 0..100 {
        assert!(!history.spin_while(|| true, Limit::after(Duration::ZERO)));
    }
    assert_eq!(spins_in_vain(&history, 4), 4);
    assert_eq!(spins_in_vain(&history, 4), 1);
}

#[test]
fn spinning_goes_on_where_one_in_five_pays() {
    if std::thread::available_parallelism().unwrap().get() == 1 {
        return; // Nothing spins there.
    }
    let history = AdaptiveSpin::new();
    for _ in 0..100 {
        assert_eq!(spins_in_vain(&history, 4), 4);
        assert!(history.spin_while(|| false, Limit::never()));
    }
}

#[test]
fn a_spin_at_either_pace_ends_with_what_it_waits_for_or_in_vain() {
    if std::thread::available_parallelism().unwrap().get() == 1 {
        return; // Nothing spins there.
    }
    let looks = |pace| {
        let mut looks = 0;
        let count = || {
            looks += 1;
            Poll::Again
        };
        assert!(!spin_until(pace, count));
        looks
    };
    let (frequent, rare) = (looks(Pace::Frequent), looks(Pace::Rare));
    // Under an emulator a pause takes most of a microsecond. Then both paces look after each pause,
    // and there is nothing to compare.
    let pauses_are_short = {
        let (mut spin, mut steps) = (Spin::new(), 0);
        while spin.once() {
            steps += 1;
        }
        steps >= 6 // 1, 2, 4, 8, 16 and 32 pauses.
    };
    if pauses_are_short {
        assert!((4..=5).contains(&rare), "{rare} of a microsecond each");
        assert!(
            frequent > rare,
            "{frequent} frequent ones, {rare} rare ones"
        );
    }
    for pace in [Pace::Frequent, Pace::Rare] {
        let third = |result| {
            let mut looks = 0;
            move || {
                looks += 1;
                if looks < 3 { Poll::Again } else { result }
            }
        };
        assert!(spin_until(pace, third(Poll::Ready)));
        assert!(!spin_until(pace, third(Poll::GiveUp)));
    }
}

/// Returns how often a spin looks for a wake-up that does not come.
fn looks_for_a_wake_up(history: &AdaptiveSpin, limit: Limit<'_>) -> usize {
    let mut looks = 0;
    let came = history.spin_while(
        || {
            looks += 1;
            true
        },
        limit,
    );
    assert!(!came);
    looks
}

#[test]
fn who_may_have_to_be_woken_is_looked_out_for_longer_but_not_beyond_the_limit() {
    if std::thread::available_parallelism().unwrap().get() == 1 {
        return; // Nothing spins there.
    }
    let history = AdaptiveSpin::new();
    let brief = looks_for_a_wake_up(&history, Limit::never());
    let long = looks_for_a_wake_up(&history, Limit::never());
    assert!(long > brief, "{brief}, then {long}");
    assert_eq!(
        looks_for_a_wake_up(&history, Limit::after(Duration::ZERO)),
        1
    );
    // A wake-up that comes late is received, but the spin counts as a miss. After some misses, the
    // next spin is a long one again.
    let comes_late = || {
        let mut looks = 0;
        move || {
            looks += 1;
            looks <= brief
        }
    };
    for _ in 0..3 {
        assert_eq!(looks_for_a_wake_up(&history, Limit::never()), brief);
    }
    assert!(history.spin_while(comes_late(), Limit::never()));
    assert_eq!(looks_for_a_wake_up(&history, Limit::never()), brief);
    // After 16 misses it is tried now and then.
    let tried = (7..16).filter(|_| looks_for_a_wake_up(&history, Limit::never()) > 0);
    assert_eq!(tried.count(), 9);
    let mut tried = (16..128).map(|_| looks_for_a_wake_up(&history, Limit::never()));
    assert_eq!(tried.by_ref().filter(|looks| *looks > 0).count(), 7);
    // Then what comes late does count: the next spins look, too.
    assert!(history.spin_while(comes_late(), Limit::never()));
    assert!(looks_for_a_wake_up(&history, Limit::never()) > 0);
}
