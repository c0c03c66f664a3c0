//! All threads can see what a thread is blocked on.

use std::panic::Location;
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use tk_core::{BlockedOn, ThreadRecord, current};

fn waiting_for(kind: &'static str) -> BlockedOn {
    BlockedOn::new(kind, 0x10, Instant::now(), Location::caller())
}

#[test]
fn others_see_it_from_entering_until_leaving() {
    let (tell, told) = mpsc::channel::<ThreadRecord>();
    let (go_on, wait) = mpsc::channel::<()>();
    let thread = thread::spawn(move || {
        let me = current();
        let holder = Some(me.owner());
        let entered = waiting_for("bus").held_by(holder).enter();
        tell.send(me.clone()).unwrap();
        wait.recv().unwrap();
        drop(entered);
        tell.send(me).unwrap();
        wait.recv().unwrap();
    });
    let record = told.recv().unwrap();
    let seen = record.blocked_on().unwrap();
    assert_eq!((seen.kind(), seen.address()), ("bus", 0x10));
    assert_eq!(seen.holder(), Some(record.owner()));
    assert!(seen.since() <= Instant::now());
    assert!(seen.location().file().ends_with("blocked_on.rs"));
    assert!(format!("{seen:?}").starts_with("bus 0x10 at "));
    go_on.send(()).unwrap();
    assert_eq!(told.recv().unwrap().blocked_on(), None);
    go_on.send(()).unwrap();
    thread.join().unwrap();
}

#[test]
fn it_works_in_a_destructor_after_the_guard() {
    struct AtEnd(mpsc::Sender<bool>);

    impl Drop for AtEnd {
        fn drop(&mut self) {
            let entered = waiting_for("last bus").enter();
            let seen = current()
                .blocked_on()
                .is_some_and(|w| w.kind() == "last bus");
            drop(entered);
            let _ = self.0.send(seen && current().blocked_on().is_none());
        }
    }

    thread_local!(static OLD: std::cell::OnceCell<AtEnd> = const { std::cell::OnceCell::new() });

    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        OLD.with(|old| assert!(old.set(AtEnd(sender)).is_ok()));
        current();
    })
    .join()
    .unwrap();
    assert_eq!(receiver.recv(), Ok(true));
}

#[test]
fn a_wait_inside_another_shows_while_it_lasts() {
    let kind = || current().blocked_on().map(|waiting| waiting.kind());
    thread::spawn(move || {
        waiting_for("outer").during(|| {
            assert_eq!(kind(), Some("outer"));
            let entered = waiting_for("inner").enter();
            assert_eq!(kind(), Some("inner"));
            drop(entered);
            assert_eq!(kind(), Some("outer"));
            waiting_for("inner").during(|| assert_eq!(kind(), Some("inner")));
            assert_eq!(kind(), Some("outer"));
            let panics = || waiting_for("inner").during(|| std::panic::resume_unwind(Box::new(7)));
            assert!(std::panic::catch_unwind(panics).is_err());
            assert_eq!(kind(), Some("outer"));
        });
        assert_eq!(kind(), None);
    })
    .join()
    .unwrap();
}

#[test]
fn a_guard_that_is_forgotten_is_not_seen_after_the_next_wait_nor_after_the_end() {
    let kind = || current().blocked_on().map(|waiting| waiting.kind());
    let record = thread::spawn(move || {
        std::mem::forget(waiting_for("forgotten").enter());
        drop(waiting_for("next").enter());
        assert_eq!(kind(), None);
        waiting_for("outer").during(|| {
            std::mem::forget(waiting_for("forgotten").enter());
            waiting_for("inner").during(|| ());
            assert_eq!(kind(), Some("outer"));
            std::mem::forget(waiting_for("forgotten").enter());
        });
        assert_eq!(kind(), None);
        std::mem::forget(waiting_for("forgotten").enter());
        current()
    })
    .join()
    .unwrap();
    assert_eq!(record.blocked_on(), None);
}
