use std::panic::{AssertUnwindSafe, Location, RefUnwindSafe, UnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::*};
use std::sync::{Arc, Mutex, OnceLock, mpsc};

use static_assertions::assert_impl_all;
use std::time::Duration;
use tk_park::{DropGuard, Limit, StopCallback, StopSource, StopToken, WaitError, WaitInfo, park};
use tk_testing::{message, start, start_parked, until};

assert_impl_all!(StopSource: Send, Sync, Clone, Unpin, UnwindSafe, RefUnwindSafe);
assert_impl_all!(StopToken: Send, Sync, Clone, Unpin, UnwindSafe, RefUnwindSafe);
assert_impl_all!(StopCallback: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
assert_impl_all!(DropGuard: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);

/// A callback that adds to a list.
fn noting(token: &StopToken, list: &Arc<Mutex<Vec<u32>>>, number: u32) -> StopCallback {
    let list = Arc::clone(list);
    token.on_stop(move || list.lock().unwrap().push(number))
}

#[test]
fn only_the_first_request_is_one() {
    let source = StopSource::new();
    let clone = source.clone();
    assert!(!source.stop_requested() && !source.token().stop_requested());
    assert!(source.request_stop());
    assert!(!clone.request_stop());
    assert!(clone.stop_requested() && clone.token().stop_requested());
}

#[test]
fn of_many_requests_one_is_the_first() {
    let source = StopSource::new();
    let first: usize = std::thread::scope(|s| {
        let requests: Vec<_> = (0..8)
            .map(|_| start(s, || usize::from(source.request_stop())))
            .collect();
        requests.into_iter().map(|request| request.join()).sum()
    });
    assert_eq!(first, 1);
}

#[test]
fn a_dropped_source_requests_nothing() {
    let token = StopSource::new().token();
    let callback = token.on_stop(|| panic!("nobody asked"));
    assert!(!token.stop_requested());
    drop(token);
    drop(callback);
}

#[test]
fn callbacks_run_once_in_the_order_of_registration() {
    let source = StopSource::new();
    let list = Arc::new(Mutex::new(Vec::new()));
    let callbacks: Vec<_> = (0..4).map(|n| noting(&source.token(), &list, n)).collect();
    source.request_stop();
    source.request_stop();
    assert_eq!(*list.lock().unwrap(), [0, 1, 2, 3]);
    drop(callbacks);
    assert_eq!(*list.lock().unwrap(), [0, 1, 2, 3]);
}

#[test]
fn a_callback_after_the_request_runs_at_once_in_the_caller() {
    let source = StopSource::new();
    source.request_stop();
    let here = std::thread::current().id();
    let (sender, receiver) = mpsc::channel();
    let callback = source
        .token()
        .on_stop(move || sender.send(std::thread::current().id()).unwrap());
    assert_eq!(receiver.try_recv(), Ok(here));
    drop(callback);
}

#[test]
fn a_callback_dropped_before_the_request_never_runs() {
    let source = StopSource::new();
    let list = Arc::new(Mutex::new(Vec::new()));
    let kept = noting(&source.token(), &list, 1);
    drop(noting(&source.token(), &list, 2));
    // The function has gone with its handle.
    assert_eq!(Arc::strong_count(&list), 2);
    source.request_stop();
    assert_eq!(*list.lock().unwrap(), [1]);
    drop(kept);
}

/// A callback that runs until it is told to end, in a thread that requests the stop.
#[derive(Clone, Default)]
struct Gate {
    entered: Arc<AtomicBool>,
    may_leave: Arc<AtomicBool>,
    left: Arc<AtomicBool>,
}

impl Gate {
    #[track_caller]
    fn register(&self, token: &StopToken) -> StopCallback {
        let gate = self.clone();
        token.on_stop(move || {
            gate.entered.store(true, Release);
            until("the callback may leave", || gate.may_leave.load(Acquire));
            gate.left.store(true, Release);
        })
    }

    fn until_entered(&self) {
        until("the callback runs", || self.entered.load(Acquire));
    }

    fn open(&self) {
        self.may_leave.store(true, Release);
    }

    fn is_left(&self) -> bool {
        self.left.load(Acquire)
    }
}

#[test]
fn dropping_a_callback_waits_while_it_runs() {
    let (source, gate) = (StopSource::new(), Gate::default());
    let callback = gate.register(&source.token());
    std::thread::scope(|s| {
        let request = start(s, || source.request_stop());
        gate.until_entered();
        let dropping = start_parked(s, "stop callback", || {
            drop(callback);
            gate.is_left()
        });
        assert!(!dropping.is_finished());
        gate.open();
        assert!(dropping.join());
        assert!(request.join());
    });
}

#[test]
fn a_wait_for_a_callback_shows_the_line_of_its_registration_and_who_runs_it() {
    let (source, gate) = (StopSource::new(), Gate::default());
    let line = line!() + 1;
    let callback = gate.register(&source.token());
    std::thread::scope(|s| {
        let request = start(s, || source.request_stop());
        gate.until_entered();
        let dropping = start_parked(s, "stop callback", || drop(callback));
        let waiting = dropping.record.blocked_on().unwrap();
        let here = Location::caller().file();
        assert_eq!(
            (waiting.location().file(), waiting.location().line()),
            (here, line)
        );
        assert_eq!(waiting.holder(), Some(request.record.owner()));
        gate.open();
        dropping.join();
        assert!(request.join());
    });
}

#[test]
fn unregistering_does_not_wait() {
    let (source, gate) = (StopSource::new(), Gate::default());
    let running = gate.register(&source.token());
    let later = source
        .token()
        .on_stop(|| panic!("it was unregistered before"));
    std::thread::scope(|s| {
        let request = start(s, || source.request_stop());
        gate.until_entered();
        assert!(!running.unregister());
        assert!(!gate.is_left());
        assert!(later.unregister());
        gate.open();
        assert!(request.join());
    });
    assert!(!source.token().on_stop(|| ()).unregister());
}

#[test]
fn unregistering_drops_the_function_at_once() {
    let source = StopSource::new();
    let witness = Arc::new(());
    let held = Arc::clone(&witness);
    assert!(source.token().on_stop(move || drop(held)).unregister());
    assert_eq!(Arc::strong_count(&witness), 1);
    let held = Arc::clone(&witness);
    let callback = source.token().on_stop(move || drop(held));
    assert_eq!(callback.unregister_with(Limit::never()), Ok(true));
    assert_eq!(Arc::strong_count(&witness), 1);
    source.request_stop();
}

#[test]
fn unregistering_with_a_limit_waits_up_to_it() {
    let (source, gate) = (StopSource::new(), Gate::default());
    let callbacks = [(); 2].map(|()| gate.register(&source.token()));
    let stopped = StopSource::new();
    stopped.request_stop();
    std::thread::scope(|s| {
        let request = start(s, || source.request_stop());
        gate.until_entered();
        let [first, second] = callbacks;
        let limit = Duration::from_millis(1);
        assert_eq!(first.unregister_with(limit), Err(WaitError::TimedOut));
        assert_eq!(second.unregister_with(&stopped.token()), Ok(true));
        gate.open();
        assert!(request.join());
    });

    let (source, gate) = (StopSource::new(), Gate::default());
    let callbacks = [gate.register(&source.token())];
    std::thread::scope(|s| {
        let request = start(s, || source.request_stop());
        gate.until_entered();
        let [callback] = callbacks;
        let waiting = start_parked(s, "stop callback", || {
            (callback.unregister_with(Limit::never()), gate.is_left())
        });
        gate.open();
        assert_eq!(waiting.join(), (Ok(false), true));
        assert!(request.join());
    });
}

#[test]
fn a_callback_dropped_while_an_earlier_one_runs_never_runs_and_does_not_wait() {
    let source = StopSource::new();
    let (entered, second_is_gone) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicBool::new(false)),
    );
    let first = source.token().on_stop({
        let (entered, second_is_gone) = (entered.clone(), second_is_gone.clone());
        move || {
            entered.store(true, Release);
            until("the second is dropped", || second_is_gone.load(Acquire));
        }
    });
    let second = source.token().on_stop(|| panic!("it was dropped before"));
    std::thread::scope(|s| {
        let request = start(s, || source.request_stop());
        until("the first runs", || entered.load(Acquire));
        drop(second);
        second_is_gone.store(true, Release);
        assert!(request.join());
    });
    drop(first);
}

