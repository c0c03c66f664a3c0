//! The queues of parked threads in the child of a fork, which does not have these threads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tk_barrier::Barrier;
use tk_condvar::{Condition, Condvar, Monitor};
use tk_event::Event;
use tk_lock::{Lock, RLock, RawLock, RwLock};
use tk_semaphore::Semaphore;
use tk_thread::{JoinHandle, active_count, enumerate, spawn};

use crate::cases;
use crate::fork::{child_of_fork, wait_until_begun, waiter};

/// One object of each kind in which threads sleep until another thread wakes them.
struct Objects {
    event: Event,
    semaphore: Semaphore,
    lock: RawLock,
    value: Lock<usize>,
    condvar: Condvar,
    condition: Condition<usize>,
    monitor: Monitor<usize>,
}

impl Objects {
    /// Makes the objects, with the lock held, so that no thread passes any of them.
    fn new() -> Arc<Objects> {
        let objects = Objects {
            event: Event::new(),
            semaphore: Semaphore::new(0),
            lock: RawLock::new(),
            value: Lock::new(0),
            condvar: Condvar::new(),
            condition: Condition::new(0),
            monitor: Monitor::new(0),
        };
        objects.lock.acquire();
        Arc::new(objects)
    }

    /// Starts a thread for each object, which sleeps there.
    fn occupy(self: &Arc<Objects>) -> Vec<JoinHandle<()>> {
        let start = |f: fn(&Objects)| {
            let objects = Arc::clone(self);
            waiter(move || f(&objects))
        };
        vec![
            start(|objects| _ = objects.event.wait()),
            start(|objects| objects.semaphore.acquire().forget()),
            start(|objects| {
                objects.lock.acquire();
                objects.lock.release().unwrap();
            }),
            start(|objects| {
                let mut value = objects.value.lock();
                while *value == 0 {
                    objects.condvar.wait(&mut value);
                }
            }),
            start(|objects| {
                let mut value = objects.condition.lock();
                value.wait_while(|value| *value == 0);
            }),
            start(|objects| {
                let mut value = objects.monitor.lock();
                while *value.borrow() == 0 {
                    value.wait();
                }
            }),
        ]
    }

    /// Lets all threads pass, and joins them.
    fn release(&self, threads: Vec<JoinHandle<()>>) {
        self.event.set();
        self.semaphore.release(1).unwrap();
        self.lock.release().unwrap();
        *self.value.lock() = 1;
        self.condvar.notify_all();
        let mut value = self.condition.lock();
        *value = 1;
        value.notify_all();
        drop(value);
        let value = self.monitor.lock();
        *value.borrow_mut() = 1;
        value.notify_all();
        drop(value);
        for thread in threads {
            thread.join().unwrap();
        }
    }

    /// Brings the objects back to the state before `release`.
    fn close(&self) {
        self.event.clear();
        assert!(self.lock.try_acquire());
        *self.value.lock() = 0;
        *self.condition.lock() = 0;
        *self.monitor.lock().borrow_mut() = 0;
    }
}

