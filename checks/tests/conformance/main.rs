//! The promises of CPython's `threading` for its locks, events, conditions, semaphores, barriers
//! and locals, test by test.
//!
//! The tests bear the names of CPython's own (`test_different_thread` of `LockTests` is
//! `lock::kit_raw_lock::test_different_thread` here). Each is one body, which runs over the types
//! of the kit. It also runs over those of `std` and `parking_lot` where they have the operations,
//! so that a test does not merely repeat what the kit happens to do.
#![allow(non_snake_case, reason = "the names are CPython's")]

mod barrier;
mod condition;
mod event;
mod local;
mod lock;
mod rlock;
mod semaphore;
mod thread;
mod timer;

use std::time::{Duration, Instant};

use tk_testing::{Running, until, until_parked};

/// Makes a module of tests for a type, from bodies that are generic over it.
macro_rules! suite {
    ($module:ident: $type:ty, $($test:ident),+ $(,)?) => {
        mod $module {
            $(
                #[test]
                fn $test() {
                    super::$test::<$type>();
                }
            )+
        }
    };
}
use suite;

/// The way in which a test knows that a thread waits for a thing.
#[derive(Clone, Copy)]
enum Sleeps {
    /// Its record says that it waits for a thing of this kind.
    AsRecorded(&'static str),
    /// The system says that it sleeps. Threads of other libraries have no record.
    AsTheSystemSays,
}

impl Sleeps {
    fn until_asleep<T>(self, thread: &Running<'_, T>) {
        match self {
            Sleeps::AsRecorded(kind) => until_parked(&thread.record, kind),
            Sleeps::AsTheSystemSays => until("a thread sleeps", || {
                let id = thread.record.native_id().expect("known on this system");
                // After the name, which is in brackets, comes the state.
                std::fs::read_to_string(format!("/proc/self/task/{id}/stat"))
                    .is_ok_and(|stat| stat.rsplit(") ").next().is_some_and(|s| s.starts_with('S')))
            }),
        }
    }
}

/// A short time, for waits that are to fail.
const SHORT: Duration = Duration::from_millis(20);

/// Runs something that is to take at least [`SHORT`], and not very much longer.
fn takes_a_short_time<R>(f: impl FnOnce() -> R) -> R {
    let start = Instant::now();
    let result = f();
    let took = start.elapsed();
    assert!(took >= SHORT && took < Duration::from_secs(20), "{took:?}");
    result
}
