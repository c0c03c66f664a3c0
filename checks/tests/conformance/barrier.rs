//! `BarrierTests`, with five parties as there.

use std::panic::catch_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use crate::{SHORT, suite, takes_a_short_time};
use tk_barrier::{Barrier as TkBarrier, BarrierError, WaitError};
use tk_testing::{start, start_parked};

const N: usize = 5;

/// The result of the other parties when the time of one party is over.
const BROKEN: BarrierError = BarrierError::Broken(WaitError::TimedOut);

trait Barrier: Send + Sync {
    fn new(parties: usize) -> Self;
    fn wait(&self);
}

impl Barrier for TkBarrier {
    fn new(parties: usize) -> Self {
        TkBarrier::new(parties)
    }

    fn wait(&self) {
        TkBarrier::wait(self).expect("nobody breaks it");
    }
}

impl Barrier for std::sync::Barrier {
    fn new(parties: usize) -> Self {
        std::sync::Barrier::new(parties)
    }

    fn wait(&self) {
        std::sync::Barrier::wait(self);
    }
}

/// No party is a passage ahead of another one.
fn passages<B: Barrier>(n: usize) {
    let barrier = B::new(N);
    let arrived = [AtomicUsize::new(0), AtomicUsize::new(0)];
    std::thread::scope(|s| {
        let threads = [(); N].map(|()| {
            start(s, || {
                for passage in 0..n {
                    arrived[0].fetch_add(1, SeqCst);
                    barrier.wait();
                    assert_eq!(arrived[0].load(SeqCst), N * (passage + 1));
                    arrived[1].fetch_add(1, SeqCst);
                    barrier.wait();
                    assert_eq!(arrived[1].load(SeqCst), N * (passage + 1));
                }
            })
        });
        threads.into_iter().for_each(|thread| thread.join());
    });
}

fn test_barrier<B: Barrier>() {
    passages::<B>(1);
}

fn test_barrier_10<B: Barrier>() {
    passages::<B>(10);
}

fn test_single_thread<B: Barrier>() {
    let barrier = B::new(1);
    barrier.wait();
    barrier.wait();
}

suite!(kit_barrier: tk_barrier::Barrier, test_barrier, test_barrier_10, test_single_thread);
suite!(peer_std: std::sync::Barrier, test_barrier, test_barrier_10, test_single_thread);

/// Has all parties but the last sleep, and calls `last`. Returns the results of these parties.
fn four_wait(barrier: &TkBarrier, last: impl FnOnce()) -> [Result<usize, BarrierError>; N - 1] {
    std::thread::scope(|s| {
        let threads = [(); N - 1].map(|()| start_parked(s, "barrier", || barrier.wait()));
        last();
        threads.map(|thread| thread.join())
    })
}

fn all_pass(barrier: &TkBarrier) {
    let mut last = None;
    let others = four_wait(barrier, || last = Some(barrier.wait()));
    let mut indices: Vec<_> = others.into_iter().chain(last).map(Result::unwrap).collect();
    indices.sort_unstable();
    assert_eq!(indices, [0, 1, 2, 3, 4]);
}

#[test]
fn test_constructor() {
    assert!(catch_unwind(|| TkBarrier::new(0)).is_err());
}

#[test]
fn test_wait_return() {
    all_pass(&TkBarrier::new(N));
}

#[test]
fn test_action() {
    let ran = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&ran);
    let barrier = TkBarrier::new(N).action(move || _ = count.fetch_add(1, SeqCst));
    std::thread::scope(|s| {
        let threads = [(); N].map(|()| {
            start(s, || {
                barrier.wait().unwrap();
                ran.load(SeqCst)
            })
        });
        assert_eq!(threads.map(|thread| thread.join()), [1; N]);
    });
}

#[test]
fn test_abort() {
    let barrier = TkBarrier::new(N);
    let outcomes = four_wait(&barrier, || barrier.abort());
    assert_eq!(outcomes, [Err(BarrierError::Aborted); N - 1]);
    assert!(barrier.is_broken());
    assert_eq!(barrier.wait(), Err(BarrierError::Aborted));
}

#[test]
fn test_reset() {
    let barrier = TkBarrier::new(N);
    let outcomes = four_wait(&barrier, || barrier.reset());
    assert_eq!(outcomes, [Err(BarrierError::Reset); N - 1]);
    assert!(!barrier.is_broken());
    all_pass(&barrier);
}

#[test]
fn test_abort_and_reset() {
    let barrier = TkBarrier::new(N);
    let outcomes = four_wait(&barrier, || barrier.abort());
    assert_eq!(outcomes, [Err(BarrierError::Aborted); N - 1]);
    barrier.reset();
    all_pass(&barrier);
    assert!(!barrier.is_broken());
}

#[test]
fn test_timeout() {
    let barrier = TkBarrier::new(N);
    std::thread::scope(|s| {
        let patient = [(); N - 2].map(|()| start_parked(s, "barrier", || barrier.wait()));
        let hasty = takes_a_short_time(|| barrier.wait_for(SHORT));
        assert_eq!(hasty, Err(BarrierError::TimedOut));
        let outcomes = patient.map(|thread| thread.join());
        assert_eq!(outcomes, [Err(BROKEN); N - 2]);
    });
    assert!(barrier.is_broken());
    // A later party gets the same error.
    assert_eq!(barrier.wait(), Err(BROKEN));
}

#[test]
fn test_default_timeout() {
    let barrier = TkBarrier::new(N).timeout(SHORT);
    std::thread::scope(|s| {
        let threads = [(); N - 1].map(|()| start(s, || barrier.wait()));
        let outcomes = threads.map(|thread| thread.join());
        let own = |outcome: &&_| **outcome == Err(BarrierError::TimedOut);
        let others = |outcome: &&_| **outcome == Err(BROKEN);
        assert_eq!(outcomes.iter().filter(own).count(), 1);
        assert_eq!(outcomes.iter().filter(others).count(), N - 2);
    });
    assert!(barrier.is_broken());
}

#[test]
fn test_repr() {
    let barrier = TkBarrier::new(N);
    let outcomes = four_wait(&barrier, || {
        let shown = format!("{barrier:?}");
        assert!(shown.contains("parties: 5"), "{shown}");
        assert!(
            shown.contains('4') && shown.contains("broken: false"),
            "{shown}"
        );
        barrier.abort();
    });
    assert!(outcomes.iter().all(|outcome| outcome.is_err()));
    assert!(format!("{barrier:?}").contains("broken: true"));
}
