//! The small traits over which the cases are written: the kinds of contenders.
//!
//! They are as narrow as the cases need, so that a type with fewer features can take part, and
//! generic down to the closure, so that nothing but the type's own code is timed.

use std::collections::VecDeque;
use std::io::Write;
use std::time::Duration;

/// The name of a contender in tables and pictures: `tk`, or the name of the peer's crate.
pub trait Named {
    /// The name.
    const NAME: &'static str;
}

/// A lock around a number.
pub trait Mutex: Named + Send + Sync + 'static {
    /// One around zero.
    fn new() -> Self;
    /// Calls `f` with the lock held.
    fn with<R>(&self, f: impl FnOnce(&mut u64) -> R) -> R;
}

/// A lock that can be waited for with a limit.
pub trait TimedMutex: Mutex {
    /// Calls `f` with the lock held, if it can be had within that time.
    fn try_with_for<R>(&self, timeout: Duration, f: impl FnOnce(&mut u64) -> R) -> Option<R>;
}

/// A lock around a few numbers that many can read, or one can write.
pub trait ReadWrite: Named + Send + Sync + 'static {
    /// One around zeros.
    fn new() -> Self;
    /// Calls `f` with the lock held for reading.
    fn read<R>(&self, f: impl FnOnce(&[u64; 4]) -> R) -> R;
    /// Calls `f` with the lock held for writing.
    fn write<R>(&self, f: impl FnOnce(&mut [u64; 4]) -> R) -> R;
}

/// A step that runs once.
pub trait Once: Named + Send + Sync + 'static {
    /// One that has not run.
    fn new() -> Self;
    /// Calls `f`, unless such a call has been made.
    fn call(&self, f: impl FnOnce());
}

/// A number that is written once.
pub trait OnceCell: Named + Send + Sync + 'static {
    /// One that is not set.
    fn new() -> Self;
    /// The number, if it is set.
    fn get(&self) -> Option<u64>;
    /// The number, which is that of `f` if it was not set.
    fn get_or_init(&self, f: impl FnOnce() -> u64) -> u64;
}

/// A lock that its holder can take again.
pub trait Reentrant: Named + Send + Sync + 'static {
    /// One that is free.
    fn new() -> Self;
    /// Calls `f` with the lock held.
    fn with<R>(&self, f: impl FnOnce() -> R) -> R;
}

/// A lock around a number and a condition of it.
pub trait Monitor: Mutex {
    /// Waits until `ready`, which is called with the lock held, and again after each notification.
    /// Then calls `f`, the lock still held.
    fn wait_until<R>(
        &self,
        ready: impl FnMut(&mut u64) -> bool,
        f: impl FnOnce(&mut u64) -> R,
    ) -> R;
    /// Waits until `ready` or until that time is over. Returns whether it was ready.
    fn wait_for(&self, timeout: Duration, ready: impl FnMut(&mut u64) -> bool) -> bool;
    /// Wakes one of those that wait.
    fn notify_one(&self);
    /// Wakes all that wait.
    fn notify_all(&self);
}

/// The side of a bounded buffer on which a thread waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Producers wait for a free slot.
    Producers,
    /// Consumers wait for an item, or for the end.
    Consumers,
}

/// How many waiters a `put` or a `take` notifies on the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notify {
    /// One waiter. The contender decides which.
    One,
    /// All of them.
    All,
}

/// The contents of a bounded buffer.
#[derive(Debug, Default)]
pub struct Stock {
    /// The items that were put in and not yet taken.
    pub items: VecDeque<u64>,
    /// The number of items that consumers have yet to take before the run is over.
    pub left: u64,
}

/// A lock around a [`Stock`], and a condition variable for each [`Side`].
pub trait Buffer: Named + Send + Sync + 'static {
    /// Creates one around an empty stock of which `left` items are to be taken.
    fn new(left: u64) -> Self;
    /// Calls `f` with the lock held as soon as `ready` returns `true`. Until then the thread waits
    /// on that side's condition variable.
    fn wait_until<R>(
        &self,
        side: Side,
        ready: impl FnMut(&mut Stock) -> bool,
        f: impl FnOnce(&mut Stock) -> R,
    ) -> R;
    /// Notifies threads that wait on that side.
    fn notify(&self, side: Side, how: Notify);
}