#[test]
fn a_callback_can_drop_itself() {
    let source = StopSource::new();
    let own = Arc::new(Mutex::new(None::<StopCallback>));
    let callback = source.token().on_stop({
        let own = Arc::clone(&own);
        move || drop(own.lock().unwrap().take().unwrap())
    });
    *own.lock().unwrap() = Some(callback);
    assert!(source.request_stop());
    assert!(own.lock().unwrap().is_none());
}

#[test]
fn a_callback_can_drop_a_later_one_which_then_never_runs() {
    let source = StopSource::new();
    let later = Arc::new(Mutex::new(None::<StopCallback>));
    let first = source.token().on_stop({
        let later = Arc::clone(&later);
        move || drop(later.lock().unwrap().take())
    });
    *later.lock().unwrap() = Some(source.token().on_stop(|| panic!("it was dropped before")));
    source.request_stop();
    drop(first);
}

#[test]
fn a_callback_can_request_and_register() {
    let source = StopSource::new();
    let list = Arc::new(Mutex::new(Vec::new()));
    let callback = source.token().on_stop({
        let (source, list) = (source.clone(), Arc::clone(&list));
        move || {
            assert!(!source.request_stop());
            drop(noting(&source.token(), &list, 1));
        }
    });
    source.request_stop();
    assert_eq!(*list.lock().unwrap(), [1]);
    drop(callback);
}

