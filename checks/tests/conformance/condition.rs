//! `ConditionTests`.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use crate::{SHORT, suite, takes_a_short_time};
use tk_condvar::{Condition, Condvar, Monitor};
use tk_lock::Lock;
use tk_testing::{Running, start, until};

const FOREVER: Duration = Duration::MAX;

/// A number with a lock and a condition.
trait Number: Send + Sync {
    fn new() -> Self;
    /// Returns when all these threads wait.
    fn until_all_wait<T>(&self, threads: &[Running<'_, T>]);
    /// With the lock held.
    fn update(&self, f: impl FnOnce(&mut u32));
    /// Takes the lock and waits for a notification.
    fn wait(&self, timeout: Duration) -> bool;
    /// Takes the lock and waits while the condition says so.
    fn wait_while(&self, condition: impl FnMut(&mut u32) -> bool, timeout: Duration) -> bool;
    fn notify(&self, n: usize);
    fn notify_all(&self);
}

impl Number for Condition<u32> {
    fn new() -> Self {
        Condition::new(0)
    }

    fn until_all_wait<T>(&self, threads: &[Running<'_, T>]) {
        threads
            .iter()
            .for_each(|thread| thread.until_parked("condition"));
    }

    fn update(&self, f: impl FnOnce(&mut u32)) {
        f(&mut self.lock());
    }

    fn wait(&self, timeout: Duration) -> bool {
        self.lock().wait_for(timeout)
    }

    fn wait_while(&self, condition: impl FnMut(&mut u32) -> bool, timeout: Duration) -> bool {
        self.lock().wait_while_with(condition, timeout).is_ok()
    }

    fn notify(&self, n: usize) {
        Condition::notify(self, n);
    }

    fn notify_all(&self) {
        Condition::notify_all(self);
    }
}

impl Number for Monitor<u32> {
    fn new() -> Self {
        Monitor::new(0)
    }

    fn until_all_wait<T>(&self, threads: &[Running<'_, T>]) {
        threads
            .iter()
            .for_each(|thread| thread.until_parked("condition"));
    }

    fn update(&self, f: impl FnOnce(&mut u32)) {
        f(&mut self.lock().borrow_mut());
    }

    fn wait(&self, timeout: Duration) -> bool {
        let _outer = self.lock();
        self.lock().wait_for(timeout)
    }

    fn wait_while(&self, condition: impl FnMut(&mut u32) -> bool, timeout: Duration) -> bool {
        let _outer = self.lock();
        self.lock().wait_while_with(condition, timeout).is_ok()
    }

    fn notify(&self, n: usize) {
        Monitor::notify(self, n);
    }

    fn notify_all(&self) {
        Monitor::notify_all(self);
    }
}

impl Number for (Lock<u32>, Condvar) {
    fn new() -> Self {
        (Lock::new(0), Condvar::new())
    }

    fn until_all_wait<T>(&self, threads: &[Running<'_, T>]) {
        threads
            .iter()
            .for_each(|thread| thread.until_parked("condition"));
    }

    fn update(&self, f: impl FnOnce(&mut u32)) {
        f(&mut self.0.lock());
    }

    fn wait(&self, timeout: Duration) -> bool {
        self.1.wait_for(&mut self.0.lock(), timeout)
    }

    fn wait_while(&self, condition: impl FnMut(&mut u32) -> bool, timeout: Duration) -> bool {
        self.1
            .wait_while_with(&mut self.0.lock(), condition, timeout)
            .is_ok()
    }

    fn notify(&self, n: usize) {
        self.1.notify(n);
    }

    fn notify_all(&self) {
        self.1.notify_all();
    }
}

/// The number, and how many threads wait. The count changes with the lock held, so a thread that
/// has read it can notify exactly so many.
type Counted = (u32, usize);

impl Number for (parking_lot::Mutex<Counted>, parking_lot::Condvar) {
    fn new() -> Self {
        (parking_lot::Mutex::new((0, 0)), parking_lot::Condvar::new())
    }

    fn until_all_wait<T>(&self, threads: &[Running<'_, T>]) {
        until("all wait", || self.0.lock().1 == threads.len());
    }

    fn update(&self, f: impl FnOnce(&mut u32)) {
        f(&mut self.0.lock().0);
    }

    fn wait(&self, timeout: Duration) -> bool {
        let mut guard = self.0.lock();
        guard.1 += 1;
        let result = self.1.wait_for(&mut guard, timeout);
        guard.1 -= 1;
        !result.timed_out()
    }

    fn wait_while(&self, mut condition: impl FnMut(&mut u32) -> bool, timeout: Duration) -> bool {
        let mut guard = self.0.lock();
        guard.1 += 1;
        let result =
            self.1
                .wait_while_for(&mut guard, |counted| condition(&mut counted.0), timeout);
        guard.1 -= 1;
        !result.timed_out()
    }

    fn notify(&self, n: usize) {
        for _ in 0..n {
            self.1.notify_one();
        }
    }

    fn notify_all(&self) {
        self.1.notify_all();
    }
}

impl Number for (std::sync::Mutex<Counted>, std::sync::Condvar) {
    fn new() -> Self {
        (std::sync::Mutex::new((0, 0)), std::sync::Condvar::new())
    }

    fn until_all_wait<T>(&self, threads: &[Running<'_, T>]) {
        until("all wait", || self.0.lock().unwrap().1 == threads.len());
    }

    fn update(&self, f: impl FnOnce(&mut u32)) {
        f(&mut self.0.lock().unwrap().0);
    }

    fn wait(&self, timeout: Duration) -> bool {
        let mut guard = self.0.lock().unwrap();
        guard.1 += 1;
        let (mut guard, result) = self.1.wait_timeout(guard, timeout).unwrap();
        guard.1 -= 1;
        !result.timed_out()
    }

    fn wait_while(&self, mut condition: impl FnMut(&mut u32) -> bool, timeout: Duration) -> bool {
        let mut guard = self.0.lock().unwrap();
        guard.1 += 1;
        let condition = |counted: &mut Counted| condition(&mut counted.0);
        let (mut guard, result) = self
            .1
            .wait_timeout_while(guard, timeout, condition)
            .unwrap();
        guard.1 -= 1;
        !result.timed_out()
    }

    fn notify(&self, n: usize) {
        for _ in 0..n {
            self.1.notify_one();
        }
    }

    fn notify_all(&self) {
        self.1.notify_all();
    }
}

/// Two phases, as in CPython, because a wake-up that one phase leaves behind shows in the next one.
fn test_notify<C: Number>() {
    let condition = C::new();
    for _ in 0..2 {
        let passed = AtomicUsize::new(0);
        let pass = || {
            assert!(condition.wait(FOREVER));
            passed.fetch_add(1, SeqCst);
        };
        std::thread::scope(|s| {
            let threads = [(); 5].map(|()| {
                start(s, || {
                    pass();
                    pass();
                    pass();
                })
            });
            condition.until_all_wait(&threads);
            // Three go on, wait again, and are the last in the line.
            condition.notify(3);
            until("three pass", || passed.load(SeqCst) == 3);
            condition.until_all_wait(&threads);
            assert_eq!(passed.load(SeqCst), 3);
            condition.notify(5);
            until("all pass", || passed.load(SeqCst) == 8);
            condition.until_all_wait(&threads);
            condition.notify_all();
            until("all pass again", || passed.load(SeqCst) == 13);
            // The two threads that the first notification left out have one more wait to go.
            let finished = || threads.iter().filter(|thread| thread.is_finished()).count();
            until("three are done", || finished() == 3);
            assert_eq!(passed.load(SeqCst), 13);
            until("the others are told", || {
                condition.notify_all();
                finished() == 5
            });
            threads.into_iter().for_each(|thread| thread.join());
            assert_eq!(passed.load(SeqCst), 15);
        });
    }
}

fn test_timeout<C: Number>() {
    let condition = C::new();
    std::thread::scope(|s| {
        let threads = [(); 5].map(|()| start(s, || takes_a_short_time(|| condition.wait(SHORT))));
        assert_eq!(threads.map(|thread| thread.join()), [false; 5]);
    });
}

fn test_waitfor<C: Number>() {
    let condition = C::new();
    std::thread::scope(|s| {
        let thread = start(s, || condition.wait_while(|n| *n < 4, FOREVER));
        for _ in 0..4 {
            condition.until_all_wait(std::slice::from_ref(&thread));
            condition.update(|n| *n += 1);
            condition.notify(1);
        }
        assert!(thread.join());
    });
}

fn test_waitfor_timeout<C: Number>() {
    let condition = C::new();
    std::thread::scope(|s| {
        let thread = start(s, || {
            takes_a_short_time(|| condition.wait_while(|n| *n < 4, SHORT))
        });
        // However often it is told to look again, it waits for one time in all.
        while !thread.is_finished() {
            condition.notify(1);
            std::thread::yield_now();
        }
        assert!(!thread.join());
    });
}

suite!(
    kit_condition: tk_condvar::Condition<u32>,
    test_notify,
    test_timeout,
    test_waitfor,
    test_waitfor_timeout,
);
suite!(
    kit_monitor: tk_condvar::Monitor<u32>,
    test_notify,
    test_timeout,
    test_waitfor,
    test_waitfor_timeout,
);
suite!(
    kit_condvar: (tk_lock::Lock<u32>, tk_condvar::Condvar),
    test_notify,
    test_timeout,
    test_waitfor,
    test_waitfor_timeout,
);

suite!(
    peer_parking_lot: (parking_lot::Mutex<super::Counted>, parking_lot::Condvar),
    test_notify,
    test_timeout,
    test_waitfor,
    test_waitfor_timeout,
);
// Without the tests that a spurious wake-up would break.
suite!(
    peer_std: (std::sync::Mutex<super::Counted>, std::sync::Condvar),
    test_waitfor,
    test_waitfor_timeout,
);

#[test]
fn test_acquire() {
    // The default is reentrant.
    let monitor = Monitor::new(0);
    let _levels = (monitor.lock(), monitor.lock());
    std::thread::scope(|s| assert!(start(s, || monitor.try_lock().is_none()).join()));
    // Two conditions can share a lock.
    let lock = Lock::new(0);
    let (first, second) = (Condvar::new(), Condvar::new());
    let mut guard = lock.lock();
    assert!(!first.wait_for(&mut guard, Duration::ZERO));
    assert!(!second.wait_for(&mut guard, Duration::ZERO));
}

#[test]
fn test_unacquired_notify() {
    // No error here: it needs no lock.
    assert_eq!(Condition::new(0).notify(1), 0);
}
