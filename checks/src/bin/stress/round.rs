//! The parts that all rounds have in common.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tk_lock::Lock;
use tk_park::{Limit, StopSource, WaitError};

/// A sequence of numbers that a seed determines (xorshift).
#[derive(Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        random.next();
        random
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 16) % bound
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// The number of operations that have ended, in all threads.
pub static PROGRESS: Progress = Progress(AtomicU64::new(0));

pub struct Progress(AtomicU64);

impl Progress {
    pub fn total(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

static DESCRIPTION: Mutex<String> = Mutex::new(String::new());

pub fn describe(what: &str) {
    what.clone_into(&mut DESCRIPTION.lock().unwrap_or_else(PoisonError::into_inner));
}

pub fn description() -> String {
    DESCRIPTION
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone()
}

/// The operations and waits of a thread, of a round, or of all rounds of a kind.
#[derive(Default)]
pub struct Tally {
    pub operations: u64,
    pub timeouts: u64,
    pub stops: u64,
    pub longest: Duration,
}

impl Tally {
    pub fn add(&mut self, other: &Tally) {
        self.operations += other.operations;
        self.timeouts += other.timeouts;
        self.stops += other.stops;
        self.longest = self.longest.max(other.longest);
    }
}

/// The plan of a round.
pub struct Round {
    pub threads: usize,
    pub seed: u64,
    length: Duration,
    over: AtomicBool,
    /// The sources whose tokens the threads wait with; the stopper takes them.
    sources: Vec<Lock<Option<StopSource>>>,
}

/// A thread of a round.
pub struct Worker<'a> {
    round: &'a Round,
    pub number: usize,
    pub random: Random,
    pub tally: Tally,
}

impl Round {
    pub fn new(plan: &mut Random, length: Duration) -> Round {
        // Few threads as often as many.
        let threads = [2, 3, 4, 8, 16, 32, 64][plan.below(7) as usize];
        Round {
            threads,
            seed: plan.next(),
            length,
            over: AtomicBool::new(false),
            sources: (0..threads).map(|_| Lock::new(None)).collect(),
        }
    }

    /// Whether the threads should come to their end.
    pub fn is_expired(&self) -> bool {
        self.over.load(Relaxed)
    }

    /// Runs `body` in each thread while the round goes on, then `last` until all threads have
    /// ended, with a thread beside them that stops waits at random. Returns the sum of their
    /// tallies. If one of them panics, the program aborts.
    pub fn run(&self, body: impl Fn(&mut Worker<'_>) + Sync, mut last: impl FnMut()) -> Tally {
        let mut total = Tally::default();
        std::thread::scope(|s| {
            let threads: Vec<_> = (0..self.threads)
                .map(|number| {
                    let body = &body;
                    let worker = move || {
                        tk_core::current().set_name(format!("worker {number}"));
                        let mut worker = Worker {
                            round: self,
                            number,
                            random: Random::new(self.seed ^ (number as u64 + 1)),
                            tally: Tally::default(),
                        };
                        // The first panic ends the program, because the other threads would wait
                        // forever.
                        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                            body(&mut worker);
                        }));
                        if ended.is_err() {
                            eprintln!("FAILED in {}", description());
                            std::process::abort();
                        }
                        worker.tally
                    };
                    s.spawn(worker)
                })
                .collect();
            let mut random = Random::new(self.seed);
            let start = Instant::now();
            while !threads.iter().all(|thread| thread.is_finished()) {
                if start.elapsed() > self.length {
                    self.over.store(true, Relaxed);
                    last();
                }
                let number = random.below(self.threads as u64) as usize;
                if let Some(source) = self.sources[number].lock().take() {
                    source.request_stop();
                    assert!(!source.request_stop(), "a second request is not the first");
                }
                std::thread::yield_now();
            }
            for thread in threads {
                total.add(&thread.join().expect("a worker that failed has aborted"));
            }
        });
        total
    }
}

/// The limits with which a thread waits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Limits {
    /// None: the wait has to be granted.
    None,
    /// Any: none, a time, a token, or both.
    Any,
}

