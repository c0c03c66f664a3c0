//! `BaseLockTests` and `LockTests`.

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use crate::{SHORT, Sleeps, suite, takes_a_short_time};
use parking_lot::lock_api::{RawMutex as _, RawMutexTimed as _};
use tk_lock::{Lock as TkLock, RawLock};
use tk_testing::{start, until};

/// A lock without a value, which any thread may release.
trait Lock: Send + Sync {
    const SLEEPS: Sleeps;
    fn new() -> Self;
    fn acquire(&self);
    fn try_acquire(&self) -> bool;
    fn acquire_for(&self, timeout: Duration) -> bool;
    /// Of a lock that is held.
    fn release(&self);
    fn is_locked(&self) -> bool;
}

impl Lock for RawLock {
    const SLEEPS: Sleeps = Sleeps::AsRecorded("lock");

    fn new() -> RawLock {
        RawLock::new()
    }

    fn acquire(&self) {
        RawLock::acquire(self);
    }

    fn try_acquire(&self) -> bool {
        RawLock::try_acquire(self)
    }

    fn acquire_for(&self, timeout: Duration) -> bool {
        RawLock::acquire_for(self, timeout)
    }

    fn release(&self) {
        RawLock::release(self).expect("it is held");
    }

    fn is_locked(&self) -> bool {
        RawLock::is_locked(self)
    }
}

impl Lock for parking_lot::RawMutex {
    const SLEEPS: Sleeps = Sleeps::AsTheSystemSays;

    fn new() -> Self {
        parking_lot::RawMutex::INIT
    }

    fn acquire(&self) {
        self.lock();
    }

    fn try_acquire(&self) -> bool {
        self.try_lock().is_some()
    }

    fn acquire_for(&self, timeout: Duration) -> bool {
        self.try_lock_for(timeout).is_some()
    }

    fn release(&self) {
        // SAFETY: the callers release what is held. The guard has no state.
        unsafe { self.unlock(parking_lot::lock_api::GuardNoSend::new()) };
    }

    fn is_locked(&self) -> bool {
        parking_lot::lock_api::RawMutex::is_locked(self)
    }
}

fn test_acquire_destroy<L: Lock>() {
    let lock = L::new();
    lock.acquire();
    drop(lock);
}

fn test_acquire_release<L: Lock>() {
    let lock = L::new();
    lock.acquire();
    assert!(lock.is_locked());
    lock.release();
    assert!(!lock.is_locked());
}

fn test_try_acquire<L: Lock>() {
    let lock = L::new();
    assert!(lock.try_acquire());
    lock.release();
}

fn test_try_acquire_contended<L: Lock>() {
    let lock = L::new();
    lock.acquire();
    std::thread::scope(|s| assert!(!start(s, || lock.try_acquire()).join()));
    lock.release();
}

fn test_acquire_contended<L: Lock>() {
    let (lock, passed) = (L::new(), AtomicUsize::new(0));
    lock.acquire();
    std::thread::scope(|s| {
        let threads = [(); 5].map(|()| {
            start(s, || {
                lock.acquire();
                passed.fetch_add(1, SeqCst);
                lock.release();
            })
        });
        threads
            .iter()
            .for_each(|thread| L::SLEEPS.until_asleep(thread));
        assert_eq!(passed.load(SeqCst), 0);
        lock.release();
        threads.into_iter().for_each(|thread| thread.join());
    });
    assert_eq!(passed.into_inner(), 5);
}

fn test_thread_leak<L: Lock>() {
    let lock = L::new();
    let records = std::thread::scope(|s| {
        let threads = [(); 15].map(|()| {
            start(s, || {
                lock.acquire();
                lock.release();
                tk_core::current()
            })
        });
        threads.map(|thread| thread.join())
    });
    let gone = || {
        tk_core::enumerate()
            .iter()
            .all(|thread| !records.contains(thread))
    };
    until("foreign threads leave no entry in the registry", gone);
}

fn test_timeout<L: Lock>() {
    let lock = L::new();
    // A free lock is taken, whatever the time is. Neither the longest time nor zero is an error.
    for timeout in [Duration::MAX, Duration::from_secs(60), Duration::ZERO] {
        assert!(lock.acquire_for(timeout));
        lock.release();
    }
    lock.acquire();
    std::thread::scope(|s| {
        assert!(!start(s, || takes_a_short_time(|| lock.acquire_for(SHORT))).join());
        assert!(!start(s, || lock.acquire_for(Duration::ZERO)).join());
    });
    lock.release();
}

fn test_reacquire<L: Lock>() {
    let lock = L::new();
    std::thread::scope(|s| {
        let thread = start(s, || {
            lock.acquire();
            lock.acquire();
        });
        L::SLEEPS.until_asleep(&thread);
        lock.release();
        thread.join();
    });
    lock.release();
}

