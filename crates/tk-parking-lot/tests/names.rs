//! Every name, and every method that is not one of `lock_api`'s.

use std::thread::scope;
use std::time::{Duration, Instant};

use lock_api::RawRwLock as _;
use tk_parking_lot as parking_lot;
use tk_parking_lot::{
    Condvar, MappedRecursiveRwLockReadGuard, MappedRecursiveRwLockWriteGuard, Once, RawCondvar,
    RawRwLock, RawRwLockRecursive, RecursiveRwLock, RecursiveRwLockReadGuard,
    RecursiveRwLockUpgradableReadGuard, RecursiveRwLockWriteGuard, RwLock, lock_api,
};
use tk_testing::start_parked;

#[path = "names/both_versions.rs"]
mod both_versions;

const MOMENT: Duration = Duration::from_millis(5);

#[test]
fn a_once_is_waited_for() {
    let once = Once::new();
    scope(|s| {
        let waits = start_parked(s, "once", || once.wait());
        let waits_too = start_parked(s, "once", || once.wait_force());
        once.call_once(|| ());
        waits.join();
        waits_too.join();
    });
    assert!(once.is_completed() && Once::new_completed().is_completed());
    assert!(once.state().is_completed() && !once.state().is_poisoned());
}

#[test]
fn a_recursive_lock_is_built_of_its_parts() {
    static LOCK: RecursiveRwLock<u32> = RecursiveRwLock::new(1);
    let guard: RecursiveRwLockReadGuard<'static, u32> = LOCK.read();
    let again: MappedRecursiveRwLockReadGuard<'static, u32> =
        RecursiveRwLockReadGuard::map(LOCK.read(), |value| value);
    scope(|s| {
        let writer = start_parked(s, "write lock", || *LOCK.write() += 1);
        let mut third = LOCK.read();
        RecursiveRwLockReadGuard::bump(&mut third);
        assert!(LOCK.try_read().is_some() && LOCK.try_read_for(MOMENT).is_some());
        assert!(LOCK.try_read_until(Instant::now() + MOMENT).is_some());
        drop((guard, again, third));
        writer.join();
    });
    let guard: RecursiveRwLockUpgradableReadGuard<'static, u32> = LOCK.upgradable_read();
    let guard: RecursiveRwLockWriteGuard<'static, u32> =
        RecursiveRwLockUpgradableReadGuard::upgrade(guard);
    let part: MappedRecursiveRwLockWriteGuard<'static, u32> =
        RecursiveRwLockWriteGuard::map(guard, |value| value);
    assert_eq!(*part, 2);
    let lock: lock_api::RwLock<RawRwLockRecursive, u32> = RecursiveRwLock::new(2);
    drop(lock.write());
    let condvar: lock_api::Condvar<RawCondvar> = Condvar::new();
    assert_eq!(condvar.notify_all(), 0);
}

#[test]
fn the_raw_lock_has_its_parameter() {
    let free: RawRwLock = RawRwLock::INIT;
    static PLAIN: lock_api::RwLock<RawRwLock<false>, u32> =
        lock_api::RwLock::from_raw(RawRwLock::<false>::INIT, 1);
    static RECURSIVE: lock_api::RwLock<RawRwLock<true>, u32> =
        lock_api::RwLock::from_raw(RawRwLock::INIT, 1);

    struct Holder<const RECURSIVE: bool>(RawRwLock<RECURSIVE>);
    impl<const RECURSIVE: bool> Holder<RECURSIVE> {
        const fn free() -> Self {
            Self(RawRwLock::<RECURSIVE>::INIT)
        }
    }
    fn is_recursive<const R: bool>(lock: &lock_api::RwLock<RawRwLock<R>, u32>) -> bool {
        drop(lock.write());
        drop(lock_api::RwLockUpgradableReadGuard::upgrade(
            lock.upgradable_read(),
        ));
        let read = (lock.read(), lock.try_read(), lock.try_read_for(MOMENT));
        R && read.1.is_some() && read.2.is_some()
    }

    let plain: &'static RwLock<u32> = &PLAIN;
    let recursive: &'static RecursiveRwLock<u32> = &RECURSIVE;
    assert!(!is_recursive(plain) && is_recursive(recursive));
    assert!(is_recursive(&RwLock::<u32>::new(1)) == is_recursive(plain));
    let same: RawRwLockRecursive = Holder::<true>::free().0;
    assert!(!same.is_locked() && !Holder::<false>::free().0.is_locked());
    assert_eq!(format!("{free:?}"), format!("{same:?}"));
    assert_eq!(size_of::<RawRwLock>(), 16);
    assert_eq!(size_of::<RawRwLock<true>>(), 16);
}

/// A lock that knows its readers grants a thread's second read in any case.
#[cfg(feature = "send_guard")]
#[test]
fn only_a_recursive_lock_is_read_while_a_writer_waits() {
    let (plain, recursive) = (RwLock::new(()), RecursiveRwLock::new(()));
    let reads = (plain.read(), recursive.read());
    scope(|s| {
        let writers = [
            start_parked(s, "write lock", || drop(plain.write())),
            start_parked(s, "write lock", || drop(recursive.write())),
        ];
        assert!(plain.try_read().is_none() && plain.try_read_for(MOMENT).is_none());
        assert!(recursive.try_read().is_some() && recursive.try_read_for(MOMENT).is_some());
        drop(recursive.read());
        drop(reads);
        for writer in writers {
            writer.join();
        }
    });
}

#[cfg(not(feature = "send_guard"))]
#[test]
fn a_thread_that_waits_for_itself_panics() {
    use tk_parking_lot::Mutex;
    use tk_testing::start;

    let (mutex, rwlock) = (Mutex::new(()), RwLock::new(()));
    let panics = |f: &(dyn Fn() + Sync)| scope(|s| start(s, f).outcome().is_err());
    assert!(panics(&|| drop((mutex.lock(), mutex.lock()))));
    assert!(panics(&|| drop((rwlock.read(), rwlock.write()))));
    assert!(mutex.try_lock().is_some() && rwlock.try_write().is_some());
}
