//! Models of a queue whose only thread stands in the word. They run over the real lot.

use loom::sync::Arc;
use loom::thread;
use tk_park::__private::{Failed, QueueState, QueueWord, park_in_word};
use tk_park::sync::{Instant, Ordering::*, advance, set_threads, use_the_real_lot};
use tk_park::{
    FilterOp, Limit, Parked, RequeueOp, StopSource, WaitError, WaitInfo, Waiter, requeue,
    unpark_filter, unpark_one,
};
use tk_testing::explore;

use crate::{Plain, word};

const MARK: usize = 8;
const OTHER_MARK: usize = 16;

fn explore_word(name: &str, preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    explore(&format!("word: {name}"), Some(preemptions), move || {
        use_the_real_lot();
        model();
    });
}

fn queue() -> Arc<QueueWord> {
    let queue = QueueWord::new();
    queue.loom_register();
    Arc::new(queue)
}

fn wait_as(queue: &QueueWord, mark: usize, limit: Limit<'_>) -> Result<Parked, WaitError> {
    let info = WaitInfo::new("model").tag(mark);
    // SAFETY: a function that does nothing does not park.
    let parked = unsafe { park_in_word(queue, mark, || {}, &info, limit, None) };
    parked.map_err(|failed| match failed {
        Failed::Limit(error) => error,
        Failed::Deadlock(_) => unreachable!(),
    })
}

fn waiter(
    queue: &Arc<QueueWord>,
    limit: Limit<'static>,
) -> thread::JoinHandle<Result<Parked, WaitError>> {
    let queue = queue.clone();
    thread::spawn(move || wait_as(&queue, MARK, limit))
}

/// Wakes the first thread of the queue, with the token 3. Returns whether there was one.
fn notify(queue: &QueueWord) -> bool {
    loop {
        match queue.state() {
            QueueState::Empty => return false,
            QueueState::Alone(alone) => {
                if queue.wake(alone, 3) {
                    return true;
                }
            }
            QueueState::InLot(_) => {
                let mut first = None;
                let filter = |waiter: &Waiter| {
                    // All threads in the lot have one mark.
                    let is_first = first.is_none();
                    assert_eq!(*first.get_or_insert(waiter.tag()), waiter.tag());
                    if is_first {
                        FilterOp::Unpark
                    } else {
                        FilterOp::Skip
                    }
                };
                let unparked = unpark_filter(queue.word(), filter, |unparked| {
                    if !unparked.have_more_threads {
                        queue.leave_lot();
                    }
                    3
                });
                return unparked.unparked_threads == 1;
            }
        }
    }
}

fn notify_as_soon_as_one_waits(queue: &QueueWord) {
    while !notify(queue) {
        thread::yield_now();
    }
}

/// No thread is left, and none is taken for one that waits.
fn assert_empty(queue: &QueueWord) {
    unpark_filter(
        queue.word(),
        |_| FilterOp::Stop,
        |unparked| {
            assert!(!unparked.have_more_threads);
            queue.leave_lot();
            0
        },
    );
    assert_eq!(queue.state(), QueueState::Empty);
}

#[test]
fn a_thread_that_is_woken_sees_what_came_before() {
    explore_word("publication by the wake-up", 3, || {
        let (queue, value) = (queue(), Plain::new());
        // The table is made here. The thread that makes it publishes what came before.
        assert_empty(&queue);
        let sleeper = thread::spawn({
            let (queue, value) = (queue.clone(), value.clone());
            move || {
                let parked = wait_as(&queue, MARK, Limit::never());
                assert_eq!(parked, Ok(Parked::Unparked(3)));
                assert_eq!(value.get(), 1);
            }
        });
        value.add();
        notify_as_soon_as_one_waits(&queue);
        sleeper.join().unwrap();
        assert_empty(&queue);
    });
}

#[test]
fn of_a_timeout_and_a_wake_up_exactly_one_wins() {
    explore_word("timeout against wake-up", 3, || {
        let queue = queue();
        let sleeper = waiter(&queue, Limit::until(Instant(1)));
        let clock = thread::spawn(|| advance(1));
        let expected = match notify(&queue) {
            true => Ok(Parked::Unparked(3)),
            false => Err(WaitError::TimedOut),
        };
        clock.join().unwrap();
        assert_eq!(sleeper.join().unwrap(), expected);
        assert_empty(&queue);
    });
}

