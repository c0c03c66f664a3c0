//! A value per thread and object: what it costs to read it, and to set the first one.
//!
//! `cargo bench -p tk-benches --bench locals`
//!
//! First come ratios, each from pairs of measurements that take turns, so that what else the machine does hits both alike:
//! the median of tk's time divided by the peer's. Then criterion's figures of each by itself.
//!
//! A thread that gets the place of one that is gone finds that one's value in a `ThreadLocal`, which drops no value when
//! a thread ends. So there is no first set to compare with there; the rows below are of places that are new for both.

use std::cell::{Cell, RefCell};
use std::hint::black_box;
use std::sync::Barrier;
use std::time::Instant;

use criterion::{BatchSize, Criterion};
use thread_local::ThreadLocal;
use tk_local::{Local, SharedLocal};

thread_local! {
    static STD: Cell<u64> = const { Cell::new(1) };
    static STD_REF: RefCell<u64> = const { RefCell::new(1) };
    static STD_LAZY: Cell<u64> = Cell::new(std::process::id().into());
}

/// Nanoseconds for each of so many calls.
fn time(calls: u32, mut f: impl FnMut(usize)) -> f64 {
    let start = Instant::now();
    for call in 0..calls as usize {
        f(call);
    }
    start.elapsed().as_nanos() as f64 / f64::from(calls)
}

/// Measures both by turns, and prints both medians, in nanoseconds, and the median of the ratios.
fn versus(what: &str, peer: &str, mut tk: impl FnMut() -> f64, mut theirs: impl FnMut() -> f64) {
    let pairs = if is_test() { 1 } else { 51 };
    let mut columns = [vec![], vec![], vec![]];
    for pair in 0..pairs {
        // Each is first as often as second.
        let (ours, theirs) = match pair % 2 {
            0 => {
                let ours = tk();
                (ours, theirs())
            }
            _ => {
                let theirs = theirs();
                (tk(), theirs)
            }
        };
        for (column, figure) in columns.iter_mut().zip([ours, theirs, ours / theirs]) {
            column.push(figure);
        }
    }
    let [ours, theirs, ratio] = columns.map(|mut column| {
        column.sort_by(f64::total_cmp);
        column[pairs / 2]
    });
    println!("{what:<44} {ours:>8.2}   {theirs:>8.2} {peer:<12} {ratio:>6.2}");
}

/// As criterion's: to see that it runs.
fn is_test() -> bool {
    std::env::args().any(|argument| argument == "--test")
}

fn in_a_thread(f: impl FnOnce() -> f64 + Send) -> f64 {
    std::thread::scope(|s| s.spawn(f).join().expect("a benchmark does not panic"))
}

/// Makes the calling thread known to both libraries, which is done once in a thread.
fn meet() {
    Local::new().set(1);
    ThreadLocal::new().get_or(|| 1);
}

const CALLS: u32 = 20_000;
const OBJECTS: usize = 500;

fn make<T>(new: impl Fn() -> T) -> Vec<T> {
    (0..OBJECTS).map(|_| new()).collect()
}

/// Reads of a value that is set, in a thread of this program.
fn reads(place: &str) {
    let (local, peer) = (Local::new(), ThreadLocal::new());
    let (changed, peer_ref) = (Local::new(), ThreadLocal::new());
    let shared = SharedLocal::new();
    local.set(1_u64);
    changed.set(1_u64);
    shared.set(1_u64);
    peer.get_or(|| Cell::new(1_u64));
    peer_ref.get_or(|| RefCell::new(1_u64));

    let get = || {
        time(CALLS, |_| {
            black_box(black_box(&local).get());
        })
    };
    let peer_get = || {
        time(CALLS, |_| {
            black_box(black_box(&peer).get().map(Cell::get));
        })
    };
    let row = |what| format!("{what}, {place}");
    versus(&row("get"), "thread_local", get, peer_get);
    versus(&row("get"), "std, const", get, || {
        time(CALLS, |_| {
            black_box(STD.get());
        })
    });
    versus(&row("get"), "std, lazy", get, || {
        time(CALLS, |_| {
            black_box(STD_LAZY.get());
        })
    });
    versus(
        &row("SharedLocal::with"),
        "thread_local",
        || {
            time(CALLS, |_| {
                black_box(black_box(&shared).with(|n| *n).is_ok());
            })
        },
        peer_get,
    );
    versus(
        &row("with_borrow_mut"),
        "thread_local",
        || {
            time(CALLS, |_| {
                black_box(&changed)
                    .with_borrow_mut(|n| *n += 1)
                    .expect("it is set");
            })
        },
        || {
            time(CALLS, |_| {
                *black_box(&peer_ref).get().expect("it is set").borrow_mut() += 1;
            })
        },
    );
    versus(
        &row("set"),
        "thread_local",
        || time(CALLS, |call| black_box(&changed).set(call as u64)),
        || {
            time(CALLS, |call| {
                let cell = black_box(&peer).get();
                cell.expect("it is set").set(call as u64);
            })
        },
    );
}

