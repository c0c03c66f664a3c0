use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::*};
use std::thread::Scope;
use std::time::{Duration, Instant};

use static_assertions::assert_impl_all;
use tk_lock::{Limit, Once, OnceError, OnceState, RawLock, StopSource, WaitError};
use tk_testing::{Running, message, start, start_parked, until};

use crate::converting::Converting;

assert_impl_all!(Once: Send, Sync, Unpin, Default);
assert_impl_all!(Once: std::panic::UnwindSafe, std::panic::RefUnwindSafe);
assert_impl_all!(OnceError: Send, Sync, std::error::Error, From<WaitError>);

/// A time that does not come.
const MINUTE: Duration = Duration::from_secs(60);

/// A closure that runs until it is told to return.
struct Slow {
    once: Once,
    gate: RawLock,
}

impl Slow {
    fn new() -> Slow {
        let slow = Slow {
            once: Once::new(),
            gate: RawLock::new(),
        };
        slow.gate.acquire();
        slow
    }

    /// Lets the closure return.
    fn end(&self) {
        self.gate.release().unwrap();
    }

    /// Starts the thread that runs the closure. Returns when it runs.
    fn begin<'s>(&'s self, scope: &'s Scope<'s, '_>) -> Running<'s, ()> {
        start_parked(scope, "lock", || {
            self.once.call_once(|| self.gate.acquire());
        })
    }

    /// As `begin`, with a closure that panics instead of returning.
    fn begin_panicking<'s>(&'s self, scope: &'s Scope<'s, '_>) -> Running<'s, bool> {
        start_parked(scope, "lock", || {
            let closure = || {
                self.gate.acquire();
                std::panic::resume_unwind(Box::new("on purpose"));
            };
            catch_unwind(AssertUnwindSafe(|| self.once.call_once(closure))).is_err()
        })
    }
}

fn poison(once: &Once) {
    let panics = || std::panic::resume_unwind(Box::new("on purpose"));
    assert!(catch_unwind(AssertUnwindSafe(|| once.call_once_force(|_| panics()))).is_err());
}

/// The text of a panic of `f`.
fn told(f: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(f)).expect_err("this panics");
    message(&*payload).to_owned()
}

#[test]
fn a_closure_runs_once() {
    let (once, calls) = (Once::new(), Cell::new(0));
    let count = || calls.set(calls.get() + 1);
    once.call_once(count);
    once.call_once(count);
    once.call_once_force(|_| count());
    assert_eq!(once.try_call_once(count), Ok(()));
    assert_eq!(once.try_call_once_force(|_| count()), Ok(()));
    assert!(once.call_once_for(Duration::ZERO, count));
    assert_eq!(once.call_once_with(Duration::ZERO, count), Ok(()));
    assert_eq!(
        once.call_once_force_with(Duration::ZERO, |_| count()),
        Ok(())
    );
    assert_eq!(calls.get(), 1);
}

#[test]
fn every_form_runs_the_closure_of_a_new_one() {
    let calls: [&dyn Fn(&Once) -> bool; 8] = [
        &|once| {
            once.call_once(|| ());
            true
        },
        &|once| once.try_call_once(|| ()).is_ok(),
        &|once| once.call_once_for(Duration::ZERO, || ()),
        &|once| once.call_once_with(Duration::ZERO, || ()).is_ok(),
        &|once| once.call_once_with(Limit::never(), || ()).is_ok(),
        &|once| {
            once.call_once_force(|state| assert_eq!(state, OnceState::New));
            true
        },
        &|once| once.try_call_once_force(|_| ()).is_ok(),
        &|once| once.call_once_force_with(Duration::ZERO, |_| ()).is_ok(),
    ];
    for call in calls {
        let once = Once::new();
        assert!(call(&once));
        assert!(once.is_completed());
    }
}

#[test]
fn a_completed_one_calls_nothing_and_waits_for_nothing() {
    let once = Once::new_completed();
    once.call_once(|| unreachable!());
    once.wait();
    once.wait_force();
    assert!(once.wait_for(Duration::ZERO));
    assert_eq!(once.wait_with(Duration::ZERO), Ok(()));
    assert_eq!(once.wait_force_with(Duration::ZERO), Ok(()));
    assert_eq!(once.state(), OnceState::Done);
}

#[test]
fn debug_says_which_state_it_is() {
    let once = Once::default();
    assert_eq!(format!("{once:?}"), "Once { state: New }");
    once.call_once(|| assert_eq!(format!("{once:?}"), "Once { state: InProgress }"));
    assert_eq!(format!("{once:?}"), "Once { state: Done }");
    let once = Once::new();
    poison(&once);
    assert_eq!(format!("{once:?}"), "Once { state: Poisoned }");
}

