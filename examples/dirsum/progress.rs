//! The output on the standard error while the program runs: complaints and, on a terminal, the
//! progress.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tk_threading::{Timer, TimerHandle};

const REDRAW: Duration = Duration::from_millis(100);

pub struct Progress {
    counts: Arc<Counts>,
    bar: ProgressBar,
    /// Draws the bar. There is none without a terminal.
    timer: Option<TimerHandle>,
    complained: AtomicBool,
}

/// Each is a number by itself and orders nothing: Relaxed.
#[derive(Default)]
struct Counts {
    found: AtomicU64,
    finished: AtomicU64,
    bytes: AtomicU64,
}

impl Progress {
    pub fn start() -> Progress {
        let counts = Arc::<Counts>::default();
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        let timer = io::stderr().is_terminal().then(|| {
            bar.set_draw_target(ProgressDrawTarget::stderr());
            bar.set_style(style());
            draw_from_now_on(bar.clone(), Arc::clone(&counts))
        });
        Progress {
            counts,
            bar,
            timer: timer.flatten(),
            complained: AtomicBool::new(false),
        }
    }

    pub fn found_file(&self) {
        self.counts.found.fetch_add(1, Relaxed);
    }

    pub fn hashed(&self, bytes: usize) {
        self.counts.bytes.fetch_add(bytes as u64, Relaxed);
    }

    pub fn finished_file(&self) {
        self.counts.finished.fetch_add(1, Relaxed);
    }

    /// Says that something has gone wrong.
    pub fn complain(&self, message: impl Display) {
        // Relaxed: read when the threads have been joined.
        self.complained.store(true, Relaxed);
        // The bar makes room for the line. If the line can't be written, there is nobody to be
        // told.
        self.bar.suspend(|| {
            let _ = writeln!(io::stderr(), "dirsum: {message}");
        });
    }

    /// Says why a path is left out.
    pub fn complain_of(&self, path: impl Display, reason: impl Display) {
        self.complain(format_args!("{path}: {reason}"));
    }

    pub fn has_complained(&self) -> bool {
        self.complained.load(Relaxed)
    }

    /// Takes the bar off the terminal.
    pub fn finish(&self) {
        if let Some(timer) = &self.timer {
            // Waits: the timer draws nothing after this.
            timer.cancel_and_wait();
        }
        self.bar.finish_and_clear();
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {pos} of {len} files, {msg}")
        .expect("the template is right")
}

/// The counting threads only change numbers, and the timer draws them. It is a daemon, so that it
/// does not hold the program open.
fn draw_from_now_on(bar: ProgressBar, counts: Arc<Counts>) -> Option<TimerHandle> {
    let start = Instant::now();
    let draw = move || {
        let bytes = counts.bytes.load(Relaxed);
        let rate = bytes as f64 / start.elapsed().as_secs_f64();
        bar.set_length(counts.found.load(Relaxed));
        bar.set_position(counts.finished.load(Relaxed));
        bar.set_message(format!(
            "{} ({}/s)",
            HumanBytes(bytes),
            HumanBytes(rate as u64)
        ));
        bar.tick();
    };
    // The work can be done without a bar, if the system starts no thread for it.
    Timer::every(REDRAW, draw)
        .name("progress")
        .daemon(true)
        .try_start()
        .ok()
}
