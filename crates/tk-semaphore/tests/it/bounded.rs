use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use static_assertions::assert_impl_all;
use tk_semaphore::{
    AcquireError, Bounded, BoundedSemaphore, Limit, OwnedPermit, Permit, StopSource, WaitError,
};

use tk_testing::{is_parked, start_parked};

assert_impl_all!(BoundedSemaphore: Send, Sync, Default);
assert_impl_all!(Permit<'static, Bounded>: Send, Sync);
assert_impl_all!(OwnedPermit<Bounded>: Send, Sync);

#[test]
fn the_default_is_one_permit() {
    let semaphore = BoundedSemaphore::default();
    assert_eq!((semaphore.available(), semaphore.bound()), (1, 1));
    assert_eq!(BoundedSemaphore::new(3).bound(), 3);
}

#[test]
fn a_release_past_the_bound_is_an_error_and_changes_nothing() {
    for bound in 1..10 {
        let semaphore = BoundedSemaphore::new(bound);
        assert!(semaphore.release(1).is_err());
        let permits: Vec<_> = (0..bound).map(|_| semaphore.acquire()).collect();
        assert!(semaphore.try_acquire().is_none());
        permits.into_iter().for_each(Permit::forget);
        assert!(semaphore.release(bound + 1).is_err());
        assert_eq!(semaphore.available(), 0);
        semaphore.release(bound).unwrap();
        assert!(semaphore.release(1).is_err());
        assert_eq!(semaphore.available(), bound);
    }
}

#[test]
fn a_release_is_all_or_nothing() {
    let semaphore = BoundedSemaphore::new(3);
    semaphore.acquire().forget();
    semaphore.acquire().forget();
    let error = semaphore.release(3).unwrap_err();
    assert_eq!(
        error.to_string(),
        "release of 3 permits past the bound of 3"
    );
    assert!(semaphore.release(usize::MAX).is_err());
    assert_eq!(semaphore.available(), 1);
    semaphore.release(2).unwrap();
}

#[test]
fn a_release_past_the_bound_wakes_no_waiter_and_keeps_it_queued() {
    let semaphore = BoundedSemaphore::new(1);
    semaphore.acquire().forget();
    std::thread::scope(|s| {
        let waiter = start_parked(s, "semaphore", || semaphore.acquire().forget());
        assert!(semaphore.release(2).is_err());
        assert!(is_parked(&waiter.record, "semaphore"));
        semaphore.release(1).unwrap();
        waiter.join();
    });
    assert_eq!(semaphore.available(), 0);
}

#[test]
fn permits_are_released_on_return_and_on_panic() {
    let semaphore = BoundedSemaphore::new(2);
    {
        let _first = semaphore.acquire();
        let _second = semaphore.acquire();
        assert!(semaphore.try_acquire().is_none());
    }
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _permit = semaphore.acquire();
        panic!("on purpose");
    }));
    assert!(panicked.is_err());
    assert_eq!(semaphore.available(), 2);
}

#[test]
fn a_permit_that_was_released_by_hand_is_not_released_twice() {
    let semaphore = BoundedSemaphore::new(1);
    let permit = semaphore.acquire();
    semaphore.release(1).unwrap();
    drop(permit);
    assert_eq!(semaphore.available(), 1);
}

#[test]
fn a_dropped_permit_releases_as_much_as_fits() {
    let semaphore = Arc::new(BoundedSemaphore::new(3));
    let permit = semaphore.acquire_many_with(3, Limit::never()).unwrap();
    semaphore.release(1).unwrap();
    drop(permit);
    assert_eq!(semaphore.available(), 3);
    let permit = semaphore
        .acquire_many_owned_with(3, Limit::never())
        .unwrap();
    semaphore.release(2).unwrap();
    drop(permit);
    assert_eq!(semaphore.available(), 3);
}

#[test]
fn an_owned_permit_keeps_its_semaphore_and_can_be_sent() {
    let semaphore = Arc::new(BoundedSemaphore::new(2));
    let weak = Arc::downgrade(&semaphore);
    let permit = semaphore
        .acquire_many_owned_with(2, Limit::never())
        .unwrap();
    assert_eq!((permit.count(), semaphore.available()), (2, 0));
    drop(semaphore);
    assert!(weak.upgrade().is_some());
    std::thread::spawn(move || drop(permit)).join().unwrap();
    assert!(weak.upgrade().is_none());
}

#[test]
fn debug_shows_what_is_available_and_the_bound() {
    let semaphore = BoundedSemaphore::new(2);
    let _permit = semaphore.acquire();
    assert_eq!(
        format!("{semaphore:?}"),
        "BoundedSemaphore { available: 1, bound: 2 }"
    );
}

#[test]
fn a_bound_of_zero_panics_if_the_wait_would_have_no_end() {
    static NONE: BoundedSemaphore = BoundedSemaphore::new(0);
    assert!(catch_unwind(|| NONE.acquire()).is_err());
    assert!(catch_unwind(|| NONE.acquire_with(Limit::never())).is_err());
    assert!(catch_unwind(|| NONE.acquire_with(Duration::MAX)).is_err());
    let shared = Arc::new(BoundedSemaphore::new(0));
    assert!(catch_unwind(|| shared.acquire_owned_with(Limit::never())).is_err());
    let none = AcquireError::TooMany { wanted: 1, max: 0 };
    assert_eq!(NONE.acquire_many_with(1, Limit::never()).err(), Some(none));

    assert!(NONE.try_acquire().is_none());
    assert!(NONE.acquire_for(Duration::from_millis(1)).is_none());
    let source = StopSource::new();
    source.request_stop();
    let refused = NONE.acquire_with(&source.token()).err();
    assert_eq!(refused, Some(WaitError::Stopped));
    let none = NONE.acquire_many_with(0, Limit::never());
    assert_eq!(none.map(Permit::forget), Ok(()));
    assert!(NONE.release(1).is_err());
}
