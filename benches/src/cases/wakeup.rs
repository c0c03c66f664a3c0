//! The time until a thread that waits continues.

use std::sync::Barrier as StdBarrier;
use std::sync::Mutex as StdMutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::*};
use std::thread;
use std::time::{Duration, Instant};

use crate::adapter::{
    crossbeam, event_listener, over::Over, parking_lot, rsevents, spin, standard, tk, tokio, usync,
};
use crate::case::{Case, enter};
use crate::floor::Floor;
use crate::kind::{Barrier, Event, Monitor, Mutex, Signal};
use crate::measure::{Sample, together};
use crate::proof;

use super::uncontended::{events, monitors};

/// How many threads wait for one thing.
const MANY: usize = 16;

/// The cases.
pub fn cases() -> Vec<Case> {
    vec![
        ping_pong_event(),
        ping_pong_condvar(),
        ping_pong_semaphore(),
        sleeper_event("p50", 0.5),
        sleeper_event("p99", 0.99),
        sleeper_condvar(),
        sleeper_semaphore(),
        woken_event("first", Which::First),
        woken_event("last", Which::Last),
        notify_all(),
        barrier(2),
        barrier(8),
    ]
}

/// One operation is the way there and back.
fn ping_pong<S: Signal>(operations: u64) -> Sample {
    let (ping, pong) = (S::new(), S::new());
    let ran = together(2, |number| {
        for _ in 0..operations {
            if number == 0 {
                ping.signal();
                pong.wait();
            } else {
                ping.wait();
                pong.signal();
            }
        }
    });
    Sample::new(operations, ran.elapsed(), ran.usage)
}

/// Enters all that can signal in the way of an event.
macro_rules! event_signals {
    ($case:ident, $kind:ident => $measure:expr) => {
        enter!($case, proof::signal, $kind => $measure, [
            tk::Flag,
            rsevents::Auto,
            event_listener::Flag,
            crossbeam::Parked,
            tokio::Notification,
            Over<standard::Lock>,
            Over<parking_lot::v13::Lock>,
            Over<parking_lot::v12::Lock>,
            Over<usync::Lock>,
        ])
    };
}

/// Enters all that can signal by a condition.
macro_rules! condvar_signals {
    ($case:ident, $kind:ident => $measure:expr) => {
        enter!($case, proof::signal, $kind => $measure, [
            tk::Conditional,
            Over<standard::Lock>,
            Over<parking_lot::v13::Lock>,
            Over<parking_lot::v12::Lock>,
            Over<usync::Lock>,
        ])
    };
}

/// Enters all that can signal by a permit.
macro_rules! semaphore_signals {
    ($case:ident, $kind:ident => $measure:expr) => {
        enter!($case, proof::signal, $kind => $measure, [
            tk::Permits,
            tokio::Permits,
            Over<standard::Lock>,
            Over<parking_lot::v13::Lock>,
            Over<parking_lot::v12::Lock>,
            Over<usync::Lock>,
        ])
    };
}

fn there_and_back(of: &str) -> Case {
    let name = format!("ping-pong, {of}");
    Case::new("wakeup", name)
        .goal(0.05)
        .floor(Floor::RoundTrip)
        .threads(2)
}

fn ping_pong_event() -> Case {
    let mut case = there_and_back("event");
    event_signals!(case, S => ping_pong::<S>);
    case
}

fn ping_pong_condvar() -> Case {
    let mut case = there_and_back("condvar");
    condvar_signals!(case, S => ping_pong::<S>);
    case
}

fn ping_pong_semaphore() -> Case {
    let mut case = there_and_back("semaphore");
    semaphore_signals!(case, S => ping_pong::<S>);
    case
}

