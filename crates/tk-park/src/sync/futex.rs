//! Linux's futex: a thread sleeps while a word has a value, and another thread that has changed the
//! word wakes it.
//!
//! The kernel compares the word and enters the sleeper into its queue in one step, so a thread that
//! changes the word first and then wakes cannot miss it.

use std::num::NonZeroU32;
use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::thread::futex::{Flags, Timespec, wait_bitset};

/// Any waker will do.
const ANYONE: NonZeroU32 = NonZeroU32::MAX;

/// Sleeps while the word is `expected`, until it is woken or the deadline is reached. Says `false`
/// if the deadline is reached.
///
/// It may say `true` for no reason, so the caller looks at the word again.
pub(crate) fn wait(word: &AtomicU32, expected: u32, deadline: Option<Instant>) -> bool {
    let timeout = match deadline.map(on_the_clock) {
        Some(OnTheClock::Over) => return false,
        Some(OnTheClock::At(time)) => Some(time),
        Some(OnTheClock::Never) | None => None,
    };
    // With a bitset the time is absolute, by the monotonic clock.
    match wait_bitset(word, Flags::PRIVATE, expected, timeout.as_ref(), ANYONE) {
        // TIMEDOUT: the caller comes again, and finds the deadline reached.
        Ok(()) | Err(Errno::AGAIN | Errno::INTR | Errno::TIMEDOUT) => {}
        // A sandbox that forbids futexes. Then a thread polls, which is slow but right.
        Err(_) => std::thread::sleep(Duration::from_millis(1)),
    }
    true
}

/// Wakes a thread that sleeps on the word at this address, if there is one.
///
/// Nothing is read at the address. The memory may have been given back, and may even be another
/// futex by now: a thread that sleeps there expects spurious wake-ups, as every user of
/// a futex must be.
pub(crate) fn wake(word: *const AtomicU32) {
    // SAFETY: the kernel takes the address as a number here: the queue of a private futex is found
    // by it.
    unsafe {
        libc::syscall(
            libc::SYS_futex as libc::c_long,
            word,
            libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG,
            1,
        );
    }
}

enum OnTheClock {
    Over,
    At(Timespec),
    /// Beyond what the clock can tell.
    Never,
}

/// The deadline as a time of the monotonic clock, which is where std's `Instant` comes from.
///
/// std does not tell an instant's number, so both clocks are read. The number comes first: if the
/// thread is preempted between the two, the time is too early, and the wait is repeated; the other
/// way round it would be too late.
#[allow(
    clippy::unnecessary_cast,
    reason = "the fields have other types elsewhere"
)]
fn on_the_clock(deadline: Instant) -> OnTheClock {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `now` is there to be written. The clock exists wherever `Instant` does.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return OnTheClock::Over;
    }
    let nanos = now.tv_nsec as u32 + left.subsec_nanos();
    let (carry, nanos) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    i64::try_from(left.as_secs())
        .ok()
        .and_then(|seconds| seconds.checked_add(i64::from(carry)))
        .and_then(|seconds| seconds.checked_add(now.tv_sec as i64))
        .map_or(OnTheClock::Never, |tv_sec| {
            OnTheClock::At(Timespec {
                tv_sec,
                tv_nsec: nanos as _,
            })
        })
}
