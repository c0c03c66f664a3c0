//! Stop tokens in the child of a fork, whatever other threads of the parent were doing with them.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::*};
use std::sync::{Arc, Mutex};

use tk_park::{Limit, StopSource, StopToken, WaitInfo, park};
use tk_testing::fork;

use crate::cases;

/// Makes and drops children and callbacks, and waits with the token, until it is told to end.
fn churn(token: &StopToken, over: &AtomicBool) {
    let word = AtomicU32::new(0);
    while !over.load(Relaxed) {
        let children = [(); 3].map(|()| token.child());
        let callbacks = children
            .each_ref()
            .map(|child| child.token().on_stop(|| ()));
        let own = token.on_stop(|| ());
        // It enters the lists and leaves them without a sleep.
        let _ = park(&word, || false, &WaitInfo::new("test"), Limit::stop(token));
        drop((children, own, callbacks));
    }
}

/// Uses tokens that were made before the fork, and a tree below them, in all ways.
fn use_all(program: &StopSource, old: &StopSource, called: &AtomicUsize) {
    assert!(!program.stop_requested() && !old.stop_requested());
    let new = StopSource::child_of([&old.token(), &program.token()]);
    let count = Arc::new(AtomicUsize::new(0));
    let callback = new.token().on_stop({
        let count = Arc::clone(&count);
        move || _ = count.fetch_add(1, Relaxed)
    });
    assert!(program.token().on_stop(|| ()).unregister());
    drop(program.token().child());
    assert!(program.request_stop());
    assert!(old.stop_requested() && new.stop_requested());
    assert_eq!((count.load(Relaxed), called.load(Relaxed)), (1, 1));
    drop(callback);
}

cases! {
    tokens_made_before_a_fork_work_in_the_child: || {
        let program = StopSource::new();
        let old = program.token().child();
        let called = Arc::new(AtomicUsize::new(0));
        let callback = old.token().on_stop({
            let called = Arc::clone(&called);
            move || _ = called.fetch_add(1, Relaxed)
        });
        let over = AtomicBool::new(false);
        std::thread::scope(|s| {
            for _ in 0..2 {
                s.spawn(|| churn(&program.token(), &over));
                s.spawn(|| churn(&old.token(), &over));
            }
            for _ in 0..100 {
                fork(|| use_all(&program, &old, &called));
            }
            over.store(true, Relaxed);
        });
        // Here all is as before.
        use_all(&program, &old, &called);
        drop(callback);
    } => |ended| ended.printed(&[]);

    handles_made_before_a_fork_can_be_dropped_in_the_child: || {
        let program = StopSource::new();
        let over = AtomicBool::new(false);
        let handles = Mutex::new(None);
        std::thread::scope(|s| {
            for _ in 0..4 {
                s.spawn(|| churn(&program.token(), &over));
            }
            for _ in 0..100 {
                let child = program.token().child();
                let grandchild = child.token().child();
                let callback = grandchild.token().on_stop(|| ());
                *handles.lock().unwrap() = Some((child, grandchild, callback));
                fork(|| {
                    drop(handles.lock().unwrap().take());
                    assert!(program.request_stop());
                });
            }
            over.store(true, Relaxed);
        });
    } => |ended| ended.printed(&[]);

    a_callback_of_a_lost_thread_is_not_waited_for_in_the_child: || {
        let source = StopSource::new();
        let [entered, over] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
        let callback = source.token().on_stop({
            let (entered, over) = (Arc::clone(&entered), Arc::clone(&over));
            move || {
                entered.store(true, Release);
                while !over.load(Acquire) {
                    std::thread::yield_now();
                }
            }
        });
        std::thread::scope(|s| {
            s.spawn(|| source.request_stop());
            while !entered.load(Acquire) {
                std::thread::yield_now();
            }
            let callback = Mutex::new(Some(callback));
            fork(|| drop(callback.lock().unwrap().take()));
            over.store(true, Release);
        });
    } => |ended| ended.printed(&[]);

    a_callback_that_forks_goes_on_in_both_processes: || {
        let source = StopSource::new();
        let called = Arc::new(AtomicUsize::new(0));
        let token = source.token();
        let count = |called: &Arc<AtomicUsize>| {
            let called = Arc::clone(called);
            move || _ = called.fetch_add(1, Relaxed)
        };
        let before = token.on_stop(count(&called));
        let child = token.child();
        let own = Arc::new(Mutex::new(None));
        let forking = token.on_stop({
            let own = Arc::clone(&own);
            move || {
                let child = Mutex::new(Some(child));
                fork(|| {
                    // The callback that runs, and the handle of a token that the request goes
                    // through.
                    drop(own.lock().unwrap().take());
                    drop(child.lock().unwrap().take());
                    assert!(StopSource::new().request_stop());
                });
            }
        });
        *own.lock().unwrap() = Some(forking);
        let after = token.on_stop(count(&called));
        assert!(source.request_stop());
        assert_eq!(called.load(Relaxed), 2);
        drop((before, after));
    } => |ended| ended.printed(&[]);
}