/// Reads in a thread that is one of many.
fn reads_in_a_crowd() {
    const CROWD: usize = 20;
    let (here, done) = (Barrier::new(CROWD + 1), Barrier::new(CROWD + 1));
    std::thread::scope(|s| {
        for _ in 0..CROWD {
            s.spawn(|| {
                meet();
                here.wait();
                done.wait();
            });
        }
        here.wait();
        s.spawn(|| {
            meet();
            reads("20th thread");
        })
        .join()
        .expect("a benchmark does not panic");
        done.wait();
    });
}

fn first_sets() {
    let calls = OBJECTS as u32;
    versus(
        "first set in an object",
        "thread_local",
        || {
            let locals = make(Local::new);
            time(calls, |i| locals[i].set(1_u64))
        },
        || {
            let peers = make(ThreadLocal::new);
            time(calls, |i| {
                peers[i].get_or(|| 1_u64);
            })
        },
    );
    versus(
        "object made, set and dropped",
        "thread_local",
        || time(calls, |_| black_box(Local::new()).set(1_u64)),
        || {
            time(calls, |_| {
                black_box(ThreadLocal::new()).get_or(|| 1_u64);
            })
        },
    );
    versus(
        "first set of a second thread in an object",
        "thread_local",
        || {
            let locals = make(Local::new);
            locals.iter().for_each(|local| local.set(1_u64));
            in_a_thread(|| {
                meet();
                time(calls, |i| locals[i].set(2))
            })
        },
        || {
            let peers = make(ThreadLocal::new);
            peers.iter().for_each(|peer| {
                peer.get_or(|| 1_u64);
            });
            in_a_thread(|| {
                meet();
                time(calls, |i| {
                    peers[i].get_or(|| 2);
                })
            })
        },
    );
    let (local, registered) = (Local::new(), Local::new());
    versus(
        "first use of all in a thread",
        "thread_local",
        || in_a_thread(|| time(1, |_| local.set(1_u64))),
        || {
            let peer = ThreadLocal::new();
            in_a_thread(|| {
                time(1, |_| {
                    peer.get_or(|| 1_u64);
                })
            })
        },
    );
    versus(
        "the same, in a thread known to tk",
        "thread_local",
        || {
            in_a_thread(|| {
                tk_core::current();
                time(1, |_| registered.set(1_u64))
            })
        },
        || {
            let peer = ThreadLocal::new();
            in_a_thread(|| {
                time(1, |_| {
                    peer.get_or(|| 1_u64);
                })
            })
        },
    );
}

fn by_itself(c: &mut Criterion) {
    let mut group = c.benchmark_group("locals/get");
    let (local, peer) = (Local::new(), ThreadLocal::new());
    local.set(1_u64);
    peer.get_or(|| Cell::new(1_u64));
    group.bench_function("tk", |b| b.iter(|| black_box(&local).get()));
    group.bench_function("thread_local", |b| {
        b.iter(|| black_box(&peer).get().map(Cell::get));
    });
    group.bench_function("std", |b| b.iter(|| STD.get()));
    group.finish();

    let mut group = c.benchmark_group("locals/change");
    local.set(1);
    let peer = ThreadLocal::new();
    peer.get_or(|| RefCell::new(1_u64));
    group.bench_function("tk", |b| {
        b.iter(|| black_box(&local).with_borrow_mut(|n| *n += 1));
    });
    group.bench_function("thread_local", |b| {
        b.iter(|| black_box(&peer).get().map(|n| *n.borrow_mut() += 1));
    });
    group.bench_function("std", |b| b.iter(|| STD_REF.with_borrow_mut(|n| *n += 1)));
    group.finish();

    let mut group = c.benchmark_group("locals/first_set");
    group.bench_function("tk", |b| {
        b.iter_batched_ref(Local::new, |local| local.set(1_u64), BatchSize::SmallInput);
    });
    group.bench_function("thread_local", |b| {
        let set = |peer: &mut ThreadLocal<u64>| *peer.get_or(|| 1);
        b.iter_batched_ref(ThreadLocal::new, set, BatchSize::SmallInput);
    });
    group.finish();
}

fn main() {
    println!(
        "{:<44} {:>8}   {:>8} {:<12} ratio",
        "nanoseconds", "tk", "peer", ""
    );
    meet();
    reads("1st thread");
    reads_in_a_crowd();
    first_sets();
    let mut criterion = Criterion::default().configure_from_args();
    by_itself(&mut criterion);
    criterion.final_summary();
}
