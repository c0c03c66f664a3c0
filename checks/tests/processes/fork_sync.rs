//! Condition variables, events, semaphores and barriers in the child of a fork. Threads that the
//! child does not have waited there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tk_barrier::{Barrier, BarrierError};
use tk_condvar::Condvar;
use tk_event::Event;
use tk_lock::Lock;
use tk_semaphore::{Limit, Semaphore};
use tk_testing::OnDrop;
use tk_thread::spawn;

use crate::cases;
use crate::fork::{child_of_fork, wait_until_begun, waiter};

const MOMENT: Duration = Duration::from_millis(5);

/// Lets two threads of this process pass the barrier.
fn two_pass(barrier: &Arc<Barrier>) {
    let other = Arc::clone(barrier);
    let other = spawn(move || other.wait().unwrap());
    let index = barrier.wait().unwrap();
    assert_eq!(index + other.join().unwrap(), 1);
    assert_eq!((barrier.n_waiting(), barrier.is_broken()), (0, false));
}

/// Runs `work` in some threads all the time, and forks meanwhile.
fn fork_beside(work: impl Fn() + Send + Sync + 'static, child: impl Fn()) {
    let (work, over) = (Arc::new(work), Arc::new(AtomicBool::new(false)));
    let begun = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let (work, over) = (Arc::clone(&work), Arc::clone(&over));
            let begun = Arc::clone(&begun);
            spawn(move || {
                begun.fetch_add(1, Relaxed);
                while !over.load(Relaxed) {
                    work();
                }
            })
        })
        .collect();
    // A failure ends the threads too.
    let ends = OnDrop(|| over.store(true, Relaxed));
    wait_until_begun(&begun, 3);
    for _ in 0..30 {
        child_of_fork(&child);
    }
    drop(ends);
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
}

