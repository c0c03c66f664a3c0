//! tokio: its semaphore, waited for by blocking the thread, and its timers.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pollster::block_on;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Notify, Semaphore as TokioSemaphore};
use tokio::time::{Sleep, sleep};
use tokio_util::time::DelayQueue;

use crate::kind::{Alarm, Semaphore, Signal, TimerQueue};

/// Its semaphore.
pub struct Permits(TokioSemaphore);

/// Its `Notify`, which keeps one notification.
pub struct Notification(Notify);

/// Its `sleep`: a future that has been polled once is pending, one that has been dropped is
/// canceled.
pub struct Sleeps {
    pending: Vec<Pin<Box<Sleep>>>,
    runtime: Runtime,
}

/// Its `DelayQueue`.
pub struct Delays {
    queue: DelayQueue<u64>,
    runtime: Runtime,
}

super::named!("tokio": Permits, Notification, Sleeps);
super::named!("tokio DelayQueue": Delays);

impl Semaphore for Permits {
    fn new(permits: usize) -> Self {
        Permits(TokioSemaphore::new(permits))
    }

    #[inline]
    fn with<R>(&self, f: impl FnOnce() -> R) -> R {
        let _permit = match self.0.try_acquire() {
            Ok(permit) => permit,
            Err(_) => block_on(self.0.acquire()).expect("the workload does not close it"),
        };
        f()
    }
}

impl Signal for Permits {
    fn new() -> Self {
        Permits(TokioSemaphore::new(0))
    }

    fn signal(&self) {
        self.0.add_permits(1);
    }

    fn wait(&self) {
        block_on(self.0.acquire())
            .expect("the workload does not close it")
            .forget();
    }
}

impl Signal for Notification {
    fn new() -> Self {
        Notification(Notify::new())
    }

    fn signal(&self) {
        self.0.notify_one();
    }

    fn wait(&self) {
        block_on(self.0.notified());
    }
}

/// One worker, so that the measured thread shares its processor with no more than that.
fn runtime() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder
        .worker_threads(1)
        .enable_time()
        .build()
        .expect("there is room for one thread")
}

fn pending(delay: Duration) -> Pin<Box<Sleep>> {
    let mut sleep = Box::pin(sleep(delay));
    let polled = sleep.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert_eq!(polled, Poll::Pending);
    sleep
}

impl TimerQueue for Sleeps {
    fn new() -> Self {
        Sleeps {
            pending: Vec::new(),
            runtime: runtime(),
        }
    }

    fn fill(&mut self, delays: &[Duration]) {
        let _context = self.runtime.enter();
        self.pending.extend(delays.iter().copied().map(pending));
    }

    fn insert_and_cancel(&mut self, delays: &[Duration]) -> usize {
        let _context = self.runtime.enter();
        for delay in delays {
            drop(pending(*delay));
        }
        delays.len()
    }
}

impl TimerQueue for Delays {
    fn new() -> Self {
        let runtime = runtime();
        let _context = runtime.enter();
        let queue = DelayQueue::new();
        drop(_context);
        Delays { queue, runtime }
    }

    fn fill(&mut self, delays: &[Duration]) {
        let _context = self.runtime.enter();
        for delay in delays {
            self.queue.insert(0, *delay);
        }
    }

    fn insert_and_cancel(&mut self, delays: &[Duration]) -> usize {
        let _context = self.runtime.enter();
        for delay in delays {
            let key = self.queue.insert(0, *delay);
            self.queue.remove(&key);
        }
        delays.len()
    }
}

impl Alarm for Sleeps {
    fn new() -> Self {
        TimerQueue::new()
    }

    fn ring(&mut self, after: Duration, f: impl FnOnce() + Send + 'static) {
        let _context = self.runtime.enter();
        let sleep = sleep(after);
        self.runtime.spawn(async move {
            sleep.await;
            f();
        });
    }
}