impl Worker<'_> {
    pub fn is_expired(&self) -> bool {
        self.round.is_expired()
    }

    /// Counts an operation.
    pub fn done(&mut self) {
        self.tally.operations += 1;
        if self.tally.operations.is_multiple_of(16) || self.round.is_expired() {
            PROGRESS.0.fetch_add(1, Relaxed);
        }
    }

    /// Works for a moment: from nothing to some microseconds.
    pub fn work(&mut self) {
        for _ in 0..self.random.below(1000) {
            std::hint::spin_loop();
        }
        if self.random.one_in(16) {
            std::thread::yield_now();
        }
    }

    /// Waits with a limit that chance chooses. Checks what the wait says, counts it, and returns
    /// whether it was granted.
    pub fn wait(
        &mut self,
        limits: Limits,
        wait: impl FnOnce(Limit<'_>) -> Result<(), WaitError>,
    ) -> bool {
        let choice = match limits {
            Limits::None => 0,
            Limits::Any => self.random.below(4),
        };
        let deadline = (choice & 1 != 0)
            .then(|| tk_park::deadline_after(Duration::from_micros(self.random.below(200))))
            .flatten();
        let source = (choice & 2 != 0).then(|| {
            let source = StopSource::new();
            *self.round.sources[self.number].lock() = Some(source.clone());
            source
        });
        let token = source.as_ref().map(StopSource::token);
        let mut limit = deadline.map_or(Limit::never(), Limit::until);
        if let Some(token) = &token {
            limit = limit.or_stop(token);
        }
        let start = Instant::now();
        let result = wait(limit);
        let now = Instant::now();
        match result {
            Ok(()) => {
                if choice == 0 {
                    self.tally.longest = self.tally.longest.max(now - start);
                }
            }
            Err(WaitError::TimedOut) => {
                let deadline = deadline.expect("a wait without a deadline timed out");
                assert!(now >= deadline, "timed out {:?} early", deadline - now);
                self.tally.timeouts += 1;
            }
            Err(WaitError::Stopped) => {
                let token = token.expect("a wait without a token was stopped");
                assert!(token.stop_requested(), "stopped, and nobody asked for it");
                self.tally.stops += 1;
            }
        }
        self.done();
        result.is_ok()
    }
}

/// How long a wait may take if each thread holds the thing for a known time: the rule, and its
/// measurement.
///
/// A thread that waits for a thing gets it after the threads that came before it. Each of these
/// holds the thing for a known time. It gets the thing at the latest when its predecessor releases
/// it, but may have to wait for a processor first. On a busy machine, that may take long, and the
/// primitive has no influence on it. So the bound is 100 ms, plus the longest hold of each thread,
/// plus the longest time that each thread has been without a processor.
pub struct Fairness {
    longest_hold: AtomicU64,
    longest_delays: Vec<AtomicU64>,
}

impl Fairness {
    pub fn new(round: &Round) -> Fairness {
        Fairness {
            longest_hold: AtomicU64::new(0),
            longest_delays: (0..round.threads).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Runs `operation`, and remembers for how long this thread was meanwhile ready to run but did
    /// not run.
    pub fn measure(&self, worker: &mut Worker<'_>, operation: impl FnOnce(&mut Worker<'_>)) {
        let before = run_delay();
        operation(worker);
        let delay = run_delay().saturating_sub(before);
        self.longest_delays[worker.number].fetch_max(delay, Relaxed);
    }

    /// Holds the thing for some microseconds.
    pub fn hold(&self) {
        let start = Instant::now();
        while start.elapsed() < Duration::from_micros(20) {
            std::hint::spin_loop();
        }
        let held = start.elapsed().as_nanos() as u64;
        self.longest_hold.fetch_max(held, Relaxed);
    }

    pub fn check(&self, longest: Duration) {
        let holds = self.longest_hold.load(Relaxed) * self.longest_delays.len() as u64;
        let delays: u64 = self
            .longest_delays
            .iter()
            .map(|delay| delay.load(Relaxed))
            .sum();
        let bound = Duration::from_millis(100) + Duration::from_nanos(holds + delays);
        assert!(
            longest <= bound,
            "a thread starved: it waited for {longest:?}, with a bound of {bound:?}"
        );
    }
}

/// For how many nanoseconds this thread has been ready to run and has not run, so far. Zero where
/// the system does not say.
fn run_delay() -> u64 {
    let Ok(text) = std::fs::read_to_string("/proc/thread-self/schedstat") else {
        return 0;
    };
    let delay = text.split_ascii_whitespace().nth(1);
    delay.and_then(|delay| delay.parse().ok()).unwrap_or(0)
}
