//! Functions that do what a function should not do, and services at their limits.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use crate::{LONG, never};
use tk_event::Event;
use tk_testing::{OnDrop, until};
use tk_timer::{
    CancelOutcome, Limit, OnPanic, Schedule, StopSource, Timer, TimerHandle, TimerService,
    WaitError,
};

fn panics() {
    std::panic::resume_unwind(Box::new("expected"));
}

/// Says that the service is as good as new.
fn serves(service: &TimerService) {
    let handle = Timer::new(Duration::ZERO, || ()).start_on(service);
    assert_eq!(handle.join_for(LONG), Ok(()));
}

#[test]
fn panics_everywhere_end_no_service() {
    let service = TimerService::new();
    for _ in 0..20 {
        let bomb = OnDrop(panics);
        let both = move || {
            let _bomb = &bomb;
            panics();
        };
        Timer::new(Duration::ZERO, panics).start_on(&service);
        let schedule = Schedule::every(Duration::from_micros(1)).on_panic(OnPanic::Cancel);
        Timer::every(schedule, both)
            .start_on(&service)
            .join()
            .unwrap();
        let bomb = OnDrop(panics);
        let handle = Timer::every(Duration::from_micros(1), move || _ = &bomb).start_on(&service);
        handle.cancel_and_wait();
        let payload = || std::panic::resume_unwind(Box::new(OnDropBomb));
        Timer::new(Duration::ZERO, payload)
            .start_on(&service)
            .join()
            .unwrap();
    }
    serves(&service);
}

/// A payload that panics when it is dropped.
struct OnDropBomb;

impl Drop for OnDropBomb {
    fn drop(&mut self) {
        panics();
    }
}

#[test]
fn functions_that_never_return_stop_nobody() {
    let service = TimerService::new();
    let go_on = Arc::new(Event::new());
    for _ in 0..20 {
        let go_on = go_on.clone();
        Timer::new(Duration::ZERO, move || _ = go_on.wait())
            .daemon(true)
            .start_on(&service);
        serves(&service);
    }
    go_on.set();
}

#[test]
fn a_function_starts_a_thousand_timers_and_waits_for_them() {
    let service = Arc::new(TimerService::new());
    let fired = Arc::new(AtomicUsize::new(0));
    let handle = Timer::new(Duration::ZERO, {
        let (service, fired) = (service.clone(), fired.clone());
        move || {
            let start = |n| {
                let fired = fired.clone();
                let count = move || _ = fired.fetch_add(1, SeqCst);
                Timer::new(Duration::from_micros(n), count).start_on(&service)
            };
            let handles: Vec<_> = (0..1000).map(start).collect();
            handles.iter().for_each(|handle| handle.join().unwrap());
        }
    })
    .start_on(&service);
    handle.join().unwrap();
    assert_eq!(fired.load(SeqCst), 1000);
}

#[test]
fn a_captured_value_may_use_the_service_and_its_own_timer_when_it_is_dropped() {
    let service = Arc::new(TimerService::new());
    let me = Arc::new(Mutex::new(None::<TimerHandle>));
    let (sender, receiver) = mpsc::channel();
    let value = OnDrop({
        let (service, me) = (Arc::downgrade(&service), me.clone());
        move || {
            let me = me.lock().unwrap().take().unwrap();
            let service = service.upgrade().unwrap();
            serves(&service);
            let outcome = (
                me.cancel(),
                me.cancel_and_wait(),
                me.reschedule(Duration::ZERO),
            );
            sender
                .send((outcome.0, outcome.1, service.pending_count()))
                .unwrap();
        }
    });
    // Cancelled: the drop comes when it has ended.
    *me.lock().unwrap() = Some(Timer::new(LONG, move || drop(value)).start_on(&service));
    let handle = me.lock().unwrap().clone().unwrap();
    handle.cancel();
    let finished = CancelOutcome::Finished;
    assert_eq!(receiver.recv(), Ok((finished, finished, 0)));
}

