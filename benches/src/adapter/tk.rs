//! tk itself.

use std::io::Write;
use std::time::Duration;

use log::LevelFilter;
use tk_condvar::Condition;

use crate::kind::*;

/// `tk_lock::Lock`.
pub struct Lock(tk_lock::Lock<u64>);

/// `tk_lock::RwLock`.
pub struct RwLock(tk_lock::RwLock<[u64; 4]>);

/// `tk_lock::Once`.
pub struct Start(tk_lock::Once);

/// `tk_lock::OnceLock`.
pub struct WrittenOnce(tk_lock::OnceLock<u64>);

/// `tk_lock::RLock`.
pub struct RLock(tk_lock::RLock<()>);

/// `tk_condvar::Condition`: a lock, its value and its condition in one.
pub struct Conditional(Condition<u64>);

/// `tk_lock::Lock`, with a `tk_condvar::Condvar` for each side of a buffer.
pub struct TwoSided {
    stock: tk_lock::Lock<Stock>,
    conditions: [tk_condvar::Condvar; 2],
}

/// `tk_event::Event`.
pub struct Flag(tk_event::Event);

/// `tk_semaphore::Semaphore`.
pub struct Permits(tk_semaphore::Semaphore);

/// `tk_barrier::Barrier`.
pub struct Meeting(tk_barrier::Barrier);

/// `tk_local::Local`.
pub struct Number(tk_local::Local<u64>);

/// `tk_local::Local`, with a struct.
pub struct Pair(tk_local::Local<Halves>);

/// `tk_timer::Timer`; the handles of those that are pending.
pub struct Timers(Vec<tk_timer::TimerHandle>);

/// `tk_thread`.
pub struct Thread;

/// `tk_core::logging`.
pub struct Logging(tk_core::logging::Logger);

super::named!(
    "tk": Lock, RwLock, Start, WrittenOnce, RLock, Conditional, TwoSided, Flag, Permits, Meeting,
    Number, Pair, Timers, Thread, Logging
);

impl Mutex for Lock {
    fn new() -> Self {
        Lock(tk_lock::Lock::new(0))
    }

    #[inline]
    fn with<R>(&self, f: impl FnOnce(&mut u64) -> R) -> R {
        f(&mut self.0.lock())
    }
}

impl Once for Start {
    fn new() -> Self {
        Start(tk_lock::Once::new())
    }

    #[inline]
    fn call(&self, f: impl FnOnce()) {
        self.0.call_once(f);
    }
}

impl OnceCell for WrittenOnce {
    fn new() -> Self {
        WrittenOnce(tk_lock::OnceLock::new())
    }

    #[inline]
    fn get(&self) -> Option<u64> {
        self.0.get().copied()
    }

    #[inline]
    fn get_or_init(&self, f: impl FnOnce() -> u64) -> u64 {
        *self.0.get_or_init(f)
    }
}

impl TimedMutex for Lock {
    #[inline]
    fn try_with_for<R>(&self, timeout: Duration, f: impl FnOnce(&mut u64) -> R) -> Option<R> {
        self.0.try_lock_for(timeout).map(|mut guard| f(&mut guard))
    }
}

impl ReadWrite for RwLock {
    fn new() -> Self {
        RwLock(tk_lock::RwLock::new([0; 4]))
    }

    #[inline]
    fn read<R>(&self, f: impl FnOnce(&[u64; 4]) -> R) -> R {
        f(&self.0.read())
    }

    #[inline]
    fn write<R>(&self, f: impl FnOnce(&mut [u64; 4]) -> R) -> R {
        f(&mut self.0.write())
    }
}

impl Reentrant for RLock {
    fn new() -> Self {
        RLock(tk_lock::RLock::new(()))
    }

    #[inline]
    fn with<R>(&self, f: impl FnOnce() -> R) -> R {
        let _guard = self.0.lock();
        f()
    }
}

impl Mutex for Conditional {
    fn new() -> Self {
        Conditional(Condition::new(0))
    }

    #[inline]
    fn with<R>(&self, f: impl FnOnce(&mut u64) -> R) -> R {
        f(&mut self.0.lock())
    }
}

impl Monitor for Conditional {
    fn wait_until<R>(
        &self,
        mut ready: impl FnMut(&mut u64) -> bool,
        f: impl FnOnce(&mut u64) -> R,
    ) -> R {
        let mut guard = self.0.lock();
        guard.wait_while(|value| !ready(value));
        f(&mut guard)
    }

    fn wait_for(&self, timeout: Duration, mut ready: impl FnMut(&mut u64) -> bool) -> bool {
        self.0
            .lock()
            .wait_while_with(|value| !ready(value), timeout)
            .is_ok()
    }

    fn notify_one(&self) {
        self.0.notify(1);
    }

    fn notify_all(&self) {
        self.0.notify_all();
    }
}

impl Buffer for TwoSided {
    fn new(left: u64) -> Self {
        let stock = Stock {
            left,
            ..Stock::default()
        };
        TwoSided {
            stock: tk_lock::Lock::new(stock),
            conditions: Default::default(),
        }
    }

