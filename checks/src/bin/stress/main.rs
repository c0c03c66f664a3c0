//! Random work for every primitive of the kit, with exact accounts.
//!
//! `stress SECONDS [SEED [KIND]]` runs one short round after another, each with one primitive, 2 to
//! 64 threads and a plan that the seed determines. With a kind there are only rounds whose name has
//! that word in it. A round counts what its threads do, and its books must balance: a lost wake-up,
//! permit or lock, a time that was over too early, a stop that nobody asked for or a thread that
//! starves ends the program with the seed of the round. If nothing moves for a while, the program
//! says what each thread waits for, and aborts.

mod barrier;
mod condition;
mod event;
mod local;
mod lock;
mod park;
mod round;
mod semaphore;
mod timer;

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use round::{PROGRESS, Random, Round, Tally};

/// A kind of round: what it is called, and its body.
type Kind = (&'static str, fn(&Round) -> Tally);

const KINDS: [Kind; 21] = [
    ("RawLock", lock::raw),
    ("Lock", lock::guarding),
    ("RLock", lock::reentrant),
    ("Lock, waits", lock::waits),
    ("Condition, queue", condition::queue),
    ("Condition, counts", condition::counts),
    ("Condvar, counts", condition::condvar_counts),
    ("Monitor, queue", condition::monitor_queue),
    ("Event, laps", event::laps),
    ("Event, pulses", event::pulses),
    ("Event, limits", event::limits),
    ("Semaphore", semaphore::counting),
    ("Semaphore, waits", semaphore::waits),
    ("BoundedSemaphore", semaphore::bounded),
    ("Barrier, laps", barrier::laps),
    ("Barrier, limits", barrier::limits),
    ("Local", local::values),
    ("SharedLocal", local::shared),
    ("park", park::counts),
    ("Timer, once", timer::once),
    ("Timer, repeating", timer::repeating),
];

/// How long a round goes on.
const ROUND: Duration = Duration::from_millis(100);

/// How long one goes on that looks for threads that starve.
const LONG_ROUND: Duration = Duration::from_secs(1);

/// How long the program may stand still.
const PATIENCE: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let seconds = arguments.next().and_then(|text| text.parse().ok());
    let Some(seconds) = seconds else {
        eprintln!("usage: stress SECONDS [SEED [KIND]]");
        return ExitCode::from(2);
    };
    let seed = match arguments.next().map(|text| text.parse()) {
        Some(Ok(seed)) => seed,
        Some(Err(_)) => {
            eprintln!("the seed is a number");
            return ExitCode::from(2);
        }
        None => std::process::id().into(),
    };
    let wanted = arguments.next().unwrap_or_default();
    if !KINDS.iter().any(|(name, _)| name.contains(&wanted)) {
        eprintln!("there is no {wanted}");
        return ExitCode::from(2);
    }
    println!("{seconds} s, seed {seed}");
    watch();

    let mut plan = Random::new(seed);
    let mut totals = KINDS.map(|_| (0_u64, Tally::default()));
    let start = Instant::now();
    let mut number = 0_usize;
    while start.elapsed() < Duration::from_secs(seconds) {
        let kind = number % KINDS.len();
        let (name, run) = KINDS[kind];
        number += 1;
        if !name.contains(&wanted) {
            continue;
        }
        let length = if name.ends_with("waits") {
            LONG_ROUND
        } else {
            ROUND
        };
        let round = Round::new(&mut plan, length);
        let what = format!(
            "round {number} of seed {seed}: {name}, {} threads",
            round.threads
        );
        round::describe(&what);
        match catch_unwind(AssertUnwindSafe(|| run(&round))) {
            Ok(tally) => {
                totals[kind].0 += 1;
                totals[kind].1.add(&tally);
            }
            Err(_) => {
                eprintln!("FAILED in {what}");
                // Other threads of the round may hang: not `exit`, which would run destructors
                // beside them.
                std::process::abort();
            }
        }
    }
    print(&totals);
    ExitCode::SUCCESS
}

fn print(totals: &[(u64, Tally)]) {
    println!("primitive          rounds   operations    timeouts       stops  longest wait");
    let mut all = Tally::default();
    let mut rounds = 0;
    let row = |name: &str, rounds: u64, tally: &Tally| {
        let Tally {
            operations,
            timeouts,
            stops,
            longest,
        } = tally;
        let longest = longest.as_secs_f64() * 1e3;
        println!(
            "{name:<18} {rounds:>6} {operations:>12} {timeouts:>11} {stops:>11} {longest:>10.1} ms"
        );
    };
    for ((name, _), (n, tally)) in KINDS.iter().zip(totals) {
        row(name, *n, tally);
        rounds += n;
        all.add(tally);
    }
    row("all", rounds, &all);
}

/// Looks on, and ends the program when it no longer moves.
fn watch() {
    let watch = || {
        let mut seen = PROGRESS.total();
        let mut since = Instant::now();
        loop {
            std::thread::sleep(Duration::from_millis(500));
            let now = PROGRESS.total();
            if now != seen {
                (seen, since) = (now, Instant::now());
            } else if since.elapsed() > PATIENCE {
                report();
                std::process::abort();
            }
        }
    };
    std::thread::Builder::new()
        .name("watchdog".into())
        .spawn(watch)
        .expect("a thread to look on");
}

/// Says what each thread waits for.
fn report() {
    let mut out = std::io::stderr().lock();
    let _ = writeln!(out, "STUCK in {}", round::description());
    for thread in tk_core::enumerate() {
        let _ = match thread.blocked_on() {
            Some(waiting) => writeln!(
                out,
                "  {thread:?} slot {} waits for {waiting:?} since {:?}",
                thread.slot(),
                waiting.since().elapsed()
            ),
            None => writeln!(out, "  {thread:?} slot {} runs", thread.slot()),
        };
    }
}