#[test]
fn the_drop_of_a_service_survives_captured_values_that_panic_or_use_it() {
    let service = TimerService::new();
    let other = Arc::new(TimerService::new());
    for _ in 0..10 {
        let bomb = OnDrop(panics);
        Timer::new(LONG, move || drop(bomb)).start_on(&service);
        let starts = OnDrop({
            let other = other.clone();
            move || serves(&other)
        });
        Timer::new(LONG, move || drop(starts)).start_on(&service);
    }
    drop(service);
    serves(&other);
}

#[test]
fn limits_are_kept_in_every_phase() {
    let short = Duration::from_millis(1);
    let (running, go_on) = (Arc::new(Event::new()), Arc::new(Event::new()));
    let dropping = Arc::new(Event::new());
    let value = OnDrop({
        let (dropping, go_on) = (dropping.clone(), go_on.clone());
        move || {
            dropping.set();
            go_on.wait();
        }
    });
    let handle = Timer::every(Duration::from_micros(1), {
        let (running, go_on) = (running.clone(), go_on.clone());
        move || {
            let _ = &value;
            running.set();
            go_on.wait();
            go_on.clear();
        }
    })
    .start();
    // While the function runs; and while what it has captured is dropped.
    for phase in [&running, &dropping] {
        phase.wait();
        let source = StopSource::new();
        source.request_stop();
        let token = source.token();
        assert_eq!(handle.cancel_and_wait_with(short), Err(WaitError::TimedOut));
        assert_eq!(
            handle.cancel_and_wait_with(Instant::now()),
            Err(WaitError::TimedOut)
        );
        assert_eq!(handle.cancel_and_wait_with(&token), Err(WaitError::Stopped));
        assert_eq!(
            handle.cancel_and_wait_with(Limit::after(short)),
            Err(WaitError::TimedOut)
        );
        assert!(handle.join_for(short).is_err() && handle.join_with(&token).is_err());
        assert!(!handle.is_finished());
        go_on.set();
    }
    handle.join().unwrap();
}

