//! The calls of an observer. A program has one observer, so these tests are one test.

use std::sync::Mutex;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use tk_core::{Owner, current_owner};
use tk_park::__private::{Observer, Wait, WaitEnd, set_observer};
use tk_park::{
    Limit, Parked, RequeueOp, StopSource, WaitError, WaitInfo, park, requeue, unpark_all,
};
use tk_testing::start_parked;

const KIND: &str = "observed";

static WAITS: Mutex<Vec<(Owner, Wait)>> = Mutex::new(Vec::new());
static UNPARKED: Mutex<Vec<(Owner, Owner)>> = Mutex::new(Vec::new());
static WORD: AtomicU32 = AtomicU32::new(0);
static OTHER_WORD: AtomicU32 = AtomicU32::new(0);

static OBSERVER: Observer = Observer {
    waited: |wait| {
        // Hangs if the queue is locked.
        unpark_all(&OTHER_WORD, 0);
        if wait.kind == KIND {
            WAITS.lock().unwrap().push((current_owner(), *wait));
        }
    },
    unparked: |woken| {
        UNPARKED.lock().unwrap().push((current_owner(), woken));
    },
};

fn wait(limit: Limit<'_>) -> (WaitInfo, Result<Parked, WaitError>) {
    let info = WaitInfo::new(KIND).held_by(Owner::new(77));
    (info, park(&WORD, || true, &info, limit))
}

fn last_wait() -> (Owner, Wait) {
    *WAITS.lock().unwrap().last().unwrap()
}

#[track_caller]
fn assert_unparked(waker: Owner, woken: Owner) {
    assert!(UNPARKED.lock().unwrap().contains(&(waker, woken)));
}

#[test]
fn an_observer_learns_how_each_wait_ends_and_which_thread_wakes_another() {
    set_observer(Some(&OBSERVER));
    let me = current_owner();
    let source = StopSource::new();
    let token = source.token();

    std::thread::scope(|s| {
        let woken = start_parked(s, KIND, || wait(Limit::never()));
        let owner = woken.owner();
        unpark_all(&WORD, 3);
        let (_, result) = woken.join();
        assert_eq!(result, Ok(Parked::Unparked(3)));
        let (who, seen) = last_wait();
        assert_eq!((who, seen.end), (owner, WaitEnd::Unparked));
        assert_eq!(seen.address, &raw const WORD as usize);
        assert_eq!(seen.location.file(), file!());
        assert_eq!(seen.holder, Owner::new(77));
        assert!(seen.since <= std::time::Instant::now());
        assert_unparked(me, owner);

        let stopped = start_parked(s, KIND, || wait((&token).into()));
        let owner = stopped.owner();
        source.request_stop();
        assert_eq!(stopped.join().1, Err(WaitError::Stopped));
        let (who, seen) = last_wait();
        assert_eq!((who, seen.end), (owner, WaitEnd::Stopped));
        assert_unparked(me, owner);

        // A thread that is moved is woken by the one that unparks it from the other queue, and has
        // waited for what it began to wait for.
        let moved = start_parked(s, KIND, || wait(Limit::never()));
        let owner = moved.owner();
        let to = AtomicU32::new(0);
        // SAFETY: the thread takes any token.
        let result = unsafe {
            requeue(
                &WORD,
                &raw const to as usize,
                |_| Some(RequeueOp::RequeueAll),
                |_| 0,
            )
        };
        assert_eq!(result.unwrap().requeued_threads, 1);
        assert!(!UNPARKED.lock().unwrap().contains(&(me, owner)));
        unpark_all(&to, 0);
        let _ = moved.join();
        assert_eq!(last_wait().1.address, &raw const WORD as usize);
        assert_unparked(me, owner);
    });

    assert_eq!(
        wait(Duration::from_millis(1).into()).1,
        Err(WaitError::TimedOut)
    );
    assert_eq!(last_wait().1.end, WaitEnd::TimedOut);

    // A thread that does not park has not waited.
    let before = WAITS.lock().unwrap().len();
    let info = WaitInfo::new(KIND);
    assert_eq!(
        park(&WORD, || false, &info, Limit::never()),
        Ok(Parked::Invalid)
    );
    assert_eq!(WAITS.lock().unwrap().len(), before);

    set_observer(None);
    let _ = wait(Duration::from_millis(1).into());
    assert_eq!(WAITS.lock().unwrap().len(), before);
}
