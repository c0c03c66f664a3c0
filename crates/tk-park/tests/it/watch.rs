//! Waits as a watcher sees them, and how it ends one.

use std::sync::atomic::{AtomicU32, Ordering::*};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use tk_core::Owner;
use tk_park::__private::{Failed, Held, Holders, Holds, Look, break_wait, look_at, park_held};
use tk_park::{
    Limit, Parked, RequeueOp, StopSource, WaitError, WaitInfo, park, requeue, unpark_one,
};
use tk_testing::start_parked;

/// A word with the number of its holder.
struct Thing(AtomicU32);

impl Holds for Thing {
    fn add_holders(&self, holders: &mut Holders<'_>) {
        if let Some(owner) = Owner::new(self.0.load(Relaxed)) {
            holders.add(owner);
        }
    }
}

fn look(record: &tk_core::ThreadRecord) -> Option<(Look, Vec<Owner>)> {
    let mut owners = Vec::with_capacity(4);
    let look = look_at(record, &mut Holders::new(&mut owners));
    look.map(|look| (look, owners))
}

#[test]
fn a_look_sees_the_holder_of_now_and_the_limit() {
    let (thing, info) = (Thing(AtomicU32::new(7)), WaitInfo::new("thing"));
    let source = StopSource::new();
    let token = source.token();
    let limit = Limit::after(Duration::from_secs(100)).or_stop(&token);
    std::thread::scope(|s| {
        let waits = || park_held(&thing.0, || true, &info, limit, Held::new(&thing));
        let thread = start_parked(s, "thing", waits);
        let (first, holders) = look(&thread.record).unwrap();
        assert_eq!(holders, [Owner::new(7).unwrap()]);
        let seen = first.limit.unwrap();
        assert_eq!((seen.deadline, seen.has_stop), (limit.deadline(), true));
        assert!(!first.is_unlimited() && first.only_holders_can_end_it && !first.is_moved);
        thing.0.store(8, Relaxed);
        let (second, holders) = look(&thread.record).unwrap();
        assert_eq!(holders, [Owner::new(8).unwrap()]);
        assert_eq!(first.number, second.number);
        // Not breakable.
        assert!(!break_wait(&thread.record, first.number, Arc::from("no")));
        source.request_stop();
        let stopped = thread.join();
        assert!(
            matches!(stopped, Err(Failed::Limit(WaitError::Stopped))),
            "{stopped:?}"
        );
    });
}

#[test]
fn a_look_follows_a_waiter_that_is_moved() {
    let (from, to) = (AtomicU32::new(0), Thing(AtomicU32::new(9)));
    let info = WaitInfo::new("thing");
    let held = Held::new(&to).when_moved();
    std::thread::scope(|s| {
        let waits = || park_held(&from, || true, &info, Limit::never(), held);
        let thread = start_parked(s, "thing", waits);
        let (before, holders) = look(&thread.record).unwrap();
        assert!(holders.is_empty() && !before.only_holders_can_end_it);
        let address = &raw const to.0 as usize;
        // SAFETY: the thread takes any token.
        unsafe { requeue(&from, address, |_| Some(RequeueOp::RequeueAll), |_| 0) };
        let (after, holders) = look(&thread.record).unwrap();
        assert_eq!(holders, [Owner::new(9).unwrap()]);
        assert!(after.is_moved && after.only_holders_can_end_it);
        assert_eq!((after.number, after.address), (before.number, address));
        unpark_one(&to.0, |_| 3);
        assert!(matches!(thread.join(), Ok(Parked::Unparked(3))));
    });
}

#[test]
fn a_thread_that_has_been_woken_is_not_seen_waiting() {
    let (word, info) = (AtomicU32::new(0), WaitInfo::new("thing"));
    std::thread::scope(|s| {
        let thread = start_parked(s, "thing", || park(&word, || true, &info, Limit::never()));
        assert!(look(&thread.record).is_some());
        unpark_one(&word, |_| 0);
        // Though its record may say so still.
        assert!(look(&thread.record).is_none());
        thread.join().unwrap();
    });
}

#[test]
fn of_an_unpark_a_stop_and_a_break_exactly_one_ends_the_wait() {
    let mut ends = [0; 3];
    for round in 0..300 {
        let (thing, info) = (Thing(AtomicU32::new(7)), WaitInfo::new("thing"));
        let source = StopSource::new();
        let token = source.token();
        let (held, limit) = (Held::new(&thing).breakable(), Limit::stop(&token));
        std::thread::scope(|s| {
            let waits = || park_held(&thing.0, || true, &info, limit, held);
            let thread = start_parked(s, "thing", waits);
            let number = look(&thread.record).unwrap().0.number;
            // Both at the same moment, and mostly in one order or the other.
            let (start, delay) = (Arc::new(Barrier::new(2)), 50 * (round % 2));
            let meet = Arc::clone(&start);
            let word = &thing.0;
            let unpark = s.spawn(move || {
                start.wait();
                (0..delay).for_each(|_| std::hint::spin_loop());
                unpark_one(word, |_| 5).unparked_threads
            });
            let record = thread.record.clone();
            let breaks = s.spawn(move || {
                meet.wait();
                break_wait(&record, number, Arc::from("broken"))
            });
            if round % 3 == 0 {
                source.request_stop();
            }
            let (unparked, is_broken) = (unpark.join().unwrap(), breaks.join().unwrap());
            // A wait that has ended is not broken.
            assert!(!break_wait(&thread.record, number, Arc::from("late")));
            let end = match thread.join() {
                Ok(Parked::Unparked(5)) => 0,
                Err(Failed::Limit(WaitError::Stopped)) => 1,
                Err(Failed::Deadlock(_)) => 2,
                other => panic!("{other:?}"),
            };
            assert_eq!((unparked == 1, is_broken), (end == 0, end == 2));
            ends[end] += 1;
        });
    }
    println!("unparked, stopped, broken: {ends:?}");
}

#[test]
fn a_broken_wait_panics_with_the_report() {
    let (thing, info) = (Thing(AtomicU32::new(7)), WaitInfo::new("thing"));
    let held = Held::new(&thing).breakable();
    std::thread::scope(|s| {
        let thread = start_parked(s, "thing", || {
            match park_held(&thing.0, || true, &info, Limit::never(), held) {
                Err(Failed::Deadlock(broken)) => broken.panic(),
                other => panic!("{other:?}"),
            }
        });
        let number = look(&thread.record).unwrap().0.number;
        assert!(!break_wait(
            &thread.record,
            number + 1,
            Arc::from("another wait")
        ));
        assert!(break_wait(&thread.record, number, Arc::from("the report")));
        let payload = thread.outcome().unwrap_err();
        assert_eq!(tk_testing::message(&*payload), "the report");
    });
}