#[test]
fn of_many_threads_one_runs_its_closure_and_all_see_what_it_did() {
    for _ in 0..100 {
        let (once, calls) = (Once::new(), AtomicUsize::new(0));
        std::thread::scope(|s| {
            for _ in 0..4 {
                s.spawn(|| {
                    once.call_once(|| _ = calls.fetch_add(1, Relaxed));
                    assert_eq!(calls.load(Relaxed), 1);
                });
            }
        });
    }
}

#[test]
fn calls_and_waits_block_until_the_closure_returns_and_show_the_holder_and_the_line() {
    let slow = Slow::new();
    std::thread::scope(|s| {
        let runner = slow.begin(s);
        let line = line!() + 2;
        let waits: [Running<'_, ()>; 4] = [
            start_parked(s, "once", || slow.once.call_once(|| unreachable!())),
            start_parked(s, "once", || slow.once.call_once_force(|_| unreachable!())),
            start_parked(s, "once", || slow.once.wait()),
            start_parked(s, "once", || slow.once.wait_force()),
        ];
        for (waiter, line) in waits.iter().zip(line..) {
            let blocked = waiter.record.blocked_on().unwrap();
            assert_eq!(blocked.kind(), "once");
            assert_eq!(blocked.holder(), Some(runner.owner()));
            assert_eq!(blocked.location().file(), file!());
            assert_eq!(blocked.location().line(), line);
        }
        assert_eq!(slow.once.state(), OnceState::InProgress);
        slow.end();
        runner.join();
        waits.into_iter().for_each(Running::join);
    });
}

#[test]
fn a_wait_that_begins_before_the_closure_shows_the_thread_that_runs_it_later() {
    let slow = Slow::new();
    std::thread::scope(|s| {
        let waiter = start_parked(s, "once", || slow.once.wait());
        assert_eq!(waiter.record.blocked_on().unwrap().holder(), None);
        let runner = slow.begin(s);
        until("the wait shows the runner", || {
            let blocked = waiter.record.blocked_on();
            blocked.is_some_and(|blocked| blocked.holder() == Some(runner.owner()))
        });
        slow.end();
        waiter.join();
        runner.join();
    });
}

#[test]
fn a_limit_ends_the_wait_and_not_the_closure() {
    let (slow, source) = (Slow::new(), StopSource::new());
    let token = source.token();
    std::thread::scope(|s| {
        let runner = slow.begin(s);
        let once = &slow.once;
        let begun = Instant::now();
        let moment = Duration::from_millis(2);
        assert!(!once.call_once_for(moment, || unreachable!()));
        assert!(!once.wait_for(moment));
        assert!(begun.elapsed() >= 2 * moment);
        assert_eq!(once.call_once_with(moment, || ()), Err(OnceError::TimedOut));
        assert_eq!(once.wait_with(moment), Err(OnceError::TimedOut));
        assert_eq!(once.wait_force_with(moment), Err(OnceError::TimedOut));
        assert_eq!(once.try_call_once(|| ()), Err(OnceError::TimedOut));
        assert_eq!(once.try_call_once_force(|_| ()), Err(OnceError::TimedOut));
        let stopped = start_parked(s, "once", || once.call_once_with(&token, || ()));
        source.request_stop();
        assert_eq!(stopped.join(), Err(OnceError::Stopped));
        assert_eq!(
            once.call_once_force_with(&token, |_| ()),
            Err(OnceError::Stopped)
        );
        assert!(!runner.is_finished());
        slow.end();
        runner.join();
        assert!(once.is_completed());
    });
}

#[test]
fn a_wait_without_a_closure_reaches_its_limit() {
    let once = Once::new();
    assert!(!once.wait_for(Duration::from_millis(1)));
    assert_eq!(once.wait_with(Duration::ZERO), Err(OnceError::TimedOut));
    poison(&once);
    let moment = Duration::from_millis(1);
    assert_eq!(once.wait_force_with(moment), Err(OnceError::TimedOut));
}

#[test]
fn a_recursive_call_names_the_line_of_the_outer_one() {
    type Form<'a> = &'a dyn Fn(&Once) -> Result<(), OnceError>;
    let forms: [Form<'_>; 6] = [
        &|once| once.try_call_once(|| unreachable!()),
        &|once| once.call_once_with(MINUTE, || unreachable!()),
        &|once| once.try_call_once_force(|_| unreachable!()),
        &|once| once.call_once_force_with(Limit::never(), |_| unreachable!()),
        &|once| once.wait_with(MINUTE),
        &|once| once.wait_force_with(Limit::never()),
    ];
    for form in forms {
        let once = Once::new();
        let line = line!() + 1;
        once.call_once(|| match form(&once) {
            Err(OnceError::Recursive(location)) => {
                assert_eq!((location.file(), location.line()), (file!(), line));
            }
            other => panic!("{other:?}"),
        });
        assert!(once.is_completed());
    }
}

