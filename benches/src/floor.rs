//! The floors: single steps of the processor and of the kernel, of which all contenders are made.

use std::cell::Cell;
use std::hint::{black_box, spin_loop};
use std::sync::atomic::{AtomicU64, Ordering::*};
use std::thread;
use std::time::Instant;

use crossbeam_utils::CachePadded;

use crate::case::Measure;
use crate::measure::{Sample, repeat, together};
use crate::statistics::median;

/// A step below which no contender of a case can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Floor {
    /// One atomic exchange, in the cache of its own processor.
    Exchange,
    /// One atomic load, there.
    Load,
    /// One cache line to another processor and back.
    RoundTrip,
    /// From a wake-up by the kernel's futex to the moment when the thread that slept runs.
    FutexWake,
    /// How much later than asked for a timed wait on the kernel's futex returns.
    FutexLateness,
    /// One load of a thread-local variable.
    LocalLoad,
}

impl Floor {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Floor::Exchange => "atomic exchange",
            Floor::Load => "atomic load",
            Floor::RoundTrip => "cache line round trip",
            Floor::FutexWake => "futex wake",
            Floor::FutexLateness => "futex lateness",
            Floor::LocalLoad => "thread-local load",
        }
    }

    /// All of them.
    pub const ALL: [Floor; 6] = [
        Floor::Exchange,
        Floor::Load,
        Floor::RoundTrip,
        Floor::FutexWake,
        Floor::FutexLateness,
        Floor::LocalLoad,
    ];

    /// The fewest operations of one measurement.
    pub fn least(self) -> u64 {
        match self {
            Floor::Exchange | Floor::Load | Floor::LocalLoad => 1,
            // So many that each of the slices is long enough for the clock, even if the threads
            // hardly ever run at the same time.
            Floor::RoundTrip => 50 * SLICES,
            Floor::FutexWake => 20,
            Floor::FutexLateness => 5,
        }
    }

    /// Returns the function that measures it, if this system has it.
    pub fn prepare(self) -> Option<Measure> {
        match self {
            Floor::Exchange => Some(Box::new(exchange)),
            Floor::Load => Some(Box::new(load)),
            Floor::RoundTrip => Some(Box::new(round_trip)),
            Floor::LocalLoad => Some(Box::new(local_load)),
            #[cfg(target_os = "linux")]
            Floor::FutexWake => Some(Box::new(|operations| {
                crate::cases::wakeup::sleeper::<crate::adapter::futex::Futex>(operations, 0.5)
            })),
            #[cfg(target_os = "linux")]
            Floor::FutexLateness => Some(Box::new(crate::adapter::futex::lateness)),
            #[cfg(not(target_os = "linux"))]
            Floor::FutexWake | Floor::FutexLateness => None,
        }
    }
}

fn exchange(operations: u64) -> Sample {
    let word = CachePadded::new(AtomicU64::new(0));
    repeat(operations, || {
        black_box(black_box(&word).swap(1, AcqRel));
    })
}

fn load(operations: u64) -> Sample {
    let word = CachePadded::new(AtomicU64::new(0));
    repeat(operations, || {
        black_box(black_box(&word).load(Acquire));
    })
}

/// Into how many slices a measurement of round trips is cut.
const SLICES: u64 = 64;

/// Two threads take turns at adding one. The cost is the median over many slices, because on a
/// shared machine both threads run during some of them only.
fn round_trip(operations: u64) -> Sample {
    let slices = operations.min(SLICES);
    let slice = operations / slices;
    let word = CachePadded::new(AtomicU64::new(0));
    let ran = together(2, |number| {
        let mut costs = Vec::with_capacity(slices as usize);
        let mut turn = number as u64;
        for _ in 0..slices {
            let start = Instant::now();
            for _ in 0..slice {
                await_turn(&word, turn);
                word.store(turn + 1, Release);
                turn += 2;
            }
            costs.push(start.elapsed().as_nanos() as f64 / slice as f64);
        }
        median(&costs)
    });
    Sample {
        cost: ran.results[0],
        ..Sample::new(slices * slice, ran.elapsed(), ran.usage)
    }
}

fn await_turn(word: &AtomicU64, turn: u64) {
    let mut spins = 0;
    while word.load(Acquire) != turn {
        spin_loop();
        // The other thread may not be running. This is a floor of two processors, but it must also
        // end on one.
        spins += 1;
        if spins % 10_000 == 0 {
            thread::yield_now();
        }
    }
}

fn local_load(operations: u64) -> Sample {
    thread_local! {
        static NUMBER: Cell<u64> = const { Cell::new(1) };
    }
    repeat(operations, || {
        black_box(NUMBER.get());
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_floor_costs_something() {
        for floor in Floor::ALL {
            let Some(mut measure) = floor.prepare() else {
                continue;
            };
            assert!(measure(20).cost > 0.0, "{}", floor.name());
        }
    }
}
