//! An event, a signal, a semaphore and a barrier, made of a lock and a condition variable. A
//! program makes them like this if its crate has none.

use std::time::Duration;

use crate::kind::{Barrier, Event, Monitor, Named, Semaphore, Signal};

/// One of them, over that lock and condition variable. The trait through which it is used decides
/// which one it is.
pub struct Over<M> {
    monitor: M,
    parties: u64,
}

impl<M: Named> Named for Over<M> {
    const NAME: &'static str = M::NAME;
}

impl<M: Monitor> Over<M> {
    fn holding(number: u64, parties: u64) -> Over<M> {
        let monitor = M::new();
        monitor.with(|held| *held = number);
        Over { monitor, parties }
    }
}

impl<M: Monitor> Event for Over<M> {
    fn new() -> Self {
        Over::holding(0, 0)
    }

    fn set(&self) {
        self.monitor.with(|set| *set = 1);
        self.monitor.notify_all();
    }

    fn clear(&self) {
        self.monitor.with(|set| *set = 0);
    }

    fn is_set(&self) -> bool {
        self.monitor.with(|set| *set == 1)
    }

    fn wait(&self) {
        self.monitor.wait_until(|set| *set == 1, |_| ());
    }

    fn wait_for(&self, timeout: Duration) -> bool {
        self.monitor.wait_for(timeout, |set| *set == 1)
    }
}

impl<M: Monitor> Signal for Over<M> {
    fn new() -> Self {
        Over::holding(0, 0)
    }

    fn signal(&self) {
        self.monitor.with(|given| *given += 1);
        self.monitor.notify_one();
    }

    fn wait(&self) {
        self.monitor
            .wait_until(|given| *given > 0, |given| *given -= 1);
    }
}

impl<M: Monitor> Semaphore for Over<M> {
    fn new(permits: usize) -> Self {
        Over::holding(permits as u64, 0)
    }

    #[inline]
    fn with<R>(&self, f: impl FnOnce() -> R) -> R {
        self.monitor.wait_until(|free| *free > 0, |free| *free -= 1);
        let result = f();
        self.monitor.with(|free| *free += 1);
        self.monitor.notify_one();
        result
    }
}

impl<M: Monitor> Barrier for Over<M> {
    fn new(parties: usize) -> Self {
        Over::holding(0, parties as u64)
    }

    /// The number is the count of arrivals in all rounds.
    fn wait(&self) {
        let come = self.monitor.with(|come| {
            *come += 1;
            *come
        });
        let round = come.div_ceil(self.parties) * self.parties;
        if come == round {
            self.monitor.notify_all();
        } else {
            self.monitor.wait_until(|come| *come >= round, |_| ());
        }
    }
}