/// Measures the time from the signal until the waiter runs, which slept in the kernel before. The
/// figure is that quantile of so many times.
pub fn sleeper<S: Signal>(operations: u64, part: f64) -> Sample {
    let signal = S::new();
    let sleeper = Sleepers::new(1);
    let began = Instant::now();
    let ran = together(2, |number| {
        if number == 0 {
            let wait = |_| {
                sleeper.fall_asleep(0);
                signal.wait();
                Instant::now()
            };
            (0..operations).map(wait).collect()
        } else {
            let wake = |time: u64| {
                sleeper.await_sleep(time + 1);
                let now = Instant::now();
                signal.signal();
                now
            };
            (0..operations).map(wake).collect::<Vec<_>>()
        }
    });
    let [woken, signaled] = &ran.results[..] else {
        unreachable!("two threads")
    };
    let late = woken.iter().zip(signaled);
    let late = late
        .map(|(woken, signaled)| (*woken - *signaled).as_nanos() as f64)
        .collect();
    Sample::of_latencies(late, part, began.elapsed(), ran.usage)
}

/// Threads whose sleep can be seen.
struct Sleepers {
    /// The kernel's number of each of them.
    threads: Vec<AtomicU64>,
    /// How often one of them was about to fall asleep.
    tired: AtomicU64,
}

impl Sleepers {
    fn new(threads: usize) -> Sleepers {
        let threads = (0..threads).map(|_| AtomicU64::new(0)).collect();
        Sleepers {
            threads,
            tired: AtomicU64::new(0),
        }
    }

    /// Called by each of them before it waits.
    fn fall_asleep(&self, number: usize) {
        self.threads[number].store(native_id(), Relaxed);
        // Release: publishes the thread's number.
        self.tired.fetch_add(1, Release);
    }

    /// Waits until all of them sleep in the kernel, when each has been about to that many times.
    fn await_sleep(&self, times: u64) {
        while self.tired.load(Acquire) < times * self.threads.len() as u64 {
            thread::yield_now();
        }
        for thread in &self.threads {
            while !sleeps(thread.load(Relaxed)) {
                thread::yield_now();
            }
        }
    }
}

#[cfg(target_os = "linux")]
fn native_id() -> u64 {
    rustix::thread::gettid().as_raw_nonzero().get() as u64
}

#[cfg(target_os = "linux")]
fn sleeps(thread: u64) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/self/task/{thread}/stat"));
    // The name before it, in brackets, may hold anything.
    stat.is_ok_and(|stat| {
        stat.rsplit(')')
            .next()
            .is_some_and(|rest| rest.starts_with(" S"))
    })
}

#[cfg(not(target_os = "linux"))]
fn native_id() -> u64 {
    0
}

/// Here, a test can't see that a thread sleeps. After this time, it should.
#[cfg(not(target_os = "linux"))]
fn sleeps(_thread: u64) -> bool {
    thread::sleep(Duration::from_micros(200));
    true
}

fn asleep(of: &str) -> Case {
    let name = format!("sleeper, {of}");
    Case::new("wakeup", name)
        .floor(Floor::FutexWake)
        .threads(2)
        .least(20)
        .length(SLEEPY)
}

/// The length of a measurement in which threads sleep.
const SLEEPY: Duration = Duration::from_millis(5);

/// The goal of a sleeper's wake-up, against the best peer and against the bare futex.
fn with_goals(case: Case) -> Case {
    Case {
        goal: Some(1.05),
        floor_goal: Some(1.2),
        ..case
    }
}

fn sleeper_event(quantile: &str, part: f64) -> Case {
    let mut case = asleep(&format!("event, {quantile}"));
    if part == 0.5 {
        case = with_goals(case);
    } else {
        case = case.least(100);
    }
    event_signals!(case, S => move |operations| sleeper::<S>(operations, part));
    case
}

fn sleeper_condvar() -> Case {
    let mut case = with_goals(asleep("condvar, p50"));
    condvar_signals!(case, S => |operations| sleeper::<S>(operations, 0.5));
    case
}

fn sleeper_semaphore() -> Case {
    let mut case = with_goals(asleep("semaphore, p50"));
    semaphore_signals!(case, S => |operations| sleeper::<S>(operations, 0.5));
    case
}

#[derive(Clone, Copy)]
enum Which {
    First,
    Last,
}

/// Something for which many threads wait, again and again: the wait, the step that ends it, and the
/// step that prepares the next time.
struct Crowd<W, B, C> {
    wait: W,
    bring_about: B,
    again: C,
}