    #[inline]
    fn wait_until<R>(
        &self,
        side: Side,
        mut ready: impl FnMut(&mut Stock) -> bool,
        f: impl FnOnce(&mut Stock) -> R,
    ) -> R {
        let mut stock = self.stock.lock();
        self.conditions[side as usize].wait_while(&mut stock, |stock| !ready(stock));
        f(&mut stock)
    }

    #[inline]
    fn notify(&self, side: Side, how: Notify) {
        let condition = &self.conditions[side as usize];
        match how {
            Notify::One => condition.notify(1),
            Notify::All => condition.notify_all(),
        };
    }
}

impl Event for Flag {
    fn new() -> Self {
        Flag(tk_event::Event::new())
    }

    #[inline]
    fn set(&self) {
        self.0.set();
    }

    #[inline]
    fn clear(&self) {
        self.0.clear();
    }

    #[inline]
    fn is_set(&self) -> bool {
        self.0.is_set()
    }

    #[inline]
    fn wait(&self) {
        self.0.wait();
    }

    fn wait_for(&self, timeout: Duration) -> bool {
        self.0.wait_for(timeout)
    }
}

impl Signal for Flag {
    fn new() -> Self {
        Flag(tk_event::Event::new())
    }

    fn signal(&self) {
        self.0.set();
    }

    /// Clears the event after the wait, as every loop over an event does, so that a later signal
    /// ends the next wait.
    fn wait(&self) {
        self.0.wait();
        self.0.clear();
    }
}

impl Signal for Conditional {
    fn new() -> Self {
        Conditional(Condition::new(0))
    }

    fn signal(&self) {
        *self.0.lock() += 1;
        self.0.notify(1);
    }

    fn wait(&self) {
        self.wait_until(|given| *given > 0, |given| *given -= 1);
    }
}

impl Semaphore for Permits {
    fn new(permits: usize) -> Self {
        Permits(tk_semaphore::Semaphore::new(permits))
    }

    #[inline]
    fn with<R>(&self, f: impl FnOnce() -> R) -> R {
        let _permit = self.0.acquire();
        f()
    }
}

impl Signal for Permits {
    fn new() -> Self {
        Permits(tk_semaphore::Semaphore::new(0))
    }

    fn signal(&self) {
        self.0.release(1).expect("a workload is not that long");
    }

    fn wait(&self) {
        self.0.acquire().forget();
    }
}

impl Barrier for Meeting {
    fn new(parties: usize) -> Self {
        Meeting(tk_barrier::Barrier::new(parties))
    }

    fn wait(&self) {
        self.0.wait().expect("the workload does not abort it");
    }
}

impl Local for Number {
    fn new() -> Self {
        Number(tk_local::Local::new())
    }

    #[inline]
    fn get(&self) -> Option<u64> {
        self.0.get()
    }

    #[inline]
    fn set_first(&self, value: u64) {
        self.0.set(value);
    }
}

impl Local for Pair {
    fn new() -> Self {
        Pair(tk_local::Local::new())
    }

    #[inline]
    fn get(&self) -> Option<u64> {
        self.0.get().map(u64::from)
    }

    #[inline]
    fn set_first(&self, value: u64) {
        self.0.set(value.into());
    }
}

impl TimerQueue for Timers {
    fn new() -> Self {
        Timers(Vec::new())
    }

    fn fill(&mut self, delays: &[Duration]) {
        let timers = delays
            .iter()
            .map(|delay| tk_timer::Timer::new(*delay, || ()).daemon(true));
        self.0.extend(timers.map(tk_timer::Timer::start));
    }

    fn insert_and_cancel(&mut self, delays: &[Duration]) -> usize {
        let mut cancelled = 0;
        for delay in delays {
            let timer = tk_timer::Timer::new(*delay, || ()).daemon(true).start();
            cancelled += usize::from(timer.cancel().is_cancelled());
        }
        cancelled
    }
}

/// Cancels the timers: a dropped handle leaves its timer pending, and all timers share one service.
impl Drop for Timers {
    fn drop(&mut self) {
        for timer in &self.0 {
            timer.cancel();
        }
    }
}

impl Alarm for Timers {
    fn new() -> Self {
        Timers(Vec::new())
    }

    fn ring(&mut self, after: Duration, f: impl FnOnce() + Send + 'static) {
        tk_timer::Timer::new(after, f).daemon(true).start();
    }
}

impl Spawner for Thread {
    fn spawn_and_join(f: impl FnOnce() -> u64 + Send + 'static) -> u64 {
        tk_thread::spawn(f)
            .join()
            .expect("a workload does not panic")
    }
}

impl Scope for Thread {
    fn scope(threads: usize, f: impl Fn() + Sync) {
        tk_thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(&f);
            }
        });
    }
}

impl Logger for Logging {
    fn new(line: Line, writer: impl Write + Send + 'static) -> Self {
        let config = tk_core::logging::basic_config()
            .level(LevelFilter::Info)
            .filter("quiet=off");
        let config = config.stream(writer).format(match line {
            Line::Plain => "[%(levelname)s %(name)s] %(message)s",
            Line::Full => "%(asctime)s %(levelname)s %(threadName)s %(message)s",
        });
        Logging(config.build().expect("the format is right"))
    }

    fn log(&self) -> &dyn log::Log {
        &self.0
    }
}
