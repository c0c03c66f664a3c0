//! A thread that is another one for a while.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use tk_core::__private::{RegistrationExt, ThreadRecordExt, run_as};
use tk_core::{
    Registration, at_thread_exit, current, current_id, current_owner, current_slot, enumerate,
    thread_at,
};

#[test]
fn the_function_runs_as_the_registered_thread_which_ends_with_it() {
    let thread = std::thread::Builder::new().name("outer".into());
    let work = || {
        let (outer, owner, id) = (current(), current_owner(), current_id());
        let inner = run_as(Registration::new("inner", false), || {
            let inner = current();
            assert_eq!(&*inner.name(), "inner");
            assert!(!inner.is_daemon() && inner.is_alive());
            assert_eq!(inner.native_id(), outer.native_id());
            assert!(inner.slot() != outer.slot() && inner.id() != id);
            assert_eq!(current_slot(), inner.slot());
            assert_eq!((current_owner(), current_id()), (inner.owner(), inner.id()));
            assert_ne!(current_owner(), owner);
            assert!(enumerate().contains(&inner));
            assert!(outer.is_suspended() && !inner.is_suspended());
            inner
        });
        assert!(!outer.is_suspended());
        assert!(!inner.is_alive() && !enumerate().contains(&inner));
        assert_eq!(current(), outer);
        assert_eq!(
            (current_slot(), current_owner(), current_id()),
            (outer.slot(), owner, id)
        );
        assert!(outer.is_alive());
    };
    thread.spawn(work).unwrap().join().unwrap();
}

#[test]
fn what_is_to_run_at_the_end_of_the_thread_runs_at_the_end_of_the_function_as_that_thread() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let note = |seen: &Arc<Mutex<Vec<Arc<str>>>>| {
        let seen = Arc::clone(seen);
        assert!(
            at_thread_exit(Box::new(move || seen
                .lock()
                .unwrap()
                .push(current().name())))
            .is_ok()
        );
    };
    let thread = std::thread::Builder::new().name("outer".into());
    let work = {
        let seen = Arc::clone(&seen);
        move || {
            note(&seen);
            run_as(Registration::new("inner", true), || note(&seen));
            note(&seen);
            let names: Vec<_> = seen
                .lock()
                .unwrap()
                .iter()
                .map(ToString::to_string)
                .collect();
            assert_eq!(names, ["outer", "inner"]);
        }
    };
    thread.spawn(work).unwrap().join().unwrap();
    // The outer thread's own end came after that. It ends in a destructor, which the join waits
    // for.
    assert_eq!(seen.lock().unwrap().len(), 3);
}

#[test]
fn a_panic_in_the_function_leaves_the_thread_who_it_was() {
    let work = || {
        let outer = current();
        let panics = || {
            run_as(Registration::new("inner", true), || {
                std::panic::resume_unwind(Box::new(7))
            })
        };
        let result: Result<(), _> = std::panic::catch_unwind(panics);
        assert!(result.is_err());
        assert_eq!(current(), outer);
    };
    std::thread::spawn(work).join().unwrap();
}

#[test]
fn a_thread_without_a_record_has_none_afterwards() {
    let work = || {
        let inner = run_as(Registration::new("inner", true), current);
        assert!(!inner.is_alive());
        assert_ne!(current(), inner);
    };
    std::thread::spawn(work).join().unwrap();
}

#[test]
fn slots_are_used_again() {
    let work = || {
        current();
        let mut slots = HashSet::new();
        for _ in 0..1000 {
            run_as(Registration::new("inner", true), || {
                slots.insert(current_slot());
                assert_eq!(thread_at(current_slot()), Some(current()));
            });
        }
        slots.len()
    };
    // Threads of other tests may take one that has just become free, but not so often.
    assert!(std::thread::spawn(work).join().unwrap() < 500);
}

#[test]
fn a_thread_of_the_kit_itself_is_not_listed() {
    let registration = Registration::unlisted("service");
    let work = move || {
        registration.begin();
        let me = current();
        assert!(me.is_alive() && me.is_daemon() && !enumerate().contains(&me));
        assert_eq!(thread_at(me.slot()), Some(me.clone()));
        let inner = run_as(Registration::new("inner", false), || {
            assert!(enumerate().contains(&current()));
            current()
        });
        assert!(!enumerate().contains(&inner));
        me
    };
    assert!(!std::thread::spawn(work).join().unwrap().is_alive());
    // A thread that was never started leaves the count as it was; one too many would be seen as an
    // overflow.
    drop(Registration::unlisted("never started"));
}
