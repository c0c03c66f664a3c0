//! How many instructions the fast paths take, which does not depend on the load of the machine.
//!
//! `ci/instructions.sh` runs it, and fails if a path has grown over its limit. Each limit is per
//! operation, the loop around it included. It leaves room for the code of another compiler, but not
//! for another step. If a change makes a path shorter, it lowers the limit.

// The macros turn a function into a module without documentation.
#![allow(missing_docs)]

use std::hint::black_box;

use gungraun::prelude::*;
use gungraun::{Callgrind, EventKind};
use log::{Level, Record};
use tk_benches::adapter::tk;
use tk_benches::kind::{
    Event, Line, Local, Logger, Monitor, Mutex, ReadWrite, Reentrant, Semaphore,
};

/// One count is over so many operations that the cost of a call does not show.
const OPERATIONS: u64 = 1000;

/// Makes the benchmark fail above so many instructions per operation.
fn limit(instructions: u64) -> LibraryBenchmarkConfig {
    // There are instructions besides: for the call, and for the first operation.
    let most = instructions * OPERATIONS + 200;
    let mut callgrind = Callgrind::default();
    callgrind.hard_limits([(EventKind::Ir, most)]);
    let mut config = LibraryBenchmarkConfig::default();
    config.tool(callgrind);
    config
}

fn repeat(mut f: impl FnMut()) {
    for _ in 0..OPERATIONS {
        f();
    }
}

/// Returns the value after it has been used once, so that the thread has its slot and the code is
/// linked.
fn ready<T>(value: T, once: impl Fn(&T)) -> T {
    once(&value);
    value
}

fn new_lock() -> tk::Lock {
    ready(tk::Lock::new(), |lock| lock.with(|count| *count += 1))
}

/// A lock that has been used for a while releases with a plain store.
fn lock() -> tk::Lock {
    ready(new_lock(), |lock| repeat(|| lock.with(|count| *count += 1)))
}

fn rwlock() -> tk::RwLock {
    ready(tk::RwLock::new(), |lock| {
        lock.write(|_| ());
        repeat(|| _ = lock.read(|numbers| numbers[0]));
    })
}

/// A lock that has been read for a while, and not written, is read with plain stores.
fn read_rwlock() -> tk::RwLock {
    ready(rwlock(), |lock| {
        // Some ten times as many as it takes, and for longer, since valgrind is slow.
        for _ in 0..500 {
            repeat(|| _ = lock.read(|numbers| numbers[0]));
        }
    })
}

fn rlock() -> tk::RLock {
    ready(tk::RLock::new(), |lock| lock.with(|| lock.with(|| ())))
}

fn event() -> tk::Flag {
    let event: tk::Flag = Event::new();
    ready(event, |event| {
        Event::set(event);
        event.clear();
        event.is_set();
    })
}

fn set_event() -> tk::Flag {
    ready(event(), |event| {
        event.set();
        Event::wait(event);
    })
}

fn semaphore() -> tk::Permits {
    ready(Semaphore::new(2), |semaphore: &tk::Permits| {
        semaphore.with(|| ())
    })
}

fn condition() -> tk::Conditional {
    let condition: tk::Conditional = Mutex::new();
    ready(condition, |condition| {
        condition.notify_one();
        condition.notify_all();
    })
}

fn local() -> tk::Number {
    ready(tk::Number::new(), |local| {
        local.set_first(7);
        local.get();
    })
}

fn logger() -> tk::Logging {
    tk::Logging::new(Line::Plain, std::io::sink())
}

#[library_benchmark]
#[bench::of_a_new_lock(args = (), config = limit(20), setup = new_lock)]
#[bench::pair(args = (), config = limit(19), setup = lock)]
fn lock_pair(lock: tk::Lock) -> tk::Lock {
    repeat(|| black_box(&lock).with(|count| *count += 1));
    lock
}

#[library_benchmark]
#[bench::of_a_lock_with_writes(args = (), config = limit(79), setup = rwlock)]
#[bench::pair(args = (), config = limit(68), setup = read_rwlock)]
fn read_pair(lock: tk::RwLock) -> tk::RwLock {
    repeat(|| _ = black_box(black_box(&lock).read(|numbers| numbers[0])));
    lock
}

#[library_benchmark(setup = rwlock)]
#[bench::pair(config = limit(39))]
fn write_pair(lock: tk::RwLock) -> tk::RwLock {
    repeat(|| black_box(&lock).write(|numbers| numbers[0] += 1));
    lock
}

#[library_benchmark(setup = rlock)]
#[bench::depth_1(config = limit(33))]
fn rlock_pair(lock: tk::RLock) -> tk::RLock {
    repeat(|| black_box(&lock).with(|| ()));
    lock
}

#[library_benchmark(setup = rlock)]
#[bench::depth_2(config = limit(58))]
fn rlock_again(lock: tk::RLock) -> tk::RLock {
    repeat(|| black_box(&lock).with(|| black_box(&lock).with(|| ())));
    lock
}

#[library_benchmark(setup = event)]
#[bench::pair(config = limit(11))]
fn event_set_and_clear(event: tk::Flag) -> tk::Flag {
    repeat(|| {
        Event::set(black_box(&event));
        black_box(&event).clear();
    });
    event
}

#[library_benchmark(setup = event)]
#[bench::one(config = limit(7))]
fn event_is_set(event: tk::Flag) -> tk::Flag {
    repeat(|| {
        black_box(black_box(&event).is_set());
    });
    event
}

#[library_benchmark(setup = set_event)]
#[bench::one(config = limit(7))]
fn event_wait(event: tk::Flag) -> tk::Flag {
    repeat(|| Event::wait(black_box(&event)));
    event
}

#[library_benchmark(setup = semaphore)]
#[bench::pair(config = limit(26))]
fn semaphore_pair(semaphore: tk::Permits) -> tk::Permits {
    repeat(|| black_box(&semaphore).with(|| ()));
    semaphore
}

#[library_benchmark(setup = condition)]
#[bench::one(config = limit(9))]
fn notify_one(condition: tk::Conditional) -> tk::Conditional {
    repeat(|| black_box(&condition).notify_one());
    condition
}

#[library_benchmark(setup = condition)]
#[bench::one(config = limit(9))]
fn notify_all(condition: tk::Conditional) -> tk::Conditional {
    repeat(|| black_box(&condition).notify_all());
    condition
}

#[library_benchmark(setup = local)]
#[bench::hit(config = limit(23))]
fn local_get(local: tk::Number) -> tk::Number {
    repeat(|| {
        black_box(black_box(&local).get());
    });
    local
}

#[library_benchmark(setup = logger)]
#[bench::by_target(config = limit(84))]
fn log_disabled(logger: tk::Logging) -> tk::Logging {
    repeat(|| {
        let arguments = format_args!("not written");
        let mut record = Record::builder();
        let record = record
            .level(Level::Info)
            .target("quiet")
            .args(arguments)
            .build();
        logger.log().log(black_box(&record));
    });
    logger
}

library_benchmark_group!(
    name = fast_paths,
    benchmarks = [
        lock_pair,
        read_pair,
        write_pair,
        rlock_pair,
        rlock_again,
        event_set_and_clear,
        event_is_set,
        event_wait,
        semaphore_pair,
        notify_one,
        notify_all,
        local_get,
        log_disabled,
    ]
);

main!(library_benchmark_groups = fast_paths);
