//! The reports of the watcher, for the tests of this program, which run at the same time.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Barrier, Mutex, Once};
use std::time::{Duration, Instant};

use tk_lock::Lock;
use tk_thread::Builder;
use tk_watch::{Deadlock, Reaction};

static REPORTS: Mutex<Vec<(Instant, Deadlock)>> = Mutex::new(Vec::new());

/// A logger that takes all and writes nothing.
struct Silent;

impl log::Log for Silent {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, _: &log::Record<'_>) {}

    fn flush(&self) {}
}

/// Starts the watcher, which ends each deadlock by a panic of its last thread.
pub fn watch() {
    static START: Once = Once::new();
    START.call_once(|| {
        // The reports need not go to the standard error.
        log::set_logger(&Silent).unwrap();
        log::set_max_level(log::LevelFilter::Error);
        // The reports of panics that are meant to be.
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let text = info.payload_as_str().unwrap_or_default();
            if !text.starts_with("deadlock: ") {
                report(info);
            }
        }));
        tk_watch::install()
            .deadlocks(Reaction::Panic)
            .to_file("/dev/null")
            .on_deadlock(|deadlock| {
                let report = (Instant::now(), deadlock.clone());
                REPORTS.lock().unwrap().push(report);
            })
            .start()
            .unwrap();
    });
}

/// The deadlocks with a thread whose name begins like this, and when each was reported.
pub fn of(prefix: &str) -> Vec<(Instant, Deadlock)> {
    let reports = REPORTS.lock().unwrap();
    let is_mine = |(_, deadlock): &&(Instant, Deadlock)| {
        deadlock
            .members
            .iter()
            .any(|member| member.name.starts_with(prefix))
    };
    reports.iter().filter(is_mine).cloned().collect()
}

/// Waits for so many reports, and returns the names of the threads of each.
#[track_caller]
pub fn wait_for(prefix: &str, count: usize) -> Vec<Vec<String>> {
    let begun = Instant::now();
    while of(prefix).len() < count {
        assert!(
            begun.elapsed() < tk_testing::PATIENCE,
            "{count} deadlocks of {prefix} are not reported: {}",
            tk_watch::dump()
        );
        std::thread::sleep(Duration::from_millis(1));
    }
    of(prefix)
        .iter()
        .map(|(_, deadlock)| names(deadlock))
        .collect()
}

/// Returns when the watcher has looked at all threads since this call.
///
/// It makes two deadlocks, one after the other. The look that finds the first one may have begun
/// before the call, but the look that finds the second one begins after it.
#[track_caller]
pub fn until_all_are_looked_at() {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    watch();
    for _ in 0..2 {
        let name = format!("look-{}-", NEXT.fetch_add(1, Relaxed));
        let two = Arc::new([Lock::new(()), Lock::new(())]);
        let both = Arc::new(Barrier::new(2));
        let threads = [0, 1].map(|own| {
            let (two, both) = (Arc::clone(&two), Arc::clone(&both));
            let body = move || {
                let _mine = two[own].lock();
                both.wait();
                drop(two[1 - own].lock());
            };
            Builder::new().name(format!("{name}{own}")).spawn(body)
        });
        wait_for(&name, 1);
        let ends = threads.map(|thread| thread.unwrap().join());
        assert_eq!(ends.iter().filter(|end| end.is_err()).count(), 1);
    }
}

/// The names of the threads of a deadlock, sorted.
pub fn names(deadlock: &Deadlock) -> Vec<String> {
    let mut names: Vec<_> = deadlock
        .members
        .iter()
        .map(|member| member.name.clone())
        .collect();
    names.sort();
    names
}

/// Whether the thread waits for a thing of this kind.
pub fn waits_for(thread: &tk_thread::Thread, kind: &str) -> bool {
    thread.blocked_on().is_some_and(|wait| wait.kind() == kind)
}
