//! Random graphs of threads that wait for each other: the reports are the deadlocks of the graph,
//! and nothing else.
//!
//! `TK_WATCH_SEEDS` is the number of graphs (see `ci/watch.sh`).

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Barrier, OnceLock};
use std::time::{Duration, Instant};

use tk_condvar::Monitor;
use tk_event::Event;
use tk_lock::{Lock, LockExt, RLock, RwLock};
use tk_park::{Limit, StopSource, StopToken};
use tk_testing::Random;
use tk_thread::Thread;

use crate::reports;

/// The things that each thread holds.
#[derive(Default)]
struct Things {
    lock: Lock<()>,
    rlock: RLock<()>,
    monitor: Monitor<()>,
    written: RwLock<()>,
    read: RwLock<()>,
    upgradable: RwLock<()>,
}

/// How a thread waits for the next one.
#[derive(Clone, Copy, Debug)]
enum Way {
    Lock,
    RLock,
    Monitor,
    ReadOfWritten,
    WriteOfWritten,
    WriteOfRead,
    Upgradable,
    Join,
}

const WAYS: [Way; 8] = [
    Way::Lock,
    Way::RLock,
    Way::Monitor,
    Way::ReadOfWritten,
    Way::WriteOfWritten,
    Way::WriteOfRead,
    Way::Upgradable,
    Way::Join,
];

/// A graph in which each thread waits for one other, or for the end of the test.
struct Graph {
    next: Vec<Option<(usize, Way)>>,
    /// The threads that wait with a limit. They give up when the test says so.
    limited: BTreeSet<usize>,
}

impl Graph {
    /// Half of the graphs have a cycle, and some of these have a thread in it that will give up.
    fn random(random: &mut Random) -> Graph {
        let most = if random.below(4) == 0 { 63 } else { 7 };
        let count = 2 + random.below(most) as usize;
        let mut next: Vec<_> = (0..count)
            .map(|at| {
                // Only to earlier ones: no cycle.
                let to = (at > 0 && random.below(8) > 0).then(|| random.below(at as u64) as usize);
                to.map(|to| (to, WAYS[random.below(8) as usize]))
            })
            .collect();
        if random.below(2) == 0 {
            // A cycle through some of them.
            let length = 2 + random.below(count as u64 - 1) as usize;
            let mut order: Vec<usize> = (0..count).collect();
            for at in (1..count).rev() {
                order.swap(at, random.below(at as u64 + 1) as usize);
            }
            for at in 0..length {
                next[order[at]] = Some((order[(at + 1) % length], WAYS[random.below(8) as usize]));
            }
        }
        // Of two writers behind one reader, the second waits for the first.
        let mut written = BTreeSet::new();
        for (to, way) in next.iter_mut().flatten() {
            if matches!(way, Way::WriteOfRead) && !written.insert(*to) {
                *way = Way::Lock;
            }
        }
        let mut limited = BTreeSet::new();
        if random.below(3) == 0 {
            limited.insert(random.below(count as u64) as usize);
        }
        Graph { next, limited }
    }

    /// The cycles of threads none of which gives up.
    fn cycles(&self) -> BTreeSet<Vec<usize>> {
        let mut cycles = BTreeSet::new();
        for start in 0..self.next.len() {
            let step = |at: &usize| self.next[*at].map(|(to, _)| to);
            let path: Vec<_> = std::iter::successors(Some(start), step)
                .skip(1)
                .take(self.next.len())
                .collect();
            if let Some(length) = path.iter().position(|at| *at == start) {
                let mut cycle = path[..=length].to_vec();
                cycle.sort_unstable();
                if cycle.iter().all(|at| !self.limited.contains(at)) {
                    cycles.insert(cycle);
                }
            }
        }
        cycles
    }
}

/// Waits for the thing, or the thread, in this way.
fn wait(things: &Things, thread: &OnceLock<Thread>, way: Way, stop: Option<&StopToken>) {
    let limit = stop.map_or(Limit::never(), Limit::stop);
    // A wait with a limit, of the kinds that accept one.
    match (way, stop) {
        (Way::Lock | Way::WriteOfWritten | Way::Upgradable | Way::ReadOfWritten, Some(_)) => {
            drop(things.lock.lock_with(limit));
        }
        (Way::RLock | Way::Monitor | Way::WriteOfRead, Some(_)) => {
            drop(things.rlock.lock_with(limit));
        }
        (Way::Lock, None) => drop(things.lock.lock()),
        (Way::RLock, None) => drop(things.rlock.lock()),
        (Way::Monitor, None) => drop(things.monitor.lock()),
        (Way::ReadOfWritten, None) => drop(things.written.read()),
        (Way::WriteOfWritten, None) => drop(things.written.write()),
        (Way::WriteOfRead, None) => drop(things.read.write()),
        (Way::Upgradable, None) => drop(things.upgradable.upgradable_read()),
        (Way::Join, _) => {
            let thread = loop {
                match thread.get() {
                    Some(thread) => break thread,
                    None => std::thread::yield_now(),
                }
            };
            let _ = thread.join_with(limit);
        }
    }
}