/// Runs threads that contend for locks and wait for each other, and checks that no operation is
/// lost.
fn contend() {
    const THREADS: usize = 8;
    const ROUNDS: usize = 200;
    let (sum, reentrant) = (
        Arc::new(Lock::new(0)),
        Arc::new(RLock::new(AtomicUsize::new(0))),
    );
    let (barrier, queue) = (Arc::new(Barrier::new(THREADS)), Arc::new(Condition::new(0)));
    let threads: Vec<_> = (0..THREADS)
        .map(|n| {
            let (sum, reentrant) = (Arc::clone(&sum), Arc::clone(&reentrant));
            let (barrier, queue) = (Arc::clone(&barrier), Arc::clone(&queue));
            spawn(move || {
                for _ in 0..ROUNDS {
                    *sum.lock() += 1;
                    reentrant.lock().fetch_add(1, Relaxed);
                }
                barrier.wait().unwrap();
                // Each waits for its turn.
                let mut turn = queue.lock();
                turn.wait_while(|turn| *turn != n);
                *turn += 1;
                turn.notify_all();
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(*sum.lock(), THREADS * ROUNDS);
    assert_eq!(reentrant.lock().load(Relaxed), THREADS * ROUNDS);
    assert_eq!(*queue.lock(), THREADS);
}

cases! {
    a_child_waits_at_new_objects: || tk_thread::main(|| {
        let objects = Objects::new();
        let threads = objects.occupy();
        for _ in 0..3 {
            child_of_fork(|| {
                contend();
                for _ in 0..20 {
                    let objects = Objects::new();
                    let threads = objects.occupy();
                    objects.release(threads);
                }
            });
        }
        objects.release(threads);
    }) => |ended| ended.printed(&[]);

    a_child_waits_at_objects_where_lost_threads_slept: || tk_thread::main(|| {
        let objects = Objects::new();
        let threads = objects.occupy();
        for _ in 0..3 {
            child_of_fork(|| {
                for _ in 0..20 {
                    let threads = objects.occupy();
                    objects.release(threads);
                    objects.close();
                }
            });
        }
        // The parent's objects have not changed.
        objects.release(threads);
    }) => |ended| ended.printed(&[]);

    a_child_wakes_nobody_where_lost_threads_slept: || tk_thread::main(|| {
        let objects = Objects::new();
        let threads = objects.occupy();
        child_of_fork(|| {
            assert_eq!(objects.condvar.notify_all(), 0);
            assert_eq!(objects.condition.lock().notify_all(), 0);
            assert_eq!(objects.monitor.lock().notify_all(), 0);
            assert!(!objects.condvar.notify_one());
            // The permit stays for the next thread.
            objects.semaphore.release(1).unwrap();
            assert!(objects.semaphore.try_acquire().is_some());
            // The lock is free.
            objects.lock.release().unwrap();
            assert!(objects.lock.try_acquire());
        });
        objects.release(threads);
    }) => |ended| ended.printed(&[]);

    a_lost_thread_keeps_its_lock: || tk_thread::main(|| {
        let lock = Arc::new(Lock::new(()));
        let (held, done) = (Arc::new(Event::new()), Arc::new(Event::new()));
        let holder = waiter({
            let (lock, held, done) = (Arc::clone(&lock), Arc::clone(&held), Arc::clone(&done));
            move || {
                let _guard = lock.lock();
                held.set();
                done.wait();
            }
        });
        held.wait();
        child_of_fork(|| {
            let is_held = |lock: &Lock<()>| lock.try_lock_for(Duration::from_millis(5)).is_none();
            assert!(lock.try_lock().is_none());
            assert!(is_held(&lock));
            let other = Arc::clone(&lock);
            assert!(spawn(move || is_held(&other)).join().unwrap());
        });
        done.set();
        holder.join().unwrap();
    }) => |ended| ended.printed(&[]);

    a_lost_thread_keeps_its_readers_writer_lock: || tk_thread::main(|| {
        const MOMENT: Duration = Duration::from_millis(5);
        let panics = |f: &dyn Fn()| catch_unwind(AssertUnwindSafe(f)).is_err();
        std::panic::set_hook(Box::new(|_| ()));
        // The first lock counts its readers. The second is in its visible mode.
        let locks = Arc::new([RwLock::new(()), RwLock::new(()), RwLock::new(())]);
        for _ in 0..100 {
            drop(locks[1].read());
        }
        let done = Arc::new(Event::new());
        let holder = waiter({
            let (locks, done) = (Arc::clone(&locks), Arc::clone(&done));
            move || {
                let _guards = (locks[0].read(), locks[1].read(), locks[2].write());
                done.wait();
            }
        });
        child_of_fork(|| {
            let [counted, visible, written] = &*locks;
            for read in [counted, visible] {
                assert!(panics(&|| drop(read.write())));
                assert!(read.try_write_for(MOMENT).is_none());
                drop((read.read(), read.upgradable_read()));
            }
            assert!(panics(&|| drop(written.read())));
            assert!(panics(&|| drop(written.write())));
            assert!(written.try_read_for(MOMENT).is_none());
            let free = RwLock::new(());
            drop(free.read());
            drop(free.write());
        });
        done.set();
        holder.join().unwrap();
        assert!(locks.iter().all(|lock| lock.try_write().is_some()));
    }) => |ended| ended.printed(&[]);

    a_lost_reader_is_found_behind_another: || tk_thread::main(|| {
        // Both reads are counted, and the count says how many there are, and not whose.
        let (lock, done) = (Arc::new(RwLock::new(())), Arc::new(Event::new()));
        let read = lock.read();
        let holder = waiter({
            let (lock, done) = (Arc::clone(&lock), Arc::clone(&done));
            move || {
                let _read = lock.read();
                done.wait();
            }
        });
        child_of_fork(|| {
            let other = Arc::clone(&lock);
            assert!(spawn(move || drop(other.write())).join().is_err());
        });
        done.set();
        holder.join().unwrap();
        drop(read);
        assert!(lock.try_write().is_some());
    }) => |ended| ended.complained(&["a thread that the fork has left behind"]);

    a_reader_that_a_fork_holds_up_has_a_name: || tk_thread::main(|| {
        // A fork copies one page after the other, and makes a thread wait that writes to a page
        // which has its turn. So a reader may wait for long between its steps if they write to
        // pages with much memory in between.
        drop(RwLock::new(()).read());
        let between: Vec<_> = (0..1600).map(|_| vec![1_u8; 1 << 16]).collect();
        let far = Arc::new((RwLock::new(0_u64), [0_u64; 1 << 17]));
        let over = Arc::new(AtomicBool::new(false));
        let reader = spawn({
            let (far, over) = (Arc::clone(&far), Arc::clone(&over));
            move || {
                while !over.load(Relaxed) {
                    for _ in 0..8 {
                        drop(far.0.read());
                        (0..500).for_each(|_| std::hint::spin_loop());
                    }
                    // So that reads are counted.
                    *far.0.write() += 1;
                }
            }
        });
        for _ in 0..60 {
            // Ends, and does not block.
            child_of_fork(|| _ = catch_unwind(AssertUnwindSafe(|| *far.0.write() += 1)));
        }
        over.store(true, Relaxed);
        reader.join().unwrap();
        drop(between);
    }) => |ended| ended.printed(&[]);

    the_child_of_a_child_waits_too: || tk_thread::main(|| {
        fn generation(left: u32) {
            let objects = Objects::new();
            let threads = objects.occupy();
            if left > 0 {
                child_of_fork(|| {
                    contend();
                    let threads = objects.occupy();
                    child_of_fork(|| generation(left - 1));
                    objects.release(threads);
                });
            }
            objects.release(threads);
        }
        generation(3);
    }) => |ended| ended.printed(&[]);

    a_child_of_many_threads_starts_as_many: || tk_thread::main(|| {
        const THREADS: usize = 100;
        let event = Arc::new(Event::new());
        let sleepers = || -> Vec<_> {
            (0..THREADS).map(|_| {
                let event = Arc::clone(&event);
                waiter(move || event.wait())
            }).collect()
        };
        let threads = sleepers();
        child_of_fork(|| {
            for _ in 0..3 {
                let threads = sleepers();
                event.set();
                for thread in threads {
                    thread.join().unwrap();
                }
                event.clear();
            }
        });
        event.set();
        for thread in threads {
            thread.join().unwrap();
        }
    }) => |ended| ended.printed(&[]);

    a_fork_while_threads_park_and_unpark: || tk_thread::main(|| {
        let (over, begun) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let lock = Arc::new(Lock::new(0_u64));
        let ping = Arc::new([Semaphore::new(1), Semaphore::new(0)]);
        let mut busy: Vec<_> = (0..3).map(|_| {
            let (over, begun, lock) = (Arc::clone(&over), Arc::clone(&begun), Arc::clone(&lock));
            spawn(move || {
                begun.fetch_add(1, Relaxed);
                while !over.load(Relaxed) {
                    *lock.lock() += 1;
                }
            })
        }).collect();
        for n in 0..2 {
            let (over, begun, ping) = (Arc::clone(&over), Arc::clone(&begun), Arc::clone(&ping));
            busy.push(spawn(move || {
                begun.fetch_add(1, Relaxed);
                while !over.load(Relaxed) {
                    ping[n].acquire().forget();
                    ping[1 - n].release(1).unwrap();
                }
            }));
        }
        wait_until_begun(&begun, busy.len());
        for _ in 0..40 {
            child_of_fork(contend);
        }
        over.store(true, Relaxed);
        for semaphore in &*ping {
            semaphore.release(1).unwrap();
        }
        for thread in busy {
            thread.join().unwrap();
        }
    }) => |ended| ended.printed(&[]);

    a_child_whose_parent_never_parked: || tk_thread::main(|| {
        child_of_fork(|| {
            contend();
            assert_eq!(active_count(), enumerate().len());
        });
    }) => |ended| ended.printed(&[]);
}
