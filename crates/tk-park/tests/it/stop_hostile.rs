//! User code inside of a request: it panics, comes back, blocks, and drops what it stands on.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::*};
use std::sync::{Arc, Mutex};

use tk_park::{Limit, StopCallback, StopSource, StopToken, WaitError, WaitInfo, park};
use tk_testing::{OnDrop, message, start, start_parked, until};

/// Does all that can be done with a stopped token. It hangs if anything of it is locked.
fn use_all(token: &StopToken, source: &StopSource) {
    assert!(!source.request_stop());
    let called = Arc::new(AtomicBool::new(false));
    let callback = token.on_stop({
        let called = Arc::clone(&called);
        move || called.store(true, Relaxed)
    });
    assert!(called.load(Relaxed));
    drop(callback);
    assert!(token.child().stop_requested());
    assert!(StopSource::child_of([token, token]).stop_requested());
    let word = AtomicU32::new(0);
    let parked = park(&word, || true, &WaitInfo::new("test"), Limit::from(token));
    assert_eq!(parked, Err(WaitError::Stopped));
    _ = format!("{token:?} {source:?}");
}

#[test]
fn nothing_is_locked_while_a_callback_runs() {
    let program = StopSource::new();
    let child = program.token().child();
    let done = Arc::new(AtomicUsize::new(0));
    let callbacks = [program.token(), child.token()].map(|token| {
        let (program, child, done) = (program.clone(), child.clone(), Arc::clone(&done));
        token.on_stop(move || {
            // Here, and in another thread.
            let all = || {
                use_all(&program.token(), &program);
                use_all(&child.token(), &child);
                done.fetch_add(1, Relaxed);
            };
            all();
            std::thread::scope(|s| start(s, all).join());
        })
    });
    assert!(program.request_stop());
    assert_eq!(done.load(Relaxed), 4);
    drop(callbacks);
}

#[test]
fn nothing_is_locked_while_a_function_is_dropped_uncalled() {
    let source = StopSource::new();
    let done = Arc::new(AtomicUsize::new(0));
    for unregister in [false, true] {
        let (own, count) = (source.clone(), Arc::clone(&done));
        let captured = OnDrop(move || {
            let callback = own.token().on_stop(|| ());
            drop(own.token().child());
            assert!(callback.unregister());
            count.fetch_add(1, Relaxed);
        });
        let callback = source.token().on_stop(move || drop(captured));
        if unregister {
            assert!(callback.unregister());
        } else {
            drop(callback);
        }
    }
    assert_eq!(done.load(Relaxed), 2);
    assert!(source.request_stop());
}

#[test]
fn a_function_whose_captures_panic_when_dropped_is_gone_all_the_same() {
    let source = StopSource::new();
    let list = Arc::new(Mutex::new(Vec::new()));
    let mut callbacks = Vec::new();
    for n in 0..3 {
        let captured = OnDrop(|| panic!("in a capture"));
        let doomed = source.token().on_stop(move || drop(captured));
        let list = Arc::clone(&list);
        callbacks.push(source.token().on_stop(move || list.lock().unwrap().push(n)));
        let dropped = catch_unwind(AssertUnwindSafe(|| match n {
            0 => drop(doomed),
            1 => _ = doomed.unregister(),
            _ => std::mem::forget(doomed), // To be called.
        }));
        assert_eq!(dropped.is_err(), n < 2);
    }
    let payload = catch_unwind(AssertUnwindSafe(|| source.request_stop())).unwrap_err();
    assert_eq!(message(&*payload), "in a capture");
    assert_eq!(*list.lock().unwrap(), [0, 1, 2]);
}

#[test]
fn an_immediate_call_may_use_the_token_and_panic() {
    let source = StopSource::new();
    source.request_stop();
    let token = source.token();
    drop(token.on_stop({
        let source = source.clone();
        move || use_all(&source.token(), &source)
    }));
    let call = AssertUnwindSafe(|| token.on_stop(|| panic!("in the function")));
    let payload = catch_unwind(call).err().unwrap();
    assert_eq!(message(&*payload), "in the function");
    use_all(&token, &source);
}

#[test]
fn a_callback_may_request_the_stop_of_what_is_above_and_below() {
    let top = StopSource::new();
    let middle = top.token().child();
    let bottom = middle.token().child();
    let list = Arc::new(Mutex::new(Vec::new()));
    let note = |source: &StopSource, name: &'static str| {
        let list = Arc::clone(&list);
        source
            .token()
            .on_stop(move || list.lock().unwrap().push(name))
    };
    let callback = middle.token().on_stop({
        let (top, bottom) = (top.clone(), bottom.clone());
        move || {
            assert!(!bottom.request_stop()); // It is stopped with its parent.
            assert!(top.request_stop());
        }
    });
    let callbacks = [
        note(&top, "top"),
        note(&middle, "middle"),
        note(&bottom, "bottom"),
    ];
    let sibling = top.token().child();
    assert!(middle.request_stop());
    assert!(top.stop_requested() && sibling.stop_requested());
    assert_eq!(*list.lock().unwrap(), ["top", "middle", "bottom"]);
    drop((callback, callbacks));
}

#[test]
fn a_callback_may_drop_all_that_is_left_of_the_tree() {
    let slot = Arc::new(Mutex::new(None));
    let top = StopSource::new();
    let bottom = top.token().child().token().child();
    let callbacks = [top.token(), bottom.token()].map(|token| {
        let slot = Arc::clone(&slot);
        token.on_stop(move || drop(slot.lock().unwrap().take()))
    });
    let request = top.clone();
    *slot.lock().unwrap() = Some((top, bottom, callbacks));
    assert!(request.request_stop());
    assert!(slot.lock().unwrap().is_none());
}

