use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::*};
use std::time::{Duration, Instant};

use static_assertions::{assert_impl_all, assert_not_impl_any};
use tk_core::__private::run_as;
use tk_core::{Registration, current_owner};
use tk_lock::{
    MappedRwLockReadGuard, MappedRwLockWriteGuard, RawRwLock, ReadToken, RwLock, RwLockExt,
    RwLockReadGuard, RwLockUpgradableReadGuard, RwLockWriteGuard,
};
use tk_park::{Limit, StopSource, WaitError};
use tk_testing::{message, start, start_parked, until};

use crate::converting::Converting;

assert_impl_all!(RwLock<u32>: Send, Sync);
assert_impl_all!(RwLock<Cell<u32>>: Send);
assert_not_impl_any!(RwLock<Cell<u32>>: Sync);
assert_not_impl_any!(RwLock<Rc<u32>>: Send, Sync);
assert_impl_all!(ReadToken: Sync);
assert_not_impl_any!(ReadToken: Send);
assert_impl_all!(RwLockReadGuard<'static, u32>: Sync);
assert_not_impl_any!(RwLockReadGuard<'static, u32>: Send);
assert_not_impl_any!(RwLockWriteGuard<'static, u32>: Send);
assert_not_impl_any!(RwLockUpgradableReadGuard<'static, u32>: Send);
assert_not_impl_any!(MappedRwLockReadGuard<'static, u32>: Send);
assert_not_impl_any!(MappedRwLockWriteGuard<'static, u32>: Send);

const MINUTE: Duration = Duration::from_secs(60);
const MOMENT: Duration = Duration::from_millis(5);

/// So many reads in a row, and some more, make readers visible.
const MANY: usize = 100;

/// Calls `test` with a lock in the mode counted, and with one in the mode visible.
fn in_both_modes(test: impl Fn(RwLock<u32>)) {
    test(RwLock::new(0));
    let lock = RwLock::new(0);
    make_visible(&lock);
    test(lock);
}

fn make_visible<T>(lock: &RwLock<T>) {
    for _ in 0..MANY {
        drop(lock.read());
    }
}

/// The message with which `f` panics.
fn panic_of<R>(f: impl FnOnce() -> R) -> String {
    let payload = catch_unwind(AssertUnwindSafe(|| drop(f()))).unwrap_err();
    message(&*payload).to_owned()
}

#[test]
fn a_lock_guards_its_value() {
    static LOCK: RwLock<u32> = RwLock::new(1);
    *LOCK.write() += 1;
    assert_eq!(*LOCK.read(), 2);
    assert_eq!(RwLock::new(3).into_inner(), 3);
    assert_eq!(*RwLock::<u32>::default().read(), 0);
    assert_eq!(size_of::<RawRwLock>(), 16);
}

#[test]
fn readers_share_and_a_writer_is_alone() {
    in_both_modes(|lock| {
        let read = lock.read();
        std::thread::scope(|s| {
            assert!(start(s, || lock.try_read().is_some()).join());
            assert!(start(s, || lock.try_write().is_none()).join());
        });
        drop(read);
        let write = lock.try_write().unwrap();
        std::thread::scope(|s| {
            assert!(start(s, || lock.try_read().is_none()).join());
            assert!(start(s, || lock.try_write().is_none()).join());
            assert!(start(s, || lock.try_upgradable_read().is_none()).join());
        });
        drop(write);
        assert!(lock.try_write().is_some());
    });
}

#[test]
fn a_guard_releases_on_return_and_on_panic() {
    in_both_modes(|lock| {
        let read = catch_unwind(AssertUnwindSafe(|| {
            let _guard = lock.read();
            panic!("on purpose");
        }));
        assert!(read.is_err() && !lock.is_locked());
        let written = catch_unwind(AssertUnwindSafe(|| {
            *lock.write() = 2;
            let _guard = lock.write();
            panic!("on purpose");
        }));
        assert!(written.is_err() && !lock.is_locked());
        // No poison: the value is as the panic left it.
        assert_eq!(*lock.read(), 2);
    });
}

#[test]
fn a_writer_waits_for_the_readers_inside_and_keeps_new_ones_out() {
    in_both_modes(|lock| {
        let read = lock.read();
        std::thread::scope(|s| {
            let writer = start_parked(s, "write lock", || *lock.write() = 1);
            assert!(start(s, || lock.try_read().is_none()).join());
            let reader = start_parked(s, "read lock", || *lock.read());
            assert_eq!(*read, 0);
            drop(read);
            writer.join();
            // It came later than the writer.
            assert_eq!(reader.join(), 1);
        });
    });
}

#[test]
fn a_recursive_read_is_granted_while_a_writer_waits() {
    in_both_modes(|lock| {
        let outer = lock.read();
        std::thread::scope(|s| {
            let writer = start_parked(s, "write lock", || *lock.write() = 1);
            let inner = [
                lock.read(),
                lock.try_read().unwrap(),
                lock.read_with(Duration::ZERO).unwrap(),
                lock.try_read_for(MOMENT).unwrap(),
            ];
            // In this order: the first guard is not the last one.
            drop(outer);
            assert!(!writer.is_finished());
            assert!(lock.try_read().is_some());
            for guard in inner {
                assert_eq!(*guard, 0);
            }
            writer.join();
        });
        assert_eq!(*lock.read(), 1);
        assert_eq!(lock.readers(), []);
    });
}

#[test]
fn a_recursive_read_is_granted_whatever_else_the_thread_reads() {
    // More locks than a row has cells, twice over.
    let locks: Vec<_> = (0..20).map(|_| RwLock::new(())).collect();
    locks.iter().take(10).for_each(make_visible);
    let guards: Vec<_> = locks.iter().map(RwLock::read).collect();
    std::thread::scope(|s| {
        let writers: Vec<_> = locks
            .iter()
            .map(|lock| start_parked(s, "write lock", || drop(lock.write())))
            .collect();
        for lock in &locks {
            assert_eq!(lock.readers(), [current_owner()]);
            drop(lock.read());
        }
        drop(guards);
        writers.into_iter().for_each(|writer| writer.join());
    });
    assert!(locks.iter().all(|lock| !lock.is_locked()));
}

#[test]
fn thousands_of_levels_are_reads_of_one_thread() {
    in_both_modes(|lock| {
        let guards: Vec<_> = (0..10_000).map(|_| lock.read()).collect();
        assert_eq!(lock.readers(), [current_owner()]);
        assert!(lock.try_write().is_none());
        drop(guards);
        assert!(lock.try_write().is_some());
    });
}

#[test]
fn a_write_under_the_own_read_panics_by_name() {
    in_both_modes(|lock| {
        let read = lock.read();
        assert!(panic_of(|| lock.write()).contains("this thread reads under the lock"));
        assert!(panic_of(|| lock.write_with(Limit::never())).contains("upgrade it"));
        assert!(panic_of(|| lock.write_with(Duration::MAX)).contains("upgrade it"));
        // The door is open again.
        std::thread::scope(|s| assert!(start(s, || lock.try_read().is_some()).join()));
        drop(read);
        assert!(lock.try_write().is_some());
    });
}

#[test]
fn a_write_under_the_own_read_fails_or_times_out_with_a_limit() {
    in_both_modes(|lock| {
        let _read = lock.read();
        let start_of_waits = Instant::now();
        assert!(lock.try_write().is_none());
        assert!(lock.try_write_for(MOMENT).is_none());
        assert_eq!(lock.write_with(MOMENT).err(), Some(WaitError::TimedOut));
        assert!(start_of_waits.elapsed() >= 2 * MOMENT);
        let source = StopSource::new();
        source.request_stop();
        let stopped = lock.write_with(&source.token());
        assert_eq!(stopped.err(), Some(WaitError::Stopped));
    });
}

#[test]
fn a_doomed_write_with_a_limit_keeps_nobody_out() {
    in_both_modes(|lock| {
        let source = StopSource::new();
        let token = source.token();
        std::thread::scope(|s| {
            let doomed = start_parked(s, "write lock", || {
                let _read = lock.read();
                lock.write_with(&token).err()
            });
            drop(lock.read());
            assert!(lock.try_read().is_some());
            source.request_stop();
            assert_eq!(doomed.join(), Some(WaitError::Stopped));
        });
    });
}

#[test]
fn waits_for_oneself_panic_by_name() {
    in_both_modes(|lock| {
        let write = lock.write();
        assert!(panic_of(|| lock.write()).contains("has the lock for writing already"));
        assert!(panic_of(|| lock.read()).contains("has the lock for writing already"));
        assert!(panic_of(|| lock.upgradable_read()).contains("has the lock for writing already"));
        assert!(lock.try_read_for(MOMENT).is_none());
        drop(write);

        let upgradable = lock.upgradable_read();
        assert!(panic_of(|| lock.write()).contains("upgrade it instead"));
        assert!(panic_of(|| lock.upgradable_read()).contains("has the upgradable lock already"));
        drop(lock.read());
        drop(upgradable);

        let _read = lock.read();
        drop(lock.upgradable_read());
        std::thread::scope(|s| {
            let other = start_parked(s, "write lock", || lock.write_with(MINUTE).map(drop));
            assert!(panic_of(|| lock.upgradable_read()).contains("end the read first"));
            drop(_read);
            other.join().unwrap();
        });
    });
}

#[test]
fn a_reader_waits_for_the_upgradable_lock_with_a_limit() {
    in_both_modes(|lock| {
        let upgradable = lock.upgradable_read();
        std::thread::scope(|s| {
            let reader = start(s, || {
                let _read = lock.read();
                assert!(lock.try_upgradable_read().is_none());
                lock.upgradable_read_with(MINUTE).is_ok()
            });
            reader.until_parked("upgradable lock");
            drop(upgradable);
            assert!(reader.join());

            // A writer that gives up ends the wait too.
            let read = lock.read();
            let writer = start_parked(s, "write lock", || lock.write_with(10 * MOMENT).is_ok());
            assert!(lock.upgradable_read_with(MINUTE).is_ok());
            drop(read);
            writer.join();
        });
    });
}

#[test]
fn an_upgrade_under_the_own_read_panics_and_gives_the_lock_back() {
    in_both_modes(|lock| {
        let read = lock.read();
        let upgradable = lock.upgradable_read();
        let upgradable = RwLockUpgradableReadGuard::try_upgrade(upgradable).unwrap_err();
        let mut upgradable =
            RwLockUpgradableReadGuard::try_upgrade_for(upgradable, MOMENT).unwrap_err();
        assert!(upgradable.try_with_upgraded(|_| ()).is_none());
        let text = panic_of(|| RwLockUpgradableReadGuard::upgrade(upgradable));
        assert!(text.contains("this thread reads under the lock"));
        drop(read);
        assert!(lock.try_write().is_some());
    });
}

#[test]
fn an_upgrade_is_one_step() {
    in_both_modes(|lock| {
        let upgradable = lock.upgradable_read();
        std::thread::scope(|s| {
            // It waits in the queue when the upgrade begins.
            let writer = start_parked(s, "write lock", || {
                let mut guard = lock.write();
                *guard += 10;
                *guard
            });
            assert_eq!(*upgradable, 0);
            let mut upgraded = RwLockUpgradableReadGuard::upgrade(upgradable);
            assert_eq!(*upgraded, 0);
            *upgraded += 1;
            drop(upgraded);
            assert_eq!(writer.join(), 11);
        });
    });
}

#[test]
fn an_upgrade_waits_for_readers_and_holds_new_ones_back() {
    in_both_modes(|lock| {
        let read = lock.read();
        std::thread::scope(|s| {
            let upgrader = start_parked(s, "write lock", || {
                *RwLockUpgradableReadGuard::upgrade(lock.upgradable_read()) = 1;
            });
            assert_eq!(lock.writer(), Some(upgrader.owner()));
            assert!(start(s, || lock.try_read().is_none()).join());
            let reader = start_parked(s, "read lock", || *lock.read());
            drop(read);
            upgrader.join();
            assert_eq!(reader.join(), 1);
        });
    });
}

#[test]
fn an_upgrade_that_gives_up_lets_readers_in_and_keeps_the_lock() {
    in_both_modes(|lock| {
        let read = lock.read();
        std::thread::scope(|s| {
            let upgrader = start(s, || {
                let guard = lock.upgradable_read();
                let guard = RwLockUpgradableReadGuard::try_upgrade_for(guard, MOMENT);
                let guard = guard.err().unwrap();
                assert_eq!(lock.upgradable_reader(), Some(current_owner()));
                assert_eq!(lock.writer(), None);
                *guard
            });
            let reader = start(s, || *lock.read());
            assert_eq!(reader.join(), 0);
            assert_eq!(upgrader.join(), 0);
        });
        drop(read);
        assert!(lock.try_write().is_some());
    });
}

#[test]
fn a_thread_that_waits_for_the_upgradable_lock_keeps_no_reader_out() {
    in_both_modes(|lock| {
        let upgradable = lock.upgradable_read();
        std::thread::scope(|s| {
            let second = start_parked(s, "upgradable lock", || drop(lock.upgradable_read()));
            let writer = start_parked(s, "write lock", || drop(lock.write()));
            assert!(start(s, || lock.try_read().is_some()).join());
            start(s, || drop(lock.read())).join();
            drop(upgradable);
            second.join();
            writer.join();
        });
    });
}

#[test]
fn a_downgrade_lets_readers_in_and_no_writer_before() {
    in_both_modes(|lock| {
        let mut write = lock.write();
        std::thread::scope(|s| {
            let writer = start_parked(s, "write lock", || {
                *lock.write() += 1;
            });
            let reader = start_parked(s, "read lock", || *lock.read());
            *write = 1;
            let read = RwLockWriteGuard::downgrade(write);
            assert_eq!(*read, 1);
            assert_eq!(lock.readers().first(), Some(&current_owner()));
            assert!(!writer.is_finished());
            drop(read);
            writer.join();
            assert!(reader.join() >= 1);
        });
        assert_eq!(*lock.read(), 2);
    });
}

#[test]
fn a_downgrade_lets_readers_in_that_wait_behind_no_writer() {
    in_both_modes(|lock| {
        let write = lock.write();
        std::thread::scope(|s| {
            let reader = start_parked(s, "read lock", || *lock.read());
            let read = RwLockWriteGuard::downgrade(write);
            assert_eq!(reader.join(), 0);
            drop(read);
        });
        let write = lock.write();
        std::thread::scope(|s| {
            let reader = start_parked(s, "read lock", || *lock.read());
            let upgradable = RwLockWriteGuard::downgrade_to_upgradable(write);
            assert_eq!(reader.join(), 0);
            assert!(start(s, || lock.try_upgradable_read().is_none()).join());
            let read = RwLockUpgradableReadGuard::downgrade(upgradable);
            assert!(start(s, || lock.try_upgradable_read().is_some()).join());
            drop(read);
        });
        assert!(lock.try_write().is_some());
    });
}

#[test]
fn every_form_takes_a_free_lock_whose_limit_is_over() {
    let source = StopSource::new();
    source.request_stop();
    let token = source.token();
    in_both_modes(|lock| {
        assert!(lock.try_read_for(Duration::ZERO).is_some());
        assert!(lock.try_read_until(Instant::now()).is_some());
        assert!(lock.read_with(&token).is_ok());
        assert!(lock.try_write_for(Duration::ZERO).is_some());
        assert!(lock.try_write_until(Instant::now()).is_some());
        assert!(lock.write_with(&token).is_ok());
        assert!(lock.try_upgradable_read_for(Duration::ZERO).is_some());
        assert!(lock.try_upgradable_read_until(Instant::now()).is_some());
        let guard = lock.upgradable_read_with(&token).unwrap();
        assert!(RwLockUpgradableReadGuard::try_upgrade_until(guard, Instant::now()).is_ok());
        assert!(lock.try_upgradable_read().is_some());
    });
}

#[test]
fn every_form_gives_up_at_its_limit() {
    in_both_modes(|lock| {
        let _write = lock.write();
        std::thread::scope(|s| {
            let other = start(s, || {
                let begin = Instant::now();
                assert!(lock.try_read_for(MOMENT).is_none());
                assert!(lock.try_read_until(Instant::now() + MOMENT).is_none());
                assert!(lock.try_write_for(MOMENT).is_none());
                assert!(lock.try_write_until(Instant::now() + MOMENT).is_none());
                assert!(lock.try_upgradable_read_for(MOMENT).is_none());
                assert!(
                    lock.try_upgradable_read_until(Instant::now() + MOMENT)
                        .is_none()
                );
                assert_eq!(lock.read_with(MOMENT).err(), Some(WaitError::TimedOut));
                assert_eq!(lock.write_with(MOMENT).err(), Some(WaitError::TimedOut));
                let timed_out = lock.upgradable_read_with(MOMENT).err();
                assert_eq!(timed_out, Some(WaitError::TimedOut));
                begin.elapsed()
            });
            assert!(other.join() >= 9 * MOMENT);
        });
    });
}

#[test]
fn a_stop_ends_each_wait() {
    in_both_modes(|lock| {
        let source = StopSource::new();
        let token = source.token();
        let write = lock.write();
        std::thread::scope(|s| {
            let waiters = [
                start_parked(s, "read lock", || lock.read_with(&token).err()),
                start_parked(s, "write lock", || lock.write_with(&token).err()),
                start_parked(s, "upgradable lock", || {
                    lock.upgradable_read_with(&token).err()
                }),
            ];
            source.request_stop();
            for waiter in waiters {
                assert_eq!(waiter.join(), Some(WaitError::Stopped));
            }
        });
        drop(write);
        assert!(lock.try_write().is_some());
    });
}

#[test]
fn a_writer_that_gives_up_lets_everybody_in() {
    in_both_modes(|lock| {
        let source = StopSource::new();
        let token = source.token();
        let read = lock.read();
        std::thread::scope(|s| {
            let writer = start_parked(s, "write lock", || lock.write_with(&token).err());
            let reader = start_parked(s, "read lock", || *lock.read());
            let other = start_parked(s, "write lock", || *lock.write() = 7);
            source.request_stop();
            assert_eq!(writer.join(), Some(WaitError::Stopped));
            // Which of the two is faster is open.
            drop(read);
            let seen = reader.join();
            assert!(seen == 0 || seen == 7);
            other.join();
        });
        assert_eq!(*lock.read(), 7);
    });
}

#[test]
fn a_fair_release_hands_the_lock_over_at_once() {
    in_both_modes(|lock| {
        let guard = lock.write();
        std::thread::scope(|s| {
            let new_owner = start_parked(s, "write lock", || std::mem::forget(lock.write()));
            RwLockWriteGuard::unlock_fair(guard);
            // The new owner has it, whether or not it runs already.
            assert_eq!(lock.writer(), Some(new_owner.owner()));
            assert!(lock.try_read().is_none());
            new_owner.join();
        });
    });
    in_both_modes(|lock| {
        let guard = lock.write();
        let release = AtomicBool::new(false);
        std::thread::scope(|s| {
            let read = || {
                let _guard = lock.read();
                until("the end of the test", || release.load(Acquire));
            };
            let readers = [
                start_parked(s, "read lock", read),
                start_parked(s, "read lock", read),
            ];
            RwLockWriteGuard::unlock_fair(guard);
            assert!(lock.try_write().is_none());
            release.store(true, Release);
            readers.into_iter().for_each(|reader| reader.join());
        });
    });
}

#[test]
fn a_bump_lets_a_waiting_thread_have_it() {
    in_both_modes(|lock| {
        std::thread::scope(|s| {
            let mut guard = lock.write();
            let writer = start_parked(s, "write lock", || *lock.write() = 1);
            RwLockWriteGuard::bump(&mut guard);
            assert_eq!(*guard, 1);
            drop(guard);
            writer.join();

            let mut guard = lock.read();
            let writer = start_parked(s, "write lock", || *lock.write() = 2);
            RwLockReadGuard::bump(&mut guard);
            assert_eq!(*guard, 2);
            drop(guard);
            writer.join();

            let mut guard = lock.upgradable_read();
            let writer = start_parked(s, "write lock", || *lock.write() = 3);
            RwLockUpgradableReadGuard::bump(&mut guard);
            assert_eq!(*guard, 3);
            drop(guard);
            writer.join();
        });
    });
}

/// A thread that got the upgradable lock might upgrade it, and wait for this one's read.
#[test]
fn a_bump_of_the_upgradable_lock_under_the_own_read_does_nothing() {
    in_both_modes(|lock| {
        let read = lock.read();
        let mut upgradable = lock.upgradable_read();
        std::thread::scope(|s| {
            let other = start_parked(s, "upgradable lock", || drop(lock.upgradable_read()));
            RwLockUpgradableReadGuard::bump(&mut upgradable);
            assert_eq!(lock.upgradable_reader(), Some(current_owner()));
            drop(upgradable);
            other.join();
        });
        drop(read);
    });
}

#[test]
fn a_bump_of_one_read_of_two_does_nothing() {
    in_both_modes(|lock| {
        std::thread::scope(|s| {
            let (mut first, second) = (lock.read(), lock.read());
            let writer = start_parked(s, "write lock", || *lock.write() = 1);
            RwLockReadGuard::bump(&mut first);
            assert_eq!(*second, 0);
            drop((first, second));
            writer.join();
        });
    });
}

#[test]
fn records_and_reports_name_the_threads() {
    in_both_modes(|lock| {
        let me = current_owner();
        assert_eq!((lock.writer(), lock.readers()), (None, vec![]));
        let read = lock.read();
        assert_eq!((lock.writer(), lock.readers()), (None, vec![me]));
        std::thread::scope(|s| {
            let writer = start_parked(s, "write lock", || drop(lock.write()));
            let record = tk_core::thread_by_owner(writer.owner()).unwrap();
            assert_eq!(record.blocked_on().unwrap().holder(), Some(me));
            assert_eq!(lock.writer(), Some(writer.owner()));
            let reader = start_parked(s, "read lock", || drop(lock.read()));
            let record = tk_core::thread_by_owner(reader.owner()).unwrap();
            let wait = record.blocked_on().unwrap();
            assert_eq!(wait.holder(), Some(writer.owner()));
            assert_eq!(wait.location().file(), file!());
            drop(read);
            writer.join();
            reader.join();
        });
    });
}

#[test]
fn a_forgotten_read_keeps_its_own_lock_and_no_other() {
    in_both_modes(|lock| {
        std::mem::forget(lock.read());
        assert!(lock.try_write().is_none());
        assert!(lock.try_read().is_some());
    });
    // Again and again at one address.
    let mut lock = RwLock::new(String::new());
    for round in 0..100 {
        if round % 2 == 0 {
            make_visible(&lock);
        }
        assert!(lock.try_write().is_some());
        drop(lock.write());
        std::mem::forget(lock.read());
        let old = std::mem::take(&mut lock);
        match round % 3 {
            0 => drop(old),
            1 => std::mem::forget(old),
            _ => assert_eq!(old.readers(), [current_owner()]),
        }
        assert_eq!(lock.readers(), []);
    }
    assert!(lock.try_write().is_some());
}

#[test]
fn a_read_that_a_thread_has_left_behind_is_its_own() {
    in_both_modes(|lock| {
        let lost = std::thread::scope(|s| {
            let thread = start(s, || {
                std::mem::forget(lock.read());
                current_owner()
            });
            thread.join()
        });
        // Threads that get its slot later don't read.
        for _ in 0..3 {
            let failed = std::thread::scope(|s| {
                let next = start(s, || {
                    let limited = lock.write_with(MOMENT).err();
                    drop(lock.read());
                    limited
                });
                next.join()
            });
            assert_eq!(failed, Some(WaitError::TimedOut));
        }
        assert_eq!(lock.readers(), [lost]);
    });
}

#[test]
fn a_read_can_be_released_by_another_thread() {
    struct Sent(ReadToken);
    // SAFETY: for this test: the token goes to a thread that releases it and does nothing else.
    unsafe impl Send for Sent {}

    in_both_modes(|lock| {
        use lock_api::RawRwLock as _;
        // SAFETY: no guard is affected.
        let raw = unsafe { lock.raw() };
        let (first, second) = (Sent(raw.lock_shared()), Sent(raw.lock_shared()));
        std::thread::scope(|s| {
            for token in [first, second] {
                assert!(raw.try_lock_exclusive().is_none());
                start(s, move || {
                    let token = token;
                    // SAFETY: the other thread has read, and does not release it.
                    unsafe { raw.unlock_shared(token.0) }
                })
                .join();
            }
        });
        assert!(lock.try_write().is_some());
        assert_eq!(lock.readers(), []);
    });
}

#[test]
fn the_conversion_of_a_limit_may_use_the_lock() {
    in_both_modes(|lock| {
        let limit = || {
            Converting(|| {
                drop(lock.write());
                Limit::never()
            })
        };
        drop(lock.read_with(limit()).unwrap());
        drop(lock.write_with(limit()).unwrap());
        drop(lock.upgradable_read_with(limit()).unwrap());
    });
}

#[test]
fn a_thread_local_destructor_can_read_and_write() {
    struct Late(&'static RwLock<u32>);
    impl Drop for Late {
        fn drop(&mut self) {
            let outer = self.0.read();
            drop(self.0.read());
            drop(outer);
            *self.0.write() += 1;
        }
    }
    thread_local! {
        static FIRST: Cell<Option<Late>> = const { Cell::new(None) };
        static SECOND: Cell<Option<Late>> = const { Cell::new(None) };
    }
    static LOCK: RwLock<u32> = RwLock::new(0);
    std::thread::spawn(|| {
        // One is made before the thread is registered, and one after: they are destroyed on either
        // side of its end in the kit.
        FIRST.set(Some(Late(&LOCK)));
        drop(LOCK.read());
        SECOND.set(Some(Late(&LOCK)));
    })
    .join()
    .unwrap();
    assert_eq!(*LOCK.read(), 2);
}

#[test]
fn a_writer_gets_in_while_readers_never_pause() {
    in_both_modes(|lock| {
        let over = AtomicBool::new(false);
        let inside = AtomicUsize::new(0);
        std::thread::scope(|s| {
            let readers: Vec<_> = (0..4)
                .map(|_| {
                    start(s, || {
                        while !over.load(Relaxed) {
                            let _guard = lock.read();
                            inside.fetch_add(1, Relaxed);
                        }
                    })
                })
                .collect();
            until("reads", || inside.load(Relaxed) > 1000);
            for _ in 0..20 {
                *lock.write() += 1;
            }
            over.store(true, Relaxed);
            readers.into_iter().for_each(|reader| reader.join());
        });
        assert_eq!(*lock.read(), 20);
    });
}

#[test]
fn a_reader_gets_in_while_writers_never_pause() {
    in_both_modes(|lock| {
        let over = AtomicBool::new(false);
        std::thread::scope(|s| {
            let writers: Vec<_> = (0..3)
                .map(|_| {
                    start(s, || {
                        while !over.load(Relaxed) {
                            *lock.write() += 1;
                        }
                    })
                })
                .collect();
            until("writes", || *lock.read() > 1000);
            for _ in 0..20 {
                drop(lock.read());
                drop(lock.upgradable_read());
            }
            over.store(true, Relaxed);
            writers.into_iter().for_each(|writer| writer.join());
        });
    });
}

#[test]
fn a_lock_without_reads_shows_nothing_of_them() {
    let lock = RwLock::new(1);
    assert_eq!(
        format!("{:?}", RawRwLock::new()),
        "RawRwLock { locked: false, writer: None }"
    );
    assert!(format!("{lock:?}").contains('1'));
    let _write = lock.write();
    assert!(format!("{lock:?}").contains("locked"));
    assert!(lock.is_locked() && lock.is_locked_exclusive());
}

#[cfg(feature = "arc_lock")]
#[test]
fn arc_guards_keep_the_lock() {
    let lock = std::sync::Arc::new(RwLock::new(1));
    let read = lock.read_arc();
    assert!(lock.try_write_arc().is_none());
    drop(read);
    let mut write = lock.write_arc();
    drop(lock);
    *write = 2;
    assert_eq!(*write, 2);
}

#[test]
fn a_release_that_wakes_readers_forgets_no_writer_behind_them() {
    let lock = RwLock::new(0);
    std::thread::scope(|s| {
        let guard = lock.write();
        let reader = start_parked(s, "read lock", || *lock.read());
        let writer = start_parked(s, "write lock", || *lock.write() += 1);
        drop(guard);
        assert!(reader.join() <= 1);
        writer.join();
    });
    assert_eq!(lock.into_inner(), 1);
}

#[test]
fn a_release_that_wakes_an_upgradable_reader_forgets_no_writer_behind_it() {
    let lock = RwLock::new(0);
    std::thread::scope(|s| {
        let guard = lock.write();
        let upgradable = start_parked(s, "upgradable lock", || *lock.upgradable_read());
        let writer = start_parked(s, "write lock", || *lock.write() += 1);
        let reader = start_parked(s, "read lock", || *lock.read());
        drop(guard);
        assert!(upgradable.join() <= 1);
        assert!(reader.join() <= 1);
        writer.join();
    });
    assert_eq!(lock.into_inner(), 1);
}

/// The functions of timers have an identity of their own for each call, in a slot that is used
/// again and again.
#[test]
fn identities_that_follow_each_other_in_a_slot_read_through_rows_of_their_own() {
    let lock = RwLock::new(0);
    make_visible(&lock);
    // SAFETY: nothing is released.
    let readers = || unsafe { lock.raw() }.readers();
    let guest = || Registration::new("guest", false);
    run_as(guest(), || drop(lock.read()));
    let (reads, done) = (Barrier::new(2), Barrier::new(2));
    std::thread::scope(|s| {
        let other = s.spawn(|| {
            // The guard outlives the identity, and so does the read.
            let (_read, me) = run_as(guest(), || (lock.read(), current_owner()));
            reads.wait();
            done.wait();
            me
        });
        reads.wait();
        let (mine, seen) = run_as(guest(), || {
            let _read = lock.read();
            (current_owner(), readers())
        });
        done.wait();
        let other = other.join().unwrap();
        assert_eq!(seen.len(), 2, "{seen:?}");
        assert!(seen.contains(&mine) && seen.contains(&other), "{seen:?}");
    });
    assert!(readers().is_empty());
}
