//! Rounds for the conditions.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tk_condvar::{Condition, Condvar, Monitor};
use tk_lock::Lock;

use crate::round::{Limits, Round, Tally, Worker};

/// A queue of jobs: the consumers take each job that the producers have made.
#[derive(Default)]
struct Queue {
    jobs: u64,
    producers: usize,
    closed: bool,
    produced: u64,
    consumed: u64,
}

impl Queue {
    fn new(round: &Round) -> Queue {
        Queue {
            // Every other thread, the first one too.
            producers: round.threads.div_ceil(2),
            ..Queue::default()
        }
    }

    /// Whether no more jobs are to come, and all have been taken. So the end of the producers does
    /// not hide a lost notification.
    fn is_done(&self) -> bool {
        self.producers == 0 && self.jobs == 0
    }
}

/// Whether the consumers of this round may give up. If not, each of them depends on being notified.
fn limits_of(round: &Round) -> Limits {
    match round.seed & 1 {
        0 => Limits::None,
        _ => Limits::Any,
    }
}

fn check(queue: &Queue) {
    assert_eq!(queue.jobs, 0, "jobs that nobody was told of");
    assert_eq!(queue.produced, queue.consumed);
}

pub fn queue(round: &Round) -> Tally {
    let queue = Condition::new(Queue::new(round));
    let limits = limits_of(round);
    let produce = |worker: &mut Worker<'_>| {
        while !worker.is_expired() {
            let n = 1 + worker.random.below(3);
            let mut guard = queue.lock();
            (guard.jobs, guard.produced) = (guard.jobs + n, guard.produced + n);
            match worker.random.below(3) {
                0 => _ = guard.notify(n as usize),
                1 => {
                    drop(guard);
                    queue.notify(n as usize);
                }
                _ => _ = guard.notify_all(),
            }
            worker.done();
            worker.work();
        }
        queue.lock().producers -= 1;
    };
    let consume = |worker: &mut Worker<'_>| {
        loop {
            let mut guard = queue.lock();
            let idle = |queue: &mut Queue| queue.jobs == 0 && !queue.closed;
            worker.wait(limits, |limit| guard.wait_while_with(idle, limit));
            if guard.jobs > 0 {
                (guard.jobs, guard.consumed) = (guard.jobs - 1, guard.consumed + 1);
            } else if guard.closed {
                return;
            }
        }
    };
    let tally = round.run(
        |worker| match worker.number % 2 {
            0 => produce(worker),
            _ => consume(worker),
        },
        || {
            if let Some(mut guard) = queue.try_lock()
                && guard.is_done()
            {
                guard.closed = true;
                guard.notify_all();
            }
        },
    );
    check(&queue.into_inner());
    tally
}

pub fn monitor_queue(round: &Round) -> Tally {
    let queue = Monitor::new(Queue::new(round));
    let limits = limits_of(round);
    let produce = |worker: &mut Worker<'_>| {
        while !worker.is_expired() {
            let n = 1 + worker.random.below(3);
            let outer = queue.lock();
            {
                let inner = queue.lock();
                let mut queue = inner.borrow_mut();
                (queue.jobs, queue.produced) = (queue.jobs + n, queue.produced + n);
            }
            if worker.random.one_in(2) {
                _ = outer.notify(n as usize)
            } else {
                drop(outer);
                queue.notify_all();
            }
            worker.done();
            worker.work();
        }
        queue.lock().borrow_mut().producers -= 1;
    };
    let consume = |worker: &mut Worker<'_>| {
        loop {
            let outer = queue.lock();
            let mut inner = queue.lock();
            let idle = |queue: &mut Queue| queue.jobs == 0 && !queue.closed;
            worker.wait(limits, |limit| inner.wait_while_with(idle, limit));
            assert_eq!(queue.recursion_count(), 2);
            let mut queue = outer.borrow_mut();
            if queue.jobs > 0 {
                (queue.jobs, queue.consumed) = (queue.jobs - 1, queue.consumed + 1);
            } else if queue.closed {
                return;
            }
        }
    };
    let tally = round.run(
        |worker| match worker.number % 2 {
            0 => produce(worker),
            _ => consume(worker),
        },
        || {
            if let Some(guard) = queue.try_lock()
                && guard.borrow().is_done()
            {
                guard.borrow_mut().closed = true;
                guard.notify_all();
            }
        },
    );
    check(&queue.into_inner());
    tally
}

/// Each notification that its sender counts is counted by the thread that receives it.
fn count(
    round: &Round,
    wait: impl Fn(&mut Worker<'_>) -> bool + Sync,
    notify: impl Fn(usize) -> usize + Sync,
) -> Tally {
    let (sent, received) = (AtomicU64::new(0), AtomicU64::new(0));
    let tally = round.run(
        |worker| {
            while !worker.is_expired() {
                if worker.number.is_multiple_of(3) {
                    let n = worker.random.below(5) as usize;
                    sent.fetch_add(notify(n) as u64, Relaxed);
                    worker.done();
                    worker.work();
                } else if wait(worker) {
                    received.fetch_add(1, Relaxed);
                }
            }
        },
        || _ = sent.fetch_add(notify(usize::MAX) as u64, Relaxed),
    );
    assert_eq!(
        sent.into_inner(),
        received.into_inner(),
        "sent and received"
    );
    assert_eq!(notify(usize::MAX), 0);
    tally
}

pub fn counts(round: &Round) -> Tally {
    let condition = Condition::new(());
    count(
        round,
        |worker| {
            let mut guard = condition.lock();
            worker.wait(Limits::Any, |limit| guard.wait_with(limit))
        },
        |n| match n {
            0 | usize::MAX => condition.notify_all(),
            // With and without the lock, which makes a difference.
            1 => condition.lock().notify(1),
            2 => condition.notify(1),
            n => condition.notify(n),
        },
    )
}

pub fn condvar_counts(round: &Round) -> Tally {
    let (condvar, lock) = (Condvar::new(), Lock::new(()));
    count(
        round,
        |worker| {
            let mut guard = lock.lock();
            worker.wait(Limits::Any, |limit| condvar.wait_with(&mut guard, limit))
        },
        |n| match n {
            0 | usize::MAX => {
                let _guard = lock.lock();
                condvar.notify_all()
            }
            1 => usize::from(condvar.notify_one()),
            n => condvar.notify(n),
        },
    )
}
