//! The promises of Java's `ReentrantReadWriteLock`, beside those of this lock: a test for each row
//! of the table in `docs/COMPARE.md`. Rows 13 and 14 are for the compiler.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering::*};
use std::sync::mpsc;
use std::thread::scope;
use std::time::{Duration, Instant};

use static_assertions::assert_not_impl_any;
use tk_core::current_owner;
use tk_lock::{
    RwLock, RwLockExt, RwLockReadGuard, RwLockUpgradableReadGuard, RwLockWriteGuard, StopSource,
    WaitError,
};
use tk_testing::{message, start, start_parked};

const MOMENT: Duration = Duration::from_millis(5);

// Row 13.
assert_not_impl_any!(RwLockReadGuard<'static, u32>: Send);
assert_not_impl_any!(RwLockWriteGuard<'static, u32>: Send);

fn panic_of<R>(f: impl FnOnce() -> R) -> String {
    let payload = catch_unwind(AssertUnwindSafe(|| drop(f()))).unwrap_err();
    message(&*payload).to_owned()
}

#[test]
fn row_1_and_2_a_reader_reads_again_also_while_a_writer_waits() {
    let lock = RwLock::new(0);
    let (first, second) = (lock.read(), lock.read());
    scope(|s| {
        let writer = start_parked(s, "write lock", || *lock.write() += 1);
        let third = lock.read();
        assert_eq!((*first, *second, *third), (0, 0, 0));
        drop((first, second, third));
        writer.join();
    });
}

#[test]
fn row_3_a_writer_does_not_write_again() {
    let lock = RwLock::new(0);
    let _written = lock.write();
    assert!(panic_of(|| lock.write()).contains("this thread has the lock for writing already"));
    assert!(lock.try_write_for(MOMENT).is_none());
}

#[test]
fn row_4_a_downgrade_lets_no_writer_in_between() {
    let lock = RwLock::new(0);
    let mut written = lock.write();
    *written = 1;
    assert!(panic_of(|| lock.read()).contains("for writing already"));
    scope(|s| {
        let writer = start_parked(s, "write lock", || *lock.write() = 2);
        let read = RwLockWriteGuard::downgrade(written);
        assert_eq!(*read, 1);
        drop(read);
        writer.join();
    });
    assert_eq!(*lock.read(), 2);
}

#[test]
fn row_5_a_reader_that_wants_to_write_is_refused() {
    let lock = RwLock::new(0);
    let _read = lock.read();
    assert!(panic_of(|| lock.write()).contains("this thread reads under the lock"));
    assert!(lock.try_write_for(MOMENT).is_none());
}

#[test]
fn row_6_an_upgrade_lets_no_writer_in_between() {
    let lock = RwLock::new(0);
    let seen = lock.upgradable_read();
    scope(|s| {
        let writer = start_parked(s, "write lock", || *lock.write() += 10);
        let expected = *seen + 1;
        let mut written = RwLockUpgradableReadGuard::upgrade(seen);
        *written += 1;
        assert_eq!(*written, expected);
        drop(written);
        writer.join();
    });
    assert_eq!(*lock.read(), 11);
}

/// A writer gets in although readers never pause, and a reader although writers never do.
#[test]
fn row_7_nobody_is_kept_out_for_good() {
    let (lock, done) = (RwLock::new(0), AtomicBool::new(false));
    scope(|s| {
        for number in 0..4 {
            let (lock, done) = (&lock, &done);
            s.spawn(move || {
                while !done.load(Relaxed) {
                    if number < 2 {
                        drop(lock.read());
                    } else {
                        drop(lock.write());
                    }
                }
            });
        }
        start(s, || (0..10).for_each(|_| *lock.write() += 1)).join();
        start(s, || (0..10).for_each(|_| drop(lock.read()))).join();
        done.store(true, Relaxed);
    });
    assert_eq!(*lock.read(), 10);
}

#[test]
fn row_8_a_fair_release_goes_by_arrival() {
    let (lock, (sender, order)) = (RwLock::new(()), mpsc::channel());
    let written = lock.write();
    scope(|s| {
        let arrive = |name: &'static str, is_writer: bool| {
            let (lock, sender) = (&lock, sender.clone());
            let kind = if is_writer { "write lock" } else { "read lock" };
            start_parked(s, kind, move || {
                if is_writer {
                    let guard = lock.write();
                    sender.send(name).unwrap();
                    RwLockWriteGuard::unlock_fair(guard);
                } else {
                    let _guard = lock.read();
                    sender.send(name).unwrap();
                }
            })
        };
        let threads = [
            arrive("writer", true),
            arrive("reader", false),
            arrive("last", true),
            arrive("reader", false),
        ];
        RwLockWriteGuard::unlock_fair(written);
        for thread in threads {
            thread.join();
        }
    });
    let order: Vec<_> = order.try_iter().collect();
    assert_eq!(order, ["writer", "reader", "reader", "last"]);
}

#[test]
fn row_9_a_new_reader_waits_behind_a_writer() {
    let lock = RwLock::new(0);
    let read = lock.read();
    scope(|s| {
        let writer = start_parked(s, "write lock", || *lock.write() += 1);
        let reader = start_parked(s, "read lock", || *lock.read());
        drop(read);
        assert_eq!(reader.join(), 1);
        writer.join();
    });
}

#[test]
fn row_10_a_try_takes_a_free_lock() {
    let lock = RwLock::new(0);
    assert!(lock.try_read().is_some() && lock.try_write().is_some());
}

#[test]
fn row_11_and_12_a_time_and_a_stop_end_a_wait() {
    let (lock, source) = (RwLock::new(0), StopSource::new());
    let _written = lock.write();
    scope(|s| {
        let begin = Instant::now();
        start(s, || assert!(lock.try_read_for(MOMENT).is_none())).join();
        start(s, || assert!(lock.try_write_for(MOMENT).is_none())).join();
        assert!(begin.elapsed() >= 2 * MOMENT);
        let (lock, token) = (&lock, source.token());
        let stopped = start_parked(s, "read lock", move || lock.read_with(&token).err());
        source.request_stop();
        assert_eq!(stopped.join(), Some(WaitError::Stopped));
    });
}

#[test]
fn row_15_the_lock_names_its_threads() {
    let lock = RwLock::new(0);
    let read = lock.read();
    let upgradable = lock.upgradable_read();
    let me = Some(current_owner());
    assert_eq!(
        (lock.readers(), lock.upgradable_reader()),
        (vec![current_owner()], me)
    );
    drop(read);
    let written = RwLockUpgradableReadGuard::upgrade(upgradable);
    assert_eq!((lock.writer(), lock.readers()), (me, Vec::new()));
    drop(written);
    assert_eq!(lock.writer(), None);
}

#[test]
fn row_16_a_thread_has_thousands_of_reads() {
    let lock = RwLock::new(0);
    let reads: Vec<_> = (0..70_000).map(|_| lock.read()).collect();
    assert!(lock.try_write().is_none());
    drop(reads);
    assert!(lock.try_write().is_some());
}

#[test]
fn row_17_a_read_sees_what_was_written() {
    let lock = RwLock::new((0, 0));
    scope(|s| {
        s.spawn(|| (1..=1000).for_each(|n| *lock.write() = (n, n)));
        s.spawn(|| {
            loop {
                let (a, b) = *lock.read();
                assert_eq!(a, b);
                if a == 1000 {
                    break;
                }
            }
        });
    });
}
