//! The kernel's counts for a thread: the time that it has run, and how often it has gone to sleep.

use std::iter::Sum;
use std::ops::{Add, Sub};
use std::time::Duration;

/// Processor time, and voluntary context switches. On systems other than Linux both stay zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// In user space and in the kernel.
    pub processor: Duration,
    /// How often the thread has given the processor away to wait for something.
    pub switches: u64,
}

impl Usage {
    /// Of the calling thread, since it began.
    pub fn of_thread() -> Usage {
        read(Whose::Thread)
    }

    /// Of all threads of the program, those that have ended included.
    pub fn of_process() -> Usage {
        read(Whose::Process)
    }
}

#[derive(Clone, Copy)]
enum Whose {
    Thread,
    Process,
}

#[cfg(target_os = "linux")]
fn read(whose: Whose) -> Usage {
    use nix::sys::resource::{UsageWho, getrusage};
    use rustix::time::{ClockId, clock_gettime};

    // The clock is exact to the nanosecond. The times of `getrusage` are not.
    let (who, clock) = match whose {
        Whose::Thread => (UsageWho::RUSAGE_THREAD, ClockId::ThreadCPUTime),
        Whose::Process => (UsageWho::RUSAGE_SELF, ClockId::ProcessCPUTime),
    };
    let time = clock_gettime(clock);
    let switches = getrusage(who).map_or(0, |usage| usage.voluntary_context_switches());
    Usage {
        processor: Duration::new(time.tv_sec as u64, time.tv_nsec as u32),
        switches: switches as u64,
    }
}

#[cfg(not(target_os = "linux"))]
fn read(_whose: Whose) -> Usage {
    Usage::default()
}

impl Sub for Usage {
    type Output = Usage;

    fn sub(self, earlier: Usage) -> Usage {
        Usage {
            processor: self.processor.saturating_sub(earlier.processor),
            switches: self.switches.saturating_sub(earlier.switches),
        }
    }
}

impl Add for Usage {
    type Output = Usage;

    fn add(self, other: Usage) -> Usage {
        Usage {
            processor: self.processor + other.processor,
            switches: self.switches + other.switches,
        }
    }
}

impl Sum for Usage {
    fn sum<I: Iterator<Item = Usage>>(usages: I) -> Usage {
        usages.fold(Usage::default(), Usage::add)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_runs_uses_time_and_one_that_sleeps_switches() {
        let before = Usage::of_thread();
        while (Usage::of_thread() - before).processor < Duration::from_millis(2) {}
        let between = Usage::of_thread();
        for _ in 0..5 {
            std::thread::sleep(Duration::from_micros(100));
        }
        assert!((Usage::of_thread() - between).switches >= 5);
        assert!(Usage::of_process().processor >= between.processor - before.processor);
    }
}
