//! Timers: many that are canceled before they are due, like the timeouts of a server's requests,
//! and the lateness of those that fire.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::Scale;
use crate::adapter::{tk, tokio, wheel};
use crate::case::{Case, enter};
use crate::floor::Floor;
use crate::kind::{Alarm, TimerQueue};
use crate::measure::{Sample, whole};
use crate::proof;
use crate::usage::Usage;

/// The cases.
pub fn cases(scale: Scale) -> Vec<Case> {
    let million = match scale {
        Scale::Full => 1_000_000,
        Scale::Trial => 2000,
    };
    vec![
        insert_and_cancel("a thousand", 1000),
        insert_and_cancel("a million", million).goal(1.0),
        lateness(),
    ]
}

/// Delays between one hour and two, in no order, so that no timer is due during the measurement.
fn delays(count: usize) -> Vec<Duration> {
    let mut state = 1_u64;
    let delay = |_| {
        // A linear congruential generator; its high bits are the good ones.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        Duration::from_secs(3600) + Duration::from_micros(((state >> 32) * 3_600_000_000) >> 32)
    };
    (0..count).map(delay).collect()
}

fn insert_and_cancel(words: &str, pending: usize) -> Case {
    let name = format!("insert+cancel, {words} pending");
    let mut case = Case::new("timers", name).floor(Floor::Exchange);
    enter!(case, proof::timer_queue, Q => {
        let mut queue = <Q as TimerQueue>::new();
        queue.fill(&delays(pending));
        let fresh = delays(1000);
        move |operations| {
            let operations = operations as usize;
            // Whole rounds of the delays, and a part of one.
            let rounds = std::iter::repeat_n(&fresh[..], operations / fresh.len());
            let rounds = rounds.chain([&fresh[..operations % fresh.len()]]);
            let mut cancelled = 0;
            let sample = whole(operations as u64, || {
                cancelled = rounds.map(|delays| queue.insert_and_cancel(delays)).sum();
            });
            assert_eq!(cancelled, operations);
            sample
        }
    }, [tk::Timers, tokio::Delays, tokio::Sleeps, wheel::Wheel]);
    case
}

/// Measures how much later than asked the functions of so many timers are called. All timers are
/// pending at the same time.
fn ring<A: Alarm>(alarm: &mut A, operations: u64) -> Sample {
    let (sender, receiver) = mpsc::channel();
    let (before, start) = (Usage::of_process(), Instant::now());
    for number in 0..operations {
        // Between the ticks of the contenders' clocks.
        let delay = Duration::from_micros(1500 + 1370 * number);
        let sender = sender.clone();
        let due = Instant::now() + delay;
        alarm.ring(delay, move || {
            let _ = sender.send(Instant::now().checked_duration_since(due));
        });
    }
    drop(sender);
    let late = receiver
        .iter()
        .map(|late| late.expect("nothing rings before its time"));
    let late: Vec<_> = late.map(|late| late.as_nanos() as f64).collect();
    assert_eq!(late.len() as u64, operations);
    Sample::of_latencies(late, 0.5, start.elapsed(), Usage::of_process() - before)
}

fn lateness() -> Case {
    let length = Duration::from_millis(20);
    let case = Case::new("timers", "lateness")
        .goal(0.2)
        .floor(Floor::FutexLateness);
    let mut case = case.least(10).length(length);
    enter!(case, proof::alarm, A => {
        let mut alarm = <A as Alarm>::new();
        move |operations| ring::<A>(&mut alarm, operations)
    }, [tk::Timers, tokio::Sleeps, wheel::Threaded]);
    case
}
