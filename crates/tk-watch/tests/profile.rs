//! The contention profile. It is one for the program, so each test takes a lock first.

use std::process::Command;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::*};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tk_event::Event;
use tk_lock::Lock;
use tk_park::{Limit, StopSource, WaitInfo, park, park_while, unpark_all};
#[cfg(unix)]
use tk_testing::while_others_nap;
use tk_testing::{nap, start, start_parked, until};
use tk_watch::profile::{self, Profile};

fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    let guard = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    profile::stop();
    guard
}

/// Waits until the thread that has waited has counted it.
fn read_when(enough: impl Fn(&Profile) -> bool) -> Profile {
    until("the wait is counted", || enough(&profile::read()));
    profile::read()
}

fn total_waits(profile: &Profile) -> u64 {
    profile.lines.iter().map(|line| line.waits.count).sum()
}

#[test]
fn a_wait_is_counted_by_line_by_object_and_by_thread_with_its_holder() {
    let _alone = alone();
    profile::start();
    let queue = Lock::new(());
    let line = line!() + 4;
    std::thread::scope(|s| {
        let holder = start(s, || {
            let guard = queue.lock();
            let waiter = start_parked(s, "lock", || drop(queue.lock()));
            let waiting = waiter.record.blocked_on().unwrap();
            until("it has waited for a while", || {
                waiting.since().elapsed() > Duration::from_millis(20)
            });
            drop(guard);
            let id = waiter.record.id().get();
            waiter.join();
            (id, waiting.address())
        });
        holder.record.set_name("holder");
        let owner = holder.owner();
        let (waiter, address) = holder.join();
        let profile = read_when(|profile| total_waits(profile) > 0);
        profile::stop();

        let row = profile.lines.iter().find(|row| row.line == line).unwrap();
        assert_eq!((row.file, row.kind), (file!(), "lock"));
        let waits = &row.waits;
        assert_eq!((waits.count, waits.timed_out, waits.stopped), (1, 0, 0));
        assert!(waits.total >= Duration::from_millis(20));
        assert_eq!(waits.longest, waits.total);
        assert!(waits.median <= waits.longest && waits.median >= Duration::from_millis(18));
        assert_eq!(waits.held_by.len(), 1);
        assert_eq!((waits.held_by[0].owner, waits.held_by[0].count), (owner, 1));

        let row = profile.objects.iter().find(|row| row.address == address);
        assert_eq!(row.unwrap().last_at.1, line);
        assert_eq!(row.unwrap().waits.total, waits.total);
        let row = profile.threads.iter().find(|row| row.id == waiter).unwrap();
        assert_eq!(row.waits.count, 1);
        assert!(row.name.is_some());

        let text = profile.to_string();
        assert!(
            text.contains(&format!("lock at {}:{line}:", file!())),
            "{text}"
        );
    });
}

#[test]
fn timeouts_and_stops_are_counted_as_such() {
    let _alone = alone();
    profile::start();
    let event = Event::new();
    nap(&AtomicU32::new(0));
    let source = StopSource::new();
    let token = source.token();
    std::thread::scope(|s| {
        let stopped = start_parked(s, "event", || event.wait_with(&token));
        source.request_stop();
        assert!(stopped.join().is_err());
    });
    profile::stop();
    let profile = profile::read();
    let (timed_out, stopped) = profile.lines.iter().fold((0, 0), |sum, line| {
        (sum.0 + line.waits.timed_out, sum.1 + line.waits.stopped)
    });
    assert_eq!((timed_out, stopped), (1, 1));
}

/// Also if the table of threads is full.
#[test]
fn a_wait_that_parks_again_and_again_is_one() {
    let _alone = alone();
    profile::start();
    park_again_and_again(1);
    std::thread::scope(|s| {
        for _ in 0..profile::THREADS * 2 {
            s.spawn(|| nap(&AtomicU32::new(0))).join().unwrap();
        }
    });
    assert!(profile::read().other_threads.is_some());
    for before in 1..20 {
        park_again_and_again(1 + before);
    }
    profile::stop();
}

