//! Adapters that are wrong on purpose, each in a way that a proof must see. A lost wake-up makes a
//! proof hang, which its runner sees.

use std::sync::atomic::AtomicI64;

use super::*;
use crate::adapter::over::Over;
use crate::adapter::{env_logger, standard};

/// A contender with a fault. Each implementation says which one.
struct Wrong<const HOW: u8> {
    inner: standard::Lock,
    open: AtomicU64,
    free: AtomicI64,
}

impl<const HOW: u8> Wrong<HOW> {
    fn made() -> Self {
        Wrong {
            inner: Mutex::new(),
            open: AtomicU64::new(0),
            free: AtomicI64::new(0),
        }
    }
}

impl<const HOW: u8> Named for Wrong<HOW> {
    const NAME: &'static str = "wrong";
}

/// Lets all threads in.
impl Mutex for Wrong<0> {
    fn new() -> Self {
        Wrong::made()
    }

    fn with<R>(&self, f: impl FnOnce(&mut u64) -> R) -> R {
        let mut copy = self.open.load(SeqCst);
        let result = f(&mut copy);
        self.open.store(copy, SeqCst);
        result
    }
}

/// Locks, and loses the changes that were made inside.
impl Mutex for Wrong<1> {
    fn new() -> Self {
        Wrong::made()
    }

    fn with<R>(&self, f: impl FnOnce(&mut u64) -> R) -> R {
        self.inner.with(|count| f(&mut count.clone()))
    }
}

#[test]
fn a_mutex_that_lets_two_in_is_seen() {
    let error = mutex::<Wrong<0>>().unwrap_err();
    assert_eq!(error, "two threads were inside at the same time");
}

#[test]
fn a_mutex_that_loses_what_is_done_inside_is_seen() {
    let error = mutex::<Wrong<1>>().unwrap_err();
    assert_eq!(error, "what a thread did inside was lost");
}

/// Gives up immediately.
impl Mutex for Wrong<2> {
    fn new() -> Self {
        Wrong::made()
    }

    fn with<R>(&self, f: impl FnOnce(&mut u64) -> R) -> R {
        self.open.store(1, SeqCst);
        let result = self.inner.with(f);
        self.open.store(0, SeqCst);
        result
    }
}

impl TimedMutex for Wrong<2> {
    fn try_with_for<R>(&self, _timeout: Duration, f: impl FnOnce(&mut u64) -> R) -> Option<R> {
        (self.open.load(SeqCst) == 0).then(|| self.with(f))
    }
}

#[test]
fn a_timed_lock_that_gives_up_early_is_seen() {
    assert_eq!(
        timed_mutex::<Wrong<2>>().unwrap_err(),
        "it gave up before its time"
    );
}

/// Waits neither for a free slot nor for an item.
struct Heedless(StdMutex<Stock>);

impl Named for Heedless {
    const NAME: &'static str = "wrong";
}

impl Buffer for Heedless {
    fn new(left: u64) -> Self {
        let items = Default::default();
        Heedless(StdMutex::new(Stock { items, left }))
    }

    fn wait_until<R>(
        &self,
        side: Side,
        mut ready: impl FnMut(&mut Stock) -> bool,
        f: impl FnOnce(&mut Stock) -> R,
    ) -> R {
        loop {
            let mut stock = self.0.lock().unwrap();
            if side == Side::Producers || ready(&mut stock) {
                return f(&mut stock);
            }
        }
    }

    fn notify(&self, _side: Side, _how: Notify) {}
}

/// Hands out other items than were put in.
struct Changing(Heedless);

impl Named for Changing {
    const NAME: &'static str = "wrong";
}

impl Buffer for Changing {
    fn new(left: u64) -> Self {
        Changing(Buffer::new(left))
    }

    fn wait_until<R>(
        &self,
        side: Side,
        mut ready: impl FnMut(&mut Stock) -> bool,
        f: impl FnOnce(&mut Stock) -> R,
    ) -> R {
        self.0.wait_until(side, &mut ready, |stock| {
            if side == Side::Consumers
                && let Some(item) = stock.items.front_mut()
            {
                *item += 1;
            }
            f(stock)
        })
    }

    fn notify(&self, _side: Side, _how: Notify) {}
}

#[test]
fn a_buffer_without_a_bound_is_seen() {
    // Both producers are done before a consumer starts, unless the consumers keep up with them item
    // by item: then the bound was kept by chance, and the next try shows that it is not.
    let seen = |error: String| error == "more items were inside than there are slots";
    assert!((0..1000).any(|_| buffer::<Heedless>().is_err_and(seen)));
}

#[test]
fn a_buffer_that_changes_items_is_seen() {
    assert_eq!(
        buffer::<Changing>().unwrap_err(),
        "an item was lost or came twice"
    );
}

impl Reentrant for Wrong<0> {
    fn new() -> Self {
        Wrong::made()
    }

    fn with<R>(&self, f: impl FnOnce() -> R) -> R {
        f()
    }
}

#[test]
fn a_reentrant_lock_that_lets_two_in_is_seen() {
    assert_eq!(
        reentrant::<Wrong<0>>().unwrap_err(),
        "two threads were inside at the same time"
    );
}

/// Waits for nothing.
impl Event for Wrong<0> {
    fn new() -> Self {
        Wrong::made()
    }