#[test]
fn a_recursive_call_without_an_error_panics_with_the_line_of_the_outer_one() {
    let forms: [&dyn Fn(&Once); 6] = [
        &|once| once.call_once(|| unreachable!()),
        &|once| once.call_once_force(|_| unreachable!()),
        &|once| assert!(once.call_once_for(MINUTE, || unreachable!())),
        &|once| once.wait(),
        &|once| assert!(once.wait_for(MINUTE)),
        &|once| once.wait_force(),
    ];
    for form in forms {
        let once = Once::new();
        let line = line!() + 1;
        let text = told(|| once.call_once(|| form(&once)));
        assert!(text.contains(&format!("{}:{line}:", file!())), "{text}");
        // The inner panic has left the outer closure.
        assert_eq!(once.state(), OnceState::Poisoned);
    }
}

#[test]
fn a_recursive_call_through_another_once_is_found() {
    let (a, b) = (Once::new(), Once::new());
    let line = line!() + 1;
    let text = told(|| a.call_once(|| b.call_once(|| a.call_once(|| ()))));
    assert!(text.contains(&format!("{}:{line}:", file!())), "{text}");
    assert_eq!([a.state(), b.state()], [OnceState::Poisoned; 2]);
}

#[test]
fn a_panic_poisons_and_a_forced_call_repairs() {
    let once = Once::new();
    poison(&once);
    assert!(once.state().is_poisoned());
    assert!(!once.is_completed());
    assert_eq!(once.try_call_once(|| ()), Err(OnceError::Poisoned));
    assert_eq!(once.call_once_with(MINUTE, || ()), Err(OnceError::Poisoned));
    assert_eq!(once.wait_with(MINUTE), Err(OnceError::Poisoned));
    let waits: [&dyn Fn(); 4] = [
        &|| once.call_once(|| ()),
        &|| _ = once.call_once_for(MINUTE, || ()),
        &|| once.wait(),
        &|| _ = once.wait_for(MINUTE),
    ];
    for wait in waits {
        assert_eq!(told(wait), "the initialization has panicked before");
    }
    // A forced closure that panics leaves it poisoned.
    poison(&once);
    once.call_once_force(|state| assert!(state.is_poisoned()));
    assert!(once.state().is_completed());
    once.call_once(|| unreachable!());
}

#[test]
fn a_panic_releases_all_that_wait() {
    let slow = Slow::new();
    std::thread::scope(|s| {
        let once = &slow.once;
        let runner = slow.begin_panicking(s);
        let call = start_parked(s, "once", || once.call_once_with(MINUTE, || ()));
        let wait = start_parked(s, "once", || once.wait_with(Limit::never()));
        let patient = start_parked(s, "once", || once.wait_force());
        slow.end();
        assert!(runner.join());
        assert_eq!(call.join(), Err(OnceError::Poisoned));
        assert_eq!(wait.join(), Err(OnceError::Poisoned));
        until("the patient one waits for the next closure", || {
            let blocked = patient.record.blocked_on();
            blocked.is_some_and(|blocked| blocked.holder().is_none())
        });
        once.call_once_force(|state| assert!(state.is_poisoned()));
        patient.join();
    });
}

#[test]
fn of_the_forced_calls_that_wait_one_runs_after_a_panic() {
    let slow = Slow::new();
    let calls = AtomicUsize::new(0);
    std::thread::scope(|s| {
        let runner = slow.begin_panicking(s);
        let forced = [(); 3].map(|()| {
            start_parked(s, "once", || {
                slow.once.call_once_force(|state| {
                    assert!(state.is_poisoned());
                    calls.fetch_add(1, Relaxed);
                });
                assert_eq!(calls.load(Relaxed), 1);
            })
        });
        slow.end();
        assert!(runner.join());
        forced.into_iter().for_each(Running::join);
    });
    assert!(slow.once.is_completed());
}

#[test]
fn a_thread_that_gives_up_leaves_the_others_in_the_queue() {
    let slow = Slow::new();
    std::thread::scope(|s| {
        let runner = slow.begin(s);
        let patient = start_parked(s, "once", || slow.once.wait());
        assert!(!slow.once.wait_for(Duration::from_millis(1)));
        let later = start_parked(s, "once", || slow.once.call_once(|| ()));
        slow.end();
        for running in [runner, patient, later] {
            running.join();
        }
    });
}

