//! What a timer costs, and how late it fires.
//!
//! `cargo bench -p tk-benches --bench timers`
//!
//! - `timers/start_and_cancel/N`: one timer is started and cancelled while N others are pending.
//! - `timers/replace_at_random/N`: one of N pending timers is cancelled and another one started in its place. With a million of
//!   them, each is somewhere in memory where nobody has been for a while.
//! - `timers/lateness`: how long after its time a timer fires, beside a thread that sleeps until then, alone and with the least
//!   timer slack. Each time is measured from the deadline to the moment when the function, or the thread, reads the clock; the
//!   median counts.

use std::cell::{Cell, LazyCell};
use std::future::Future;
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::task::{Context, Waker};
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use hierarchical_hash_wheel_timer::thread_timer::TimerWithThread;
use hierarchical_hash_wheel_timer::wheels::cancellable::QuadWheelWithOverflow;
use hierarchical_hash_wheel_timer::{
    ClosureTimer, IdOnlyTimerEntry, OneShotClosureState, PeriodicClosureState,
};
use tk_timer::{Timer, TimerHandle, TimerService};
use tokio::time::Sleep;
use tokio_util::time::DelayQueue;
use tokio_util::time::delay_queue::Key;

const PENDING: [usize; 2] = [1_000, 1_000_000];

/// A sequence of numbers, the same for all contenders (xorshift).
struct Random(Cell<u64>);

impl Random {
    fn new() -> Random {
        Random(Cell::new(0x9E37_79B9_7F4A_7C15))
    }

    fn below(&self, bound: u64) -> u64 {
        let mut x = self.0.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.0.set(x);
        (x >> 16) % bound
    }

    /// From a quarter of an hour to an hour.
    fn delay(&self) -> Duration {
        Duration::from_millis(900_000 + self.below(2_700_000))
    }
}

/// Something that starts timers which will not fire in the time of a benchmark, and cancels them.
trait Timers: Sized {
    type Handle;

    fn new() -> Self;
    fn start(&self, delay: Duration) -> Self::Handle;
    fn cancel(&self, handle: Self::Handle);
}

struct Tk(TimerService);

impl Timers for Tk {
    type Handle = TimerHandle;

    fn new() -> Tk {
        Tk(TimerService::new())
    }

    fn start(&self, delay: Duration) -> TimerHandle {
        Timer::new(delay, || ()).start_on(&self.0)
    }

    fn cancel(&self, handle: TimerHandle) {
        assert!(handle.cancel().is_cancelled());
    }
}

/// A sleep that is registered by its first poll, and taken off by its drop.
struct TokioSleep(tokio::runtime::Runtime);

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().build().expect("a runtime")
}

impl Timers for TokioSleep {
    type Handle = Pin<Box<Sleep>>;

    fn new() -> TokioSleep {
        TokioSleep(runtime())
    }

    fn start(&self, delay: Duration) -> Pin<Box<Sleep>> {
        let _entered = self.0.enter();
        let mut sleep = Box::pin(tokio::time::sleep(delay));
        let mut context = Context::from_waker(Waker::noop());
        assert!(sleep.as_mut().poll(&mut context).is_pending());
        sleep
    }

    fn cancel(&self, handle: Pin<Box<Sleep>>) {
        drop(handle);
    }
}

/// The queue that is polled by one task, and needs no lock.
struct TokioDelayQueue {
    runtime: tokio::runtime::Runtime,
    queue: std::cell::RefCell<DelayQueue<()>>,
}

impl Timers for TokioDelayQueue {
    type Handle = Key;

    fn new() -> TokioDelayQueue {
        let runtime = runtime();
        let queue = {
            let _entered = runtime.enter();
            DelayQueue::new().into()
        };
        TokioDelayQueue { runtime, queue }
    }

    fn start(&self, delay: Duration) -> Key {
        let _entered = self.runtime.enter();
        self.queue.borrow_mut().insert((), delay)
    }

    fn cancel(&self, key: Key) {
        let _entered = self.runtime.enter();
        self.queue.borrow_mut().remove(&key);
    }
}

/// The bare wheel, which is for one thread, has no clock, and calls nothing.
struct HashWheel {
    wheel: std::cell::RefCell<QuadWheelWithOverflow<IdOnlyTimerEntry<u64>>>,
    next: Cell<u64>,
}

impl Timers for HashWheel {
    type Handle = u64;

    fn new() -> HashWheel {
        HashWheel {
            wheel: QuadWheelWithOverflow::new().into(),
            next: Cell::new(0),
        }
    }

    fn start(&self, delay: Duration) -> u64 {
        let id = self.next.get();
        self.next.set(id + 1);
        let entry = IdOnlyTimerEntry::new(id, delay);
        self.wheel.borrow_mut().insert(entry).expect("a new id");
        id
    }

    fn cancel(&self, id: u64) {
        self.wheel.borrow_mut().cancel(&id).expect("it is there");
    }
}

/// The wheel with its thread. What is measured is what the caller does, which is to send messages.
struct HashWheelThread {
    core: TimerWithThread<u64, OneShotClosureState<u64>, PeriodicClosureState<u64>>,
    next: Cell<u64>,
}

impl Timers for HashWheelThread {
    type Handle = u64;

    fn new() -> HashWheelThread {
        HashWheelThread {
            core: TimerWithThread::new().expect("a thread"),
            next: Cell::new(0),
        }
    }