    fn set(&self) {
        self.open.store(1, SeqCst);
    }

    fn clear(&self) {
        self.open.store(0, SeqCst);
    }

    fn is_set(&self) -> bool {
        self.open.load(SeqCst) == 1
    }

    fn wait(&self) {}

    fn wait_for(&self, timeout: Duration) -> bool {
        thread::sleep(timeout);
        self.is_set()
    }
}

#[test]
fn an_event_that_waits_for_nothing_is_seen() {
    let error = event::<Wrong<0>>().unwrap_err();
    assert_eq!(error, "a wait ended before the event was set");
}

impl Signal for Wrong<0> {
    fn new() -> Self {
        Wrong::made()
    }

    fn signal(&self) {}

    fn wait(&self) {}
}

#[test]
fn a_signal_that_need_not_be_given_is_seen() {
    assert_eq!(
        signal::<Wrong<0>>().unwrap_err(),
        "a wait ended without a signal"
    );
}

/// Has one permit more than it was told.
impl Semaphore for Wrong<0> {
    fn new(permits: usize) -> Self {
        let wrong = Wrong::made();
        wrong.free.store(permits as i64 + 1, SeqCst);
        wrong
    }

    fn with<R>(&self, f: impl FnOnce() -> R) -> R {
        while self.free.fetch_sub(1, SeqCst) <= 0 {
            self.free.fetch_add(1, SeqCst);
            thread::yield_now();
        }
        let result = f();
        self.free.fetch_add(1, SeqCst);
        result
    }
}

#[test]
fn a_semaphore_with_a_permit_too_many_is_seen() {
    let error = semaphore::<Wrong<0>>().unwrap_err();
    assert_eq!(error, "more threads were inside than there are permits");
}

/// Lets all threads through.
impl Barrier for Wrong<0> {
    fn new(_parties: usize) -> Self {
        Wrong::made()
    }

    fn wait(&self) {}
}

#[test]
fn a_barrier_that_holds_no_thread_is_seen() {
    assert_eq!(
        barrier::<Wrong<0>>().unwrap_err(),
        "a thread left before the last had come"
    );
}

/// Has one number for all threads.
impl Local for Wrong<0> {
    fn new() -> Self {
        Wrong::made()
    }

    fn get(&self) -> Option<u64> {
        Some(self.open.load(SeqCst)).filter(|value| *value > 0)
    }

    fn set_first(&self, value: u64) {
        self.open.store(value + 1, SeqCst);
    }
}

#[test]
fn a_local_that_all_threads_share_is_seen() {
    assert_eq!(
        local::<Wrong<0>>().unwrap_err(),
        "a thread met what it has not set"
    );
}

impl TimerQueue for Wrong<0> {
    fn new() -> Self {
        Wrong::made()
    }

    fn fill(&mut self, _delays: &[Duration]) {}

    fn insert_and_cancel(&mut self, delays: &[Duration]) -> usize {
        delays.len() - 1
    }
}

impl Alarm for Wrong<0> {
    fn new() -> Self {
        Wrong::made()
    }

    fn ring(&mut self, _after: Duration, f: impl FnOnce() + Send + 'static) {
        f();
    }
}

/// Never rings.
impl Alarm for Wrong<1> {
    fn new() -> Self {
        Wrong::made()
    }

    fn ring(&mut self, _after: Duration, _f: impl FnOnce() + Send + 'static) {}
}

#[test]
fn timers_that_are_not_cancelled_or_ring_early_or_never_are_seen() {
    assert_eq!(
        timer_queue::<Wrong<0>>().unwrap_err(),
        "a timer was not cancelled"
    );
    assert_eq!(
        alarm::<Wrong<0>>().unwrap_err(),
        "an alarm rang before its time"
    );
    assert_eq!(
        alarm::<Wrong<1>>().unwrap_err(),
        "not every alarm rang once"
    );
}

impl Spawner for Wrong<0> {
    fn spawn_and_join(f: impl FnOnce() -> u64 + Send + 'static) -> u64 {
        f()
    }
}

impl Scope for Wrong<0> {
    fn scope(threads: usize, f: impl Fn() + Sync) {
        (1..threads).for_each(|_| f());
    }
}

#[test]
fn a_thread_that_is_none_and_a_scope_without_one_of_its_threads_are_seen() {
    let error = spawner::<Wrong<0>>().unwrap_err();
    assert_eq!(error, "it did not run in a thread of its own");
    assert_eq!(
        scope::<Wrong<0>>().unwrap_err(),
        "not every thread ran once"
    );
}

/// Writes a line without the thread's name.
struct Nameless(env_logger::Env);

impl Named for Nameless {
    const NAME: &'static str = "nameless";
}

impl Logger for Nameless {
    fn new(_line: Line, writer: impl std::io::Write + Send + 'static) -> Self {
        Nameless(Logger::new(Line::Plain, writer))
    }

    fn log(&self) -> &dyn log::Log {
        self.0.log()
    }
}

#[test]
fn a_line_without_the_name_is_seen() {
    let error = logger::<Nameless>().unwrap_err();
    assert!(error.starts_with("the thread's name is missing"), "{error}");
}

#[test]
fn a_monitor_made_of_a_right_lock_is_right() {
    assert_eq!(monitor::<standard::Lock>(), Ok(()));
    assert_eq!(event::<Over<standard::Lock>>(), Ok(()));
}