fn park_again_and_again(waits: u64) {
    let word = AtomicU32::new(0);
    let word = &word;
    let is_closed = || word.load(Acquire) == 0;
    std::thread::scope(|s| {
        let info = WaitInfo::new("door");
        let waiter = start_parked(s, "door", move || {
            park_while(word, is_closed, &info, Limit::never())
        });
        for _ in 0..5 {
            until("it is parked again", || unpark_all(word, 0) == 1);
        }
        word.store(1, Release);
        unpark_all(word, 0);
        waiter.join().unwrap();
    });
    let profile = profile::read();
    let doors: Vec<_> = profile
        .lines
        .iter()
        .filter(|row| row.kind == "door")
        .collect();
    assert_eq!(doors.len(), 1);
    assert_eq!(doors[0].waits.count, waits);
    assert!(waits > 1 || doors[0].waits.total == doors[0].waits.longest);
}

#[test]
fn more_objects_than_the_table_has_room_for_are_summed_up_and_shown() {
    let _alone = alone();
    profile::start();
    let words: Vec<_> = (0..profile::OBJECTS * 2).map(AtomicUsize::new).collect();
    for word in &words {
        let _ = park(word, || true, &WaitInfo::new("nap"), Duration::ZERO.into());
    }
    profile::stop();
    let profile = profile::read();
    let counted: u64 = profile.objects.iter().map(|row| row.waits.count).sum();
    let others = profile.other_objects.as_ref().unwrap();
    assert_eq!(counted + others.count, total_waits(&profile));
    assert!(profile.objects.len() <= profile::OBJECTS && others.count > 0);
    assert!(profile.to_string().contains("all others"));
    profile::start();
    assert!(profile::read().objects.is_empty());
    profile::stop();
}

#[test]
fn names_of_threads_are_escaped_in_the_table_and_in_json() {
    let _alone = alone();
    profile::start();
    const NAME: &str = "\"<script>alert(1)</script>\n\\\u{1}";
    std::thread::scope(|s| {
        let waiter = start(s, || {
            tk_core::current().set_name(NAME);
            nap(&AtomicU32::new(0));
        });
        waiter.join();
    });
    profile::stop();
    let profile = profile::read();
    assert!(!profile.to_string().contains("script>\n"));
    let mut json = Vec::new();
    profile.write_json(&mut json).unwrap();
    let json: Value = serde_json::from_slice(&json).unwrap();
    let threads = json["threads"].as_array().unwrap();
    assert!(threads.iter().any(|thread| thread["name"] == NAME));
    assert!(json["lines"][0]["total_ns"].as_u64().unwrap() > 0);
}

/// The child goes on to count, and does not wait for a thread of the parent that was counting.
#[cfg(unix)]
#[test]
fn the_child_of_a_fork_can_count() {
    let _alone = alone();
    profile::start();
    while_others_nap(|| {
        for _ in 0..20 {
            tk_testing::fork(|| {
                let before = total_waits(&profile::read());
                nap(&AtomicU32::new(0));
                assert_eq!(total_waits(&profile::read()), before + 1);
            });
        }
    });
    profile::stop();
}

/// `go tool pprof` reads what is written. Without it, the test looks at the first bytes only.
#[test]
fn pprof_opens_the_file() {
    let _alone = alone();
    profile::start();
    let line = line!() + 1;
    nap(&AtomicU32::new(0));
    profile::stop();
    let mut file = Vec::new();
    profile::read().write_pprof(&mut file).unwrap();
    assert_eq!(file[0], 1 << 3 | 2); // A sample type.
    let path = std::env::temp_dir().join(format!("tk-watch-{}.pb", std::process::id()));
    std::fs::write(&path, file).unwrap();
    let report = Command::new("go")
        .args(["tool", "pprof", "-top", "-unit=ms", "-sample_index=delay"])
        .arg(&path)
        .output();
    std::fs::remove_file(path).unwrap();
    match report {
        Ok(report) => {
            let text = String::from_utf8_lossy(&report.stdout);
            assert!(report.status.success(), "{report:?}");
            assert!(text.contains("Type: delay"), "{text}");
            assert!(text.contains(&format!("profile.rs:{line} (nap)")), "{text}");
        }
        Err(error) => eprintln!("go is not there: {error}"),
    }
}