#[test]
fn each_of_many_waiters_is_released() {
    let slow = Slow::new();
    std::thread::scope(|s| {
        let runner = slow.begin(s);
        let waiters: Vec<_> = (0..200)
            .map(|_| start_parked(s, "once", || slow.once.wait()))
            .collect();
        slow.end();
        runner.join();
        waiters.into_iter().for_each(Running::join);
    });
}

#[test]
fn a_limit_is_converted_before_anything_is_read() {
    let once = Once::new();
    // The conversion completes it, so the closure of the call itself is not called.
    let limit = Converting(|| {
        once.call_once(|| ());
        Limit::never()
    });
    assert_eq!(once.call_once_with(limit, || unreachable!()), Ok(()));
}

#[test]
fn a_closure_may_do_what_it_likes() {
    // It uses another Once, waits for a thread that asks for the state, and starts to block.
    let (once, other) = (Once::new(), Once::new());
    once.call_once(|| {
        other.call_once(|| ());
        std::thread::scope(|s| {
            let asks = start(s, || (once.state(), once.try_call_once(|| ())));
            assert_eq!(
                asks.join(),
                (OnceState::InProgress, Err(OnceError::TimedOut))
            );
        });
        assert!(once.wait_with(Duration::ZERO).is_err());
    });
    assert!(once.is_completed() && other.is_completed());
}

#[test]
fn a_drop_of_what_the_closure_has_captured_is_part_of_the_run() {
    struct Asks<'a>(&'a Once, &'a Cell<Option<OnceState>>);
    impl Drop for Asks<'_> {
        fn drop(&mut self) {
            self.1.set(Some(self.0.state()));
            assert!(self.0.try_call_once(|| ()).is_err() || self.0.is_completed());
        }
    }
    let (once, seen) = (Once::new(), Cell::new(None));
    let asks = Asks(&once, &seen);
    once.call_once(move || drop(asks));
    assert_eq!(seen.take(), Some(OnceState::InProgress));
    // And of a closure that is not called, it is dropped when nothing is begun.
    let asks = Asks(&once, &seen);
    once.call_once(move || drop(asks));
    assert_eq!(seen.take(), Some(OnceState::Done));
}

#[test]
fn a_thread_that_unwinds_to_its_end_in_a_closure_poisons() {
    let once = Arc::new(Once::new());
    let ends = std::thread::spawn({
        let once = Arc::clone(&once);
        move || once.call_once(|| std::panic::resume_unwind(Box::new("the end of the thread")))
    });
    assert!(ends.join().is_err());
    assert_eq!(once.state(), OnceState::Poisoned);
}

#[test]
fn a_call_in_a_late_destructor_works() {
    struct Late(Arc<Once>);
    impl Drop for Late {
        fn drop(&mut self) {
            self.0.call_once(|| {
                assert!(matches!(
                    self.0.try_call_once(|| ()),
                    Err(OnceError::Recursive(_))
                ));
            });
        }
    }
    thread_local!(static LATE: Cell<Option<Late>> = const { Cell::new(None) });
    let once = Arc::new(Once::new());
    let ends = std::thread::spawn({
        let once = Arc::clone(&once);
        // Older than the thread's registration, so destroyed after it.
        move || LATE.set(Some(Late(once)))
    });
    ends.join().unwrap();
    assert!(once.is_completed());
}

#[test]
fn random_calls_waits_panics_and_limits_keep_the_account() {
    use tk_testing::Random;
    for round in 0..200 {
        let (once, runs, completed) = (Once::new(), AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|s| {
            for thread in 0..4 {
                let (once, runs, completed) = (&once, &runs, &completed);
                s.spawn(move || {
                    let mut random = Random::new(round * 4 + thread + 1);
                    loop {
                        let panics = random.below(2) == 0;
                        let closure = |_| {
                            assert_eq!(runs.fetch_add(1, Relaxed), 0, "one at a time");
                            std::thread::yield_now();
                            runs.fetch_sub(1, Relaxed);
                            if panics {
                                std::panic::resume_unwind(Box::new("on purpose"));
                            }
                            completed.fetch_add(1, Relaxed);
                        };
                        let limit = random.moment();
                        let what = random.below(4);
                        let done = catch_unwind(AssertUnwindSafe(|| match what {
                            0 => once.call_once_force_with(Limit::never(), closure).is_ok(),
                            1 => once.call_once_force_with(limit, closure).is_ok(),
                            2 => once.wait_with(limit).is_ok(),
                            _ => once.wait_force_with(limit).is_ok(),
                        }));
                        if done.unwrap_or(false) {
                            assert_eq!(completed.load(Relaxed), 1);
                            break;
                        }
                    }
                });
            }
        });
        assert!(once.is_completed());
    }
}