fn test_different_thread<L: Lock>() {
    let lock = L::new();
    lock.acquire();
    std::thread::scope(|s| start(s, || lock.release()).join());
    lock.acquire();
    lock.release();
}

fn test_state_after_timeout<L: Lock>() {
    let lock = L::new();
    lock.acquire();
    std::thread::scope(|s| assert!(!start(s, || lock.acquire_for(SHORT)).join()));
    lock.release();
    assert!(!lock.is_locked());
    assert!(lock.try_acquire());
    lock.release();
}

suite!(
    kit_raw_lock: tk_lock::RawLock,
    test_acquire_destroy,
    test_acquire_release,
    test_try_acquire,
    test_try_acquire_contended,
    test_acquire_contended,
    test_thread_leak,
    test_timeout,
    test_reacquire,
    test_different_thread,
    test_state_after_timeout,
);

#[cfg(target_os = "linux")]
suite!(
    peer_parking_lot: parking_lot::RawMutex,
    test_acquire_destroy,
    test_acquire_release,
    test_try_acquire,
    test_try_acquire_contended,
    test_acquire_contended,
    test_thread_leak,
    test_timeout,
    test_reacquire,
    test_different_thread,
    test_state_after_timeout,
);

/// A lock that can be shown, and held while a function runs.
trait Guarded: Send + Sync + Debug {
    /// The part of its `Debug` output that says that it is held.
    const HELD: &str;
    fn new() -> Self;
    fn with<R>(&self, f: impl FnOnce() -> R) -> R;
    fn is_free(&self) -> bool;
}

impl Guarded for TkLock<()> {
    const HELD: &str = "<locked>";

    fn new() -> Self {
        TkLock::new(())
    }

    fn with<R>(&self, f: impl FnOnce() -> R) -> R {
        let _guard = self.lock();
        f()
    }

    fn is_free(&self) -> bool {
        self.try_lock().is_some()
    }
}

impl Guarded for RawLock {
    const HELD: &str = "locked: true";

    fn new() -> Self {
        RawLock::new()
    }

    fn with<R>(&self, f: impl FnOnce() -> R) -> R {
        self.acquire();
        let result = f();
        self.release().expect("held");
        result
    }

    fn is_free(&self) -> bool {
        !self.is_locked()
    }
}

impl Guarded for parking_lot::Mutex<()> {
    const HELD: &str = "<locked>";

    fn new() -> Self {
        parking_lot::Mutex::new(())
    }

    fn with<R>(&self, f: impl FnOnce() -> R) -> R {
        let _guard = self.lock();
        f()
    }

    fn is_free(&self) -> bool {
        self.try_lock().is_some()
    }
}

impl Guarded for std::sync::Mutex<()> {
    const HELD: &str = "<locked>";

    fn new() -> Self {
        std::sync::Mutex::new(())
    }

    fn with<R>(&self, f: impl FnOnce() -> R) -> R {
        let _guard = self.lock();
        f()
    }

    fn is_free(&self) -> bool {
        !matches!(self.try_lock(), Err(std::sync::TryLockError::WouldBlock))
    }
}

fn test_constructor<L: Guarded>() {
    drop(L::new());
}

fn test_repr<L: Guarded>() {
    let lock = L::new();
    let shown = format!("{lock:?}");
    assert!(!shown.contains(L::HELD), "{shown}");
}

fn test_locked_repr<L: Guarded>() {
    let lock = L::new();
    let shown = lock.with(|| format!("{lock:?}"));
    assert!(shown.contains(L::HELD), "{shown}");
}

fn test_with<L: Guarded>() {
    let lock = L::new();
    assert!(!lock.with(|| lock.is_free()));
    assert!(lock.is_free());
    let panics = || lock.with(|| panic!("on purpose"));
    assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
    assert!(lock.is_free());
}

suite!(kit_lock: tk_lock::Lock<()>, test_constructor, test_repr, test_locked_repr, test_with);
suite!(kit_raw_lock_value: tk_lock::RawLock, test_constructor, test_repr, test_locked_repr);
suite!(
    peer_parking_lot_guard: parking_lot::Mutex<()>,
    test_constructor,
    test_repr,
    test_locked_repr,
    test_with,
);
suite!(peer_std: std::sync::Mutex<()>, test_constructor, test_repr, test_locked_repr, test_with);

/// Of `ThreadingExceptionTests`: the release of a lock that is free is an error.
#[test]
fn test_releasing_unacquired_lock() {
    assert_eq!(RawLock::new().release(), Err(tk_lock::NotLocked));
}