cases! {
    a_lost_party_does_not_count: || tk_thread::main(|| {
        let barrier = Arc::new(Barrier::new(2));
        let party = waiter({
            let barrier = Arc::clone(&barrier);
            move || barrier.wait()
        });
        child_of_fork(|| {
            assert_eq!((barrier.n_waiting(), barrier.is_broken()), (0, false));
            assert_eq!(barrier.wait_for(MOMENT), Err(BarrierError::TimedOut));
            assert!(barrier.reset_if_broken());
            for _ in 0..3 {
                two_pass(&barrier);
            }
        });
        assert_eq!(barrier.n_waiting(), 1);
        assert_eq!(barrier.wait(), Ok(1));
        assert_eq!(party.join().unwrap(), Ok(0));
    }) => |ended| ended.printed(&[]);

    a_broken_barrier_is_broken_in_the_child: || tk_thread::main(|| {
        let barrier = Arc::new(Barrier::new(2));
        barrier.abort();
        child_of_fork(|| {
            assert_eq!(barrier.wait(), Err(BarrierError::Aborted));
            assert!(barrier.reset_if_broken());
            two_pass(&barrier);
        });
        assert!(barrier.is_broken());
    }) => |ended| ended.printed(&[]);

    a_barrier_that_others_look_at_is_broken_in_the_child: || tk_thread::main(|| {
        let barrier = Arc::new(Barrier::new(2));
        barrier.abort();
        let looks = {
            let barrier = Arc::clone(&barrier);
            move || {
                let _ = (0..100).filter(|_| barrier.is_broken()).count();
            }
        };
        fork_beside(looks, || {
            assert!(barrier.is_broken());
            assert_eq!(barrier.wait(), Err(BarrierError::Aborted));
            assert!(barrier.reset_if_broken());
            two_pass(&barrier);
        });
    }) => |ended| ended.printed(&[]);

    a_lost_action_does_not_hold_the_barrier: || tk_thread::main(|| {
        let (runs, may_end) = (Arc::new(Event::new()), Arc::new(Event::new()));
        let barrier = Arc::new(Barrier::new(1).action({
            let (runs, may_end) = (Arc::clone(&runs), Arc::clone(&may_end));
            move || {
                runs.set();
                may_end.wait();
            }
        }));
        let acts = {
            let barrier = Arc::clone(&barrier);
            spawn(move || barrier.wait())
        };
        runs.wait();
        child_of_fork(|| {
            assert_eq!(barrier.n_waiting(), 0);
            may_end.set();
            assert_eq!(barrier.wait(), Ok(0));
        });
        may_end.set();
        assert_eq!(acts.join().unwrap(), Ok(0));
    }) => |ended| ended.printed(&[]);

    an_action_that_forks: || tk_thread::main(|| {
        static CHILD: AtomicBool = AtomicBool::new(false);
        let barrier = Arc::new(Barrier::new(2).action(|| {
            // SAFETY: the child is one thread, and ends below.
            if unsafe { libc::fork() } == 0 {
                CHILD.store(true, Relaxed);
            }
        }));
        let party = waiter({
            let barrier = Arc::clone(&barrier);
            move || barrier.wait()
        });
        let passed = barrier.wait();
        if CHILD.load(Relaxed) {
            let is_told = passed == Err(BarrierError::Reset) && barrier.n_waiting() == 0;
            // SAFETY: it is always possible to end.
            unsafe { libc::_exit(if is_told { 0 } else { 1 }) }
        }
        assert_eq!(passed, Ok(1));
        assert_eq!(party.join().unwrap(), Ok(0));
        let mut status = 0;
        // SAFETY: `status` is there to be written.
        assert!(unsafe { libc::wait(&mut status) } > 0);
        assert_eq!(status, 0, "the child has not been told");
    }) => |ended| ended.printed(&[]);

    an_action_that_forks_while_another_thread_asks: || tk_thread::main(|| {
        static CHILD: AtomicBool = AtomicBool::new(false);
        let over = Arc::new(AtomicBool::new(false));
        let barrier = Arc::new(Barrier::new(1).action(|| {
            // SAFETY: the child is one thread, and ends below.
            if unsafe { libc::fork() } == 0 {
                CHILD.store(true, Relaxed);
            }
        }));
        // The state is locked at some of the forks.
        let asks = {
            let (barrier, over) = (Arc::clone(&barrier), Arc::clone(&over));
            spawn(move || {
                while !over.load(Relaxed) {
                    let _ = (0..100).filter(|_| barrier.is_broken()).count();
                }
            })
        };
        // A failure ends the thread too.
        let ends = OnDrop(|| over.store(true, Relaxed));
        for _ in 0..100 {
            let passed = barrier.wait();
            if CHILD.load(Relaxed) {
                let is_told = passed == Err(BarrierError::Reset) && barrier.n_waiting() == 0;
                // SAFETY: it is always possible to end.
                unsafe { libc::_exit(if is_told { 0 } else { 1 }) }
            }
            assert_eq!(passed, Ok(0));
            let mut status = 0;
            // SAFETY: `status` is there to be written.
            assert!(unsafe { libc::wait(&mut status) } > 0);
            assert_eq!(status, 0, "the child has not been told");
        }
        drop(ends);
        asks.join().unwrap();
    }) => |ended| ended.printed(&[]);

    a_fork_while_a_barrier_is_in_use: || tk_thread::main(|| {
        let barrier = Arc::new(Barrier::new(2));
        let work = {
            let barrier = Arc::clone(&barrier);
            move || {
                if barrier.wait_for(MOMENT).is_err_and(|error| error.is_broken()) {
                    barrier.reset_if_broken();
                }
            }
        };
        fork_beside(work, || {
            barrier.reset_if_broken();
            assert_eq!(barrier.n_waiting(), 0);
            assert_eq!(barrier.wait_for(Duration::ZERO), Err(BarrierError::TimedOut));
            barrier.reset();
            two_pass(&barrier);
        });
    }) => |ended| ended.printed(&[]);

    a_lost_thread_is_not_in_line: || tk_thread::main(|| {
        let semaphore = Arc::new(Semaphore::new(1));
        let in_line = waiter({
            let semaphore = Arc::clone(&semaphore);
            move || semaphore.acquire_many_with(2, Limit::never()).unwrap().forget()
        });
        assert!(semaphore.try_acquire().is_none());
        child_of_fork(|| {
            semaphore.try_acquire().unwrap().forget();
            semaphore.release(1).unwrap();
            drop(semaphore.acquire());
            assert!(semaphore.acquire_many_with(2, MOMENT).is_err());
            let two = waiter({
                let semaphore = Arc::clone(&semaphore);
                move || semaphore.acquire_many_with(2, Limit::never()).unwrap().forget()
            });
            assert!(semaphore.try_acquire().is_none());
            semaphore.release(1).unwrap();
            two.join().unwrap();
            assert_eq!(semaphore.available(), 0);
        });
        semaphore.release(1).unwrap();
        in_line.join().unwrap();
    }) => |ended| ended.printed(&[]);

    a_release_in_the_child_serves_no_lost_thread: || tk_thread::main(|| {
        let semaphore = Arc::new(Semaphore::new(0));
        let in_line = waiter({
            let semaphore = Arc::clone(&semaphore);
            move || semaphore.acquire().forget()
        });
        child_of_fork(|| {
            semaphore.release(1).unwrap();
            assert_eq!(semaphore.available(), 1);
            assert!(semaphore.try_acquire().is_some());
        });
        semaphore.release(1).unwrap();
        in_line.join().unwrap();
    }) => |ended| ended.printed(&[]);

    a_fork_while_a_semaphore_is_in_use: || tk_thread::main(|| {
        let semaphore = Arc::new(Semaphore::new(2));
        let work = {
            let semaphore = Arc::clone(&semaphore);
            move || {
                let one = semaphore.acquire();
                drop(one);
                let _ = semaphore.acquire_many_with(2, Duration::from_micros(50));
            }
        };
        fork_beside(work, || {
            // Lost threads keep what they had.
            let left = semaphore.available();
            assert!(left <= 2);
            for _ in 0..left {
                semaphore.try_acquire().unwrap().forget();
            }
            assert!(semaphore.acquire_for(Duration::from_micros(50)).is_none());
            let next = waiter({
                let semaphore = Arc::clone(&semaphore);
                move || semaphore.acquire().forget()
            });
            semaphore.release(1).unwrap();
            next.join().unwrap();
            assert_eq!(semaphore.available(), 0);
        });
    }) => |ended| ended.printed(&[]);

    a_fork_while_a_condition_variable_is_in_use: || tk_thread::main(|| {
        let pair = Arc::new((Lock::new(()), Condvar::new()));
        let work = {
            let pair = Arc::clone(&pair);
            move || {
                let mut guard = pair.0.lock();
                pair.1.notify_one();
                pair.1.wait_for(&mut guard, Duration::from_micros(200));
            }
        };
        fork_beside(work, || {
            let condvar = &pair.1;
            // A lost thread may own the lock.
            let lock = Arc::new(Lock::new(false));
            // Lost threads are met by a notification first, or by a wait.
            if std::process::id().is_multiple_of(2) {
                assert_eq!(condvar.notify_all(), 0);
            }
            assert!(!condvar.wait_for(&mut lock.lock(), Duration::from_micros(50)));
            let here = waiter({
                let (pair, lock) = (Arc::clone(&pair), Arc::clone(&lock));
                move || pair.1.wait_while(&mut lock.lock(), |over| !*over)
            });
            *lock.lock() = true;
            assert_eq!(condvar.notify_all(), 1);
            here.join().unwrap();
            assert_eq!(condvar.notify_all(), 0);
        });
    }) => |ended| ended.printed(&[]);

    an_event_forgets_lost_waiters: || tk_thread::main(|| {
        let event = Arc::new(Event::new());
        let wait = || {
            let event = Arc::clone(&event);
            waiter(move || event.wait())
        };
        let waiters = [wait(), wait()];
        child_of_fork(|| {
            assert!(!event.wait_for(MOMENT));
            for _ in 0..3 {
                let here = wait();
                event.set();
                event.clear();
                assert!(here.join().unwrap());
                assert!(!event.is_set());
            }
        });
        event.set();
        for waiter in waiters {
            assert!(waiter.join().unwrap());
        }
    }) => |ended| ended.printed(&[]);

    a_fork_while_an_event_is_in_use: || tk_thread::main(|| {
        let event = Arc::new(Event::new());
        let work = {
            let event = Arc::clone(&event);
            move || {
                event.wait_for(Duration::from_micros(50));
                event.set();
                event.clear();
            }
        };
        fork_beside(work, || {
            event.clear();
            assert!(!event.wait_for(Duration::from_micros(50)));
            let here = waiter({
                let event = Arc::clone(&event);
                move || event.wait()
            });
            event.set();
            event.clear();
            assert!(here.join().unwrap());
        });
    }) => |ended| ended.printed(&[]);
}