#[test]
fn a_panic_in_a_callback_stops_no_other_and_goes_on() {
    let source = StopSource::new();
    let list = Arc::new(Mutex::new(Vec::new()));
    let token = source.token();
    let callbacks = [
        noting(&token, &list, 1),
        token.on_stop(|| panic!("first")),
        noting(&token, &list, 2),
        token.on_stop(|| panic!("second")),
        noting(&token, &list, 3),
    ];
    let payload = catch_unwind(AssertUnwindSafe(|| source.request_stop())).unwrap_err();
    assert_eq!(message(&*payload), "first");
    assert_eq!(*list.lock().unwrap(), [1, 2, 3]);
    assert!(source.stop_requested());
    drop(callbacks);
}

#[test]
fn a_payload_that_panics_when_dropped_stops_no_other() {
    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("in the payload");
        }
    }

    let source = StopSource::new();
    let list = Arc::new(Mutex::new(Vec::new()));
    let token = source.token();
    let callbacks = [
        token.on_stop(|| panic!("first")),
        token.on_stop(|| std::panic::panic_any(Bomb)),
        noting(&token, &list, 1),
    ];
    let payload = catch_unwind(AssertUnwindSafe(|| source.request_stop())).unwrap_err();
    assert_eq!(message(&*payload), "first");
    assert_eq!(*list.lock().unwrap(), [1]);
    drop(callbacks);
}

#[test]
fn waits_are_woken_before_the_callbacks_run() {
    let word = AtomicU32::new(0);
    let source = StopSource::new();
    let token = source.token();
    let gone = Arc::new(AtomicBool::new(false));
    let callback = source.token().on_stop({
        let gone = Arc::clone(&gone);
        move || until("the sleeper is gone", || gone.load(Acquire))
    });
    std::thread::scope(|s| {
        let sleeper = start_parked(s, "test", || {
            let parked = park(&word, || true, &WaitInfo::new("test"), Limit::from(&token));
            gone.store(true, Release);
            parked
        });
        assert!(source.request_stop());
        assert_eq!(sleeper.join(), Err(WaitError::Stopped));
    });
    drop(callback);
}

#[test]
fn a_child_can_be_dropped_by_the_callback_of_its_parent() {
    let parent = StopSource::new();
    static CHILD: OnceLock<Mutex<Option<StopSource>>> = OnceLock::new();
    let child = CHILD.get_or_init(|| Mutex::new(None));
    let callback = parent.token().on_stop(|| {
        CHILD.get().unwrap().lock().unwrap().take();
    });
    *child.lock().unwrap() = Some(parent.token().child());
    assert!(parent.request_stop());
    drop(callback);
}

#[test]
fn debug_shows_whether_a_stop_was_requested() {
    let source = StopSource::new();
    assert_eq!(
        format!("{:?}", source.token()),
        "StopToken { stop_requested: false }"
    );
    source.request_stop();
    assert_eq!(
        format!("{source:?}"),
        "StopSource { stop_requested: true, child: false }"
    );
    assert!(format!("{:?}", source.token().child()).contains("child: true"));
}