#[test]
fn a_callback_may_drop_those_before_it_itself_and_those_after_it() {
    let source = StopSource::new();
    let child = source.token().child();
    let all = Arc::new(Mutex::new(Vec::<StopCallback>::new()));
    let called = Arc::new(AtomicUsize::new(0));
    for (n, token) in [source.token(), source.token(), child.token()]
        .into_iter()
        .enumerate()
    {
        let (own, count) = (Arc::clone(&all), Arc::clone(&called));
        let callback = token.on_stop(move || {
            count.fetch_add(1, Relaxed);
            if n == 1 {
                let all = std::mem::take(&mut *own.lock().unwrap());
                drop(all);
            }
        });
        all.lock().unwrap().push(callback);
    }
    assert!(source.request_stop());
    // The last one was dropped before it had its turn.
    assert_eq!(called.load(Relaxed), 2);
}

#[test]
fn what_a_callback_calls_may_drop_it() {
    let (outer, inner) = (StopSource::new(), StopSource::new());
    let slot = Arc::new(Mutex::new(None::<StopCallback>));
    let callback = outer.token().on_stop({
        let inner = inner.clone();
        move || assert!(inner.request_stop())
    });
    *slot.lock().unwrap() = Some(callback);
    let dropping = inner.token().on_stop({
        let slot = Arc::clone(&slot);
        move || drop(slot.lock().unwrap().take())
    });
    assert!(outer.request_stop());
    assert!(slot.lock().unwrap().is_none());
    drop(dropping);
}

#[test]
fn a_callback_that_blocks_keeps_nobody_from_using_the_tree() {
    let program = StopSource::new();
    let child = program.token().child();
    let (entered, done) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicBool::new(false)),
    );
    let callback = program.token().on_stop({
        let (entered, done) = (Arc::clone(&entered), Arc::clone(&done));
        move || {
            entered.store(true, Release);
            until("the others are done", || done.load(Acquire));
        }
    });
    let word = AtomicU32::new(0);
    let token = child.token();
    std::thread::scope(|s| {
        let sleeper = start_parked(s, "test", || {
            park(&word, || true, &WaitInfo::new("test"), Limit::from(&token))
        });
        let request = start(s, || program.request_stop());
        until("the callback runs", || entered.load(Acquire));
        assert_eq!(sleeper.join(), Err(WaitError::Stopped));
        use_all(&program.token(), &program);
        use_all(&child.token(), &child);
        done.store(true, Release);
        assert!(request.join());
    });
    drop(callback);
}

#[test]
fn a_panic_in_a_tree_stops_no_other_callback() {
    let program = StopSource::new();
    let [first, second] = [(); 2].map(|()| program.token().child());
    let called = Arc::new(AtomicUsize::new(0));
    let callbacks = [program.token(), first.token(), second.token()].map(|token| {
        let called = Arc::clone(&called);
        [
            token.on_stop(|| panic!("one of many")),
            token.on_stop(move || _ = called.fetch_add(1, Relaxed)),
        ]
    });
    let payload = catch_unwind(AssertUnwindSafe(|| program.request_stop())).unwrap_err();
    assert_eq!(message(&*payload), "one of many");
    assert_eq!(called.load(Relaxed), 3);
    assert!(!program.request_stop());
    drop(callbacks);
}

#[test]
fn a_drop_guard_requests_the_stop_unless_disarmed() {
    let token = {
        let guard = StopSource::new().drop_guard();
        assert!(!guard.stop_requested());
        guard.token()
    };
    assert!(token.stop_requested());

    let source = StopSource::new().drop_guard().disarm();
    assert!(!source.stop_requested());

    let source = StopSource::new();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _guard = source.clone().drop_guard();
        panic!("with a guard");
    }));
    assert_eq!(message(&*panicked.unwrap_err()), "with a guard");
    assert!(source.stop_requested());
}

#[test]
fn a_callback_that_panics_in_a_drop_guard_does_not_hide_the_panic_that_drops_it() {
    let source = StopSource::new();
    let callback = source.token().on_stop(|| panic!("in the callback"));
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _guard = source.clone().drop_guard();
        panic!("the first");
    }));
    assert_eq!(message(&*panicked.unwrap_err()), "the first");
    drop(callback);

    let source = StopSource::new();
    let callback = source.token().on_stop(|| panic!("in the callback"));
    let guard = source.drop_guard();
    let panicked = catch_unwind(AssertUnwindSafe(|| drop(guard)));
    assert_eq!(message(&*panicked.unwrap_err()), "in the callback");
    drop(callback);
}

#[test]
fn tokens_can_be_used_in_the_last_destructors_of_a_thread() {
    thread_local!(static LATE: Late = const { Late(Mutex::new(None)) });

    struct Late(Mutex<Option<(StopSource, StopCallback)>>);

    impl Drop for Late {
        fn drop(&mut self) {
            let (source, callback) = self.0.lock().unwrap().take().unwrap();
            source.request_stop();
            use_all(&source.token(), &source);
            drop(callback);
        }
    }

    let called = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&called);
    // Not scoped: a scope does not wait for the destructors.
    let thread = std::thread::spawn(move || {
        LATE.with(|late| {
            let source = StopSource::new();
            let callback = source
                .token()
                .on_stop(move || _ = count.fetch_add(1, Relaxed));
            *late.0.lock().unwrap() = Some((source, callback));
        });
    });
    thread.join().unwrap();
    assert_eq!(called.load(Relaxed), 1);
}
