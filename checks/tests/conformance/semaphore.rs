//! `BaseSemaphoreTests`, `SemaphoreTests` and `BoundedSemaphoreTests`.

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use tk_semaphore::{BoundedSemaphore, Permit, ReleaseError, Semaphore};

use crate::parked::{Running, is_parked, start, start_parked, until};
use crate::{SHORT, suite, takes_a_short_time};

trait Counting: Send + Sync + Debug + Default {
    fn new(permits: usize) -> Self;
    fn acquire(&self) -> Permit<'_>;
    fn try_acquire(&self) -> Option<Permit<'_>>;
    fn acquire_for(&self, timeout: Duration) -> Option<Permit<'_>>;
    fn release(&self, n: usize) -> Result<(), ReleaseError>;
}

/// Both types have the same methods.
macro_rules! counting {
    ($type:ty) => {
        impl Counting for $type {
            fn new(permits: usize) -> Self {
                <$type>::new(permits)
            }

            fn acquire(&self) -> Permit<'_> {
                <$type>::acquire(self)
            }

            fn try_acquire(&self) -> Option<Permit<'_>> {
                <$type>::try_acquire(self)
            }

            fn acquire_for(&self, timeout: Duration) -> Option<Permit<'_>> {
                <$type>::acquire_for(self, timeout)
            }

            fn release(&self, n: usize) -> Result<(), ReleaseError> {
                <$type>::release(self, n)
            }
        }
    };
}

counting!(Semaphore);
counting!(BoundedSemaphore);

fn test_acquire<S: Counting>() {
    let one = S::new(1);
    drop(one.acquire());
    let two = S::new(2);
    let both = (two.acquire(), two.acquire());
    assert!(two.try_acquire().is_none());
    drop(both);
}

fn test_acquire_destroy<S: Counting>() {
    let semaphore = S::new(1);
    semaphore.acquire().forget();
    drop(semaphore);
}

/// Ten threads take seven permits, twice each; exactly so many get through as permits are given back.
fn contend<S: Counting>(give_back: impl Fn(&S, usize)) {
    let semaphore = S::new(7);
    let (first, second) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|s| {
        let threads: Vec<_> = (0..10)
            .map(|_| {
                start(s, || {
                    semaphore.acquire().forget();
                    first.fetch_add(1, SeqCst);
                    semaphore.acquire().forget();
                    second.fetch_add(1, SeqCst);
                })
            })
            .collect();
        let all_sleep = |threads: &[Running<'_, ()>]| {
            threads
                .iter()
                .all(|thread| thread.is_finished() || is_parked(&thread.record, "semaphore"))
        };
        let passed = || first.load(SeqCst) + second.load(SeqCst);
        let mut given = 7;
        for n in [6, 7] {
            until("all that can have passed", || {
                passed() == given && all_sleep(&threads)
            });
            assert_eq!(passed(), given);
            give_back(&semaphore, n);
            given += n;
        }
        threads.into_iter().for_each(|thread| thread.join());
        assert_eq!(passed(), 20);
    });
}

fn test_acquire_contended<S: Counting>() {
    contend(|semaphore: &S, n| (0..n).for_each(|_| semaphore.release(1).unwrap()));
}

fn test_multirelease<S: Counting>() {
    contend(|semaphore: &S, n| semaphore.release(n).unwrap());
}

fn test_try_acquire<S: Counting>() {
    let semaphore = S::new(2);
    let first = semaphore.try_acquire();
    let second = semaphore.try_acquire();
    assert!(first.is_some() && second.is_some());
    assert!(semaphore.try_acquire().is_none());
    drop(second);
    assert!(semaphore.try_acquire().is_some());
}

fn test_try_acquire_contended<S: Counting>() {
    let semaphore = S::new(4);
    semaphore.acquire().forget();
    let taken = std::thread::scope(|s| {
        let tries = || {
            (0..2)
                .filter_map(|_| semaphore.try_acquire())
                .map(Permit::forget)
                .count()
        };
        let threads = [(); 5].map(|()| start(s, tries));
        threads.map(|thread| thread.join()).iter().sum::<usize>()
    });
    assert_eq!(taken, 3);
}

fn test_acquire_timeout<S: Counting>() {
    let semaphore = S::new(2);
    for _ in 0..2 {
        let permit = semaphore.acquire_for(SHORT);
        permit.expect("there is one").forget();
    }
    assert!(takes_a_short_time(|| semaphore.acquire_for(SHORT)).is_none());
    semaphore.release(1).unwrap();
    assert!(semaphore.acquire_for(SHORT).is_some());
}

fn test_default_value<S: Counting>() {
    let semaphore = S::default();
    let permit = semaphore.acquire();
    std::thread::scope(|s| {
        let waiter = start_parked(s, "semaphore", || drop(semaphore.acquire()));
        drop(permit);
        waiter.join();
    });
}

fn test_with<S: Counting>() {
    let semaphore = S::new(2);
    {
        let _outer = semaphore.acquire();
        assert!(semaphore.try_acquire().is_some());
        let _inner = semaphore.acquire();
        assert!(semaphore.try_acquire().is_none());
    }
    let panics = || {
        let _permits = (semaphore.acquire(), semaphore.acquire());
        panic!("on purpose");
    };
    assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
    let _both = (
        semaphore.try_acquire().unwrap(),
        semaphore.try_acquire().unwrap(),
    );
}

suite!(
    kit_semaphore: tk_semaphore::Semaphore,
    test_acquire,
    test_acquire_destroy,
    test_acquire_contended,
    test_multirelease,
    test_try_acquire,
    test_try_acquire_contended,
    test_acquire_timeout,
    test_default_value,
    test_with,
);
suite!(
    kit_bounded_semaphore: tk_semaphore::BoundedSemaphore,
    test_acquire,
    test_acquire_destroy,
    test_acquire_contended,
    test_multirelease,
    test_try_acquire,
    test_try_acquire_contended,
    test_acquire_timeout,
    test_default_value,
    test_with,
);

mod unbounded {
    use tk_semaphore::Semaphore;

    #[test]
    fn test_release_unacquired() {
        let semaphore = Semaphore::new(1);
        semaphore.release(1).unwrap();
        let _both = (
            semaphore.try_acquire().unwrap(),
            semaphore.try_acquire().unwrap(),
        );
        assert!(semaphore.try_acquire().is_none());
    }

    #[test]
    fn test_repr() {
        assert_eq!(
            format!("{:?}", Semaphore::new(3)),
            "Semaphore { available: 3 }"
        );
    }
}

mod bounded {
    use tk_semaphore::BoundedSemaphore;

    #[test]
    fn test_release_unacquired() {
        let semaphore = BoundedSemaphore::new(1);
        assert!(semaphore.release(1).is_err());
        drop(semaphore.acquire());
        assert!(semaphore.release(1).is_err());
    }

    #[test]
    fn test_repr() {
        let semaphore = BoundedSemaphore::new(4);
        let _permit = semaphore.acquire();
        assert_eq!(
            format!("{semaphore:?}"),
            "BoundedSemaphore { available: 3, bound: 4 }"
        );
    }

    /// Of `ThreadTests`.
    #[test]
    fn test_BoundedSemaphore_limit() {
        for limit in 1..10 {
            let semaphore = BoundedSemaphore::new(limit);
            std::thread::scope(|s| {
                for _ in 0..limit {
                    s.spawn(|| semaphore.acquire().forget());
                }
            });
            std::thread::scope(|s| {
                for _ in 0..limit {
                    s.spawn(|| semaphore.release(1).unwrap());
                }
            });
            assert!(semaphore.release(1).is_err());
        }
    }
}