#[test]
fn a_bound_is_kept_and_the_others_wait() {
    let service = TimerService::new();
    service.set_max_threads(Some(3));
    let (inside, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let two_are_inside = Arc::new(Event::new());
    let handles: Vec<_> = (0..8)
        .map(|_| {
            let (inside, most) = (inside.clone(), most.clone());
            let two_are_inside = two_are_inside.clone();
            let call = move || {
                let now_inside = inside.fetch_add(1, SeqCst) + 1;
                most.fetch_max(now_inside, SeqCst);
                if now_inside == 2 {
                    two_are_inside.set();
                }
                two_are_inside.wait();
                // In this time a third one would come.
                std::thread::sleep(Duration::from_millis(5));
                inside.fetch_sub(1, SeqCst);
            };
            Timer::new(Duration::ZERO, call).start_on(&service)
        })
        .collect();
    for handle in handles {
        handle.join().unwrap();
    }
    assert_eq!(most.load(SeqCst), 2);
    // Without it, a function that waits for another timer has its own thread.
    service.set_max_threads(None);
    let service = Arc::new(service);
    let nested = {
        let service = service.clone();
        move || serves(&service)
    };
    Timer::new(Duration::ZERO, nested)
        .start_on(&service)
        .join()
        .unwrap();
}

#[test]
fn a_bound_of_one_is_two_and_calls_one_function_at_a_time() {
    let service = TimerService::new();
    service.set_max_threads(Some(0));
    assert_eq!(service.max_threads(), Some(2));
    let inside = Arc::new(AtomicUsize::new(0));
    let handles: Vec<_> = (0..20)
        .map(|_| {
            let inside = inside.clone();
            let call = move || {
                assert_eq!(inside.fetch_add(1, SeqCst), 0);
                std::thread::sleep(Duration::from_millis(1));
                inside.fetch_sub(1, SeqCst);
            };
            Timer::new(Duration::ZERO, call).start_on(&service)
        })
        .collect();
    for handle in handles {
        handle.join().unwrap();
    }
}

#[test]
fn any_time_is_a_time() {
    let service = TimerService::new();
    for after in [
        Duration::MAX,
        Duration::from_secs(u64::MAX),
        Duration::from_nanos(u64::MAX),
        Duration::from_nanos(u64::MAX - 1),
        Duration::from_secs(1 << 34),
    ] {
        let handle = Timer::new(after, never).start_on(&service);
        assert!(handle.reschedule(after).is_moved());
        assert!(handle.join_for(Duration::ZERO).is_err());
        let far = Instant::now().checked_add(after);
        assert!(
            handle
                .reschedule_at(far.unwrap_or_else(|| Instant::now() + LONG))
                .is_moved()
        );
        Timer::every(after, never).start_on(&service);
        serves(&service);
    }
    // As long ago as the clock goes back.
    let mut past = Instant::now();
    for secs in (0..63).rev() {
        past = past
            .checked_sub(Duration::from_secs(1 << secs))
            .unwrap_or(past);
    }
    Timer::at(past, || ()).start_on(&service).join().unwrap();
    let far = Timer::new(LONG, || ()).start_on(&service);
    assert!(far.reschedule_at(past).is_moved());
    far.join().unwrap();
}

/// After this time a function that sleeps is overtaken. On systems other than Linux, any function.
const SHORT: Duration = Duration::from_micros(250);

#[test]
fn short_functions_run_in_the_order_of_their_times() {
    let service = TimerService::new();
    for gap in [0, 1, 20] {
        for round in 0..100 {
            let order = Arc::new(Mutex::new(Vec::new()));
            let at = Instant::now() + Duration::from_micros(100);
            let start = |n: u64| {
                let order = order.clone();
                let note = move || order.lock().unwrap().push((n, Instant::now()));
                Timer::at(at + Duration::from_micros(gap * n), note).start_on(&service)
            };
            let handles: Vec<_> = (0..4).map(start).collect();
            handles.iter().for_each(|handle| handle.join().unwrap());
            let order = order.lock().unwrap();
            let took = order.iter().map(|(_, when)| *when - at).max().unwrap();
            // A function that loses its processor is not short. Then another one may overtake it.
            assert!(
                took >= SHORT || order.is_sorted_by_key(|(n, _)| *n),
                "gap {gap}, round {round}, {order:?}"
            );
            assert_eq!(order.len(), 4);
        }
    }
}

#[test]
fn pending_lists_each_of_many_timers_once_while_others_come_and_go() {
    let service = TimerService::new();
    let kept: Vec<_> = (0..5000)
        .map(|n| Timer::new(LONG + Duration::from_micros(n), never).start_on(&service))
        .collect();
    let over = Event::new();
    std::thread::scope(|s| {
        s.spawn(|| {
            while !over.is_set() {
                let handles = [(); 50].map(|()| Timer::new(LONG * 2, never).start_on(&service));
                handles.iter().for_each(|handle| _ = handle.cancel());
            }
        });
        for _ in 0..20 {
            let pending = service.pending();
            let ours = pending
                .iter()
                .filter(|timer| timer.due() < Some(Instant::now() + LONG + LONG / 2));
            assert_eq!(ours.count(), kept.len());
            assert!(pending.is_sorted_by_key(|timer| timer.due()));
        }
        over.set();
    });
    assert_eq!(service.pending_count(), kept.len());
}

#[test]
fn handles_and_services_may_cross_a_caught_panic() {
    fn check<T: std::panic::UnwindSafe + std::panic::RefUnwindSafe + Send + Sync>() {}
    check::<TimerHandle>();
    check::<TimerService>();
    check::<tk_timer::CancelOnDrop>();
    check::<tk_timer::PendingTimer>();
    let service = TimerService::new();
    let result = std::panic::catch_unwind(|| {
        Timer::new(LONG, never).start_on(&service);
        panics();
    });
    assert!(result.is_err());
    until("it is there", || service.pending_count() == 1);
}
