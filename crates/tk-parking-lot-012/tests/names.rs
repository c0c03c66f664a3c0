//! Every name, and every method that is not one of `lock_api`'s.

use std::thread::scope;

use tk_parking_lot_012 as parking_lot;
use tk_parking_lot_012::{
    FairMutex, Mutex, ReentrantMutex, RwLock, const_fair_mutex, const_mutex, const_reentrant_mutex,
    const_rwlock,
};
use tk_testing::{start, start_parked};

#[path = "../../tk-parking-lot/tests/names/both_versions.rs"]
mod both_versions;

#[test]
fn a_lock_is_made_by_a_function() {
    static MUTEX: Mutex<u32> = const_mutex(1);
    static FAIR: FairMutex<u32> = const_fair_mutex(2);
    static REENTRANT: ReentrantMutex<u32> = const_reentrant_mutex(3);
    static RWLOCK: RwLock<u32> = const_rwlock(4);
    let sum = *MUTEX.lock() + *FAIR.lock() + *REENTRANT.lock() + *RWLOCK.read();
    assert_eq!(sum, 10);
}

#[test]
fn a_thread_that_reads_reads_again_while_a_writer_waits() {
    let lock = RwLock::new(0);
    let first = lock.read();
    scope(|s| {
        let writer = start_parked(s, "write lock", || *lock.write() += 1);
        drop(lock.read_recursive());
        drop(lock.try_read_recursive().unwrap());
        assert!(start(s, || lock.try_read().is_none()).join());
        drop(first);
        writer.join();
    });
}

#[cfg(not(feature = "send_guard"))]
#[test]
fn a_thread_that_waits_for_itself_ends_the_program() {
    const WAIT: &str = "TK_TEST_WAIT";
    let (mutex, rwlock) = (Mutex::new(()), RwLock::new(()));
    match std::env::var(WAIT).as_deref() {
        Ok("mutex") => return drop((mutex.lock(), mutex.lock())),
        Ok("rwlock") => return drop((rwlock.read(), rwlock.write())),
        _ => {}
    }
    for (wait, words) in [
        ("mutex", "this thread holds the lock already"),
        ("rwlock", "this thread reads under the lock"),
    ] {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture"])
            .arg("a_thread_that_waits_for_itself_ends_the_program")
            .env(WAIT, wait)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && text.contains(words), "{text}");
        assert!(text.contains("abort"), "{text}");
    }
}
