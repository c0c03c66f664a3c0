//! The trace. It is one for the program, so each test takes a lock first.

use std::collections::HashMap;
use std::sync::atomic::AtomicU32;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tk_event::Event;
use tk_lock::Lock;
#[cfg(unix)]
use tk_testing::while_others_nap;
use tk_testing::{OnDrop, nap, start, start_parked};
use tk_watch::trace;

fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    let guard = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    trace::clear();
    guard
}

/// Writes the trace, and checks what the format demands.
fn written() -> Value {
    let mut file = Vec::new();
    trace::write_to(&mut file).unwrap();
    let trace: Value = serde_json::from_slice(&file).unwrap();
    check(&trace);
    trace
}

fn events<'t>(trace: &'t Value, phase: &str) -> Vec<&'t Value> {
    let events = trace["traceEvents"].as_array().unwrap();
    events.iter().filter(|event| event["ph"] == phase).collect()
}

fn nanos(value: &Value) -> u64 {
    (value.as_f64().unwrap() * 1e3).round() as u64
}

/// Slices are nested. An arrow has two ends, each in a slice, and goes forward in time.
fn check(trace: &Value) {
    let mut rows: HashMap<u64, Vec<(u64, u64)>> = HashMap::new();
    for slice in events(trace, "X") {
        let start = nanos(&slice["ts"]);
        let end = start + nanos(&slice["dur"]);
        let row = rows.entry(slice["tid"].as_u64().unwrap()).or_default();
        row.push((start, end));
    }
    for row in rows.values_mut() {
        row.sort_by_key(|&(start, end)| (start, std::cmp::Reverse(end)));
        let mut open: Vec<u64> = Vec::new();
        for &(start, end) in &*row {
            open.retain(|outer| *outer > start);
            assert!(open.iter().all(|outer| end <= *outer), "overlapping slices");
            open.push(end);
        }
    }
    let named: Vec<u64> = events(trace, "M")
        .iter()
        .filter(|event| event["name"] == "thread_name")
        .map(|event| event["tid"].as_u64().unwrap())
        .collect();
    assert!(
        rows.keys().all(|row| named.contains(row)),
        "a row has no name"
    );
    assert!(
        (1..named.len()).all(|at| !named[..at].contains(&named[at])),
        "a row twice"
    );

    let mut arrows: HashMap<u64, Vec<&Value>> = HashMap::new();
    for end in events(trace, "s").into_iter().chain(events(trace, "f")) {
        let ends = arrows.entry(end["id"].as_u64().unwrap()).or_default();
        ends.push(end);
        let (row, at) = (end["tid"].as_u64().unwrap(), nanos(&end["ts"]));
        let is_in = |&(start, end): &(u64, u64)| start <= at && at < end;
        assert!(
            rows[&row].iter().any(is_in),
            "an arrow outside of a slice: {end}"
        );
    }
    for ends in arrows.values() {
        assert_eq!(ends.len(), 2);
        assert!(nanos(&ends[0]["ts"]) <= nanos(&ends[1]["ts"]));
    }
}

#[test]
fn a_wait_has_a_slice_with_its_line_and_holder_and_an_arrow_from_the_waker() {
    let _alone = alone();
    trace::start();
    let queue = Lock::new(());
    let line = line!() + 4;
    let (holder, waiter) = std::thread::scope(|s| {
        let holder = start(s, || {
            let guard = queue.lock();
            let waiter = start_parked(s, "lock", || drop(queue.lock()));
            drop(guard);
            let id = waiter.record.id().get();
            waiter.join();
            id
        });
        holder.record.set_name("the \"holder\"");
        let id = holder.record.id().get();
        (id, holder.join())
    });
    trace::stop();
    let trace = written();

    let slices = events(&trace, "X");
    let wait = slices
        .iter()
        .find(|slice| slice["args"]["thread"] == waiter && slice["name"] == "lock")
        .unwrap();
    let args = &wait["args"];
    assert!(
        args["line"]
            .as_str()
            .unwrap()
            .starts_with(&format!("{}:{line}:", file!()))
    );
    assert_eq!(args["held by"], format!("the \"holder\" (thread {holder})"));
    assert_eq!(args["end"], "woken");

    let to = events(&trace, "f");
    let to = to.iter().find(|end| end["tid"] == wait["tid"]).unwrap();
    let from = events(&trace, "s");
    let from = from.iter().find(|end| end["id"] == to["id"]).unwrap();
    assert_eq!(from["tid"], holder);
    let end = nanos(&wait["ts"]) + nanos(&wait["dur"]);
    assert_eq!(nanos(&to["ts"]), end - 1);
}