#[test]
fn of_a_stop_and_a_wake_up_exactly_one_wins() {
    explore_word("stop against wake-up", 2, || {
        let queue = queue();
        let source = StopSource::new();
        let sleeper = thread::spawn({
            let (queue, token) = (queue.clone(), source.token());
            move || wait_as(&queue, MARK, Limit::from(&token))
        });
        let stopper = thread::spawn(move || source.request_stop());
        let expected = match notify(&queue) {
            true => Ok(Parked::Unparked(3)),
            false => Err(WaitError::Stopped),
        };
        stopper.join().unwrap();
        assert_eq!(sleeper.join().unwrap(), expected);
        assert_empty(&queue);
    });
}

#[test]
fn each_of_two_threads_is_woken() {
    explore_word("two wake-ups for two threads", 2, || {
        let queue = queue();
        let sleepers = [(); 2].map(|()| waiter(&queue, Limit::never()));
        for _ in 0..2 {
            notify_as_soon_as_one_waits(&queue);
        }
        for sleeper in sleepers {
            assert_eq!(sleeper.join().unwrap(), Ok(Parked::Unparked(3)));
        }
        assert_empty(&queue);
    });
}

/// The second thread puts the first one into the lot, while that one gives up.
#[test]
fn a_thread_that_another_one_puts_into_the_lot_times_out() {
    explore_word("timeout against a second thread", 2, || {
        let queue = queue();
        let first = waiter(&queue, Limit::until(Instant(1)));
        let second = thread::spawn({
            let queue = queue.clone();
            move || wait_as(&queue, MARK, Limit::until(Instant(1)))
        });
        advance(1);
        assert_eq!(first.join().unwrap(), Err(WaitError::TimedOut));
        assert_eq!(second.join().unwrap(), Err(WaitError::TimedOut));
        assert_empty(&queue);
    });
}

#[test]
fn a_thread_that_another_one_puts_into_the_lot_is_stopped() {
    explore_word("stop against a second thread", 3, || {
        let queue = queue();
        let source = StopSource::new();
        let first = thread::spawn({
            let (queue, token) = (queue.clone(), source.token());
            move || wait_as(&queue, MARK, Limit::from(&token))
        });
        let second = waiter(&queue, Limit::never());
        source.request_stop();
        assert_eq!(first.join().unwrap(), Err(WaitError::Stopped));
        notify_as_soon_as_one_waits(&queue);
        assert_eq!(second.join().unwrap(), Ok(Parked::Unparked(3)));
        assert_empty(&queue);
    });
}

#[test]
fn a_thread_that_spins_in_the_lot_may_be_moved() {
    explore_word(
        "requeue of one that another one put into the lot",
        2,
        || {
            set_threads(2);
            let (queue, to) = (queue(), word());
            let sleepers = [(); 2].map(|()| waiter(&queue, Limit::never()));
            let mut moved = 0;
            while moved < 2 {
                if let QueueState::InLot(_) = queue.state() {
                    let leave = |unparked: tk_park::UnparkResult| {
                        if !unparked.have_more_threads {
                            queue.leave_lot();
                        }
                        0
                    };
                    let one = |_: &_| Some(RequeueOp::RequeueOne);
                    // SAFETY: the threads take any token.
                    let done =
                        unsafe { requeue(queue.word(), &raw const *to as usize, one, leave) };
                    moved += done.unwrap().requeued_threads;
                }
                thread::yield_now();
            }
            for _ in 0..2 {
                assert_eq!(unpark_one(&*to, |_| 5).unparked_threads, 1);
            }
            for sleeper in sleepers {
                assert_eq!(sleeper.join().unwrap(), Ok(Parked::Unparked(5)));
            }
            assert_empty(&queue);
        },
    );
}

/// Of two threads with different marks, the one that comes while the other one waits is refused.
#[test]
fn a_thread_with_another_mark_is_refused_and_disturbs_nobody() {
    explore_word("two marks", 1, || {
        let (queue, returned) = (queue(), word());
        let threads = [MARK, OTHER_MARK].map(|mark| {
            let (queue, returned) = (queue.clone(), returned.clone());
            thread::spawn(move || {
                let parked = wait_as(&queue, mark, Limit::never());
                returned.fetch_add(1, Relaxed);
                parked
            })
        });
        while returned.load(Relaxed) < 2 {
            notify(&queue);
            thread::yield_now();
        }
        let refused = threads.map(|thread| match thread.join().unwrap() {
            Ok(Parked::Unparked(3)) => false,
            Ok(Parked::Invalid) => true,
            other => panic!("{other:?}"),
        });
        assert_ne!(refused, [true, true]);
        assert_empty(&queue);
    });
}
