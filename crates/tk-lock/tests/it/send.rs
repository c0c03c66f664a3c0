//! The locks whose guards go from thread to thread.

use std::sync::mpsc;
use std::thread::scope;
use std::time::Duration;

use lock_api::{
    Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockUpgradableReadGuard, RwLockWriteGuard,
};
use static_assertions::assert_impl_all;
use tk_lock::{RawSendLock, RawSendRwLock};
use tk_testing::{start, start_parked};

type SendRwLock<T> = RwLock<RawSendRwLock, T>;

assert_impl_all!(RwLockReadGuard<'static, RawSendRwLock, u32>: Send, Sync);
assert_impl_all!(RwLockWriteGuard<'static, RawSendRwLock, u32>: Send, Sync);
assert_impl_all!(RwLockUpgradableReadGuard<'static, RawSendRwLock, u32>: Send, Sync);

#[test]
fn a_thread_releases_what_another_has_taken() {
    let lock = SendRwLock::new(0);
    let (read, again) = (lock.read(), lock.read());
    scope(|s| start(s, || drop(read)).join());
    assert!(lock.try_write().is_none());
    scope(|s| start(s, || drop(again)).join());
    let mut written = lock.try_write().unwrap();
    scope(|s| start(s, move || *written += 1).join());
    let upgradable = lock.upgradable_read();
    scope(|s| start(s, || *RwLockUpgradableReadGuard::upgrade(upgradable) += 1).join());
    assert_eq!(*lock.read(), 2);
}

/// A thread that takes a guard, gives it away, and then wants to write must not take itself for the
/// one that has it.
fn waits_for_what_it_gave_away<'l, G: Send>(
    lock: &'l SendRwLock<u32>,
    take: impl Fn(&'l SendRwLock<u32>) -> G + Send,
) {
    scope(|s| {
        let (sender, receiver) = mpsc::channel();
        let waiting = start_parked(s, "write lock", move || {
            sender.send(take(lock)).unwrap();
            *lock.write() += 1;
        });
        drop(receiver.recv().unwrap());
        waiting.join();
    });
}

#[test]
fn a_thread_waits_for_a_guard_that_it_has_given_away() {
    let lock = SendRwLock::new(0);
    waits_for_what_it_gave_away(&lock, SendRwLock::read);
    waits_for_what_it_gave_away(&lock, SendRwLock::write);
    waits_for_what_it_gave_away(&lock, SendRwLock::upgradable_read);
    assert_eq!(*lock.read(), 3);
}

#[test]
fn a_lock_that_was_handed_over_can_be_given_away() {
    let lock = &SendRwLock::new(0);
    let held = lock.write();
    scope(|s| {
        let (sender, receiver) = mpsc::channel();
        let waiting = start_parked(s, "write lock", move || {
            sender.send(lock.write()).unwrap();
            *lock.read() // Waits for the guard in the channel.
        });
        RwLockWriteGuard::unlock_fair(held);
        let mut given = receiver.recv().unwrap();
        waiting.until_parked("read lock");
        *given += 1;
        drop(given);
        assert_eq!(waiting.join(), 1);
    });
}

#[test]
fn a_limit_ends_each_wait() {
    let lock = SendRwLock::new(0);
    let moment = Duration::from_millis(5);
    let written = lock.write();
    assert!(lock.try_read_for(moment).is_none());
    assert!(lock.try_write_for(moment).is_none());
    assert!(lock.try_upgradable_read_for(moment).is_none());
    // SAFETY: to read is no release.
    let raw = unsafe { lock.raw() };
    assert!(raw.lock_shared_recursive_with(moment).is_err());
    let read = RwLockWriteGuard::downgrade(written);
    let upgradable = lock.upgradable_read();
    let upgradable = RwLockUpgradableReadGuard::try_upgrade_for(upgradable, moment).unwrap_err();
    drop((read, upgradable));
    assert!(lock.try_write().is_some());
}

#[test]
fn no_read_is_lost_under_contention() {
    let lock = SendRwLock::new(0);
    scope(|s| {
        for number in 0..4 {
            let lock = &lock;
            s.spawn(move || {
                for round in 0..500 {
                    if (number + round) % 4 == 0 {
                        *lock.write() += 1;
                    } else {
                        // One after the other: a recursive read may wait for itself.
                        let first = *lock.read();
                        let second = *lock.read();
                        assert!(first <= second);
                    }
                }
            });
        }
    });
    assert_eq!(*lock.read(), 500);
}

assert_impl_all!(MutexGuard<'static, RawSendLock, u32>: Send, Sync);

#[test]
fn a_mutex_is_released_by_another_thread_than_the_one_that_waits_for_it() {
    let lock = &Mutex::<RawSendLock, _>::new(0);
    for _ in 0..200 {
        // So often that releases become light.
        let guard = lock.lock();
        drop(guard);
    }
    for _ in 0..10 {
        scope(|s| {
            let (sender, receiver) = mpsc::channel();
            let waiting = start_parked(s, "lock", move || {
                sender.send(lock.lock()).unwrap();
                *lock.lock() += 1; // No panic: the guard is elsewhere.
            });
            let mut guard = receiver.recv().unwrap();
            assert!(lock.try_lock_for(Duration::from_millis(1)).is_none());
            MutexGuard::bump(&mut guard); // The other one was first in the queue.
            MutexGuard::unlock_fair(guard);
            waiting.join();
        });
    }
    assert_eq!(*lock.lock(), 10);
}
