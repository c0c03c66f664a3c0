use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::*};
use std::sync::{Arc, Mutex, OnceLock, mpsc};

use static_assertions::assert_impl_all;
use tk_park::{Limit, Parked, StopCallback, StopSource, StopToken, Wait, park};

use crate::parked::{message, start, start_parked, until};

assert_impl_all!(StopSource: Send, Sync, Clone);
assert_impl_all!(StopToken: Send, Sync, Clone);
assert_impl_all!(StopCallback: Send, Sync);

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

#[test]
fn dropping_a_callback_waits_while_it_runs() {
    let source = StopSource::new();
    let (entered, may_leave, left) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicBool::new(false)),
    );
    let callback = source.token().on_stop({
        let (entered, may_leave, left) = (entered.clone(), may_leave.clone(), left.clone());
        move || {
            entered.store(true, Release);
            until("the callback may leave", || may_leave.load(Acquire));
            left.store(true, Release);
        }
    });
    std::thread::scope(|s| {
        let request = start(s, || source.request_stop());
        until("the callback runs", || entered.load(Acquire));
        let dropping = start_parked(s, "stop callback", || {
            drop(callback);
            left.load(Acquire)
        });
        assert!(!dropping.is_finished());
        may_leave.store(true, Release);
        assert!(dropping.join());
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
            let parked = park(&word, || true, &Wait::new("test"), Limit::from(&token));
            gone.store(true, Release);
            parked
        });
        assert!(source.request_stop());
        assert_eq!(sleeper.join(), Parked::Stopped);
    });
    drop(callback);
}

#[test]
fn children_stop_with_their_parent_and_alone() {
    let parent = StopSource::new();
    let (first, second) = (parent.token().child(), parent.token().child());
    let grandchild = second.token().child();
    assert!(first.request_stop());
    assert!(!parent.stop_requested() && !second.stop_requested());
    assert!(parent.request_stop());
    assert!(second.stop_requested() && grandchild.stop_requested());
    assert!(!second.request_stop());
}

#[test]
fn a_child_of_a_stopped_parent_is_stopped() {
    let parent = StopSource::new();
    parent.request_stop();
    let child = parent.token().child();
    assert!(child.stop_requested());
    assert!(child.token().child().stop_requested());
}

#[test]
fn a_parents_stop_wakes_the_waits_of_its_children() {
    let word = AtomicU32::new(0);
    let parent = StopSource::new();
    let child = parent.token().child();
    let token = child.token();
    std::thread::scope(|s| {
        let sleeper = start_parked(s, "test", || {
            park(&word, || true, &Wait::new("test"), Limit::from(&token))
        });
        parent.request_stop();
        assert_eq!(sleeper.join(), Parked::Stopped);
    });
}

#[test]
fn the_token_of_a_child_outlives_the_child_source() {
    let parent = StopSource::new();
    let token = parent.token().child().token();
    parent.request_stop();
    assert!(token.stop_requested());
}

#[test]
fn a_dropped_child_leaves_nothing_at_its_parent() {
    let parent = StopSource::new();
    let witness = Arc::new(());
    let child = parent.token().child();
    let held = Arc::clone(&witness);
    let callback = child.token().on_stop(move || drop(held));
    drop(child);
    drop(callback);
    assert_eq!(Arc::strong_count(&witness), 1);
    parent.request_stop();
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
