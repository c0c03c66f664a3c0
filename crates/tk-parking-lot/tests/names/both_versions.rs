//! The names that parking_lot 0.12 and 0.13 have in common. `crate::parking_lot` is the crate that
//! stands in for one of them.

use std::sync::atomic::{AtomicU32, Ordering::*};
use std::thread::scope;
use std::time::{Duration, Instant};

use static_assertions::assert_impl_all;
#[cfg(not(feature = "send_guard"))]
use static_assertions::assert_not_impl_any;
#[cfg(feature = "send_guard")]
use tk_testing::start;
use tk_testing::start_parked;

#[cfg(feature = "arc_lock")]
use crate::parking_lot::{
    ArcMutexGuard, ArcReentrantMutexGuard, ArcRwLockReadGuard, ArcRwLockUpgradableReadGuard,
    ArcRwLockWriteGuard,
};
use crate::parking_lot::{
    Condvar, FairMutex, FairMutexGuard, MappedFairMutexGuard, MappedMutexGuard,
    MappedReentrantMutexGuard, MappedRwLockReadGuard, MappedRwLockWriteGuard, Mutex, MutexGuard,
    Once, OnceState, RawFairMutex, RawMutex, RawRwLock, RawThreadId, ReentrantMutex,
    ReentrantMutexGuard, RwLock, RwLockReadGuard, RwLockUpgradableReadGuard, RwLockWriteGuard,
    WaitTimeoutResult, lock_api,
};

const MOMENT: Duration = Duration::from_millis(5);

