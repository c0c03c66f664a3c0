//! `RLockTests`, with what later versions have added.

use std::fmt::Debug;

use crate::{SHORT, Sleeps, suite, takes_a_short_time};
use tk_lock::{NotOwned, RLock, RawRLock};
use tk_testing::start;

/// A reentrant lock whose levels are guards.
trait Reentrant: Send + Sync + Debug {
    const SLEEPS: Sleeps;
    type Guard<'a>
    where
        Self: 'a;
    fn new() -> Self;
    fn lock(&self) -> Self::Guard<'_>;
    fn try_lock(&self) -> Option<Self::Guard<'_>>;
    fn lock_for(&self) -> Option<Self::Guard<'_>>;
    fn is_locked(&self) -> bool;
    fn is_owned_by_current_thread(&self) -> bool;
}

impl Reentrant for RLock<()> {
    const SLEEPS: Sleeps = Sleeps::AsRecorded("lock");
    type Guard<'a> = tk_lock::RLockGuard<'a, ()>;

    fn new() -> Self {
        RLock::new(())
    }

    fn lock(&self) -> Self::Guard<'_> {
        RLock::lock(self)
    }

    fn try_lock(&self) -> Option<Self::Guard<'_>> {
        RLock::try_lock(self)
    }

    fn lock_for(&self) -> Option<Self::Guard<'_>> {
        self.try_lock_for(SHORT)
    }

    fn is_locked(&self) -> bool {
        self.is_locked()
    }

    fn is_owned_by_current_thread(&self) -> bool {
        self.is_owned_by_current_thread()
    }
}

impl Reentrant for parking_lot::ReentrantMutex<()> {
    const SLEEPS: Sleeps = Sleeps::AsTheSystemSays;
    type Guard<'a> = parking_lot::ReentrantMutexGuard<'a, ()>;

    fn new() -> Self {
        parking_lot::ReentrantMutex::new(())
    }

    fn lock(&self) -> Self::Guard<'_> {
        parking_lot::ReentrantMutex::lock(self)
    }

    fn try_lock(&self) -> Option<Self::Guard<'_>> {
        parking_lot::ReentrantMutex::try_lock(self)
    }

    fn lock_for(&self) -> Option<Self::Guard<'_>> {
        self.try_lock_for(SHORT)
    }

    fn is_locked(&self) -> bool {
        self.is_locked()
    }

    fn is_owned_by_current_thread(&self) -> bool {
        self.is_owned_by_current_thread()
    }
}

/// Calls this function in another thread.
fn elsewhere<R: Send>(look: impl FnOnce() -> R + Send) -> R {
    std::thread::scope(|s| start(s, look).join())
}

fn test_reacquire<L: Reentrant>() {
    let lock = L::new();
    let first = lock.lock();
    let second = lock.lock();
    drop(first);
    let third = lock.try_lock().expect("it is this thread's");
    drop((second, third));
    assert!(elsewhere(|| lock.try_lock().is_some()));
}

fn test__is_owned<L: Reentrant>() {
    let lock = L::new();
    assert!(!lock.is_owned_by_current_thread());
    let outer = lock.lock();
    assert!(lock.is_owned_by_current_thread());
    let inner = lock.lock();
    assert!(lock.is_owned_by_current_thread() && !elsewhere(|| lock.is_owned_by_current_thread()));
    drop(inner);
    assert!(lock.is_owned_by_current_thread());
    drop(outer);
    assert!(!lock.is_owned_by_current_thread());
}

fn test_locked<L: Reentrant>() {
    let lock = L::new();
    assert!(!lock.is_locked());
    let outer = lock.lock();
    let inner = lock.lock();
    assert!(lock.is_locked());
    drop(inner);
    assert!(lock.is_locked());
    drop(outer);
    assert!(!lock.is_locked());
}

fn test_locked_with_2threads<L: Reentrant>() {
    let lock = L::new();
    let _guard = lock.lock();
    assert!(elsewhere(|| lock.is_locked()));
}

fn test_try_acquire_contended<L: Reentrant>() {
    let lock = L::new();
    let _guard = lock.lock();
    assert!(elsewhere(|| lock.try_lock().is_none()));
}

fn test_timeout<L: Reentrant>() {
    let lock = L::new();
    let _guard = lock.lock_for().expect("it is free");
    assert!(elsewhere(|| takes_a_short_time(|| lock
        .lock_for()
        .is_none())));
}

fn test_acquire_contended<L: Reentrant>() {
    let lock = L::new();
    let guards = (lock.lock(), lock.lock());
    std::thread::scope(|s| {
        let threads = [(); 5].map(|()| start(s, || drop(lock.lock())));
        threads
            .iter()
            .for_each(|thread| L::SLEEPS.until_asleep(thread));
        // One level less is not enough.
        drop(guards.0);
        assert!(threads.iter().all(|thread| !thread.is_finished()));
        drop(guards.1);
        threads.into_iter().for_each(|thread| thread.join());
    });
    assert!(!lock.is_locked());
}

suite!(
    kit_rlock: tk_lock::RLock<()>,
    test_reacquire,
    test__is_owned,
    test_locked,
    test_locked_with_2threads,
    test_try_acquire_contended,
    test_timeout,
    test_acquire_contended,
);

#[cfg(target_os = "linux")]
suite!(
    peer_parking_lot: parking_lot::ReentrantMutex<()>,
    test_reacquire,
    test__is_owned,
    test_locked,
    test_locked_with_2threads,
    test_try_acquire_contended,
    test_timeout,
    test_acquire_contended,
);

#[test]
fn test_release_unacquired() {
    let lock = RawRLock::new();
    assert_eq!(lock.release(), Err(NotOwned));
    lock.acquire();
    lock.acquire();
    lock.release().unwrap();
    lock.acquire();
    lock.release().unwrap();
    lock.release().unwrap();
    assert_eq!(lock.release(), Err(NotOwned));
}

#[test]
fn test_different_thread() {
    let lock = RawRLock::new();
    lock.acquire();
    assert_eq!(elsewhere(|| lock.release()), Err(NotOwned));
    assert!(lock.is_owned_by_current_thread());
    lock.release().unwrap();
}

#[test]
fn test_recursion_count() {
    let lock = RawRLock::new();
    assert_eq!(lock.recursion_count(), 0);
    lock.acquire();
    assert_eq!(lock.recursion_count(), 1);
    lock.acquire();
    lock.acquire();
    assert_eq!(lock.recursion_count(), 3);
    assert_eq!(elsewhere(|| lock.recursion_count()), 0);
    lock.release().unwrap();
    assert_eq!(lock.recursion_count(), 2);
    lock.release().unwrap();
    lock.release().unwrap();
    assert_eq!(lock.recursion_count(), 0);
}

#[test]
fn test_repr_count() {
    let lock = RawRLock::new();
    assert!(format!("{lock:?}").contains("locked: false, recursion_count: 0"));
    lock.acquire();
    lock.acquire();
    assert!(format!("{lock:?}").contains("locked: true, recursion_count: 2"));
    let guard = (RLock::new(()), ());
    let _level = guard.0.lock();
    assert!(format!("{:?}", guard.0).contains("locked: true, recursion_count: 1"));
}