/// Builds the graph of this seed, and compares the reports with it. Returns how long after the last
/// thread had begun to wait the last report came.
fn check(seed: u64) -> Option<Duration> {
    let graph = Arc::new(Graph::random(&mut Random::new(seed)));
    let count = graph.next.len();
    let things: Arc<Vec<Things>> = Arc::new((0..count).map(|_| Things::default()).collect());
    let handles: Arc<Vec<OnceLock<Thread>>> =
        Arc::new((0..count).map(|_| OnceLock::new()).collect());
    let (all_hold, end) = (Arc::new(Barrier::new(count)), Arc::new(Event::new()));
    let source = StopSource::new();
    let prefix = format!("graph-{seed}-");

    let threads: Vec<_> = (0..count)
        .map(|me| {
            let (graph, things) = (Arc::clone(&graph), Arc::clone(&things));
            let (all_hold, end, token) = (Arc::clone(&all_hold), Arc::clone(&end), source.token());
            let shared = Arc::clone(&handles);
            let body = move || {
                let mine = &things[me];
                let _held = (mine.lock.lock(), mine.rlock.lock(), mine.monitor.lock());
                let _held = (_held, mine.written.write(), mine.read.read());
                let _held = (_held, mine.upgradable.upgradable_read());
                all_hold.wait();
                let Some((to, way)) = graph.next[me] else {
                    end.wait();
                    return;
                };
                let stop = graph.limited.contains(&me).then_some(&token);
                // The watcher ends a deadlock by a panic.
                let waits = || wait(&things[to], &shared[to], way, stop);
                let _ = catch_unwind(AssertUnwindSafe(waits));
            };
            let builder = tk_thread::Builder::new().name(format!("{prefix}{me}"));
            let thread = builder.spawn(body).unwrap();
            handles[me].set(thread.thread().clone()).unwrap();
            thread
        })
        .collect();
    let is_waiting =
        |thread: &tk_thread::JoinHandle<()>| thread.blocked_on().is_some() || !thread.is_alive();
    tk_testing::until("all threads wait", || threads.iter().all(is_waiting));
    let all_wait = Instant::now();

    let expected: BTreeSet<Vec<String>> = graph
        .cycles()
        .into_iter()
        .map(|cycle| {
            let mut names: Vec<_> = cycle.iter().map(|at| format!("{prefix}{at}")).collect();
            names.sort();
            names
        })
        .collect();
    let late = (!expected.is_empty()).then(|| {
        reports::wait_for(&prefix, expected.len());
        let last = reports::of(&prefix)
            .iter()
            .map(|(at, _)| *at)
            .max()
            .unwrap();
        last.saturating_duration_since(all_wait)
    });
    if expected.is_empty() {
        reports::until_all_are_looked_at();
    }
    source.request_stop();
    end.set();
    for thread in threads {
        thread.join().unwrap();
    }
    let reported: BTreeSet<_> = reports::of(&prefix)
        .iter()
        .map(|(_, deadlock)| reports::names(deadlock))
        .collect();
    assert_eq!(reported, expected, "seed {seed}");
    assert_eq!(
        reports::of(&prefix).len(),
        expected.len(),
        "seed {seed}: each once"
    );
    late
}

#[test]
fn of_random_graphs_the_cycles_are_reported_and_nothing_else() {
    reports::watch();
    let variable = |name| {
        std::env::var(name)
            .ok()
            .and_then(|value| value.parse().ok())
    };
    let first: u64 = variable("TK_WATCH_FIRST_SEED").unwrap_or(1);
    let seeds: u64 = variable("TK_WATCH_SEEDS").unwrap_or(24);
    let next = std::sync::atomic::AtomicU64::new(first);
    let late = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|s| {
        for _ in 0..8 {
            s.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    if seed >= first + seeds {
                        return;
                    }
                    if let Some(time) = check(seed) {
                        late.lock().unwrap().push(time);
                    }
                }
            });
        }
    });
    let mut late = late.into_inner().unwrap();
    late.sort();
    let Some(last) = late.last() else {
        return;
    };
    let later_than = |millis| {
        let limit = Duration::from_millis(millis);
        late.iter().filter(|time| **time > limit).count()
    };
    println!(
        "{} of {seeds} graphs with deadlocks, reported after {:?} (median), {last:?} (last); \
         {} after more than 0.2 s, {} after more than 1 s",
        late.len(),
        late[late.len() / 2],
        later_than(200),
        later_than(1000),
    );
}