    fn start(&self, delay: Duration) -> u64 {
        let id = self.next.get();
        self.next.set(id + 1);
        self.core
            .timer_ref()
            .schedule_action_once(id, delay, |_| ());
        id
    }

    fn cancel(&self, id: u64) {
        use hierarchical_hash_wheel_timer::Timer as _;
        self.core.timer_ref().cancel(&id);
    }
}

/// The contender with so many timers pending, and the random numbers that go on from there.
fn prepare<T: Timers>(pending: usize) -> (T, Random, Vec<Option<T::Handle>>) {
    let (timers, random) = (T::new(), Random::new());
    let start = |_| Some(timers.start(random.delay()));
    let handles = (0..pending).map(start).collect();
    (timers, random, handles)
}

fn start_and_cancel<T: Timers>(c: &mut Criterion, name: &str) {
    for pending in PENDING {
        // Only if it is asked for.
        let prepared = LazyCell::new(|| prepare::<T>(pending));
        c.benchmark_group("timers/start_and_cancel").bench_function(
            BenchmarkId::new(name, pending),
            |bencher| {
                let (timers, random, _) = &*prepared;
                bencher.iter(|| {
                    let handle = timers.start(random.delay());
                    timers.cancel(black_box(handle));
                });
            },
        );
    }
}

fn replace_at_random<T: Timers>(c: &mut Criterion, name: &str) {
    for pending in PENDING {
        let mut prepared = None;
        c.benchmark_group("timers/replace_at_random")
            .bench_function(BenchmarkId::new(name, pending), |bencher| {
                let prepared = prepared.get_or_insert_with(|| prepare::<T>(pending));
                let (timers, random, handles) = prepared;
                bencher.iter(|| {
                    let place = &mut handles[random.below(pending as u64) as usize];
                    timers.cancel(place.take().expect("it is put back"));
                    *place = Some(timers.start(random.delay()));
                });
            });
    }
}

fn costs(c: &mut Criterion) {
    start_and_cancel::<Tk>(c, "tk");
    start_and_cancel::<TokioSleep>(c, "tokio sleep");
    start_and_cancel::<TokioDelayQueue>(c, "tokio DelayQueue");
    start_and_cancel::<HashWheel>(c, "hash wheel, bare");
    start_and_cancel::<HashWheelThread>(c, "hash wheel, thread");
    replace_at_random::<Tk>(c, "tk");
    replace_at_random::<TokioSleep>(c, "tokio sleep");
    replace_at_random::<TokioDelayQueue>(c, "tokio DelayQueue");
    replace_at_random::<HashWheel>(c, "hash wheel, bare");
    stack_sleep(c);
}

/// tokio's at its best: the sleep is on the stack, and the runtime has been entered before.
fn stack_sleep(c: &mut Criterion) {
    for pending in PENDING {
        let prepared = LazyCell::new(|| prepare::<TokioSleep>(pending));
        c.benchmark_group("timers/start_and_cancel").bench_function(
            BenchmarkId::new("tokio sleep, no box", pending),
            |bencher| {
                let (timers, random, _) = &*prepared;
                let _entered = timers.0.enter();
                bencher.iter(|| {
                    let mut sleep = pin!(tokio::time::sleep(random.delay()));
                    let mut context = Context::from_waker(Waker::noop());
                    assert!(sleep.as_mut().poll(&mut context).is_pending());
                });
            },
        );
    }
}

/// So many rounds at the median of their times: one that the machine was busy with something else in says nothing.
fn at_median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2] * times.len() as u32
}

/// How far ahead the deadlines of the lateness benchmark are.
const AHEAD: Duration = Duration::from_micros(500);

fn lateness(c: &mut Criterion) {
    let mut group = c.benchmark_group("timers/lateness");
    group.bench_function("bare wait", |bencher| {
        bencher.iter_custom(|rounds| {
            // In a thread of its own: it keeps the slack.
            let sleeper = std::thread::spawn(move || {
                #[cfg(target_os = "linux")]
                rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1))
                    .expect("the least slack");
                let word = AtomicU32::new(0);
                let waits = || {
                    (
                        word.load(Ordering::Relaxed) == 0,
                        tk_park::Wait::new("bench"),
                    )
                };
                (0..rounds)
                    .map(|_| {
                        let deadline = tk_park::deadline_after(AHEAD).expect("a time");
                        let (valid, wait) = waits();
                        tk_park::park(&word, || valid, &wait, deadline.into());
                        deadline.elapsed()
                    })
                    .collect()
            });
            at_median(sleeper.join().expect("a benchmark does not panic"))
        });
    });
    let service = TimerService::new();
    // With another one pending the leader has to be replaced.
    for (name, others) in [("tk, alone", 0), ("tk, others pending", 1000)] {
        let handles: Vec<_> = (0..others)
            .map(|_| Timer::new(Duration::from_secs(3600), || ()).start_on(&service))
            .collect();
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|rounds| {
                let (sender, receiver) = mpsc::channel();
                let sender = Arc::new(sender);
                let late = (0..rounds).map(|_| {
                    let deadline = tk_park::deadline_after(AHEAD).expect("a time");
                    let sender = Arc::clone(&sender);
                    let fire = move || {
                        let late = deadline.elapsed();
                        let _ = sender.send(late);
                    };
                    Timer::at(deadline, fire).name("bench").start_on(&service);
                    receiver.recv().expect("it fires")
                });
                at_median(late.collect())
            });
        });
        for handle in handles {
            handle.cancel();
        }
    }
    group.finish();
}

criterion_group!(benches, costs, lateness);
criterion_main!(benches);