impl<W, B, C> Crowd<W, B, C>
where
    W: Fn(u64) + Sync,
    B: Fn(u64) -> Instant + Sync,
    C: Fn() + Sync,
{
    /// Measures the time from the step that ends the wait until the first of the threads, or the
    /// last, goes on.
    fn measure(self, operations: u64, which: Which) -> Sample {
        let sleepers = Sleepers::new(MANY);
        // Threads that have been woken sleep here, so that they leave the processors to the others.
        let meet = StdBarrier::new(MANY + 1);
        let times = StdMutex::new(Vec::with_capacity(MANY));
        let began = Instant::now();
        let ran = together(MANY + 1, |number| {
            let mut late = Vec::new();
            for time in 1..=operations {
                if number < MANY {
                    sleepers.fall_asleep(number);
                    (self.wait)(time);
                    let now = Instant::now();
                    times.lock().expect("a workload does not panic").push(now);
                    meet.wait();
                } else {
                    sleepers.await_sleep(time);
                    let begin = (self.bring_about)(time);
                    meet.wait();
                    let mut times = times.lock().expect("a workload does not panic");
                    let end = match which {
                        Which::First => times.iter().min(),
                        Which::Last => times.iter().max(),
                    };
                    late.extend(end.map(|end| end.saturating_duration_since(begin)));
                    times.clear();
                    (self.again)();
                }
                meet.wait();
            }
            late
        });
        let late = ran
            .results
            .into_iter()
            .flatten()
            .map(|late| late.as_nanos() as f64)
            .collect();
        Sample::of_latencies(late, 0.5, began.elapsed(), ran.usage)
    }
}

fn woken<E: Event>(operations: u64, which: Which) -> Sample {
    let event = <E as Event>::new();
    let crowd = Crowd {
        wait: |_| event.wait(),
        bring_about: |_| {
            let begin = Instant::now();
            event.set();
            begin
        },
        again: || event.clear(),
    };
    crowd.measure(operations, which)
}

fn crowded(name: String) -> Case {
    Case::new("wakeup", name)
        .floor(Floor::FutexWake)
        .threads(MANY + 1)
        .least(3)
        .length(SLEEPY * 2)
}

fn woken_event(name: &str, which: Which) -> Case {
    let mut case = crowded(format!("{name} of {MANY} woken by an event"));
    events!(case, E => move |operations| woken::<E>(operations, which));
    case
}

/// Measures the time until the last thread has taken the lock and left it.
fn into_a_lock<M: Monitor>(operations: u64) -> Sample {
    let monitor = <M as Mutex>::new();
    let inside = AtomicUsize::new(0);
    let crowd = Crowd {
        wait: |time| {
            let go_on = |_: &mut u64| assert_eq!(inside.swap(1, Relaxed), 0);
            monitor.wait_until(
                |now| *now >= time,
                |now| {
                    go_on(now);
                    inside.store(0, Relaxed);
                },
            );
        },
        bring_about: |time| {
            monitor.with(|now| *now = time);
            let begin = Instant::now();
            monitor.notify_all();
            begin
        },
        again: || (),
    };
    crowd.measure(operations, Which::Last)
}

fn notify_all() -> Case {
    let mut case = crowded(format!("notify all of {MANY} into a lock")).goal(0.9);
    monitors!(case, M => into_a_lock::<M>);
    case
}

/// One operation is a round of all parties.
fn rounds<B: Barrier>(parties: usize, operations: u64) -> Sample {
    let barrier = B::new(parties);
    let ran = together(parties, |_| {
        for _ in 0..operations {
            barrier.wait();
        }
    });
    Sample::new(operations, ran.elapsed(), ran.usage)
}

fn barrier(parties: usize) -> Case {
    let name = format!("barrier round of {parties}");
    let case = Case::new("wakeup", name)
        .goal(0.9)
        .floor(Floor::RoundTrip)
        .threads(parties);
    let mut case = case.length(SLEEPY);
    enter!(case, proof::barrier, B => move |operations| rounds::<B>(parties, operations), [
        tk::Meeting,
        standard::Meeting,
        Over<parking_lot::v13::Lock>,
        Over<parking_lot::v12::Lock>,
        Over<usync::Lock>,
    ]);
    if !case.is_oversubscribed() {
        enter!(case, proof::barrier, B => {
            move |operations| rounds::<B>(parties, operations)
        }, [spin::Meeting]);
    }
    case
}