#[test]
fn threads_of_the_kit_have_a_life_and_stops_and_timeouts_are_named() {
    let _alone = alone();
    trace::start();
    let event = Event::new();
    let source = tk_park::StopSource::new();
    let token = source.token();
    std::thread::scope(|s| {
        let stopped = start_parked(s, "event", || event.wait_with(&token).is_err());
        source.request_stop();
        assert!(stopped.join());
    });
    let thread = tk_thread::spawn(|| {
        tk_core::current().set_name("<script>\u{7}");
        nap(&AtomicU32::new(0));
    });
    let id = thread.id().get();
    thread.join().unwrap();
    trace::stop();
    let trace = written();
    let slices = events(&trace, "X");
    let life = slices.iter().find(|slice| slice["name"] == "runs").unwrap();
    assert_eq!(life["args"]["thread"], id);
    let ends: Vec<_> = slices
        .iter()
        .filter_map(|slice| slice["args"]["end"].as_str())
        .collect();
    assert!(
        ends.contains(&"stopped") && ends.contains(&"timed out"),
        "{ends:?}"
    );
    let names = events(&trace, "M");
    let name = format!("<script>\u{7} (thread {id})");
    assert!(names.iter().any(|event| event["args"]["name"] == name));
}

#[test]
fn a_wait_that_goes_on_is_in_the_file() {
    let _alone = alone();
    trace::start();
    let event = Event::new();
    std::thread::scope(|s| {
        let _set = OnDrop(|| event.set());
        let waiter = start_parked(s, "event", || event.wait());
        let trace = written();
        let id = waiter.record.id().get();
        let waits = events(&trace, "X");
        assert!(waits.iter().any(|slice| {
            slice["args"]["end"] == "still waiting" && slice["args"]["thread"] == id
        }));
    });
    trace::stop();
}

#[test]
fn what_does_not_fit_is_counted() {
    let _alone = alone();
    trace::Options::new()
        .threads(1)
        .events_per_thread(10)
        .start();
    let word = AtomicU32::new(0);
    for _ in 0..100 {
        nap(&word);
    }
    trace::stop();
    let trace = written();
    let overwritten = trace["otherData"]["overwritten_events"].as_u64().unwrap();
    assert!(overwritten >= 80, "{overwritten}");
    let notes = events(&trace, "i");
    assert!(notes[0]["name"].as_str().unwrap().contains("overwritten"));
    trace::clear();
    assert!(events(&written(), "X").is_empty());
}

/// More threads than rings, threads that come and go, and a reader in between.
#[test]
fn any_number_of_threads_gives_a_file_in_order() {
    let _alone = alone();
    trace::Options::new()
        .threads(4)
        .events_per_thread(64)
        .start();
    let (lock, gate) = (Lock::new(0), Event::new());
    std::thread::scope(|s| {
        for _ in 0..30 {
            s.spawn(|| {
                gate.wait();
                nap(&AtomicU32::new(0));
                for _ in 0..20 {
                    *lock.lock() += 1;
                    std::thread::yield_now();
                }
            });
        }
        gate.set();
        for _ in 0..20 {
            written();
        }
    });
    trace::stop();
    assert!(!events(&written(), "X").is_empty());
}

#[test]
fn threads_that_take_turns_in_one_ring_are_noted_once() {
    let _alone = alone();
    trace::Options::new()
        .threads(1)
        .events_per_thread(8)
        .start();
    let word = AtomicU32::new(0);
    std::thread::scope(|s| {
        let other = s.spawn(|| (0..5_000).for_each(|_| nap(&word)));
        while !other.is_finished() {
            nap(&word);
        }
    });
    trace::stop();
    // Ten thousand turns would have filled the room for records. A few times, one thread may have
    // found the other one there.
    let nameless = written()["otherData"]["threads_without_name"].as_u64();
    assert!(nameless.unwrap() < 100, "{nameless:?}");
}

#[test]
fn a_file_that_cannot_be_written_is_an_error() {
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let _alone = alone();
    let error = trace::write_to(Full).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    assert!(trace::save("/nonexistent/trace.json").is_err());
}

#[cfg(unix)]
#[test]
fn the_child_of_a_fork_has_a_trace_of_its_own() {
    let _alone = alone();
    trace::start();
    while_others_nap(|| {
        for _ in 0..20 {
            tk_testing::fork(|| {
                nap(&AtomicU32::new(0));
                let trace = written();
                let me = tk_core::current_id().get();
                let slices = events(&trace, "X");
                assert!(slices.iter().all(|slice| slice["args"]["thread"] == me));
                assert!(!slices.is_empty());
            });
        }
    });
    trace::stop();
}