/// A flag to wait for, which stays set until it is cleared.
pub trait Event: Named + Send + Sync + 'static {
    /// One that is not set.
    fn new() -> Self;
    /// Sets it and wakes all that wait.
    fn set(&self);
    /// Takes it back.
    fn clear(&self);
    /// Whether it is set.
    fn is_set(&self) -> bool;
    /// Waits until it is set.
    fn wait(&self);
    /// Waits until it is set or that time is over. Returns whether it was set.
    fn wait_for(&self, timeout: Duration) -> bool;
}

/// A signal that one thread gives and another one waits for: each signal ends one wait.
pub trait Signal: Named + Send + Sync + 'static {
    /// One that has not been given.
    fn new() -> Self;
    /// Ends one wait, this one or the next.
    fn signal(&self);
    /// Waits for a signal and takes it.
    fn wait(&self);
}

/// Permits that threads take and give back.
pub trait Semaphore: Named + Send + Sync + 'static {
    /// One with that many permits.
    fn new(permits: usize) -> Self;
    /// Calls `f` with a permit held.
    fn with<R>(&self, f: impl FnOnce() -> R) -> R;
}

/// A meeting point.
pub trait Barrier: Named + Send + Sync + 'static {
    /// One of that many threads.
    fn new(parties: usize) -> Self;
    /// Waits until all have come.
    fn wait(&self);
}

/// A number in two parts: a plain value of a type that no contender knows.
#[derive(Clone, Copy, Debug)]
pub struct Halves([u32; 2]);

impl From<u64> for Halves {
    #[inline]
    fn from(number: u64) -> Halves {
        Halves([number as u32, (number >> 32) as u32])
    }
}

impl From<Halves> for u64 {
    #[inline]
    fn from(Halves([low, high]): Halves) -> u64 {
        u64::from(low) | u64::from(high) << 32
    }
}

/// A number per thread and object.
pub trait Local: Named + Send + Sync + 'static {
    /// One that no thread has set.
    fn new() -> Self;
    /// This thread's number, if it has one.
    fn get(&self) -> Option<u64>;
    /// Gives this thread its first number.
    fn set_first(&self, value: u64);
}

/// Timers that hardly ever fire, as the limits of a server's requests.
pub trait TimerQueue: Named + 'static {
    /// An empty one.
    fn new() -> Self;
    /// Starts a timer for each of these delays, and leaves it pending.
    fn fill(&mut self, delays: &[Duration]);
    /// Starts a timer and cancels it, for each of these delays in turn. Returns how many cancels
    /// came in time.
    fn insert_and_cancel(&mut self, delays: &[Duration]) -> usize;
}

/// A timer that calls a function.
pub trait Alarm: Named + 'static {
    /// Creates the runner of the timers.
    fn new() -> Self;
    /// Calls `f` after that time.
    fn ring(&mut self, after: Duration, f: impl FnOnce() + Send + 'static);
}

/// A way to start threads.
pub trait Spawner: Named + 'static {
    /// Calls `f` in a thread of its own, waits until that has ended, and returns what it returned.
    fn spawn_and_join(f: impl FnOnce() -> u64 + Send + 'static) -> u64;
}

/// A way to start threads that borrow.
pub trait Scope: Named + 'static {
    /// Calls `f` in that many threads, and waits until all have ended.
    fn scope(threads: usize, f: impl Fn() + Sync);
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// Level, target, message.
    Plain,
    /// Time to the millisecond, level, the thread's name, message.
    Full,
}

/// A logger, which turns a record into a line.
pub trait Logger: Named + Sync + 'static {
    /// One that writes there and lets `info` and more severe levels through, but nothing of the
    /// target `quiet`.
    fn new(line: Line, writer: impl Write + Send + 'static) -> Self;
    /// The logger, as the `log` crate knows it.
    fn log(&self) -> &dyn log::Log;
}
