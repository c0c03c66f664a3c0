//! hierarchical_hash_wheel_timer: its wheel alone, and the thread that turns one.

use std::time::Duration;

use hierarchical_hash_wheel_timer::thread_timer::TimerWithThread;
use hierarchical_hash_wheel_timer::wheels::cancellable::QuadWheelWithOverflow;
use hierarchical_hash_wheel_timer::{
    ClosureTimer, IdOnlyTimerEntry, OneShotClosureState, PeriodicClosureState,
};

use crate::kind::{Alarm, TimerQueue};

/// Its wheel, which belongs to one thread.
pub struct Wheel {
    wheel: QuadWheelWithOverflow<IdOnlyTimerEntry<u64>>,
    last: u64,
}

/// Its thread.
pub struct Threaded {
    thread: TimerWithThread<u64, OneShotClosureState<u64>, PeriodicClosureState<u64>>,
    last: u64,
}

super::named!("hierarchical_hash_wheel_timer": Wheel, Threaded);

impl Wheel {
    fn insert(&mut self, delay: Duration) -> u64 {
        self.last += 1;
        let entry = IdOnlyTimerEntry::new(self.last, delay);
        self.wheel.insert(entry).expect("the delay is not over yet");
        self.last
    }
}

impl TimerQueue for Wheel {
    fn new() -> Self {
        Wheel {
            wheel: QuadWheelWithOverflow::new(),
            last: 0,
        }
    }

    fn fill(&mut self, delays: &[Duration]) {
        for delay in delays {
            self.insert(*delay);
        }
    }

    fn insert_and_cancel(&mut self, delays: &[Duration]) -> usize {
        let mut cancelled = 0;
        for delay in delays {
            let id = self.insert(*delay);
            cancelled += usize::from(self.wheel.cancel(&id).is_ok());
        }
        cancelled
    }
}

impl Alarm for Threaded {
    fn new() -> Self {
        let thread = TimerWithThread::new().expect("there is room for one thread");
        Threaded { thread, last: 0 }
    }

    fn ring(&mut self, after: Duration, f: impl FnOnce() + Send + 'static) {
        self.last += 1;
        // It counts whole milliseconds, and drops fractions. The current one may be nearly over.
        let after = Duration::from_millis(after.as_micros().div_ceil(1000) as u64 + 1);
        self.thread
            .timer_ref()
            .schedule_action_once(self.last, after, move |_| f());
    }
}

/// The thread has to be told that there will be no more timers.
impl Drop for Threaded {
    fn drop(&mut self) {
        let _ = self.thread.shutdown_async();
    }
}
