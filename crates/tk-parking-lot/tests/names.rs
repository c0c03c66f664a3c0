//! Every name, and every method that is not one of `lock_api`'s.

use std::thread::scope;
use std::time::{Duration, Instant};

use tk_parking_lot as parking_lot;
use tk_parking_lot::{
    Condvar, MappedRecursiveRwLockReadGuard, MappedRecursiveRwLockWriteGuard, Once, RawCondvar,
    RawRwLockRecursive, RecursiveRwLock, RecursiveRwLockReadGuard,
    RecursiveRwLockUpgradableReadGuard, RecursiveRwLockWriteGuard, lock_api,
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

#[cfg(not(feature = "send_guard"))]
#[test]
fn a_thread_that_waits_for_itself_panics() {
    use tk_parking_lot::{Mutex, RwLock};
    use tk_testing::start;

    let (mutex, rwlock) = (Mutex::new(()), RwLock::new(()));
    let panics = |f: &(dyn Fn() + Sync)| scope(|s| start(s, f).outcome().is_err());
    assert!(panics(&|| drop((mutex.lock(), mutex.lock()))));
    assert!(panics(&|| drop((rwlock.read(), rwlock.write()))));
    assert!(mutex.try_lock().is_some() && rwlock.try_write().is_some());
}