assert_impl_all!(Mutex<u32>: Send, Sync);
assert_impl_all!(RwLock<u32>: Send, Sync);
assert_impl_all!(FairMutex<u32>: Send, Sync);
assert_impl_all!(ReentrantMutex<u32>: Send, Sync);
assert_impl_all!(Condvar: Send, Sync);
assert_impl_all!(Once: Send, Sync);
#[cfg(not(feature = "send_guard"))]
assert_not_impl_any!(MutexGuard<'static, u32>: Send);
#[cfg(not(feature = "send_guard"))]
assert_not_impl_any!(RwLockReadGuard<'static, u32>: Send);
#[cfg(feature = "send_guard")]
assert_impl_all!(MutexGuard<'static, u32>: Send);
#[cfg(feature = "send_guard")]
assert_impl_all!(FairMutexGuard<'static, u32>: Send);
#[cfg(feature = "send_guard")]
assert_impl_all!(RwLockReadGuard<'static, u32>: Send);
#[cfg(feature = "send_guard")]
assert_impl_all!(RwLockWriteGuard<'static, u32>: Send);
#[cfg(feature = "send_guard")]
assert_impl_all!(RwLockUpgradableReadGuard<'static, u32>: Send);

static MUTEX: Mutex<u32> = Mutex::new(1);
static FAIR: FairMutex<u32> = FairMutex::new(1);
static RWLOCK: RwLock<u32> = RwLock::new(1);
static REENTRANT: ReentrantMutex<u32> = ReentrantMutex::new(1);
static CONDVAR: Condvar = Condvar::new();
static ONCE: Once = Once::new();

#[test]
fn a_mutex_is_built_of_its_parts() {
    let guard: MutexGuard<'static, u32> = MUTEX.lock();
    let part: MappedMutexGuard<'static, u32> = MutexGuard::map(guard, |value| value);
    assert_eq!(*part, 1);
    let lock: lock_api::Mutex<RawMutex, u32> = Mutex::new(2);
    assert_eq!(lock.into_inner(), 2);
    let guard: FairMutexGuard<'static, u32> = FAIR.lock();
    let part: MappedFairMutexGuard<'static, u32> = FairMutexGuard::map(guard, |value| value);
    assert_eq!(*part, 1);
    let lock: lock_api::Mutex<RawFairMutex, u32> = FairMutex::new(2);
    assert!(lock.try_lock_for(MOMENT).is_some());
    assert!(lock.try_lock_until(Instant::now() + MOMENT).is_some());
    let guard: ReentrantMutexGuard<'static, u32> = REENTRANT.lock();
    let again = REENTRANT.lock();
    let part: MappedReentrantMutexGuard<'static, u32> =
        ReentrantMutexGuard::map(guard, |value| value);
    assert_eq!(*part, *again);
    let lock: lock_api::ReentrantMutex<RawMutex, RawThreadId, u32> = ReentrantMutex::new(2);
    assert!(lock.try_lock_for(MOMENT).is_some());
}

#[test]
fn a_readers_writer_lock_is_built_of_its_parts() {
    let guard: RwLockReadGuard<'static, u32> = RWLOCK.read();
    let part: MappedRwLockReadGuard<'static, u32> = RwLockReadGuard::map(guard, |value| value);
    assert_eq!(*part, 1);
    drop(part);
    let guard: RwLockUpgradableReadGuard<'static, u32> = RWLOCK.upgradable_read();
    let guard: RwLockWriteGuard<'static, u32> = RwLockUpgradableReadGuard::upgrade(guard);
    drop(RwLockWriteGuard::map(guard, |value| value) as MappedRwLockWriteGuard<'static, u32>);
    let lock: lock_api::RwLock<RawRwLock, u32> = RwLock::new(2);
    assert_eq!(lock.into_inner(), 2);
}

#[test]
fn a_fair_mutex_goes_to_the_thread_that_waits() {
    let lock = FairMutex::new(0);
    let guard = lock.lock();
    scope(|s| {
        let waiting = start_parked(s, "lock", || *lock.lock() = 1);
        drop(guard);
        assert_eq!(*lock.lock(), 1); // The other one was first in the queue.
        waiting.join();
    });
}

#[test]
fn a_condition_variable_waits_in_each_form() {
    let lock = Mutex::new(0);
    let mut guard = lock.lock();
    let waited: WaitTimeoutResult = CONDVAR.wait_for(&mut guard, MOMENT);
    assert!(waited.timed_out());
    assert!(
        CONDVAR
            .wait_until(&mut guard, Instant::now() + MOMENT)
            .timed_out()
    );
    assert!(
        CONDVAR
            .wait_while_for(&mut guard, |_| true, MOMENT)
            .timed_out()
    );
    assert!(
        !CONDVAR
            .wait_while_for(&mut guard, |_| false, MOMENT)
            .timed_out()
    );
    let deadline = Instant::now() + MOMENT;
    assert!(
        CONDVAR
            .wait_while_until(&mut guard, |_| true, deadline)
            .timed_out()
    );
    assert!(
        !CONDVAR
            .wait_while_until(&mut guard, |_| false, deadline)
            .timed_out()
    );
    // A change that comes with the timeout counts.
    let mut calls = 0;
    let condition = |_: &mut u32| {
        calls += 1;
        calls == 1
    };
    assert!(
        !CONDVAR
            .wait_while_until(&mut guard, condition, Instant::now())
            .timed_out()
    );
    drop(guard);
    scope(|s| {
        let waits = start_parked(s, "condition", || CONDVAR.wait(&mut lock.lock()));
        assert!(CONDVAR.notify_one());
        waits.join();
        let waits = [(); 2].map(|()| {
            start_parked(s, "condition", || {
                CONDVAR.wait_while(&mut lock.lock(), |value| *value == 0);
            })
        });
        *lock.lock() = 1;
        assert_eq!(CONDVAR.notify_all(), 2);
        for waiting in waits {
            waiting.join();
        }
    });
    assert!(!CONDVAR.notify_one());
    assert_eq!(format!("{CONDVAR:?}"), "Condvar { .. }");
    assert_eq!(Condvar::default().notify_all(), 0);
}

#[test]
fn a_once_has_its_states() {
    let calls = AtomicU32::new(0);
    let call = || _ = calls.fetch_add(1, Relaxed);
    assert_eq!(ONCE.state(), OnceState::New);
    assert_eq!(format!("{ONCE:?}"), "Once { state: New }");
    ONCE.call_once(call);
    ONCE.call_once_force(|_| call());
    assert!(ONCE.state().done() && !ONCE.state().poisoned());
    assert_eq!(calls.load(Relaxed), 1);
    assert_eq!(Once::default().state(), OnceState::New);
}

#[test]
fn debug_shows_the_value_of_a_free_lock() {
    let lock = Mutex::new(1);
    assert_eq!(format!("{lock:?}"), "Mutex { data: 1 }");
    let _guard = lock.lock();
    assert_eq!(format!("{lock:?}"), "Mutex { data: <locked> }");
    let lock = RwLock::new(1);
    let _guard = lock.write();
    assert_eq!(format!("{lock:?}"), "RwLock { data: <locked> }");
}

#[test]
fn a_wait_shows_the_line_that_waits_and_the_holder() {
    let lock = Mutex::new(0);
    let guard = lock.lock();
    scope(|s| {
        let waiting = start_parked(s, "lock", || drop(lock.lock()));
        let blocked = waiting.record.blocked_on().unwrap();
        assert_eq!(blocked.holder(), Some(tk_core::current_owner()));
        assert_eq!(blocked.location().file(), file!());
        drop(guard);
        waiting.join();
    });
}

#[cfg(feature = "send_guard")]
#[test]
fn a_guard_is_released_by_another_thread() {
    scope(|s| {
        let guard = MUTEX.lock();
        start(s, || drop(guard)).join();
        let guard = FAIR.lock();
        start(s, || drop(guard)).join();
        let guard = RWLOCK.read();
        start(s, || drop(guard)).join();
        let guard = RWLOCK.write();
        start(s, || drop(guard)).join();
    });
    assert_eq!(*MUTEX.lock() + *FAIR.lock() + *RWLOCK.write(), 3);
}

#[cfg(feature = "arc_lock")]
#[test]
fn a_guard_owns_its_lock() {
    use std::sync::Arc;
    let lock = Arc::new(Mutex::new(1));
    let guard: ArcMutexGuard<RawMutex, u32> = Mutex::lock_arc(&lock);
    drop(lock);
    assert_eq!(*guard, 1);
    let lock = Arc::new(ReentrantMutex::new(1));
    let guard: ArcReentrantMutexGuard<RawMutex, RawThreadId, u32> = ReentrantMutex::lock_arc(&lock);
    drop(lock);
    assert_eq!(*guard, 1);
    let lock = Arc::new(RwLock::new(1));
    let guard: ArcRwLockReadGuard<RawRwLock, u32> = lock.read_arc();
    drop(guard);
    let guard: ArcRwLockUpgradableReadGuard<RawRwLock, u32> = lock.upgradable_read_arc();
    drop(guard);
    let guard: ArcRwLockWriteGuard<RawRwLock, u32> = lock.write_arc();
    assert_eq!(*guard, 1);
}
