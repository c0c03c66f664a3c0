//! A million timers, of which half are cancelled: `timers [N [SECONDS]]`.
//!
//! Starts N timers that are due at random times in the next SECONDS (ten by default), cancels every
//! other one, and waits for the rest. Prints how many fired and how many were cancelled, how late
//! those that fired were, how much memory a pending timer takes, and how many threads called
//! functions.

use std::alloc::{GlobalAlloc, Layout, System};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tk_threading::{CancelOutcome, Event, Timer, TimerService};

/// Counts the bytes that are allocated.
struct Counting;

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

// SAFETY: it is the system's allocator; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size(), Relaxed);
        // SAFETY: by the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size(), Relaxed);
        // SAFETY: by the caller's promise.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The results that the timers write. They capture a reference to this and their deadline.
struct Board {
    /// How late each was, in nanoseconds, in the order in which they fired.
    late: Vec<AtomicU64>,
    fired: AtomicUsize,
    expected: AtomicUsize,
    done: Event,
    /// A bit for each slot of a thread that has called a function.
    threads: Vec<AtomicU64>,
    most_threads: AtomicUsize,
}

impl Board {
    fn note(&self, due: Instant) {
        let late = due.elapsed().as_nanos() as u64;
        let number = self.fired.fetch_add(1, Relaxed);
        self.late[number].store(late, Relaxed);
        let slot = tk_threading::current().slot().get() as usize;
        self.threads[slot / 64 % self.threads.len()].fetch_or(1 << (slot % 64), Relaxed);
        if number.is_multiple_of(1024) {
            self.most_threads
                .fetch_max(tk_threading::active_count(), Relaxed);
        }
        self.check(number + 1);
    }

    fn check(&self, fired: usize) {
        if fired == self.expected.load(Relaxed) {
            self.done.set();
        }
    }
}

/// A sequence of numbers (xorshift).
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state >> 16
}

/// The largest resident size of this process so far, where the system tells it.
fn peak_memory() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().to_owned())
}

fn argument(number: usize, default: u64) -> Option<u64> {
    match std::env::args().nth(number) {
        Some(text) => text.parse().ok(),
        None => Some(default),
    }
}

fn main() -> ExitCode {
    let (Some(timers), Some(seconds)) = (argument(1, 1_000_000), argument(2, 10)) else {
        eprintln!("usage: timers [N [SECONDS]]");
        return ExitCode::from(2);
    };
    if tk_threading::main(|| run(timers as usize, Duration::from_secs(seconds))) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Returns how many bytes a pending timer takes, as the mean of many, and how many bytes its
/// function captures.
fn memory_of_one() -> (f64, usize) {
    const MANY: usize = 100_000;
    let service = TimerService::new();
    let (captured, far) = ([0_u64; 2], Duration::from_secs(3600));
    let start = || Timer::new(far, move || _ = std::hint::black_box(captured)).start_on(&service);
    start(); // The memory of the service itself is not counted.
    let before = ALLOCATED.load(Relaxed);
    for _ in 0..MANY {
        start();
    }
    let each = (ALLOCATED.load(Relaxed) - before) as f64 / MANY as f64;
    (each - size_of_val(&captured) as f64, size_of_val(&captured))
}

fn run(timers: usize, within: Duration) -> bool {
    let board = Arc::new(Board {
        late: (0..timers).map(|_| AtomicU64::new(0)).collect(),
        fired: AtomicUsize::new(0),
        expected: AtomicUsize::new(usize::MAX),
        done: Event::new(),
        threads: (0..16).map(|_| AtomicU64::new(0)).collect(),
        most_threads: AtomicUsize::new(0),
    });
    let mut state = 0x9E37_79B9_7F4A_7C15;
    let mut handles = Vec::with_capacity(timers);

    let (per_timer, captured) = memory_of_one();
    let start = Instant::now();
    for _ in 0..timers {
        let after = Duration::from_nanos(random(&mut state) % (within.as_nanos() as u64).max(1));
        let (board, due) = (Arc::clone(&board), Instant::now() + after);
        handles.push(Timer::at(due, move || board.note(due)).start());
    }
    let starting = start.elapsed();
    let start = Instant::now();
    let (mut cancelled, mut too_late) = (0, 0);
    for handle in handles.iter().skip(1).step_by(2) {
        match handle.cancel() {
            CancelOutcome::Cancelled => cancelled += 1,
            CancelOutcome::Running | CancelOutcome::Finished => too_late += 1,
        }
    }
    let cancelling = start.elapsed();
    drop(handles);

    board.expected.store(timers - cancelled, Relaxed);
    board.check(board.fired.load(Relaxed));
    board.done.wait();

    let fired = board.fired.load(Relaxed);
    let mut late: Vec<_> = board.late[..fired]
        .iter()
        .map(|late| late.load(Relaxed))
        .collect();
    late.sort_unstable();
    let threads: u32 = board
        .threads
        .iter()
        .map(|bits| bits.load(Relaxed).count_ones())
        .sum();

    let each = |time: Duration, n: usize| time.as_nanos() as f64 / n.max(1) as f64;
    println!("timers      {timers} within {within:?}");
    println!("fired       {fired}");
    println!("cancelled   {cancelled}, and {too_late} were too late to be");
    println!("start       {:.0} ns each", each(starting, timers));
    println!(
        "cancel      {:.0} ns each",
        each(cancelling, cancelled + too_late)
    );
    for (name, of_thousand) in [
        ("median", 500),
        ("90 %", 900),
        ("99 %", 990),
        ("99.9 %", 999),
        ("all", 1000),
    ] {
        let place = (late.len() * of_thousand / 1000).saturating_sub(1);
        let micros = late.get(place).copied().unwrap_or(0) as f64 / 1e3;
        println!("lateness    {name}: at most {micros:.1} µs");
    }
    println!(
        "memory      {per_timer:.0} bytes for each that is pending, beside the {captured} that its \
         function captures"
    );
    println!(
        "peak memory {}",
        peak_memory().unwrap_or_else(|| "unknown".to_owned())
    );
    println!(
        "threads     {threads} called functions in the course of time; at most {} lived at a time",
        board.most_threads.load(Relaxed)
    );
    fired + cancelled == timers
}
