//! Rounds for the layer below.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use tk_park::{
    Parked, RequeueOp, WaitError, WaitInfo, Waiter, park, requeue, unpark_all, unpark_n,
};

use crate::round::{Limits, Round, Tally};

/// As many threads say that they were unparked as the threads that unpark have counted.
pub fn counts(round: &Round) -> Tally {
    let words = [AtomicU32::new(0), AtomicU32::new(0)];
    let (sent, received) = (AtomicU64::new(0), AtomicU64::new(0));
    let tally = round.run(
        |worker| {
            while !worker.is_expired() {
                let word = &words[worker.random.below(2) as usize];
                if worker.number.is_multiple_of(3) {
                    let done = match worker.random.below(4) {
                        0 => unpark_all(word, 1),
                        1 => {
                            let to = (&raw const words[1]) as usize;
                            let all = |_: &Waiter| Some(RequeueOp::UnparkSomeRequeueRest(2));
                            // SAFETY: the threads that are parked on either word accept any token.
                            let moved = unsafe { requeue(&words[0], to, all, |_| 1) };
                            moved.expect("it was told to").unparked_threads
                        }
                        n => unpark_n(word, n as usize, |_| 1).unparked_threads,
                    };
                    sent.fetch_add(done as u64, Relaxed);
                    worker.done();
                    worker.work();
                    continue;
                }
                let mut unparked = false;
                worker.wait(Limits::Any, |limit| {
                    match park(word, || true, &WaitInfo::new("word"), limit) {
                        Ok(Parked::Unparked(token)) => {
                            assert_eq!(token, 1);
                            unparked = true;
                            Ok(())
                        }
                        Err(WaitError::TimedOut) | Ok(Parked::Requeued) => Err(WaitError::TimedOut),
                        Err(WaitError::Stopped) => Err(WaitError::Stopped),
                        Ok(Parked::Invalid) => panic!("the word was as expected"),
                    }
                });
                if unparked {
                    received.fetch_add(1, Relaxed);
                }
            }
        },
        || {
            let woken = words.each_ref().map(|word| unpark_all(word, 1));
            sent.fetch_add(woken.iter().sum::<usize>() as u64, Relaxed);
        },
    );
    assert_eq!(
        sent.into_inner(),
        received.into_inner(),
        "wake-ups given and received"
    );
    tally
}
